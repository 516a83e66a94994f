"""Chooses of each value whether it or its negative is computed, so that few negations are left.

A product, a quotient and an odd function pass the signs of their operands on, and an even one drops them. A difference
is as short the other way round, and so are a product with a constant and a quotient of one: there the sign is free.
Negations are left where a result, or a function such as `exp`, needs the sign that is not there. Free signs are turned
one at a time, near what needs a negation, as long as that leaves fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from chainplan.codegen.operations import OPERATIONS
from chainplan.codegen.writer import Ref, Writer

MAX_TRIED_SIGNS = 12
"""The most free signs that are tried for a value whose negation is not there."""
MAX_VISITS = 40
"""The most values that are looked at in all, as a multiple of how many there are."""
MAX_ALL_VISITS = 500_000
"""The most values that are looked at in all, however many there are."""
Quotients = Mapping[int, tuple[Ref, Ref]]


def negated_values(
    writer: Writer, order: Sequence[int], results: Iterable[Ref], quotients: Quotients
) -> frozenset[int]:
    """Return the values of which the negative is computed.

    Parameters
    ----------
    writer : Writer
        Where the values are.
    order : Sequence[int]
        Their numbers, each behind its operands.
    results : Iterable[Ref]
        What is to be there with its sign.
    quotients : Quotients
        The products that are laid out as quotients: dividend and divisor by number; and the reciprocals in them.

    Returns
    -------
    frozenset
        The numbers of these values.
    """
    signs = _Signs(writer, order, results, quotients)
    signs.improve()
    return frozenset(n for n, sign in signs.sign.items() if sign)


def passes_signs(name: str) -> bool:
    """Say whether an operation takes operands of either sign, and passes the sign on or drops it."""
    return OPERATIONS[name].parity != 0


class _Signs:
    """The sign of each value that is computed, 1 where it is the negative, and what needs which sign."""

    def __init__(self, writer: Writer, order: Sequence[int], results: Iterable[Ref], quotients: Quotients) -> None:
        self._nodes = writer.nodes
        self._quotients = quotients
        self._order = [n for n in order if not (n in quotients and writer.nodes[n][0] == "recip")]
        self._place = {n: k for k, n in enumerate(self._order)}
        self._users: dict[int, list[int]] = {n: [] for n in self._order}
        self._needed = dict.fromkeys(self._order, 0)
        self._wish = dict.fromkeys(self._order, 0)
        self.sign = dict.fromkeys(self._order, 0)
        self._visits = min(MAX_VISITS * len(self._order), MAX_ALL_VISITS)
        for r in results:
            self._need(r)
        for n in self._order:
            name, _ = self._nodes[n]
            exact = name not in ("input", "add", "mul", "recip") and not passes_signs(name)
            for operand in self._operands(n):
                if operand >= 0:
                    self._users[operand >> 1].append(n)
                    if exact:
                        self._need(operand)
        for n in self._order:
            self._wish[n] = int(self._needed[n] == 2)
            self.sign[n] = self._found(n)[0]

    def _need(self, r: Ref) -> None:
        if r >= 0:
            self._needed[r >> 1] |= 1 << (r & 1)

    def _operands(self, n: int) -> tuple[Ref, ...]:
        name, operands = self._nodes[n]
        return () if name == "input" else self._quotients.get(n, operands)

    def _of(self, r: Ref) -> int:
        return self.sign[r >> 1] ^ (r & 1)

    def _found(self, n: int) -> tuple[int, bool]:
        """Return the sign of a value by those of its operands, and whether it is free."""
        name, _ = self._nodes[n]
        operands = self._operands(n)
        if name == "recip" or ((name in ("add", "mul") and operands[0] < 0) or (name == "mul" and operands[1] < 0)):
            return self._wish[n], True
        if name == "add":
            a, b = map(self._of, operands)
            return (a, False) if a == b else (self._wish[n], True)
        if name == "mul":
            return self._of(operands[0]) ^ self._of(operands[1]), False
        if name != "input" and OPERATIONS[name].parity < 0:
            return self._of(operands[0]), False
        return 0, False

    def _is_missed(self, n: int) -> bool:
        """Say whether one sign alone is needed, and the other one is there."""
        return self._needed[n] == 2 - self.sign[n]

    def improve(self) -> None:
        """Turn free signs while that helps."""
        better = True
        while better and self._visits > 0:
            better = False
            for n in reversed(self._order):
                if self._is_missed(n):
                    better |= any(self._helps(free) for free in self._free_before(n))

    def _free_before(self, n: int) -> list[int]:
        """Return the values with free signs from which the sign of a value comes, the nearest first."""
        found, seen, line = list[int](), {n}, [n]
        for v in line:
            self._visits -= 1
            if self._found(v)[1]:
                found.append(v)
                if len(found) == MAX_TRIED_SIGNS:
                    break
                continue
            name, _ = self._nodes[v]
            if name in ("add", "mul") or (name != "input" and OPERATIONS[name].parity < 0):
                for operand in self._operands(v):
                    if operand >= 0 and operand >> 1 not in seen:
                        seen.add(operand >> 1)
                        line.append(operand >> 1)
        return found

    def _helps(self, free: int) -> bool:
        """Turn a free sign, and turn it back where that leaves no fewer negations."""
        if self._visits <= 0 or not self._found(free)[1]:
            return False
        if self._turned(free) < 0:
            return True
        self._turned(free)
        return False

    def _turned(self, free: int) -> int:
        """Turn a free sign and what follows from it; return how many more are missed."""
        self._wish[free] ^= 1
        more, heap, waiting = 0, [self._place[free]], {free}
        heapify(heap)
        while heap:
            n = self._order[heappop(heap)]
            waiting.discard(n)
            self._visits -= 1
            new = self._found(n)[0]
            if new == self.sign[n]:
                continue
            more -= self._is_missed(n)
            self.sign[n] = new
            more += self._is_missed(n)
            for user in self._users[n]:
                if user not in waiting:
                    waiting.add(user)
                    heappush(heap, self._place[user])
        return more
