"""A direct two-sided colouring of a pattern: which columns share a tangent sweep and which rows share an adjoint sweep.

One class serves one-sided and two-sided colourings: a colouring of columns is one whose rows are not seeded. It is data
only; `recovery.misfit`, which trusts no colouring, decides whether every nonzero can be recovered from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ColourArray = np.ndarray[tuple[int], np.dtype[np.intp]]
UNSEEDED = -1


@dataclass(frozen=True, eq=False)
class Colouring:
    """Colours of the columns and of the rows of a pattern, each from 0; -1 is a column or row that is not seeded.

    Raises
    ------
    ValueError
        If the colours are not one-dimensional integers from -1.
    """

    columns: ColourArray
    rows: ColourArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", checked_colours("columns", self.columns))
        object.__setattr__(self, "rows", checked_colours("rows", self.rows))

    @classmethod
    def of(cls, columns: Sequence[int], rows: Sequence[int]) -> Colouring:
        """The colouring that two lists of colours describe."""
        return cls(np.asarray(columns, dtype=np.intp), np.asarray(rows, dtype=np.intp))

    @property
    def nbytes(self) -> int:
        """The bytes of both arrays."""
        return self.columns.nbytes + self.rows.nbytes

    @property
    def tangents(self) -> int:
        """The number of column colours, each of which is a tangent sweep."""
        return int(self.columns.max(initial=UNSEEDED)) + 1

    @property
    def adjoints(self) -> int:
        """The number of row colours, each of which is an adjoint sweep."""
        return int(self.rows.max(initial=UNSEEDED)) + 1

    def price(self, tangent: int | None, adjoint: int | None) -> int:
        """What all sweeps cost together, where one tangent costs `tangent` and one adjoint `adjoint`.

        Raises
        ------
        ValueError
            If the colouring uses a mode whose price is None: one that the elemental does not have.
        """
        total = 0
        for mode, sweeps, price in (("tangent", self.tangents, tangent), ("adjoint", self.adjoints, adjoint)):
            if sweeps and price is None:
                raise ValueError(f"the colouring needs {sweeps} {mode} sweeps, but no {mode} is available.")
            total += sweeps * (price or 0)
        return total

    def __repr__(self) -> str:
        return f"Colouring({self.tangents} tangents, {self.adjoints} adjoints)"


def checked_colours(side: str, colours: ArrayLike) -> ColourArray:
    array = np.asarray(colours)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(
            f"the colours of the {side} are {array.dtype} of shape {array.shape}; one integer each is due."
        )
    if array.size and array.min() < UNSEEDED:
        raise ValueError(f"the {side} have colour {array.min()}; colours count from 0, and -1 is 'not seeded'.")
    copy = array.astype(np.intp)
    copy.flags.writeable = False
    return copy
