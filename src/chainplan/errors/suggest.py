"""What a misspelt name may have been meant to be: the hint "Did you mean" at the end of an error.

A name that is compared with a hundred thousand others, or an essay in the place of a name, must not make an error slow:
only known names of a length that can be similar enough are compared, and no more than `MOST_COMPARED` of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

LONGEST_COMPARED = 40
"""Characters of the longest word that is compared with others."""
MOST_COMPARED = 200
"""Known words that a misspelt one is compared with."""
LEAST_SIMILAR = 0.6
"""Twice the characters that two words share, over the characters of both, from which they are similar."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a misspelt one is nearest to, None where none is near."""
    if len(word) > LONGEST_COMPARED:
        return None
    alike = (other for other in known if 2 * min(len(word), len(other)) >= LEAST_SIMILAR * (len(word) + len(other)))
    near = get_close_matches(word, list(islice(alike, MOST_COMPARED)), 1, LEAST_SIMILAR)
    return near[0] if near else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the question whether the nearest known word is meant; where none is near, what to do otherwise."""
    near = nearest(word, known)
    return f"Did you mean '{near}'?" if near else otherwise
