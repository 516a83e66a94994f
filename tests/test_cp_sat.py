"""The constraint program: each family by itself, its bounds, and the solver against brute force and proven optima."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from functools import cache
from itertools import count

import pytest

from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.cp_sat import MAX_CP_SAT_INTERMEDIATES, CpSatSolver
from chainplan.solvers.elimination.bitset_problem import EliminationCore, bits, members
from chainplan.solvers.elimination.cp_cuts import MinimumCuts
from chainplan.solvers.elimination.cp_model import ConstraintFamily, EliminationModel
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.structures import DENSE, Block
from tests.answers import least_elimination
from tests.problems import chain_problem, dag_problem, random_dag
from tests.reference import instances

TIGHTENING = frozenset({ConstraintFamily.CUTS, ConstraintFamily.PAIRS, ConstraintFamily.TWINS})


def dense_dag(seed: int, most: int = 5) -> Problem:
    """A dense problem without vertices of size 0, blocks of which are zero."""
    drawn = (random_dag(random.Random(seed + 10_000 * turn), most, dense=True) for turn in count())
    return next(problem for problem in drawn if all(problem.graph.sizes.values()))


def shuffled(core: EliminationCore, seed: int) -> list[int]:
    order = list(members(core.middle))
    random.Random(seed).shuffle(order)
    return order


def minimum(model: EliminationModel) -> tuple[int | None, list[int]]:
    """The least cost that the model allows, None where it allows nothing, and the order that it stands for."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False
    status = solver.solve(model.model)
    if status == cp_model.INFEASIBLE:
        return None, []
    assert status == cp_model.OPTIMAL
    return round(solver.objective_value), model.order(solver.value)


@cache
def dense_cores() -> list[EliminationCore]:
    cores = (EliminationCore(dense_dag(seed).graph) for seed in range(1200))
    return [core for core in cores if core.middle.bit_count() >= 3 and 0 not in core.size][:60]


def test_the_cores_hold_what_must_be_tested() -> None:
    assert len(dense_cores()) == 60
    assert sum(bool(core.kept) for core in dense_cores()) > 10


@pytest.mark.parametrize("without", [frozenset(), TIGHTENING], ids=["all", "needed"])
def test_a_fixed_order_costs_what_the_work_graph_says(without: frozenset[ConstraintFamily]) -> None:
    for seed, core in enumerate(dense_cores()):
        order = shuffled(core, seed)
        model = EliminationModel(MinimumCuts(core), without=without | {ConstraintFamily.TWINS})
        model.fix(order)
        price, found = minimum(model)
        assert price == core.order_price(order)
        assert found == order


def test_no_group_cuts_off_an_order() -> None:
    for seed, core in enumerate(dense_cores()):
        order, cuts = shuffled(core, seed), MinimumCuts(core)
        model = EliminationModel(cuts, without=frozenset({ConstraintFamily.TWINS}))
        model.fix(order)
        for group, price in cuts.groups():
            model.demand(group, price)
        assert minimum(model)[0] == core.order_price(order)


@pytest.mark.parametrize(
    "family", [ConstraintFamily.CUTS, ConstraintFamily.PAIRS, ConstraintFamily.TWINS], ids=lambda f: f.name
)
def test_a_tightening_family_keeps_the_optimum(family: ConstraintFamily) -> None:
    for core in dense_cores()[:30]:
        alone = EliminationModel(MinimumCuts(core), without=TIGHTENING - {family})
        assert minimum(alone)[0] == least_elimination(core)


@pytest.mark.parametrize("family", [ConstraintFamily.EDGES, ConstraintFamily.FILL], ids=lambda f: f.name)
def test_without_a_needed_family_something_is_too_cheap(family: ConstraintFamily) -> None:
    cheaper = 0
    for core in dense_cores()[:30]:
        price, _ = minimum(EliminationModel(MinimumCuts(core), without=TIGHTENING | {family}))
        assert price is not None
        assert price <= least_elimination(core)
        cheaper += price < least_elimination(core)
    assert cheaper >= 5


def test_without_links_an_order_gets_the_neighbours_of_a_better_one() -> None:
    cheaper = 0
    for core in dense_cores():
        order = max(itertools.permutations(members(core.middle)), key=core.order_price)
        model = EliminationModel(MinimumCuts(core), without=TIGHTENING | {ConstraintFamily.LINKS})
        model.fix(order)
        price, _ = minimum(model)
        assert price is not None
        assert price <= least_elimination(core)
        cheaper += price < core.order_price(order)
    assert cheaper >= 20


def test_without_cycles_forbidden_a_circular_order_is_admitted() -> None:
    core = EliminationCore(chain_problem([2, 3, 4, 5, 6]).graph)
    a, b, c = members(core.middle)
    for without, circular in ((frozenset[ConstraintFamily](), False), (frozenset({ConstraintFamily.CYCLES}), True)):
        model = EliminationModel(MinimumCuts(core), without=without)
        model.model.add_bool_and([model.first[a, b], model.first[b, c], model.first[c, a]])
        assert (minimum(model)[0] is not None) is circular


def test_twins_go_in_the_order_of_their_numbers() -> None:
    edges = [[0, 1], [0, 2], [0, 3], [1, 4], [2, 4], [3, 4], [4, 5], [4, 6]]
    core = EliminationCore(dag_problem({"name": "twins", "edges": edges, "inputs": [0], "outputs": [5, 6]}).graph)
    one, two, three, _ = members(core.middle)
    for first, second, allowed in ((one, two, True), (two, one, False), (three, one, False)):
        model = EliminationModel(MinimumCuts(core))
        model.model.add(model.position[first] < model.position[second])
        assert (minimum(model)[0] is not None) is allowed


def test_a_hint_is_a_solution_of_its_own_price() -> None:
    from ortools.sat.python import cp_model

    for seed, core in enumerate(dense_cores()):
        order = shuffled(core, seed)
        model = EliminationModel(MinimumCuts(core), core.order_price(order))
        model.hint(order)
        solver = cp_model.CpSolver()
        solver.parameters.fix_variables_to_their_hinted_value = True
        solver.parameters.num_workers = 1
        solver.parameters.catch_sigint_signal = False
        assert solver.solve(model.model) == cp_model.OPTIMAL, seed
        assert solver.objective_value == core.order_price(order)


def test_cuts_never_exceed_the_neighbours_in_any_order() -> None:
    tight = 0
    for seed, core in enumerate(dense_cores()):
        cuts, work, gone = MinimumCuts(core), WorkGraph(core.graph), 0
        for v in shuffled(core, seed):
            into, out = core.weight(bits(work.into[v])), core.weight(bits(work.out[v]))
            there = core.middle & ~gone & ~(1 << v)
            assert cuts.least_in(v, gone, there) == into
            assert cuts.least_out(v, gone, there) == out
            for some in range(8):
                mask = random.Random(some).getrandbits(core.middle.bit_length())
                assert cuts.least_in(v, gone & mask, there & mask) <= into
                assert cuts.least_out(v, gone & mask, there & mask) <= out
            tight += cuts.price(v) == core.size[v] * into * out
            gone |= 1 << v
            work.eliminate(v)
    assert tight > 50


def test_a_group_never_costs_more_than_its_part_of_any_order() -> None:
    for seed, core in enumerate(dense_cores()):
        cuts, work, price = MinimumCuts(core), WorkGraph(core.graph), {}
        for v in shuffled(core, seed):
            price[v] = work.eliminate(v)
        for group, least in cuts.groups():
            assert sum(map(cuts.price, members(group))) < least <= sum(price[v] for v in members(group))


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.nightly)])
def test_brute_force_agrees(count: int) -> None:
    for seed in range(1000, 1000 + count):
        problem = dense_dag(seed, 6 if count > 100 else 5)
        core = EliminationCore(problem.graph)
        result = plan(problem, "cp-sat")
        assert result.status is (Status.OPTIMAL if problem.graph.explicit else Status.FEASIBLE)
        assert result.cost is not None
        assert result.cost.fma == result.bound == least_elimination(core) + core.fixed, seed


@pytest.mark.parametrize("instance", instances("dag_optimal.json"))
def test_proven_optima_of_reference_graphs(instance: dict[str, object]) -> None:
    sizes = instance["sizes"]
    assert isinstance(sizes, list)
    if len(sizes) > 16:
        pytest.skip("a larger graph, measured in bench/")
    result = plan(dag_problem(instance), "cp-sat")
    assert result.status is Status.OPTIMAL
    assert result.bound == instance["vertex_optimum"]


@pytest.mark.parametrize("instance", [p for p in instances("dag_optimal.json") if p.id in ("scalar_expr_n30",)])
def test_out_of_budget_there_is_a_bound(instance: dict[str, int]) -> None:
    result = plan(dag_problem(instance), "cp-sat", budget=1.5)
    assert result.cost is not None
    assert 0 < result.bound <= instance["vertex_optimum"] <= result.cost.fma
    assert result.status is Status.FEASIBLE
    assert "out of budget" in result.notes[0]


@pytest.mark.parametrize("instance", [p for p in instances("dag_optimal.json") if p.id in ("scalar_expr_n30",)])
def test_ctrl_c_leaves_the_bound(instance: dict[str, int]) -> None:
    alarm = threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT))
    alarm.start()
    result = plan(dag_problem(instance), "cp-sat")
    assert result.cost is not None
    assert 0 < result.bound <= instance["vertex_optimum"] <= result.cost.fma
    assert "interrupted" in result.notes[0]


def test_small_problems_give_the_same_plan_every_time() -> None:
    for seed in range(2000, 2020):
        first, second = (plan(dense_dag(seed, 8), "cp-sat").plan for _ in range(2))
        assert first is not None
        assert second is not None
        assert first.steps == second.steps


def test_what_it_refuses() -> None:
    sizes = {f"v{i}": 1 for i in range(MAX_CP_SAT_INTERMEDIATES + 3)}
    names = list(sizes)
    edges = tuple(Elemental(f"e{a}", a, b, Block(1, 1, DENSE)) for a, b in itertools.pairwise(names))
    long = Problem(Graph(sizes, (names[0],), (names[-1],), edges))
    wide = chain_problem([10**6, 1, 10**6])
    unit = dag_problem({"name": "unit", "edges": [[0, 1, 1], [1, 2, 0]], "inputs": [0], "outputs": [2]}, units=True)
    for problem, reason in ((long, "intermediates"), (wide, "add up to 2,000,001"), (unit, "'e0' is identity")):
        assert reason in str(CpSatSolver().refuses(problem))


def test_the_other_solvers_do_not_load_ortools() -> None:
    code = (
        "import sys; from chainplan_cli.main import main; main(['solvers']);"
        "from chainplan import chain, plan; plan(chain([1, 2, 3]));"
        "sys.exit('ortools' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
