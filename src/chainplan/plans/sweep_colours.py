"""The colours of a block: which of its columns share a tangent, and which of its rows share an adjoint.

Colours depend on the pattern of the block and on the prices of one tangent and one adjoint alone, so they are kept for
every run with the same pattern. Blocks of dense parts have colours in closed form; `chainplan.colouring` searches for
those of other patterns.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chainplan._util.byte_cache import kept
from chainplan.plans.steps import MAX_DECOMPRESSED_LINES
from chainplan.structures import Block, BlockDiagonal, Dense, Kronecker, OnDiagonal, Zero
from chainplan.structures.counts import longest

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan.colouring import Coloured, Colouring

MAX_CLOSELY_EXAMINED_NONZEROS = 128
"""Nonzeros of the largest pattern whose colours are searched more closely."""
MAX_DISTINGUISHED_PAIRS = 64
"""The most pairs of tangents and adjoints that are distinguished without a colouring."""
MAX_COLOURED_NONZEROS = 1_500_000
"""Nonzeros of the largest pattern that is coloured; colouring takes about 250 bytes for each of them."""
MAX_TRANSPOSED_NONZEROS = 20_000
"""Nonzeros of the largest pattern whose transpose is coloured too, so that transposing a problem changes no price."""


TimeLeft = Callable[[], bool] | None
"""A function that says whether there is time left for a search; None gives a search as much time as it takes."""


class SweepColours(NamedTuple):
    """The colours of columns and rows, -1 for one that is not seeded, and the numbers of tangents and adjoints."""

    columns: Sequence[int]
    rows: Sequence[int]
    tangents: int
    adjoints: int


SweepNeeds = tuple[tuple[int, int], ...]
"""Pairs of tangents and adjoints; every direct colouring has at least as many of both as one of the pairs."""


VectorPrices = tuple[int | None, int | None]
"""The fma of one tangent and of one adjoint, None where there is none."""


def compressible(block: Block) -> bool:
    """Say whether compression may pay on a block, and its pattern is small enough to be coloured."""
    if (
        isinstance(block.structure, Dense | Zero)
        or not block.structure.exact
        or max(block.rows, block.cols) > MAX_DECOMPRESSED_LINES
    ):
        return False
    return 0 < block.nnz <= MAX_COLOURED_NONZEROS


class BlockColours(NamedTuple):
    """Colours for a block, and the numbers of tangents and adjoints that all colours need."""

    colours: SweepColours
    needs: SweepNeeds
    whole: bool = True
    """Whether there was time for the whole search."""


def has_parts(block: Block) -> bool:
    """Say whether a block has dense parts of equal shape, so that its cheapest colours are known."""
    return isinstance(block.structure, OnDiagonal | BlockDiagonal | Kronecker)


def colours_of_parts(block: Block, prices: VectorPrices) -> BlockColours:
    """Return the cheapest colours of a block that has parts."""
    return kept(("parts", block.mark, *prices), lambda: _of_parts(block, *prices))


def colours_of_pattern(block: Block, prices: VectorPrices, in_time: TimeLeft) -> BlockColours:
    """Return cheap colours of a listed pattern; a search that ran out of time is not kept."""
    key = ("colours", block.mark, *prices)
    return kept(key, lambda: _coloured(block, *prices, in_time), lasting=lambda colours: colours.whole)


def closer_colours(
    block: Block, prices: VectorPrices, known: tuple[int, int], colours: SweepColours
) -> tuple[int, int, SweepColours] | None:
    """Search the colours of a small block more closely, given the price and the bound of those known.

    Returns the price, the bound and the colours, or None where the block is too large.
    """
    if block.nnz > MAX_CLOSELY_EXAMINED_NONZEROS:
        return None
    return kept(("closer", block.mark, prices, known), lambda: _closer(block, prices, known, colours))


def _of_parts(block: Block, tangent: int | None, adjoint: int | None) -> BlockColours:
    """Give each column, or each row, of a part its own colour; no mixture is cheaper on dense parts of equal shape.

    For a part of r x c with x column colours and y row colours r·c <= x·r + y·c (`colouring.bounds`), and under that
    constraint x·tangent + y·adjoint is least where x or y is zero.
    """
    parts = block.rows if isinstance(block.structure, OnDiagonal) else block.structure.count  # type: ignore[attr-defined]
    r, c = block.rows // parts, block.cols // parts
    forward = adjoint is None or (tangent is not None and c * tangent <= r * adjoint)
    needs = _needs((c, r), (tangent, adjoint), (r * c, r, c))
    layered = isinstance(block.structure, Kronecker)
    if forward:
        return BlockColours(SweepColours(_line(block.cols, c, layered), _line(block.rows, 0, layered), c, 0), needs)
    return BlockColours(SweepColours(_line(block.cols, 0, layered), _line(block.rows, r, layered), 0, r), needs)


def _line(length: int, colours: int, layered: bool) -> Sequence[int]:
    """Colour a line: colours take turns, or follow each other in equal runs if `layered`; without colours all are -1.

    Equal lines share one array.
    """

    def make() -> array[int]:
        if not colours:
            return array("i", [-1]) * length
        if not layered:
            return array("i", range(colours)) * (length // colours)
        return array("i", (i // (length // colours) for i in range(length)))

    return kept(("line", length, colours, layered and colours > 0), make)


def simple_needs(block: Block, prices: VectorPrices) -> SweepNeeds:
    """Return the needs that follow from the longest row, the longest column and the number of nonzeros."""
    counts = block.structure.row_counts(block.rows, block.cols), block.structure.column_counts(block.rows, block.cols)
    longest_row, longest_column = map(longest, counts)
    return _needs((longest_row, longest_column), prices, (block.nnz, block.rows, block.cols))


def _needs(alone: tuple[int, int], prices: VectorPrices, cut: tuple[int, int, int]) -> SweepNeeds:
    """Return the needs of either mode alone, and of both by the inequality nnz <= c·rows + a·columns.

    The inequality is that of `colouring.bounds`. Where its line has many pairs, some stand for all: the fewest tangents
    of a step with the fewest adjoints of that step.
    """
    pairs = [pair for pair, price in (((alone[0], 0), prices[0]), ((0, alone[1]), prices[1])) if price is not None]
    if None not in prices:
        nonzeros, rows, columns = cut
        step = -(-alone[0] // MAX_DISTINGUISHED_PAIRS)
        for c in range(1, alone[0], step):
            pairs.append((c, max(1, -(-(nonzeros - (c + step - 1) * rows) // columns))))
    return tuple(pairs)


def _coloured(block: Block, tangent: int | None, adjoint: int | None, in_time: TimeLeft) -> BlockColours:
    """Colour a pattern, and its transpose too where that is small, and return the cheaper colours."""
    best = _best(block, tangent, adjoint, in_time)
    return BlockColours(_plain(best.colouring), best.needs, best.whole)


def _best(block: Block, tangent: int | None, adjoint: int | None, in_time: TimeLeft) -> Coloured:
    from chainplan.colouring import colour

    effort = min(1.0, 1000 / block.nnz)
    best = colour(_listed(block), tangent, adjoint, effort=effort, in_time=in_time)
    if best.optimal or block.nnz > MAX_TRANSPOSED_NONZEROS or not best.whole:
        return best
    turned = colour(_listed(block.transpose()), adjoint, tangent, effort=effort, in_time=in_time).turned
    cheaper, firmer = min(best, turned, key=lambda one: one.price), max(best, turned, key=lambda one: one.bound)
    bound, needs, witness = firmer.bound, firmer.needs, firmer.witness
    return replace(cheaper, bound=bound, needs=needs, witness=witness, whole=turned.whole)


def _closer(
    block: Block, prices: VectorPrices, known: tuple[int, int], colours: SweepColours
) -> tuple[int, int, SweepColours]:
    from chainplan.colouring import Coloured, Colouring, Witness, closer

    best = Coloured(Colouring.of(colours.columns, colours.rows), *known, "", (), Witness())
    coloured = closer(_listed(block), *prices, best)
    return coloured.price, coloured.bound, _plain(coloured.colouring)


def _listed(block: Block) -> csr_array:
    pattern = block.structure.pattern(block.rows, block.cols)
    pattern.sort_indices()
    return pattern


def _plain(colouring: Colouring) -> SweepColours:
    """Turn a colouring of numpy arrays into plain arrays of Python."""
    import numpy as np

    columns, rows = (array("i", side.astype(np.int32).tobytes()) for side in (colouring.columns, colouring.rows))
    return SweepColours(columns, rows, colouring.tangents, colouring.adjoints)
