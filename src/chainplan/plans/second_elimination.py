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

from collections.abc import Mapping, Sequence

from chainplan.plans.recorder import Recorder
from chainplan.plans.second_along import seconds_along, standing_for
from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_open import MAX_CHOSEN_SECONDS, OpenChoice, OpenEdges, is_applied, weighted_first
from chainplan.plans.second_programs import KeptEdges, product_price, programmed
from chainplan.plans.second_weighted import WaitingSecond, seconds_weighted
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.plans.steps import Plan, SecondOutput
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.second import SecondOrder
from chainplan.structures import Block
from chainplan.structures.second import Side

_WEIGHTED = "\0weighted"
"""The vertex behind all outputs that weighted second derivatives belong to; no vertex has this name."""


class SecondElimination:
    """A graph with edges of both orders while its vertices are eliminated, and what that has cost so far.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    asked : SecondOrder
        The second derivative that is asked for.
    recorder : Recorder | None
        What writes the steps; None only counts.
    symmetric : bool
        Whether only one half of what is symmetric is computed.
    formed : bool
        Whether all columns are formed, and multiplied by directions at the end (`second_along`).
    weighted : bool
        Whether the second derivatives, of one row then, are weighted where they come in (`second_weighted`).
    """

    def __init__(
        self,
        graph: Graph,
        asked: SecondOrder,
        recorder: Recorder | None = None,
        symmetric: bool = True,
        formed: bool = False,
        weighted: bool = False,
    ) -> None:
        self.writer = SecondWriter(recorder)
        self._graph, self._asked, self._symmetric, self._weighted = graph, asked, symmetric, weighted
        self._formed = formed or asked.symmetric
        self._into: dict[str, list[str]] = {}
        self._out: dict[str, list[str]] = {}
        self._jacobians: dict[tuple[str, str], HeldJacobian] = {}
        self._open = OpenEdges({}, {})
        self._seconds: dict[str, dict[frozenset[str], HeldSecond]] = {}
        self._free: dict[str, list[FreeSecond]] = {}
        self.gone = frozenset[str]()
        self.ends = {o: standing_for(o, Side.ROWS) if asked.weights else o for o in graph.outputs}
        own = self._own_seconds()
        self._link(own)
        self._behind, self._ahead = self._reading(own)
        self._take_jacobians()
        for vertex, edge in own if not weighted else ():
            if isinstance(edge, FreeSecond):
                self._free.setdefault(vertex, []).append(edge)
            else:
                self._gather(vertex, edge)
        for vertex, free in self._unread():
            self._form(vertex, free)

    @property
    def price(self) -> int:
        """What all of it has cost so far, in fma."""
        return self.writer.price

    @property
    def counted(self) -> bool:
        """Whether all of it has been counted exactly."""
        return self.writer.counted

    @property
    def middle(self) -> list[str]:
        """The vertices that are still to be eliminated, in topological order."""
        inner = (v for v in self._graph.order if self._into.get(v) and self._out.get(v))
        return [v for v in inner if v not in self.gone and (v in self._ahead or not self._weighted)]

    def kept(self, times: int, choice: OpenChoice | None = None) -> KeptEdges:
        """Return the edges that so many products go through, and decide what is open by price, unless it is chosen."""
        for pair, elementals in list(self._open.applied.items()):
            if not is_applied(elementals, self._jacobians.get(pair), times, choice):
                self._load(pair, self._open.applied.pop(pair))
        waiting = list[WaitingSecond]()
        for key, some in self._open.waiting.items():
            held = self._seconds.get(_WEIGHTED, {}).get(key)
            self.writer.counted = self.writer.counted and len(some) <= MAX_CHOSEN_SECONDS
            for one, first in zip(some, weighted_first(some, held, times, choice), strict=True):
                if first:
                    self._weigh(one)
                else:
                    waiting.append(one)
        seconds = list(self._seconds.get(_WEIGHTED, {}).values())
        return KeptEdges(self._jacobians, seconds, self._open.applied, waiting)

    def products_price(self, times: int) -> int:
        """Return what so many products cost that go through what is left, with what is decided for them."""
        work = self.copy()
        edges = work.kept(times)
        self.writer.counted = self.writer.counted and work.counted
        return work.price - self.price + times * product_price(edges)

    @property
    def open(self) -> OpenEdges:
        """What has been left open (`second_open`)."""
        return self._open

    def weight(self, k: str) -> int:
        """Return about what it costs to eliminate a vertex, by the sizes of what is around it."""
        sizes = self._graph.sizes
        near = sum(sizes[v] for v in self._into[k])
        return near * sum(sizes.get(v, 1) for v in self._out[k]) * (sizes[k] + near)

    def copy(self) -> SecondElimination:
        """Return a copy that goes its own way, and only counts."""
        other = object.__new__(SecondElimination)
        other.__dict__.update(self.__dict__)
        other.writer = self.writer.copy()
        other._into = {v: [*some] for v, some in self._into.items()}
        other._out = {v: [*some] for v, some in self._out.items()}
        other._jacobians = dict(self._jacobians)
        other._open = self._open.copy()
        other._seconds = {v: dict(some) for v, some in self._seconds.items()}
        other._free = {v: [*some] for v, some in self._free.items()}
        return other

    def eliminate(self, k: str) -> None:
        """Eliminate a vertex: what depends on it depends on its arguments then.

        A matrix-free second derivative that is read now is formed, if that is cheaper than to apply it to all that
        multiplies it.
        """
        read = self._read(k)
        self.writer.counted = self.writer.counted and self._apart(k, read)
        for vertex, free in read:
            formed, applied = self.copy(), self.copy()
            formed._form(vertex, free)
            for one in (formed, applied):
                one._eliminate(k)
            if formed.price < applied.price:
                self._form(vertex, free)
        self._eliminate(k)

    def _read(self, k: str) -> list[tuple[str, FreeSecond]]:
        """Return the matrix-free second derivatives that are read where a vertex is eliminated, with their vertices."""
        before = [(v, free) for v in self._out[k] for free in self._free.get(v, ()) if k in free.ends]
        return [*((k, free) for free in self._free.get(k, ())), *before]

    def _apart(self, k: str, read: list[tuple[str, FreeSecond]]) -> bool:
        """Say whether each of the matrix-free second derivatives may be decided on by itself, here and nowhere else."""
        places = {(vertex, free.ends) for vertex, free in read}
        return len(places) == len(read) and not (k in self.ends.values() and self._free.get(k))

    def _unread(self) -> list[tuple[str, FreeSecond]]:
        """Return the matrix-free second derivatives that no elimination reads, or that are a part of a result."""
        middle = {*self.middle}
        at_ends = [(v, free) for v in self.ends.values() for free in self._free.get(v, ())]
        return [(v, free) for v, free in at_ends if middle.isdisjoint(free.ends)]

    def _form(self, vertex: str, free: FreeSecond) -> None:
        """Form a matrix-free second derivative, and let it be an edge like others."""
        self._free[vertex].remove(free)
        self._gather(vertex, made_along(self.writer, free, SideBlocks(), free.ends, self._symmetric))

    def _eliminate(self, k: str) -> None:
        sources, targets = self._into[k], self._out[k]
        self._close(k)
        for v in targets:
            for free in self._free.get(k, ()):
                self._apply(v, free, SideBlocks(rows=self._jacobians[v, k]), free.ends)
            for free in [free for free in self._free.get(v, ()) if k in free.ends]:
                self._free[v].remove(free)
                self._apply_before(v, k, free, sources)
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
        if k in self.ends.values() and not self._weighted:
            return
        for i in sources:
            self._out[i].remove(k)
            self._jacobians.pop((k, i), None)
        self._into[k] = []
        self._seconds.pop(k, None)
        self._free.pop(k, None)

    def _apply(self, v: str, free: FreeSecond, blocks: SideBlocks, ends: tuple[str, str]) -> None:
        """Apply a matrix-free second derivative, and add what comes out to the edge of the same arguments at v."""
        self._gather(v, made_along(self.writer, free, blocks, ends, self._symmetric))

    def _apply_before(self, v: str, k: str, free: FreeSecond, sources: Sequence[str]) -> None:
        """Apply the second derivative of v by k to the Jacobians of k, on the column sides that are open."""
        if free.left is not None or free.right is not None:
            for i in sources:
                left, right = (None if held is not None else self._jacobians[k, i] for held in (free.left, free.right))
                ends = (free.ends[0] if left is None else i, free.ends[1] if right is None else i)
                self._apply(v, free, SideBlocks(None, left, right), ends)
            return
        for place, right_end in enumerate(sources):
            for left_end in sources[: place + 1]:
                blocks = SideBlocks(None, self._jacobians[k, left_end], self._jacobians[k, right_end])
                self._apply(v, free, blocks, (left_end, right_end))

    def outputs(self) -> list[SecondOutput]:
        """Return the blocks of the second derivative, once all vertices are eliminated; the steps are handles."""
        ends = []
        for output in self._graph.outputs:
            for a in self._graph.inputs:
                for b in self._graph.inputs:
                    block = self._block(self._seconds.get(self.ends[output], {}), a, b)
                    if block is not None:
                        ends.append(SecondOutput(output, a, b, block.handle))
        return ends

    def _block(self, held: Mapping[frozenset[str], HeldSecond], a: str, b: str) -> HeldSecond | None:
        """Return the block of a pair of inputs, along directions where some are asked for."""
        asked = {Side.LEFT: (a, self._asked.left), Side.RIGHT: (b, self._asked.right)}
        names = [v if count is None else standing_for(v, side) for side, (v, count) in asked.items()]
        left, right = (a, b) if self._formed else names
        pair = held.get(frozenset((left, right)))
        if pair is None:
            return None
        pair = pair if pair.left == left else self.writer.exchanged(pair)
        for side, (vertex, count) in asked.items() if self._formed else ():
            if count is not None:
                given = self.writer.given(vertex, side, Block(self._graph.sizes[vertex], count))
                pair = self.writer.contract(pair, given, side, (left, right))
        return pair

    def _link(self, own: Sequence[tuple[str, HeldSecond | FreeSecond]]) -> None:
        """Note which vertices the useful elementals, and weights behind the outputs, connect."""
        pairs = [(e.target, e.source) for e in self._graph.useful]
        reached = {target for target, _ in pairs}
        if self._weighted:
            pairs += [(_WEIGHTED, v) for _, edge in own for v in edge.ends]
        elif self._asked.weights:
            pairs += [(self.ends[o], o) for o in self._graph.outputs if o in reached]
        for target, source in dict.fromkeys(pairs):
            self._into.setdefault(target, []).append(source)
            self._out.setdefault(source, []).append(target)

    def _own_seconds(self) -> list[tuple[str, HeldSecond | FreeSecond]]:
        """Return (vertex, edge) for each second derivative of an elemental or a pair of arguments."""
        bent = {name: own for name, own in self._graph.useful_seconds.items() if own.block.nnz}
        if self._weighted:
            waiting = list(seconds_weighted(self._graph, self._asked, bent, self.writer))
            for one in waiting:
                self._open.waiting.setdefault(frozenset((one.edge.left, one.edge.right)), []).append(one)
            return [(_WEIGHTED, one.edge) for one in waiting]
        if not self._formed:
            return list(seconds_along(self._graph, self._asked, bent, self.writer))
        return [(own.target, self.writer.own_second(name, own)) for name, own in bent.items()]

    def _reading(self, own: Sequence[tuple[str, HeldSecond | FreeSecond]]) -> tuple[set[str], set[str]]:
        """Return the vertices behind some second-order edge, and those from which an open side of one is reached."""
        behind = {vertex for vertex, _ in own}
        ahead = {v for _, edge in own for v in edge.ends if v in self._graph.sizes}
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

    def _take_jacobians(self) -> None:
        """Load the Jacobians that some step reads, and add parallel ones up."""
        for e in self._graph.useful:
            pair = e.target, e.source
            if not self._reads(*pair):
                continue
            if self._weighted and not e.explicit and not self.writer.has(e):
                self._open.applied.setdefault(pair, []).append(e)
            else:
                self._load(pair, [e])
        for output in self._graph.outputs if self._asked.weights and not self._weighted else ():
            if self._reads(self.ends[output], output):
                row = self.writer.given(output, Side.ROWS, Block(1, self._graph.sizes[output]))
                self._jacobians[self.ends[output], output] = row

    def _close(self, k: str) -> None:
        """Form the edges of a vertex that is eliminated next, and weight the second derivatives by it."""
        for pair, elementals in self._open.elementals_at(k):
            self._load(pair, elementals)
        for one in self._open.seconds_at(k):
            self._weigh(one)

    def _weigh(self, one: WaitingSecond) -> None:
        """Multiply a second derivative by the row of its weights, onto the sum of those by the same arguments."""
        edge = one.edge if one.free is None else one.weighted(self.writer)
        if one.row is None or one.free is not None:
            self._gather(_WEIGHTED, edge)
        else:
            self._contract(_WEIGHTED, edge, one.row, Side.ROWS, edge.left, edge.right)

    def _load(self, pair: tuple[str, str], elementals: Sequence[Elemental]) -> None:
        """Load or accumulate elementals of an edge, and add parallel ones up."""
        for e in elementals:
            first, held = self._jacobians.get(pair), self.writer.loaded(e)
            self._jacobians[pair] = held if first is None else self.writer.total(first, held)

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
            once = self.writer.contract(pair, self._jacobians[k, right], Side.RIGHT, (k, right))
            for left in sources[: place + 1]:
                self._contract(v, once, self._jacobians[k, left], Side.LEFT, left, right)

    def _contract(self, v: str, pair: HeldSecond, by: HeldJacobian, side: Side, left: str, right: str) -> None:
        """Contract a second-order edge and add what comes out onto that of the same pair of arguments at v."""
        key = frozenset((left, right))
        onto = self._seconds.setdefault(v, {}).get(key)
        if onto is not None and onto.left != left:
            onto = self.writer.exchanged(onto)
        halved = self._symmetric and left == right
        self._seconds[v][key] = self.writer.contract(pair, by, side, (left, right), halved, onto)

    def _fold(self, v: str, pair: HeldSecond, by: HeldJacobian, side: Side, i: str) -> None:
        """Contract an edge of two arguments such that both are i: so does the pair in the other order, exchanged."""
        made = self.writer.contract(pair, by, side, (i, i))
        self._gather(v, self.writer.total_second(made, self.writer.exchanged(made), symmetric=True))

    def _gather(self, v: str, fresh: HeldSecond) -> None:
        """Add a second-order edge to that of the same pair of arguments at v."""
        held, key = self._seconds.setdefault(v, {}), frozenset((fresh.left, fresh.right))
        known = held.get(key)
        if known is not None:
            fresh = fresh if fresh.left == known.left else self.writer.exchanged(fresh)
            fresh = self.writer.total_second(known, fresh)
        held[key] = fresh

    def _lead(self, v: str, k: str, i: str) -> None:
        """Let v depend on i, which it depended on through k; the Jacobian is made where a later step reads it."""
        if i not in self._into[v]:
            self._into[v].append(i)
            self._out[i].append(v)
        if not self._reads(v, i):
            self._jacobians.pop((v, i), None)
            return
        onto = self._jacobians.get((v, i))
        self._jacobians[v, i] = self.writer.multiply(self._jacobians[v, k], self._jacobians[k, i], onto)


def elimination_plan(
    graph: Graph, asked: SecondOrder, order: Sequence[str], symmetric: bool = True, formed: bool = False
) -> Plan:
    """Write the plan that eliminates the vertices in an order; unless `symmetric`, all entries are computed.

    Directions are taken along where second derivatives come in, or where it is `formed` at the end.
    """
    recorder = Recorder(graph)
    work = SecondElimination(graph, asked, recorder, symmetric, formed)
    for vertex in order:
        work.eliminate(vertex)
    return recorder.plan((), second_outputs=work.outputs(), second=asked)


def elimination_baseline(graph: Graph, asked: SecondOrder, name: str) -> Plan:
    """Write the plan of a baseline: in topological or reverse topological order, without what symmetry saves."""
    order = SecondElimination(graph, asked).middle
    return elimination_plan(graph, asked, order if name == "forward" else order[::-1], symmetric=False)


def products_plan(
    graph: Graph, asked: SecondOrder, order: Sequence[str], times: int, choice: OpenChoice | None = None
) -> Plan:
    """Write the plan whose set-up eliminates these vertices, in order, and whose products go through what is left."""
    recorder = Recorder(graph)
    work = SecondElimination(graph, asked, recorder, weighted=True)
    for vertex in order:
        work.eliminate(vertex)
    return programmed(graph, asked, recorder, work.kept(times, choice), times)
