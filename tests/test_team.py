"""Searches that share one graph: the same plan for the same nodes, never a worse one, whoever is lost."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

import chainplan
from chainplan.planner import plan_by
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.auto import AutoSolver
from chainplan.solvers.dag.order_plans import order_of
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.large_neighbourhood import cut, parents
from chainplan.solvers.search import search as search_module
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver
from chainplan.solvers.teams.leader import TeamSolver
from chainplan.solvers.teams.turns import Member, Turn, TurnAnswer
from generators.graphs import dag_problem, make


def together(problem: Problem, threads: int = 2, **options: Any) -> chainplan.Result:
    with ThreadPoolExecutor(threads) as executor:
        return chainplan.portfolio(problem, restarts=3, scheduler=executor, **options)


def test_a_number_of_nodes_gives_the_same_plan_on_any_number_of_threads() -> None:
    found = [together(dag_problem(make("local", 50, True)), threads, nodes=40, seed=2) for threads in (1, 3)]
    assert found[0].plan is not None
    assert found[1].plan is not None
    assert found[0].plan.steps == found[1].plan.steps
    assert found[0].bound == found[1].bound > 0


@pytest.mark.parametrize("family", ["degree", "layered", "local", "residual"])
def test_a_team_proves_the_optimum_that_one_search_proves(family: str) -> None:
    problem = dag_problem(make(family, 14, True))
    alone, found = chainplan.plan(problem), together(problem, budget=20)
    assert alone.status is found.status is chainplan.Status.OPTIMAL
    assert (alone.price, alone.within) == (found.price, found.within)
    assert found.plan is not None
    chainplan.check(found.plan, problem)


def test_a_team_is_no_worse_than_what_it_starts_from() -> None:
    problem = dag_problem(make("layered", 40, True))
    start = chainplan.plan(problem, "local-search", nodes=100)
    found = together(problem, nodes=16, warm_start=start.plan)
    assert found.price is not None
    assert start.price is not None
    assert found.bound <= found.price <= start.price


@pytest.mark.parametrize("family", ["degree", "layered", "local", "residual"])
def test_a_team_is_no_worse_than_one_search_of_the_same_nodes(family: str) -> None:
    for seed in range(2):
        problem = dag_problem(make(family, 40, True))
        alone, found = chainplan.plan(problem, nodes=100, seed=seed), together(problem, nodes=100, seed=seed)
        assert found.price is not None
        assert alone.price is not None
        assert alone.bound <= found.bound <= found.price <= alone.price


class _Pending:
    def __init__(self, answer: TurnAnswer | None) -> None:
        self.answer = answer

    def done(self) -> bool:
        return True

    def wait(self, seconds: float) -> None: ...

    def result(self) -> TurnAnswer | None:
        return self.answer


class _Clock:
    """A clock that goes on a little each time that it is read."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += 0.05
        return self.time


class _Watched(Solver):
    """The search that leads; it notes its seed, its limits, and the orders that it was offered."""

    name = "auto"

    def __init__(self) -> None:
        self.known: list[tuple[int, float | None, object]] = []

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        self.known.append((search.seed, search.budget, search.start))
        outcome = AutoSolver().solve(problem, search)
        assert outcome.candidate is not None
        assert search.best == outcome.candidate.price, "what the members find is not mixed into the search"
        return outcome


class _Endless(Solver):
    """A search that has an order at once and goes on until it is stopped."""

    name = "endless"

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        candidate = Candidate(order_plan(problem.graph, sorted(WorkGraph(problem.graph).middle)), problem.cost)
        search.offer(candidate.plan, candidate.price)
        while search.going():
            pass
        return Outcome(chainplan.Status.FEASIBLE, candidate)


class _WithOrders:
    """A crew of two whose answers are there at once: the given order, and a bound."""

    members = 2

    def __init__(self, order: list[int] | None, bound: int) -> None:
        self.order, self.bound = order, bound
        self.turns: list[Turn] = []
        self.ended = 0

    def submit(self, member: int, turn: Turn) -> _Pending:
        self.turns.append(turn)
        if turn.way == "prove":
            return _Pending(TurnAnswer(None, bound=self.bound))
        return _Pending(TurnAnswer(self.order, 1) if turn.way == "start" else TurnAnswer(turn.region))

    def end(self) -> None:
        self.ended += 1


def test_the_search_that_leads_is_that_without_a_team(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "monotonic", _Clock())
    problem, leading = dag_problem(make("local", 130, True)), _Watched()
    crew = _WithOrders(None, 1)
    found = plan_by(TeamSolver(crew, leading), problem, Search(seed=3, budget=20, solver="team"))
    ((seed, budget, start),) = leading.known
    assert (seed, start) == (3, None)
    assert budget is not None
    assert budget > 19
    assert found.price is not None
    numbers = [turn.number for turn in crew.turns if turn.way != "prove"]
    assert numbers == sorted(numbers), "rounds follow each other while the leader searches"
    assert max(numbers) > 5
    assert min(turn.seconds for turn in crew.turns if turn.seconds is not None) >= 0
    assert crew.ended
    assert found.plan is not None
    chainplan.check(found.plan, problem)


def test_a_bound_that_meets_the_best_price_ends_the_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr(search_module, "monotonic", clock)
    problem = dag_problem(make("local", 20, True))
    optimum = chainplan.plan(problem, nodes=50_000)
    assert optimum.status is chainplan.Status.OPTIMAL
    assert optimum.plan is not None
    crew, begun = _WithOrders(order_of(optimum.plan), optimum.bound), clock.time
    found = plan_by(TeamSolver(crew, _Endless()), problem, Search(budget=1000, solver="team"))
    assert found.status is chainplan.Status.OPTIMAL
    assert (found.price, found.bound) == (optimum.price, optimum.bound)
    assert clock.time - begun < 100
    assert "member 1" in found.notes[0]


def test_what_regions_save_the_whole_saves() -> None:
    work, rng = WorkGraph(dag_problem(make("local", 60, True)).graph), Random(3)
    order = sorted(work.middle)
    regions = cut(order, parents(work, order), 20, rng)
    before, saved = work.order_price([v for region in regions for v in region]), 0
    shuffled = [rng.sample(region, len(region)) for region in regions]
    for i, region in enumerate(shuffled):
        alone = [*regions[:i], region, *regions[i + 1 :]]
        saved += before - work.order_price([v for one in alone for v in one])
    assert saved
    assert work.order_price([v for region in shuffled for v in region]) == before - saved


class _OneIsLost:
    """A crew whose second member never answers."""

    members = 3

    def __init__(self, problem: Problem) -> None:
        self.member = Member(problem)

    def submit(self, member: int, turn: Turn) -> _Pending:
        return _Pending(None if member == 1 else self.member.take(turn))

    def end(self) -> None: ...


def test_members_that_are_lost_cost_their_turns_alone() -> None:
    problem = dag_problem(make("degree", 40, True))
    found = plan_by(TeamSolver(_OneIsLost(problem), AutoSolver()), problem, Search(nodes=40, solver="team"))
    assert found.plan is not None
    assert found.price is not None
    assert found.price < min(found.baselines.forward, found.baselines.reverse)
    chainplan.check(found.plan, problem)


class _Interrupting(Executor):
    """An executor that takes two turns, and is interrupted by the third."""

    def __init__(self) -> None:
        self.turns = 0

    def submit(self, function: Any, /, *args: Any, **more: Any) -> Future[Any]:
        self.turns += 1
        if self.turns == 3:
            raise KeyboardInterrupt
        done = Future[Any]()
        done.set_result(function(*args))
        return done


def test_an_interrupt_keeps_what_the_others_have_found() -> None:
    problem = dag_problem(make("local", 40, True))
    found = chainplan.portfolio(problem, restarts=3, nodes=80, scheduler=_Interrupting())
    assert "interrupted" in found.notes[-1]
    assert found.plan is not None
    chainplan.check(found.plan, problem)
