"""Large-neighbourhood search: connected fragments of the elimination tree, re-ordered one by one.

The parent of v in the elimination tree of an order is the first vertex eliminated later that touches v's component of
eliminated vertices (Liu, *The role of elimination trees in sparse factorization*, SIAM J. Matrix Anal. 1990, here on
the undirected graph). The vertices below a connected fragment of the tree are eliminated before it and those above it
after it, whatever the order within; so a fragment is an elimination problem of its own with a fixed boundary, and what
a better order of it saves, the whole order saves. The tree is cut into disjoint fragments, one sweep through the graph
re-orders each of them in turn, and the next sweep cuts differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder, always

FragmentReordering = Callable[[WorkGraph, list[int]], list[int]]


class FragmentPass(NamedTuple):
    """The order that one pass over all fragments gave."""

    priced: PricedOrder
    whole: bool
    """Whether every tree was one fragment: after exact re-ordering the order is optimal then."""


def parents(work: WorkGraph, order: Sequence[int]) -> dict[int, int]:
    """The elimination tree of an order, as the parent of each vertex that has one, in almost O(edges)."""
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
    """Disjoint connected fragments of at most `most` vertices that cover the tree.

    Fragments grow from random vertices to random neighbours in the tree. Each lists its vertices by rising position;
    the fragments are listed by the position of their last vertex.
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
        fragment: list[int] = []
        border = [seed]
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
    reorder: FragmentReordering,
    going: Callable[[], bool] = always,
) -> FragmentPass:
    """Re-order every fragment of one cut of the tree; the price never rises unless `reorder` lets it.

    Parameters
    ----------
    work : WorkGraph
        The graph before any elimination, which is not changed.
    order : Sequence[int]
        An order of all its intermediate vertices.
    most : int
        The most vertices in a fragment.
    rng : Random
        The source of the random cut.
    reorder : FragmentReordering
        A function that gives a new order of eliminating some vertices of a work graph next.
    going : Callable[[], bool]
        It is asked before each fragment; once it says no, the other fragments stay as they are.
    """
    parent = parents(work, order)
    fragments = cut(order, parent, most, rng)
    now = work.copy()
    price, result, active = 0, [], True
    for fragment in fragments:
        active = active and going()
        if active and len(fragment) > 1:
            fragment = reorder(now, fragment)
        price += sum(now.eliminate(v) for v in fragment)
        result += fragment
    trees = len(order) - len(parent)
    return FragmentPass(PricedOrder(price, result), active and len(fragments) == trees)
