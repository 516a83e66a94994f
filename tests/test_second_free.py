"""Matrix-free second derivatives: their prices against all ways, and exact integers by functions of the caller."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainplan.errors import ArgumentError, ExecutionError, PlanError, SpecError
from chainplan.execution.executor import second_derivatives
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.networkx_graph import from_networkx, read_graphml, to_graphml, to_networkx
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.second_colours import SecondColours, TakenSides, calls_of, colours_for, second_misfit
from chainplan.plans.second_elimination import SecondElimination, elimination_plan
from chainplan.plans.second_steps import ApplySecond, LoadSecond
from chainplan.plans.steps import Load, Plan, SecondOutput, Step
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.problem.second import ElementalSecond, SecondOrder
from chainplan.report.registry import RENDERERS
from chainplan.structures.second import SecondBlock, diagonal_second, listed_second
from chainplan.validation.second_reference import reference_second_derivatives
from chainplan.values.second import draw_all
from chainplan.values.second_functions import as_array
from chainplan_cli.main import main
from tests.oracles.second_order import formed, least_with_carried_rows, second_derivative
from tests.test_second import own, pairs, random_second
from tests.test_second_graphs import along_sides, checked_plan, exact, random_second_dag

KEYS = ("second_tangent", "second_adjoint")


def freed(rng: random.Random, problem: Problem) -> Problem:
    """The problem with some second derivatives that are matrix-free."""
    elementals = []
    for e in problem.graph.elementals:
        prices = [rng.choice([None, 0, 1, 2, 5, 9, 30]) for _ in KEYS]
        pattern = None if e.second is None else e.second.pattern
        elementals.append(replace(e, second=ElementalSecond(pattern, *prices)) if rng.random() < 0.7 else e)
    return replace(problem, graph=replace(problem.graph, elementals=tuple(elementals)))


def functions(array: Any, calls: Counter[str], modes: tuple[int | None, int | None]) -> tuple[Any, Any]:
    """Second tangent and second adjoint of an array of integers, which count their calls line by line."""

    def tangent(left: Any, right: Any) -> Any:
        calls["tangent"] += left.shape[1]
        return np.einsum("ijk,jc,kc->ic", array, left, right)

    def adjoint(weights: Any, directions: Any) -> Any:
        calls["adjoint"] += len(weights)
        return np.einsum("ijk,ci,kc->cj", array, weights, directions)

    return tuple(f if price is not None else None for f, price in zip((tangent, adjoint), modes, strict=True))  # type: ignore[return-value]


def with_functions(problem: Problem, values: dict[str, Any], calls: Counter[str]) -> dict[str, Any]:
    """The values with functions in place of the arrays of matrix-free second derivatives."""
    result = dict(values)
    for e in problem.graph.elementals:
        one = own(problem, e.name)
        if not one.explicit and one.block.nnz:
            result[one.given] = functions(as_array(one, values), calls, (one.tangent, one.adjoint))
    return result


@pytest.mark.parametrize(("first", "last"), [(0, 100), pytest.param(100, 2000, marks=pytest.mark.nightly)])
def test_random_chains_compute_exact_integers_by_as_many_calls_as_are_priced(first: int, last: int) -> None:
    kinds: Counter[tuple[Mode, bool]] = Counter()
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = freed(rng, random_second(rng))
        result = plan(problem)
        assert result.plan is not None, seed
        assert check(result.plan, problem).total == result.price
        assert result.price is not None
        assert result.price <= result.baselines.best
        values, calls = dict(draw_all(problem, seed, np.int64)), Counter[str]()
        expected = second_derivative(pairs(problem, values), problem.graph.sizes[problem.graph.inputs[0]])
        for given in (values, with_functions(problem, values, calls)):
            for found in second_derivatives(result, given).values():
                assert found.tolist() == expected, seed
                assert np.array_equal(found, found.transpose(0, 2, 1))
        kinds.update((s.mode, any(s.colours)) for s in result.plan.steps if isinstance(s, ApplySecond))
    assert min(kinds[mode, coloured] for mode in Mode for coloured in (False, True)) > 0.02 * (last - first)


@pytest.mark.parametrize(("first", "last"), [(0, 50), pytest.param(50, 2000, marks=pytest.mark.nightly)])
def test_weights_and_directions_of_chains_are_taken_along(first: int, last: int) -> None:
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = freed(rng, random_second(rng))
        second = SecondOrder(rng.random() < 0.6, *rng.choice([(None, 1), (1, None), (2, 3), (None, 9), (None, None)]))
        problem = replace(problem, second=second)
        made = checked_plan(problem)
        values = dict(draw_all(problem, seed, np.int64))
        found = second_derivatives(made, with_functions(problem, values, Counter()))
        for key, block in reference_second_derivatives(problem, values).items():
            assert np.array_equal(found.get(key, np.zeros_like(block)), block), seed


@pytest.mark.parametrize(("first", "last"), [(0, 30), pytest.param(30, 2000, marks=pytest.mark.nightly)])
def test_random_graphs_compute_exact_integers(first: int, last: int) -> None:
    steps = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = freed(rng, random_second_dag(rng, explicit=rng.random() < 0.7, dense=rng.random() < 0.4))
        sides = rng.choice([(None, None), (None, None), (None, 1), (1, None), (2, 3)])
        assert problem.second is not None
        problem = replace(problem, second=SecondOrder(problem.second.weights, *sides))
        made = checked_plan(problem)
        values = dict(draw_all(problem, seed, np.int64))
        found = second_derivatives(made, with_functions(problem, values, Counter()))
        for key, block in along_sides(problem, values, exact(problem, values)).items():
            assert np.array_equal(found.get(key, np.zeros_like(block)), block), (seed, key)
        steps += sum(isinstance(step, ApplySecond) for step in made.steps)
    assert steps > last - first


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(12, 300))])
def test_no_bracketing_and_no_way_to_call_costs_less(seed: int) -> None:
    rng = random.Random(seed)
    for count, weights in ((1, False), (2, False), (3, True), (4, False), (4, True)):
        sizes = [rng.choice([1, 2, 3, 5, 8]) for _ in range(count + 1)]
        prices: list[Any] = [tuple(rng.choice([None, 0, 1, 3, 10, 40, 100]) for _ in KEYS) for _ in range(count)]
        items = [{"shape": [sizes[k + 1], sizes[k]]} for k in range(count)]
        for item, pair in zip(items, prices, strict=True):
            item |= {key: price for key, price in zip(KEYS, pair, strict=True) if price is not None}
        result = plan(from_spec({"chain": items, "derivative": 2, **({"weights": True} if weights else {})}))
        assert result.status is Status.OPTIMAL
        assert result.price == least_with_carried_rows(sizes, weights, calls=prices)


@pytest.mark.parametrize(("first", "last"), [(0, 20), pytest.param(20, 200, marks=pytest.mark.nightly)])
def test_no_order_of_elimination_costs_less_whichever_are_formed_first(first: int, last: int) -> None:
    compared = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = freed(rng, random_second_dag(rng, most=3, explicit=True, dense=True))
        assert problem.second is not None
        work = SecondElimination(problem.graph, problem.second)
        free = [e for e in problem.graph.useful if not own(problem, e.name).explicit and e.second_block.nnz]
        if len(work.middle) > 3 or len(free) > 4 or not free:
            continue
        result = plan(problem, "second-elimination")
        assert result.price is not None
        orders = list(permutations(work.middle))
        applied = [check(elimination_plan(problem.graph, problem.second, order)).total for order in orders]
        assert result.price == min(applied)
        for first_formed in product((False, True), repeat=len(free)):
            chosen = {e.name for e, formed_first in zip(free, first_formed, strict=True) if formed_first}
            some = [
                replace(e, second=ElementalSecond(e.second.pattern)) if e.second and e.name in chosen else e
                for e in problem.graph.elementals
            ]
            loaded = replace(problem.graph, elementals=tuple(some))
            before = sum(_least_formed(own(problem, name)) for name in chosen)
            for order in orders:
                made = check(elimination_plan(loaded, problem.second, order)).total
                assert result.price <= before + made, seed
                compared += 1
    assert compared > 2 * (last - first)


def _least_formed(one: Any) -> int:
    """What forming takes at most: each column once with each, or each in each row."""
    return formed(one.block.rows, one.block.left, (one.tangent, one.adjoint))


def test_a_product_with_the_hessian_takes_one_second_adjoint_of_each_module() -> None:
    item = {"shape": [40, 40], "second_tangent": 9000, "second_adjoint": 9000}
    spec = {"chain": [item] * 4, "derivative": 2, "weights": True, "directions": {"right": 1}}
    made = plan(from_spec(spec)).plan
    assert made is not None
    calls = [step for step in made.steps if isinstance(step, ApplySecond)]
    assert [step.mode for step in calls] == [Mode.ADJOINT] * 4
    assert all(step.on_rows is not None and step.on_right is not None for step in calls)
    problem = from_spec(spec)
    values, counted = dict(draw_all(problem, 0, np.int64)), Counter[str]()
    second_derivatives(made, with_functions(problem, values, counted), wrap=True)
    assert counted == {"adjoint": 4}


def rosenbrock(n: int) -> list[tuple[int, int, int]]:
    """The entries of the second derivative of one sum of terms of neighbouring numbers."""
    return [(0, i, j) for i in range(n) for j in (i, i + 1) if j < n]


@pytest.mark.parametrize(
    ("pattern", "rows", "cols", "tangents", "adjoints"),
    [
        (diagonal_second(50), 50, 50, 1, 1),
        (listed_second(rosenbrock(50)), 1, 50, 99, 2),
        (listed_second([(i, j, k) for i in range(20) for j in (i, i + 1) for k in (i, i + 1)]), 20, 21, 3, 4),
        (listed_second([(0, 0, k) for k in range(30)]), 1, 30, 30, 1),
        (None, 3, 4, 10, 12),
    ],
)
def test_patterns_take_few_calls(pattern: Any, rows: int, cols: int, tangents: int, adjoints: int) -> None:
    block = SecondBlock(rows, cols, cols, pattern, symmetric=True)
    for mode, most in ((Mode.TANGENT, tangents), (Mode.ADJOINT, adjoints)):
        colours = colours_for(block, mode, TakenSides())
        assert second_misfit(block, mode, TakenSides(), colours) is None
        assert calls_of(block, mode, TakenSides(), colours) == most


def test_colours_that_bring_back_less_are_refused() -> None:
    tridiagonal = SecondBlock(1, 6, 6, listed_second(rosenbrock(6)), symmetric=True)
    elementwise = SecondBlock(4, 4, 4, diagonal_second(4), symmetric=True)
    for block, mode, colours in (
        (tridiagonal, Mode.ADJOINT, SecondColours((), (0,) * 6)),
        (tridiagonal, Mode.TANGENT, SecondColours((), (0, 1, 0, 1, 0, 1))),
        (SecondBlock(2, 2, 2, listed_second([(0, 0, 0), (1, 0, 0)])), Mode.ADJOINT, SecondColours((0, 0))),
        (elementwise, Mode.TANGENT, SecondColours((), (0, 0, 0, -1))),
        (SecondBlock(2, 2, 2), Mode.TANGENT, SecondColours((), (0, 1))),
    ):
        assert second_misfit(block, mode, TakenSides(), colours) is not None
    assert second_misfit(tridiagonal, Mode.ADJOINT, TakenSides(), SecondColours((), (0, 1, 0, 1, 0, 1))) is None


def sparse_problem() -> Problem:
    entries = [list(one) for one in rosenbrock(9)]
    items: list[dict[str, Any]] = [
        {"shape": [9, 9], "structure": "diagonal", "second_adjoint": 9},
        {"shape": [1, 9], "second": {"coo": entries}, "second_tangent": 50, "second_adjoint": 20},
    ]
    return from_spec({"chain": items, "derivative": 2})


def test_sparse_hessians_are_recovered_from_few_weighted_directions() -> None:
    problem = sparse_problem()
    result = plan(problem)
    assert result.plan is not None
    calls = [step for step in result.plan.steps if isinstance(step, ApplySecond) and step.elemental == "F2"]
    assert [(step.mode, max(step.colours) + 1) for step in calls] == [(Mode.ADJOINT, 2)]
    for forged in ((0,) * 9, (0, 1) * 4, (0, 9) + (1,) * 7):
        steps = tuple(step._replace(colours=forged) if step is calls[0] else step for step in result.plan.steps)
        with pytest.raises(PlanError, match=r"recovered|colours"):
            check(replace(result.plan, steps=steps), problem)
    values = dict(draw_all(problem, 2, np.int64))
    ((_, found),) = second_derivatives(result, with_functions(problem, values, Counter())).items()
    ((_, expected),) = reference_second_derivatives(problem, values).items()
    assert np.array_equal(found, expected)
    floats = second_derivatives(result, draw_all(problem, 2))["x2", "x0", "x0"]
    assert np.array_equal(floats, floats.transpose(0, 2, 1))


def test_steps_that_apply_second_derivatives_are_typed() -> None:
    items = [{"shape": [2, 2], "second_tangent": 3}, {"shape": [1, 2], "second_adjoint": 4}]
    problem = from_spec({"chain": items, "derivative": 2})
    tangent, adjoint = Mode.TANGENT, Mode.ADJOINT
    bad: list[tuple[list[Step], str]] = [
        ([LoadSecond("F1")], "matrix-free and cannot be loaded"),
        ([ApplySecond("F1", adjoint)], "has no second adjoint"),
        ([ApplySecond("F9", tangent)], "has no second tangent"),
        ([Load("F2"), ApplySecond("F1", tangent, 0)], "takes no block on the side 'rows'"),
        ([Load("F1"), ApplySecond("F2", adjoint, None, 0)], "takes no block on the side 'left'"),
        ([Load("F1"), ApplySecond("F1", tangent, None, 0, 0)], "they must meet"),
        ([ApplySecond("F1", tangent, None, None, None, (0, 0))], "row_colours has 2 entries"),
        ([ApplySecond("F1", tangent, None, None, None, (), (0,))], "colours has 1 entries"),
        ([ApplySecond("F2", adjoint, None, None, None, (), (0, 2))], "expected numbers below 2"),
        ([ApplySecond("F1", tangent), ApplySecond("F1", tangent, None, 0, None)], "second-order block"),
        ([ApplySecond("F1", tangent)], "leads"),
    ]
    for steps, words in bad:
        end = (SecondOutput("x2", "x0", "x0", len(steps) - 1),)
        with pytest.raises(PlanError, match=words):
            check(Plan(problem.graph, tuple(steps), (), second_outputs=end, second=SecondOrder()), problem)


def test_a_pair_of_different_blocks_on_both_sides_is_not_called_symmetric() -> None:
    edges = [("A", "x", "h"), ("B", "x", "h"), ("F", "h", "y")]
    items: list[dict[str, Any]] = [{"name": name, "edge": [one, other]} for name, one, other in edges]
    items[2]["second_tangent"] = 1
    dag = {"sizes": {"x": 2, "h": 3, "y": 1}, "inputs": ["x"], "outputs": ["y"], "jacobians": items}
    problem = from_spec({"dag": dag, "derivative": 2})
    end = (SecondOutput("y", "x", "x", 2),)
    steps = Load("A"), Load("B"), ApplySecond("F", Mode.TANGENT, None, 0, 1)
    made = Plan(problem.graph, steps, (), second_outputs=end, second=SecondOrder())
    with pytest.raises(PlanError, match="every term exactly once"):
        check(made, problem)


def test_the_plan_file_is_read_checked_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, file, arrays = tmp_path / "spec.json", tmp_path / "plan.json", tmp_path / "values.npz"
    problem = sparse_problem()
    spec.write_text(json.dumps(problem.to_spec()))
    assert main(["plan", str(spec), "--format", "json", "-o", str(file)]) == 0
    assert main(["check", str(file)]) == 0
    saved = json.loads(file.read_text())
    applied = [step for step in saved["steps"] if step["op"] == "apply_second"]
    assert {step["fma"] for step in applied} == {9, 40}
    np.savez(arrays, **dict(draw_all(problem, 3)))
    for source in (spec, file):
        for options in (["--dtype", "int64"], ["--jacobians", str(arrays)]):
            assert main(["run", str(source), *options]) == 0
            assert "max|H|" in capsys.readouterr().out
    verify(parse_plan(json.dumps(document(plan(problem))), "plan.json"))


def test_networkx_and_graphml_keep_the_prices() -> None:
    problem = sparse_problem()
    for again in (
        from_networkx(to_networkx(problem)),
        read_graphml(to_graphml(problem).encode(), SpecMessages("graph")),
    ):
        assert again.graph.elementals == problem.graph.elementals


@pytest.mark.parametrize("name", sorted(set(RENDERERS) - {"svg", "trace"}))
def test_every_report_shows_calls(name: str) -> None:
    assert RENDERERS[name](plan(sparse_problem()))


def test_functions_that_do_not_fit_are_refused() -> None:
    problem = from_spec({"chain": [{"shape": [2, 3], "second_tangent": 4, "second_adjoint": 90}], "derivative": 2})
    made, slope = plan(problem), {"F1": np.ones((2, 3))}

    def fails(left: Any, right: Any) -> Any:
        raise ValueError("no model")

    cases: list[tuple[Any, str]] = [
        (None, "nothing was given; expected a pair of functions"),
        (fails, "a function was given"),
        ((fails,), "a tuple was given"),
        ((None, fails), "has no second tangent; the plan applies one"),
        ((lambda left, right: left, None), r"returned shape \(3, 6\) .*; expected numbers of \(2, 6\)"),
        (np.ones((2, 2)), "shape"),
    ]
    for given, words in cases:
        with pytest.raises(ExecutionError, match=words):
            second_derivatives(made, {**slope, **({} if given is None else {"F1''": given})})
    with pytest.raises(ValueError, match="no model") as caught:
        second_derivatives(made, {**slope, "F1''": (fails, None)})
    assert "second tangent of 'F1'''" in caught.value.__notes__[0]

    def writes(left: Any, right: Any) -> Any:
        left[0] = 1

    with pytest.raises(ValueError, match="read-only"):
        second_derivatives(made, {**slope, "F1''": (writes, None)})


def test_whole_numbers_that_do_not_fit_are_refused_in_calls_too() -> None:
    problem = from_spec({"chain": [{"shape": [1, 2], "second_tangent": 1}, {"shape": [1, 1]}], "derivative": 2})
    values = dict(draw_all(problem, 1, np.int64)) | {"F1''": np.full((1, 2, 2), 2**62), "F2": np.full((1, 1), 4)}
    with pytest.raises(ExecutionError, match="comes out"):
        second_derivatives(plan(problem), values)
    second_derivatives(plan(problem), values, wrap=True)


def test_prices_that_are_none_are_refused() -> None:
    makers: list[Callable[[], Any]] = [
        lambda: ElementalSecond("dense", -1),
        lambda: ElementalSecond(adjoint=1.5),  # type: ignore[arg-type]
    ]
    for make in makers:
        with pytest.raises(ArgumentError, match=r"tangent|adjoint"):
            make()
    for key in KEYS:
        with pytest.raises(SpecError, match=key):
            from_spec({"chain": [{"shape": [2, 2], key: -1}], "derivative": 2})
