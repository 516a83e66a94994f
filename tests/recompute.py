"""Chains that evaluate their states: every nested plan, straight from the definition.

`written` writes out each plan of the space that `chainplan.solvers.checkpoint.grammar` describes, one after the other,
as nested sentences; cost and memory are what the replayer says of it. Nothing is shared with the solver.
`tests.oracles.recompute` knows nothing of that space.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from chainplan.plans.replay import replay
from chainplan.plans.state_steps import Advance, Restore, StateStep, Store
from chainplan.plans.steps import Accumulate, Load, Multiply, Output, Plan, Propagate, Step
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem

# Every nested plan

Sentence = tuple[tuple[str, object], ...]
"""("at", i): state i must be at work; ("go", i): evaluate elemental i; ("make" | "times" | ..., what): a block step."""


def written(problem: Problem) -> list[tuple[int, int]]:
    """All (peak, cost) that no nested plan beats in both, by replaying each of them."""
    plans = _Plans(problem)
    found = {(r.peak, r.total) for sentence in plans.make(0, plans.q) for r in [replay(plans.plan(sentence))]}
    return [p for p in sorted(found) if not any(o[0] <= p[0] and o[1] <= p[1] and o != p for o in found)]


class _Plans:
    def __init__(self, problem: Problem) -> None:
        self.graph, self.chain = problem.graph, problem.graph.chain
        self.q = len(self.chain)

    def make(self, i: int, j: int) -> Iterator[Sentence]:
        if j == i + 1:
            yield from self.leaf(i)
        for k in range(i + 1, j):
            go = self.go(i, k)
            for inner, rest in product(self.make(k, j), self.left(i, k, j)):
                yield go + inner + rest
            for inner, rest in product(self.make_on(i, k), self.right(i, k, j, False)):
                yield inner + rest

    def make_on(self, i: int, j: int) -> Iterator[Sentence]:
        if j == i + 1:
            for leaf in self.leaf(i):
                yield leaf + self.go(i, j)
        for k in range(i + 1, j):
            for inner, rest in product(self.make_on(i, k), self.right(i, k, j, True)):
                yield inner + rest
        if i == 0 and j > 1:
            for inner in self.make(0, j):
                yield inner + self.go(0, j)
        if i > 0 and j > i + 1:
            for inner in self.make(i, j):
                yield (*self.go(i, j), *inner, ("at", j))
        for k in range(i + 1, j):
            for inner, rest in product(self.make_on(k, j), self.left(i, k, j)):
                yield (*self.go(i, k), *inner, *rest, ("at", j))

    def left(self, i: int, k: int, j: int) -> Iterator[Sentence]:
        if k == i + 1 and self.chain[i].adjoint is not None:
            yield (("at", i), ("adjoint", (i, j)))
        for inner in self.make(i, k):
            yield (*inner, ("times", (i, k, j)))
        for middle in range(i + 1, k):
            go = self.go(i, middle)
            for first, second in product(self.left(middle, k, j), self.left(i, middle, j)):
                yield go + first + second

    def right(self, i: int, k: int, j: int, on: bool) -> Iterator[Sentence]:
        times = (("times", (i, k, j)),)
        onward = self.go(k, j) if on else ()
        if k == j - 1:
            if self.chain[k].tangent is not None:
                yield (("at", k), ("tangent", (i, j)), *onward)
            for leaf in self.leaf(k) if on else ():
                yield leaf + times + onward
        for inner in self.make_on(k, j) if on else self.make(k, j):
            yield inner + times
        for middle in range(k + 1, j):
            for first, second in product(self.right(i, k, middle, True), self.right(i, middle, j, on)):
                yield first + second

    def leaf(self, i: int) -> Iterator[Sentence]:
        e = self.chain[i]
        modes = [None] if e.explicit else [mode for mode in Mode if e.per_vector(mode) is not None]
        return ((("at", i), ("leaf", (i, mode))) for mode in modes)

    def go(self, i: int, k: int) -> Sentence:
        return (("at", i), *(("go", a) for a in range(i, k)))

    def plan(self, sentence: Sentence) -> Plan:
        """The steps of a sentence; a state is stored where it is reached if it is asked for again later."""
        vertices = [self.graph.inputs[0], *(e.target for e in self.chain)]
        steps: list[Step] = []
        held: dict[tuple[int, int], int] = {}
        working = 0
        for place, (word, what) in enumerate(sentence):
            match word, what:
                case "at", int(i):
                    if i != working:
                        steps.append(Restore(vertices[i]))
                    working = i
                case "go", int(i):
                    steps.append(Advance(self.chain[i].name))
                    working = i + 1
                    if self._again(sentence[place + 1 :], working):
                        steps.append(Store(vertices[working]))
                case "leaf", (int(i), mode):
                    name = self.chain[i].name
                    held[i, i + 1] = len(steps)
                    steps.append(Accumulate(name, mode) if isinstance(mode, Mode) else Load(name))
                case "adjoint", (int(i), int(j)):
                    steps.append(Propagate(self.chain[i].name, held[i + 1, j], Mode.ADJOINT))
                    held[i, j] = len(steps) - 1
                case "tangent", (int(i), int(j)):
                    steps.append(Propagate(self.chain[j - 1].name, held[i, j - 1], Mode.TANGENT))
                    held[i, j] = len(steps) - 1
                case "times", (int(i), int(k), int(j)):
                    steps.append(Multiply(held[k, j], held[i, k]))
                    held[i, j] = len(steps) - 1
        output = Output(self.graph.outputs[0], self.graph.inputs[0], held[0, self.q])
        return Plan(self.graph, tuple(steps), (output,))

    def _again(self, rest: Sentence, state: int) -> bool:
        """Whether a state that is at work now is asked for after another was, before it is evaluated anew."""
        working = state
        for word, what in rest:
            if word == "at":
                if what == state and working != state:
                    return True
                working = what  # type: ignore[assignment]
            elif word == "go":
                working = what + 1  # type: ignore[operator]
                if working == state:
                    return False
        return False


def moves(plan: Plan) -> int:
    """How many steps of a plan move states."""
    return sum(isinstance(step, StateStep) for step in plan.steps)
