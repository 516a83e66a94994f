"""The cost model gives every step of a plan its price; the standard model `FMA` counts multiply-adds.

A model is an object with one method per kind of step, so that another model is another class (`costs.timed.Timed`
prices steps in nanoseconds). All prices are exact Python ints.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, cast

from chainplan.errors.arguments import refuse
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block, product_fma


class CostModel(Protocol):
    """Prices of the steps."""

    @property
    def objective(self) -> str:
        """The name of the model on the command line and in a plan file."""
        ...

    @property
    def unit(self) -> str:
        """The unit of all prices; the plan file has a field of this name."""
        ...

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        """Price left (m x k) · right (k x n); a caller that knows the product passes it as `result`."""
        ...

    def add(self, left: Block, right: Block) -> int:
        """Price left + right, either as a step or as the absorption of a product."""
        ...

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        """Price the accumulation of a matrix-free elemental."""
        ...

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        """Price a tangent or adjoint that is applied to a block."""
        ...

    def call(self, elemental: Elemental, vectors: int, mode: Mode) -> int:
        """Price the call of a tangent or adjoint alone; more vectors never cost less."""
        ...

    def advance(self, elemental: Elemental) -> int:
        """Price one evaluation of an elemental."""
        ...

    def seed(self, size: int, colours: int) -> int:
        """Price a seed of size x colours, or its transpose."""
        ...

    def decompress(self, block: Block) -> int:
        """Price the assembly of a block from its compressed columns and rows."""
        ...


class Fma:
    """Counts fma: products by their structures, matrix-free elementals by their price per vector, sums not at all.

    The absorption of a product is part of its fma. A sum without a product is counted separately, in adds.
    """

    objective: ClassVar[str] = "fma"
    unit: ClassVar[str] = "fma"

    def __reduce__(self) -> str:
        """Pickle the one instance by name: it is compared by identity, in problems from other processes as well."""
        return "FMA"

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        return product_fma(left, right)

    def add(self, left: Block, right: Block) -> int:
        return 0

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        return self.call(elemental, elemental.block.cols if mode is Mode.TANGENT else elemental.block.rows, mode)

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        return self.call(elemental, arg.cols if mode is Mode.TANGENT else arg.rows, mode)

    def call(self, elemental: Elemental, vectors: int, mode: Mode) -> int:
        return vectors * available(elemental, mode)

    def advance(self, elemental: Elemental) -> int:
        return elemental.evaluation

    def seed(self, size: int, colours: int) -> int:
        return 0

    def decompress(self, block: Block) -> int:
        return 0


def available(elemental: Elemental, mode: Mode) -> int:
    """Return the fma per vector of a mode.

    Raises
    ------
    ValueError
        Where the elemental does not have the mode.
    """
    price = elemental.per_vector(mode)
    if price is None:
        raise ValueError(f"'{elemental.name}' has no {mode.value}")
    return price


FMA = Fma()


def model_of(value: object) -> CostModel:
    """Return a value that is a cost model.

    Raises
    ------
    ArgumentError
        Where the value is something else.
    """
    if all(callable(getattr(value, name, None)) for name in ("multiply", "add", "accumulate", "propagate")):
        return cast(CostModel, value)
    raise refuse(
        "cost",
        value,
        "a cost model, such as Fma()",
        "Leave it out, or name an objective: plan(..., objective='weighted').",
    )
