"""Second derivatives of chains: plans, their prices against all others, their numbers against exact integers."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainplan.codegen.sources.plan_steps import from_plan
from chainplan.errors import ArgumentError, ExecutionError, PlanError, SolverError, SpecError
from chainplan.execution.executor import execute, second_derivatives
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.networkx_graph import from_networkx, read_graphml, to_graphml, to_networkx
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import chain, from_spec
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.classes import SECOND_CARRIED, SECOND_SHARED
from chainplan.plans.product_orders import BASELINES, baseline_plan
from chainplan.plans.result import Result
from chainplan.plans.second_steps import Contract, LoadSecond
from chainplan.plans.steps import Add, Load, Multiply, Plan, SecondOutput, Step
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.mixed_second import OwnSecond
from chainplan.problem.problem import Problem
from chainplan.problem.second import ElementalSecond, SecondOrder
from chainplan.report.explain.reasons import reasons
from chainplan.report.explain.wording import worded
from chainplan.report.registry import RENDERERS
from chainplan.report.words.steps import order_text
from chainplan.structures import Block, second
from chainplan.structures.second import Side
from chainplan.validation.second_reference import reference_second_derivatives
from chainplan.validation.validate import require_memory, validate
from chainplan.values.jacobians import as_matrices
from chainplan.values.second import draw_all
from chainplan.values.second_functions import as_array
from chainplan_cli.main import main
from tests.oracles.second_order import (
    along,
    fma_of_lists,
    least_by_splits,
    least_with_carried_rows,
    second_derivative,
)
from tests.problems import random_chain
from tests.reference import instances

SIZES = [2, 5, 1, 3, 2]


def asked(sizes: list[int], weights: bool = False) -> Problem:
    return from_spec({"chain": sizes, "derivative": 2, **({"weights": True} if weights else {})})


def own(problem: Problem, name: str) -> OwnSecond:
    found = problem.graph.own_second(name)
    assert found is not None
    return found


def pairs(problem: Problem, values: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Jacobian and second derivative of each elemental as arrays."""
    matrices = as_matrices(problem.graph.elementals, values)
    return [(matrices[e.name].tolist(), as_array(own(problem, e.name), values).tolist()) for e in problem.graph.chain]


def random_second(rng: random.Random, kind: str = "structured", longest: int = 4) -> Problem:
    """A random chain with random second derivatives."""
    problem = replace(random_chain(rng, longest, kind), second=SecondOrder(), memory=None)
    spec = problem.to_spec()
    for item, e in zip(spec["chain"], problem.graph.elementals, strict=True):
        rows, cols = e.block[:2]
        entries = [[i, j, k] for i in range(rows) for j in range(cols) for k in range(j, cols) if rng.random() < 0.2]
        words = [None, "zero", "dense", {"coo": entries}, *(["diagonal"] if rows == cols else [])]
        word = rng.choice(words)
        if word is not None:
            item["second"] = word
    return from_spec(spec)


@pytest.mark.parametrize(("first", "last"), [(0, 60), pytest.param(60, 2000, marks=pytest.mark.nightly)])
def test_plans_of_random_chains_compute_exact_integers_at_the_prices_counted_entry_by_entry(
    first: int, last: int
) -> None:
    some = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = random_second(rng)
        result = plan(problem)
        assert result.plan is not None, seed
        assert check(result.plan, problem).total == result.price
        assert result.price is not None
        assert result.price <= result.baselines.best
        values = draw_all(problem, seed, np.int64)
        expected = second_derivative(pairs(problem, values), problem.graph.sizes[problem.graph.inputs[0]])
        for found in second_derivatives(result, values).values():
            assert found.tolist() == expected, seed
            assert np.array_equal(found, found.transpose(0, 2, 1))
            some += 1
        if not result.plan.second_outputs:
            assert not np.any(expected), seed
        entries: dict[str, Any] = {e.name: entries_of(e.block) for e in problem.graph.chain}
        entries |= {f"{e.name}''": second_entries(e.second_block) for e in problem.graph.chain}
        if problem.graph.exact and all(not e.block.structure.unit for e in problem.graph.chain):
            assert fma_of_lists({**document(result), "patterns": entries}) == result.price, seed
    assert some > 0.5 * (last - first)


def entries_of(block: Any) -> set[tuple[int, int]]:
    rows, cols = block.structure.pattern(*block[:2]).nonzero()
    return set(zip(rows.tolist(), cols.tolist(), strict=True))


def second_entries(block: Any) -> set[tuple[int, int, int]]:
    if block.pattern is None:
        return set(np.ndindex(*block[:3]))
    return set(zip(block.pattern.i.tolist(), block.pattern.j.tolist(), block.pattern.k.tolist(), strict=True))


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(8, 200))])
def test_no_bracketing_with_carried_rows_costs_less_nor_one_with_jacobians_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    for count, weights in ((2, False), (3, True), (4, False), (4, True), (3, False)):
        sizes = [rng.choice([1, 2, 3, 5, 8, 13]) for _ in range(count + 1)]
        result = plan(asked(sizes, weights))
        assert result.status is Status.OPTIMAL
        assert result.price == least_with_carried_rows(sizes, weights), (sizes, weights)
        least = least_with_carried_rows(sizes, weights, any_order=True)
        assert result.within == SECOND_CARRIED or (result.within == SECOND_SHARED and result.price == least)


def test_weighting_parts_before_they_are_put_together_costs_less() -> None:
    for sizes, weights in (([30, 20, 40, 30], True), ([3, 5, 3, 8, 2], False)):
        result = plan(asked(sizes, weights))
        assert result.price == least_with_carried_rows(sizes, weights)
        assert result.price < least_by_splits([*sizes, 1] if weights else sizes)


@pytest.mark.parametrize(("sizes", "weights"), [([4, 3, 2, 3], False), ([3, 8, 2, 5], True), ([2, 5, 1, 3, 2], False)])
def test_runners_up_at_the_last_split_cost_what_the_best_plan_with_it_costs(sizes: list[int], weights: bool) -> None:
    result = plan(asked(sizes, weights))
    first = reasons(result, 10.0).splits[0]
    assert first.runner_up is not None
    for way in (first.chosen, first.runner_up, *first.ties):
        assert way.price == least_with_carried_rows(sizes, weights, at=int(way.at.removeprefix("x")))
    said = str(list(worded(reasons(result, 10.0))))
    assert f"x0 → {'weights' if weights else f'x{len(sizes) - 1}'}: split at {first.chosen.at}" in said


LARGE = 60
"""Elementals up to which the quick tests plan and run what is stored; all the others wait for the night."""


@pytest.mark.parametrize("entry", instances("chain_hessian.json"))
def test_the_published_recurrence_costs_what_is_published(entry: dict[str, Any]) -> None:
    published = plan(asked(entry["sizes"]), "second-published")
    assert published.price == entry["optimum"]
    assert published.baselines.named() == {"forward": entry["right_incremental"], "reverse": entry["left_incremental"]}


@pytest.mark.parametrize("most", [LARGE, pytest.param(1000, marks=pytest.mark.nightly)])
def test_sharing_and_symmetry_cost_a_quarter_less_than_what_is_published_and_give_exact_integers(most: int) -> None:
    logarithms = []
    stored = [entry.values[0] for entry in instances("chain_hessian.json") if not entry.marks]
    for entry in [one for one in stored if len(one["sizes"]) - 1 <= most]:
        problem = asked(entry["sizes"])
        published, ours = plan(problem, "second-published"), plan(problem)
        assert ours.price is not None
        logarithms.append(math.log(ours.price / entry["optimum"]))
        values = draw_all(problem, 1, np.int64)
        expected = reference_second_derivatives(problem, values)
        for found in (second_derivatives(one, values, wrap=True) for one in (published, ours)):
            assert found.keys() == expected.keys()
            assert all(np.array_equal(found[key], block) for key, block in expected.items())
    assert math.exp(math.fsum(logarithms) / len(logarithms)) <= 0.75


def test_the_plan_file_is_read_checked_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, file, arrays = tmp_path / "spec.yaml", tmp_path / "plan.json", tmp_path / "values.npz"
    spec.write_text(
        "derivative: 2\nchain:\n  - {shape: [3, 4], second: zero}\n"
        "  - {shape: [3, 3], structure: diagonal}\n"
        "  - {name: last, shape: [1, 3], second: {coo: [[0, 0, 2]]}}\n"
    )
    assert main(["plan", str(spec), "--format", "json", "-o", str(file)]) == 0
    assert main(["check", str(file), "--require-proof"]) == 0
    saved = json.loads(file.read_text())
    assert [step["right_cols"] for step in saved["steps"] if step["op"] == "contract"]
    assert saved["second_outputs"][0]["left"] == "x0"
    values = draw_all(from_spec({k: v for k, v in saved["problem"].items() if k != "fingerprint" and v}), 3)
    given: dict[str, Any] = {name: np.asarray(value) for name, value in values.items()}
    np.savez(arrays, **given)
    for source in (spec, file):
        for options in (["--dtype", "int64"], ["--jacobians", str(arrays)]):
            assert main(["run", str(source), *options]) == 0
            assert "max|H|" in capsys.readouterr().out


def plan_of(*steps: Step, output: int) -> Plan:
    end = SecondOutput("x2", "x0", "x0", output)
    return Plan(asked([2, 2, 1]).graph, steps, (), second_outputs=(end,), second=SecondOrder())


def good_steps() -> list[Step]:
    made = plan(asked([2, 2, 1])).plan
    assert made is not None
    return list(made.steps)


def test_a_plan_that_leaves_a_term_out_or_counts_it_twice_is_refused() -> None:
    steps = good_steps()
    assert check(plan_of(*steps, output=len(steps) - 1)).total > 0
    first = next(p for p, step in enumerate(steps) if isinstance(step, Contract))
    with pytest.raises(PlanError, match="every term exactly once"):
        check(plan_of(*steps, output=first))
    with pytest.raises(PlanError, match="every term exactly once"):
        check(plan_of(*steps, Add(len(steps) - 1, len(steps) - 1), output=len(steps)))


def test_the_pair_of_inputs_whose_block_is_missing_is_named() -> None:
    ends: list[dict[str, Any]] = [{"edge": [v, "h"], "second": "zero"} for v in ("x", "z")]
    ends.append({"edge": ["h", "y"]})
    items = [{"name": f"F{k}", **end} for k, end in enumerate(ends, 1)]
    dag = {"sizes": {"x": 2, "z": 3, "h": 2, "y": 1}, "inputs": ["x", "z"], "outputs": ["y"], "jacobians": items}
    problem = from_spec({"dag": dag, "derivative": 2})
    steps: list[Step] = [LoadSecond("F3"), Load("F1"), Load("F2")]
    for second_place, block, side in ((0, 1, Side.LEFT), (3, 1, Side.RIGHT), (3, 2, Side.RIGHT), (0, 2, Side.LEFT)):
        steps.append(Contract(second_place, block, side, False))
    steps += [Contract(6, 1, Side.RIGHT, False), Contract(6, 2, Side.RIGHT, False)]
    pairs_made = [("x", "x", 4), ("x", "z", 5), ("z", "x", 7), ("z", "z", 8)]
    outputs = tuple(SecondOutput("y", *end) for end in pairs_made)
    whole = Plan(problem.graph, tuple(steps), (), second_outputs=outputs, second=problem.second)
    check(whole, problem)
    for missing in outputs:
        left = tuple(one for one in outputs if one != missing)
        with pytest.raises(PlanError, match=f"'y', '{missing.left}', '{missing.right}'"):
            check(replace(whole, second_outputs=left), problem)


def test_networkx_and_graphml_keep_what_is_asked_of_second_derivatives() -> None:
    items = [{"shape": [2, 3], "second": {"coo": [[0, 0, 1]]}}, {"shape": [2, 2], "second": "diagonal"}]
    problem = from_spec({"chain": items, "derivative": 2, "weights": True, "directions": {"right": 1}})
    for again in (
        from_networkx(to_networkx(problem)),
        read_graphml(to_graphml(problem).encode(), SpecMessages("graph")),
    ):
        assert (again.second, again.graph.elementals) == (problem.second, problem.graph.elementals)


def test_steps_of_second_order_are_typed() -> None:
    bad: list[tuple[list[Step], str]] = [
        ([Load("F1"), Contract(0, 0, Side.ROWS, False)], "expected a second-order block"),
        ([LoadSecond("F1"), Contract(0, 0, Side.ROWS, False)], "second-order block; expected a block of rows x cols"),
        ([LoadSecond("F2"), Load("F2"), Contract(0, 1, Side.BOTH, True)], "they must meet"),
        ([LoadSecond("F2"), Load("F1"), Contract(0, 1, Side.RIGHT, True)], "not known to be symmetric"),
        ([LoadSecond("F1"), Load("F1"), Add(0, 1)], "expected two of one kind"),
        ([LoadSecond("F1"), LoadSecond("F2"), Add(0, 1)], "same vertices"),
        ([LoadSecond("F1"), Load("F1"), Multiply(1, 0)], "second-order block"),
        ([LoadSecond("F9")], "no elemental"),
        ([LoadSecond("F2")], "leads"),
        ([Load("F1")], "expected a second-order block"),
    ]
    for steps, words in bad:
        with pytest.raises(PlanError, match=words):
            check(plan_of(*steps, output=len(steps) - 1))


def test_a_result_contracted_side_after_side_is_right_and_not_called_symmetric() -> None:
    f1, f2 = 0, 1
    steps: list[Step] = [Load("F1"), Load("F2")]
    steps += [LoadSecond("F2"), Contract(2, f1, Side.RIGHT, False), Contract(3, f1, Side.LEFT, False)]
    steps += [LoadSecond("F1"), Contract(5, f2, Side.ROWS, False, 4)]
    made = plan_of(*steps, output=6)
    check(made)
    values = draw_all(asked([2, 2, 1]), 0, np.int64)
    ((_, found),) = second_derivatives(made, values).items()
    ((_, expected),) = reference_second_derivatives(asked([2, 2, 1]), values).items()
    assert np.array_equal(found, expected)


def test_false_claims_of_a_file_are_refuted() -> None:
    saved = document(plan(asked(SIZES)))
    parsed = parse_plan(json.dumps(saved), "plan.json")
    verify(parsed)
    contracted = next(i for i, step in enumerate(saved["steps"]) if step["op"] == "contract")
    for field in ("fma", "rows", "cols", "right_cols"):
        forged = json.loads(json.dumps(saved))
        forged["steps"][contracted][field] += 1
        with pytest.raises(PlanError, match=field):
            verify(parse_plan(json.dumps(forged), "plan.json"))
    forged = json.loads(json.dumps(saved))
    forged["second_outputs"] = []
    with pytest.raises(PlanError, match="every term"):
        verify(parse_plan(json.dumps(forged), "plan.json"))


def test_terms_that_a_jacobian_without_entries_makes_zero_are_planned_too() -> None:
    nothing = {"shape": [3, 3], "structure": "zero"}
    items = [nothing, {"shape": [3, 3]}, {"shape": [3, 3], "second": "zero"}, {"shape": [2, 3], "second": "zero"}]
    for more in ({}, {"weights": True}, {"directions": {"right": 1}}):
        problem = from_spec({"chain": items, "derivative": 2, **more})
        result = plan(problem)
        assert result.plan is not None
        assert check(result.plan, problem).total == result.price
        for found in second_derivatives(result, draw_all(problem, 0)).values():
            assert not np.any(found)


def test_lists_behind_dense_factors_are_counted_by_lines_and_take_little_room() -> None:
    def spec(size: int) -> dict[str, Any]:
        inner, outer = {"shape": [size, size], "second": "zero"}, {"shape": [size, size], "structure": "diagonal"}
        return {"chain": [inner, outer], "derivative": 2}

    for size in (50, 2000, 200_000):
        result = plan(from_spec(spec(size)))
        assert (result.status, result.price) == (Status.OPTIMAL, size**2 + size**2 * (size + 1) // 2)


@pytest.mark.parametrize(
    "limits", [(1, 999, 999), (6, 999, 999), (20, 999, 999), (999, 3, 999), (6, 3, 999), (999, 999, 2)]
)
def test_nothing_is_called_optimal_by_what_is_counted_from_above(
    limits: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_above = 0
    for seed in range(40):
        problem = random_second(random.Random(seed))
        with monkeypatch.context() as patch:
            for name, limit in zip(("SECOND_ENTRIES", "FACTOR_ENTRIES", "PATTERN_TERMS"), limits, strict=True):
                patch.setattr(second, f"MAX_{name}", limit)
            rough = plan(problem)
        exact = plan(from_spec(problem.to_spec()))
        assert rough.price is not None
        assert exact.price is not None
        assert rough.price >= exact.price, seed
        assert rough.status is Status.FEASIBLE or rough.price == exact.price, seed
        from_above += rough.status is Status.FEASIBLE
    assert from_above


def test_what_does_not_go_with_second_derivatives_is_refused() -> None:
    others: tuple[Any, ...] = (3, -1, True, "2")
    for spec, words in (
        *(({"chain": [2, 3], "derivative": other}, "expected 1 or 2") for other in others),
        ({"chain": [{"name": "F1''", "shape": [2, 2]}, {"name": "F1", "shape": [2, 2]}], "derivative": 2}, "Rename"),
        ({"chain": [{"name": "x1:weights", "shape": [2, 2]}], "derivative": 2, "weights": True}, "Rename"),
        ({"chain": [2, 3], "derivative": 2, "products": {"right": 2}}, "expected one row"),
        ({"chain": [2, 1], "derivative": 2, "products": {"left": 2}}, "H is symmetric"),
        ({"chain": [2, 1], "derivative": 2, "directions": {"right": 1}, "products": {"right": 2}}, "no directions"),
        ({"chain": [2, "n"], "derivative": 2, "ranges": {"n": [1, 2]}}, "expected one of them"),
        ({"chain": [{"shape": [2, 3], "second": "diagonal"}], "derivative": 2}, "expected a square one"),
        ({"chain": [{"shape": [2, 3], "second": "diag"}], "derivative": 2}, "diagonal"),
        ({"chain": [{"shape": [2, 3], "second": {"coo": [[0, 1]]}}], "derivative": 2}, r"\[row, column, column\]"),
        ({"chain": [{"shape": [2, 3], "second": {"coo": [[2, 1, 1]]}}], "derivative": 2}, "2 x 3"),
    ):
        with pytest.raises(SpecError, match=words):
            from_spec(spec)
    with pytest.raises(ArgumentError):
        asked(SIZES).transpose()
    with pytest.raises(SolverError, match="second derivatives are asked for"):
        plan(asked(SIZES), "chain-dp")
    with pytest.raises(SolverError, match="'derivative: 2' is not set"):
        plan(chain(SIZES), "second-chain")
    endless = from_spec({"chain": [2, 2], "derivative": 2, "directions": {"left": 10**12}})
    with pytest.raises(ExecutionError, match="16,000,000,000,096 bytes"):
        require_memory(endless, np.float64)
    with pytest.raises(SolverError, match="machines: found 2 with second derivatives"):
        plan(asked(SIZES), machines=2)
    with pytest.raises(SpecError, match="found a plan for second derivatives"):
        from_plan(plan(asked(SIZES)))
    with pytest.raises(ArgumentError, match="pattern: found 'none'; expected dense, diagonal, zero"):
        ElementalSecond("none")
    with pytest.raises(ArgumentError, match="second: found 'zero'; expected an ElementalSecond"):
        Graph({"x": 2, "y": 2}, ("x",), ("y",), (Elemental("F", "x", "y", Block(2, 2), second="zero"),))  # type: ignore[arg-type]


def test_arrays_that_are_no_second_derivatives_are_refused() -> None:
    problem = asked([2, 2])
    made, slope = plan(problem), {"F1": np.eye(2)}
    for bend, words in (
        (None, "no second derivative"),
        (np.zeros((2, 2)), "shape"),
        (np.arange(8.0).reshape(2, 2, 2), "differs from its transpose"),
    ):
        with pytest.raises(ExecutionError, match=words):
            second_derivatives(made, slope if bend is None else {**slope, "F1''": bend})
    with pytest.raises(ExecutionError, match="second_derivatives"):
        execute(made, slope)
    with pytest.raises(ExecutionError, match="execute"):
        second_derivatives(plan(chain([2, 2])), slope)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_second_derivatives_that_are_symmetric_but_for_rounding_are_taken(dtype: Any) -> None:
    problem = from_spec({"chain": [{"shape": [2, 3]}, {"shape": [2, 2], "second": {"coo": [[0, 0, 1], [1, 1, 1]]}}]})
    made = plan(replace(problem, second=SecondOrder()))
    values = draw_all(made.problem, 3, np.float64)
    values = {name: array.astype(dtype) for name, array in values.items()}
    expected = second_derivatives(made, values)["x2", "x0", "x0"]
    for name, place in (("F1''", (1, 0, 2)), ("F2''", 0)):
        for part, accepted in ((4 * np.finfo(dtype).eps, True), (1e-2, False)):
            bent = values[name].copy()
            bent[place] *= 1 + part
            if accepted:
                found = second_derivatives(made, {**values, name: bent})["x2", "x0", "x0"]
                assert np.array_equal(found, found.transpose(0, 2, 1))
                assert abs(found - expected).max() <= 1e2 * np.finfo(dtype).eps * abs(expected).max()
            else:
                with pytest.raises(ExecutionError, match="differs from its transpose"):
                    second_derivatives(made, {**values, name: bent})


def test_elementwise_functions_of_many_entries_are_planned_and_run_without_their_cubes() -> None:
    size = 20_000
    items = [{"shape": [size, size], "structure": "diagonal"}] * 3
    problem = from_spec({"chain": items, "derivative": 2})
    result = plan(problem)
    assert result.cost is not None
    assert result.cost.fma < 20 * size
    assert result.cost.peak_elements < 20 * size
    values = draw_all(problem, 0)
    held: Any = second_derivatives(result, values, dense=False)["x3", "x0", "x0"]
    f, g, h = (values[f"F{i}"] for i in (1, 2, 3))
    ff, gg, hh = (values[f"F{i}''"] for i in (1, 2, 3))
    assert np.allclose(held.tocsr().data, hh * (g * f) ** 2 + h * (gg * f**2 + g * ff))


@pytest.mark.parametrize(("first", "last"), [(0, 60), pytest.param(60, 2000, marks=pytest.mark.nightly)])
def test_weights_and_directions_give_what_exact_integers_give_and_what_h_times_v_is(first: int, last: int) -> None:
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = random_second(rng)
        second = SecondOrder(rng.random() < 0.6, rng.choice([None, 1, 2]), rng.choice([None, 1, 3]))
        part = replace(problem, second=second)
        result = plan(part)
        assert result.plan is not None, seed
        assert check(result.plan, part).total == result.price
        assert result.price is not None
        assert result.price <= result.baselines.best
        values = draw_all(part, seed, np.int64)
        sizes = [problem.graph.sizes[v] for v in (*problem.graph.outputs, *problem.graph.inputs)]
        u, v = (values.get(f"x0:{side}", np.eye(sizes[1], dtype=np.int64)) for side in ("left", "right"))
        expected = np.array([[along(pairs(problem, values), a, b) for b in v.T.tolist()] for a in u.T.tolist()])
        expected = np.moveaxis(expected.reshape(u.shape[1], v.shape[1], sizes[0]), 2, 0)
        if second.weights:
            expected = np.tensordot(values[f"{problem.graph.outputs[0]}:weights"], expected, 1)
        given = {name: value for name, value in values.items() if not name.startswith("x")}
        whole = second_derivatives(plan(problem), given).values()
        for found in second_derivatives(result, values).values():
            assert np.array_equal(found, expected), seed
            for block in whole if not second.weights else ():
                assert np.array_equal(np.einsum("iab,aj,bk->ijk", block, u, v), found)
        assert result.plan.second_outputs or not np.any(expected), seed


def test_a_product_with_the_hessian_costs_far_less_than_the_hessian() -> None:
    spec = {"chain": [60] * 5, "derivative": 2, "weights": True}
    hessian, product = plan(from_spec(spec)), plan(from_spec({**spec, "directions": {"right": 1}}))
    assert hessian.price is not None
    assert product.price is not None
    assert 2.5 * product.price < hessian.price


def test_plans_along_directions_cost_no_more_than_baselines_where_jacobians_have_no_entries() -> None:
    nothing = {"second": {"coo": [[1, 0, 1]]}, "structure": "zero"}
    items = [{"shape": [2, 6], **nothing}, {"shape": [2, 2], "second": "diagonal"}, {"shape": [2, 2], **nothing}]
    result = plan(from_spec({"chain": items, "derivative": 2, "directions": {"left": 2}}))
    assert result.price == result.baselines.best == 0


@pytest.mark.parametrize("name", ["forward", "reverse"])
@pytest.mark.parametrize("directions", [{"right": 1}, {"left": 2, "right": 1}])
def test_baselines_along_directions_take_chains_of_any_length(name: str, directions: dict[str, int]) -> None:
    problem = from_spec({"chain": [1] * 1201, "derivative": 2, "weights": True, "directions": directions})
    made = baseline_plan(problem, name)
    assert sum(isinstance(step, LoadSecond) for step in made.steps) == 1200
    check(made, problem)


def test_weights_and_directions_that_do_not_fit_are_refused() -> None:
    for spec, words in (
        ({"chain": [2, 3], "weights": True}, "without 'derivative: 2'"),
        ({"chain": [2, 3], "derivative": 2, "directions": {"left": 0}}, "at least one direction"),
        ({"chain": [2, 3], "derivative": 2, "directions": {"up": 1}}, "unknown key 'up'"),
    ):
        with pytest.raises(SpecError, match=words):
            from_spec(spec)
    problem = from_spec({"chain": [2, 3], "derivative": 2, "weights": True, "directions": {"left": 2}})
    made, values = plan(problem), draw_all(problem, 0)
    for name, array in (("x1:weights", np.ones((1, 2))), ("x0:left", np.ones((3, 2)))):
        with pytest.raises(ExecutionError, match=name):
            second_derivatives(made, {**values, name: array})
        with pytest.raises(ExecutionError, match=f"no '{name}'"):
            second_derivatives(made, {key: value for key, value in values.items() if key != name})
    assert made.plan is not None
    with pytest.raises(PlanError, match="asked for"):
        check(made.plan, asked([2, 3]))
    with pytest.raises(PlanError, match="expected what the problem asks for"):
        check(replace(made.plan, second=SecondOrder()))


@pytest.mark.parametrize("objective", ["operations", "weighted"])
def test_second_derivatives_are_planned_by_other_objectives(objective: str) -> None:
    calls = {"shape": [9, 9], "second_tangent": 50, "second_adjoint": 70}
    graph = {"sizes": {"x": 9, "a": 4, "b": 5, "y": 1}, "inputs": ["x"], "outputs": ["y"]}
    edges = [{"edge": edge} for edge in (["x", "a"], ["x", "b"], ["a", "y"], ["b", "y"])]
    for spec in (
        {"chain": SIZES},
        {"chain": [calls, calls, {"shape": [1, 9]}], "weights": True, "directions": {"right": 1}},
        {"dag": {**graph, "jacobians": edges}},
    ):
        problem = from_spec({**spec, "derivative": 2})
        result = plan(problem, objective=objective)
        assert result.plan is not None
        cost = result.problem.cost
        assert cost.objective == objective
        assert check(result.plan, problem, cost).total == result.price
        assert result.price is not None
        assert result.price <= min(check(baseline_plan(problem, name), problem, cost).total for name in BASELINES[:2])
        assert result.status is Status.FEASIBLE


@pytest.mark.parametrize("name", sorted(set(RENDERERS) - {"svg", "trace"}))
def test_every_report_shows_second_derivatives(name: str) -> None:
    assert RENDERERS[name](plan(asked(SIZES)))


def test_the_order_of_a_contraction_keeps_its_brackets() -> None:
    for directions, text in ({}, "w·F1''"), ({"directions": {"right": 1}}, "(w·F1'')[:, V]"):
        made = plan(from_spec({"chain": [3, 3], "derivative": 2, "weights": True, **directions})).plan
        assert made is not None
        assert order_text(made) == text


def test_validation_finds_a_wrong_plan() -> None:
    problem = asked([3, 2, 2])
    values = draw_all(problem, 0)
    result = plan(problem)
    assert isinstance(result, Result)
    assert result.plan is not None
    assert validate(problem, result.plan, values).valid
    partial = next(p for p, step in enumerate(result.plan.steps) if isinstance(step, Contract))
    wrong = replace(result.plan, second_outputs=(SecondOutput("x2", "x0", "x0", partial),))
    assert not validate(problem, wrong, values).valid
