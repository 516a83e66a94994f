"""What steps took in earlier runs of a prepared plan decides which of them share a task and which are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import numpy as np
import pytest

import chainplan
from chainplan.distributed import step_seconds
from chainplan.distributed.executors.pool import PoolExecutor
from chainplan.distributed.fuse import grouped
from chainplan.distributed.step_seconds import LearnedSeconds, StepNote, add_notes, taken_notes, timed_step
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.distributed.worker_tasks import GroupTask, PieceTask
from chainplan.plans.replay import replay
from chainplan.plans.steps import Accumulate, Load
from chainplan.values.draw import draw
from tests.problems import chain_problem, random_problem


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What pools are asked to do, in order."""
    found: list[Any] = []
    start = PoolExecutor.start

    def noted(self: PoolExecutor, task: Any, args: Any, with_plan: bool) -> Any:
        found.append(task.call)
        return start(self, task, args, with_plan)

    monkeypatch.setattr(PoolExecutor, "start", noted)
    return found


def _branches() -> tuple[chainplan.Result, dict[str, Any], dict[str, Any]]:
    """Four branches of a module each, the functions, and the matrices."""
    edges = [edge for i in range(4) for edge in (("x", f"h{i}"), (f"h{i}", "y"))]
    jacobians = [{"edge": list(edge), **({"tangent": 1} if edge[0] == "x" else {})} for edge in edges]
    sizes = {"x": 8, "y": 3, **{f"h{i}": 5 for i in range(4)}}
    spec = {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians}
    problem = chainplan.from_spec({"dag": spec})
    matrices = draw(problem.graph, 0, np.int64)
    functions = {n: (partial(np.matmul, m), None) if n.endswith("/x") else m for n, m in matrices.items()}
    return chainplan.plan(problem), functions, matrices


def _modules(result: chainplan.Result) -> list[int]:
    assert result.plan is not None
    return [i for i, step in enumerate(result.plan.steps) if isinstance(step, Accumulate)]


@pytest.mark.parametrize(("seconds", "groups"), [(1e-6, 1), (1.0, 4), (0.03, 4)], ids=["short", "long", "apart"])
def test_branches_share_a_task_when_they_turn_out_to_be_short(
    seconds: float, groups: int, tasks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, functions, matrices = _branches()
    notes = {position: StepNote(seconds, 1.0) for position in _modules(result)}
    monkeypatch.setattr(PoolExecutor, "notes", lambda executor, token: [notes])
    expected = chainplan.execute(result, matrices)["y", "x"]
    with ThreadPoolExecutor(4) as pool:
        run: Any = chainplan.prepare(result, backend="futures", scheduler=pool, dtype=np.int64)
        counts = []
        for _ in range(3):
            tasks.clear()
            assert np.array_equal(run(functions)["y", "x"], expected)
            of_modules = [task for task in tasks if getattr(task, "names", ())]
            counts.append((len(of_modules), sum(isinstance(task, PieceTask) for task in of_modules)))
    assert counts == [(4, 0), (groups, 0), (groups, 0)]


def test_a_wide_module_is_cut_when_it_turns_out_to_be_long(tasks: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that must stay whole does, and a run with a checkpoint directory keeps to what the caller says."""
    result = chainplan.plan(chainplan.chain([{"shape": [8, 8], "tangent": 1}]), "forward")
    (position,) = _modules(result)
    matrix = np.arange(64).reshape(8, 8)
    monkeypatch.setattr(PoolExecutor, "notes", lambda executor, token: [{position: StepNote(2.0, 1.0)}])
    pair: Any = (matrix.__matmul__, None)
    with ThreadPoolExecutor(4) as pool:
        run: Any = chainplan.prepare(result, backend="futures", scheduler=pool, dtype=np.int64)
        for given, count in ((pair, 1), (pair, 4), (chainplan.WorkerModule(pair, slices=False), 1), (pair, 4)):
            tasks.clear()
            assert np.array_equal(run({"F1": given})["x1", "x0"], matrix)
            assert sum(isinstance(task, GroupTask | PieceTask) for task in tasks) == count


def _noted(backend: str, scheduler: Any) -> dict[int, StepNote]:
    """What two runs that nobody asked about have noted."""
    result, functions, matrices = _branches()
    run: Any = chainplan.prepare(result, backend=backend, scheduler=scheduler, dtype=np.int64)
    run._learned.due = lambda: False
    for _ in range(2):
        assert np.array_equal(run(functions)["y", "x"], chainplan.execute(result, matrices)["y", "x"])
    found: dict[int, StepNote] = {}
    for notes in run._executor.notes(run._token):
        add_notes(found, notes)
    assert not any(run._executor.notes(run._token))
    run.close()
    assert result.plan is not None
    assert {i for i, step in enumerate(result.plan.steps) if not isinstance(step, Load)} == set(found)
    return found


def test_outputs_are_returned_where_workers_do_not_say_what_steps_took(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(executor: PoolExecutor, token: str) -> NoReturn:
        raise ConnectionError(token)

    monkeypatch.setattr(PoolExecutor, "notes", lost)
    result, functions, matrices = _branches()
    run: Any = chainplan.prepare(result, backend="threads", dtype=np.int64)
    assert np.array_equal(run(functions)["y", "x"], chainplan.execute(result, matrices)["y", "x"])
    run.close()


def test_every_backend_says_what_steps_took(processes: Executor) -> None:
    for backend, scheduler in (("threads", None), ("futures", processes)):
        assert all(note.share == 2 and note.seconds > 0 for note in _noted(backend, scheduler).values())


def test_a_cluster_says_what_steps_took() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        assert all(note.share == 2 and note.seconds > 0 for note in _noted("dask", client).values())


@pytest.mark.parametrize("seed", range(20))
def test_random_plans_make_the_same_integers_run_for_run(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps take from a microsecond to a second, by their place in the plan."""
    problem = random_problem(seed)
    result = chainplan.plan(problem, budget=0.1)
    assert result.plan is not None
    values = draw(problem.graph, seed, np.int64)
    rng = np.random.default_rng(seed)
    expected = chainplan.execute(result, values)
    with ThreadPoolExecutor(3) as pool:
        run: Any = chainplan.prepare(result, backend="futures", scheduler=pool)
        for _ in range(3):
            notes = {i: StepNote(10.0 ** rng.integers(-6, 1), 1.0) for i in range(len(result.plan.steps))}
            monkeypatch.setattr(PoolExecutor, "notes", lambda executor, token, notes=notes: [notes])
            found = run(values)
            assert all(np.array_equal(found[pair], expected[pair]) for pair in expected)


def test_what_is_learned_gets_better_at_once_and_worse_by_halves() -> None:
    learned = LearnedSeconds()
    assert [run for run in range(1, 20) if learned.due()] == [1, 2, 4, 8, 16]
    for notes, known in (
        ([{3: StepNote(4.0, 1.0)}], 4.0),
        ([{3: StepNote(1.0, 0.25)}, {3: StepNote(3.0, 0.75)}], 4.0),
        ([{3: StepNote(2.0, 2.0)}], 1.0),
        ([{3: StepNote(3.0, 1.0)}], 2.0),
        ([], 2.0),
    ):
        learned.learn(notes)
        assert learned.by_step == {3: known}


def test_pieces_are_shares_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[int] = iter([0, 3, 10, 14])
    monkeypatch.setattr(step_seconds, "perf_counter", lambda: next(clock))
    made = chainplan.plan(chain_problem([2, 3])).plan
    assert made is not None
    plan = PlanPatterns(made, replay(made)).placed
    for share in (0.25, 0.75):
        with timed_step(plan, 5, share):
            pass
    assert taken_notes(plan) == {5: StepNote(7.0, 1.0)}
    assert taken_notes(plan) == {}


def _longest(prices: Sequence[int]) -> int:
    """The most that the steps of a group take, besides the longest one."""
    plan = chainplan.plan(chain_problem([4] * (len(prices) + 1)), "forward").plan
    assert plan is not None
    whole = iter(prices)
    of_step = [0 if isinstance(step, Load) else next(whole) for step in plan.steps]
    return max(group.price - max(of_step[step] for step in group.steps) for group in grouped(plan, of_step, 20))


def test_short_steps_in_a_row_share_tasks_of_ten_times_what_is_short() -> None:
    assert 200 <= _longest([10] * 99) <= 220
    assert _longest([1000, *[1] * 99]) == 98
