"""Second derivatives of graphs by eliminating vertices: each vertex takes the edges of both orders at it along.

A vertex v carries first-order edges J(v, u) from its arguments, and second-order edges S(v; a, b) for pairs of them:

    dv = Σ_u J(v, u) du,    d²v = Σ_u J(v, u) d²u + Σ_{a, b} S(v; a, b)[da, db].

As S(v; b, a) is S(v; a, b) with its column sides exchanged, each pair is held once. To eliminate k is to put what k is
made of in its place: for its arguments i, and all v that depend on it,

    J(v, i) += J(v, k) · J(k, i),              S(v; a, b) += J(v, k) · S(k; a, b),
    S(v; i, b) += S(v; k, b)[J(k, i), ·],      S(v; i, i') += S(v; k, k)[J(k, i), J(k, i')].

When all intermediate vertices are gone, S(y; x, x') are the blocks of the second derivative. In reverse topological
order this is edge pushing (Gower & Mello 2012, section 4), where y is one number. On a chain the orders of elimination
are the second-order bracketings (`second_bracketings`). Jacobians that nothing reads any more are not made: J(v, i) is
read where i is eliminated and some S(i; ...) is there by then, or where v is eliminated and some S(...; v, ...) is.
Which these are follows from the graph and from the vertices that are gone, in whatever order they went.

References
----------
R. M. Gower & M. P. Mello, "A new framework for the computation of Hessians", Optimization Methods and Software 27
(2012), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chainplan.plans.accumulations import cheapest_mode
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan, SecondOutput
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.second import SecondOrder, side_name
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock, Side, contraction


class HeldJacobian(NamedTuple):
    """A first-order edge: its block, and the handle of the step that made it."""

    block: Block
    handle: int


class HeldSecond(NamedTuple):
    """A second-order edge: the arguments on its column sides, its block, and the handle of the step that made it."""

    left: str
    right: str
    block: SecondBlock
    handle: int


class SecondElimination:
    """A graph with edges of both orders while its vertices are eliminated, and what that has cost so far.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    asked : SecondOrder
        The second derivative that is asked for, of all columns.
    recorder : Recorder | None
        What writes the steps; None only counts.
    symmetric : bool
        Whether only one half of what is symmetric is computed.
    """

    def __init__(
        self, graph: Graph, asked: SecondOrder, recorder: Recorder | None = None, symmetric: bool = True
    ) -> None:
        self.price, self.counted = 0, True
        self._graph, self._recorder, self._symmetric = graph, recorder, symmetric
        self._into: dict[str, list[str]] = {}
        self._out: dict[str, list[str]] = {}
        self._jacobians: dict[tuple[str, str], HeldJacobian] = {}
        self._seconds: dict[str, dict[frozenset[str], HeldSecond]] = {}
        self.gone = frozenset[str]()
        self.ends = {o: side_name(o, Side.ROWS) if asked.weights else o for o in graph.outputs}
        self._bent = graph.useful_seconds
        self._link(asked)
        self._behind, self._ahead = self._reading()
        self._take_jacobians(asked)
        self._take_seconds()

    @property
    def middle(self) -> list[str]:
        """The vertices that are still to be eliminated, in topological order."""
        inner = (v for v in self._graph.order if self._into.get(v) and self._out.get(v))
        return [v for v in inner if v not in self.gone]

    def weight(self, k: str) -> int:
        """Return about what it costs to eliminate a vertex, by the sizes of what is around it."""
        sizes = self._graph.sizes
        near = sum(sizes[v] for v in self._into[k])
        return near * sum(sizes.get(v, 1) for v in self._out[k]) * (sizes[k] + near)

    def copy(self) -> SecondElimination:
        """Return a copy that goes its own way, and only counts."""
        other = object.__new__(SecondElimination)
        other.__dict__.update(self.__dict__)
        other._recorder = None
        other._into = {v: [*some] for v, some in self._into.items()}
        other._out = {v: [*some] for v, some in self._out.items()}
        other._jacobians = dict(self._jacobians)
        other._seconds = {v: dict(some) for v, some in self._seconds.items()}
        return other

    def eliminate(self, k: str) -> None:
        """Eliminate a vertex: what depends on it depends on its arguments then."""
        sources, targets = self._into[k], self._out[k]
        for v in targets:
            for pair in self._seconds.get(k, {}).values():
                self._contract(v, pair, self._jacobians[v, k], Side.ROWS, pair.left, pair.right)
            self._push(v, k, sources)
        self.gone |= {k}
        for v in targets:
            for i in sources:
                self._lead(v, k, i)
            self._into[v].remove(k)
            self._jacobians.pop((v, k), None)
        self._out[k] = []
        if k in self.ends.values():
            return
        for i in sources:
            self._out[i].remove(k)
            self._jacobians.pop((k, i), None)
        self._into[k] = []
        self._seconds.pop(k, None)

    def outputs(self) -> list[SecondOutput]:
        """Return the blocks of the second derivative, once all vertices are eliminated; the steps are handles."""
        assert self._recorder is not None
        ends = []
        for output in self._graph.outputs:
            held = self._seconds.get(self.ends[output], {})
            for a in self._graph.inputs:
                for b in self._graph.inputs:
                    pair = held.get(frozenset((a, b)))
                    if pair is not None:
                        handle = pair.handle if pair.left == a else self._recorder.exchange(pair.handle)
                        ends.append(SecondOutput(output, a, b, handle))
        return ends

    def _link(self, asked: SecondOrder) -> None:
        """Note which vertices the useful elementals, and weights behind the outputs, connect."""
        pairs = [(e.target, e.source) for e in self._graph.useful]
        reached = {target for target, _ in pairs}
        if asked.weights:
            pairs += [(self.ends[o], o) for o in self._graph.outputs if o in reached]
        for target, source in dict.fromkeys(pairs):
            self._into.setdefault(target, []).append(source)
            self._out.setdefault(source, []).append(target)

    def _reading(self) -> tuple[set[str], set[str]]:
        """Return the vertices behind some second derivative, and those from which the argument of one is reached."""
        bent = [own for own in self._bent.values() if own.block.nnz]
        behind, ahead = {one.target for one in bent}, {v for one in bent for v in (one.left, one.right)}
        for v in self._graph.order:
            if v in behind:
                behind.update(self._out.get(v, ()))
        for v in reversed(self._graph.order):
            if v in ahead:
                ahead.update(self._into.get(v, ()))
        return behind, ahead

    def _reads(self, v: str, i: str) -> bool:
        """Whether some later step reads the Jacobian from i to v."""
        return i in self._behind or (v in self._ahead and v not in self.gone)

    def _take_jacobians(self, asked: SecondOrder) -> None:
        """Load the Jacobians that some step reads, and add parallel ones up."""
        for e in self._graph.useful:
            if self._reads(e.target, e.source):
                block, handle = e.block, self._loaded(e)
                first = self._jacobians.get((e.target, e.source))
                if first is not None:
                    block = first.block.plus(block)
                    handle = 0 if self._recorder is None else self._recorder.add(first.handle, handle)
                self._jacobians[e.target, e.source] = HeldJacobian(block, handle)
        for output in self._graph.outputs if asked.weights else ():
            if self._reads(self.ends[output], output):
                given = 0 if self._recorder is None else self._recorder.given(output, Side.ROWS)
                row = Block(1, self._graph.sizes[output])
                self._jacobians[self.ends[output], output] = HeldJacobian(row, given)

    def _loaded(self, e: Elemental) -> int:
        if e.explicit:
            return 0 if self._recorder is None else self._recorder.load(e.name)
        mode = cheapest_mode(e)
        self.price += FMA.accumulate(e, mode)
        return 0 if self._recorder is None else self._recorder.accumulate(e.name, mode)

    def _take_seconds(self) -> None:
        """Load the second derivatives of all elementals and pairs of arguments."""
        for name, own in self._bent.items():
            if own.block.nnz:
                handle = 0 if self._recorder is None else self._recorder.load_second(name)
                self._gather(own.target, HeldSecond(own.left, own.right, own.block, handle))

    def _push(self, v: str, k: str, sources: Sequence[str]) -> None:
        """Contract all second-order edges of v that k is an argument of."""
        held = self._seconds.get(v, {})
        for key in [key for key in held if k in key]:
            pair = held.pop(key)
            if len(key) == 1:
                self._push_square(v, pair, sources)
                continue
            side, other = (Side.LEFT, pair.right) if pair.left == k else (Side.RIGHT, pair.left)
            for i in sources:
                by = self._jacobians[k, i]
                if i == other:
                    self._fold(v, pair, by, side, i)
                else:
                    self._contract(v, pair, by, side, *((i, other) if side is Side.LEFT else (other, i)))

    def _push_square(self, v: str, pair: HeldSecond, sources: Sequence[str]) -> None:
        """Contract both column sides of S(v; k, k), with the Jacobians by all pairs of arguments of k."""
        k = pair.left
        if len(sources) == 1:
            self._contract(v, pair, self._jacobians[k, sources[0]], Side.BOTH, sources[0], sources[0])
            return
        for place, right in enumerate(sources):
            once = self._made(pair, self._jacobians[k, right], Side.RIGHT, (k, right), False)
            for left in sources[: place + 1]:
                self._contract(v, once, self._jacobians[k, left], Side.LEFT, left, right)

    def _contract(self, v: str, pair: HeldSecond, by: HeldJacobian, side: Side, left: str, right: str) -> None:
        """Contract a second-order edge and add what comes out onto that of the same pair of arguments at v."""
        key = frozenset((left, right))
        onto = self._seconds.setdefault(v, {}).get(key)
        if onto is not None and onto.left != left:
            onto = self._exchanged(onto)
        halved = self._symmetric and left == right
        self._seconds[v][key] = self._made(pair, by, side, (left, right), halved, onto)

    def _fold(self, v: str, pair: HeldSecond, by: HeldJacobian, side: Side, i: str) -> None:
        """Contract an edge of two arguments such that both are i: so does the pair in the other order, exchanged."""
        made = self._made(pair, by, side, (i, i), False)
        turned = self._exchanged(made)
        handle = 0 if self._recorder is None else self._recorder.add(made.handle, turned.handle)
        both = made.block.plus(turned.block)._replace(symmetric=True)
        self._gather(v, HeldSecond(i, i, both, handle))

    def _gather(self, v: str, fresh: HeldSecond) -> None:
        """Add a second-order edge to that of the same pair of arguments at v."""
        held, key = self._seconds.setdefault(v, {}), frozenset((fresh.left, fresh.right))
        known = held.get(key)
        if known is not None:
            fresh = fresh if fresh.left == known.left else self._exchanged(fresh)
            handle = 0 if self._recorder is None else self._recorder.add(known.handle, fresh.handle)
            fresh = known._replace(block=known.block.plus(fresh.block), handle=handle)
        held[key] = fresh

    def _exchanged(self, pair: HeldSecond) -> HeldSecond:
        handle = 0 if self._recorder is None else self._recorder.exchange(pair.handle)
        return HeldSecond(pair.right, pair.left, pair.block.exchanged(), handle)

    def _made(
        self,
        pair: HeldSecond,
        by: HeldJacobian,
        side: Side,
        ends: tuple[str, str],
        halved: bool,
        onto: HeldSecond | None = None,
    ) -> HeldSecond:
        """Contract a second-order edge, onto another one if that is given."""
        made = contraction(pair.block, by.block, side, halved)
        self.price += made.fma
        self.counted = self.counted and made.counted and made.block.exact and by.block.structure.exact
        block, handle = made.block, 0
        if self._recorder is not None:
            place = None if onto is None else onto.handle
            handle = self._recorder.contract(pair.handle, by.handle, side, halved, place)
        return HeldSecond(*ends, block if onto is None else block.plus(onto.block), handle)

    def _lead(self, v: str, k: str, i: str) -> None:
        """Let v depend on i, which it depended on through k; the Jacobian is made where a later step reads it."""
        if i not in self._into[v]:
            self._into[v].append(i)
            self._out[i].append(v)
        if not self._reads(v, i):
            self._jacobians.pop((v, i), None)
            return
        left, right, onto = self._jacobians[v, k], self._jacobians[k, i], self._jacobians.get((v, i))
        block, handle = left.block.times(right.block), 0
        self.price += FMA.multiply(left.block, right.block)
        self.counted = self.counted and block.structure.exact
        if self._recorder is not None:
            handle = self._recorder.multiply(left.handle, right.handle, None if onto is None else onto.handle)
        self._jacobians[v, i] = HeldJacobian(block if onto is None else onto.block.plus(block), handle)


def elimination_plan(graph: Graph, asked: SecondOrder, order: Sequence[str], symmetric: bool = True) -> Plan:
    """Write the plan that eliminates the vertices in an order; unless `symmetric`, all entries are computed."""
    recorder = Recorder(graph)
    work = SecondElimination(graph, asked, recorder, symmetric)
    for vertex in order:
        work.eliminate(vertex)
    return recorder.plan((), second_outputs=work.outputs(), second=asked)


def elimination_baseline(graph: Graph, asked: SecondOrder, name: str) -> Plan:
    """Write the plan of a baseline: in topological or reverse topological order, without what symmetry saves."""
    order = SecondElimination(graph, asked).middle
    return elimination_plan(graph, asked, order if name == "forward" else order[::-1], symmetric=False)
