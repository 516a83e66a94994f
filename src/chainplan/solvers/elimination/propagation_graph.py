"""Vertex elimination with propagation: matrix-free elementals stay as they are until a vertex at their end goes.

Eliminating v then makes each product of an out-edge and an in-edge in one of three ways (`route_choice`): by
multiplying their blocks, by applying the matrix-free elementals of the out-edge to the block of the in-edge (tangents),
or those of the in-edge to the block of the out-edge (adjoints); what is explicit on an edge is multiplied beside it. On
a path this is the choice that dynamic programming over its intervals makes. Without it every matrix-free elemental is
accumulated first, which costs as many vectors as its smaller end has entries, where a narrow place next to it would ask
for a few.

An edge of an input and an output that is read is part of the Jacobian, and its elementals are accumulated whatever
happens. What they cost is in `fixed`, and nothing is charged for them when a vertex goes. The same holds of elementals
that are `formed` by decision. Such decisions matter for the `shared` ones, for which what is cheapest at one vertex
need not be cheapest in the end: those that end at an output that is read and start at an intermediate vertex, because
they are used twice, and those that run in parallel, because some of them may be accumulated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from copy import copy
from typing import NamedTuple, cast

from chainplan._util.gc_pause import uncollected
from chainplan.plans.compressed_sweep import UNREACHED_PRICE, accumulated
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph, write_accumulation
from chainplan.solvers.elimination.route_choice import (
    EdgePrices,
    Route,
    RouteChoice,
    RoutePrices,
    cheapest_route,
    choose_routes,
)
from chainplan.structures import Block

MODE_OF_ROUTE = {Route.TANGENTS: Mode.TANGENT, Route.ADJOINTS: Mode.ADJOINT}
"""The mode of the routes that apply matrix-free elementals."""


class PropagationEdge(WorkEdge):
    """An edge whose block is the sum of what is `formed` and of the matrix-free elementals in `free`.

    `parts` and the step `handle` are those of what is formed, which is None where nothing is.
    """

    __slots__ = ("formed", "free")

    def __init__(
        self, block: Block, formed: Block | None, free: tuple[Elemental, ...], parts: tuple[Elemental, ...] = ()
    ) -> None:
        super().__init__(block, parts)
        self.formed, self.free = formed, free

    def twin(self) -> PropagationEdge:
        return PropagationEdge(self.block, self.formed, self.free)

    def rest(self, mode: Mode) -> Block | None:
        """Return the block of what a mode is not applied to: what is formed, and elementals without that mode."""
        block = self.formed
        for e in self.free:
            if e.per_vector(mode) is None:
                block = e.block if block is None else block.plus(e.block)
        return block

    def per_vector(self, mode: Mode) -> int | None:
        """Return the fma of one vector through the elementals that have the mode, or None where none has it."""
        prices = [price for e in self.free if (price := e.per_vector(mode)) is not None]
        return sum(prices) if prices else None


class _Side(NamedTuple):
    """An edge in the products of an elimination: the edge, what is beside its applied elementals, and these."""

    edge: PropagationEdge
    rest: PropagationEdge
    applied: tuple[Elemental, ...]


class PropagationGraph(WorkGraph):
    """A work graph whose matrix-free elementals are accumulated or propagated, whichever is cheaper at each vertex.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    recorder : Recorder | None
        What writes the steps down, where a plan is made.
    formed : frozenset[str]
        The names of matrix-free elementals that are accumulated whatever happens.
    least : bool
        Whether an accumulation has the price that no colouring undercuts instead of that of the best colours known, so
        that the price of an order is a bound.
    """

    def __init__(
        self,
        graph: Graph,
        recorder: Recorder | None = None,
        formed: frozenset[str] = frozenset(),
        least: bool = False,
    ) -> None:
        self.formed = formed
        super().__init__(graph, recorder)
        self.dense = self.bare = False
        found = {e.name: accumulated(e, FMA) for e in graph.useful if not e.explicit}
        self.tight = all(one.least == one.price for one in found.values())
        prices = {name: one.least if least else one.price for name, one in found.items()}
        ends, outputs = set(graph.inputs), set(graph.outputs)
        owed = [e.name for e in graph.useful if not e.explicit and e.source in ends and e.target in outputs]
        self.fixed = sum(prices[name] for name in formed.union(owed))
        self._accumulation = prices | dict.fromkeys(owed, 0)

    @property
    def shared(self) -> list[str]:
        """The matrix-free elementals that are used twice or run in parallel, in the order declared.

        Without any, the cheapest decisions at each vertex are the cheapest of all for every order.
        """
        outputs, starts = set(self.graph.outputs), set(self.graph.inputs)
        free = [e for e in self.graph.useful if not e.explicit]
        lines = Counter((e.source, e.target) for e in free)
        return [
            e.name
            for e in free
            if lines[e.source, e.target] > 1
            or (e.target in outputs and e.target in self.graph.out_of and e.source not in starts)
        ]

    def price(self, v: int) -> int:
        return self._choice(v).price

    def eliminate(self, v: int) -> int:
        choice, into = self._choice(v), self.into[v]
        ins = {
            p: self._side(edge, whole, Mode.ADJOINT)
            for (p, edge), whole in zip(self._edges(into), choice.into, strict=True)
        }
        outs = {
            s: self._side(edge, whole, Mode.TANGENT)
            for (s, edge), whole in zip(self._edges(self.out[v]), choice.out, strict=True)
        }
        for s, left in outs.items():
            self.look(self.effort * len(into))
            row = self.into[s]
            del row[v]
            for p, right in ins.items():
                edge = row.get(p)
                if edge is None:
                    edge = row[p] = self.out[p][s] = PropagationEdge(left.edge.block.times(right.edge.block), None, ())
                else:
                    edge.block = left.edge.block.times(right.edge.block).plus(edge.block)
                self._join_product(cast(PropagationEdge, edge), left, right)
        self.out[v] = {}
        if not self.kept[v]:
            for p in into:
                del self.out[p][v]
            self.into[v] = {}
        self.middle.discard(v)
        return choice.price

    def plan(self) -> Plan:
        inputs = {self.index[v] for v in self.graph.inputs if v in self.index}
        for v, row in enumerate(self.into):
            for p, edge in self._edges(row):
                if self.kept[v] and p in inputs:
                    self._accumulate(edge, edge.free)
        return super().plan()

    def _merge(self, source: int, target: int, e: Elemental) -> None:
        edge = cast("PropagationEdge | None", self.out[source].get(target))
        if edge is None:
            edge = PropagationEdge(e.block, None, ())
            self.out[source][target] = self.into[target][source] = edge
        else:
            edge.block = edge.block.plus(e.block)
        if e.explicit or e.name in self.formed:
            edge.formed, edge.parts = _plus(edge.formed, e.block), (*edge.parts, e)
        else:
            edge.free = (*edge.free, e)

    @staticmethod
    def _edges(row: dict[int, WorkEdge]) -> list[tuple[int, PropagationEdge]]:
        return cast("list[tuple[int, PropagationEdge]]", list(row.items()))

    def _choice(self, v: int) -> RouteChoice:
        """Return the cheapest decisions for the edges of v, with the price of eliminating it."""
        outs = [edge for _, edge in self._edges(self.out[v])]
        ins = [edge for _, edge in self._edges(self.into[v])]
        if not any(edge.free for edge in (*outs, *ins)):
            price = sum(FMA.multiply(left.block, right.block) for left in outs for right in ins)
            return RouteChoice(price, (True,) * len(outs), (True,) * len(ins))
        return choose_routes(
            [self._edge_prices(edge, Mode.TANGENT) for edge in outs],
            [self._edge_prices(edge, Mode.ADJOINT) for edge in ins],
            [[route_prices(left, right) for right in ins] for left in outs],
        )

    def _edge_prices(self, edge: PropagationEdge, mode: Mode) -> EdgePrices:
        """Return the price of accumulating only what lacks a mode, and that of accumulating all."""
        if not edge.free:
            return UNREACHED_PRICE, 0
        lacking = sum(self._accumulation[e.name] for e in edge.free if e.per_vector(mode) is None)
        return lacking, sum(self._accumulation[e.name] for e in edge.free)

    def _side(self, edge: PropagationEdge, whole: bool, mode: Mode) -> _Side:
        """Accumulate what a decision asks for."""
        self._accumulate(edge, tuple(e for e in edge.free if e.per_vector(mode) is None))
        applied, rest = edge.free, edge
        if applied and whole:
            rest = copy(edge)
            if edge.formed is not None and self.recorder is not None:
                rest.handle = self.held(edge)
            self._accumulate(edge, applied)
        return _Side(edge, rest, applied)

    def _accumulate(self, edge: PropagationEdge, elementals: tuple[Elemental, ...]) -> None:
        """Accumulate matrix-free elementals of an edge and add them to what is formed."""
        for e in elementals:
            if self.recorder is not None:
                step = write_accumulation(self.recorder, e)
                edge.handle = step if edge.formed is None else self.recorder.add(self.held(edge), step)
            edge.formed = _plus(edge.formed, e.block)
        edge.free = tuple(e for e in edge.free if e not in elementals)

    def _join_product(self, edge: PropagationEdge, left: _Side, right: _Side) -> None:
        """Add the product of two sides onto what is formed of an edge, by its cheapest route."""
        product = left.edge.block.times(right.edge.block)
        if self.recorder is not None:
            onto = None if edge.formed is None else self.held(edge)
            edge.handle = self._written(left, right, onto)
        edge.formed = _plus(edge.formed, product)

    def _written(self, left: _Side, right: _Side, onto: int | None) -> int:
        """Write the steps of a product, added onto the block `onto` where one is given, and return the last."""
        assert self.recorder is not None
        routes = _side_prices(left, right)
        route = cheapest_route(routes, not left.edge.free, not right.edge.free)
        if route is Route.PRODUCT:
            return self.recorder.multiply(self.held(left.edge), self.held(right.edge), onto)
        mode = MODE_OF_ROUTE[route]
        side, arg = (left, self.held(right.edge)) if mode is Mode.TANGENT else (right, self.held(left.edge))
        if side.rest.formed is not None:
            rest = self.held(side.rest)
            onto = self.recorder.multiply(*((rest, arg) if mode is Mode.TANGENT else (arg, rest)), onto)
        for e in side.applied:
            step = self.recorder.propagate(e.name, arg, mode)
            onto = step if onto is None else self.recorder.add(onto, step)
        assert onto is not None
        return onto


def route_prices(left: PropagationEdge, right: PropagationEdge) -> RoutePrices:
    """Return the price of every way to make the product of two edges."""
    tangents = adjoints = UNREACHED_PRICE
    if left.free and (each := left.per_vector(Mode.TANGENT)) is not None:
        rest = left.rest(Mode.TANGENT)
        tangents = each * right.block.cols + (0 if rest is None else FMA.multiply(rest, right.block))
    if right.free and (each := right.per_vector(Mode.ADJOINT)) is not None:
        rest = right.rest(Mode.ADJOINT)
        adjoints = each * left.block.rows + (0 if rest is None else FMA.multiply(left.block, rest))
    return RoutePrices(FMA.multiply(left.block, right.block), tangents, adjoints)


def _side_prices(left: _Side, right: _Side) -> RoutePrices:
    """Return the prices of the routes as they were before the edges of the two sides were accumulated."""
    edges = (PropagationEdge(side.edge.block, side.rest.formed, side.applied) for side in (left, right))
    return route_prices(*edges)


def _plus(block: Block | None, other: Block) -> Block:
    return other if block is None else block.plus(other)


def propagation_plan(graph: Graph, order: Iterable[int], formed: frozenset[str] = frozenset()) -> Plan:
    """The plan that eliminates the intermediate vertices in the order given, with the cheapest route at each.

    The elementals named by `formed` are accumulated whatever happens.
    """
    with uncollected():
        work = PropagationGraph(graph, Recorder(graph), formed)
        for v in order:
            work.eliminate(v)
        return work.plan()
