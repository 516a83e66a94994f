"""Random structures of every kind, drawn for blocks of a given shape."""

from __future__ import annotations

import random
from typing import Any

from chainplan.structures import DENSE, Banded, Structure, from_spec
from chainplan.structures.registry import PLAIN_STRUCTURES, STRUCTURE_READERS


def random_spec(rng: random.Random, word: str, rows: int, cols: int) -> Any:
    """An argument for a word of the spec that fits a block of rows x cols, or raises where none does."""
    match word:
        case "banded":
            return [rng.randrange(3), rng.randrange(3)]
        case "shifts":
            return [item for offset in range(-2, 3) for item in random_runs(rng, offset, rows, cols)]
        case "block_diagonal" | "kronecker":
            parts = [b for b in range(1, max(rows, cols, 1) + 1) if rows % b == cols % b == 0]
            b = rng.choice(parts)
            shape = [rows // b, cols // b]
            return [b, *shape] if word == "block_diagonal" else [shape, b]
        case "permutation":
            return rng.sample(range(cols), rows if rows == cols else -1)
        case "selection":
            return [rng.randrange(cols) for _ in range(rows)]
        case "scatter":
            return [rng.randrange(rows) for _ in range(cols)]
        case "replicate" | "reduce":
            return rng.choice(["each", "whole"])
        case "coo":
            share = rng.choice([0.1, 0.3, 0.6])
            return [[i, j] for i in range(rows) for j in range(cols) if rng.random() < share]
    return None


def random_runs(rng: random.Random, offset: int, rows: int, cols: int) -> list[Any]:
    """No run, a whole one, or up to two pieces of a diagonal as a spec writes them."""
    length = min(rows, cols - offset) - max(0, -offset)
    kind = rng.choice(["none", "whole", "pieces"]) if length > 0 else "none"
    if kind == "pieces":
        cuts = sorted(rng.choices(range(length + 1), k=4))
        return [[offset, a, length - b] for a, b in (cuts[:2], cuts[2:]) if a < b]
    return [offset] if kind == "whole" else []


def fitting(rng: random.Random, word: str, rows: int, cols: int) -> Structure | None:
    """A random structure of this name for a block of rows x cols, None where there is none."""
    from pathlib import Path

    try:
        structure = from_spec(word, random_spec(rng, word, rows, cols), (rows, cols), Path())
    except (ValueError, IndexError):
        return None
    return None if structure.misfit(rows, cols) else structure


def any_structure(rng: random.Random, rows: int, cols: int) -> Structure:
    """Any structure of the tables that fits, each word as often as any other."""
    while True:
        found = fitting(rng, rng.choice([*PLAIN_STRUCTURES, *STRUCTURE_READERS]), rows, cols)
        if found is not None:
            return found


def band_family(rng: random.Random, rows: int, cols: int) -> Structure:
    """A structure of the family that is closed as given: dense, zero, diagonal ones and bands."""
    choices: list[Structure] = [
        DENSE,
        DENSE,
        DENSE,
        Banded(rng.randrange(3), rng.randrange(3)),
        PLAIN_STRUCTURES["zero"],
    ]
    choices += [PLAIN_STRUCTURES["lower_triangular"], PLAIN_STRUCTURES["upper_triangular"]]
    if rows == cols:
        names = ("identity", "negated_identity", "diagonal", "diagonal", "sign", "scaled_identity")
        choices += [PLAIN_STRUCTURES[name] for name in names]
    return rng.choice(choices)
