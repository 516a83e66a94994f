"""A real number that is yet to be known: code in numpy that gets arrays of such numbers writes their operations.

Ufuncs of numpy call the methods of the same names on arrays of objects, so that evaluating such an array is writing it.
A comparison has no answer before the number is known, and says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainplan.codegen.writer import MAX_VALUES, Ref, Writer


class UnknownChoice(Exception):
    """A program branches on a number that is not known while it is written."""


class TooManyValues(Exception):
    """A program has more values than scalar code may have."""


class Real:
    """A value of a writer as a number."""

    __slots__ = ("ref", "writer")

    def __init__(self, writer: Writer, ref: Ref) -> None:
        self.writer = writer
        self.ref = ref

    def _like(self, ref: Ref) -> Real:
        if len(self.writer.nodes) > MAX_VALUES:
            raise TooManyValues
        return Real(self.writer, ref)

    def _ref(self, other: Any) -> Ref:
        return other.ref if isinstance(other, Real) else self.writer.constant(float(other))

    def __add__(self, other: Any) -> Real:
        return self._like(self.writer.add(self.ref, self._ref(other)))

    def __sub__(self, other: Any) -> Real:
        return self._like(self.writer.sub(self.ref, self._ref(other)))

    def __rsub__(self, other: Any) -> Real:
        return self._like(self.writer.sub(self._ref(other), self.ref))

    def __mul__(self, other: Any) -> Real:
        return self._like(self.writer.mul(self.ref, self._ref(other)))

    def __truediv__(self, other: Any) -> Real:
        return self._like(self.writer.div(self.ref, self._ref(other)))

    def __rtruediv__(self, other: Any) -> Real:
        return self._like(self.writer.div(self._ref(other), self.ref))

    def __pow__(self, other: Any) -> Real:
        return self._like(self.writer.pow(self.ref, self._ref(other)))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Real:
        return self._like(self.writer.neg(self.ref))

    def __abs__(self) -> Real:
        return self.function("abs")

    def __bool__(self) -> bool:
        raise UnknownChoice

    def _compared(self, other: Any) -> bool:
        raise UnknownChoice

    __lt__ = __le__ = __gt__ = __ge__ = _compared

    def maximum(self, other: Real) -> Real:
        """Write the larger of two numbers."""
        return self._like(self.writer.least("max", self.ref, other.ref))

    def function(self, name: str) -> Real:
        """Write a function of the number."""
        return self._like(self.writer.unary(name, self.ref))

    def sqrt(self) -> Real:
        return self.function("sqrt")

    def exp(self) -> Real:
        return self.function("exp")

    def log(self) -> Real:
        return self.function("log")

    def tanh(self) -> Real:
        return self.function("tanh")

    def conjugate(self) -> Real:
        return self


def reals(writer: Writer, refs: Any) -> Any:
    """Return references as an array of numbers."""
    held = np.empty(refs.size, object)
    held[:] = [Real(writer, int(ref)) for ref in refs.flat]
    return held.reshape(refs.shape)


def references(writer: Writer, values: Any) -> Any:
    """Return an array of numbers, known or not, as references."""
    array = np.asarray(values, object)
    refs = [v.ref if isinstance(v, Real) else writer.constant(float(v)) for v in array.flat]
    return np.array(refs, np.int64).reshape(array.shape)
