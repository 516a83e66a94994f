"""Lays written values out as lines: only what the results need, in depth-first order, with signs and quotients back.

Depth-first order computes a value shortly before its use, so that few values are alive at once and compilers keep them
in registers. A sign is absorbed by a sum or a difference where it can be; elsewhere it is a negation. A reciprocal that
one product alone uses is a quotient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chainplan.codegen.signs import negated_values, passes_signs
from chainplan.codegen.straight_line import Line
from chainplan.codegen.writer import Ref, Writer


def needed(writer: Writer, results: Iterable[Ref]) -> list[int]:
    """Return the numbers of the values that the results need, each behind its operands, depth first."""
    nodes = writer.nodes
    order: list[int] = []
    seen: set[int] = set()
    for result in results:
        if result < 0 or result >> 1 in seen:
            continue
        stack = [(result >> 1, 0)]
        seen.add(result >> 1)
        while stack:
            number, place = stack.pop()
            name, operands = nodes[number]
            if name != "input":
                while place < len(operands):
                    operand = operands[place]
                    place += 1
                    if operand >= 0 and operand >> 1 not in seen:
                        seen.add(operand >> 1)
                        stack.append((number, place))
                        stack.append((operand >> 1, 0))
                        break
                else:
                    order.append(number)
            else:
                order.append(number)
    return order


def operations(writer: Writer, results: Iterable[Ref]) -> int:
    """Count the values that the results need, inputs left out; what signs and quotients change is not looked at."""
    nodes = writer.nodes
    live = bytearray(len(nodes))
    for result in results:
        if result >= 0:
            live[result >> 1] = 1
    count = 0
    for number in range(len(nodes) - 1, -1, -1):
        if live[number]:
            name, operands = nodes[number]
            if name != "input":
                count += 1
                for operand in operands:
                    if operand >= 0:
                        live[operand >> 1] = 1
    return count


def laid_out(
    writer: Writer, inputs: int, results: Sequence[Ref]
) -> tuple[tuple[float, ...], tuple[Line, ...], tuple[int, ...]]:
    """Return the constants, the lines and the places of the results of a program.

    Values are numbered through: the inputs, the constants, the lines.
    """
    order = needed(writer, results)
    return _Layout(writer, order, results).finished(inputs)


class _Place(NamedTuple):
    """Where a value is: a constant, or an input or a line of this number."""

    kind: str
    value: float


class _Layout:
    """Collects lines under numbers of their own, until all constants are known."""

    def __init__(self, writer: Writer, order: Sequence[int], results: Sequence[Ref]) -> None:
        self._writer = writer
        self._results = results
        self._order = order
        self._lines: list[tuple[str, tuple[_Place, ...]]] = []
        self._places: dict[Ref, _Place] = {}
        self._constants: dict[float, _Place] = {}
        self._quotients = _quotients(writer, order, results)
        self._turned = negated_values(writer, order, results, self._quotients)

    def finished(self, inputs: int) -> tuple[tuple[float, ...], tuple[Line, ...], tuple[int, ...]]:
        for number in self._order:
            self._lay(number)
        places = [self._place(result) for result in self._results]
        constants = {key: inputs + k for k, key in enumerate(self._constants)}
        first = inputs + len(constants)

        def settled(place: _Place) -> int:
            if place.kind == "line":
                return first + int(place.value)
            return int(place.value) if place.kind == "input" else constants[place.value]

        lines = tuple(Line(name, tuple(map(settled, operands))) for name, operands in self._lines)
        return tuple(self._constants), lines, tuple(map(settled, places))

    def _line(self, name: str, *operands: _Place) -> _Place:
        self._lines.append((name, operands))
        return _Place("line", len(self._lines) - 1)

    def _constant(self, number: float) -> _Place:
        return self._constants.setdefault(number, _Place("constant", number))

    def _place(self, a: Ref) -> _Place:
        """Return where a value is, and negate it first where only its negative is there."""
        if a < 0:
            return self._constant(self._writer.number(a))
        place = self._places.get(a)
        if place is None:
            place = self._places[a] = self._line("neg", self._places[a ^ 1])
        return place

    def _lay(self, number: int) -> None:
        """Write the line of a value, or of its negative where that is what is computed."""
        name, operands = self._writer.nodes[number]
        turned = number in self._turned
        a = 2 * number ^ turned
        if name == "input":
            self._places[a] = _Place("input", operands[0])
        elif name == "add":
            self._places[a] = self._sum(operands[0] ^ turned, operands[1] ^ turned)
        elif number in self._quotients:
            if name == "mul":
                self._places[a] = self._line("div", *self._signed(*self._quotients[number], turned=turned))
        elif name == "mul":
            self._places[a] = self._line("mul", *self._signed(operands[0], operands[1], turned))
        elif name == "recip":
            self._places[a] = self._line("div", *self._signed(self._writer.ONE, operands[0], turned))
        else:
            there = self._either if passes_signs(name) else self._place
            self._places[a] = self._line(name, *map(there, operands))

    def _signed(self, a: Ref, b: Ref, turned: bool) -> tuple[_Place, _Place]:
        """Return two factors as they are there, a constant with the sign that the product is to have."""
        sign = turned ^ (b >= 0 and self._is_negative(b))
        return self._place(a ^ sign) if a < 0 else self._either(a), self._either(b)

    def _is_negative(self, a: Ref) -> bool:
        """Say whether the negative of a value is what is there."""
        return bool((a >> 1 in self._turned) ^ (a & 1))

    def _either(self, a: Ref) -> _Place:
        """Return where a value or its negative is, whichever is computed."""
        return self._constant(self._writer.number(a)) if a < 0 else self._places[a & -2 ^ (a >> 1 in self._turned)]

    def _sum(self, a: Ref, b: Ref) -> _Place:
        """Write a + b, of which one at least is there."""
        plus = [t for t in (a, b) if self._there(t)]
        minus = [t for t in (a, b) if not self._there(t)]
        if len(plus) == 2:
            return self._line("add", *map(self._place, plus))
        return self._line("sub", self._place(plus[0]), self._place(minus[0] ^ 1))

    def _there(self, a: Ref) -> bool:
        return a < 0 or a in self._places


def _quotients(writer: Writer, order: Sequence[int], results: Sequence[Ref]) -> dict[int, tuple[Ref, Ref]]:
    """Return the products that are laid out as quotients, and with them the reciprocals that then need no line."""
    uses: Counter[int] = Counter(r >> 1 for r in results)
    for number in order:
        name, operands = writer.nodes[number]
        if name != "input":
            uses.update(operand >> 1 for operand in operands)
    quotients: dict[int, tuple[Ref, Ref]] = {}
    for number in order:
        name, operands = writer.nodes[number]
        if name != "mul":
            continue
        for bottom, top in (operands, operands[::-1]):
            if bottom >= 0 and uses[bottom >> 1] == 1 and writer.node(bottom)[0] == "recip" and bottom != top:
                quotients[number] = (top, writer.node(bottom)[1][0])
                quotients[bottom >> 1] = quotients[number]
                break
    return quotients
