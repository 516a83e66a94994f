"""The edges of a work graph with propagation, and every way to make the product of two of them.

Where J is asked for in products alone, one vertex stands for the directions of J·v or for the weights of w·J
(`solvers.uses.directions`). An edge of that vertex holds one vector, which stands for all `times` products on both
sides: each product of a block with it is made once for every one of them, each elemental applied by a tangent for those
on the right and by an adjoint for those on the left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Mode
from chainplan.problem.products import Products
from chainplan.solvers.elimination.elimination_graph import WorkEdge
from chainplan.solvers.elimination.route_choice import Route, RoutedProduct
from chainplan.structures import Block, Dense

MAX_PARALLEL_ELEMENTALS = 3
"""Matrix-free elementals of one edge up to which every subset of them may be accumulated or applied by itself."""


class PropagationEdge(WorkEdge):
    """An edge whose block is the sum of what is `formed` and of the matrix-free elementals in `free`.

    `parts` and the step `handle` are those of what is formed, which is None where nothing is. `sums` are the steps that
    hold the sum of it and of some elementals. Sets of elementals are bits in the order of `free`. `times` is set where
    the block is a vector of directions or of weights.
    """

    __slots__ = ("formed", "free", "sums", "times")

    def __init__(
        self,
        block: Block,
        formed: Block | None,
        free: tuple[Elemental, ...] = (),
        parts: tuple[Elemental, ...] = (),
        times: Products | None = None,
    ) -> None:
        super().__init__(block, parts)
        self.formed, self.free, self.times = formed, free, times
        self.sums: dict[int, int] = {}

    def twin(self) -> PropagationEdge:
        return PropagationEdge(self.block, self.formed, self.free, (), self.times)

    def plus(self, product: Block) -> PropagationEdge:
        """Return an edge that holds a product besides, as long as no step holds it."""
        return PropagationEdge(self.block.plus(product), added(self.formed, product), self.free, (), self.times)

    @property
    def plain(self) -> bool:
        """Whether prices grow in proportion to the block, so that it may be joined with others of the kind."""
        return not self.free and type(self.block.structure) is Dense and self.times is None

    @property
    def every(self) -> int:
        """The set of all matrix-free elementals."""
        return (1 << len(self.free)) - 1

    def chosen(self, some: int) -> list[Elemental]:
        """Return the elementals of a set."""
        return [e for i, e in enumerate(self.free) if some >> i & 1]

    def able(self, mode: Mode) -> int:
        """Return the set of the elementals that have a mode."""
        return sum(1 << i for i, e in enumerate(self.free) if e.per_vector(mode) is not None)

    def rest(self, applied: int) -> Block | None:
        """Return the block of what is formed and of the elementals outside a set."""
        block = self.formed
        for e in self.chosen(self.every & ~applied):
            block = added(block, e.block)
        return block

    def sets(self) -> Sequence[int]:
        """Return the sets of elementals that are accumulated or applied together, in rising order."""
        if len(self.free) <= MAX_PARALLEL_ELEMENTALS:
            return range(self.every + 1)
        able = {self.able(mode) for mode in Mode}
        return sorted({0, self.every, *able, *(self.every & ~some for some in able)})


def ways(left: PropagationEdge, right: PropagationEdge) -> Iterator[RoutedProduct]:
    """Yield every way to make the product of two edges."""
    out, into = left.every, right.every
    yield RoutedProduct(Route.PRODUCT, product_price(left, right, left.block, right.block), 0, out, into)
    for some, price in _applications(left, Mode.TANGENT, right, right.block.cols):
        rest = left.rest(some)
        price += 0 if rest is None else product_price(left, right, rest, right.block)
        yield RoutedProduct(Route.TANGENTS, price, some, out & ~some, into)
    for some, price in _applications(right, Mode.ADJOINT, left, left.block.rows):
        rest = right.rest(some)
        price += 0 if rest is None else product_price(left, right, left.block, rest)
        yield RoutedProduct(Route.ADJOINTS, price, some, out, into & ~some)


def product_price(left: PropagationEdge, right: PropagationEdge, a: Block, b: Block) -> int:
    """Return the multiply-adds of a · b, blocks of two edges; of all products where one of them is a vector."""
    times = left.times or right.times
    return FMA.multiply(a, b) if times is None else times.total * FMA.multiply(a, b)


def _applications(edge: PropagationEdge, mode: Mode, other: PropagationEdge, vectors: int) -> Iterator[tuple[int, int]]:
    """Yield the sets of elementals of an edge that a mode is applied to, and the price for the vectors of the other."""
    if not edge.free:
        return
    counts = {mode: vectors}
    if other.times is not None:
        counts = {Mode.TANGENT: other.times.right, Mode.ADJOINT: other.times.left}
    able = edge.every
    for used, count in counts.items():
        able &= edge.able(used) if count or used is mode else able
    for some in edge.sets():
        if some and not some & ~able:
            price = sum(n * (e.per_vector(used) or 0) for e in edge.chosen(some) for used, n in counts.items() if n)
            yield some, price


def joined(edges: Sequence[PropagationEdge], mode: Mode) -> Sequence[PropagationEdge]:
    """Return the edges with all plain ones put together as one, for tangents below each other.

    Every price of a product is the same as that of its parts: it grows in proportion to the columns of a dense right
    factor, and to the rows of a dense left one.
    """
    whole = [edge for edge in edges if edge.plain]
    if len(whole) < 2:
        return edges
    rows, cols = whole[0].block.rows, whole[0].block.cols
    if mode is Mode.TANGENT:
        rows = sum(edge.block.rows for edge in whole)
    else:
        cols = sum(edge.block.cols for edge in whole)
    block = Block(rows, cols)
    return [*(edge for edge in edges if not edge.plain), PropagationEdge(block, block)]


def added(block: Block | None, other: Block) -> Block:
    """Return the sum of a block that may be missing and another one."""
    return other if block is None else block.plus(other)
