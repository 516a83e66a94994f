"""Face elimination on the dual graph (Naumann 2004, section 3), the most general of the three kinds of moves.

The dual graph has a vertex for every edge of the linearised DAG and an edge, a *face*, for every pair of neighbouring
edges; inputs and outputs are further dual vertices at the ends. Eliminating the face (a, b) multiplies b · a. The
product is added onto the dual vertex that has the predecessors of a and the successors of b, or becomes a new one. Then
the face is removed, and so are dual vertices without predecessor or successor; those that now have the same neighbours
on both sides are added up. Every vertex or edge elimination is a sequence of face eliminations.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Protocol

from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.state_search import HASH_FIELD, EliminationMoves
from chainplan.structures import Block

DualVertex = tuple[int, int, int]
"""(source, target, label) of a dual vertex; the label of an input or output is 0."""
DualEdge = tuple[DualVertex, DualVertex]
FaceState = frozenset[DualEdge]
DualNeighbours = tuple[dict[DualVertex, set[DualVertex]], dict[DualVertex, set[DualVertex]]]


class FaceMoves(EliminationMoves[FaceState, DualEdge]):
    """Face elimination of the graph that a `WorkGraph` starts with."""

    def __init__(self, graph: Graph, cost: CostModel = FMA) -> None:
        self.graph, self.cost = graph, cost
        self.work = WorkGraph(graph)
        self.block: dict[int, Block] = {}
        rng = random.Random(0)
        duals: list[DualVertex] = []
        for source, out in enumerate(self.work.out):
            for target, edge in out.items():
                label = rng.randrange(1, HASH_FIELD)
                self.block[label] = edge.block
                duals.append((source, target, label))
        index = self.work.index
        duals += [(-1, index[v], 0) for v in graph.inputs if v in index]
        duals += [(index[v], len(index), 0) for v in graph.outputs if v in index]
        self.initial = tuple(duals)
        faces = frozenset((a, b) for a in duals for b in duals if a[1] == b[0] and (a[2] or b[2]))
        self._start = faces
        self._final = self._results()

    def start(self) -> FaceState:
        return self._start

    def moves(self, state: FaceState) -> Iterator[tuple[int, DualEdge]]:
        for a, b in sorted(state):
            if not (a[2] and b[2]):
                continue
            price = self.cost.multiply(self.block[b[2]], self.block[a[2]])
            if self.cost is not FMA:
                sums = _Sums(self.block, self.cost)
                self._step(state, (a, b), sums)
                price += sums.price
            yield price, (a, b)

    def after(self, state: FaceState, move: DualEdge) -> FaceState:
        return self._step(state, move, None)

    def _step(self, state: FaceState, move: DualEdge, writer: _FaceStepListener | None) -> FaceState:
        """The state after the elimination of a face; the writer is told of the products and sums."""
        (a, b), faces = move, set(state)
        before, behind = _sides(faces)
        onto = next((d for d in before if d[2] and before[d] == before[a] and behind[d] == behind[b]), None)
        made = (a[0], b[1], self._label(b[2], a[2], onto[2] if onto else 0))
        if writer is not None:
            writer.multiply(made, b, a, onto)
        sides = before[a] if onto is None else before[onto], behind[b] if onto is None else behind[onto]
        if onto is not None:
            faces -= {f for f in faces if onto in f}
        faces |= {(p, made) for p in sides[0]} | {(made, s) for s in sides[1]}
        faces.discard(move)
        return frozenset(self._simplify(faces, writer))

    def _simplify(self, faces: set[DualEdge], writer: _FaceStepListener | None) -> set[DualEdge]:
        """Remove dual vertices that no path needs and add up those with the same neighbours, until none is left."""
        while True:
            before, behind = _sides(faces)
            dead = {d for d in before if d[2] and not (before[d] and behind[d])}
            if dead:
                faces = {(a, b) for a, b in faces if a not in dead and b not in dead}
                continue
            twins: dict[tuple[frozenset[DualVertex], frozenset[DualVertex]], DualVertex] = {}
            for d in sorted(before):
                if not d[2]:
                    continue
                key = frozenset(before[d]), frozenset(behind[d])
                if key in twins:
                    faces = self._merge_twins(faces, twins[key], d, key, writer)
                    break
                twins[key] = d
            else:
                return faces

    def _merge_twins(
        self,
        faces: set[DualEdge],
        c: DualVertex,
        d: DualVertex,
        key: tuple[frozenset[DualVertex], frozenset[DualVertex]],
        writer: _FaceStepListener | None,
    ) -> set[DualEdge]:
        """Replace two dual vertices with the same neighbours `key` by their sum."""
        label = (c[2] + d[2]) % HASH_FIELD
        self.block.setdefault(label, self.block[c[2]].plus(self.block[d[2]]))
        made = (c[0], c[1], label)
        if writer is not None:
            writer.add(made, c, d)
        rest = {f for f in faces if c not in f and d not in f}
        return rest | {(p, made) for p in key[0]} | {(made, s) for s in key[1]}

    def _label(self, left: int, right: int, onto: int) -> int:
        """The label of left · right, added onto the block `onto` unless that is 0."""
        label = (left * right + onto) % HASH_FIELD
        if label not in self.block:
            block = self.block[left].times(self.block[right])
            self.block[label] = block.plus(self.block[onto]) if onto else block
        return label

    def through(self, move: DualEdge) -> int | None:
        return move[1][0]

    def at_least(self, state: FaceState) -> int:
        """The sum of the cheapest products onto the blocks from inputs to outputs that are not complete yet."""
        if not self.work.dense or not counts_fma(self.cost):
            return 0
        done = {a for a, _ in state}
        return sum(least for dual, least in self._final.items() if dual not in done)

    def _results(self) -> dict[DualVertex, int]:
        """For each input and output the dual vertex of the complete block and the least price of a product onto it."""
        from chainplan.solvers.elimination.edge_moves import results

        edges = frozenset(d for d in self.initial if d[2])
        return {(a, b, label): least for (a, b), (label, least) in results(self.work, edges).items()}

    def plan(self, moves: list[DualEdge]) -> Plan:
        writer = _FaceStepWriter(self.graph)
        state = self._start
        for move in moves:
            state = self._step(state, move, writer)
        return writer.plan({dual for face in state for dual in face if dual[2]})


class _FaceStepListener(Protocol):
    """What is told of the products and sums of a face elimination."""

    def multiply(self, made: DualVertex, left: DualVertex, right: DualVertex, onto: DualVertex | None) -> None: ...

    def add(self, made: DualVertex, left: DualVertex, right: DualVertex) -> None: ...


class _Sums:
    """Adds up what the sums of a face elimination cost, those that absorb a product and those that stand alone."""

    def __init__(self, blocks: dict[int, Block], cost: CostModel) -> None:
        self.blocks, self.cost, self.price = blocks, cost, 0

    def multiply(self, made: DualVertex, left: DualVertex, right: DualVertex, onto: DualVertex | None) -> None:
        """Count the sum of a product and what it is added onto."""
        if onto is not None:
            product = self.blocks[left[2]].times(self.blocks[right[2]])
            self.price += self.cost.add(product, self.blocks[onto[2]])

    def add(self, made: DualVertex, left: DualVertex, right: DualVertex) -> None:
        """Count a sum."""
        self.price += self.cost.add(self.blocks[left[2]], self.blocks[right[2]])


class _FaceStepWriter:
    """Writes down the products and sums of a sequence of face eliminations as steps."""

    def __init__(self, graph: Graph) -> None:
        self.recorder = Recorder(graph)
        self.work = WorkGraph(graph, self.recorder)
        self.made: dict[DualVertex, int] = {}

    def held(self, dual: DualVertex) -> int:
        """The step that holds the block of a dual vertex."""
        if dual not in self.made:
            self.made[dual] = self.work.held(self.work.out[dual[0]][dual[1]])
        return self.made[dual]

    def multiply(self, made: DualVertex, left: DualVertex, right: DualVertex, onto: DualVertex | None) -> None:
        """Write left · right, added onto `onto` where it is given, as the block of `made`."""
        handle = None if onto is None else self.held(onto)
        self.made[made] = self.recorder.multiply(self.held(left), self.held(right), handle)

    def add(self, made: DualVertex, left: DualVertex, right: DualVertex) -> None:
        """Write left + right as the block of `made`."""
        self.made[made] = self.recorder.add(self.held(left), self.held(right))

    def plan(self, duals: set[DualVertex]) -> Plan:
        """The plan whose outputs are the blocks of these dual vertices."""
        names = self.work.names
        return self.recorder.plan([(names[d[1]], names[d[0]], self.held(d)) for d in sorted(duals)])


def _sides(faces: set[DualEdge]) -> DualNeighbours:
    """The predecessors and the successors of every dual vertex."""
    before: dict[DualVertex, set[DualVertex]] = {}
    behind: dict[DualVertex, set[DualVertex]] = {}
    for a, b in faces:
        before.setdefault(a, set())
        behind.setdefault(b, set())
        behind.setdefault(a, set()).add(b)
        before.setdefault(b, set()).add(a)
    return before, behind
