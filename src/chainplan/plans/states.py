"""The states of a chain that a plan evaluates itself: says where each is alive, and refuses a plan that misses one.

Without state steps the states x_0 ... x_q at which elementals are linearised are given and do not count. With state
steps only the input x_0 is given. A step that linearises an elemental (load, accumulate, propagate) needs the state of
its source as the *working state*. `advance` evaluates one elemental and moves the working state on, `store` keeps it,
and `restore` fetches a stored state, or the input, which is always available and does not count.

A state is alive from the step that makes it to its last use as the working state, and a stored one to its last
`restore`. Nothing is copied: a state that is stored and is the working state counts once, and an advance holds both of
its states. Only chains can be evaluated in this way.

`write` copies the working state to disk, and `read` fetches it from there. On disk it takes its size from the step that
writes it to the last that reads it, and its copy in memory is alive as if it were not on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainplan.errors import PlanError
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Decompress,
    Direction,
    Interpreter,
    Load,
    Multiply,
    Plan,
    Propagate,
    Seed,
    Step,
    require_step,
)
from chainplan.problem.graph import Elemental, Graph


@dataclass(frozen=True)
class StateSpan:
    """The steps during which the state of a vertex is alive in memory, or on disk, from `first` to `last`."""

    vertex: str
    first: int
    last: int
    on_disk: bool = False


class StateWalk(Interpreter[None]):
    """A walk along the steps that follows the working and the stored states, and refuses a step without its state."""

    def __init__(self, graph: Graph) -> None:
        self.start = graph.inputs[0]
        self.working = self.start
        self._graph = graph
        self._position = -1
        self._open: dict[str, StateSpan] = {}
        """The span of the working state and of each stored one, by vertex."""
        self._stored: set[str] = set()
        self._written: dict[str, StateSpan] = {}
        """The span of each state on disk, by vertex."""
        self.done: list[StateSpan] = []

    def take(self, position: int, step: Step) -> None:
        """Take the step at a position.

        Raises
        ------
        PlanError
            Where the state that the step needs is not there.
        """
        self._position = position
        step.accept(self)

    def finish(self) -> list[StateSpan]:
        """Return all spans, except those of the input in memory."""
        every = (*self.done, *self._open.values(), *self._written.values())
        return [span for span in every if span.on_disk or span.vertex != self.start]

    def load(self, step: Load) -> None:
        self._linearise(step.elemental)

    def accumulate(self, step: Accumulate) -> None:
        self._linearise(step.elemental)

    def propagate(self, step: Propagate) -> None:
        self._linearise(step.elemental)

    def multiply(self, step: Multiply) -> None:
        """A product needs no state, as it is made of blocks alone."""

    def add(self, step: Add) -> None:
        """A sum needs no state."""

    def seed(self, step: Seed) -> None:
        """A seed needs no state."""

    def decompress(self, step: Decompress) -> None:
        """A decompression needs no state."""

    def again(self, step: Again) -> None:
        """A block that stands again needs no state."""

    def direction(self, step: Direction) -> None:
        """A direction needs no state."""

    def load_second(self, step: LoadSecond) -> None:
        self._linearise(step.elemental)

    def apply_second(self, step: ApplySecond) -> None:
        self._linearise(step.elemental)

    def given(self, step: Given) -> None:
        """What the caller gives needs no state."""

    def contract(self, step: Contract) -> None:
        """A contraction needs no state."""

    def exchange(self, step: Exchange) -> None:
        """An exchange needs no state."""

    def advance(self, step: Advance) -> None:
        e = self._elemental(step.elemental)
        if e.source != self.working:
            where = f"'{e.name}' starts at '{e.source}', but the working state is '{self.working}'"
            raise self._wrong(f"{where}; expected to advance from where it is. Restore '{e.source}' before.")
        self._use(self.working)
        self._leave()
        if e.target in self._stored:
            self.done.append(self._open.pop(e.target))
            self._stored.discard(e.target)
        self.working = e.target
        self._open[e.target] = StateSpan(e.target, self._position, self._position)

    def store(self, step: Store) -> None:
        vertex = step.vertex
        if vertex != self.working:
            raise self._wrong(f"'{vertex}' cannot be stored, for the working state is '{self.working}'; expected that.")
        self._use(vertex)
        self._stored.add(vertex)

    def restore(self, step: Restore) -> None:
        vertex = step.vertex
        if vertex != self.start and vertex not in self._stored:
            raise self._wrong(f"'{vertex}' cannot be restored, for it is not stored; expected a 'store' of it before.")
        if vertex != self.working:
            self._leave()
        self.working = vertex
        self._use(vertex)

    def write(self, step: Write) -> None:
        vertex, position = step.vertex, self._position
        if vertex != self.working:
            raise self._wrong(
                f"'{vertex}' cannot be written, for the working state is '{self.working}'; expected that."
            )
        self._use(vertex)
        if vertex in self._written:
            self.done.append(self._written[vertex])
        self._written[vertex] = StateSpan(vertex, position, position, on_disk=True)

    def read(self, step: Read) -> None:
        vertex = step.vertex
        if vertex not in self._written:
            raise self._wrong(f"'{vertex}' cannot be read, for it is not on disk; expected a 'write' of it before.")
        self._written[vertex] = replace(self._written[vertex], last=self._position)
        if vertex != self.working:
            self._leave()
        self.working = vertex
        self._use(vertex)

    def _linearise(self, name: str) -> None:
        e = self._elemental(name)
        if e.source != self.working:
            where = f"'{name}' is linearised at '{e.source}', but the working state is '{self.working}'"
            raise self._wrong(f"{where}; expected the state of its source. Advance to it, or restore it, before.")
        self._use(self.working)

    def _elemental(self, name: str) -> Elemental:
        if name not in self._graph:
            raise self._wrong(f"'{name}' is no elemental of the problem.")
        return self._graph[name]

    def _wrong(self, what: str) -> PlanError:
        return PlanError(f"step {self._position}: {what}")

    def _use(self, vertex: str) -> None:
        span, position = self._open.get(vertex), self._position
        self._open[vertex] = StateSpan(vertex, position if span is None else span.first, position)

    def _leave(self) -> None:
        """Give up the working state, which is then gone unless it is stored."""
        if self.working not in self._stored and self.working in self._open:
            self.done.append(self._open.pop(self.working))


def spans(plan: Plan) -> list[StateSpan]:
    """Return the steps during which each state of a plan with state steps is alive.

    Raises
    ------
    PlanError
        Where the graph is not a chain, or a step lacks the state that it needs; the message names the step.
    """
    reason = plan.graph.not_a_chain
    if reason is not None:
        raise PlanError(f"states are evaluated, but {reason}; expected a chain. Plan without recomputation.")
    walk = StateWalk(plan.graph)
    for position, step in enumerate(plan.steps):
        require_step(position, step)
        walk.take(position, step)
    return walk.finish()
