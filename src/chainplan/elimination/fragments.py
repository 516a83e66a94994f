"""Large-neighbourhood search: connected fragments of the elimination tree, re-ordered exactly.

The parent of v in the elimination tree of an order is the first vertex eliminated later that touches v's component of
eliminated vertices (Liu, *The role of elimination trees in sparse factorization*, SIAM J. Matrix Anal. 1990, here on
the undirected graph). What hangs below a connected fragment of the tree is eliminated before it and what is above
comes after it, whatever the order within; so a fragment is an elimination problem of its own with a fixed boundary, and
the gain of a better order for it is the gain of the whole. The tree is cut into disjoint fragments, one sweep through the
graph solves each where it comes up, and the next sweep cuts differently.

A sweep with `heat` draws instead of minimising: the prices in each fragment are multiplied by random factors, which is
annealing with a whole fragment as move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from chainplan.elimination.greedy import Found
from chainplan.elimination.subsets import best_order
from chainplan.elimination.workgraph import WorkGraph


class Sweep(NamedTuple):
    """What one pass over all fragments made of an order."""

    found: Found
    largest: int
    """Vertices in the largest fragment."""
    whole: bool
    """Whether every tree was one fragment, so that the order is optimal."""


def parents(work: WorkGraph, order: Sequence[int]) -> dict[int, int]:
    """The elimination tree of an order: the parent of each vertex that has one. O(edges) but for a tiny factor."""
    parent: dict[int, int] = {}
    joined: dict[int, int] = {}
    done: set[int] = set()
    for v in order:
        for u in (*work.into[v], *work.out[v]):
            if u not in done:
                continue
            while u in joined and u != v:
                up = joined[u]
                joined[u] = v
                u = up
            if u != v:
                parent[u] = joined[u] = v
        done.add(v)
    return parent


def cut(order: Sequence[int], parent: dict[int, int], most: int, rng: Random) -> list[list[int]]:
    """Disjoint connected fragments of at most `most` vertices that cover the tree; each and all by rising position.

    Fragments grow from random vertices to random neighbours in the tree, and are listed by their last vertex.
    """
    children: dict[int, list[int]] = {}
    for v, up in parent.items():
        children.setdefault(up, []).append(v)
    place = {v: i for i, v in enumerate(order)}
    free = set(order)
    fragments = []
    for seed in rng.sample(order, len(order)):
        if seed not in free:
            continue
        fragment, border = [], [seed]
        while border and len(fragment) < most:
            i = rng.randrange(len(border))
            border[i], border[-1] = border[-1], border[i]
            v = border.pop()
            if v in free:
                free.remove(v)
                fragment.append(v)
                border += [u for u in children.get(v, ()) if u in free]
                if parent.get(v) in free:
                    border.append(parent[v])
        fragments.append(sorted(fragment, key=place.__getitem__))
    fragments.sort(key=lambda f: place[f[-1]])
    return fragments


def sweep(
    work: WorkGraph,
    order: Sequence[int],
    most: int,
    rng: Random,
    heat: float = 0.0,
    tick: Callable[[], None] = lambda: None,
) -> Sweep:
    """Re-order every fragment of one cut of the tree; without heat the price never rises.

    Parameters
    ----------
    work : the graph before any elimination; left as it is.
    order : of all its intermediate vertices.
    most : vertices in a fragment.
    rng : cuts the tree and breaks ties.
    heat : largest relative disturbance of a price.
    tick : called after each fragment; may raise, which gives up the sweep.
    """
    parent = parents(work, order)
    fragments = cut(order, parent, most, rng)
    now = work.copy()
    price, result = 0, []
    for fragment in fragments:
        if len(fragment) > 1:
            fragment = best_order(now, fragment, rng, heat)
        price += sum(now.eliminate(v) for v in fragment)
        result += fragment
        tick()
    trees = len(order) - len(parent)
    return Sweep(Found(price, result), max(map(len, fragments), default=0), len(fragments) == trees)
