"""Chains of which some factors are equal: products of equal factors are made once.

What a plan costs is then the sum over the distinct words that it makes, and the cheapest plan is a smallest set of
words in which each one is the product of two others: an addition chain where all factors are equal, a straight-line
grammar with prices elsewhere, both hard. Short chains are searched (`shared_search`), and long ones get the best of
many sets (`shared_sets`). A power of a dense square factor reaches a bound by the length of addition chains.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SHARED
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.sharing import shared
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.derivation import not_a_chain, write
from chainplan.solvers.chain.shared_search import SharedSearch
from chainplan.solvers.chain.shared_sets import MadeWords, WordSets
from chainplan.solvers.chain.words import (
    MAX_PRICED_OPTIONS,
    MAX_WORD_CHAIN_LENGTH,
    MAX_WORD_OPTIONS,
    ChainWords,
    total,
)
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver

MAX_SEARCHED_LENGTH = 12
"""Factors of the longest chain that is searched to the end where nothing limits the search."""
MAX_STATE_OPTIONS = 300_000
"""Ways to make words that the search of a longer chain looks at before it is given up, where nothing limits it."""


@final
class EqualFactorsSolver(Solver):
    """Products of equal factors made once: a search over sets of words, and good sets of words where that is too long.

    Cost: exponential up to 12 factors, mostly some milliseconds; some seconds, or its budget, above.
    Exact: within bracketings with equal products shared, up to 12 factors, and above where the search or the bound by
        addition chains ends it, as for powers of a dense factor up to 64.
    Refuses: graphs that are not chains; chains without equal factors, or of more than 1,000 elementals.
    """

    name = "chain-shared"

    def refuses(self, problem: Problem) -> str | None:
        reason = not_a_chain(problem, MAX_WORD_CHAIN_LENGTH)
        if reason is None and not problem.graph.shares:
            return "no elemental is the same as another one"
        if reason is None and not _fits(ChainWords(problem.graph.chain, problem.cost)):
            return "the chain has too many different words"
        return reason

    def solve(self, problem: Problem, search: Search) -> Outcome:
        words = ChainWords(problem.graph.chain, problem.cost)
        bound = Bound(words.floors[words.root], SHARED)
        sets = WordSets(words, search.in_time, bound.value, search.budget is not None)
        made = sets.made
        if sets.cost > bound.value:
            sets.improve()
            made = sets.made
            search.offer(lambda: self._plan(problem, words, made).plan, sets.cost)
        if sets.cost > bound.value:
            better, proven = self._searched(words, sets.cost, search)
            made = better or made
            bound = Bound(total(made), SHARED) if proven else bound
        candidate = self._plan(problem, words, made)
        if not problem.graph.exact:
            return Outcome(Status.FEASIBLE, candidate)
        return bounded(candidate, candidate.price, bound.below(candidate.price))

    @staticmethod
    def _searched(words: ChainWords, cost: int, search: Search) -> tuple[MadeWords | None, bool]:
        """A cheaper way to make the chain, and whether it is known that there is none cheaper than what is known."""
        left = None if search.budget is not None or words.q <= MAX_SEARCHED_LENGTH else MAX_STATE_OPTIONS

        def tick(options: int) -> None:
            nonlocal left
            search.watch()
            if left is not None:
                left -= options
                if left < 0:
                    raise SearchStopped

        try:
            return SharedSearch(words, tick).solve(cost), True
        except SearchStopped:
            return None, False

    @staticmethod
    def _plan(problem: Problem, words: ChainWords, made: MadeWords) -> Candidate:
        """The plan in which each of these words is made once."""
        plan = write(problem.graph, (0, words.q), lambda place: words.derivation(place, made[words.number[place]]))
        return shared(Candidate(plan, problem.cost))


def _fits(words: ChainWords) -> bool:
    """Whether all ways to make all words can be priced."""
    return words.option_count <= (MAX_WORD_OPTIONS if words.plain else MAX_PRICED_OPTIONS)
