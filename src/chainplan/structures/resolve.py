"""Decides, once for a whole problem, how its structures are counted: exactly where that is possible, else from above.

The cost of a product must not depend on how its factors came about, so one family of structures serves for all blocks:

1. *As given*, where that is closed: dense and diagonal ones with bands, or with block-diagonal ones whose numbers of
   blocks divide each other, or with Kronecker ones likewise. Any size; exact but for bands of rectangular blocks.
2. *Listed patterns* for everything else (`structures.explicit`), exact, where none gets too large.
3. *Outlines* beyond that (`structures.outline`): upper bounds.

"Optimal" is relative to these counts; a result says whether they are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from chainplan.structures import (
    Banded,
    Block,
    BlockDiagonal,
    Dense,
    Kronecker,
    OnDiagonal,
    Structure,
    Zero,
    product_fma,
)

CELLS = 4_000_000
"""Entries of the largest block for which patterns are listed without a look at how sparse they are."""
NONZEROS = 4_000_000
"""Nonzeros of the largest pattern that is listed."""
WORK = 500_000_000
"""Multiplications that finding out how sparse all paths are may take."""
ROOM = 200_000_000
"""Bytes that the patterns of all sums of paths may take together."""
ROOM_PER_ENTRY = 500
"""Bytes that they may take besides for each entry that is listed."""
LONGEST = 300
"""Elementals of the largest graph whose solvers keep the patterns of all sums of paths."""


class Edge(NamedTuple):
    """An elemental as this module sees it."""

    source: str
    target: str
    block: Block


class Resolved(NamedTuple):
    """The blocks to count with, and whether all counts are exact."""

    blocks: tuple[Block, ...]
    exact: bool


def resolve(edges: Sequence[Edge], order: Iterable[str]) -> Resolved:
    """Choose the family for the elementals of a graph, given with its vertices in topological order."""
    edges = [edge._replace(block=_entries(edge.block)) for edge in edges]
    blocks = tuple(edge.block for edge in edges)
    closed = _as_given(blocks)
    if closed is not None:
        return Resolved(blocks, closed)
    from chainplan.structures.explicit import explicit

    if _fits(edges, order):
        return Resolved(_all(blocks, explicit), True)
    from chainplan.structures.envelope import outline

    return Resolved(_all(blocks, outline), False)


def _entries(block: Block) -> Block:
    """A block of no rows or no columns as one of zeros: products through it are zero, whatever its structure says."""
    return block if block.rows and block.cols else block._replace(structure=Zero())


def _all(blocks: Sequence[Block], family: Callable[[Structure, int, int], Structure]) -> tuple[Block, ...]:
    """All blocks in one family, equal ones made once."""
    found = {b.mark: b for b in blocks}
    made = {mark: family(b.structure, b.rows, b.cols) for mark, b in found.items()}
    return tuple(b._replace(structure=made[b.mark]) for b in blocks)


def _as_given(blocks: Sequence[Block]) -> bool | None:
    """Whether the structures as they are give exact counts, None where they are not closed."""
    special = [b for b in blocks if not isinstance(b.structure, OnDiagonal | Dense | Zero)]
    if all(isinstance(b.structure, Banded) for b in special):
        return all(b.rows == b.cols for b in special)
    parts = [b.structure for b in special if isinstance(b.structure, BlockDiagonal | Kronecker)]
    if len(parts) < len(special) or len({type(s) for s in parts if s.count > 1}) > 1:
        return None
    return True if all(b % a == 0 for a, b in pairwise(sorted({s.count for s in parts}))) else None


def _fits(edges: Sequence[Edge], order: Iterable[str]) -> bool:
    """Whether the patterns of all sums of paths can be listed, found by listing them where blocks or paths are many."""
    largest = max(max(b.rows, b.cols) for _, _, b in edges)
    small, listed = largest**2 <= CELLS, {b.mark: b.nnz for _, _, b in edges if b.structure.name == "sparse"}
    room = ROOM + ROOM_PER_ENTRY * sum(listed.values())
    if small and (len(edges) > LONGEST or len(edges) ** 2 // 2 * _bytes(largest, largest, largest**2) <= room):
        return True
    if not small and any(_too_large(b) for _, _, b in edges):
        return False
    room -= sum(_held(b) for _, _, b in edges)
    into: dict[str, list[Edge]] = {}
    for edge in edges:
        if room < 0:
            return False
        structure = _listed(edge.block)
        into.setdefault(edge.target, []).append(edge._replace(block=edge.block._replace(structure=structure)))
    vertices = list(order)
    paths = (_paths(start, vertices, into) for start in dict.fromkeys(edge.source for edge in edges))
    work = 0
    for block, multiplications in chain.from_iterable(paths):
        work, room = work + multiplications, room - _held(block)
        if room < 0 or (not small and (work > WORK or _too_large(block))):
            return False
    return True


def _paths(start: str, vertices: Iterable[str], into: Mapping[str, list[Edge]]) -> Iterator[tuple[Block, int]]:
    """The blocks of all paths from a vertex, and the multiplications that each takes; before a large one, its sizes."""
    held: dict[str, Block] = {}
    for vertex in vertices:
        for source, _, block in into.get(vertex, ()):
            if source != start and source not in held:
                continue
            fma = 0
            if source != start:
                fma = product_fma(block, held[source])
                if fma > WORK or _surely_large(block, held[source]):
                    yield block, WORK + 1
                block = block.times(held[source])
            held[vertex] = held[vertex].plus(block) if vertex in held else block
            yield held[vertex], fma


def _held(block: Block) -> int:
    """Bytes that a block takes where patterns are listed."""
    if isinstance(block.structure, Dense | OnDiagonal | Zero):
        return 0
    return _bytes(block.rows, block.cols, block.nnz)


def _bytes(rows: int, cols: int, entries: int) -> int:
    return 10 * entries + 14 * (rows + cols)


def _too_large(block: Block) -> bool:
    """Whether a block has too many nonzeros to be listed; dense ones and those on the diagonal need not be."""
    return not isinstance(block.structure, Dense | OnDiagonal) and block.nnz > NONZEROS


def _listed(block: Block) -> Structure:
    """A block's structure as `Explicit` counts it, without what is known of its values."""
    from chainplan.structures.explicit import explicit

    return explicit(block.structure, block.rows, block.cols).valued()


def _surely_large(left: Block, right: Block) -> bool:
    """Whether a product has too many nonzeros to be listed, and is not dense itself; it is not made to find out."""
    if left.rows * right.cols <= NONZEROS:
        return False
    dense = [b for b in (left, right) if type(b.structure) is Dense]
    if len(dense) == 1:
        other = left if dense[0] is right else right
        counts = other.structure.row_counts(*other[:2]) if other is left else other.structure.column_counts(*other[:2])
        return not all(first for _, first, _ in counts)
    from chainplan.structures.explicit import Explicit, overfull

    if not isinstance(left.structure, Explicit) or not isinstance(right.structure, Explicit):
        return False
    x, y = ((b.structure, b.rows, b.cols) for b in (left, right))
    return overfull(x, y, NONZEROS, WORK)
