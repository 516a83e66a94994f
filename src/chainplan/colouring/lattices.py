"""Colourings of grids by lattices: column j of a pattern with stride k gets the colour (j + s·(j // k)) mod m.

On a grid of k x l points numbered row by row, that is x + t·y modulo m with t = k + s; in three dimensions a second
stride adds s'·(j // k'). The 2·d + 1 points of a stencil along d axes get different colours for some s once m is
2·d + 1 (perfect Lee codes: Golomb & Welch, SIAM J. Appl. Math. 18, 1970), whatever the size of the grid, where
first-fit takes up to 2·d more. The strides are read off the pattern: they are the distances between columns that meet
in a row, and the distances of nonzeros from the diagonal. All lattices of a stride, or of two, are tested together on a
few rows, row after row; those that are left are tested on all rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from chainplan.colouring.model import UNSEEDED, ColourArray
from chainplan.colouring.recovery import alone, entries

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

LatticeSteps = tuple[tuple[int, int], ...]
"""The strides k of a lattice, each with its s."""

MAX_LATTICE_STRIDES = 8
"""Most strides that are tried, alone and in pairs."""
LATTICE_SAMPLE_ROWS = 50
"""Rows on which a lattice is tried first."""
MAX_LATTICE_COLOURS = 32
"""Colours of the largest lattice that is tried."""


def lattice(pattern: Pattern, fewest: int, below: int) -> list[int] | None:
    """Colours of all columns by the first lattice that fits, of `fewest` colours or more but fewer than `below`.

    Cost: O(nnz) for every lattice that fits the sample; those that do not are mostly ruled out by its first few rows.
    """
    i, j = entries(pattern)
    ends = pattern.indptr
    sample = [pattern.indices[ends[r] : ends[r + 1]].astype(np.intp) for r in _sample_rows(pattern.shape[0])]
    sample.sort(key=len, reverse=True)
    strides = likely_strides(i, j)
    for m in range(max(1, fewest), min(below, MAX_LATTICE_COLOURS + 1)):
        for steps in _steps(sample, strides, m):
            if bool(alone(i, _colours(j, steps, m)).all()):
                return _renumbered(_colours(np.arange(pattern.shape[1], dtype=np.intp), steps, m), j)
    return None


def _colours(j: ColourArray, steps: LatticeSteps, m: int) -> ColourArray:
    """The colours of columns j by a lattice modulo m."""
    colours: ColourArray = sum((s * (j // k) for k, s in steps), start=j) % m
    return colours


def _sample_rows(rows: int) -> ColourArray:
    """Some rows: three from the middle of the pattern, the others spread over it."""
    middle = np.arange(rows // 2, min(rows, rows // 2 + 3))
    return np.unique(np.concatenate([np.linspace(0, rows - 1, LATTICE_SAMPLE_ROWS), middle]).astype(np.intp))


def _steps(sample: list[ColourArray], strides: list[int], m: int) -> Iterator[LatticeSteps]:
    """The lattices modulo m that fit the rows of the sample: that of a line, those of one stride, those of two."""
    for count in range(3):
        for chosen in itertools.combinations(strides, count):
            factors = np.array(list(itertools.product(range(m), repeat=count)), dtype=np.intp)
            for row in sample:
                colours = np.sort((row + factors @ (row // np.array(chosen, np.intp)[:, None])) % m)
                factors = factors[(colours[:, 1:] != colours[:, :-1]).all(axis=1)]
            yield from (tuple(zip(chosen, each, strict=True)) for each in factors.tolist())


def likely_strides(i: ColourArray, j: ColourArray) -> list[int]:
    """Likely strides: distances of nonzeros from the diagonal, then of neighbours in a row, frequent ones first."""
    strides: dict[int, None] = {}
    for distances in (np.abs(i - j), np.diff(j)[np.diff(i) == 0]):
        values, counts = np.unique(distances[distances > 1], return_counts=True)
        strides |= dict.fromkeys(values[np.lexsort((values, -counts))][:MAX_LATTICE_STRIDES].tolist())
    return list(strides)[:MAX_LATTICE_STRIDES]


def _renumbered(colours: ColourArray, used: ColourArray) -> list[int]:
    """The colours numbered from 0 without gaps; a column without nonzeros has none."""
    seeded = np.zeros(colours.size, dtype=np.bool_)
    seeded[used] = True
    _, ranks = np.unique(colours[seeded], return_inverse=True)
    ranked = np.full(colours.size, UNSEEDED, dtype=np.intp)
    ranked[seeded] = ranks
    listed: list[int] = ranked.tolist()
    return listed
