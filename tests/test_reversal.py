"""One sweep over a chain of any length: the closed form of equal steps, a bound that no plan undercuts, limits."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import chainplan
from chainplan.execution.executor import execute
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.checkpoint import forward_steps
from chainplan.solvers.checkpoint.binomial import first_checkpoint
from chainplan.solvers.checkpoint.reversal_bound import reversal_bound
from chainplan.solvers.checkpoint.reversal_chain import reversal_chain
from chainplan.solvers.checkpoint.reversal_splits import ReversalSplits
from chainplan.structures import Block
from chainplan.tradeoff import Tradeoff, pareto
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from chainplan_cli.main import main
from tests.problems import chain_problem, random_chain
from tests.test_chain_memory import skewed_chain


def flow(count: int, size: int = 10, memory: int | None = None, last_tape: int = 20) -> Problem:
    """Equal time steps and a functional at their end; an adjoint step holds two rows, its state and a tape of one."""
    links = []
    for i in range(count):
        last = i == count - 1
        block, tape = Block(1 if last else size, size), last_tape if last else size
        links.append(Elemental(f"F{i + 1}", f"x{i}", f"x{i + 1}", block, 100, 100, tape, 1))
    sizes = {f"x{i}": size for i in range(count)} | {f"x{count}": 1}
    return Problem(Graph(sizes, ("x0",), (f"x{count}",), tuple(links)), memory, recompute=True)


def drawn(seed: int) -> Problem:
    """A small chain of some kind, among them steps that are nearly equal."""
    rng = random.Random(seed)
    if seed % 4 < 2:
        return replace((random_chain, skewed_chain)[seed % 2](rng, 7), recompute=True)
    q, size = rng.randint(2, 8), rng.randint(1, 6)
    equal = seed % 4 == 2
    sizes = [size if equal else rng.randint(1, 6) for _ in range(q)] + [rng.randint(1, 2)]
    one = rng.randint(1, 20), rng.randint(1, 20), rng.randint(0, 9)
    prices = [one if equal else (rng.randint(1, 20), rng.randint(1, 20), rng.randint(0, 9)) for _ in range(q)]
    problem = chain_problem(sizes, prices=prices)
    links = tuple(replace(e, advance=5 if equal else rng.randint(0, 9)) for e in problem.graph.elementals)
    return replace(problem, graph=replace(problem.graph, elementals=links), recompute=True)


def least(front: tuple[Tradeoff, ...], memory: int | None) -> int:
    return min(point.fma for point in front if memory is None or point.memory <= memory)


def test_splitting_by_the_rule_takes_what_the_closed_form_says() -> None:
    def evaluations(steps: int, checkpoints: int) -> int:
        if steps == 1:
            return 1
        if checkpoints == 1:
            return steps * (steps + 1) // 2
        k = first_checkpoint(steps, checkpoints)
        assert 0 < k < steps
        return k + evaluations(steps - k, checkpoints - 1) + evaluations(k, checkpoints)

    for steps in (1, 2, 3, 7, 20, 64, 200):
        for checkpoints in (1, 2, 3, 5, 11, 70):
            assert evaluations(steps, checkpoints) == forward_steps(steps, checkpoints), (steps, checkpoints)


@pytest.mark.parametrize(("count", "slots"), [(5, 2), (60, 1), (400, 3), (1000, 10), (1000, 999)])
def test_equal_steps_are_optimal_at_what_revolve_says(count: int, slots: int) -> None:
    problem = flow(count, memory=30 + 10 * slots)
    result = plan(problem, "chain-reversal")
    assert result.cost is not None
    assert result.cost.fma - 100 * count == forward_steps(count, slots) - count
    assert result.cost.peak_elements <= 30 + 10 * slots
    assert result.status is Status.OPTIMAL


@pytest.mark.parametrize("count", [200, 3000, pytest.param(85_000, marks=pytest.mark.nightly)])
def test_a_smaller_last_step_spares_an_evaluation(count: int) -> None:
    """The state before it is kept meanwhile, so that the last two steps take as many checkpoints as one."""
    result = plan(flow(count, memory=130, last_tape=0))
    assert (result.solver, result.status) == ("chain-reversal", Status.OPTIMAL)
    assert result.cost is not None
    assert result.cost.fma - 100 * count == forward_steps(count - 1, 10) - count + 2


@pytest.mark.parametrize(("first", "last"), [(0, 80), pytest.param(1000, 4000, marks=pytest.mark.nightly)])
def test_no_plan_costs_less_than_the_bound(first: int, last: int) -> None:
    limits = reached = 0
    for seed in range(first, last):
        problem = drawn(seed)
        front = pareto(problem).points
        for memory in (*(point.memory for point in front[:5]), None):
            limited = replace(problem, memory=memory)
            bound = reversal_bound(limited.graph, reversal_chain(limited.graph, memory), memory)
            found = least(front, memory)
            assert bound <= found, (seed, memory)
            limits, reached = limits + 1, reached + (bound == found)
    assert 3 * reached > limits


def test_a_proven_sweep_is_the_optimum_and_a_limit_that_is_too_low_says_what_is_enough() -> None:
    proven = refused = 0
    for seed in range(80):
        problem = drawn(seed)
        front = pareto(problem).points
        for point in front[:4]:
            limited = replace(problem, memory=point.memory)
            result = plan(limited, "chain-reversal")
            if result.plan is None:
                refused += 1
                assert result.needs is not None
                assert plan(replace(problem, memory=result.needs), "chain-reversal").plan is not None
                continue
            assert result.price is not None
            assert check(result.plan, limited).total == result.price >= point.fma
            proven += result.status is Status.OPTIMAL
            assert result.status is not Status.OPTIMAL or result.price == point.fma
    assert proven > 40
    assert refused > 10


def test_unequal_steps_above_the_exact_length_are_planned_with_a_gap() -> None:
    rng = random.Random(5)
    problem = flow(300)
    links = [
        replace(e, adjoint=rng.randint(50, 150), tape=rng.randint(0, 20), advance=rng.randint(20, 60))
        for e in problem.graph.elementals
    ]
    problem = replace(problem, graph=replace(problem.graph, elementals=tuple(links)), memory=150)
    result = plan(problem)
    assert result.plan is not None
    assert result.price is not None
    assert check(result.plan, problem).total == result.price
    assert 0.7 * result.price < result.bound <= result.price
    assert result.within == "bracketings and nested checkpoints"


def unequal(count: int, memory: int) -> Problem:
    """Time steps whose states, tapes and prices differ widely."""
    rng, problem = random.Random(1), flow(count)
    sizes = {v: rng.randint(5, 15) if size > 1 else 1 for v, size in problem.graph.sizes.items()}
    links = [
        replace(e, block=Block(sizes[e.target], sizes[e.source]), tape=rng.randint(0, 30), advance=rng.randint(1, 90))
        for e in problem.graph.elementals
    ]
    graph = replace(problem.graph, sizes=sizes, elementals=tuple(links))
    return replace(problem, graph=graph, memory=memory)


def test_windows_of_unequal_steps_are_reversed_in_the_cheapest_way() -> None:
    problem = unequal(250, 200)
    sweep = reversal_chain(problem.graph, 200)
    prices = []
    for window in (1, 16, 40):
        actions = ReversalSplits(sweep, window).actions(200)
        prices.append(sum(sweep.evaluations[action.at] for action in actions if action.kind == "advance"))
    assert prices[0] > prices[1] > prices[2]
    result = plan(problem)
    assert result.price is not None
    assert result.price - sweep.sweep_price <= prices[2]
    assert result.bound < result.price


def test_a_search_for_windows_that_is_stopped_keeps_its_plan() -> None:
    problem = unequal(250, 200)
    few, more = (plan(problem, nodes=nodes) for nodes in (500, 12_000))
    assert few.price is not None
    assert more.price is not None
    assert few.notes
    assert problem.memory is not None
    assert plan(problem, nodes=500).price == few.price > more.price >= few.bound == more.bound > 0


def test_a_long_sweep_computes_the_jacobian() -> None:
    problem = flow(500, size=3, memory=60, last_tape=0)
    found = plan(problem).plan
    assert found is not None
    values = draw(problem.graph, 3, np.float64)
    ((pair, block),) = execute(found, values).items()
    assert np.allclose(block, reference_jacobian(problem, values)[pair], rtol=1e-9)


def test_too_many_evaluations_are_not_written_down() -> None:
    result = plan(flow(4_000, memory=40))
    assert result.status is Status.BUDGET
    assert result.needs is not None
    slots = (result.needs - 30) // 10
    assert forward_steps(4_000, slots) < 3_004_000 < forward_steps(4_000, slots - 1)


def test_the_plan_file_of_a_long_chain_is_proven_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, saved = tmp_path / "s.json", tmp_path / "plan.json"
    spec.write_text(json.dumps(flow(200, memory=100).to_spec()))
    assert chainplan.read(spec).recompute
    assert main(["plan", str(spec), "--format", "json", "-o", str(saved)]) == 0
    assert main(["check", str(saved), "--require-proof"]) == 0
    assert "proven again within bracketings and nested checkpoints" in capsys.readouterr().out


def test_the_slots_of_a_part_are_its_own() -> None:
    """A step that takes much takes slots away only where it is."""
    problem = flow(300, memory=130)
    links = list(problem.graph.elementals)
    links[150] = replace(links[150], tape=60)
    graph = replace(problem.graph, elementals=tuple(links))
    sweep = reversal_chain(graph, 130)
    moves = list(ReversalSplits(sweep).actions(130))
    advances = sum(action.kind == "advance" for action in moves)
    assert forward_steps(300, 10) - 300 <= advances < forward_steps(300, 6) - 300


def evaluating(count: int, advance: int) -> Problem:
    """A chain of steps that evaluates its states, whose prices are as large as `advance` says."""
    step = {"shape": [10, 10], "tangent": 100, "adjoint": 100, "tape": 10}
    steps = [{**step, "advance": advance + i % 7} for i in range(count)]
    last = {**step, "shape": [1, 10], "tape": 20, "advance": 1}
    return chainplan.from_spec({"chain": [*steps, last], "limits": {"recompute": True, "memory": 70}})


@pytest.mark.parametrize("count", [11, 44])
def test_prices_beyond_the_numbers_of_the_machine(count: int) -> None:
    result = chainplan.plan(evaluating(count, 10**18), "chain-reversal")
    assert result.price is not None
    assert 0 < result.bound <= result.price
