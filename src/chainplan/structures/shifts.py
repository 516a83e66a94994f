"""Shifts in time: diagonals along which one coefficient stands, each of them whole or without some of its ends.

A lag or a lead of a series is a diagonal of a Toeplitz matrix, and a product of such matrices is Toeplitz but for the
ends: a lead behind a lag loses the first row, a lag behind a lead the last. So a block is a list of *runs*
(offset, first, stop), entries (t, t + offset) for the rows t from `first` up to `stop`, and each run has one
coefficient. A run times a run is a run or nothing: offsets add up, and rows are those that reach the other one.
Products and sums cut the runs on a diagonal wherever one of them begins or ends, so that runs never overlap, and
nonzeros are counted once. The pieces follow from the set of all beginnings and ends, in whatever order these came
together; hence the product is associative and distributes over sums, and both are exact on blocks of any shape.

References
----------
Auclert, Bardóczy, Rognlie & Straub, Using the sequence-space Jacobian to solve and estimate heterogeneous-agent models,
Econometrica 89 (2021), proposition 2: the rule for series without end, whose pairs (i, m) leave out the beginning only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from chainplan._util.byte_cache import kept
from chainplan.structures.base import BlockShape, Structure, StructureWords
from chainplan.structures.counts import LineCounts, spread
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.zero import Zero

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array

Run = tuple[int, int, int]
"""An offset and the rows `first` up to `stop`, exclusive: entries (t, t + offset)."""

MAX_VECTOR_LINES = 10_000
"""Rows and columns up to which counts are kept as vectors too, to meet those of listed patterns."""
MAX_NAMED_OFFSETS = 5
"""Offsets up to which the text of a structure names each."""


class Shifts(Structure):
    """Entries (t, t + offset) may be nonzero in the rows of each run, with one coefficient for the run."""

    __slots__ = ("__dict__", "cols", "rows", "runs")
    name = "shifts"
    meets_lists = True

    def __init__(self, runs: tuple[Run, ...], rows: int, cols: int) -> None:
        self.runs, self.rows, self.cols = runs, rows, cols

    def misfit(self, rows: int, cols: int) -> str | None:
        if (rows, cols) == (self.rows, self.cols):
            return None
        return f"is a pattern of {self.rows} x {self.cols}, not {rows} x {cols}"

    @cached_property
    def _columns(self) -> LineCounts:
        return _pieces(((first + offset, stop + offset) for offset, first, stop in self.runs), self.cols)

    @cached_property
    def _rows(self) -> LineCounts:
        return _pieces(((first, stop) for _, first, stop in self.runs), self.rows)

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return self._columns

    def row_counts(self, rows: int, cols: int) -> LineCounts:
        return self._rows

    @cached_property
    def _vectors(self) -> tuple[Array, Array]:
        return spread(self._columns), spread(self._rows)

    def vectors(self, rows: int, cols: int) -> tuple[Array, Array] | None:
        return self._vectors if rows + cols <= MAX_VECTOR_LINES else None

    def nnz(self, rows: int, cols: int) -> int:
        return sum(stop - first for _, first, stop in self.runs)

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return any(col - row == offset and first <= row < stop for offset, first, stop in self.runs)

    def pattern(self, rows: int, cols: int) -> csr_array:
        return laid_out(self).csr

    def transpose(self) -> Structure:
        runs = ((-offset, first + offset, stop + offset) for offset, first, stop in self.runs)
        return Shifts(tuple(sorted(runs)), self.cols, self.rows)

    def scaled(self) -> Structure:
        return self

    def signed(self) -> Structure:
        return self.valued()

    def valued(self) -> Structure:
        from chainplan.structures.explicit import Explicit

        return Explicit(self.pattern(self.rows, self.cols))

    def times(self, right: Structure) -> Structure | None:
        if isinstance(right, Shifts):
            return joined(self, right).made
        return DENSE if isinstance(right, Dense) and all(count for _, count, _ in self._rows) else None

    def rtimes(self, left: Structure) -> Structure | None:
        return DENSE if isinstance(left, Dense) and all(count for _, count, _ in self._columns) else None

    def plus(self, other: Structure) -> Structure | None:
        if isinstance(other, OnDiagonal) and other.uniform:
            other = Shifts(((0, 0, self.rows),), self.rows, self.cols)
        if isinstance(other, Shifts):
            return shifts_of((*self.runs, *other.runs), self.rows, self.cols)
        return other if isinstance(other, Dense) else None

    @cached_property
    def items(self) -> tuple[int | tuple[int, ...], ...]:
        """Each run as its offset, with the numbers of entries that are missing at either end where there are any."""
        return tuple(map(self._item, self.runs))

    def _item(self, run: Run) -> int | tuple[int, ...]:
        offset, first, stop = run
        start, end = diagonal_rows(offset, self.rows, self.cols)
        if stop < end:
            return offset, first - start, end - stop
        return (offset, first - start) if first > start else offset

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        return {self.name: [item if isinstance(item, int) else list(item) for item in self.items]}

    def brief(self, rows: int, cols: int) -> StructureWords:
        return {self.name: {"nnz": self.nnz(rows, cols)}}

    @property
    def held_bytes(self) -> int:  # type: ignore[override]
        """Bytes of the runs, and of the counts along both dimensions as pieces and as vectors."""
        return 600 * len(self.runs) + 500 + 8 * min(self.rows + self.cols, MAX_VECTOR_LINES)

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> Hashable:
        return self.runs, self.rows, self.cols

    def __reduce__(self) -> tuple[type[Shifts], tuple[tuple[Run, ...], int, int]]:
        """Pickle what the structure is; the other process works out again whatever is cached here."""
        return Shifts, (self.runs, self.rows, self.cols)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Shifts) and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        offsets = sorted({offset for offset, _, _ in self.runs})
        if len(offsets) > MAX_NAMED_OFFSETS:
            return f"shifts {offsets[0]}..{offsets[-1]}"
        return f"shifts {','.join(map(str, offsets))}"


def diagonal_rows(offset: int, rows: int, cols: int) -> tuple[int, int]:
    """Return the rows, from and up to, in which a diagonal of a block of rows x cols has entries."""
    return max(0, -offset), min(rows, cols - offset)


def _pieces(spans: Iterable[tuple[int, int]], length: int) -> LineCounts:
    """Count how many spans lie over each line."""
    changes = Counter({0: 0, length: 0})
    for first, stop in spans:
        changes[first] += 1
        changes[stop] -= 1
    pieces, start, count = [], 0, 0
    for line in sorted(changes):
        if line > start:
            pieces.append((line - start, count, 0))
            start = line
        count += changes[line]
    return tuple(pieces)


class CutRuns(NamedTuple):
    """Runs cut into pieces: the pieces in order, and for each run the first of its pieces and the number of them."""

    pieces: tuple[Run, ...]
    first: Array
    parts: Array


def cut(runs: Array) -> CutRuns:
    """Cut runs, given as an array of r x 3, wherever one of them begins or ends on a diagonal that they share."""
    import numpy as np

    offsets, of_offset = np.unique(runs[:, 0], return_inverse=True)
    stride = int(runs[:, 2].max(initial=0)) + 1
    begins, ends = (of_offset * stride + runs[:, side] for side in (1, 2))
    marks = np.unique(np.concatenate([begins, ends]))
    over = np.zeros(len(marks), np.int64)
    np.add.at(over, np.searchsorted(marks, begins), 1)
    np.add.at(over, np.searchsorted(marks, ends), -1)
    inside = np.flatnonzero(np.cumsum(over))
    where, line = np.divmod(marks, stride)
    pieces = np.stack([offsets[where[inside]], line[inside], line[inside + 1]], axis=1)
    first = np.searchsorted(marks[inside], begins)
    return CutRuns(tuple(map(tuple, pieces.tolist())), first, np.searchsorted(marks[inside], ends) - first)


def shifts_of(runs: tuple[Run, ...], rows: int, cols: int) -> Structure:
    """Return the structure of runs that may overlap, none of which is empty; without runs it is zero."""
    import numpy as np

    return Shifts(cut(np.array(runs, np.int64)).pieces, rows, cols) if runs else Zero()


class JoinedRuns(NamedTuple):
    """A product of two blocks of shifts: its structure, and the runs that meet in it.

    Coefficient `left` of one factor times coefficient `right` of the other is part of coefficient `piece` of the
    product. The lists are in the order of pieces.
    """

    made: Structure
    left: Array
    right: Array
    piece: Array


def joined(left: Shifts, right: Shifts) -> JoinedRuns:
    """Multiply two blocks of shifts, run by run; the cache of the process keeps the result."""
    return kept(("joined", left.mark, right.mark), lambda: _join(left, right))


def _join(left: Shifts, right: Shifts) -> JoinedRuns:
    import numpy as np

    a, b = (np.array(factor.runs, np.int64) for factor in (left, right))
    of_a, of_b = (index.ravel() for index in np.indices((len(a), len(b))))
    offset = a[of_a, 0]
    first = np.maximum(a[of_a, 1], b[of_b, 1] - offset)
    stop = np.minimum(a[of_a, 2], b[of_b, 2] - offset)
    met = first < stop
    runs = np.stack([offset + b[of_b, 0], first, stop], axis=1)[met]
    if not len(runs):
        return JoinedRuns(Zero(), *(np.zeros(0, np.intp),) * 3)
    pieces, start, parts = cut(runs)
    piece = np.repeat(start - np.cumsum(parts) + parts, parts) + np.arange(parts.sum())
    order = np.argsort(piece, kind="stable")
    of_left, of_right = (np.repeat(index[met], parts)[order] for index in (of_a, of_b))
    return JoinedRuns(Shifts(pieces, left.rows, right.cols), of_left, of_right, piece[order])


def covering(structure: Shifts, run: Run) -> list[int] | None:
    """Return the positions of the runs of a structure that make up one run, None where no runs do."""
    offset, first, stop = run
    found = [k for k, (at, a, b) in enumerate(structure.runs) if at == offset and first <= a and b <= stop]
    covered = sum(structure.runs[k][2] - structure.runs[k][1] for k in found)
    return found if covered == stop - first else None


def pieces_of(structure: Structure, fine: Shifts) -> tuple[list[int], list[int]]:
    """Return the positions of the finer runs that lie within those of a structure, and the positions of these.

    The structure is one of shifts, or of multiples of the identity, which are one run.
    """
    coarse = structure.runs if isinstance(structure, Shifts) else ((0, 0, fine.rows),)
    pairs = [(place, origin) for origin, run in enumerate(coarse) for place in covering(fine, run) or ()]
    return [place for place, _ in pairs], [origin for _, origin in pairs]


class ListedRuns(NamedTuple):
    """The entries of shifts: the pattern of rows x cols, and the run of each entry in its order."""

    csr: csr_array
    run: Array


def laid_out(structure: Shifts) -> ListedRuns:
    """List the entries of shifts; the cache of the process keeps the lists."""
    return kept(("laid out", structure.mark), lambda: _lay_out(structure))


def _lay_out(structure: Shifts) -> ListedRuns:
    import numpy as np
    from scipy.sparse import csr_array

    offset, first, stop = np.array(structure.runs, np.int64).T
    length = stop - first
    run = np.repeat(np.arange(len(length)), length)
    row = np.arange(len(run)) + np.repeat(first - np.cumsum(length) + length, length)
    order = np.lexsort((offset[run], row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=structure.rows))])
    parts = np.ones(len(run), np.float32), (row + offset[run])[order], indptr
    return ListedRuns(csr_array(parts, shape=(structure.rows, structure.cols)), run[order])


def shifts(argument: object, shape: BlockShape) -> Structure:
    """Read `{shifts: [..]}`, ascending offsets, each alone or as [offset, missing first entries, missing last ones]."""
    expected = (
        "{shifts: [-1, 0, [1, 2]]}, ascending offsets, each alone or as [offset, missing first entries, last ones]"
    )
    if not isinstance(argument, list):
        raise ValueError(expected)
    items = [item if isinstance(item, list) else [item] for item in argument]
    if not all(_is_item(item) for item in items):
        raise ValueError(expected)
    if shape is None:
        return DENSE
    runs, (rows, cols) = [], shape
    for offset, *missing in items:
        start, end = diagonal_rows(offset, rows, cols)
        skipped, left_out = (*missing, 0, 0)[:2]
        if end - start <= skipped + left_out:
            raise ValueError(f"runs with entries, but that of offset {offset} has none in a block of {rows} x {cols}")
        runs.append((offset, start + skipped, end - left_out))
    if any(a[0] > b[0] or (a[0] == b[0] and a[2] > b[1]) for a, b in pairwise(runs)):
        raise ValueError(f"every entry once, and {expected}")
    return Shifts(tuple(runs), rows, cols) if runs else Zero()


def _is_item(item: list[object]) -> bool:
    return 1 <= len(item) <= 3 and all(type(n) is int for n in item) and all(n >= 0 for n in item[1:])  # type: ignore[operator]
