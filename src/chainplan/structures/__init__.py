"""What is known about a block's nonzeros before it has values; one structure per file, one table."""

from chainplan.structures.banded import Banded
from chainplan.structures.base import Structure
from chainplan.structures.block import Block, product, product_fma, sum_adds, total
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import DIAGONAL, Diagonal
from chainplan.structures.identity import Identity
from chainplan.structures.negated_identity import NegatedIdentity
from chainplan.structures.table import BY_NAME, STRUCTURES
from chainplan.structures.zero import Zero

__all__ = [
    "BY_NAME",
    "DENSE",
    "DIAGONAL",
    "STRUCTURES",
    "Banded",
    "Block",
    "Dense",
    "Diagonal",
    "Identity",
    "NegatedIdentity",
    "Structure",
    "Zero",
    "product",
    "product_fma",
    "sum_adds",
    "total",
]
