"""The cost model `operations`: multiplications and additions of scalar code, each counted as one.

A product of m x k and k x n costs one multiplication for each fma, and one addition for each but the first of the terms
that make an entry of the result; a sum, and what absorbs a product, costs an addition for each entry that both have.
Units multiply for nothing. Functions of matrix-free elementals, and evaluations, take two operations for each fma.
"""

from __future__ import annotations

from typing import ClassVar

from chainplan.problem.cost import Fma
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block, product_fma, sum_adds

OPERATIONS_PER_FMA = 2


class ScalarOperations(Fma):
    """Counts operations of scalar code.

    Examples
    --------
    >>> ScalarOperations().multiply(Block(2, 3), Block(3, 4))
    40
    """

    objective: ClassVar[str] = "operations"
    unit: ClassVar[str] = "operations"
    short_unit: ClassVar[str] = "operations"

    def __reduce__(self) -> str:
        """Pickle the one instance by name, as `Fma` does."""
        return "SCALAR_OPERATIONS"

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        products = product_fma(left, right)
        entries = (left.times(right) if result is None else result).nnz
        return products + max(0, products - entries)

    def add(self, left: Block, right: Block) -> int:
        return sum_adds(left, right)

    def call(self, elemental: Elemental, vectors: int, mode: Mode) -> int:
        return OPERATIONS_PER_FMA * super().call(elemental, vectors, mode)

    def advance(self, elemental: Elemental) -> int:
        return OPERATIONS_PER_FMA * super().advance(elemental)

    def transfer(self, fma: int) -> int:
        return OPERATIONS_PER_FMA * fma


SCALAR_OPERATIONS = ScalarOperations()
