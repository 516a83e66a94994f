"""Scalar code: functions as straight-line programs, their Jacobians by planned orders, and source text of both.

The Jacobian of a small function, of a robot's arm or a tyre, takes less time than the call of a framework. So the
function is taken apart into operations on reals, differentiated symbol by symbol, and written out as C, Python, CasADi
or SymPy. The steps of a plan become lines, equal lines are one, and what counts is the number of lines.

The room is on the top floor, beside `web`, because its source for JAX reads the traces of the room `jax` one floor
below; rooms of one floor do not know each other, and a second reader of traces would be a second truth. Nothing here
imports JAX, CasADi or SymPy but the file of that source or target.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainplan.codegen.compile import CompiledProgram as CompiledProgram
    from chainplan.codegen.program import ScalarProgram as ScalarProgram
    from chainplan.codegen.sources.casadi_function import from_casadi as from_casadi
    from chainplan.codegen.sources.jax_function import from_jax as from_jax
    from chainplan.codegen.sources.layers import from_layers as from_layers
    from chainplan.codegen.sources.plan_steps import from_plan as from_plan
    from chainplan.codegen.sources.sympy_expressions import from_sympy as from_sympy

_HOMES_OF_CODE = {
    "CompiledProgram": "compile",
    "ScalarProgram": "program",
    "from_casadi": "sources.casadi_function",
    "from_jax": "sources.jax_function",
    "from_layers": "sources.layers",
    "from_plan": "sources.plan_steps",
    "from_sympy": "sources.sympy_expressions",
}

__all__ = sorted(_HOMES_OF_CODE)


def __getattr__(name: str) -> Any:
    if name not in _HOMES_OF_CODE:
        raise AttributeError(f"module 'chainplan.codegen' has no attribute '{name}'")
    value = getattr(import_module(f"chainplan.codegen.{_HOMES_OF_CODE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
