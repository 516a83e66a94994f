"""Runs that survive: blocks on the way are written by the workers, and a later run begins where an earlier one ended.

A manifest says what the blocks of a directory belong to: the problem, the plan, and the values that were given. Blocks
that are there become tasks that read them, and what they alone needed is left out. A file appears complete or not at
all, so that whatever dies, each file is right.

Not every block is written, because writing takes time too: a block is, when losing it would cost more than writing it.
Losing it costs the time of its task, and of those that it reads and that are not written. Nobody knows how long a
module takes unless the caller says so; so what modules make is always written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chainplan._version import __version__
from chainplan.distributed.fingerprints import file_fingerprint, fingerprint
from chainplan.distributed.skeleton import Skeleton, TaskNode, TaskResult, renumbered
from chainplan.distributed.split import Axis, TaskRoom
from chainplan.distributed.state_tasks import AdvanceTask, StateStepTask, WriteStateTask
from chainplan.distributed.value_files import read_value, write_value, write_whole
from chainplan.distributed.worker_plan import WorkerPlan
from chainplan.distributed.worker_tasks import GroupTask, PieceTask, TaskOperand, WorkerTask
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import describe
from chainplan.execution.plan_run import PlanRun
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.steps import Load, Plan
from chainplan.problem.problem import Problem
from chainplan.values.jacobians import NUMBER_KINDS, is_sparse
from chainplan.values.primal import FixedJacobians

NANOSECONDS_PER_FILE = 10_000_000
"""Nanoseconds that a file takes in a directory that workers share."""
NANOSECONDS_PER_BYTE = 10
"""Nanoseconds that a byte takes there: 100 MB in a second."""
MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = 1


class Checkpoint:
    """A directory of blocks that belong to one plan and the values of one run.

    Parameters
    ----------
    directory : str | PathLike[str]
        The directory, which is made where it is not there yet.
    plan : Plan
        The plan.
    run : PlanRun
        The run with all values in their places.
    wrap : bool
        Whether whole numbers wrap.
    workers : int
        For how many workers modules are cut, unless the directory says that its blocks were cut for others.

    Attributes
    ----------
    workers : int
        For how many workers the modules of this directory are cut.

    Raises
    ------
    ExecutionError
        If the directory belongs to another run, holds something else, or cannot be written; nothing in it is changed.
    """

    def __init__(self, directory: str | PathLike[str], plan: Plan, run: PlanRun, wrap: bool, workers: int = 1) -> None:
        self._directory, self._plan = Path(directory).absolute(), plan
        found, own = self._manifest(), _manifest(plan, run, wrap, workers)
        if found is None and not self._begin(own):
            found = self._manifest()
            if found is None:
                raise self._unwritten("it is no directory")
        self.workers = workers
        if found is not None:
            self._require_same(found, own)
            cut_for = found.get("workers")
            self.workers = cut_for if isinstance(cut_for, int) else 1

    def _manifest(self) -> Mapping[str, object] | None:
        """The manifest of the directory, None where it is empty."""
        try:
            names = os.listdir(self._directory)
            found = _read_manifest(self._directory / MANIFEST_NAME) if MANIFEST_NAME in names else None
            if found is not None:
                return found
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ExecutionError(
                f"checkpoint: '{self._directory}' cannot be read ({error}); expected a directory. Give another one."
            ) from None
        foreign = sum(not name.startswith(f".{MANIFEST_NAME}.") for name in names)
        if foreign:
            raise ExecutionError(
                f"checkpoint: '{self._directory}' holds {foreign} files, but no manifest that this version reads; "
                "expected an empty directory, or that of an earlier run. Give another one."
            )
        return None

    def _begin(self, own: Mapping[str, object]) -> bool:
        """Write the manifest, and return whether it is that of this run: another may have begun just now."""
        text = json.dumps(own, indent=1).encode()
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            write_whole(self._directory / MANIFEST_NAME, lambda file: file.write(text), fresh=True)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._unwritten(error.strerror) from None
        return True

    def _unwritten(self, why: str | None) -> ExecutionError:
        """Return the error for a directory that cannot be written."""
        return ExecutionError(
            f"checkpoint: '{self._directory}' cannot be written ({why}); expected a directory that all workers can "
            "write. Give another one."
        )

    def _require_same(self, found: Mapping[str, object], own: Mapping[str, object]) -> None:
        """Refuse the directory of another run."""
        other = next((word for key, word in _MANIFEST_WORDS.items() if found.get(key) != own[key]), None)
        if other is None:
            return
        theirs, ours = found.get("values"), own["values"]
        if isinstance(theirs, dict) and isinstance(ours, dict):
            names = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
            other += f" {', '.join(map(repr, names[:3]))}" if other == _MANIFEST_WORDS["values"] else ""
        raise ExecutionError(
            f"checkpoint: '{self._directory}' is that of a run with {other}; expected the same run. Give another "
            "directory, or remove this one if its blocks are not needed any more."
        )

    def resumed(self, made: Skeleton, room: TaskRoom, seconds: Collection[str]) -> Skeleton:
        """The tasks that are left to do, some of which write what they make.

        Parameters
        ----------
        made : Skeleton
            All tasks.
        room : TaskRoom
            The bytes of blocks.
        seconds : Collection[str]
            The matrix-free elementals of which it is known how long they take.
        """
        there = set(os.listdir(self._directory))
        saved = block_files(self._plan, made, room, seconds)
        tasks = []
        for task, name in zip(made.tasks, saved, strict=True):
            call = task.call
            if isinstance(call, WriteStateTask) and call.path.name in there:
                tasks.append(task._replace(call=replace(call, done=True), reads=()))
            elif name is None:
                tasks.append(task)
            elif name in there:
                tasks.append(TaskNode(f"read_{task.name}", ReadTask(call, str(self._directory / name)), (), task.rank))
            else:
                tasks.append(task._replace(call=SavedTask(call, str(self._directory / name))))
        return pruned(replace(made, tasks=tuple(tasks)))


def _read_manifest(path: Path) -> Mapping[str, object] | None:
    """Read a manifest; None where the file is none that this version writes."""
    text = path.read_bytes()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    known = isinstance(found, dict) and found.get("format") == MANIFEST_FORMAT
    return found if known and isinstance(found.get("values"), dict) else None


_MANIFEST_WORDS = {
    "problem": "another problem",
    "plan": "another plan of this problem",
    "values": "other values of",
    "dtype": "seeds of another dtype",
    "wrap": "another treatment of whole numbers",
}
"""What a manifest holds, and what is said where it differs."""


def _manifest(plan: Plan, run: PlanRun, wrap: bool, workers: int) -> dict[str, object]:
    """What a directory of blocks belongs to."""
    return {
        "chainplan": __version__,
        "format": MANIFEST_FORMAT,
        "problem": Problem(plan.graph).fingerprint,
        "plan": fingerprint((plan.steps, plan.outputs)),
        "values": _values(plan, run),
        "dtype": run.dtype.str,
        "wrap": wrap,
        "workers": workers,
    }


def _values(plan: Plan, run: PlanRun) -> dict[str, str]:
    """The fingerprints of what was given, by elemental; that of a primal chain whose states matter under its class."""
    if isinstance(run.primal, FixedJacobians):
        return {name: _value_fingerprint(value) for name, value in run.primal.items()}
    if run.primal is not None:
        return {type(run.primal).__name__: fingerprint(run.primal)}
    functions = run.applied | {name: module.functions for name, module in run.modules.items()}
    found = {name: fingerprint(pair) for name, pair in functions.items()}
    for step, value in zip(plan.steps, run.values, strict=True):
        if not isinstance(step, Load) or step.elemental in found:
            continue
        if callable(getattr(value, "result", None)):
            raise ExecutionError(
                f"checkpoint: '{step.elemental}' is given by a future, which a later run cannot know again; expected "
                "an array, a file or a loader. Have it written with to=DIRECTORY, and give the file."
            )
        found[step.elemental] = _value_fingerprint(value)
    return found


def _value_fingerprint(value: object) -> str:
    return file_fingerprint(value) if isinstance(value, str | PathLike) else fingerprint(value)


def block_files(plan: Plan, made: Skeleton, room: TaskRoom, seconds: Collection[str]) -> list[str | None]:
    """The name of the file of each task whose result is worth one; parameters are those of `Checkpoint.resumed`."""
    losses, names = list[float](), list[str | None]()
    for task in made.tasks:
        piece = _piece(plan, task.call, made, room)
        loss = sum(losses[arg.task] for arg in task.reads if isinstance(arg, TaskResult))
        name = None
        if piece is not None:
            loss += piece.price
            dear = loss > NANOSECONDS_PER_FILE + NANOSECONDS_PER_BYTE * piece.size
            if dear or not set(piece.applied) <= set(seconds):
                name, loss = piece.name, 0
        losses.append(loss)
        names.append(name)
    return names


class _SavedPiece(NamedTuple):
    """What a task makes: the name of its file, its bytes, its nanoseconds, and the elementals that it applies."""

    name: str
    size: float
    price: float
    applied: tuple[str, ...]


def _piece(plan: Plan, call: WorkerTask, made: Skeleton, room: TaskRoom) -> _SavedPiece | None:
    """What a task makes of a step; None where it only moves or adds up what others have made.

    Of states those are worth a file that the plan stores; it makes the others again in any case.
    """
    match call:
        case GroupTask(steps=steps, names=names):
            size, price = room.bytes(made.blocks[steps[-1]]), sum(made.prices[step] for step in steps)
            return _SavedPiece(f"{steps[-1]}.pickle", size, price, names)
        case PieceTask(position=position, axis=axis, start=start, stop=stop, names=names, share=part):
            block, inner = made.blocks[position], axis is Axis.INNER
            name = f"{position}-{axis.name.lower()}-{start}-{stop}.pickle"
            return _SavedPiece(name, room.bytes(block) * (1 if inner else part), part * made.prices[position], names)
        case StateStepTask(position=position, elemental=elemental):
            names = () if elemental is None else (elemental,)
            return _SavedPiece(f"{position}.pickle", room.bytes(made.blocks[position]), made.prices[position], names)
        case AdvanceTask(elemental=elemental, position=position, stored=True):
            size = plan.graph.sizes[plan.graph[elemental].target] * room.itemsize
            return _SavedPiece(f"state-{position}.pickle", size, made.prices[position], (elemental,))
    return None


def pruned(made: Skeleton) -> Skeleton:
    """The tasks that outputs need."""
    needed, open_ = set[int](), [task.task for block in made.outputs.values() for _, _, task in block.pieces]
    while open_:
        task = open_.pop()
        if task not in needed:
            needed.add(task)
            open_ += [arg.task for arg in made.tasks[task].reads if isinstance(arg, TaskResult)]
    return renumbered(made, {task: made.tasks[task] for task in sorted(needed)})


# On the workers


@dataclass(frozen=True)
class SavedTask:
    """A task whose result is written; where that was done before, it is read."""

    call: WorkerTask
    path: str

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *given: TaskOperand) -> HeldValues:
        path = Path(self.path)
        if path.exists():
            return _read_made(self.call, path, plan)
        value = self.call(plan, dtype, wrap, *given)
        if not (path.parent / MANIFEST_NAME).exists():
            raise ExecutionError(
                f"checkpoint: a worker finds no '{path.parent / MANIFEST_NAME}'; expected a directory that all workers "
                "share. Give one."
            )
        write_value(path, value)
        return value


@dataclass(frozen=True)
class ReadTask:
    """What a task of an earlier run has written."""

    call: WorkerTask
    path: str

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool) -> HeldValues:
        return _read_made(self.call, Path(self.path), plan)


def _read_made(call: WorkerTask, path: Path, plan: WorkerPlan) -> HeldValues:
    """Read what a task has written; a state may be anything.

    Raises
    ------
    ExecutionError
        Where the file is damaged, or holds something else than the task makes.
    """
    value, shape = read_value(path), _made_shape(call, plan)
    if shape is None or (_is_array(value) and value.shape == shape):
        return value
    found = f"an array of shape {value.shape} and dtype {value.dtype}" if _is_array(value, "") else describe(value)
    raise ExecutionError(
        f"checkpoint: '{path}' holds {found}; expected numbers of shape {shape} that an earlier run has written. "
        "Remove the file, and run the plan again."
    )


def _is_array(value: HeldValues, kinds: str = NUMBER_KINDS) -> bool:
    """Say whether a value is an array or a sparse array, of such kinds of dtype where some are named."""
    return (isinstance(value, np.ndarray) or is_sparse(value)) and (not kinds or value.dtype.kind in kinds)


def _made_shape(call: WorkerTask, plan: WorkerPlan) -> tuple[int, ...] | None:
    """The shape of what a task makes, None of states and of blocks in forms that vary."""
    match call:
        case GroupTask(steps=steps):
            block = plan.block(steps[-1])
        case StateStepTask(position=position):
            block = plan.block(position)
        case PieceTask(position=position, axis=axis, start=start, stop=stop):
            rows, cols = plan.block(position)[:2]
            whole = {Axis.INNER: (rows, cols), Axis.ROWS: (stop - start, cols), Axis.COLS: (rows, stop - start)}
            return whole[axis]
        case _:
            return None
    known = {
        StorageForm.DENSE: (block.rows, block.cols),
        StorageForm.SPARSE: (block.rows, block.cols),
        StorageForm.DIAGONAL: (block.rows,),
        StorageForm.SCALED_IDENTITY: (),
    }
    return known.get(form(block))
