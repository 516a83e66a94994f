"""The table of structures: what they are called in a spec, and which of two decides in a product or sum.

A new structure is one file beside this one, a line in `STRUCTURES` for its class and one in `WORDS` for each word that
a spec has for it. Order matters in `STRUCTURES`: the structure that stands first decides (see `base`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chainplan.structures.banded import Banded, LowerTriangular, UpperTriangular, banded
from chainplan.structures.base import Shape, Structure
from chainplan.structures.blocks import BlockDiagonal, Kronecker, block_diagonal, kronecker, reduce, replicate
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import DIAGONAL, Diagonal
from chainplan.structures.envelope import Outline
from chainplan.structures.from_indices import coo, permutation, scatter, selection, sparse
from chainplan.structures.identity import Identity
from chainplan.structures.negated_identity import NegatedIdentity
from chainplan.structures.scaled_identity import ScaledIdentity
from chainplan.structures.sign import Sign
from chainplan.structures.zero import Zero

STRUCTURES: tuple[type[Structure], ...] = (
    Zero,
    Identity,
    NegatedIdentity,
    Sign,
    ScaledIdentity,
    Diagonal,
    BlockDiagonal,
    Kronecker,
    Banded,
    LowerTriangular,
    UpperTriangular,
    Outline,
    Dense,
)
"""In order of precedence. `explicit.Explicit`, loaded when a pattern is needed, stands just before dense."""

RANK: dict[type[Structure], int] = {structure: rank for rank, structure in enumerate(STRUCTURES)}

PLAIN: dict[str, Structure] = {
    s.name: s
    for s in (
        DENSE,
        DIAGONAL,
        Identity(),
        NegatedIdentity(),
        Zero(),
        Sign(),
        ScaledIdentity(),
        LowerTriangular(),
        UpperTriangular(),
    )
}
"""The structures that a word alone says."""

WORDS: dict[str, Callable[[Any, Shape], Structure]] = {
    "banded": banded,
    "block_diagonal": block_diagonal,
    "kronecker": kronecker,
    "permutation": permutation,
    "selection": selection,
    "scatter": scatter,
    "replicate": replicate,
    "reduce": reduce,
    "coo": coo,
}
"""What reads the argument of a word; it raises ValueError with what was expected where the argument does not fit."""

NAMES = (*PLAIN, *WORDS, "sparse")


def from_spec(word: str, argument: Any, shape: Shape, folder: Path | None) -> Structure:
    """Build the structure that a spec names, for a block of the shape given.

    Parameters
    ----------
    word : str
        One of `NAMES`.
    argument : Any
        What stands behind it, None where it stands alone.
    folder : Path | None
        Where the paths of pattern files begin.

    Raises
    ------
    ValueError
        With what was expected, where the argument does not fit.
    """
    if word in PLAIN:
        if argument is not None:
            raise ValueError(f"the name '{word}' alone, it takes no argument")
        return PLAIN[word]
    return sparse(argument, shape, folder) if word == "sparse" else WORDS[word](argument, shape)
