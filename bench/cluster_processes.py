"""A cluster whose scheduler and workers are processes of their own, on this machine, and what its runs move."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

import distributed
from distributed import Worker
from distributed.diagnostics.plugin import WorkerPlugin

from chainplan.distributed.executors.base import SECONDS_PER_LOOK
from chainplan.distributed.worker_tasks import ReferencedPart
from chainplan.values.jacobians import is_sparse

SECONDS_TO_START = 120
"""Seconds in which all workers must be there."""


@contextmanager
def processes(workers: int, memory: str) -> Iterator[distributed.Client]:
    """Start a scheduler and workers of one thread and so much memory; end them with the context."""
    python = [sys.executable, "-m"]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        place = ["--scheduler-file", str(file), "--no-dashboard"]
        limits = ["--nworkers", str(workers), "--nthreads", "1", "--memory-limit", memory, "--local-directory", folder]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": (Path(folder) / "log").open("w")}
        started = [
            subprocess.Popen([*python, "distributed.cli.dask_scheduler", "--port", "0", *place], **quiet),
            subprocess.Popen([*python, "distributed.cli.dask_worker", *place, *limits], **quiet),
        ]
        try:
            while not file.exists() or not file.read_text(encoding="utf-8").endswith("}"):
                if started[0].poll() is not None:
                    raise RuntimeError((Path(folder) / "log").read_text(encoding="utf-8"))
                sleep(SECONDS_PER_LOOK)
            address = json.loads(file.read_text(encoding="utf-8"))["address"]
            with distributed.Client(address, timeout=SECONDS_TO_START) as client:
                client.wait_for_workers(workers, timeout=SECONDS_TO_START)
                yield client
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


@dataclass(frozen=True)
class Traffic:
    """Bytes that a run read from files, moved between workers, and wrote, and by how much other processes grew."""

    read: int
    transferred: int
    written: int
    scheduler_growth: int
    client_growth: int
    worker_peak: int


class ReadCounter(WorkerPlugin):  # type: ignore[misc]
    """Counts what the tasks of a worker read by reference."""

    def setup(self, worker: Worker) -> None:
        """Let every part that is fetched be counted."""
        worker.read_bytes = 0
        fetch: Any = ReferencedPart.fetch

        def counted(*given: Any) -> Any:
            value: Any = fetch(*given)
            parts = (value.data, value.indices, value.indptr) if is_sparse(value) else (value,)
            worker.read_bytes += sum(part.nbytes for part in parts)
            return value

        setattr(ReferencedPart, "fetch", counted)  # noqa: B010


class TrafficMeter:
    """What runs on a cluster move from here on."""

    def __init__(self, client: distributed.Client) -> None:
        self._client = client
        client.register_plugin(ReadCounter(), name="reads")
        self._scheduler, self._here = client.run_on_scheduler(_resident), _resident()

    def traffic(self, written: int) -> Traffic:
        """Read the meters; the caller says how many bytes the outputs have."""
        told = self._client.run(_told).values()
        return Traffic(
            sum(read for read, _, _ in told),
            sum(moved for _, moved, _ in told),
            written,
            self._client.run_on_scheduler(_resident) - self._scheduler,
            _resident() - self._here,
            max(peak for _, _, peak in told),
        )


def _resident() -> int:
    return _memory("VmRSS")


def _told(dask_worker: Worker) -> tuple[int, int, int]:
    """Bytes that a worker read by reference, those that it got from other workers, and its peak."""
    return dask_worker.read_bytes, sum(one["total"] for one in dask_worker.transfer_incoming_log), _memory("VmHWM")


def _memory(kind: str) -> int:
    """The bytes of this process, as Linux tells them."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(kind))
