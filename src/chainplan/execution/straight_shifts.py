"""Lines for shifts in time in the function of a plan: coefficients are Python numbers, and each has its expression.

Blocks of shifts have a few coefficients, for which a call of numpy takes longer than all their multiplications. So a
product or a sum is written out as a tuple of expressions, number by number; where very many runs meet, arrays serve.
"""

from __future__ import annotations

from collections.abc import Callable

from chainplan.execution.straight_term import Term
from chainplan.kernels.shift_values import structure_of
from chainplan.structures import Block, NegatedIdentity, Shifts
from chainplan.structures.shifts import joined, pieces_of

MAX_WRITTEN_MEETINGS = 100
"""Pairs of runs that meet in the largest product that is written out."""


class ShiftLines:
    """Writes the coefficients of products and sums; `line` adds a line to the function."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line

    def product(self, left: Term, right: Term) -> list[str] | None:
        """Return an expression for each coefficient of left · right, or None where arrays serve."""
        if left.numbers and right.numbers:
            return self._joined(left, right)
        term, other = (left, right) if left.numbers else (right, left)
        number = self._number(other)
        if not term.numbers or number is None:
            return None
        return [f"{number} * {term.value}[{run}]" for run in range(len(structure_of(term.block).runs))]

    def _joined(self, left: Term, right: Term) -> list[str] | None:
        a, b = structure_of(left.block), structure_of(right.block)
        made, of_left, of_right, piece = joined(a, b)
        if not isinstance(made, Shifts) or len(piece) > MAX_WRITTEN_MEETINGS:
            return None
        terms: list[list[str]] = [[] for _ in made.runs]
        for one, other, place in zip(of_left.tolist(), of_right.tolist(), piece.tolist(), strict=True):
            terms[place].append(f"{left.value}[{one}] * {right.value}[{other}]")
        return list(map(" + ".join, terms))

    def total(self, numbers: list[str], block: Block, other: Term) -> tuple[Block, list[str]] | None:
        """Return a sum and an expression for each of its coefficients, or None where arrays serve.

        Parameters
        ----------
        numbers : list[str]
            The expressions of a block of shifts.
        block : Block
            That block.
        other : Term
            What is added to it.
        """
        made = block.plus(other.block)
        if not isinstance(made.structure, Shifts) or (not other.numbers and self._number(other) is None):
            return None
        terms: list[list[str]] = [[] for _ in made.structure.runs]
        place, origin = pieces_of(block.structure, made.structure)
        if len(place) > len(numbers):
            self._line(f"x = {written(numbers)}")
            numbers = [f"x[{run}]" for run in range(len(numbers))]
        for to, run in zip(place, origin, strict=True):
            terms[to].append(numbers[run])
        for to, run in zip(*pieces_of(other.block.structure, made.structure), strict=True):
            terms[to].append(f"{other.value}[{run}]" if other.numbers else str(self._number(other)))
        return made, list(map(" + ".join, terms))

    def sum(self, term: Term, other: Term) -> list[str] | None:
        """Return an expression for each coefficient of a sum of shifts, or None where arrays serve."""
        runs = range(len(structure_of(term.block).runs))
        found = self.total([f"{term.value}[{run}]" for run in runs], term.block, other)
        return None if found is None else found[1]

    @staticmethod
    def _number(term: Term) -> str | None:
        """Return the number of which a block is that multiple of the identity, None where it is none."""
        structure = term.block.structure
        if structure.name == "scaled_identity":
            return f"{term.value}.item()"
        if structure.name not in ("identity", "negated_identity"):
            return None
        return "-1.0" if isinstance(structure, NegatedIdentity) else "1.0"


def written(numbers: list[str]) -> str:
    """Return the expression of a tuple."""
    return f"({', '.join(numbers)},)"
