"""Plans that run by a schedule: on which machine each step runs, in which order, and what is refused."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.distributed.executors import pool
from chainplan.distributed.executors.base import SentTask, TaskDemand
from chainplan.distributed.executors.dask_cluster import DaskExecutor
from chainplan.distributed.fuse import grouped
from chainplan.distributed.scheduled import require_enough, scheduled_tasks
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.plans.steps import Accumulate, Load, Propagate
from chainplan.values.draw import draw
from tests.problems import random_problem

SHAPES = [(50, 20, 8000), (15, 50, 6000), (40, 15, 9000), (25, 40, 3000), (30, 25, 5000)]


def _planned(machines: int) -> tuple[chainplan.Result, dict[str, Any]]:
    problem = chainplan.chain([{"shape": [m, n], "tangent": c, "adjoint": c} for m, n, c in SHAPES])
    return chainplan.plan(problem, machines=machines), draw(problem.graph, 0, np.int64)


def _applied(result: chainplan.Result) -> list[tuple[str, int]]:
    """The elementals that a schedule applies, in its order, and their machines."""
    assert result.plan is not None
    assert result.schedule is not None
    steps = ((result.plan.steps[task.id], task.machine) for task in result.schedule.tasks)
    return [(step.elemental, machine) for step, machine in steps if isinstance(step, Accumulate | Propagate)]


def _require_equal(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for pair in found:
        assert np.array_equal(found[pair], expected[pair])


class _HeldPool(Executor):
    """A pool that holds what it is asked to do until it is told to go on."""

    _max_workers = 4

    def __init__(self) -> None:
        self.held: dict[str, Future[Any]] = {}

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        *_, name = args
        self.held[name] = Future()
        return self.held[name]


def test_one_step_at_a_time_runs_on_each_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that are ready the one of the highest rank; one that failed makes room as well."""
    monkeypatch.setattr(pool, "SECONDS_PER_LOOK", 0.0)
    held = _HeldPool()
    executor = pool.PoolExecutor(held, 4)
    executor.place("token", chainplan.plan(chainplan.chain([2, 2])).plan)  # type: ignore[arg-type]
    machines = {"a": 0, "b": 0, "c": 0, "d": 1, "e": None}
    ranks = {"a": 3, "b": 1, "c": 2, "d": 0, "e": 0}
    tasks = {
        (name, "run", 0): SentTask("token", print, (name,), ranks[name], TaskDemand(machine=machine))
        for name, machine in machines.items()
    }
    handles = executor.send(tasks, list(tasks))
    steps = executor.completed(handles)
    for done, running in (((), "ade"), (("a", "d"), "ace"), (("c",), "abce"), (("b", "e"), "abcde")):
        for name in done:
            if name == "c":
                held.held[name].set_exception(ZeroDivisionError())
            else:
                held.held[name].set_result(name)
        for _ in range(4):
            next(steps)
        assert set(held.held) == set(running) | {"d"}
    assert {handle.key[0]: handle.status for handle in handles} == {
        n: "error" if n == "c" else "finished" for n in "abcde"
    }


@pytest.mark.parametrize("seed", range(10, 30))
def test_plans_make_the_same_integers_by_their_schedules(seed: int) -> None:
    problem = random_problem(seed)
    result = chainplan.plan(problem, machines=2 + seed % 2, budget=0.1, objective=("fma", "weighted")[seed % 2])
    values = draw(problem.graph, seed, np.int64)
    with ThreadPoolExecutor(4) as threads:
        for options in ({"backend": "threads"}, {"backend": "futures", "scheduler": threads}):
            found = chainplan.execute(result, values, schedule=result.schedule, **options)
            _require_equal(found, chainplan.execute(result, values))


def test_of_two_ready_steps_of_a_machine_the_earlier_one_runs_first() -> None:
    """On one machine all steps run in the order of the schedule, whichever order that is."""
    result, matrices = _planned(1)
    assert result.schedule is not None
    order: list[str] = []

    def noting(name: str, matrix: Any, left: bool, block: Any) -> Any:
        order.append(name)
        return block @ matrix if left else matrix @ block

    given: Any = {n: (partial(noting, n, m, False), partial(noting, n, m, True)) for n, m in matrices.items()}
    options: Any = {"backend": "threads", "dtype": np.int64, "schedule": result.schedule}
    _require_equal(chainplan.execute(result, given, **options), chainplan.execute(result, matrices))
    assert order == [name for name, _ in _applied(result)]


@pytest.mark.parametrize("seed", range(10, 30))
def test_steps_of_different_machines_share_no_task(seed: int) -> None:
    result = chainplan.plan(random_problem(seed), machines=3, budget=0.1)
    assert result.plan is not None
    assert result.schedule is not None
    machines = {task.id: task.machine for task in result.schedule.tasks}
    groups = grouped(result.plan, [1] * len(result.plan.steps), 100, machines=machines)
    steps = Counter(step for group in groups for step in group.steps)
    assert steps == Counter(i for i, step in enumerate(result.plan.steps) if not isinstance(step, Load))
    for group in groups:
        there = {machines[step] for step in group.steps if step in machines}
        assert there == (set() if group.machine is None else {group.machine})


_NOTED: dict[str, str] = {}
"""Where each module ran, on a cluster in this process."""


def _noting(name: str, matrix: Any, block: Any) -> Any:
    from distributed import get_worker

    _NOTED[name] = get_worker().address
    return matrix @ block if matrix.shape[1] == block.shape[0] else block @ matrix


def test_a_cluster_runs_each_step_on_the_worker_of_its_machine() -> None:
    distributed = pytest.importorskip("distributed")
    result, matrices = _planned(3)
    assert result.plan is not None
    assert result.schedule is not None
    machines = dict(_applied(result))
    assert len(set(machines.values())) > 1
    given: Any = {name: (partial(_noting, name, matrix),) * 2 for name, matrix in matrices.items()}
    with distributed.Client(processes=False, n_workers=3, threads_per_worker=1, dashboard_address=None) as client:
        run: Any = chainplan.prepare(result, backend="dask", scheduler=client, dtype=np.int64, schedule=result.schedule)
        for _ in range(3):
            _NOTED.clear()
            _require_equal(run(given), chainplan.execute(result, matrices))
            assert len({(machines[name], address) for name, address in _NOTED.items()}) == len(set(machines.values()))
            assert len(set(_NOTED.values())) == len(set(machines.values()))
        with pytest.raises(ExecutionError, match="schedule: found 9 machines and 3 workers; expected a worker for"):
            chainplan.execute(
                result, given, backend="dask", scheduler=client, schedule=replace(result.schedule, machines=9)
            )
        run.close()
        for seed in (10, 15, 20):  # outputs that are given, and steps that are free, are on no machine
            problem = random_problem(seed)
            other = chainplan.plan(problem, machines=2, budget=0.1)
            values = draw(problem.graph, seed, np.int64)
            _require_equal(
                chainplan.execute(other, values, backend="dask", scheduler=client, schedule=other.schedule),
                chainplan.execute(other, values),
            )


class _Workers:
    """A client of a cluster whose workers come and go."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: tuple[str, ...] | None = addresses

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        if self.addresses is None:
            raise ConnectionError
        return {"workers": dict.fromkeys(self.addresses)}


def test_machines_keep_their_workers_as_long_as_these_live() -> None:
    client: Any = _Workers("a", "b", "c")
    executor = DaskExecutor(client, True)
    assert executor._assigned([1, 0]) == ["a", "b"]
    client.addresses = ("b", "c", "d")
    assert executor.lost_machines() == {0}
    assert executor._assigned([1, 0]) == ["c", "b"]
    client.addresses = ("b",)
    assert executor._assigned([2]) == ["b", "b", "b"]
    client.addresses = None
    assert not executor.lost_machines()
    client.addresses = ()
    assert executor.lost_machines() == {0, 1, 2}
    assert executor._assigned([2]) == []
    assert not executor.lost_machines()


def test_schedules_of_other_plans_are_refused() -> None:
    result, matrices = _planned(2)
    assert result.plan is not None
    schedule = result.schedule
    assert schedule is not None
    first, *others = schedule.tasks
    last = others[-1]
    for tasks, message in (
        (others, f"schedule: found no step {first.id}, which costs .* fma; expected the schedule of this plan"),
        ([first, *schedule.tasks], f"found step {first.id} twice"),
        ([*schedule.tasks, first._replace(id=99)], "found step 99, which the plan does not have or loads"),
        ([first._replace(machine=2), *others], "found machine 2 of 2"),
        ([*others[:-1], first, last._replace(start=0, end=1)], "starts at 0, but what it reads is there at"),
    ):
        with pytest.raises(ExecutionError, match=message):
            scheduled_tasks(result.plan, replace(schedule, tasks=tuple(tasks)))
    wrong: Any = 2
    with pytest.raises(ArgumentError, match=r"schedule: found 2; expected a schedule. Pass result.schedule"):
        chainplan.execute(result, matrices, backend="threads", schedule=wrong)
    with pytest.raises(ExecutionError, match="schedule: found one with the backend 'numpy'"):
        chainplan.execute(result, matrices, schedule=schedule)
    with pytest.raises(ExecutionError, match="schedule: found 2 machines and 1 workers; expected a worker for each"):
        chainplan.execute(result, matrices, backend="threads", workers=1, schedule=schedule)
    require_enough(schedule, None)
    explicit = chainplan.plan(chainplan.chain([3, 4, 5]), machines=1)
    assert explicit.plan is not None
    assert explicit.schedule is not None
    loads = tuple(task._replace(id=0) for task in explicit.schedule.tasks)
    with pytest.raises(ExecutionError, match="found step 0, which the plan does not have or loads"):
        scheduled_tasks(explicit.plan, replace(explicit.schedule, tasks=loads))
