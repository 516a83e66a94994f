"""The search of a team: the leader's own, beside rounds of turns in which the members improve what is best so far.

The leader searches as it would without a team, from the first moment and to the last, so that a team finds and proves
no less than one search of the same time. It looks after the members where its search reports how far it is: a round
that has ended is merged, and the next one handed out, in a hundredth of the time.

Of two members or more one proves a bound, which ends all when it meets the best price. The others begin with orders of
their own. From then on each improves a region of the best order: regions are disjoint connected parts of its
elimination tree (`elimination.large_neighbourhood`), so what each saves, the whole saves. On small graphs, where one
member comes through the whole order in a turn, all search the whole in every second round, each by its own seed and
heat, and the cheapest goes on.

The turns of a round end at the same time, or after the same nodes. With nodes the leader's search ends before the first
round is merged, and all turns are awaited, so that the plan depends on the number of members and the seed alone.
"""

from __future__ import annotations

from functools import partial
from math import inf
from random import Random
from typing import NamedTuple, final

from chainplan.plans.bound import Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import order_of, timed_work
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import after_accumulation, intermediates, order_plan
from chainplan.solvers.elimination.large_neighbourhood import cut, parents
from chainplan.solvers.elimination.local_search import MAX_OFTEN_ANNEALED_INTERMEDIATES
from chainplan.solvers.search.search import SECONDS_BETWEEN_REPORTS, Search, SearchProgress, SearchStopped
from chainplan.solvers.search.solver import Solver
from chainplan.solvers.teams.turns import Crew, PendingAnswer, Turn

SECONDS_PER_ROUND = 2.0
"""Seconds after which members exchange what they have."""
SECONDS_OF_FIRST_ROUND = 1.0
"""Seconds of the first round, in which the members search the whole."""
ROUNDS_OF_NODES = 8
"""Rounds of a search that is limited by nodes."""
LAST_SECONDS = 0.2
"""Seconds of the budget that are kept for the answers of the last round."""
SMALLEST_REGION = 30
"""Vertices below which a region is too small to be searched alone."""
CUTS_OF_ROUND = 8
"""Random cuts of the order, of which that with the largest regions is taken."""
_SECONDS_TO_ANSWER = 10.0
"""Seconds after the end of a turn in which a member must answer."""


class _HandedOut(NamedTuple):
    """A turn that is out: whose it is, which part of the order it improves, and when it is overdue."""

    member: int
    part: int
    overdue: float
    answer: PendingAnswer


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
    """The search of another solver, whose orders several members improve meanwhile, and of which one proves.

    Cost: the limits, for the leader and for every member.
    Exact: where the bound meets the best price.
    Refuses: chains, graphs with matrix-free or equal elementals, memory limits, and objectives in time.
    """

    name = "team"

    def __init__(self, crew: Crew, leading: Solver) -> None:
        self.crew, self.leading = crew, leading

    def refuses(self, problem: Problem) -> str | None:
        return not_for_teams(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        team = _Team(self.crew, problem, search)
        try:
            return team.run(self.leading)
        except (SearchStopped, KeyboardInterrupt):
            self.crew.end()
            team.collect(search.seconds + SECONDS_PER_ROUND)
            raise


class _Team:
    """A search that goes on: the best order of the members, who found it, and the turns that are out."""

    def __init__(self, crew: Crew, problem: Problem, search: Search) -> None:
        self.crew, self.problem, self.search, self.rng = crew, problem, search, Random(search.seed)
        self.said, self.finder = 0.0, "the leader"
        self.number, self.idle, self.proofs = 0, 0, 0
        self.begun = [] if search.start is None else order_of(search.start)
        self.order, self.parts = list[int](), list[list[int]]()
        self.price: int | None = None
        self.prover = crew.members - 1 if crew.members > 1 else None
        self.searchers = list(range(max(1, crew.members - 1)))
        self.small = intermediates(problem.graph) <= MAX_OFTEN_ANNEALED_INTERMEDIATES
        self.proof: _HandedOut | None = None
        self.out: list[_HandedOut] = []

    def run(self, leading: Solver) -> Outcome:
        """Lead, then play rounds until the limits are reached, or the bound meets the price."""
        self._hand_out()
        own, self.search.solver = self.search.stage(leading.name), TeamSolver.name
        own.progress = partial(self._look, own)
        led = leading.solve(self.problem, own)
        if led.bound.within is not None:
            self.search.prove(led.bound)
        while not self._proven and self._left > 0:
            self.collect()
            self._next_round()
        if not self._proven:
            self._end()
        self.crew.end()
        return self._outcome(led)

    def _end(self) -> None:
        """Merge the last answers; at the end of the seconds members that are late answer with what they have."""
        limited = self.search.nodes is None
        self._await(self.search.seconds + self.search.left if limited else inf)
        if limited:
            self.crew.end()
        self.collect(self.search.seconds + _SECONDS_TO_ANSWER if limited else inf)

    def _outcome(self, led: Outcome) -> Outcome:
        """The better plan of the leader's and the members', and the bound as it holds for it."""
        candidate = led.candidate
        if self.price is not None and (candidate is None or self.price < candidate.price):
            candidate = Candidate(order_plan(self.problem.graph, self.order), self.problem.cost)
        if candidate is None:
            return led
        bound = self.search.bound.below(candidate.price)
        note = f"a leader and {self.crew.members} members; the best order came from {self.finder}."
        return Outcome(bound.status(candidate.price), candidate, bound, note=note)

    def _look(self, own: Search, progress: SearchProgress) -> None:
        """Merge a round that has ended and hand out the next, while the leader searches; a proof ends its search."""
        self._report()
        if self.search.nodes is not None:
            return
        if all(one.answer.done() or self.search.seconds > one.overdue for one in self.out):
            self.collect(0.0)
            self._next_round()
        elif self.proof is not None and self.proof.answer.done():
            self._take_proof()
        if self._proven:
            own.budget = 0.0

    def _next_round(self) -> None:
        """Go on from the better of the members' order and the leader's."""
        self.number += 1
        if not self._proven and self._left > 0:
            self._take_order_of_leader()
            self._hand_out()

    @property
    def _left(self) -> float:
        """The seconds for which a turn may last; with nodes, whether a round is left."""
        if self.search.nodes is not None:
            return float(ROUNDS_OF_NODES - self.number)
        return self.search.left - LAST_SECONDS

    @property
    def _proven(self) -> bool:
        return self.search.best is not None and self.search.bound.value >= self.search.best

    def _take_order_of_leader(self) -> None:
        """Take over the order of the leader's best plan, where that is cheaper or the members have none."""
        work, _ = timed_work(self.problem, self.search)
        best = self.search.best
        if best is None or (self.price is not None and best >= self.price):
            return
        plan = self.search.incumbent
        if plan is not None:
            self.finder, self.order = "the leader", order_of(plan)
            self.price = work.order_price(self.order) + work.fixed_price.price

    def _hand_out(self) -> None:
        """Give every member a turn, on the whole and from orders of their own as long as there is no order."""
        first = self.price is None
        seconds = min(self._left, SECONDS_OF_FIRST_ROUND if first else SECONDS_PER_ROUND)
        self.parts = [[]] if first else self._divided()
        largest = sorted(range(len(self.parts)), key=lambda part: -len(self.parts[part]))[: len(self.searchers)]
        for place, member in enumerate(self.searchers):
            part = largest[place % len(largest)]
            before = [v for some in self.parts[:part] for v in some]
            way, region = ("start", self.begun) if first else ("improve", self.parts[part])
            self.out.append(self._handed_out(way, member, part, seconds, before, region))
        if self.prover is not None and self.proof is None:
            seconds = min(self._left, SECONDS_PER_ROUND * 2**self.number) if self.small else self._left
            self.proof = self._handed_out("prove", self.prover, 0, seconds, [], [])
            self.proofs += 1

    def _divided(self) -> list[list[int]]:
        """The regions of the order, or the whole where that is small in every second round."""
        count, order = len(self.searchers), self.order
        if count == 1 or len(order) < count * SMALLEST_REGION or (self.small and self.number % 2 == 0):
            return [order]
        tree = parents(timed_work(self.problem, self.search)[0], order)
        cuts = [cut(order, tree, -(-len(order) // count), self.rng) for _ in range(CUTS_OF_ROUND)]
        return max(cuts, key=lambda parts: sum(sorted(map(len, parts))[-count:]))

    def _handed_out(
        self, way: str, member: int, part: int, seconds: float, before: list[int], region: list[int]
    ) -> _HandedOut:
        """A turn within the limits, handed to a member; the leader has the first seed."""
        search = self.search
        seconds = max(0.0, seconds)
        nodes = None if search.nodes is None else max(1, search.nodes // ROUNDS_OF_NODES)
        seed = search.seed + 1 + member + self.number * self.crew.members
        number = self.proofs if way == "prove" else self.number if self.small else self.idle
        turn = Turn(way, seed, number, None if search.budget is None else seconds, nodes, search.best, before, region)
        overdue = inf if nodes is not None else search.seconds + seconds + _SECONDS_TO_ANSWER
        return _HandedOut(member, part, overdue, self.crew.submit(member, turn))

    def collect(self, until: float = inf) -> None:
        """Await the answers of a round until so many seconds are gone; of each part of the order the best goes on."""
        self._await(until)
        best, parts, finders = dict[int, tuple[int, int]](), list(self.parts), list[str]()
        for one in self.out:
            answer = one.answer.result() if one.answer.done() else None
            if answer is None or answer.order is None:
                continue
            rank = (-answer.saved, (one.member - self.number) % self.crew.members)
            if one.part not in best or rank < best[one.part]:
                best[one.part], parts[one.part] = rank, answer.order
                finders += [f"member {one.member + 1}"] if rank[0] else []
        self.out.clear()
        self.idle = 0 if finders else self.idle + 1
        if best:
            self._keep([v for part in parts for v in part], " and ".join(dict.fromkeys(finders)))
        self._take_proof()

    def _keep(self, order: list[int], finder: str) -> None:
        """Keep an order that is no dearer, and offer its plan."""
        work, _ = timed_work(self.problem, self.search)
        price = work.order_price(order) + work.fixed_price.price
        if self.price is not None and price > self.price:
            return
        if self.search.best is None or price < self.search.best:
            self.finder = finder
        self.order, self.price = order, price
        self.search.offer(partial(order_plan, self.problem.graph, order), price)

    def _take_proof(self) -> None:
        """Take what has been proven, where there is an answer."""
        if self.proof is None or not self.proof.answer.done():
            return
        answer, self.proof = self.proof.answer.result(), None
        if answer is None:
            return
        self.search.prove(Bound(answer.bound, after_accumulation(self.problem.graph, "vertex elimination")))
        if answer.order is not None:
            self._keep(answer.order, "the proof")
        if answer.done and self.prover is not None:
            self.searchers.append(self.prover)
            self.prover = None

    def _await(self, until: float) -> None:
        """Wait for the answers of a round, until so many seconds are gone or they are overdue; report meanwhile.

        With nodes, and at the end, the proof is awaited too.
        """
        late = self.search.nodes is not None or until < inf
        for one in (*self.out, *([self.proof] if self.proof is not None and late else [])):
            while not one.answer.done() and (left := min(until, one.overdue) - self.search.seconds) > 0:
                one.answer.wait(min(left, SECONDS_BETWEEN_REPORTS))
                self._report()

    def _report(self) -> None:
        """Say how far the search is, and who found the best order."""
        search = self.search
        if search.progress is not None and search.seconds - self.said > SECONDS_BETWEEN_REPORTS:
            self.said = search.seconds
            standing = search.best, search.bound.value, search.unit
            search.progress(
                SearchProgress(f"{TeamSolver.name} (best from {self.finder})", None, search.seconds, *standing)
            )
