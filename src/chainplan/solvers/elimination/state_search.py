"""What edge and face elimination share: states that can be compared, exact search and randomised descent over them.

A state is a hashable value; the blocks in it are named by *labels*: each elemental has a random label from a finite
field, and a product or sum of blocks has the product or sum of their labels. Equal sums of paths thus have equal labels
however they are made, so different moves can reach the same state (Schwartz 1980, as in `plans.check`, which would
reject the plan if two different sums ever had the same label).
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Generic, TypeVar

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.steps import Plan
from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.edge_prices import EdgePrices, FixedPrice, accumulation
from chainplan.solvers.elimination.elimination_graph import WorkGraph, after_accumulation
from chainplan.solvers.elimination.greedy import best_of_keys
from chainplan.solvers.search.search import Search, SearchStopped

StateT = TypeVar("StateT", bound=Hashable)
MoveT = TypeVar("MoveT")

HASH_FIELD = (1 << 61) - 1
"""The prime whose residues are the labels."""


class EliminationMoves(ABC, Generic[StateT, MoveT]):
    """A kind of elimination as a graph of states, with the prices of a cost model."""

    cost: CostModel

    @abstractmethod
    def start(self) -> StateT:
        """The state before any move."""

    @abstractmethod
    def moves(self, state: StateT) -> Iterator[tuple[int, MoveT]]:
        """The legal moves of a state with their prices; none where the Jacobian is complete."""

    @abstractmethod
    def after(self, state: StateT, move: MoveT) -> StateT:
        """The state after a move."""

    @abstractmethod
    def through(self, move: MoveT) -> int | None:
        """The vertex whose elimination the move is a part of, None where there is no such vertex."""

    @abstractmethod
    def at_least(self, state: StateT) -> int:
        """A lower bound on the price of the remaining moves, which no move lowers by more than its price."""

    @abstractmethod
    def plan(self, moves: list[MoveT]) -> Plan:
        """The steps of a complete sequence of moves."""


def cheapest(
    kind: EliminationMoves[StateT, MoveT], known: tuple[int, list[MoveT]], most_states: int, search: Search
) -> tuple[int, list[MoveT]] | None:
    """A cheapest sequence of moves, given a `known` one, by A* over states; None after more than `most_states` of them.

    Only states that may lead to less than the known price are entered, so that ties need no proof.

    Cost: O(states · moves) time and O(states) memory, both exponential in the number of edges.
    """
    start, upper = kind.start(), known[0]
    best: dict[StateT, int] = {start: 0}
    back: dict[StateT, tuple[StateT, MoveT]] = {}
    queue: list[tuple[int, int, StateT]] = [(kind.at_least(start), 0, start)]
    left: set[StateT] = set()
    while queue and queue[0][0] < upper:
        _, _, state = heappop(queue)
        if state in left:
            continue
        left.add(state)
        search.tick()
        if len(left) > most_states:
            return None
        options = list(kind.moves(state))
        if not options:
            return best[state], _walk(back, state)
        for more, move in options:
            price = best[state] + more
            if price >= upper:
                continue
            reached = kind.after(state, move)
            if price < best.get(reached, upper):
                best[reached] = price
                bound = price + kind.at_least(reached)
                if bound < upper:
                    back[reached] = (state, move)
                    heappush(queue, (bound, -price, reached))
    return known


def _walk(back: dict[StateT, tuple[StateT, MoveT]], state: StateT) -> list[MoveT]:
    """The moves that led to a state."""
    moves = []
    while state in back:
        state, move = back[state]
        moves.append(move)
    return moves[::-1]


def descend(
    kind: EliminationMoves[StateT, MoveT],
    rng: random.Random,
    greed: float,
    kept: list[MoveT],
    watch: Callable[[], None],
) -> tuple[int, list[MoveT]]:
    """Repeat the moves `kept`, then go on to the end: with probability `greed` by a cheapest move, else by any.

    Returns the price of all moves and the moves. Ties go to a random move. `watch` is called before each.
    """
    state, total, done = kind.start(), 0, []
    for move in kept:
        total += next(price for price, other in kind.moves(state) if other == move)
        state = kind.after(state, move)
        done.append(move)
    while options := list(kind.moves(state)):
        watch()
        if rng.random() < greed:
            least = min(price for price, _ in options)
            options = [option for option in options if option[0] == least]
        price, move = rng.choice(options)
        total += price
        state = kind.after(state, move)
        done.append(move)
    return total, done


def along(kind: EliminationMoves[StateT, MoveT], order: Sequence[int]) -> tuple[int, list[MoveT]]:
    """The moves that eliminate vertices one after the other, and their price."""
    state, total, done = kind.start(), 0, []
    for v in order:
        while options := [(price, move) for price, move in kind.moves(state) if kind.through(move) == v]:
            price, move = options[0]
            total += price
            state = kind.after(state, move)
            done.append(move)
    return total, done


def improve(
    kind: EliminationMoves[StateT, MoveT], known: tuple[int, list[MoveT]], rounds: int, search: Search, fixed: int = 0
) -> tuple[int, list[MoveT]]:
    """The best of a known sequence and of randomised descents, each of which keeps a random part of the best so far.

    `fixed` is what every sequence pays besides its moves.
    """
    rng = random.Random(search.seed)
    best = min(known, descend(kind, rng, 1.0, [], search.watch), key=lambda priced: priced[0])
    search.offer(kind.plan(best[1]), fixed + best[0])
    for i in range(rounds):
        search.tick(i / rounds)
        cut = rng.randrange(len(best[1]) + 1)
        attempt = descend(kind, rng, rng.choice([1.0, 0.9, 0.7]), best[1][:cut], search.watch)
        if attempt[0] <= best[0]:
            if attempt[0] < best[0]:
                search.offer(kind.plan(attempt[1]), fixed + attempt[0])
            best = attempt
    return best


def _fixed(graph: Graph, cost: CostModel) -> FixedPrice:
    """What every sequence pays besides its moves: accumulations, and the sums of parallel elementals."""
    price, least = accumulation(graph, cost)
    sums = EdgePrices(cost).merges(edge.parts for row in WorkGraph(graph).out for edge in row.values())
    return FixedPrice(price + sums, least + sums)


def settle(
    kind: EliminationMoves[StateT, MoveT], graph: Graph, name: str, effort: tuple[int, int], search: Search
) -> Outcome:
    """Improve the best greedy order of vertices by effort[0] descents, then search effort[1] states for a proof."""
    fixed, name, cost = _fixed(graph, kind.cost), after_accumulation(graph, name), kind.cost
    best = along(kind, best_of_keys(graph, search.going, search.greedy, cost).order)
    bound = Bound(fixed.least + kind.at_least(kind.start()), name)
    search.offer(kind.plan(best[1]), fixed.price + best[0])
    try:
        best = improve(kind, best, effort[0], search, fixed.price)
        proven = cheapest(kind, best, effort[1], search)
    except SearchStopped:
        assert search.incumbent is not None
        return Outcome(Status.FEASIBLE, Candidate(search.incumbent, cost), bound)
    if proven is None:
        return Outcome(Status.FEASIBLE, Candidate(kind.plan(best[1]), cost), bound)
    return bounded(Candidate(kind.plan(proven[1]), cost), fixed.price + proven[0], Bound(fixed.least + proven[0], name))
