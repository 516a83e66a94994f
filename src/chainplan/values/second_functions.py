"""The functions of a matrix-free second derivative as a user may give them, or made of an array of its entries.

They take many calls at once, line by line. A second tangent takes two blocks of columns, and makes column c of its
result from both columns c: F''[left[:, c], right[:, c]]. A second adjoint takes a block of rows and one of columns, and
makes row c from row c and column c: weights[c] · F''[·, directions[:, c]].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.problem.graph import Mode
from chainplan.problem.mixed_second import OwnSecond
from chainplan.values.jacobians import NUMBER_KINDS, GivenJacobian, is_sparse
from chainplan.values.second import stored_second
from chainplan.values.worker_module import is_function_pair

if TYPE_CHECKING:
    from chainplan.kernels.storage import HeldValues

SecondFunction = Callable[[Array, Array], Array]
"""A second tangent or second adjoint, of two blocks."""
SecondFunctions = tuple[SecondFunction | None, SecondFunction | None]
"""A pair (second tangent, second adjoint)."""


@dataclass(frozen=True, eq=False)
class SecondArrayFunction:
    """A second tangent or second adjoint that multiplies by an array; a sparse one is of rows x (cols · cols)."""

    array: HeldValues
    mode: Mode

    def __call__(self, one: Array, other: Array) -> Array:
        if not is_sparse(self.array):
            terms = "ijk,jc,kc->ic" if self.mode is Mode.TANGENT else "ijk,ci,kc->cj"
            return np.asarray(np.einsum(terms, self.array, one, other, optimize=True))
        at, cols = self.array.tocoo(), other.shape[0]
        j, k = np.divmod(at.col.astype(np.int64), cols)
        if self.mode is Mode.TANGENT:
            return _summed(at.row, self.array.shape[0], at.data[:, None] * one[j] * other[k])
        return _summed(j, cols, at.data[:, None] * one[:, at.row].T * other[k]).T


def _summed(places: Array, size: int, terms: Array) -> Array:
    """Sum the rows of an array that have the same place."""
    total: Array = np.zeros((size, terms.shape[1]), terms.dtype)
    np.add.at(total, places, terms)
    return total


def second_functions(own: OwnSecond, given: GivenJacobian) -> SecondFunctions:
    """Return the pair (second tangent, second adjoint) that was given for a matrix-free second derivative.

    Raises
    ------
    ExecutionError
        Where nothing was given, or neither a pair of functions nor an array that fits.
    """
    if is_function_pair(given):
        pair: SecondFunctions = given
        return pair
    if given is None or isinstance(given, tuple) or callable(given):
        shape = " x ".join(map(str, own.block[:3]))
        what = "nothing" if given is None else "a tuple" if isinstance(given, tuple) else "a function"
        expected = f"a pair of functions (second tangent, second adjoint) or an array of {shape}"
        raise ExecutionError(f"for matrix-free '{own.given}' {what} was given; expected {expected}.")
    array = stored_second(own, given)
    return SecondArrayFunction(array, Mode.TANGENT), SecondArrayFunction(array, Mode.ADJOINT)


def second_called(own: OwnSecond, mode: Mode, function: SecondFunction, one: Array, other: Array) -> Array:
    """Call a second tangent or second adjoint on two blocks, which it cannot write to.

    An exception inside the function gets a note that says where it was called.

    Raises
    ------
    ExecutionError
        Where the result is not an array of numbers of the right shape.
    """
    arguments = [block.view() for block in (one, other)]
    for argument in arguments:
        argument.flags.writeable = False
    try:
        result = np.asarray(function(*arguments))
    except (Exception, SystemExit) as error:
        error.add_note(f"This was the second {mode.value} of '{own.given}'. {_second_advice(own, mode)}")
        raise
    calls = other.shape[1]
    expected = (own.block.rows, calls) if mode is Mode.TANGENT else (calls, own.block.left)
    if result.shape == expected and result.dtype.kind in NUMBER_KINDS:
        return result
    fault = f"returned shape {result.shape} of dtype {result.dtype}; expected numbers of {expected}"
    raise ExecutionError(f"the second {mode.value} of '{own.given}' {fault}. {_second_advice(own, mode)}")


def _second_advice(own: OwnSecond, mode: Mode) -> str:
    rows, cols = own.block.rows, own.block.left
    if mode is Mode.TANGENT:
        return f"It should map two blocks of {cols} x c to {rows} x c, column by column F''[left, right]."
    return f"It should map blocks of c x {rows} and {cols} x c to c x {cols}, row by row weights · F''[·, directions]."


def as_array(own: OwnSecond, given: Mapping[str, GivenJacobian]) -> Array:
    """Return a second derivative as an array of three dimensions; zeros where it has no entries.

    Functions are called along all unit vectors.
    """
    block, value = own.block, given.get(own.given)
    if not block.nnz:
        return np.zeros(block[:3], np.int8)
    if own.explicit or not isinstance(value, tuple):
        held = stored_second(own, value)
        return held if isinstance(held, np.ndarray) else held.toarray().reshape(block[:3])
    tangent, adjoint = second_functions(own, value)
    unit, (rows, cols) = np.eye(block.left), block[:2]
    if tangent is not None:
        left, right = np.repeat(unit, cols, 1), np.tile(unit, cols)
        return second_called(own, Mode.TANGENT, tangent, left, right).reshape(rows, cols, cols)
    assert adjoint is not None, "a pair has a function"
    weights, right = np.repeat(np.eye(rows), cols, 0), np.tile(unit, rows)
    made = second_called(own, Mode.ADJOINT, adjoint, weights, right).reshape(rows, cols, cols)
    return made.transpose(0, 2, 1)
