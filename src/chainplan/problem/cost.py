"""The cost model gives every step of a plan its price; the standard model `FMA` counts multiply-adds.

A model is an object with one method per kind of step, so that another model is another class (`costs.timed.TimedCost`
prices steps in nanoseconds). All prices are exact Python ints.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, cast

from chainplan.errors.arguments import refuse
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.structures import Block, least_product_fma, product_fma
from chainplan.structures.second import SecondBlock, Side, contraction


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

    @property
    def short_unit(self) -> str:
        """The unit as reports write it behind a number."""
        ...

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        """Return the price of a product.

        Parameters
        ----------
        left : Block
            The left factor, m x k.
        right : Block
            The right factor, k x n.
        result : Block | None
            The product, m x n, where the caller has it.

        Returns
        -------
        int
            The price.
        """
        ...

    def add(self, left: Block, right: Block) -> int:
        """Return the price of a sum, which stands on its own or absorbs a product.

        Parameters
        ----------
        left : Block
            The first summand.
        right : Block
            The second summand, of the same shape.

        Returns
        -------
        int
            The price.
        """
        ...

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        """Return the price of forming the block of a matrix-free elemental.

        Parameters
        ----------
        elemental : Elemental
            The elemental, which has the mode.
        mode : Mode
            A tangent of every column of the identity, or an adjoint of every row.

        Returns
        -------
        int
            The price.
        """
        ...

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        """Return the price of a tangent or adjoint applied to a block.

        Parameters
        ----------
        elemental : Elemental
            The elemental, which has the mode.
        arg : Block
            The block on the right of a tangent, or on the left of an adjoint.
        mode : Mode
            The mode in which the elemental is applied.

        Returns
        -------
        int
            The price.
        """
        ...

    def call(self, elemental: Elemental, vectors: int, mode: Mode) -> int:
        """Return the price of a tangent or adjoint of several vectors; more vectors do not cost less.

        Parameters
        ----------
        elemental : Elemental
            The elemental, which has the mode.
        vectors : int
            The number of columns (tangent) or rows (adjoint).
        mode : Mode
            The mode in which the elemental is applied.

        Returns
        -------
        int
            The price.
        """
        ...

    def contract(self, second: SecondBlock, block: Block, side: Side, halved: bool) -> int:
        """Return the price of a contraction of a second-order block.

        Parameters
        ----------
        second : SecondBlock
            The second-order block, of rows x cols x cols.
        block : Block
            The block that multiplies one of its sides, or both column sides.
        side : Side
            Which sides.
        halved : bool
            Whether only one half of a symmetric result is computed.

        Returns
        -------
        int
            The price.
        """
        ...

    def apply_second(self, fma: int) -> int:
        """Return the price of second tangents or second adjoints.

        Parameters
        ----------
        fma : int
            What the problem says that they cost.

        Returns
        -------
        int
            The price.
        """
        ...

    def advance(self, elemental: Elemental) -> int:
        """Return the price of evaluating an elemental once.

        Parameters
        ----------
        elemental : Elemental
            The elemental.

        Returns
        -------
        int
            The price.
        """
        ...

    def transfer(self, fma: int) -> int:
        """Return the price of writing a state to disk, or of reading it back.

        Parameters
        ----------
        fma : int
            What the problem says that it costs: its elements, each at the `transfer` of the graph.

        Returns
        -------
        int
            The price.
        """
        ...

    def seed(self, size: int, colours: int) -> int:
        """Return the price of a seed matrix, or of its transpose.

        Parameters
        ----------
        size : int
            The rows of the seed.
        colours : int
            The columns of the seed.

        Returns
        -------
        int
            The price.
        """
        ...

    def decompress(self, block: Block) -> int:
        """Return the price of putting a block together from its compressed columns and rows.

        Parameters
        ----------
        block : Block
            The block that results.

        Returns
        -------
        int
            The price.
        """
        ...


class Fma(CostModel):
    """Counts fma: products by their structures, matrix-free elementals by their price per vector, sums not at all.

    A product of m x k and k x n costs one fma for each pair of a nonzero in column l of the left factor and a nonzero
    in row l of the right one, summed over l: m·k·n where both are dense. Absorption is part of the product; sums
    without a product are counted separately, as adds. A tangent of n columns costs n times the `tangent` of its
    elemental, an adjoint of m rows costs m times its `adjoint`.

    References
    ----------
    A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd edition, SIAM 2008, section 9.2: fma of products of
    elemental Jacobians. U. Naumann, arXiv 2406.11862, section 3: fma of tangents and adjoints.

    Examples
    --------
    >>> from chainplan.structures import Block
    >>> Fma().multiply(Block(2, 3), Block(3, 4))
    24
    """

    objective: ClassVar[str] = "fma"
    unit: ClassVar[str] = "fma"
    short_unit: ClassVar[str] = "fma"

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

    def contract(self, second: SecondBlock, block: Block, side: Side, halved: bool) -> int:
        return contraction(second, block, side, halved).fma

    def apply_second(self, fma: int) -> int:
        return fma

    def advance(self, elemental: Elemental) -> int:
        return elemental.evaluation

    def transfer(self, fma: int) -> int:
        return fma

    def seed(self, size: int, colours: int) -> int:
        return 0

    def decompress(self, block: Block) -> int:
        return 0


class LeastFma(Fma):
    """Counts fma like `Fma`, from below where nonzeros are not counted exactly; its totals are bounds, and no costs."""

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        return least_product_fma(left, right)


def factor_price(graph: Graph, cost: CostModel) -> int:
    """Return the price of the factorisations of all systems, each of which every plan carries out once."""
    return sum(cost.advance(e) for e in graph.solves)


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
