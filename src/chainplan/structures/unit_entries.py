"""What is known about a block whose nonzeros are all +1 or -1, so that a product with it needs no multiplication.

In such a block every row has at most one nonzero (a selection, which copies entries), or every column has (a scatter,
which adds entries up), or both (a permutation). A product of two selections is a selection and a product of two
scatters is a scatter, but a product of one with the other adds up ones and is no unit block any more. So a product has
exactly the properties that both factors have, and these do not depend on the bracketing, whatever the pattern is.
"""

from __future__ import annotations

from typing import NamedTuple


class UnitEntries(NamedTuple):
    """Whether each row, and each column, has at most one nonzero; the sign of all of them, 0 where it is not known."""

    rows: bool
    cols: bool
    sign: int

    def transpose(self) -> UnitEntries:
        """Return what is known about the transposed block."""
        return UnitEntries(self.cols, self.rows, self.sign)


def units_of_product(left: UnitEntries | None, right: UnitEntries | None) -> UnitEntries | None:
    """Return what is known about the product of two blocks, or None where it is no unit block."""
    if left is None or right is None:
        return None
    rows, cols = left.rows and right.rows, left.cols and right.cols
    return UnitEntries(rows, cols, left.sign * right.sign) if rows or cols else None
