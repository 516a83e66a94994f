"""Chains of which some factors are equal, by brute force: every bracketing, each distinct product of which counts once.

A chain is given as a spec writes it, each entry with the name of the factor that it is. What a bracketing costs is the
sum over the distinct steps in it: a product of two words, a tangent or an adjoint on a word, an accumulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tests.oracles.patterns import Block, blocks_of, fma, intervals

Step = tuple[str, str, str]
"""The operation and the words that it reads."""
Steps = frozenset[tuple[Step, int]]
"""Distinct steps with their prices."""


class SharedChain:
    """A chain of factors that have names, some of them equal; `words` gives one letter of each factor."""

    def __init__(self, letters: str, factors: Mapping[str, Mapping[str, Any]]) -> None:
        self.letters, self.factors = letters, factors
        entries: Sequence[Mapping[str, Any]] = [factors[letter] for letter in letters]
        blocks = blocks_of((*e["shape"], e.get("structure", "dense")) for e in entries)
        self.of: dict[tuple[int, int], Block] = intervals(blocks)

    def least(self) -> int:
        """What the cheapest bracketing costs."""
        return min(sum(price for _, price in steps) for steps in self._ways(0, len(self.letters)))

    def _ways(self, i: int, j: int) -> frozenset[Steps]:
        """The sets of steps of all bracketings of an interval."""
        return _cached(self, self.letters[i:j], i, j)

    def every(self, i: int, j: int) -> Iterator[Steps]:
        """The set of steps of every bracketing of an interval."""
        word = self.letters[i:j]
        block = self.of[i, j]
        first, last = self.factors[word[0]], self.factors[word[-1]]
        if j - i == 1:
            prices = {"tangent": block.cols, "adjoint": block.rows}
            given = [(mode, size * first[mode]) for mode, size in prices.items() if mode in first]
            yield from (frozenset({((mode, word, ""), price)}) for mode, price in given)
            if not given:
                yield frozenset()
            return
        if "tangent" in last:
            step = (("tangent", word[-1], word[:-1]), block.cols * last["tangent"])
            yield from (steps | {step} for steps in self._ways(i, j - 1))
        if "adjoint" in first:
            step = (("adjoint", word[1:], word[0]), block.rows * first["adjoint"])
            yield from (steps | {step} for steps in self._ways(i + 1, j))
        for k in range(i + 1, j):
            step = (("product", self.letters[k:j], self.letters[i:k]), fma(self.of[k, j], self.of[i, k]))
            for left in self._ways(k, j):
                for right in self._ways(i, k):
                    yield left | right | {step}


@cache
def _cached(chain: SharedChain, word: str, i: int, j: int) -> frozenset[Steps]:
    return frozenset(chain.every(i, j))
