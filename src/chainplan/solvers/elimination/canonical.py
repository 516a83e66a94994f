"""Positions of the vertices of a work graph that do not depend on the order in which they were declared.

Ties between equal keys are common, and how they are broken decides up to a fifth of the price. The order of declaration
is an accident, so vertices are told apart by their surroundings: each gets a label made of the labels before and after
it (colour refinement, Weisfeiler & Leman 1968, along the edges of a DAG), and its position is the place where a
depth-first walk from the outputs that takes predecessors by label leaves it. On random graphs these positions give
orders no worse than the best of many declarations. Only vertices with equal labels stand as they were declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainplan.solvers.elimination.elimination_graph import WorkGraph

_WORD_MASK = (1 << 64) - 1
_REFINEMENT_ROUNDS = 2


def positions(work: WorkGraph) -> list[int]:
    """The place of each vertex in the walk, in O(edges · log(degree))."""
    label = _labels(work)
    key = label.__getitem__
    place = [-1] * len(label)
    seen, count = set[int](), 0
    ends = (v for v in range(len(label)) if work.kept[v] or not work.out[v])
    todo = [(v, False) for v in sorted(ends, key=key, reverse=True)]
    while todo:
        v, left = todo.pop()
        if left:
            place[v] = count
            count += 1
        elif v not in seen:
            seen.add(v)
            todo.append((v, True))
            todo += [(u, False) for u in sorted(work.into[v], key=key, reverse=True) if u not in seen]
    return place


def _labels(work: WorkGraph) -> list[int]:
    """A label per vertex, which depends on its size and on all vertices that lead to it or that it leads to."""
    order = range(len(work.size))
    label = [_mix(2 * size + kept) for size, kept in zip(work.size, work.kept, strict=True)]
    for _ in range(_REFINEMENT_ROUNDS):
        above = _along(label, work.into, order, 1)
        below = _along(label, work.out, reversed(order), 2)
        label = [_mix(3 * a + b) for a, b in zip(above, below, strict=True)]
    return label


def _along(label: Sequence[int], near: Sequence[Mapping[int, object]], order: Iterable[int], salt: int) -> list[int]:
    """New labels, each made of the old one and of the new labels of its neighbours on one side in whatever order."""
    fresh, mixed = [0] * len(label), [0] * len(label)
    for v in order:
        fresh[v] = _mix(label[v] + sum(map(mixed.__getitem__, near[v])))
        mixed[v] = _mix(fresh[v] + salt)
    return fresh


def _mix(x: int) -> int:
    """A word that looks random but is a function of x (the finaliser of SplitMix64, Steele, Lea & Flood 2014)."""
    x &= _WORD_MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD_MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD_MASK
    return x ^ x >> 31
