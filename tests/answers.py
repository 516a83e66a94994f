"""The answers of the oracles to questions about chainplan's objects, which go to them as specs."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.compressed_sweep import compressed, write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.steps import Load, Plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from tests.oracles import chain as oracle
from tests.oracles import peaks, schedules
from tests.oracles.graph import Dag, least_vertex_cost


def front(problem: Problem) -> list[tuple[int, int]]:
    """All (peak, cost) of a chain that no plan beats in both."""
    return oracle.pareto(*_known(problem))


def cheapest(problem: Problem, limit: int | None) -> tuple[int, int] | None:
    """Peak and cost of the cheapest plan of a chain under a limit; None where there is none."""
    known, sweeps = _known(problem)
    return oracle.cheapest(known, limit, sweeps)


def _known(problem: Problem) -> tuple[oracle.Chain, oracle.Sweeps]:
    """A chain and its coloured sweeps, each at the price that the oracle says, holding what its steps do.

    Colourings of one price may hold different numbers of elements, so the peak is that of the one that is found, and
    so is the price where there are too many colourings for the oracle.
    """
    known, sweeps = oracle.Chain(problem.to_spec()), {}
    for interval, price in known.sweeps.items():
        found = sweeps[interval] = _found(problem, interval)
        assert price in (None, found[0])
    return known, sweeps


def _found(problem: Problem, interval: tuple[int, int]) -> tuple[int, int]:
    """Price and peak of the compressed sweep that is found for an interval."""
    run = problem.graph.chain[slice(*interval)]
    block = run[0].block
    for e in run[1:]:
        block = e.block.times(block)
    sweep = compressed(run, block, FMA, 10**80)
    assert sweep is not None
    recorder = Recorder(problem.graph)
    write_sweep(recorder, sweep)
    return sweep.price, replay(recorder.plan(())).peak


def least_elimination(core: EliminationCore, mask: int | None = None) -> int:
    """Multiply-adds of the cheapest order of some of the vertices, all by default; accumulations apart."""
    names = WorkGraph(core.graph).names
    dag = Dag(Problem(core.graph).to_spec())
    return least_vertex_cost(dag, None if mask is None else [names[v] for v in members(mask)])


def best_makespan(problem: Problem, machines: int) -> int:
    """The shortest schedule of the best bracketing of a chain."""
    return schedules.best_makespan(problem.to_spec(), machines)


def plan_makespan(plan: Plan, prices: Sequence[int], machines: int) -> int:
    """The shortest schedule of one plan."""
    return schedules.shortest(prices, [step.operands() for step in plan.steps], machines)


def least_peak(plan: Plan) -> int:
    """The least peak of all orders of the steps of a plan, loads before their first use."""
    loads = {p for p, step in enumerate(plan.steps) if isinstance(step, Load)}
    sizes = [typed.block.nnz for typed in replay(plan).blocks]
    reads = [step.operands() for step in plan.steps]
    return peaks.least_peak(reads, sizes, loads, [output.step for output in plan.outputs])
