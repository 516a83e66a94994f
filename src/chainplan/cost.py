"""The cost model: what a step costs, in fma (design, section 3).

One object with one method per kind of step, so that another model (weighted, calibrated) is another class. All results
are exact Python ints.
"""

from __future__ import annotations

from typing import Protocol

from chainplan.graph import Elemental, Mode
from chainplan.structures import Block, product_fma


class CostModel(Protocol):
    """Prices of the steps; `objective` is the word for it in a plan file."""

    objective: str

    def multiply(self, left: Block, right: Block) -> int:
        """Price of left (m x k) · right (k x n), absorption included."""
        ...

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        """Price of forming the block of a matrix-free elemental."""
        ...

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        """Price of a tangent or adjoint applied to a block."""
        ...


class Fma:
    """Multiply-adds: structural counts for products, a price per vector for matrix-free elementals."""

    objective = "fma"

    def multiply(self, left: Block, right: Block) -> int:
        return product_fma(left, right)

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        vectors = elemental.block.cols if mode is Mode.TANGENT else elemental.block.rows
        return vectors * _available(elemental, mode)

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        vectors = arg.cols if mode is Mode.TANGENT else arg.rows
        return vectors * _available(elemental, mode)


def _available(elemental: Elemental, mode: Mode) -> int:
    price = elemental.per_vector(mode)
    if price is None:
        raise ValueError(f"'{elemental.name}' has no {mode.value}")
    return price


FMA = Fma()
