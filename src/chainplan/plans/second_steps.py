"""The kinds of steps that stand in plans for second derivatives alone.

`LoadSecond`, `ApplySecond` and `Contract` make blocks of rows x cols x cols, and `Add` adds these as well. All
first-order blocks that they read are made by the same steps as those of a Jacobian, so that a block which several of
them read is made and paid once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple

from chainplan.plans.step_types import StepPlaces, VisitResult
from chainplan.problem.graph import Mode
from chainplan.structures.second import Side


class LoadSecond(NamedTuple):
    """Take the second derivative of an elemental, of rows x cols x cols, or of a vertex by two of its arguments."""

    elemental: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> LoadSecond:
        return self

    def accept(self, interpreter: SecondInterpreter[VisitResult]) -> VisitResult:
        return interpreter.load_second(self)


class ApplySecond(NamedTuple):
    """The second derivative of a matrix-free elemental, along blocks on some of its sides, by one call for each line.

    A tangent makes F''[on_left, on_right], with one call for each pair of their columns, and of pairs of one block with
    itself for those with j <= k. An adjoint makes on_rows · F''[·, on_right], with one call for each row and column. An
    identity stands where there is no block: its columns and, for adjoints, its rows are added up that have
    one colour. Adjoints have colours of the columns where both column sides are open, those of one group of rows after
    the other.
    """

    elemental: str
    mode: Mode
    on_rows: int | None = None
    on_left: int | None = None
    on_right: int | None = None
    row_colours: tuple[int, ...] = ()
    colours: tuple[int, ...] = ()

    def operands(self) -> tuple[int, ...]:
        return tuple(arg for arg in (self.on_rows, self.on_left, self.on_right) if arg is not None)

    def renumbered(self, place: StepPlaces) -> ApplySecond:
        rows, left, right = (None if arg is None else place[arg] for arg in self[2:5])
        return self._replace(on_rows=rows, on_left=left, on_right=right)

    def accept(self, interpreter: SecondInterpreter[VisitResult]) -> VisitResult:
        return interpreter.apply_second(self)


class Contract(NamedTuple):
    """A second-order block with one of its sides, or both column sides, multiplied by `block`; added onto `onto`.

    The rows are multiplied by a block on the left of them, the column sides by one on the right. Where the result is
    `symmetric` and the step says so, only the entries above the diagonal are computed, and copied below it: on the rows
    or both column sides of a symmetric block, and on the left side where `second` is a symmetric block that the same
    block was multiplied onto on the right.
    """

    second: int
    block: int
    side: Side
    symmetric: bool
    onto: int | None = None

    def operands(self) -> tuple[int, ...]:
        second, block, _, _, onto = self
        return (second, block) if onto is None else (second, block, onto)

    def renumbered(self, place: StepPlaces) -> Contract:
        onto = None if self.onto is None else place[self.onto]
        return Contract(place[self.second], place[self.block], self.side, self.symmetric, onto)

    def accept(self, interpreter: SecondInterpreter[VisitResult]) -> VisitResult:
        return interpreter.contract(self)


class Exchange(NamedTuple):
    """A second-order block with its column sides exchanged, which costs nothing.

    Added to the block itself it makes a symmetric one.
    """

    second: int

    def operands(self) -> tuple[int, ...]:
        return (self.second,)

    def renumbered(self, place: StepPlaces) -> Exchange:
        return Exchange(place[self.second])

    def accept(self, interpreter: SecondInterpreter[VisitResult]) -> VisitResult:
        return interpreter.exchange(self)


class Given(NamedTuple):
    """What the caller gives for a side of the second derivative: a row of weights, or a column for each direction.

    It is 1 x size(vertex) on the rows, at an output, and size(vertex) x directions on a column side, at an input.
    """

    vertex: str
    side: Side

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Given:
        return self

    def accept(self, interpreter: SecondInterpreter[VisitResult]) -> VisitResult:
        return interpreter.given(self)


SecondStep = LoadSecond | ApplySecond | Contract | Exchange | Given
"""The steps that stand in plans for second derivatives alone."""


class SecondInterpreter(ABC, Generic[VisitResult]):
    """The meaning of the steps of second derivatives, as part of an `Interpreter`."""

    @abstractmethod
    def load_second(self, step: LoadSecond) -> VisitResult: ...

    @abstractmethod
    def apply_second(self, step: ApplySecond) -> VisitResult: ...

    @abstractmethod
    def contract(self, step: Contract) -> VisitResult: ...

    @abstractmethod
    def exchange(self, step: Exchange) -> VisitResult: ...

    @abstractmethod
    def given(self, step: Given) -> VisitResult: ...
