"""Every backend of tasks, in threads and in processes: the integers of a serial run, and errors that say what to do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
from scipy.sparse import load_npz

import chainplan
from chainplan.distributed import task_plan
from chainplan.distributed.executors.base import ResultOf, SentTask
from chainplan.distributed.executors.pool import PoolExecutor
from chainplan.distributed.executors.registry import TASK_BACKENDS
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.planner import plan
from chainplan.values.draw import draw
from tests.local_cluster import local_client
from tests.problems import chain_problem, random_problem


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with local_client(1) as found:
        yield found


def _options(backend: str, processes: Executor) -> dict[str, Any]:
    """What `execute` is called with for a backend; a cluster has tests of its own."""
    return {"backend": backend, "scheduler": processes if backend == "futures" else None}


HERE = sorted(set(TASK_BACKENDS) - {"dask"})


def _in_full(value: Any) -> Any:
    """The numbers of an output in whatever form it is held."""
    if isinstance(value, chainplan.ShiftsBlock):
        return list(map(str, value.coefficients.items()))
    return value if isinstance(value, np.ndarray) else value.toarray()


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("backend", HERE)
def test_the_integers_of_a_serial_run(
    backend: str, seed: int, processes: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", (0, 20_000_000)[seed % 2])
    problem = random_problem(seed)
    result = plan(problem, budget=0.1)
    values = draw(problem.graph, seed, np.int64)
    for dense in (True, False):
        found = chainplan.execute(result, values, dense=dense, **_options(backend, processes))
        expected = chainplan.execute(result, values, dense=dense)
        assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in expected.items()}
        for pair in found:
            assert np.array_equal(_in_full(found[pair]), _in_full(expected[pair]))


@pytest.mark.parametrize("backend", HERE)
def test_plans_are_prepared_and_outputs_stay_or_are_written(backend: str, processes: Executor, tmp_path: Path) -> None:
    problem = chain_problem([6, 5, 4, 3])
    result = plan(problem)
    run: Any = chainplan.prepare(result, **_options(backend, processes))
    for seed in (0, 1):
        values = draw(problem.graph, seed, np.int64)
        expected = chainplan.execute(result, values)["x3", "x0"]
        stays = run(values, gather=False)["x3", "x0"]
        assert (stays.shape, stays.dtype) == (expected.shape, expected.dtype)
        assert np.array_equal(stays.result(), expected)
        assert np.array_equal(np.load(run(values, to=tmp_path)["x3", "x0"]), expected)
        again = chainplan.execute(plan(chain_problem([6, 3])), {"F1": stays}, **_options(backend, processes))
        assert np.array_equal(again["x1", "x0"], expected)
    run.close()
    with pytest.raises(ExecutionError, match="plan: found one that is closed; expected one that is prepared"):
        run(values)


def test_outputs_of_shifts_are_written_as_scipy_does(tmp_path: Path) -> None:
    problem = chainplan.chain([{"shape": [6, 6], "structure": {"shifts": [-1, 0, 2]}}] * 2)
    values = draw(problem.graph, 0, np.int64)
    path: Any
    ((pair, path),) = chainplan.execute(plan(problem), values, dense=False, backend="threads", to=tmp_path).items()
    assert np.array_equal(load_npz(path).toarray(), chainplan.execute(plan(problem), values)[pair])


def test_functions_on_threads_need_not_be_pickled_and_loaders_are_called_there() -> None:
    lock = Lock()
    matrix = np.arange(12).reshape(4, 3)

    def tangent(block: Any) -> Any:
        with lock:
            return matrix @ block

    def load() -> Any:
        with lock:
            return np.arange(8).reshape(2, 4)

    result = plan(chainplan.chain([{"shape": [4, 3], "tangent": 1}, {"shape": [2, 4]}]), "forward")
    for options in ({"backend": "threads", "workers": 2}, {"backend": "threads"}):
        found = chainplan.execute(result, {"F1": (tangent, None), "F2": load}, dtype=np.int64, **options)
        assert np.array_equal(found["x2", "x0"], load() @ matrix)


def test_errors_of_functions_come_through_and_end_the_run(processes: Executor) -> None:
    result = plan(chainplan.chain([{"name": "sim", "shape": [3, 3], "tangent": 1}, {"shape": [3, 3], "tangent": 1}]))
    functions = {"sim": (lambda block: 1 // 0, None), "F2": (lambda block: block, None)}
    for backend in HERE:
        with pytest.raises(ZeroDivisionError):
            chainplan.execute(result, functions, **_options(backend, processes))


class _Diverged(Exception):
    """One that pickle cannot make again from its arguments."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"{code} in {where}")


def _diverge(block: Any) -> Any:
    raise _Diverged(3, "the mesh")


def _leave(block: Any) -> Any:
    sys.exit(3)


@pytest.mark.parametrize(("function", "message"), [(_diverge, "3 in the mesh"), (_leave, r"sys\.exit\(3\)")])
def test_exceptions_that_cannot_be_sent_end_neither_pool_nor_cluster(
    function: Any, message: str, processes: Executor, client: Any
) -> None:
    result = plan(chainplan.chain([{"name": "sim", "shape": [3, 3], "tangent": 1}]))
    classes: dict[str, Any] = {"futures": ExecutionError, "dask": (_Diverged, ExecutionError)}
    for backend, scheduler in (("futures", processes), ("dask", client)):
        with pytest.raises(classes[backend], match=message) as caught:
            chainplan.execute(result, {"sim": (function, None)}, backend=backend, scheduler=scheduler)
        assert any("the tangent of 'sim'" in note for note in caught.value.__notes__)
        again = chainplan.execute(result, {"sim": (np.negative, None)}, backend=backend, scheduler=scheduler)
        assert np.array_equal(again["x1", "x0"], -np.eye(3))


class _Held(Exception):
    """One that cannot be pickled, because it holds a lock."""

    def __init__(self) -> None:
        super().__init__("held")
        self.lock = Lock()


def test_what_an_error_comes_from_need_not_be_sent(client: Any) -> None:
    def load() -> Any:
        raise _Held

    result = plan(chainplan.chain([3, 2, 4]))
    with pytest.raises(ExecutionError, match=r"the loader of 'F1' raised _Held: held"):
        chainplan.execute(result, {"F1": load, "F2": np.ones((4, 2))}, backend="dask", scheduler=client)


def test_a_process_that_dies_is_told_with_its_task() -> None:
    result = plan(chainplan.chain([{"name": "sim", "shape": [3, 3], "tangent": 1}]))
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        functions: dict[str, Any] = {"sim": (lambda block: os.kill(os.getpid(), signal.SIGKILL), None)}
        for _ in range(2):
            with pytest.raises(ExecutionError, match=r"pool takes no tasks .*'accumulate-sim'.*new one"):
                chainplan.execute(result, functions, backend="futures", scheduler=pool)


def test_what_reads_nothing_awaited_starts_by_rank_and_no_more_than_there_are_places() -> None:
    started: list[int] = []

    class Call:
        def __init__(self, number: int) -> None:
            self.number = number

        def __call__(self, plan: Any, *given: Any) -> Any:
            started.append(self.number)
            return self.number + sum(given)

    with ThreadPoolExecutor(1) as pool:
        executor = PoolExecutor(pool, 1)
        executor.place("token", plan(chain_problem([2, 2])).plan)  # type: ignore[arg-type]
        keys = [("call", "run", i) for i in range(4)]
        tasks = {keys[i]: SentTask("token", Call(i), (), i) for i in range(3)}
        tasks[keys[3]] = SentTask("token", Call(3), (ResultOf(keys[1]), ResultOf(keys[1]), ResultOf(keys[0]), 7), 9)
        (handle,) = executor.send(tasks, keys[3:])
        assert handle.result() == 12
    assert started == [2, 1, 0, 3]


def test_misuse(processes: Executor) -> None:
    result = plan(chainplan.chain([2, 3, 4]))
    values = {"F1": np.ones((3, 2)), "F2": np.ones((4, 3))}
    with pytest.raises(ExecutionError, match=r"scheduler: found None with the backend 'futures'; expected a pool"):
        chainplan.execute(result, values, backend="futures")
    with pytest.raises(ExecutionError, match="gather: found False without a scheduler"):
        chainplan.execute(result, values, backend="threads", gather=False)
    lock = Lock()
    sim, functions = plan(chainplan.chain([{"shape": [2, 2], "tangent": 1}])), {"F1": (lambda block: lock, None)}
    with pytest.raises(ExecutionError, match="the functions of 'F1' cannot be sent to workers"):
        chainplan.execute(sim, functions, backend="futures", scheduler=processes)
    with ThreadPoolExecutor(1) as pool:
        pass
    with pytest.raises(ExecutionError, match=r"pool takes no tasks any more.*after shutdown"):
        chainplan.execute(result, values, backend="futures", scheduler=pool)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": 3}, "to: found 3; expected the path of a directory, or None"),
        ({"checkpoint": 3}, "checkpoint: found 3; expected the path of a directory, or None"),
        ({"progress": 3}, "progress: found 3; expected a function"),
        ({"seconds": 3}, "seconds: found 3; expected a mapping from names of elementals"),
        ({"seconds": {"sin": 1.0}}, "seconds: found 'sin'; expected the names of elementals"),
        ({"seconds": {"sim": "1 s"}}, r"seconds\['sim'\]: found '1 s'; expected a number from 0"),
        ({"seconds": {"sim": float("nan")}}, r"seconds\['sim'\]: found nan; expected a number from 0"),
        ({"seconds": {"sim": -1}}, r"seconds\['sim'\]: found -1; expected a number from 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_options_of_tasks_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    result = plan(chainplan.chain([{"name": "sim", "shape": [2, 2], "tangent": 1}]))
    with pytest.raises(ArgumentError, match=message):
        chainplan.execute(result, {"sim": (lambda block: block, None)}, backend="threads", **options)


def test_a_directory_that_outputs_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    result = plan(chainplan.chain([2, 3]))
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(ExecutionError, match=rf"to: '.*{name}' cannot be written \(.*expected a directory"):
            chainplan.execute(result, {"F1": np.ones((3, 2))}, backend="threads", to=tmp_path / name)
