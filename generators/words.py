"""Chains by words: each letter stands for a factor, and the same letter for the same one."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from chainplan.io.read import from_spec
from chainplan.problem.problem import Problem


def chain_of_letters(letters: str, factors: Mapping[str, Mapping[str, Any]], name: str | None = None) -> Problem:
    """A chain of the factors that the letters stand for, each as a spec writes it."""
    first: dict[str, str] = {}
    items = [
        {"name": f"{letter}{i}", "same_as": first[letter]}
        if letter in first
        else {"name": first.setdefault(letter, letter), **factors[letter]}
        for i, letter in enumerate(letters)
    ]
    return from_spec({"chain": items} if name is None else {"name": name, "chain": items})


def random_word(length: int, letters: str, seed: int) -> str:
    """A word of so many letters, each drawn alike."""
    rng = Random(seed)
    return "".join(rng.choice(letters) for _ in range(length))
