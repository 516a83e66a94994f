"""The values of elemental Jacobians: what a user may hand in, checked against the graph, or drawn at random.

Explicit elementals are arrays, matrix-free ones pairs of functions on blocks of columns (tangent) or rows (adjoint).
Drawn entries are positive and of mean 1 / columns: sums of products then neither cancel nor grow, so that the error of
any order of multiplying is small against the largest entry of the result, for chains of any length.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from zipfile import BadZipFile

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.graph import Elemental, Graph
from chainplan.structures import Banded, Block, Diagonal, Identity, NegatedIdentity, Structure, Zero

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[Array], Array]
MatrixFree = tuple[Function | None, Function | None]
Given = Array | MatrixFree

SIGNS = {"identity": 1, "negated_identity": -1, "zero": 0}
"""What stands on the diagonal of a block whose structure says all its values; zeros stand elsewhere."""
NUMBERS = "iufc"
"""Kinds of dtype that are numbers; products of booleans would be logical ones."""


def common_dtype(given: Iterable[Given], wanted: Any = None) -> np.dtype[Any]:
    """The dtype of all arrays among `given` together, or the one that is wanted; float64 where nothing says."""
    if wanted is not None:
        asked: np.dtype[Any] = np.dtype(wanted)
        return asked
    dtypes = {value.dtype for value in given if isinstance(value, np.ndarray)}
    common: np.dtype[Any] = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
    return common


def stored(e: Elemental, given: Any) -> Array | None:
    """An explicit elemental as it is held: a matrix, a vector for a diagonal, None where the structure says all.

    Raises
    ------
    ExecutionError
        Where nothing was given, or the array has another shape, kind or structure than the elemental.
    """
    structure, rows, cols = e.block.structure, e.block.rows, e.block.cols
    if given is None:
        if given_away(e.block):
            return None
        raise ExecutionError(f"no Jacobian for '{e.name}'; expected an array of {rows} x {cols}.")
    if isinstance(given, tuple) or callable(given):
        raise ExecutionError(f"'{e.name}' is explicit, but functions were given; expected an array of {rows} x {cols}.")
    array = np.asarray(given)
    if array.dtype.kind not in NUMBERS:
        raise ExecutionError(f"the array for '{e.name}' has dtype {array.dtype}; expected numbers.")
    if array.shape == (rows,) and isinstance(structure, Diagonal):
        return array
    if array.shape != (rows, cols):
        also = f" or ({rows},)" if isinstance(structure, Diagonal) else ""
        raise ExecutionError(
            f"the array for '{e.name}' has shape {array.shape}; expected ({rows}, {cols}){also}: rows x columns."
        )
    return _fitted(e.name, array, structure)


def _fitted(name: str, array: Array, structure: Structure) -> Array | None:
    """A matrix of the right shape as it is held, refused where it does not have the structure that was planned with."""
    if isinstance(structure, Diagonal | Identity | NegatedIdentity | Zero):
        diagonal = np.diagonal(array)
        value = SIGNS.get(structure.name)
        stray = np.count_nonzero(array) - np.count_nonzero(diagonal)
        if stray or (value is not None and (diagonal != value).any()):
            raise ExecutionError(f"the array for '{name}' is not {structure!r}, which the plan relies on.")
        return diagonal.copy() if value is None else None
    if isinstance(structure, Banded):
        outside = np.tril(array, -structure.lower - 1), np.triu(array, structure.upper + 1)
        if any(part.any() for part in outside):
            raise ExecutionError(f"the array for '{name}' has nonzeros outside '{structure!r}', the planned structure.")
    return array


def matrix_free(e: Elemental, given: Any) -> MatrixFree:
    """A matrix-free elemental as a pair (tangent, adjoint); an array stands for multiplying by it.

    Raises
    ------
    ExecutionError
        Where what was given is neither a pair of functions nor an array of rows x cols.
    """
    if isinstance(given, tuple) and len(given) == 2 and all(f is None or callable(f) for f in given):
        return given
    array = None if isinstance(given, tuple) else np.asarray(given)
    if array is None or array.dtype.kind not in NUMBERS or array.shape != (e.block.rows, e.block.cols):
        found = "a tuple" if array is None else f"shape {array.shape} of dtype {array.dtype}"
        raise ExecutionError(
            f"for matrix-free '{e.name}' {found} was given; expected a pair of functions (tangent, adjoint) or an "
            f"array of {e.block.rows} x {e.block.cols}."
        )
    return (lambda block: np.dot(array, block)), (lambda block: np.dot(block, array))


def load_npz(path: str, graph: Graph) -> dict[str, Array]:
    """Read the Jacobians of a graph from a .npz file, one array per elemental name; nothing in it is unpickled.

    Those on no path from an input to an output are left out. All come back in one dtype, that of all together but at
    least int64: otherwise the rounding or wrapping of a product would depend on the order.

    Raises
    ------
    ExecutionError
        Where the file cannot be read or does not fit the graph; every fault is listed.
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("it holds one bare array, not an archive")
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error, NotImplementedError) as error:
        detail = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ExecutionError(f"{path}: not a .npz file of plain arrays: {detail}.") from None
    found = [f"{path}: {fault}" for fault in _faults(arrays, graph)]
    if found:
        raise ExecutionError("\n".join(found))
    used = {e.name: arrays[e.name] for e in graph.useful if e.name in arrays}
    common = common_dtype(used.values())
    if common.kind in "iu" and common.itemsize < 8:
        common = np.dtype(np.int64)
    return {name: array.astype(common, copy=False) for name, array in used.items()}


def _faults(arrays: Mapping[str, Array], graph: Graph) -> Iterator[str]:
    """Everything that keeps arrays from being the Jacobians of a graph."""
    for name in arrays.keys() - {e.name for e in graph.elementals}:
        close = get_close_matches(name, [e.name for e in graph.elementals], 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        yield f"'{name}' is no elemental of the problem.{hint}"
    for e in graph.useful:
        try:
            if e.explicit:
                stored(e, arrays.get(e.name))
            elif e.name in arrays:
                matrix_free(e, arrays[e.name])
            else:
                yield f"no array for '{e.name}'; expected one of {e.block.rows} x {e.block.cols}."
            if e.name in arrays and not np.isfinite(arrays[e.name]).all():
                yield f"the array for '{e.name}' has infinite or undefined entries; expected finite numbers."
        except ExecutionError as error:
            yield str(error)


def draw(graph: Graph, seed: int = 0, dtype: Any = np.float64) -> dict[str, Array]:
    """Random Jacobians for every elemental of a graph, matrix-free ones as arrays too.

    Floats are positive with mean 1 / cols; integers are drawn from -4 to 4. Blocks that their structure gives away
    (identity, negated identity, zero) are left out.
    """
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    result = {}
    for e in graph.elementals:
        if not (e.explicit and given_away(e.block)):
            values = _drawn(rng, e.block, kind)
            result[e.name] = values if e.explicit or values.ndim == 2 else np.diag(values)
    return result


def given_away(block: Block) -> bool:
    """Whether the structure of a block says all its values."""
    return block.structure.name in SIGNS


def _drawn(rng: np.random.Generator, block: Block, dtype: np.dtype[Any]) -> Array:
    structure, rows, cols = block.structure, block.rows, block.cols
    if given_away(block):
        sign = SIGNS[structure.name]
        unit: Array = dtype.type(sign) * np.eye(rows, cols, dtype=dtype)
        return unit
    vector = isinstance(structure, Diagonal)
    shape: tuple[int, ...] = (rows,) if vector else (rows, cols)
    values: Array
    if dtype.kind == "i":
        values = rng.integers(-4, 5, shape, dtype)
    else:
        values = (0.5 + rng.random(shape)).astype(dtype, copy=False)
        values /= dtype.type(1 if vector else max(1, cols))
    if isinstance(structure, Banded):
        values = np.triu(np.tril(values, structure.upper), -structure.lower)
    return values


def bytes_needed(graph: Graph, dtype: Any = np.float64) -> int:
    """Bytes of the arrays that `draw` makes."""
    entries = 0
    for e in graph.elementals:
        if not (e.explicit and given_away(e.block)):
            vector = e.explicit and isinstance(e.block.structure, Diagonal)
            entries += e.block.rows * (1 if vector else e.block.cols)
    return entries * int(np.dtype(dtype).itemsize)


def as_matrices(graph: Graph, jacobians: Mapping[str, Any]) -> dict[str, Any]:
    """Every elemental as a matrix of rows x cols, or as its pair of functions."""
    result: dict[str, Any] = {}
    for e in graph.useful:
        given = jacobians.get(e.name)
        if isinstance(given, tuple):
            result[e.name] = given
        elif given is None:
            value = SIGNS[e.block.structure.name]
            result[e.name] = value * np.eye(e.block.rows, e.block.cols, dtype=np.int8)
        else:
            array = np.asarray(given)
            result[e.name] = np.diag(array) if array.ndim == 1 else array
    return result
