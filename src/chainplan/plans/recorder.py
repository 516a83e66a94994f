"""Writes the steps of a plan one by one, as a solver decides on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.state_steps import StateStep
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Decompress,
    Direction,
    Load,
    Multiply,
    Output,
    Plan,
    ProductProgram,
    ProgramResult,
    Propagate,
    SecondOutput,
    Seed,
    Step,
)
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.second import SecondOrder
from chainplan.structures.second import Side


class Recorder:
    """A writer of steps, each of whose methods returns a handle of the block it makes.

    Loads are held back until a step reads them, so that they stand just before their first use. The handle of a step is
    its position; that of the k-th load held back, counted from 1, is -k.
    """

    def __init__(self, graph: Graph, first: int = 0) -> None:
        self._graph = graph
        self._first = first
        self._steps: list[Step] = []
        self._loads: list[Load | LoadSecond | Given | int] = []

    @classmethod
    def after(cls, plan: Plan) -> Recorder:
        """Return a writer that goes on after the steps of a plan; their positions are its handles."""
        recorder = cls(plan.graph)
        recorder._steps += plan.steps
        return recorder

    def load(self, elemental: str) -> int:
        self._loads.append(Load(elemental))
        return -len(self._loads)

    def accumulate(self, elemental: str, mode: Mode) -> int:
        return self._record(Accumulate(elemental, mode))

    def propagate(self, elemental: str, arg: int, mode: Mode) -> int:
        return self._record(Propagate(elemental, self._position(arg), mode))

    def multiply(self, left: int, right: int, onto: int | None = None) -> int:
        left = left if left >= 0 else self._position(left)
        right = right if right >= 0 else self._position(right)
        return self._record(Multiply(left, right, None if onto is None else self._position(onto)))

    def add(self, left: int, right: int) -> int:
        return self._record(Add(self._position(left), self._position(right)))

    def seed(self, vertex: str, mode: Mode, colours: tuple[int, ...]) -> int:
        return self._record(Seed(vertex, mode, colours))

    def decompress(self, tangent: int | None, adjoint: int | None) -> int:
        places = (None if handle is None else self._position(handle) for handle in (tangent, adjoint))
        return self._record(Decompress(*places))

    def again(self, arg: int, source: str, target: str) -> int:
        return self._record(Again(self._position(arg), source, target))

    def direction(self, vertex: str, mode: Mode) -> int:
        return self._record(Direction(vertex, mode))

    def load_second(self, elemental: str) -> int:
        self._loads.append(LoadSecond(elemental))
        return -len(self._loads)

    def apply_second(self, step: ApplySecond) -> int:
        """Write a step whose operands are handles."""
        place = {arg: self._position(arg) for arg in step.operands()}
        return self._record(step.renumbered(place))

    def contract(self, second: int, block: int, side: Side, symmetric: bool, onto: int | None = None) -> int:
        places = self._position(second), self._position(block)
        return self._record(Contract(*places, side, symmetric, None if onto is None else self._position(onto)))

    def exchange(self, second: int) -> int:
        return self._record(Exchange(self._position(second)))

    def given(self, vertex: str, side: Side) -> int:
        self._loads.append(Given(vertex, side))
        return -len(self._loads)

    def copy(self, step: Step, place: Mapping[int, int]) -> int:
        """Write a step whose operands are given by the handles of other steps; a load stands before its first use."""
        if isinstance(step, Load):
            return self.load(step.elemental)
        if isinstance(step, LoadSecond):
            return self.load_second(step.elemental)
        if isinstance(step, Given):
            return self.given(*step)
        return self._record(step.renumbered({arg: self._position(place[arg]) for arg in step.operands()}))

    def linearise(self, elemental: str) -> int:
        """Load at once, because the working state is that of the elemental's source now."""
        return self._record(Load(elemental))

    def move(self, step: StateStep) -> None:
        """Write a step that moves states."""
        self._record(step)

    def plan(
        self,
        outputs: Sequence[tuple[str, str, int]],
        programs: Sequence[ProductProgram] = (),
        second_outputs: Sequence[SecondOutput] = (),
        second: SecondOrder | None = None,
    ) -> Plan:
        """Return the plan, given (output, input, handle) of the Jacobian's blocks, or the programs of its products.

        The steps of second outputs, which are those of the second derivative `second`, are handles too.
        """
        ends = tuple(Output(output, source, self._position(handle)) for output, source, handle in outputs)
        twice = tuple(end._replace(step=self._position(end.step)) for end in second_outputs)
        return Plan(self._graph, tuple(self._steps), ends, tuple(programs), twice, second)

    def begun(self) -> Recorder:
        """Return the writer of a program, which goes on where this set-up ends: it must have all its steps by now.

        Handles of the set-up are handles of the program too. A load held back that no step of the set-up reads is made
        by each program that reads it.
        """
        program = Recorder(self._graph, self._first + len(self._steps))
        program._loads = [*self._loads]
        return program

    def program(
        self, mode: Mode, times: int, results: Sequence[tuple[str, int]], second: bool = False
    ) -> ProductProgram:
        """Return the program, given (vertex, handle) of the product's parts."""
        ends = tuple(ProgramResult(vertex, self._position(handle)) for vertex, handle in results)
        return ProductProgram(mode, times, tuple(self._steps), ends, second)

    def _record(self, step: Step) -> int:
        self._steps.append(step)
        return self._first + len(self._steps) - 1

    def _position(self, handle: int) -> int:
        if handle >= 0:
            return handle
        held = self._loads[-1 - handle]
        if isinstance(held, Load | LoadSecond | Given):
            held = self._loads[-1 - handle] = self._record(held)
        return held
