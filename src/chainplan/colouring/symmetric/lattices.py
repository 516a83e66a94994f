"""Star and acyclic colourings of grids by lattices: column j gets the colour (j + s·(j // k)) mod m.

The strides k are those of the one-sided lattices. A lattice is tried on a few vertices in the middle first. Three
colours are enough for a grid in the plane where its nonzeros are substituted, five where they are read off (Fertin,
Raspaud & Reed, J. Graph Theory 47, 2004), in whatever size; first-fit takes more.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from chainplan.colouring.lattices import likely_strides
from chainplan.colouring.recovery import entries
from chainplan.colouring.symmetric.exhaustive import connected_order
from chainplan.colouring.symmetric.local_rules import local_rules
from chainplan.colouring.symmetric.model import SymmetricColouring
from chainplan.colouring.symmetric.recovery import symmetric_misfit

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern
    from chainplan.colouring.symmetric.adjacency import Adjacency

MAX_SYMMETRIC_STRIDES = 3
"""Most strides that are tried, alone and in pairs."""
LATTICE_SAMPLE_VERTICES = 30
"""Vertices on which a lattice is tried first."""
MAX_SYMMETRIC_LATTICES = 400
"""Most lattices that are tried."""


def symmetric_lattice(
    pattern: Pattern, graph: Adjacency, substitution: bool, fewest: int, below: int
) -> list[int] | None:
    """Colours of all columns by the first lattice that fits, of `fewest` colours or more but fewer than `below`.

    Cost: O(nnz log nnz) for every lattice that fits the sample.
    """
    n = pattern.shape[0]
    sample = np.array(connected_order(graph, n // 2, LATTICE_SAMPLE_VERTICES), dtype=np.intp)
    part, j = graph.induced(sample.tolist()), np.arange(n, dtype=np.intp)
    strides = likely_strides(*entries(pattern))[:MAX_SYMMETRIC_STRIDES]
    tried = 0
    for m in range(max(1, fewest), below):
        for count in range(3):
            for chosen, factors in itertools.product(
                itertools.combinations(strides, count), itertools.product(range(m), repeat=count)
            ):
                tried += 1
                if tried > MAX_SYMMETRIC_LATTICES:
                    return None
                steps = tuple(zip(chosen, factors, strict=True))
                if not _fits(part, substitution, _colours(sample, steps, m)):
                    continue
                colours = _colours(j, steps, m)
                if symmetric_misfit(pattern, SymmetricColouring(colours, substitution)) is None:
                    listed: list[int] = np.unique(colours, return_inverse=True)[1].tolist()
                    return listed
    return None


def _colours(j: np.ndarray, steps: tuple[tuple[int, int], ...], m: int) -> np.ndarray:
    """The colours of columns j by a lattice modulo m."""
    return sum((s * (j // k) for k, s in steps), start=j) % m


def _fits(part: Adjacency, substitution: bool, colours: np.ndarray) -> bool:
    """Whether the colours of a small graph recover it."""
    rules = local_rules(part, substitution)
    for v, colour in enumerate(colours.tolist()):
        rules.put(v, colour)
        if not rules.fits(v):
            return False
    return True
