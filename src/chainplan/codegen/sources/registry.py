"""The table of sources: a new one is a file beside this one and a line here."""

from __future__ import annotations

from collections.abc import Callable

from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.sources.casadi_function import from_casadi
from chainplan.codegen.sources.jax_function import from_jax
from chainplan.codegen.sources.layers import from_layers
from chainplan.codegen.sources.plan_steps import from_plan
from chainplan.codegen.sources.sympy_expressions import from_sympy

SOURCES: dict[str, Callable[..., ScalarProgram]] = {
    "jax": from_jax,
    "layers": from_layers,
    "plan": from_plan,
    "sympy": from_sympy,
    "casadi": from_casadi,
}
"""All sources by name; each imports its package when it is called."""
