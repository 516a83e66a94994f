"""The kinds of steps that move states and make no block.

Where a plan evaluates the chain itself, instead of taking the states at which it is linearised as given, there is one
*working state*, which is that of the input at first: `Advance` moves it on, `Store` keeps it, `Restore` fetches it (see
`states`); `Write` and `Read` do the same on disk, at a price.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, get_args

from chainplan.plans.step_types import StepPlaces, VisitResult


class Advance(NamedTuple):
    """Evaluate an elemental: the working state goes from its source to its target."""

    elemental: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Advance:
        return self

    def accept(self, interpreter: StateInterpreter[VisitResult]) -> VisitResult:
        return interpreter.advance(self)


class Store(NamedTuple):
    """Keep the working state, which is that of `vertex`, until it is restored for the last time."""

    vertex: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Store:
        return self

    def accept(self, interpreter: StateInterpreter[VisitResult]) -> VisitResult:
        return interpreter.store(self)


class Restore(NamedTuple):
    """Make the state of `vertex`, which was stored or is the input, the working state."""

    vertex: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Restore:
        return self

    def accept(self, interpreter: StateInterpreter[VisitResult]) -> VisitResult:
        return interpreter.restore(self)


class Write(NamedTuple):
    """Copy the working state, which is that of `vertex`, to disk, where it is until it is read for the last time."""

    vertex: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Write:
        return self

    def accept(self, interpreter: StateInterpreter[VisitResult]) -> VisitResult:
        return interpreter.write(self)


class Read(NamedTuple):
    """Make the state of `vertex`, which is on disk, the working state."""

    vertex: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Read:
        return self

    def accept(self, interpreter: StateInterpreter[VisitResult]) -> VisitResult:
        return interpreter.read(self)


StateStep = Advance | Store | Restore | Write | Read
"""The steps that move states and make no block."""
STATE_STEP_KINDS: frozenset[type] = frozenset(get_args(StateStep))
"""The kinds of these steps; `kind in ...` is many times faster than isinstance, and plans have millions of steps."""


class StateInterpreter(ABC, Generic[VisitResult]):
    """The meaning of the steps that move states, as part of an `Interpreter`."""

    @abstractmethod
    def advance(self, step: Advance) -> VisitResult: ...

    @abstractmethod
    def store(self, step: Store) -> VisitResult: ...

    @abstractmethod
    def restore(self, step: Restore) -> VisitResult: ...

    @abstractmethod
    def write(self, step: Write) -> VisitResult: ...

    @abstractmethod
    def read(self, step: Read) -> VisitResult: ...
