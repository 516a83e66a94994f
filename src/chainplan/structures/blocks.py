"""Block-diagonal and Kronecker structures: many small products side by side, as a batch makes them.

`BlockDiagonal(b)` has b blocks of equal shape along the diagonal (I_b ⊗ A for equal blocks). `Kronecker(k)` is A ⊗ I_k:
entry (i, j) may be nonzero where i and j leave the same remainder modulo k. Reading the indices in the other order
turns one into the other. The number of parts determines both structures, because the shape of a part follows from that
of the whole. A coarser division contains a finer one, so a product or sum of b and b' parts has the smaller number of
parts where it divides the larger one; otherwise only the listed pattern is exact.

With `units` they are replications and reductions: a part of k x 1 ones copies an entry k times, and a part of 1 x k
ones adds up k entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from chainplan.structures.base import BlockShape, Structure, StructureWords
from chainplan.structures.counts import LineCounts, constant
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.identity import Identity
from chainplan.structures.unit_entries import UnitEntries, units_of_product

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array
    from chainplan._util.json_value import JsonValue


class _EqualParts(Structure):
    """Rows and columns fall into `count` equal parts; the entries within a part may be nonzero."""

    __slots__ = ("count", "units")
    also: ClassVar[str]
    """The word by which a spec names a replication or reduction of this kind."""

    def __init__(self, count: int, units: UnitEntries | None = None) -> None:
        self.count, self.units = count, units

    def misfit(self, rows: int, cols: int) -> str | None:
        if rows % self.count or cols % self.count:
            return f"needs rows and columns in multiples of {self.count}, not {rows} x {cols}"
        if self.units is not None and (rows if self.units.cols else cols) != self.count:
            return f"needs {self.count} {'rows' if self.units.cols else 'columns'}, not {rows} x {cols}"
        return None

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return constant(cols, rows // self.count)

    def pattern(self, rows: int, cols: int) -> csr_array:
        import numpy as np
        from scipy.sparse import csr_array

        r, c = rows // self.count, cols // self.count
        starts = self.first_columns(np.arange(rows), r, c)
        indices = starts[:, None] + np.arange(c) * self.step
        indptr = np.arange(rows + 1) * c
        return csr_array((np.ones(rows * c, np.float32), indices.ravel(), indptr), shape=(rows, cols))

    def first_columns(self, rows: Array, r: int, c: int) -> Array:
        """Return the first column in which each of these rows may be nonzero; parts are r x c."""
        raise NotImplementedError

    @property
    def step(self) -> int:
        """Distance between the columns in which a row may be nonzero."""
        raise NotImplementedError

    def transpose(self) -> Structure:
        return type(self)(self.count, self.units.transpose() if self.units else None)

    def negated(self) -> Structure:
        return self if self.units is None else type(self)(self.count, self.units._replace(sign=-self.units.sign))

    def signed(self) -> Structure:
        return self if self.units is None else type(self)(self.count, self.units._replace(sign=0))

    def valued(self) -> Structure:
        return self if self.units is None else self._coarse(self.count, None)

    def times(self, right: Structure) -> Structure | None:
        return self._with(right, units_of_product(self.units, right.units))

    def rtimes(self, left: Structure) -> Structure | None:
        return self._with(left, units_of_product(left.units, self.units))

    def plus(self, other: Structure) -> Structure | None:
        return self.valued() if isinstance(other, OnDiagonal) else self._with(other, None)

    def _with(self, other: Structure, units: UnitEntries | None) -> Structure | None:
        """Return the finest structure, divided like this one or dense, that contains both; None where there is none."""
        if isinstance(other, Dense):
            return DENSE
        if not isinstance(other, _EqualParts):
            return None
        a, b = self.count, other.count
        if 1 in (a, b) or (type(self) is type(other) and (a % b == 0 or b % a == 0)):
            return self._coarse(min(a, b), units)
        return None

    @classmethod
    def _coarse(cls, count: int, units: UnitEntries | None) -> Structure:
        """Return the structure of `count` parts; a single part is dense."""
        if count > 1:
            return cls(count, units)
        return DENSE if units is None else BlockDiagonal(count, units)

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        r, c = rows // self.count, cols // self.count
        if self.units is None or self.units.sign != 1:
            return {self.name: self.arguments(r, c)}
        return {"replicate" if self.units.rows else "reduce": self.also}

    def arguments(self, r: int, c: int) -> list[JsonValue]:
        """Return what a spec writes behind the name, for parts of r x c."""
        raise NotImplementedError

    def brief(self, rows: int, cols: int) -> StructureWords:
        spec = self.to_spec(rows, cols)
        return {"units": spec} if self.units is not None and self.units.sign != 1 else spec

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _EqualParts) and self._key() == other._key()

    def _key(self) -> tuple[type[_EqualParts], int, UnitEntries | None]:
        return type(self), self.count, self.units

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        if self.units is None:
            return f"{self.name} {self.count:,}"
        return f"{'replicate' if self.units.rows else 'reduce'} {self.count:,}"


class BlockDiagonal(_EqualParts):
    """Entry (i, j) may be nonzero where i and j lie in the same of `count` equal parts."""

    __slots__ = ()
    name = "block_diagonal"
    also = "each"
    step = 1

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return row // (rows // self.count) == col // (cols // self.count)

    def first_columns(self, rows: Array, r: int, c: int) -> Array:
        return rows // r * c if r else rows

    def arguments(self, r: int, c: int) -> list[JsonValue]:
        return [self.count, r, c]


class Kronecker(_EqualParts):
    """Entry (i, j) may be nonzero where i and j leave the same remainder modulo `count`."""

    __slots__ = ()
    name = "kronecker"
    also = "whole"

    @property
    def step(self) -> int:
        return self.count

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return row % self.count == col % self.count

    def first_columns(self, rows: Array, r: int, c: int) -> Array:
        return rows % self.count

    def arguments(self, r: int, c: int) -> list[JsonValue]:
        return [[r, c], self.count]


def block_diagonal(argument: object, shape: BlockShape) -> Structure:
    """Read `{block_diagonal: [b, r, c]}`, which means b blocks of r x c."""
    match argument:
        case [int() as b, int() as r, int() as c] if b > 0:
            return _fitting(BlockDiagonal, b, (r, c), shape)
    raise ValueError("{block_diagonal: [b, r, c]}, b blocks of r x c")


def kronecker(argument: object, shape: BlockShape) -> Structure:
    """Read `{kronecker: [[r, c], k]}`, which means A ⊗ I_k for A of r x c."""
    match argument:
        case [[int() as r, int() as c], int() as k] if k > 0:
            return _fitting(Kronecker, k, (r, c), shape)
    raise ValueError("{kronecker: [[r, c], k]}, for A ⊗ I_k with A of r x c")


def replicate(argument: object, shape: BlockShape) -> Structure:
    """Read `{replicate: each}` (I ⊗ 1, which repeats each entry) or `{replicate: whole}` (1 ⊗ I, the whole vector)."""
    kind = _PARTED_BY_WORD.get(argument) if isinstance(argument, str) else None
    if kind is None:
        raise ValueError("{replicate: each} for a, a, b, b or {replicate: whole} for a, b, a, b")
    rows, cols = shape or (1, 1)
    if cols == 0 or rows % cols:
        raise ValueError(f"a block whose rows are a multiple of its columns, not one of {rows} x {cols}")
    return Identity() if rows == cols else kind(cols, UnitEntries(True, False, 1))


def reduce(argument: object, shape: BlockShape) -> Structure:
    """Read `{reduce: each}` (sums of neighbours) or `{reduce: whole}`, the transposes of the two replications."""
    if not isinstance(argument, str) or argument not in _PARTED_BY_WORD:
        raise ValueError("{reduce: each} for a + b, c + d or {reduce: whole} for a + c, b + d")
    rows, cols = shape or (1, 1)
    if rows == 0 or cols % rows:
        raise ValueError(f"a block whose columns are a multiple of its rows, not one of {rows} x {cols}")
    return replicate(argument, (cols, rows)).transpose()


_PARTED_BY_WORD: dict[str, type[_EqualParts]] = {kind.also: kind for kind in (BlockDiagonal, Kronecker)}


def _fitting(kind: type[_EqualParts], count: int, part: tuple[int, int], shape: BlockShape) -> Structure:
    rows, cols = (count * size for size in part)
    if shape is not None and shape != (rows, cols):
        raise ValueError(f"numbers that make the shape of the block, {shape[0]} x {shape[1]}, not {rows} x {cols}")
    return DENSE if count == 1 else kind(count)
