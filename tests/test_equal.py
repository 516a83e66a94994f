"""Equal factors: read from specs, proven at several places, made once, given once."""

from __future__ import annotations

import inspect
import json
import random
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.errors import ExecutionError, PlanError, SpecError
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SHARED
from chainplan.plans.sharing import shared
from chainplan.plans.steps import Add, Again, Load, Multiply, Output, Plan, Step
from chainplan.problem.graph import Elemental, FaultyGraphError, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.solvers.chain.addition_chains import addition_chain, least_products
from chainplan.solvers.registry import SOLVERS
from chainplan.structures import Block
from chainplan.values.draw import draw
from tests.oracles.sharing import SharedChain
from tests.problems import chain_of_letters, random_letters

SHORTEST = (
    *(0, 1, 2, 2, 3, 3, 4, 3, 4, 4, 5, 4, 5, 5, 5, 4, 5, 5, 6, 5, 6, 6, 6, 5, 6, 6, 6, 6, 7, 6, 7, 5),
    *(6, 6, 7, 6, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 8, 6, 7, 7, 7, 7, 8, 7, 8, 7, 8, 8, 8, 7, 8, 8, 8, 6),
)
"""The sums of a shortest addition chain for 1 to 64 (OEIS A003313)."""


def chain(*items: dict[str, Any]) -> Problem:
    return chainplan.chain(items)


def power(k: int, n: int = 2) -> Problem:
    return chain({"name": "A", "shape": [n, n], "times": k})


def square(name: str, n: int = 3, **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [n, n], **more}


def graph(edges: Sequence[tuple[str, str, str, str | None]], n: int = 3) -> Problem:
    """A graph of n x n edges (from, to, name, name of the equal one) from x to y."""
    jacobians = [
        {"edge": [a, b], "name": name} | ({} if same is None else {"same_as": same}) for a, b, name, same in edges
    ]
    sizes = dict.fromkeys((v for a, b, *_ in edges for v in (a, b)), n)
    return chainplan.from_spec({"dag": {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians}})


def fma(problem: Problem, solver: str = "auto") -> int:
    cost = chainplan.plan(problem, solver).cost
    assert cost is not None
    return cost.fma


def assert_right(problem: Problem, plan: Plan, seed: int = 0) -> None:
    """The plan is proven, and gives the Jacobian where each array is given under its first name alone."""
    chainplan.check(plan, problem)
    values = draw(problem.graph, seed, np.int64)
    once = {e.name: values[e.name] for e in problem.graph.elementals if e.values is None and e.name in values}
    result = chainplan.execute(plan, once, wrap=True)
    for pair, expected in chainplan.reference_jacobian(problem, once, Mode.ADJOINT).items():
        assert np.array_equal(result.get(pair, np.zeros_like(expected)), expected)


def test_a_spec_names_equal_jacobians() -> None:
    problem = chain(square("A", times=3, structure="diagonal"), square("B"), {"same_as": "A#2"}, {"same_as": "B"})
    found = [(e.name, e.values, e.block.structure.name) for e in problem.graph.elementals]
    diagonals = [("A", None), ("A#2", "A"), ("A#3", "A")]
    assert found == [
        *((*pair, "diagonal") for pair in diagonals),
        ("B", None, "dense"),
        ("F5", "A", "diagonal"),
        ("F6", "B", "dense"),
    ]
    assert chainplan.from_spec(problem.to_spec()).graph.elementals == problem.graph.elementals
    assert chainplan.from_networkx(chainplan.to_networkx(problem)).graph.elementals == problem.graph.elementals
    assert problem.transpose().transpose().fingerprint == problem.fingerprint
    alone = replace(problem.graph, elementals=tuple(replace(e, values=None) for e in problem.graph.elementals))
    assert Problem(alone).fingerprint != problem.fingerprint


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([square("A"), {"same_as": "B"}], "chain[1].same_as is 'B', which no jacobian is called"),
        ([square("A"), {"name": "B", "same_as": "B"}], "chain[1].same_as names the jacobian itself"),
        ([{"name": "A", "same_as": "B"}, {"name": "B", "same_as": "A"}], "chain[0].same_as leads back to itself in 2"),
        ([square("A"), {"same_as": "A", "structure": "diagonal"}], "chain[1].structure stands beside 'same_as'"),
        ([square("A"), {"same_as": "A", "tangent": 3}], "chain[1].tangent stands beside 'same_as'"),
        (
            [square("A"), {"same_as": "A", "shape": [3, 4]}],
            "chain[1].shape is [3, 4], but 'same_as' names 'A' of [3, 3]",
        ),
        ([{"shape": [3, 4], "times": 2}], "chain[0].times repeats 'F1' of 3 x 4; expected a square one"),
        ([square("A", times=0)], "chain[0].times is 0; expected at least 1"),
        ([square("A", times=200_000)], "chain[0].times is 200000; expected a whole number from 0 to 10^5"),
        ([square("A", times=2), square("A#2")], "chain[1].name: the name 'A#2' is taken by chain[0]"),
        ([{"name": "A" * 200, "shape": [1, 1], "times": 2}], "chain[0] has copies with names of 202 characters"),
    ],
)
def test_a_spec_that_is_wrong_about_equal_jacobians(items: list[dict[str, Any]], expected: str) -> None:
    with pytest.raises(SpecError) as error:
        chain(*items)
    assert f"spec: {expected}" in str(error.value)
    assert len(str(error.value).splitlines()) == 1 + ("back" in expected)


def test_the_copies_of_a_chain_are_limited_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainplan.io.spec_chain.MAX_TIMES", 5)
    with pytest.raises(SpecError, match=r"chain\[1\].times makes the chain longer than .* by 'times'"):
        chain(square("A", times=4), {"same_as": "A", "times": 2})


def test_a_graph_refuses_elementals_that_are_not_equal() -> None:
    a = Elemental("A", "x", "h", Block(2, 2))
    for other, expected in (
        (Elemental("B", "h", "y", Block(2, 2), values="C"), "'C', which is no elemental"),
        (Elemental("B", "h", "y", Block(2, 2), values="B"), "has the values of itself"),
        (Elemental("B", "h", "y", Block(2, 2), tangent=3, values="A"), "another structure or other prices"),
    ):
        with pytest.raises(FaultyGraphError, match=expected):
            Graph({"x": 2, "h": 2, "y": 2}, ("x",), ("y",), (a, other))
    with pytest.raises(FaultyGraphError, match="is 3 x 2, but has the values of 'A' of 2 x 2"):
        Graph({"x": 2, "h": 2, "y": 3}, ("x",), ("y",), (a, Elemental("B", "h", "y", Block(3, 2), values="A")))


POWER: tuple[Step, ...] = (Load("A"), Load("A#2"), Multiply(1, 0), Again(2, "x2", "x4"), Multiply(3, 2))
END = (Output("x4", "x0", 4),)


def test_a_block_stands_again_where_equal_elementals_are() -> None:
    problem = power(4, n=3)
    plan = Plan(problem.graph, POWER, END)
    replayed = chainplan.check(plan, problem)
    assert (replayed.total, replayed.alive) == (54, (9, 9, 18, 9, 18))
    assert_right(problem, plan)
    for wrong, expected in {
        Again(2, "x1", "x4"): "no elementals equal to those in it lead 'x1' -> 'x4'",
        Again(2, "x2", "x3"): "no elementals equal to those in it lead 'x2' -> 'x3'",
        Again(2, "x4", "x2"): "no elementals equal to those in it lead 'x4' -> 'x2'",
        Again(2, "x2", "q"): "lead 'x2' -> 'q'",
        Again(2, "x1", "x3"): "they must meet",
        Again(3, "x2", "x4"): "expected an earlier step",
    }.items():
        with pytest.raises(PlanError, match=expected):
            chainplan.check(Plan(problem.graph, (*POWER[:3], wrong, POWER[4]), END), problem)
    other = chain(square("A", times=2), square("B", times=2))
    with pytest.raises(PlanError, match="no elementals equal"):
        chainplan.check(Plan(other.graph, POWER, END), other)


def test_products_in_another_order_are_not_equal() -> None:
    problem = graph([("x", "h", "A", None), ("h", "y", "B", None), ("x", "k", "B2", "B"), ("k", "y", "A2", "A")])
    once = (Load("A"), Load("B"), Multiply(1, 0))
    ends = (Output("y", "x", 3),)
    for wrong in (Add(2, 2), Again(2, "x", "y")):
        with pytest.raises(PlanError):
            chainplan.check(Plan(problem.graph, (*once, wrong), ends), problem)
    right = (*once, Again(0, "k", "y"), Again(1, "x", "k"), Multiply(3, 4, 2))
    assert_right(problem, Plan(problem.graph, right, (Output("y", "x", 5),)))


def test_a_path_that_is_equal_counts_as_a_path_of_its_own() -> None:
    problem = graph([("x", "h", "A", None), ("h", "y", "B", None), ("x", "k", "A2", "A"), ("k", "y", "B2", "B")])
    once = (Load("A"), Load("B"), Multiply(1, 0))
    with pytest.raises(PlanError, match="does not count every path exactly once"):
        chainplan.check(Plan(problem.graph, (*once, Add(2, 2)), (Output("y", "x", 3),)), problem)
    assert_right(problem, chainplan.plan(problem).plan)  # type: ignore[arg-type]


def test_powers_cost_a_shortest_addition_chain() -> None:
    for k in range(2, 65):
        result = chainplan.plan(power(k), "chain-shared")
        assert (result.price, result.optimal_within) == (8 * SHORTEST[k - 1], SHARED)
    assert [len(addition_chain(k)) - 1 for k in range(1, 65)] == list(SHORTEST)


def test_a_chain_that_is_too_long_for_the_stack_keeps_its_good_words() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 90)
    try:
        result = chainplan.plan(power(311), "chain-shared", budget=20.0)
    finally:
        sys.setrecursionlimit(limit)
    assert result.cost is not None
    assert 11 * 8 <= result.cost.fma <= 13 * 8


def test_addition_chains_are_chains_and_no_shorter_than_their_bound() -> None:
    for k in (*range(1, 130), 300, 1000, 4095, 4096, 99_991):
        found = addition_chain(k)
        sums = {a + b for a in found for b in found}
        assert found[0] == 1
        assert found[-1] == k
        assert set(found[1:]) <= sums
        assert len(found) - 1 >= least_products(k)


def test_periods_vectors_and_unlike_diagonals() -> None:
    dense = {x: {"shape": [4, 4]} for x in "AB"}
    assert fma(chain_of_letters("AB" * 8, dense)) == 4 * 64
    diagonal = {"shape": [4, 4], "structure": "diagonal"}
    apart = chain_of_letters("ADAE", {**dense, "D": diagonal, "E": diagonal})
    assert fma(apart) == fma(apart, "chain-dp") == 96
    row = chain_of_letters("A" * 16 + "V", {"A": {"shape": [20, 20]}, "V": {"shape": [1, 20]}})
    assert fma(row) == 16 * 20**2
    assert chainplan.plan(row).optimal_within == SHARED
    both = chain_of_letters("A" * 16 + "V", {"A": {"shape": [40, 40]}, "V": {"shape": [20, 40]}})
    assert fma(both) == 2 * 40**3 + 4 * 20 * 40**2 < fma(both, "chain-dp")


@pytest.mark.parametrize("first", [0, pytest.param(60, marks=pytest.mark.nightly)])
def test_plans_cost_what_brute_force_finds(first: int) -> None:
    again = 0
    for seed in range(first, 60 if not first else 2060):
        letters, factors = random_letters(random.Random(seed))
        problem, best = chain_of_letters(letters, factors), SharedChain(letters, factors).least()
        if problem.graph.shares:
            result = chainplan.plan(problem, "chain-shared")
            assert result.plan is not None
            assert fma(problem, "chain-shared") == best, seed
            assert (result.optimal_within == SHARED) is problem.graph.exact, seed
            assert fma(problem) <= best, "auto may sweep in colours too"
            again += any(isinstance(step, Again) for step in result.plan.steps)
            assert_right(problem, result.plan, seed)
    assert again > 10


def test_every_solver_takes_chains_of_equal_factors() -> None:
    for seed in range(4):
        problem = chain_of_letters(*random_letters(random.Random(seed)))
        for name, solver in SOLVERS.items():
            if solver.refuses(problem) is None and not problem.recompute and name != "cp-sat":
                found = chainplan.plan(problem, name, nodes=300).plan
                assert found is not None
                assert_right(problem, found, seed)
                once = shared(Candidate(found, problem.cost))
                assert once.price <= Candidate(found, problem.cost).price
                assert_right(problem, once.plan, seed)


def test_no_solver_denies_plans_that_share_equal_products_under_a_limit() -> None:
    for seed in range(12):
        problem = chain_of_letters(*random_letters(random.Random(seed)))
        peak = chainplan.replay(chainplan.plan(problem, "chain-shared" if problem.graph.shares else "auto")).peak
        limited = replace(problem, memory=peak)
        assert chainplan.plan(limited).plan is not None
        for name in ("chain-memory", "dag-memory"):
            assert chainplan.plan(limited, name).status is not Status.INFEASIBLE
    squared = replace(power(8), memory=8)  # two blocks of four entries, where each of two factors has one of its own
    assert (chainplan.plan(squared).price, chainplan.plan(squared, "exhaustive").status) == (24, Status.BUDGET)
    assert chainplan.plan(replace(squared, memory=3)).status is Status.INFEASIBLE


def test_nothing_equal_is_left_to_share_on_graphs_whatever_is_minimised() -> None:
    rng = random.Random(0)
    for count in range(32):
        names = [f"v{i}" for i in range(rng.randint(5, 8))]
        sizes = {name: rng.choice((3, 3, 3, 8)) for name in names}
        jacobians, firsts = list[dict[str, Any]](), dict[tuple[int, int], str]()
        for i, j in combinations(range(len(names)), 2):
            if j == i + 1 or rng.random() < 0.4:
                first = firsts.setdefault((sizes[names[i]], sizes[names[j]]), name := f"e{i}{j}")
                same = {} if first == name or rng.random() < 0.15 else {"same_as": first}
                jacobians.append({"edge": [names[i], names[j]], "name": name, **same})
        ends = {"inputs": [names[0]], "outputs": [names[-1]]}
        problem = chainplan.from_spec({"dag": {"sizes": sizes, **ends, "jacobians": jacobians}})
        result = chainplan.plan(problem, nodes=150, objective="weighted" if count % 8 else "fma")
        assert result.candidate is not None
        assert shared(result.candidate).price == result.price, count


def test_a_block_that_stands_for_two_outputs_is_held_once() -> None:
    jacobians = [{"edge": ["x", "y"], "name": "A"}, {"edge": ["z", "w"], "same_as": "A"}]
    sizes = dict.fromkeys("xyzw", 3)
    spec = {"dag": {"sizes": sizes, "inputs": ["x", "z"], "outputs": ["y", "w"], "jacobians": jacobians}}
    problem = replace(chainplan.from_spec(spec), memory=9)
    once = Plan(problem.graph, (Load("A"), Again(0, "z", "w")), (Output("y", "x", 0), Output("w", "z", 1)))
    assert chainplan.check(once, problem).peak == 9
    assert chainplan.plan(problem).status is not Status.INFEASIBLE


def _explicit_without_zero_rows(factor: dict[str, Any]) -> dict[str, Any]:
    """The same factor without prices, and dense where its pattern has zero rows, behind which vectors stay dense."""
    listed = isinstance(factor.get("structure"), dict) and "coo" in factor["structure"]
    return {key: factor[key] for key in ("shape", "structure") if key in factor and not (listed and key != "shape")}


def test_products_form_equal_groups_once() -> None:
    fewer = 0
    for seed in range(40):
        rng = random.Random(seed)
        letters, factors = random_letters(rng)
        explicit = {x: _explicit_without_zero_rows(factor) for x, factor in factors.items()}
        problem, k = chain_of_letters(letters, explicit), rng.randint(1, 60)
        if not problem.graph.shares:
            continue
        vectors = {"V": {"shape": [problem.graph.sizes["x0"], k]}}
        renamed = {"W" if x == "V" else x: factor for x, factor in explicit.items()}
        best = SharedChain("V" + letters.replace("V", "W"), renamed | vectors).least()
        for right in (0, k // 2, k):
            asked = replace(problem, products=Products(right, k - right))
            result = chainplan.plan(asked, "shared-groups")
            assert result.price == best, (seed, right)
            assert result.plan is not None
            chainplan.check(result.plan, asked)
            assert (chainplan.plan(asked).price or 0) <= best
        fewer += best < (chainplan.plan(asked, "chain-groups").price or 0)
    nine = replace(power(9, n=4), products=Products(50))
    apart, once = chainplan.plan(nine, "chain-groups"), chainplan.plan(nine)
    assert (apart.price, once.price) == (8 * 64 + 50 * 16, 4 * 64 + 50 * 16)
    assert fewer


def test_steppers_square_their_steps() -> None:
    def stepper(k: int) -> Problem:
        edges: list[dict[str, Any]] = []
        for i in range(k):
            same = {} if i == 0 else {"same_as": "A0"}
            edges += [
                {"edge": [f"x{i}", f"x{i + 1}"], "structure": "identity", "name": f"I{i}"},
                {"edge": [f"x{i}", f"x{i + 1}"], "name": f"A{i}", **same},
            ]
        sizes = {v: 4 for e in edges for v in e["edge"]}
        ends = {"inputs": ["x0"], "outputs": [f"x{k}"]}
        return chainplan.from_spec({"dag": {"sizes": sizes, **ends, "jacobians": edges}})

    for k in (2, 8, 15):
        problem = stepper(k)
        found = chainplan.plan(problem, nodes=200)
        assert found.price == SHORTEST[k - 1] * 64
        assert_right(problem, found.plan)  # type: ignore[arg-type]


def test_equal_accumulations_and_sums_of_a_graph_are_made_once() -> None:
    stepper: list[dict[str, Any]] = []
    for i in range(4):
        own = {"tangent": 9, "adjoint": 9} if i == 0 else {"same_as": "A0"}
        half = {"structure": "diagonal"} if i == 0 else {"same_as": "H0"}
        stepper += [
            {"edge": [f"x{i}", f"x{i + 1}"], "structure": "identity"},
            {"edge": [f"x{i}", f"u{i}"], "name": f"A{i}", **own},
            {"edge": [f"u{i}", f"x{i + 1}"], "name": f"H{i}", **half},
        ]
    sizes = {v: 3 for e in stepper for v in e["edge"]}
    problem = chainplan.from_spec({"dag": {"sizes": sizes, "inputs": ["x0"], "outputs": ["x4"], "jacobians": stepper}})
    apart = chainplan.plan(problem, "propagation", nodes=2000).candidate
    assert apart is not None
    assert_right(problem, shared(apart).plan)
    assert_right(problem, chainplan.plan(problem, nodes=2000).plan)  # type: ignore[arg-type]


def test_arrays_are_given_once_under_any_of_the_names() -> None:
    problem = power(4, n=2)
    plan = chainplan.plan(problem).plan
    array = np.array([[1, 1], [0, 2]])
    expected = np.linalg.matrix_power(array, 4)

    class Asked(dict[str, Any]):
        """A mapping that is no dict to the executor, which asks it when a step needs an elemental."""

    for given in ({"A": array}, {"A#3": array}, dict.fromkeys(("A", "A#2", "A#3", "A#4"), array), Asked(A=array)):
        assert np.array_equal(chainplan.execute(plan, given)["x4", "x0"], expected)  # type: ignore[arg-type]
    assert np.array_equal(chainplan.execute(plan, {"A": array, "A#2": array.copy()})["x4", "x0"], expected)  # type: ignore[arg-type]
    with pytest.raises(ExecutionError, match="'A#2' has the values of 'A', but"):
        chainplan.execute(plan, {"A": array, "A#2": array + 1})  # type: ignore[arg-type]
    with pytest.raises(ExecutionError, match="no Jacobian for 'A'"):
        chainplan.execute(plan, {})  # type: ignore[arg-type]


def test_check_proves_bounds_on_shared_products_again(tmp_path: Path) -> None:
    def verdict(result: chainplan.Result, **forged: Any) -> str:
        document = json.loads(chainplan.render(result, "json")) | forged
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(document))
        return str(chainplan.prove_again(chainplan.read_plan(path)))

    problem = power(15, n=3)
    apart, once = chainplan.plan(problem, "chain-dp"), chainplan.plan(problem)
    assert (apart.price, once.price) == (14 * 27, 5 * 27)
    assert verdict(apart) == verdict(once) == "proven again"
    claim = {"optimal_within": SHARED, "bound": {"fma": apart.price, "within": SHARED}}
    assert verdict(apart, **claim).startswith(f"refuted: {tmp_path / 'plan.json'}: claims to be optimal, but")
    unlike = chainplan.plan(chain(square("A"), square("B")))
    assert "no elemental is the same" in verdict(unlike, **{**claim, "bound": {"fma": 27, "within": SHARED}})


def test_reports_and_files_say_where_a_block_stands_again() -> None:
    result = chainplan.plan(power(8, n=3))
    text = chainplan.render(result)
    assert "again" in text
    assert "x2 -> x4" in text
    assert SHARED in text
    for form in ("json", "markdown", "dot", "html"):
        assert chainplan.render(result, form)


def test_equal_blocks_of_long_chains_are_found_in_memory_that_grows_with_the_steps() -> None:
    again = [{"same_as": "A"} for _ in range(1999)]
    problem = chain(square("C", 3), square("A", 3, times=2000), {"same_as": "C"}, {"same_as": "A"}, *again)
    steps: list[Step] = []
    blocks = list[int]()
    for part in (problem.graph.chain[:2001], problem.graph.chain[2001:]):
        steps.append(Load(part[0].name))
        for e in part[1:]:
            steps += [Load(e.name), Multiply(len(steps), len(steps) - 1)]
        blocks.append(len(steps) - 1)
    steps.append(Multiply(blocks[1], blocks[0]))
    (output,), (source,) = problem.graph.outputs, problem.graph.inputs
    plan = Plan(problem.graph, tuple(steps), (Output(output, source, len(steps) - 1),))
    candidate = Candidate(plan, problem.cost)
    assert candidate.price == 4001 * 27
    tracemalloc.start()
    made = shared(candidate)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made.price == 2001 * 27
    assert peak < 2000 * len(steps), "2,000 bytes a step"
