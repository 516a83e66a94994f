"""Linearised DAGs straight from the definitions: vertex, edge and face elimination by shortest paths over all states.

A state of vertex elimination is the set of vertices that are gone; edges are eliminated on the graph itself, faces on
its dual graph (Naumann, Math. Program. 99, 2004, sections 2 and 3). Products and sums are those of `patterns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from typing import Any

from tests.oracles.colouring import least_price
from tests.oracles.patterns import Block, blocks_of, fma, product, total

Edges = dict[tuple[str, str], Block]


class Dag:
    """The part of a spec that lies on paths from inputs to outputs, parallel edges added up."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        dag = as_dag(spec)
        self.inputs, self.outputs = list(dag["inputs"]), list(dag["outputs"])
        sizes, links = dag["sizes"], dag["jacobians"]
        ahead = reach(self.inputs, [tuple(e["edge"]) for e in links])
        behind = reach(self.outputs, [tuple(e["edge"][::-1]) for e in links])
        useful = [e for e in links if e["edge"][0] in ahead and e["edge"][1] in behind]
        shapes = ((sizes[e["edge"][1]], sizes[e["edge"][0]], e.get("structure", "dense")) for e in useful)
        self._blocks: dict[Any, Block] = {}
        self._products: dict[tuple[int, int], tuple[int, Block]] = {}
        self._totals: dict[tuple[int, int], Block] = {}
        self.edges: Edges = {}
        self._accumulated: list[tuple[Block, int | None, int | None]] = []
        for e, block in zip(useful, blocks_of(shapes), strict=True):
            ends = (e["edge"][0], e["edge"][1])
            self.edges[ends] = self._one(total(self.edges[ends], block) if ends in self.edges else block)
            self._accumulated.append((block, e.get("tangent"), e.get("adjoint")))
        self.middle = sorted({u for u, _ in self.edges} - set(self.inputs))

    @cached_property
    def fixed(self) -> int | None:
        """Multiply-adds of accumulating the matrix-free elementals, None where there are too many colourings."""
        prices = [accumulation_price(*elemental) for elemental in self._accumulated]
        known = [price for price in prices if price is not None]
        return sum(known) if len(known) == len(prices) else None

    def price(self, edges: Edges, v: str) -> int:
        """Multiply-adds of eliminating v: a product for each of its in-edges with each of its out-edges."""
        into = [block for (_, w), block in edges.items() if w == v]
        out = [block for (u, _), block in edges.items() if u == v]
        return sum(self._product(left, right)[0] for left in out for right in into)

    def eliminated(self, edges: Edges, v: str) -> Edges:
        """The graph without v; an output that is read keeps its in-edges."""
        into = {u: block for (u, w), block in edges.items() if w == v}
        out = {w: block for (u, w), block in edges.items() if u == v}
        kept = v in self.outputs
        after = {ends: b for ends, b in edges.items() if ends[0] != v and (ends[1] != v or kept)}
        for w, left in out.items():
            for u, right in into.items():
                made = self._product(left, right)[1]
                after[u, w] = self._total(after[u, w], made) if (u, w) in after else made
        return after

    def _product(self, left: Block, right: Block) -> tuple[int, Block]:
        """Multiply-adds and block of a product, worked out once for each pair of blocks."""
        key = id(left), id(right)
        if key not in self._products:
            self._products[key] = fma(left, right), self._one(product(left, right))
        return self._products[key]

    def _total(self, left: Block, right: Block) -> Block:
        key = id(left), id(right)
        if key not in self._totals:
            self._totals[key] = self._one(total(left, right))
        return self._totals[key]

    def _one(self, block: Block) -> Block:
        """One object for all equal blocks, kept for good, so that its identity stands for it."""
        cells = None if block.pattern is None else block.pattern.tobytes()
        return self._blocks.setdefault((cells, *block._replace(pattern=None)), block)


def least_vertex_cost(dag: Dag, vertices: Iterable[str] | None = None) -> int:
    """Multiply-adds of the cheapest order of eliminating some vertices, all by default; accumulations apart."""
    chosen = list(dag.middle if vertices is None else vertices)
    layer: dict[frozenset[str], int] = {frozenset(): 0}
    left = {frozenset[str](): dag.edges}
    for _ in chosen:
        after: dict[frozenset[str], int] = {}
        for gone, cost in layer.items():
            for v in chosen:
                if v not in gone:
                    more, price = gone | {v}, cost + dag.price(left[gone], v)
                    after[more] = min(price, after.get(more, price))
                    if more not in left:
                        left[more] = dag.eliminated(left[gone], v)
        layer = after
    (cost,) = layer.values()
    return cost


def order_cost(dag: Dag, order: Sequence[str]) -> int:
    """Multiply-adds of one order of vertices, accumulations apart."""
    edges, cost = dag.edges, 0
    for v in order:
        cost += dag.price(edges, v)
        edges = dag.eliminated(edges, v)
    return cost


def least_edge_cost(dag: Dag) -> int:
    """Multiply-adds of the cheapest sequence of front and back eliminations on dense blocks, accumulations apart.

    Blocks are dense, so a state is the set of edges with the paths of the graph that each stands for.
    """
    start = frozenset((*ends, frozenset([ends])) for ends in dag.edges)
    return _shortest(start, lambda state: _edge_moves(dag, state), lambda state: _done(dag, state))


Labelled = frozenset[tuple[str, str, frozenset[Any]]]
"""Edges with what has been added up onto them, so that two graphs of the same edges are told apart."""


def _edge_moves(dag: Dag, state: Labelled) -> Iterator[tuple[Labelled, int]]:
    size = _sizes(dag)
    for edge in state:
        i, j, _ = edge
        if i in dag.middle:
            pairs = [(e, edge) for e in state if e[1] == i]
            yield _put(dag, state - {edge}, pairs), sum(size[j] * size[i] * size[e[0]] for e, _ in pairs)
        if j in dag.middle and j not in dag.outputs:
            pairs = [(edge, e) for e in state if e[0] == j]
            yield _put(dag, state - {edge}, pairs), sum(size[e[1]] * size[j] * size[i] for _, e in pairs)


def _put(dag: Dag, state: Labelled, pairs: list[tuple[Any, Any]]) -> Labelled:
    """Add the products of pairs of edges, then take away what no path needs any more."""
    edges = {(u, w): what for u, w, what in state}
    for right, left in pairs:
        ends, made = (right[0], left[1]), frozenset([(right[2], left[2])])
        edges[ends] = edges.get(ends, frozenset()) | made
    while True:
        sources, targets = {u for u, _ in edges}, {w for _, w in edges}
        dead = [
            (u, w)
            for u, w in edges
            if (u in dag.middle and u not in targets) or (w in dag.middle and w not in sources and w not in dag.outputs)
        ]
        if not dead:
            return frozenset((u, w, what) for (u, w), what in edges.items())
        for ends in dead:
            del edges[ends]


def _done(dag: Dag, state: Labelled) -> bool:
    return not any(u in dag.middle for u, _, _ in state)


def _sizes(dag: Dag) -> dict[str, int]:
    found = {u: block.cols for (u, _), block in dag.edges.items()}
    return found | {w: block.rows for (_, w), block in dag.edges.items()}


def _shortest(start: Any, moves: Any, done: Any) -> int:
    order, heap, seen = count(), [(0, 0, start)], set()
    while True:
        cost, _, state = heappop(heap)
        if done(state):
            return int(cost)
        if state not in seen:
            seen.add(state)
            for after, price in moves(state):
                heappush(heap, (cost + price, next(order) + 1, after))


def accumulation_price(block: Block, tangent: int | None, adjoint: int | None) -> int | None:
    """The cheapest of all tangents, all adjoints and the best colouring of a matrix-free elemental."""
    ways = [n * price for n, price in ((block.cols, tangent), (block.rows, adjoint)) if price is not None]
    if not ways or not 0 < block.nnz < block.rows * block.cols:
        return min(ways, default=0)
    swept = least_price(block.cells, tangent, adjoint)
    return None if swept is None else min(*ways, swept)


def as_dag(spec: Mapping[str, Any]) -> Any:
    """A spec's DAG, a chain as the path that it is."""
    if "dag" in spec:
        return spec["dag"]
    q = len(spec["chain"])
    sizes = {"x0": spec["chain"][0]["shape"][1]} | {f"x{i + 1}": e["shape"][0] for i, e in enumerate(spec["chain"])}
    links = [{**e, "edge": [f"x{i}", f"x{i + 1}"]} for i, e in enumerate(spec["chain"])]
    return {"sizes": sizes, "inputs": ["x0"], "outputs": [f"x{q}"], "jacobians": links}


def reach(start: Iterable[str], edges: Sequence[tuple[Any, ...]]) -> set[str]:
    seen = set(start)
    while more := {w for u, w in edges if u in seen} - seen:
        seen |= more
    return seen
