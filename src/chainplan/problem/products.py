"""How often a Jacobian is multiplied by vectors, where it is used for nothing else.

Newton-Krylov methods, least squares and sensitivities along directions multiply the Jacobian J by columns (J·v) and by
rows (w·J), and never look at its entries. Then J need not be formed: what is minimised is the price of what is formed
once and of all products together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chainplan.errors.arguments import refuse, whole
from chainplan.problem.graph import Mode

MAX_PRODUCTS = 10**12
"""The most products on each side."""


@dataclass(frozen=True)
class Products:
    """The numbers of products for which a Jacobian is planned.

    Parameters
    ----------
    right : int
        The number of products J·v with a column, whose entries are directions at the inputs.
    left : int
        The number of products w·J with a row, whose entries are weights of the outputs.

    Raises
    ------
    ArgumentError
        If a number is no whole number from 0, or both are 0.

    Examples
    --------
    >>> Products(right=50).transpose()
    Products(right=0, left=50)
    """

    right: int = 0
    left: int = 0

    def __post_init__(self) -> None:
        for side in ("right", "left"):
            object.__setattr__(self, side, whole(side, getattr(self, side), most=MAX_PRODUCTS))
        if not self.right + self.left:
            raise refuse("products", 0, "at least one product on a side", "Pass Products(right=50), say.")

    @property
    def total(self) -> int:
        """The number of products on both sides together."""
        return self.right + self.left

    def times(self, mode: Mode) -> int:
        """Return the number of products on one side.

        Parameters
        ----------
        mode : Mode
            Tangents are products J·v, adjoints are products w·J.

        Returns
        -------
        int
            The number of products.
        """
        return self.right if mode is Mode.TANGENT else self.left

    def sides(self) -> Iterator[tuple[Mode, int]]:
        """Yield each side with its number of products, J·v first.

        Yields
        ------
        tuple[Mode, int]
            The mode of the side, and the number of its products.
        """
        for mode in Mode:
            yield mode, self.times(mode)

    def transpose(self) -> Products:
        """Return the numbers of products with the transposed Jacobian.

        Returns
        -------
        Products
            The same numbers with the sides exchanged.
        """
        return Products(self.left, self.right)


SIDES = {Mode.TANGENT: "right", Mode.ADJOINT: "left"}
"""The side on which the vectors of a mode stand, by which specs and plan files name it."""
