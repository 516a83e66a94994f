"""The cheapest plan of a small graph that eliminates vertices and may propagate, by trying everything.

A state is the set of vertices that are gone and the set of elementals that have been accumulated. From every state any
elemental may be accumulated and any vertex eliminated. The product of an out-edge and an in-edge is then made in the
cheapest of all ways that the state allows: a product of the two blocks, or tangents of any elementals of the out-edge
(adjoints of any of the in-edge) and a product with the rest of that edge. The block to which elementals are applied has
to be there, so all elementals of its edge have been accumulated. Products and sums are those of `patterns`.

A connected set of vertices may also go at once by a coloured sweep, as long as nothing beside it is gone: lines of
vectors start at each vertex before it, or at each behind it, with as few colours as any colouring of what arrives has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, reduce
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from tests.oracles.colouring import least_price
from tests.oracles.graph import accumulation_price, as_dag, reach
from tests.oracles.patterns import Block, Pattern, blocks_of, fma, product, total

Names = frozenset[int]
Ends = tuple[str, str]
UNREACHED = 10**60
"""A price that no plan reaches."""


class Free(NamedTuple):
    """A matrix-free elemental between two vertices."""

    ends: tuple[str, str]
    block: Block
    tangent: int | None
    adjoint: int | None


class FreeDag:
    """The part of a spec that lies on paths from inputs to outputs; matrix-free elementals by number."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        dag = as_dag(spec)
        self.inputs, self.outputs = set(dag["inputs"]), set(dag["outputs"])
        links, sizes = dag["jacobians"], dag["sizes"]
        ahead = reach(self.inputs, [tuple(e["edge"]) for e in links])
        behind = reach(self.outputs, [tuple(e["edge"][::-1]) for e in links])
        useful = [e for e in links if e["edge"][0] in ahead and e["edge"][1] in behind]
        blocks = blocks_of((sizes[e["edge"][1]], sizes[e["edge"][0]], e.get("structure", "dense")) for e in useful)
        self.free: dict[int, Free] = {}
        self.explicit: dict[tuple[str, str], Block] = {}
        self.links: list[tuple[tuple[str, str], int | None, Block]] = []
        for number, (e, block) in enumerate(zip(useful, blocks, strict=True)):
            ends, prices = (e["edge"][0], e["edge"][1]), (e.get("tangent"), e.get("adjoint"))
            self.links.append((ends, None if prices == (None, None) else number, block))
            if prices != (None, None):
                self.free[number] = Free(ends, block, *prices)
            else:
                self.explicit[ends] = total(self.explicit[ends], block) if ends in self.explicit else block
        self.middle = {e["edge"][0] for e in useful} - self.inputs
        self.unswept = set[str]()
        """Vertices that are in no part."""

    def product(self, into: Ends, out: Ends, left: Block, right: Block) -> int:
        """Multiply-adds of the product of two blocks at a vertex."""
        return fma(left, right)

    def applied(self, into: Ends, out: Ends, each: list[Free], tangents: bool, vectors: int) -> int | None:
        """Multiply-adds of applying elementals of an edge to the vectors of another, None where one lacks the mode."""
        prices = [e.tangent if tangents else e.adjoint for e in each]
        return None if None in prices else vectors * sum(p for p in prices if p is not None)

    def accumulation(self, number: int) -> int | None:
        """Multiply-adds of accumulating an elemental, None where there are too many colourings."""
        free = self.free[number]
        return accumulation_price(free.block, free.tangent, free.adjoint)


def least_propagation_cost(dag: FreeDag, sweeps: bool = False) -> int | None:
    """Multiply-adds of the cheapest plan, with coloured sweeps or without; None where there are too many colourings."""
    parts = dict(_swept_parts(dag)) if sweeps else {}
    if None in parts.values():
        return None
    known = {number: dag.accumulation(number) for number in dag.free}
    prices = {number: price for number, price in known.items() if price is not None}
    if len(prices) < len(known):
        return None
    contents = cache(lambda gone: _contents(dag, gone))

    @cache
    def least(gone: frozenset[str], done: Names) -> int:
        """The least cost from a state on."""
        formed = contents(gone)
        alive = [n for n, e in dag.free.items() if _alive(dag, e, gone) and n not in done]
        if gone == dag.middle:
            return sum(prices[n] for n in alive)
        ways = [prices[n] + least(gone, done | {n}) for n in alive]
        for v in dag.middle - gone:
            price = _price(dag, formed, gone, done, v)
            if price is not None:
                ways.append(price + least(gone | {v}, done))
        for part, swept in parts.items():
            assert swept is not None
            if not gone & (part | _beside(dag, part)):
                ways.append(swept + least(gone | part, done))
        return min(ways)

    return least(frozenset(), frozenset())


def _alive(dag: FreeDag, e: Free, gone: frozenset[str]) -> bool:
    """Whether an elemental is still on an edge of the graph."""
    source, target = e.ends
    return source not in gone and (target not in gone or target in dag.outputs)


def _contents(dag: FreeDag, gone: frozenset[str]) -> dict[tuple[str, str], Block]:
    """What explicit elementals and products have made of each edge, by following one order of the set."""
    edges, free, past = dict(dag.explicit), dict(dag.free), frozenset[str]()
    for v in sorted(gone):
        whole = dict(edges)
        for e in free.values():
            if _alive(dag, e, past):
                whole[e.ends] = total(whole[e.ends], e.block) if e.ends in whole else e.block
        past |= {v}
        edges = {ends: b for ends, b in edges.items() if ends[0] != v and (ends[1] != v or v in dag.outputs)}
        for (p, a), right in whole.items():
            for (b, s), left in whole.items():
                if a == v == b:
                    made = product(left, right)
                    edges[p, s] = total(edges[p, s], made) if (p, s) in edges else made
    return edges


def _price(dag: FreeDag, formed: dict[tuple[str, str], Block], gone: frozenset[str], done: Names, v: str) -> int | None:
    """Multiply-adds of eliminating v in a state, None where a product cannot be made."""
    there = set(formed) | {e.ends for e in dag.free.values() if _alive(dag, e, gone)}
    cost = 0
    for into in (ends for ends in there if ends[1] == v):
        for out in (ends for ends in there if ends[0] == v):
            ways = list(_ways(dag, formed, done, into, out))
            if not ways:
                return None
            cost += min(ways)
    return cost


def _ways(
    dag: FreeDag, formed: dict[tuple[str, str], Block], done: Names, into: tuple[str, str], out: tuple[str, str]
) -> Iterator[int]:
    """Multiply-adds of every way to make the product of two edges."""
    ins, outs = ([n for n, e in dag.free.items() if e.ends == ends] for ends in (into, out))
    right, left = (
        _sum([*([formed[ends]] if ends in formed else []), *(dag.free[n].block for n in numbers)])
        for ends, numbers in ((into, ins), (out, outs))
    )
    if done.issuperset(ins + outs):
        yield dag.product(into, out, left, right)
    for numbers, other, ends, tangents in ((outs, ins, out, True), (ins, outs, into, False)):
        for count in range(1, len(numbers) + 1 if done.issuperset(other) else 1):
            for applied in combinations(numbers, count):
                rest = [n for n in numbers if n not in applied]
                vectors = right.cols if tangents else left.rows
                price = dag.applied(into, out, [dag.free[n] for n in applied], tangents, vectors)
                if not done.issuperset(rest) or price is None:
                    continue
                beside = [*([formed[ends]] if ends in formed else []), *(dag.free[n].block for n in rest)]
                pair = (_sum(beside), right) if tangents else (left, _sum(beside))
                yield price + (dag.product(into, out, *pair) if beside else 0)


def _sum(blocks: list[Block]) -> Block:
    return reduce(total, blocks) if blocks else Block(0, 0)


def _beside(dag: FreeDag, part: frozenset[str]) -> frozenset[str]:
    """The vertices at the other ends of the elementals of a set."""
    return frozenset(v for ends, *_ in dag.links if part & {*ends} for v in ends) - part


def _swept_parts(dag: FreeDag) -> Iterator[tuple[frozenset[str], int | None]]:
    """Every connected set that may be swept, with its price; None where there are too many colourings."""
    for count in range(1, len(dag.middle) + 1):
        for chosen in combinations(sorted(dag.middle - dag.outputs - dag.unswept), count):
            part = frozenset(chosen)
            near = {e for e in (ends for ends, *_ in dag.links) if part.issuperset(e)}
            if reach({chosen[0]}, [*near, *(e[::-1] for e in near)]) >= part:
                yield part, _sweep_price(dag, part)


def _sweep_price(dag: FreeDag, part: frozenset[str]) -> int | None:
    """Multiply-adds of the cheapest sweep over a set, in either direction, or in both between two vertices."""
    order = _topological(dag)
    entries = [v for v in order if any(a == v and b in part for (a, b), *_ in dag.links) and v not in part]
    exits = [v for v in order if any(b == v and a in part for (a, b), *_ in dag.links) and v not in part]
    ways = list[int]()
    for ends, tangents in ((entries, True), (exits, False)):
        lines = [_line(dag, part, end, order if tangents else order[::-1], tangents) for end in ends]
        if None in lines:
            return None
        ways.append(sum(line[0] for line in lines if line is not None))
    if len(entries) == len(exits) == 1:
        (_, tangent, cells), (_, adjoint, _) = (
            _carried(dag, part, end, order if tangents else order[::-1], tangents)
            for end, tangents in ((entries[0], True), (exits[0], False))
        )
        if tangent is not None and adjoint is not None and 0 < cells.sum() < cells.size and _applies(dag, part):
            both = least_price(cells, tangent, adjoint)
            if both is None:
                return None
            ways.append(both)
    return min(ways)


def _applies(dag: FreeDag, part: frozenset[str]) -> bool:
    """Whether a set is beside a matrix-free elemental."""
    return any(number is not None and part & {*ends} for ends, number, _ in dag.links)


def _topological(dag: FreeDag) -> list[str]:
    """The vertices, each after those that lead to it."""
    edges = [ends for ends, *_ in dag.links]
    return sorted({v for e in edges for v in e}, key=lambda v: (len(reach({v}, [e[::-1] for e in edges])), v))


def _line(dag: FreeDag, part: frozenset[str], end: str, order: list[str], tangents: bool) -> tuple[int] | None:
    """Multiply-adds of what is carried from one vertex through a set, with colours or without."""
    plain, vector, cells = _carried(dag, part, end, order, tangents)
    free = vector is not None and cells.any()
    coloured = least_price(cells, vector if tangents else None, None if tangents else vector) if free else plain
    return None if coloured is None else (min(plain, coloured),)


def _carried(
    dag: FreeDag, part: frozenset[str], end: str, order: list[str], tangents: bool
) -> tuple[int, int | None, Pattern]:
    """Multiply-adds without seeds, those of one vector, None where none passes, and the joint pattern at the end."""
    near, far = (0, 1) if tangents else (1, 0)
    arrived, plain, vector, applied = dict[str, Block](), 0, 0, False
    missing = False
    for v in order:
        for ends, number, block in dag.links:
            u = ends[near]
            if ends[far] != v or (v not in part if u == end else u not in part or u not in arrived):
                continue
            free = None if number is None else dag.free[number]
            own = None if free is None else free.tangent if tangents else free.adjoint
            applied |= free is not None
            missing |= free is not None and own is None
            one = Block(block.cols, 1) if tangents else Block(1, block.rows)
            vector += (own or 0) if free is not None else fma(*((block, one) if tangents else (one, block)))
            if u == end:
                made = block
                plain += 0 if number is None else dag.accumulation(number) or 0
            else:
                pair = (block, arrived[u]) if tangents else (arrived[u], block)
                made = product(*pair)
                count = arrived[u].cols if tangents else arrived[u].rows
                plain += fma(*pair) if free is None else UNREACHED if own is None else own * count
            arrived[v] = total(arrived[v], made) if v in arrived else made
    cells = [block.cells for v, block in arrived.items() if v not in part]
    joint = np.concatenate(cells, axis=0 if tangents else 1)
    return plain, vector if applied and not missing else None, joint
