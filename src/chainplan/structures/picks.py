"""The words of a spec for picks: blocks that copy entries, or add them up, by a list of indices.

Front-ends meet picks as indices that are known while a function is traced. Regular ones have words of their own, by
which blocks are multiplied without a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainplan.structures.base import StructureWords

if TYPE_CHECKING:
    from chainplan._util.arrays import Array


def pick_words(index: Array, width: int, turned: bool) -> StructureWords:
    """Write the structure of len(index) x width with a one in column `index[i]` of row i; its transpose if `turned`."""
    import numpy as np

    size = len(index)
    if size == width and np.array_equal(index, np.arange(size)):
        return "identity"
    if width and size % width == 0:
        times = size // width
        whole = np.arange(width)
        for kind, regular in (("each", np.repeat(whole, times)), ("whole", np.tile(whole, times))):
            if np.array_equal(index, regular):
                return {"reduce" if turned else "replicate": kind}
    permuted = size == width and len(np.unique(index)) == size
    if permuted:
        return {"permutation": (np.argsort(index) if turned else index).tolist()}
    return {"scatter" if turned else "selection": index.tolist()}
