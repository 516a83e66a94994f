"""The table of targets: a new one is a file beside this one and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainplan.codegen.straight_line import StraightLine
from chainplan.codegen.targets.c import c_source
from chainplan.codegen.targets.casadi_function import casadi_source
from chainplan.codegen.targets.latex import latex_source
from chainplan.codegen.targets.python import python_source
from chainplan.codegen.targets.sympy_expressions import sympy_source


class CodeTarget(NamedTuple):
    """A language in words, the ending of its files, and what writes a program under a name."""

    words: str
    suffix: str
    source: Callable[[StraightLine, str], str]


TARGETS: dict[str, CodeTarget] = {
    "c": CodeTarget("C99", ".c", c_source),
    "python": CodeTarget("Python", ".py", python_source),
    "casadi": CodeTarget("Python with CasADi", ".py", casadi_source),
    "sympy": CodeTarget("Python with SymPy", ".py", sympy_source),
    "latex": CodeTarget("LaTeX", ".tex", latex_source),
}
"""All targets by their names on the command line."""
