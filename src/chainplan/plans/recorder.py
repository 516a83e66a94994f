"""Writes the steps of a plan one by one, as a solver decides on them."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Decompress,
    Load,
    Multiply,
    Output,
    Plan,
    Propagate,
    Seed,
    StateStep,
    Step,
)
from chainplan.problem.graph import Graph, Mode


class Recorder:
    """A writer of steps, each of whose methods returns a handle of the block it makes.

    Loads are held back until a step reads them, so that they stand just before their first use. The handle of a step is
    its position; that of the k-th load held back, counted from 1, is -k.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._steps: list[Step] = []
        self._loads: list[Load | int] = []

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

    def linearise(self, elemental: str) -> int:
        """Load at once, because the working state is that of the elemental's source now."""
        return self._record(Load(elemental))

    def move(self, step: StateStep) -> None:
        """Write a step that moves states."""
        self._record(step)

    def plan(self, outputs: Sequence[tuple[str, str, int]]) -> Plan:
        """Return the plan, given (output, input, handle) of the Jacobian's blocks."""
        ends = tuple(Output(output, source, self._position(handle)) for output, source, handle in outputs)
        return Plan(self._graph, tuple(self._steps), ends)

    def _record(self, step: Step) -> int:
        self._steps.append(step)
        return len(self._steps) - 1

    def _position(self, handle: int) -> int:
        if handle >= 0:
            return handle
        held = self._loads[-1 - handle]
        if isinstance(held, Load):
            held = self._loads[-1 - handle] = self._record(held)
        return held
