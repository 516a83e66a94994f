"""A first order of elimination for searches that prove: the best of forward, reverse and greedy Markowitz orders.

Ties matter: cheapest first with ties to the highest vertex and with ties to the lowest differ by a third on published
graphs. Restarts multiply the prices by random factors, which breaks ties and near-ties in other ways.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from chainplan.elimination.core import Core, members
from chainplan.elimination.workgraph import WorkGraph


def first_order(core: Core, seed: int, restarts: int, tick: Callable[[], None]) -> tuple[int, list[int]]:
    """Price, accumulation not included, and order of the best that forward, reverse and greedy orders find."""
    rng = random.Random(seed)
    forward = list(members(core.middle))
    best = min((core.order_price(order), order) for order in (forward, forward[::-1]))
    for attempt in range(2 + restarts):
        tick()
        sign, noise = (1, -1)[attempt % 2], 0.0 if attempt < 2 else 0.5 * rng.random()
        found = _greedy(core, sign, noise, rng)
        if found[0] < best[0]:
            best = found
    return best


def _greedy(core: Core, sign: int, noise: float, rng: random.Random) -> tuple[int, list[int]]:
    """Always eliminate the cheapest vertex, ties to the lowest (`sign` 1) or highest (-1)."""
    work = WorkGraph(core.graph)

    def key(v: int) -> tuple[float, int]:
        price = work.price(v)
        return (price * (1 + noise * rng.random()) if noise else price), sign * v

    keys = {v: key(v) for v in sorted(work.middle)}
    total, order = 0, []
    while keys:
        v = min(keys, key=keys.__getitem__)
        del keys[v]
        touched = work.into[v].keys() | work.out[v].keys()
        total += work.eliminate(v)
        order.append(v)
        for u in sorted(touched & keys.keys()):
            keys[u] = key(u)
    return total, order
