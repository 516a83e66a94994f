"""Structures say what is known about a block's nonzeros before it has values; each has a file, all stand in one table.

Other packages take `Block`, the structures by name and the algebra (`product`, `total`, `product_fma`, `sum_adds`) from
here; `explicit` and `resolve` are imported by their own names, because they need numpy and scipy.
"""

from chainplan.structures.banded import Banded, LowerTriangular, UpperTriangular
from chainplan.structures.base import Structure
from chainplan.structures.block import Block, least_product_fma, product, product_fma, sum_adds, total
from chainplan.structures.blocks import BlockDiagonal, Kronecker
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import DIAGONAL, Diagonal, OnDiagonal
from chainplan.structures.envelope import Outline
from chainplan.structures.identity import Identity, NegatedIdentity
from chainplan.structures.registry import PLAIN_STRUCTURES, STRUCTURE_NAMES, STRUCTURE_READERS, STRUCTURES, from_spec
from chainplan.structures.scaled_identity import ScaledIdentity
from chainplan.structures.shifts import Shifts
from chainplan.structures.sign import Sign
from chainplan.structures.unit_entries import UnitEntries
from chainplan.structures.zero import Zero

__all__ = [
    "DENSE",
    "DIAGONAL",
    "PLAIN_STRUCTURES",
    "STRUCTURES",
    "STRUCTURE_NAMES",
    "STRUCTURE_READERS",
    "Banded",
    "Block",
    "BlockDiagonal",
    "Dense",
    "Diagonal",
    "Identity",
    "Kronecker",
    "LowerTriangular",
    "NegatedIdentity",
    "OnDiagonal",
    "Outline",
    "ScaledIdentity",
    "Shifts",
    "Sign",
    "Structure",
    "UnitEntries",
    "UpperTriangular",
    "Zero",
    "from_spec",
    "least_product_fma",
    "product",
    "product_fma",
    "sum_adds",
    "total",
]
