"""The values of elemental Jacobians as a user may give them, checked against the graph.

The value of an explicit elemental is an array, either whole (rows x cols) or compact (the diagonal, the parts, or the
nonzeros alone). The value of a matrix-free elemental is a pair of functions, on blocks of columns (tangent) and of rows
(adjoint). Everything is checked here once, so that kernels can rely on the structures that a plan was made with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.archives import native
from chainplan._util.arrays import Array, ArrayFunction, DType
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import describe, refuse
from chainplan.kernels.convert import (
    as_matrix,
    as_sparse,
    from_matrix,
    from_sparse,
    given_away,
    kept_pattern,
    known,
    part_count,
    part_shape,
)
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Banded, Block, Dense, ScaledIdentity, Shifts, Sign, Structure
from chainplan.structures.absent_pattern import AbsentPattern
from chainplan.structures.banded import ENDLESS_WIDTH
from chainplan.structures.explicit import Explicit
from chainplan.values.references import fetched, fetched_part, has_parts, is_reference
from chainplan.values.shifts_block import ShiftsBlock, coefficients_on
from chainplan.values.worker_module import FunctionPair, WorkerModule, is_function_pair

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

MatrixFree = FunctionPair
GivenJacobian = Any
"""An array, a sparse array of scipy, a reference to one (see `references`), a pair of functions or a `WorkerModule`."""

NUMBER_KINDS = "iufc"
"""Kinds of dtype that are numbers; booleans are not, because their products would be logical."""


def common_dtype(given: Iterable[GivenJacobian], wanted: DTypeLike | None = None) -> DType:
    """Return the wanted dtype, or else the dtype to which all arrays among `given` promote; without any, float64."""
    if wanted is not None:
        try:
            dtype: DType = np.dtype(wanted)
        except TypeError:
            raise refuse("dtype", wanted, "a dtype of numpy", "Pass dtype='float64', say.") from None
        if dtype.kind not in NUMBER_KINDS:
            raise refuse("dtype", wanted, "a dtype of numbers", "Pass dtype='float64', say.")
        return dtype
    arrays = (value for value in given if type(value) is not tuple)
    dtypes = {value.dtype for value in arrays if isinstance(value, np.ndarray | ShiftsBlock) or is_sparse(value)}
    dtypes = {dtype for dtype in dtypes if dtype.kind in NUMBER_KINDS}  # others are refused with their elemental
    common: DType = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
    return common


def stored(e: Elemental, given: GivenJacobian) -> HeldValues:
    """Return the value of an explicit elemental in the form in which its block is held (`kernels.storage`).

    Raises
    ------
    ExecutionError
        Where nothing was given, or where the array does not have the shape, kind or structure of the elemental.
    """
    block, rows, cols = e.block, e.block.rows, e.block.cols
    if given is None:
        if given_away(block):
            return known(block, np.int8)
        raise ExecutionError(f"no Jacobian for '{e.first}'; expected an array of {rows} x {cols}.")
    if is_reference(given):
        given = fetched(e, given)
    if isinstance(given, tuple) or callable(given):
        raise ExecutionError(f"'{e.name}' is explicit, but functions were given; expected an array of {rows} x {cols}.")
    array = _array(e, given, block)
    _require_numbers(e, array)
    if array.shape == (rows, cols):
        return _fitted(e.name, array, block)
    if isinstance(block.structure, Explicit | Banded):
        require_listable(e.name, array)
    compact = None if is_sparse(array) else _compact(array, block)
    if compact is None:
        raise ExecutionError(
            f"the array for '{e.name}' has shape {array.shape}; expected {_shapes(block)}: rows x columns."
        )
    if isinstance(block.structure, Sign) and (np.abs(compact) != 1).any():
        raise ExecutionError(f"the vector for '{e.name}' is not {block.structure!r}, which the plan relies on.")
    return compact


def stored_part(e: Elemental, path: str, rows: slice, cols: slice) -> HeldValues:
    """Return some rows and columns of what `stored` returns for a file; errors are the same."""
    if not isinstance(e.block.structure, Dense) or not has_parts(path):
        return stored(e, path)[rows, cols]
    part = native(fetched_part(e, path, rows, cols))
    _require_numbers(e, part)
    return part


def _require_numbers(e: Elemental, array: HeldValues) -> None:
    if array.dtype.kind not in NUMBER_KINDS:
        raise ExecutionError(f"the array for '{e.name}' has dtype {array.dtype}; expected numbers.")


def _array(e: Elemental, given: GivenJacobian, block: Block | None = None) -> HeldValues:
    """Turn what was given for an elemental into an array; shifts become coefficients where its block has their runs.

    Raises
    ------
    ExecutionError
        Where it cannot become an array, because it is a list with rows of several lengths.
    """
    if isinstance(given, ShiftsBlock):
        made = (
            coefficients_on(block.structure, given)
            if block is not None and isinstance(block.structure, Shifts)
            else None
        )
        return given.matrix(e.block.rows, e.block.cols) if made is None else made
    try:
        return native(given if is_sparse(given) else np.asarray(given))
    except ValueError:
        expected = _pair_or_array(e) if block is None else _shapes(block)
        raise ExecutionError(f"the list for '{e.name}' has rows of several lengths; expected {expected}.") from None


def is_sparse(value: object) -> bool:
    """Say whether a value is a sparse array or matrix of scipy, without importing scipy."""
    return type(value).__module__.startswith("scipy.sparse")


def _shapes(block: Block) -> str:
    """List, in words, the shapes in which the values of a block may be given."""
    kind, shapes = form(block), [f"({block.rows}, {block.cols})"]
    if kind is StorageForm.SCALED_IDENTITY:
        shapes.append("()")
    elif kind is StorageForm.DIAGONAL:
        shapes.append(f"({block.rows},)")
    elif isinstance(block.structure, Explicit):
        shapes.append(f"({block.nnz},)")
    elif isinstance(block.structure, Shifts):
        shapes.append(f"({len(block.structure.runs)},), one coefficient for each shift")
    elif (diagonals := band_shape(block)) is not None:
        shapes.append(f"{diagonals}, its diagonals from above")
    elif kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        r, c = part_shape(block)
        shapes += [f"({part_count(block)}, {r}, {c})", f"({r}, {c})"]
    return " or ".join(shapes)


def _compact(array: Array, block: Block) -> HeldValues:
    """Bring a compact array into the form of a block; return None where no compact form of the block has its shape."""
    kind = form(block)
    if kind is StorageForm.SCALED_IDENTITY and array.shape == ():
        return array
    if kind is StorageForm.DIAGONAL and array.shape == (block.rows,):
        return array
    if isinstance(block.structure, Shifts) and array.shape == (len(block.structure.runs),):
        return array
    if isinstance(block.structure, Explicit) and array.shape == (block.nnz,):
        pattern = block.structure.csr
        return from_sparse(csr_array((array, pattern.indices, pattern.indptr), shape=pattern.shape), block)
    if array.shape == band_shape(block):
        pattern = kept_pattern(block)
        entries = array.take(band_places(block))
        return from_sparse(csr_array((entries, pattern.indices, pattern.indptr), shape=pattern.shape), block)
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        part, count = part_shape(block), part_count(block)
        if array.shape == part:
            return array[None]
        if array.shape in ((1, *part), (count, *part)):
            return array
    return None


def band_shape(block: Block) -> tuple[int, int] | None:
    """Return the shape in which the diagonals of a band are given, from the uppermost down; None for another block."""
    structure = block.structure
    if not isinstance(structure, Banded) or ENDLESS_WIDTH in (structure.lower, structure.upper):
        return None
    return structure.lower + structure.upper + 1, block.cols


def band_places(block: Block) -> Array:
    """Return where each entry of a band, row by row, stands among its diagonals: entry (i, j) at (upper + i - j, j)."""
    structure, pattern = block.structure, kept_pattern(block)
    assert isinstance(structure, Banded), "the caller has looked"
    row: Array = np.repeat(np.arange(block.rows), np.diff(pattern.indptr))
    return (structure.upper + row - pattern.indices) * block.cols + pattern.indices


def _fitted(name: str, given: HeldValues, block: Block) -> HeldValues:
    """Bring a matrix of rows x cols into the form of a block; refuse one that lacks the structure of the block."""
    structure = block.structure
    if isinstance(structure, Dense):
        return given.toarray() if is_sparse(given) else given
    require_listable(name, given)
    if form(block) is StorageForm.SPARSE and structure.units is None and listed_alike(given, block):
        return given if type(given) is csr_array else csr_array(given, copy=True)
    pattern = kept_pattern(block)
    csr = csr_array(given, copy=True)
    csr.eliminate_zeros()
    inside = csr.astype(bool).multiply(pattern.astype(bool))
    if inside.nnz < csr.nnz:
        raise ExecutionError(f"the array for '{name}' has nonzeros outside '{structure!r}', the planned structure.")
    if not _has_values(csr, pattern.nnz, structure):
        raise ExecutionError(f"the array for '{name}' is not {structure!r}, which the plan relies on.")
    return from_matrix(given, block) if not is_sparse(given) else from_sparse(csr, block)


def require_listable(name: str, given: HeldValues) -> None:
    """Refuse numbers of which scipy has no sparse arrays."""
    if given.dtype == np.float16:
        raise ExecutionError(f"the array for '{name}' has dtype float16, of which no entries are listed; pass float32.")


def listed_alike(given: HeldValues, block: Block) -> bool:
    """Say whether a matrix lists exactly the entries of a block in the same order, so that it needs no check."""
    if not is_sparse(given) or given.format != "csr":
        return False
    if isinstance(block.structure, AbsentPattern):
        return block.structure.listed_by(given)
    pattern = kept_pattern(block)
    return np.array_equal(given.indptr, pattern.indptr) and np.array_equal(given.indices, pattern.indices)


def _has_values(csr: csr_array, nonzeros: int, structure: Structure) -> bool:
    """Say whether an array that fits the pattern of a structure also has the values that the structure prescribes."""
    if isinstance(structure, ScaledIdentity):
        return len(set(csr.diagonal().tolist())) <= 1
    if isinstance(structure, Shifts):
        block = Block(*csr.shape, structure)
        uneven: csr_array = csr - as_sparse(from_sparse(csr, block), block, None)
        return bool(uneven.count_nonzero() == 0)
    units = structure.units
    if units is None:
        return True
    allowed = (1, -1) if units.sign == 0 else (units.sign,)
    return csr.nnz == nonzeros and bool(np.isin(csr.data, allowed).all())


def called(e: Elemental, mode: Mode, function: ArrayFunction, block: Array) -> Array:
    """Call the tangent or adjoint of a matrix-free elemental on a block, which it cannot write to.

    An exception inside the function gets a note that says where it was called.

    Raises
    ------
    ExecutionError
        Where the result is not an array of numbers of the right shape.
    """
    argument = block.view()
    argument.flags.writeable = False
    try:
        result = as_array(function(argument))
    except (Exception, SystemExit) as error:
        note_call(error, e, mode, block)
        raise
    return accepted(e, mode, result, block)


def note_call(error: BaseException, e: Elemental, mode: Mode, block: Array) -> None:
    """Add a note to an exception inside a tangent or adjoint that says on what block it was called."""
    of = " x ".join(map(str, block.shape))
    error.add_note(f"This was the {mode.value} of '{e.name}', called with a block of {of}. {_advice(e, mode)}")


def accepted(e: Elemental, mode: Mode, result: Array | None, block: Array) -> Array:
    """Return what a tangent or adjoint returned for a block; None stands for what no array can be made of.

    Raises
    ------
    ExecutionError
        Where it is not an array of numbers of the right shape.
    """
    expected = (e.block.rows, block.shape[1]) if mode is Mode.TANGENT else (block.shape[0], e.block.cols)
    if result is None:
        fault = f"returned a list with rows of several lengths; expected {expected}"
    elif result.shape != expected:
        fault = f"returned shape {result.shape}; expected {expected}"
    elif result.dtype.kind not in NUMBER_KINDS:
        fault = f"returned an array of dtype {result.dtype}; expected numbers"
    else:
        return result
    raise ExecutionError(f"the {mode.value} of '{e.name}' {fault}. {_advice(e, mode)}")


def as_array(returned: object) -> Array | None:
    """Return what a function returned as an array, or None where none can be made of it."""
    if isinstance(returned, np.ndarray):
        return np.asarray(returned)
    return None if _ragged(returned) else np.asarray(returned)


def _ragged(value: object) -> bool:
    """Say whether a value is a list with rows of several lengths, of which no array can be made."""
    if isinstance(value, list | tuple):
        try:
            np.asarray(value)
        except ValueError:
            return True
    return False


def _advice(e: Elemental, mode: Mode) -> str:
    """Say what a tangent or adjoint should compute, and how to test that it does."""
    rows, cols = e.block.rows, e.block.cols
    tangent = f"{cols} x c to F'·block of {rows} x c"
    adjoint = f"r x {rows} to block·F' of r x {cols}, not to its transpose"
    return (
        f"It should map a block of {tangent if mode is Mode.TANGENT else adjoint}. Test the pair by the dot product: "
        f"y @ tangent(x) equals adjoint(y) @ x for x of {cols} x 1 and y of 1 x {rows}."
    )


def matrix_free(e: Elemental, given: GivenJacobian) -> MatrixFree:
    """Return the value of a matrix-free elemental as a pair (tangent, adjoint); an array becomes two multiplications.

    Raises
    ------
    ExecutionError
        Where the value is neither a pair of functions nor an array of rows x cols.
    """
    if isinstance(given, WorkerModule):
        return given.pair(e.name)
    if is_function_pair(given):
        pair: MatrixFree = given
        return pair
    array = None if isinstance(given, tuple) else _array(e, given)
    if array is None or array.dtype.kind not in NUMBER_KINDS or array.shape != (e.block.rows, e.block.cols):
        what = describe(given)
        if array is not None and array.dtype != object:
            what = f"shape {array.shape} of dtype {array.dtype}"
        raise ExecutionError(f"for matrix-free '{e.name}' {what} was given; expected {_pair_or_array(e)}.")
    return MatrixFunction(array, Mode.TANGENT), MatrixFunction(array, Mode.ADJOINT)


def _pair_or_array(e: Elemental) -> str:
    """Say, in words, what may be given for a matrix-free elemental."""
    return f"a pair of functions (tangent, adjoint) or an array of {e.block.rows} x {e.block.cols}"


@dataclass(frozen=True, eq=False)
class MatrixFunction:
    """A tangent or adjoint that multiplies by an array."""

    array: Array | csr_array
    mode: Mode

    def __call__(self, block: Array) -> Array:
        return self.array @ block if self.mode is Mode.TANGENT else block @ self.array


def as_matrices(elementals: Iterable[Elemental], jacobians: Mapping[str, GivenJacobian]) -> dict[str, GivenJacobian]:
    """Return each elemental as a matrix of rows x cols, or as its pair of functions."""
    result: dict[str, GivenJacobian] = {}
    for e in elementals:
        given = jacobians.get(e.name)
        if isinstance(given, tuple):
            result[e.name] = given
        elif e.explicit:
            result[e.name] = as_matrix(stored(e, given), e.block, np.int8)
        else:
            result[e.name] = _array(e, given)
    return result


def sparse_or_functions(e: Elemental, given: GivenJacobian) -> GivenJacobian:
    """Return an elemental as a sparse array of rows x cols, or as its pair of functions."""
    if isinstance(given, tuple):
        return given
    if not e.explicit:
        return _array(e, given)
    return as_sparse(stored(e, given), e.block, np.int8)
