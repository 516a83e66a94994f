"""Plans on a cluster: the integers of a serial run, also when a worker is killed, blocks are split or steps fused."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")

import chainplan  # noqa: E402
from chainplan.costs.timed import WEIGHTED_COST  # noqa: E402
from chainplan.distributed import inputs, submission, task_plan  # noqa: E402
from chainplan.distributed.executors import dask_cluster  # noqa: E402
from chainplan.distributed.executors.dask_cluster import DaskExecutor  # noqa: E402
from chainplan.distributed.fuse import grouped  # noqa: E402
from chainplan.distributed.skeleton import (  # noqa: E402
    GivenFunctions,
    GivenPattern,
    KnownSeconds,
    Skeleton,
    TaskResult,
    skeleton,
)
from chainplan.distributed.split import Axis, TaskRoom  # noqa: E402
from chainplan.distributed.worker_plan import PlanPatterns, WorkerPlan  # noqa: E402
from chainplan.distributed.worker_tasks import SentPattern, cut, joined, with_patterns  # noqa: E402
from chainplan.errors import ExecutionError, SolverError  # noqa: E402
from chainplan.execution.executor import taken  # noqa: E402
from chainplan.kernels.convert import as_matrix  # noqa: E402
from chainplan.planner import plan  # noqa: E402
from chainplan.plans.candidate import Candidate  # noqa: E402
from chainplan.plans.replay import replay  # noqa: E402
from chainplan.plans.result import Result  # noqa: E402
from chainplan.plans.steps import Load  # noqa: E402
from chainplan.tradeoff import pareto  # noqa: E402
from chainplan.values.draw import draw  # noqa: E402
from chainplan_cli.main import main  # noqa: E402
from generators.graphs import make  # noqa: E402
from tests.local_cluster import local_client  # noqa: E402
from tests.problems import chain_problem, dag_problem, random_problem  # noqa: E402
from tests.test_cli import layered  # noqa: E402
from tests.test_disk import on_disk  # noqa: E402
from tests.test_recompute import drawn  # noqa: E402
from tests.test_reversal import flow  # noqa: E402


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Three workers, of which some are killed and started again."""
    with local_client(3) as found:
        yield found


@cache
def _planned(seed: int) -> Result:
    """The plan of a random problem, made once for all lengths of groups."""
    return plan(random_problem(seed), budget=0.1)


def _require_equal(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for pair in found:
        assert np.array_equal(found[pair], expected[pair])


@pytest.mark.parametrize("seed", range(200))
@pytest.mark.parametrize("short", [0, 5, 10**9])
def test_groups_hold_every_step_once_and_in_order(seed: int, short: int) -> None:
    result = _planned(seed)
    assert result.plan is not None
    rng = random.Random(seed)
    prices = [rng.randrange(10) for _ in result.plan.steps]
    groups = grouped(result.plan, prices, short)
    loads = {i for i, step in enumerate(result.plan.steps) if isinstance(step, Load)}
    assert sorted(step for g in groups for step in g.steps) == [i for i in range(len(prices)) if i not in loads]
    there = set(loads)
    for g in groups:
        assert set(g.reads) <= there
        own = set(g.reads)
        for step in g.steps:
            assert set(result.plan.steps[step].operands()) <= own
            own.add(step)
        assert g.price == sum(prices[step] for step in g.steps)
        there.add(g.result)
    assert {output.step for output in result.plan.outputs} <= there


def test_long_groups_never_wait_for_each_other() -> None:
    result = plan(chain_problem([5] * 5), "exhaustive")
    assert result.plan is not None
    products = [i for i, step in enumerate(result.plan.steps) if not isinstance(step, Load)]
    assert len(products) == 3
    halves = plan(chain_problem([9, 5, 9, 1, 9, 5, 9]))
    assert halves.plan is not None
    prices = [100] * len(halves.plan.steps)
    groups = grouped(halves.plan, prices, 50)
    for group in groups:
        waits = [read for read in group.reads if not isinstance(halves.plan.steps[read], Load)]
        assert len(waits) < 2 or len(group.steps) == 1


@pytest.mark.parametrize("seed", range(100))
def test_a_long_step_waits_for_no_group_that_it_does_not_need(seed: int) -> None:
    result = _planned(seed)
    assert result.plan is not None
    steps, rng = result.plan.steps, random.Random(seed)
    prices = [rng.choice((1, 100)) for _ in steps]
    needs: list[set[int]] = []
    for step in steps:
        needs.append(set(step.operands()).union(*(needs[arg] for arg in step.operands())))
    for group in grouped(result.plan, prices, 50):
        reads = {read for read in group.reads if not isinstance(steps[read], Load)}
        for position in group.steps:
            assert prices[position] == 1 or reads <= needs[position]


def test_branches_of_modules_run_beside_each_other() -> None:
    """The sum of all branches is fused with none of them."""
    edges = [(a, b) for i in range(4) for a, b in (("x", f"h{i}"), (f"h{i}", "y"))]
    sizes = {"x": 3, "y": 3, **{f"h{i}": 3 for i in range(4)}}
    jacobians = [{"edge": list(edge), "tangent": 1, "adjoint": 1} for edge in edges]
    dag = {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians}
    tasks = _skeleton(chainplan.plan(chainplan.from_spec({"dag": dag})), None, 20_000_000).tasks
    waits = [sum(isinstance(arg, TaskResult) for arg in task.reads) for task in tasks]
    assert sorted(waits) == [0, 0, 0, 0, 1, 1, 1, 1, 4]


@pytest.mark.parametrize("seed", range(25))
def test_the_integers_of_a_serial_run(client: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", (0, 20_000_000)[seed % 2])
    problem = random_problem(seed)
    result = plan(problem, budget=0.1)
    assert result.plan is not None
    values = draw(problem.graph, seed, np.int64)
    for dense in (True, False):
        found = chainplan.execute(result.plan, values, dense=dense, backend="dask", scheduler=client)
        expected = chainplan.execute(result.plan, values, dense=dense)
        if dense:
            _require_equal(found, expected)
        assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in expected.items()}


class _Module:
    """A matrix-free module; the first process that finds no mark of an earlier death dies by a signal."""

    def __init__(self, matrix: Any, mark: Path | None) -> None:
        self._matrix, self._mark = matrix, mark

    def tangent(self, block: Any) -> Any:
        if self._mark is not None and not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._matrix @ block

    def adjoint(self, block: Any) -> Any:
        return block @ self._matrix


def test_a_killed_worker_changes_nothing(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", 0)
    sizes = [30, 25, 40, 35, 20, 45, 30]
    chain = [{"shape": [m, n], "tangent": m * n, "adjoint": 9 * m * n} for n, m in pairwise(sizes)]
    problem = chainplan.chain(chain)
    result = plan(problem, "forward")
    assert result.plan is not None
    matrices = draw(problem.graph, 0, np.int64)
    mark = tmp_path / "died"
    modules = {n: _Module(m, mark if n == "F4" else None) for n, m in matrices.items()}
    values = {name: (module.tangent, module.adjoint) for name, module in modules.items()}
    before = {worker: info["pid"] for worker, info in client.run(lambda: {"pid": os.getpid()}).items()}
    found = chainplan.execute(result.plan, values, backend="dask", scheduler=client)
    assert mark.exists()
    client.wait_for_workers(3, timeout=60)
    after = {info["pid"] for info in client.run(lambda: {"pid": os.getpid()}).values()}
    assert len(after - set(before.values())) == 1
    _require_equal(found, chainplan.execute(result.plan, matrices))


def test_steps_that_a_schedule_has_on_a_killed_worker_go_to_another(client: Any, tmp_path: Path) -> None:
    sizes = [50, 15, 40, 25, 30]
    problem = chainplan.chain([{"shape": [m, n], "tangent": m * n, "adjoint": m * n} for n, m in pairwise(sizes)])
    result = plan(problem, machines=2)
    matrices = draw(problem.graph, 0, np.int64)
    modules = {name: _Module(matrix, tmp_path / "died") for name, matrix in matrices.items()}
    values = {name: (module.tangent, module.adjoint) for name, module in modules.items()}
    found = chainplan.execute(result, values, backend="dask", scheduler=client, schedule=result.schedule)
    assert (tmp_path / "died").exists()
    client.wait_for_workers(3, timeout=60)
    _require_equal(found, chainplan.execute(result, matrices))


def test_arrays_that_a_killed_worker_held_are_sent_again(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", 0)
    monkeypatch.setattr(inputs, "MAX_INLINED_BYTES", 0)
    sizes = [30, 25, 40, 35, 20, 45, 30]
    chain = [{"shape": [m, n], **({"tangent": m * n} if i == 3 else {})} for i, (n, m) in enumerate(pairwise(sizes))]
    problem = chainplan.chain(chain)
    result = plan(problem, "forward")
    matrices = draw(problem.graph, 0, np.int64)
    mark = tmp_path / "died"
    module = _Module(matrices["F4"], mark)
    values = {**matrices, "F4": (module.tangent, module.adjoint)}
    found = chainplan.execute(result, values, backend="dask", scheduler=client)
    assert mark.exists()
    client.wait_for_workers(3, timeout=60)
    _require_equal(found, chainplan.execute(result, matrices))


@pytest.mark.nightly
def test_a_module_that_kills_every_worker_is_named(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plan(chainplan.chain([{"name": "sim", "shape": [3, 3], "tangent": 1}, {"shape": [3, 3]}]), "forward")
    values = {"sim": (lambda block: os.kill(os.getpid(), signal.SIGKILL), None), "F2": np.eye(3)}
    for inlined in (inputs.MAX_INLINED_BYTES, 0):
        monkeypatch.setattr(inputs, "MAX_INLINED_BYTES", inlined)
        with pytest.raises(ExecutionError, match=r"workers die .*'accumulate-sim'|has no workers left"):
            chainplan.execute(result, values, backend="dask", scheduler=client)


def _skeleton(result: Result, limit: int | None, short: int, seconds: dict[str, float] | None = None) -> Skeleton:
    assert result.plan is not None
    candidate = Candidate(result.plan, WEIGHTED_COST)
    patterns = PlanPatterns(result.plan, candidate.replay)
    return skeleton(result.plan, candidate, TaskRoom(limit, 8), short, patterns, KnownSeconds(seconds or {}))


def _run_here(result: Result, tasks: Skeleton, values: dict[str, Any]) -> dict[Any, Any]:
    """Run tasks one after another in this process."""
    assert result.plan is not None
    run, patterns = taken(result.plan, values), PlanPatterns(result.plan, replay(result.plan))
    placed: WorkerPlan = pickle.loads(pickle.dumps(patterns.placed))
    made: list[Any] = []

    def argument(arg: Any) -> Any:
        if isinstance(arg, TaskResult):
            return made[arg.task]
        if isinstance(arg, GivenPattern):
            return SentPattern(arg.mark, patterns.lists(arg.mark))
        if isinstance(arg, GivenFunctions):
            return run.applied[arg.elemental]
        value = run.values[arg.position]
        return value if arg.axis is None else cut(value, arg.axis, arg.start, arg.stop)

    for task in tasks.tasks:
        made.append(with_patterns(task.call, placed, (run.dtype.str, False, *map(argument, task.reads))))
    found = {}
    for output, source, position in result.plan.outputs:
        axis, pieces = tasks.outputs[position]
        value = joined([made[piece.task] for _, _, piece in pieces], axis)
        found[output, source] = as_matrix(value, tasks.blocks[position], run.dtype)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_split_steps_make_the_integers_of_a_serial_run(seed: int) -> None:
    """Limits go down until no step can be split any further; sparse blocks are among the random ones."""
    result = _planned(seed)
    assert result.plan is not None
    values = draw(random_problem(seed).graph, seed, np.int64)
    expected = chainplan.execute(result.plan, values)
    limit = 4 * max((TaskRoom(None, 8).bytes(block) for block in _skeleton(result, None, 0).blocks), default=0) + 64
    while limit > 16:
        try:
            tasks = _skeleton(result, limit, 10**9 * (seed % 2))
        except ExecutionError:
            return
        _require_equal(_run_here(result, tasks, values), expected)
        limit = limit * 2 // 3


def test_random_plans_are_split_along_every_axis() -> None:
    axes: Counter[Axis] = Counter()
    for seed in range(60):
        result = _planned(seed)
        assert result.candidate is not None
        most = max((TaskRoom(None, 8).bytes(typed.block) for typed in result.candidate.replay.blocks), default=0)
        for share in (2, 1, 0.6):
            with suppress(ExecutionError):
                axes.update(s.axis for s in TaskRoom(int(share * most) + 1, 8).splits(result.candidate).values())
    assert min(axes[axis] for axis in Axis) >= 2


@pytest.mark.parametrize(
    ("sizes", "axes"),
    [
        ([1200, 1200, 40], {Axis.COLS}),
        ([40, 1200, 1200], {Axis.ROWS}),
        ([40, 20000, 40], {Axis.INNER}),
        ([200, 300, 4000], {Axis.ROWS}),
        ([4000, 300, 200], {Axis.COLS}),
    ],
)
def test_a_product_is_split_where_that_moves_least(sizes: list[int], axes: set[Axis]) -> None:
    result = plan(chain_problem(sizes))
    assert result.candidate is not None
    room = TaskRoom(4 * 2**20, 8)
    assert {split.axis for split in room.splits(result.candidate).values()} == axes
    values = draw(chain_problem(sizes).graph, 0, np.int64)
    _require_equal(_run_here(result, _skeleton(result, room.limit, 0), values), chainplan.execute(result, values))


def test_sparse_blocks_are_split_by_rows() -> None:
    rng = np.random.default_rng(0)
    entries = [sorted(set(zip(*(rng.integers(0, 400, 1500).tolist() for _ in "rc"), strict=True))) for _ in "abc"]
    chain = [{"shape": [400, 400], "structure": {"coo": [list(entry) for entry in some]}} for some in entries]
    problem = chainplan.chain(chain)
    result = plan(problem)
    assert result.candidate is not None
    room = TaskRoom(300_000, 8)
    splits = room.splits(result.candidate)
    assert Axis.ROWS in {split.axis for split in splits.values()}
    values = draw(problem.graph, 0, np.int64)
    _require_equal(_run_here(result, _skeleton(result, room.limit, 0), values), chainplan.execute(result, values))


def test_modules_are_tasks_of_their_own_unless_they_are_said_to_be_short() -> None:
    chain = [{"name": name, "shape": [4, 4], "tangent": 1, "adjoint": 1} for name in ("encoder", "mixer", "head")]
    result = plan(chainplan.chain(chain), "forward")
    names = [task.name for task in _skeleton(result, None, 20_000_000).tasks]
    assert names == ["accumulate-encoder", "propagate-mixer", "propagate-head"]
    short = dict.fromkeys(("encoder", "mixer", "head"), 1e-6)
    assert len(_skeleton(result, None, 20_000_000, short).tasks) == 1
    assert len(_skeleton(result, None, 20_000_000, short | {"mixer": 1.0, "head": 1.0}).tasks) == 2


def test_names_of_tasks_keep_what_the_dashboard_groups_by() -> None:
    from distributed.utils import key_split

    chain = [{"name": name, "shape": [4, 4], "tangent": 1} for name in ("encoder", "F2", "layer-3")]
    names = [task.name for task in _skeleton(plan(chainplan.chain(chain), "forward"), None, 0).tasks]
    assert [key_split((name, "run", 1)) for name in names] == names
    assert names == ["accumulate-encoder", "propagate_F2", "propagate_layer_3"]


@pytest.mark.parametrize("limit", [120_000, 60_000, 45_000])
def test_large_blocks_are_split(client: Any, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 100 x 40 and 100 x 50 of 8 bytes, 32 and 40 kB."""
    monkeypatch.setattr(DaskExecutor, "limit", lambda executor: limit)
    problem = chain_problem([50, 30, 100, 20, 100])
    for solver in ("forward", "reverse", "auto"):
        result = plan(problem, solver)
        assert result.plan is not None
        values = draw(problem.graph, 3, np.int64)
        found = chainplan.execute(result.plan, values, backend="dask", scheduler=client)
        _require_equal(found, chainplan.execute(result.plan, values))
    assert result.candidate is not None
    parts = TaskRoom(limit, 8).splits(result.candidate)
    assert bool(parts) == (limit < 100_000)


def test_adjoints_are_split(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DaskExecutor, "limit", lambda executor: 35_000)
    problem = chainplan.chain([{"shape": [30, 20], "adjoint": 600}, {"shape": [100, 30]}])
    result = plan(problem, "reverse")
    assert result.candidate is not None
    assert TaskRoom(35_000, 8).splits(result.candidate)
    matrices = draw(problem.graph, 0, np.int64)
    values = {"F1": (None, _Module(matrices["F1"], None).adjoint), "F2": matrices["F2"]}
    found = chainplan.execute(result, values, backend="dask", scheduler=client)
    _require_equal(found, chainplan.execute(result, values))


def test_what_fits_no_worker_is_refused_before_it_starts(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DaskExecutor, "limit", lambda executor: 300)
    called: list[Any] = []
    problem = chainplan.chain([{"shape": [30, 20], "tangent": 600}, {"shape": [10, 30]}])
    result = plan(problem, "forward")
    assert result.plan is not None
    values = {"F1": (called.append, None), "F2": np.ones((10, 30))}
    with pytest.raises(ExecutionError, match=r"step \d+ .*cannot be split to fit; a task may take"):
        chainplan.execute(result.plan, values, backend="dask", scheduler=client)
    assert called == []


def test_errors_of_functions_come_through(client: Any) -> None:
    problem = chainplan.chain([{"shape": [3, 4], "tangent": 1}])
    result = plan(problem)
    assert result.plan is not None
    with pytest.raises(ZeroDivisionError):
        chainplan.execute(result.plan, {"F1": (lambda block: 1 // 0, None)}, backend="dask", scheduler=client)
    with pytest.raises(ExecutionError, match="returned shape"):
        chainplan.execute(result.plan, {"F1": (lambda block: block, None)}, backend="dask", scheduler=client)


def test_functions_that_workers_cannot_import_are_named(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_the_client_has_it.py").write_text("def tangent(block):\n    return block\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    tangent = import_module("only_the_client_has_it").tangent
    result = plan(chainplan.chain([{"name": "sim", "shape": [3, 3], "tangent": 1}]))
    with pytest.raises(
        ExecutionError, match=r"'sim' cannot be loaded on a worker: ModuleNotFoundError: .*only_the_client_has_it"
    ):
        chainplan.execute(result, {"sim": (tangent, None)}, backend="dask", scheduler=client)


def test_ctrl_c_takes_tasks_back(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The progress is asked for while the first module waits for a file, and is interrupted there."""
    monkeypatch.setattr(submission, "SECONDS_PER_REPORT", 0.0)
    go_on = tmp_path / "go on"

    def waiting(block: Any) -> Any:
        while not go_on.exists():
            pass
        return block

    chain = [{"name": name, "shape": [3, 3], "tangent": 1} for name in ("first", "second")]
    seen: list[Any] = []

    def interrupt(progress: Any) -> None:
        seen.append(progress)
        raise KeyboardInterrupt

    functions: dict[str, Any] = {"first": (waiting, None), "second": (lambda block: block, None)}
    result = plan(chainplan.chain(chain), "forward")
    with pytest.raises(KeyboardInterrupt):
        chainplan.execute(result, functions, backend="dask", scheduler=client, progress=interrupt)
    go_on.touch()
    assert (seen[0].done, seen[0].tasks) == (0, 2)
    assert str(seen[0]).startswith("0 of 2 tasks done after")
    names = client.run_on_scheduler(lambda dask_scheduler: [str(key) for key in dask_scheduler.tasks])
    assert not any("propagate-second" in name for name in names)


def _marked_modules(
    folder: Path, act: Callable[[], None], count: int = 4
) -> tuple[Result, dict[str, Any], dict[str, Any]]:
    """A chain of modules in forward order that leave a file for every call; F3 does something before it is done."""
    problem = chainplan.chain(
        [{"shape": [m, n], "tangent": m * n} for n, m in pairwise([6, 5, 7, 4, 6, 5, 4, 6, 5, 7, 6][: count + 1])]
    )
    matrices = draw(problem.graph, 0, np.int64)

    def module(name: str, matrix: Any) -> tuple[Callable[[Any], Any], None]:
        def tangent(block: Any) -> Any:
            (folder / f"{name} {os.getpid()} {uuid4().hex}").touch()
            if name == "F3":
                act()
            return matrix @ block

        return tangent, None

    return plan(problem, "forward"), matrices, {name: module(name, matrix) for name, matrix in matrices.items()}


def _marks(folder: Path) -> Counter[str]:
    return Counter(path.name.split()[0] for path in folder.iterdir() if path.name[0] == "F")


@pytest.mark.parametrize("count", [4, 10])
def test_a_killed_worker_costs_what_was_in_flight(client: Any, tmp_path: Path, count: int) -> None:
    """Four modules are tasks of their own, ten are sent as slices."""
    died = tmp_path / "died"

    def die_once() -> None:
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    result, matrices, functions = _marked_modules(tmp_path, die_once, count)
    options: dict[str, Any] = {"dtype": np.int64, "backend": "dask", "scheduler": client}
    found = chainplan.execute(result, functions, checkpoint=tmp_path / "kept", **options)
    assert died.exists()
    assert _marks(tmp_path) == Counter({name: 1 + (name == "F3") for name in matrices})
    _require_equal(found, chainplan.execute(result, matrices))


def test_blocks_leave_the_workers_when_they_are_read(client: Any) -> None:
    """The last module waits until its worker has let go of what the modules before it made."""
    count = 7

    def last(block: Any) -> int:
        held, worker, ends = 10**9, distributed.get_worker(), monotonic() + 30
        while held > 3 and monotonic() < ends:
            held = sum("propagate" in str(key) for key in list(worker.data))
        return held

    def module(number: int) -> tuple[Callable[[Any], Any], None]:
        return lambda block: block * 0 + last(block) if number == count else block, None

    chain = [{"shape": [2, 2], "tangent": 1} for _ in range(count)]
    functions = {f"F{i}": module(i) for i in range(1, count + 1)}
    found = chainplan.execute(plan(chainplan.chain(chain), "forward"), functions, backend="dask", scheduler=client)
    assert found[f"x{count}", "x0"].max() <= 3


@pytest.mark.parametrize("seed", range(5))
def test_states_are_evaluated_on_workers(client: Any, seed: int) -> None:
    problem = drawn(seed, 6)
    values = draw(problem.graph, seed, np.int64)
    for point in pareto(problem).points[:3]:
        found = chainplan.execute(point.plan, values, backend="dask", scheduler=client)
        _require_equal(found, chainplan.execute(point.plan, values))


def test_states_on_disk_are_in_a_directory_that_workers_share(client: Any, tmp_path: Path) -> None:
    problem = on_disk(flow(20, size=3, memory=30), 10**6, 1)
    result, values = chainplan.plan(problem), draw(problem.graph, 1, np.int64)
    options: dict[str, Any] = {"backend": "dask", "scheduler": client}
    with pytest.raises(ExecutionError, match="found none for a plan that puts states on disk; expected a directory"):
        chainplan.execute(result, values, **options)
    found = chainplan.execute(result, values, checkpoint=tmp_path, **options)
    assert list(tmp_path.glob("state-*.pickle"))
    _require_equal(found, chainplan.execute(result, values))


@pytest.mark.nightly
def test_a_dead_scheduler_is_told_and_costs_what_was_in_flight(client: Any, tmp_path: Path) -> None:
    file, begun = tmp_path / "scheduler.json", tmp_path / "begun"
    start: Any = partial(subprocess.Popen, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    python = [sys.executable, "-m"]
    scheduler = start(
        [*python, "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    )
    worker = start([*python, "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-dashboard"])

    def wait() -> None:
        begun.touch()
        while file.exists():
            pass

    def kill() -> None:
        while not begun.exists():
            pass
        scheduler.kill()

    result, matrices, functions = _marked_modules(tmp_path, wait)
    run: Any = partial(
        chainplan.execute, result, functions, dtype=np.int64, backend="dask", checkpoint=tmp_path / "kept"
    )
    try:
        while not file.exists():
            pass
        Thread(target=kill, daemon=True).start()
        with pytest.raises(ExecutionError, match="does not answer any more; 2 of 4 tasks were done"):
            run(scheduler=json.loads(file.read_text(encoding="utf-8"))["address"])
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
        file.unlink(missing_ok=True)
    _require_equal(run(scheduler=client), chainplan.execute(result, matrices))
    assert _marks(tmp_path) == {"F1": 1, "F2": 1, "F3": 2, "F4": 1}


@pytest.mark.nightly
def test_blocks_that_no_worker_could_hold_together(tmp_path: Path) -> None:
    """32 blocks of 30.7 MiB, on 4 workers of 400 MiB; the scheduler runs in this process."""
    psutil: Any = import_module("psutil")

    size, given = 2005, {}
    for i in range(32):
        rng = np.random.default_rng(i)
        matrix = np.where(rng.random((size, size)) < 3 / size, rng.integers(-1, 2, (size, size)), 0)
        np.save(tmp_path / f"{i}.npy", matrix.astype(np.float64))
        given[f"F{i + 1}"] = str(tmp_path / f"{i}.npy")
    result = plan(chain_problem([size] * 33))
    options = {"n_workers": 4, "threads_per_worker": 1, "memory_limit": "400MiB", "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as local, distributed.Client(local) as client:
        before = psutil.Process().memory_info().rss
        found = chainplan.execute(result, given, backend="dask", scheduler=client, to=tmp_path)
        assert psutil.Process().memory_info().rss - before < 50 * 2**20
    expected = chainplan.execute(result, given)
    assert np.array_equal(np.load(str(found["x32", "x0"])), expected["x32", "x0"])


def test_outputs_are_written_into_a_new_folder_of_the_caller(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = plan(chain_problem([3, 5, 2]))
    found = chainplan.execute(
        result, {"F1": np.ones((5, 3)), "F2": np.ones((2, 5))}, backend="dask", scheduler=client, to="new/folder"
    )
    assert found["x2", "x0"] == tmp_path / "new" / "folder" / "x2_x0.npy"
    assert np.array_equal(np.load(str(found["x2", "x0"])), np.full((2, 3), 5.0))


def test_functions_that_cannot_be_sent_are_named(client: Any) -> None:
    lock = Lock()
    functions = (lambda block: np.ones((3, block.shape[1])) * lock.locked(), None)
    result = plan(chainplan.chain([{"name": "sim", "shape": [3, 4], "tangent": 1}]))
    assert result.plan is not None
    with pytest.raises(ExecutionError, match=r"the functions of 'sim' cannot be sent to workers: .*lock.*expected"):
        chainplan.execute(result.plan, {"sim": functions}, backend="dask", scheduler=client)


def test_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "SECONDS_TO_CONNECT", 1)
    result = plan(chainplan.chain([2, 3, 4]))
    assert result.plan is not None
    values = {"F1": np.ones((3, 2)), "F2": np.ones((4, 3))}
    with pytest.raises(ExecutionError, match="backend: found 'spark'"):
        chainplan.execute(result.plan, values, backend="spark")
    with pytest.raises(ExecutionError, match="scheduler: found one with the backend 'numpy'"):
        chainplan.execute(result.plan, values, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(ExecutionError, match=r"nothing answers at 'tcp://127.0.0.1:1'"):
        chainplan.execute(result.plan, values, backend="dask", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(ExecutionError, match="workers: found 0"):
        chainplan.execute(result.plan, values, backend="dask", workers=0)


def test_a_local_cluster_of_its_own() -> None:
    problem = chain_problem([6, 5, 4])
    result = plan(problem)
    assert result.plan is not None
    values = draw(problem.graph, 0, np.int64)
    _require_equal(
        chainplan.execute(result.plan, values, backend="dask", workers=1), chainplan.execute(result.plan, values)
    )


def test_restarts_keep_the_best_plan(client: Any) -> None:
    problem = dag_problem(make("local", 60, True))
    found = chainplan.portfolio(problem, "local-search", restarts=3, nodes=40, seed=5, scheduler=client)
    alone = [plan(problem, "local-search", nodes=40, seed=seed) for seed in (5, 6, 7)]
    costs = [result.cost.fma for result in alone if result.cost is not None]
    assert found.cost is not None
    assert found.plan is not None
    assert found.cost.fma == min(costs)
    assert found.seed == 5 + costs.index(min(costs))
    assert found.bound == max(result.bound for result in alone)
    assert "the best of 3 restarts" in found.notes[-1]
    chainplan.check(found.plan, problem)


def test_a_proof_ends_all_restarts(client: Any) -> None:
    found = chainplan.portfolio(chain_problem([3, 4, 5]), restarts=2, scheduler=client)
    assert found.status.value == "optimal"
    with pytest.raises(chainplan.ChainplanError, match="restarts: found 0; expected a whole number from 1"):
        chainplan.portfolio(chain_problem([3, 4, 5]), restarts=0, scheduler=client)
    with pytest.raises(SolverError, match="does not exist"):
        chainplan.portfolio(chain_problem([3, 4, 5]), "nothing", scheduler=client)


def test_a_graph_is_proven_on_workers_as_here(client: Any) -> None:
    problem = dag_problem(make("local", 20, True))
    here = plan(problem, nodes=50_000)
    there = chainplan.portfolio(problem, restarts=1, nodes=50_000, scheduler=client)
    assert here.status.value == there.status.value == "optimal"
    assert (there.solver, there.bound, there.within) == (here.solver, here.bound, here.within)


def test_nodes_await_all_restarts(client: Any) -> None:
    found = chainplan.portfolio(chain_problem([3, 4, 5]), restarts=4, nodes=100, seed=3, scheduler=client)
    assert found.seed == 3
    assert found.notes[-1] == "the best of 4 restarts of 4."


def test_ctrl_c_keeps_the_best_plan_of_all_restarts(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(layered(20, 6)), encoding="utf-8")
    command = "import sys; from chainplan_cli.main import main; sys.exit(main())"
    argv = [sys.executable, "-u", "-c", command, "plan", str(spec), "--search", "dask", "--budget", "100"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        assert process.stderr is not None
        assert "chainplan: team (best from" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "interrupted" in out
    assert "from 'team'" in out
    assert "Traceback" not in err


def test_restarts_from_the_command_line(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "SECONDS_TO_CONNECT", 1)
    spec = tmp_path / "spec.yaml"
    spec.write_text("chain: [3, 4, 5]\n", encoding="utf-8")
    address = client.scheduler.address
    assert main(["plan", str(spec), "--search", "dask", "--restarts", "2", "--scheduler", address]) == 0
    assert "60 fma" in capsys.readouterr().out
    assert main(["plan", str(spec), "--restarts", "2"]) == 2
    assert main(["plan", str(spec), "--search", "dask", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "nothing answers" in capsys.readouterr().err


def test_a_prepared_plan_runs_on_new_values(client: Any) -> None:
    problem = chain_problem([50] * 31)
    result = plan(problem)
    run = chainplan.prepare(result, backend="dask", scheduler=client)
    for seed in (0, 1):
        values = draw(problem.graph, seed, np.float64)
        _require_equal(run(values), chainplan.execute(result, values))
    with pytest.raises(ExecutionError, match=r"no Jacobian for 'F\d+'"):
        run({})
    for _ in range(2):
        run.close()  # type: ignore[union-attr]
        with pytest.raises(ExecutionError, match="plan: found one that is closed; expected one that is prepared"):
            run(values)


def test_a_prepared_plan_on_a_client_that_is_closed_says_so(client: Any) -> None:
    distributed = pytest.importorskip("distributed")
    problem = chain_problem([2, 3, 4])
    with distributed.Client(client.scheduler.address) as own:
        run: Any = chainplan.prepare(plan(problem), backend="dask", scheduler=own)
    with pytest.raises(ExecutionError, match=r"does not answer any more; no task was sent\. .* the client was closed"):
        run(draw(problem.graph, 0, np.int64))
    run.close()


def test_a_prepared_plan_is_one_task_with_small_values_inside() -> None:
    tasks = _skeleton(plan(chain_problem([50] * 31)), None, task_plan.MAX_FUSED_NANOSECONDS).tasks
    assert len(tasks) == 1
    assert inputs.MAX_INLINED_BYTES > 30 * 50 * 50 * 8
