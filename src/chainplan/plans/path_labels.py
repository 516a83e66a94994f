"""Random labels of elementals, carried along the steps of a plan and, for comparison, along the paths of its graph.

The field is GF(p) for a prime p drawn anew for each check rather than the fixed GF(2^61 - 1): a plan that adds a block
to itself 61 times multiplies it by 2^61, which *is* 1 in that field.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from chainplan.errors import PlanError
from chainplan.plans.places import BlockPlaces
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
    ProductProgram,
    Propagate,
    Seed,
)
from chainplan.problem.graph import Graph
from chainplan.structures.second import Side

LABEL_BITS = 60
"""Python holds numbers of up to so many bits in two words, and multiplies them faster than longer ones."""


def drawn_labels(graph: Graph, prime: int) -> dict[str, int]:
    """Draw the label of each elemental, 0 for one without entries."""
    words = array("Q", secrets.token_bytes(8 * len(graph.elementals)))
    return {
        e.name: 0 if e.block.structure.name == "zero" or not e.block.rows * e.block.cols else 1 + word % (prime - 1)
        for e, word in zip(graph.elementals, words, strict=True)
    }


def carried(
    plan: Plan,
    labels: Mapping[str, int],
    prime: int,
    program: ProductProgram | None = None,
    weights: Mapping[str, int] | None = None,
    given: Mapping[tuple[str, Side], int] | None = None,
) -> Sequence[int]:
    """Carry the labels through the steps of a plan and of a program, with those of vectors and of what is given."""
    steps = plan.steps if program is None else (*plan.steps, *program.steps)
    walk = _Labels(labels, prime, BlockPlaces(plan.graph, steps), weights or {}, given or {})
    for step in steps:
        walk.held.append(step.accept(walk))
    return walk.held


class _Labels(Interpreter[int]):
    """What a step's block holds: the sum over paths of the products of labels, modulo a prime.

    A block that stands again elsewhere holds what its steps would make of the labels there. So labels stay independent,
    and two products of the same elementals in another order, or on other paths, are never taken for one another.
    """

    def __init__(
        self,
        labels: Mapping[str, int],
        prime: int,
        places: BlockPlaces,
        weights: Mapping[str, int],
        given: Mapping[tuple[str, Side], int],
    ) -> None:
        self.held = array("Q")
        self._given = given
        self._labels, self._prime, self._places, self._weights = labels, prime, places, weights
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}

    def load(self, step: Load) -> int:
        return self._labels[step.elemental]

    def accumulate(self, step: Accumulate) -> int:
        return self._labels[step.elemental]

    def propagate(self, step: Propagate) -> int:
        return self._labels[step.elemental] * self.held[step.arg] % self._prime

    def multiply(self, step: Multiply) -> int:
        left, right, onto = step
        held = self.held
        return (held[left] * held[right] + (0 if onto is None else held[onto])) % self._prime

    def add(self, step: Add) -> int:
        return (self.held[step.left] + self.held[step.right]) % self._prime

    def seed(self, step: Seed) -> int:
        return 1

    def decompress(self, step: Decompress) -> int:
        sums = {self.held[arg] for arg in step.operands()}
        if len(sums) > 1:
            text = "its tangent and its adjoint are compressions of two different sums of paths"
            raise PlanError(f"step {len(self.held)}: {text}; expected the same.")
        return sums.pop()

    def direction(self, step: Direction) -> int:
        return self._weights[step.vertex]

    def again(self, step: Again) -> int:
        moved = self._places.moved(len(self.held))
        assert moved is not None, "replay refuses a block without a place"
        return self._elsewhere(step.arg, {name: self._labels[there] for name, there in moved.items()})

    def _elsewhere(self, position: int, labels: Mapping[str, int]) -> int:
        """Return what a step holds where the elementals in it have these labels."""
        key = position, tuple(labels[name] for name in self._places.made_of(position))
        if key not in self._known:
            moved = _MovedLabels(self, labels)
            for place in self._places.steps_of(position):
                moved.at = place
                moved.held[place] = self._places.steps[place].accept(moved)
            self._known[key] = moved.held[position]
        return self._known[key]

    def load_second(self, step: LoadSecond) -> int:
        return 0

    def apply_second(self, step: ApplySecond) -> int:
        return 0

    def contract(self, step: Contract) -> int:
        return 0

    def exchange(self, step: Exchange) -> int:
        return 0

    def given(self, step: Given) -> int:
        return self._given[step.vertex, step.side]

    def advance(self, step: Advance) -> int:
        return 0

    def store(self, step: Store) -> int:
        return 0

    def restore(self, step: Restore) -> int:
        return 0

    def write(self, step: Write) -> int:
        return 0

    def read(self, step: Read) -> int:
        return 0


class _MovedLabels(_Labels):
    """What the steps of one block hold where its elementals have other labels."""

    held: dict[int, int]  # type: ignore[assignment]

    def __init__(self, whole: _Labels, labels: Mapping[str, int]) -> None:
        self.held, self.at = {}, 0
        self._labels, self._prime, self._places, self._known = labels, whole._prime, whole._places, whole._known
        self._weights, self._given = whole._weights, whole._given

    def again(self, step: Again) -> int:
        moved = self._places.moved(self.at) or {}
        return self._elsewhere(step.arg, {name: self._labels[there] for name, there in moved.items()})


def substituted(graph: Graph, labels: Mapping[str, int], weights: Mapping[str, int], prime: int) -> dict[str, int]:
    """Sum the products of labels over all paths from the weighted inputs to each output, in one pass over the edges.

    What leads to a vertex is dropped when the edges from it have taken it on.
    """
    held, outputs = dict(weights), frozenset(graph.outputs)
    for source, edges in groupby(graph.by_source, attrgetter("source")):
        value = held.get(source) if source in outputs else held.pop(source, None)
        if value is not None:
            for e in edges:
                held[e.target] = (held.get(e.target, 0) + value * labels[e.name]) % prime
    return held


def substituted_back(graph: Graph, labels: Mapping[str, int], weights: Mapping[str, int], prime: int) -> dict[str, int]:
    """Sum the products of labels over all paths from each input to the weighted outputs, in one pass over the edges."""
    held = dict(weights)
    for e in reversed(graph.by_source):
        held[e.source] = (held.get(e.source, 0) + held.get(e.target, 0) * labels[e.name]) % prime
    return held


def random_prime() -> int:
    """Draw a random prime of `LABEL_BITS` bits."""
    while True:
        candidate = secrets.randbits(LABEL_BITS) | 1 << (LABEL_BITS - 1) | 1
        if is_prime(candidate):
            return candidate


def is_prime(n: int) -> bool:
    """Decide primality by Miller-Rabin with the first twelve primes, exact below 3·10^23 (Sorenson & Webster 2017)."""
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
    if any(n % b == 0 for b in bases):
        return n in bases
    s = (n - 1 & 1 - n).bit_length() - 1
    for b in bases:
        x = pow(b, n - 1 >> s, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True
