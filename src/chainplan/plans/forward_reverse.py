"""Forward and reverse order as one walk over the graph, in any algebra.

Forward order (mode tangent) carries, vertex by vertex in topological order, the blocks from every input to that vertex;
reverse order (mode adjoint) is the same walk on the transposed graph. They are vertex elimination in topological and in
reverse topological order (Griewank & Walther, *Evaluating Derivatives*, chapter 9). With `recorder.Recorder` as algebra
the walk writes a plan; with `Pricer` it only adds up what that plan would cost.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.structures import Block, Dense

AlgebraBlock = TypeVar("AlgebraBlock")


class PlanAlgebra(Protocol[AlgebraBlock]):
    """The five operations of the plan language on some kind of block."""

    def load(self, elemental: str) -> AlgebraBlock: ...
    def accumulate(self, elemental: str, mode: Mode) -> AlgebraBlock: ...
    def propagate(self, elemental: str, arg: AlgebraBlock, mode: Mode) -> AlgebraBlock: ...
    def multiply(self, left: AlgebraBlock, right: AlgebraBlock, onto: AlgebraBlock | None = None) -> AlgebraBlock: ...
    def add(self, left: AlgebraBlock, right: AlgebraBlock) -> AlgebraBlock: ...


def sweep(graph: Graph, algebra: PlanAlgebra[AlgebraBlock], mode: Mode) -> list[tuple[str, str, AlgebraBlock]]:
    """Accumulate the Jacobian in forward (tangent) or reverse (adjoint) order.

    Parallel explicit elementals are added up before they multiply. A matrix-free elemental is applied in the mode of
    the walk; one that has only the other mode is accumulated by it and multiplied.

    Returns
    -------
    list
        A triple (output, input, block) for every pair that a path connects, in the order of outputs, then inputs.
    """
    forward = mode is Mode.TANGENT
    starts = set(graph.inputs if forward else graph.outputs)
    held: dict[str, dict[str, AlgebraBlock]] = {}
    for vertex in graph.order if forward else reversed(graph.order):
        edges = (graph.into if forward else graph.out_of).get(vertex)
        if edges:
            held[vertex] = _arrive(algebra, mode, edges, starts, held)
    result = []
    for output in graph.outputs:
        for source in graph.inputs:
            at, start = (output, source) if forward else (source, output)
            if start in held.get(at, {}):
                result.append((output, source, held[at][start]))
    return result


def _arrive(
    algebra: PlanAlgebra[AlgebraBlock],
    mode: Mode,
    edges: list[Elemental],
    starts: set[str],
    held: dict[str, dict[str, AlgebraBlock]],
) -> dict[str, AlgebraBlock]:
    """Form the blocks between one vertex and every start, given those of its neighbours on the side of the starts.

    Edges from a start come first, so that products are absorbed onto them.
    """
    sums: dict[str, AlgebraBlock] = {}
    groups: dict[str, list[Elemental]] = {}
    for e in edges:
        groups.setdefault(e.source if mode is Mode.TANGENT else e.target, []).append(e)
    parts = {}
    for near, group in groups.items():
        applied = [e for e in group if e.per_vector(mode) is not None]
        formed = _formed(algebra, mode, [e for e in group if e.per_vector(mode) is None])
        parts[near] = formed, applied
        if near in starts:
            direct = [] if formed is None else [formed]
            for block in direct + [algebra.accumulate(e.name, mode) for e in applied]:
                sums[near] = algebra.add(sums[near], block) if near in sums else block
    for near, (formed, applied) in parts.items():
        for start, arg in held.get(near, {}).items():
            if formed is not None:
                left, right = (formed, arg) if mode is Mode.TANGENT else (arg, formed)
                sums[start] = algebra.multiply(left, right, sums.get(start))
            for e in applied:
                block = algebra.propagate(e.name, arg, mode)
                sums[start] = algebra.add(sums[start], block) if start in sums else block
    return sums


def _formed(algebra: PlanAlgebra[AlgebraBlock], mode: Mode, group: list[Elemental]) -> AlgebraBlock | None:
    """Sum the blocks of parallel elementals that the walk must form before it can multiply by them."""
    other = Mode.ADJOINT if mode is Mode.TANGENT else Mode.TANGENT
    result: AlgebraBlock | None = None
    for e in group:
        block = algebra.load(e.name) if e.explicit else algebra.accumulate(e.name, other)
        result = block if result is None else algebra.add(result, block)
    return result


class Pricer:
    """The algebra that adds up prices: its blocks are `structures.Block`, and `price` is the total so far."""

    def __init__(self, graph: Graph, cost: CostModel = FMA) -> None:
        self._graph, self._cost = graph, cost
        self.price = 0

    def load(self, elemental: str) -> Block:
        return self._graph[elemental].block

    def accumulate(self, elemental: str, mode: Mode) -> Block:
        self.price += self._cost.accumulate(self._graph[elemental], mode)
        return self._graph[elemental].block

    def propagate(self, elemental: str, arg: Block, mode: Mode) -> Block:
        e = self._graph[elemental]
        self.price += self._cost.propagate(e, arg, mode)
        return e.block.times(arg) if mode is Mode.TANGENT else arg.times(e.block)

    def multiply(self, left: Block, right: Block, onto: Block | None = None) -> Block:
        block = left.times(right)
        self.price += self._cost.multiply(left, right, block)
        if onto is None:
            return block
        self.price += self._cost.add(block, onto)
        return block.plus(onto)

    def add(self, left: Block, right: Block) -> Block:
        self.price += self._cost.add(left, right)
        return left.plus(right)


def counted_by_edges(graph: Graph, cost: CostModel) -> bool:
    """Say whether the sizes of the starts that reach each vertex give the price: in fma, where blocks are dense."""
    return cost is FMA and all(type(e.block.structure) is Dense for e in graph.useful)


def order_price(graph: Graph, mode: Mode, cost: CostModel = FMA) -> int:
    """Price forward (tangent) or reverse (adjoint) order, the baselines of every report.

    Where all blocks are dense, only the sizes of the starts that reach each vertex matter, and O(edges) operations on
    sets of starts suffice. Otherwise the walk is made, product by product.
    """
    if counted_by_edges(graph, cost):
        return _dense_price(graph, mode)
    pricer = Pricer(graph, cost)
    sweep(graph, pricer, mode)
    return pricer.price


def _dense_price(graph: Graph, mode: Mode) -> int:
    """Add up what each edge costs for the total size of the starts that reach its near end."""
    forward = mode is Mode.TANGENT
    starts = graph.inputs if forward else graph.outputs
    own = {v: 1 << i for i, v in enumerate(starts)}
    by_size: dict[int, int] = {}
    for v in starts:
        by_size[graph.sizes[v]] = by_size.get(graph.sizes[v], 0) | own[v]
    total, reached, weights = 0, dict.fromkeys(starts, 0), {0: 0}
    for vertex in graph.order if forward else reversed(graph.order):
        edges = (graph.into if forward else graph.out_of).get(vertex, ())
        groups: dict[str, list[Elemental]] = {}
        for e in edges:
            groups.setdefault(e.source if forward else e.target, []).append(e)
        arriving = 0
        for near, group in groups.items():
            through = reached.get(near, 0)
            if through not in weights:
                weights = {0: 0, through: sum(size * (through & mask).bit_count() for size, mask in by_size.items())}
            total += _group_price(group, mode, weights[through], graph.sizes[near] if near in own else 0)
            arriving |= through | own.get(near, 0)
        reached[vertex] = arriving
    return total


def _group_price(group: list[Elemental], mode: Mode, vectors: int, start: int) -> int:
    """Price parallel dense elementals applied to so many vectors, and to the identity of a start of this size."""
    if len(group) == 1 and group[0].explicit:
        return group[0].block.rows * group[0].block.cols * vectors
    each = [price for e in group if (price := e.per_vector(mode)) is not None]
    total = (vectors + start) * sum(each)
    if len(each) < len(group):
        total += group[0].block.rows * group[0].block.cols * vectors
    other = Mode.ADJOINT if mode is Mode.TANGENT else Mode.TANGENT
    lacking = (e for e in group if not e.explicit and e.per_vector(mode) is None)
    return total + sum(FMA.accumulate(e, other) for e in lacking)
