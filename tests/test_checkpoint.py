"""Runs that begin where an earlier one ended: nothing finished is made again, and nothing of another run is read."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.distributed import checkpoint, task_plan
from chainplan.distributed.checkpoint import MANIFEST_NAME, block_files
from chainplan.distributed.executors.pool import PoolExecutor
from chainplan.distributed.fingerprints import file_fingerprint, fingerprint
from chainplan.distributed.skeleton import skeleton
from chainplan.distributed.split import TaskRoom
from chainplan.distributed.value_files import write_whole
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.errors import ExecutionError
from chainplan.planner import plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Result
from chainplan.values.draw import draw
from tests.problems import chain_problem, random_problem

SIZES = [6, 5, 7, 4, 6, 5]
"""The sizes of a chain of modules."""


class _Stopped(Exception):
    """What a module raises whose run is to end."""


def _counted(matrix: Any, marks: Path, stop: Path | None) -> tuple[Callable[[Any], Any], None]:
    """A module that leaves a file for every call, and raises while another file is there."""

    def tangent(block: Any) -> Any:
        if stop is not None and stop.exists():
            raise _Stopped
        (marks / str(len(list(marks.iterdir())))).touch()
        return matrix @ block

    return tangent, None


def _modules(folder: Path, stopping: str) -> tuple[Result, dict[str, Any], dict[str, Any], Path]:
    """A chain of modules in forward order, its matrices, its functions, and the file that stops one of them."""
    problem = chainplan.chain([{"shape": [m, n], "tangent": m * n} for n, m in pairwise(SIZES)])
    matrices, stop = draw(problem.graph, 0, np.int64), folder / "stop"
    for name in matrices:
        (folder / name).mkdir()
    functions = {n: _counted(m, folder / n, stop if n == stopping else None) for n, m in matrices.items()}
    return plan(problem, "forward"), matrices, functions, stop


def _calls(folder: Path, matrices: dict[str, Any]) -> list[int]:
    return [len(list((folder / name).iterdir())) for name in matrices]


@pytest.mark.parametrize("stopping", ["F1", "F3", "F5"])
def test_a_rerun_makes_nothing_again_that_was_made(tmp_path: Path, stopping: str) -> None:
    result, matrices, functions, stop = _modules(tmp_path, stopping)
    run = partial(chainplan.execute, result, functions, dtype=np.int64, checkpoint=tmp_path / "kept")
    stop.touch()
    with pytest.raises(_Stopped):
        run()
    done = [int(name < stopping) for name in matrices]
    assert _calls(tmp_path, matrices) == done
    stop.unlink()
    expected = chainplan.execute(result, matrices)["x5", "x0"]
    for workers in (None, 2):
        assert np.array_equal(run(workers=workers)["x5", "x0"], expected)
        assert _calls(tmp_path, matrices) == [1] * 5


@pytest.mark.parametrize("seed", range(25))
def test_the_integers_of_a_serial_run_from_any_blocks(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block is written; a third of the files at a time is taken away."""
    monkeypatch.setattr(task_plan, "MAX_FUSED_NANOSECONDS", 0)
    monkeypatch.setattr(checkpoint, "NANOSECONDS_PER_FILE", -1)
    monkeypatch.setattr(checkpoint, "NANOSECONDS_PER_BYTE", 0)
    monkeypatch.setattr(PoolExecutor, "limit", lambda executor: (None, 2000)[seed % 2])
    problem = random_problem(seed)
    result, values = plan(problem, budget=0.1), draw(problem.graph, seed, np.int64)
    expected = chainplan.execute(result, values)
    for third in range(4):
        found = chainplan.execute(result, values, checkpoint=tmp_path)
        assert all(np.array_equal(found[pair], expected[pair]) for pair in expected)
        files = sorted(path for path in tmp_path.iterdir() if path.name != MANIFEST_NAME)
        for path in files[third::3]:
            path.unlink()


@pytest.mark.parametrize(
    ("sizes", "written"),
    [
        ([10] * 4, 0),
        ([600] * 4, 0),
        ([600] * 16, 2),
        ([4000] * 4, 2),
        ([4000, 1, 4000], 0),
        ([40, 40_000, 40_000, 40], 1),
    ],
)
def test_a_block_is_written_where_losing_it_costs_more(sizes: list[int], written: int) -> None:
    """Products of 600 x 600 take less than writing one, but many of them do not; an outer product is soon made."""
    result = plan(chain_problem(sizes))
    assert result.plan is not None
    room = TaskRoom(None, 8)
    candidate = Candidate(result.plan, WEIGHTED_COST)
    made = skeleton(result.plan, candidate, room, 0, PlanPatterns(result.plan, candidate.replay))
    assert sum(name is not None for name in block_files(result.plan, made, room, ())) == written


def test_modules_that_are_said_to_be_short_are_not_written(tmp_path: Path) -> None:
    result, matrices, functions, _ = _modules(tmp_path, "")
    short = dict.fromkeys(matrices, 1e-6)
    chainplan.execute(result, functions, checkpoint=tmp_path / "kept", seconds=short, backend="threads")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [MANIFEST_NAME]


def test_the_directory_of_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    problem = chain_problem([3, 4, 5])
    result, values = plan(problem), draw(problem.graph, 0, np.int64)
    chainplan.execute(result, values, checkpoint=tmp_path)
    before = (tmp_path / MANIFEST_NAME).read_bytes()
    other = plan(chain_problem([3, 4, 5, 6]))
    refused: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
        ("other values of 'F2'", {**values, "F2": values["F2"] + 1}, result, {}),
        ("another problem", draw(chain_problem([3, 4, 5, 6]).graph, 0, np.int64), other, {}),
        ("another treatment of whole numbers", values, result, {"wrap": True}),
        ("seeds of another dtype", values, result, {"dtype": np.float32}),
    ]
    for words, given, asked, options in refused:
        with pytest.raises(ExecutionError, match=f"is that of a run with {words}; expected the same run. Give another"):
            chainplan.execute(asked, given, checkpoint=tmp_path, **options)
    assert (tmp_path / MANIFEST_NAME).read_bytes() == before
    for text in ("{}", "", before.decode()[:40], "[" * 100_000, before.decode().replace('"values"', '"value"')):
        (tmp_path / MANIFEST_NAME).write_text(text, encoding="utf-8")
        with pytest.raises(ExecutionError, match="no manifest that this version reads; expected an empty directory"):
            chainplan.execute(result, values, checkpoint=tmp_path)
    with pytest.raises(ExecutionError, match=r"cannot be read \(.*expected a directory. Give another one"):
        chainplan.execute(result, values, checkpoint=tmp_path / MANIFEST_NAME)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(ExecutionError, match=r"cannot be written \(it is no directory\); expected"):
        chainplan.execute(result, values, checkpoint=tmp_path / "link")


@pytest.mark.parametrize("links", [True, False])
def test_of_two_runs_that_begin_at_the_same_time_one_begins_the_directory(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other has only begun to write is no foreign file; where files have two names, the first one stays."""
    problem = chain_problem([3, 4, 5])
    result, values = plan(problem), draw(problem.graph, 0, np.int64)
    (tmp_path / f".{MANIFEST_NAME}.0123456789ab").touch()
    begun = list[dict[str, Any]]()

    def overtaken(path: Path, *args: Any, **options: Any) -> None:
        if path.name == MANIFEST_NAME and begun:
            chainplan.execute(result, begun.pop(), checkpoint=tmp_path)
        write_whole(path, *args, **options)

    def refused(*paths: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("chainplan.distributed.checkpoint.write_whole", overtaken)
    if not links:
        monkeypatch.setattr(os, "link", refused)
    begun.append(values)
    found = chainplan.execute(result, values, checkpoint=tmp_path)
    assert np.array_equal(found["x2", "x0"], values["F2"] @ values["F1"])
    (tmp_path / MANIFEST_NAME).unlink()
    if links:
        begun.append({**values, "F1": values["F1"] + 1})
        with pytest.raises(ExecutionError, match="is that of a run with other values of 'F1'"):
            chainplan.execute(result, values, checkpoint=tmp_path)


def test_another_plan_of_the_problem_is_refused(tmp_path: Path) -> None:
    problem = chain_problem([3, 4, 5, 6])
    values = draw(problem.graph, 0, np.int64)
    chainplan.execute(plan(problem, "forward"), values, checkpoint=tmp_path)
    with pytest.raises(ExecutionError, match="another plan of this problem"):
        chainplan.execute(plan(problem, "reverse"), values, checkpoint=tmp_path)


def test_a_pool_that_loses_a_process_is_followed_by_another(tmp_path: Path) -> None:
    result, matrices, functions, stop = _modules(tmp_path, "")
    stop.touch()

    def die_once(block: Any) -> Any:
        if stop.exists():
            stop.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return functions["F3"][0](block)

    given = {**functions, "F3": (die_once, None)}
    for died in (True, False):
        with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
            options: dict[str, Any] = {"backend": "futures", "scheduler": pool, "dtype": np.int64}
            with pytest.raises(ExecutionError, match="pool takes no tasks any more") if died else nullcontext():
                found = chainplan.execute(result, given, checkpoint=tmp_path / "kept", **options)
    assert np.array_equal(found["x5", "x0"], chainplan.execute(result, matrices)["x5", "x0"])
    assert _calls(tmp_path, matrices) == [1] * 5


def test_a_damaged_block_is_named(tmp_path: Path) -> None:
    result, _, functions, _ = _modules(tmp_path, "")
    run = partial(chainplan.execute, result, functions, checkpoint=tmp_path / "kept")
    run()
    last = max((tmp_path / "kept").glob("*.pickle"), key=lambda path: int(path.stem))
    for damaged in (last.read_bytes()[:20], b"cnowhere\nnothing\n."):
        last.write_bytes(damaged)
        match = rf"'.*{last.name}' cannot be read .* Remove the file, and run the plan"
        with pytest.raises(ExecutionError, match=match):
            run()
    last.unlink()
    run()


@pytest.mark.parametrize(
    ("foreign", "found"),
    [
        ({"a": 1}, "a dict"),
        (np.eye(2), r"an array of shape \(2, 2\) and dtype float64"),
        (np.full((5, 6), None), r"an array of shape \(5, 6\) and dtype object"),
    ],
    ids=["dict", "shape", "objects"],
)
def test_another_pickle_in_the_place_of_a_block_is_named(foreign: Any, found: str, tmp_path: Path) -> None:
    result, matrices, functions, _ = _modules(tmp_path, "")
    run = partial(chainplan.execute, result, functions, dtype=np.int64, checkpoint=tmp_path / "kept")
    run()
    last = max((tmp_path / "kept").glob("*.pickle"), key=lambda path: int(path.stem))
    last.write_bytes(pickle.dumps(foreign))
    with pytest.raises(ExecutionError, match=rf"{last.name}' holds {found}; expected numbers of shape \(5, 6\) that"):
        run()
    last.unlink()
    assert np.array_equal(run()["x5", "x0"], chainplan.execute(result, matrices)["x5", "x0"])


def test_what_a_later_run_cannot_know_again_is_refused(tmp_path: Path) -> None:
    problem = chain_problem([3, 4])
    options: dict[str, Any] = {"backend": "threads"}
    prepared: Any = chainplan.prepare(plan(problem), **options)
    stays = prepared(draw(problem.graph, 0, np.int64), gather=False)["x1", "x0"]
    with pytest.raises(ExecutionError, match=r"'F1' is given by a future, .* Have it written with to=DIRECTORY"):
        prepared({"F1": stays}, checkpoint=tmp_path)
    prepared.close()


SCRIPT = """
import sys
import numpy as np
from chainplan.distributed.fingerprints import fingerprint

SCALE = np.arange({scale})

class Module:
    def __init__(self, names):
        self.names = names
        self.itself = self

    def tangent(self, block):
        return SCALE @ block if block in {{"one", "two", "three"}} else None

    @property
    def adjoint(self):
        return (lambda block: block @ {factor}), np.linalg.norm

def outer(kept):
    def inner(block, *, least=3):
        return [helper(kept, one) for one in block]
    return inner

def helper(*given):
    return given

print(fingerprint((Module({{"alpha", "beta", "gamma"}}).tangent, outer({kept}), Module(set()).adjoint)))
"""
"""Functions of a script, of which the scale, a factor and a variable of another function may be changed."""


def test_functions_are_known_again_in_another_process_and_changes_are_seen() -> None:
    plain = {"scale": "5", "factor": "2", "kept": "{'a': 1}"}
    changed: list[dict[str, str]] = [{}, {}, {"scale": "6"}, {"factor": "3"}, {"kept": "{'a': 2}"}]
    scripts = [SCRIPT.format(**plain | one) for one in changed]
    argv = [sys.executable, "-c", f"for script in {scripts!r}: exec(script, {{'__name__': '__main__'}})"]
    printed = []
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
        printed.append(done.stdout.split())
    assert printed[0] == printed[1]
    assert printed[0][0] == printed[0][1]
    assert len(set(printed[0])) == 4


MODULES = {
    "helpers_of_a_test.py": "def doubled(x):\n    return 2 * x\n",
    "modules_of_a_test.py": """
import helpers_of_a_test
SCALE = 3
def scaled(x):
    return SCALE * x
def tangent(block):
    return helpers_of_a_test.doubled(scaled(block))
""",
}
"""A module that workers import, and what it takes from another."""


@pytest.mark.parametrize("change", [("2 *", "4 *"), ("SCALE = 3", "SCALE = 5"), ("SCALE * x", "SCALE + x")])
def test_helpers_and_constants_of_modules_are_seen(
    change: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for number, texts in enumerate((MODULES, MODULES, {name: t.replace(*change) for name, t in MODULES.items()})):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
            monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
        with monkeypatch.context() as inner:
            inner.syspath_prepend(folder)
            found.append(fingerprint((import_module("modules_of_a_test").tangent, None)))
    assert found[0] == found[1] != found[2]


def test_values_of_all_kinds_have_fingerprints_of_their_own() -> None:
    from scipy.sparse import csr_array, eye_array

    values: list[Any] = [
        None, 0, 0.0, -0.0, False, "0", b"0", (), [], {}, set(), [0], (0,), {0}, {0: 0}, [[0]], [0, 0],
        np.zeros(2), np.zeros(2, np.float32), np.zeros((2, 1)), np.zeros((1, 2)), np.zeros(0), np.array([None]),
        np.float64(1), np.int64(1), csr_array(np.eye(2)), csr_array(np.ones((2, 2))), len, np.sin, np.cos, np,
        Path("a"),
        [].append, [1].append, partial(len, [1]), partial(len, [2]), int, str,
    ]  # fmt: skip
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(csr_array(np.eye(2))) == fingerprint(eye_array(2).tocsr())
    shared = np.ones(3)
    assert fingerprint([shared, shared]) == fingerprint([np.ones(3), np.ones(3)])


def test_arrays_of_other_libraries_are_known_by_their_values() -> None:
    torch: Any = pytest.importorskip("torch")
    modules = [torch.nn.Linear(3, 2, dtype=torch.float64) for _ in "abc"]
    for number, module in enumerate(modules):
        for parameter in module.parameters():
            torch.nn.init.constant_(parameter, number // 2)
    assert fingerprint(modules[0]) == fingerprint(modules[1])
    assert fingerprint(modules[0]) != fingerprint(modules[2])
    assert fingerprint(torch.ones(3)) != fingerprint(np.ones(3, np.float32))


def test_files_are_known_by_their_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "F1.npy"
    assert file_fingerprint(path) == file_fingerprint(str(path))
    missing = file_fingerprint(path)
    np.save(path, np.ones(3))
    there = file_fingerprint(path)
    np.save(path, np.ones(4))
    assert (
        len({missing, there, file_fingerprint(path), file_fingerprint(f"{path}::a"), file_fingerprint(tmp_path)}) == 5
    )


def test_the_manifest_says_what_the_blocks_are_of(tmp_path: Path) -> None:
    problem = chain_problem([3, 4, 5])
    result = plan(problem)
    chainplan.execute(result, draw(problem.graph, 0, np.int64), checkpoint=tmp_path)
    found = json.loads((tmp_path / MANIFEST_NAME).read_text(encoding="utf-8"))
    assert found["problem"] == problem.fingerprint
    assert sorted(found["values"]) == ["F1", "F2"]
    assert (found["format"], found["dtype"], found["wrap"]) == (1, "<i8", False)
