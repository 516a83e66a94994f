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
from chainplan.solvers.chain.shared_sets import MadeWords
from chainplan.solvers.chain.shared_words import cheapest_words
from chainplan.solvers.chain.words import MAX_WORD_CHAIN_LENGTH, ChainWords, total
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver


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
        return reason or ChainWords(problem.graph.chain, problem.cost).refusal

    def solve(self, problem: Problem, search: Search) -> Outcome:
        words = ChainWords(problem.graph.chain, problem.cost)

        def offer(made: MadeWords) -> None:
            search.offer(lambda: self._plan(problem, words, made).plan, total(made))

        made, floor = cheapest_words(words, search, offer)
        bound = Bound(floor, SHARED)
        candidate = self._plan(problem, words, made)
        if not problem.graph.exact:
            return Outcome(Status.FEASIBLE, candidate)
        return bounded(candidate, candidate.price, bound.below(candidate.price))

    @staticmethod
    def _plan(problem: Problem, words: ChainWords, made: MadeWords) -> Candidate:
        """The plan in which each of these words is made once."""
        plan = write(problem.graph, (0, words.q), lambda place: words.derivation(place, made[words.number[place]]))
        return shared(Candidate(plan, problem.cost))
