"""Local search on an order of elimination: a vertex is moved, and stays where it is moved to if that costs no more."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

MAX_WRITTEN_OPERATIONS = 30_000
"""How many operations all orders that are tried may write together, so that the search takes a part of a second."""
MOVES_PER_VERTEX = 12
"""How many moves are tried for each vertex, where that is less."""
LEAST_MOVES_PER_VERTEX = 0.125
"""How many moves for each vertex must be affordable; fewer hardly find one that helps."""
PATIENCE_PER_VERTEX = 2
"""How many moves for each vertex are tried after the last one that saved something, but `LEAST_PATIENCE` at least."""
LEAST_PATIENCE = 60
"""How many moves are tried so in the smallest programs."""
MOVE_SPANS = (1, 2, 4, 8, 16, 32, 64)
"""How far vertices are moved, in places."""


def improved(order: Sequence[int], price: int, priced: Callable[[Sequence[int]], int]) -> list[int]:
    """Return the best order found from a given one.

    Parameters
    ----------
    order : Sequence[int]
        The order to start from.
    price : int
        The number of operations that it writes.
    priced : Callable[[Sequence[int]], int]
        Counts the operations that an order writes.

    Returns
    -------
    list
        The best order; the same one each time.

    Notes
    -----
    Cost: at most `MAX_WRITTEN_OPERATIONS` operations written, one for each vertex at least, or nothing where that would
    be too few moves.
    """
    best, rnd = list(order), random.Random(0)
    moves = min(MAX_WRITTEN_OPERATIONS // max(price, len(best), 1), MOVES_PER_VERTEX * len(best))
    if len(best) < 2 or moves < LEAST_MOVES_PER_VERTEX * len(best):
        return best
    idle = 0
    for _ in range(moves):
        start = rnd.randrange(len(best))
        span = rnd.choice(MOVE_SPANS)
        end = min(max(start + rnd.choice((-span, span)), 0), len(best) - 1)
        tried = best.copy()
        tried.insert(end, tried.pop(start))
        found = priced(tried)
        idle = 0 if found < price else idle + 1
        if found <= price:
            best, price = tried, found
        if idle > max(PATIENCE_PER_VERTEX * len(best), LEAST_PATIENCE):
            break
    return best
