"""Plans on several threads: the same bits, every task once and after its needs, errors as in a serial run."""

from __future__ import annotations

import random
import threading
import tracemalloc
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan._util.task_threads import ranks, run_tasks
from chainplan.errors import ExecutionError
from chainplan.execution.executor import prepared
from chainplan.planner import plan
from chainplan.values.draw import draw
from tests.problems import chain_problem, random_problem


def _random_needs(rng: random.Random, count: int) -> list[list[int]]:
    return [[need for need in range(task) if rng.random() < 0.3] for task in range(count)]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("seed", range(10))
def test_every_task_once_after_its_needs(seed: int, workers: int) -> None:
    rng = random.Random(seed)
    needs = _random_needs(rng, rng.randrange(30))
    done: list[int] = []

    def action(task: int) -> None:
        assert set(needs[task]) <= set(done)
        done.append(task)

    run_tasks(action, needs, [0] * len(needs), workers)
    assert sorted(done) == list(range(len(needs)))


def test_the_longest_way_goes_first() -> None:
    needs: list[list[int]] = [[], [], [], [0], [3], [1]]
    rank = ranks([1, 5, 2, 1, 9, 1], needs)
    assert rank == [11, 6, 2, 10, 9, 1]
    done: list[int] = []
    run_tasks(done.append, needs, rank, 1)
    assert done == [0, 3, 4, 1, 2, 5]


def test_two_tasks_are_done_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=60)

    def action(task: int) -> None:
        meeting.wait()

    run_tasks(action, [[], []], [0, 0], 2)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_error_ends_the_run(workers: int) -> None:
    begun: list[int] = []

    def action(task: int) -> None:
        begun.append(task)
        if task == 3:
            raise KeyboardInterrupt

    needs = [[task - 1] if task else [] for task in range(10)]
    with pytest.raises(KeyboardInterrupt):
        run_tasks(action, needs, [0] * 10, workers)
    assert begun == [0, 1, 2, 3]


def test_threads_have_the_context_of_the_caller() -> None:
    told: ContextVar[str] = ContextVar("told", default="nothing")
    told.set("everything")
    meeting, heard = threading.Barrier(2, timeout=60), []

    def action(task: int) -> None:
        meeting.wait()
        heard.append(told.get())

    run_tasks(action, [[], []], [0, 0], 2)
    assert heard == ["everything"] * 2


@pytest.mark.parametrize("seed", range(60))
def test_the_same_bits_as_a_serial_run(seed: int) -> None:
    problem = random_problem(seed)
    result = plan(problem, budget=0.2)
    if result.plan is None:
        return
    for dtype in (np.int64, np.float64):
        values = draw(problem.graph, seed, dtype)
        expected = chainplan.execute(result.plan, values, dense=False)
        single = chainplan.execute(result.plan, values, workers=1)
        for workers in (2, 3):
            found = chainplan.execute(result.plan, values, workers=workers)
            assert found.keys() == expected.keys()
            for pair in found:
                assert found[pair].tobytes() == single[pair].tobytes()
        if dtype is np.int64:
            oracle = chainplan.reference_jacobian(problem.graph, values)
            assert all(np.array_equal(block, oracle[pair]) for pair, block in single.items())


def test_blocks_are_dropped_behind_their_last_reader() -> None:
    n, q = 200, 30
    problem = chain_problem([n] * (q + 1))
    result = plan(problem)
    assert result.plan is not None
    run = prepared(result.plan, draw(problem.graph), workers=1)
    expected = run()
    tracemalloc.start()
    again = run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * n * n * 8
    assert again["x30", "x0"].tobytes() == expected["x30", "x0"].tobytes()


def test_errors_of_functions_come_through() -> None:
    problem = chainplan.chain([{"shape": [3, 4], "tangent": 1, "adjoint": 1}])
    result = plan(problem)
    assert result.plan is not None

    def broken(block: Any) -> Any:
        raise ZeroDivisionError("of the user")

    with pytest.raises(ZeroDivisionError, match="of the user"):
        chainplan.execute(result.plan, {"F1": (broken, broken)}, workers=2)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_no_such_number_of_workers(workers: Any) -> None:
    result = plan(chainplan.chain([2, 3, 4]))
    assert result.plan is not None
    with pytest.raises(ExecutionError, match="workers: found"):
        chainplan.execute(result.plan, {}, workers=workers)
