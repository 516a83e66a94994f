"""Second derivatives of graphs: plans against exact integers, and their prices against all orders."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainplan.errors import ArgumentError, ExecutionError, PlanError, SpecError
from chainplan.execution.executor import second_derivatives
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.networkx_graph import from_networkx, read_graphml, to_graphml, to_networkx
from chainplan.io.plan_file import document
from chainplan.io.plan_file_steps import step_words
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.classes import SECOND_ELIMINATION
from chainplan.plans.second_elimination import SecondElimination, elimination_plan
from chainplan.plans.second_steps import Contract, Exchange, LoadSecond
from chainplan.plans.steps import Add, Load, Plan, SecondOutput, Step
from chainplan.problem.mixed_second import MixedSecond
from chainplan.problem.problem import Problem
from chainplan.problem.second import ElementalSecond, SecondOrder
from chainplan.structures.second import Side, listed_second
from chainplan.validation.second_reference import reference_second_derivatives
from chainplan.values.jacobians import as_matrices
from chainplan.values.second import draw_all
from chainplan.values.second_functions import as_array
from chainplan_cli.main import main
from tests.oracles.second_order import along_graph, fma_of_lists
from tests.problems import random_dag
from tests.test_second import asked, entries_of, own, second_entries


def random_second_dag(rng: random.Random, most: int = 4, explicit: bool = False, dense: bool = False) -> Problem:
    """A random DAG with random second derivatives of elementals and of pairs of arguments."""
    graph = random_dag(rng, most, dense).graph
    elementals = []
    for e in graph.elementals:
        rows, cols = e.block[:2]
        listed = [(i, j, k) for i in range(rows) for j in range(cols) for k in range(j, cols) if rng.random() < 0.2]
        patterns = [None, "zero", "dense", listed_second(listed), *(["diagonal"] if rows == cols else [])]
        pattern = rng.choice(patterns)
        costs = {"tangent": None, "adjoint": None, "tape": 0} if explicit else {}
        second = None if pattern is None else ElementalSecond(pattern)
        elementals.append(replace(e, second=second, **costs))  # type: ignore[arg-type]
    mixed = tuple(one for one in random_pairs(rng, graph.sizes, [(e.source, e.target) for e in elementals]))
    weights = rng.random() < 0.3
    return Problem(replace(graph, elementals=tuple(elementals), mixed=mixed), second=SecondOrder(weights))


def random_pairs(rng: random.Random, sizes: Mapping[str, int], edges: list[tuple[str, str]]) -> Iterator[MixedSecond]:
    for v in sizes:
        args = list(dict.fromkeys(source for source, target in edges if target == v))
        for a, b in ((a, b) for a in args for b in args if a < b and rng.random() < 0.5):
            left, right = rng.choice([(a, b), (b, a)])
            shape = sizes[v], sizes[left], sizes[right]
            entries = [place for place in np.ndindex(shape) if rng.random() < 0.3]
            equal = ["diagonal"] if len(set(shape)) == 1 else []
            patterns: list[Any] = ["dense", "zero", listed_second(entries, mixed=True), *equal]
            pattern = rng.choice(patterns)
            yield MixedSecond(f"{v}/{left}/{right}", v, left, right, pattern)


def exact(problem: Problem, values: Mapping[str, Any]) -> dict[tuple[str, str, str], Any]:
    """The second derivatives by hyper-dual numbers, entry by entry."""
    graph, sizes = problem.graph, problem.graph.sizes
    matrices = as_matrices(graph.elementals, values)

    def bend(name: str) -> Any:
        return as_array(own(problem, name), values).tolist()

    dense = {n: m.toarray() if hasattr(m, "toarray") else np.asarray(m) for n, m in matrices.items()}
    edges = [(e.source, e.target, dense[e.name].tolist(), bend(e.name)) for e in graph.elementals]
    pairs = [(one.target, one.left, one.right, bend(one.name)) for one in graph.mixed]
    found = {}
    for a in graph.inputs:
        for b in graph.inputs:
            blocks = {o: np.zeros((sizes[o], sizes[a], sizes[b]), object) for o in graph.outputs}
            for j, k in np.ndindex(sizes[a], sizes[b]):
                given = {v: ([0] * sizes[v], [0] * sizes[v]) for v in graph.inputs}
                given[a][0][j] = given[b][1][k] = 1
                along = along_graph(graph.order, edges, pairs, sizes, given)
                for o, block in blocks.items():
                    block[:, j, k] = along[o]
            for o, block in blocks.items():
                weighted = block
                if problem.second is not None and problem.second.weights:
                    weighted = np.tensordot(values[f"{o}:weights"].astype(object), block, 1)
                found[o, a, b] = weighted
    return found


def checked_plan(problem: Problem) -> Plan:
    """The plan of a problem, once the words of the problem, the plan and its price have been checked."""
    assert from_spec(problem.to_spec()).fingerprint == problem.fingerprint
    result = plan(problem)
    assert result.plan is not None
    assert check(result.plan, problem).total == result.price
    assert result.price is not None
    assert result.price <= result.baselines.best
    return result.plan


@pytest.mark.parametrize(("first", "last"), [(0, 30), pytest.param(30, 2000, marks=pytest.mark.nightly)])
def test_plans_of_random_graphs_compute_exact_integers(first: int, last: int) -> None:
    some = mixed = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = random_second_dag(rng, explicit=rng.random() < 0.7, dense=rng.random() < 0.4)
        made = checked_plan(problem)
        values = draw_all(problem, seed, np.int64)
        found, expected = second_derivatives(made, values), exact(problem, values)
        reference = reference_second_derivatives(problem, values)
        for key, block in expected.items():
            assert np.array_equal(found.get(key, np.zeros_like(block)), block), (seed, key)
            assert np.array_equal(reference.get(key, np.zeros_like(block)), block), (seed, key)
            some += bool(np.any(block))
            mixed += bool(np.any(block)) and key[1] != key[2]
    assert some > 0.5 * (last - first)
    assert mixed > 0.2 * (last - first)


@pytest.mark.parametrize(("first", "last"), [(0, 25), pytest.param(25, 2000, marks=pytest.mark.nightly)])
def test_weights_and_directions_of_graphs_give_exact_integers_and_what_h_times_v_is(first: int, last: int) -> None:
    some = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        whole = random_second_dag(rng)
        sides = rng.choice([(None, 1), (1, None), (2, 3), (None, 9)])
        part = replace(whole, second=SecondOrder(rng.random() < 0.6, *sides))
        result = plan(part)
        assert result.plan is not None, seed
        assert check(result.plan, part).total == result.price
        assert result.price is not None
        assert result.price <= result.baselines.best
        assert result.status is Status.FEASIBLE
        values = draw_all(part, seed, np.int64)
        found, expected = second_derivatives(result, values), along_sides(part, values, exact(part, values))
        for key, block in expected.items():
            assert np.array_equal(found.get(key, np.zeros_like(block)), block), (seed, key)
            some += bool(np.any(block))
    assert some > 0.5 * (last - first)


def along_sides(problem: Problem, values: Mapping[str, Any], blocks: Mapping[Any, Any]) -> dict[Any, Any]:
    """The blocks with their column sides multiplied by directions, in whole numbers of any size."""
    result = {}
    for (o, a, b), block in blocks.items():
        made = block
        if f"{b}:right" in values:
            made = made @ values[f"{b}:right"].astype(object)
        if f"{a}:left" in values:
            made = np.moveaxis(np.moveaxis(made, 1, 2) @ values[f"{a}:left"].astype(object), 2, 1)
        result[o, a, b] = made
    return result


def test_the_product_of_a_hessian_with_a_vector_forms_no_hessian() -> None:
    spec = wide().to_spec()
    spec["dag"]["sizes"] = {v: 20 if size > 1 else 1 for v, size in spec["dag"]["sizes"].items()}
    hessian, product_ = (from_spec({**spec, **more}) for more in ({}, {"directions": {"right": 1}}))
    one, other = plan(hessian), plan(product_)
    assert one.price is not None
    assert other.price is not None
    assert other.price < 0.6 * one.price, "what is left is to contract every second derivative once"
    at_y = [step for step in document(other)["steps"] if step["op"] == "contract" and step["rows"] == 1]
    assert {step["right_cols"] for step in at_y} == {1}
    values = draw_all(product_, 1, np.int64)
    (h,) = second_derivatives(one, {k: v for k, v in values.items() if not k.startswith("x:")}).values()
    (hv,) = second_derivatives(other, values).values()
    assert np.array_equal(hv, h @ values["x:right"])
    many = plan(from_spec({**spec, "directions": {"left": 500, "right": 500}}))
    assert many.plan is not None
    last = many.plan.steps[-1]
    assert isinstance(last, Contract)
    assert last.side is Side.RIGHT or last.side is Side.LEFT
    assert many.price is not None
    assert many.price < one.price + 600 * 20 * 500


@pytest.mark.parametrize(("first", "last"), [(0, 25), pytest.param(25, 500, marks=pytest.mark.nightly)])
def test_prices_are_those_counted_entry_by_entry(first: int, last: int) -> None:
    halves = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = layered(rng)
        assert problem.second is not None
        order = SecondElimination(problem.graph, problem.second).middle
        rng.shuffle(order)
        made = elimination_plan(problem.graph, problem.second, order)
        entries: dict[str, Any] = {e.name: entries_of(e.block) for e in problem.graph.useful}
        entries |= {f"{o}:weights": ones(problem, o) for o in problem.graph.outputs}
        entries |= {f"{name}''": second_entries(one.block) for name, one in problem.graph.useful_seconds.items()}
        steps = [step_words(step) for step in made.steps]
        assert fma_of_lists({"steps": steps, "patterns": entries}) == check(made, problem).total, seed
        halves += any(step["op"] == "contract" and step["symmetric"] and step["side"] == "left" for step in steps)
    assert halves > 0.5 * (last - first)


def layered(rng: random.Random) -> Problem:
    """A graph whose vertices have two or three arguments each, of dense, diagonal and listed blocks."""
    sizes = {f"v{i}": rng.choice([1, 2, 3, 3]) for i in range(7)}
    names, items, edges = list(sizes), list[dict[str, Any]](), list[tuple[str, str]]()
    for j in range(2, 7):
        for i in sorted(rng.sample(range(max(0, j - 3), j), min(j, rng.choice([2, 2, 3])))):
            rows, cols = sizes[names[j]], sizes[names[i]]
            places = [[a, b] for a in range(rows) for b in range(cols) if rng.random() < 0.5]
            words: list[Any] = ["dense", "dense", {"coo": places}, *(["diagonal"] if rows == cols else [])]
            item = {"edge": [names[i], names[j]], "structure": rng.choice(words)}
            items.append(item | rng.choice([{}, {}, {"second": "dense"}, {"second": "zero"}]))
            edges.append((names[i], names[j]))
    pairs = [one.to_spec() for one in random_pairs(rng, sizes, edges)]
    dag = {"sizes": sizes, "inputs": names[:2], "outputs": names[-1:], "jacobians": items, "seconds": pairs}
    return from_spec({"dag": dag, "derivative": 2, "weights": rng.random() < 0.3})


def ones(problem: Problem, vertex: str) -> set[tuple[int, int]]:
    return {(0, i) for i in range(problem.graph.sizes[vertex])}


@pytest.mark.parametrize(("first", "last"), [(0, 40), pytest.param(40, 600, marks=pytest.mark.nightly)])
def test_no_order_of_elimination_costs_less(first: int, last: int) -> None:
    proven = 0
    for seed in range(first, last):
        problem = random_second_dag(random.Random(seed), most=3)
        assert problem.second is not None
        middle = SecondElimination(problem.graph, problem.second).middle
        if len(middle) > 4:
            continue
        prices = [check(elimination_plan(problem.graph, problem.second, o)).total for o in permutations(middle)]
        result = plan(problem, "second-elimination")
        assert result.price == min(prices), seed
        if result.status is Status.OPTIMAL:
            assert result.within == SECOND_ELIMINATION
        proven += result.status is Status.OPTIMAL
    assert proven > 0.5 * (last - first)


def test_every_order_is_priced_as_its_plan_is_replayed() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        problem = random_second_dag(rng, 6)
        assert problem.second is not None
        work = SecondElimination(problem.graph, problem.second)
        order = work.middle
        rng.shuffle(order)
        for vertex in order:
            work.eliminate(vertex)
        assert check(elimination_plan(problem.graph, problem.second, order), problem).total == work.price


def test_on_chains_the_orders_of_elimination_are_the_bracketings() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        problem = asked([rng.choice([1, 2, 3, 5, 8]) for _ in range(rng.randint(2, 7))])
        one, other = plan(problem, "second-chain"), plan(problem, "second-elimination")
        assert one.price == other.price
        assert other.status is Status.OPTIMAL


def product() -> Problem:
    """y = u · v entry by entry with u and v elementwise functions of x and z."""
    sizes = {"x": 4, "z": 4, "u": 4, "v": 4, "y": 4}
    edges = [("x", "u"), ("z", "u"), ("z", "v"), ("u", "y"), ("v", "y")]
    items = [{"edge": list(edge), "structure": "diagonal"} for edge in edges]
    items[3]["second"] = items[4]["second"] = "zero"
    seconds = [{"at": "y", "args": ["v", "u"], "second": "diagonal"}]
    dag = {"sizes": sizes, "inputs": ["x", "z"], "outputs": ["y"], "jacobians": items, "seconds": seconds}
    return from_spec({"dag": dag, "derivative": 2})


def test_products_entry_by_entry_keep_their_lists() -> None:
    problem = product()
    result = plan(problem)
    assert result.cost is not None
    assert result.cost.peak_elements < 4**3
    values = draw_all(problem, 0, np.int64)
    found = second_derivatives(result, values)
    g, h, k = values["u/x"], values["u/z"], values["v/z"]
    cross = values["y/v/u''"] * k * g
    assert found["y", "x", "z"].tolist() == found["y", "z", "x"].transpose(0, 2, 1).tolist()
    assert [found["y", "x", "z"][i, i, i] for i in range(4)] == cross.tolist()
    both = 2 * values["y/v/u''"] * k * h + values["y/u"] * values["u/z''"] + values["y/v"] * values["v/z''"]
    assert [found["y", "z", "z"][i, i, i] for i in range(4)] == both.tolist()


def wide() -> Problem:
    """A function of one number of many inputs, through layers that several vertices read."""
    sizes = {"x": 6, "a": 5, "b": 4, "c": 3, "y": 1}
    edges = [["x", "a"], ["x", "b"], ["a", "b"], ["a", "c"], ["b", "c"], ["b", "y"], ["c", "y"]]
    seconds = [{"at": "b", "args": ["a", "x"], "second": "dense"}, {"at": "c", "args": ["a", "b"], "second": "dense"}]
    jacobians = [{"edge": edge} for edge in edges]
    dag = {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians, "seconds": seconds}
    return from_spec({"dag": dag, "derivative": 2})


def test_results_are_symmetric_to_the_bit_in_floats() -> None:
    problem = wide()
    for order in permutations(["a", "b", "c"]):
        made = elimination_plan(problem.graph, SecondOrder(), order)
        (found,) = second_derivatives(made, draw_all(problem, 3)).values()
        assert np.array_equal(found, found.transpose(0, 2, 1))


def test_halves_of_both_sides_are_shared_and_cost_what_both_at_once_cost() -> None:
    problem = asked([3, 4, 2])
    steps: list[Step] = [LoadSecond("F2"), Load("F1"), Load("F2"), LoadSecond("F1")]
    steps += [Contract(0, 1, Side.RIGHT, False), Contract(4, 1, Side.LEFT, True)]
    steps += [Contract(3, 2, Side.ROWS, True, 5)]
    end = (SecondOutput("x2", "x0", "x0", 6),)
    halves = Plan(problem.graph, tuple(steps), (), second_outputs=end, second=SecondOrder())
    assert check(halves, problem).total == plan(problem).price
    values = draw_all(problem, 0)
    (one,), (other,) = (second_derivatives(made, values).values() for made in (halves, plan(problem)))
    assert np.array_equal(one, one.transpose(0, 2, 1))
    assert np.allclose(one, other)
    for wrong in (Contract(4, 2, Side.LEFT, True), Contract(0, 1, Side.LEFT, True), Contract(4, 1, Side.RIGHT, True)):
        with pytest.raises(PlanError):
            check(replace(halves, steps=(*steps[:5], wrong, steps[6])), problem)


def test_halves_of_two_unlike_blocks_are_refused() -> None:
    """F''[·, A] multiplied by B of the same vertices on the left is not symmetric, unlike that by A."""
    edges = [("A", "x", "h"), ("B", "x", "h"), ("F", "h", "y")]
    items = [{"name": name, "edge": [source, target]} for name, source, target in edges]
    dag = {"sizes": {"x": 2, "h": 3, "y": 1}, "inputs": ["x"], "outputs": ["y"], "jacobians": items}
    problem = from_spec({"dag": dag, "derivative": 2})
    steps: list[Step] = [LoadSecond("F"), Load("A"), Load("B"), Contract(0, 1, Side.RIGHT, False)]
    for block, side, refused in ((1, Side.LEFT, False), (2, Side.LEFT, True), (1, Side.RIGHT, True)):
        end = (SecondOutput("y", "x", "x", 4),)
        made = Plan(
            problem.graph, (*steps, Contract(3, block, side, True)), (), second_outputs=end, second=SecondOrder()
        )
        with pytest.raises(PlanError, match="not known to be symmetric" if refused else "every term exactly once"):
            check(made, problem)


def test_an_exchange_is_counted_as_the_other_order_of_a_pair() -> None:
    """The block of (x, z) given for (z, x), and one that is added to itself instead of to the exchanged one."""
    problem = wide()
    good = elimination_plan(problem.graph, SecondOrder(), ["a", "b", "c"])
    check(good, problem)
    turns = [p for p, step in enumerate(good.steps) if isinstance(step, Exchange)]
    assert turns
    broken = 0
    for place in turns:
        step = good.steps[place]
        assert isinstance(step, Exchange)
        for reader, other in enumerate(good.steps):
            if isinstance(other, Add) and place in other and step.second in other:
                doubled = list(good.steps)
                doubled[reader] = Add(step.second, step.second)
                with pytest.raises(PlanError, match=r"every term exactly once|not known to be symmetric"):
                    check(replace(good, steps=tuple(doubled)), problem)
                broken += 1
    assert broken
    problem = product()
    made = plan(problem).plan
    assert made is not None
    ends = {(one.left, one.right): one for one in made.second_outputs}
    swapped = ends["x", "z"]._replace(step=ends["z", "x"].step)
    outputs = tuple(swapped if one is ends["x", "z"] else one for one in made.second_outputs)
    with pytest.raises(PlanError, match="leads"):
        check(replace(made, second_outputs=outputs), problem)


def test_larger_graphs_are_searched_by_nodes_and_cost_less_than_the_baselines() -> None:
    rng = random.Random(5)
    names = [f"v{i}" for i in range(24)]
    edges = [[names[i], names[j]] for j in range(2, 24) for i in sorted(rng.sample(range(max(0, j - 4), j), 2))]
    sizes = {v: rng.choice([1, 2, 4, 8]) for v in names}
    seconds = [{"at": edges[i][1], "args": [edges[i][0], edges[i + 1][0]], "second": "dense"} for i in (4, 10, 20)]
    dag = {"sizes": sizes, "inputs": names[:2], "outputs": names[-2:], "jacobians": [{"edge": e} for e in edges]}
    problem = from_spec({"dag": {**dag, "seconds": seconds}, "derivative": 2})
    one, other = (plan(problem, nodes=60) for _ in range(2))
    assert one.plan is not None
    assert other.plan is not None
    assert one.plan.steps == other.plan.steps
    assert one.price is not None
    assert one.price < 0.9 * one.baselines.best
    values = draw_all(problem, 0, np.int64)
    found, expected = second_derivatives(one, values, wrap=True), reference_second_derivatives(problem, values)
    assert all(np.array_equal(found[key], block) for key, block in expected.items())


SPEC = """\
derivative: 2
dag:
  sizes: {x: 3, u: 4, h: 5, y: 1}
  inputs: [x, u]
  outputs: [y]
  jacobians:
    - {edge: [x, h]}
    - {edge: [u, h]}
    - {edge: [h, y], tangent: 3}
    - {edge: [x, y]}
  seconds:
"""


def test_the_plan_file_of_a_graph_is_read_checked_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, file, arrays = tmp_path / "spec.yaml", tmp_path / "plan.json", tmp_path / "values.npz"
    spec.write_text(
        SPEC + "    - {at: h, args: [x, u], second: dense}\n"
        "    - {name: crossed, at: y, args: [h, x], second: {coo: [[0, 4, 2], [0, 0, 1]]}}\n"
    )
    assert main(["plan", str(spec), "--format", "json", "-o", str(file)]) == 0
    assert main(["check", str(file), "--require-proof"]) == 0
    saved = json.loads(file.read_text())
    assert {"crossed", "h/x/u"} <= {step["elemental"] for step in saved["steps"] if step["op"] == "load_second"}
    assert any(step["op"] == "exchange" for step in saved["steps"])
    problem = from_spec({key: value for key, value in saved["problem"].items() if key != "fingerprint" and value})
    given: dict[str, Any] = dict(draw_all(problem, 3))
    np.savez(arrays, **given)
    for source in (spec, file):
        for options in (["--dtype", "int64"], ["--jacobians", str(arrays)]):
            assert main(["run", str(source), *options]) == 0
            assert "max|H|" in capsys.readouterr().out
    del given["crossed''"]
    np.savez(arrays, **given)
    assert main(["run", str(spec), "--jacobians", str(arrays)]) == 2
    assert "no second derivative 'crossed''" in capsys.readouterr().err
    forged = json.loads(file.read_text())
    next(step for step in forged["steps"] if step.get("elemental") == "crossed")["elemental"] = "cross"
    file.write_text(json.dumps(forged))
    assert main(["check", str(file)]) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{at: h, args: [x, x], second: dense}", r"12:21: dag.seconds\[0\].args: 'x' stands twice"),
        ("{at: h, args: [x, u], second: diagonal}", r"12:37: dag.seconds\[0\].second: .* have 5, 3 and 4 entries"),
        ("{at: h, args: [x, y], second: dense}", "no jacobian leads from 'y' to 'h'"),
        ("{at: q, args: [u, x], second: dense}", "no jacobian leads from 'u' to 'q'"),
        ("{at: y, args: [h, x], second: {coo: [[0, 5, 2]]}}", r"entries up to \(0, 5, 2\), but is 1 x 5 x 3"),
        ("{at: y, args: [h, x], second: {coo: [[0, 5]]}}", r"expected a list of entries"),
        ("{at: y, args: [h], second: dense}", r"12:21: dag.seconds\[0\].args .* expected \[argument, argument\]"),
        ("{at: y, args: [h, x], second: dnse}", "Did you mean 'dense'"),
        ("{at: y, args: [h, x]}", "has no 'second'"),
        ("{at: y, args: [h, 3], second: dense}", "no jacobian leads from '3'|expected"),
        ("{name: h/x, at: y, args: [h, x], second: zero}", "12:14: .*the name 'h/x' is taken"),
        ("{at: y, args: [h, x], second: zero, size: 1}", "unknown key 'size'"),
        ("h", "expected a mapping"),
    ],
)
def test_errors_of_pairs_are_located(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"{SPEC}    - {line}\n")
    from chainplan.io.read import read

    with pytest.raises(SpecError, match=words):
        read(path)


def test_a_pair_is_listed_once_whatever_its_order() -> None:
    problem = product()
    spec = problem.to_spec()
    spec["dag"]["seconds"].append({"at": "y", "args": ["u", "v"], "second": "zero"})
    with pytest.raises(SpecError, match="expected each pair once"):
        from_spec(spec)
    with pytest.raises(ArgumentError, match="expected dense, diagonal, zero"):
        MixedSecond("m", "y", "u", "v", "none")
    taken = {**spec, "dag": {**spec["dag"], "seconds": [{"name": "v/z''", **spec["dag"]["seconds"][0]}]}}
    taken["dag"]["seconds"][0]["name"] = "v/z''"
    with pytest.raises(SpecError, match="Rename"):
        from_spec(taken)


def test_values_of_a_pair_need_not_be_symmetric_but_have_its_shape() -> None:
    problem = wide()
    values = dict(draw_all(problem, 0, np.int64))
    bend = values["b/a/x''"]
    assert bend.shape == (4, 5, 6)
    with pytest.raises(ExecutionError, match="expected an array of"):
        second_derivatives(plan(problem), {name: value for name, value in values.items() if name != "b/a/x''"})
    with pytest.raises(ExecutionError, match="has shape"):
        second_derivatives(plan(problem), {**values, "b/a/x''": bend.transpose(0, 2, 1)})


def test_networkx_and_graphml_keep_pairs_of_arguments() -> None:
    problem = product()
    for again in (
        from_networkx(to_networkx(problem)),
        read_graphml(to_graphml(problem).encode(), SpecMessages("graph")),
    ):
        assert again.fingerprint == problem.fingerprint
