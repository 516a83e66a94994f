"""What one tangent of an equation is taken to cost, in fma: what its value costs, counted from the shapes.

Predictions only: they decide which plan is made, never whether it is right. A `while` is taken to run `TRIPS` times, of
a `cond` the dearest branch.
"""

from __future__ import annotations

from math import prod
from typing import Any

from chainplan.jax.rules_dot import axes_of
from chainplan.jax.rules_elementwise import ELEMENTWISE

TRIPS = 10
"""Trips of a loop whose number is not known."""


def equation_fma(equation: Any) -> int:
    """Multiply-adds of an `Equation`."""
    return max(1, _fma(equation.name, equation.params, equation.ins, equation.outs))


def _fma(name: str, params: dict[str, Any], ins: Any, outs: Any) -> int:
    if name == "dot_general":
        return prod(axes_of(ins, params)[2:])
    if name == "conv_general_dilated":
        kernel, numbers = ins[1].shape, params["dimension_numbers"]
        return int(prod(outs[0].shape) * prod(kernel) // max(1, kernel[numbers.rhs_spec[0]]))
    if name == "scan":
        return int(params["length"]) * _body(params["jaxpr"])
    if name == "while":
        return TRIPS * (_body(params["body_jaxpr"]) + _body(params["cond_jaxpr"]))
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
    if name in ELEMENTWISE:
        return _size(outs)
    return max(_size(ins), _size(outs))


def _body(jaxpr: Any) -> int:
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    total = 0
    for eqn in inner.eqns:
        sides = [[v.aval for v in side] for side in (eqn.invars, eqn.outvars)]
        total += _fma(eqn.primitive.name, eqn.params, *sides)
    return total


def _size(avals: Any) -> int:
    return max((prod(a.shape) for a in avals if hasattr(a, "shape")), default=0)
