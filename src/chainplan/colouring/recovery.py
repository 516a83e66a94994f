"""From a colouring to seed matrices, and from compressed results back to the nonzeros; the judge of a colouring.

Recovery is direct: every nonzero is read off one entry of a compressed result, without substitution. This is the
definition by which `misfit` decides: nonzero (i, j) stands alone in an entry of the compressed tangents where no other
column of j's colour has a nonzero in row i, and alone in an entry of the compressed adjoints where no other row of i's
colour has one in column j (Coleman & Verma, SIAM J. Sci. Comput. 19(4), 1998, section 2; Gebremedhin, Manne & Pothen,
SIAM Rev. 47(4), 2005, section 4.2). Nothing here depends on how a colouring was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainplan.colouring.model import UNSEEDED, ColourArray, Colouring
from chainplan.errors import ShapeError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array

    Pattern = csr_array
    Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]

MAX_CELLS_PER_NONZERO = 16


def misfit(pattern: Pattern, colouring: Colouring) -> str | None:
    """Say which nonzero of the pattern a colouring does not recover, or None where it recovers all.

    Cost: O(nnz log nnz). Only the sizes, the structure and the colours are read.
    """
    wrong = _wrong_size(pattern, colouring)
    if wrong:
        return wrong
    i, j = entries(pattern)
    lost = ~(alone(i, colouring.columns[j]) | alone(j, colouring.rows[i]))
    if not lost.any():
        return None
    k = int(np.argmax(lost))
    return (
        f"nonzero ({i[k]}, {j[k]}) cannot be recovered directly: "
        f"{_why_lost('column', j[k], colouring.columns, j[i == i[k]], f'row {i[k]}')}, and "
        f"{_why_lost('row', i[k], colouring.rows, i[j == j[k]], f'column {j[k]}')}."
    )


def entries(pattern: Pattern) -> tuple[ColourArray, ColourArray]:
    """The row and the column of every nonzero, row by row."""
    rows = np.repeat(np.arange(pattern.shape[0], dtype=np.intp), np.diff(pattern.indptr))
    return rows, pattern.indices.astype(np.intp)


def alone(line: ColourArray, colour: ColourArray) -> Flags:
    """Whether each entry has a colour that no other entry of its line has."""
    colours = int(colour.max(initial=UNSEEDED)) + 1
    if not colours:
        return np.zeros(line.size, dtype=np.bool_)
    key = line * colours + colour
    if (int(line.max()) + 1) * colours <= MAX_CELLS_PER_NONZERO * line.size:
        once = np.bincount(key[colour >= 0], minlength=colours) == 1
        single: Flags = (colour >= 0) & once[np.where(colour >= 0, key, 0)]
        return single
    _, which, count = np.unique(np.where(colour >= 0, key, -1), return_inverse=True, return_counts=True)
    single = (count[which] == 1) & (colour >= 0)
    return single


def seed_columns(colouring: Colouring) -> csr_array:
    """The seed matrix of the tangents, n x tangents: J · seed_columns are the compressed columns."""
    return _seed(colouring.columns, colouring.tangents)


def seed_rows(colouring: Colouring) -> csr_array:
    """The seed matrix of the adjoints, adjoints x m: seed_rows · J are the compressed rows."""
    return _seed(colouring.rows, colouring.adjoints).T.tocsr()


def decompress(
    pattern: Pattern, colouring: Colouring, compressed_columns: Array | None, compressed_rows: Array | None
) -> csr_array:
    """The Jacobian with the given pattern, each nonzero read off the compressed columns or the compressed rows.

    Parameters
    ----------
    compressed_columns : Array | None
        m x tangents, J · seed_columns; None where no column is seeded.
    compressed_rows : Array | None
        Adjoints x n, seed_rows · J; None where no row is seeded.

    Returns
    -------
    csr_array
        m x n with the structure of the pattern; entries that both results hold are taken from the columns.

    Raises
    ------
    ShapeError
        If the colouring does not recover the pattern, or a compressed result has not the size of its sweeps.
    """
    from scipy.sparse import csr_array

    wrong = misfit(pattern, colouring)
    if wrong:
        raise ShapeError(f"colouring: {wrong} Colour the pattern anew.")
    m, n = pattern.shape
    tangents = _check_compressed("columns", compressed_columns, (m, colouring.tangents))
    adjoints = _check_compressed("rows", compressed_rows, (colouring.adjoints, n))
    parts = [part for part in (tangents, adjoints) if part is not None]
    i, j = entries(pattern)
    data = np.zeros(i.size, dtype=np.result_type(*parts) if parts else pattern.dtype)
    left = np.ones(i.size, dtype=np.bool_)
    if tangents is not None:
        here = alone(i, colouring.columns[j])
        data[here] = tangents[i[here], colouring.columns[j[here]]]
        left &= ~here
    if adjoints is not None:
        data[left] = adjoints[colouring.rows[i[left]], j[left]]
    return csr_array((data, pattern.indices.copy(), pattern.indptr.copy()), shape=(m, n))


def _wrong_size(pattern: Pattern, colouring: Colouring) -> str | None:
    m, n = pattern.shape
    sizes = colouring.rows.size, colouring.columns.size
    if sizes == (m, n):
        return None
    return f"it has colours for {sizes[0]} rows and {sizes[1]} columns, but the pattern is {m} x {n}."


def _why_lost(side: str, index: int, colours: ColourArray, present: ColourArray, line: str) -> str:
    """Say why one side does not recover a nonzero; `present` are the vertices in the line of the nonzero."""
    if colours[index] < 0:
        return f"{side} {index} is not seeded"
    other = next(k for k in present if k != index and colours[k] == colours[index])
    return f"{side} {index} shares colour {colours[index]} with {side} {other} in {line}"


def _seed(colours: ColourArray, sweeps: int) -> csr_array:
    from scipy.sparse import csr_array

    seeded = np.flatnonzero(colours >= 0)
    ones = np.ones(seeded.size, dtype=np.int8)
    return csr_array((ones, (seeded, colours[seeded])), shape=(colours.size, sweeps))


def _check_compressed(side: str, given: Array | None, due: tuple[int, int]) -> Array | None:
    if given is None and 0 in due:
        return None
    if given is None or given.shape != due:
        shape = "none" if given is None else " x ".join(map(str, given.shape))
        raise ShapeError(f"compressed {side}: {shape} given; {due[0]} x {due[1]} are due for this colouring.")
    return given if due[0] and due[1] else None
