"""LaTeX source: one aligned equation for each replacement and each output, as SymPy prints them."""

from __future__ import annotations

from typing import Any

from chainplan._version import __version__
from chainplan.codegen.straight_line import StraightLine
from chainplan.codegen.targets.sympy_expressions import sympy_expressions
from chainplan.errors import ArgumentError

MAX_LATEX_OPERATIONS = 200
"""The most operations of a program that is written for people to read."""


def latex_source(program: StraightLine, name: str) -> str:
    """Write a program as equations.

    Raises
    ------
    ArgumentError
        Where the program is too large to be read.
    SpecError
        Where SymPy is not installed.
    """
    if program.operations > MAX_LATEX_OPERATIONS:
        raise ArgumentError(
            f"latex: found {program.operations:,} operations; expected at most {MAX_LATEX_OPERATIONS}. Write C."
        )
    replacements, outputs = sympy_expressions(program, name)
    import sympy as sp

    def equation(left: str, right: Any) -> str:
        return f"{left} &= {sp.latex(right, order='none')}"

    equations = [equation(sp.latex(symbol), expression) for symbol, expression in replacements]
    for output, held in zip(program.outputs, outputs, strict=True):
        word = output.name.replace("_", r"\_")
        right = sp.Matrix(held) if len(output.shape) in (1, 2) else held
        equations.append(equation(rf"\mathrm{{{word}}}", right if output.shape else right[()]))
    head = f"% {name}: {program.operations:,} operations, written by chainplan {__version__}."
    return "\n".join([head, r"\begin{align*}", " \\\\\n".join(equations), r"\end{align*}", ""])
