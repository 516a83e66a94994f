"""The keys that rank the vertices of a work graph: the next vertex to eliminate is one of the lowest key.

A key is one line, a function of (work graph, vertex); all of them stand in `GREEDY_KEYS`, and a solver tries them all,
because none is best: the order of the Markowitz degree alone can cost three times the forward order on layered graphs.
Sizes weigh every count, so that on scalar graphs each key is the published one: Markowitz degree (Griewank & Reese
1991), relative Markowitz degree (Griewank & Naumann, *Accumulating Jacobians as chained sparse matrix products*, 2003),
LMMD, MOMR and MOPLR (Albrecht, Gottschling & Naumann, *Markowitz-type heuristics for computing Jacobian matrices
efficiently*, ICCS 2003), and minimum fill as in sparse elimination. Ties go to the lowest or to the highest of the
positions of `canonical`.

Reach and path counts are those of the graph before any elimination, because keeping them up to date would cost a pass
over the graph after every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from chainplan.problem.cost import FMA
from chainplan.solvers.elimination.edge_prices import EdgePrices
from chainplan.solvers.elimination.elimination_graph import WorkGraph

KeyValue = int | float
KeyFunction = Callable[[WorkGraph, int], KeyValue]


class GreedyKey(NamedTuple):
    """A key: `of` maps a work graph to the function of its vertices.

    A `local` key changes only where a neighbourhood changes and costs O(neighbours); the others look at neighbours of
    neighbours. A `fixed` key never changes. `compiled` is the word by which the routine in C knows the key of dense
    graphs, if it does; `base` is added to that key, and `factors` are what the key is multiplied by.
    """

    of: Callable[[WorkGraph], KeyFunction]
    local: bool = True
    fixed: bool = False
    compiled: str | None = None
    base: Callable[[WorkGraph], list[int]] = lambda graph: [0] * len(graph.size)
    factors: list[float] | None = None


def price(g: WorkGraph, v: int) -> KeyValue:
    """The price of eliminating v now, for fma the block version of the Markowitz degree."""
    return g.price(v)


def markowitz(g: WorkGraph, v: int) -> KeyValue:
    """Markowitz degree: predecessors times successors."""
    return len(g.into[v]) * len(g.out[v])


def fill(g: WorkGraph, v: int) -> KeyValue:
    """The entries of the edges that the elimination of v creates."""
    return sum(g.size[p] * g.weight(g.out[v].keys() - g.out[p].keys()) for p in g.into[v])


def damage(g: WorkGraph, v: int) -> KeyValue:
    """How much the dense Markowitz degrees of the neighbours of v grow (LMMD's damage)."""
    return _damage_before(g, v) + _damage_behind(g, v)


def _damage_before(g: WorkGraph, v: int) -> int:
    """The damage to the predecessors of v."""
    out, own = g.out[v].keys(), 0 if g.kept[v] else g.size[v]
    return sum(
        g.size[p] * g.weight(g.into[p]) * (g.weight(out - g.out[p].keys()) - own) for p in g.into[v] if p in g.middle
    )


def _damage_behind(g: WorkGraph, v: int) -> int:
    """The damage to the successors of v."""
    into, own = g.into[v].keys(), g.size[v]
    return sum(
        g.size[s] * g.weight(g.out[s]) * (g.weight(into - g.into[s].keys()) - own) for s in g.out[v] if s in g.middle
    )


def relative(graph: WorkGraph) -> KeyFunction:
    """The price minus what the elimination of v costs in every graph that connects v to its inputs and outputs."""
    base = _minus_least_prices(graph)
    return lambda g, v: g.price(v) + base[v]


def _minus_least_prices(graph: WorkGraph) -> list[int]:
    """For each vertex, minus what its elimination costs where it is connected to its inputs and outputs alone."""
    before, behind = _reached(graph, graph.into, False), _reached(graph, graph.out, True)
    weighed = graph.prices.weighed if graph.prices.by_weight else EdgePrices(FMA).weighed
    return [-weighed(*ends) for ends in zip(graph.size, before, behind, graph.kept, strict=True)]


def _reached(graph: WorkGraph, near: Sequence[Mapping[int, object]], backwards: bool) -> list[int]:
    """The total size of the inputs that reach each vertex, or of the outputs that it reaches."""
    order = range(len(graph.size))
    ends = [v for v in order if (graph.kept[v] if backwards else not graph.into[v])]
    number = {v: i for i, v in enumerate(ends)}
    sets = [1 << number[v] if v in number else 0 for v in order]
    for v in reversed(order) if backwards else order:
        for u in near[v]:
            sets[v] |= sets[u]
    if graph.scalar:
        return [reached.bit_count() for reached in sets]
    sizes = [graph.size[v] for v in ends]
    return [sum(size for i, size in enumerate(sizes) if reached >> i & 1) for reached in sets]


def path_length(graph: WorkGraph) -> KeyFunction:
    """Minus the overall path length that the elimination of v removes (MOPLR)."""
    before, behind = _paths(graph, graph.into, False), _paths(graph, graph.out, True)

    def saved(g: WorkGraph, p: int, s: int) -> int:
        (n, m), (k, length) = before[p], behind[s]
        return k * (n + m) + n * (k + length) if s in g.out[p] else n * k

    return lambda g, v: -sum(saved(g, p, s) for p in g.into[v] for s in g.out[v])


def _paths(graph: WorkGraph, near: Sequence[Mapping[int, object]], backwards: bool) -> list[tuple[int, int]]:
    """The number and the total length of the paths from the inputs to each vertex, or from it to the outputs."""
    order = range(len(graph.size))
    paths = [(0, 0)] * len(order)
    for v in reversed(order) if backwards else order:
        starts = int(graph.kept[v] if backwards else not graph.into[v])
        count = sum(paths[u][0] for u in near[v])
        paths[v] = starts + count, count + sum(paths[u][1] for u in near[v])
    return paths


def _numbers(graph: WorkGraph) -> list[int]:
    """The number of each vertex."""
    return list(range(len(graph.size)))


def _minus_numbers(graph: WorkGraph) -> list[int]:
    """Minus the number of each vertex."""
    return [-v for v in range(len(graph.size))]


def _plain(function: KeyFunction) -> Callable[[WorkGraph], KeyFunction]:
    """The key of a function that needs no preparation."""
    return lambda _: function


GREEDY_KEYS: dict[str, GreedyKey] = {
    "forward": GreedyKey(_plain(lambda g, v: v), fixed=True, compiled="fixed", base=_numbers),
    "reverse": GreedyKey(_plain(lambda g, v: -v), fixed=True, compiled="fixed", base=_minus_numbers),
    "markowitz": GreedyKey(_plain(markowitz), compiled="markowitz"),
    "lmmd": GreedyKey(_plain(lambda g, v: g.price(v) + 0.5 * damage(g, v)), local=False, compiled="lmmd"),
    "momr": GreedyKey(_plain(lambda g, v: damage(g, v) - g.price(v)), local=False, compiled="momr"),
    "fill": GreedyKey(_plain(fill), local=False, compiled="fill"),
    "price": GreedyKey(_plain(price), compiled="price"),
    "price-per-size": GreedyKey(_plain(lambda g, v: g.price(v) / max(1, g.size[v])), compiled="price-per-size"),
    "relative": GreedyKey(relative, compiled="price", base=_minus_least_prices),
    "fill-and-price": GreedyKey(
        _plain(lambda g, v: fill(g, v) * g.size[v] + g.price(v)), local=False, compiled="fill-and-price"
    ),
    "moplr": GreedyKey(path_length, local=False),
}
"""Every key by name in the order in which they are tried: first the cheap ones, then those that are best most often.

A new key is one function and one line here.
"""
