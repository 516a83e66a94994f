"""Plans of Jacobians as scalar programs: against the sum over paths, and on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.codegen import from_plan
from chainplan.errors import SpecError
from chainplan.plans.steps import Decompress, Load, Multiply, Output, Plan, Seed, Step
from chainplan.problem.graph import Mode
from chainplan_cli.main import main

SPECS: list[dict[str, Any]] = [
    {"chain": [3, 4, 2, 5]},
    {"chain": [{"shape": [3, 3], "structure": s} for s in ("diagonal", {"banded": [1, 0]}, "dense")]},
    {
        "dag": {
            "sizes": {"x": 2, "h": 2, "y": 2},
            "inputs": ["x", "b"],
            "outputs": ["y", "h"],
            "jacobians": [
                {"edge": ["x", "h"], "structure": "scaled_identity"},
                {"edge": ["b", "h"]},
                {"edge": ["h", "k"]},
                {"edge": ["k", "y"]},
                {"edge": ["h", "y"], "structure": "identity"},
            ],
        }
    },
]


def summed(problem: chainplan.Problem, values: dict[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """The Jacobian of each output by each input: products along all paths, added up."""
    graph = problem.graph
    result: dict[tuple[str, str], np.ndarray] = {}
    for given in graph.inputs:
        held = {v: np.zeros((graph.sizes[v], graph.sizes[given])) for v in graph.order}
        held[given] = np.eye(graph.sizes[given])
        for v in graph.order:
            for e in graph.elementals:
                if e.target == v:
                    held[v] = held[v] + values[e.name] @ held[e.source]
        result |= {(wanted, given): held[wanted] for wanted in graph.outputs}
    return result


def drawn(problem: chainplan.Problem, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Jacobians with the patterns and the values that the structures prescribe."""
    values = {}
    for e in problem.graph.elementals:
        value = rng.normal(size=(e.block.rows, e.block.cols))
        name = e.block.structure.name
        if name == "identity":
            value = np.eye(e.block.rows)
        elif name == "scaled_identity":
            value = value[0, 0] * np.eye(e.block.rows)
        elif name == "diagonal":
            value = np.diag(np.diag(value))
        elif name == "banded":
            value = np.tril(np.triu(value, -1))
        values[e.name] = value
    return values


@pytest.mark.parametrize("spec", SPECS, ids=["dense", "structured", "graph"])
def test_plans_as_programs_equal_sums_over_paths(spec: dict[str, Any]) -> None:
    problem = chainplan.from_spec(spec)
    program = from_plan(chainplan.plan(problem, objective="operations"))
    rng = np.random.default_rng(0)
    for _ in range(100):
        values = drawn(problem, rng)
        given = {name.replace("/", "_"): value for name, value in values.items()}
        found = program.evaluate(*(given[i.name].reshape(i.shape) for i in program.inputs))
        expected = summed(problem, values)
        for output, block in zip(program.outputs, found, strict=True):
            row, _, column = output.name.partition("_by_")
            wanted = expected[row, column] if column else next(iter(expected.values()))
            assert np.abs(block - wanted.reshape(block.shape)).max() <= 1e-12 * np.abs(wanted).max()
        assert len(found) == len(expected)


def test_known_entries_are_no_inputs_and_cost_nothing() -> None:
    program = from_plan(chainplan.plan(chainplan.from_spec(SPECS[2]), objective="operations"))
    assert [i.name for i in program.inputs] == ["h_x", "h_b", "k_h", "y_k"]
    diagonal = from_plan(chainplan.plan(chainplan.from_spec({"chain": [1, 1, 1, 1]})))
    assert (diagonal.operations, diagonal.outputs[0].shape) == (2, ())


def test_emit_takes_specs_and_plan_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, saved, code = (str(tmp_path / name) for name in ("edges.yaml", "plan.json", "edges.py"))
    edges = "[{edge: [x, h]}, {edge: [h, y]}, {edge: [x, y]}]"
    Path(spec).write_text(f"dag: {{inputs: [x], outputs: [y], jacobians: {edges}}}\n")
    assert main(["plan", spec, "--format", "json", "-o", saved]) == 0
    capsys.readouterr()
    for path in (spec, saved):
        assert main(["emit", path, "--to", "python", "--name", "edges", "-o", code]) == 0
        assert capsys.readouterr().out.split() == ["program", "written", "operations", "jacobian", "2"]
        module: dict[str, Any] = {}
        exec(Path(code).read_text(), module)
        assert module["edges"]([2.0], [3.0], [5.0]) == [11.0]
    for target in ("c", "casadi", "sympy"):
        assert main(["emit", saved, "--to", target, "--name", "edges"]) == 0
        assert "edges" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("chain: [{shape: [1, 1]}, {shape: [1, 1], tangent: 3, adjoint: 3}]\n", "found matrix-free elementals"),
        ("chain: [2, 3, 2]\nproducts: {right: 2}\n", "found products with vectors"),
        ("chain: [500, 500, 500]\n", "expected at most 100,000"),
        ("chain: [2, 3, n]\nsizes: {n: [2, 9]}\n", "n"),
    ],
)
def test_what_is_no_scalar_code_is_refused(
    spec: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.yaml").write_text(spec)
    assert main(["emit", str(tmp_path / "spec.yaml")]) == 2
    assert words in capsys.readouterr().err
    (tmp_path / "spec.yaml").write_text("chain: [2, 3, 2]\n")
    assert main(["emit", str(tmp_path / "spec.yaml"), "--derivative", "hessian"]) == 2
    assert "found Jacobians, and --derivative hessian; expected jacobian" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (tuple(k % 5 for k in range(9)), None),
        (None, tuple(k % 5 for k in range(9))),
        ((0,) + (-1,) * 7 + (0,), tuple(k % 5 for k in range(9))),
    ],
    ids=["tangents", "adjoints", "both"],
)
def test_compressed_sweeps_over_given_entries(columns: tuple[int, ...] | None, rows: tuple[int, ...] | None) -> None:
    band = {"shape": [9, 9], "structure": {"banded": [1, 1]}}
    problem = chainplan.from_spec({"chain": [band, band]})
    steps: list[Step] = [Load("F1"), Load("F2")]
    ends: list[int | None] = []
    for mode, colours in ((Mode.TANGENT, columns), (Mode.ADJOINT, rows)):
        at = len(steps)
        ends.append(None if colours is None else at + 2)
        if colours is not None:
            pairs = ((0, at), (1, at + 1)) if mode is Mode.TANGENT else ((at, 1), (at + 1, 0))
            steps += [Seed("x0" if mode is Mode.TANGENT else "x2", mode, colours), *(Multiply(*p) for p in pairs)]
    steps.append(Decompress(*ends))
    program = from_plan(Plan(problem.graph, tuple(steps), (Output("x2", "x0", len(steps) - 1),)))
    first, second = np.triu(np.tril(np.random.default_rng(0).normal(size=(2, 9, 9)), 1), -1)
    (found,) = program.evaluate(first, second)
    expected = second @ first
    assert np.abs(found - expected).max() <= 1e-15 * np.abs(expected).max()
    assert program.outputs[0].entries == tuple(np.flatnonzero(expected))
    assert not program.constants


def test_a_plan_of_states_is_refused() -> None:
    problem = chainplan.from_spec({"chain": [2, 2, 2], "limits": {"recompute": True}})
    with pytest.raises(SpecError, match="found a step of kind advance"):
        from_plan(chainplan.plan(problem))
