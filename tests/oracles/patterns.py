"""Blocks as arrays of zeros and ones: what a word of the spec stands for, products, sums and their multiply-adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np

Pattern = np.ndarray[Any, np.dtype[np.bool_]]
Spec = Any
"""What a spec has for a structure: a word, or a word with its argument."""

BANDS = {"banded", "lower_triangular", "upper_triangular"}
DIAGONALS = {"diagonal", "identity", "negated_identity", "scaled_identity", "sign"}
PICKERS = {"identity", "negated_identity", "sign", "permutation", "selection", "scatter", "replicate", "reduce"}


class Block(NamedTuple):
    """A block of rows x cols.

    `pattern` says where entries may be nonzero, None where all may be. `picks` of a block of plus and minus ones says
    whether each row, and whether each column, has at most one; None of any other. `reach` are the widths of a band
    below and above the diagonal, for blocks that are counted as bands.
    """

    rows: int
    cols: int
    pattern: Pattern | None = None
    picks: tuple[bool, bool] | None = None
    reach: tuple[float, float] | None = None
    zero: bool = False

    @property
    def cells(self) -> Pattern:
        """The pattern as an array."""
        return np.ones((self.rows, self.cols), bool) if self.pattern is None else self.pattern

    @property
    def nnz(self) -> int:
        """Entries that may be nonzero."""
        return self.rows * self.cols if self.pattern is None else int(self.pattern.sum())


def word_of(spec: Spec) -> tuple[str, Any]:
    """A structure's word and its argument, None where it has none."""
    return (spec, None) if isinstance(spec, str) else next(iter(spec.items()))


def blocks_of(entries: Iterable[tuple[int, int, Spec]]) -> list[Block]:
    """The blocks of a problem, given as rows, columns and structure.

    Bands whose products are bands again are counted as bands, which on rectangular blocks is an upper bound. A block
    without rows or columns is zero, and so are products through it.
    """
    listed = [(rows, cols, spec if rows and cols else "zero") for rows, cols, spec in entries]
    words = {word_of(spec)[0] for *_, spec in listed}
    as_bands = words <= BANDS | DIAGONALS | {"dense", "zero"} and bool(words & BANDS)
    return [_block(rows, cols, *word_of(spec), as_bands) for rows, cols, spec in listed]


def _block(rows: int, cols: int, word: str, argument: Any, as_bands: bool) -> Block:
    picks = _picks(word, argument, rows, cols)
    reach = _reach(word, argument) if as_bands else None
    pattern = None if word == "dense" else spelled(word, argument, rows, cols)
    return Block(rows, cols, pattern, picks, reach, word == "zero")


def spelled(word: str, argument: Any, rows: int, cols: int) -> Pattern:
    """The pattern that a word of the spec stands for."""
    i, j = np.indices((rows, cols))
    match word:
        case "dense" | "zero":
            found = np.full((rows, cols), word == "dense")
        case "banded":
            found = (i - j <= argument[0]) & (j - i <= argument[1])
        case "lower_triangular" | "upper_triangular":
            found = i >= j if word == "lower_triangular" else i <= j
        case "permutation" | "selection":
            found = j == np.reshape(np.array(argument, int), (rows, 1))
        case "scatter":
            found = i == np.reshape(np.array(argument, int), (1, cols))
        case "replicate":
            found = (i // max(1, rows // max(cols, 1)) if argument == "each" else i % max(cols, 1)) == j
        case "reduce":
            found = spelled("replicate", argument, cols, rows).T
        case "block_diagonal":
            found = np.kron(np.eye(argument[0]), np.ones(argument[1:])) > 0
        case "kronecker":
            found = np.kron(np.ones(argument[0]), np.eye(argument[1])) > 0
        case "shifts":
            found = np.zeros((rows, cols), bool)
            for offset, *missing in (item if isinstance(item, list) else [item] for item in argument):
                skipped, left_out = (*missing, 0, 0)[:2]
                length = int((j - i == offset).sum())
                found |= (j - i == offset) & (np.minimum(i, j) >= skipped) & (np.minimum(i, j) < length - left_out)
        case "coo":
            found = np.zeros((rows, cols), bool)
            found[tuple(np.array(argument, int).reshape(-1, 2).T)] = True
        case _:
            assert word in DIAGONALS, word
            found = i == j
    return np.asarray(found)


def _picks(word: str, argument: Any, rows: int, cols: int) -> tuple[bool, bool] | None:
    if word not in PICKERS:
        return None
    match word:
        case "selection" | "permutation":
            return True, len(set(argument)) == len(argument)
        case "scatter":
            return len(set(argument)) == len(argument), True
        case "replicate":
            return True, rows == cols
        case "reduce":
            return rows == cols, True
    return True, True


def _reach(word: str, argument: Any) -> tuple[float, float]:
    widths = {
        "dense": (inf, inf),
        "zero": (-inf, -inf),
        "lower_triangular": (inf, 0.0),
        "upper_triangular": (0.0, inf),
    }
    return (argument[0], argument[1]) if word == "banded" else widths.get(word, (0.0, 0.0))


def product(left: Block, right: Block) -> Block:
    """left · right."""
    zero = left.zero or right.zero
    picks = None
    if left.picks and right.picks:
        both = left.picks[0] and right.picks[0], left.picks[1] and right.picks[1]
        picks = both if any(both) else None
    if left.reach and right.reach:
        reach = (-inf, -inf) if zero else (left.reach[0] + right.reach[0], left.reach[1] + right.reach[1])
        return Block(left.rows, right.cols, _band(left.rows, right.cols, reach), picks, reach, zero)
    if left.pattern is None and right.pattern is None and left.cols:
        return Block(left.rows, right.cols)
    pattern = (left.cells.astype(np.int64) @ right.cells.astype(np.int64)) > 0
    return Block(left.rows, right.cols, pattern, picks, None, zero)


def total(left: Block, right: Block) -> Block:
    """left + right."""
    if left.zero or right.zero:
        return right if left.zero else left
    if left.reach and right.reach:
        reach = max(left.reach[0], right.reach[0]), max(left.reach[1], right.reach[1])
        return Block(left.rows, left.cols, _band(left.rows, left.cols, reach), None, reach)
    return Block(left.rows, left.cols, left.cells | right.cells)


def _band(rows: int, cols: int, reach: tuple[float, float]) -> Pattern | None:
    if reach == (inf, inf):
        return None
    i, j = np.indices((rows, cols))
    return np.asarray((i - j <= reach[0]) & (j - i <= reach[1]))


def fma(left: Block, right: Block) -> int:
    """Multiply-adds of left · right: nonzeros of each inner column times those of the row; none with a picker."""
    if left.picks or right.picks:
        return 0
    if left.pattern is None and right.pattern is None:
        return left.rows * left.cols * right.cols
    return sum(int(a) * int(b) for a, b in zip(left.cells.sum(0), right.cells.sum(1), strict=True))


def intervals(blocks: Sequence[Block]) -> dict[tuple[int, int], Block]:
    """The blocks of all intervals (i, j) of a chain, from vertex i to vertex j."""
    found = {(i, i + 1): block for i, block in enumerate(blocks)}
    for length in range(2, len(blocks) + 1):
        for i in range(len(blocks) - length + 1):
            found[i, i + length] = product(found[i + 1, i + length], found[i, i + 1])
    return found
