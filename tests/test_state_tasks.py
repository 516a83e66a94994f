"""Plans that evaluate states as tasks: the integers of a serial run, states as the plan says, and runs that survive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4
from weakref import finalize

import numpy as np
import pytest

import chainplan
from chainplan.distributed.executors.pool import PoolExecutor
from chainplan.errors import ExecutionError
from chainplan.plans.replay import replay
from chainplan.plans.state_steps import Advance, Read
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Graph
from chainplan.tradeoff import pareto
from chainplan.values.draw import draw
from chainplan.values.primal import Primal
from tests.test_disk import on_disk
from tests.test_recompute import NET, drawn, time_steps
from tests.test_reversal import flow


def _require_equal(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for pair in found:
        assert np.array_equal(found[pair], expected[pair])


@pytest.mark.parametrize("seed", range(20))
def test_the_integers_of_a_serial_run_at_every_memory(seed: int, processes: Executor, tmp_path: Path) -> None:
    problem = drawn(seed, 6)
    values = draw(problem.graph, seed, np.int64)
    for number, point in enumerate(pareto(problem).points):
        expected = chainplan.execute(point.plan, values)
        _require_equal(chainplan.execute(point.plan, values, backend="threads", workers=2), expected)
        _require_equal(chainplan.execute(point.plan, values, backend="futures", scheduler=processes), expected)
        for _ in range(2):
            _require_equal(chainplan.execute(point.plan, values, checkpoint=tmp_path / str(number)), expected)


def _plan_on_disk() -> tuple[Plan, dict[str, Any]]:
    problem = on_disk(flow(40, size=3, memory=30), 10**6, 1)
    found = chainplan.plan(problem).plan
    assert found is not None
    assert any(isinstance(step, Read) for step in found.steps)
    return found, draw(problem.graph, 1, np.int64)


def test_states_on_disk_are_files_until_the_run_ends(
    processes: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found, values = _plan_on_disk()
    options: dict[str, Any] = {"backend": "futures", "scheduler": processes}
    _require_equal(chainplan.execute(found, values, **options), chainplan.execute(found, values))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(PoolExecutor, "here", False, raising=False)
    monkeypatch.setattr(PoolExecutor, "__init__", _elsewhere)
    with pytest.raises(ExecutionError, match="found none for a plan that puts states on disk; expected a directory"):
        chainplan.execute(found, values, **options)
    kept = tmp_path / "kept"
    _require_equal(chainplan.execute(found, values, checkpoint=kept, **options), chainplan.execute(found, values))
    assert list(kept.glob("state-*.pickle"))


_INIT = PoolExecutor.__init__


def _elsewhere(executor: PoolExecutor, *given: Any) -> None:
    _INIT(executor, *given)
    executor.here = False


class _State:
    """A state that can be told from others, and can be watched."""

    def __init__(self, vertex: str) -> None:
        self.vertex = vertex


class _Watched(Primal):
    """Matrices at states that are counted while they are there."""

    def __init__(self, graph: Graph, matrices: dict[str, Any]) -> None:
        self._graph, self._matrices, self._lock = graph, matrices, Lock()
        self._alive = self.most = 0

    dtype = np.dtype(np.int64)

    def start(self) -> Any:
        return _State(self._graph.inputs[0])

    def _ended(self) -> None:
        with self._lock:
            self._alive -= 1

    def advance(self, elemental: str, state: Any) -> Any:
        e = self._graph[elemental]
        assert state.vertex == e.source
        made = _State(e.target)
        finalize(made, self._ended)
        with self._lock:
            self._alive += 1
            self.most = max(self.most, self._alive)
        return made

    def linearise(self, elemental: str, state: Any) -> Any:
        assert state.vertex == self._graph[elemental].source
        matrix = self._matrices[elemental]
        return lambda block: matrix @ block, lambda block: block @ matrix

    def __getitem__(self, name: str) -> Any:
        return self._matrices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._matrices)

    def __len__(self) -> int:
        return len(self._matrices)


@pytest.mark.parametrize("workers", [None, 4])
def test_no_more_states_are_held_than_the_plan_says(workers: int | None) -> None:
    """Idle workers do not evaluate states again before the plan comes to them."""
    problem = time_steps(24)
    point = pareto(problem).points[0]
    matrices = draw(problem.graph, 0, np.int64)
    watched = [_Watched(problem.graph, matrices) for _ in "ab"]
    expected = chainplan.execute(point.plan, watched[0])
    found = chainplan.execute(point.plan, watched[1], backend="threads", workers=workers)
    _require_equal(found, expected)
    advances = sum(isinstance(step, Advance) for step in point.plan.steps)
    assert advances > 2 * len(matrices)
    assert watched[1].most <= watched[0].most + (workers or 0)


class _Marked(Primal):
    """Matrices at states that leave a file for every call, and stop at one elemental while a file is there."""

    dtype = np.dtype(np.int64)

    def __init__(self, graph: Graph, matrices: dict[str, Any], folder: Path, stopping: str) -> None:
        self._graph, self._matrices, self._folder, self._stopping = graph, matrices, folder, stopping

    def _mark(self, word: str, name: str) -> None:
        if word == "linearise" and name == self._stopping and (self._folder / "stop").exists():
            raise InterruptedError(name)
        (self._folder / f"{word} {name} {uuid4().hex}").touch()

    def start(self) -> Any:
        return 0

    def advance(self, elemental: str, state: Any) -> Any:
        self._mark("advance", elemental)
        return state + 1

    def linearise(self, elemental: str, state: Any) -> Any:
        self._mark("linearise", elemental)
        assert self._graph.chain[state].name == elemental
        return self._matrices[elemental]

    def __getitem__(self, name: str) -> Any:
        return self._matrices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._matrices)

    def __len__(self) -> int:
        return len(self._matrices)


def _calls(folder: Path, word: str) -> Counter[str]:
    return Counter(path.name.split()[1] for path in folder.iterdir() if path.name.startswith(f"{word} "))


@pytest.mark.parametrize("stopping", ["F2", "F7", "F11"])
def test_a_rerun_linearises_nothing_again_and_begins_at_a_stored_state(tmp_path: Path, stopping: str) -> None:
    problem = chainplan.from_spec({"chain": [*[4] * 12, 1], "limits": {"recompute": True}})
    point = pareto(problem).points[0]
    matrices = draw(problem.graph, 0, np.int64)
    marks, stop = tmp_path / "marks", tmp_path / "marks" / "stop"
    marks.mkdir()
    whole = _Marked(problem.graph, matrices, marks, "")
    expected = chainplan.execute(point.plan, whole)
    advances = _calls(marks, "advance").total()
    for path in marks.iterdir():
        path.unlink()
    stop.touch()
    for stopped in (True, False):
        with pytest.raises(InterruptedError) if stopped else nullcontext():
            given = _Marked(problem.graph, matrices, marks, stopping)
            found = chainplan.execute(point.plan, given, checkpoint=tmp_path / "kept")
        stop.unlink(missing_ok=True)
    _require_equal(found, expected)
    assert _calls(marks, "linearise") == Counter(list(matrices))
    assert _calls(marks, "advance").total() < advances + len(matrices)
    assert replay(point.plan).peak == point.memory


def test_layers_run_as_tasks(processes: Executor) -> None:
    program = chainplan.program({**NET, "limits": {"recompute": True}})
    stepwise = chainplan.Stepwise(program, chainplan.draw_point(program, 3))
    point = pareto(program.problem).points[0]
    expected = chainplan.execute(point.plan, stepwise)
    found = chainplan.execute(point.plan, stepwise, backend="futures", scheduler=processes)
    _require_equal(found, expected)
