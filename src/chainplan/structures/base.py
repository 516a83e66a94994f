"""The interface of a structure: it says where the nonzeros of a block may be, and how it combines with others.

A structure is knowledge about the pattern of a block before it has values. Most carry no shape: the caller passes the
shape (rows x cols), so that one `DIAGONAL` serves all sizes. Products and sums go through `block.product` and
`block.total`, which ask the structure that stands *first in the table* (`registry.STRUCTURES`), so each structure only
has to know the ones behind it. It answers None where no structure of the table describes the result; the exact pattern
then does (`block.Block.times`).

Exact solvers rest on two laws: the product is associative, and it distributes over sums. They hold as long as every
result is exact, whatever describes it, and as long as every result is an upper bound of one family (see
`chainplan.structures.resolve`). This is why a band stores its widths unclipped: clipping to the shape would make the
result depend on the bracketing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, ClassVar

from chainplan._util.json_value import JsonValue
from chainplan.structures.counts import LineCounts, total_count
from chainplan.structures.unit_entries import UnitEntries

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array

BlockShape = tuple[int, int] | None
"""Rows and columns of the block whose structure is read; None where they could not be read themselves."""

StructureWords = str | Mapping[str, JsonValue]
"""A structure as a spec writes it: a word alone, or a word with its argument."""


class Structure(ABC):
    """Knowledge about the nonzero pattern of a block; immutable, compared by value."""

    __slots__ = ()

    name: ClassVar[str]
    """The word by which a spec names the structure."""

    units: UnitEntries | None = None
    """What is known about the values of a block of plus and minus ones; None for any other block."""

    exact: bool = True
    """Whether the counts of a pattern that was listed are exact, and not bounds."""

    meets_lists: ClassVar[bool] = False
    """Whether products and sums with listed patterns are exact while the structure itself is not listed."""

    held_bytes = 64
    """An upper bound on the bytes that the structure takes, everything it caches about itself included."""

    @property
    def mark(self) -> Hashable:
        """A small key that stands for the structure in caches; equal structures have equal marks."""
        return self

    @property
    def unit(self) -> bool:
        """Whether a product with such a block costs 0 fma."""
        return self.units is not None

    def misfit(self, rows: int, cols: int) -> str | None:
        """Say why a block of rows x cols cannot have this structure, or return None where it can."""
        return None

    @abstractmethod
    def column_counts(self, rows: int, cols: int) -> LineCounts:
        """Count the nonzeros of each of the `cols` columns."""

    def row_counts(self, rows: int, cols: int) -> LineCounts:
        """Count the nonzeros of each of the `rows` rows."""
        return self.transpose().column_counts(cols, rows)

    def nnz(self, rows: int, cols: int) -> int:
        """Count the entries that may be nonzero."""
        return total_count(self.column_counts(rows, cols))

    def least_nnz(self, rows: int, cols: int) -> int:
        """Count the nonzeros from below, where the counts are not exact."""
        return self.nnz(rows, cols)

    def vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        """Return the numbers of nonzeros of each column and of each row as two arrays, where they are at hand."""
        return None

    def least_vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        """Return the same numbers counted from below, where the counts are not exact."""
        return self.vectors(rows, cols)

    @abstractmethod
    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Say whether entry (row, col) of rows x cols, both from 0, may be nonzero; all counts must agree with it."""

    @abstractmethod
    def pattern(self, rows: int, cols: int) -> csr_array:
        """Return the pattern as a sparse array of ones, in O(rows + cols + nonzeros)."""

    def transpose(self) -> Structure:
        """Return the structure of the transposed block."""
        return self

    def negated(self) -> Structure:
        """Return the structure of the block times -1."""
        return self

    def signed(self) -> Structure:
        """Return the structure of the block after some of its rows or columns were multiplied by -1."""
        return self

    def valued(self) -> Structure:
        """Return the structure of the block after its rows or columns were multiplied by arbitrary numbers."""
        return self

    def scaled(self) -> Structure:
        """Return the structure of the block times a number."""
        return self.valued()

    @abstractmethod
    def times(self, right: Structure) -> Structure | None:
        """Return the structure of self · right, for a `right` that does not stand before self in the table."""

    @abstractmethod
    def rtimes(self, left: Structure) -> Structure | None:
        """Return the structure of left · self, for a `left` that stands behind self in the table."""

    @abstractmethod
    def plus(self, other: Structure) -> Structure | None:
        """Return the structure of self + other, for an `other` that does not stand before self in the table."""

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        """Return the structure of a block of rows x cols as a spec writes it."""
        return self.name

    def brief(self, rows: int, cols: int) -> StructureWords:
        """Return what a plan's steps say of the structure; they do not list a pattern again."""
        return self.to_spec(rows, cols)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return self.name
