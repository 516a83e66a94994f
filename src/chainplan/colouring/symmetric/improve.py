"""Local search on a symmetric colouring: classes are emptied vertex by vertex, and greedy colourings are drawn anew.

A vertex may get any colour that leaves everything recoverable, among them that of a neighbour where one of the two has
no loop, and none at all where it has no loop itself and its neighbours tell its nonzeros: the neutral colour of
Gebremedhin, Manne & Pothen, SIAM Rev. 47(4), 2005, section 6, which Montoison, Dalle & Gebremedhin (arXiv 2505.07308,
2025) carry over to symmetric patterns. Greedy colourings know neither, so that patterns with zeros on the diagonal gain
most here. A class that cannot be emptied is left smaller, which never costs a colour. Greedy colourings are drawn class
by class in a random order (iterated greedy: Culberson, Univ. of Alberta TR 92-07, 1992) and with random ties.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from chainplan.colouring.improve import sweeps
from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.symmetric.adjacency import Adjacency
from chainplan.colouring.symmetric.first_fit import first_fit, most_constrained_first
from chainplan.colouring.symmetric.local_rules import LocalRules, local_rules
from chainplan.colouring.vertex_orders import by_class

MAX_FRUITLESS_ROUNDS = 20
"""Rounds without gain after which the search ends."""
VISITS_PER_GREEDY_ENTRY = 6
"""Visits that a greedy colouring counts as, per edge and vertex; a saturated one takes as many per pair of edges."""


def improved(
    graph: Adjacency,
    substitution: bool,
    start: Sequence[int],
    bound: int,
    work: int,
    rng: random.Random,
    going: Callable[[], bool],
) -> list[int]:
    """Improve a colouring until it has `bound` colours, some rounds gain nothing, or it is time to stop.

    That is when `work` visits of entries are used up or `going` says no.
    """
    best, patience = list(start), MAX_FRUITLESS_ROUNDS
    rules = _loaded(graph, substitution, best)
    once = VISITS_PER_GREEDY_ENTRY * (len(graph.neighbours) + 2 * graph.edges)
    saturated = once + VISITS_PER_GREEDY_ENTRY * sum(len(row) ** 2 for row in graph.neighbours)
    while work > 0 and patience and sweeps(best) > bound and going():
        before, rules.visited = sweeps(best), 0
        emptied(rules, rng, work)
        work -= rules.visited
        best = numbered(rules.colours)
        drawn, rank = [best], list(range(sweeps(best)))
        rng.shuffle(rank)
        if work > once:
            drawn.append(first_fit(graph.neighbours, substitution, by_class(best, rank)))
            work -= once
        if work > saturated:
            ties = [rng.random() for _ in graph.neighbours]
            drawn.append(most_constrained_first(graph.neighbours, substitution, ties))
            work -= saturated
        work -= once
        chosen = min(drawn, key=sweeps)
        if sweeps(chosen) < sweeps(best):
            best, rules = chosen, _loaded(graph, substitution, chosen)
        patience = MAX_FRUITLESS_ROUNDS if sweeps(best) < before else patience - 1
    return best


def emptied(rules: LocalRules, rng: random.Random, work: int) -> None:
    """Empty classes as far as possible, small ones first, and stop where `work` visits are used up."""
    classes: dict[int, list[int]] = {}
    for v, colour in enumerate(rules.colours):
        if colour >= 0:
            classes.setdefault(colour, []).append(v)
    left = sorted(classes, key=lambda colour: (len(classes[colour]), colour))
    for colour in list(left):
        if _left_out(rules, classes[colour]):
            left.remove(colour)
    for colour in list(left):
        others = [other for other in left if other != colour]
        stuck = False
        for v in classes[colour]:
            if rules.visited > work:
                return
            stuck = not _moved(rules, v, others, rng) or stuck
        if not stuck:
            left.remove(colour)


def numbered(colours: Sequence[int]) -> list[int]:
    """The colours numbered from 0 without gaps."""
    rank = {colour: k for k, colour in enumerate(sorted(set(colours) - {UNSEEDED}))}
    return [rank.get(colour, UNSEEDED) for colour in colours]


def _left_out(rules: LocalRules, vertices: Sequence[int]) -> bool:
    """Take the colour of all these vertices away where their nonzeros are recovered without it."""
    if any(rules.graph.loops[v] for v in vertices):
        return False
    before = rules.colours[vertices[0]]
    for k, v in enumerate(vertices):
        rules.put(v, UNSEEDED)
        if not rules.fits(v):
            for u in vertices[: k + 1]:
                rules.put(u, before)
            return False
    return True


def _moved(rules: LocalRules, v: int, others: Sequence[int], rng: random.Random) -> bool:
    """Give a vertex the first of some colours, in random order, that fits."""
    before = rules.colours[v]
    if before not in others and before == UNSEEDED:
        return True
    choices = rng.sample(others, len(others))
    for colour in choices if rules.graph.loops[v] else [*choices, UNSEEDED]:
        rules.put(v, colour)
        if rules.fits(v):
            return True
    rules.put(v, before)
    return False


def _loaded(graph: Adjacency, substitution: bool, colours: Sequence[int]) -> LocalRules:
    """The rules with all colours of a colouring."""
    rules = local_rules(graph, substitution)
    for v, colour in enumerate(colours):
        rules.put(v, colour)
    return rules
