"""Memory profiles of subtrees of a plan: their hill-valley segments, the best interleaving of two, and dominance.

Making one factor of a product after the other is not always best: a factor may start with a high hill, come down to a
small block and only then grow, and the hill of the other factor is best climbed while the first is small. Liu, "An
application of generalized tree pebbling to sparse matrix factorization" (SIAM J. Algebraic Discrete Methods 8, 1987),
section 3, sums a traversal up by its segments (hill, valley): the highest hill, the lowest valley after it, the highest
hill after that, and so on. Hills fall and valleys rise strictly. An optimal traversal of two independent subtrees
merges their segments by decreasing hill - valley and breaks none of them.

A segment carries its steps as a binary tree of pairs, so that two segments are joined in O(1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ProfileSegment = tuple[int, int, object]
"""Hill and valley in elements, and the steps: None, a step, or a pair of these."""

MemoryProfile = tuple[ProfileSegment, ...]
"""The segments of a traversal in their order, hills falling and valleys rising."""


def single(hill: int, valley: int, step: object) -> MemoryProfile:
    """The profile of a single step without operands."""
    return ((hill, valley, step),)


def then(profile: MemoryProfile, hill: int, valley: int, step: object) -> MemoryProfile:
    """The profile with one more step at its end, in O(length of the profile)."""
    segments = list(profile)
    _append(segments, hill, valley, step)
    return tuple(segments)


def merge(one: MemoryProfile, other: MemoryProfile) -> MemoryProfile:
    """The profile of the best interleaving of two independent subtrees, in linear time; ties go to `one`."""
    segments: list[ProfileSegment] = []
    held_one = held_other = x = y = 0
    while x < len(one) or y < len(other):
        if y == len(other) or (x < len(one) and one[x][0] - one[x][1] >= other[y][0] - other[y][1]):
            hill, valley, steps = one[x]
            _append(segments, held_other + hill, held_other + valley, steps)
            held_one, x = valley, x + 1
        else:
            hill, valley, steps = other[y]
            _append(segments, held_one + hill, held_one + valley, steps)
            held_other, y = valley, y + 1
    return tuple(segments)


def dominates(one: MemoryProfile, other: MemoryProfile) -> bool:
    """Whether `one` can stand in for `other` in every plan without raising its peak (Liu 1987, section 3).

    It can where each of its segments has a segment of `other` with no lower hill and no lower valley: it is carried out
    during that one.
    """
    return all(any(h <= hill and v <= valley for hill, valley, _ in other) for h, v, _ in one)


def steps_of(profile: MemoryProfile) -> Iterator[Any]:
    """The steps of a profile in the order in which they are carried out."""
    todo = [steps for *_, steps in reversed(profile)]
    while todo:
        steps = todo.pop()
        if type(steps) is tuple:
            todo += (steps[1], steps[0])
        else:
            yield steps


def _append(segments: list[ProfileSegment], hill: int, valley: int, steps: object) -> None:
    """Add a segment at the end and merge into it the segments whose hill is no higher or whose valley is no lower."""
    while segments and (valley <= segments[-1][1] or hill >= segments[-1][0]):
        h, _, before = segments.pop()
        hill, steps = max(hill, h), (before, steps)
    segments.append((hill, valley, steps))
