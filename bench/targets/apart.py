"""Measures a target in a process of its own: nothing that goes wrong there ends the run, and its memory is its own.

The process is started afresh rather than forked, so that neither memory nor caches of the run count for a target. It
sends each figure as soon as it has it; what it had sent stands, should it die or be stopped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from resource import RUSAGE_SELF, getrusage
from time import monotonic, perf_counter

from bench.dag_nodes import COMPILED_SWITCH
from bench.memory import peak_memory
from bench.targets.target import Effort, Figure, Target

LEAST_LIMIT = 30.0
"""Seconds that any target may take: a process has to start, and a search to write its plan down."""


@dataclass(frozen=True)
class Measurement:
    """A figure, the seconds and the seconds of processor since the one before, and the most MiB held so far."""

    figure: Figure
    seconds: float | None = None
    cpu: float | None = None
    memory: int | None = None


def measured_apart(target: Target, effort: Effort, least: float = LEAST_LIMIT) -> Iterator[Measurement]:
    """The figures of a target as they come; last, why there are no more, where it failed or was stopped.

    `least` are the seconds that it is given whatever its limit.
    """
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(there, target, effort), daemon=True)
    limit = max(least, effort.within(target.limit))
    process.start()
    there.close()
    end = monotonic() + limit
    try:
        while here.poll(max(0.0, end - monotonic())):
            message = here.recv()
            if message is None:
                return
            yield message
        yield Measurement(Figure(target.name, status=f"stopped after {limit:.0f} s"))
    except EOFError:
        process.join()
        yield Measurement(Figure(target.name, status=f"failed: the process ended with code {process.exitcode}"))
    finally:
        process.kill()
        process.join()


def _measure(there: Connection, target: Target, effort: Effort) -> None:
    """Send every figure of a target, then None; in the process that measures it."""
    if not target.compiled:
        os.environ[COMPILED_SWITCH] = "0"
    for measurement in measured(target, effort):
        there.send(measurement)
    there.send(None)


def measured(target: Target, effort: Effort) -> Iterator[Measurement]:
    """The figures of a target; an error is a figure that says so."""
    start, used = perf_counter(), _processor_seconds()
    figures = target.measure(effort)
    while True:
        try:
            figure = next(figures, None)
        except Exception as error:
            figure = Figure(target.name, status=f"failed: {type(error).__name__}: {error}"[:300])
        if figure is None:
            return
        now, cpu = perf_counter(), _processor_seconds()
        yield Measurement(figure, now - start, cpu - used, peak_memory() // 1024)
        start, used = now, cpu


def _processor_seconds() -> float:
    """Seconds that this process has had of processors."""
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
