"""Chains of which some factors are equal: products of equal factors are made once.

What a plan costs is then the sum over the distinct words that it makes, and the cheapest plan is a smallest set of
words in which each one is the product of two others: an addition chain where all factors are equal, a straight-line
grammar with prices elsewhere, both hard. Short chains are searched (`shared_search`), and long ones get the best of
many sets (`shared_sets`) and of powers of what repeats in them (`equal_powers`), which is all that is looked for where
the words are too many. A power of a dense square factor reaches a bound by the length of addition chains.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SHARED
from chainplan.plans.reorder import reordered
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.sharing import shared
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.addition_chains import least_products
from chainplan.solvers.chain.derivation import not_a_chain, sizes_of, write
from chainplan.solvers.chain.equal_powers import EqualPowers, letters_of, repetitions
from chainplan.solvers.chain.shared_sets import MadeWords
from chainplan.solvers.chain.shared_words import cheapest_words
from chainplan.solvers.chain.words import MAX_WORD_CHAIN_LENGTH, ChainWords, plain, total
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver


@final
class EqualFactorsSolver(Solver):
    """Products of equal factors made once: a search over sets of words, and good sets of words where that is too long.

    Cost: exponential up to 12 factors, mostly some milliseconds; some seconds, or its budget, above.
    Exact: within bracketings with equal products shared, up to 12 factors, and above where the search or the bound by
        addition chains ends it, as for powers of a dense factor up to 64.
    Refuses: graphs that are not chains; chains without equal factors, or of more than 1,000 elementals in which nothing
        repeats without a gap.
    """

    name = "chain-shared"

    def refuses(self, problem: Problem) -> str | None:
        reason = not_a_chain(problem)
        if reason is None and not problem.graph.shares:
            return "no elemental is the same as another one"
        if reason is None and not repetitions(letters_of(problem.graph.chain)):
            return _too_many_words(problem)
        return reason

    def solve(self, problem: Problem, search: Search) -> Outcome:
        powers = EqualPowers(problem, search.in_time, search.budget is not None).candidate()
        if powers is not None:
            search.offer(powers.plan, powers.price)
        found, floor = [powers] if powers is not None else [], _least_price(problem)
        if powers is None or (search.in_time() and not_a_chain(problem, MAX_WORD_CHAIN_LENGTH) is None):
            words = ChainWords(problem.graph.chain, problem.cost)
            if words.refusal is None:
                by_words, floor = self._by_words(words, problem, search)
                found.append(by_words)
        candidate = min(reversed(found), key=lambda one: (not one.fits(problem.memory), one.price))
        if not problem.graph.exact:
            return Outcome(Status.FEASIBLE, candidate)
        return bounded(candidate, candidate.price, Bound(floor, SHARED).below(candidate.price))

    def _by_words(self, words: ChainWords, problem: Problem, search: Search) -> tuple[Candidate, int]:
        """The best plan by the words of the chain, and a bound on all."""

        def offer(made: MadeWords) -> None:
            search.offer(lambda: self._plan(problem, words, made).plan, total(made))

        made, floor = cheapest_words(words, search, offer)
        candidate = self._plan(problem, words, made)
        return candidate if problem.memory is None else reordered(candidate, problem.memory, search.in_time), floor

    @staticmethod
    def _plan(problem: Problem, words: ChainWords, made: MadeWords) -> Candidate:
        """The plan in which each of these words is made once."""
        plan = write(problem.graph, (0, words.q), lambda place: words.derivation(place, made[words.number[place]]))
        return shared(Candidate(plan, problem.cost))


def _too_many_words(problem: Problem) -> str | None:
    """Why the words of a chain are not looked at, None where they are."""
    return not_a_chain(problem, MAX_WORD_CHAIN_LENGTH) or ChainWords(problem.graph.chain, problem.cost).refusal


def _least_price(problem: Problem) -> int:
    """A bound on every plan of a dense chain: it joins all different factors, in a word of so many; else 0."""
    chain = problem.graph.chain
    if not plain(chain, problem.cost):
        return 0
    products = max(least_products(len(chain)), len({e.kind for e in chain}) - 1)
    return products * min(sizes_of(chain)) ** 3
