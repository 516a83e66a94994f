"""Outputs that stay on the workers, or are written there: `gather=False` and `to=` of `chainplan.execute`.

What is done with an output is a task of the run like all others, so that it is repeated where a worker is lost.
"""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import numpy as np

from chainplan.distributed.skeleton import BlockPieces, Skeleton, TaskNode, TaskResult
from chainplan.distributed.split import Axis
from chainplan.distributed.worker_plan import WorkerPlan
from chainplan.distributed.worker_tasks import joined
from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun
from chainplan.execution.releasing import released
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.steps import Plan
from chainplan.values.jacobians import is_sparse
from chainplan.values.shifts_block import ShiftsBlock

if TYPE_CHECKING:
    from chainplan._util.arrays import DType
    from chainplan.distributed.executors.base import TaskHandle


@dataclass(frozen=True, eq=False)
class RemoteBlock:
    """An output that stays on the workers, whole or in pieces that lie beside each other along `axis`.

    It may be given as a Jacobian to a later run on the same cluster. `futures` are for other code that runs there.
    """

    shape: tuple[int, int]
    dtype: DType
    axis: Axis
    pieces: tuple[tuple[int, int, TaskHandle], ...]

    @property
    def futures(self) -> tuple[TaskHandle, ...]:
        """The futures of the pieces in their order."""
        return tuple(future for _, _, future in self.pieces)

    def result(self) -> HeldValues:
        """Bring the block here.

        Raises
        ------
        ExecutionError
            Where the cluster that has it is gone, or has let go of it.
        """
        try:
            return joined([future.result() for future in self.futures], self.axis)
        except (CancelledError, RuntimeError) as error:  # of a cluster that was restarted, and of a closed client
            raise ExecutionError(
                f"an output of {self.shape[0]} x {self.shape[1]} is on no worker any more ({type(error).__name__}); "
                "expected the cluster that made it. Take it before the client is closed, or have "
                "it written with to=DIRECTORY."
            ) from error


@dataclass(frozen=True)
class ReleaseTask:
    """An output as a caller gets it: written out as a matrix where `dense` says so."""

    position: int
    dense: bool

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, value: HeldValues) -> HeldValues:
        run = PlanRun(0, {}, np.dtype(dtype))
        return released([value], 0, plan.block(self.position), self.dense, run, True)


@dataclass(frozen=True)
class DtypeTask:
    """The dtype of an output."""

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, value: HeldValues) -> HeldValues:
        return value.dtype


@dataclass(frozen=True)
class WriteTask:
    """A file of an output, or a piece of it in its place in that file; the file has no final name yet.

    The folder of the file is made where it is not there yet, by whoever comes first.
    """

    path: str
    shape: tuple[int, int]
    axis: Axis
    start: int
    stop: int

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *pieces: HeldValues) -> str:
        try:
            return self._write(joined(pieces, self.axis))
        except OSError as error:
            raise ExecutionError(
                f"to: '{Path(self.path).parent}' cannot be written ({error.strerror or error}); expected a directory "
                "that all workers can write. Give another one."
            ) from None

    def _write(self, value: HeldValues) -> str:
        """Write the value, and return the suffix of the file."""
        if isinstance(value, ShiftsBlock):
            value = value.matrix(*self.shape)
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        if is_sparse(value):
            from scipy.sparse import save_npz

            save_npz(self.path + ".npz", value, compressed=False)
            return ".npz"
        if value.shape != self.shape and len(self.shape) == value.ndim and self.stop - self.start < self._length():
            self._write_piece(value)
        else:
            np.save(self.path + ".npy", value)
        return ".npy"

    def _length(self) -> int:
        return self.shape[self.axis.value]

    def _write_piece(self, value: HeldValues) -> None:
        """Write a piece into the file, which is made whole first, by whoever comes first."""
        place = self.path + ".npy"
        if not Path(place).exists():
            own = f"{self.path}.{uuid4().hex[:8]}"
            np.lib.format.open_memmap(own, "w+", value.dtype, self.shape).flush()
            with suppress(FileExistsError):
                os.link(own, place)
            Path(own).unlink()
        file = np.lib.format.open_memmap(place, "r+")
        file[(slice(None),) * self.axis.value + (slice(self.start, self.stop),)] = value
        file.flush()


@dataclass(frozen=True)
class NameTask:
    """The final name of a file that is written; the result is that name."""

    path: str
    final: str

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *suffixes: str) -> str:
        place = Path(self.final + suffixes[0])
        Path(self.path + suffixes[0]).replace(place)
        return str(place)


def kept(made: Skeleton, dense: bool) -> Skeleton:
    """The tasks with those that bring outputs into the form in which a caller gets them."""
    tasks, outputs = list(made.tasks), dict(made.outputs)
    for position, (axis, pieces) in made.outputs.items():
        kind = form(made.blocks[position])
        if kind is StorageForm.DENSE or (kind is StorageForm.SPARSE and not dense):
            continue
        ends = []
        for start, stop, result in pieces:
            tasks.append(TaskNode("output", ReleaseTask(position, dense), (result,), 0))
            ends.append((start, stop, TaskResult(len(tasks) - 1)))
        outputs[position] = BlockPieces(axis, tuple(ends))
    return replace(made, tasks=tuple(tasks), outputs=outputs)


def written(made: Skeleton, plan: Plan, dense: bool, directory: Path) -> Skeleton:
    """The tasks with those that write outputs; the result of each output is the name of its file."""
    made = kept(made, dense)
    tasks, outputs, token = list(made.tasks), dict(made.outputs), uuid4().hex[:12]
    for output, source, position in plan.outputs:
        axis, pieces = made.outputs[position]
        block = made.blocks[position]
        final = str(directory / file_name(output, source))
        parts = [pieces] if form(block) is StorageForm.SPARSE and not dense else [(piece,) for piece in pieces]
        places = []
        for part in parts:
            call = WriteTask(f"{final}.{token}", (block.rows, block.cols), axis, part[0][0], part[-1][1])
            tasks.append(TaskNode("write", call, tuple(result for _, _, result in part), 0))
            places.append(TaskResult(len(tasks) - 1))
        tasks.append(TaskNode("name", NameTask(f"{final}.{token}", final), tuple(places), 0))
        outputs[position] = BlockPieces(Axis.ROWS, ((0, block.rows, TaskResult(len(tasks) - 1)),))
    return replace(made, tasks=tuple(tasks), outputs=outputs)


def file_name(output: str, source: str) -> str:
    """The name of the file of an output, without what names of files must not hold."""
    return quote(f"{output}_{source}", safe="")
