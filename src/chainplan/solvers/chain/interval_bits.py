"""The counts of the patterns of all intervals of a chain, by sets of bits: those that end at one vertex together.

The patterns of all intervals (i, j) stand side by side in one array of bits, with a row for each entry of x_j and some
words for each start i. The next elemental unites rows of this array, so that a step from j to j + 1 is as many
operations on words as it has nonzeros, times the words of a row, for all starts at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.problem.graph import Elemental
from chainplan.solvers.chain.derivation import sizes_of
from chainplan.structures import Dense
from chainplan.structures.unit_entries import UnitEntries, units_of_product

if TYPE_CHECKING:
    from chainplan._util.arrays import Array
    from chainplan.structures import Block

MAX_BITS = 30_000_000
"""Bits of the largest array."""
_WORD = 64
_ONES = np.array([number.bit_count() for number in range(256)], np.uint8)
"""The ones of each byte."""


class EndCounts(NamedTuple):
    """Counts of the intervals that end at one vertex, by start.

    `rows` has a column for each start; `cols` has the counts of all columns of all starts one after the other, and
    `offsets` says where those of each start begin. `units` marks blocks whose products cost nothing.
    """

    rows: Array
    cols: Array
    offsets: Array
    units: Array


def bits_fit(chain: tuple[Elemental, ...]) -> bool:
    """Say whether the patterns of all intervals that end at one vertex fit into bits."""
    sizes = sizes_of(chain)
    return min(sizes) > 0 and max(sizes) * sum(_words(size) for size in sizes) * _WORD <= MAX_BITS


def end_counts(chain: tuple[Elemental, ...]) -> Iterator[EndCounts]:
    """Yield the counts of all intervals, for one end after the other, in O(q) operations on arrays for each."""
    sizes = sizes_of(chain)
    bits = np.zeros((sizes[0], 0), np.uint64)
    units: list[UnitEntries | None] = []
    for j, e in enumerate(chain):
        own = e.block.structure.units
        units = [None if known is None else units_of_product(own, known) for known in units] + [own]
        bits = np.hstack([_united(e.block, bits), _packed(e.block)])
        words = np.cumsum([0, *map(_words, sizes[: j + 1])])
        bytes_of_rows = np.ascontiguousarray(bits).view(np.uint8)
        rows = np.add.reduceat(_ONES[bytes_of_rows], words[:-1] * 8, axis=1, dtype=np.int64)
        cols = np.unpackbits(bytes_of_rows, axis=1, bitorder="little").sum(axis=0, dtype=np.int64)
        offsets = np.cumsum([0, *sizes[: j + 1]])
        places = np.arange(offsets[-1]) + np.repeat(words[:-1] * _WORD - offsets[:-1], sizes[: j + 1])
        yield EndCounts(rows, cols[places], offsets[:-1], np.array([known is not None for known in units]))


def _words(size: int) -> int:
    return -(-size // _WORD)


def _packed(block: Block) -> Array:
    """Return the pattern of a block as words, row by row."""
    wide = np.zeros((block.rows, _words(block.cols) * _WORD), bool)
    dense = isinstance(block.structure, Dense)
    wide[:, : block.cols] = True if dense else block.structure.pattern(block.rows, block.cols).toarray()
    words: Array = np.packbits(wide, axis=1, bitorder="little").view(np.uint64)
    return words


def _united(block: Block, bits: Array) -> Array:
    """Return the product of a block with all patterns in an array of bits: each row unites the rows that it reaches."""
    result: Array = np.zeros((block.rows, bits.shape[1]), np.uint64)
    if isinstance(block.structure, Dense):
        result[:] = np.bitwise_or.reduce(bits, axis=0)
        return result
    csr = block.structure.pattern(block.rows, block.cols)
    filled = np.flatnonzero(np.diff(csr.indptr))
    if len(filled) and bits.shape[1]:
        result[filled] = np.bitwise_or.reduceat(bits[csr.indices], csr.indptr[filled], axis=0)
    return result
