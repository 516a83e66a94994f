"""Chains in which something repeats without a gap: its powers are made along addition chains, however long they are.

The repetitions are found in the chain itself: a period is a number of places by which a stretch of the chain can be
moved onto itself. The one that saves the most products is taken first, what it is a power of is reduced in the same
way, and what is left is a shorter chain, of powers and of single elementals, that is bracketed as every chain is. A
power that costs more than to multiply its factors one by one, onto a narrow block say, is taken apart again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from chainplan.plans.candidate import Candidate
from chainplan.plans.recorder import Recorder
from chainplan.plans.sharing import shared
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Elemental, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.addition_chains import addition_chain, binary_chain
from chainplan.solvers.chain.derivation import (
    ChainInterval,
    Derivation,
    ElementalDerivation,
    ProductDerivation,
    PropagationDerivation,
    leaf_options,
    sizes_of,
)
from chainplan.solvers.chain.hu_shing import optimal_products
from chainplan.solvers.chain.shared_sets import WordSets
from chainplan.solvers.chain.words import ChainWords, plain
from chainplan.structures import Block

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

MAX_PERIOD_WORK = 20_000_000
"""Places of the chain that are compared with those a period later, for all periods together."""
MAX_REDUCED_LENGTH = 200
"""Factors of the longest reduced chain in which equal products are looked for."""
MAX_TAKEN_APART = 8
"""Powers that are taken apart one by one."""


class Repetition(NamedTuple):
    """A stretch of a chain that is a power of its first `period` elementals."""

    start: int
    period: int
    times: int

    @property
    def end(self) -> int:
        """Where the stretch ends."""
        return self.start + self.period * self.times

    @property
    def saving(self) -> int:
        """The products that are saved where the power is made along the binary digits of the exponent."""
        return (self.times - 1) * self.period - len(binary_chain(self.times)) + 1


class BracketedWord(NamedTuple):
    """How a stretch of the chain is made: its factors, the derivation of each interval of them, block and price."""

    parts: Sequence[Repetition]
    derive: Callable[[ChainInterval], Derivation]
    block: Block
    price: int


class EqualPowers:
    """The powers in a chain, and the plans that make them.

    Parameters
    ----------
    problem : Problem
        A problem on a chain.
    going : Callable[[], bool]
        Whether there is time left.
    limited : bool
        Whether that is all that ends the search for equal products.
    """

    def __init__(self, problem: Problem, going: Callable[[], bool], limited: bool = False) -> None:
        self._problem, self._going, self._limited = problem, going, limited
        self._chain, self._cost = problem.graph.chain, problem.cost
        self._letters = letters_of(self._chain)
        self._exponents = addition_chain if problem.memory is None else binary_chain
        self._words: dict[Hashable, BracketedWord] = {}

    def candidate(self) -> Candidate | None:
        """The cheapest plan that is found; None where nothing repeats without a gap."""
        powers = repetitions(self._letters)
        if not powers:
            return None
        best = self._bracketed(0, len(self._chain), powers)
        narrow = len(set(sizes_of(self._chain))) > 1 or not self._problem.graph.explicit
        for power in sorted(powers, key=lambda power: -power.saving)[: MAX_TAKEN_APART if narrow else 0]:
            if len(powers) > 1 and self._going():
                fewer = [other for other in powers if other is not power]
                without = self._bracketed(0, len(self._chain), fewer)
                if without.price < best.price:
                    best, powers = without, fewer
        return shared(Candidate(_PowerWriter(self, self._problem).plan(best), self._cost))

    def word(self, start: int, period: int) -> BracketedWord:
        """How so many elementals from a place on are made, wherever they stand."""
        letters = self.key(start, period)
        if letters not in self._words:
            powers = [p._replace(start=p.start + start) for p in repetitions(self._letters[start : start + period])]
            self._words[letters] = self._bracketed(start, start + period, powers)
        return self._words[letters]

    def key(self, start: int, period: int) -> Hashable:
        """What equal words have in common."""
        return tuple(self._letters[start : start + period].tolist())

    def sums(self, exponent: int) -> Iterator[tuple[int, int, int]]:
        """The exponents through which a power is made, each with the two that it is the sum of."""
        before: list[int] = []
        for total in self._exponents(exponent):
            if total > 1:
                more = next(e for e in reversed(before) if total - e in before)
                yield total, more, total - more
            before.append(total)

    def _bracketed(self, start: int, end: int, powers: Sequence[Repetition]) -> BracketedWord:
        """Bracket a stretch of the chain of which these powers are factors; starts count from its own."""
        parts, blocks, prices, place = list[Repetition](), list[Block](), list[int](), start
        for power in (*sorted(powers), Repetition(end, 1, 1)):
            singles = [Repetition(i, 1, 1) for i in range(place, power.start)]
            parts += singles
            for single in singles:
                blocks.append(self._chain[single.start].block)
                prices.append(min(price for price, _ in leaf_options(self._chain, single.start, self._cost)))
            if power.start == end:
                break
            block, price = self._power(power)
            parts.append(power)
            blocks.append(block)
            prices.append(price)
            place = power.end
        derive, price = self._derived(parts, blocks, prices)
        whole = blocks[0]
        for block in blocks[1:]:
            whole = block.times(whole)
        moved = [part._replace(start=part.start - start) for part in parts]
        return BracketedWord(moved, derive, whole, price)

    def _power(self, power: Repetition) -> tuple[Block, int]:
        """The block of a power and what it costs."""
        word = self.word(power.start, power.period)
        blocks, price = {1: word.block}, word.price
        for total, more, less in self.sums(power.times):
            blocks[total] = blocks[more].times(blocks[less])
            price += self._cost.multiply(blocks[more], blocks[less], blocks[total])
        return blocks[power.times], price

    def _derived(
        self, parts: Sequence[Repetition], blocks: Sequence[Block], prices: Sequence[int]
    ) -> tuple[Callable[[ChainInterval], Derivation], int]:
        """How each interval of factors is made, and what all of them cost together.

        Where they are too many for the words of them, equal products are left to be found in the plan.
        """
        chain, firsts = list[Elemental](), dict[Hashable, str]()
        for part, block in zip(parts, blocks, strict=True):
            if part.times == part.period == 1:
                chain.append(self._chain[part.start])
                continue
            name = f"\0power {part.start}"
            first = firsts.setdefault((self.key(part.start, part.period), part.times), name)
            ends = self._chain[part.start].source, self._chain[part.end - 1].target
            chain.append(Elemental(name, *ends, block, values=None if first == name else first))
        if len(chain) <= MAX_REDUCED_LENGTH:
            words = ChainWords(tuple(chain), self._cost, prices)
            if words.refusal is None:
                sets = WordSets(words, self._going, words.floors[words.root], self._limited)
                sets.improve()
                made, number = sets.made, words.number
                return (lambda place: words.derivation(place, made[number[place]])), sets.cost
        price = sum({e.kind: price for e, price in zip(chain, prices, strict=True)}.values())
        splits = dict[ChainInterval, int]()
        if plain(chain, self._cost):
            sizes = sizes_of(chain)
            for i, k, j in optimal_products(sizes):
                splits[i, j] = k
                price += sizes[i] * sizes[k] * sizes[j]
        else:
            block = blocks[0]
            for k, factor in enumerate(blocks[1:], 1):
                splits[0, k + 1] = k
                product = factor.times(block)
                price += self._cost.multiply(factor, block, product)
                block = product

        def derive(place: ChainInterval) -> Derivation:
            i, j = place
            return ElementalDerivation(i) if j - i == 1 else ProductDerivation((splits[place], j), (i, splits[place]))

        return derive, price


class _PowerWriter:
    """Writes the steps of a plan in which every power is made once, and stands again wherever else it is needed."""

    def __init__(self, powers: EqualPowers, problem: Problem) -> None:
        self._powers, self._graph = powers, problem.graph
        self._chain, self._cost = problem.graph.chain, problem.cost
        self._recorder = Recorder(problem.graph)
        self._known: dict[tuple[Hashable, int], tuple[int, int]] = {}

    def plan(self, word: BracketedWord) -> Plan:
        """The plan of the whole chain."""
        whole = self._word(word, 0)
        return self._recorder.plan([(self._graph.outputs[0], self._graph.inputs[0], whole)])

    def _word(self, word: BracketedWord, at: int) -> int:
        """Write the steps of a word at a place; the walk keeps its own stack, as brackets may be nested deeply."""
        done, todo = list[int](), [((0, len(word.parts)), False)]
        while todo:
            place, ready = todo.pop()
            node = word.derive(place)
            match node:
                case ProductDerivation(left, right):
                    if ready:
                        factor = done.pop()
                        done.append(self._recorder.multiply(factor, done.pop()))
                    else:
                        todo += [(place, True), (left, False), (right, False)]  # type: ignore[list-item]
                case PropagationDerivation(position, mode, arg):
                    if ready:
                        name = self._chain[at + word.parts[position].start].name
                        done.append(self._recorder.propagate(name, done.pop(), mode))
                    else:
                        todo += [(place, True), (arg, False)]  # type: ignore[list-item]
                case _:
                    part = word.parts[place[0]]
                    done.append(self._power(at + part.start, part.period, part.times))
        return done.pop()

    def _power(self, start: int, period: int, times: int) -> int:
        """Write a power that stands at a place, and before it the powers through which it is made."""
        for total, more, less in self._powers.sums(times):
            key = self._powers.key(start, period), total
            if key not in self._known:
                right = self._stands(start, period, more)
                left = self._stands(start + more * period, period, less)
                self._known[key] = self._recorder.multiply(left, right), start
        return self._stands(start, period, times)

    def _stands(self, start: int, period: int, times: int) -> int:
        """Write that a power which is known stands at a place; only words themselves are made here."""
        if period == times == 1:
            return self._single(start)
        key = self._powers.key(start, period), times
        if key not in self._known:
            self._known[key] = self._word(self._powers.word(start, period), start), start
        return self._again(key, start, start + period * times)

    def _again(self, key: tuple[Hashable, int], start: int, end: int) -> int:
        """Write that a block which is known stands at a place, unless that is where it was made."""
        handle, first = self._known[key]
        ends = self._chain[start].source, self._chain[end - 1].target
        return handle if first == start else self._recorder.again(handle, *ends)

    def _single(self, position: int) -> int:
        """Write the block of an elemental, once for equal ones where it is accumulated."""
        e = self._chain[position]
        if e.explicit:
            return self._recorder.load(e.name)
        key = e.kind, 0
        if key not in self._known:
            mode = min(leaf_options(self._chain, position, self._cost), key=lambda leaf: leaf[0])[1].mode
            assert isinstance(mode, Mode), "an elemental that is not explicit is accumulated"
            self._known[key] = self._recorder.accumulate(e.name, mode), position
        return self._again(key, position, position + 1)


def letters_of(chain: Sequence[Elemental]) -> Array:
    """A number for each factor of a chain, the same for equal ones."""
    import numpy as np

    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(e.kind, len(numbers)) for e in chain])


def repetitions(letters: Array) -> list[Repetition]:
    """Powers in a word that do not overlap, those that save most products first taken, in order."""
    import numpy as np

    heap = [(-power.saving, power.start, power) for power in _all_repetitions(letters) if power.saving > 0]
    heapify(heap)
    free, taken = np.ones(len(letters), bool), list[Repetition]()
    while heap:
        power = heappop(heap)[2]
        if free[power.start : power.end].all():
            free[power.start : power.end] = False
            taken.append(power)
            continue
        for start, length in _stretches(free[power.start : power.end]):
            rest = Repetition(power.start + start, power.period, length // power.period)
            if rest.times > 1 and rest.saving > 0:
                heappush(heap, (-rest.saving, rest.start, rest))
    return sorted(taken)


def _all_repetitions(letters: Array) -> Iterator[Repetition]:
    """The longest repetitions of each period that is looked at."""
    count = len(letters)
    most = min(count // 2, MAX_PERIOD_WORK // max(1, count))
    whole = _period(letters.tolist())
    for period in (*range(1, most + 1), *([whole] if most < whole <= count // 2 else [])):
        for start, length in _stretches(letters[period:] == letters[:-period]):
            if length >= period:
                yield Repetition(start, period, length // period + 1)


def _stretches(mask: Array) -> Iterator[tuple[int, int]]:
    """Where a mask is true: the start and the length of each stretch."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    for start, end in edges.reshape(-1, 2).tolist():
        yield start, end - start


def _period(letters: Sequence[int]) -> int:
    """The smallest period of a whole word, by its longest border (Knuth, Morris & Pratt 1977)."""
    border = [0] * len(letters)
    for i in range(1, len(letters)):
        length = border[i - 1]
        while length and letters[i] != letters[length]:
            length = border[length - 1]
        border[i] = length + (letters[i] == letters[length])
    return len(letters) - border[-1] if letters else 0
