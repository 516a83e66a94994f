"""Modules with demands: built once per process, tried again, limited in time, run where their resources are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.values.draw import draw


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers, one of which has a licence."""
    distributed = pytest.importorskip("distributed")
    workers = {
        "plain": {"cls": distributed.Nanny, "options": {"nthreads": 2}},
        "licensed": {"cls": distributed.Nanny, "options": {"nthreads": 1, "resources": {"licence": 1}}},
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard": False}}
    with (
        distributed.SpecCluster(workers=workers, scheduler=scheduler) as local,
        distributed.Client(local) as found,
    ):
        yield found


SIZES = [4, 3, 5, 4, 2]


def _planned() -> tuple[chainplan.Result, dict[str, Any]]:
    spec = [{"shape": [m, n], "tangent": 1} for n, m in pairwise(SIZES)]
    problem = chainplan.chain(spec)
    return chainplan.plan(problem, "forward"), draw(problem.graph, 0, np.int64)


def _noting(note: Path, matrix: Any, block: Any) -> Any:
    (note / f"{os.getpid()}-{len(list(note.iterdir()))}").touch()
    return matrix @ block


def _require_equal(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for pair in found:
        assert np.array_equal(found[pair], expected[pair])


def _functions(matrices: dict[str, Any]) -> dict[str, Any]:
    return {name: (partial(np.matmul, matrix), None) for name, matrix in matrices.items()}


def test_resources_say_where_a_module_runs(client: Any, tmp_path: Path) -> None:
    result, matrices = _planned()
    given = _functions(matrices)
    for name in ("F2", "F4"):
        given[name] = chainplan.WorkerModule(
            (partial(_noting, tmp_path, matrices[name]), None), resources={"licence": 1}
        )
    found = chainplan.execute(result, given, backend="dask", scheduler=client, dtype=np.int64)
    _require_equal(found, chainplan.execute(result, matrices))
    licensed = client.run(os.getpid)
    pids = {pid for worker, pid in licensed.items() if client.scheduler_info()["workers"][worker]["resources"]}
    assert {int(note.name.split("-")[0]) for note in tmp_path.iterdir()} == pids
    assert len(list(tmp_path.iterdir())) == 2


def test_resources_that_no_worker_has_are_named(client: Any) -> None:
    result, matrices = _planned()
    given = _functions(matrices)
    given["F2"] = chainplan.WorkerModule(given["F2"], resources={"GPU": 2})
    with pytest.raises(ExecutionError, match="'F2' demands GPU=2, which no worker of the cluster has"):
        chainplan.execute(result, given, backend="dask", scheduler=client)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ExecutionError, match="'F2' demands GPU=2, but workers of this"):
        chainplan.execute(result, given, backend="futures", scheduler=pool)


def _build(folder: Path, matrix: Any) -> Any:
    (folder / f"{os.getpid()}-{len(list(folder.iterdir()))}").touch()
    return partial(np.matmul, matrix), None


def test_what_holds_state_is_built_once_in_a_process(client: Any, tmp_path: Path) -> None:
    """A prepared plan keeps it from run to run; that of the worker is gone with the plan."""
    result, matrices = _planned()
    module = chainplan.WorkerModule(partial(_build, tmp_path, matrices["F2"]), resources={"licence": 1})
    given = {**_functions(matrices), "F2": module}
    run: Any = chainplan.prepare(result, backend="dask", scheduler=client, dtype=np.int64)
    for _ in range(3):
        _require_equal(run(given), chainplan.execute(result, matrices))
    run.close()
    assert len(list(tmp_path.iterdir())) == 1
    chainplan.execute(result, given, backend="dask", scheduler=client)
    assert len(list(tmp_path.iterdir())) == 2
    for _ in range(2):
        chainplan.execute(result, given)
    assert len(list(tmp_path.iterdir())) == 3


def _failing(folder: Path, times: int, matrix: Any, block: Any) -> Any:
    tries = len(list(folder.iterdir()))
    (folder / str(tries)).touch()
    if tries < times:
        raise OSError("the licence server is busy")
    return matrix @ block


@pytest.mark.parametrize("backend", ["dask", "futures"])
def test_what_fails_is_tried_again(client: Any, backend: str, tmp_path: Path) -> None:
    result, matrices = _planned()
    for retries, place in ((1, tmp_path / "few"), (2, tmp_path / "enough")):
        place.mkdir()
        functions = partial(_failing, place, 2, matrices["F2"]), None
        given = {**_functions(matrices), "F2": chainplan.WorkerModule(functions, retries=retries)}
        with ThreadPoolExecutor(2) as pool:
            options: Any = {"backend": backend, "scheduler": client if backend == "dask" else pool}
            if retries == 1:
                with pytest.raises(OSError, match="licence server"):
                    chainplan.execute(result, given, **options)
            else:
                found = chainplan.execute(result, given, dtype=np.int64, **options)
                _require_equal(found, chainplan.execute(result, matrices))
        assert len(list(place.iterdir())) == retries + 1


def test_a_call_that_takes_too_long_is_named() -> None:
    result, matrices = _planned()
    go_on = Event()

    def waiting(block: Any) -> Any:
        go_on.wait(60)
        return matrices["F2"] @ block

    given = {**_functions(matrices), "F2": chainplan.WorkerModule((waiting, None), limit=0.01)}
    with pytest.raises(ExecutionError, match=r"the tangent of 'F2' has run for more than 0.01 s on .*; expected it"):
        chainplan.execute(result, given)
    go_on.set()
    given["F2"] = chainplan.WorkerModule((waiting, None), limit=60)
    _require_equal(chainplan.execute(result, given, dtype=np.int64), chainplan.execute(result, matrices))


def test_misuse_of_modules() -> None:
    wrong: Any
    for wrong, message in (
        ((1, {}), "functions: found 1; expected a pair"),
        ((print, {"resources": {"GPU": 0}}), "resources: found .*; expected names and numbers above zero"),
        ((print, {"resources": 3}), "resources: found 3; expected a mapping from names of resources"),
        ((print, {"retries": -1}), "retries: found -1"),
        ((print, {"limit": 0}), "limit: found 0; expected seconds above zero"),
    ):
        with pytest.raises(ArgumentError, match=message):
            chainplan.WorkerModule(wrong[0], **wrong[1])
    result, matrices = _planned()
    with pytest.raises(ExecutionError, match="for matrix-free 'F2' an object was given; expected a pair of functions"):
        chainplan.execute(result, {**_functions(matrices), "F2": object()})
    build: Any
    for build, message in (
        (object, r"'F2' returned object.*such as \(module\.tangent, module\.adjoint\)"),
        (lambda: 1, "what builds 'F2' returned int"),
        (lambda: 1 // 0, "'F2' raised ZeroDivision"),
    ):
        with pytest.raises(ExecutionError, match=message):
            chainplan.execute(result, {**_functions(matrices), "F2": chainplan.WorkerModule(build)})
