"""Local search on elimination orders: exact fragments until none improves, then heat or annealing, and again.

Descent by exactly re-ordered fragments is fast and ends in good local optima. Two ways out of them take turns, because
each is better on some graphs: sweeps whose prices are disturbed less and less (annealing in which a move re-orders a
whole fragment; strong on large graphs), and annealing vertex by vertex in larger fragments (strong where prices are
small numbers with many ties). Both work on large fragments one by one and keep the best order of each, so that a gain
in one place is not lost to a loss in another. Orders of equal price replace each other, so that plateaus are crossed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from chainplan.solvers.elimination.annealing import annealed
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder, always, by_all_keys, randomised
from chainplan.solvers.elimination.large_neighbourhood import FragmentPass, FragmentReordering, sweep
from chainplan.solvers.elimination.subset_dp import best_order

GREEDY_STARTS = 3
"""Greedy orders that are improved before the best of them goes on alone."""

COOLING_SWEEPS = 16
"""Sweeps from the first disturbance of prices to none."""

MAX_DISTURBANCES = (0.1, 0.3, 1.0)
"""Largest relative disturbances of a price."""

MAX_OFTEN_ANNEALED_INTERMEDIATES = 200
"""Intermediate vertices up to which every second round anneals; beyond, every fourth does."""

FRAGMENT_SIZES = (40, 70, 100)
"""Vertices in a fragment that is heated or annealed."""


class _LocalSearchRun:
    """One local search: its graph, its random numbers, and what is left of its limits."""

    def __init__(self, work: WorkGraph, rng: Random, going: Callable[[], bool], visits: int | None) -> None:
        self.work, self.rng, self._going, self.left = work, rng, going, visits
        self.sizes = (8, 10, 12) if work.dense else (5, 6, 7, 8)

    def going(self) -> bool:
        """Whether time and visits are left."""
        return (self.left is None or self.left > 0) and self._going()

    def sweep(self, order: list[int], most: int, reorder: FragmentReordering, visits: int = 1) -> FragmentPass:
        """A sweep that counts `visits` for every vertex that it re-orders."""

        def reorder_and_count(work: WorkGraph, fragment: list[int]) -> list[int]:
            if self.left is not None:
                self.left -= visits * len(fragment)
            return reorder(work, fragment)

        return sweep(self.work, order, most, self.rng, reorder_and_count, self.going)

    def exact(self, order: list[int], heat: float = 0.0, most: int | None = None) -> FragmentPass:
        """A sweep that re-orders fragments exactly, of at most `most` vertices or of a size drawn at random."""
        most = most or self.rng.choice(self.sizes)
        return self.sweep(order, most, lambda work, fragment: best_order(work, fragment, self.rng, heat))

    def descend(self, start: PricedOrder, patience: int = 3) -> PricedOrder:
        """The order after exact sweeps until `patience` of them in a row save nothing."""
        idle, current = 0, start
        while idle < patience and self.going():
            after = self.exact(current.order).priced
            idle = 0 if after.price < current.price else idle + 1
            current = after
        return current

    def heat_fragments(self, order: list[int], heat: float) -> PricedOrder:
        """The order after a cycle of cooling in each large fragment, of which the best order met is kept."""

        def reorder(work: WorkGraph, fragment: list[int]) -> list[int]:
            part, numbers = work.part(fragment)
            inner = _LocalSearchRun(part, self.rng, self.going, None)
            place = {v: i for i, v in enumerate(numbers)}
            return [numbers[i] for i in inner.cool([place[v] for v in fragment], heat)]

        return self.sweep(order, self.rng.choice(FRAGMENT_SIZES), reorder, COOLING_SWEEPS + 3).priced

    def cool(self, order: list[int], heat: float) -> list[int]:
        """The best order met in a cycle of cooling: exact sweeps with prices disturbed less and less."""
        price = self.price(order)
        current = best = PricedOrder(price, order)
        for i in range(COOLING_SWEEPS + 3):
            if not self.going():
                break
            current = self.exact(current.order, heat * max(0.0, 1 - i / COOLING_SWEEPS)).priced
            if current.price <= best.price:
                best = current
        return best.order

    def price(self, order: list[int]) -> int:
        """What an order costs."""
        return self.work.order_price(order)

    def anneal_fragments(self, order: list[int], moves: int) -> PricedOrder:
        """The order after annealing in large fragments, with so many moves per vertex."""

        def reorder(work: WorkGraph, fragment: list[int]) -> list[int]:
            return annealed(work, fragment, self.rng, moves * len(fragment), self.going)

        return self.sweep(order, FRAGMENT_SIZES[-1], reorder, 1 + moves // 8).priced


def improve(
    work: WorkGraph,
    rng: Random,
    going: Callable[[], bool] = always,
    patience: int = 6,
    visits: int | None = None,
    start: list[int] | None = None,
    known: dict[str, tuple[int, list[int]] | None] | None = None,
) -> Iterator[PricedOrder]:
    """Better and better orders of eliminating all intermediate vertices of a work graph, which is not changed.

    Parameters
    ----------
    rng : Random
        The search is a function of it and of `visits` alone while `going` says yes.
    going : Callable[[], bool]
        It is asked often; once it says no, the search ends.
    patience : int
        Rounds of heat and annealing without gain after which the search ends.
    visits : int | None
        How many vertices may be re-ordered; a vertex counts each time.
    start : list[int] | None
        An order to begin with besides the greedy ones.
    known : dict[str, tuple[int, list[int]] | None] | None
        Greedy orders of earlier calls, as for `by_all_keys`.
    """
    run = _LocalSearchRun(work, rng, going, visits)
    starts = []
    if start is not None:
        starts.append(PricedOrder(run.price(start), start))
        yield starts[0]
    for candidate in by_all_keys(work, going, known):
        starts.append(candidate)
        if candidate.price == min(starts).price:
            yield candidate
    best = min(starts)
    if not run.going():
        return
    first = run.exact(best.order, most=max(run.sizes))
    best = min(best, first.priced)
    yield best
    if first.whole:
        return
    starts += randomised(work, rng, 200 // (1 + len(work.middle) // 10), run.going)
    best = min([best, *(run.descend(one) for one in sorted(starts)[:GREEDY_STARTS])])
    yield best
    yield from _rounds(run, best, patience)


def carry_on(
    work: WorkGraph,
    rng: Random,
    going: Callable[[], bool],
    start: PricedOrder,
    patience: int,
    heats: Sequence[float] = MAX_DISTURBANCES,
    rounds: int = 0,
) -> Iterator[PricedOrder]:
    """Better and better orders from the descent of one at hand, as `improve` goes on from its best start.

    Parameters
    ----------
    heats : Sequence[float]
        The largest relative disturbances of a price, of which every round of heat draws one.
    rounds : int
        How many rounds are over: the first annealing is the longer, the more.
    """
    run = _LocalSearchRun(work, rng, going, None)
    best = min(start, run.descend(start))
    yield best
    yield from _rounds(run, best, patience, heats, rounds)


def _rounds(
    run: _LocalSearchRun,
    best: PricedOrder,
    patience: int,
    heats: Sequence[float] = MAX_DISTURBANCES,
    rounds: int = 0,
) -> Iterator[PricedOrder]:
    """The best order after each round of heat or annealing and descent, until `patience` rounds in a row save nothing.

    The number of moves of the annealing grows from round to round.
    """
    idle, turn = 0, 2 if len(run.work.middle) <= MAX_OFTEN_ANNEALED_INTERMEDIATES else 4
    while idle < patience and run.going():
        order = best.order
        if rounds % turn == 1:
            candidate = run.descend(run.anneal_fragments(order, min(1000, 100 << rounds // turn)))
        else:
            candidate = run.descend(run.heat_fragments(order, run.rng.choice(heats)))
        idle = 0 if candidate.price < best.price else idle + 1
        rounds += 1
        best = candidate if candidate.price <= best.price else best
        yield best
