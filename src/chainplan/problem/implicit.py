"""Unknowns that are solved together: residuals R(y, x) = 0 give the unknowns y the Jacobian -R_y⁻¹·R_x.

R_x are the edges from elsewhere to the residuals. R_y, whose blocks lead from the unknowns to the residuals, is square,
and its negated inverse is one elemental of N x N, which is applied and never formed unless a plan accumulates it:
tangents are the direct method, adjoints the adjoint method. It is factored once, in every plan alike, so that the
factorisation is a constant of the problem and no step (`chainplan.structures.factor_counts` says what it costs).

References
----------
Griewank & Walther, Evaluating Derivatives, 2nd edition, chapter 15: implicit functions.
Martins & Hwang, Review and unification of methods for computing derivatives, AIAA Journal 51 (2013), section IV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from chainplan.structures import Block
from chainplan.structures.factor_counts import FactorCounts, factored_sparse, full_counts, pattern_counts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MAX_SYSTEM_NONZEROS = 1_000_000
"""Nonzeros of the largest R_y whose pattern is looked at; a larger one must be nearly full."""


class SystemVertex(NamedTuple):
    """An unknown or a residual, with its size."""

    name: str
    size: int


class ResidualBlock(NamedTuple):
    """A block of R_y: the derivative of a residual by an unknown, whose entries are given by its name."""

    name: str
    unknown: str
    residual: str
    block: Block

    def transpose(self) -> ResidualBlock:
        """Return the block of the transposed system."""
        return ResidualBlock(self.name, self.residual, self.unknown, self.block.transpose())


@dataclass(frozen=True)
class ImplicitSystem:
    """Unknowns and residuals of an implicit elemental, in order, and the blocks between them."""

    unknowns: tuple[SystemVertex, ...]
    residuals: tuple[SystemVertex, ...]
    blocks: tuple[ResidualBlock, ...]
    counts: FactorCounts

    @property
    def size(self) -> int:
        """The rows N of R_y."""
        return sum(vertex.size for vertex in self.unknowns)

    def placed(self) -> Iterator[tuple[ResidualBlock, int, int]]:
        """Yield each block with its first row and its first column in R_y."""
        rows, cols = _places(self.residuals), _places(self.unknowns)
        for block in self.blocks:
            yield block, rows[block.residual], cols[block.unknown]

    def transpose(self) -> ImplicitSystem:
        """Return the system with the transpose of R_y."""
        blocks = tuple(block.transpose() for block in self.blocks)
        return ImplicitSystem(self.residuals, self.unknowns, blocks, self.counts)

    def to_spec(self, name: str) -> dict[str, object]:
        """Return the entry of `implicit` in a spec."""
        unknowns, residuals = ([vertex.name for vertex in side] for side in (self.unknowns, self.residuals))
        return {"name": name, "unknowns": unknowns, "residuals": residuals}


def implicit_system(
    unknowns: Sequence[SystemVertex], residuals: Sequence[SystemVertex], blocks: Sequence[ResidualBlock]
) -> ImplicitSystem | str:
    """Return a system, or why it is none.

    Examples
    --------
    >>> y, r = SystemVertex("y", 3), SystemVertex("r", 3)
    >>> system = implicit_system([y], [r], [ResidualBlock("r/y", "y", "r", Block(3, 3))])
    >>> system.counts
    FactorCounts(factor=8, solve=9)
    """
    m, n = (sum(vertex.size for vertex in side) for side in (residuals, unknowns))
    if m != n:
        return (
            f"it has residuals of {m:,} entries together, and unknowns of {n:,}; expected as many. Correct the sizes."
        )
    system = ImplicitSystem(tuple(unknowns), tuple(residuals), tuple(blocks), full_counts(n))
    nonzeros = sum(block.block.nnz for block in blocks)
    if nonzeros > MAX_SYSTEM_NONZEROS:
        if not factored_sparse(n, nonzeros):
            return system
        return f"R_y has {nonzeros:,} nonzeros; expected at most {MAX_SYSTEM_NONZEROS:,}, or a full one. Divide it."
    counts = full_counts(0) if not n else pattern_counts(_pattern(system)) if nonzeros >= n else None
    if counts is None:
        return (
            "R_y is singular, whatever its entries are; expected an unknown for each residual. Add the missing edges."
        )
    return ImplicitSystem(system.unknowns, system.residuals, system.blocks, counts)


def _pattern(system: ImplicitSystem) -> csr_array:
    """List the nonzeros of R_y."""
    import numpy as np
    from scipy.sparse import csr_array

    rows, cols = [np.zeros(0, int)], [np.zeros(0, int)]
    for part, row, col in system.placed():
        at = part.block.structure.pattern(part.block.rows, part.block.cols).tocoo()
        rows.append(at.row + row)
        cols.append(at.col + col)
    places = np.concatenate(rows), np.concatenate(cols)
    pattern = csr_array((np.ones(len(places[0])), places), shape=(system.size, system.size))
    pattern.sum_duplicates()
    return pattern


def _places(side: Sequence[SystemVertex]) -> dict[str, int]:
    """Return where the entries of each vertex begin."""
    firsts = accumulate((vertex.size for vertex in side), initial=0)
    return {vertex.name: first for vertex, first in zip(side, firsts, strict=False)}
