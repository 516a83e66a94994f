"""Searches say how far they are, go on from a saved plan, and are a function of seed and nodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

import chainplan
from chainplan.errors import PlanError
from chainplan.planner import WARM_START, plan
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan
from chainplan.solvers.dag.local_search import LocalSearchSolver
from chainplan.solvers.dag.order_plans import order_of
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import Search, SearchProgress, SearchStopped
from chainplan_cli.main import main
from generators.graphs import make
from tests.problems import chain_problem, dag_problem, random_problem

LARGE = dag_problem(make("local", 150, True))
SMALL = dag_problem(make("degree", 8, True))
HARD = dag_problem(make("degree", 45, True))


@pytest.mark.parametrize("solver", ["auto", "local-search", "dag-exact", "edge", "face"])
@pytest.mark.parametrize("nodes", [0, 100, pytest.param(500, marks=pytest.mark.nightly)])
def test_seed_and_nodes_say_which_plan(solver: str, nodes: int) -> None:
    problem = SMALL if SOLVERS[solver].refuses(HARD) else HARD
    found = [plan(problem, solver, seed=seed, nodes=nodes) for seed in (3, 3)]
    first, second = (chainplan.render(replace(result, seconds=0.0), "json") for result in found)
    assert first == second


def test_more_nodes_are_no_worse() -> None:
    costs = []
    for nodes in (0, 200, 3000):
        result = plan(LARGE, "local-search", nodes=nodes)
        assert result.cost is not None
        costs.append(result.cost.fma)
    assert costs[0] > costs[-1]
    assert costs == sorted(costs, reverse=True)


def test_the_constraint_program_by_nodes() -> None:
    problem = dag_problem(make("degree", 14, True))
    first, second = (plan(problem, "cp-sat", nodes=500) for _ in range(2))
    assert first.plan is not None
    assert second.plan is not None
    assert (first.status, first.bound, first.plan.steps) == (second.status, second.bound, second.plan.steps)


def test_stages_share_nodes_and_seconds() -> None:
    search = Search(nodes=10)
    stage = search.stage("one", 0.5)
    assert stage.nodes == 5
    for _ in range(5):
        stage.tick()
    with pytest.raises(SearchStopped):
        stage.tick()
    assert search.ticks == 6
    assert search.stage("two").nodes == 4
    assert search.spent == "6 nodes"
    assert Search(budget=0.0).stage("three", 0.5).budget == 0.0


def test_progress_knows_best_and_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a search whose clock runs a second with every look."""
    clock = iter(range(10**9))
    monkeypatch.setattr("chainplan.solvers.search.search.monotonic", lambda: float(next(clock)))
    said: list[SearchProgress] = []
    search = Search(nodes=500, progress=said.append, solver="local-search", _start=0.0)
    outcome = LocalSearchSolver().solve(LARGE, search)
    assert outcome.plan is not None
    cost = replay(outcome.plan).total
    best = [progress.best for progress in said if progress.best is not None]
    assert best == sorted(best, reverse=True)
    assert search.best == cost
    assert best[-1] >= cost
    assert said[-1].bound == outcome.bound.value > 0
    assert said[-1].gap == (best[-1] - outcome.bound.value) / best[-1] > 0
    assert SearchProgress("x", None, 1.0).gap is None


@pytest.mark.parametrize("seed", range(40))
def test_the_order_of_a_plan_makes_the_plan_again(seed: int) -> None:
    problem = random_problem(seed)
    order = sorted(WorkGraph(problem.graph).middle)
    Random(seed).shuffle(order)
    made = order_plan(problem.graph, order)
    again = order_plan(problem.graph, order_of(made))
    assert replay(again).total == replay(made).total


def test_a_search_goes_on_where_it_ended() -> None:
    first = plan(LARGE, "local-search", nodes=400)
    assert first.cost is not None
    alone = plan(LARGE, "local-search", nodes=0)
    again = plan(LARGE, "local-search", nodes=0, warm_start=first)
    assert alone.cost is not None
    assert again.cost is not None
    assert again.cost.fma <= first.cost.fma < alone.cost.fma


@pytest.mark.parametrize("solver", ["forward", "reverse", "greedy", "auto", "chain-dp"])
def test_no_worse_than_the_start(solver: str) -> None:
    problem = chain_problem([30, 2, 30, 2, 30])
    best = plan(problem)
    result = plan(problem, solver, warm_start=best)
    assert result.cost == best.cost
    assert best.plan is not None
    assert result.plan is not None
    assert (result.solver == WARM_START) == (result.plan.steps == best.plan.steps)
    limited = replace(problem, memory=10)
    assert plan(limited, warm_start=best).plan is None


@pytest.mark.parametrize("budget", [None, 0.0])
@pytest.mark.parametrize("machines", [None, 1, 3])
def test_a_plan_that_came_with_the_question_is_no_solver_s(budget: float | None, machines: int | None) -> None:
    """It is said of it, whether the search ended by itself or was stopped, and forward or reverse order are not."""
    best = plan(chain_problem([30, 2, 30, 2, 30]))
    result = plan(best.problem, "reverse", warm_start=best, budget=budget, machines=machines)
    assert best.price is not None
    assert result.price == best.price < min(best.baselines.forward, best.baselines.reverse)
    assert result.solver == WARM_START
    assert f"by {WARM_START} in" in chainplan.render(result)
    assert f'"solver": "{WARM_START}"' in chainplan.render(result, "json")
    worse = plan(best.problem, "forward")
    assert plan(best.problem, "chain-dp", warm_start=worse, machines=machines).solver == "chain-dp"


def test_a_stopped_search_names_who_made_its_plan() -> None:
    """Nothing was found in no time but forward and reverse order, so one of them is named and no other solver."""
    result = plan(chain_problem([9, 8, 7, 6, 5]), "chain-dp", budget=0.0)
    assert result.solver == "reverse"
    assert "from 'reverse'" in result.notes[0]


def test_a_wrong_start_is_refused() -> None:
    problem = chain_problem([3, 4, 5])
    good = plan(problem).plan
    assert good is not None
    with pytest.raises(PlanError, match="a plan of another graph"):
        plan(chain_problem([3, 4, 6]), warm_start=good)
    with pytest.raises(PlanError):
        plan(problem, warm_start=Plan(problem.graph, good.steps[:-1], ()))
    with pytest.raises(PlanError, match="no plan"):
        plan(problem, warm_start=replace(plan(problem), candidate=None))


def test_the_command_goes_on_from_a_plan_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, saved = tmp_path / "spec.json", tmp_path / "plan.json"
    import json

    spec.write_text(json.dumps(LARGE.to_spec()), encoding="utf-8")
    arguments = ["plan", str(spec), "--solver", "local-search", "--format", "json"]
    assert main([*arguments, "--nodes", "300", "-o", str(saved)]) == 0
    first = json.loads(saved.read_text(encoding="utf-8"))
    assert main([*arguments, "--nodes", "0", "--warm-start", str(saved)]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["cost"]["fma"] <= first["cost"]["fma"]
    assert main(["plan", str(spec), "--warm-start", str(spec)]) == 2
    assert "not a plan file" in capsys.readouterr().err
    assert main(["plan", str(spec), "--nodes", "-1"]) == 2


def test_an_interrupted_search_does_not_begin_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of rectangular blocks count from above, which a second search with listed patterns makes up for."""
    bands = [{"shape": [2, 3], "structure": {"banded": [0, 1]}}, {"shape": [4, 2], "structure": {"banded": [1, 1]}}]
    problem, begun = chainplan.chain(bands), []
    assert not problem.graph.exact
    assert plan(problem, "chain-dp").bound > 0

    def interrupted(self: object, problem: object, search: object) -> None:
        begun.append(problem)
        raise KeyboardInterrupt

    monkeypatch.setattr("chainplan.solvers.chain.interval_dp.ChainDpSolver.solve", interrupted)
    assert plan(problem, "chain-dp").plan is not None
    assert begun == [problem]
