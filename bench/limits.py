"""The suite `limits`: what becomes of plans where threads, length, memory or machines are limited.

`threads` runs one plan with one worker and with two in turns, so that the ratio is one of one run; each worker has one
BLAS thread. `growth` plans and runs stored chains of growing length. `memory` plans matrix-free chains within ever
fewer elements, from what the cheapest plan holds down to the least in which there is a plan, with the states at which
they are linearised given, and with states that the plan evaluates, stores and evaluates again. `machines`
schedules the same chains, and the published ones where their file is, on more and more machines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.instances import DATA, stored_chains
from bench.planners import dense_chain
from bench.rows import LimitRow
from bench.run import load, machine
from chainplan._util.task_threads import ranks
from chainplan.execution.executor import prepared
from chainplan.planner import plan
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem, chain_vertex
from chainplan.structures import Block
from chainplan.tradeoff import pareto

ORDERS = ("auto", "forward", "reverse")
OPTIMUM, PUBLISHED = "published optimum", "published program"
Say = Callable[[str], None]


@dataclass(frozen=True)
class LimitSuite:
    """Sizes of what is measured.

    `half` rows and columns have the factors of the two halves, `chains` are numbers of random chains of `factors`
    factors with sizes up to `widest`; `turns` are those of each number of workers. Chains of `lengths` factors are run
    where their order costs at most `most` fma. `memory` are numbers of matrix-free chains of `modules` elementals,
    planned within less and less memory, and scheduled on `machines`; so is every `every`-th published chain on all
    numbers of machines that are published. A schedule is searched for `budget` seconds.
    """

    name: str = "limits"
    title: str = "Threads, length, memory and machines"
    half: int = 2400
    chains: tuple[int, ...] = (1, 2, 3)
    factors: int = 24
    widest: int = 1600
    turns: int = 15
    lengths: tuple[int, ...] = (10, 30, 100, 300, 1000)
    most: int = 20_000_000_000
    memory: tuple[int, ...] = (1, 2, 3, 4)
    modules: int = 10
    machines: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    every: int = 1
    budget: float = 5.0

    def quick(self) -> LimitSuite:
        """The same on small sizes."""
        few = replace(self, half=60, chains=(1,), factors=8, widest=60, turns=2, lengths=(10, 30), most=10**8)
        return replace(few, memory=(1,), modules=4, machines=(1, 2), every=50, budget=0.5)


LIMIT_SUITES = {"limits": LimitSuite()}


def run_limits(suite: LimitSuite, say: Say) -> tuple[dict[str, str], list[LimitRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, rows = load(), list[LimitRow]()
    for measure in MEASURES:
        for row in measure(suite):
            say(f"{row.instance} ({row.task} {row.level}, {row.solver})")
            rows.append(row)
    return {"suite": suite.name, **machine(("numpy",)), "load": f"{before} before, {load()} after"}, rows


def thread_rows(suite: LimitSuite) -> Iterator[LimitRow]:
    """One worker against two on a plan of two equal halves, and on random dense chains."""
    yield from _threaded("two halves", halves(suite.half), suite.turns)
    for number in suite.chains:
        draw = Random(f"threads-{number}")
        sizes = [draw.randint(suite.widest // 4, suite.widest) for _ in range(suite.factors + 1)]
        yield from _threaded(f"chain {number} of {suite.factors}", dense_chain(sizes), suite.turns)


def halves(size: int) -> Problem:
    """Two inputs and two outputs, each pair joined by three dense factors of size x size and nothing else."""
    sizes, elementals = dict[str, int](), []
    for side in "ab":
        names = [f"{side}{i}" for i in range(4)]
        sizes |= dict.fromkeys(names, size)
        for i in range(3):
            elementals.append(Elemental(f"F{side}{i + 1}", names[i], names[i + 1], Block(size, size)))
    return Problem(Graph(sizes, ("a0", "b0"), ("a3", "b3"), tuple(elementals)), name="halves")


def _threaded(name: str, problem: Problem, turns: int) -> Iterator[LimitRow]:
    """A row for each number of workers; `bound` is the least that any schedule of the plan takes, in fma."""
    found = plan(problem).plan
    assert found is not None
    rng = np.random.default_rng(0)
    blocks = {e.name: e.block for e in problem.graph.elementals}
    values = {name: rng.standard_normal((b.rows, b.cols)) / b.cols**0.5 for name, b in blocks.items()}
    runs = {workers: prepared(found, values, workers=workers) for workers in (1, 2)}
    _agree([run() for run in runs.values()])
    best = dict.fromkeys(runs, (float("inf"), 0.0))
    for turn in range(turns):
        for workers in sorted(runs, reverse=bool(turn % 2)):
            start, used = perf_counter(), process_time()
            runs[workers]()
            best[workers] = min(best[workers], (perf_counter() - start, process_time() - used))
    total, path = replay(found).total, critical_path(found)
    for workers, (seconds, cpu) in best.items():
        least = max(path, -(-total // workers))
        yield LimitRow("threads", name, "auto", workers, "ok", total, least, seconds=seconds, cpu=cpu, repeats=turns)


def critical_path(found: Plan) -> int:
    """The fma of the dearest way through a plan."""
    return max(ranks(replay(found).prices, [step.operands() for step in found.steps]))


def _agree(results: list[Any]) -> None:
    for key, value in results[0].items():
        if not all(np.array_equal(value, result[key]) for result in results[1:]):
            raise ValueError(f"runs with different numbers of workers disagree on {key}; expected the same bits")


def growth_rows(suite: LimitSuite) -> Iterator[LimitRow]:
    """Planning and running of the first stored chain of each length, by the optimum and by the two modes."""
    first = {instance.n: instance for instance in reversed(stored_chains()) if instance.family == "uniform"}
    for n in suite.lengths:
        sizes = first[n].sizes
        rng = np.random.default_rng(0)
        values = {f"F{i}": rng.standard_normal((sizes[i], sizes[i - 1])) / sizes[i - 1] ** 0.5 for i in range(1, n + 1)}
        for order in ORDERS:
            start = perf_counter()
            found = plan(dense_chain(sizes), order).plan
            planning = perf_counter() - start
            assert found is not None
            cost = replay(found).total
            row = LimitRow("growth", first[n].name, order, n, cost=cost, bound=first[n].optimum, planning=planning)
            yield _run(row, found, values, suite)


def _run(row: LimitRow, found: Plan, values: dict[str, Any], suite: LimitSuite) -> LimitRow:
    if (row.cost or 0) > suite.most:
        return replace(row, status=f"not run: more than {suite.most:,} fma")
    run, best, repeats = prepared(found, values, workers=1), float("inf"), 0
    begin = perf_counter()
    while repeats < 3 or (repeats < 20 and perf_counter() - begin < 0.5):
        start = perf_counter()
        run()
        best, repeats = min(best, perf_counter() - start), repeats + 1
    return replace(row, seconds=best, repeats=repeats)


def memory_rows(suite: LimitSuite) -> Iterator[LimitRow]:
    """Every trade of memory against cost, from the cheapest plan down: with states given, and with states evaluated."""
    for number in suite.memory:
        problem = matrix_free_chain(number, suite.modules)
        for solver, asked in (("chain-memory", problem), ("chain-recompute", replace(problem, recompute=True))):
            start = perf_counter()
            points = pareto(asked).points
            planning = perf_counter() - start
            for point in reversed(points):
                name, cheapest = problem.name or "", points[-1].fma
                yield LimitRow("memory", name, solver, point.memory, "ok", point.fma, cheapest, planning)


def machine_rows(suite: LimitSuite) -> Iterator[LimitRow]:
    """Makespans on growing numbers of machines, those of the published program and the published optima."""
    for number in suite.memory:
        problem = matrix_free_chain(number, suite.modules)
        for machines in suite.machines:
            yield _scheduled(problem, machines, suite.budget)
    for entry in _published(suite.every):
        problem = _chain(entry["name"], entry["sizes"], [(tape, tape, tape) for tape in entry["tape"]])
        for machines, makespan in entry["makespan"].items():
            yield _scheduled(problem, int(machines), suite.budget)
            for who, cost in ((OPTIMUM, makespan), (PUBLISHED, entry["dp_heuristic"][machines])):
                yield LimitRow("machines", entry["name"], who, int(machines), "published", cost)


def _published(every: int) -> list[dict[str, Any]]:
    file = DATA / "chain_scheduled.json"
    return json.loads(file.read_text(encoding="utf-8"))["instances"][::every] if file.exists() else []


def _scheduled(problem: Problem, machines: int, budget: float) -> LimitRow:
    start = perf_counter()
    found = plan(problem, machines=machines, budget=budget).schedule
    planning = perf_counter() - start
    assert found is not None
    status = found.status.value
    return LimitRow(
        "machines", problem.name or "", "auto", machines, status, found.makespan, found.bound, planning=planning
    )


def matrix_free_chain(number: int, modules: int) -> Problem:
    """A random chain of sizes 5 to 60; tangent, adjoint and tape take 1 to 3 times the entries of the block."""
    draw = Random(f"matrix-free-{number}")
    sizes = [draw.randint(5, 60) for _ in range(modules + 1)]
    prices = []
    for i in range(modules):
        entries = sizes[i] * sizes[i + 1]
        tangent, adjoint, tape = (draw.randint(entries, 3 * entries) for _ in range(3))
        prices.append((tangent, adjoint, tape))
    return _chain(f"matrix-free {number}", sizes, prices)


def _chain(name: str, sizes: Sequence[int], prices: Sequence[tuple[int, int, int]]) -> Problem:
    """A matrix-free chain of these sizes x_0 ... x_q; tangent, adjoint and tape of each elemental."""
    elementals = []
    for i, (tangent, adjoint, tape) in enumerate(prices):
        names, block = (chain_vertex(i), chain_vertex(i + 1)), Block(sizes[i + 1], sizes[i])
        elementals.append(Elemental(f"F{i + 1}", *names, block, tangent=tangent, adjoint=adjoint, tape=tape))
    vertices = {chain_vertex(i): size for i, size in enumerate(sizes)}
    return Problem(Graph(vertices, (chain_vertex(0),), (chain_vertex(len(prices)),), tuple(elementals)), name=name)


MEASURES: tuple[Callable[[LimitSuite], Iterator[LimitRow]], ...] = (thread_rows, growth_rows, memory_rows, machine_rows)
"""What is measured, in this order; a new limit is one function, one line here and one section of the report."""
