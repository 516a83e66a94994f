"""Jacobians too large to be written out: planned, run and validated as they are held, in a process of little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array, diags_array, save_npz

import chainplan
from chainplan.errors import ExecutionError
from chainplan.execution import chunked_apply as step_parts
from chainplan.plans.candidate import Candidate
from chainplan.problem.cost import FMA
from chainplan.validation.tolerance import largest_handled, largest_held
from chainplan.values.draw import draw
from tests.limited import on_linux, within

SIDE = 316
ROOM = 700_000_000


def _grid(side: int) -> csr_array:
    """The pattern of the 5-point stencil."""
    n = side * side
    place = np.arange(n - 1)
    near = ((place + 1) % side != 0).astype(float)
    far = np.ones(n - side)
    found: Any = diags_array([np.ones(n), near, near, far, far], offsets=[0, 1, -1, side, -side])
    return csr_array(found)


@on_linux
@pytest.mark.parametrize("functions", ["", ", tangent: 1000, adjoint: 1000"], ids=["explicit", "matrix-free"])
def test_the_grid_runs_as_it_is_held(functions: str, tmp_path: Path) -> None:
    pattern = _grid(SIDE)
    pattern.eliminate_zeros()
    assert pattern.nnz == 498_016
    save_npz(tmp_path / "grid.npz", pattern)
    n = SIDE * SIDE
    spec = tmp_path / "grid.yaml"
    spec.write_text(f"chain:\n  - {{shape: [{n}, {n}], structure: {{sparse: grid.npz}}{functions}}}\n")
    ((code, said),) = within(ROOM, tmp_path, [["run", str(spec)]])
    assert code == 0, said
    assert "J is compared along 3 directions V" in said
    assert ("forward order is left out, for it handles a block of 9,971,220,736 entries" in said) == bool(functions)


def test_the_grid_is_executed_sparse() -> None:
    pattern = _grid(SIDE)
    item: dict[str, Any] = {"name": "A", "shape": list(pattern.shape), "structure": {"sparse": pattern}}
    plan = chainplan.plan(chainplan.chain([item])).plan
    assert plan is not None
    pattern.eliminate_zeros()
    with pytest.raises(ExecutionError, match="dense: the Jacobian takes 79,769,765,888 bytes"):
        chainplan.execute(plan, {"A": pattern})
    found: Any = chainplan.execute(plan, {"A": pattern}, dense=False)["x1", "x0"]
    assert (found != pattern).nnz == 0
    with pytest.raises(ExecutionError, match="dense: the Jacobian takes"):
        chainplan.execute(plan, {"A": pattern}, workers=2)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("mode", ["tangent", "adjoint"])
@pytest.mark.parametrize(
    "structure", ["dense", {"sparse": _grid(5)}, {"block_diagonal": [5, 5, 5]}], ids=["m", "s", "b"]
)
def test_elementals_are_applied_in_parts(
    structure: Any, mode: str, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []
    block: dict[str, Any] = {"shape": [25, 25], "structure": structure}
    items = [{"name": "A", **block}, {"name": "B", **block, mode: 7}]
    problem = chainplan.chain(items[::-1] if mode == "adjoint" else items)
    values = draw(problem.graph, 1, np.int64)
    array = _written(values["B"])

    def function(block: Any) -> Any:
        widths.append(block.shape[1] if mode == "tangent" else block.shape[0])
        return array @ block if mode == "tangent" else block @ array

    values["B"] = (function, None) if mode == "tangent" else (None, function)
    for solver in ("forward", "reverse", "auto"):
        plan = chainplan.plan(problem, solver=solver).plan
        assert plan is not None
        monkeypatch.setattr(step_parts, "MAX_ENTRIES_AT_ONCE", 1 << 24)
        whole: Any = chainplan.execute(plan, values, dense=dense)["x2", "x0"]
        monkeypatch.setattr(step_parts, "MAX_ENTRIES_AT_ONCE", 256)
        widths.clear()
        parts: Any = chainplan.execute(plan, values, dense=dense)["x2", "x0"]
        assert np.array_equal(_written(whole), _written(parts))
        assert largest_handled(Candidate(plan, FMA)) >= largest_held(Candidate(plan, FMA))


def _written(found: Any) -> Any:
    return found.toarray() if hasattr(found, "toarray") else found


def test_an_accumulated_elemental_is_handed_no_whole_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_parts, "MAX_ENTRIES_AT_ONCE", 256)
    plan = chainplan.plan(chainplan.chain([{"name": "A", "shape": [40, 40], "tangent": 3}])).plan
    assert plan is not None
    widths: list[int] = []

    def function(block: Any) -> Any:
        widths.append(block.shape[1])
        return 2 * block

    found = chainplan.execute(plan, {"A": (function, None)})["x1", "x0"]
    assert np.array_equal(found, 2 * np.eye(40))
    assert sum(widths) == 40
    assert max(widths) == 1
