"""Units: what is known of a block whose nonzeros are all +1 or -1, so that multiplying by it takes no multiplication.

Such a block picks: every row has at most one nonzero (a selection: it copies entries), or every column has (a scatter:
it adds entries up), or both (a permutation). Products of row pickers pick rows, products of column pickers pick
columns; a product of one with the other adds up ones and is a unit block no more. What a product keeps is therefore the
meet of what its factors have, and the tag of a product does not depend on the bracketing, whatever its pattern turns
out to be.
"""

from __future__ import annotations

from typing import NamedTuple


class Units(NamedTuple):
    """`rows`, `cols`: each has at most one nonzero; `sign` of the nonzeros: 1, -1, or 0 where it is not known."""

    rows: bool
    cols: bool
    sign: int

    def transpose(self) -> Units:
        """Of the transposed block."""
        return Units(self.cols, self.rows, self.sign)


def units_of_product(left: Units | None, right: Units | None) -> Units | None:
    """What a product of two blocks keeps, None where it is no unit block."""
    if left is None or right is None:
        return None
    rows, cols = left.rows and right.rows, left.cols and right.cols
    return Units(rows, cols, left.sign * right.sign) if rows or cols else None
