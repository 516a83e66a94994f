"""What the tasks of a plan with large patterns carry: their own steps, and lists of patterns where they read them."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array, save_npz

import chainplan
from chainplan.distributed import inputs, task_plan
from chainplan.distributed.executors.pool import PoolExecutor
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.errors import ExecutionError
from chainplan.plans.replay import replay

SIZE, PER_ROW = 400, 4


def _pattern(seed: int) -> csr_array:
    """Full blocks at random places, one in each row of blocks, so that products have as many entries."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(rng.permutation(SIZE // PER_ROW) * PER_ROW, PER_ROW)
    columns = (groups[:, None] + np.arange(PER_ROW)).astype(np.int32)
    lists = columns.ravel(), np.arange(0, SIZE * PER_ROW + 1, PER_ROW, dtype=np.int32)
    return csr_array((rng.integers(1, 4, SIZE * PER_ROW), *lists), shape=(SIZE, SIZE))


def _chain(count: int, first: int = 0) -> tuple[chainplan.Result, dict[str, csr_array]]:
    """A chain of blocks, each with a pattern of its own."""
    values = {f"F{i}": _pattern(first + i) for i in range(1, count + 1)}
    blocks = [{"name": name, "shape": [SIZE, SIZE], "structure": {"sparse": v}} for name, v in values.items()]
    result = chainplan.plan(chainplan.from_spec({"chain": blocks}))
    return result, values


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The bytes of plans and tasks on their way to workers; values that are shared go beside them."""
    found: dict[str, list[int]] = {"plans": [], "tasks": []}
    place, send = PoolExecutor.place, PoolExecutor.send

    def counted_place(self: PoolExecutor, token: str, plan: Any) -> None:
        found["plans"].append(len(pickle.dumps(plan)))
        place(self, token, pickle.loads(pickle.dumps(plan)))

    def counted_send(self: PoolExecutor, tasks: Any, wanted: Any) -> Any:
        found["tasks"] += [len(pickle.dumps(task)) for task in tasks.values()]
        return send(self, tasks, wanted)

    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", 0)
    monkeypatch.setattr(PoolExecutor, "place", counted_place)
    monkeypatch.setattr(PoolExecutor, "send", counted_send)
    return found


def _run(result: chainplan.Result, given: dict[str, Any]) -> Any:
    with ThreadPoolExecutor(2) as pool:
        found = chainplan.execute(result, given, dense=False, backend="futures", scheduler=pool)
    return found[f"x{len(given)}", "x0"]


def _written(values: dict[str, csr_array], folder: Path) -> dict[str, Any]:
    for name, value in values.items():
        save_npz(folder / f"{name}.npz", value)
    return {name: folder / f"{name}.npz" for name in values}


@pytest.mark.parametrize("count", [2, 9])
def test_a_task_carries_no_pattern_that_it_does_not_read(
    count: int, tmp_path: Path, sent: dict[str, list[int]]
) -> None:
    result, values = _chain(count)
    expected = chainplan.execute(result, values, dense=False)[f"x{count}", "x0"]
    found = _run(result, _written(values, tmp_path))
    assert (found != expected).nnz == 0
    assert len(sent["tasks"]) == count - 1
    assert max(sent["tasks"]) < SIZE * PER_ROW
    assert sent["plans"][0] < 1000 * (count + 1)


def test_the_patterns_of_products_stay_here() -> None:
    result, _ = _chain(5)
    assert result.plan is not None
    patterns = PlanPatterns(result.plan, replay(result.plan))
    steps = range(len(result.plan.steps))
    assert patterns.read_by(steps) == ()
    assert [patterns.placed.block(i)[:2] for i in steps] == [(SIZE, SIZE)] * len(steps)
    assert [patterns.placed.block(i).nnz for i in steps] == [b.block.nnz for b in replay(result.plan).blocks]


def _fewer(value: csr_array) -> csr_array:
    """The same without its ones, which are then not listed."""
    lacking = csr_array(value * (value.toarray() != 1))
    lacking.eliminate_zeros()
    return lacking


FORMS: dict[str, Callable[[csr_array], Any]] = {
    "fewer": _fewer,
    "entries": lambda value: value.data,
    "matrix": lambda value: value.toarray(),
    "columns": lambda value: value.tocsc(),
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("by", ["file", "loader"])
def test_lists_go_to_the_tasks_that_fetch_other_entries(
    kind: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four blocks of a chain, whose patterns no other test has brought here, two list other entries."""
    result, values = _chain(4, 100 * (1 + 2 * list(FORMS).index(kind) + (by == "file")))
    asked: set[Any] = set()
    for name in ("F1", "F3"):
        values[name] = FORMS[kind](values[name])
    expected = chainplan.execute(result, values, dense=False)["x4", "x0"]
    if by == "loader":
        given: dict[str, Any] = {name: (lambda value=value: value) for name, value in values.items()}
    else:
        sparse = {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
        given = _written(sparse, tmp_path)
        for name in values.keys() - sparse.keys():
            np.save(tmp_path / f"{name}.npy", np.asarray(values[name]))
            given[name] = tmp_path / f"{name}.npy"
    lists = PlanPatterns.lists

    def noted(self: PlanPatterns, mark: Any) -> Any:
        asked.add(mark)
        return lists(self, mark)

    monkeypatch.setattr(PlanPatterns, "lists", noted)
    monkeypatch.setattr(inputs, "MAX_INLINED_BYTES", 0)
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", 0)
    found = _run(result, given)
    assert (found != expected).nnz == 0
    assert len(asked) == 2


def test_two_tasks_that_are_on_their_way_ask_for_one_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one asks while the first one, which was sent again, is running."""
    value = _pattern(90)
    structure = {"sparse": value}
    ends = {"first": ("x", "y"), "second": ("x", "z"), "left": ("y", "u"), "right": ("z", "v")}
    edges = [{"name": name, "edge": [*edge], "structure": structure} for name, edge in ends.items()]
    spec = {"sizes": dict.fromkeys("xyzuv", SIZE), "inputs": ["x"], "outputs": ["u", "v"], "jacobians": edges}
    result = chainplan.plan(chainplan.from_spec({"dag": spec}))
    called, again, answered, ask = Counter[str](), Event(), Event(), inputs.GivenInputs.ask

    def load(name: str) -> Any:
        called[name] += 1
        if name == "first" and called[name] == 2:
            again.set()
            answered.wait(20)
        elif name == "second" and called[name] == 1:
            again.wait(20)
        return value.tocsc()

    def counted(self: inputs.GivenInputs, mark: Any) -> bool:
        called["ask"] += 1
        if called["ask"] == 2:
            answered.set()
        return ask(self, mark)

    monkeypatch.setattr(inputs.GivenInputs, "ask", counted)
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", 0)
    given: dict[str, Any] = {"left": value, "right": value}
    given |= {name: partial(load, name) for name in ("first", "second")}
    with ThreadPoolExecutor(2) as pool:
        found = chainplan.execute(result, given, dense=False, backend="futures", scheduler=pool)
    expected = value @ value
    assert all((found[pair] != expected).nnz == 0 for pair in (("u", "x"), ("v", "x")))
    assert called["ask"] == 2


@pytest.mark.parametrize("by", ["file", "loader"])
def test_entries_outside_of_a_pattern_are_refused_on_workers(by: str, tmp_path: Path) -> None:
    result, values = _chain(3)
    wrong = values | {"F2": csr_array(np.ones((SIZE, SIZE), np.int64))}
    given = _written(wrong, tmp_path) if by == "file" else {n: (lambda value=v: value) for n, v in wrong.items()}
    with pytest.raises(ExecutionError, match="the array for 'F2' has nonzeros outside 'sparse 1,600'"):
        _run(result, given)


def test_a_selection_has_its_lists_with_it() -> None:
    """A product that picks rows of a matrix reads the lists of the selection, and no other task does."""
    blocks: list[dict[str, Any]] = [
        {"shape": [30, 3]},
        {"shape": [60, 30], "structure": {"selection": [i % 30 for i in range(60)]}},
        {"shape": [2, 60]},
        {"shape": [60, 2]},
    ]
    result = chainplan.plan(chainplan.from_spec({"chain": blocks}), "forward")
    rng = np.random.default_rng(0)
    values = {f"F{i}": rng.integers(-3, 4, b["shape"]) for i, b in enumerate(blocks, 1) if i != 2}
    assert result.plan is not None
    patterns = PlanPatterns(result.plan, replay(result.plan))
    readers = [i for i in range(len(result.plan.steps)) if patterns.read_by([i])]
    assert len(readers) == 1
    expected = chainplan.execute(result, values)["x4", "x0"]
    with ThreadPoolExecutor(2) as pool:
        found = chainplan.execute(result, values, backend="futures", scheduler=pool)["x4", "x0"]
    assert np.array_equal(found, expected)
