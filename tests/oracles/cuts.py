"""Minimum vertex cuts by trying all sets of vertices; sets are ints, bit i stands for vertex i."""

from __future__ import annotations

from collections.abc import Sequence


def cheapest_cut(step: Sequence[int], size: Sequence[int], v: int, region: int, locked: int, ends: int) -> int:
    """The lightest set of vertices without which no path from v leaves the region or ends.

    Parameters
    ----------
    step : the set of vertices that each one leads to.
    size : the weight of each vertex.
    locked : vertices that cannot be cut.
    ends : vertices where a path may end too, at their weight where they are locked.
    """
    everything = [u for u in range(len(step)) if u != v and not locked >> u & 1]
    best = 1 << 60
    for k in range(1 << len(everything)):
        cut = sum(1 << u for i, u in enumerate(everything) if k >> i & 1)
        seen, border = 0, [v]
        while border:
            u = border.pop()
            for w in _members(step[u] & ~cut & ~seen):
                seen |= 1 << w
                border.append(w)
        extra = sum(size[u] for u in _members(seen & ends & locked))
        if not seen & ~region and not seen & ends & ~locked:
            best = min(best, sum(size[u] for u in _members(cut)) + extra)
    return best


def _members(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]
