"""Searches look at their limits often enough, keep what they have found, and are bounded by nodes on any machine.

Clocks are counted, not read: a look is a call of the clock, work is what the interpreter calls between two looks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chainplan.costs.timed import TimedCost
from chainplan.planner import plan
from chainplan.plans.accumulations import Accumulation, accumulated, decided_once
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import check
from chainplan.plans.reorder import peak_floor, reordered
from chainplan.plans.replay import replay
from chainplan.plans.second_elimination import SecondElimination, elimination_plan
from chainplan.plans.steps import Multiply
from chainplan.plans.sweep_colours import BlockColours, colours_of_pattern
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.report.explain.reasons import reasons
from chainplan.report.html.page import page
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import by_all_keys
from chainplan.solvers.elimination.path_bound import path_bound, quick_bound
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.structures import Block
from chainplan.tradeoff import pareto
from chainplan_cli.main import main
from generators.chains import pattern_chain
from generators.graphs import complete, wide
from generators.matrix_free import patterned
from tests.problems import chain_problem, random_problem
from tests.test_second_graphs import random_second_dag

GRAPHS: dict[str, Callable[[], Problem]] = {
    "complete": lambda: complete(40, True),
    "complete scalar": lambda: complete(60, False),
    "wide": lambda: wide(150, True),
}
SEARCHES = ("auto", "greedy", "local-search", "dag-exact")
COLOURED = 60
"""Matrix-free elementals whose patterns may be coloured."""
MOST = 500_000
"""Calls between two looks at the limits, of Python functions and built-in ones: less than a tenth of a second."""


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that runs so many seconds with every look."""
    step = [0.0]
    ticks = count()
    now = [0.0]

    def monotonic() -> float:
        next(ticks)
        now[0] += step[0]
        return now[0]

    for module in ("solvers.search.search", "report.explain.replan", "report.html.page", "report.explain.comparison"):
        monkeypatch.setattr(f"chainplan.{module}.monotonic", monotonic)
    return step


@pytest.mark.parametrize("solver", SEARCHES)
@pytest.mark.parametrize("name", GRAPHS)
def test_no_search_does_much_between_two_looks(name: str, solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = GRAPHS[name]()
    assert problem.graph.useful
    calls, most = 0, 0

    def looking(look: Callable[..., None]) -> Callable[..., None]:
        def counted(self: Search, done: float | None = None) -> None:
            nonlocal calls, most
            calls, most = 0, max(most, calls)
            look(self, done)

        return counted

    def called(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    for look in ("tick", "watch"):
        monkeypatch.setattr(Search, look, looking(getattr(Search, look)))
    search = Search(nodes=60)
    before = sys.getprofile()
    sys.setprofile(called)
    try:
        SOLVERS[solver].solve(problem, search)
    finally:
        sys.setprofile(before)
    assert 0 < most < MOST


def test_bounds_look_often_and_hold_when_they_are_stopped() -> None:
    graph = complete(30, True).graph
    assert graph.useful
    calls, most, total, left = 0, 0, 0, 10**9

    def tick() -> None:
        nonlocal calls, most, total, left
        calls, most, total, left = 0, max(most, calls), total + calls, left - 1
        if left < 0:
            raise SearchStopped

    def called(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        bound = quick_bound(WorkGraph(graph), tick)
    finally:
        sys.setprofile(before)
    assert 0 < most < MOST / 5 < total
    for stop in (0, 3):
        left = stop
        assert path_bound(WorkGraph(graph)) <= quick_bound(WorkGraph(graph), tick) <= bound


@pytest.mark.parametrize("solver", [*SEARCHES, "edge", "face", "cp-sat"])
def test_a_number_of_nodes_is_the_same_work_on_any_machine(solver: str, seconds: list[float]) -> None:
    problem = random_problem(5) if solver in ("edge", "face") else complete(12, True)
    found = []
    for seconds[0] in (0.0, 1e-6, 100.0):
        search = Search(nodes=80)
        outcome = SOLVERS[solver].solve(problem, search)
        assert outcome.plan is not None
        found.append((outcome.plan.steps, outcome.bound, outcome.status, search.ticks))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("solver", SEARCHES)
@pytest.mark.parametrize("name", GRAPHS)
def test_a_search_ends_when_its_time_is_up(name: str, solver: str, seconds: list[float]) -> None:
    seconds[0] = 0.1
    result = plan(GRAPHS[name](), solver, budget=1.0)
    assert result.plan is not None
    assert result.seconds < 2.5


def test_nothing_more_is_priced_by_the_objective_once_time_is_up(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    products = count()

    def counted(self: TimedCost, left: Block, right: Block, result: Block | None = None) -> int:
        next(products)
        return multiply(self, left, right, result)

    multiply = TimedCost.multiply
    monkeypatch.setattr(TimedCost, "multiply", counted)
    seconds[0] = 100.0
    result = plan(complete(20, True), budget=1.0, objective="weighted")
    assert result.plan is not None
    assert next(products) == sum(isinstance(step, Multiply) for step in result.plan.steps) > 200


def test_no_second_plan_is_put_in_order_once_time_is_up(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    ordered = count()

    def counted(*args: Any) -> Candidate:
        next(ordered)
        return reordered(*args)

    for module in ("dag.memory_limit", "choosing.stages"):
        monkeypatch.setattr(f"chainplan.solvers.{module}.reordered", counted)
    seconds[0] = 100.0
    problem = complete(20, True)
    result = plan(replace(problem, memory=2 * peak_floor(problem.graph)), budget=1.0)
    assert result.status is Status.BUDGET
    assert next(ordered) == 1


def test_second_derivatives_get_the_cheaper_baseline_once_time_is_up(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = count()
    monkeypatch.setattr("chainplan.planner.baseline_price", lambda *rest: next(priced))
    seconds[0], cheaper = 100.0, set[str]()
    for seed in range(20):
        problem = random_second_dag(Random(seed), most=8, explicit=True)
        assert problem.second is not None
        forward = SecondElimination(problem.graph, problem.second).middle
        reverse = forward[::-1]
        prices = [replay(elimination_plan(problem.graph, problem.second, order)).total for order in (forward, reverse)]
        result = plan(problem, "second-elimination", budget=1.0)
        assert result.price == min(prices)
        cheaper |= {name for name, price in zip(("forward", "reverse"), prices, strict=True) if price < max(prices)}
    assert cheaper == {"forward", "reverse"}
    assert next(priced) == 0


def test_products_of_listed_patterns_count_as_more_work() -> None:
    graph = pattern_chain(3, 20, (4, 4)).graph
    assert WorkGraph(graph).effort > 10 * WorkGraph(chain_problem([3, 9, 2, 8]).graph).effort


@pytest.mark.parametrize("step", [1.0, 0.1])
@pytest.mark.parametrize("name", GRAPHS)
def test_no_search_is_worse_than_the_keys_it_has_tried(name: str, step: float, seconds: list[float]) -> None:
    problem = GRAPHS[name]()
    for solver in SEARCHES:
        seconds[0] = step
        search = Search(budget=3.0)
        outcome = SOLVERS[solver].solve(problem, search)
        assert outcome.plan is not None
        keys = [found[0] for found in search.greedy.values() if found is not None]
        assert replay(outcome.plan).total <= min(keys)
        assert keys


def test_patterns_are_coloured_while_there_is_time(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    problem, coloured = patterned(COLOURED, 8), set[object]()

    def counted(block: Block, *args: Any) -> BlockColours:
        coloured.add(block.mark)
        return colours_of_pattern(block, *args)

    monkeypatch.setattr("chainplan.plans.compressed_sweep.colours_of_pattern", counted)
    seconds[0] = 0.02
    hurried = plan(problem, budget=1.0)
    assert 0 < len(coloured) < COLOURED
    assert hurried.seconds < 3
    assert hurried.plan is not None
    check(hurried.plan, problem)


def test_an_accumulation_is_decided_once_by_the_time_there_is() -> None:
    free = patterned(12, 8).graph.elementals
    found = dict[float, list[Accumulation]]()
    for gone in (1.0, 0.5, 0.0):
        clock = [gone]
        with decided_once(lambda clock=clock: clock[0]):  # type: ignore[misc]
            found[gone] = list(map(accumulated, free))
            clock[0] = 0.5
            assert list(map(accumulated, free)) == found[gone]
    for hurried, half, whole in zip(*found.values(), strict=True):
        assert isinstance(hurried.how, Mode)
        assert hurried.least <= half.least <= half.price <= hurried.price
        assert max(hurried.least, half.least) <= whole.price <= half.price
    assert sum(one.price for one in found[0.0]) < sum(one.price for one in found[1.0])


def test_keys_are_not_tried_twice() -> None:
    work, known = WorkGraph(complete(20, True).graph), dict[str, tuple[int, list[int]] | None]()
    first = list(by_all_keys(work, known=known))
    asked = count()
    again = list(by_all_keys(work, lambda: next(asked) < 0, known))
    assert again == first
    assert next(asked) == 0


def test_the_best_plan_is_kept_whatever_is_offered_later() -> None:
    search = Search()
    cheap, dear = plan(chain_problem([2, 3, 4])).plan, plan(chain_problem([5, 6, 7])).plan
    assert cheap is not None
    assert dear is not None
    stage = search.stage("one")
    stage.offer(cheap, 24)
    stage.offer(dear, 210)
    assert search.incumbent is cheap
    assert search.best == 24


def test_time_is_left_to_write_the_plan(seconds: list[float]) -> None:
    seconds[0] = 0.01
    search = Search(budget=10.0, writing=4.4)
    looks = 0
    while search.in_time():
        looks += 1
    assert 590 <= looks <= 610


@pytest.mark.parametrize("recompute", [False, True])
def test_a_front_that_is_stopped_holds_what_is_proven(recompute: bool, seconds: list[float]) -> None:
    rng = Random(3)
    problem = replace(chain_problem([rng.randint(1, 9) for _ in range(9)]), recompute=recompute)
    whole = [(point.memory, point.fma) for point in pareto(problem).points]
    lengths = set()
    for seconds[0] in (0.3, 0.1, 0.03, 0.01, 0.003, 0.001):
        front = pareto(problem, budget=1.0)
        found = [(point.memory, point.fma) for point in front.points]
        assert found == whole[len(whole) - len(found) :]
        assert (front.ended is None) == (found == whole) or front.ended is not None
        lengths.add(len(found))
    assert len(whole) in lengths
    assert min(lengths) < len(whole)


def test_a_front_says_where_it_ends(tmp_path: Path, seconds: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "chain.json"
    spec.write_text(json.dumps({"chain": [5, 2, 7, 1, 6, 3, 8, 2, 4]}), encoding="utf-8")
    said = set()
    for seconds[0] in (0.1, 0.01, 0.003, 0.001):
        code = main(["plan", str(spec), "--pareto", "--budget", "1"])
        out, err = capsys.readouterr()
        assert (code == 1) == ("no point was proven" in out)
        if "out of budget" in out:
            assert "what is not proven is left out" in err
            said.add(code)
        document = main(["plan", str(spec), "--pareto", "--budget", "1", "--format", "json"])
        assert document == code
        assert ("ended" in json.loads(capsys.readouterr().out)) == ("out of budget" in out)
    assert 1 in said


def test_reports_and_reasons_keep_to_their_time(seconds: list[float]) -> None:
    result = plan(complete(10, True))
    assert "auto was not asked: the time was over" in page(result, {}, seconds=0.0)
    limited = replace(result, problem=replace(result.problem, memory=10**9))
    assert "0.0 s were over" in str(reasons(limited, 0.0).notes)
    seconds[0] = 0.1
    for problem in (complete(10, True), chain_problem([3, 9, 2, 8, 4, 7])):
        planned, search = plan(problem, budget=2.0), Search()
        page(planned, {}, seconds=5.0)
        assert search.seconds < 12.0


def test_a_line_is_there_within_the_first_second(
    tmp_path: Path, seconds: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "graph.json"
    spec.write_text(json.dumps(complete(30, True).to_spec()), encoding="utf-8")
    seconds[0] = 0.1
    assert main(["plan", str(spec), "--budget", "3"]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("chainplan: ")
    assert 0.5 <= float(first.split(": ")[2].split(" s")[0]) < 1.0
