"""Colouring of sparsity patterns: which columns share a tangent sweep and which rows share an adjoint sweep."""

from chainplan.colouring.bounds import lower_bound
from chainplan.colouring.colour import Coloured, colour
from chainplan.colouring.constraints import closer
from chainplan.colouring.exhaustive import best_of_all
from chainplan.colouring.model import Colouring
from chainplan.colouring.recovery import decompress, misfit, seed_columns, seed_rows
from chainplan.colouring.witness import Witness, unmet

__all__ = [
    "Coloured",
    "Colouring",
    "Witness",
    "best_of_all",
    "closer",
    "colour",
    "decompress",
    "lower_bound",
    "misfit",
    "seed_columns",
    "seed_rows",
    "unmet",
]
