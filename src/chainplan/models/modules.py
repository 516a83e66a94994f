"""Modules of a simulation: their shapes, read off trial calls where nobody says them, and their functions.

A module is an object with `tangent`, `adjoint` or both, a pair of such functions, or a block with values
(`block_values`). A trial call passes zeros, since tangents and adjoints are linear.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from chainplan.errors import ArgumentError
from chainplan.errors.arguments import refuse, whole
from chainplan.models.block_values import ModelBlock, given_value, read_block
from chainplan.structures import DENSE, Structure
from chainplan.values.jacobians import GivenJacobian, MatrixFree


class ModuleShape(NamedTuple):
    """The rows and columns of a module, each None where it is not known."""

    rows: int | None
    cols: int | None


@dataclass(frozen=True, eq=False)
class SimulationModule:
    """A module by its name: its functions (tangent, adjoint), or None where it is given by values."""

    name: str
    given: ModelBlock
    functions: MatrixFree | None
    structure: Structure
    shape: ModuleShape

    @property
    def value(self) -> GivenJacobian:
        """What `execute` takes for the module."""
        return given_value(self.given) if self.functions is None else self.functions

    def tried(self, known: ModuleShape) -> ModuleShape:
        """Return its shape, given what its neighbours say of it, by trial calls where that is not all.

        Raises
        ------
        ArgumentError
            Where a trial call does not return an array of two dimensions.
        """
        rows, cols = (own if own is not None else other for own, other in zip(self.shape, known, strict=True))
        tangent, adjoint = self.functions or (None, None)
        if rows is None and cols is not None and tangent is not None:
            rows = self._entries(tangent(np.zeros((cols, 1))), "tangent", 0)
        if cols is None and rows is not None and adjoint is not None:
            cols = self._entries(adjoint(np.zeros((1, rows))), "adjoint", 1)
        return ModuleShape(rows, cols)

    def _entries(self, returned: object, mode: str, axis: int) -> int:
        array = np.asarray(returned)
        if array.ndim != 2 or array.shape[1 - axis] != 1:
            expected = "an array of outputs x 1 for a column" if mode == "tangent" else "1 x inputs for a row"
            found = f"found a {mode} that returned shape {array.shape}"
            raise ArgumentError(
                f"modules['{self.name}']: {found}; expected {expected}. It should map blocks of vectors."
            )
        return int(array.shape[axis])


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
