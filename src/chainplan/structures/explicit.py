"""Explicit: a pattern that is listed entry by entry, with the exact products and sums of patterns.

Where no symbolic structure describes the product of two structures, their patterns are multiplied as boolean matrices.
Sparse patterns go through scipy, which takes as many operations as the product itself has fma, but for neighbouring
rows that are equal, which are multiplied once (`csr.pattern_product`); nearly dense ones go
through one `sgemm`, which is faster once a twentieth of all m·k·n multiplications is needed. Counts along a dimension
are vectors. Patterns hold ones in single precision, because these neither wrap around nor cancel.

Cost: O(fma) or O(m·k·n) per product, O(nonzeros) per sum; `chainplan._util.byte_cache` keeps results that are not too
large.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.byte_cache import MAX_ENTRY_BYTES, kept
from chainplan.structures.base import Structure, StructureWords
from chainplan.structures.counts import LineCounts, runs
from chainplan.structures.csr import DistinctRows, distinct_rows, pairs_met, pattern_product, product_strips
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.unit_entries import UnitEntries, units_of_product

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

_SPARSE_OVER_DENSE_TIME = 20
"""How many times longer a sparse product takes per multiplication than a dense one, roughly."""
_MAX_DENSE_PRODUCT_CELLS = 20_000_000
"""The most entries, of both factors and the product together, for which all three are written out densely."""
_MIN_GROUPED_MULTIPLICATIONS = 100_000
"""Multiplications from which on a product looks for equal rows."""
_LARGE_PRODUCT_CELLS = 2_000_000
"""Cells from which on a product that may be dense is counted before it is held."""


class Explicit(Structure):
    """The entries listed in a sparse array may be nonzero."""

    __slots__ = ("__dict__", "__weakref__", "csr", "units")
    name = "sparse"
    meets_lists = True

    def __init__(self, csr: csr_array, units: UnitEntries | None = None) -> None:
        self.csr, self.units = csr, units

    def __reduce__(self) -> tuple[type[Explicit], tuple[object, ...]]:
        """Pickle the pattern alone; the other process works out again whatever is cached here."""
        return Explicit, (self.csr, self.units)

    def misfit(self, rows: int, cols: int) -> str | None:
        m, n = self.csr.shape
        return None if (m, n) == (rows, cols) else f"is a pattern of {m} x {n}, not {rows} x {cols}"

    def vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        return self.column_vector, self.row_vector

    @cached_property
    def column_vector(self) -> Array:
        """The number of nonzeros of each column."""
        known: DistinctRows | None = self.__dict__.get("distinct")
        if known is None or known.groups is None:
            return np.bincount(self.csr.indices, minlength=self.csr.shape[1])
        weights = np.repeat(known.repeats(), np.diff(known.csr.indptr))
        return np.bincount(known.csr.indices, weights, self.csr.shape[1]).astype(np.int64)

    @cached_property
    def row_vector(self) -> Array:
        """The number of nonzeros of each row."""
        return np.diff(self.csr.indptr).astype(np.int64)

    @cached_property
    def distinct(self) -> DistinctRows:
        """The runs of neighbouring equal rows; those of a product may be finer, because they are those of a factor."""
        return distinct_rows(self.csr)

    @cached_property
    def _columns(self) -> LineCounts:
        return runs(self.column_vector)

    @cached_property
    def _rows(self) -> LineCounts:
        return runs(self.row_vector)

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return self._columns

    def row_counts(self, rows: int, cols: int) -> LineCounts:
        return self._rows

    def nnz(self, rows: int, cols: int) -> int:
        return int(self.csr.nnz)

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        start, stop = self.csr.indptr[row : row + 2]
        return col in self.csr.indices[start:stop]

    def pattern(self, rows: int, cols: int) -> csr_array:
        return self.csr

    @cached_property
    def _transposed(self) -> Explicit:
        csr = self.csr.T.tocsr()
        csr.sort_indices()
        transposed = Explicit(csr, self.units.transpose() if self.units else None)
        transposed.__dict__["_transposed_from"] = ref(self)  # a strong cycle would live on until the collector runs
        return transposed

    def transpose(self) -> Structure:
        original = self.__dict__.get("_transposed_from")
        return (original and original()) or self._transposed

    @property
    def held_bytes(self) -> int:  # type: ignore[override]
        """Bytes of the pattern, of its transpose and distinct rows, and of the counts as vectors and as runs."""
        (m, n), nnz = self.csr.shape, int(self.csr.nnz)
        return 3 * (8 * nnz + 12 * (m + n)) + 136 * min(m + n, 2 * nnz + 2)

    def negated(self) -> Structure:
        return self if self.units is None else self._with(self.units._replace(sign=-self.units.sign))

    def signed(self) -> Structure:
        return self if self.units is None else self._with(self.units._replace(sign=0))

    def valued(self) -> Structure:
        return self if self.units is None else self._with(None)

    def _with(self, units: UnitEntries | None) -> Structure:
        return Explicit(self.csr, units)

    def times(self, right: Structure) -> Structure | None:
        return None

    def rtimes(self, left: Structure) -> Structure | None:
        return None

    def plus(self, other: Structure) -> Structure | None:
        return other if isinstance(other, Dense) else None

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        if self.units is not None and self.units.sign == 1:
            if self.units.rows and (self.row_vector == 1).all():
                return {"permutation" if self._is_square_bijection() else "selection": self.csr.indices.tolist()}
            if self.units.cols and (self.column_vector == 1).all():
                return {"scatter": self.transpose().pattern(cols, rows).indices.tolist()}
        row = np.repeat(np.arange(rows), self.row_vector)
        return {"coo": np.stack([row, self.csr.indices], axis=1).tolist()}

    def _is_square_bijection(self) -> bool:
        return self.csr.shape[0] == self.csr.shape[1] and bool((self.column_vector == 1).all())

    def brief(self, rows: int, cols: int) -> StructureWords:
        return {"units" if self.unit else self.name: {"nnz": self.nnz(rows, cols)}}

    @property
    def mark(self) -> Hashable:
        """The shape, the units and a digest of the entries."""
        return self.csr.shape, self.units, self.digest

    @cached_property
    def digest(self) -> bytes:
        """A digest of the entries, in the order in which they are listed."""
        digest = blake2b(digest_size=32)
        for numbers in (self.csr.indptr, self.csr.indices):
            digest.update(np.ascontiguousarray(numbers, np.int32).data)
        return digest.digest()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Explicit) and self.mark == other.mark)

    @cached_property
    def _hash(self) -> int:
        return hash(self.mark)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        kind = self.name
        if self.units is not None:
            kind = "scatter" if not self.units.rows else "selection" if not self.units.cols else "permutation"
        return f"{kind} {self.csr.nnz:,}"


ShapedStructure = tuple[Structure, int, int]
"""A structure with the rows and columns of its block."""


def exact_product(left: ShapedStructure, right: ShapedStructure) -> Structure:
    """Return the exact pattern of left (m x k) · right (k x n)."""
    (a, m, k), (b, _, n) = left, right
    if max(a.held_bytes, b.held_bytes) > MAX_ENTRY_BYTES:
        return _product(left, right)  # mostly too large to be kept, and a mark takes a pass over the entries
    return kept(("product", a.mark, m, k, b.mark, n), lambda: _product(left, right))


def _product(left: ShapedStructure, right: ShapedStructure) -> Structure:
    (a, m, k), (b, _, n) = left, right
    units = units_of_product(a.units, b.units)
    if isinstance(a, Dense):
        reached = np.flatnonzero(np.diff(_csr(b.transpose(), n, k).indptr)) if k else np.zeros(0, np.int64)
        if m and len(reached) == n:
            return DENSE
        whole = np.tile(reached, m), np.arange(m + 1) * len(reached)
        return _of(csr_array((np.ones(len(whole[0]), np.float32), *whole), shape=(m, n)), None)
    if isinstance(b, Dense):
        return exact_product((b, n, k), (a.transpose(), k, m)).transpose()
    x, y = _csr(a, m, k), _csr(b, k, n)
    multiplications = _multiplications(a, x, y)
    if (
        multiplications >= m * n > _LARGE_PRODUCT_CELLS
        and units is None
        and all(nnz == cells for nnz, cells in _strips(_distinct(a, x), _distinct(b, y)))
    ):
        return DENSE
    crowded = (
        multiplications * _SPARSE_OVER_DENSE_TIME > m * k * n and m * k + k * n + m * n <= _MAX_DENSE_PRODUCT_CELLS
    )
    if crowded:
        return _of(csr_array(x.toarray() @ y.toarray()), units)
    if multiplications < _MIN_GROUPED_MULTIPLICATIONS:
        return _of((x @ y).tocsr(), units)
    rows = pattern_product(_distinct(a, x), _distinct(b, y))
    made = _of(rows.spread(), units)
    if rows.groups is not None and isinstance(made, Explicit):
        made.distinct = rows
    return made


def _distinct(structure: Structure, csr: csr_array) -> DistinctRows:
    return structure.distinct if isinstance(structure, Explicit) else distinct_rows(csr)


def multiplications_made(left: Explicit, right: Explicit) -> int:
    """Count the multiplications by which the product of two patterns is made; equal neighbouring rows count once."""
    met = _multiplications(left, left.csr, right.csr)
    if met < _MIN_GROUPED_MULTIPLICATIONS:
        return met
    return pairs_met(left.distinct.over(right.distinct), right.distinct.csr)


def overfull(left: Explicit, right: Explicit, most: int) -> bool:
    """Say whether left · right has over `most` nonzeros without being dense.

    The product is counted one strip of distinct rows at a time, so a product that is too large is never held.
    """
    x, y = left.distinct, right.distinct
    paths = x.over(y) @ np.diff(y.csr.indptr).astype(np.float64)
    if min(int(paths @ x.repeats()), left.csr.shape[0] * right.csr.shape[1]) <= most:
        return False
    may_be_dense = units_of_product(left.units, right.units) is None
    nonzeros = counted = 0
    for strip_nonzeros, strip_cells in _strips(x, y):
        nonzeros, counted = nonzeros + strip_nonzeros, counted + strip_cells
        if nonzeros > most and not (may_be_dense and nonzeros == counted):
            return True
    return False


def _multiplications(left: Structure, x: csr_array, y: csr_array) -> int:
    """Count the pairs of entries that meet in x · y, where x is the pattern of `left`."""
    if isinstance(left, Explicit):
        return int(left.column_vector @ np.diff(y.indptr).astype(np.int64))
    return pairs_met(x, y)


def _strips(x: DistinctRows, y: DistinctRows) -> Iterator[tuple[int, int]]:
    """Yield the nonzeros and cells of each strip of rows of x · y."""
    repeats, cols = x.repeats(), y.csr.shape[1]
    for first, strip in product_strips(x.over(y), (y.csr,)):
        rows = repeats[first : first + strip.shape[0]]
        yield int(np.diff(strip.indptr) @ rows), int(rows.sum()) * cols


def exact_total(left: ShapedStructure, right: ShapedStructure) -> Structure:
    """Return the exact pattern of left + right, both of m x n."""
    (a, m, n), (b, _, _) = left, right
    return kept(("total", a.mark, b.mark, m, n), lambda: _of((_csr(a, m, n) + _csr(b, m, n)).tocsr(), None))


def _csr(structure: Structure, rows: int, cols: int) -> csr_array:
    return structure.pattern(rows, cols)


def _of(csr: csr_array, units: UnitEntries | None) -> Structure:
    """Return the structure of a pattern, with its entries sorted and set to 1; a full pattern is dense."""
    m, n = csr.shape
    if 0 < csr.nnz == m * n and units is None:
        return DENSE
    csr.sort_indices()
    return Explicit(csr_array((np.ones(csr.nnz, np.float32), csr.indices, csr.indptr), shape=(m, n)), units)


def explicit(structure: Structure, rows: int, cols: int) -> Structure:
    """List the pattern of a structure; structures that combine exactly with listed patterns stay as they are."""
    if structure.meets_lists:
        return structure
    if isinstance(structure, Dense) and rows and cols:
        return structure
    return Explicit(structure.pattern(rows, cols), structure.units)
