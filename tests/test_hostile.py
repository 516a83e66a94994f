"""Input that once crashed: files that lie about themselves, indices out of any range, sweeps through empty rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan


@pytest.mark.parametrize(
    "structure",
    [
        {"selection": [-1, 0, 0]},
        {"scatter": [-1, 0, 0]},
        {"coo": [[-1, 0]]},
        {"coo": [[0, 10**30]]},
        {"reduce": [1]},
    ],
    ids=str,
)
def test_bad_arguments_of_structures_are_spec_errors(structure: dict[str, Any]) -> None:
    with pytest.raises(chainplan.ChainplanError, match="no fitting argument"):
        chainplan.chain([{"shape": [3, 3], "structure": structure}])


def test_a_band_wider_than_any_number_that_numpy_holds() -> None:
    problem = chainplan.chain([{"shape": [3, 3], "structure": {"banded": [10**30, 0]}}, {"shape": [3, 3]}])
    cost = chainplan.plan(problem).cost
    assert cost is not None
    assert cost.fma == 18


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("starts", [[0, 10**9, 10**9, 3], [0, -(10**9), 2, 3], [0, 5, 2, 3]], ids=str)
def test_pattern_files_with_wrong_row_pointers(form: str, starts: list[int], tmp_path: Path) -> None:
    path = tmp_path / "pattern.npz"
    np.savez(path, format=form, data=np.ones(3), indices=np.arange(3), indptr=starts, shape=[3, 3])
    with pytest.raises(chainplan.ChainplanError, match="save_npz"):
        chainplan.chain([{"shape": [3, 3], "structure": {"sparse": str(path)}}])


def test_a_compressed_sweep_through_a_factor_with_empty_rows() -> None:
    entries = [
        {"name": "A", "shape": [16, 2], "structure": {"coo": [[11, 1]]}, "tangent": 1},
        {"name": "B", "shape": [8, 16], "tangent": 128},
    ]
    rng = np.random.default_rng(0)
    a, b = np.zeros((16, 2), int), rng.integers(-3, 4, (8, 16))
    a[11, 1] = 3
    pairs = {"A": (lambda x: a @ x, None), "B": (lambda x: b @ x, None)}
    plan = chainplan.plan(chainplan.chain(entries)).plan
    assert plan is not None
    assert any(type(step).__name__ == "Decompress" for step in plan.steps)
    assert np.array_equal(chainplan.execute(plan, pairs)["x2", "x0"], b @ a)


def test_a_free_plan_is_not_called_proven_without_saying_within_what() -> None:
    jacobians = [{"edge": ["x", "z"]}, {"edge": ["y", "z"]}]
    problem = chainplan.from_spec({"dag": {"inputs": ["x", "y"], "outputs": ["z"], "jacobians": jacobians}})
    result = chainplan.plan(problem, objective="weighted")
    assert (result.status is chainplan.Status.OPTIMAL) == (result.optimal_within is not None)
