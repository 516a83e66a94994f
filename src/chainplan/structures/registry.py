"""The table of structures: it gives their names in a spec, and says which of two decides in a product or sum.

A new structure is one file beside this one, a line in `STRUCTURES` for its class, and a line in `PLAIN_STRUCTURES` or
`STRUCTURE_READERS` for each word by which a spec names it. The order of `STRUCTURES` matters: the structure that stands
first decides (see `base`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chainplan.structures.banded import Banded, LowerTriangular, UpperTriangular, banded
from chainplan.structures.base import BlockShape, Structure
from chainplan.structures.blocks import BlockDiagonal, Kronecker, block_diagonal, kronecker, reduce, replicate
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import DIAGONAL, Diagonal
from chainplan.structures.envelope import Outline
from chainplan.structures.from_indices import coo, permutation, scatter, selection, sparse
from chainplan.structures.identity import Identity, NegatedIdentity
from chainplan.structures.scaled_identity import ScaledIdentity
from chainplan.structures.shifts import Shifts, shifts
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
    Shifts,
    Outline,
    Dense,
)
"""All structures in order of precedence. `explicit.Explicit`, loaded on first use, stands just before `Dense`."""

STRUCTURE_RANK: dict[type[Structure], int] = {structure: rank for rank, structure in enumerate(STRUCTURES)}

PLAIN_STRUCTURES: dict[str, Structure] = {
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
"""The structures that are a single word in a spec."""

STRUCTURE_READERS: dict[str, Callable[[object, BlockShape], Structure]] = {
    "banded": banded,
    "shifts": shifts,
    "block_diagonal": block_diagonal,
    "kronecker": kronecker,
    "permutation": permutation,
    "selection": selection,
    "scatter": scatter,
    "replicate": replicate,
    "reduce": reduce,
    "coo": coo,
}
"""The reader of each word's argument; where the argument does not fit, it raises ValueError with what it expected."""

STRUCTURE_NAMES = (*PLAIN_STRUCTURES, *STRUCTURE_READERS, "sparse")


def from_spec(word: str, argument: object, shape: BlockShape, folder: Path | None) -> Structure:
    """Build the structure that a spec names, for a block of the shape given.

    Parameters
    ----------
    word : str
        One of `STRUCTURE_NAMES`.
    argument : object
        What stands behind the word; None where the word stands alone.
    shape : BlockShape
        Rows and columns of the block; None where they are not known.
    folder : Path | None
        The folder in which the paths of pattern files begin; None where no file may be read.

    Raises
    ------
    ValueError
        Where the argument does not fit; the message says what was expected.
    """
    if word in PLAIN_STRUCTURES:
        if argument is not None:
            raise ValueError(f"the name '{word}' alone, it takes no argument")
        return PLAIN_STRUCTURES[word]
    return sparse(argument, shape, folder) if word == "sparse" else STRUCTURE_READERS[word](argument, shape)
