"""Decides, once for a whole problem, how its structures are counted: exactly where that is possible, else from above.

The cost of a product must not depend on how its factors came about, so one family of structures serves all blocks:

1. *The structures as given*, where they are closed under products and sums: dense and diagonal ones together with
   bands, or with block-diagonal ones whose numbers of blocks divide each other, or with Kronecker ones likewise; and
   shifts with multiples of the identity. They serve any size, and are exact except for bands of rectangular blocks.
2. *Listed patterns* for everything else (`structures.explicit`), which are exact, where none gets too large. Shifts
   stay shifts among each other. Where sizes alone do not say that the lists fit, shifts among dense blocks and bands
   are widened instead (`structures.widened_shifts`), which are upper bounds.
3. *Products of listed patterns* (`structures.large_patterns`), where the blocks are listed and their products need not
   be. These are counted exactly where that is quick, and are otherwise bounded from above and from below.
4. *Outlines* beyond that (`structures.envelope`), which are upper bounds.

Nothing is called optimal by upper bounds; a result says whether the counts are exact.
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
from chainplan.structures.widened_shifts import shifts_are_closed, widened_shifts

MAX_LISTED_CELLS = 4_000_000
"""Entries of the largest block whose pattern is listed without asking how sparse it is."""
MAX_LISTED_NONZEROS = 4_000_000
"""Nonzeros of the largest pattern that is listed."""
MAX_PATTERN_MULTIPLICATIONS = 500_000_000
"""Multiplications that may be spent on finding out how sparse the sums of paths are."""
MAX_PATTERN_BYTES = 200_000_000
"""Bytes that the patterns of all sums of paths may take together."""
PATTERN_BYTES_PER_ENTRY = 500
"""Further bytes that they may take for each entry that the spec lists."""
MAX_REMEMBERED_ELEMENTALS = 300
"""Elementals of the largest graph whose solvers keep the patterns of all sums of paths."""


class ElementalBlock(NamedTuple):
    """What this module knows of an elemental: its vertices and its block."""

    source: str
    target: str
    block: Block


class ResolvedBlocks(NamedTuple):
    """The blocks that everything is counted with, whether all counts are exact, and whether each block knows its own.

    Where each block knows whether its counts are exact (`Structure.exact`), they are also counted from below.
    """

    blocks: tuple[Block, ...]
    exact: bool
    bounded_below: bool = False


def resolve(blocks: Sequence[Block], ends: Iterable[tuple[str, str]], order: Iterable[str]) -> ResolvedBlocks:
    """Choose the family for the elementals of a graph, given by their blocks and by their sources and targets.

    `order` names the vertices of the graph in topological order.
    """
    blocks = tuple(_zero_if_empty(block) for block in blocks)
    closed = shifts_are_closed(blocks) or closed_as_given(blocks)
    if closed is not None:
        return ResolvedBlocks(blocks, closed)
    order = tuple(order)
    edges = [ElementalBlock(*pair, block) for pair, block in zip(ends, blocks, strict=True)]
    from chainplan.structures.explicit import explicit

    if (wider := widened_shifts(blocks)) and not _surely_fit(edges):
        return ResolvedBlocks(wider, False)
    if _patterns_fit(edges, order):
        return ResolvedBlocks(_in_family(blocks, explicit), True)
    from chainplan.structures.large_patterns import large_patterns, worth_keeping

    if worth_keeping(blocks):
        return ResolvedBlocks(*large_patterns(blocks, _chained(edges, order)), True)
    from chainplan.structures.envelope import outline

    return ResolvedBlocks(_in_family(blocks, outline), False)


def listed_blocks(
    blocks: Sequence[Block], ends: Iterable[tuple[str, str]], order: Iterable[str]
) -> tuple[Block, ...] | None:
    """List the patterns of a graph that is counted by the bands of rectangular blocks, None where they do not fit.

    What plans cost by these exact counts is a lower bound on what they cost by bands.
    """
    blocks = tuple(_zero_if_empty(block) for block in blocks)
    if closed_as_given(blocks) is not False:
        return None
    from chainplan.structures.explicit import explicit

    edges = [ElementalBlock(*pair, block) for pair, block in zip(ends, blocks, strict=True)]
    return _in_family(blocks, explicit) if _patterns_fit(edges, tuple(order)) else None


def _zero_if_empty(block: Block) -> Block:
    """Make a block without rows or columns a zero block: products through it are zero, whatever its structure says."""
    return block if block.rows and block.cols else block._replace(structure=Zero())


def _in_family(blocks: Sequence[Block], family: Callable[[Structure, int, int], Structure]) -> tuple[Block, ...]:
    """Bring all blocks into one family; equal blocks share one structure."""
    distinct = {b.mark: b for b in blocks}
    structures = {mark: family(b.structure, b.rows, b.cols) for mark, b in distinct.items()}
    return tuple(b._replace(structure=structures[b.mark]) for b in blocks)


def _chained(edges: Sequence[ElementalBlock], order: Iterable[str]) -> list[int] | None:
    """Return the positions of the edges in evaluation order, where they form a chain."""
    by_source = {edge.source: position for position, edge in enumerate(edges)}
    if len(by_source) < len(edges) or len({edge.target for edge in edges}) < len(edges):
        return None
    positions = [by_source[vertex] for vertex in order if vertex in by_source]
    joined = all(edges[a].target == edges[b].source for a, b in pairwise(positions))
    return positions if joined else None


def closed_as_given(blocks: Sequence[Block]) -> bool | None:
    """Say whether the structures as given count exactly, or return None where they are not closed."""
    special = [b for b in blocks if not isinstance(b.structure, (Dense, OnDiagonal, Zero))]
    if all(isinstance(b.structure, Banded) for b in special):
        return all(b.rows == b.cols for b in special)
    parts = [b.structure for b in special if isinstance(b.structure, BlockDiagonal | Kronecker)]
    if len(parts) < len(special) or len({type(s) for s in parts if s.count > 1}) > 1:
        return None
    return True if all(b % a == 0 for a, b in pairwise(sorted({s.count for s in parts}))) else None


def _largest(edges: Sequence[ElementalBlock]) -> int:
    return max(max(block.rows, block.cols) for _, _, block in edges)


def _room(edges: Sequence[ElementalBlock]) -> int:
    """Return the bytes that the patterns of all sums of paths may take together."""
    listed = {block.mark: block.nnz for _, _, block in edges if block.structure.name == "sparse"}
    return MAX_PATTERN_BYTES + PATTERN_BYTES_PER_ENTRY * sum(listed.values())


def _surely_fit(edges: Sequence[ElementalBlock]) -> bool:
    """Say whether sizes alone answer that the patterns of all sums of paths can be listed."""
    size, count = _largest(edges), len(edges)
    if size**2 > MAX_LISTED_CELLS:
        return False
    return count > MAX_REMEMBERED_ELEMENTALS or count**2 // 2 * _bytes(size, size, size**2) <= _room(edges)


def _patterns_fit(edges: Sequence[ElementalBlock], order: Iterable[str]) -> bool:
    """Say whether the patterns of all sums of paths can be listed.

    Sizes alone answer where blocks are small and paths are few. Otherwise the patterns are listed, source by source,
    until they are done or exceed `MAX_LISTED_NONZEROS`, `MAX_PATTERN_MULTIPLICATIONS` or the room in bytes.

    Cost: O(nonzeros of all sums of paths) time beside the multiplications; memory for the elementals and the sums of
    paths from one source to vertices that others still lead from, of a chain one.
    """
    if _surely_fit(edges):
        return True
    small, room = _largest(edges) ** 2 <= MAX_LISTED_CELLS, _room(edges)
    if not small and any(_too_large(b) for _, _, b in edges):
        return False
    room -= sum(_held(b) for _, _, b in edges)
    into: dict[str, list[ElementalBlock]] = {}
    for edge in edges:
        if room < 0:
            return False
        structure = _listed(edge.block)
        into.setdefault(edge.target, []).append(edge._replace(block=edge.block._replace(structure=structure)))
    vertices = list(order)
    last = {edge.source: vertex for vertex in vertices for edge in into.get(vertex, ())}
    paths = (_paths(start, vertices, into, last) for start in dict.fromkeys(edge.source for edge in edges))
    work = 0
    for block, multiplications in chain.from_iterable(paths):
        work, room = work + multiplications, room - _held(block)
        if room < 0 or (not small and (work > MAX_PATTERN_MULTIPLICATIONS or _too_large(block))):
            return False
    return True


def _paths(
    start: str, vertices: Iterable[str], into: Mapping[str, list[ElementalBlock]], last: Mapping[str, str]
) -> Iterator[tuple[Block, int]]:
    """Yield the block of each sum of paths from `start`, growing edge by edge, and the multiplications it takes.

    Before a product that is surely too large, its left factor comes with more than `MAX_PATTERN_MULTIPLICATIONS`
    multiplications, so that the caller can stop before the product is formed. A sum is held until the vertex that
    `last` names for its own: on a chain one at a time.
    """
    held: dict[str, Block] = {}
    for vertex in vertices:
        for source, _, block in into.get(vertex, ()):
            if source != start and source not in held:
                continue
            work = 0
            if source != start:
                work = _work(block, held[source])
                if work > MAX_PATTERN_MULTIPLICATIONS or _surely_large(block, held[source]):
                    yield block, MAX_PATTERN_MULTIPLICATIONS + 1
                block = block.times(held[source])
            held[vertex] = held[vertex].plus(block) if vertex in held else block
            yield held[vertex], work
        for source, _, _ in into.get(vertex, ()):
            if last[source] == vertex:
                held.pop(source, None)


def _held(block: Block) -> int:
    """Return the bytes that a block takes where patterns are listed."""
    if isinstance(block.structure, Dense | OnDiagonal | Zero):
        return 0
    return _bytes(block.rows, block.cols, block.nnz)


def _bytes(rows: int, cols: int, entries: int) -> int:
    return 10 * entries + 14 * (rows + cols)


def _too_large(block: Block) -> bool:
    """Say whether a block has too many nonzeros to be listed; dense and diagonal blocks need not be listed."""
    return not isinstance(block.structure, Dense | OnDiagonal) and block.nnz > MAX_LISTED_NONZEROS


def _listed(block: Block) -> Structure:
    """Return the listed pattern of a block, without what is known about its values."""
    from chainplan.structures.explicit import explicit

    return explicit(block.structure, block.rows, block.cols).valued()


def _surely_large(left: Block, right: Block) -> bool:
    """Say, without forming a product, whether it surely has too many nonzeros to be listed and is not dense."""
    if left.rows * right.cols <= MAX_LISTED_NONZEROS:
        return False
    dense = [b for b in (left, right) if type(b.structure) is Dense]
    if len(dense) == 1:
        other = left if dense[0] is right else right
        counts = other.structure.row_counts(*other[:2]) if other is left else other.structure.column_counts(*other[:2])
        return not all(first for _, first, _ in counts)
    from chainplan.structures.explicit import Explicit, overfull

    x, y = left.structure, right.structure
    return isinstance(x, Explicit) and isinstance(y, Explicit) and overfull(x, y, MAX_LISTED_NONZEROS)


def _work(left: Block, right: Block) -> int:
    """Count the multiplications by which the pattern of a product is found."""
    from chainplan.structures.explicit import Explicit, multiplications_made

    x, y = left.structure, right.structure
    if isinstance(x, Explicit) and isinstance(y, Explicit):
        return multiplications_made(x, y)
    return product_fma(left, right)
