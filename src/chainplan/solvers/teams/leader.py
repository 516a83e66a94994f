"""The search of a team: rounds of turns whose gains are merged, while one member proves a bound.

Of three members or more one searches alone from beginning to end, as a search without a team would: what the others
exchange is worth their processors only where it beats that one.

In every second round each member improves a region of its own. Regions are disjoint connected parts of the elimination
tree of the best order (`elimination.large_neighbourhood`), so what each saves, the whole saves. In the other rounds all
members search the whole order, each by its own seed and heat, and the cheapest goes on. The bound ends all when it
meets the best price. The turns of a round end at the same time, or after the same nodes; with nodes the proof is
awaited too, so that the plan depends on the number of members and the seed alone, not on who was first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from time import sleep
from typing import Protocol, final

from chainplan.plans.bound import Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import WRITING_PER_EDGE, order_of, steps_of, timed_work
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import after_accumulation, order_plan
from chainplan.solvers.elimination.greedy import PricedOrder, best_of_keys
from chainplan.solvers.elimination.large_neighbourhood import cut, parents
from chainplan.solvers.search.search import SECONDS_BETWEEN_REPORTS, Search, SearchProgress
from chainplan.solvers.search.solver import Solver
from chainplan.solvers.teams.turns import Turn, TurnAnswer

SECONDS_PER_ROUND = 2.0
"""Seconds after which members exchange what they have."""
ROUNDS_OF_NODES = 8
"""Rounds of a search that is limited by nodes."""
LAST_SECONDS = 0.2
"""Seconds of the budget that are kept for the answers of the last round."""
SMALLEST_REGION = 30
"""Vertices below which a region is too small to be searched alone."""
_SECONDS_PER_LOOK = 0.02
"""Seconds after which the leader looks for answers again."""
_SECONDS_TO_ANSWER = 10.0
"""Seconds after the end of a turn in which a member must answer."""


class PendingAnswer(Protocol):
    """A turn that has been handed to a member: a future."""

    def done(self) -> bool:
        """Whether there is an answer, or an error."""
        ...

    def result(self) -> TurnAnswer | None:
        """The answer, once it is there; None where the member was lost."""
        ...


class Crew(Protocol):
    """The members of a team, wherever they run."""

    @property
    def members(self) -> int:
        """How many there are."""
        ...

    def submit(self, member: int, turn: Turn) -> PendingAnswer:
        """Hand a turn to a member."""
        ...

    def end(self) -> None:
        """Tell all members to end their turns now."""
        ...


def not_for_teams(problem: Problem) -> str | None:
    """Say why no team takes a problem, or None where one does."""
    graph = problem.graph
    if graph.not_a_chain is None:
        return "it is a chain"
    if problem.recompute or problem.products is not None or problem.second is not None:
        return "it asks for more than the Jacobian"
    if not graph.explicit or graph.shares or not graph.exact:
        return "it takes explicit elementals of known patterns, none of them equal"
    if problem.memory is not None or not counts_fma(problem.cost):
        return "it minimises fma or operations without a limit on memory"
    return None


@final
class TeamSolver(Solver):
    """Local search of regions and of the whole order by several members, of which one proves.

    Cost: the limits, for every member.
    Exact: where the bound meets the best price.
    Refuses: chains, graphs with matrix-free or equal elementals, memory limits, and objectives in time.
    """

    name = "team"

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def refuses(self, problem: Problem) -> str | None:
        return not_for_teams(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        team = _Team(self.crew, problem, search)
        try:
            team.run()
        except KeyboardInterrupt:
            self.crew.end()
            team.collect()
            team.take_order_of_loner(SECONDS_PER_ROUND)
            raise
        return team.outcome()


class _Team:
    """A search that goes on: the best order, the bound, who found them, and the turns that are out."""

    def __init__(self, crew: Crew, problem: Problem, search: Search) -> None:
        self.crew, self.problem, self.search, self.rng = crew, problem, search, Random(search.seed)
        self.work, self.each = timed_work(problem, search)
        self.within = after_accumulation(problem.graph, "vertex elimination")
        self.number, self.said, self.fixed = 0, 0.0, self.work.fixed_price.price
        start = best_of_keys(problem.graph, search.going, search.greedy, problem.cost)
        self.order, self.price, self.finder = start.order, start.price, "a greedy order"
        self._keep(start.order, self.finder)
        self.begun = [] if search.start is None else order_of(search.start)
        if self.begun:
            self._keep(self.begun, "the warm start")
        self.searchers = list(range(max(1, crew.members - 2)))
        self.loner = crew.members - 2 if crew.members > 2 else None
        self.prover = crew.members - 1 if crew.members > 1 else None
        self.alone: PendingAnswer | None = None
        self.proof: PendingAnswer | None = None
        self.out: list[tuple[int, int, PendingAnswer]] = []
        self.parts: list[list[int]] = []

    def run(self) -> None:
        """Play rounds until the limits are reached, or the bound meets the price."""
        while self._left > 0 and not self._proven:
            self._hand_out()
            self.collect()
            self.number += 1
        if not self._proven:
            self.take_order_of_loner()
        self.crew.end()
        self._take_proof(wait=True)

    def outcome(self) -> Outcome:
        """The best plan, and the bound as it holds for it."""
        candidate = Candidate(order_plan(self.problem.graph, self.order), self.problem.cost)
        bound = self.search.bound.below(candidate.price)
        note = f"{self.crew.members} members; the best order came from {self.finder}."
        return Outcome(bound.status(candidate.price), candidate, bound, note=note)

    @property
    def _left(self) -> float:
        """The seconds for which a turn may last; with nodes, whether a round is left."""
        if self.search.nodes is not None and self.number >= ROUNDS_OF_NODES:
            return 0.0
        return self.search.left - LAST_SECONDS

    @property
    def _proven(self) -> bool:
        return self.search.bound.value >= self.price + self.fixed

    def _hand_out(self) -> None:
        """Give every member a turn; that of the one that proves is longer each time."""
        if self.loner is not None and self.alone is None:
            turn = self._turn("start", self.loner, self._left, [], self.begun)
            self.alone = self.crew.submit(self.loner, turn._replace(seed=self.search.seed, nodes=self.search.nodes))
        seconds, self.parts = min(self._left, SECONDS_PER_ROUND), self._divided()
        largest = sorted(range(len(self.parts)), key=lambda part: -len(self.parts[part]))[: len(self.searchers)]
        for place, member in enumerate(self.searchers):
            part = largest[place % len(largest)]
            before = [v for some in self.parts[:part] for v in some]
            turn = self._turn("improve" if self.number else "start", member, seconds, before, self.parts[part])
            self.out.append((member, part, self.crew.submit(member, turn)))
        if self.prover is not None and self.proof is None:
            seconds = min(self._left, SECONDS_PER_ROUND * 2**self.number)
            self.proof = self.crew.submit(self.prover, self._turn("prove", self.prover, seconds, [], self.order))

    def _divided(self) -> list[list[int]]:
        """The regions of the order in every second round, else the whole."""
        count = len(self.searchers)
        if self.number % 2 == 0 or len(self.order) < count * SMALLEST_REGION or count == 1:
            return [self.order]
        return cut(self.order, parents(self.work, self.order), -(-len(self.order) // count), self.rng)

    def _turn(self, way: str, member: int, seconds: float, before: list[int], region: list[int]) -> Turn:
        """A turn within the limits."""
        nodes = None if self.search.nodes is None else max(1, self.search.nodes // ROUNDS_OF_NODES)
        seed = self.search.seed + member + self.number * self.crew.members
        upper = self.price + self.fixed
        return Turn(
            way, seed, self.number, None if self.search.budget is None else seconds, nodes, upper, before, region
        )

    def collect(self) -> None:
        """Await the answers of a round, and merge them: in each part of the order the cheapest goes on."""
        best, parts, finders = dict[int, tuple[int, int]](), list(self.parts), list[str]()
        for member, part, pending in self.out:
            answer = self._answer(pending)
            if answer is None or answer.order is None:
                continue
            price = self._priced([*self.parts[:part], answer.order, *self.parts[part + 1 :]])
            turn = (member - self.number) % self.crew.members
            if (price, turn) < best.get(part, (self.price + 1, 0)):
                best[part], parts[part] = (price, turn), answer.order
                finders += [f"member {member + 1}"] if price < self.price else []
        self.out.clear()
        self._keep([v for part in parts for v in part], " and ".join(dict.fromkeys(finders)))
        if self.search.nodes is None:
            self.take_order_of_loner(0.0)
        self._take_proof(wait=self.search.nodes is not None)

    def _priced(self, parts: Sequence[Sequence[int]]) -> int:
        """What the order of these parts costs."""
        return self.work.order_price(v for part in parts for v in part)

    def _keep(self, order: list[int], finder: str) -> None:
        """Keep an order that is no dearer, and offer its plan."""
        price = self._priced([order])
        if price > self.price:
            return
        self.finder = finder if price < self.price else self.finder
        self.order, self.price = order, price
        self.search.offer(partial(order_plan, self.problem.graph, order), price + self.fixed)
        self.search.writing = WRITING_PER_EDGE * self.each * steps_of(self.work, PricedOrder(price, order))

    def take_order_of_loner(self, within: float | None = None) -> None:
        """Await the order of the member that searches alone, for at most `within` seconds; it joins the others then."""
        if self.alone is None or self.loner is None:
            return
        end = None if within is None else self.search.seconds + within
        while not self.alone.done() and end is not None:
            if self.search.seconds >= end:
                return
            sleep(_SECONDS_PER_LOOK)
        answer, member = self._answer(self.alone), self.loner
        self.alone = self.loner = None
        self.searchers.append(member)
        if answer is not None and answer.order is not None:
            self._keep(answer.order, f"member {member + 1}")

    def _take_proof(self, *, wait: bool) -> None:
        """Take what has been proven, where there is an answer or one is awaited."""
        if self.proof is None or not (wait or self.proof.done()):
            return
        answer, self.proof = self._answer(self.proof), None
        if answer is None:
            return
        self.search.prove(Bound(answer.bound, self.within))
        if answer.order is not None:
            self._keep(answer.order, "the proof")
        if answer.done and self.prover is not None:
            self.searchers.append(self.prover)
            self.prover = None

    def _answer(self, pending: PendingAnswer) -> TurnAnswer | None:
        """The answer to a turn, None where its member was lost or is overdue; progress is reported meanwhile."""
        overdue = self.search.seconds + SECONDS_PER_ROUND + _SECONDS_TO_ANSWER
        while not pending.done():
            self._report()
            sleep(_SECONDS_PER_LOOK)
            if self.search.nodes is None and self.search.seconds > overdue:
                return None
        return pending.result()

    def _report(self) -> None:
        """Say how far the search is, and who found the best order."""
        search = self.search
        if search.progress is not None and search.seconds - self.said > SECONDS_BETWEEN_REPORTS:
            self.said = search.seconds
            standing = search.best, search.bound.value, search.unit
            search.progress(
                SearchProgress(f"{TeamSolver.name} (best from {self.finder})", None, search.seconds, *standing)
            )
