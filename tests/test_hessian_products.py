"""Products with Hessians: numbers against exact integers, prices against all plans of the class, what is refused."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import count, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainplan.errors import ExecutionError, PlanError, SpecError
from chainplan.execution.operator import operator
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.classes import SECOND_PRODUCTS
from chainplan.plans.product_orders import baseline_plan, baselines_for
from chainplan.plans.replay import replay
from chainplan.plans.second_elimination import SecondElimination, products_plan
from chainplan.plans.second_steps import ApplySecond, Contract
from chainplan.plans.steps import Add, Direction, Multiply, Plan, Propagate, Step
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.problem.second import SecondOrder
from chainplan.report.explain.reasons import reasons
from chainplan.report.explain.wording import worded
from chainplan.report.registry import render
from chainplan.solvers.second.hessian_groups import HessianGroups
from chainplan.solvers.second.orders import cheapest_order, priced
from chainplan.structures.second import Side
from chainplan.validation.hessian_products import hessian_times
from chainplan.values.second import draw_all
from chainplan_cli.main import main
from tests.oracles.hessian_products import least_hessian_products_cost
from tests.test_second import random_second
from tests.test_second_free import freed
from tests.test_second_graphs import exact, random_second_dag

HOURGLASS = [30, 20, 3, 20, 30, 5]


def asked(chain: list[Any], right: int, **more: Any) -> Problem:
    return from_spec({"chain": chain, "derivative": 2, "weights": True, "products": {"right": right}, **more})


def weighted(problem: Problem, right: int) -> Problem:
    """A problem of second derivatives as one of products with its weighted Hessian."""
    return replace(problem, second=SecondOrder(weights=True), products=Products(right))


def hessian(problem: Problem, values: Mapping[str, Any]) -> Any:
    """The Hessian of the weighted outputs by hyper-dual numbers, all inputs beside each other."""
    graph, blocks = problem.graph, exact(replace(problem, products=None), values)
    rows = [[sum(blocks[o, a, b][0] for o in graph.outputs) for b in graph.inputs] for a in graph.inputs]
    return np.block([[block.astype(object) for block in row] for row in rows])


def drawn(seed: int) -> Problem:
    """A random chain or graph, with weights."""
    rng = random.Random(seed)
    if seed % 2:
        whole = random_second(rng)
    else:
        whole = random_second_dag(rng, explicit=rng.random() < 0.5, dense=rng.random() < 0.4)
    problem = weighted(whole, rng.choice([1, 2, 5, 30, 1000]))
    return freed(rng, problem) if seed % 3 == 0 else problem


@pytest.mark.parametrize(("first", "last"), [(0, 80), pytest.param(80, 2200, marks=pytest.mark.nightly)])
def test_products_with_hessians_of_random_chains_and_graphs_are_those_of_exact_integers(first: int, last: int) -> None:
    some = between = 0
    for seed in range(first, last):
        problem = drawn(seed)
        result = plan(problem)
        assert result.plan is not None, seed
        assert check(result.plan, problem).total == result.price
        assert result.price is not None
        assert result.bound <= result.price <= result.baselines.best, seed
        values = draw_all(problem, seed, np.int64)
        expected = hessian(problem, values)
        vectors = np.random.default_rng(seed).integers(-4, 5, (expected.shape[1], 3))
        made = operator(result, values)
        assert made.shape == expected.shape, seed
        products = expected @ vectors
        assert np.array_equal(made @ vectors, products), seed
        assert np.array_equal(made @ vectors[:, 0], products[:, 0]), seed
        assert np.array_equal(made.T @ vectors, products), seed
        some += bool(np.any(products))
        between += bool(result.plan.programs[0].results) and result.price < result.baselines.best
    assert some > 0.5 * (last - first)
    assert between > 0.2 * (last - first)


def test_baselines_compute_exact_integers_too_and_so_does_the_reference() -> None:
    for seed in range(60):
        problem = drawn(seed)
        values = draw_all(problem, seed, np.int64)
        expected = hessian(problem, values)
        vectors = np.random.default_rng(seed).integers(-4, 5, (expected.shape[1], 2))
        for name in baselines_for(problem):
            found = baseline_plan(problem, name)
            check(found, problem)
            assert np.array_equal(operator(found, values) @ vectors, expected @ vectors), (seed, name)
        cuts = np.cumsum([problem.graph.sizes[v] for v in problem.graph.inputs])[:-1]
        parts = dict(zip(problem.graph.inputs, np.split(vectors, cuts), strict=True))
        made = hessian_times(problem, values, parts)
        assert np.array_equal(np.concatenate(list(made.values())), expected @ vectors), seed


@pytest.mark.parametrize("seconds", [50, 100, 200, 400])
def test_a_search_that_runs_out_of_time_leaves_some_for_the_baselines(
    seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count()
    monkeypatch.setattr("chainplan.solvers.search.search.monotonic", lambda: float(next(clock)))
    result = plan(drawn(1656), budget=seconds)
    assert (result.price, result.baselines.best) == (885, 885)


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(12, 200))])
def test_no_set_of_vertices_of_a_chain_and_no_order_of_them_costs_less(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(4):
        q = rng.randint(1, 6)
        sizes = [rng.choice([1, 2, 3, 5, 8, 13, 40]) for _ in range(q + 1)]
        bent = [rng.random() < 0.7 for _ in range(q)]
        times = rng.choice([1, 2, 3, 5, 10, 30, 100, 1000])
        items = [
            {"shape": [sizes[i + 1], sizes[i]], **({} if some else {"second": "zero"})} for i, some in enumerate(bent)
        ]
        result = plan(asked(items, times))
        least = least_hessian_products_cost(sizes, bent, times)
        assert result.price is not None
        whole = plan(replace(result.problem, products=None)).price
        assert whole is not None
        assert result.price == min(least, whole + times * sizes[0] ** 2 * any(bent)), (sizes, bent, times)
        optimal = result.price == least
        assert (result.status is Status.OPTIMAL) is optimal, "cheaper plans form H, and weight some parts of it late"
        assert (result.bound, result.within) == ((least, SECOND_PRODUCTS) if optimal else (0, None))


@pytest.mark.parametrize(("first", "last"), [(0, 40), pytest.param(40, 1000, marks=pytest.mark.nightly)])
def test_groups_of_a_chain_cost_what_the_cheapest_set_of_vertices_costs(first: int, last: int) -> None:
    compared = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = random_second(rng, rng.choice(["dense", "matrix-free", "mixed"]), longest=6)
        problem = freed(rng, problem) if seed % 2 else problem
        times = rng.choice([1, 2, 5, 30, 1000])
        second = SecondOrder(weights=True)
        work = SecondElimination(problem.graph, second, weighted=True)
        groups = HessianGroups(problem.graph, work, times, lambda: None)
        known, stop = (groups.price, groups.order()), partial(SecondElimination.products_price, times=times)
        assert priced(work, known[1], stop=stop) <= known[0], seed
        (best, _), counted = cheapest_order(work, known, lambda: None, stop)
        made = products_plan(problem.graph, second, known[1], times)
        check(made, weighted(problem, times))
        if counted and groups.counted:
            assert groups.price == best == replay(made).total, seed
            compared += 1
    assert compared > 0.6 * (last - first)


def test_matrix_free_elementals_are_applied_to_few_vectors_and_accumulated_for_many() -> None:
    chain = [{"shape": [40, 40], "tangent": 50, "adjoint": 60}, {"shape": [30, 40], "tangent": 70, "adjoint": 80}]
    few, many = (asked([*chain, {"shape": [5, 30]}], times) for times in (2, 1000))
    for problem in (few, many):
        result = plan(problem)
        assert result.plan is not None
        (program,) = result.plan.programs
        called = [step.elemental for step in program.steps if isinstance(step, Propagate)]
        assert called == (["F1", "F2", "F2", "F1"] if problem is few else [])
        values = draw_all(problem, 0, np.int64)
        vectors = np.random.default_rng(0).integers(-4, 5, (40, 2))
        assert np.array_equal(operator(result, values) @ vectors, hessian_times(problem, values, {"x0": vectors})["x0"])


def test_second_derivatives_by_the_same_arguments_are_weighted_and_wait_each_for_itself() -> None:
    jacobians: list[dict[str, Any]] = [{"edge": ["x", v], "second_adjoint": 5} for v in "abcd"]
    jacobians += [{"edge": ["x", "e"]}, *({"edge": [v, "y"], "second": "zero"} for v in "abcde")]
    jacobians[1] |= {"second_adjoint": 500, "second_tangent": 1}
    sizes = {"x": 20, "y": 2, **dict.fromkeys("abcde", 9)}
    dag = {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians}
    for times, waiting in ((1, "abcd"), (10, "acd"), (10**4, "")):
        problem = from_spec({"dag": dag, "derivative": 2, "weights": True, "products": {"right": times}})
        result = plan(problem)
        assert result.plan is not None
        assert result.status is Status.OPTIMAL
        (program,) = result.plan.programs
        assert [step.elemental for step in program.steps if isinstance(step, ApplySecond)] == [
            f"{v}/x" for v in waiting
        ]
        assert sum(isinstance(step, Contract) for step in program.steps) == 1
        values = draw_all(problem, 0, np.int64)
        vectors = np.random.default_rng(0).integers(-4, 5, (20, 2))
        assert np.array_equal(operator(result, values) @ vectors, hessian_times(problem, values, {"x": vectors})["x"])


def test_second_adjoints_are_applied_to_few_vectors() -> None:
    chain: list[Any] = [{"shape": [40, 40], "second_adjoint": 300}, {"shape": [1, 40], "second_adjoint": 200}]
    for weights in (True, False):
        problem = from_spec({"chain": chain, "derivative": 2, "weights": weights, "products": {"right": 3}})
        result = plan(problem)
        assert result.plan is not None
        (program,) = result.plan.programs
        assert {step.elemental for step in program.steps if isinstance(step, ApplySecond)} == {"F1", "F2"}
        assert result.price == result.baselines.free == 3 * (2 * 1600 + 300 + 200) + 40 * weights
        values = draw_all(problem, 0, np.int64)
        vectors = np.random.default_rng(0).integers(-4, 5, (40, 2))
        products = hessian_times(problem, values, {"x0": vectors})["x0"]
        assert np.array_equal(operator(result, values) @ vectors, products)
        terms = partial(np.einsum, "ijk,ci,kc->cj", values["F1''"])
        values["F1''"] = (None, terms)
        assert np.array_equal(operator(result, values) @ vectors[:, 0], products[:, 0])
        values["F1''"] = (lambda left, right: left, None)
        with pytest.raises(ExecutionError, match="has no second adjoint"):
            operator(result, values)
    steps, one_number = [*program.steps], result.plan
    assert one_number is not None
    at = next(place for place, step in enumerate(steps) if isinstance(step, ApplySecond))
    for change, words in (
        ({"row_colours": (0,)}, "an adjoint of a row and of that alone"),
        ({"on_rows": None, "elemental": "F1"}, "expected one row"),
        ({"on_right": 99}, "expected an earlier step"),
    ):
        bad = steps[at]._replace(**change)
        with pytest.raises(PlanError, match=words):
            check(changed(one_number, *steps[:at], bad, *steps[at + 1 :]))


def test_a_note_says_from_how_many_products_on_the_hessian_is_formed_for_less() -> None:
    for times in (1, 5, 10):
        result = plan(asked(HOURGLASS, times))
        assert result.replay is not None
        found = re.search(r"from (\d+) products on", result.notes[0])
        assert found is not None
        first, (setup, each, _) = int(found[1]), result.replay.products
        assert each is not None
        assert setup + (first - 1) * each <= 47_655 + (first - 1) * 900
        assert setup + first * each > 47_655 + first * 900
    assert plan(asked(HOURGLASS, 50)).notes == ("this plan forms H.",)


def test_reports_say_what_set_up_products_and_baselines_cost() -> None:
    result = plan(asked(HOURGLASS, 5))
    text, page = render(result), render(result, "html")
    for word in ("forward over reverse", "reverse over forward", "with H formed in this order", "from 13 products on"):
        assert word in text
        assert word in render(result, "markdown")
    assert "Each product H·v" in page
    assert json.loads(render(result, "json"))["products"] == {
        **{"right": 5, "left": 0, "setup": 25_545, "per_right": 2_629, "per_left": None}
    }
    said = dict(worded(reasons(result, 10.0)))["Is the Hessian needed?"]
    assert said[-1] == "H·v, 14 and more: H is formed: 47,655 fma once, 900 for each."
    assert said[1] == "H·v, 3 to 6: H(F1), H(F2), H(F3, F4, F5) are formed: 25,545 fma once, 2,629 for each."


def test_elementals_of_few_rows_wait_for_the_vectors() -> None:
    chain = [{"shape": [1, 50]}, {"shape": [1, 1]}]
    few, many = plan(asked(chain, 3)), plan(asked(chain, 1000))
    prices = [few.price, few.baselines.late, few.baselines.free]
    assert prices == [7955, 7957, 9080], "what has one column is weighted once"
    assert many.baselines.late is not None
    assert many.price is not None
    assert many.price < many.baselines.late


def test_no_set_of_vertices_of_a_graph_and_no_order_of_them_costs_less() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        problem = weighted(random_second_dag(rng, most=3), rng.choice([1, 3, 20, 500]))
        assert problem.second is not None
        assert problem.products is not None
        middle = SecondElimination(problem.graph, problem.second, weighted=True).middle
        every = (order for count in range(len(middle) + 1) for order in permutations(middle, count))
        plans = (products_plan(problem.graph, problem.second, order, problem.products.right) for order in every)
        best = min(replay(one).total for one in plans)
        result = plan(problem)
        assert result.price is not None
        assert result.price <= best, seed
        assert result.price == best or result.status is not Status.OPTIMAL, seed


def test_more_products_form_more_and_in_the_end_the_hessian() -> None:
    found = [plan(asked(HOURGLASS, times)) for times in (1, 5, 10, 14, 10**6)]
    prices = [one.replay.products for one in found if one.replay is not None]
    assert prices == [
        (19_545, 5_249, None),
        (25_545, 2_629, None),
        (26_355, 2_500, None),
        (47_655, 900, None),
        (47_655, 900, None),
    ]


def test_the_hessian_of_one_number_needs_no_weights() -> None:
    spec = {"chain": [4, 3, 1], "derivative": 2, "products": {"right": 2}}
    problem = from_spec(spec)
    assert from_spec(problem.to_spec()) == problem
    result = plan(problem)
    values = draw_all(problem, 0, np.int64)
    expected = exact(replace(problem, products=None), values)["x2", "x0", "x0"][0]
    assert np.array_equal(operator(result, values) @ np.eye(4, dtype=int), expected)
    formed = plan(replace(problem, products=None))
    assert np.array_equal(operator(formed, values) @ np.eye(4, dtype=int), expected)
    several = plan(from_spec({"chain": [4, 3, 2], "derivative": 2}))
    with pytest.raises(ExecutionError, match="rows without weights"):
        operator(several, draw_all(several.problem, 0))


def test_the_plan_file_is_read_checked_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, file = tmp_path / "spec.yaml", tmp_path / "plan.json"
    spec.write_text("{chain: [6, 2, 5, 3], derivative: 2, weights: true, products: {right: 3}}")
    assert main(["plan", str(spec), "--format", "json", "-o", str(file)]) == 0
    assert main(["check", str(file), "--require-proof"]) == 0
    saved = json.loads(file.read_text())
    assert saved["programs"]["right"]["outputs"][0]["output"] == "x0"
    for source in (spec, file):
        assert main(["run", str(source), "--dtype", "int64"]) == 0
        shown = capsys.readouterr().out
        assert "max(|H|·V)" in shown
        assert "equal integers" in shown


def test_directions_beside_products_are_refused_by_their_numbers() -> None:
    with pytest.raises(
        SpecError, match="found 'directions, 0 on the left and 2 on the right'; expected one row and no"
    ):
        asked(HOURGLASS, 5, directions={"right": 2})


def test_false_claims_of_a_file_are_refuted() -> None:
    saved = document(plan(asked(HOURGLASS, 5)))
    verify(parse_plan(json.dumps(saved), "plan.json"))
    for field in ("fma", "rows", "cols"):
        forged = json.loads(json.dumps(saved))
        step = next(one for one in forged["programs"]["right"]["steps"] if one["op"] == "contract")
        step[field] += 1
        with pytest.raises(PlanError, match=field):
            verify(parse_plan(json.dumps(forged), "plan.json"))


def changed(made: Plan, *steps: Step) -> Plan:
    """The same plan with other steps in its program."""
    (program,) = made.programs
    return replace(made, programs=(replace(program, steps=steps),))


def test_programs_that_leave_a_term_out_or_count_it_twice_are_refused() -> None:
    problem = asked([3, 2, 2], 1)
    made = plan(problem).plan
    assert made is not None
    (program,) = products_plan(problem.graph, SecondOrder(weights=True), (), 1).programs
    whole = products_plan(problem.graph, SecondOrder(weights=True), (), 1)
    check(whole, problem)
    refused = 0
    for place, step in enumerate(program.steps):
        if isinstance(step, Contract | Multiply) and step.onto is not None:
            alone = [*program.steps]
            alone[place] = step._replace(onto=None)
            with pytest.raises(PlanError, match="every term exactly once"):
                check(changed(whole, *alone))
            refused += 1
    assert refused
    (last,) = program.results
    doubled = (*program.steps, Add(last.step, last.step))
    twice = replace(program, steps=doubled, results=(last._replace(step=last.step + 1),))
    with pytest.raises(PlanError, match="every term exactly once"):
        check(replace(whole, programs=(twice,)))


def test_steps_of_programs_are_typed() -> None:
    whole = products_plan(asked([3, 2, 2], 1).graph, SecondOrder(weights=True), (), 1)
    (program,), first = whole.programs, len(whole.steps)
    seconds = [place for place, step in enumerate(whole.steps) if isinstance(step, Contract)]
    vector = next(place for place, step in enumerate(program.steps, first) if isinstance(step, Direction))
    row = first + len(program.steps) - 1
    at = first + len(program.steps)
    bad: list[tuple[Step, str]] = [
        (Contract(seconds[0], vector, Side.BOTH, False), "a column, for one column side"),
        (Contract(seconds[0], vector, Side.RIGHT, True), "a column, for one column side"),
        (Contract(seconds[0], row, Side.RIGHT, False), "a column, for one column side"),
        (Contract(seconds[1], vector, Side.RIGHT, False), "they meet"),
        (Multiply(row, vector), "both hold the vector"),
        (Contract(seconds[0], vector, Side.RIGHT, False, vector), "they must agree"),
    ]
    for step, words in bad:
        with pytest.raises(PlanError, match=words):
            check(changed(whole, *program.steps, step))
    with pytest.raises(PlanError, match="does not hold the product"):
        check(replace(whole, programs=(replace(program, results=(program.results[0]._replace(step=vector),)),)))
    assert at > vector
    assert whole.program(Mode.ADJOINT) is None
