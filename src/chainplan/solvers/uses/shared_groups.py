"""Products with the Jacobian of a chain of which some factors are equal: groups to form, with equal products made once.

Products with k vectors cost what a dense block of k columns in front of the chain costs, whose bracketings multiply
groups onto that block one after the other. So the words of the chain with this block say which groups to form, and how
to form equal ones once (`solvers.chain.shared_words`). Products on the other side are counted as if they were columns
too, which is exact for explicit elementals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome
from chainplan.plans.sharing import shared
from chainplan.problem.graph import Elemental, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.derivation import (
    ChainInterval,
    Derivation,
    ElementalDerivation,
    ProductDerivation,
    PropagationDerivation,
    not_a_chain,
)
from chainplan.solvers.chain.shared_sets import MadeWords
from chainplan.solvers.chain.shared_words import cheapest_words
from chainplan.solvers.chain.words import MAX_WORD_CHAIN_LENGTH, ChainWords
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_of_products
from chainplan.solvers.uses.group_plans import ChainGroup, groups_plan
from chainplan.structures import Block

_VECTORS = "\0vectors"
"""The name of the block in front of the chain; no elemental can have it."""


@final
class SharedGroupsSolver(Solver):
    """Groups of a chain to form for products, with products of equal factors made once, as chain-shared makes them.

    Cost: that of chain-shared with one factor more.
    Exact: it proves no bound.
    Refuses: problems that ask for the Jacobian itself; what chain-shared refuses.
    """

    name = "shared-groups"
    multiplies = True

    def refuses(self, problem: Problem) -> str | None:
        reason = not_of_products(problem) or not_a_chain(problem) or not_a_chain(problem, MAX_WORD_CHAIN_LENGTH - 1)
        if reason is None and not problem.graph.shares:
            return "no elemental is the same as another one"
        return reason or _words(problem).refusal

    def solve(self, problem: Problem, search: Search) -> Outcome:
        words, products = _words(problem), problem.products
        assert products is not None
        made, _ = cheapest_words(words, search)
        needed = [mode for mode, times in products.sides() if times]
        groups = _groups(words, made, needed)
        plan = groups_plan(problem.graph, products, groups, lambda place: _derived(words, made, place))
        return Outcome(Status.FEASIBLE, shared(Candidate(plan, problem.cost)))


def _words(problem: Problem) -> ChainWords:
    """The words of the chain with a dense block of all vectors in front of it."""
    assert problem.products is not None
    first = problem.graph.chain[0]
    count = problem.products.right + problem.products.left
    block = Elemental(_VECTORS, _VECTORS, first.source, Block(first.block.cols, count))
    return ChainWords((block, *problem.graph.chain), problem.cost)


def _groups(words: ChainWords, made: MadeWords, needed: Sequence[Mode]) -> list[ChainGroup]:
    """The groups that are multiplied onto the block of vectors, in evaluation order.

    An elemental that would be applied but lacks a mode that is needed is formed instead.
    """
    groups, end = list[ChainGroup](), words.q
    while end > 1:
        match words.derivation((0, end), made[words.number[0, end]]):
            case ProductDerivation((int() as start, _), _):
                groups.append(ChainGroup(start - 1, end - 1, formed=True))
            case _:
                start = end - 1
                lacking = any(words.chain[start].per_vector(mode) is None for mode in needed)
                groups.append(ChainGroup(start - 1, start, formed=lacking))
        end = start
    return groups[::-1]


def _derived(words: ChainWords, made: MadeWords, place: ChainInterval) -> Derivation:
    """How an interval of the chain itself is made, which begins one place later behind the block of vectors."""
    i, j = place
    word = words.number[i + 1, j + 1]
    match words.derivation((i + 1, j + 1), made.get(word, words.options[word][0])):
        case ElementalDerivation(position, mode):
            return ElementalDerivation(position - 1, mode)
        case PropagationDerivation(position, mode, (int() as a, int() as b)):
            return PropagationDerivation(position - 1, mode, (a - 1, b - 1))
        case ProductDerivation((int() as k, _), _):
            return ProductDerivation((k - 1, j), (i, k - 1))
    raise AssertionError("words are not swept")
