"""Positions of the vertices of a work graph that do not depend on the order in which they were declared.

Ties between equal keys are common, and what they are broken by decides on up to a fifth of the price. Declarations are
an accident of whoever wrote the graph down, so vertices are told apart by what hangs on them: each has a label made of
those before it and those behind it (colour refinement, Weisfeiler & Leman 1968, along the edges of a DAG), and is put
where a depth-first walk from the outputs that takes predecessors by label leaves it. On random graphs that is no worse
than the best of many declarations. Only vertices that the labels do not tell apart stand as they were declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainplan.solvers.elimination.elimination_graph import WorkGraph

_WORD = (1 << 64) - 1
_ROUNDS = 2


def positions(work: WorkGraph) -> list[int]:
    """The place of each vertex in the walk. O(edges · log(degree))."""
    label = _labels(work)
    key = label.__getitem__
    found = [-1] * len(label)
    seen, count = set[int](), 0
    ends = (v for v in range(len(label)) if work.kept[v] or not work.out[v])
    todo = [(v, False) for v in sorted(ends, key=key, reverse=True)]
    while todo:
        v, left = todo.pop()
        if left:
            found[v] = count
            count += 1
        elif v not in seen:
            seen.add(v)
            todo.append((v, True))
            todo += [(u, False) for u in sorted(work.into[v], key=key, reverse=True) if u not in seen]
    return found


def _labels(work: WorkGraph) -> list[int]:
    """A label per vertex, made of its size and of all that leads to it and away from it."""
    order = range(len(work.size))
    label = [_mixed(2 * size + kept) for size, kept in zip(work.size, work.kept, strict=True)]
    for _ in range(_ROUNDS):
        above = _along(label, work.into, order, 1)
        below = _along(label, work.out, reversed(order), 2)
        label = [_mixed(3 * a + b) for a, b in zip(above, below, strict=True)]
    return label


def _along(label: Sequence[int], near: Sequence[Mapping[int, object]], order: Iterable[int], salt: int) -> list[int]:
    """Labels made of a vertex' own and the new ones of its neighbours on one side, in any order of these."""
    found, mixed = [0] * len(label), [0] * len(label)
    for v in order:
        found[v] = _mixed(label[v] + sum(map(mixed.__getitem__, near[v])))
        mixed[v] = _mixed(found[v] + salt)
    return found


def _mixed(x: int) -> int:
    """A word that looks random but is a function of x (the finaliser of SplitMix64, Steele, Lea & Flood 2014)."""
    x &= _WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return x ^ x >> 31
