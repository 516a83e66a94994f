"""Brings what is given for an elemental into the form in which a plan holds it, by functions chosen once for a plan.

A simulation gives new numbers for the same elementals again and again. What does not depend on the numbers is therefore
made once: the lists of a sparse block, the place of each of its entries in a matrix, the values of a selection. What
none of these functions knows goes through `loaded`, which checks it at length.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.arrays import Array, DType
from chainplan._util.byte_cache import kept
from chainplan.execution.plan_run import PlanRun
from chainplan.kernels.convert import as_form, given_away, kept_pattern, known, with_data
from chainplan.kernels.entry_lists import entry_places
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.problem.graph import Elemental
from chainplan.structures import Block, Dense, Diagonal, Shifts
from chainplan.structures.explicit import Explicit
from chainplan.values.jacobians import NUMBER_KINDS, GivenJacobian, band_places, band_shape, listed_alike, stored
from chainplan.values.shifts_block import Shift, ShiftsBlock, places_of

Filler = Callable[[GivenJacobian, PlanRun], HeldValues]
"""A function from what was given for an elemental to its values in the form of its block."""


def filler(e: Elemental, block: Block) -> Filler:
    """Choose how the values of an elemental are taken, which a plan holds as `block`."""
    if given_away(e.block):
        return _Determined(e, block)
    if (shape := plain_shape(e.block, block)) is not None:
        return partial(_plain, e, block, shape)
    if isinstance(e.block.structure, Shifts) and block.structure == e.block.structure:
        return _Shifted(e, e.block.structure)
    if form(block) is form(e.block) is StorageForm.SPARSE and e.block.structure.units is None:
        return ListedFiller(e)
    shape = band_shape(e.block)
    if shape not in (None, (block.rows, block.cols)) and form(block) is form(e.block) is StorageForm.DENSE:
        return partial(_from_diagonals, e, block, shape, entry_places(kept_pattern(e.block)), band_places(e.block))
    return partial(_at_length, e, block)


def plain_shape(own: Block, held: Block) -> tuple[int, ...] | None:
    """Return the shape in which any array for an elemental is right as its block is held."""
    if type(own.structure) is Dense:
        return own.rows, own.cols
    return (own.rows,) if type(own.structure) is type(held.structure) is Diagonal else None


def _plain(e: Elemental, block: Block, shape: tuple[int, ...], value: GivenJacobian, run: PlanRun) -> HeldValues:
    """Take an array of numbers of the right shape as it is."""
    plain = type(value) is np.ndarray and value.shape == shape and value.dtype.kind in NUMBER_KINDS
    return value if plain else loaded(e, value, block, run)


def _from_diagonals(
    e: Elemental,
    block: Block,
    shape: tuple[int, int],
    places: Array,
    band: Array,
    value: GivenJacobian,
    run: PlanRun,
) -> HeldValues:
    """Write a band that is held as a matrix out from its diagonals."""
    if type(value) is not np.ndarray or value.shape != shape or value.dtype.kind not in NUMBER_KINDS:
        return loaded(e, value, block, run)
    made: Array = np.zeros((block.rows, block.cols), value.dtype)
    made.reshape(-1)[places] = value.take(band)
    return made


def _at_length(e: Elemental, block: Block, value: GivenJacobian, run: PlanRun) -> HeldValues:
    return loaded(e, value, block, run)


class _Determined:
    """Values that the structure determines, made once for each dtype."""

    def __init__(self, e: Elemental, block: Block) -> None:
        self._e, self._block = e, block
        self._made: dict[DType, HeldValues] = {}

    def __call__(self, value: GivenJacobian, run: PlanRun) -> HeldValues:
        if value is not None:
            return loaded(self._e, value, self._block, run)
        if run.dtype not in self._made:
            self._made[run.dtype] = loaded(self._e, None, self._block, run)
        return self._made[run.dtype]


class _Shifted:
    """Coefficients of shifts, whose places are found again only where other shifts are given."""

    def __init__(self, e: Elemental, structure: Shifts) -> None:
        self._e, self._structure = e, structure
        self._shifts: tuple[Shift, ...] | None = None
        self._order: Array = np.zeros(0, np.intp)

    def __call__(self, value: GivenJacobian, run: PlanRun) -> HeldValues:
        if type(value) is not ShiftsBlock:
            return loaded(self._e, value, self._e.block, run)
        if value.shifts == self._shifts:
            return value.numbers.take(self._order)
        places = places_of(value.shifts, self._structure)
        if places is not None and sorted(places[0].tolist()) == [*range(len(self._structure.runs))]:
            self._shifts, self._order = value.shifts, places[1][np.argsort(places[0])]
        return loaded(self._e, value, self._e.block, run)


class ListedFiller:
    """Values of a block that is held sparse, on lists that are made where they are first needed.

    Lists that were found to be those of the pattern are known by their arrays when these are given again.
    """

    def __init__(self, e: Elemental) -> None:
        self._e = e
        self._alike: tuple[Array, Array] | None = None

    def __call__(self, value: GivenJacobian, run: PlanRun) -> HeldValues:
        if type(value) is np.ndarray:
            data = self._entries(value) if value.dtype.kind in NUMBER_KINDS and value.dtype.isnative else None
            return loaded(self._e, value, self._e.block, run) if data is None else with_data(self.lists, data)
        return value if self._is_alike(value) else loaded(self._e, value, self._e.block, run)

    def entries(self, value: GivenJacobian, dtype: DType) -> Array | None:
        """Return the entries of a value of this dtype in the order of the lists, or None where it lists others."""
        if type(value) is np.ndarray:
            return self._entries(value) if value.dtype is dtype else None
        return value.data if self._is_alike(value) and value.data.dtype is dtype else None

    def _is_alike(self, value: GivenJacobian) -> bool:
        """Say whether a value is a sparse array with the lists of the pattern."""
        if type(value) is not csr_array:
            return False
        alike = self._alike
        if alike is not None and value.indptr is alike[0] and value.indices is alike[1]:
            return True
        same = value.shape == (self._e.block.rows, self._e.block.cols) and listed_alike(value, self._e.block)
        if same:
            self._alike = value.indptr, value.indices
        return same

    @cached_property
    def lists(self) -> csr_array:
        """The lists of the pattern."""
        pattern = kept_pattern(self._e.block)
        return csr_array((pattern.data, pattern.indices, pattern.indptr), shape=pattern.shape)

    @cached_property
    def _places(self) -> Array:
        return entry_places(self.lists)

    @cached_property
    def band(self) -> Array:
        """Where each entry of a band stands among its diagonals; equal bands share the list."""
        return kept(("band places", self._e.block.mark), lambda: band_places(self._e.block))

    def _entries(self, value: Array) -> Array | None:
        """Return the entries of a matrix, of the diagonals of a band or of a vector of nonzeros; None where none is."""
        block = self._e.block
        if value.shape == (block.rows, block.cols):
            inside = value.take(self._places)
            return inside if np.count_nonzero(value) == np.count_nonzero(inside) else None
        if isinstance(block.structure, Explicit):
            return value if value.shape == (block.nnz,) else None
        return value.take(self.band) if value.shape == band_shape(block) else None


def loaded(e: Elemental, value: GivenJacobian, block: Block, run: PlanRun) -> HeldValues:
    """Bring what was given for an elemental into the form of the block that the plan counts with."""
    held = known(e.block, run.dtype) if value is None and given_away(e.block) else stored(e, value)
    return held if block is e.block else as_form(held, e.block, form(block), block, run.dtype)
