"""A colouring of a symmetric pattern: which columns share a product with the matrix.

One product serves the rows as well as the columns, because H·s = (sᵀ·H)ᵀ. The same data stands for both ways of
recovery; `substitution` says by which of them the colours are meant to be read. `symmetric.recovery`, which trusts no
colouring, decides whether they can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainplan.colouring.model import UNSEEDED, ColourArray, checked_colours


@dataclass(frozen=True, eq=False)
class SymmetricColouring:
    """Colours of the columns of a symmetric pattern, from 0; -1 is a column that stands in no product.

    Raises
    ------
    ValueError
        If the colours are not one-dimensional integers from -1.
    """

    colours: ColourArray
    substitution: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "colours", checked_colours("columns", self.colours))

    @classmethod
    def of(cls, colours: Sequence[int], substitution: bool = False) -> SymmetricColouring:
        """The colouring that a list of colours describes."""
        return cls(np.asarray(colours, dtype=np.intp), substitution)

    @property
    def products(self) -> int:
        """The number of colours, each of which is one product with a vector."""
        return int(self.colours.max(initial=UNSEEDED)) + 1

    def __repr__(self) -> str:
        way = "substitution" if self.substitution else "direct"
        return f"SymmetricColouring({self.products} products, {way})"
