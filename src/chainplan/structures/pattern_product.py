"""Products of large listed patterns: each keeps its factors and its counts, and its own list only where that is short.

Counts that depend on the bracketing would make the price of a product depend on how its factors came about. On a chain
they do not: a product is known by its factors, a bracketing does not change their order, and the counts of every run of
factors are in one table that is made before any search (`structures.large_patterns`). On other graphs, where sums of
paths are too many for a table, counts follow from those of the two operands. Where these are not exact, they are bounds
(`exact`), of which nothing is called optimal.

A product with a dense factor among others is known exactly whatever its size: it is a `Grid`, whose rows and columns
are those that the factors on both sides reach.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from chainplan.structures.banded import ENDLESS_WIDTH
from chainplan.structures.base import Structure, StructureWords
from chainplan.structures.counts import LineCounts, constant, runs
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.envelope import Outline
from chainplan.structures.pattern_counts import (
    PatternCounts,
    counted,
    framed,
    listed,
    multiplications,
    product_bounds,
    summed,
)
from chainplan.structures.unit_entries import UnitEntries, units_of_product
from chainplan.structures.zero import Zero

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

MAX_LOCAL_MULTIPLICATIONS = 20_000_000
"""Multiplications for which a product that stands in no table is counted exactly."""
MAX_LOCAL_NONZEROS = 1_000_000
"""Nonzeros of the largest product that is listed where it stands in no table."""


class PatternFactor:
    """A pattern that is not taken apart any further: an elemental, or a sum of paths."""

    __slots__ = ("_transposed", "counts", "mark")

    def __init__(self, counts: PatternCounts, mark: Hashable) -> None:
        self.counts, self.mark = counts, mark
        self._transposed: PatternFactor | None = None

    def transpose(self) -> PatternFactor:
        """Return the transposed pattern; that of the result is this one again."""
        if self._transposed is None:
            self._transposed = PatternFactor(self.counts.transpose(), ("transposed", self.mark))
            self._transposed._transposed = self
        return self._transposed

    def reach(self, rows: Array | None) -> tuple[Array, Array]:
        """Return the columns that these rows (None: all) may reach at most, and those that they reach surely."""
        counts = self.counts
        if rows is None:
            return counts.cols > 0, counts.least_cols > 0
        if counts.csr is None:
            return counts.cols > 0, np.zeros(len(counts.cols), bool)
        found = np.zeros(len(counts.cols), bool)
        found[counts.csr[np.flatnonzero(rows)].indices] = True
        return found, found


Factors = tuple[PatternFactor, ...]
"""Factors of a product, the leftmost first."""
CountsTable = Mapping[Factors, PatternCounts]
"""The counts of runs of factors."""


def lists(factors: Factors) -> list[csr_array] | None:
    """Return the lists of all factors, or None where one has none."""
    found = [csr for factor in factors if (csr := factor.counts.csr) is not None]
    return found if len(found) == len(factors) else None


class LargePattern(Structure):
    """Base of the structures that large patterns are made of, which combine with each other and with dense blocks."""

    __slots__ = ()
    name = "sparse"

    def times(self, right: Structure) -> Structure | None:
        return _product(self, right)

    def rtimes(self, left: Structure) -> Structure | None:
        return _product(left, self)

    def plus(self, other: Structure) -> Structure | None:
        return _total(self, other)

    def brief(self, rows: int, cols: int) -> StructureWords:
        word = "units" if self.unit else self.name if self.exact else "at most"
        return {word: {"nnz": self.nnz(rows, cols)}}


class PatternProduct(LargePattern):
    """The product of some patterns, with its counts; `units` says what is known about its values."""

    __slots__ = ("counts", "factors", "mark", "table", "units")

    def __init__(
        self, factors: Factors, counts: PatternCounts, table: CountsTable, units: UnitEntries | None = None
    ) -> None:
        self.factors, self.counts, self.table, self.units = factors, counts, table, units
        self.mark: Hashable = (tuple(factor.mark for factor in factors), units)

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Whether the counts are exact."""
        return self.counts.exact

    def vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        return self.counts.cols, self.counts.rows

    def least_vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        return self.counts.least_cols, self.counts.least_rows

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return self.counts.column_runs

    def row_counts(self, rows: int, cols: int) -> LineCounts:
        return self.counts.row_runs

    def nnz(self, rows: int, cols: int) -> int:
        return self.counts.nnz

    def least_nnz(self, rows: int, cols: int) -> int:
        return self.counts.least_nnz

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        patterns = lists(self.factors)
        if patterns is None:
            return self.counts.frame.holds(row, col, rows, cols)
        reached = np.array([row])
        for csr in patterns:
            reached = np.unique(csr[reached].indices)
        return col in reached

    def pattern(self, rows: int, cols: int) -> csr_array:
        """Return the pattern: one that is not listed is made anew, or outlined where a factor is not listed."""
        csr = self.counts.csr
        if csr is None:
            patterns = lists(self.factors)
            if patterns is None:
                return self.counts.frame.pattern(rows, cols)
            csr = patterns[0]
            for pattern in patterns[1:]:
                csr = (csr @ pattern).tocsr()
            csr.data[:] = 1
        if not csr.has_sorted_indices:
            csr.sort_indices()
        return csr

    def transpose(self) -> Structure:
        factors = tuple(factor.transpose() for factor in reversed(self.factors))
        units = self.units.transpose() if self.units else None
        counts = factors[0].counts if len(factors) == 1 else self.counts.transpose()
        return PatternProduct(factors, counts, _Transposed(self.table), units)

    @property
    def held_bytes(self) -> int:  # type: ignore[override]
        """The bytes of the counts and lists of the product and of its factors."""
        return self.counts.held_bytes + sum(factor.counts.held_bytes for factor in self.factors)

    def negated(self) -> Structure:
        return self if self.units is None else self._with(self.units._replace(sign=-self.units.sign))

    def signed(self) -> Structure:
        return self if self.units is None else self._with(self.units._replace(sign=0))

    def valued(self) -> Structure:
        return self if self.units is None else self._with(None)

    def _with(self, units: UnitEntries | None) -> Structure:
        return PatternProduct(self.factors, self.counts, self.table, units)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatternProduct) and self.mark == other.mark

    def __hash__(self) -> int:
        return hash(self.mark)

    def __repr__(self) -> str:
        return f"{'' if self.exact else 'at most '}sparse {self.counts.nnz:,}"


class _Transposed(dict[Factors, PatternCounts]):
    """The table of transposed products: it looks into the original one."""

    def __init__(self, table: CountsTable) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, factors: Factors) -> PatternCounts:
        original = tuple(factor.transpose() for factor in reversed(factors))
        return self._table[original].transpose()


class Grid(LargePattern):
    """Every entry where one of some rows meets one of some columns; None stands for all of them.

    The pattern of any product with a dense factor. `least` has the rows and columns that are surely among them, where
    it is not known of each.
    """

    __slots__ = ("_marks", "cols", "least", "mark", "rows")

    def __init__(
        self, rows: Array | None, cols: Array | None, least: tuple[Array | None, Array | None] | None = None
    ) -> None:
        self.rows, self.cols = rows, cols
        self.least = (rows, cols) if least is None else least
        lines = (rows, cols, *self.least)
        self._marks = tuple(None if mask is None else np.packbits(mask).tobytes() for mask in lines)
        self.mark: Hashable = ("grid", *self._marks)

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Whether it is known of each row and column."""
        return self._marks[:2] == self._marks[2:]

    def vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        return _grid_vectors((self.rows, self.cols), rows, cols)

    def least_vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        return _grid_vectors(self.least, rows, cols)

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        height = _size(self.rows, rows)
        return constant(cols, height) if self.cols is None else runs(self.cols * height)

    def row_counts(self, rows: int, cols: int) -> LineCounts:
        width = _size(self.cols, cols)
        return constant(rows, width) if self.rows is None else runs(self.rows * width)

    def nnz(self, rows: int, cols: int) -> int:
        return _size(self.rows, rows) * _size(self.cols, cols)

    def least_nnz(self, rows: int, cols: int) -> int:
        return _size(self.least[0], rows) * _size(self.least[1], cols)

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return (self.rows is None or bool(self.rows[row])) and (self.cols is None or bool(self.cols[col]))

    def pattern(self, rows: int, cols: int) -> csr_array:
        own = np.arange(cols) if self.cols is None else np.flatnonzero(self.cols)
        lengths = np.full(rows, len(own)) if self.rows is None else self.rows * len(own)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        indices = np.tile(own, _size(self.rows, rows))
        return csr_array((np.ones(len(indices), np.float32), indices, ends), shape=(rows, cols))

    def transpose(self) -> Structure:
        return Grid(self.cols, self.rows, (self.least[1], self.least[0]))

    @property
    def held_bytes(self) -> int:  # type: ignore[override]
        """The bytes of the masks and of their marks."""
        return 64 + 2 * sum(0 if mask is None else len(mask) for mask in (self.rows, self.cols, *self.least))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self.mark == other.mark

    def __hash__(self) -> int:
        return hash(self.mark)

    def __repr__(self) -> str:
        rows, cols = ("all" if mask is None else f"{int(mask.sum()):,}" for mask in (self.rows, self.cols))
        return f"dense in {rows} rows and {cols} columns"


_NO_LINES = np.zeros(0, bool)
"""Rows or columns of which none is sure, however many there are."""


def _size(mask: Array | None, lines: int) -> int:
    return lines if mask is None else int(mask.sum())


def _grid_vectors(masks: tuple[Array | None, Array | None], rows: int, cols: int) -> tuple[Array, Array]:
    """Return the numbers of nonzeros of each column and of each row of a grid."""
    across, down = masks
    if any(mask is not None and not len(mask) for mask in masks):
        return np.zeros(cols, np.int64), np.zeros(rows, np.int64)
    height, width = _size(across, rows), _size(down, cols)
    by_column = np.full(cols, height) if down is None else down * height
    by_row = np.full(rows, width) if across is None else across * width
    return by_column, by_row


def _product(left: Structure, right: Structure) -> Structure:
    """Return the structure of left · right, where one is a large pattern and the other one, too, or dense."""
    if isinstance(left, PatternProduct) and isinstance(right, PatternProduct):
        factors = left.factors + right.factors
        units = units_of_product(left.units, right.units)
        try:
            counts = left.table[factors]
        except KeyError:
            counts = _local(left, right)
        return PatternProduct(factors, counts, left.table, units)
    if isinstance(left, PatternProduct):
        return _product(right.transpose(), left.transpose()).transpose()
    near = left if isinstance(left, Grid) else Grid(None, None)
    if isinstance(right, PatternProduct):
        most, least = near.cols, near.least[1]
        for factor in right.factors:
            most, least = factor.reach(most)[0], factor.reach(least)[1]
        return _grid(near.rows, most, (near.least[0], least))
    far = right if isinstance(right, Grid) else Grid(None, None)
    if not _meet(near.cols, far.rows):
        return Zero()
    if _meet(near.least[1], far.least[0]):
        return _grid(near.rows, far.cols, (near.least[0], far.least[1]))
    return Grid(near.rows, far.cols, (_NO_LINES, _NO_LINES))


def _grid(rows: Array | None, cols: Array | None, least: tuple[Array | None, Array | None]) -> Structure:
    """Return a grid; one of all rows and columns is dense."""
    all_rows, all_cols = map(_unless_all, least)
    if all_rows is all_cols is None:
        return DENSE
    return Grid(_unless_all(rows), _unless_all(cols), (all_rows, all_cols))


def _unless_all(mask: Array | None) -> Array | None:
    return None if mask is None or (len(mask) and mask.all()) else mask


def _meet(cols: Array | None, rows: Array | None) -> bool:
    """Say whether some column is among the rows of the next factor."""
    masks = [mask for mask in (cols, rows) if mask is not None]
    return all(mask.any() for mask in masks) and (len(masks) < 2 or bool((masks[0] & masks[1]).any()))


def _local(left: PatternProduct, right: PatternProduct) -> PatternCounts:
    """Return the counts of a product by those of its operands."""
    one, other = left.counts, right.counts
    if one.csr is None or other.csr is None or multiplications(one, other) > MAX_LOCAL_MULTIPLICATIONS:
        return product_bounds(one, other)
    frame = one.frame.times(other.frame)
    assert isinstance(frame, Outline)
    return counted(one.csr, (other.csr,), frame, MAX_LOCAL_NONZEROS)


def _total(one: LargePattern, other: Structure) -> Structure:
    """Return the structure of a sum, whose second summand may lie on the diagonal."""
    if isinstance(other, Dense):
        return other
    if one.valued() == other.valued():
        return one.valued()
    if isinstance(one, Grid) and (one.rows is one.cols is None):
        return one
    if isinstance(one, Grid) and isinstance(other, Grid):
        if one._marks[0] == other._marks[0]:
            return _beside(one, other)
        if one._marks[1] == other._marks[1]:
            return _beside(one.transpose(), other.transpose()).transpose()
    pairs = zip(_lines(one), _lines(other), strict=True)
    m, n = (next((size for size in pair if size is not None), 0) for pair in pairs)
    if isinstance(other, OnDiagonal):
        m = n = max(m, n)
    counts = summed(_counts(one, m, n), _counts(other, m, n), MAX_LOCAL_NONZEROS)
    table = one.table if isinstance(one, PatternProduct) else {}
    pair = frozenset((one.valued().mark, other.valued().mark))
    return PatternProduct((PatternFactor(counts, ("sum", pair)),), counts, table)


def _beside(one: Structure, other: Structure) -> Structure:
    """Return the union of two grids of the same rows; what is sure of either is sure of both."""
    assert isinstance(one, Grid)
    assert isinstance(other, Grid)
    least = one.least if one._marks[2] == one._marks[0] else other.least
    if one._marks[2] == other._marks[2] and all(grid.least[1] is None or len(grid.least[1]) for grid in (one, other)):
        least = one.least[0], _either(one.least[1], other.least[1])
    return _grid(one.rows, _either(one.cols, other.cols), least)


def _either(one: Array | None, other: Array | None) -> Array | None:
    return None if one is None or other is None else one | other


def _lines(structure: Structure) -> tuple[int | None, int | None]:
    """Return the numbers of rows and columns, as far as a structure knows them."""
    if isinstance(structure, PatternProduct):
        return len(structure.counts.rows), len(structure.counts.cols)
    if isinstance(structure, Grid):
        rows, cols = (None if mask is None else len(mask) for mask in (structure.rows, structure.cols))
        return rows, cols
    return None, None


def _counts(structure: Structure, rows: int, cols: int) -> PatternCounts:
    """Return the counts of a summand of rows x cols, with its list where that is short."""
    if isinstance(structure, PatternProduct):
        return structure.counts
    if isinstance(structure, OnDiagonal):
        return listed(structure.pattern(rows, cols), framed(structure, rows, cols))
    assert isinstance(structure, Grid)
    if structure.exact and structure.nnz(rows, cols) <= MAX_LOCAL_NONZEROS:
        return listed(structure.pattern(rows, cols), _everything())
    (by_col, by_row), (least_by_col, least_by_row) = (
        _grid_vectors(masks, rows, cols) for masks in ((structure.rows, structure.cols), structure.least)
    )
    return PatternCounts(by_row, by_col, least_by_row, least_by_col, _everything())


def _everything() -> Outline:
    return Outline(ENDLESS_WIDTH, ENDLESS_WIDTH)
