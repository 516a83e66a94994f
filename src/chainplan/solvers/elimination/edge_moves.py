"""Edge elimination: front and back elimination of single edges (Naumann 2004, section 2).

Back elimination of (i, j) adds `c_ji · c_ip` onto (p, j) for every predecessor p of i, front elimination adds
`c_sj · c_ji` onto (i, s) for every successor s of j; then (i, j) is removed with all edges that no path needs any more.
Back elimination of all out-edges of a vertex, or front elimination of all its in-edges, eliminates the vertex. The
in-edges of an output that is read are not front-eliminated, because they are part of the result.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph
from chainplan.solvers.elimination.state_search import HASH_FIELD, EliminationMoves
from chainplan.structures import Block

EdgeState = frozenset[tuple[int, int, int]]
"""Edges (source, target, label)."""
EdgeMove = tuple[str, int, int]
"""("front" | "back", source, target)."""


class EdgeMoves(EliminationMoves[EdgeState, EdgeMove]):
    """Front and back elimination on the graph that a `WorkGraph` starts with."""

    def __init__(self, graph: Graph, cost: CostModel = FMA) -> None:
        self.graph, self.cost = graph, cost
        self.work = WorkGraph(graph)
        self.middle = frozenset(self.work.middle)
        self.kept = self.work.kept
        self.block: dict[int, Block] = {}
        rng = random.Random(0)
        edges = []
        for source, out in enumerate(self.work.out):
            for target, edge in out.items():
                label = rng.randrange(1, HASH_FIELD)
                self.block[label] = edge.block
                edges.append((source, target, label))
        self._start = frozenset(edges)
        self._final = results(self.work, self._start)

    def start(self) -> EdgeState:
        return self._start

    def moves(self, state: EdgeState) -> Iterator[tuple[int, EdgeMove]]:
        into, out = _neighbours(state)
        for i, j, label in sorted(state):
            block = self.block[label]
            if i in self.middle:
                products = ((block, self.block[right], into[j].get(p)) for p, right in into[i].items())
                yield sum(self._price(*product) for product in products), ("back", i, j)
            if j in self.middle and not self.kept[j]:
                products = ((self.block[left], block, out[i].get(s)) for s, left in out[j].items())
                yield sum(self._price(*product) for product in products), ("front", i, j)

    def _price(self, left: Block, right: Block, onto: int | None) -> int:
        """The price of left · right, added onto the block `onto` where it is given."""
        price = self.cost.multiply(left, right)
        return price if onto is None or self.cost is FMA else price + self.cost.add(left.times(right), self.block[onto])

    def after(self, state: EdgeState, move: EdgeMove) -> EdgeState:
        kind, i, j = move
        into, out = _neighbours(state)
        label = out[i][j]
        if kind == "back":
            new = {(p, j): (label, right) for p, right in into[i].items()}
        else:
            new = {(i, s): (left, label) for s, left in out[j].items()}
        edges = {(a, b): c for a, b, c in state if (a, b) != (i, j)}
        for ends, (left, right) in new.items():
            edges[ends] = self._fill(left, right, edges.get(ends))
        return frozenset((a, b, c) for (a, b), c in self._without_dead_ends(edges).items())

    def through(self, move: EdgeMove) -> int | None:
        return move[1] if move[0] == "back" else None

    def at_least(self, state: EdgeState) -> int:
        """The sum of the cheapest products onto the blocks from inputs to outputs that are not complete yet."""
        if not self.work.dense or not counts_fma(self.cost):
            return 0
        done = {(i, j): label for i, j, label in state}
        return sum(least for ends, (label, least) in self._final.items() if done.get(ends) != label)

    def _fill(self, left: int, right: int, onto: int | None) -> int:
        """The label of left · right, added onto the block `onto` where it is given."""
        label = (left * right + (onto or 0)) % HASH_FIELD
        if label not in self.block:
            block = self.block[left].times(self.block[right])
            self.block[label] = block if onto is None else block.plus(self.block[onto])
        return label

    def _without_dead_ends(self, edges: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
        """The edges without those that start at an intermediate without in-edges, or end at one without out-edges."""
        while True:
            entered, left = {j for _, j in edges}, {i for i, _ in edges}
            dead = [
                (i, j)
                for i, j in edges
                if (i in self.middle and i not in entered) or (j in self.middle and j not in left and not self.kept[j])
            ]
            if not dead:
                return edges
            for ends in dead:
                del edges[ends]

    def plan(self, moves: list[EdgeMove]) -> Plan:
        work = WorkGraph(self.graph, Recorder(self.graph))
        state = self._start
        for kind, i, j in moves:
            edge = work.out[i][j]
            if kind == "back":
                for p, right in work.into[i].items():
                    _add_product(work, p, j, edge, right)
            else:
                for s, left in work.out[j].items():
                    _add_product(work, i, s, left, edge)
            state = self.after(state, (kind, i, j))
            left_over = {(a, b) for a, b, _ in state}
            for a, out in enumerate(work.out):
                for b in [b for b in out if (a, b) not in left_over]:
                    del out[b], work.into[b][a]
        work.middle.clear()
        return work.plan()


def _add_product(work: WorkGraph, source: int, target: int, left: WorkEdge, right: WorkEdge) -> None:
    """Add the product left · right onto the edge from source to target of a work graph."""
    edge = work.out[source].get(target)
    if edge is None:
        work.out[source][target] = work.into[target][source] = work.product(left, right)
    else:
        work.absorb(edge, left, right)


def results(work: WorkGraph, state: EdgeState) -> dict[tuple[int, int], tuple[int, int]]:
    """For each input and output the label of the complete block and the least price of a product onto it.

    Pairs that no path joins are not listed.
    The inner size of such a product is that of a vertex on a path between the two.
    """
    into, _ = _neighbours(state)
    result = {}
    for name in work.graph.inputs:
        if name not in work.index:
            continue
        source = work.index[name]
        labels, inner = {source: 1}, {source: 1 << 200}
        for v in range(source + 1, len(work.names)):
            rows = [(p, label) for p, label in into.get(v, {}).items() if p in labels]
            if rows:
                labels[v] = sum(labels[p] * label for p, label in rows) % HASH_FIELD
                inner[v] = min(min(inner[p], work.size[p] if p != source else inner[p]) for p, _ in rows)
                if work.names[v] in work.graph.outputs:
                    through = work.size[source] * work.size[v] * inner[v]
                    result[source, v] = (labels[v], through if inner[v] < 1 << 200 else 0)
    return result


def _neighbours(state: EdgeState) -> tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]]:
    """The labels of in-edges and of out-edges, by vertex and neighbour."""
    into: dict[int, dict[int, int]] = {}
    out: dict[int, dict[int, int]] = {}
    for i, j, label in state:
        for table, a, b in ((out, i, j), (into, j, i)):
            table.setdefault(a, {})[b] = label
            table.setdefault(b, {})
    return into, out
