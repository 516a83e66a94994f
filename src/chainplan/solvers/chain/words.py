"""The distinct words of a chain of which some factors are equal, and the ways to make each from shorter ones.

A word is the sequence of factors in an interval. Equal words have equal blocks and cost the same however they are made,
so whatever is asked of intervals is asked of words: a power of one factor has q words, and not q² / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from chainplan.problem.cost import CostModel, Fma
from chainplan.problem.graph import Elemental, Mode
from chainplan.solvers.chain.addition_chains import least_products
from chainplan.solvers.chain.derivation import (
    ChainInterval,
    Derivation,
    ProductDerivation,
    PropagationDerivation,
    leaf_options,
    sizes_of,
)
from chainplan.structures import Block, Dense

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

MAX_WORD_CHAIN_LENGTH = 1000
"""Factors of the longest chain whose words are looked at."""
MAX_WORD_OPTIONS = 2_000_000
"""The most ways to make all words of a chain of dense factors together."""
MAX_PRICED_OPTIONS = 100_000
"""The same where each product is priced one by one."""

TANGENT, ADJOINT = -1, -2
"""What stands for the place of a split where a word is made by a propagation."""
FREE = 0
"""The word that costs nothing: that of a factor whose block is given."""


class WordOption(NamedTuple):
    """A way to make a word: its price, the words that it reads, and the split, counted from the start of the word."""

    price: int
    reads: tuple[int, ...]
    split: int


def plain(chain: Sequence[Elemental], cost: CostModel) -> bool:
    """Whether all factors are given dense, so that a product costs the product of three sizes."""
    return isinstance(cost, Fma) and all(e.explicit and isinstance(e.block.structure, Dense) for e in chain)


class ChainWords:
    """The words of a chain: numbers from 1, by length, and for each one the interval where it stands first.

    Parameters
    ----------
    chain : tuple[Elemental, ...]
        The elementals in evaluation order.
    cost : CostModel
        The prices of steps.
    leaves : Sequence[int] | None
        What the block of each elemental costs where that is not what it costs to load or accumulate it.
    """

    def __init__(self, chain: tuple[Elemental, ...], cost: CostModel, leaves: Sequence[int] | None = None) -> None:
        self.chain, self.q, self._cost, self._leaves = chain, len(chain), cost, leaves
        self.number: dict[ChainInterval, int] = {}
        self.first: list[ChainInterval] = [(0, 0)]
        self.places: list[list[int]] = [[]]
        self.lengths: list[int] = [0]
        letters: dict[object, int] = {}
        kinds = [letters.setdefault(e.kind, len(letters)) for e in chain]
        for length in range(1, self.q + 1):
            known: dict[tuple[int, int], int] = {}
            for i in range(self.q - length + 1):
                j = i + length
                key = (self.number[i, j - 1] if length > 1 else 0, kinds[j - 1])
                if key not in known:
                    known[key] = len(self.first)
                    self.first.append((i, j))
                    self.places.append([])
                    self.lengths.append(length)
                self.number[i, j] = known[key]
                self.places[known[key]].append(i)
        self.count = len(self.first)
        self.root = self.number[0, self.q]

    @property
    def option_count(self) -> int:
        """How many ways there are to make all words, about."""
        return sum(self.lengths)

    @property
    def refusal(self) -> str | None:
        """Why not all ways to make all words can be priced, None where they can."""
        fits = self.option_count <= (MAX_WORD_OPTIONS if self.plain else MAX_PRICED_OPTIONS)
        return None if fits else "the chain has too many different words"

    @property
    def plain(self) -> bool:
        """Whether all factors are given dense, so that a product costs the product of three sizes."""
        return plain(self.chain, self._cost)

    def repeats(self, word: int) -> bool:
        """Whether a word stands at two places that do not overlap, so that it may be read twice."""
        places = self.places[word]
        return places[-1] - places[0] >= self.lengths[word]

    @cached_property
    def options(self) -> list[list[WordOption]]:
        """The ways to make each word, in the order that breaks ties: tangent, adjoint, products by split."""
        options: list[list[WordOption]] = [[]]
        blocks = None if self.plain else self._blocks()
        sizes = sizes_of(self.chain)
        for word in range(1, self.count):
            i, j = self.first[word]
            if j - i == 1:
                known = self._leaves is not None and self._leaves[i]
                price = known or min(price for price, _ in leaf_options(self.chain, i, self._cost))
                options.append([WordOption(price, (), 0)])
                continue
            ways = [] if blocks is None else self._propagations(i, j, blocks)
            for k in range(i + 1, j):
                left, right = self.number[k, j], self.number[i, k]
                if blocks is None:
                    price = sizes[i] * sizes[k] * sizes[j]
                else:
                    price = self._cost.multiply(blocks[left], blocks[right], blocks[word])
                ways.append(WordOption(price, (left, right), k - i))
            options.append(ways)
        return options

    def _blocks(self) -> list[Block]:
        blocks = [self.chain[0].block]
        for i, j in self.first[1:]:
            last = self.chain[j - 1].block
            blocks.append(last if j - i == 1 else last.times(blocks[self.number[i, j - 1]]))
        return blocks

    def _propagations(self, i: int, j: int, blocks: list[Block]) -> list[WordOption]:
        """The last elemental applied to the rest of a word, and the first one."""
        first, last, ways = self.chain[i], self.chain[j - 1], list[WordOption]()
        if last.tangent is not None:
            arg = self.number[i, j - 1]
            ways.append(WordOption(self._cost.propagate(last, blocks[arg], Mode.TANGENT), (arg,), TANGENT))
        if first.adjoint is not None:
            arg = self.number[i + 1, j]
            ways.append(WordOption(self._cost.propagate(first, blocks[arg], Mode.ADJOINT), (arg,), ADJOINT))
        return ways

    @cached_property
    def least(self) -> list[int]:
        """The price of the cheapest last step of each word."""
        return [min((option.price for option in ways), default=0) for ways in self.options]

    @cached_property
    def floors(self) -> list[int]:
        """A bound on each word, whatever is at hand but single factors: a power takes so many products, or its last."""
        longer = [w for w in range(1, self.count) if self.lengths[w] > 1]
        each = min((self.least[w] for w in longer), default=0)
        floors = list(self.least)
        for w in longer:
            floors[w] = max(floors[w], each * least_products(self.lengths[w]))
        return floors

    def derivation(self, interval: ChainInterval, option: WordOption) -> Derivation:
        """How an interval is made by an option of its word."""
        i, j = interval
        if j - i == 1:
            return min(leaf_options(self.chain, i, self._cost), key=lambda leaf: leaf[0])[1]
        if option.split == TANGENT:
            return PropagationDerivation(j - 1, Mode.TANGENT, (i, j - 1))
        if option.split == ADJOINT:
            return PropagationDerivation(i, Mode.ADJOINT, (i + 1, j))
        k = i + option.split
        return ProductDerivation((k, j), (i, k))


class WordPrices:
    """Prices of all words where some are at hand, by one pass over arrays."""

    def __init__(self, words: ChainWords) -> None:
        import numpy as np

        self.words, options = words, words.options
        flat = [option for ways in options for option in ways]
        most = sum(max((option.price for option in ways), default=0) for ways in options)
        dtype = np.dtype(np.int64 if 4 * (words.q + 1) * most < 1 << 62 else object)
        self._price = np.array([option.price for option in flat], dtype)
        self._reads = [
            np.array([option.reads[side] if len(option.reads) > side else FREE for option in flat], np.int64)
            for side in (0, 1)
        ]
        starts = np.cumsum([0, *(len(ways) for ways in options)])
        lengths = np.array(words.lengths)
        self._starts = starts
        self._levels: list[tuple[int, int, int, int, Array]] = []
        for length in range(1, words.q + 1):
            low, high = (int(x) for x in np.searchsorted(lengths, (length, length + 1)))
            first, last = int(starts[low]), int(starts[high])
            self._levels.append((low, high, first, last, starts[low:high] - first))

    def filled(self, at_hand: Array | None = None, price: Array | None = None) -> tuple[Array, Array]:
        """The price of each word, and what it costs to read it: nothing for those `at_hand` (a mask)."""
        import numpy as np

        price = self._price if price is None else price
        own = np.zeros(self.words.count, price.dtype)
        read = np.zeros(self.words.count, price.dtype)
        for low, high, first, last, starts in self._levels:
            total = price[first:last] + read[self._reads[0][first:last]] + read[self._reads[1][first:last]]
            own[low:high] = np.minimum.reduceat(total, starts)
            read[low:high] = own[low:high] if at_hand is None else np.where(at_hand[low:high], 0, own[low:high])
        return own, read

    def scaled(self, factor: Array) -> Array:
        """The prices of all options, those of each word divided by its factor."""
        import numpy as np

        counts = np.diff(self._starts, append=len(self._price))[: self.words.count]
        return np.asarray(self._price / np.repeat(factor, counts))

    def chosen(self, own: Array, read: Array, price: Array | None = None) -> dict[int, WordOption]:
        """The words of which the chain is made, each with the first option that has its price."""
        price, made, todo = self._price if price is None else price, dict[int, WordOption](), [self.words.root]
        while todo:
            word = todo.pop()
            if word in made:
                continue
            first = int(self._starts[word])
            last = first + len(self.words.options[word])
            total = price[first:last] + read[self._reads[0][first:last]] + read[self._reads[1][first:last]]
            made[word] = option = self.words.options[word][int(total.argmin())]
            todo += option.reads
        return made


def total(made: dict[int, WordOption]) -> int:
    """What words cost together, each made once."""
    return sum(option.price for option in made.values())
