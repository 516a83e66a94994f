"""What a structure must be able to say: where its nonzeros may be, and how it combines.

A structure is knowledge about the pattern of a block before it has values. Most carry no shape: the shape (rows x cols)
is handed in, so that one `DIAGONAL` serves all sizes. Products and sums go through `block.product` and `block.total`,
which ask the structure that stands *first in the table* (`table.STRUCTURES`): each structure therefore only has to know
the ones behind it. It answers None where no structure of the table describes the result; the exact pattern then does
(`block.Block.times`).

Exact solvers rest on two laws: the product is associative, and it distributes over sums. They hold as long as every
result is exact, whatever describes it, and as long as every result is an upper bound of one family (see
`chainplan.structures.resolve`). This is why a band stores its widths unclipped: clipping to the shape would make the
result depend on the bracketing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from chainplan.structures.counts import Counts, total_count
from chainplan.structures.unit_entries import Units

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Shape = tuple[int, int] | None
"""Rows and columns of the block that a structure is read for, None where they could not be read themselves."""


class Structure(ABC):
    """Knowledge about the nonzero pattern of a block; immutable, compared by value."""

    __slots__ = ()

    name: ClassVar[str]
    """The word for it in a spec."""

    units: Units | None = None
    """What is known of a block of plus and minus ones, None of any other."""

    vectors: tuple[Any, Any] | None = None
    """Nonzeros of each column and of each row as arrays, where they are listed; None elsewhere."""

    held_bytes = 64
    """Bytes that it may come to take, with all that it works out of itself."""

    @property
    def mark(self) -> Hashable:
        """What stands for it in the key of a cache: small, equal where structures are equal."""
        return self

    @property
    def unit(self) -> bool:
        """Whether products with it cost 0 fma."""
        return self.units is not None

    def misfit(self, rows: int, cols: int) -> str | None:
        """Say why a block of rows x cols cannot have this structure, or None where it can."""
        return None

    @abstractmethod
    def column_counts(self, rows: int, cols: int) -> Counts:
        """Nonzeros of each of the `cols` columns."""

    def row_counts(self, rows: int, cols: int) -> Counts:
        """Nonzeros of each of the `rows` rows."""
        return self.transpose().column_counts(cols, rows)

    def nnz(self, rows: int, cols: int) -> int:
        """Number of entries that may be nonzero."""
        return total_count(self.column_counts(rows, cols))

    @abstractmethod
    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Whether entry (row, col), both from 0, of rows x cols may be nonzero: what all counts answer to."""

    @abstractmethod
    def pattern(self, rows: int, cols: int) -> csr_array:
        """The same as a sparse array of ones, in O(rows + cols + nonzeros)."""

    def transpose(self) -> Structure:
        """Structure of the transposed block."""
        return self

    def negated(self) -> Structure:
        """Structure of the block times -1."""
        return self

    def signed(self) -> Structure:
        """Structure of the block with some of its rows or columns times -1."""
        return self

    def valued(self) -> Structure:
        """Structure of the block with its rows or columns times any numbers."""
        return self

    @abstractmethod
    def times(self, right: Structure) -> Structure | None:
        """Structure of self · right, for a `right` that does not stand before self in the table."""

    @abstractmethod
    def rtimes(self, left: Structure) -> Structure | None:
        """Structure of left · self, for a `left` that stands behind self in the table."""

    @abstractmethod
    def plus(self, other: Structure) -> Structure | None:
        """Structure of self + other, for an `other` that does not stand before self in the table."""

    def to_spec(self, rows: int, cols: int) -> Any:
        """The structure of a block of rows x cols as a spec writes it."""
        return self.name

    def brief(self, rows: int, cols: int) -> Any:
        """The same in a plan's steps, where a pattern is not listed again."""
        return self.to_spec(rows, cols)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return self.name
