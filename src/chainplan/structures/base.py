"""What a structure must be able to say: where its nonzeros may be, and how it combines.

A structure is knowledge about the pattern of a block before it has values. It carries no shape: the shape (rows x
cols) is handed in, so that one `DIAGONAL` serves all sizes. Products and sums go through `block.product` and
`block.total`, which ask the structure that stands *first in the table* (`table.STRUCTURES`): each structure
therefore only has to know the ones behind it, and a new one is one file and one line.

Two laws hold on these objects, not only on patterns, and exact solvers rest on them: the product is associative, and
it distributes over sums. This is why a band stores its widths unclipped: clipping to the shape would make the result
depend on the bracketing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from chainplan.structures.counts import Counts, total_count


class Structure(ABC):
    """Knowledge about the nonzero pattern of a block; immutable, compared by value."""

    __slots__ = ()

    name: ClassVar[str]
    """The word for it in a spec."""

    unit: ClassVar[bool] = False
    """Whether every nonzero is +1 or -1 and every row and column has at most one: its products cost 0 fma."""

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
    def holds(self, row: int, col: int) -> bool:
        """Whether entry (row, col), both from 0, may be nonzero: the definition that all counts answer to."""

    def transpose(self) -> Structure:
        """Structure of the transposed block."""
        return self

    def negated(self) -> Structure:
        """Structure of the block times -1."""
        return self

    @abstractmethod
    def times(self, right: Structure) -> Structure:
        """Structure of self · right, for a `right` that does not stand before self in the table."""

    @abstractmethod
    def rtimes(self, left: Structure) -> Structure:
        """Structure of left · self, for a `left` that stands behind self in the table."""

    @abstractmethod
    def plus(self, other: Structure) -> Structure:
        """Structure of self + other, for an `other` that does not stand before self in the table."""

    def to_spec(self) -> Any:
        """The structure as a spec writes it."""
        return self.name

    @classmethod
    def from_spec(cls, argument: Any) -> Structure:
        """Build it from what a spec writes behind its name (None where it writes the name alone).

        Raises
        ------
        ValueError
            With what was expected, where the argument does not fit.
        """
        if argument is not None:
            raise ValueError(f"the name '{cls.name}' alone, it takes no argument")
        return cls()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return self.name
