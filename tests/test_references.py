"""Jacobians by reference: files, loaders and futures make what arrays make, in this process and on a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse, load_npz, save_npz

import chainplan
from chainplan.distributed import inputs, task_plan, worker_tasks
from chainplan.distributed.executors.dask_cluster import DaskExecutor
from chainplan.distributed.split import Axis
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.errors import ExecutionError
from chainplan.plans.replay import replay
from chainplan.values import references
from chainplan.values.draw import draw
from tests.local_cluster import local_client
from tests.problems import random_problem

SIZES = [30, 25, 40, 35]
KINDS = ["path", "loader", "mixed", "store"]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with local_client(2) as found:
        yield found


def _referred(values: dict[str, Any], folder: Path, kind: str) -> dict[str, Any]:
    """The same values by reference; pairs of functions, and what has no array, stay as they are."""
    given: dict[str, Any] = {}
    value: Any
    for i, (name, value) in enumerate(values.items()):
        if isinstance(value, tuple) or value is None:
            given[name] = value
        elif kind == "loader" or (kind == "mixed" and i % 3 == 0):
            given[name] = partial(type(value).copy, value)
        elif kind == "mixed" and i % 3 == 1:
            given[name] = value
        elif issparse(value):
            sparse: Any = value
            save_npz(folder / f"{i}.npz", sparse)
            given[name] = folder / f"{i}.npz"
        elif kind == "store":
            given[name] = _in_store(value, folder, i)
        else:
            np.save(folder / f"{i}.npy", value)
            given[name] = str(folder / f"{i}.npy")
    return given


def _in_store(value: Any, folder: Path, number: int) -> str:
    """The name of an array that is written, in turns, into a file of HDF5, into one in chunks, and as one of Zarr."""
    h5py, zarr = pytest.importorskip("h5py"), pytest.importorskip("zarr")
    chunks = tuple(min(size, 7) or 1 for size in value.shape)
    if number % 3 == 2:
        zarr.create_array(str(folder / "all.zarr"), name=f"group/{number}", data=value, chunks=chunks, overwrite=True)
        return f"{folder}/all.zarr::/group/{number}"
    with h5py.File(folder / "all.h5", "a") as file:
        name = f"jacobians/{number}"
        if name in file:
            del file[name]
        file.create_dataset(name, data=value, chunks=chunks if number % 3 == 1 and value.ndim else None)
    return f"{folder}/all.h5::/{name}"


def _require_equal(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for pair in found:
        assert found[pair].dtype == expected[pair].dtype
        assert np.array_equal(found[pair], expected[pair])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(20))
def test_references_make_what_arrays_make(seed: int, kind: str, tmp_path: Path) -> None:
    problem = random_problem(seed)
    result = chainplan.plan(problem, budget=0.1)
    values = draw(problem.graph, seed, np.int64)
    given = _referred({name: value for name, value in values.items() if problem.graph[name].explicit}, tmp_path, kind)
    expected = chainplan.execute(result, values, dtype=np.int64)
    _require_equal(chainplan.execute(result, {**values, **given}, dtype=np.int64), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [None, 20_000])
def test_references_on_a_cluster(
    client: Any, kind: str, limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of 20 kB blocks of up to 11 kB are split, and parts of them are read."""
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", 0)
    monkeypatch.setattr(DaskExecutor, "limit", lambda executor: limit)
    problem = chainplan.chain(SIZES)
    values = draw(problem.graph, 0, np.int64)
    for solver in ("forward", "reverse"):
        result = chainplan.plan(problem, solver)
        given = _referred(values, tmp_path, kind)
        found = chainplan.execute(result, given, backend="dask", scheduler=client)
        _require_equal(found, chainplan.execute(result, values))


def test_sparse_files_and_files_of_diagonals(client: Any, tmp_path: Path) -> None:
    pattern = [[i, (7 * i) % 30] for i in range(30)]
    chain = [
        {"shape": [30, 30], "structure": {"coo": pattern}},
        {"shape": [30, 30], "structure": "diagonal"},
        {"shape": [4, 30]},
    ]
    problem = chainplan.from_spec({"chain": chain})
    result = chainplan.plan(problem)
    values = draw(problem.graph, 0, np.int64)
    save_npz(tmp_path / "F1.npz", csr_array(values["F1"]))
    np.save(tmp_path / "F2.npy", np.diagonal(values["F2"]) if values["F2"].ndim == 2 else values["F2"])
    given = {**values, "F1": tmp_path / "F1.npz", "F2": tmp_path / "F2.npy"}
    expected = chainplan.execute(result, values)
    _require_equal(chainplan.execute(result, given), expected)
    _require_equal(chainplan.execute(result, given, backend="dask", scheduler=client), expected)


def test_the_dtype_of_a_file_is_that_of_seeds(tmp_path: Path) -> None:
    problem = chainplan.chain([{"shape": [3, 2], "tangent": 1}, {"shape": [2, 3]}])
    result = chainplan.plan(problem, "forward")
    np.save(tmp_path / "F2.npy", np.ones((2, 3), np.float32))
    seen = []

    def tangent(block: Any) -> Any:
        seen.append(block.dtype)
        return np.ones((3, 2), block.dtype) @ block

    chainplan.execute(result, {"F1": (tangent, None), "F2": tmp_path / "F2.npy"})
    chainplan.execute(result, {"F1": (tangent, None), "F2": lambda: np.ones((2, 3), np.float32)}, dtype=np.float32)
    assert seen == [np.float32, np.float32]


def test_in_this_process_a_loader_is_called_when_a_step_needs_it() -> None:
    """The Jacobian that is read last is loaded after the product of the others."""
    problem = chainplan.chain([4, 4, 4, 4])
    calls: list[str] = []

    def loader(name: str) -> Any:
        calls.append(name)
        return np.eye(4)

    chainplan.execute(chainplan.plan(problem, "reverse"), {n: partial(loader, n) for n in ("F1", "F2", "F3")})
    assert calls[-1] == "F1"
    assert sorted(calls) == ["F1", "F2", "F3"]


@pytest.mark.parametrize("there", [False, True])
def test_bad_references_are_named(there: bool, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    options: Any = {"backend": "dask", "scheduler": request.getfixturevalue("client")} if there else {}
    result = chainplan.plan(chainplan.chain([2, 3]))
    np.save(tmp_path / "wrong.npy", np.ones((2, 3)))
    np.savez(tmp_path / "dense.npz", np.ones((3, 2)))
    (tmp_path / "broken.npy").write_bytes(b"no array")
    np.save(tmp_path / "objects.npy", np.full((3, 2), None))
    (tmp_path / "F1.csv").write_text("1")
    for given, message in {
        "missing.npy": r"the file '.*missing.npy' for 'F1' does not exist; expected an array of 3 x 2",
        "wrong.npy": r"the array for 'F1' has shape \(2, 3\); expected \(3, 2\)",
        "dense.npz": r"the file '.*dense.npz' for 'F1' cannot be read: it holds .*arr_0",
        "broken.npy": r"the file '.*broken.npy' for 'F1' cannot be read",
        "objects.npy": r"the file '.*objects.npy' for 'F1' cannot be read: .*objects",
        "F1.csv": r"the file '.*F1.csv' for 'F1' is none that is read; expected .npy",
    }.items():
        with pytest.raises(ExecutionError, match=message):
            chainplan.execute(result, {"F1": tmp_path / given}, **options)
    with pytest.raises(ExecutionError, match="the loader of 'F1' raised ZeroDivisionError: "):
        chainplan.execute(result, {"F1": lambda: 1 // 0}, **options)


def test_outputs_stay_on_the_workers_and_are_given_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = chainplan.chain([30, 20, 40]), chainplan.chain([40, 25])
    a, b = (draw(problem.graph, 1, np.int64) for problem in (first, second))
    whole = chainplan.chain([30, 40, 25])
    expected = chainplan.execute(chainplan.plan(first), a)["x2", "x0"]
    for limit in (None, 12_000):
        monkeypatch.setattr(DaskExecutor, "limit", lambda executor, limit=limit: limit)
        handle: Any = chainplan.execute(chainplan.plan(first), a, backend="dask", scheduler=client, gather=False)[
            "x2", "x0"
        ]
        assert handle.shape == (40, 30)
        assert handle.dtype == np.int64
        assert (len(handle.futures) > 1) == (limit is not None)
        assert np.array_equal(handle.result(), expected)
        given = {"F1": handle, "F2": b["F1"]}
        for limits in (None, 10_000):
            monkeypatch.setattr(DaskExecutor, "limit", lambda executor, limit=limits: limit)
            found = chainplan.execute(chainplan.plan(whole), given, backend="dask", scheduler=client)
            _require_equal(found, chainplan.execute(chainplan.plan(whole), {"F1": expected, "F2": b["F1"]}))
        _require_equal(chainplan.execute(chainplan.plan(whole), given), found)


def test_outputs_of_a_cluster_that_is_gone_are_named() -> None:
    distributed = pytest.importorskip("distributed")
    result, given = chainplan.plan(chainplan.chain([3, 2])), {"F1": np.ones((2, 3))}
    with distributed.Client(processes=False, dashboard_address=None) as client:
        handle: Any = chainplan.execute(result, given, backend="dask", scheduler=client, gather=False)["x1", "x0"]
    with pytest.raises(ExecutionError, match=r"an output of 2 x 3 is on no worker any more .*to=DIRECTORY"):
        handle.result()
    with pytest.raises(ExecutionError, match="scheduler: found a client that is closed; expected an open one"):
        chainplan.execute(result, given, backend="dask", scheduler=client)


def test_a_future_is_a_jacobian(client: Any) -> None:
    problem = chainplan.chain([6, 5, 4])
    values = draw(problem.graph, 0, np.int64)
    future = client.submit(np.array, values["F1"])
    found = chainplan.execute(
        chainplan.plan(problem), {**values, "F1": future}, backend="dask", scheduler=client, dtype=np.int64
    )
    _require_equal(found, chainplan.execute(chainplan.plan(problem), values))


@pytest.mark.parametrize("limit", [None, 12_000])
def test_outputs_are_written_by_the_workers(
    client: Any, limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DaskExecutor, "limit", lambda executor: limit)
    for sizes in ([30, 20, 40], [40, 20, 30]):
        problem = chainplan.chain(sizes)
        values = draw(problem.graph, 1, np.int64)
        result = chainplan.plan(problem)
        for _ in range(2):
            paths: Any = chainplan.execute(result, values, backend="dask", scheduler=client, to=tmp_path)
        assert {pair: np.load(path).tolist() for pair, path in paths.items()} == {
            pair: value.tolist() for pair, value in chainplan.execute(result, values).items()
        }
        assert os.listdir(tmp_path) == ["x2_x0.npy"]


def test_sparse_outputs_are_written_as_scipy_does(client: Any, tmp_path: Path) -> None:
    problem = chainplan.chain([{"shape": [30, 30], "structure": {"coo": [[i, (7 * i) % 30] for i in range(30)]}}] * 1)
    values = draw(problem.graph, 0, np.int64)
    options: Any = {"backend": "dask", "scheduler": client, "to": tmp_path}
    path: Any
    ((_, path),) = chainplan.execute(chainplan.plan(problem), values, dense=False, **options).items()
    assert path.name == "x1_x0.npz"
    ((_, value),) = chainplan.execute(chainplan.plan(problem), values).items()
    assert np.array_equal(load_npz(path).toarray(), value)


def test_what_is_said_of_clusters_alone_is_refused_here() -> None:
    result = chainplan.plan(chainplan.chain([2, 3]))
    given = {"F1": np.ones((3, 2))}
    refused: list[dict[str, Any]] = [{"gather": False}, {"to": "."}, {"seconds": {}}, {"progress": print}]
    for options in refused:
        with pytest.raises(ExecutionError, match="found one with the backend 'numpy'; expected it with one that runs"):
            chainplan.execute(result, given, **options)
    with pytest.raises(ExecutionError, match="gather: found False without a scheduler"):
        chainplan.execute(result, given, backend="dask", gather=False)


def test_nothing_that_is_given_by_path_is_sent(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scheduler is told about each array by path is its name."""
    sent: list[int] = []
    original = inputs.GivenInputs.argument

    def argument(self: Any, arg: Any) -> Any:
        import cloudpickle

        sent.append(len(cloudpickle.dumps(original(self, arg))))
        return original(self, arg)

    monkeypatch.setattr(inputs.GivenInputs, "argument", argument)
    problem = chainplan.chain([400, 300, 200])
    given = _referred(draw(problem.graph, 0, np.int64), tmp_path, "path")
    chainplan.execute(chainplan.plan(problem), given, backend="dask", scheduler=client)
    assert len(sent) == 2
    assert max(sent) < 1000


def test_columns_of_a_large_file_are_read_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_MAPPED_BYTES", 1000)
    result = chainplan.plan(chainplan.chain([30, 25]))
    assert result.plan is not None
    value = np.arange(750).reshape(25, 30)
    np.save(tmp_path / "F1.npy", value)
    part = worker_tasks.ReferencedPart(0, str(tmp_path / "F1.npy"), Axis.COLS, 3, 17)
    found = part.fetch(PlanPatterns(result.plan, replay(result.plan)).placed, "<i8")
    assert np.array_equal(found, value[:, 3:17])
    assert type(found.base) is np.ndarray


def test_of_an_array_in_a_store_only_the_part_that_a_task_needs_is_read(tmp_path: Path) -> None:
    """A chunk of each array is broken, which nobody sees who reads others."""
    h5py, zarr = pytest.importorskip("h5py"), pytest.importorskip("zarr")
    result = chainplan.plan(chainplan.chain([30, 25]))
    assert result.plan is not None
    value = np.arange(750).reshape(25, 30)
    zarr.create_array(str(tmp_path / "F1.zarr"), data=value, chunks=(5, 30))
    (tmp_path / "F1.zarr" / "c" / "0" / "0").write_bytes(b"broken")
    with h5py.File(tmp_path / "F1.h5", "w") as file:
        made = file.create_dataset("a", data=value, chunks=(5, 30), compression="gzip", fletcher32=True)
        place = made.id.get_chunk_info(0).byte_offset
    with (tmp_path / "F1.h5").open("r+b") as raw:
        raw.seek(place)
        raw.write(b"broken")
    for path in (tmp_path / "F1.zarr", tmp_path / "F1.h5::/a"):
        part = worker_tasks.ReferencedPart(0, str(path), Axis.ROWS, 5, 17)
        assert np.array_equal(part.fetch(PlanPatterns(result.plan, replay(result.plan)).placed, "<i8"), value[5:17])
        with pytest.raises(ExecutionError, match=r"'F1' cannot be read: .*; expected an array of 25 x 30"):
            chainplan.execute(result, {"F1": path})


def test_bad_arrays_in_stores_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py, zarr = pytest.importorskip("h5py"), pytest.importorskip("zarr")
    result = chainplan.plan(chainplan.chain([2, 3]))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("wrong", data=np.ones((2, 3)))
        file.create_dataset("huge", shape=(10**7, 10**7), dtype="f8", chunks=(100, 100))
        file.create_dataset("words", data=["a"])
        file.create_group("group")
    zarr.create_group(str(tmp_path / "a.zarr"))
    (tmp_path / "b.h5").write_bytes(b"no file")
    for given, message in {
        "a.h5::/wrong": r"the array for 'F1' has shape \(2, 3\); expected \(3, 2\)",
        "a.h5::/huge": r"'F1' cannot be read: it has shape \(10000000, 10000000\); expected an array of 3 x 2",
        "a.h5::/words": r"'F1' has dtype object; expected numbers",
        "a.h5::/group": r"'F1' cannot be read: '/group' is a group; expected a dataset",
        "a.h5::/none": r"'F1' cannot be read: it has no '/none', but group, huge, words, wrong",
        "a.h5": r"'F1' cannot be read: no dataset is named; expected a.h5::/NAME",
        "b.h5::/a": r"'F1' cannot be read: ",
        "c.h5::/a": r"'.*c.h5::/a' for 'F1' does not exist",
        "a.zarr": r"'F1' cannot be read: '/' is a group; expected an array",
        "c.zarr": r"'.*c.zarr' for 'F1' does not exist",
        "a.zarr::/none": r"'F1' cannot be read: it has no '/none'",
    }.items():
        with pytest.raises(ExecutionError, match=message):
            chainplan.execute(result, {"F1": tmp_path / given})
    with pytest.raises(ExecutionError, match="'F1' has dtype object; expected numbers"):
        chainplan.execute(result, {"F1": tmp_path / "a.h5::/words"}, backend="threads")
    for module, path in (("h5py", "a.h5::/wrong"), ("zarr", "a.zarr")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ExecutionError, match=rf"needs {module}, which is not installed.*'\.\[store\]'"):
            chainplan.execute(result, {"F1": tmp_path / path})


BROKEN_LISTS = [
    ({"indices": [0, 77], "indptr": [0, 1, 2]}, "indices must be < 3"),
    ({"indices": [0, -900], "indptr": [0, 1, 2]}, "indices must be >= 0"),
    ({"indices": [0, 1], "indptr": [0, 100_000, 2]}, "indptr must be a non-decreasing sequence"),
    ({"indices": [0.5, 1.5], "indptr": [0, 1, 2]}, "its 'indices' is a list of whole numbers"),
]


@pytest.mark.parametrize(("lists", "message"), BROKEN_LISTS, ids=[message for _, message in BROKEN_LISTS])
def test_sparse_files_whose_lists_lead_outside_are_refused(lists: Any, message: str, tmp_path: Path) -> None:
    result = chainplan.plan(chainplan.from_spec({"chain": [3, 2, 4]}))
    path = tmp_path / "broken.npz"
    np.savez(path, format=np.array(b"csr"), shape=np.array([2, 3]), data=np.ones(2), **lists)
    with pytest.raises(ExecutionError, match=f"'F1' cannot be read: {message}"):
        chainplan.execute(result, {"F1": path, "F2": np.ones((4, 2))})


def test_a_future_that_raises_is_named() -> None:
    result = chainplan.plan(chainplan.from_spec({"chain": [3, 2]}))
    failed: Future[Any] = Future()
    failed.set_exception(KeyError("x"))
    with pytest.raises(ExecutionError, match="the future of 'F1' raised KeyError"):
        chainplan.execute(result, {"F1": failed})
    with pytest.raises(ExecutionError, match="the loader of 'F1' raised TypeError"):
        chainplan.execute(result, {"F1": np.ndarray})
