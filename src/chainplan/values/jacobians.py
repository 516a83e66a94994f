"""The values of elemental Jacobians: what a user may hand in, checked against the graph, or drawn at random.

Explicit elementals are arrays, whole or compact, matrix-free ones pairs of functions on blocks of columns (tangent) or
rows (adjoint). Drawn entries are positive and of mean 1 / (nonzeros per row): sums of products then neither cancel nor
grow, so that the error of any order of multiplying is small against the largest entry of the result, for chains of any
length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.archives import BROKEN, fault, native, read
from chainplan._util.arrays import Array, DType
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import refuse
from chainplan.errors.suggest import did_you_mean
from chainplan.kernels.convert import (
    as_matrix,
    as_sparse,
    from_matrix,
    from_sparse,
    given_away,
    known,
    part_count,
    part_shape,
)
from chainplan.kernels.storage import Form, HeldValues, form
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.structures import Block, Dense, ScaledIdentity, Sign, Structure
from chainplan.structures.explicit import Explicit

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Function = Callable[[Array], Array]
MatrixFree = tuple[Function | None, Function | None]
Given = Any
"""An array, an array of scipy.sparse, or a pair of functions."""

NUMBERS = "iufc"
"""Kinds of dtype that are numbers; products of booleans would be logical ones."""


def common_dtype(given: Iterable[Given], wanted: DTypeLike | None = None) -> DType:
    """The dtype of all arrays among `given` together, or the one that is wanted; float64 where nothing says."""
    if wanted is not None:
        try:
            asked: DType = np.dtype(wanted)
        except TypeError:
            raise refuse("dtype", wanted, "a dtype of numpy", "Pass dtype='float64', say.") from None
        if asked.kind not in NUMBERS:
            raise refuse("dtype", wanted, "a dtype of numbers", "Pass dtype='float64', say.")
        return asked
    dtypes = {value.dtype for value in given if isinstance(value, np.ndarray) or is_sparse(value)}
    common: DType = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
    return common


def stored(e: Elemental, given: Given) -> HeldValues:
    """An explicit elemental as a block of its structure is held (`kernels.forms`).

    Raises
    ------
    ExecutionError
        Where nothing was given, or the array has another shape, kind or structure than the elemental.
    """
    block, rows, cols = e.block, e.block.rows, e.block.cols
    if given is None:
        if given_away(block):
            return known(block, np.int8)
        raise ExecutionError(f"no Jacobian for '{e.name}'; expected an array of {rows} x {cols}.")
    if isinstance(given, tuple) or callable(given):
        raise ExecutionError(f"'{e.name}' is explicit, but functions were given; expected an array of {rows} x {cols}.")
    array = _array(e, given, _shapes(block))
    if array.dtype.kind not in NUMBERS:
        raise ExecutionError(f"the array for '{e.name}' has dtype {array.dtype}; expected numbers.")
    if array.shape == (rows, cols):
        return _fitted(e.name, array, block)
    compact = None if is_sparse(array) else _compact(array, block)
    if compact is None:
        raise ExecutionError(
            f"the array for '{e.name}' has shape {array.shape}; expected {_shapes(block)}: rows x columns."
        )
    if isinstance(block.structure, Sign) and (np.abs(compact) != 1).any():
        raise ExecutionError(f"the vector for '{e.name}' is not {block.structure!r}, which the plan relies on.")
    return compact


def _array(e: Elemental, given: Given, expected: str) -> HeldValues:
    """What was given for an elemental as an array.

    Raises
    ------
    ExecutionError
        Where it is none: a list with rows of several lengths.
    """
    try:
        return native(given if is_sparse(given) else np.asarray(given))
    except ValueError:
        raise ExecutionError(f"the list for '{e.name}' has rows of several lengths; expected {expected}.") from None


def is_sparse(value: object) -> bool:
    """Whether a value is an array or matrix of scipy.sparse, without loading scipy to find out."""
    return type(value).__module__.startswith("scipy.sparse")


def _shapes(block: Block) -> str:
    """The shapes in which the values of a block may be given."""
    kind, shapes = form(block), [f"({block.rows}, {block.cols})"]
    if kind is Form.SCALAR:
        shapes.append("()")
    elif kind is Form.VECTOR:
        shapes.append(f"({block.rows},)")
    elif isinstance(block.structure, Explicit):
        shapes.append(f"({block.nnz},)")
    elif kind in (Form.STACK, Form.LAYERS):
        r, c = part_shape(block)
        shapes += [f"({part_count(block)}, {r}, {c})", f"({r}, {c})"]
    return " or ".join(shapes)


def _compact(array: Array, block: Block) -> HeldValues:
    """A compact array as it is held, None where its shape is none that the block has."""
    kind = form(block)
    if kind is Form.SCALAR and array.shape == ():
        return array
    if kind is Form.VECTOR and array.shape == (block.rows,):
        return array
    if isinstance(block.structure, Explicit) and array.shape == (block.nnz,):
        pattern = block.structure.csr
        return from_sparse(csr_array((array, pattern.indices, pattern.indptr), shape=pattern.shape), block)
    if kind in (Form.STACK, Form.LAYERS):
        part, count = part_shape(block), part_count(block)
        if array.shape == part:
            return array[None]
        if array.shape in ((1, *part), (count, *part)):
            return array
    return None


def _fitted(name: str, given: HeldValues, block: Block) -> HeldValues:
    """A matrix of the right shape as it is held, refused where it does not have the structure that was planned with."""
    structure = block.structure
    if isinstance(structure, Dense):
        return given.toarray() if is_sparse(given) else given
    pattern = structure.pattern(block.rows, block.cols)
    if form(block) is Form.SPARSE and structure.units is None and _listed_alike(given, pattern):
        return given if type(given) is csr_array else csr_array(given, copy=True)
    csr = csr_array(given, copy=True)
    csr.eliminate_zeros()
    inside = csr.astype(bool).multiply(pattern.astype(bool))
    if inside.nnz < csr.nnz:
        raise ExecutionError(f"the array for '{name}' has nonzeros outside '{structure!r}', the planned structure.")
    if not _has_values(csr, pattern.nnz, structure):
        raise ExecutionError(f"the array for '{name}' is not {structure!r}, which the plan relies on.")
    return from_matrix(given, block) if not is_sparse(given) else from_sparse(csr, block)


def _listed_alike(given: HeldValues, pattern: csr_array) -> bool:
    """Whether a given matrix lists just the entries of a pattern, in the same order: nothing is left to be checked."""
    return (
        is_sparse(given)
        and given.format == "csr"
        and np.array_equal(given.indptr, pattern.indptr)
        and np.array_equal(given.indices, pattern.indices)
    )


def _has_values(csr: csr_array, nonzeros: int, structure: Structure) -> bool:
    """Whether the entries of an array of the right pattern are those that its structure says."""
    if isinstance(structure, ScaledIdentity):
        return len(set(csr.diagonal().tolist())) <= 1
    units = structure.units
    if units is None:
        return True
    allowed = (1, -1) if units.sign == 0 else (units.sign,)
    return csr.nnz == nonzeros and bool(np.isin(csr.data, allowed).all())


def called(e: Elemental, mode: Mode, function: Function, block: Array) -> Array:
    """What a function of a matrix-free elemental makes of a block, which it may not write to.

    An error in it says where it was called.

    Raises
    ------
    ExecutionError
        Where the result is no array of numbers of the right shape.
    """
    handed = block.view()
    handed.flags.writeable = False
    try:
        made = function(handed)
        result = None if _ragged(made) else np.asarray(made)
    except Exception as error:
        of = " x ".join(map(str, block.shape))
        error.add_note(f"This was the {mode.value} of '{e.name}', called with a block of {of}. {_advice(e, mode)}")
        raise
    expected = (e.block.rows, block.shape[1]) if mode is Mode.TANGENT else (block.shape[0], e.block.cols)
    if result is None:
        fault = f"returned a list with rows of several lengths; expected {expected}"
    elif result.shape != expected:
        fault = f"returned shape {result.shape}; expected {expected}"
    elif result.dtype.kind not in NUMBERS:
        fault = f"returned an array of dtype {result.dtype}; expected numbers"
    else:
        return result
    raise ExecutionError(f"the {mode.value} of '{e.name}' {fault}. {_advice(e, mode)}")


def _ragged(value: object) -> bool:
    """Whether a value is a list that makes no array."""
    if isinstance(value, list | tuple):
        try:
            np.asarray(value)
        except ValueError:
            return True
    return False


def _advice(e: Elemental, mode: Mode) -> str:
    """What a function of a matrix-free elemental should do, and how to find out whether it does."""
    rows, cols = e.block.rows, e.block.cols
    tangent = f"{cols} x c to F'·block of {rows} x c"
    adjoint = f"r x {rows} to block·F' of r x {cols}, not to its transpose"
    return (
        f"It should map a block of {tangent if mode is Mode.TANGENT else adjoint}. Test the pair by the dot product: "
        f"y @ tangent(x) equals adjoint(y) @ x for x of {cols} x 1 and y of 1 x {rows}."
    )


def matrix_free(e: Elemental, given: Given) -> MatrixFree:
    """A matrix-free elemental as a pair (tangent, adjoint); an array stands for multiplying by it.

    Raises
    ------
    ExecutionError
        Where what was given is neither a pair of functions nor an array of rows x cols.
    """
    if isinstance(given, tuple) and len(given) == 2 and all(f is None or callable(f) for f in given):
        return given
    expected = _pair_or_array(e)
    array = None if isinstance(given, tuple) else _array(e, given, expected)
    if array is None or array.dtype.kind not in NUMBERS or array.shape != (e.block.rows, e.block.cols):
        found = "a tuple" if array is None else f"shape {array.shape} of dtype {array.dtype}"
        raise ExecutionError(f"for matrix-free '{e.name}' {found} was given; expected {expected}.")
    return ByMatrix(array, Mode.TANGENT), ByMatrix(array, Mode.ADJOINT)


def _pair_or_array(e: Elemental) -> str:
    """What may be given for a matrix-free elemental."""
    return f"a pair of functions (tangent, adjoint) or an array of {e.block.rows} x {e.block.cols}"


@dataclass(frozen=True, eq=False)
class ByMatrix:
    """A function of a matrix-free elemental that multiplies by an array."""

    array: Array | csr_array
    mode: Mode

    def __call__(self, block: Array) -> Array:
        return self.array @ block if self.mode is Mode.TANGENT else block @ self.array


def read_npz(path: str) -> dict[str, Array]:
    """The arrays of a .npz file; nothing in it is unpickled.

    Raises
    ------
    ExecutionError
        Where the file cannot be read.
    """
    try:
        return read(path)
    except BROKEN as error:
        expected = "an archive of arrays of numbers. Write it by numpy.savez('values.npz', NAME=array)"
        raise ExecutionError(f"{path}: not a .npz file of plain arrays: {fault(error, expected)}.") from None


def load_npz(path: str, graph: Graph) -> dict[str, Array]:
    """Read the Jacobians of a graph from a .npz file, one array per elemental name; nothing in it is unpickled.

    Those on no path from an input to an output are left out. All come back in one dtype, that of all together but at
    least int64: otherwise the rounding or wrapping of a product would depend on the order.

    Raises
    ------
    ExecutionError
        Where the file cannot be read or does not fit the graph; every fault is listed.
    """
    arrays = read_npz(path)
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
        hint = did_you_mean(name, (e.name for e in graph.elementals))
        yield f"'{name}' is no elemental of the problem. {hint}".rstrip()
    for e in graph.useful:
        try:
            if e.explicit:
                stored(graph.declared[e.name], arrays.get(e.name))
            elif e.name in arrays:
                matrix_free(e, arrays[e.name])
            else:
                yield f"no array for '{e.name}'; expected one of {e.block.rows} x {e.block.cols}."
            if e.name in arrays and not np.isfinite(arrays[e.name]).all():
                yield f"the array for '{e.name}' has infinite or undefined entries; expected finite numbers."
        except ExecutionError as error:
            yield str(error)


def draw(graph: Graph, seed: int = 0, dtype: DTypeLike = np.float64) -> dict[str, HeldValues]:
    """Random Jacobians for every elemental of a graph, in the form they are held in; matrix-free ones as matrices,
    sparse where their structure is.

    Floats are positive with mean 1 / (nonzeros per row); integers are drawn from -4 to 4. Blocks that their structure
    gives away are left out.
    """
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    result = {}
    for e in graph.elementals:
        if e.explicit and given_away(e.block):
            continue
        if e.explicit:
            result[e.name] = _drawn(rng, e.block, kind)
        else:
            held = known(e.block, kind) if given_away(e.block) else _drawn(rng, e.block, kind)
            whole = as_matrix if form(e.block) is Form.MATRIX else as_sparse
            result[e.name] = whole(held, e.block, kind)
    return result


def _drawn(rng: np.random.Generator, block: Block, dtype: DType) -> HeldValues:
    """Random values as the block is held."""
    kind, rows, cols = form(block), block.rows, block.cols
    if isinstance(block.structure, Sign):
        return rng.choice(np.array([-1, 1], dtype), rows)
    per_row = max(1, -(-block.nnz // max(1, rows)))
    if kind in (Form.SCALAR, Form.VECTOR):
        return _numbers(rng, () if kind is Form.SCALAR else (rows,), dtype, 1)
    if kind in (Form.STACK, Form.LAYERS):
        return _numbers(rng, (part_count(block), *part_shape(block)), dtype, per_row)
    if isinstance(block.structure, Dense):
        return _numbers(rng, (rows, cols), dtype, per_row)
    csr = block.structure.pattern(rows, cols)
    numbers = _numbers(rng, (csr.nnz,), dtype, per_row)
    values = csr_array((numbers, csr.indices, csr.indptr), shape=csr.shape, copy=True)
    return values if kind is Form.SPARSE else values.toarray()


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType, per_row: int) -> Array:
    if dtype.kind == "i":
        return np.asarray(rng.integers(-4, 5, shape, dtype))
    return np.asarray((0.5 + rng.random(shape)) / per_row).astype(dtype, copy=False)


def bytes_needed(graph: Graph, dtype: DTypeLike = np.float64) -> int:
    """Bytes of the arrays that `draw` makes, with the row pointers of sparse ones."""
    entries, lines = 0, 0
    for e in graph.elementals:
        if not (e.explicit and given_away(e.block)):
            entries += e.block.rows * e.block.cols if form(e.block) is Form.MATRIX else 2 * e.block.nnz
            lines += e.block.rows if form(e.block) is Form.SPARSE else 0
    return entries * int(np.dtype(dtype).itemsize) + 8 * lines


def as_matrices(graph: Graph, jacobians: Mapping[str, Given]) -> dict[str, Given]:
    """Every elemental as a matrix of rows x cols, or as its pair of functions."""
    result: dict[str, Given] = {}
    for e in graph.elementals:
        given = jacobians.get(e.name)
        if isinstance(given, tuple):
            result[e.name] = given
        elif e.explicit:
            result[e.name] = as_matrix(stored(e, given), e.block, np.int8)
        else:
            result[e.name] = _array(e, given, _pair_or_array(e))
    return result


def sparse_or_functions(e: Elemental, given: Given) -> Given:
    """An elemental as a sparse array of rows x cols, or as its pair of functions."""
    if isinstance(given, tuple):
        return given
    if not e.explicit:
        return _array(e, given, _pair_or_array(e))
    return as_sparse(stored(e, given), e.block, np.int8)
