"""What is proven of colours: bound <= optimum <= found everywhere, and optimal only where the two are equal."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

from chainplan import chain, pareto, plan
from chainplan.colouring import Colouring, closer, colour, misfit, unmet
from chainplan.colouring.lattices import lattice
from chainplan.colouring.saturation import saturate
from chainplan.colouring.vertex_orders import conflicts
from chainplan.costs.timed import WEIGHTED_COST, TimedCost, timed
from chainplan.io.read import from_spec
from chainplan.kernels.default_rates import STATIC_RATES
from chainplan.plans.bound import Status
from chainplan.plans.compressed_sweep import _least_sweep, _sweep_price, per_vector
from chainplan.plans.result import Result
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.report.explain.splits import top_splits
from chainplan.report.pareto import document, text
from chainplan.solvers.registry import SOLVERS
from tests.oracles.chain import least_cost
from tests.oracles.colouring import least_price, pairs
from tests.problems import random_chain

PRICES = [(1, None), (None, 1), (1, 1), (3, 2), (2, 5)]


def stencil(*sizes: int, corners: bool = False, torus: bool = False, seed: int | None = None) -> Any:
    """The pattern of a stencil on a grid, its points numbered row by row or, with a seed, in any order."""
    points, count = np.indices(sizes).reshape(len(sizes), -1), int(np.prod(sizes))
    rows, cols = [], []
    for offset in itertools.product((-1, 0, 1), repeat=len(sizes)):
        if corners or sum(map(abs, offset)) <= 1:
            at = points + np.array(offset)[:, None]
            at = at % np.array(sizes)[:, None] if torus else at
            inside = ((at >= 0) & (at < np.array(sizes)[:, None])).all(axis=0)
            rows.append(np.arange(count)[inside])
            cols.append(np.ravel_multi_index(tuple(at[:, inside]), sizes))
    i, j = np.concatenate(rows), np.concatenate(cols)
    if seed is not None:
        rng = np.random.default_rng(seed)
        i, j = rng.permutation(count)[i], rng.permutation(count)[j]
    found = csr_array(coo_array((np.ones(i.size, dtype=np.int64), (i, j)), shape=(count, count)))
    found.sum_duplicates()
    found.sort_indices()
    return found


def planned(pattern: Any, **prices: int) -> Result:
    i, j = pattern.nonzero()
    cells = np.stack([i, j], axis=1).tolist()
    return plan(chain([{"shape": list(pattern.shape), "structure": {"coo": cells}, **prices}]))


GRIDS: list[tuple[dict[str, Any], int]] = [
    ({"sizes": (5, 5)}, 5),
    ({"sizes": (10, 10)}, 5),
    ({"sizes": (20, 20)}, 5),
    ({"sizes": (20, 20), "seed": 0}, 5),
    ({"sizes": (20, 20), "seed": 1}, 5),
    ({"sizes": (7, 30)}, 5),
    ({"sizes": (30, 7)}, 5),
    ({"sizes": (20, 20), "torus": True}, 5),
    ({"sizes": (20, 20), "torus": True, "seed": 2}, 5),
    ({"sizes": (20, 20), "corners": True}, 9),
    ({"sizes": (20, 20), "corners": True, "seed": 3}, 9),
    ({"sizes": (10, 10, 10)}, 7),
    ({"sizes": (10, 10, 10), "seed": 4}, 7),
    pytest.param({"sizes": (316, 316)}, 5, marks=pytest.mark.nightly),  # type: ignore[list-item]
    pytest.param({"sizes": (316, 316), "seed": 5}, 5, marks=pytest.mark.nightly),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("grid", "due"), GRIDS)
@pytest.mark.parametrize("prices", [{"tangent": 1000, "adjoint": 1000}, {"tangent": 1000}, {"adjoint": 700}])
def test_grids_take_as_many_colours_as_their_stencil_has_points(
    grid: dict[str, Any], due: int, prices: dict[str, int]
) -> None:
    rest = dict(grid)
    result = planned(stencil(*rest.pop("sizes"), **rest), **prices)
    assert (result.status, result.price, result.bound) == (Status.OPTIMAL, *[due * min(prices.values())] * 2)


@pytest.mark.parametrize("sizes", [(21, 21), (7, 8), (4, 4)])
def test_a_torus_without_a_perfect_code_is_not_said_to_be_proven_by_its_rows(sizes: tuple[int, int]) -> None:
    """Five colours would each be a perfect code, which there is only where both sizes are multiples of five."""
    found = colour(stencil(*sizes, torus=True), 1, None)
    assert 5 < found.bound <= found.price
    assert planned(stencil(*sizes, torus=True), tangent=10).status is (
        Status.OPTIMAL if found.optimal else Status.FEASIBLE
    )


@pytest.mark.parametrize("size", [3, 64, 65, 200])
def test_equal_dense_parts_take_their_columns_or_rows_and_that_is_proven(size: int) -> None:
    for structure in ({"block_diagonal": [3, size, size]}, {"kronecker": [[size, size], 3]}):
        shape = [3 * size, 3 * size]
        result = plan(chain([{"shape": shape, "structure": structure, "tangent": 10, "adjoint": 9}]))
        assert (result.status, result.price, result.bound) == (Status.OPTIMAL, 9 * size, 9 * size)


def random_table(rng: random.Random, rows: int, cols: int) -> np.ndarray:
    density = rng.choice([0.3, 0.5, 0.7])
    return np.array([[rng.random() < density for _ in range(cols)] for _ in range(rows)])


def test_bounds_and_colours_enclose_the_optimum() -> None:
    """On patterns too large for the exhaustive search of the code and small enough for that of the oracle."""
    proven = 0
    for seed in range(120):
        rng = random.Random(seed)
        rows, cols = rng.choice([(7, 3), (3, 7), (7, 4), (4, 7), (5, 7), (7, 7)])
        table = random_table(rng, rows, cols)
        pattern = csr_array(table.astype(np.int64))
        tangent, adjoint = rng.choice(PRICES)
        if (rows, cols) == (7, 7):
            adjoint = None if tangent is not None else adjoint
        optimum = least_price(table, tangent, adjoint)
        assert optimum is not None
        found = colour(pattern, tangent, adjoint, effort=0.01)
        near = closer(pattern, tangent, adjoint, found)
        assert found.bound <= near.bound <= optimum <= near.price <= found.price, seed
        for one in (found, near):
            assert misfit(pattern, one.colouring) is None
            assert one.colouring.price(tangent, adjoint) == one.price
        assert near.price == optimum or not near.optimal
        assert min(c * (tangent or 0) + a * (adjoint or 0) for c, a in found.needs) <= optimum
        proven += near.optimal
    assert proven > 100


def test_a_closer_look_finds_the_optimum_from_one_colour_each() -> None:
    reached = 0
    for seed in range(40):
        rng = random.Random(seed)
        table = random_table(rng, *rng.choice([(7, 3), (4, 7), (5, 6)]))
        pattern, (tangent, adjoint) = csr_array(table.astype(np.int64)), rng.choice(PRICES)
        rows, cols = pattern.shape
        each = Colouring.of(*([*range(n)] if p else [-1] * n for n, p in ((cols, tangent), (rows, adjoint))))
        known = replace(colour(pattern, tangent, adjoint), colouring=each, price=each.price(tangent, adjoint), bound=0)
        found, optimum = closer(pattern, tangent, adjoint, known), least_price(table, tangent, adjoint)
        assert optimum is not None
        assert found.bound <= optimum <= found.price == found.colouring.price(tangent, adjoint)
        assert misfit(pattern, found.colouring) is None
        reached += found.optimal
    assert reached > 30


@pytest.mark.parametrize(
    ("sizes", "due"), [((40, 60), 5), ((60, 7), 5), ((10, 10, 10), 7), ((4, 5, 6), 7), ((2, 9), 4), ((30,), 3)]
)
def test_a_lattice_colours_a_grid_of_any_size(sizes: tuple[int, ...], due: int) -> None:
    pattern = stencil(*sizes)
    found = lattice(pattern, due, due + 1)
    assert found is not None
    assert max(found) + 1 == due
    assert misfit(pattern, Colouring.of(found, [-1] * pattern.shape[0])) is None
    assert lattice(pattern, 1, due) is None


def test_a_lattice_is_the_first_that_fits() -> None:
    met = 0
    for seed in range(40):
        rng = random.Random(seed)
        n, offsets = rng.randint(8, 30), {rng.randint(-6, 6) for _ in range(rng.randint(1, 4))}
        places = [(i, i + k) for i in range(n) for k in offsets if 0 <= i + k < n and rng.random() < 0.9]
        rows = [[j for r, j in places if r == i] for i in range(n)]
        marks = np.zeros((n, n), np.int8)
        marks[tuple(zip(*places, strict=True))] = 1
        pattern = csr_array(marks)
        fewest = max(map(len, rows))
        found = lattice(pattern, fewest, fewest + 3)
        apart = {abs(i - j) for i, j in places} | {b - a for row in rows for a, b in itertools.pairwise(sorted(row))}
        least = min(
            (m for m in range(fewest, fewest + 3) for k in apart - {0, 1} for s in range(m) if _fits(rows, k, s, m)),
            default=None,
        )
        met += least is not None
        if least is not None:
            assert found is not None
            assert max(found) + 1 <= least
        if found is not None:
            assert all(len({found[j] for j in row}) == len(row) for row in rows)
    assert met > 20


def _fits(rows: list[list[int]], stride: int, factor: int, colours: int) -> bool:
    return all(len({(j + factor * (j // stride)) % colours for j in row}) == len(row) for row in rows)


def test_the_pairs_that_any_colouring_needs_are_below_all_there_are() -> None:
    for seed in range(15):
        rng = random.Random(seed)
        rows, cols = rng.choice([(5, 5), (4, 7), (7, 4), (6, 6)])
        table = random_table(rng, rows, min(cols, 5))
        if table.any():
            needs = colour(csr_array(table.astype(np.int64)), *rng.choice([(1, 1), (1, 9), (9, 1)]), effort=0.0).needs
            for c, a in pairs(table):
                assert any(x <= c and y <= a for x, y in needs), (seed, c, a, needs)


def test_a_search_that_ends_without_colours_is_a_proof() -> None:
    for seed in range(25):
        rng = random.Random(seed)
        table = random_table(rng, 6, 7)
        graph = conflicts(csr_array(table.astype(np.int64)))
        assert graph is not None
        fewest = least_price(table, 1, None)
        assert fewest is not None
        for most in range(1, 8):
            found = saturate(graph, most, 10**6)
            assert found.impossible == (most < fewest)
            if found.colours is not None:
                assert max(found.colours) < most
                assert all(found.colours[v] != found.colours[u] for v, row in enumerate(graph) for u in row)


def test_a_witness_says_why_no_fewer_colours_do() -> None:
    larger = 0
    for seed in range(40):
        rng = random.Random(seed)
        pattern = csr_array(random_table(rng, 30, 9).astype(np.int64) * (np.indices((30, 9)).sum(axis=0) % 3 > 0))
        pattern.eliminate_zeros()
        found = colour(pattern, 1, None, effort=0)
        longest = int(np.diff(pattern.indptr).max())
        assert unmet(pattern, found.witness.columns) is None
        assert longest <= len(found.witness.columns) <= found.bound
        larger += len(found.witness.columns) > longest
        turned = colour(csr_array(pattern.T), None, 1, effort=0)
        assert unmet(pattern, turned.witness.rows) is None
    assert larger > 3


def test_what_is_no_witness_is_said() -> None:
    triangle = csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]]))
    assert unmet(triangle, [0, 1, 2]) is None
    assert unmet(triangle, []) is None
    assert unmet(triangle, [0, 1, 3]) == "columns 0 and 3 meet in no row."
    assert unmet(triangle, [3]) == "column 3 has no nonzero."
    assert unmet(triangle, [0, 4]) == "column 4 does not exist."
    assert unmet(triangle, [0, -1]) == "column -1 does not exist."
    assert unmet(triangle, [1, 1]) == "a column is named twice."
    wide = csr_array(np.hstack([triangle.toarray(), np.zeros((4, 9), dtype=int)]))
    found = colour(wide, 1, None)
    assert (found.price, found.bound, set(found.witness.columns)) == (3, 3, {0, 1, 2})


def matrix_free_chain(rng: random.Random) -> Problem:
    sizes = [rng.randint(1, 5) for _ in range(rng.randint(2, 4))]
    spec: list[dict[str, Any]] = []
    for n, m in itertools.pairwise(sizes):
        table = random_table(rng, m, n)
        table[rng.randrange(m), rng.randrange(n)] = True
        given = rng.choice([{}, {"tangent": 5, "adjoint": 7}, {"tangent": 30, "adjoint": 4}, {"adjoint": 9}])
        spec.append({"shape": [m, n], "structure": {"coo": np.argwhere(table).tolist()}, **given})
    return chain(spec)


@pytest.mark.parametrize("last", [60, pytest.param(1000, marks=pytest.mark.nightly)])
def test_chains_with_sweeps_cost_what_trying_everything_finds(last: int) -> None:
    swept = 0
    for seed in range(last):
        problem = matrix_free_chain(random.Random(seed))
        optimum = least_cost(problem.to_spec())
        for name in ("chain-dp", "chain-memory", "exhaustive"):
            if SOLVERS[name].refuses(problem) is None:
                result = plan(problem, name)
                assert (result.status, result.price, result.bound) == (Status.OPTIMAL, optimum, optimum), (seed, name)
                swept += result.within == "bracketings and coloured sweeps"
    assert swept > last


@pytest.mark.parametrize("solver", ["auto", "chain-dp", "chain-memory", "dag-exact", "cp-sat", "edge", "local-search"])
def test_a_bound_that_colours_do_not_reach_leaves_a_plan_feasible(solver: str) -> None:
    """A torus of 21 x 21 has 7 colours, and at least 6 are needed."""
    pattern = stencil(21, 21, torus=True)
    i, j = pattern.nonzero()
    cells = np.stack([i, j], axis=1).tolist()
    problem = chain([{"shape": [441, 441], "structure": {"coo": cells}, "tangent": 1000}])
    if SOLVERS[solver].refuses(problem) is None:
        result = plan(problem, solver, budget=20)
        assert (result.status, result.price, result.bound) == (Status.FEASIBLE, 7000, 6000)
        assert result.gap == 1 / 7


@pytest.mark.parametrize(("side", "proven"), [(20, True), (21, False)])
def test_runners_up_are_said_to_depend_on_colours_where_they_do(side: int, proven: bool) -> None:
    i, j = stencil(side, side, torus=True).nonzero()
    size, cells = side * side, np.stack([i, j], axis=1).tolist()
    block = {"shape": [size, size], "structure": {"coo": cells}, "tangent": 1000}
    problem = chain([block, {"shape": [size, size], "structure": "diagonal", "tangent": 5}])
    result = plan(problem)
    assert result.candidate is not None
    splits, note = top_splits(problem, result.candidate, 30)
    assert splits
    assert (note == "") is proven


@pytest.mark.parametrize("recompute", [False, True])
def test_a_front_is_exact_only_where_its_colours_are(recompute: bool) -> None:
    for grid, exact in (((20, 20), True), ((21, 21), False)):
        i, j = stencil(*grid, torus=True).nonzero()
        size, cells = i.max() + 1, np.stack([i, j], axis=1).tolist()
        block = {"shape": [int(size), int(size)], "structure": {"coo": cells}, "tangent": 1000}
        front = pareto(replace(chain([block]), recompute=recompute))
        assert front.exact is exact
        assert all(point.proven is exact for point in front.points if point.fma < 1000 * size)
        assert all(point.bound <= point.fma for point in front.points)
        assert ("exact within" in text(front)) is exact
        assert ('"bound"' in document(front)) is not exact


@pytest.mark.parametrize(
    "model", [WEIGHTED_COST, timed("calibrated", {name: (7,) * len(r) for name, r in STATIC_RATES.items()})]
)
def test_a_bound_in_time_holds_for_so_many_colours_and_more(model: TimedCost) -> None:
    for seed in range(40):
        run = random_chain(random.Random(seed), longest=3, kind="mixed").graph.chain
        for mode in Mode:
            if per_vector(run, mode) is not None and not all(e.explicit for e in run):
                prices = [_sweep_price(run, mode, n, model) for n in range(1, 12)]
                for n in range(1, 12):
                    assert _least_sweep(run, mode, n, model) <= min(prices[n - 1 :])


@pytest.mark.parametrize(("side", "status"), [(20, Status.OPTIMAL), (21, Status.FEASIBLE)])
@pytest.mark.parametrize("machines", [1, 2])
def test_a_schedule_of_unproven_colours_is_not_said_to_be_optimal(machines: int, side: int, status: Status) -> None:
    cells = np.stack(stencil(side, side, torus=True).nonzero(), axis=1).tolist()
    problem = chain([{"shape": [side * side] * 2, "structure": {"coo": cells}, "tangent": 1000}])
    schedule = plan(problem, machines=machines, budget=5).schedule
    assert schedule is not None
    if status is Status.FEASIBLE:
        assert schedule.this_plan or schedule.bound <= 6000
    elif machines == 1:
        assert (schedule.status, schedule.this_plan) == (status, False)


@pytest.mark.parametrize("solver", ["auto", "dag-exact", "edge", "face", "local-search", "greedy"])
@pytest.mark.parametrize(("side", "proven"), [(20, True), (21, False)])
def test_graphs_pay_for_accumulations_what_colours_need_at_least(solver: str, side: int, proven: bool) -> None:
    cells = np.stack(stencil(side, side, torus=True).nonzero(), axis=1).tolist()
    spec = {
        "sizes": {"x": side * side, "v": side * side, "w": 2, "y": 2},
        "inputs": ["x"],
        "outputs": ["y"],
        "jacobians": [
            {"edge": ["x", "v"], "structure": {"coo": cells}, "tangent": 1000},
            {"edge": ["v", "w"]},
            {"edge": ["w", "y"]},
            {"edge": ["v", "y"]},
        ],
    }
    found, needed = (5000, 5000) if proven else (7000, 6000)
    result = plan(from_spec({"dag": spec}), solver, budget=5)
    assert result.price is not None
    assert result.bound <= needed + (result.price - found)
    if solver in ("auto", "dag-exact", "edge"):
        assert result.status is (Status.OPTIMAL if proven and solver == "auto" else Status.FEASIBLE)
        assert result.bound == needed + (result.price - found)
