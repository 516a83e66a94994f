"""The cost model: what a step costs, in fma (design, section 3).

One object with one method per kind of step, so that another model is another class (`timing.Timed`: nanoseconds). All
results are exact Python ints.
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
        """The word for it on the command line and in a plan file."""
        ...

    @property
    def unit(self) -> str:
        """What a price counts, in a word that is a field of the plan file."""
        ...

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        """Price of left (m x k) · right (k x n); `result` is the product where the caller has it."""
        ...

    def add(self, left: Block, right: Block) -> int:
        """Price of left + right, of a sum on its own or of the absorption of a product."""
        ...

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        """Price of forming the block of a matrix-free elemental."""
        ...

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        """Price of a tangent or adjoint applied to a block."""
        ...

    def call(self, elemental: Elemental, vectors: int, mode: Mode) -> int:
        """What a tangent or adjoint of so many vectors costs by itself, which more vectors do not cost less than."""
        ...

    def advance(self, elemental: Elemental) -> int:
        """Price of evaluating an elemental once."""
        ...

    def seed(self, size: int, colours: int) -> int:
        """Price of a seed of size x colours, or of its transpose."""
        ...

    def decompress(self, block: Block) -> int:
        """Price of putting a block together from its compressed columns and rows."""
        ...


class Fma:
    """Multiply-adds: structural counts for products, a price per vector for matrix-free elementals, no price for sums.

    Absorption is part of the product; sums without one are counted apart, as adds.
    """

    objective: ClassVar[str] = "fma"
    unit: ClassVar[str] = "fma"

    def __reduce__(self) -> str:
        """There is one, which is compared by identity: a problem that comes from another process has it too."""
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
    """Fma per vector of a mode that the elemental has."""
    price = elemental.per_vector(mode)
    if price is None:
        raise ValueError(f"'{elemental.name}' has no {mode.value}")
    return price


FMA = Fma()


def model_of(value: object) -> CostModel:
    """The cost model that was given.

    Raises
    ------
    ArgumentError
        Where it is something else.
    """
    if all(callable(getattr(value, name, None)) for name in ("multiply", "add", "accumulate", "propagate")):
        return cast(CostModel, value)
    raise refuse(
        "cost",
        value,
        "a cost model, such as Fma()",
        "Leave it out, or name an objective: plan(..., objective='weighted').",
    )
