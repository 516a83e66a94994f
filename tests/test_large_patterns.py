"""Patterns whose products are too large to be listed: counts, costs and bounds against those of listed ones."""

from __future__ import annotations

import pickle
import random
from functools import reduce
from itertools import combinations

import numpy as np
import pytest

import chainplan
from chainplan._util.arrays import Array
from chainplan.plans.bound import Status
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.structures import (
    DENSE,
    DIAGONAL,
    Block,
    Structure,
    large_patterns,
    least_product_fma,
    pattern_product,
    product_fma,
    resolve,
)
from chainplan.structures.explicit import Explicit
from chainplan.structures.pattern_product import Grid, LargePattern
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from generators.chains import drawn_pattern, pattern_chain, structured_chain
from tests.problems import random_dag
from tests.structures import any_structure

BUDGETS = [(0, 0), (300, 60), (300, 10**6), (10**9, 40), (10**9, 10**9)]
"""Multiplications for exact counts, and nonzeros of lists: nothing, some of either, everything."""


@pytest.fixture(params=BUDGETS, ids=str)
def budget(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Few products are counted exactly, and fewer are listed."""
    work, room = request.param
    monkeypatch.setattr(large_patterns, "MAX_COUNTED_MULTIPLICATIONS", work)
    monkeypatch.setattr(large_patterns, "MAX_LISTED_PRODUCT_NONZEROS", room)
    monkeypatch.setattr(pattern_product, "MAX_LOCAL_MULTIPLICATIONS", work)
    monkeypatch.setattr(pattern_product, "MAX_LOCAL_NONZEROS", room)
    return work, room


def enlarged(problem: Problem) -> Problem:
    """The same problem, whose patterns count as too large for a list of all products."""
    graph = problem.graph
    copy = Graph(graph.sizes, graph.inputs, graph.outputs, graph.elementals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "closed_as_given", lambda blocks: None)
        patch.setattr(resolve, "_patterns_fit", lambda edges, order: False)
        assert copy.bounded_below
    return Problem(copy, problem.memory)


def drawn_chain(seed: int) -> Problem:
    """A chain of four to seven factors, most of them patterns."""
    rng = random.Random(seed)
    sizes, structures = [rng.choice([3, 6, 12, 20])], list[Structure]()
    for _ in range(rng.randint(4, 7)):
        kind, cols = rng.random(), sizes[-1]
        rows = cols if kind < 0.2 else rng.choice([3, 6, 12, 20])
        sizes.append(rows)
        if kind < 0.35:
            structures.append(DIAGONAL if kind < 0.2 else DENSE)
        elif kind < 0.5:
            structures.append(any_structure(rng, rows, cols))
        else:
            density = rng.choice([0.1, 0.2, 0.4])
            structures.append(Explicit(drawn_pattern(f"large-{rng.random()}", rows, cols, density)))
    return structured_chain(sizes, structures)


def _multiplied(patterns: list[Array]) -> Array:
    return reduce(lambda right, left: (left.astype(int) @ right) > 0, patterns)


def _assert_between(block: Block, true: Array) -> None:
    """The counts of a block enclose those of its true pattern, and are these where they are said to be exact."""
    structure, shape = block.structure, (block.rows, block.cols)
    assert structure.least_nnz(*shape) <= true.sum() <= block.nnz
    if not isinstance(structure, LargePattern):
        return
    most, least = structure.vectors(*shape), structure.least_vectors(*shape)
    assert most is not None
    assert least is not None
    for axis in (0, 1):
        counts = true.sum(axis=axis)
        assert (least[axis] <= counts).all()
        assert (counts <= most[axis]).all()
        assert not structure.exact or (most[axis] == counts).all()
    held = np.argwhere(true)
    assert all(structure.holds(i, j, *shape) for i, j in held[:: max(1, len(held) // 3)])


@pytest.mark.parametrize("seed", range(8))
def test_counts_enclose_the_true_ones_however_a_block_is_made(seed: int, budget: tuple[int, int]) -> None:
    chain = enlarged(drawn_chain(seed)).graph.chain
    arrays = [e.block.structure.pattern(e.block.rows, e.block.cols).toarray() > 0 for e in chain]
    blocks = {(i, i + 1): e.block for i, e in enumerate(chain)}
    true = {(i, i + 1): array for i, array in enumerate(arrays)}
    for length in range(2, len(chain) + 1):
        for i in range(len(chain) - length + 1):
            j = i + length
            blocks[i, j], *others = [blocks[k, j].times(blocks[i, k]) for k in range(i + 1, j)]
            true[i, j] = _multiplied(arrays[i:j])
            for made in (blocks[i, j], *others):
                assert made.structure == blocks[i, j].structure
                _assert_between(made, true[i, j])
                _assert_between(made.transpose(), true[i, j].T)
    for (i, k), (start, j) in combinations(blocks, 2):
        if k == start and not blocks[i, k].structure.unit and not blocks[k, j].structure.unit:
            fma = int(true[k, j].sum(axis=0) @ true[i, k].sum(axis=1))
            assert least_product_fma(blocks[k, j], blocks[i, k]) <= fma <= product_fma(blocks[k, j], blocks[i, k])


@pytest.mark.parametrize("seed", range(8))
def test_plans_cost_at_least_the_bound_and_optimal_is_said_of_optima_alone(seed: int, budget: tuple[int, int]) -> None:
    listed = drawn_chain(seed)
    large, best = enlarged(listed), chainplan.plan(listed)
    found = chainplan.plan(large)
    assert best.cost is not None
    assert found.cost is not None
    assert found.plan is not None
    true = replay(Plan(listed.graph, found.plan.steps, found.plan.outputs)).total
    assert found.bound <= best.cost.fma <= true <= found.cost.fma
    if found.status is Status.OPTIMAL:
        assert found.cost.fma == best.cost.fma
        assert found.within == "bracketings"
    if found.counts == "exact":
        assert found.cost.fma == true
    if budget == BUDGETS[-1]:
        assert found.status is Status.OPTIMAL


@pytest.mark.parametrize("seed", range(12))
def test_plans_of_graphs_are_right_and_cost_no_more_than_they_say(seed: int, budget: tuple[int, int]) -> None:
    listed = random_dag(random.Random(seed))
    large = enlarged(listed)
    for solver in ("auto", "forward", "greedy"):
        found = chainplan.plan(large, solver, nodes=200)
        assert found.plan is not None
        assert found.cost is not None
        plan = Plan(listed.graph, found.plan.steps, found.plan.outputs)
        assert replay(plan).total <= found.cost.fma
        if large.graph.not_a_chain and not large.graph.exact:
            assert found.status is Status.FEASIBLE
            assert found.bound == 0
        values = draw(large.graph, seed, np.int64)
        made, expected = chainplan.execute(found, values), reference_jacobian(listed.graph, values)
        assert all(np.array_equal(made.get(ends, 0 * block), block) for ends, block in expected.items())


@pytest.mark.parametrize("seed", range(8))
def test_sums_of_products_with_dense_factors_enclose_the_true_counts(seed: int, budget: tuple[int, int]) -> None:
    rng = random.Random(seed)
    given = [Block(8, 8, Explicit(drawn_pattern(f"sum-{seed}-{i}", 8, 8, rng.choice([0.05, 0.15])))) for i in range(4)]
    (p, q, r, s), _ = large_patterns.large_patterns(given, None)
    a, b, c, d = (block.structure.pattern(8, 8).toarray() > 0 for block in given)
    dense, below, diagonal = np.ones((8, 8), bool), Block(8, 8, DENSE), Block(8, 8, DIAGONAL)
    both, one_row = p.plus(q).times(r), below.times(s)
    true = _multiplied([c, a | b])
    wide, made = _multiplied([true, dense]), below.times(both)
    _assert_between(made, wide)
    _assert_between(made.plus(one_row), wide | _multiplied([d, dense]))
    _assert_between(one_row.plus(made), wide | _multiplied([d, dense]))
    _assert_between(made.plus(both), wide | true)
    _assert_between(made.plus(both.times(below)), wide | _multiplied([dense, true]))
    _assert_between(made.plus(diagonal), wide | np.eye(8, dtype=bool))
    _assert_between(
        made.times(both.times(below)).plus(one_row),
        _multiplied([_multiplied([dense, true]), wide]) | _multiplied([d, dense]),
    )


def test_a_grid_of_no_sure_lines_is_pickled() -> None:
    grid = pickle.loads(pickle.dumps(Grid(None, np.ones(3, bool), (np.zeros(0, bool), np.zeros(0, bool)))))
    block = Block(2, 3, grid)
    assert (block.nnz, grid.least_nnz(2, 3), grid.exact) == (6, 0, False)
    least = grid.least_vectors(2, 3)
    assert [len(counts) for counts in least] == [3, 2]
    assert not any(counts.any() for counts in least)


def test_large_patterns_keep_their_lists() -> None:
    problem = pattern_chain(5, 20_000, (200, 50))
    found = chainplan.plan(problem)
    assert found.cost is not None
    assert found.cost.fma <= 250_000_000
    assert found.status is Status.OPTIMAL
    assert found.counts == "exact"
    counted, given = problem.graph.chain, problem.graph.elementals
    assert [e.block.nnz for e in counted] == [e.block.nnz for e in given]


def test_nothing_is_called_optimal_by_upper_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_patterns, "MAX_COUNTED_MULTIPLICATIONS", 100_000)
    rng = random.Random(0)
    patterns = [Explicit(drawn_pattern(f"square-{rng.random()}", 400, 400, 0.02)) for _ in range(5)]
    listed = structured_chain([400] * 6, patterns)
    found, best = chainplan.plan(enlarged(listed)), chainplan.plan(listed)
    assert found.cost is not None
    assert best.cost is not None
    assert found.status is Status.FEASIBLE
    assert 0 < found.bound <= best.cost.fma < found.cost.fma
    assert found.counts == "upper bound"
