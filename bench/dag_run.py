"""Runs a suite of linearised DAGs: every solver once on every instance, one after the other.

A solver is given the whole of its budget once; no turns, since most of these searches end by time. Large instances are
planned in a process of their own, so that the memory that one of them needs can be told from that of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from time import perf_counter

from bench.dag_nodes import node_rows
from bench.dag_suites import APART, NODES_LARGEST, DagSolver, DagSuite
from bench.instances.graphs import DagInstance
from bench.memory import peak_memory
from bench.rows import DagRow
from bench.run import load, machine
from chainplan.errors import ChainplanError
from chainplan.planner import plan
from chainplan.problem.problem import Problem
from chainplan.solvers.registry import SOLVERS

PACKAGES = ("numpy", "ortools")


def run_dags(suite: DagSuite, say: Callable[[str], None] = print) -> tuple[dict[str, str], list[DagRow]]:
    """Measure a suite: what it was measured on, and the rows."""
    from ortools.sat.python import cp_model as cp_model  # or the first constraint program would pay for it

    rows: list[DagRow] = []
    before, instances = load(), suite.instances()
    for instance in instances:
        say(instance.name)
        rows += _plans(instance, suite)
    for instance in instances:
        if instance.name in suite.curves:
            say(f"{instance.name} (curve)")
            rows += _curve(instance, suite)
    for instance in instances:
        if instance.n <= NODES_LARGEST:
            say(f"{instance.name} (nodes)")
            rows += node_rows(instance, suite.nodes)
    budget = f"{suite.budget:g} s per plan"
    about = {"suite": suite.name, **machine(PACKAGES), "load": f"{before} before, {load()} after", "budget": budget}
    return about, rows


def _plans(instance: DagInstance, suite: DagSuite) -> Iterator[DagRow]:
    """A row per solver and seed, then one per published figure."""
    edges = 0
    for solver in suite.solvers:
        for seed in solver.seeds:
            row = measure_dag(instance, solver, seed, suite.budget)
            edges = max(edges, row.edges)
            yield row
    for name, cost in instance.published:
        yield DagRow("plan", instance.name, instance.family, instance.n, edges, name, cost=cost)


def _curve(instance: DagInstance, suite: DagSuite) -> Iterator[DagRow]:
    """A row per budget."""
    for budget in suite.growing:
        yield replace(measure_dag(instance, DagSolver(suite.curve_solver), 0, budget), task="curve")


def measure_dag(instance: DagInstance, solver: DagSolver, seed: int, budget: float) -> DagRow:
    """The row of one solver on one instance."""
    row = DagRow("plan", instance.name, instance.family, instance.n, 0, solver.name, seed, budget)
    if solver.largest is not None and instance.n > solver.largest:
        return replace(row, status=f"not run: limit n <= {solver.largest}")
    if instance.n < APART:
        return _measured(row, instance)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_measured_apart, row, instance).result()
        except BrokenProcessPool:
            return replace(row, status="failed: the process died")


def _measured(row: DagRow, instance: DagInstance) -> DagRow:
    """The row with its figures. The clock starts when the graph is there."""
    problem = instance.make()
    row = replace(row, edges=len(problem.graph.elementals))
    reason = SOLVERS[row.solver].refuses(problem)
    if reason is not None:
        return replace(row, status=f"not run: {reason}")
    try:
        return _planned(row, problem)
    except (ChainplanError, MemoryError) as error:
        return replace(row, status=f"failed: {error or type(error).__name__}")


def _planned(row: DagRow, problem: Problem) -> DagRow:
    start = perf_counter()
    result = plan(problem, row.solver, budget=row.budget, seed=row.seed)
    seconds = perf_counter() - start
    cost = None if result.cost is None else result.cost.fma
    bound = result.bound if result.within is not None or result.bound else None
    return replace(row, status=result.status.value, cost=cost, bound=bound, seconds=seconds)


def _measured_apart(row: DagRow, instance: DagInstance) -> DagRow:
    row = _measured(row, instance)
    return replace(row, memory=peak_memory() // 1024)
