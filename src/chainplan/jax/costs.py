"""The predicted cost of one tangent of an equation, in fma: that of its value, counted from the shapes.

A prediction decides which plan is made, never whether the plan is right. A `while` is predicted to run
`ASSUMED_LOOP_TRIPS` times, a `cond` to take its dearest branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from jax.extend import core

from chainplan.jax.rules_dot import axes_of
from chainplan.jax.rules_elementwise import ELEMENTWISE_PRIMITIVES
from chainplan.jax.trace import TraceEquation
from chainplan.jax.types import Parameters, Shaped

ASSUMED_LOOP_TRIPS = 10
"""The number of trips of a loop where it is not known."""


def equation_fma(equation: TraceEquation) -> int:
    """Count the multiply-adds of an equation, at least one."""
    return max(1, _fma(equation.name, equation.params, equation.ins, equation.outs))


def _fma(name: str, params: Parameters, ins: Sequence[Shaped], outs: Sequence[Shaped]) -> int:
    """Count the multiply-adds of a primitive."""
    if name == "dot_general":
        return prod(axes_of(ins, params)[2:])
    if name == "conv_general_dilated":
        kernel, numbers = ins[1].shape, params["dimension_numbers"]
        return int(prod(outs[0].shape) * prod(kernel) // max(1, kernel[numbers.rhs_spec[0]]))
    if name == "scan":
        return int(params["length"]) * _body(params["jaxpr"])
    if name == "while":
        return ASSUMED_LOOP_TRIPS * (_body(params["body_jaxpr"]) + _body(params["cond_jaxpr"]))
    if name == "cond":
        return max(_body(branch) for branch in params["branches"])
    if name in ("lu", "cholesky", "qr", "eigh", "svd", "eig", "householder_product"):
        return int(prod(ins[0].shape) * min(ins[0].shape[-2:]))
    if name == "triangular_solve":
        return int(prod(outs[0].shape) * ins[0].shape[-1])
    if name == "custom_linear_solve":
        return _body(params["jaxprs"].matvec) + _body(params["jaxprs"].solve)
    if name == "fft":
        points = prod(params["fft_lengths"])
        return int(2 * max(_size(ins), _size(outs)) * max(1, points.bit_length() - 1))
    if name.startswith("reduce_window"):
        return int(_size(outs) * prod(params["window_dimensions"]))
    inner = sum(_body(p) for p in params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr"))
    if inner:
        return inner
    if name in ELEMENTWISE_PRIMITIVES:
        return _size(outs)
    return max(_size(ins), _size(outs))


def _body(jaxpr: core.Jaxpr | core.ClosedJaxpr) -> int:
    """Count the multiply-adds of a program inside an equation."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    total = 0
    for eqn in inner.eqns:
        sides = [[v.aval for v in side] for side in (eqn.invars, eqn.outvars)]
        total += _fma(eqn.primitive.name, eqn.params, *sides)
    return total


def _size(avals: Sequence[Shaped]) -> int:
    """Return the number of entries of the largest of some arrays."""
    return max((prod(a.shape) for a in avals if hasattr(a, "shape")), default=0)
