"""Plans for products with the Jacobian of a graph: what they cost at best, what is proven, and what they compute."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

import chainplan
from chainplan.io.plan_file import parse_plan
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import check
from chainplan.plans.classes import ELIMINATION_PRODUCTS, GRAPH_PRODUCT_CLASSES, PROPAGATION_PRODUCTS
from chainplan.plans.product_orders import baseline_price, through_blocks
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan, Propagate
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.proofs.claims import prove_again
from chainplan.solvers.search.search import unwatched
from chainplan.solvers.uses.graph_products import VectorGraph
from chainplan.structures import Block, Diagonal, Identity
from generators.graphs import dag_problem
from tests.oracles.graph_products import VectorDag, least_kept_cost
from tests.oracles.propagation import least_propagation_cost
from tests.problems import busy_dag, classed_dag, random_chain, random_dag, sparse_dag
from tests.test_solvers import assert_multiplies

COUNTS = ((1, 0), (0, 3), (2, 2), (5, 1), (1, 7), (30, 0), (20, 30), (0, 40))
MAX_FREE_ELEMENTALS = 6
"""Matrix-free elementals up to which every plan is tried."""
MAX_TRIED_VERTICES = 9
"""Vertices to be eliminated, inputs or outputs among them, up to which every order is tried."""


def asked(problem: Problem, right: int, left: int = 0) -> Problem:
    return replace(problem, products=Products(right, left))


def small_problems(first: int, last: int) -> Iterator[tuple[int, Problem, int]]:
    """Graphs of every kind with products on the right, on the left or on both sides, and the least cost of these."""
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = random_dag(rng, 4 + 2 * (seed % 5 == 1)) if seed % 3 else sparse_dag(rng, 3)
        problem = classed_dag(seed, 5) if seed % 7 == 0 else problem
        free = sum(not e.explicit for e in problem.graph.useful)
        if not problem.graph.useful or not problem.graph.exact or free > MAX_FREE_ELEMENTALS:
            continue
        problem = asked(problem, *rng.choice(COUNTS))
        dag = VectorDag(problem.to_spec())
        if len(dag.middle) <= MAX_TRIED_VERTICES:
            best = least_propagation_cost(dag, sweeps=not problem.graph.explicit)
            if best is not None:
                yield seed, problem, best


@pytest.mark.parametrize(("first", "last"), [(15, 33), pytest.param(33, 3_300, marks=pytest.mark.nightly)])
def test_plans_are_those_of_trying_everything(first: int, last: int) -> None:
    seen = Counter[str]()
    for seed, problem, best in small_problems(first, last):
        result = plan(problem, "graph-products", budget=100)
        assert (result.price, result.bound, result.status) == (best, best, Status.OPTIMAL), seed
        assert result.within in GRAPH_PRODUCT_CLASSES
        assert VectorGraph(problem).least(result.within or "", unwatched) <= best, seed
        assert best <= min(baseline_price(problem, name) for name in ("forward", "reverse", "free")), seed
        assert result.plan is not None
        assert_multiplies(problem, result.plan, seed)
        if problem.graph.explicit:
            assert best <= least_kept_cost(problem.to_spec()), seed
        right, left = (bool(result.plan.program(mode)) for mode in Mode)
        seen.update({f"programs {right} {left}": 1, result.within: 1, "plans": 1})
    assert seen["plans"] > (last - first) // 2
    assert all(seen[name] > (last - first) // 50 for name in GRAPH_PRODUCT_CLASSES)
    assert seen["programs True True"] > seen["plans"] // 2


def formed(problem: Problem, jacobian: Result) -> int:
    """The price of forming the Jacobian by a plan and multiplying all vectors by it."""
    assert jacobian.plan is not None
    assert problem.products is not None
    recorder = Recorder.after(jacobian.plan)
    programs = []
    for mode, times in problem.products.sides():
        program = recorder.begun()
        programs.append(program.program(mode, times, through_blocks(program, mode, jacobian.plan.outputs)))
    return Candidate(recorder.plan((), programs), FMA).price


def larger(seed: int, most: int = 60) -> Problem:
    """A graph of 10 or more intermediates, dense, with diagonals and units, or with matrix-free elementals."""
    rng = random.Random(seed)
    n = rng.randint(10, most)
    problem = busy_dag(rng, n) if seed % 3 else classed_dag(seed, n)

    def priced(e: Elemental) -> Elemental:
        most = 4 * max(1, e.block.nnz)
        return replace(e, tangent=rng.randint(1, most), adjoint=rng.randint(1, most)) if rng.random() < 0.3 else e

    if seed % 5 == 4:
        problem = Problem(replace(problem.graph, elementals=tuple(map(priced, problem.graph.elementals))))
    return asked(problem, *rng.choice([(1, 0), (0, 3), (5, 5), (10, 0), (0, 30), (100, 0), (300, 100), (10**4, 10**4)]))


@pytest.mark.parametrize(
    ("first", "last", "nodes"), [(1, 3, 800), pytest.param(0, 500, 20_000, marks=pytest.mark.nightly)]
)
def test_no_plan_is_worse_than_forming_all_or_nothing(first: int, last: int, nodes: int) -> None:
    better = 0
    for seed in range(first, last):
        problem = larger(seed)
        result = plan(problem, nodes=nodes)
        jacobian = plan(replace(problem, products=None), nodes=nodes)
        plain = min(formed(problem, jacobian), baseline_price(problem, "free"))
        assert result.price is not None
        assert result.bound <= result.price <= plain, seed
        assert result.plan is not None
        check(result.plan, problem)
        better += result.price < plain
    assert better >= (last - first) // 3


def diamond(right: int, left: int = 0) -> Problem:
    """x(20) -> a(30) -> m(2) -> b(30) -> y(20), and a second way x -> c(3) -> b."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 3)]
    sizes = [20, 30, 2, 30, 20, 3]
    spec = {"name": "diamond", "sizes": sizes, "edges": edges, "inputs": [0], "outputs": [4]}
    return asked(dag_problem(spec), right, left)


@pytest.mark.parametrize(
    ("right", "left", "setup", "each"),
    [(1, 0, 0, 1470), (0, 1, 0, 1470), (1000, 0, 4_200, 200), (500, 500, 4_200, 200), (0, 10**6, 4_200, 200)],
)
def test_a_narrow_place_is_where_a_graph_is_kept(right: int, left: int, setup: int, each: int) -> None:
    result = plan(diamond(right, left))
    assert result.replay is not None
    assert result.replay.products == (setup, each, each)
    assert (result.status, result.within) == (Status.OPTIMAL, ELIMINATION_PRODUCTS)


def test_a_graph_that_is_a_chain_costs_what_its_groups_cost() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        problem = asked(random_chain(rng, 6), *rng.choice(COUNTS))
        if problem.graph.exact:
            groups, graph = plan(problem, "chain-groups"), plan(problem, "graph-products")
            assert groups.status is Status.OPTIMAL, seed
            assert graph.price == graph.bound == groups.price, seed


def test_the_transposed_problem_has_the_same_optimum() -> None:
    compared = 0
    for seed in range(40):
        rng = random.Random(seed)
        problem = asked(random_dag(rng, 4), *rng.choice(COUNTS))
        read = set(problem.graph.outputs) & {e.source for e in problem.graph.elementals}
        assert problem.products is not None
        if not read and problem.products.right != problem.products.left and problem.graph.exact:
            turned = plan(replace(problem, graph=problem.graph.transpose(), products=problem.products.transpose()))
            assert plan(problem).price == turned.price, seed
            compared += 1
    assert compared > 8


def test_a_matrix_free_elemental_is_accumulated_where_both_sides_together_pay_for_it() -> None:
    def problem(right: int, left: int) -> Problem:
        sizes = {"x": 10, "h": 10, "y": 10}
        elementals = (
            Elemental("model", "x", "h", Block(10, 10), 20, 500),
            Elemental("skip", "x", "h", Block(10, 10, Diagonal())),
            Elemental("end", "h", "y", Block(10, 10)),
        )
        return asked(Problem(Graph(sizes, ("x",), ("y",), elementals)), right, left)

    for right, left, price in ((20, 0, 20 * 130), (20, 1, 20 * 130 + 610), (20, 20, 1_200 + 40 * 100)):
        result = plan(problem(right, left))
        assert (result.price, result.status) == (price, Status.OPTIMAL)
        assert result.plan is not None
        applied = [step for program in result.plan.programs for step in program.steps if isinstance(step, Propagate)]
        assert len(applied) == (0 if left == 20 else 2)


def test_vectors_that_cost_less_on_the_side_of_the_fewer_are_bounded_by_what_they_cost_on_average() -> None:
    sizes = {"x": 100, "h": 100, "y": 100}
    elementals = (
        Elemental("model", "x", "h", Block(100, 100), 500, 20),
        Elemental("skip", "x", "h", Block(100, 100, Diagonal())),
        Elemental("end", "h", "y", Block(100, 100, Identity())),
    )
    problem = asked(Problem(Graph(sizes, ("x",), ("y",), elementals)), 2, 1)
    result = plan(problem)
    assert (result.price, result.status) == (2 * 500 + 20 + 3 * 100, Status.OPTIMAL)
    assert VectorGraph(problem).least(PROPAGATION_PRODUCTS, unwatched) == 2 * 500 + 20


def test_unit_blocks_beside_others_stay_free() -> None:
    ring = [[i, (i + 1) % 8] for i in range(8)]
    links = [
        {"edge": ["x", "h"], "structure": "identity", "name": "skip"},
        {"edge": ["x", "h"], "structure": {"coo": ring}, "name": "ring"},
        {"edge": ["h", "y"], "name": "end"},
    ]
    dag = {"sizes": {"x": 8, "h": 8, "y": 100}, "inputs": ["x"], "outputs": ["y"], "jacobians": links}
    result = plan(chainplan.from_spec({"dag": dag, "products": {"right": 1}}))
    assert (result.price, result.status) == (808, Status.OPTIMAL)
    assert plan(chainplan.from_spec({"dag": dag, "products": {"right": 1000}})).price == 800_800


def test_many_vectors_and_blocks_with_empty_rows_take_no_room() -> None:
    places = [[0, 0], [1, 1], [1, 2]]
    sizes = {"x": 3, "a": 3, "b": 3, "y": 2}
    blocks = {("x", "a"): {"coo": places}, ("a", "b"): {"coo": places}, ("b", "y"): "dense", ("x", "b"): "diagonal"}
    links = [{"edge": [*ends], "structure": structure} for ends, structure in blocks.items()]
    dag = {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": links}
    result = plan(chainplan.from_spec({"dag": dag, "products": {"right": 10**12}}))
    assert result.status is Status.OPTIMAL
    assert result.replay is not None
    assert result.replay.products[1] == 6


def test_a_search_that_is_cut_short_has_a_plan_and_a_bound_of_products() -> None:
    for seed in (1, 4):
        problem = larger(seed, 14)
        for limit in ({"budget": 0.0}, {"nodes": 1}, {"nodes": 40}):
            result = plan(problem, **limit)
            assert result.plan is not None
            check(result.plan, problem)
            assert result.price is not None
            assert result.bound <= result.price <= baseline_price(problem, "free")
        again = plan(problem, nodes=40)
        assert result.plan is not None
        assert again.plan is not None
        assert (again.plan.steps, again.plan.programs) == (result.plan.steps, result.plan.programs)


@pytest.mark.parametrize("tangent", [None, 300])
def test_a_saved_plan_is_proven_again_and_a_raised_bound_is_not(tangent: int | None) -> None:
    problem = diamond(40, 20)
    first, *rest = problem.graph.elementals
    first = replace(first, tangent=tangent, adjoint=tangent)
    problem = replace(problem, graph=replace(problem.graph, elementals=(first, *rest)))
    result = plan(problem)
    assert result.status is Status.OPTIMAL
    assert result.price is not None
    assert str(prove_again(parse_plan(chainplan.render(result, "json"), "plan.json"))) == "proven again"
    dearer = json.loads(chainplan.render(plan(problem, "forward"), "json"))
    price = dearer["cost"]["fma"]
    assert price > result.price
    for bound, verdict in ((price, "refuted"), (result.price // 3, "proven again")):
        dearer["status"], dearer["optimal_within"] = (
            ("optimal", result.within) if bound == price else ("feasible", None)
        )
        dearer["bound"] = {"fma": bound, "within": result.within}
        assert str(prove_again(parse_plan(json.dumps(dearer), "plan.json"))).startswith(verdict)


def test_other_objectives_take_the_best_plan_by_fma() -> None:
    for seed in range(8):
        problem = asked(random_dag(random.Random(seed), 4), 3, 1)
        result = plan(problem, objective="weighted")
        assert result.plan is not None
        check(result.plan, problem)
        assert result.price is not None
        assert result.price <= min(result.price_baselines.named().values())


def test_a_graph_without_paths_costs_nothing() -> None:
    problem = asked(Problem(Graph({"x": 2, "y": 3}, ("x",), ("y",), ())), 3, 2)
    result = plan(problem)
    assert (result.price, result.status) == (0, Status.OPTIMAL)
    assert isinstance(result.plan, Plan)
    assert [program.results for program in result.plan.programs] == [(), ()]


def test_an_identity_of_its_own_vertex_is_no_step() -> None:
    elementals = (
        Elemental("one", "x", "y", Block(4, 4, Identity())),
        Elemental("two", "x", "y", Block(4, 4, Identity())),
        Elemental("three", "x", "y", Block(4, 4)),
    )
    problem = asked(Problem(Graph({"x": 4, "y": 4}, ("x",), ("y",), elementals)), 5)
    result = plan(problem)
    assert result.plan is not None
    assert result.price == 80
    assert_multiplies(problem, result.plan, 0)
