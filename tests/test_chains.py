"""Chains of modules on a cluster: sent as slices of time, which no result depends on, whatever modules take."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.distributed import chains
from chainplan.distributed.chains import (
    ChainTask,
    DoneTask,
    PartOfChain,
    PickledChain,
    SentChain,
    SliceTask,
    TaskLink,
    with_chains,
)
from chainplan.distributed.executors.dask_cluster import DaskExecutor
from chainplan.errors import ExecutionError
from chainplan.execution.executor import taken
from chainplan.plans.result import Result
from chainplan.values.draw import draw
from tests.local_cluster import local_client
from tests.test_cluster import _skeleton


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with local_client(2) as found:
        yield found


class _Modules:
    """Modules that note which of them were called, in a file for each call; one may do something of its own."""

    def __init__(self, folder: Path, special: dict[str, Any] | None = None) -> None:
        self.folder, self.special = folder, special or {}

    def tangent(self, name: str, matrix: Any, block: Any) -> Any:
        calls = len(list(self.folder.glob(f"{name}-*")))
        (self.folder / f"{name}-{calls}").touch()
        if name in self.special and not calls:
            self.special[name]()
        return matrix @ block

    def calls(self, name: str) -> int:
        return len(list(self.folder.glob(f"{name}-*")))


def _chain(sizes: list[int], modules: _Modules) -> tuple[Result, dict[str, Any], dict[str, Any]]:
    """The forward order of a chain of modules, their functions and their matrices."""
    spec = [{"shape": [m, n], "tangent": m * n} for n, m in pairwise(sizes)]
    problem = chainplan.chain(spec)
    matrices = draw(problem.graph, 0, np.int64)
    given = {name: (partial(modules.tangent, name, matrix), None) for name, matrix in matrices.items()}
    return chainplan.plan(problem, "forward"), given, matrices


def _require_equal(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for pair in found:
        assert np.array_equal(found[pair], expected[pair])


SIZES = [3, 4, 2, 5, 3, 3, 4, 2, 3, 5, 4, 3, 3, 4, 2, 5, 3, 3, 4, 2, 3]


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_a_chain_makes_the_integers_of_a_serial_run(
    client: Any, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices of no time have one module each, as long modules have; 20 modules are sent in batches of 4, 8 and 8."""
    sent: list[int] = []
    send = DaskExecutor.send

    def counted(self: Any, tasks: Any, wanted: Any) -> Any:
        sent.append(sum(isinstance(task.call, SliceTask) for task in tasks.values()))
        return send(self, tasks, wanted)

    monkeypatch.setattr(chains, "SECONDS_PER_SLICE", seconds)
    monkeypatch.setattr(DaskExecutor, "send", counted)
    modules = _Modules(tmp_path)
    result, given, matrices = _chain(SIZES, modules)
    found = chainplan.execute(result, given, backend="dask", scheduler=client, dtype=np.int64)
    _require_equal(found, chainplan.execute(result, matrices))
    assert [modules.calls(name) for name in matrices] == [1] * 20
    assert sent == ([4, 8, 8] if not seconds else [4])


def test_branches_of_modules_between_products(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chains side by side, what reads both, and another chain behind that."""
    monkeypatch.setattr(chains, "SECONDS_PER_SLICE", 0.0)
    ways = [["x", *(f"{way}{i}" for i in range(9)), "z0"] for way in "ab"] + [[f"z{i}" for i in range(11)]]
    edges = [edge for way in ways for edge in pairwise(way)]
    names = sorted({name for edge in edges for name in edge})
    jacobians = [{"edge": [a, b], **({} if b == "z0" else {"tangent": 9, "adjoint": 10**6})} for a, b in edges]
    dag = {"sizes": dict.fromkeys(names, 3), "inputs": ["x"], "outputs": ["z10"], "jacobians": jacobians}
    problem = chainplan.from_spec({"dag": dag})
    result = chainplan.plan(problem, "forward")
    assert result.plan is not None
    matrices = draw(problem.graph, 0, np.int64)
    made = with_chains(_skeleton(result, None, 0), taken(result.plan, matrices))
    lengths = [len(task.call.links) for task in made.tasks if isinstance(task.call, ChainTask)]
    assert sorted(lengths)[-3:] >= [9, 9, 10]
    given = {n: m if problem.graph[n].explicit else (partial(np.matmul, m), None) for n, m in matrices.items()}
    found = chainplan.execute(result, given, backend="dask", scheduler=client, dtype=np.int64)
    _require_equal(found, chainplan.execute(result, matrices))


def test_short_rows_and_large_values_make_no_chains(tmp_path: Path) -> None:
    result, _, matrices = _chain(SIZES[:7], _Modules(tmp_path))
    assert result.plan is not None
    tasks = _skeleton(result, None, 20_000_000)
    assert with_chains(tasks, taken(result.plan, matrices)) is tasks
    dense = chainplan.plan(chainplan.chain([100] * 10), "forward")
    assert dense.plan is not None
    tasks = _skeleton(dense, None, 0)
    values = draw(chainplan.chain([100] * 10).graph, 0, np.float64)
    assert with_chains(tasks, taken(dense.plan, values)) is tasks


def test_a_worker_that_is_killed_in_a_chain_changes_nothing(client: Any, tmp_path: Path) -> None:
    modules = _Modules(tmp_path, {"F13": _die})
    result, given, matrices = _chain(SIZES, modules)
    found = chainplan.execute(result, given, backend="dask", scheduler=client, dtype=np.int64)
    assert modules.calls("F13") == 2
    client.wait_for_workers(2, timeout=60)
    _require_equal(found, chainplan.execute(result, matrices))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_errors_in_a_chain_come_through(client: Any, tmp_path: Path) -> None:
    modules = _Modules(tmp_path, {"F13": partial(int, "none")})
    result, given, _ = _chain(SIZES, modules)
    with pytest.raises(ValueError, match="'none'") as caught:
        chainplan.execute(result, given, backend="dask", scheduler=client, dtype=np.int64)
    assert "tangent of 'F13'" in caught.value.__notes__[0]
    assert modules.calls("F14") == 0
    given["F9"] = (np.transpose, None)
    with pytest.raises(ExecutionError, match="the tangent of 'F9' returned shape"):
        chainplan.execute(result, given, backend="dask", scheduler=client, dtype=np.int64)


def test_a_slice_goes_on_where_the_one_before_it_stopped() -> None:
    links = tuple(TaskLink(_sum_of, places) for places in ((None, 0), (1, None), (None, 0)))
    chain = PickledChain(pickle.dumps(SentChain(links, (1, 10))))
    plan: Any = None
    part = SliceTask(0.0, True)(plan, "<i8", False, chain, 5)
    assert part == PartOfChain(1, 6)
    part = SliceTask(0.0, False)(plan, "<i8", False, chain, part)
    assert part == PartOfChain(2, 16)
    assert DoneTask()(plan, "<i8", False, part) == 2
    end = SliceTask(0.0, False)(plan, "<i8", False, chain, part)
    assert end == 17
    assert SliceTask(0.0, False)(plan, "<i8", False, chain, end) == 17
    assert DoneTask()(plan, "<i8", False, end) is None
    assert SliceTask(9.0, True)(plan, "<i8", False, chain, 5) == 17


def _sum_of(plan: Any, dtype: str, wrap: bool, left: int, right: int) -> int:
    return left + right
