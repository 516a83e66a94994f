"""Every solver of the table on every kind of problem, and the orderings that must hold between them."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from chainplan.errors import SolverError
from chainplan.execution.executor import execute, second_derivatives
from chainplan.execution.operator import operator
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.forward_reverse import order_price, sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.problem.second import SecondOrder
from chainplan.solvers.registry import SOLVERS
from chainplan.structures import Block
from chainplan.validation.reference import reference_jacobian
from chainplan.validation.second_reference import reference_second_derivatives
from chainplan.values.draw import draw
from chainplan.values.second import draw_all
from tests.oracles.brackets import least_products
from tests.oracles.chain import least_cost
from tests.problems import (
    chain_of_letters,
    chain_problem,
    dag_problem,
    random_chain,
    random_dag,
    random_letters,
    random_problem,
)
from tests.reference import instances

EXACT_ON_CHAINS = ("exhaustive", "chain-dense", "chain-dp", "chain-memory", "auto")


def fma(result: Result) -> int:
    assert result.cost is not None
    return result.cost.fma


def sizes_of(problem: Problem) -> list[int]:
    """The sizes of the vertices of a chain."""
    return [problem.graph.chain[0].block.cols, *(e.block.rows for e in problem.graph.chain)]


def assert_computes(problem: Problem, found: Plan, seed: int) -> None:
    """The plan passes the checker and gives the oracle's integers, in both orders, exactly."""
    check(found, problem)
    values = draw(problem.graph, seed, np.int64)
    result = execute(found, values)
    for mode in Mode:
        for pair, expected in reference_jacobian(problem, values, mode).items():
            actual = result.get(pair, np.zeros_like(expected))
            assert actual.shape == expected.shape
            assert np.array_equal(actual, expected), (pair, mode)


def assert_multiplies(problem: Problem, found: Plan, seed: int) -> None:
    """The plan passes the checker, and each program gives the integers of the oracle's Jacobian, exactly."""
    check(found, problem)
    values, rng, sizes = draw(problem.graph, seed, np.int64), np.random.default_rng(seed), problem.graph.sizes
    made, jacobian = operator(found, values), reference_jacobian(problem, values)
    for program in found.programs:
        tangent = program.mode is Mode.TANGENT
        starts, ends = (problem.graph.inputs, problem.graph.outputs)[:: 1 if tangent else -1]
        for count in (1, 3):
            vectors = {v: rng.integers(-3, 4, (sizes[v], count)) for v in starts}
            expected = {end: np.zeros((sizes[end], count), np.int64) for end in ends}
            for (output, source), block in jacobian.items():
                start, end = (source, output) if tangent else (output, source)
                expected[end] += (block if tangent else block.T).astype(np.int64) @ vectors[start]
            product = (made.matmat if tangent else made.rmatmat)(np.concatenate([vectors[v] for v in starts]))
            assert np.array_equal(product, np.concatenate([expected[end] for end in ends])), program.mode


def second_order_chain(seed: int) -> Problem:
    """A chain of up to four elementals, dense or structured, whose second derivative is asked for."""
    rng = random.Random(seed)
    problem = random_chain(rng, 4, rng.choice(["dense", "structured"]))
    return replace(problem, second=SecondOrder(), memory=None)


def assert_computes_twice(problem: Problem, found: Plan, seed: int) -> None:
    """The plan passes the checker, and run on integers it gives the second derivative of the chain rule, exactly."""
    check(found, problem)
    values = draw_all(problem, seed, np.int64)
    result = second_derivatives(found, values)
    for ends, expected in reference_second_derivatives(problem, values).items():
        assert np.array_equal(result.get(ends, np.zeros_like(expected)), expected), ends


def assert_multiplies_twice(problem: Problem, found: Plan, seed: int) -> None:
    """The plan passes the checker, and its products are those of the Hessian of the chain rule, exactly."""
    check(found, problem)
    values = draw_all(problem, seed, np.int64)
    made = operator(found, values)
    whole = np.zeros(made.shape, np.int64)
    for block in reference_second_derivatives(replace(problem, products=None), values).values():
        whole += block[0]
    vectors = np.random.default_rng(seed).integers(-3, 4, (made.shape[1], 2))
    assert np.array_equal(made @ vectors, whole @ vectors)


NODES = {"edge": 2_000, "face": 300}
"""Nodes of the searches over states, whose proofs take seconds each and are tested with their moves."""


@pytest.mark.parametrize("seeds", [range(100), pytest.param(range(100, 1000), marks=pytest.mark.nightly)], ids=str)
@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_on_every_kind_of_problem(name: str, seeds: range) -> None:
    accepted = 0
    for seed in seeds:
        problem = random_problem(seed)
        if name in ("chain-recompute", "chain-reversal"):
            problem = replace(problem, recompute=True)
        if name in ("chain-shared", "shared-groups"):
            problem = chain_of_letters(*random_letters(random.Random(seed)))
        if name == "dag-memory":
            problem = replace(problem, memory=10**9)
        if name in ("chain-groups", "shared-groups", "graph-products", "free"):
            problem = replace(problem, products=Products(1 + seed % 7, seed % 3))
        if name.startswith("second-"):
            problem = second_order_chain(seed)
        if name == "second-memory":
            problem = replace(problem, memory=10**9)
        if name == "second-products":
            problem = replace(problem, second=SecondOrder(weights=True), products=Products(1 + seed % 7))
        if SOLVERS[name].refuses(problem) is not None:
            with pytest.raises(SolverError, match=f"'{name}' refuses"):
                plan(problem, name)
            continue
        accepted += 1
        result = plan(problem, name, seed=seed, nodes=NODES.get(name))
        assert result.plan is not None
        assert result.replay is not None
        assert result.bound <= fma(result) == replay(result.plan).total
        if problem.products is not None and problem.second is not None:
            assert_multiplies_twice(problem, result.plan, seed)
            continue
        if problem.products is not None:
            assert_multiplies(problem, result.plan, seed)
            continue
        if problem.second is not None:
            assert_computes_twice(problem, result.plan, seed)
            continue
        assert result.baselines.forward == order_price(problem.graph, Mode.TANGENT)
        assert_computes(problem, result.plan, seed)
    assert accepted >= len(seeds) // 15, f"{name} refuses nearly everything"


@pytest.mark.parametrize("name", SOLVERS)
def test_the_docstring_says_what_it_costs(name: str) -> None:
    lines = [line.strip() for line in (type(SOLVERS[name]).__doc__ or "").splitlines()]
    for word in ("Cost:", "Exact:", "Refuses:"):
        assert any(line.startswith(word) and len(line) > len(word) for line in lines)


@pytest.mark.parametrize(("first", "last"), [(0, 150), pytest.param(150, 16_800, marks=pytest.mark.nightly)])
def test_exact_solvers_agree_on_random_small_chains(first: int, last: int) -> None:
    compared = dict.fromkeys(EXACT_ON_CHAINS, 0)
    for seed in range(first, last):
        problem = random_chain(random.Random(seed), longest=5)
        best = least_cost(problem.to_spec())
        assert best <= min(fma(plan(problem, "forward")), fma(plan(problem, "reverse")))
        for name in EXACT_ON_CHAINS:
            if SOLVERS[name].refuses(problem) is None:
                result = plan(problem, name)
                assert fma(result) == best >= result.bound, (seed, name)
                assert (result.status is Status.OPTIMAL) is (result.bound == best), (seed, name)
                assert result.bound == best or not problem.graph.exact, (seed, name)
                compared[name] += 1
    assert min(compared.values()) > 0.15 * (last - first)


@pytest.mark.parametrize(("first", "last"), [(0, 800), pytest.param(800, 3000, marks=pytest.mark.nightly)])
def test_dense_solvers_agree_on_random_chains(first: int, last: int) -> None:
    for seed in range(first, last):
        problem = random_chain(random.Random(seed), longest=6, kind="dense")
        best = least_products(sizes_of(problem))
        for name in ("exhaustive", "chain-dense", "chain-dp"):
            assert fma(plan(problem, name)) == best, seed


def test_dense_solvers_agree_on_all_small_size_combinations() -> None:
    for sizes in itertools.product((0, 1, 2, 3), repeat=5):
        problem = chain_problem(sizes)
        for name in ("exhaustive", "chain-dense", "chain-dp"):
            assert fma(plan(problem, name)) == least_products(sizes)


def test_the_transposed_problem_has_the_same_optimum() -> None:
    for seed in range(400):
        problem = random_chain(random.Random(seed), longest=7)
        turned = problem.transpose()
        assert fma(plan(problem)) == fma(plan(turned))
        assert turned.transpose().graph.elementals == problem.graph.elementals
        straight, reverse = plan(problem, "forward"), plan(turned, "reverse")
        assert fma(straight) == fma(reverse)


def test_baselines_are_what_the_plans_of_forward_and_reverse_order_cost() -> None:
    for seed in range(400):
        graph = random_dag(random.Random(seed)).graph
        bare = tuple(
            replace(e, block=Block(e.block.rows, e.block.cols), tangent=None, adjoint=None) for e in graph.elementals
        )
        for candidate in (graph, Graph(graph.sizes, graph.inputs, graph.outputs, bare)):
            for mode in Mode:
                recorder = Recorder(candidate)
                walked = recorder.plan(sweep(candidate, recorder, mode))
                assert order_price(candidate, mode) == replay(walked).total


def test_dag_baselines_do_not_depend_on_the_order_of_declaration() -> None:
    for seed in range(150):
        problem = random_dag(random.Random(seed))
        graph = problem.graph
        sizes = dict(sorted(graph.sizes.items(), key=lambda item: hash((seed, item[0])) % 97))
        shuffled = Graph(sizes, graph.inputs, graph.outputs, graph.elementals)
        if any(e.block.structure.unit for e in graph.elementals):
            continue
        for mode in Mode:
            assert order_price(graph, mode) == order_price(shuffled, mode)


@pytest.mark.parametrize("instance", instances("chain_matrix_free.json"))
def test_reference_matrix_free_chains(instance: dict[str, object]) -> None:
    sizes, tape = instance["sizes"], instance["tape"]
    assert isinstance(sizes, list)
    assert isinstance(tape, list)
    problem = chain_problem(sizes, prices=[(t, t, t) for t in tape])
    result = plan(problem, "chain-dp")
    assert fma(result) == instance["optimum"]
    assert (result.baselines.forward, result.baselines.reverse) == (instance["tangent"], instance["adjoint"])
    cheaper = sum(min(n, m) * t for n, m, t in zip(sizes, sizes[1:], tape, strict=False))
    assert cheaper == instance["preaccumulate_elementals"]
    dense = fma(plan(chain_problem(sizes), "chain-dense"))
    assert dense == instance["then_dense_chain"]
    assert cheaper + dense == instance["preaccumulation"]
    assert result.plan is not None
    assert_computes(problem, result.plan, 1)


@pytest.mark.parametrize("instance", instances("einsum_benchmark_chains.json"))
def test_einsum_benchmark_chains(instance: dict[str, object]) -> None:
    sizes = instance["sizes"]
    assert isinstance(sizes, list)
    problem = chain_problem(sizes)
    assert fma(plan(problem, "chain-dense")) == instance["optimum"] == fma(plan(problem, "chain-dp"))


@pytest.mark.parametrize("instance", instances("dag_elimination.json"))
@pytest.mark.parametrize("metric", ["plain", "unit_free"])
def test_reference_dag_baselines(instance: dict[str, object], metric: str) -> None:
    problem = dag_problem(instance, units=metric == "unit_free")
    figures = instance[metric]
    assert isinstance(figures, dict)
    for name in ("forward", "reverse"):
        result = plan(problem, name)
        assert fma(result) == figures[name]
        assert result.plan is not None
        assert_computes(problem, result.plan, 3)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("q", [1, 2, 9])
def test_closed_forms(n: int, q: int) -> None:
    assert fma(plan(chain_problem([n] * (q + 1)))) == (q - 1) * n**3
    from chainplan.structures import DIAGONAL

    assert fma(plan(chain_problem([n] * (q + 1), [DIAGONAL] * q))) == (q - 1) * n


def test_reverse_is_optimal_for_decreasing_sizes_and_forward_for_increasing() -> None:
    falling = chain_problem(range(9, 1, -1))
    assert fma(plan(falling)) == fma(plan(falling, "reverse"))
    rising = chain_problem(range(2, 10))
    assert fma(plan(rising)) == fma(plan(rising, "forward"))


def test_costs_beyond_64_bits_are_exact() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        sizes = [rng.randint(10**11, 10**12) for _ in range(6)]
        prices = [rng.choice([None, (rng.randint(1, 10**30), rng.randint(1, 10**30), 0)]) for _ in range(5)]
        for problem in (chain_problem(sizes), chain_problem(sizes, prices=prices)):
            best = least_cost(problem.to_spec())
            assert fma(plan(problem)) == fma(plan(problem, "chain-dp")) == fma(plan(problem, "exhaustive")) == best


def test_costs_at_the_edge_of_64_bits_are_exact() -> None:
    for exponent in range(12, 22):
        sizes = [2**exponent + d for d in (3, 0, 5, 1, 4, 2)]
        problem = chain_problem(sizes)
        assert fma(plan(problem, "chain-dp")) == fma(plan(problem, "exhaustive")) == least_products(sizes)


def test_a_long_chain_needs_no_recursion() -> None:
    problem = chain_problem([2, 3] * 10_000)
    assert fma(plan(problem)) <= plan(problem).baselines.best


def test_a_plan_over_the_limit_is_withdrawn() -> None:
    problem = replace(chain_problem([5, 5, 5]), memory=10)
    result = plan(problem, "chain-dp")
    assert (result.status, result.plan, result.cost) == (Status.BUDGET, None, None)
    assert "needs 75 elements" in result.notes[0]


def test_an_exhausted_budget_leaves_the_better_baseline() -> None:
    problem = chain_problem([5, 1, 5, 2, 5])
    result = plan(problem, "chain-dp", budget=0)
    assert result.status is Status.FEASIBLE
    assert fma(result) == result.baselines.best
    assert "out of budget" in result.notes[0]


def test_ctrl_c_leaves_the_better_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainplan.solvers.search.search.Search.tick", interrupt)
    result = plan(chain_problem([5, 1, 5, 2, 5]), "chain-dp")
    assert result.status is Status.FEASIBLE
    assert "interrupted" in result.notes[0]


def test_the_same_input_gives_the_same_plan() -> None:
    for seed in range(30):
        problem = random_problem(seed)
        first, second = plan(problem), plan(problem)
        assert first.plan is not None
        assert second.plan is not None
        assert first.plan.steps == second.plan.steps


def test_an_unknown_solver_is_named_with_a_suggestion() -> None:
    with pytest.raises(SolverError, match=r"'chain-pd' does not exist; expected one of .* Did you mean 'chain-dp'\?"):
        plan(chain_problem([1, 2]), "chain-pd")
