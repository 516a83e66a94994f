"""Modules that take long are cut for workers that would wait: into how many pieces, where, and how to forbid it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.distributed.executors.dask_cluster import DaskExecutor
from chainplan.distributed.skeleton import CrewFacts, KnownSeconds, Skeleton, skeleton
from chainplan.distributed.split import Axis, StepSplit, TaskRoom
from chainplan.distributed.wide_modules import PieceChoice, cut_for_workers
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.distributed.worker_tasks import PieceTask
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.plans.candidate import Candidate
from chainplan.values.draw import draw
from tests.problems import random_problem

SECOND = 10**9


def _skeleton(result: chainplan.Result, seconds: dict[str, float], crew: CrewFacts) -> Skeleton:
    assert result.plan is not None
    candidate = Candidate(result.plan, WEIGHTED_COST)
    patterns = PlanPatterns(result.plan, candidate.replay)
    return skeleton(result.plan, candidate, TaskRoom(None, 8), 20_000_000, patterns, KnownSeconds(seconds), crew)


def _pieces(made: Skeleton) -> dict[int, list[tuple[int, int]]]:
    """The ranges of the steps that are cut."""
    found: dict[int, list[tuple[int, int]]] = {}
    for task in made.tasks:
        if isinstance(task.call, PieceTask):
            found.setdefault(task.call.position, []).append((task.call.start, task.call.stop))
    return found


def _modules(*sizes: tuple[int, int], mode: str = "tangent") -> Any:
    return chainplan.chain([{"shape": list(size), mode: 1} for size in sizes])


def test_a_wide_module_is_cut_into_a_piece_for_each_worker_of_fifty_milliseconds_at_least() -> None:
    result = chainplan.plan(_modules((400, 400)), "forward")
    for workers, seconds, pieces in ((4, 0.01, 4), (3, 0.01, 3), (1, 0.01, 1), (64, 0.01, 64), (64, 0.001, 8)):
        found = _pieces(_skeleton(result, {"F1": seconds}, CrewFacts(workers)))
        assert [len(ranges) for ranges in found.values()] == ([pieces] if pieces > 1 else [])
        for ranges in found.values():
            assert sorted(i for start, stop in ranges for i in range(start, stop)) == list(range(400))
    narrow = chainplan.plan(_modules((400, 3)), "forward")
    assert [len(ranges) for ranges in _pieces(_skeleton(narrow, {"F1": 1.0}, CrewFacts(8))).values()] == [3]
    assert not _pieces(_skeleton(result, {"F1": 0.0002}, CrewFacts(8))), "it takes 80 ms"
    assert not _pieces(_skeleton(result, {}, CrewFacts(8))), "nobody knows how long it takes"
    assert not _pieces(_skeleton(result, {"F1": 0.01}, CrewFacts(8, frozenset({"F1"}))))


def _branches(prices: list[list[int]]) -> tuple[chainplan.Plan, list[int], list[int]]:
    """Branches of modules, which are summed up: the plan, the nanoseconds of its steps, and its modules."""
    ends = {f"b{i}_0": "x" for i in range(len(prices))}
    ends |= {f"b{i}_{len(branch)}": "y" for i, branch in enumerate(prices)}
    edges = {f"b{i}_{j}": f"b{i}_{j + 1}" for i, branch in enumerate(prices) for j in range(len(branch))}
    jacobians = [{"edge": [ends.get(a, a), ends.get(b, b)], "name": a, "tangent": 1} for a, b in edges.items()]
    names = {ends.get(name, name) for pair in edges.items() for name in pair}
    spec = {"sizes": dict.fromkeys(sorted(names), 64), "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians}
    plan = chainplan.plan(chainplan.from_spec({"dag": spec})).plan
    assert plan is not None
    of_name = {f"b{i}_{j}": price for i, branch in enumerate(prices) for j, price in enumerate(branch)}
    found = [of_name.get(getattr(step, "elemental", ""), 0) for step in plan.steps]
    return plan, found, [position for position, price in enumerate(found) if price]


@pytest.mark.parametrize(
    ("branches", "workers", "parts"),
    [
        ([[4]], 4, [4]),
        ([[1, 1]] * 4, 4, [1] * 8),
        ([[2], [2]], 3, [3, 3]),
        ([[4], [4]], 8, [4, 4]),
        ([[40], [39]], 8, [4, 4]),
        ([[9], [1]], 2, [2, 2]),
        ([[30], [1]], 2, [2, 1]),
        ([[1], [1], [1]], 2, [1, 2, 2]),
    ],
    ids=lambda value: str(value).replace(" ", ""),
)
def test_what_makes_workers_wait_is_cut(branches: list[list[int]], workers: int, parts: list[int]) -> None:
    plan, prices, modules = _branches([[SECOND * price for price in branch] for branch in branches])
    choices = {position: PieceChoice(StepSplit(Axis.COLS, 1), workers) for position in modules}
    found = cut_for_workers(plan, prices, choices, workers)
    assert sorted(found[p].parts if p in found else 1 for p in modules) == sorted(parts)


@contextmanager
def _backend(name: str) -> Iterator[dict[str, Any]]:
    if name == "threads":
        yield {"backend": name, "workers": 3}
        return
    with ThreadPoolExecutor(3) as pool:
        yield {"backend": name, "scheduler": pool}


class _Counted:
    """A matrix as a module that counts the lines of its calls."""

    def __init__(self, matrix: Any) -> None:
        self._matrix, self._lock = matrix, Lock()
        self.lines: Counter[int] = Counter()

    def tangent(self, block: Any) -> Any:
        with self._lock:
            self.lines[block.shape[1]] += 1
        return self._matrix @ block

    def adjoint(self, block: Any) -> Any:
        with self._lock:
            self.lines[block.shape[0]] += 1
        return block @ self._matrix


@pytest.mark.parametrize("backend", ["threads", "futures"])
@pytest.mark.parametrize("solver", ["forward", "reverse"])
def test_pieces_are_called_beside_each_other(backend: str, solver: str) -> None:
    mode = {"forward": "tangent", "reverse": "adjoint"}[solver]
    problem = _modules((30, 30), (30, 30), mode=mode)
    result = chainplan.plan(problem, solver)
    matrices = draw(problem.graph, 0, np.int64)
    modules = {name: _Counted(matrix) for name, matrix in matrices.items()}
    given: dict[str, Any] = {name: (module.tangent, module.adjoint) for name, module in modules.items()}
    given["F2"] = chainplan.WorkerModule(given["F2"], slices=False)
    with _backend(backend) as options:
        found = chainplan.execute(result, given, dtype=np.int64, seconds={"F1": 1.0, "F2": 1.0}, **options)
    assert np.array_equal(found["x2", "x0"], matrices["F2"] @ matrices["F1"])
    assert modules["F1"].lines == {10: 3}
    assert modules["F2"].lines == {30: 1}


@pytest.mark.parametrize("seed", range(40))
def test_random_plans_in_pieces_make_the_integers_of_a_serial_run(seed: int) -> None:
    problem = random_problem(seed)
    result = chainplan.plan(problem, budget=0.1)
    values = draw(problem.graph, seed, np.int64)
    rng = random.Random(seed)
    seconds = {e.name: rng.choice([0.01, 1.0]) for e in problem.graph.elementals}
    found = chainplan.execute(result, values, backend="threads", workers=rng.choice([2, 3, 5]), seconds=seconds)
    expected = chainplan.execute(result, values)
    assert all(np.array_equal(found[pair], expected[pair]) for pair in expected)


_NOTED: list[int] = []
"""The columns of each call on a cluster in this process."""


def _noting(matrix: Any, block: Any) -> Any:
    _NOTED.append(block.shape[1])
    return matrix @ block


def test_a_cluster_cuts_for_its_threads() -> None:
    distributed = pytest.importorskip("distributed")
    problem = _modules((8, 8), (5, 8))
    result = chainplan.plan(problem, "forward")
    matrices = draw(problem.graph, 0, np.int64)
    given = {"F1": (partial(_noting, matrices["F1"]), None), "F2": (partial(np.matmul, matrices["F2"]), None)}
    with distributed.Client(processes=False, n_workers=2, threads_per_worker=2, dashboard_address=None) as client:
        assert DaskExecutor(client, True).workers() == 4
        run: Any = chainplan.prepare(result, backend="dask", scheduler=client, dtype=np.int64, seconds={"F1": 1.0})
        assert np.array_equal(run(given)["x2", "x0"], matrices["F2"] @ matrices["F1"])
        assert _NOTED == [2, 2, 2, 2]
        run.close()


def test_a_module_that_must_stay_whole_is_refused_where_it_does_not_fit() -> None:
    result = chainplan.plan(_modules((400, 400)), "forward")
    assert result.candidate is not None
    room = TaskRoom(2**20, 8)
    assert room.splits(result.candidate)
    with pytest.raises(ExecutionError, match=r"its blocks take .*cannot be split to fit"):
        room.splits(result.candidate, {"F1"})
    wrong: Any = 1
    with pytest.raises(ArgumentError, match="slices: found 1; expected True or False"):
        chainplan.WorkerModule((None, None), slices=wrong)


class _Stopping:
    """A matrix as a module that fails in its fourth call; how often it was called is not part of what it is."""

    def __init__(self, matrix: Any) -> None:
        self._matrix, self.calls = matrix, 0

    def __getstate__(self) -> Any:
        return self._matrix

    def tangent(self, block: Any) -> Any:
        self.calls += 1
        return self._matrix @ block if self.calls != 4 else 1 // 0


def test_pieces_of_an_earlier_run_are_found_by_a_run_on_fewer_workers(tmp_path: Path) -> None:
    """Four are made, of which one fails; the second run makes that one alone."""
    module = _Stopping(np.arange(16).reshape(4, 4))
    given: Any = {"F1": (module.tangent, None)}
    result = chainplan.plan(_modules((4, 4)), "forward")
    options: Any = {"backend": "threads", "seconds": {"F1": 1.0}, "checkpoint": tmp_path, "dtype": np.int64}
    with pytest.raises(ZeroDivisionError):
        chainplan.execute(result, given, workers=4, **options)
    found = chainplan.execute(result, given, workers=2, **options)
    assert np.array_equal(found["x1", "x0"], np.arange(16).reshape(4, 4))
    assert module.calls == 5
