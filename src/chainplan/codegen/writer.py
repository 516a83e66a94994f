"""Writes straight-line code over reals, in which equal values are one value, constants fold, and signs cost nothing.

A reference is a whole number that names a value and a sign: twice the number of a value, plus 1 where its negative is
meant. Constants have negative numbers, so that one comparison tells them. A product moves the signs of its factors to
itself and a sum those of its terms as far as it can, so that x - y and y - x are one value, as and-inverter graphs do
with negations. A value that was written before is found by its operation and operands (value numbering).

A quotient is written as a product with a reciprocal, which all quotients by the same number share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from math import isfinite
from typing import ClassVar

import numpy as np

from chainplan.codegen.operations import OPERATIONS

Ref = int
"""A value with a sign: twice its number, plus 1 where its negative is meant."""
Node = tuple[str, tuple[Ref, ...]]
"""An operation and its operands; an input has its place in the place of operands."""

MAX_VALUES = 400_000
"""The most values, inputs included, that the program of a function may have while it is written."""
MAX_POWER_BY_PRODUCTS = 64
"""The largest whole exponent that is written as products."""


class Writer:
    """Writes values; `nodes` lists them in the order in which they were written.

    `products` holds those that are known, by their factors without signs, in ascending order.
    """

    ZERO: ClassVar[Ref] = -2
    ONE: ClassVar[Ref] = -4
    TWO: ClassVar[Ref] = -6

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Node, Ref] = {}
        self.products: dict[tuple[Ref, Ref], Ref] = {}
        self._sums: dict[tuple[Ref, Ref], Ref] = {}
        self._numbers: list[float] = []
        self._constants: dict[float, Ref] = {}
        for number in (0.0, 1.0, 2.0):
            self.constant(number)

    def copy(self) -> Writer:
        """Return a writer that goes on from here by itself."""
        other = copy(self)
        other.nodes, other._known = self.nodes.copy(), self._known.copy()
        other.products, other._sums = self.products.copy(), self._sums.copy()
        other._numbers, other._constants = self._numbers.copy(), self._constants.copy()
        return other

    def input(self, place: int) -> Ref:
        """Write the input at this place."""
        return self._write("input", (place,))

    def constant(self, number: float) -> Ref:
        """Write a constant."""
        sign = 1 if number < 0 else 0
        number = abs(number)
        found = self._constants.get(number)
        if found is None:
            self._numbers.append(number)
            found = self._constants[number] = -2 * len(self._numbers)
        return found | sign if number else found

    def is_constant(self, a: Ref) -> bool:
        """Say whether a reference is a constant."""
        return a < 0

    def number(self, a: Ref) -> float:
        """Return the number of a constant."""
        number = self._numbers[-(a >> 1) - 1]
        return -number if a & 1 else number

    def node(self, a: Ref) -> Node:
        """Return the operation that computes a value, whatever its sign."""
        return self.nodes[a >> 1]

    def neg(self, a: Ref) -> Ref:
        """Return the negative of a value."""
        return a if a == self.ZERO else a ^ 1

    def add(self, a: Ref, b: Ref) -> Ref:
        """Write a sum."""
        if a > b:
            a, b = b, a
        if a < 0:
            if b < 0:
                return self.constant(self.number(a) + self.number(b))
            if a == -2:
                return b
        if a ^ b == 1:
            return -2
        if a == b:
            return self.mul(-6, a)
        sign = a & 1
        terms = a ^ sign, b ^ sign
        found = self._sums.get(terms)
        if found is None:
            found = self._sums[terms] = 2 * len(self.nodes)
            self.nodes.append(("add", terms))
        return found ^ sign

    def _signed(self, a: Ref, sign: int) -> Ref:
        return self.neg(a) if sign else a

    def sub(self, a: Ref, b: Ref) -> Ref:
        """Write a difference."""
        return self.add(a, self.neg(b))

    def mul(self, a: Ref, b: Ref) -> Ref:
        """Write a product."""
        sign = (a ^ b) & 1
        a &= -2
        b &= -2
        factors = (a, b) if a <= b else (b, a)
        found = self.products.get(factors)
        if found is None:
            if a < 0 or b < 0:
                return self._signed(self._scaled(*factors), sign)
            found = self.products[factors] = 2 * len(self.nodes)
            self.nodes.append(("mul", factors))
        return found ^ sign

    def _scaled(self, a: Ref, b: Ref) -> Ref:
        """Write a product with a constant, which comes first; both are without signs."""
        if a == -4:
            return b
        if a == -2 or b == -2:
            return -2
        if b < 0:
            return self.constant(self.number(a) * self.number(b))
        name, operands = self.nodes[b >> 1]
        if name == "mul" and operands[0] < 0:
            return self.mul(self.constant(self.number(a) * self.number(operands[0])), operands[1])
        made = self.products[a, b] = 2 * len(self.nodes)
        self.nodes.append(("mul", (a, b)))
        return made

    def product_price(self, a: Ref, b: Ref) -> int:
        """Count the operations that a product would write: 0 where it is known or folds, else 1."""
        a &= -2
        b &= -2
        if a > b:
            a, b = b, a
        if a < 0 and (b < 0 or a == -4 or a == -2):
            return 0
        return (a, b) not in self.products

    def recip(self, a: Ref) -> Ref:
        """Write a reciprocal."""
        if a >= 0:
            name, operands = self.nodes[a >> 1]
            if name == "recip":
                return operands[0] ^ (a & 1)
        return self.unary("recip", a)

    def div(self, a: Ref, b: Ref) -> Ref:
        """Write a quotient."""
        return self.mul(a, self.recip(b))

    def unary(self, name: str, a: Ref) -> Ref:
        """Write a function of one value."""
        if a < 0:
            return self._folded(name, a)
        sign = 0
        if a & 1:
            parity = OPERATIONS[name].parity
            if parity:
                a ^= 1
                sign = parity < 0
        return self._write(name, (a,)) ^ int(sign)

    def pow(self, a: Ref, b: Ref) -> Ref:
        """Write a power; whole exponents and halves of them become products, reciprocals and a square root."""
        if b < 0:
            exponent = self.number(b)
            if exponent == 0:
                return self.ONE
            if isfinite(exponent) and abs(exponent) <= MAX_POWER_BY_PRODUCTS and 2 * exponent == int(2 * exponent):
                twice = abs(int(2 * exponent))
                power = self._whole_power(a, twice // 2)
                if twice % 2:
                    power = self.mul(power, self.unary("sqrt", a))
                return power if exponent > 0 else self.recip(power)
            if a < 0:
                return self._folded("pow", a, b)
        return self._write("pow", (a, b))

    def _whole_power(self, a: Ref, exponent: int) -> Ref:
        if exponent == 0:
            return self.ONE
        half = self._whole_power(a, exponent // 2)
        square = self.mul(half, half)
        return self.mul(square, a) if exponent % 2 else square

    def compare(self, name: str, a: Ref, b: Ref) -> Ref:
        """Write a comparison, which is 0 or 1."""
        if a < 0 and b < 0:
            return self._folded(name, a, b)
        if a == b:
            return self.ZERO if name == "lt" else self.ONE
        return self._write(name, (b, a) if name == "eq" and b < a else (a, b))

    def least(self, name: str, a: Ref, b: Ref) -> Ref:
        """Write a minimum or a maximum."""
        if a == b:
            return a
        if a < 0 and b < 0:
            return self._folded(name, a, b)
        return self._write(name, (a, b) if a < b else (b, a))

    def select(self, choice: Ref, a: Ref, b: Ref) -> Ref:
        """Write a choice: `a` where `choice` is not 0, else `b`."""
        if a == b:
            return a
        if choice < 0:
            return b if choice == self.ZERO else a
        if (a, b) == (self.ONE, self.ZERO):
            return choice
        return self._write("select", (choice, a, b))

    def apply(self, name: str, operands: Sequence[Ref]) -> Ref:
        """Write an operation by its name."""
        if name in ("add", "sub", "mul", "div", "neg", "recip", "pow", "select"):
            written: Ref = getattr(self, name)(*operands)
            return written
        if name in ("min", "max"):
            return self.least(name, *operands)
        if name in ("lt", "le", "eq"):
            return self.compare(name, *operands)
        if OPERATIONS[name].arity == 1:
            return self.unary(name, operands[0])
        if all(a < 0 for a in operands):
            return self._folded(name, *operands)
        return self._write(name, tuple(operands))

    def total(self, terms: Iterable[Ref]) -> Ref:
        """Write the sum of some values, from the first to the last."""
        total = self.ZERO
        for term in terms:
            total = self.add(total, term)
        return total

    def _folded(self, name: str, *operands: Ref) -> Ref:
        """Compute an operation on constants."""
        with np.errstate(all="ignore"):
            return self.constant(float(OPERATIONS[name].compute(*(np.float64(self.number(a)) for a in operands))))

    def _write(self, name: str, operands: tuple[Ref, ...]) -> Ref:
        node = name, operands
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = 2 * len(self.nodes)
            self.nodes.append(node)
        return found
