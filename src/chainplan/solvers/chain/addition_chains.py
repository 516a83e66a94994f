"""Addition chains: the exponents through which a power is computed, each the sum of two earlier ones.

A word of k factors takes at least as many products as a shortest addition chain for k has sums, whatever its factors
are: the lengths of the words that its products make are such a chain (Knuth, *The Art of Computer Programming*, volume
2, section 4.6.3). Chains are shortest up to `MAX_EXACT_EXPONENT`, and short above.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

MAX_EXACT_EXPONENT = 256
"""The largest exponent whose chain is searched for; every shortest chain up to 12,508 may add to its last number."""


@cache
def addition_chain(exponent: int) -> tuple[int, ...]:
    """Return an addition chain 1, ..., exponent, a shortest one for small exponents."""
    if exponent == 1:
        return (1,)
    if exponent <= MAX_EXACT_EXPONENT:
        return _shortest(exponent)
    before = exponent - 1 if exponent % 2 else exponent // 2
    chains = [(*addition_chain(before), exponent)]
    for factor in range(2, isqrt(exponent) + 1):
        if exponent % factor == 0:
            for first in (factor, exponent // factor):
                chain = addition_chain(first)
                chains.append((*chain, *(first * e for e in addition_chain(exponent // first)[1:])))
    return min(chains, key=len)


@cache
def binary_chain(exponent: int) -> tuple[int, ...]:
    """Return the chain by the binary digits: each sum reads the number before it twice, or once and 1."""
    if exponent == 1:
        return (1,)
    return (*binary_chain(exponent - 1 if exponent % 2 else exponent // 2), exponent)


def least_products(length: int) -> int:
    """Bound from below the products that a word of so many factors takes, exactly for powers of small exponents.

    A chain for n takes at least log2(n), rounded down, sums, and beyond that log2 of the ones among the binary digits,
    rounded up, as far as that is at most 4 (Thurber 1973, "The Scholz-Brauer problem on addition chains").
    """
    if length <= MAX_EXACT_EXPONENT:
        return len(addition_chain(length)) - 1
    return length.bit_length() - 1 + min(4, (length.bit_count() - 1).bit_length())


def _shortest(exponent: int) -> tuple[int, ...]:
    """Search for a shortest chain, one number longer each time."""
    sums = (exponent - 1).bit_length()
    while True:
        chain = _extended((1,), exponent, sums)
        if chain is not None:
            return chain
        sums += 1


def _extended(chain: tuple[int, ...], exponent: int, sums: int) -> tuple[int, ...] | None:
    """Extend a chain by so many sums to one that ends with the exponent, or return None where none does."""
    last = chain[-1]
    if last == exponent:
        return chain
    if last << sums < exponent:
        return None
    for other in reversed(chain):
        if last + other <= exponent:
            found = _extended((*chain, last + other), exponent, sums - 1)
            if found is not None:
                return found
    return None
