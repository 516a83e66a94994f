"""Finds the name that a misspelt one may mean, for the hint "Did you mean" at the end of an error.

Comparing a name with a hundred thousand others, or an essay in place of a name, must not make an error slow. So only
known names whose length allows them to be similar enough are compared, and at most `MAX_COMPARED_WORDS` of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MAX_COMPARED_LENGTH = 40
"""Characters of the longest word that is compared with others."""
MAX_COMPARED_WORDS = 200
"""The most known words that a misspelt one is compared with."""
MIN_SIMILARITY = 0.6
"""The least similarity of two words: twice the characters that they share, over the characters of both."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a misspelt one is nearest to, None where none is near."""
    if len(word) > MAX_COMPARED_LENGTH:
        return None
    alike = (other for other in known if 2 * min(len(word), len(other)) >= MIN_SIMILARITY * (len(word) + len(other)))
    near = get_close_matches(word, list(islice(alike, MAX_COMPARED_WORDS)), 1, MIN_SIMILARITY)
    return near[0] if near else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Ask whether the nearest known word is meant; where none is near, return `otherwise`."""
    near = nearest(word, known)
    return f"Did you mean '{near}'?" if near else otherwise
