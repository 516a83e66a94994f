"""A system in a graph: what puts its right-hand sides together, the solve, and what takes each unknown from it.

Parts of a vector that stands for several vertices, one below the other, are put together and taken by blocks that cost
nothing to multiply by, so that only the solve has a price.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chainplan.problem.graph import Elemental
from chainplan.problem.implicit import ImplicitSystem
from chainplan.structures import Block
from chainplan.structures.unit_entries import UnitEntries

MAX_SOLVE_NAME = 100
"""Characters of the longest name that a system gets from its unknowns."""


class Names:
    """Gives names that are not taken, to vertices and elementals that a model does not have."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def __call__(self, wanted: str) -> str:
        """Return a name that is not taken, and take it."""
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}#{count}"
        self._taken.add(name)
        return name


def selected_part(size: int, first: int, length: int) -> Block:
    """Return the block that selects `length` entries of `size`, from `first` on; it costs nothing to multiply by."""
    from chainplan.structures.csr import csr_of_rows
    from chainplan.structures.explicit import Explicit

    picks = csr_of_rows(range(first, first + length), size)
    return Block(length, size, Explicit(picks, UnitEntries(True, True, 1)))


class SystemPart(NamedTuple):
    """A part of the right-hand side or of the solution, and its vertex: None where nothing enters it, or reads it."""

    vertex: str | None
    size: int


class SolveEdges(NamedTuple):
    """The vertices that a system adds to a graph, with their sizes, and its elementals, of which the solve is last."""

    sizes: dict[str, int]
    elementals: tuple[Elemental, ...]


def solve_name(unknowns: Iterable[str]) -> str:
    """Return the name that the solve for some unknowns has unless it is given one."""
    return f"solve {' + '.join(unknowns)}"[:MAX_SOLVE_NAME]


def solve_edges(
    name: str,
    right: Sequence[SystemPart],
    solution: Sequence[SystemPart],
    price: int,
    names: Names,
    implicit: ImplicitSystem | None = None,
) -> SolveEdges:
    """Return the edges of a system of this name, which costs `price` fma for each right-hand side.

    One right-hand side and one unknown are the ends of the solve; several are put together and taken apart.
    """
    size = sum(part.size for part in right)
    sizes: dict[str, int] = {}
    elementals: list[Elemental] = []
    ends = right[0].vertex, solution[0].vertex
    if len(right) == len(solution) == 1 and None not in ends:
        start, end = str(ends[0]), str(ends[1])
    else:
        start, end = names(f"{name}, right-hand side"), names(f"{name}, solution")
        sizes = {start: size, end: size}
        for parts, entering in ((right, True), (solution, False)):
            first = 0
            for vertex, length in parts:
                if vertex is not None:
                    block = selected_part(size, first, length)
                    source, target = (vertex, start) if entering else (end, vertex)
                    block = block.transpose() if entering else block
                    elementals.append(Elemental(names(f"{target}/{source}"), source, target, block))
                first += length
    factor = None if implicit is None else implicit.counts.factor
    solve = Elemental(name, start, end, Block(size, size), price, price, advance=factor, implicit=implicit)
    return SolveEdges(sizes, (*elementals, solve))
