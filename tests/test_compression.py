"""Compressed sweeps: what they save, what they may not change, and which ones the checker rejects."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainplan import chain, check, execute, plan, reference_jacobian
from chainplan.errors import PlanError
from chainplan.plans.bound import Status
from chainplan.plans.steps import Decompress, Plan, Seed
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.report.json import render
from chainplan.report.words.table import table
from chainplan.values.draw import draw
from tests.oracles.chain import Chain, least_cost
from tests.oracles.colouring import least_price
from tests.problems import random_chain


def arrow(n: int, **costs: int) -> dict[str, Any]:
    """An arrowhead of n x n: first row, first column, diagonal."""
    cells = [[0, j] for j in range(n)] + [[i, j] for i in range(1, n) for j in (0, i)]
    return {"shape": [n, n], "structure": {"coo": cells}, **costs}


def runs_exactly(problem: Problem, found: Plan, seed: int = 0) -> None:
    values = draw(problem.graph, seed, np.int64)
    expected = reference_jacobian(problem, values)
    for pair, block in execute(found, values).items():
        assert np.array_equal(block, expected[pair])


def sweeps(found: Plan) -> dict[str, int]:
    """Number of colours of each mode."""
    counts = {"tangent": 0, "adjoint": 0}
    for step in found.steps:
        if isinstance(step, Seed):
            counts[step.mode.value] += max(step.colours) + 1
    return counts


@pytest.mark.parametrize("n", [3, 10, 300])
def test_an_arrowhead_takes_two_tangents_and_one_adjoint(n: int) -> None:
    problem = chain([arrow(n, tangent=10, adjoint=10)])
    result = plan(problem)
    assert result.plan is not None
    assert result.cost is not None
    if n > 3:
        assert sweeps(result.plan) == {"tangent": 2, "adjoint": 1}
        assert result.cost.fma == 30
    runs_exactly(problem, result.plan)


def test_an_arrowhead_of_ten_thousand_is_recovered_exactly() -> None:
    n = 10_000
    problem = chain([arrow(n, tangent=10, adjoint=10)])
    result = plan(problem)
    assert result.plan is not None
    assert sweeps(result.plan) == {"tangent": 2, "adjoint": 1}
    row, column, diagonal = np.arange(1, n + 1), np.arange(2, n + 2), np.arange(5, n + 5)
    column[0] = diagonal[0] = 0

    def tangent(block: np.ndarray) -> np.ndarray:
        made: np.ndarray = diagonal[:, None] * block + column[:, None] * block[0]
        made[0] += row @ block
        return made

    def adjoint(block: np.ndarray) -> np.ndarray:
        made: np.ndarray = block * diagonal + block[:, :1] * row
        made[:, 0] += block @ column
        return made

    held: Any = execute(result.plan, {"F1": (tangent, adjoint)}, dense=False, dtype=np.int64)["x1", "x0"]
    found = held.tocoo()
    assert found.nnz == 3 * n - 2
    first = found.row == 0
    assert np.array_equal(found.data[first], row[found.col[first]])
    left = ~first & (found.col == 0)
    assert np.array_equal(found.data[left], column[found.row[left]])
    rest = ~first & ~left
    assert np.array_equal(found.data[rest], diagonal[found.row[rest]])


def test_prices_weigh_the_two_modes() -> None:
    for tangent, adjoint in ((10, 1), (1, 10)):
        result = plan(chain([arrow(300, tangent=tangent, adjoint=adjoint)]))
        assert result.plan is not None
        assert result.cost is not None
        cheap, dear = ("adjoint", "tangent") if adjoint < tangent else ("tangent", "adjoint")
        assert sweeps(result.plan) == {cheap: 2, dear: 1}
        assert result.cost.fma == 12
    for mode in ("tangent", "adjoint"):
        tridiagonal = {"shape": [50, 50], "structure": {"banded": [1, 1]}, mode: 7}
        result = plan(chain([tridiagonal]))
        assert result.plan is not None
        assert result.cost is not None
        assert result.cost.fma == 21
        assert sweeps(result.plan)[mode] == 3


@pytest.mark.parametrize(
    "structure", [{"block_diagonal": [5, 2, 3]}, {"kronecker": [[2, 3], 5]}, {"block_diagonal": [2, 5, 2]}]
)
def test_parts_take_a_colour_for_each_of_their_columns_or_rows(structure: dict[str, Any]) -> None:
    b, r, c = structure.get("block_diagonal") or (structure["kronecker"][1], *structure["kronecker"][0])
    for tangent, adjoint in ((7, 9), (9, 2), (3, None), (None, 3)):
        costs = {"tangent": tangent, "adjoint": adjoint}
        given = {mode: price for mode, price in costs.items() if price is not None}
        problem = chain([{"shape": [b * r, b * c], "structure": structure, **given}])
        result = plan(problem)
        assert result.plan is not None
        assert result.cost is not None
        assert result.cost.fma == min(n * p for n, p in ((c, tangent), (r, adjoint)) if p is not None)
        runs_exactly(problem, result.plan)


def test_an_interval_is_swept_whole_where_no_split_sees_its_sparsity() -> None:
    n = 200
    rng = random.Random(0)
    dense_part = [[i, j] for i in range(n) for j in range(n) if rng.random() < 0.3 or i == j]
    chosen = [[0, 5], [1, 17]]
    problem = chain(
        [
            {"name": "wide", "shape": [n, n], "structure": {"coo": [[0, j] for j in range(n)] + [[1, 7], [2, 9]]}}
            | {"tangent": 1000, "tape": 1},
            {"name": "mixed", "shape": [n, n], "structure": {"coo": dense_part}, "tangent": 1000, "tape": 1},
            {"name": "pick", "shape": [n, n], "structure": {"coo": chosen}, "tangent": 10},
        ]
    )
    short = replace(problem, graph=problem.graph)
    result = plan(short)
    assert result.plan is not None
    assert result.cost is not None
    assert result.status is Status.OPTIMAL
    assert result.cost.fma <= result.baselines.best
    runs_exactly(problem, result.plan)


def test_two_sweeps_for_two_selected_rows() -> None:
    """200 colours alone, but only two of its rows are selected: two sweeps of the whole interval."""
    n = 200
    circle = [[i, j] for i in range(n) for j in range(n) if i < 198 or j == i]
    problem = chain(
        [
            {"name": "arrow", "shape": [n, n], "structure": {"coo": circle}, "tangent": 500},
            {"name": "select", "shape": [2, n], "structure": {"selection": [198, 199]}},
        ]
    )
    result = plan(problem)
    assert result.plan is not None
    assert result.cost is not None
    assert sweeps(result.plan) == {"tangent": 1, "adjoint": 0}
    assert result.cost.fma == 500
    assert result.baselines.best == 200 * 500
    runs_exactly(problem, result.plan)


def test_explicit_elementals_take_part_in_a_sweep() -> None:
    n = 40
    problem = chain(
        [
            {"shape": [n, n], "structure": {"banded": [1, 0]}},
            {"shape": [n, n], "structure": {"banded": [0, 1]}, "tangent": 2000, "adjoint": 2000},
            {"shape": [n, n], "structure": "diagonal"},
        ]
    )
    result = plan(problem)
    assert result.plan is not None
    assert any(isinstance(step, Seed) for step in result.plan.steps)
    runs_exactly(problem, result.plan)


def test_five_diagonal_elementals_take_one_sweep_each_or_one_in_all() -> None:
    diagonal = {"shape": [100, 100], "structure": "diagonal", "tangent": 10, "adjoint": 10}
    problem = chain([diagonal] * 5)
    for solver in ("auto", "chain-dp", "exhaustive", "chain-memory"):
        result = plan(problem, solver)
        assert result.cost is not None
        assert (result.status, result.bound, result.cost.fma) == (Status.OPTIMAL, 50, 50)
    assert least_cost(problem.to_spec()) == 50


def tiny_pattern(rng: random.Random) -> dict[str, Any]:
    """A listed pattern of at most 6 x 6 with prices of one mode or of both."""
    rows, cols, share = rng.randint(1, 6), rng.randint(1, 6), rng.choice([0.2, 0.4, 0.7])
    cells = [[i, j] for i in range(rows) for j in range(cols) if rng.random() < share]
    prices = {"tangent": rng.randint(1, 30), "adjoint": rng.randint(1, 30)}
    if rng.random() < 0.3:
        del prices[rng.choice(sorted(prices))]
    return {"shape": [rows, cols], "structure": {"coo": cells}, **prices}


def least(entry: dict[str, Any]) -> int:
    """The cheapest way to one elemental's block."""
    (block,) = Chain({"chain": [entry]}).blocks
    whole: list[int] = [
        n * entry[mode] for n, mode in ((block.cols, "tangent"), (block.rows, "adjoint")) if mode in entry
    ]
    swept = least_price(block.cells, entry.get("tangent"), entry.get("adjoint")) if block.nnz else None
    return min(whole if swept is None else [*whole, swept])


def test_a_sweep_of_a_tiny_pattern_takes_the_fewest_colours() -> None:
    proven = saved = both = 0
    for seed in range(400):
        entry = tiny_pattern(random.Random(seed))
        result, due = plan(chain([entry])), least(entry)
        assert result.plan is not None
        assert result.cost is not None
        assert result.bound <= due <= result.cost.fma
        assert (result.status is Status.OPTIMAL) == (result.bound == result.cost.fma)
        proven += result.status is Status.OPTIMAL
        lines = zip(entry["shape"], ("adjoint", "tangent"), strict=True)
        saved += result.cost.fma < min(n * entry[mode] for n, mode in lines if mode in entry)
        both += len([step for step in result.plan.steps if isinstance(step, Seed)]) == 2
    assert proven == 400
    assert saved > 200
    assert both > 5


@pytest.mark.parametrize("solver", ["auto", "chain-dp", "exhaustive"])
def test_chains_of_tiny_patterns_cost_the_least_over_brackets_and_sweeps(solver: str) -> None:
    swept = 0
    for seed in range(120):
        rng = random.Random(seed)
        n = rng.randint(2, 5)
        entries = []
        for _ in range(rng.randint(2, 4)):
            share, entry = rng.choice([0.2, 0.4]), tiny_pattern(rng)
            cells = [[i, j] for i in range(n) for j in range(n) if rng.random() < share or i == j]
            explicit: dict[str, Any] = {"shape": [n, n], "structure": {"coo": cells}}
            free = {mode: entry[mode] for mode in ("tangent", "adjoint") if mode in entry}
            entries.append(explicit | (free if rng.random() < 0.7 else {}))
        result, due = plan(chain(entries), solver), least_cost({"chain": entries})
        assert result.plan is not None
        assert result.cost is not None
        assert (result.status, result.bound, result.cost.fma) == (Status.OPTIMAL, due, due), seed
        swept += any(isinstance(step, Seed) for step in result.plan.steps)
    assert swept > 30


def test_random_chains_with_sweeps_are_right_and_no_dearer_than_without() -> None:
    swept = 0
    for seed in range(400):
        rng = random.Random(seed)
        problem = random_chain(rng, longest=4, kind="mixed")
        result = plan(problem)
        assert result.plan is not None
        assert result.cost is not None
        swept += any(isinstance(step, Seed) for step in result.plan.steps)
        assert result.cost.fma <= result.baselines.best
        check(result.plan, problem)
        runs_exactly(problem, result.plan, seed)
    assert swept > 40


TRIDIAGONAL = chain([{"shape": [6, 6], "structure": {"banded": [1, 1]}, "tangent": 5, "adjoint": 5}])


def changed(**fields: Any) -> Plan:
    """The plan of a tridiagonal block with its first seed changed."""
    found = plan(TRIDIAGONAL).plan
    assert found is not None
    steps = list(found.steps)
    at = next(i for i, step in enumerate(steps) if isinstance(step, Seed))
    steps[at] = steps[at]._replace(**fields)
    return Plan(found.graph, tuple(steps), found.outputs)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "two colours in one row": ({"colours": (0, 1, 0, 1, 0, 1)}, "cannot be recovered directly"),
    "a column without colour": ({"colours": (0, 1, 2, 0, 1, -1)}, "cannot be recovered directly"),
    "too few colours": ({"colours": (0, 1, 2)}, "expected one from -1 for each of the 6 entries"),
    "no colour at all": ({"colours": (-1,) * 6}, "no entry of 'x0' has a colour"),
    "no such vertex": ({"vertex": "x9"}, "'x9' is no vertex"),
    "another mode": ({"mode": Mode.ADJOINT}, "starts at|ends at"),
    "another vertex": ({"vertex": "x1"}, "starts at|ends at"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_seed_is_rejected(case: str) -> None:
    fields, message = BAD[case]
    with pytest.raises(PlanError, match=message):
        check(changed(**fields))


def test_a_block_that_is_not_compressed_cannot_be_decompressed() -> None:
    found = plan(TRIDIAGONAL).plan
    assert found is not None
    last = len(found.steps) - 1
    for step, message in ((Decompress(last, None), "not compressed"), (Decompress(None, None), "neither")):
        with pytest.raises(PlanError, match=message):
            check(Plan(found.graph, (*found.steps, step), found.outputs))


def test_sweeps_are_written_and_read_back() -> None:
    from chainplan.io.plan_file import parse_plan
    from chainplan.io.plan_file_claims import verify

    result = plan(chain([arrow(30, tangent=300, adjoint=400), {"shape": [30, 30], "structure": "diagonal"}]))
    saved = parse_plan(render(result), "plan.json")
    assert verify(saved).total == result.cost.fma  # type: ignore[union-attr]
    assert saved.plan is not None
    assert result.plan is not None
    assert saved.plan.steps == result.plan.steps
    assert "decompress" in table(result)
    assert "colours of #" in table(result)


def test_colours_that_time_cut_short_are_not_kept() -> None:
    rng = np.random.default_rng(5)
    entries = [list(pair) for pair in sorted({(int(i), int(j)) for i, j in rng.integers(0, 150, (1500, 2))})]
    problem = chain([{"shape": [150, 150], "structure": {"coo": entries}, "tangent": 7, "adjoint": 7}])
    hurried = plan(problem, budget=0)
    at_leisure = plan(problem)
    assert hurried.plan is not None
    assert at_leisure.plan is not None
    check(hurried.plan, problem)
    assert hurried.price is not None
    assert at_leisure.price is not None
    assert at_leisure.price < hurried.price < hurried.baselines.best
    assert plan(problem, budget=0).price == at_leisure.price
