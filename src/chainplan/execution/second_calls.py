"""Runs the calls of a matrix-free second derivative, some at a time, and puts its block together from their results.

What comes out of the calls is the block with a line for each colour in place of an open side. Colours of rows and of
columns are read off entry by entry; where both column sides of second adjoints are open, the symmetric block of each
group of rows is recovered by `chainplan.colouring.symmetric`. A block whose column sides are alike is symmetric to the
bit, because of pairs of columns only those with j <= k are called, and copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chainplan._util.arrays import Array, DType
from chainplan.colouring.symmetric import decompress_symmetric
from chainplan.execution.chunked_apply import MAX_ENTRIES_AT_ONCE
from chainplan.kernels.storage import HeldValues
from chainplan.plans.second_colours import SecondColours, group_patterns, pairs_of, parted, symmetric_colouring
from chainplan.problem.graph import Mode
from chainplan.problem.mixed_second import OwnSecond
from chainplan.structures.second import SecondBlock
from chainplan.values.second import flat
from chainplan.values.second_functions import SecondFunction, second_called


class GivenSides(NamedTuple):
    """The matrices by which the sides are multiplied, None for open sides, and the colours of these."""

    rows: Array | None
    left: Array | None
    right: Array | None
    alike: bool
    colours: SecondColours


def called_second(
    own: OwnSecond, mode: Mode, function: SecondFunction, sides: GivenSides, result: SecondBlock, dtype: DType
) -> HeldValues:
    """Return the block of a step that applies a second derivative."""
    if not result.nnz:
        if result.pattern is not None:
            return flat(result.pattern, np.zeros(0, dtype), result)
        return np.zeros(result[:3], dtype)
    calls = _Calls(own, mode, function)
    if mode is Mode.TANGENT:
        return _by_tangents(calls, sides, result, dtype)
    if sides.right is None:
        return _by_open_adjoints(calls, sides, result, dtype)
    return _by_adjoints(calls, sides, sides.right, result, dtype)


class _Calls(NamedTuple):
    """Calls of one function, with as many lines at a time as `MAX_ENTRIES_AT_ONCE` allows."""

    own: OwnSecond
    mode: Mode
    function: SecondFunction

    def along(self, one: Array, at: Array, other: Array, there: Array) -> Array:
        """Call along the lines `at` of one block and the columns `there` of the other; the calls come first."""
        rows, cols = self.own.block[:2]
        part = max(1, MAX_ENTRIES_AT_ONCE // max(rows, cols, 1))
        made = []
        for first in range(0, max(1, len(at)), part):
            some, others = at[first : first + part], there[first : first + part]
            lines = one[:, some] if self.mode is Mode.TANGENT else one[some]
            value = second_called(self.own, self.mode, self.function, lines, other[:, others])
            made.append(value.T if self.mode is Mode.TANGENT else value)
        return np.concatenate(made)


def _seeds(colours: tuple[int, ...], size: int, dtype: DType) -> Array:
    """Return the columns of the identity, those of one colour added up."""
    if not colours:
        return np.eye(size, dtype=dtype)
    by = np.asarray(colours, np.intp)
    seeds: Array = np.zeros((size, int(by.max(initial=-1)) + 1), dtype)
    at = np.flatnonzero(by >= 0)
    seeds[at, by[at]] = 1
    return seeds


def _places(given: Array | None, colours: tuple[int, ...], size: int) -> Array:
    """Return, for each line of a side of the result, the line of the calls in which it is."""
    if given is not None:
        return np.arange(given.shape[1])
    return np.asarray(colours, np.intp) if colours else np.arange(size)


def _by_tangents(calls: _Calls, sides: GivenSides, result: SecondBlock, dtype: DType) -> HeldValues:
    own, colours = calls.own.block, sides.colours.columns
    left, right = (_seeds(colours, own.left, dtype) if given is None else given for given in (sides.left, sides.right))
    p, q = left.shape[1], right.shape[1]
    if sides.left is None and sides.right is None:
        at, there = pairs_of(own, sides.colours)
    elif sides.alike:
        at, there = np.triu_indices(p)
    else:
        at, there = (lines.ravel() for lines in np.indices((p, q)))
    made = calls.along(left, at, right, there)
    lines: Array = np.zeros((own.rows, p, q), made.dtype)
    lines[:, at, there] = made.T
    if sides.alike or (sides.left is None and sides.right is None):
        lines[:, there, at] = made.T
    places = _places(sides.left, colours, own.left), _places(sides.right, colours, own.right)
    return _spread(lines, (np.arange(own.rows), *places), _Supports(calls.own, sides), result)


def _by_adjoints(calls: _Calls, sides: GivenSides, right: Array, result: SecondBlock, dtype: DType) -> HeldValues:
    """Put W · F''[·, V] together, with the rows of one group added up where they are open."""
    own, colours = calls.own.block, sides.colours.rows
    weights = _seeds(colours, own.rows, dtype).T if sides.rows is None else sides.rows
    r, q = len(weights), right.shape[1]
    at, there = (lines.ravel() for lines in np.indices((r, q)))
    made = calls.along(weights, at, right, there)
    lines = made.reshape(r, q, own.left).transpose(0, 2, 1)
    rows = np.arange(r) if sides.rows is not None else _places(None, colours, own.rows)
    return _spread(lines, (rows, np.arange(own.left), np.arange(q)), _Supports(calls.own, sides), result)


def _by_open_adjoints(calls: _Calls, sides: GivenSides, result: SecondBlock, dtype: DType) -> HeldValues:
    """Put W · F'' together, of which each row, or each group of rows, is symmetric."""
    own, colours = calls.own.block, sides.colours
    weights = _seeds(colours.rows, own.rows, dtype).T if sides.rows is None else sides.rows
    count = len(weights)
    parts: list[Sequence[int]] = [()] * count
    if colours.columns:
        parts = parted(colours.columns, count) if sides.rows is None else [colours.columns] * count
    made = []
    for row, part in enumerate(parts):
        seeds = _seeds(tuple(part), own.left, dtype)
        there = np.arange(seeds.shape[1])
        made.append(calls.along(weights, np.full(len(there), row), seeds, there).T)
    rows = np.arange(count) if sides.rows is not None else _places(None, colours.rows, own.rows)
    if colours.columns:
        return _recovered(own, rows if sides.rows is None else None, parts, made, result)
    planes = [np.triu(plane) + np.triu(plane, 1).T for plane in made]
    stacked = np.stack(planes) if planes else np.zeros((0, own.left, own.left), dtype)
    return _spread(stacked, (rows, np.arange(own.left), np.arange(own.left)), _Supports(calls.own, sides), result)


def _recovered(
    own: SecondBlock, group: Array | None, parts: list[Sequence[int]], made: list[Array], result: SecondBlock
) -> HeldValues:
    """Recover the symmetric block of each row, or of each group of rows, and read the entries of the result off it."""
    patterns = list(group_patterns(own, () if group is None else group.tolist(), 1 if group is None else len(made)))
    planes = [
        decompress_symmetric(pattern, symmetric_colouring(pattern, part)[0], compressed)
        for pattern, part, compressed in zip(patterns * (len(made) // len(patterns)), parts, made, strict=True)
    ]
    if group is None and result.pattern is None:
        return np.stack([plane.toarray() for plane in planes])
    entries = own.pattern if result.pattern is None else result.pattern
    assert entries is not None, "a second derivative with colours has a pattern"
    lines = entries.i if group is None else group[entries.i]
    line: Array = np.zeros(len(entries), np.result_type(*(plane.dtype for plane in planes)))
    for row, plane in enumerate(planes):
        at = np.flatnonzero(lines == row)
        places = np.repeat(np.arange(own.left), np.diff(plane.indptr)) * own.left + plane.indices
        line[at] = plane.data[np.searchsorted(places, entries.j[at] * own.left + entries.k[at])]
    if result.pattern is not None:
        return flat(result.pattern, line, result)
    block: Array = np.zeros(result[:3], line.dtype)
    block[entries.i, entries.j, entries.k] = line
    return block


class _Supports(NamedTuple):
    """Where a result may be nonzero along a side that was open: lines of colours hold entries of other rows there."""

    own: OwnSecond
    sides: GivenSides


def _spread(lines: Array, places: tuple[Array, Array, Array], supports: _Supports, result: SecondBlock) -> HeldValues:
    """Read the entries of a result off the lines of the calls."""
    rows, left, right = places
    if result.pattern is not None:
        i, j, k = result.pattern.i, result.pattern.j, result.pattern.k
        return flat(result.pattern, lines[rows[i], left[j], right[k]], result)
    made = lines[np.ix_(rows, left, right)]
    pattern, sides = supports.own.block.pattern, supports.sides
    if pattern is not None and sides.rows is None:
        for axis, given in ((1, sides.left), (2, sides.right)):
            if given is None:
                support = np.zeros(supports.own.block[:2], np.bool_)
                support[pattern.i, pattern.j] = True
                made = np.where(support[:, :, None] if axis == 1 else support[:, None, :], made, 0)
    return made
