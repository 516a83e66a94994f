"""Vertices of size 0 count exactly: what leads through one is zero and costs nothing, in any plan of any solver."""

from __future__ import annotations

import random
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.errors import SolverError
from chainplan.plans.replay import replay
from chainplan.plans.steps import Load, Multiply, Plan
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from chainplan_cli.main import main

SOLVERS = ("auto", "forward", "reverse", "greedy", "exhaustive", "dag-exact", "propagation", "local-search", "chain-dp")


def _structures(rows: int, cols: int) -> list[Any]:
    found: list[Any] = ["dense", "zero", {"coo": [[rows - 1, cols - 1]] if rows and cols else []}]
    if rows == cols:
        found += ["diagonal", {"banded": [1, 0]}, "lower_triangular"]
    if rows % 2 == cols % 2 == 0:
        found += [{"block_diagonal": [2, rows // 2, cols // 2]}, {"kronecker": [[rows // 2, cols // 2], 2]}]
    return found


def _problem(seed: int) -> chainplan.Problem:
    rng = random.Random(seed)
    names = [f"v{i}" for i in range(rng.randint(3, 5))]
    sizes = {name: rng.choice([0, 1, 2, 4]) for name in names}
    sizes[rng.choice(names)] = 0
    jacobians = [
        {"edge": [a, b], "structure": rng.choice(_structures(sizes[b], sizes[a]))}
        for a, b in combinations(names, 2)
        if names.index(b) == names.index(a) + 1 or rng.random() < 0.6
    ]
    return chainplan.from_spec(
        {"dag": {"sizes": sizes, "inputs": names[:1], "outputs": names[-1:], "jacobians": jacobians}}
    )


def _counted(plan: Plan) -> int:
    """Multiplications of a plan on patterns: a nonzero times a nonzero, one by one."""
    held: list[Any] = []
    total = 0
    for step in plan.steps:
        if isinstance(step, Load):
            block = plan.graph.declared[step.elemental].block
            held.append(block.structure.pattern(block.rows, block.cols).toarray() != 0)
            continue
        assert isinstance(step, Multiply)
        left, right = held[step.left], held[step.right]
        total += int(left.sum(axis=0) @ right.sum(axis=1))
        made = left.astype(int) @ right.astype(int) != 0
        held.append(made if step.onto is None else made | held[step.onto])
    return total


@pytest.mark.parametrize("seed", range(40))
def test_plans_count_multiply_and_are_right(seed: int) -> None:
    problem = _problem(seed)
    assert problem.graph.exact
    costs = {}
    for solver in SOLVERS:
        try:
            result = chainplan.plan(problem, solver=solver)
        except SolverError:
            continue
        assert result.plan is not None
        chainplan.check(result.plan, problem)
        replayed = replay(result.plan)
        if all(isinstance(step, Load | Multiply) for step in result.plan.steps):
            assert replayed.total == _counted(result.plan)
        costs[solver] = replayed.total
        values = draw(problem.graph, seed, np.int64)
        expected = reference_jacobian(problem, values)
        for workers in (None, 2):
            for pair, block in chainplan.execute(result.plan, values, workers=workers).items():
                assert block.shape == expected[pair].shape
                assert np.array_equal(block, expected[pair])
    assert costs.get("exhaustive", costs["auto"]) == min(costs.values()) == costs["auto"]


def test_a_path_through_nothing_adds_nothing() -> None:
    sizes = {"x": 4, "h": 0, "y": 4, "z": 4}
    edges = [["x", "h"], ["h", "y"], ["x", "y"], ["y", "z"]]
    diagonal = [{"edge": e} | ({"structure": "diagonal"} if e == ["x", "y"] else {}) for e in edges]
    spec = {"dag": {"sizes": sizes, "inputs": ["x"], "outputs": ["z"], "jacobians": diagonal}}
    for solver in ("auto", "forward", "greedy"):
        result = chainplan.plan(chainplan.from_spec(spec), solver=solver)
        assert result.cost is not None
        assert result.cost.fma == 16, "a diagonal and a dense block, to which the path through h adds no entry"


@pytest.mark.parametrize("sizes", [[0, 3], [3, 0], [3, 0, 2], [0, 0], [2, 0, 0, 4], [0, 5, 0]])
def test_commands(sizes: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, saved, page = tmp_path / "spec.yaml", tmp_path / "plan.json", tmp_path / "page.html"
    spec.write_text(f"chain: {sizes}")
    for command in (
        ["plan", str(spec), "--format", "json", "-o", str(saved)],
        ["check", str(saved), "--require-proof"],
        ["run", str(spec)],
        ["run", str(saved), "--dtype", "int64"],
        ["report", str(saved), "-o", str(page)],
        ["explain", str(spec)],
    ):
        assert main(command) == 0, capsys.readouterr()
    assert "valid: " in capsys.readouterr().out
    ((_, found),) = chainplan.execute(
        chainplan.plan(chainplan.chain(sizes)),
        {f"F{i}": np.ones((m, n)) for i, (n, m) in enumerate(pairwise(sizes), 1)},
    ).items()
    assert np.array_equal(found, np.zeros((sizes[-1], sizes[0])))
