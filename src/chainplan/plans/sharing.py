"""Lets a plan compute equal blocks once: whatever it makes again of equal elementals stands again instead.

Every block is a sum of products, and two blocks are equal that are the same products of equal elementals, however they
are bracketed. The steps are numbered by the values of their blocks (Cocke & Schwartz 1970, *Programming Languages and
Their Compilers*, chapter 5). The value of a product is a fingerprint of its factors (Karp & Rabin 1987), which costs
the same however long it is. A step whose number is known becomes `Again`, at no price, and what was read by it alone
is dropped. So the plan that results computes the same Jacobian and costs no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates
from chainplan.plans.places import MAX_AGAIN_DEPTH, BlockPlaces, moved_to
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Decompress,
    Load,
    Multiply,
    Plan,
    ProductProgram,
    Propagate,
    Seed,
    Step,
)
from chainplan.plans.typed import SIDE_ENDS, Typed
from chainplan.problem.graph import Graph, Mode

_PLACELESS = frozenset(SIDE_ENDS.values())
"""What stands for a vertex of blocks that weights or directions are in, which are given at one place."""
FINGERPRINT_PRIME = (1 << 127) - 1
FINGERPRINT_BASE = 0x5DEECE66D1234567F1CA6B39E4D2A71B
"""The point at which the numbers of the factors of a product are evaluated as the coefficients of a polynomial."""


def _placed(typed: Typed) -> bool:
    """Say whether a block lies between two vertices, so that it may stand elsewhere: both its column sides at one."""
    second = typed.second
    if typed.special is not None and (second is None or second.right != typed.source):
        return False
    return _PLACELESS.isdisjoint(typed[:2])


class BlockValue(NamedTuple):
    """A fingerprint of the factors of a block, right ones first: kinds of elementals, and sums in brackets.

    `scale` is the power of the base by which a fingerprint before it is moved.
    """

    sum: int = 0
    scale: int = 1

    def then(self, left: BlockValue) -> BlockValue:
        """Return the value of the product with what stands to the left of this block."""
        moved = self.sum * left.scale + left.sum
        return BlockValue(moved % FINGERPRINT_PRIME, self.scale * left.scale % FINGERPRINT_PRIME)


def shared(candidate: Candidate) -> Candidate:
    """Return the plan with equal blocks computed once.

    Parameters
    ----------
    candidate : Candidate
        A plan that replays.

    Returns
    -------
    Candidate
        The same plan where no elementals are equal, where it evaluates states, or where nothing is made twice. Of
        products with vectors the set-up alone changes.
    """
    plan = candidate.plan
    if not plan.graph.shares or evaluates(plan.steps):
        return candidate
    steps = _Sharing(candidate)
    steps.rewrite()
    return candidate if tuple(steps.steps) == plan.steps else Candidate(steps.plan(), candidate.cost)


class _Sharing:
    """The steps of a plan, written anew."""

    def __init__(self, candidate: Candidate) -> None:
        self._plan, self._typed = candidate.plan, candidate.replay.blocks
        self._graph: Graph = candidate.plan.graph
        self._chain = self._graph.not_a_chain is None
        self._order = {vertex: i for i, vertex in enumerate(self._graph.order)}
        self._before = BlockPlaces(self._graph, candidate.plan.steps)
        self.steps: list[Step] = []
        self._after = BlockPlaces(self._graph, self.steps)
        self._place: dict[int, int] = {}
        self._known: dict[BlockValue, int] = {}
        self._numbers: dict[Hashable, int] = {}
        self._terms: dict[BlockValue, Counter[BlockValue]] = {}

    def rewrite(self) -> None:
        """Write all steps that are still read."""
        values: list[BlockValue] = []
        for position, step in enumerate(self._plan.steps):
            value = self._value(step, values)
            values.append(value)
            typed = self._typed[position]
            own = isinstance(step, Load | LoadSecond) or not _placed(typed)
            if not own and value in self._known and self._stands_again(position, self._known[value]):
                continue
            self._place[position] = len(self.steps)
            self.steps.append(step.renumbered(self._place))
            if not own:
                self._known.setdefault(value, position)
        self._drop_unread()

    def _stands_again(self, position: int, first: int) -> bool:
        """Let the block of a step be that of the first step with its value, where that is possible."""
        typed, place = self._typed[position], self._place[first]
        if self._stands_at(position, first):
            self._place[position] = place
            return True
        if self._after.depth(place) >= MAX_AGAIN_DEPTH or not self._movable(position, place):
            return False
        self._place[position] = len(self.steps)
        self.steps.append(Again(place, typed.source, typed.target))
        return True

    def _stands_at(self, position: int, first: int) -> bool:
        """Say whether the blocks of two steps of equal value are made of the same elementals."""
        one, other = self._typed[position], self._typed[first]
        if (one.source, one.target) != (other.source, other.target):
            return False
        return self._chain or set(self._before.made_of(position)) == set(self._before.made_of(first))

    def _movable(self, position: int, place: int) -> bool:
        """Say whether a block made at `place` stands again for the elementals of a step; in a chain it does."""
        if self._chain:
            return True
        typed = self._typed[position]
        parts = [self._graph[name] for name in self._after.made_of(place)]
        moved = moved_to(self._graph, parts, typed.source, typed.target, self._order)
        return moved is not None and set(moved.values()) == set(self._before.made_of(position))

    def _value(self, step: Step, values: Sequence[BlockValue]) -> BlockValue:
        match step:
            case Load(name) | Accumulate(name, _):
                return self._elemental(name)
            case Propagate(name, arg, mode):
                own = self._elemental(name)
                return values[arg].then(own) if mode is Mode.TANGENT else own.then(values[arg])
            case Multiply(left, right, onto):
                product = values[right].then(values[left])
                return product if onto is None else self._sum(values[onto], product)
            case Add(left, right):
                return self._sum(values[left], values[right])
            case Decompress():
                return values[step.operands()[0]]
            case Again(arg):
                return values[arg]
            case Seed():
                return BlockValue()
            case LoadSecond(name) if name in self._graph.declared:
                return self._factor(("second", self._graph[name].first))
            case ApplySecond(name, mode):
                args = tuple(None if arg is None else values[arg] for arg in step[2:5])
                return self._factor(("applied", self._graph[name].first, mode, args))
            case Contract(second, block, side, _, onto):
                made = self._factor(("contracted", values[second], values[block], side))
                return made if onto is None else self._sum(values[onto], made)
            case Exchange(second):
                return self._factor(("exchanged", values[second]))
            case LoadSecond() | Given():
                return self._factor(("of its own", len(values)))
        raise AssertionError("states are not evaluated, and no vectors are multiplied")

    def _elemental(self, name: str) -> BlockValue:
        return self._factor(self._graph[name].kind)

    def _factor(self, key: Hashable) -> BlockValue:
        """Return the value of a single factor; no number is zero, which would not count in a fingerprint."""
        return BlockValue(self._numbers.setdefault(key, len(self._numbers) + 1), FINGERPRINT_BASE)

    def _sum(self, one: BlockValue, other: BlockValue) -> BlockValue:
        """Return the value of a sum: its terms, in whatever order and brackets, as one factor."""
        terms = self._terms.get(one, Counter((one,))) + self._terms.get(other, Counter((other,)))
        value = self._factor(frozenset(terms.items()))
        self._terms[value] = terms
        return value

    def _drop_unread(self) -> None:
        """Leave out the steps that nothing reads any more."""
        count = len(self._plan.steps)
        programs = self._plan.programs
        ends = [*self._plan.ends]
        ends += [arg for program in programs for step in program.steps for arg in step.operands() if arg < count]
        ends += [result.step for program in programs for result in program.results if result.step < count]
        read = {self._place[end] for end in ends}
        for position in range(len(self.steps) - 1, -1, -1):
            if position in read:
                read.update(self.steps[position].operands())
        kept = sorted(read)
        where = {old: new for new, old in enumerate(kept)}
        self.steps[:] = [self.steps[old].renumbered(where) for old in kept]
        self._place = {p: where[new] for p, new in self._place.items() if new in where}

    def plan(self) -> Plan:
        """Return the plan of the steps."""
        outputs = tuple(output._replace(step=self._place[output.step]) for output in self._plan.outputs)
        seconds = tuple(output._replace(step=self._place[output.step]) for output in self._plan.second_outputs)
        programs = tuple(map(self._renumbered, self._plan.programs))
        return Plan(self._graph, tuple(self.steps), outputs, programs, seconds, self._plan.second)

    def _renumbered(self, program: ProductProgram) -> ProductProgram:
        """Number a program on after the steps of the set-up that are left."""
        before, after = len(self._plan.steps), len(self.steps)
        place = self._place | {before + i: after + i for i in range(len(program.steps))}
        results = tuple(result._replace(step=place[result.step]) for result in program.results)
        return replace(program, steps=tuple(step.renumbered(place) for step in program.steps), results=results)
