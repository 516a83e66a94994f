"""The words of which a chain is made most cheaply: by search where that ends, else the best of many sets of words."""

from __future__ import annotations

from collections.abc import Callable

from chainplan.solvers.chain.shared_search import SharedSearch
from chainplan.solvers.chain.shared_sets import MadeWords, WordSets
from chainplan.solvers.chain.words import ChainWords, total
from chainplan.solvers.search.search import Search, SearchStopped

MAX_SEARCHED_LENGTH = 12
"""Factors of the longest chain that is searched to the end where nothing limits the search."""
MAX_STATE_OPTIONS = 300_000
"""Ways to make words that the search of a longer chain looks at before it is given up, where nothing limits it."""


def cheapest_words(
    words: ChainWords, search: Search, offer: Callable[[MadeWords], None] = lambda made: None
) -> tuple[MadeWords, int]:
    """The words that are found, and a bound on the price of all; `offer` is given some before the search."""
    floor = words.floors[words.root]
    sets = WordSets(words, search.in_time, floor, search.budget is not None)
    if sets.cost > floor:
        sets.improve()
        offer(sets.made)
    if sets.cost == floor:
        return sets.made, floor
    left = None if search.budget is not None or words.q <= MAX_SEARCHED_LENGTH else MAX_STATE_OPTIONS

    def tick(options: int) -> None:
        nonlocal left
        search.watch()
        if left is not None:
            left -= options
            if left < 0:
                raise SearchStopped

    try:
        made = SharedSearch(words, tick).solve(sets.cost) or sets.made
    except (SearchStopped, RecursionError):  # the search goes as deep as chains are long
        return sets.made, floor
    return made, total(made)
