"""The derivatives of the operations by their operands, written as operations too.

They stand for what a writer writes: products, reciprocals and sums, and functions of one or two numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt

from chainplan.codegen.writer import Ref, Writer

Derivatives = Callable[[Writer, tuple[Ref, ...], Ref], tuple[Ref | None, ...]]
"""Writes the derivatives at the operands and the value; None stands for one that is zero everywhere."""


def _mul(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    return a[1], a[0]


def _sqrt(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    return (w.mul(w.constant(0.5), w.recip(v)),)


def _cbrt(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    return (w.mul(w.constant(1 / 3), w.recip(w.mul(v, v))),)


def _tan(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    return (w.add(w.ONE, w.mul(v, v)),)


def _tanh(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    return (w.sub(w.ONE, w.mul(v, v)),)


def _root_of_one_minus_square(w: Writer, x: Ref) -> Ref:
    return w.recip(w.unary("sqrt", w.sub(w.ONE, w.mul(x, x))))


def _erf_derivative(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    return (w.mul(w.constant(2 / sqrt(pi)), w.unary("exp", w.neg(w.mul(a[0], a[0])))),)


def _pow(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    base, exponent = a
    by_base = w.mul(exponent, w.pow(base, w.sub(exponent, w.ONE)))
    return by_base, None if w.is_constant(exponent) else w.mul(v, w.unary("log", base))


def _atan2(w: Writer, a: tuple[Ref, ...], v: Ref) -> tuple[Ref | None, ...]:
    y, x = a
    r = w.recip(w.add(w.mul(x, x), w.mul(y, y)))
    return w.mul(x, r), w.neg(w.mul(y, r))


def _taken(w: Writer, first: Ref) -> tuple[Ref, Ref]:
    """Return the derivatives of what takes one of two operands, the first where `first` is 1."""
    return first, w.sub(w.ONE, first)


DERIVATIVES: dict[str, Derivatives] = {
    "add": lambda w, a, v: (w.ONE, w.ONE),
    "mul": _mul,
    "recip": lambda w, a, v: (w.neg(w.mul(v, v)),),
    "sqrt": _sqrt,
    "cbrt": _cbrt,
    "sin": lambda w, a, v: (w.unary("cos", a[0]),),
    "cos": lambda w, a, v: (w.neg(w.unary("sin", a[0])),),
    "tan": _tan,
    "asin": lambda w, a, v: (_root_of_one_minus_square(w, a[0]),),
    "acos": lambda w, a, v: (w.neg(_root_of_one_minus_square(w, a[0])),),
    "atan": lambda w, a, v: (w.recip(w.add(w.ONE, w.mul(a[0], a[0]))),),
    "sinh": lambda w, a, v: (w.unary("cosh", a[0]),),
    "cosh": lambda w, a, v: (w.unary("sinh", a[0]),),
    "tanh": _tanh,
    "exp": lambda w, a, v: (v,),
    "expm1": lambda w, a, v: (w.add(v, w.ONE),),
    "log": lambda w, a, v: (w.recip(a[0]),),
    "log1p": lambda w, a, v: (w.recip(w.add(w.ONE, a[0])),),
    "erf": _erf_derivative,
    "abs": lambda w, a, v: (w.unary("sign", a[0]),),
    "sign": lambda w, a, v: (None,),
    "floor": lambda w, a, v: (None,),
    "pow": _pow,
    "atan2": _atan2,
    "min": lambda w, a, v: _taken(w, w.compare("lt", a[1], a[0]))[::-1],
    "max": lambda w, a, v: _taken(w, w.compare("lt", a[0], a[1]))[::-1],
    "lt": lambda w, a, v: (None, None),
    "le": lambda w, a, v: (None, None),
    "eq": lambda w, a, v: (None, None),
    "select": lambda w, a, v: (None, *_taken(w, a[0])),
}
"""The derivatives of all operations that a writer writes, by name."""
