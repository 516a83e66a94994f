"""Vertex elimination with propagation: matrix-free elementals stay as they are until a vertex at their end goes.

Eliminating v then makes each product of an out-edge and an in-edge in one of three ways (`route_choice`): by
multiplying their blocks, by applying matrix-free elementals of the out-edge to the block of the in-edge (tangents), or
those of the in-edge to the block of the out-edge (adjoints); what is left of an edge is multiplied beside it. On a path
this is the choice that dynamic programming over its intervals makes. Without it every matrix-free elemental is
accumulated first, which costs as many vectors as its smaller end has entries, where a narrow place next to it would ask
for a few.

An edge of an input and an output that is read is part of the Jacobian, and its elementals are accumulated whatever
happens. What they cost is in `fixed`, and nothing is charged for them when a vertex goes. An elemental that ends at an
output that is read and starts at an intermediate vertex is used twice, so that what is cheapest at one vertex need not
be cheapest in the end. Whether such a `shared` elemental is accumulated is therefore decided beforehand: those that are
`formed` are paid for in `fixed`, the others are never accumulated. So what a vertex costs depends on the set of
vertices that are gone, not on their order.

Where patterns are sparse, connected vertices may also go all at once, by a coloured sweep (`swept_parts`). What is gone
between the vertices that are left is connected, and each connected set goes for itself; so an order of vertices stands
for the cheapest plan in which each set that is connected at some time goes by a sweep or by its last vertex.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from chainplan._util.gc_pause import uncollected
from chainplan.plans.accumulations import accumulated
from chainplan.plans.compressed_sweep import UNREACHED_PRICE
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.products import Products
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph, write_accumulation
from chainplan.solvers.elimination.large_neighbourhood import parents
from chainplan.solvers.elimination.propagation_edge import (
    MAX_PARALLEL_ELEMENTALS,
    PropagationEdge,
    added,
    joined,
    product_price,
    ways,
)
from chainplan.solvers.elimination.route_choice import (
    EdgeDecisions,
    Route,
    RouteChoice,
    RoutedProduct,
    cheapest_route,
    choose_routes,
)
from chainplan.solvers.elimination.swept_parts import PartSweep, SweptParts
from chainplan.structures import Block


class Directions(NamedTuple):
    """The vertex that stands for the directions of J·v, or for the weights of w·J, in a graph with products.

    Its edges hold one vector each, which counts as dense, and for `times` products. `counted` is the same graph for
    bounds: with as many vectors as products, and with tangents and adjoints that cost no more than any that a plan
    applies.
    """

    vertex: str
    times: Products
    counted: Graph


class PropagationGraph(WorkGraph):
    """A work graph whose matrix-free elementals are accumulated or propagated, whichever is cheaper at each vertex.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    recorder : Recorder | None
        What writes the steps down, where a plan is made.
    formed : frozenset[str]
        The names of the shared elementals that are accumulated.
    undecided : frozenset[str]
        The names of those that may be accumulated for nothing, so that the price of an order is a bound.
    least : bool
        Whether an accumulation has the price that no colouring undercuts instead of that of the best colours known, so
        that the price of an order is a bound; so have coloured sweeps.
    parts : SweptParts | None
        The parts that may be swept, where they are known from another work graph of the same graph.
    directions : Directions | None
        The vertex of directions or of weights, where the graph has one; no part beside it is swept.
    """

    def __init__(
        self,
        graph: Graph,
        recorder: Recorder | None = None,
        formed: frozenset[str] = frozenset(),
        undecided: frozenset[str] = frozenset(),
        least: bool = False,
        parts: SweptParts | None = None,
        directions: Directions | None = None,
    ) -> None:
        self.directions = directions
        super().__init__(graph, recorder)
        self.dense = self.bare = False
        self.formed, self.least, self._steps = formed, least, dict[str, int]()
        self.parts = parts or SweptParts(graph, self.index, self._sweepable())
        self.fresh = True
        free = [e for e in graph.useful if not e.explicit]
        found = {e.name: accumulated(e) for e in free}
        self.tight = all(one.least == one.price for one in found.values())
        prices = {name: one.least if least else one.price for name, one in found.items()}
        starts, ends, read = set(graph.inputs), set(graph.outputs), graph.out_of.keys()
        owed = {e.name for e in free if e.source in starts and e.target in ends}
        twice = {e.name: e for e in free if e.target in ends and e.target in read and e.source not in starts}
        owed |= {name for name, e in twice.items() if e.tangent is None}
        self.shared = [name for name in twice if name not in owed]
        self.paid = formed | owed | undecided
        self.fixed = sum(prices[name] for name in formed | owed)
        self._prices, self._accumulated = prices, set[str]()
        self._accumulation = prices | dict.fromkeys(self.shared, UNREACHED_PRICE) | dict.fromkeys(self.paid, 0)

    @property
    def exact(self) -> bool:
        """Whether the choice at a vertex is the cheapest of all: no edge has many parallel matrix-free elementals."""
        return all(len(edge.free) <= MAX_PARALLEL_ELEMENTALS for row in self.out for _, edge in self.edges(row))

    def decided(self, formed: frozenset[str], undecided: frozenset[str] = frozenset()) -> PropagationGraph:
        """Return the work graph with other shared elementals formed, before anything is eliminated."""
        return self._anew(formed, undecided, self.least, self.parts)

    def unswept(self) -> PropagationGraph:
        """Return the work graph before any elimination, without sweeps."""
        none = SweptParts(self.graph, self.index, ())
        return self._anew(self.formed, frozenset(), self.least, none)

    def bounding(self) -> PropagationGraph:
        """Return the work graph before any elimination, with the prices that no colouring undercuts."""
        return self._anew(self.formed, frozenset(), True, self.parts)

    def _anew(
        self, formed: frozenset[str], undecided: frozenset[str], least: bool, parts: SweptParts
    ) -> PropagationGraph:
        """Return the work graph before any elimination, with other decisions."""
        return PropagationGraph(self.graph, None, formed, undecided, least, parts, self.directions)

    @property
    def counted(self) -> Graph:
        """The graph whose bounds hold for this one."""
        return self.graph if self.directions is None else self.directions.counted

    def edge(self, p: int, s: int, block: Block, formed: Block | None = None) -> PropagationEdge:
        """Return a new edge between two vertices."""
        given = self.directions
        if given is None or given.vertex not in (self.names[p], self.names[s]):
            return PropagationEdge(block, formed)
        vector = Block(block.rows, block.cols)
        return PropagationEdge(vector, None if formed is None else vector, times=given.times)

    def _sweepable(self) -> set[int]:
        """Return the vertices that parts may be made of: no outputs that are read, none beside the directions."""
        beside = set[int]()
        if self.directions is not None and self.directions.vertex in self.index:
            v = self.index[self.directions.vertex]
            beside = {*self.into[v], *self.out[v]}
        return {v for v in self.middle if not self.kept[v] and v not in beside}

    def accumulation_price(self, name: str) -> int:
        """Return the price of accumulating an elemental."""
        return self._prices[name]

    def accumulated_by(self, order: Iterable[int]) -> set[str]:
        """Return the names of the elementals that are accumulated where the vertices go in an order."""
        now = self.copy()
        now._accumulated = set()
        for move in self.cheapest_moves([*order])[1] if self.sweeping else order:
            now.sweep_away(move) if isinstance(move, PartSweep) else now.eliminate(move)
        return now._accumulated

    def price(self, v: int) -> int:
        return self.route_price([e for _, e in self.edges(self.out[v])], [e for _, e in self.edges(self.into[v])])

    def copy(self) -> PropagationGraph:
        return cast("PropagationGraph", super().copy())

    def order_price(self, order: Iterable[int]) -> int:
        return self.cheapest_moves([*order])[0] if self.sweeping else super().order_price(order)

    @property
    def sweeping(self) -> bool:
        """Whether parts may be swept: nothing has been eliminated beside them."""
        return self.fresh and self.parts.any

    def swept(self, inside: int, below: int) -> PartSweep | None:
        """Return the sweep of a connected set of vertices, None where there is none that is cheaper than `below`."""
        return self.parts.cheaper(inside, below, self.least) if self.sweeping else None

    def cheapest_moves(self, order: Sequence[int]) -> tuple[int, list[int | PartSweep]]:
        """Return the price of an order, and its vertices with the sweeps that replace some of them."""
        now, parent = self.copy(), parents(self, order)
        below: dict[int, tuple[int, int]] = {}
        moves = dict[int, int | PartSweep]()
        total = 0
        for v in order:
            spent, inside = below.pop(v, (0, 0))
            cost, inside = spent + now.eliminate(v), inside | 1 << v
            sweep = self.swept(inside, cost)
            if sweep is not None:
                cost, moves = sweep.price, {u: move for u, move in moves.items() if not inside >> u & 1}
            moves[v] = v if sweep is None else sweep
            if v in parent:
                more, mask = below.get(parent[v], (0, 0))
                below[parent[v]] = more + cost, mask | inside
            else:
                total += cost
        return total, [*moves.values()]

    def sweep_away(self, sweep: PartSweep) -> None:
        """Remove the vertices of a part, whose blocks a sweep has added to the edges around it."""
        self.fresh = False
        steps = {} if self.recorder is None else self.parts.write(self.recorder, sweep)
        for v in members(sweep.inside):
            for p in self.into[v]:
                del self.out[p][v]
            for s in self.out[v]:
                del self.into[s][v]
            self.into[v], self.out[v] = {}, {}
            self.middle.discard(v)
        for (p, s), block in sweep.blocks.items():
            known = cast("PropagationEdge | None", self.out[p].get(s))
            edge = known or self.edge(p, s, block)
            if known is None:
                self.out[p][s] = self.into[s][p] = edge
            else:
                edge.block = edge.block.plus(block)
            if self.recorder is not None:
                step = steps[p, s]
                edge.handle = step if edge.formed is None else self.recorder.add(self.held(edge), step)
            edge.formed, edge.sums = added(edge.formed, block), {}

    def eliminate(self, v: int) -> int:
        self.fresh = False
        into, out = self.edges(self.into[v]), self.edges(self.out[v])
        choice = self._choice([edge for _, edge in out], [edge for _, edge in into])
        for (_, beside), some in zip((*out, *into), (*choice.out, *choice.into), strict=True):
            self._accumulated.update(e.name for e in beside.chosen(some))
        for (s, left), whole_left in zip(out, choice.out, strict=True):
            self.look(self.effort * len(into))
            row = self.into[s]
            del row[v]
            for (p, right), whole_right in zip(into, choice.into, strict=True):
                product = left.block.times(right.block)
                edge = cast("PropagationEdge | None", row.get(p))
                if edge is None:
                    edge = row[p] = self.out[p][s] = self.edge(p, s, product)
                else:
                    edge.block = edge.block.plus(product)
                if self.recorder is not None:
                    onto = None if edge.formed is None else self.held(edge)
                    way = cheapest_route([*ways(left, right)], whole_left, whole_right)
                    edge.handle = self._written(left, right, way, onto)
                edge.formed, edge.sums = added(edge.formed, product), {}
        self.out[v] = {}
        if not self.kept[v]:
            for p, _ in into:
                del self.out[p][v]
            self.into[v] = {}
        self.middle.discard(v)
        return choice.price

    def order_plan(self, order: Sequence[int]) -> Plan:
        """Return the plan that eliminates the intermediate vertices in the order given; this graph is not changed."""
        with uncollected():
            recorder = Recorder(self.graph)
            work = PropagationGraph(self.graph, recorder, self.formed, parts=self.parts, directions=self.directions)
            for move in work.cheapest_moves(order)[1] if work.sweeping else order:
                if isinstance(move, int):
                    work.eliminate(move)
                else:
                    work.sweep_away(move)
            return work.plan()

    def plan(self) -> Plan:
        inputs = {self.index[v] for v in self.graph.inputs if v in self.index}
        for v, row in enumerate(self.into):
            for p, edge in self.edges(row):
                if self.kept[v] and p in inputs and edge.free:
                    edge.handle = self._sum(edge, edge.every)
        return super().plan()

    @staticmethod
    def edges(row: dict[int, WorkEdge]) -> list[tuple[int, PropagationEdge]]:
        """Return the neighbours in a row with their edges."""
        return cast("list[tuple[int, PropagationEdge]]", list(row.items()))

    def route_price(self, outs: Sequence[PropagationEdge], ins: Sequence[PropagationEdge]) -> int:
        """Return the price of eliminating a vertex of these out-edges and in-edges."""
        return self._choice(joined(outs, Mode.TANGENT), joined(ins, Mode.ADJOINT)).price

    def _merge(self, source: int, target: int, e: Elemental) -> None:
        edge = cast("PropagationEdge | None", self.out[source].get(target))
        if edge is None:
            edge = self.edge(source, target, e.block)
            self.out[source][target] = self.into[target][source] = edge
        else:
            edge.block = edge.block.plus(e.block)
        if e.explicit:
            edge.formed, edge.parts = added(edge.formed, e.block), (*edge.parts, e)
        else:
            edge.free = (*edge.free, e)

    def _choice(self, outs: Sequence[PropagationEdge], ins: Sequence[PropagationEdge]) -> RouteChoice:
        """Return the cheapest decisions for the edges of a vertex, with the price of eliminating it."""
        if not any(edge.free for edge in (*outs, *ins)):
            price = sum(product_price(left, right, left.block, right.block) for left in outs for right in ins)
            return RouteChoice(price, (0,) * len(outs), (0,) * len(ins))
        return choose_routes(
            [self._decisions(edge) for edge in outs],
            [self._decisions(edge) for edge in ins],
            [[list(ways(left, right)) for right in ins] for left in outs],
        )

    def _decisions(self, edge: PropagationEdge) -> EdgeDecisions:
        """Return what may be accumulated of an edge, and its price."""
        if not edge.free:
            return _NOTHING_TO_DECIDE
        sets = tuple(edge.sets())
        return EdgeDecisions(sets, tuple(sum(self._accumulation[e.name] for e in edge.chosen(some)) for some in sets))

    def _written(self, left: PropagationEdge, right: PropagationEdge, way: RoutedProduct, onto: int | None) -> int:
        """Write the steps of a product, added onto the block `onto` where one is given, and return the last."""
        assert self.recorder is not None
        if way.route is Route.PRODUCT:
            return self.recorder.multiply(self._sum(left, left.every), self._sum(right, right.every), onto)
        mode = Mode.TANGENT if way.route is Route.TANGENTS else Mode.ADJOINT
        side, other = (left, right) if mode is Mode.TANGENT else (right, left)
        arg, others = self._sum(other, other.every), side.every & ~way.applied
        if others or side.formed is not None:
            rest = self._sum(side, others)
            onto = self.recorder.multiply(*((rest, arg) if mode is Mode.TANGENT else (arg, rest)), onto)
        for e in side.chosen(way.applied):
            step = self.recorder.propagate(e.name, arg, mode)
            onto = step if onto is None else self.recorder.add(onto, step)
        assert onto is not None
        return onto

    def _sum(self, edge: PropagationEdge, some: int) -> int:
        """Return the step that holds what is formed of an edge and some of its elementals, which are accumulated."""
        assert self.recorder is not None
        if not some:
            return self.held(edge)
        if some not in edge.sums:
            step = None if edge.formed is None else self.held(edge)
            for e in edge.chosen(some):
                if e.name not in self._steps:
                    self._steps[e.name] = write_accumulation(self.recorder, e)
                part = self._steps[e.name]
                step = part if step is None else self.recorder.add(step, part)
            assert step is not None
            edge.sums[some] = step
        return edge.sums[some]


_NOTHING_TO_DECIDE = EdgeDecisions()


def all_or_none_formed(none: PropagationGraph) -> list[PropagationGraph]:
    """Return the work graph with all shared elementals formed, for which every order is possible, then with none."""
    return [none.decided(frozenset(none.shared)), none] if none.shared else [none]


def propagation_plan(graph: Graph, order: Sequence[int]) -> Plan:
    """The plan that eliminates the intermediate vertices in the order given, with the cheapest route at each.

    All shared elementals are accumulated or none is, whichever is cheaper.
    """
    works = all_or_none_formed(PropagationGraph(graph))
    return min(works, key=lambda work: work.fixed + work.order_price(order)).order_plan(order)
