"""The states of a chain that a plan evaluates itself: where each is alive, and that each is there when it is needed.

Without state steps the states x_0 ... x_q at which elementals are linearised are given and count nothing. With them
only the input x_0 is given. Whatever linearises an elemental (load, accumulate, propagate) needs the state of its
source to be the *working state*; `advance` evaluates one elemental and moves the working state on, `store` keeps it,
`restore` fetches what was stored, or the input, which is always at hand and counts nothing.

A state is alive from the step that makes it to its last use as the working state, and a stored one to its last
`restore`. Nothing is copied: a state that is stored and at work counts once, in elements, and an advance holds both of
its states. Evaluating is defined for chains alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainplan.errors import PlanError
from chainplan.plans.steps import Accumulate, Advance, Load, Plan, Propagate, Restore, Store
from chainplan.problem.graph import Graph


@dataclass(frozen=True)
class Span:
    """The state of a vertex is alive from step `first` to step `last`."""

    vertex: str
    first: int
    last: int


class Walk:
    """The working state and the stored ones, step by step."""

    def __init__(self, graph: Graph) -> None:
        self.given = graph.inputs[0]
        self.working = self.given
        self._graph = graph
        self._open: dict[str, Span] = {}
        """The span of the working state and of each stored one, by vertex."""
        self._stored: set[str] = set()
        self.done: list[Span] = []

    def take(self, position: int, step: object) -> str | None:
        """Take a step; what is wrong with it, None where nothing is."""
        match step:
            case Load(name) | Accumulate(name, _) | Propagate(name, _, _):
                return self._linearise(position, name)
            case Advance(name):
                return self._advance(position, name)
            case Store(vertex):
                return self._store(position, vertex)
            case Restore(vertex):
                return self._restore(position, vertex)
        return None

    def finish(self) -> list[Span]:
        """All spans, but those of the input."""
        return [span for span in (*self.done, *self._open.values()) if span.vertex != self.given]

    def _linearise(self, position: int, name: str) -> str | None:
        if name not in self._graph:
            return f"'{name}' is no elemental of the problem."
        source = self._graph[name].source
        if source != self.working:
            where = f"'{name}' is linearised at '{source}', but the working state is '{self.working}'"
            return f"{where}; expected the state of its source. Advance to it, or restore it, before."
        self._use(self.working, position)
        return None

    def _advance(self, position: int, name: str) -> str | None:
        if name not in self._graph:
            return f"'{name}' is no elemental of the problem."
        e = self._graph[name]
        if e.source != self.working:
            where = f"'{name}' starts at '{e.source}', but the working state is '{self.working}'"
            return f"{where}; expected to advance from where it is. Restore '{e.source}' before."
        self._use(self.working, position)
        self._leave()
        if e.target in self._stored:
            self.done.append(self._open.pop(e.target))
            self._stored.discard(e.target)
        self.working = e.target
        self._open[e.target] = Span(e.target, position, position)
        return None

    def _store(self, position: int, vertex: str) -> str | None:
        if vertex != self.working:
            return f"'{vertex}' cannot be stored, for the working state is '{self.working}'; expected that."
        self._use(vertex, position)
        self._stored.add(vertex)
        return None

    def _restore(self, position: int, vertex: str) -> str | None:
        if vertex != self.given and vertex not in self._stored:
            return f"'{vertex}' cannot be restored, for it is not stored; expected a 'store' of it before."
        if vertex != self.working:
            self._leave()
        self.working = vertex
        self._use(vertex, position)
        return None

    def _use(self, vertex: str, position: int) -> None:
        span = self._open.get(vertex)
        self._open[vertex] = Span(vertex, position if span is None else span.first, position)

    def _leave(self) -> None:
        """The working state is given up, and gone unless it is stored."""
        if self.working not in self._stored and self.working in self._open:
            self.done.append(self._open.pop(self.working))


def spans(plan: Plan) -> list[Span]:
    """Where each state of a plan with state steps is alive.

    Raises
    ------
    PlanError
        Naming the step, where the state that it needs is not there, or the graph is not a chain.
    """
    reason = plan.graph.not_a_chain
    if reason is not None:
        raise PlanError(f"states are evaluated, but {reason}; expected a chain. Plan without recomputation.")
    walk = Walk(plan.graph)
    for position, step in enumerate(plan.steps):
        wrong = walk.take(position, step)
        if wrong is not None:
            raise PlanError(f"step {position}: {wrong}")
    return walk.finish()
