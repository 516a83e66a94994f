"""What steps really take: noted where they run, taken from there by a prepared run, which makes its next tasks by it.

A note is the seconds that a step took, and which share of the step that was, because a step may run in pieces. What is
learned gets better at once and worse by halves: the first call of a module often includes what it loads, and later ones
may meet others on their processor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from time import perf_counter
from typing import NamedTuple
from weakref import WeakKeyDictionary

from chainplan.distributed.worker_plan import WorkerPlan


class StepNote(NamedTuple):
    """The seconds that a step took in this process, and how often it ran, pieces as fractions."""

    seconds: float
    share: float


StepNotes = Mapping[int, StepNote]
"""Notes by step."""

_NOTES: WeakKeyDictionary[WorkerPlan, dict[int, StepNote]] = WeakKeyDictionary()
_NOTING = Lock()


@contextmanager
def timed_step(plan: WorkerPlan, position: int, share: float = 1.0) -> Iterator[None]:
    """Note what a step of a plan takes, or such a share of it."""
    start = perf_counter()
    yield
    seconds = perf_counter() - start
    with _NOTING:
        add_notes(_NOTES.setdefault(plan, {}), {position: StepNote(seconds, share)})


def add_notes(notes: dict[int, StepNote], more: StepNotes) -> None:
    """Add other notes of the same plan."""
    for position, (seconds, share) in more.items():
        before = notes.get(position, StepNote(0.0, 0.0))
        notes[position] = StepNote(before.seconds + seconds, before.share + share)


def taken_notes(plan: WorkerPlan | None) -> StepNotes:
    """Take what was noted of a plan in this process since the last time."""
    with _NOTING:
        return {} if plan is None else _NOTES.pop(plan, {})


class LearnedSeconds:
    """What the steps of a prepared plan take; it is learned from the first, second, fourth, eighth run and so on."""

    def __init__(self) -> None:
        self.by_step: Mapping[int, float] = {}
        self._runs, self._lock = 0, Lock()

    def due(self) -> bool:
        """Count a run, and say whether it is time to learn."""
        with self._lock:
            self._runs += 1
            return self._runs & (self._runs - 1) == 0

    def learn(self, notes: Iterable[StepNotes]) -> None:
        """Take note of what the workers have noted since the last time."""
        together = dict[int, StepNote]()
        for some in notes:
            add_notes(together, some)
        with self._lock:
            known = dict(self.by_step)
            for position, note in together.items():
                found = note.seconds / note.share
                known[position] = min(found, (found + known.get(position, found)) / 2)
            self.by_step = known
