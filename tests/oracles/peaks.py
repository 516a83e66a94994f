"""The least peak of all orders of the steps of a plan, by sets of steps done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def least_peak(reads: Sequence[Sequence[int]], sizes: Sequence[int], loads: set[int], results: Iterable[int]) -> int:
    """Elements alive at once at least, in any order of the steps; loads stand before their first use.

    Parameters
    ----------
    reads : the steps that each step reads.
    sizes : the elements that each step makes, alive until the last step that reads them.
    loads : the steps that read nothing and are no part of the order.
    results : the steps whose elements stay alive to the end.
    """
    rest, kept = [p for p in range(len(reads)) if p not in loads], set(results)
    users = {p: {u for u in rest if p in reads[u]} for p in range(len(reads))}

    def alive(done: frozenset[int]) -> int:
        there = done | {p for p in loads if users[p] & done}
        return sum(sizes[p] for p in there if p in kept or users[p] - done)

    front = {frozenset[int](): 0}
    for _ in rest:
        after: dict[frozenset[int], int] = {}
        for done, peak in front.items():
            for p in rest:
                if p in done or any(a not in done and a not in loads for a in reads[p]):
                    continue
                fresh = sum(sizes[a] for a in set(reads[p]) & loads if not users[a] & done)
                now = max(peak, alive(done) + fresh + sizes[p])
                more = done | {p}
                after[more] = min(now, after.get(more, now))
        front = after
    (peak,) = front.values()
    return max(peak, sum(sizes[p] for p in kept))
