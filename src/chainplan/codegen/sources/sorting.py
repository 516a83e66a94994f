"""Sorts references by a network of minima and maxima, which is the same whatever the values are.

References
----------
D. E. Knuth, *The Art of Computer Programming*, volume 3, 2nd edition, 1998, section 5.2.2, algorithm M: merge exchange,
a network of Batcher's.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.codegen.writer import Ref, Writer


def sorted_by_network(writer: Writer, refs: Sequence[Ref]) -> list[Ref]:
    """Return values in ascending order.

    Parameters
    ----------
    writer : Writer
        Where the minima and maxima are written.
    refs : Sequence[Ref]
        The values.

    Returns
    -------
    list
        As many values.
    """
    line, count = list(refs), len(refs)
    top = 1 << max(count - 1, 0).bit_length() >> 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            for k in range(count - d):
                if k & p == r:
                    low, high = line[k], line[k + d]
                    line[k], line[k + d] = writer.least("min", low, high), writer.least("max", low, high)
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return line
