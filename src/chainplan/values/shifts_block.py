"""`chainplan.ShiftsBlock`: lags and leads with their coefficients, given in the place of a matrix of T x T."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.arrays import Array, DType
from chainplan.errors import ArgumentError
from chainplan.kernels.convert import as_sparse
from chainplan.structures import Block, Shifts, Structure
from chainplan.structures.shifts import Run, covering, diagonal_rows, shifts_of

Shift = int | tuple[int, ...]
"""An offset, or an offset with the numbers of first and of last entries of its diagonal that are missing."""


Coefficients = Mapping[Any, complex]
"""The coefficient of each `Shift`; a mapping with keys of one kind would not pass as one with keys of either."""


@dataclass(frozen=True, eq=False)
class ShiftsBlock:
    """Shifts in time: a block of T x T whose entries (t, t + i) all have one coefficient, for each of some offsets i.

    Parameters
    ----------
    coefficients : Coefficients
        The coefficient of each shift, of which the block keeps a copy that cannot be changed. A shift is an offset i: a
        lag where it is negative, a lead where it is positive; or (i, m) or (i, m, e), a diagonal without its first m
        and its last e entries. Coefficients of shifts that share entries add up there; shifts that have none in T
        periods are zero.
    size : int | None
        The number T of periods; None where something else says it.

    Examples
    --------
    >>> ShiftsBlock({-1: 0.5, 0: 1.0}, 3).matrix(3, 3).toarray()
    array([[1. , 0. , 0. ],
           [0.5, 1. , 0. ],
           [0. , 0.5, 1. ]])
    """

    coefficients: Coefficients
    size: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.coefficients, Mapping) or not all(map(_is_shift, self.coefficients)):
            raise ArgumentError(
                f"coefficients: found {self.coefficients!r}; expected a mapping from shifts to numbers. Pass "
                "{-1: 0.5, 0: 1.0} for half a lag, or {(1, 2): 0.5} for a lead without its first two entries."
            )
        for shift, number in self.coefficients.items():
            if isinstance(number, bool) or not isinstance(number, int | float | complex | np.number):
                raise ArgumentError(f"coefficients[{shift!r}]: found {number!r}; expected a number. Pass 0.5, say.")
        size = self.size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ArgumentError(
                f"size: found {size!r}; expected a whole number from 1. Pass the periods, size=300, say."
            )
        self.__dict__["coefficients"] = MappingProxyType(dict(self.coefficients))

    def __getstate__(self) -> dict[str, object]:
        """Return what travels to other processes: views of mappings do not."""
        return {**self.__dict__, "coefficients": dict(self.coefficients)}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        """Take what has travelled."""
        self.__dict__.update(state)
        self.__dict__["coefficients"] = MappingProxyType(self.coefficients)
        if "numbers" in state:
            self.numbers.flags.writeable = False

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """The shifts in the order given."""
        return tuple(self.coefficients)

    @cached_property
    def numbers(self) -> Array:
        """The coefficients in the order given, as an array."""
        numbers = np.array(list(self.coefficients.values())) if self.coefficients else np.zeros(0)
        numbers.flags.writeable = False
        return numbers

    @property
    def dtype(self) -> DType:
        """The dtype of the coefficients."""
        return self.numbers.dtype

    def matrix(self, rows: int, cols: int) -> csr_array:
        """Write the block out.

        Parameters
        ----------
        rows, cols : int
            Its shape.

        Returns
        -------
        csr_array
            The block as a sparse array of rows x cols.

        Examples
        --------
        >>> ShiftsBlock({1: 0.5}).matrix(3, 3).nnz
        2
        """
        structure = shifts_structure(self, rows, cols)
        if not isinstance(structure, Shifts):
            return csr_array((rows, cols), dtype=self.dtype)
        made = coefficients_on(structure, self)
        assert made is not None, "the runs are those of the shifts"
        return as_sparse(made, Block(rows, cols, structure), None).copy()


def shifts_structure(block: ShiftsBlock, rows: int, cols: int) -> Structure:
    """Return the structure of shifts in a block of rows x cols."""
    return shifts_of(tuple(run for run in _runs(block.shifts, rows, cols) if run is not None), rows, cols)


def shifts_of_values(structure: Shifts, coefficients: Array) -> ShiftsBlock:
    """Return coefficients of the runs of a structure as a block of their own."""
    made = object.__new__(ShiftsBlock)  # nothing is left to be checked
    size = structure.rows if structure.rows == structure.cols else None
    named = dict(zip(structure.items, coefficients.tolist(), strict=True))
    numbers = coefficients.copy()
    numbers.flags.writeable = False
    made.__dict__.update(coefficients=MappingProxyType(named), size=size, numbers=numbers)
    return made


def coefficients_on(structure: Shifts, block: ShiftsBlock) -> Array | None:
    """Return one coefficient for each run of a structure; None where a shift is not made up of runs of it."""
    places = places_of(block.shifts, structure)
    if places is None:
        return None
    made: Array = np.zeros(len(structure.runs), block.dtype)
    np.add.at(made, places[0], block.numbers[places[1]])
    return made


def places_of(shifts: tuple[Shift, ...], structure: Shifts) -> tuple[Array, Array] | None:
    """Return the positions of runs of a structure and, for each, that of a shift which it is part of.

    None where a shift is not made up of runs of the structure.
    """
    pairs = []
    for position, run in enumerate(_runs(shifts, structure.rows, structure.cols)):
        if run is not None:
            if (found := covering(structure, run)) is None:
                return None
            pairs += [(place, position) for place in found]
    places: Array = np.array(pairs, np.intp).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _runs(shifts: tuple[Shift, ...], rows: int, cols: int) -> list[Run | None]:
    """Return the run of each shift in a block of rows x cols, None for one without entries."""
    found: list[Run | None] = []
    for shift in shifts:
        offset, skipped, left_out = (*(shift if isinstance(shift, tuple) else (shift,)), 0, 0)[:3]
        start, end = diagonal_rows(offset, rows, cols)
        run = offset, start + skipped, end - left_out
        found.append(run if run[1] < run[2] else None)
    return found


def _is_shift(shift: object) -> bool:
    parts = shift if isinstance(shift, tuple) else (shift,)
    return 1 <= len(parts) <= 3 and all(type(n) is int for n in parts) and all(n >= 0 for n in parts[1:])
