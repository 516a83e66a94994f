"""The suite `budgets`: what time commands take that were given so much, and `auto` against its parts in equal time.

A command with a budget of B seconds is to end within B + 1 s and the time that it takes to read the spec, to check the
plan and to print it. These three are measured beside it, in the same process and on the same plan. Each command has a
process of its own, so that no cache of one serves the next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from bench.instances.graphs import DagInstance, random_dags
from bench.planners import dense_chain
from bench.rows import BudgetRow
from bench.run import load, machine
from chainplan.io.plan_file import document
from chainplan.io.read import read_spec
from chainplan.planner import plan
from chainplan.plans.check import check
from chainplan.plans.replay import replay
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.report import pareto as front
from chainplan.report.html.page import page
from chainplan.report.text import render
from chainplan.solvers.registry import SOLVERS
from chainplan.tradeoff import pareto
from generators.graphs import complete, dag_problem, make, wide

SLACK = 1.0
"""Seconds beyond the budget in which a command is to end, besides reading, checking and printing."""
PACKAGES = ("numpy", "ortools")
Say = Callable[[str], None]


def _stored(family: str, n: int, block: bool) -> Problem:
    return dag_problem(make(family, n, block))


def _equal(n: int, recompute: bool) -> Problem:
    return replace(dense_chain([10] * (n + 1)), recompute=recompute)


@dataclass(frozen=True)
class Case:
    """A command: its task (plan, report or front), the problem, how large it is, and the budget in seconds."""

    task: str
    instance: str
    n: int
    make: Callable[[], Problem]
    budget: float = 2.0


def _plans() -> Iterator[Case]:
    for n in (60, 100, 140, 250):
        for block in (True, False):
            kind = "block" if block else "scalar"
            yield Case("plan", f"complete, {kind}", n, partial(complete, n, block))
    for n in (40, 300, 1000, 5000, 20_000):
        yield Case("plan", "degree, scalar", n, partial(_stored, "degree", n, False))
        yield Case("plan", "wide, scalar", n, partial(wide, n, False))


def _others() -> Iterator[Case]:
    for n in (20, 100):
        for recompute in (False, True):
            name = "equal steps, states evaluated" if recompute else "equal steps"
            yield Case("front", name, n, partial(_equal, n, recompute))
    yield Case("report", "equal steps", 100, partial(_equal, 100, False), 3.0)
    for n in (100, 300):
        yield Case("report", "local, block", n, partial(_stored, "local", n, True), 3.0)
    yield Case("report", "complete, block", 100, partial(complete, 100, True), 3.0)


@dataclass(frozen=True)
class BudgetSuite:
    """The commands, and the seconds that each of `solvers` is given on random graphs of up to `largest` vertices."""

    name: str = "budgets"
    title: str = "Budgets"
    cases: tuple[Case, ...] = (*_plans(), *_others())
    solvers: tuple[str, ...] = ("auto", "greedy", "local-search", "dag-exact")
    equal: float = 1.0
    largest: int = 1000

    def quick(self) -> BudgetSuite:
        """The same for a moment on small problems."""
        few = tuple(replace(case, budget=0.2) for case in self.cases if case.n <= 40 or case.task == "report")[:4]
        return replace(self, cases=few, equal=0.1, largest=30)


BUDGET_SUITES = {"budgets": BudgetSuite()}


def run_budgets(suite: BudgetSuite, say: Say) -> tuple[dict[str, str], list[BudgetRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, rows = load(), list[BudgetRow]()
    for case in suite.cases:
        say(f"{case.task} {case.instance} {case.n}")
        rows.append(_apart(_measured, case))
    for instance in random_dags(larger=()):
        if instance.n <= suite.largest:
            say(instance.name)
            rows += _parts(instance, suite)
    about = {"suite": suite.name, **machine(PACKAGES), "load": f"{before} before, {load()} after"}
    return about, rows


def _apart(measure: Callable[..., BudgetRow], *arguments: object) -> BudgetRow:
    """A measurement in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def _measured(case: Case) -> BudgetRow:
    """The row of a command: its time and processor time, and the time that it was allowed."""
    with TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.json"
        spec.write_text(json.dumps(case.make().to_spec()), encoding="utf-8")
        start, used = perf_counter(), process_time()
        problem = read_spec(str(spec))
        assert isinstance(problem, Problem)
        read = perf_counter() - start
        found, printed = TASKS[case.task](problem, case.budget)
        seconds, cpu = perf_counter() - start, process_time() - used
    printing = printed()
    row = BudgetRow(case.task, case.instance, case.n, len(problem.graph.elementals), "auto", case.budget)
    checking = sum(map(_checking, found.plans))
    allowed = case.budget + SLACK + read + checking + printing
    return replace(
        row, status=found.status, cost=found.cost, bound=found.bound, seconds=seconds, cpu=cpu, allowed=allowed
    )


@dataclass(frozen=True)
class _Found:
    """What a command came to."""

    plans: list[Plan]
    status: str
    cost: int | None
    bound: int | None

    @classmethod
    def of(cls, result: Result) -> _Found:
        """Of a plan."""
        plans = [] if result.plan is None else [result.plan]
        return cls(plans, result.status.value, result.price, result.bound)


Measured = tuple[_Found, Callable[[], float]]
"""What a command came to, and what says the seconds that printing it takes, asked when the time is taken."""


def _checking(found: Plan) -> float:
    """The time that the check of a plan takes that is not known yet."""
    start = perf_counter()
    check(Plan(found.graph, found.steps, found.outputs))
    return perf_counter() - start


def _timed(do: Callable[[], object]) -> float:
    start = perf_counter()
    do()
    return perf_counter() - start


def _plan(problem: Problem, budget: float) -> Measured:
    result = plan(problem, budget=budget)
    printing = _timed(lambda: render(result))
    return _Found.of(result), lambda: printing


def _report(problem: Problem, budget: float) -> Measured:
    """A report as the command makes it; printing is what a page takes on which nothing is asked."""
    result = plan(problem, budget=budget / 2)
    saved = document(result)
    page(result, saved, seconds=max(0.0, budget - result.seconds))
    return _Found.of(result), lambda: _timed(lambda: page(result, saved, seconds=0.0))


def _front(problem: Problem, budget: float) -> Measured:
    found = pareto(problem, budget=budget)
    printing = _timed(lambda: front.text(found))
    count = f"{len(found.points)} points, {'all' if found.ended is None else 'more may exist'}"
    cheapest = found.points[-1].fma if found.points else None
    return _Found([point.plan for point in found.points], count, cheapest, None), lambda: printing


TASKS: dict[str, Callable[[Problem, float], Measured]] = {
    "plan": _plan,
    "front": _front,
    "report": _report,
}
"""What is measured of each task."""


def _parts(instance: DagInstance, suite: BudgetSuite) -> Iterator[BudgetRow]:
    for solver in suite.solvers:
        if SOLVERS[solver].refuses(instance.make()) is None:
            yield _part(instance, solver, suite.equal)


def _part(instance: DagInstance, solver: str, budget: float) -> BudgetRow:
    """The row of one solver on one graph; the clock starts when the graph is there."""
    problem = instance.make()
    start, used = perf_counter(), process_time()
    result = plan(problem, solver, budget=budget)
    row = BudgetRow("equal", instance.name, instance.n, len(problem.graph.elementals), solver, budget)
    seconds, cpu = perf_counter() - start, process_time() - used
    assert result.plan is not None
    cost = replay(result.plan).total
    return replace(row, status=result.status.value, cost=cost, bound=result.bound, seconds=seconds, cpu=cpu)
