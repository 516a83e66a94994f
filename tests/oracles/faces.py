"""Face elimination on dense blocks, by shortest paths over all dual graphs (Naumann, Math. Program. 99, 2004, sec. 3).

A dual vertex is a block: (source, target, what), the last being all products that have been added up in it; inputs and
outputs are further ones, with nothing in them. A face joins two that meet. Eliminating (a, b) makes the product b · a:
it is added onto the dual vertex that has the predecessors of a and the successors of b, or becomes a new one with
these. Dual vertices that lead nowhere go, those with the same neighbours on both sides are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import combinations
from typing import Any

from tests.oracles.graph import Dag

Dual = tuple[Any, Any, frozenset[Any]]
Faces = frozenset[tuple[Dual, Dual]]
START, END = object(), object()
NOTHING: frozenset[Any] = frozenset()


def least_face_cost(dag: Dag) -> int:
    """Multiply-adds of the cheapest sequence of face eliminations, accumulations apart."""
    size = {u: block.cols for (u, _), block in dag.edges.items()}
    size |= {w: block.rows for (_, w), block in dag.edges.items()}
    heap: list[tuple[int, int, Faces]] = [(0, 0, _settled(_dual(dag)))]
    seen: set[Faces] = set()
    pushed = 0
    while True:
        cost, _, faces = heappop(heap)
        inner = [(a, b) for a, b in faces if a[2] and b[2]]
        if not inner:
            return cost
        if faces not in seen:
            seen.add(faces)
            for a, b in inner:
                pushed += 1
                price = size[b[1]] * size[b[0]] * size[a[0]]
                heappush(heap, (cost + price, pushed, _eliminated(faces, a, b)))


def _dual(dag: Dag) -> Faces:
    duals: list[Dual] = [(u, w, frozenset([(u, w)])) for u, w in dag.edges]
    duals += [(START, v, NOTHING) for v in dag.inputs] + [(v, END, NOTHING) for v in dag.outputs]
    return frozenset((a, b) for a in duals for b in duals if a[1] == b[0] and (a[2] or b[2]))


def _eliminated(faces: Faces, a: Dual, b: Dual) -> Faces:
    before, behind = _before(faces, a), _behind(faces, b)
    onto = [d for d in _duals(faces) if d[2] and _before(faces, d) == before and _behind(faces, d) == behind]
    made: Dual = (a[0], b[1], frozenset([(a[2], b[2])]).union(*(d[2] for d in onto)))
    rest = {f for f in faces if f != (a, b) and not set(onto) & set(f)}
    return _settled(frozenset(rest | {(p, made) for p in before} | {(made, s) for s in behind}))


def _settled(faces: Faces) -> Faces:
    """Without what no path needs, equal neighbourhoods being one dual vertex."""
    while True:
        inner = [d for d in _duals(faces) if d[2]]
        dead = {d for d in inner if not _before(faces, d) or not _behind(faces, d)}
        twins = next(_twins(faces, inner), None)
        if dead:
            faces = frozenset(f for f in faces if not dead & set(f))
        elif twins:
            c, d = twins
            one: Dual = (c[0], c[1], c[2] | d[2])
            faces = frozenset(tuple(one if x in (c, d) else x for x in f) for f in faces)  # type: ignore[misc]
        else:
            return faces


def _twins(faces: Faces, duals: list[Dual]) -> Iterator[tuple[Dual, Dual]]:
    for c, d in combinations(duals, 2):
        if _before(faces, c) == _before(faces, d) and _behind(faces, c) == _behind(faces, d):
            yield c, d


def _duals(faces: Faces) -> set[Dual]:
    return {d for face in faces for d in face}


def _before(faces: Faces, d: Dual) -> set[Dual]:
    return {a for a, b in faces if b == d}


def _behind(faces: Faces, d: Dual) -> set[Dual]:
    return {b for a, b in faces if a == d}
