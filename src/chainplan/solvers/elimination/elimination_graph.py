"""The work graph: a linearised DAG that shrinks while its intermediate vertices are eliminated.

Eliminating v adds, for every predecessor p and successor s, the product `c_sv · c_vp` onto the edge (p, s), then
removes v (Griewank & Walther, *Evaluating Derivatives*, section 9.3). An output that is also read keeps its in-edges.
Vertices are numbered in topological order; blocks of parallel elementals are merged at the start. With a recorder the
moves are written down as steps, with loads and accumulations at their first use. Without one only prices are computed;
where every block is dense these depend on neighbourhoods alone, so whole dictionaries are joined and no edge is made.

Prices are those of `edge_prices`, which depend on what is gone and not on how it went, by every cost model; what they
leave out is the same for all orders (`WorkGraph.fixed_price`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from copy import copy

from chainplan._util.gc_pause import uncollected
from chainplan.plans.accumulations import accumulated
from chainplan.plans.bound import AFTER_ACCUMULATION
from chainplan.plans.compressed_sweep import write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.elimination.dense_writer import DenseWriter
from chainplan.solvers.elimination.edge_prices import EdgePrices, FixedPrice, accumulation
from chainplan.solvers.search.search import WorkWatcher, unwatched
from chainplan.structures import Block, Dense, OnDiagonal

WORK_PER_STRUCTURED_PRODUCT = 10
"""Work that pricing or making one structured product counts as; a dense one counts as 1."""
WORK_PER_LISTED_PRODUCT = 500
"""The same where a pattern is listed, whose product is worked out entry by entry."""


class WorkEdge:
    """An edge of the work graph: its block and, when steps are recorded, the step that holds the block.

    `parts` are the elementals that the block is the sum of, as long as no step holds it.
    """

    __slots__ = ("block", "handle", "parts")

    def __init__(self, block: Block, parts: tuple[Elemental, ...] = ()) -> None:
        self.block = block
        self.parts = parts
        self.handle: int | None = None

    def twin(self) -> WorkEdge:
        """Return an edge of the same block that can change on its own and that no step holds."""
        return WorkEdge(self.block)


class WorkGraph:
    """A linearised DAG under elimination; `into[v]` and `out[v]` map neighbours to shared edges.

    `look` is told of the products that an elimination makes one by one, which takes long; a copy starts without one.
    """

    def __init__(self, graph: Graph, recorder: Recorder | None = None, cost: CostModel = FMA) -> None:
        useful = graph.useful
        touched = {v for e in useful for v in (e.source, e.target)}
        self.graph, self.recorder, self.prices = graph, recorder, EdgePrices(cost)
        self.look: WorkWatcher = unwatched
        self.names = [v for v in graph.order if v in touched]
        self.index = {v: i for i, v in enumerate(self.names)}
        self.size = [graph.sizes[v] for v in self.names]
        self.into: list[dict[int, WorkEdge]] = [{} for _ in self.names]
        self.out: list[dict[int, WorkEdge]] = [{} for _ in self.names]
        with uncollected():
            for e in useful:
                self._merge(self.index[e.source], self.index[e.target], e)
        inputs, outputs = set(graph.inputs), set(graph.outputs)
        self.kept = [v in outputs for v in self.names]
        self.middle = {i for i, v in enumerate(self.names) if v not in inputs and self.out[i]}
        self.blocks_are_dense = all(
            type(edge.block.structure) is Dense for edges in self.out for edge in edges.values()
        )
        self.dense = self.blocks_are_dense and self.prices.by_weight
        self.classed = self.dense or all(
            isinstance(edge.block.structure, Dense | OnDiagonal) for edges in self.out for edge in edges.values()
        )
        self.lists = any(edge.block.structure.name == "sparse" for edges in self.out for edge in edges.values())
        self.scalar = all(size == 1 for size in self.size)
        self.bare = self.dense and recorder is None

    def copy(self) -> WorkGraph:
        """A work graph without recorder that can be eliminated on its own; the two share what never changes."""
        twin = copy(self)
        twin.look = unwatched
        twin.recorder, twin.bare, twin.middle = None, self.dense, set(self.middle)
        twin.into = [dict(row) for row in self.into]
        twin.out = [dict(row) for row in self.out]
        if not self.bare:
            for v, row in enumerate(twin.into):
                for p, edge in row.items():
                    row[p] = twin.out[p][v] = edge.twin()
        return twin

    def part(self, vertices: Iterable[int]) -> tuple[WorkGraph, list[int]]:
        """The work graph of some intermediate vertices and their neighbours, and its vertices' numbers in this one.

        It lacks the edges between those neighbours, which do not change what the intermediate vertices cost.
        """
        chosen = set(vertices)
        numbers = sorted(chosen.union(*(self.into[v] for v in chosen), *(self.out[v] for v in chosen)))
        place = {v: i for i, v in enumerate(numbers)}
        twin = copy(self)
        twin.recorder, twin.bare, twin.middle = None, self.dense, {place[v] for v in chosen}
        twin.names, twin.size = [self.names[v] for v in numbers], [self.size[v] for v in numbers]
        twin.kept = [self.kept[v] for v in numbers]
        twin.into, twin.out = [{} for _ in numbers], [{} for _ in numbers]
        for v in chosen:
            for p, edge in self.into[v].items():
                twin.into[place[v]][place[p]] = twin.out[place[p]][place[v]] = edge.twin()
            for s, edge in self.out[v].items():
                if s not in chosen:
                    twin.into[place[s]][place[v]] = twin.out[place[v]][place[s]] = edge.twin()
        return twin, numbers

    @property
    def effort(self) -> int:
        """The work that one product counts as."""
        if self.dense:
            return 1
        return WORK_PER_LISTED_PRODUCT if self.lists else WORK_PER_STRUCTURED_PRODUCT

    @property
    def grows(self) -> bool:
        """Whether the price of a vertex never falls when its neighbourhoods grow, where blocks have classes.

        Additions that are given back exceed the others beside a vertex of size 0.
        """
        return not self.prices.adds or (self.prices.by_weight and all(self.size) and self.classed)

    def weight(self, vertices: Collection[int]) -> int:
        """Total size of some vertices."""
        return len(vertices) if self.scalar else sum(map(self.size.__getitem__, vertices))

    def _merge(self, source: int, target: int, e: Elemental) -> None:
        """Add an elemental onto the edge between its ends."""
        edge = self.out[source].get(target)
        if edge is None:
            self.out[source][target] = self.into[target][source] = WorkEdge(e.block, (e,))
        else:
            edge.block, edge.parts = edge.block.plus(e.block), (*edge.parts, e)

    def price(self, v: int) -> int:
        """The price of eliminating v now, in O(neighbours) for dense blocks, else O(pairs of neighbours)."""
        if self.dense:
            return self.prices.weighed(self.size[v], self.weight(self.into[v]), self.weight(self.out[v]), self.kept[v])
        ins, outs = ([edge.block for edge in row[v].values()] for row in (self.into, self.out))
        return self.prices.of_blocks(ins, outs, self.kept[v])

    @property
    def fixed_price(self) -> FixedPrice:
        """What every order pays besides its prices, and a lower bound on it: accumulations, and what is left open.

        Prices take the edges that a vertex leaves off the sums that made them (`edge_prices`).
        """
        price, least = accumulation(self.graph, self.prices.cost)
        if self.prices.cost is FMA:
            return FixedPrice(price, least)
        more = self.prices.merges(edge.parts for row in self.out for edge in row.values())
        more += self.prices.held(edge.block for row in self.out for edge in row.values())
        more -= sum(self.prices.raised(self.size[v], self.kept[v]) for v in self.middle)
        more -= sum(count * self.prices.held([block]) for block, count in self._jacobian_blocks().items())
        return FixedPrice(price + more, least + more)

    def _jacobian_blocks(self) -> Counter[Block]:
        """The blocks that are left at the end, counted; where all are dense, no vertex has to go for that."""
        if not self.blocks_are_dense:
            done = self.copy()
            for v in sorted(self.middle):
                done.eliminate(v)
            return Counter(edge.block for row in done.out for edge in row.values())
        number = {v: i for i, v in enumerate(v for v, row in enumerate(self.into) if not row)}
        of_size: dict[int, int] = {}
        for v, i in number.items():
            of_size[self.size[v]] = of_size.get(self.size[v], 0) | 1 << i
        blocks, reaching = Counter[Block](), list[int]()
        for v, row in enumerate(self.into):
            reached = 1 << number[v] if v in number else 0
            for p in row:
                reached |= reaching[p]
            reaching.append(reached)
            if row and self.kept[v]:
                for size, inputs in of_size.items():
                    blocks[Block(self.size[v], size)] += (reached & inputs).bit_count()
        return blocks

    def order_price(self, order: Iterable[int]) -> int:
        """The price of eliminating some vertices one after the other, on a copy."""
        now = self.copy()
        return sum(now.eliminate(v) for v in order)

    def eliminate(self, v: int) -> int:
        """Eliminate an intermediate vertex and return what it cost."""
        price = self.price(v)
        into, out = self.into[v], self.out[v]
        if self.bare:
            self._join(v)
        else:
            for s, left in out.items():
                self.look(self.effort * len(into))
                row = self.into[s]
                del row[v]
                for p, right in into.items():
                    edge = row.get(p)
                    if edge is None:
                        row[p] = self.out[p][s] = self.product(left, right)
                    else:
                        self.absorb(edge, left, right)
        self.out[v] = {}
        if not self.kept[v]:
            for p in into:
                del self.out[p][v]
            self.into[v] = {}
        self.middle.discard(v)
        return price

    def _join(self, v: int) -> None:
        """Join every predecessor to every successor where only the neighbourhoods matter, not the edges."""
        into, out = self.into[v], self.out[v]
        for s in out:
            row = self.into[s]
            del row[v]
            row.update(into)
        for p in into:
            self.out[p].update(out)

    def product(self, left: WorkEdge, right: WorkEdge) -> WorkEdge:
        """A new edge that holds left · right."""
        edge = WorkEdge(left.block if self.dense else left.block.times(right.block))
        if self.recorder is not None:
            edge.handle = self.recorder.multiply(self.held(left), self.held(right))
        return edge

    def absorb(self, edge: WorkEdge, left: WorkEdge, right: WorkEdge) -> None:
        """Add left · right onto an edge."""
        if not self.dense:
            edge.block = left.block.times(right.block).plus(edge.block)
        if self.recorder is not None:
            edge.handle = self.recorder.multiply(self.held(left), self.held(right), self.held(edge))

    def held(self, edge: WorkEdge) -> int:
        """The step that holds the block of an edge; it is loaded or accumulated now if it is still an elemental."""
        assert self.recorder is not None
        if edge.handle is None:
            for e in edge.parts:
                part = self.recorder.load(e.name) if e.explicit else write_accumulation(self.recorder, e)
                edge.handle = part if edge.handle is None else self.recorder.add(edge.handle, part)
            assert edge.handle is not None
        return edge.handle

    def plan(self) -> Plan:
        """The recorded plan, once no intermediate vertex is left."""
        assert self.recorder is not None
        assert not self.middle, "intermediate vertices are left"
        outputs = []
        for output in self.graph.outputs:
            row = self.into[self.index[output]] if output in self.index else {}
            for source in self.graph.inputs:
                edge = row.get(self.index.get(source, -1))
                if edge is not None:
                    outputs.append((output, source, self.held(edge)))
        return self.recorder.plan(outputs)


def write_accumulation(recorder: Recorder, e: Elemental) -> int:
    """Write down the cheapest known accumulation of a matrix-free elemental and return the step."""
    how = accumulated(e).how
    return recorder.accumulate(e.name, how) if isinstance(how, Mode) else write_sweep(recorder, how)


def order_plan(graph: Graph, order: Iterable[int], look: WorkWatcher = unwatched) -> Plan:
    """The plan that eliminates the intermediate vertices in the order given (numbers of a `WorkGraph`).

    `look` is told of the products as they are written down; what it raises ends the writing.
    """
    with uncollected():
        work = WorkGraph(graph, Recorder(graph))
        names = [{p: edge.parts for p, edge in row.items()} for row in work.into]
        if work.dense and all(len(parts) == 1 and parts[0].explicit for row in names for parts in row.values()):
            writer = DenseWriter([{p: parts[0].name for p, parts in row.items()} for row in names], work.kept)
            return writer.plan(graph, work.index, order, look)
        work.look = look
        for v in order:
            work.eliminate(v)
        return work.plan()


def after_accumulation(graph: Graph, moves: str) -> str:
    """The name of the moves, with the addition that matrix-free elementals, if any, are accumulated before them."""
    return moves if graph.explicit else moves + AFTER_ACCUMULATION


def intermediates(graph: Graph) -> int:
    """The number of vertices to be eliminated."""
    return len(graph.out_of.keys() - set(graph.inputs))
