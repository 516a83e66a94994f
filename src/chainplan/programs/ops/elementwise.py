"""Elementwise functions, whose Jacobian is a diagonal of any size.

Each has a value, and a derivative in terms of the argument x and the value y. All take complex arguments, whose real
part chooses the branch. The derivative of relu at 0 is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt
from typing import ClassVar

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import RESULT_VERTEX, ArrayShape, KeptValues, Op, OpEdge, size
from chainplan.values.jacobians import GivenJacobian

CALCULUS_REFERENCE = "Griewank & Walther, chapter 3"


class Elementwise(Op):
    """y_i = f(x_i)."""

    formula: ClassVar[str] = CALCULUS_REFERENCE

    def function(self, x: Array) -> Array:
        """Return f(x)."""
        raise NotImplementedError

    def derivative(self, x: Array, y: Array) -> Array:
        """Return f'(x), given y = f(x)."""
        raise NotImplementedError

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        return shapes[0]

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        n = size(shapes[0])
        return (OpEdge(0, RESULT_VERTEX, n, n, "diagonal"),)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(self.function(arguments[0])), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return (np.asarray(self.derivative(arguments[0], value)).ravel(),)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(), ((5,),)), (cls(), ((2, 3),)), (cls(), ((),))


class Sigmoid(Elementwise):
    """1 / (1 + exp(-x)), accurate to the last digits at both ends."""

    name = "sigmoid"
    formula = "Goodfellow, Bengio & Courville, section 3.10"

    def function(self, x: Array) -> Array:
        return _sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * _sigmoid(-x)


class Tanh(Elementwise):
    """tanh(x)."""

    name = "tanh"

    def function(self, x: Array) -> Array:
        return np.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 - y * y


class Relu(Elementwise):
    """max(x, 0)."""

    name = "relu"
    formula = "Goodfellow, Bengio & Courville, section 6.3.1"

    def function(self, x: Array) -> Array:
        return np.where(x.real > 0, x, 0)

    def derivative(self, x: Array, y: Array) -> Array:
        return np.where(x.real > 0, 1.0, 0.0)

    def kinks(self, argument: Array, reach: float) -> Array | None:
        return np.asarray(np.abs(argument) <= reach)


class Exp(Elementwise):
    """exp(x)."""

    name = "exp"

    def function(self, x: Array) -> Array:
        return np.exp(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y


class Log(Elementwise):
    """The natural logarithm."""

    name = "log"
    positive = True

    def function(self, x: Array) -> Array:
        return np.log(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 / x


class Sqrt(Elementwise):
    """The square root."""

    name = "sqrt"
    positive = True

    def function(self, x: Array) -> Array:
        return np.sqrt(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 0.5 / y


class Softplus(Elementwise):
    """log(1 + exp(x)), written so that nothing overflows."""

    name = "softplus"
    formula = "Goodfellow, Bengio & Courville, section 3.10"

    def function(self, x: Array) -> Array:
        up = x.real > 0
        return np.where(up, x, 0) + np.log1p(np.exp(np.where(up, -x, x)))

    def derivative(self, x: Array, y: Array) -> Array:
        return _sigmoid(x)


class Gelu(Elementwise):
    """x Φ(x), with Φ the distribution function of the standard normal distribution."""

    name = "gelu"
    formula = "Hendrycks & Gimpel 2016 (arXiv 1606.08415), section 2"

    def function(self, x: Array) -> Array:
        from scipy.special import erf

        return 0.5 * x * (1 + erf(x / sqrt(2)))

    def derivative(self, x: Array, y: Array) -> Array:
        from scipy.special import erf

        return 0.5 * (1 + erf(x / sqrt(2))) + x * np.exp(-0.5 * x * x) / sqrt(2 * pi)


def _sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + exp(-x)) or exp(x) / (1 + exp(x)), so that no exponent is positive and nothing cancels."""
    up = x.real > 0
    small = np.exp(np.where(up, -x, x))
    return np.asarray(np.where(up, 1, small) / (1 + small))
