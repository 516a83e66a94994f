"""Good sets of words to make once, for chains that are too long for the search.

The interval program on words finds the cheapest way to make a chain where some words are at hand. What that way costs
is the sum over the distinct words in it. So a set of words is as good as the way that it leads to, and sets are tried:
powers of the words that repeat without a gap, along addition chains; words that were found to be worth making when
what they cost was spread over all their places; and words added and taken away one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from chainplan.solvers.chain.addition_chains import addition_chain
from chainplan.solvers.chain.words import ChainWords, WordOption, WordPrices, total

MAX_TRIED_WORDS = 60
"""Words that are tried one by one in a round."""
MAX_TRIED_POWERS = 12
"""Words whose powers are tried."""
MAX_SET_OPTIONS = 20_000_000
"""Ways to make words that are looked at in all sets together, where nothing else limits the search."""

MadeWords = dict[int, WordOption]
"""The words that make a chain, each with the option by which it is made."""


class WordSets:
    """The cheapest way to make a chain that is known, improved set by set.

    Parameters
    ----------
    words : ChainWords
        The words.
    going : Callable[[], bool]
        Whether there is time left; called for every set.
    enough : int
        What no way to make the chain costs less than.
    limited : bool
        Whether that is all that ends it.
    """

    def __init__(self, words: ChainWords, going: Callable[[], bool], enough: int, limited: bool) -> None:
        self._words, self._in_time, self._prices = words, going, WordPrices(words)
        self._enough = enough
        self._left = None if limited else MAX_SET_OPTIONS
        self._repeated = [w for w in range(1, words.count) if words.repeats(w)]
        self._tried: set[frozenset[int]] = set()
        self.made: MadeWords = {}
        self.cost = -1
        self._own, read = self._prices.filled()
        self._offer(self._prices.chosen(self._own, read))

    def improve(self) -> None:
        """Try sets of words as long as there is time."""
        for at_hand in (*self._spread(), *self._powers()):
            self._try(at_hand)
        self._exchange()

    def _going(self) -> bool:
        return self.cost != self._enough and self._in_time() and (self._left is None or self._left > 0)

    def _offer(self, made: MadeWords) -> bool:
        """Keep a way to make the chain if it is the cheapest so far."""
        cost = total(made)
        better = self.cost < 0 or cost < self.cost
        if better:
            self.made, self.cost = made, cost
        return better

    def _try(self, at_hand: Iterable[int]) -> bool:
        """Make the chain with some words at hand, then with all that this way makes, as long as it gets cheaper."""
        import numpy as np

        improved, wanted = False, frozenset(at_hand)
        while wanted not in self._tried and self._going():
            self._tried.add(wanted)
            self._left = None if self._left is None else self._left - self._words.option_count
            mask = np.zeros(self._words.count, bool)
            mask[list(wanted)] = True
            made = self._prices.chosen(*self._prices.filled(mask))
            improved |= self._offer(made)
            wanted = frozenset(w for w in made if self._words.repeats(w))
        return improved

    def _spread(self) -> Iterator[Iterable[int]]:
        """The repeated words of the way to make the chain where the price of each is spread over its places."""
        import numpy as np

        apart = np.ones(self._words.count)
        for word in self._repeated:
            apart[word] = _disjoint(self._words.places[word], self._words.lengths[word])
        for power in (1.0, 0.5, 2.0):
            price = self._prices.scaled(apart**power)
            yield [w for w in self._prices.chosen(*self._prices.filled(price=price), price) if self._words.repeats(w)]

    def _powers(self) -> Iterator[Iterable[int]]:
        """Powers of words along addition chains: those of the words that repeat without a gap, longest runs first."""
        runs = sorted(self._runs(), key=lambda run: -self._words.lengths[run[0]] * run[1])
        for base, most in runs[:MAX_TRIED_POWERS]:
            powers = self._powers_of(base, most)
            inner = [w for w in self._repeated if self._words.lengths[w] < self._words.lengths[base]]
            before = [w for w in self.made if w in inner]
            for exponent in sorted({*range(1, most + 1)} & {*range(1, 65), most, most - 1, most // 2}, reverse=True):
                chain = [powers[e] for e in addition_chain(exponent) if e in powers]
                yield [*before, *chain]

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Words that follow themselves, and how often at most; none that is a power of a shorter one."""
        number, q = self._words.number, self._words.q
        found: dict[int, int] = {}
        for period in range(1, q // 2 + 1):
            i = 0
            while i + 2 * period <= q:
                end = i + period
                while end < q and number[end, end + 1] == number[end - period, end - period + 1]:
                    end += 1
                times = (end - i) // period
                if times >= 2:
                    for shift in range(min(period, end - i - times * period + 1)):
                        word = number[i + shift, i + shift + period]
                        found[word] = max(found.get(word, 0), times)
                i = max(i + 1, end - period + 1)
        return iter([(w, n) for w, n in found.items() if not self._is_power(w)])

    def _is_power(self, word: int) -> bool:
        i, j = self._words.first[word]
        number = self._words.number
        periods = (p for p in range(1, (j - i) // 2 + 1) if (j - i) % p == 0)
        return any(number[i, j - p] == number[i + p, j] for p in periods)

    def _powers_of(self, base: int, most: int) -> dict[int, int]:
        """The words that are powers of a word, by exponent."""
        length, number = self._words.lengths[base], self._words.number
        powers: dict[int, int] = {}
        for i in self._words.places[base]:
            for e in range(1, most + 1):
                j = i + e * length
                if j > self._words.q or number.get((j - length, j)) != base:
                    break
                powers.setdefault(e, number[i, j])
        return powers

    def _exchange(self) -> None:
        """Put single words at hand, or take them away, as long as that helps."""
        improved = True
        while improved and self._going():
            improved = False
            now = [w for w in self.made if self._words.repeats(w)]
            gain = sorted(self._repeated, key=lambda w: -int(self._own[w]) * (len(self._words.places[w]) - 1))
            for word in (*now, *gain[:MAX_TRIED_WORDS]):
                if self._try({*now} ^ {word}):
                    improved = True
                    break


def _disjoint(places: list[int], length: int) -> int:
    """How many places of a word do not overlap, taken from the left."""
    count, end = 0, -1
    for place in places:
        if place >= end:
            count, end = count + 1, place + length
    return count
