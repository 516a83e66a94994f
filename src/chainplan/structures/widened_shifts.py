"""Shifts among other blocks: where their products need no lists, and what to count instead where lists are too many.

A block of shifts that includes the whole main diagonal has an entry in each row and column, and so have its products
and sums; times a dense block it is dense. Such shifts, dense blocks and multiples of the identity are closed. Others
become so by a main diagonal of zeros; among bands, shifts become bands.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.structures.banded import Banded, band
from chainplan.structures.base import Structure
from chainplan.structures.block import Block
from chainplan.structures.dense import Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.shifts import Shifts, covering, shifts_of
from chainplan.structures.zero import Zero


def shifts_are_closed(blocks: Sequence[Block]) -> bool:
    """Say whether there are shifts, and all products and sums of the blocks are shifts, dense or zero as given."""
    shifted = [b.structure for b in blocks if isinstance(b.structure, Shifts)]
    others = [b.structure for b in blocks if not isinstance(b.structure, Shifts)]
    if not shifted or not all(map(_is_even, others)):
        return False
    return not any(isinstance(s, Dense) for s in others) or all(map(_has_main_diagonal, shifted))


def widened_shifts(blocks: Sequence[Block]) -> tuple[Block, ...] | None:
    """Return blocks whose products need no lists, with shifts widened, or None where there are others than these."""
    shifted = [b.structure for b in blocks if isinstance(b.structure, Shifts)]
    others = [b for b in blocks if not isinstance(b.structure, Shifts)]
    if not shifted or any(s.rows != s.cols for s in shifted):
        return None
    if all(_is_even(b.structure) for b in others):
        return tuple(b._replace(structure=_with_main_diagonal(b.structure)) for b in blocks)
    among = all(isinstance(b.structure, OnDiagonal | Zero | Dense | Banded) for b in others)
    if not among or any(isinstance(b.structure, Banded) and b.rows != b.cols for b in others):
        return None
    return tuple(b._replace(structure=_as_band(b.structure)) for b in blocks)


def _is_even(structure: Structure) -> bool:
    return isinstance(structure, Zero | Dense) or (isinstance(structure, OnDiagonal) and structure.uniform)


def _has_main_diagonal(structure: Shifts) -> bool:
    square = structure.rows == structure.cols
    return square and covering(structure, (0, 0, structure.rows)) is not None


def _with_main_diagonal(structure: Structure) -> Structure:
    """Return shifts with the whole main diagonal, and any other structure as it is."""
    if not isinstance(structure, Shifts) or _has_main_diagonal(structure):
        return structure
    return shifts_of((*structure.runs, (0, 0, structure.rows)), structure.rows, structure.cols)


def _as_band(structure: Structure) -> Structure:
    """Return the band around shifts, and any other structure as it is."""
    if not isinstance(structure, Shifts):
        return structure
    offsets = [offset for offset, _, _ in structure.runs]
    return band(max(0, -min(offsets)), max(0, max(offsets)))
