"""What every interval of a chain can be made from, and for which price as a function of the sizes that have names.

The recurrence is that of `solvers.chain.interval_dp` without coloured sweeps. The structure of an interval does not
depend on sizes where the structures of the chain are closed under products as they are given
(`chainplan.structures.resolve`), so that each price is one function of the sizes: a term wherever one of two factors
has as many nonzeros in each of its lines, and otherwise, of bands, a count that is clipped at the corners of the block.
All of them grow with every size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain as chained
from typing import TYPE_CHECKING, Any, NamedTuple

from chainplan.problem.cost import FMA
from chainplan.problem.family import Family, SizeTerm
from chainplan.problem.graph import Elemental, Mode
from chainplan.solvers.chain.derivation import (
    ChainInterval,
    Derivation,
    ElementalDerivation,
    ProductDerivation,
    PropagationDerivation,
    write,
)
from chainplan.structures import (
    Banded,
    Block,
    BlockDiagonal,
    Dense,
    Kronecker,
    OnDiagonal,
    Structure,
    Zero,
    product,
    product_fma,
)
from chainplan.structures.banded import band_nonzeros, band_products_fma
from chainplan.structures.resolve import closed_as_given

if TYPE_CHECKING:
    from chainplan._util.arrays import Array
    from chainplan.plans.steps import Plan
    from chainplan.problem.graph import Graph

NOTHING = SizeTerm(0)


class BandPrice(NamedTuple):
    """The price of left (rows x inner) · right (inner x cols), one of which is a band, and neither free."""

    left: Structure
    right: Structure
    rows: SizeTerm
    inner: SizeTerm
    cols: SizeTerm

    def at(self, sizes: Mapping[str, int]) -> int:
        """Return the price at sizes, as it is counted for blocks of these sizes."""
        m, k, n = (term.at(sizes) for term in self[2:])
        return product_fma(Block(m, k, self.left), Block(k, n, self.right))

    def at_points(self, sizes: Mapping[str, Array]) -> Array:
        """Return the prices at many sizes."""
        import numpy as np

        some = next(iter(sizes.values()))
        m, k, n = (term.at(sizes) + 0 * some for term in self[2:])
        if isinstance(self.left, Banded) and isinstance(self.right, Banded):
            widths = [(np.full_like(m, s.lower), np.full_like(m, s.upper)) for s in (self.left, self.right)]
            return band_products_fma((m, k, n), *widths)
        other, band, shape, lines = (self.left, self.right, (k, n), m)
        if isinstance(self.left, Banded):
            other, band, shape, lines = (self.right, self.left, (m, k), n)
        assert isinstance(band, Banded)
        counts = band_nonzeros(*shape, np.full_like(m, band.lower), np.full_like(m, band.upper))
        result: Array = counts if isinstance(other, OnDiagonal) else counts * lines
        return result


Price = SizeTerm | BandPrice


class Move(NamedTuple):
    """A way to make an interval from shorter ones: by a product of two, by propagation onto one, or from nothing."""

    parts: tuple[ChainInterval, ...]
    price: Price
    position: int = 0
    mode: Mode | None = None

    def derivation(self) -> Derivation:
        """Return the move as `solvers.chain.derivation.write` takes it."""
        if not self.parts:
            return ElementalDerivation(self.position, self.mode)
        if self.mode is not None:
            return PropagationDerivation(self.position, self.mode, self.parts[0])
        return ProductDerivation(self.parts[1], self.parts[0])


Order = tuple[tuple[ChainInterval, int], ...]
"""Intervals with the number of the move that makes each; the first is the whole chain."""


class ChainMoves:
    """All moves of a chain: of every interval, short ones first, in the order that breaks ties."""

    def __init__(self, family: Family) -> None:
        graph = family.graph
        self.elementals = tuple(graph.declared[e.name] for e in graph.chain)
        self.q = len(self.elementals)
        self.names = family.names
        vertices = [self.elementals[0].source, *(e.target for e in self.elementals)]
        self.sizes = [family.term(vertex) for vertex in vertices]
        self._prices = {e.name: tuple(family.price(e, key) for key in ("tangent", "adjoint")) for e in self.elementals}
        self._structures = self._all_structures()
        self.moves = {
            (i, i + d): tuple(self._leaves(i) if d == 1 else self._longer(i, i + d))
            for d in range(1, self.q + 1)
            for i in range(self.q - d + 1)
        }

    @property
    def whole(self) -> ChainInterval:
        """The interval of the whole chain."""
        return 0, self.q

    def order(self, chosen: Callable[[ChainInterval], int]) -> Order:
        """Return the order whose intervals are made by the moves with the numbers given."""
        todo, made = [self.whole], []
        while todo:
            interval = todo.pop()
            number = chosen(interval)
            made.append((interval, number))
            todo += self.moves[interval][number].parts
        return tuple(made)

    def prices(self, order: Order) -> list[Price]:
        """Return what each product, propagation and accumulation of an order costs."""
        return [self.moves[interval][number].price for interval, number in order]

    def plan(self, order: Order, graph: Graph) -> Plan:
        """Write an order as a plan of a graph of the family."""
        numbers = dict(order)
        return write(graph, self.whole, lambda interval: self.moves[interval][numbers[interval]].derivation())

    @property
    def terms_only(self) -> bool:
        """Whether all prices are terms."""
        return all(isinstance(move.price, SizeTerm) for move in chained.from_iterable(self.moves.values()))

    def _all_structures(self) -> dict[ChainInterval, Structure]:
        structures = dict[ChainInterval, Structure]()
        for i in range(self.q):
            for j in range(i + 1, self.q + 1):
                last = self._structure(j - 1)
                made = last if j == i + 1 else product(last, structures[i, j - 1])
                assert made is not None
                structures[i, j] = made
        return structures

    def _structure(self, position: int) -> Structure:
        """Return the structure of an elemental; a block without rows or columns is zero."""
        empty = NOTHING in self.sizes[position : position + 2]
        return Zero() if empty else self.elementals[position].block.structure

    def _leaves(self, i: int) -> list[Move]:
        e = self.elementals[i]
        if e.explicit:
            return [Move((), NOTHING, i)]
        return [
            Move((), vectors.times(price), i, mode)
            for mode, price, vectors in zip(Mode, self._prices[e.name], self.sizes[i : i + 2], strict=True)
            if price is not None
        ]

    def _longer(self, i: int, j: int) -> list[Move]:
        tangent, adjoint = self._prices[self.elementals[j - 1].name][0], self._prices[self.elementals[i].name][1]
        result = []
        if tangent is not None:
            result.append(Move(((i, j - 1),), self.sizes[i].times(tangent), j - 1, Mode.TANGENT))
        if adjoint is not None:
            result.append(Move(((i + 1, j),), self.sizes[j].times(adjoint), i, Mode.ADJOINT))
        return result + [Move(((i, k), (k, j)), self._product(i, k, j)) for k in range(i + 1, j)]

    def _product(self, i: int, k: int, j: int) -> Price:
        """Return the price of the product of (k, j) and (i, k), as `structures.block.product_fma` counts it."""
        left, right = self._structures[k, j], self._structures[i, k]
        m, inner, n = self.sizes[j], self.sizes[k], self.sizes[i]
        column, row = _in_each_line(left, m), _in_each_line(right, n)
        if left.unit or right.unit or NOTHING in (column, row):
            return NOTHING
        if column is not None and row is not None:
            return column.times(inner).times(row)
        return BandPrice(left, right, m, inner, n)


def _in_each_line(structure: Structure, length: SizeTerm) -> SizeTerm | None:
    """Return how many nonzeros each line of this length has; None where the lines differ."""
    if isinstance(structure, Dense):
        return length
    if isinstance(structure, OnDiagonal):
        return SizeTerm(1)
    if isinstance(structure, Zero):
        return NOTHING
    if isinstance(structure, BlockDiagonal | Kronecker):
        assert not length.names
        return SizeTerm(length.coefficient // structure.count)
    return None


def refusal(family: Family) -> str | None:
    """Say why the orders of a family cannot be compared by functions of its sizes, or return None where they can."""
    graph = family.graph
    if graph.not_a_chain is not None:
        return graph.not_a_chain
    if family.cost is not FMA:
        return f"the objective is '{family.cost.objective}'; expected fma"
    codes = dict[SizeTerm, int]()

    def code(vertex: str) -> int:
        term = family.term(vertex)
        return codes.setdefault(term, len(codes) + 1) if term.names else 10**13 + term.coefficient

    def coded(e: Elemental) -> Block:
        named = family.term(e.source).names or family.term(e.target).names
        return Block(code(e.target), code(e.source), e.block.structure) if named else e.block

    if not closed_as_given([coded(graph.declared[e.name]) for e in graph.chain]):
        return "its structures are not closed under products, or a band is not square"
    return None


def at_points(price: Price, sizes: Mapping[str, Any]) -> Any:
    """Return a price at many sizes, given as arrays by name."""
    return price.at(sizes) if isinstance(price, SizeTerm) else price.at_points(sizes)
