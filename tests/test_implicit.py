"""Unknowns that are solved together, from a spec to numbers: plans, files, prices, memory, values, refusals."""

from __future__ import annotations

import json
import random
import re
from collections import UserDict
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import chainplan
from chainplan._util.arrays import Array
from chainplan.errors import ArgumentError, ExecutionError, PlanError, SolverError, SpecError
from chainplan.io.plan_file_claims import verify
from chainplan.plans.steps import Propagate
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.proofs.claims import prove_again
from chainplan.solvers.registry import SOLVERS
from chainplan.values.draw import draw
from chainplan.values.solves import with_solves
from chainplan_cli.main import main
from tests.oracles.implicit import implicit_jacobian

COUPLED: dict[str, Any] = {
    "sizes": {"x": 2, "z": 3, "y1": 3, "y2": 2, "f": 1},
    "inputs": ["x", "z"],
    "outputs": ["f", "y2"],
    "jacobians": [{"edge": e.split()} for e in ("x y1", "z y2", "y2 y1", "y1 y2", "y1 f", "x f")],
    "implicit": {"unknowns": ["y1", "y2"]},
}
BEAM: dict[str, Any] = {
    "sizes": {"h": 4, "r": 6, "u": 6, "c": 1},
    "inputs": ["h"],
    "outputs": ["c"],
    "jacobians": [{"edge": ["h", "r"]}, {"edge": ["u", "r"], "structure": {"banded": [1, 1]}}, {"edge": ["u", "c"]}],
    "implicit": [{"unknowns": ["u"], "residuals": ["r"], "name": "beam"}],
}
DAGS = {"coupled": COUPLED, "beam": BEAM}


def changed(dag: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {**dag, **parts}


def random_dag(seed: int) -> dict[str, Any]:
    """Draw a graph with one or two systems, one behind the other, with and without residuals."""
    rng = random.Random(seed)
    sizes: dict[str, int] = {"x": rng.randint(1, 3), "w": rng.randint(1, 3)}
    edges: list[list[str]] = []
    systems: list[dict[str, Any]] = []
    before = ["x", "w"]
    for k in range(rng.randint(1, 2)):
        unknowns = [f"y{k}{i}" for i in range(rng.randint(1, 3))]
        sizes |= {v: rng.randint(1, 3) for v in unknowns}
        residuals = [f"r{k}{i}" for i in range(len(unknowns))]
        named = rng.random() < 0.5
        ends = residuals if named else unknowns
        if named:
            sizes |= {r: sizes[y] for r, y in zip(residuals, reversed(unknowns), strict=True)}
        edges += [[v, end] for v in before for end in ends if rng.random() < 0.7]
        edges += [[v, end] for v in unknowns for end in ends]
        systems.append({"unknowns": unknowns, **({"residuals": residuals} if named else {})})
        before = [*before, *unknowns]
    sizes["f"] = rng.randint(1, 3)
    edges += [[v, "f"] for v in before]
    jacobians = [{"edge": edge} for edge in edges]
    outputs = ["f"] if seed % 2 else ["f", systems[-1]["unknowns"][0]]
    return {"sizes": sizes, "inputs": ["x", "w"], "outputs": outputs, "jacobians": jacobians, "implicit": systems}


def whole_values(dag: dict[str, Any], seed: int) -> dict[str, Array]:
    """Draw whole numbers for every edge, those of systems with residuals strong on the diagonal."""
    rng = np.random.default_rng(seed)
    sizes, values = dag["sizes"], {}
    for item in dag["jacobians"]:
        source, target = item["edge"]
        block = rng.integers(-4, 5, (sizes[target], sizes[source]))
        if "structure" in item:
            low, high = item["structure"]["banded"]
            block = np.tril(np.triu(block, -low), high)
        if target[0] == "r" and source[0] in "uy":
            block = block + 25 * np.eye(*block.shape, dtype=np.int64)
        values[f"{target}/{source}"] = block
    return values


def agrees(found: dict[Any, Any], dag: dict[str, Any], values: dict[str, Array]) -> bool:
    """Compare a Jacobian with the exact one."""
    exact = implicit_jacobian(dag, {name: value.tolist() for name, value in values.items()})
    scale = max(abs(entry) for block in exact.values() for row in block for entry in row) or 1
    return all(
        float(np.abs(found.get(pair, 0) - np.array(block, float)).max()) <= 1e-9 * float(scale)
        for pair, block in exact.items()
    )


def regular_values(dag: dict[str, Any], seed: int) -> dict[str, Array]:
    """Draw whole numbers until no system is singular."""
    for other in count(seed, 1000):
        values = whole_values(dag, other)
        try:
            implicit_jacobian(dag, {name: value.tolist() for name, value in values.items()})
        except StopIteration:
            continue
        return values
    raise AssertionError("count does not end")


def executed(problem: Problem, values: dict[str, Array], solver: str = "auto") -> dict[tuple[str, str], Array]:
    result = chainplan.plan(problem, solver, nodes=200)
    assert result.plan is not None
    chainplan.check(result.plan, problem)
    return chainplan.execute(result.plan, values)


@pytest.mark.parametrize("name", DAGS)
@pytest.mark.parametrize("solver", ["auto", "forward", "reverse", "propagation", "greedy", "dag-exact"])
def test_every_solver_computes_the_exact_jacobian(name: str, solver: str) -> None:
    values = whole_values(DAGS[name], 3)
    problem = chainplan.from_spec({"dag": DAGS[name]})
    assert agrees(executed(problem, values, solver), DAGS[name], values)


@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(s, marks=pytest.mark.nightly) for s in range(10, 300))])
def test_random_systems_have_the_exact_jacobian(seed: int) -> None:
    dag = random_dag(seed)
    values, problem = regular_values(dag, seed), chainplan.from_spec({"dag": dag})
    assert chainplan.from_spec(problem.to_spec()) == problem
    assert agrees(executed(problem, values), dag, values)
    if dag["outputs"][-1] != "f":
        return
    turned = executed(Problem(problem.graph.transpose()), {name: value.T for name, value in values.items()})
    assert agrees({(o, i): block.T for (i, o), block in turned.items()}, dag, values)


def test_the_factorisation_is_paid_once_and_held_throughout() -> None:
    result = chainplan.plan(chainplan.from_spec({"dag": COUPLED}))
    plan, replay = result.plan, result.replay
    assert plan is not None
    assert replay is not None
    assert replay.factors == (5**3 - 5) // 3 == 40
    assert result.price == 40 + sum(replay.prices)
    applied = [i for i, step in enumerate(plan.steps) if isinstance(step, Propagate)]
    assert sum(replay.prices[i] for i in applied) == 25 * 3
    assert min(replay.alive) >= 25
    assert result.bound == result.price
    assert result.baselines.reverse == chainplan.plan(result.problem, "reverse").price


@pytest.mark.parametrize(("inputs", "outputs", "mode"), [(1, 30, Mode.TANGENT), (30, 1, Mode.ADJOINT)])
def test_sizes_decide_between_direct_and_adjoint(inputs: int, outputs: int, mode: Mode) -> None:
    dag = changed(BEAM, sizes={"h": inputs, "r": 6, "u": 6, "c": outputs})
    plan = chainplan.plan(chainplan.from_spec({"dag": dag})).plan
    assert plan is not None
    assert [step.mode for step in plan.steps if isinstance(step, Propagate)] == [mode]


def test_a_band_is_priced_by_what_its_factors_fill_in() -> None:
    n = 200
    dag = changed(BEAM, sizes={"h": 4, "r": n, "u": n, "c": 1})
    (solve,) = chainplan.from_spec({"dag": dag}).graph.solves
    assert solve.implicit is not None
    assert solve.implicit.counts.factor <= 2.1 * n
    assert solve.implicit.counts.solve <= 3.1 * n


def test_limits_of_memory_count_the_factors() -> None:
    problem = chainplan.from_spec({"dag": COUPLED})
    needed = chainplan.plan(problem).replay
    assert needed is not None
    kept = chainplan.plan(replace(problem, memory=needed.peak))
    assert kept.replay is not None
    assert kept.replay.peak <= needed.peak
    short = chainplan.plan(replace(problem, memory=20))
    assert short.plan is None
    assert short.status is chainplan.Status.INFEASIBLE


def test_products_factor_once(tmp_path: Path) -> None:
    problem = chainplan.from_spec({"dag": COUPLED, "products": {"right": 3, "left": 2}})
    values, result = whole_values(COUPLED, 8), chainplan.plan(problem)
    assert result.replay is not None
    assert result.replay.products.setup >= 40
    exact = implicit_jacobian(COUPLED, {name: value.tolist() for name, value in values.items()})
    whole = np.block([[np.array(exact[o, i], float) for i in COUPLED["inputs"]] for o in COUPLED["outputs"]])
    J = chainplan.operator(result, values)
    assert np.allclose(J @ np.eye(5), whole)
    assert np.allclose(J.T @ np.eye(3), whole.T)
    assert [J[o, "x"].shape for o in ("f", "y2")] == [(1, 2), (2, 2)]


def saved(tmp_path: Path, dag: dict[str, Any] = COUPLED) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(chainplan.render(chainplan.plan(chainplan.from_spec({"dag": dag})), "json"), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", DAGS)
def test_a_plan_file_is_proven_again(name: str, tmp_path: Path) -> None:
    verdict = prove_again(chainplan.read_plan(saved(tmp_path, DAGS[name])))
    assert str(verdict) == "proven again"


@pytest.mark.parametrize("field", ["fma", "elements"])
def test_a_false_factorisation_is_refuted(field: str, tmp_path: Path) -> None:
    path = saved(tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["factors"][0][field] += 1
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PlanError, match="factors is claimed"):
        verify(chainplan.read_plan(path))


@pytest.mark.parametrize("name", DAGS)
def test_the_commands_take_systems(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, npz = tmp_path / "spec.yaml", tmp_path / "values.npz"
    spec.write_text(yaml.safe_dump({"dag": DAGS[name]}), encoding="utf-8")
    values = whole_values(DAGS[name], 2)
    np.savez(npz, **values)  # type: ignore[arg-type]
    assert main(["plan", str(spec)]) == 0
    assert "of the cost, once in every plan, holds" in capsys.readouterr().out
    assert main(["run", str(spec)]) == 0
    assert main(["run", str(spec), "--jacobians", str(npz)]) == 0
    assert "valid: " in capsys.readouterr().out
    assert main(["check", str(saved(tmp_path, DAGS[name]))]) == 0
    assert main(["compare", str(spec), "--only", "forward,reverse,auto"]) == 0
    assert main(["explain", str(spec)]) == 0
    assert main(["draw", str(spec), "-o", str(tmp_path / "slide.svg")]) == 0


def test_a_solver_of_ones_own_is_taken() -> None:
    values = whole_values(BEAM, 1)
    inverse = -np.linalg.inv(values["r/u"])
    own: dict[str, Any] = {name: value for name, value in values.items() if name != "r/u"}
    own["beam"] = (lambda block: inverse @ block, lambda block: block @ inverse)
    assert agrees(executed(chainplan.from_spec({"dag": BEAM}), own), BEAM, values)


def test_prepared_plans_factor_new_values() -> None:
    run = chainplan.prepare(chainplan.plan(chainplan.from_spec({"dag": COUPLED})))
    for seed in (5, 6):
        values = whole_values(COUPLED, seed)
        assert agrees(run(values), COUPLED, values)


def test_a_system_that_is_singular_to_rounding_is_named() -> None:
    full = [{"edge": edge.split()} for edge in ("h r", "u r", "u c")]
    plan = chainplan.plan(chainplan.from_spec({"dag": changed(BEAM, jacobians=full)}))
    values = {"r/h": np.ones((6, 4)), "r/u": np.add.outer(np.arange(6.0), 0.1 * np.arange(6)), "c/u": np.ones((1, 6))}
    with pytest.raises(ExecutionError, match=r"'beam': found a singular system for 'u' \(reciprocal condition"):
        chainplan.execute(plan, values)


REFUSED: list[tuple[dict[str, Any], str]] = [
    (changed(COUPLED, implicit={"unknowns": ["y1", "q"]}), "'q' is no vertex"),
    (changed(COUPLED, implicit={"unknowns": ["y1", "x"]}), "'x' is an input"),
    (changed(COUPLED, implicit=[{"unknowns": ["y1", "y2"]}, {"unknowns": ["y1"]}]), "'y1' stands in a system already"),
    (changed(COUPLED, implicit={"unknowns": ["y1"]}), "the edges form a cycle"),
    (changed(COUPLED, implicit={"unknowns": []}), "names no vertex"),
    (changed(BEAM, sizes={"u": 0, "r": 0}, implicit={"unknowns": ["u"], "residuals": []}), "residuals names no vertex"),
    (changed(COUPLED, implicit={"unknowns": ["y1", "y1"]}), "names 'y1' twice"),
    (changed(COUPLED, implicit={"residuals": ["y1"]}), "has no 'unknowns'"),
    (changed(COUPLED, implicit={"unknowns": ["y1", "y2"], "name": "f/x"}), "the name 'f/x' is taken"),
    (changed(BEAM, sizes={"h": 4, "r": 6, "u": 5, "c": 1}), "residuals of 6 entries together, and unknowns of 5"),
    (changed(BEAM, outputs=["c", "r"]), "the residual 'r' is an output"),
    (changed(BEAM, jacobians=[*BEAM["jacobians"], {"edge": ["r", "c"]}]), "starts at the residual 'r'"),
    (changed(BEAM, jacobians=[*BEAM["jacobians"], {"edge": ["h", "u"]}]), "ends at the unknown 'u'"),
    (changed(BEAM, jacobians=[{"edge": ["h", "r"]}, {"edge": ["u", "c"]}]), "R_y is singular, whatever its entries"),
    (
        changed(BEAM, jacobians=[{"edge": ["h", "r"]}, {"edge": ["u", "r"], "tangent": 9}, {"edge": ["u", "c"]}]),
        "'r/u' is matrix-free, but stands in the system",
    ),
    (changed(BEAM, sizes={"h": 4, "r": "n", "u": "n", "c": 1}), "names for sizes and 'implicit'"),
    (changed(BEAM, seconds=[]), "both 'implicit' and 'seconds'"),
]


@pytest.mark.parametrize(("dag", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_wrong_systems_are_refused(dag: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        chainplan.from_spec({"dag": dag, "ranges": {"n": [1, 9]}} if "n" in dag["sizes"].values() else {"dag": dag})


def test_what_does_not_go_with_systems_is_refused() -> None:
    with pytest.raises(SpecError, match="the dag has 'implicit'"):
        chainplan.from_spec({"dag": BEAM, "limits": {"recompute": True}})
    with pytest.raises(SpecError, match="second derivatives beside implicit systems"):
        chainplan.from_spec({"dag": BEAM, "derivative": 2})
    problem = chainplan.from_spec({"dag": BEAM})
    with pytest.raises(SolverError, match="with implicit systems"):
        chainplan.plan(problem, machines=2)
    with pytest.raises(ArgumentError, match=r"found the implicit unknowns '.*'; expected .* which graphs do not have"):
        chainplan.to_networkx(problem)
    with pytest.raises(SolverError, match="whose factors are no trade"):
        chainplan.pareto(problem)
    with pytest.raises(ExecutionError, match="found int64 for a system"):
        draw(problem.graph, dtype=np.int64)


def test_solvers_that_accept_a_system_are_more_than_a_few() -> None:
    problem = chainplan.from_spec({"dag": COUPLED})
    assert sum(solver.refusal(problem) is None for solver in SOLVERS.values()) >= 8


# What is not needed, and what cannot be solved with


SIDE = {
    "sizes": {"x": 2, "y": 2, "z": 2, "f": 1},
    "inputs": ["x"],
    "outputs": ["f"],
    "jacobians": [{"edge": e.split()} for e in ("x y", "y y", "y f", "x z", "z z")],
    "implicit": [{"unknowns": ["y"]}, {"unknowns": ["z"]}],
}
"""The system of z is on no path to the output."""
SIDE_VALUES: dict[str, Array] = {"y/x": np.ones((2, 2)), "y/y": 3 * np.eye(2), "f/y": np.ones((1, 2))}


def run_on(tmp_path: Path, values: dict[str, Array]) -> int:
    spec, npz = tmp_path / "spec.yaml", tmp_path / "values.npz"
    spec.write_text(yaml.safe_dump({"dag": SIDE}), encoding="utf-8")
    np.savez(npz, **values)  # type: ignore[arg-type]
    return main(["run", str(spec), "--jacobians", str(npz)])


@pytest.mark.parametrize("more", [{}, {"z/x": np.ones((2, 2)), "z/z": np.eye(2)}], ids=["without", "with"])
def test_a_run_takes_values_of_what_is_not_needed_or_does_without(more: dict[str, Array], tmp_path: Path) -> None:
    assert run_on(tmp_path, {**SIDE_VALUES, **more}) == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.eye(2), "found a singular system for 'y' (a pivot is zero)"),
        (np.ones((2, 2), np.float16), "'y/y' has dtype float16, of which no entries are listed; pass float32"),
    ],
    ids=["singular", "half"],
)
def test_a_run_names_what_cannot_be_solved(
    value: Array, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_on(tmp_path, {**SIDE_VALUES, "y/y": value}) != 0
    assert message in capsys.readouterr().err


def test_entries_that_are_undefined_are_no_singular_matrix() -> None:
    values = {**SIDE_VALUES, "y/y": np.full((2, 2), np.nan)}
    plan = chainplan.plan(chainplan.from_spec({"dag": SIDE}))
    with pytest.raises(ExecutionError, match="with infinite or undefined entries"):
        chainplan.execute(plan, values)


def test_numbers_near_the_least_float_are_scaled() -> None:
    least = np.ldexp(1.0, -1060)
    sizes, edges = {"h": 1, "r": 2, "u": 2, "c": 2}, [{"edge": e.split()} for e in ("h r", "u r", "u c")]
    values = {"r/h": np.full((2, 1), least), "r/u": np.array([[2, 1], [1, 3]]) * least, "c/u": np.ones((2, 2))}
    problem = chainplan.from_spec({"dag": changed(BEAM, sizes=sizes, jacobians=edges)})
    assert np.allclose(executed(problem, values, "forward")["c", "h"], -3 / 5)


def test_unknown_names_are_answered_with_those_of_systems() -> None:
    plan = chainplan.plan(chainplan.from_spec({"dag": SIDE}))
    with pytest.raises(ExecutionError, match=r"'q' is no elemental of the plan; expected some of .*y/y"):
        chainplan.execute(plan, {**SIDE_VALUES, "q": np.eye(2)})


def test_other_jacobians_are_still_asked_for_on_demand() -> None:
    class Asked(UserDict[str, Array]):
        def __getitem__(self, name: str) -> Array:
            asked.append(name)
            return self.data[name]

    asked: list[str] = []
    plan = chainplan.plan(chainplan.from_spec({"dag": SIDE}))
    given = Asked({**SIDE_VALUES, "z/x": np.ones((2, 2)), "z/z": np.eye(2)})
    assert chainplan.execute(plan, given)["f", "x"].tolist() == [[-1.0, -1.0]]
    assert all(asked.count(name) == 1 for name in SIDE_VALUES)
    made = with_solves(plan.plan.graph, given) if plan.plan is not None else {}
    asked.clear()
    assert "y/x" in made
    assert "y/y" not in made, "the blocks of a system are behind its functions"
    assert not asked, "to look for a name reads nothing"


def test_bare_edges_find_inputs_and_outputs_beside_systems() -> None:
    edges = [e.split() for e in ("h r", "u r", "u c")]
    graph = chainplan.from_spec({"dag": {"edges": edges, "implicit": BEAM["implicit"]}}).graph
    assert (graph.inputs, graph.outputs) == (("h",), ("c",))
    with pytest.raises(SpecError, match="no 'outputs', and no vertex that no edge leaves"):
        chainplan.from_spec({"dag": {"edges": [["x", "y"], ["y", "y"]], "implicit": {"unknowns": ["y"]}}})
