"""The cheapest set of words that makes a chain with every distinct word made once, by search.

A state is the set of words that are still to be made. The longest of them is made next, in every way there is, and what
it reads joins the set; nothing that is made later reads it, because only longer words could. Words without a repeated
part are left to the interval program, and words that have no repeated part in common are searched one by one. A state
costs at least what its dearest word costs alone, and at least the last steps of all its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chainplan.plans.compressed_sweep import UNREACHED_PRICE
from chainplan.solvers.chain.words import ChainWords, WordOption

PendingWords = tuple[int, ...]
"""The numbers of the words that are still to be made, longest first."""


class SharedSearch:
    """A search over the words of a chain; what is found of one state serves all others.

    Parameters
    ----------
    words : ChainWords
        The words.
    tick : Callable[[int], None]
        Called for every word, with 0, and for every state with the number of ways that are tried there; it may raise
        to end the search.
    """

    def __init__(self, words: ChainWords, tick: Callable[[int], None]) -> None:
        self._words, self._tick = words, tick
        self._alone: list[int] = [0] * words.count
        self._inside: list[int] = [0] * words.count
        self._options: list[list[WordOption]] = [[] for _ in range(words.count)]
        bits = 0
        for word in range(1, words.count):
            ways = words.options[word]
            tick(0)
            self._alone[word] = min(self._apart(option) for option in ways)
            self._options[word] = sorted(self._undominated(ways), key=self._apart)
            i, j = words.first[word]
            if j - i > 1:
                self._inside[word] = self._inside[words.number[i, j - 1]] | self._inside[words.number[i + 1, j]]
            if self._alone[word] and words.repeats(word):
                self._inside[word] |= 1 << bits
                bits += 1
        self._exact: dict[PendingWords, int] = {(): 0}
        self._choice: dict[PendingWords, WordOption] = {}
        self._lower: dict[PendingWords, int] = {}

    def solve(self, below: int) -> dict[int, WordOption] | None:
        """The cheapest words that make the chain, None where they do not cost less than `below`."""
        root = self._words.root
        if not self._inside[root]:
            return self._made((), root) if self._alone[root] < below else None
        if self._least((root,), below) >= below:
            return None
        return self._made((root,))

    def _apart(self, option: WordOption) -> int:
        """What an option costs where nothing is shared."""
        return option.price + sum(self._alone[read] for read in option.reads)

    def _undominated(self, ways: Iterable[WordOption]) -> list[WordOption]:
        """The cheapest option of those that read the same words, without those that are free."""
        best: dict[frozenset[int], WordOption] = {}
        for option in ways:
            needs = frozenset(read for read in option.reads if self._alone[read])
            if needs not in best or option.price < best[needs].price:
                best[needs] = option
        return list(best.values())

    def _least(self, pending: PendingWords, below: int) -> int:
        """What it costs to make some words; where that is not below `below`, any bound that is not either."""
        known = self._exact.get(pending)
        if known is not None:
            return known
        floor = self._floor(pending)
        if floor >= below:
            return floor
        best, chosen, word = below, None, pending[0]
        self._tick(len(self._options[word]))
        for option in self._options[word]:
            if option.price >= best:
                continue
            cost = option.price + self._together((*pending[1:], *option.reads), best - option.price)
            if cost < best:
                best, chosen = cost, option
                if best <= floor:
                    break
        if chosen is None:
            self._lower[pending] = max(below, self._lower.get(pending, 0))
            return below
        self._exact[pending] = best
        self._choice[pending] = chosen
        return best

    def _floor(self, pending: PendingWords) -> int:
        """A bound on what some words cost together."""
        known = self._lower.get(pending)
        if known is not None:
            return known
        if len(pending) == 1:
            return self._words.floors[pending[0]]
        each = (self._least((word,), UNREACHED_PRICE) for word in pending)
        floor = max(sum(self._words.least[word] for word in pending), *each)
        self._lower[pending] = floor
        return floor

    def _together(self, reads: Iterable[int], below: int) -> int:
        """What it costs to make some words, as far as that stays below `below`."""
        base, parts = self._parts(reads)
        floors = [self._exact.get(part) or self._floor(part) for part in parts]
        rest = base + sum(floors)
        for part, floor in zip(parts, floors, strict=True):
            if rest >= below:
                return rest
            rest += self._least(part, below - rest + floor) - floor
        return rest

    def _parts(self, reads: Iterable[int]) -> tuple[int, list[PendingWords]]:
        """What the words without a repeated part cost, and the others, by the parts that they have in common."""
        base, groups = 0, list[tuple[int, list[int]]]()
        for word in set(reads):
            inside = self._inside[word]
            if not inside:
                base += self._alone[word]
                continue
            joined = [word]
            apart = []
            for mask, members in groups:
                if mask & inside:
                    inside |= mask
                    joined += members
                else:
                    apart.append((mask, members))
            groups = [*apart, (inside, joined)]
        return base, [tuple(sorted(members, reverse=True)) for _, members in groups]

    def _made(self, pending: PendingWords, *plain: int) -> dict[int, WordOption]:
        """The words of the cheapest solution, with their options."""
        made: dict[int, WordOption] = {}
        todo, rest = [pending], list(plain)
        while todo:
            state = todo.pop()
            if not state:
                continue
            option = made[state[0]] = self._choice[state]
            rest += [read for read in option.reads if not self._inside[read]]
            todo += self._parts((*state[1:], *option.reads))[1]
        while rest:
            word = rest.pop()
            if word not in made:
                made[word] = min(self._options[word], key=self._apart)
                rest += made[word].reads
        return made
