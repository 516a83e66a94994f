"""The operations of scalar programs: how many operands each has, what it computes, and how a sign passes.

Every source writes these and every target knows them; a new one is a line here, in `derivatives`, and in the table of
each target. A truth value is the number 0 or 1, so that `select` and the comparisons are operations like all others.
There is no subtraction, negation or division while a program is written: signs belong to references and a quotient is a
product with a reciprocal (`writer`). They come back when the program is laid out (`layout`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class ScalarOperation(NamedTuple):
    """An operation on reals. `parity` is 1 where f(-x) = f(x), -1 where f(-x) = -f(x), else 0."""

    arity: int
    compute: Callable[..., Any]
    parity: int = 0


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x)


OPERATIONS: dict[str, ScalarOperation] = {
    "add": ScalarOperation(2, np.add),
    "sub": ScalarOperation(2, np.subtract),
    "mul": ScalarOperation(2, np.multiply),
    "div": ScalarOperation(2, np.divide),
    "neg": ScalarOperation(1, np.negative),
    "recip": ScalarOperation(1, np.reciprocal, -1),
    "sqrt": ScalarOperation(1, np.sqrt),
    "cbrt": ScalarOperation(1, np.cbrt, -1),
    "sin": ScalarOperation(1, np.sin, -1),
    "cos": ScalarOperation(1, np.cos, 1),
    "tan": ScalarOperation(1, np.tan, -1),
    "asin": ScalarOperation(1, np.arcsin, -1),
    "acos": ScalarOperation(1, np.arccos),
    "atan": ScalarOperation(1, np.arctan, -1),
    "sinh": ScalarOperation(1, np.sinh, -1),
    "cosh": ScalarOperation(1, np.cosh, 1),
    "tanh": ScalarOperation(1, np.tanh, -1),
    "exp": ScalarOperation(1, np.exp),
    "expm1": ScalarOperation(1, np.expm1),
    "log": ScalarOperation(1, np.log),
    "log1p": ScalarOperation(1, np.log1p),
    "erf": ScalarOperation(1, _erf, -1),
    "abs": ScalarOperation(1, np.abs, 1),
    "sign": ScalarOperation(1, np.sign, -1),
    "floor": ScalarOperation(1, np.floor),
    "pow": ScalarOperation(2, np.power),
    "atan2": ScalarOperation(2, np.arctan2),
    "min": ScalarOperation(2, np.minimum),
    "max": ScalarOperation(2, np.maximum),
    "lt": ScalarOperation(2, lambda a, b: np.where(a < b, 1.0, 0.0)),
    "le": ScalarOperation(2, lambda a, b: np.where(a <= b, 1.0, 0.0)),
    "eq": ScalarOperation(2, lambda a, b: np.where(a == b, 1.0, 0.0)),
    "select": ScalarOperation(3, lambda p, a, b: np.where(p != 0, a, b)),
}
"""All operations by name."""
