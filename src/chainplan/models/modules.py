"""Modules of a simulation: their shapes, read off trial calls where nobody says them, and their functions.

A module is an object with `tangent`, `adjoint` or both, a pair of such functions, or a block with values
(`block_values`). A trial call passes zeros, since tangents and adjoints are linear. It also tells functions of blocks
from functions of single vectors, which are then called for one vector after another.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from chainplan._util.arrays import Array, ArrayFunction
from chainplan.errors import ArgumentError
from chainplan.errors.arguments import refuse, whole
from chainplan.models.block_values import ModelBlock, given_value, read_block
from chainplan.structures import DENSE, Structure
from chainplan.values.jacobians import GivenJacobian, MatrixFree

TRIED_VECTORS = (2, 3, 5)
"""Vectors of the block on which functions are tried: the first of these numbers that is no size of the module."""


class ModuleShape(NamedTuple):
    """The rows and columns of a module, each None where it is not known."""

    rows: int | None
    cols: int | None


@dataclass(frozen=True, eq=False)
class SimulationModule:
    """A module by its name: its functions (tangent, adjoint), or None where it is given by values.

    `single` says which of its functions take single vectors alone.
    """

    name: str
    given: ModelBlock
    functions: MatrixFree | None
    structure: Structure
    shape: ModuleShape
    single: tuple[bool, bool] = (False, False)

    @property
    def value(self) -> GivenJacobian:
        """What `execute` takes for the module."""
        return given_value(self.given) if self.functions is None else self.current

    @property
    def current(self) -> MatrixFree | None:
        """The functions that the module has at present, on blocks of vectors."""
        functions = self.functions
        if functions is None:
            return None
        if type(self.given) is not tuple and not isinstance(self.given, LinearOperator):
            functions = _functions(self.given) or (None, None)
        if not any(self.single):
            return functions
        tangent, adjoint = functions
        return (
            partial(_each_column, tangent) if self.single[0] and tangent is not None else tangent,
            partial(_each_row, adjoint) if self.single[1] and adjoint is not None else adjoint,
        )

    def like(self, other: SimulationModule) -> SimulationModule:
        """Return another module in the place of this one, whose functions take what those of this one do."""
        return replace(other, single=self.single)

    def in_blocks(self, shape: ModuleShape) -> SimulationModule:
        """Return the module with functions that take blocks, by trial calls on two vectors and on one."""
        (rows, cols), (tangent, adjoint) = shape, self.functions or (None, None)
        assert rows is not None, "shapes are complete"
        assert cols is not None, "shapes are complete"
        width = next(width for width in TRIED_VECTORS if width not in shape)
        single = (
            tangent is not None and _takes_one(tangent, (cols, width), (rows, width), cols, rows),
            adjoint is not None and _takes_one(adjoint, (width, rows), (width, cols), rows, cols),
        )
        return replace(self, single=single)

    def tried(self, known: ModuleShape) -> ModuleShape:
        """Return its shape, given what its neighbours say of it, by trial calls where that is not all.

        Raises
        ------
        ArgumentError
            Where a trial call raises an error, which is the cause, or returns neither a block nor, for a single vector,
            a vector.
        """
        rows, cols = (own if own is not None else other for own, other in zip(self.shape, known, strict=True))
        tangent, adjoint = self.functions or (None, None)
        if rows is None and cols is not None and tangent is not None:
            rows = self._entries(tangent, "tangent", (cols, 1))
        if cols is None and rows is not None and adjoint is not None:
            cols = self._entries(adjoint, "adjoint", (1, rows))
        return ModuleShape(rows, cols)

    def _entries(self, function: ArrayFunction, mode: str, shape: tuple[int, int]) -> int:
        """Return the entries of a result for one vector, which the function takes as a block or by itself."""
        axis = 0 if mode == "tangent" else 1
        array, fault = _tried_on(function, shape)
        if array is not None and array.ndim == 2 and array.shape[1 - axis] == 1:
            return int(array.shape[axis])
        vector, second = _tried_on(function, shape[axis : axis + 1])
        if vector is not None and vector.ndim == 1:
            return len(vector)
        expected = "an array of outputs x 1 for a column" if mode == "tangent" else "1 x inputs for a row"
        if array is not None:
            found = f"found a {mode} that returned shape {array.shape}"
        else:
            found = f"found a {mode} that raised {_said(fault)}"
            if second is not None and _said(second) != _said(fault):
                found += f", and for a single vector {_said(second)}"
        raise ArgumentError(
            f"modules['{self.name}']: {found}; expected {expected}. It should map blocks of vectors, or vectors."
        ) from fault


def _tried_on(function: ArrayFunction, shape: tuple[int, ...]) -> tuple[Array | None, Exception | None]:
    """Return what a function makes of zeros, or what it raises."""
    try:
        return np.asarray(function(np.zeros(shape))), None
    except Exception as error:
        return None, error


def _said(error: Exception | None) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}" if str(error) else type(error).__name__


def _takes_one(
    function: ArrayFunction, block: tuple[int, int], result: tuple[int, int], entries: int, returned: int
) -> bool:
    """Say whether a function maps single vectors and no blocks; one that maps neither is left to the first run."""
    with suppress(Exception):
        if np.shape(function(np.zeros(block))) == result:
            return False
    with suppress(Exception):
        return np.shape(function(np.zeros(entries))) == (returned,)
    return False


def _each_column(function: ArrayFunction, block: Array) -> Array:
    """Apply a function of vectors to every column."""
    return np.stack([function(column) for column in block.T], axis=1)


def _each_row(function: ArrayFunction, block: Array) -> Array:
    """Apply a function of vectors to every row."""
    return np.stack([function(row) for row in block])


def read_module(name: str, given: ModelBlock) -> SimulationModule:
    """Read a module.

    Raises
    ------
    ArgumentError
        Where it has neither a tangent nor an adjoint, and is no block with values.
    """
    functions = None if isinstance(given, LinearOperator) else _functions(given)
    if functions is not None:
        rows, cols = _said_shape(name, getattr(given, "shape", None))
        return SimulationModule(name, given, functions, DENSE, ModuleShape(rows, cols))
    place: tuple[Hashable, Hashable] = (name, "input")
    try:
        read = read_block(place, given)
    except ArgumentError as error:
        found = str(error).partition(": ")[2].partition(";")[0]
        expected = "expected an object with tangent, adjoint or both, such a pair, or a block with values"
        raise ArgumentError(f"modules['{name}']: {found}; {expected}. Pass one of them.") from None
    value = given_value(given)
    made = value if isinstance(value, tuple) else None
    if made is not None and read.functions is not None:
        made = tuple(f if there else None for f, there in zip(made, read.functions, strict=True))
    return SimulationModule(name, given, made, read.structure, ModuleShape(read.rows, read.cols))


def _said_shape(name: str, shape: object) -> tuple[int | None, int | None]:
    """Return the shape that an object with functions says, if it does."""
    if shape is None:
        return None, None
    what, expected = f"modules['{name}'].shape", "a pair (outputs, inputs)"
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        raise refuse(what, shape, expected, "Correct it.")
    rows, cols = (None if size is None else whole(what, size) for size in shape)
    return rows, cols


def _functions(given: ModelBlock) -> MatrixFree | None:
    """Return the tangent and adjoint that an object has, or None where it has neither."""
    tangent, adjoint = getattr(given, "tangent", None), getattr(given, "adjoint", None)
    if callable(tangent) or callable(adjoint):
        return (tangent if callable(tangent) else None), (adjoint if callable(adjoint) else None)
    return None
