"""Colouring of symmetric patterns: which products with a Hessian tell all of its nonzeros, directly or one by one."""

from chainplan.colouring.symmetric.bounds import SymmetricWitness, proven_colours
from chainplan.colouring.symmetric.colour import SymmetricColoured, colour_symmetric
from chainplan.colouring.symmetric.model import SymmetricColouring
from chainplan.colouring.symmetric.recovery import (
    SymmetricRecovery,
    decompress_symmetric,
    recovery_of,
    seed_symmetric,
    symmetric_misfit,
)

__all__ = [
    "SymmetricColoured",
    "SymmetricColouring",
    "SymmetricRecovery",
    "SymmetricWitness",
    "colour_symmetric",
    "decompress_symmetric",
    "proven_colours",
    "recovery_of",
    "seed_symmetric",
    "symmetric_misfit",
]
