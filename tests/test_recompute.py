"""Chains that evaluate their states: exact fronts, the counts of revolve, and a checker that misses no lost state."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.errors import ExecutionError, PlanError, SolverError
from chainplan.execution.executor import execute
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.replay import replay
from chainplan.plans.result import Outcome
from chainplan.plans.state_steps import Advance, Restore, Store
from chainplan.plans.steps import Load, Multiply, Output, Plan, Propagate, Step
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.programs.stepwise import Stepwise
from chainplan.report.explain.reasons import reasons
from chainplan.report.explain.wording import worded
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.checkpoint import forward_steps
from chainplan.solvers.checkpoint.solver import ChainRecomputeSolver
from chainplan.solvers.choosing.chains import MAX_COMPARED_STEPS
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.tradeoff import pareto
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from chainplan_cli.main import main
from tests import recompute
from tests.oracles.recompute import cheapest
from tests.problems import chain_problem, random_chain, random_dag
from tests.test_chain_memory import skewed_chain


def drawn(seed: int, longest: int) -> Problem:
    draw_chain = random_chain if seed % 2 else skewed_chain
    return replace(draw_chain(random.Random(seed), longest), recompute=True)


def bracketed(problem: Problem) -> bool:
    """Whether no interval has a coloured sweep, which the definitions of `tests.recompute` leave out."""
    return ChainSweeps(problem.graph.chain, FMA).moves == "bracketings"


def time_steps(count: int, rows: int = 1) -> Problem:
    """Equal steps of 10 entries with tapes of 10, the last with more, so that all adjoint steps hold as much."""
    prices = [(100, 100, 10)] * (count - 1) + [(100, 100, 10 + 10 * rows)]
    problem = chain_problem([10] * count + [rows], prices=prices)
    graph = problem.graph
    links = tuple(replace(e, advance=1) for e in graph.elementals)
    return replace(problem, graph=replace(graph, elementals=links), recompute=True)


# The fronts


@pytest.mark.parametrize(("longest", "last"), [(4, 150), pytest.param(5, 40, marks=pytest.mark.nightly)])
def test_the_front_is_that_of_all_nested_plans(longest: int, last: int) -> None:
    compared = 0
    for seed in range(last):
        problem = drawn(seed, longest)
        if bracketed(problem):
            front = [(point.memory, point.fma) for point in pareto(problem).points]
            assert front == recompute.written(problem), seed
            compared += len(front)
    assert compared >= last


@pytest.mark.parametrize(("longest", "last"), [(4, 120), pytest.param(5, 40, marks=pytest.mark.nightly)])
def test_few_plans_of_any_kind_beat_a_nested_one(longest: int, last: int) -> None:
    points = beaten = 0
    for seed in range(last):
        problem = drawn(seed, longest)
        if bracketed(problem):
            for point in pareto(problem).points:
                least = cheapest(problem.to_spec(), point.memory)
                assert least is not None
                assert least <= point.fma
                points, beaten = points + 1, beaten + (least < point.fma)
    assert beaten <= points // 20


def test_a_plan_under_a_limit_is_the_point_of_the_front() -> None:
    for seed in range(150):
        problem = drawn(seed, 6)
        front = pareto(problem).points
        least = plan(replace(problem, memory=max(0, front[0].memory - 1)))
        if front[0].memory:
            assert (least.plan, least.needs) == (None, front[0].memory)
            assert least.status is Status.INFEASIBLE or "no plan within bracketings and nested" in least.notes[0]
        for i, point in enumerate(front):
            for limit in {point.memory, front[i + 1].memory - 1 if i + 1 < len(front) else None}:
                result = plan(replace(problem, memory=limit))
                assert result.price == point.fma
                assert result.bound <= point.fma
                assert result.status is (Status.OPTIMAL if result.bound == point.fma else Status.FEASIBLE)
                assert result.status is Status.OPTIMAL or ChainSweeps(problem.graph.chain, FMA).any
                assert result.within == "bracketings and nested checkpoints"


def test_infeasible_is_said_only_where_no_plan_of_any_kind_keeps_the_limit() -> None:
    said = {Status.INFEASIBLE: 0, Status.BUDGET: 0}
    for seed in range(100):
        problem = drawn(seed, 3)
        limit = pareto(problem).points[0].memory - 1
        if limit < 0:
            continue
        status = plan(replace(problem, memory=limit)).status
        said[status] += 1
        assert status is Status.BUDGET or cheapest(problem.to_spec(), limit) is None
    assert said[Status.INFEASIBLE] > 20


def test_a_limit_that_only_plans_of_another_kind_keep() -> None:
    """Two blocks are made side by side from a checkpoint that is used again behind both."""
    spec = [
        {"shape": [1, 5], "advance": 17},
        {"shape": [3, 1], "advance": 0},
        {"shape": [4, 3], "advance": 6},
        {"shape": [2, 4], "advance": 19, "tangent": 3, "adjoint": 8, "tape": 3},
    ]
    problem = chainplan.from_spec({"chain": spec, "limits": {"memory": 21, "recompute": True}})
    steps = (
        *(Advance("F1"), Store("x1"), Load("F2"), Advance("F2"), Load("F3"), Multiply(4, 2), Restore("x1")),
        *(Advance("F2"), Advance("F3"), Propagate("F4", 5, Mode.TANGENT), Restore("x0"), Load("F1"), Multiply(9, 11)),
    )
    replayed = check(Plan(problem.graph, steps, (Output("x4", "x0", 12),)), problem)
    assert (replayed.total, replayed.peak) == (48, 20)
    result = plan(problem)
    assert (result.status, result.needs) == (Status.BUDGET, 22)


def test_plans_compute_the_jacobian_exactly() -> None:
    for seed in range(150):
        problem = drawn(seed, 6)
        values = draw(problem.graph, seed, np.int64)
        expected = reference_jacobian(problem, values)
        for point in pareto(problem).points:
            replayed = check(point.plan, replace(problem, memory=point.memory))
            assert (replayed.peak, replayed.total) == (point.memory, point.fma)
            found = execute(point.plan, values)
            for pair, block in expected.items():
                assert np.array_equal(found.get(pair, np.zeros_like(block)), block)


def test_no_plan_costs_less_than_with_states_given_and_one_evaluation() -> None:
    equal = 0
    for seed in range(200):
        problem = drawn(seed, 6)
        given = plan(replace(problem, recompute=False), "chain-memory")
        chain = problem.graph.chain
        floor = given.bound + sum(FMA.advance(e) for e in chain[:-1])
        found = plan(problem).price
        assert found is not None
        if bracketed(problem):
            assert found >= floor
            equal += found == floor
    assert equal > 150


def test_front_without_recomputation() -> None:
    from tests.answers import front as brute

    for seed in range(60):
        problem = replace(drawn(seed, 5), recompute=False)
        found, due = [(point.memory, point.fma) for point in pareto(problem).points], brute(problem)
        if not ChainSweeps(problem.graph.chain, FMA).any:
            assert found == due
        for memory, fma in due:
            assert any(one[0] <= memory and one[1] <= fma for one in found)


# Revolve


def test_half_the_tapes_of_64_layers_cost_what_revolve_says() -> None:
    """An adjoint step holds two rows and its tape, 30 elements, and a state of 10 for each checkpoint."""
    problem = time_steps(64)
    half = sum(e.tape for e in problem.graph.chain) // 2
    found, whole = plan(replace(problem, memory=half)), plan(problem)
    assert whole.price is not None
    assert found.price is not None
    assert found.cost is not None
    assert (found.status, found.cost.peak_elements) == (Status.OPTIMAL, 320)
    extra = forward_steps(64, (half - 30) // 10) - (2 * 64 - 1)
    assert found.price - whole.price == extra == 34


@pytest.mark.parametrize("count", [5, 20, 33])
def test_equal_steps_take_what_revolve_says_under_every_limit(count: int) -> None:
    problem = time_steps(count)
    most = plan(problem).price
    assert most is not None
    counts = {30 + 10 * s: forward_steps(count, s) - (2 * count - 1) for s in range(1, count + 1)}
    front = {point.memory: point.fma - most for point in pareto(problem).points}
    assert front == {memory: extra for memory, extra in counts.items() if extra < counts.get(memory - 10, 10**9)}


def test_an_exact_search_that_is_stopped_leaves_the_plan_of_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(solver: ChainRecomputeSolver, problem: Problem, search: Search) -> Outcome:
        raise SearchStopped

    monkeypatch.setattr(ChainRecomputeSolver, "solve", stopped)
    for count in (40, 60):
        problem = replace(time_steps(count), memory=200)
        sweep, found = plan(problem, "chain-reversal"), plan(problem, budget=10)
        assert sweep.price is not None
        assert found.price == (sweep.price if count > MAX_COMPARED_STEPS else None)


def test_the_rows_of_a_sweep_share_one_evaluation() -> None:
    one, many = (plan(replace(time_steps(20, rows), memory=60 + 20 * rows)).plan for rows in (1, 7))
    assert one is not None
    assert many is not None
    advances = [sum(isinstance(step, Advance) for step in found.steps) for found in (one, many)]
    assert advances[0] == advances[1] > 19


# The checker


def small() -> tuple[Problem, Plan]:
    problem = replace(time_steps(4), memory=50)
    found = plan(problem).plan
    assert found is not None
    return problem, found


def without(steps: tuple[Step, ...], position: int) -> tuple[Step, ...]:
    """The steps but one that makes no block, as operands are numbered after it."""
    moved = [_shifted(step, position) for i, step in enumerate(steps) if i != position]
    return tuple(moved)


def _shifted(step: Step, position: int) -> Step:
    fields = {
        name: value - 1
        for name, value in step._asdict().items()
        if name in ("arg", "left", "right") and value is not None and value > position
    }
    return step._replace(**fields)


def rebuilt(problem: Problem, steps: tuple[Step, ...]) -> Plan:
    last = max(i for i, step in enumerate(steps) if not isinstance(step, Advance | Store | Restore))
    return Plan(problem.graph, steps, (Output(problem.graph.outputs[0], problem.graph.inputs[0], last),))


def test_no_move_of_a_state_can_be_left_out() -> None:
    problem, found = small()
    rejected = 0
    for position, step in enumerate(found.steps):
        if isinstance(step, Advance | Store | Restore):
            with pytest.raises(PlanError, match=r"step \d+: .*(working state|is not stored)"):
                check(rebuilt(problem, without(found.steps, position)), problem)
            rejected += 1
    assert rejected > 6


def test_no_move_of_a_state_can_be_another() -> None:
    problem, found = small()
    vertices = list(problem.graph.sizes)
    names = [e.name for e in problem.graph.chain]
    least = replay(found).total
    for position, step in enumerate(found.steps):
        others: list[Step] = [*map(Advance, names), *map(Store, vertices), *map(Restore, vertices)]
        for other in others if isinstance(step, Advance | Store | Restore) else ():
            if other != step:
                steps = (*found.steps[:position], other, *found.steps[position + 1 :])
                try:
                    replayed = check(Plan(problem.graph, steps, found.outputs), problem)
                except PlanError:
                    continue
                assert replayed.total >= least


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: (Advance("F2"), *s), "'F2' starts at 'x1', but the working state is 'x0'.*Restore 'x1' before"),
        (lambda s: (Advance("F9"), *s), "'F9' is no elemental of the problem"),
        (lambda s: (Store("x1"), *s), "'x1' cannot be stored, for the working state is 'x0'"),
        (lambda s: (Restore("x1"), *s), "'x1' cannot be restored, for it is not stored"),
        (lambda s: (Restore("z"), *s), "'z' cannot be restored"),
        (lambda s: (*s, Multiply(0, 0)), "left is 0, which moves a state and makes no block"),
    ],
)
def test_what_a_wrong_move_is_told(change: Callable[[tuple[Step, ...]], tuple[Step, ...]], message: str) -> None:
    problem, found = small()
    with pytest.raises(PlanError, match=message):
        check(Plan(problem.graph, change(found.steps), ()), problem)


def test_states_are_evaluated_where_the_problem_says_so_and_only_there() -> None:
    problem, found = small()
    with pytest.raises(PlanError, match=r"step 0: a state is moved, but limits\.recompute is not set"):
        check(found, replace(problem, recompute=False))
    given = plan(replace(problem, recompute=False, memory=None)).plan
    assert given is not None
    with pytest.raises(PlanError, match=r"'F4' is linearised at 'x3', but the working state is 'x0'"):
        check(given, problem)
    with pytest.raises(PlanError, match=r"elements are alive; expected at most limits\.memory = 49"):
        check(found, replace(problem, memory=49))


def test_a_state_counts_once_and_until_its_last_use() -> None:
    problem = time_steps(3)
    steps = (
        Advance("F1"),
        Store("x1"),
        Advance("F2"),
        Restore("x1"),
        Restore("x0"),
    )
    assert replay(Plan(problem.graph, steps, ())).alive == (10, 10, 20, 10, 0)


def test_a_plan_file_comes_back_and_its_claims_are_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, saved = tmp_path / "s.json", tmp_path / "plan.json"
    problem, _ = small()
    spec.write_text(json.dumps(problem.to_spec()))
    assert chainplan.read(spec) == problem
    assert main(["plan", str(spec), "--format", "json", "-o", str(saved)]) == 0
    assert main(["check", str(saved)]) == 0
    assert "proven again within bracketings and nested checkpoints" in capsys.readouterr().out
    assert main(["run", str(saved), "--dtype", "int64"]) == 0
    assert "valid: equal integers" in capsys.readouterr().out
    document = json.loads(saved.read_text())
    position = next(i for i, step in enumerate(document["steps"]) if step["op"] == "advance")
    document["steps"][position]["fma"] = 0
    saved.write_text(json.dumps(document))
    assert main(["check", str(saved)]) == 1
    assert f"steps[{position}].fma is claimed to be 0, but it is 1" in capsys.readouterr().out


# What takes part


def test_only_chains_and_fma_can_recompute(capsys: pytest.CaptureFixture[str]) -> None:
    dag = replace(random_dag(random.Random(1)), recompute=True)
    with pytest.raises(SolverError, match=r"a chain has one|so the graph is not a chain|no path leads"):
        plan(dag)
    with pytest.raises(SolverError, match="it minimises fma"):
        plan(time_steps(3), objective="weighted")
    with pytest.raises(SolverError, match=r"limits\.recompute is set, and it takes the states of the chain as given"):
        plan(time_steps(3), "chain-dp")
    with pytest.raises(SolverError, match=r"machines: found 2 with limits\.recompute"):
        plan(time_steps(3), machines=2)
    with pytest.raises(SolverError, match="there is no exact front for this problem"):
        pareto(replace(dag, recompute=False))


def test_who_refuses_to_recompute_says_what_to_do() -> None:
    dag = chainplan.from_spec(
        {"dag": {"edges": [["x", "a"], ["x", "b"], ["a", "y"], ["b", "y"]]}, "limits": {"recompute": True}}
    )
    with pytest.raises(SolverError, match=r"predecessors.*\. Leave limits\.recompute, or --recompute, out:"):
        plan(dag)
    with pytest.raises(SolverError, match=r"'reverse' refuses .* Try 'auto'\."):
        plan(time_steps(3), "reverse")


def test_break_evens_of_states_are_no_question() -> None:
    problem = replace(chain_problem([7, 5, 9, 2, 8, 3]), recompute=True)
    said = str(worded(reasons(plan(problem), 5.0, None)))
    assert "is optimal" not in said
    assert "Break-evens are not given" not in said


def test_the_evaluation_of_an_elemental_is_priced() -> None:
    spec = {
        "chain": [{"shape": [2, 3], "advance": 7}, {"shape": [4, 2], "tangent": 5, "adjoint": 6}, {"shape": [1, 4]}]
    }
    chain = chainplan.from_spec(spec).graph.chain
    assert [e.evaluation for e in chain] == [7, 5, 4]
    only = chainplan.chain([{"shape": [2, 3], "adjoint": 6}]).graph.chain
    assert only[0].evaluation == 6


def test_a_transposed_elemental_is_evaluated_at_the_same_price() -> None:
    graph = time_steps(3).graph
    turned = graph.transpose()
    assert [e.advance for e in turned.elementals] == [1, 1, 1]
    assert turned.transpose().elementals == graph.elementals


NET: dict[str, Any] = {
    "input": {"x": 12},
    "layers": [
        *({"op": op, **extra} for _ in range(5) for op, extra in (("linear", {"out": 12}), ("tanh", {}))),
        {"op": "linear", "out": 2},
    ],
}


def test_layers_give_the_same_jacobian_at_every_memory() -> None:
    program = chainplan.program({**NET, "limits": {"recompute": True}})
    point = chainplan.draw_point(program, 3)
    given = plan(replace(program.problem, recompute=False)).plan
    assert given is not None
    values = chainplan.linearise(chainplan.evaluate(program, point))
    ((pair, expected),) = execute(given, values).items()
    front = pareto(program.problem).points
    assert len(front) > 4
    for point_of_front in front:
        found = execute(point_of_front.plan, Stepwise(program, point))[pair]
        assert np.allclose(found, expected, rtol=1e-12, atol=0)


def test_a_layer_with_inner_vertices_is_evaluated_through_them() -> None:
    layers = [{"op": "linear", "out": 4}, {"op": "mean"}, {"op": "exp"}]
    program = chainplan.program({"input": {"x": 3}, "layers": layers, "limits": {"recompute": True}})
    assert "mean1.sum" in program.problem.graph.sizes
    point = chainplan.draw_point(program, 0)
    found = plan(program.problem).plan
    assert found is not None
    ((pair, block),) = execute(found, Stepwise(program, point)).items()
    values = chainplan.linearise(chainplan.evaluate(program, point))
    assert np.allclose(block, reference_jacobian(program.problem, values)[pair])


def test_layers_run_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.json"
    least = pareto(chainplan.program({**NET, "limits": {"recompute": True}}).problem).points[0].memory
    path.write_text(json.dumps({**NET, "limits": {"recompute": True, "memory": least}}))
    assert main(["run", str(path)]) == 0
    out = capsys.readouterr().out
    assert "plan by chain-recompute for 'fma'" in out
    assert out.count(" valid: ") >= 1
    path.write_text(json.dumps({**NET, "limits": {"recompute": True, "memory": least - 1}}))
    assert main(["run", str(path)]) == 1
    assert f"limits.memory must be at least {least:,} elements" in capsys.readouterr().err


def test_graphs_are_exchanged_whole(tmp_path: Path) -> None:
    from chainplan.io.networkx_graph import to_graphml

    problem = replace(time_steps(3), memory=99)
    assert chainplan.from_networkx(chainplan.to_networkx(problem)).fingerprint == problem.fingerprint
    path = tmp_path / "g.graphml"
    path.write_text(to_graphml(problem))
    assert chainplan.read(path).fingerprint == problem.fingerprint


def test_layers_that_are_no_chain_cannot_be_evaluated_in_steps() -> None:
    program = chainplan.program({"input": {"x": 3}, "layers": [{"op": "softmax"}]})
    with pytest.raises(ExecutionError, match="states cannot be evaluated one after the other"):
        Stepwise(program, chainplan.draw_point(program, 0))


# Limits and the command line


@pytest.mark.parametrize(
    ("written", "elements"),
    [("100", 100), ("64 MiB", 8 * 1024**2), ("1 GB", 125_000_000), ("512 KiB", 65_536), ("'1.5 KB'", 187), ("8 B", 1)],
)
def test_memory_in_elements_and_in_bytes(written: str, elements: int, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"chain: [3, 2]\nlimits: {{memory: {written}, recompute: false}}\n")
    problem = chainplan.read(path)
    assert (problem.memory, problem.recompute) == (elements, False)


@pytest.mark.parametrize("written", ["64 MB/s", "64 mib", "MiB", "-1 MiB", "1e3 KB", "x"])
def test_memory_in_no_unit_is_refused(written: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"chain: [3, 2]\nlimits: {{memory: {written}}}\n")
    assert main(["plan", str(path)]) == 2
    error = capsys.readouterr().err
    assert f"s.yaml:2:18: limits.memory is {written}; expected elements, or bytes in one of B, KB" in error
    assert "Write it as 100000 or '64 MiB'." in error


def test_the_front_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(replace(time_steps(6), recompute=False).to_spec()))
    assert main(["plan", str(path), "--recompute", "--pareto"]) == 0
    out = capsys.readouterr().out
    assert "exact within bracketings and nested checkpoints: 5 points" in out
    assert out.count("*") == 5
    assert main(["plan", str(path), "--recompute", "--pareto", "--format", "json"]) == 0
    front = json.loads(capsys.readouterr().out)
    points = pareto(time_steps(6)).points
    assert front["points"] == [{"memory": point.memory, "fma": point.fma} for point in points]
    assert front["problem"]["limits"] == {"recompute": True}
    assert main(["plan", str(path), "--pareto"]) == 0
    assert "exact within bracketings: 1 point\n" in capsys.readouterr().out
    for others in (["--machines", "2"], ["--solver", "reverse"], ["--search", "dask"], ["--nodes", "3"]):
        assert main(["plan", str(path), "--pareto", *others]) == 2
        assert "are for one. Leave them out." in capsys.readouterr().err
    assert main(["plan", str(path), "--pareto", "--objective", "weighted"]) == 2
    assert "it minimises fma; the objective is 'weighted'" in capsys.readouterr().err
    assert main(["plan", str(path), "--pareto", "--format", "dot"]) == 2
    assert "--format dot does not fit: a front is text or json." in capsys.readouterr().err
    assert main(["plan", str(path), "--recompute"]) == 0
    assert "advance" in capsys.readouterr().out
