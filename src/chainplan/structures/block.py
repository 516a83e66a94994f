"""A block is a shape with a structure; this module has the algebra of blocks.

`product` and `total` are the only places where two structures meet. Where they know no structure for the result, the
block takes the exact pattern.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import NamedTuple

from chainplan.structures.base import Structure
from chainplan.structures.counts import inner
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.registry import STRUCTURE_RANK

_EXPLICIT_RANK = STRUCTURE_RANK[Dense] - 0.5


def product(left: Structure, right: Structure) -> Structure | None:
    """Return the structure of left · right, or None where only the pattern describes it.

    The product is associative and distributes over `total`.
    """
    if STRUCTURE_RANK.get(type(left), _EXPLICIT_RANK) <= STRUCTURE_RANK.get(type(right), _EXPLICIT_RANK):
        return left.times(right)
    return right.rtimes(left)


def total(left: Structure, right: Structure) -> Structure | None:
    """Return the structure of left + right, or None where only the pattern describes it.

    The sum is commutative and associative.
    """
    if STRUCTURE_RANK.get(type(left), _EXPLICIT_RANK) <= STRUCTURE_RANK.get(type(right), _EXPLICIT_RANK):
        return left.plus(right)
    return right.plus(left)


class Block(NamedTuple):
    """A block of rows x cols before it has values."""

    rows: int
    cols: int
    structure: Structure = DENSE

    @property
    def nnz(self) -> int:
        """Number of entries that may be nonzero."""
        return self.structure.nnz(self.rows, self.cols)

    @property
    def mark(self) -> Hashable:
        """A small key that stands for the block in caches."""
        return self.rows, self.cols, self.structure.mark

    @property
    def density(self) -> float:
        """Share of the entries that may be nonzero; an empty block has density 1.0."""
        cells = self.rows * self.cols
        return self.nnz / cells if cells else 1.0

    def transpose(self) -> Block:
        """Return the transposed block, of cols x rows."""
        return Block(self.cols, self.rows, self.structure.transpose())

    def times(self, right: Block) -> Block:
        """Return the block self (m x k) · right (k x n), of m x n."""
        (m, k, a), (rows, n, b) = self, right
        if type(a) is Dense and type(b) is Dense:
            return _dense(m, n)
        structure = product(a, b)
        if structure is None:
            from chainplan.structures.explicit import exact_product

            structure = exact_product((a, m, k), (b, rows, n))
        return Block(m, n, structure)

    def plus(self, other: Block) -> Block:
        """Return the block self + other, both of m x n."""
        if type(self.structure) is Dense:
            return self
        if type(other.structure) is Dense:
            return other
        structure = total(self.structure, other.structure)
        if structure is None:
            from chainplan.structures.explicit import exact_total

            shape = self.rows, self.cols
            structure = exact_total((self.structure, *shape), (other.structure, *shape))
        return Block(self.rows, self.cols, structure)


@lru_cache(maxsize=4096)
def _dense(rows: int, cols: int) -> Block:
    """Return a dense block, the same one when it is asked for again, as long plans make few shapes many times."""
    return Block(rows, cols)


def product_fma(left: Block, right: Block) -> int:
    """Count the fma of left (m x k) · right (k x n): `Σ_l nnz(left[:, l]) · nnz(right[l, :])`, 0 for unit blocks."""
    (m, k, a), (_, n, b) = left, right
    if type(a) is Dense and type(b) is Dense:
        return m * k * n
    if left.structure.unit or right.structure.unit:
        return 0
    for one, other, lines in ((left, right, left.rows), (right, left, right.cols)):
        if isinstance(one.structure, Dense | OnDiagonal):
            return other.nnz * (lines if type(one.structure) is Dense else 1)
    columns, rows = left.structure.vectors(*left[:2]), right.structure.vectors(*right[:2])
    if columns is not None and rows is not None and left.rows * left.cols * right.cols < 1 << 62:
        return int(columns[0] @ rows[1])
    return inner(left.structure.column_counts(left.rows, left.cols), right.structure.row_counts(right.rows, right.cols))


def least_product_fma(left: Block, right: Block) -> int:
    """Count the fma of left · right from below, where nonzeros are counted from above and from below."""
    if left.structure.exact and right.structure.exact:
        return product_fma(left, right)
    if left.structure.unit or right.structure.unit:
        return 0
    for one, other, lines in ((left, right, left.rows), (right, left, right.cols)):
        if isinstance(one.structure, Dense | OnDiagonal):
            least = other.structure.least_nnz(other.rows, other.cols)
            return least * (lines if type(one.structure) is Dense else 1)
    columns, rows = left.structure.least_vectors(*left[:2]), right.structure.least_vectors(*right[:2])
    return 0 if columns is None or rows is None else int(columns[0] @ rows[1])


def sum_adds(left: Block, right: Block) -> int:
    """Count the additions of left + right, the entries that both may hold, by inclusion and exclusion."""
    total = left.plus(right)
    if not total.structure.exact:
        return min(left.nnz, right.nnz)
    return left.nnz + right.nnz - total.nnz
