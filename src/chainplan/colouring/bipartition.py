"""Splits of a pattern: which nonzeros the tangents recover and which the adjoints.

Rows and columns are peeled off one at a time. Column colours recover the nonzeros that a row still has when it goes,
row colours those that a column still has. The most nonzeros that go with one row, and with one column, bound the
numbers of colours from below, and the peeling keeps them small. The splits differ only in the rule that weighs a row
against a column. The minimum nonzero count order is that of Coleman & Verma, SIAM J. Sci. Comput. 19(4), 1998, section
4.2, which OpenMDAO uses; here the two maxima are weighted by the costs of a tangent and an adjoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.incidence import IndexLists, PatternSide

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Flags


class Peel(NamedTuple):
    """The state of a peeling: least counts of a remaining row and column, and the most that went with one so far."""

    row: int
    column: int
    rows_most: int
    columns_most: int


PeelingRule = Callable[[Peel], bool]
"""Whether the next to go is a row."""


class PeelingOrder(NamedTuple):
    """The step at which each row and each column went, and the most nonzeros that went with a row and a column."""

    rows: Sequence[int]
    columns: Sequence[int]
    rows_most: int
    columns_most: int

    def entries(self, side: PatternSide) -> tuple[Flags, Flags]:
        """Flags of the entries that columns must recover, in `side.here`, and that rows must, in `side.there`.

        Columns must recover the nonzeros whose row went before their column, rows the others.
        """
        row, column = np.asarray(self.rows), np.asarray(self.columns)
        here, there = side
        return row[here.line] < column[here.vertex], row[there.vertex] > column[there.line]


def minimum_count(tangent: int, adjoint: int, rows_first: bool) -> PeelingRule:
    """The rule that takes the line by which the weighted sum of the two maxima grows less; `rows_first` breaks ties."""

    def rows_grow_less(at: Peel) -> bool:
        row = tangent * max(0, at.row - at.rows_most)
        column = adjoint * max(0, at.column - at.columns_most)
        return row < column or (row == column and rows_first)

    return rows_grow_less


def row_cap(cap: int) -> PeelingRule:
    """The rule that takes a row while one has at most `cap` nonzeros left, else a column."""
    return lambda at: at.row <= cap


def column_cap(cap: int) -> PeelingRule:
    """The rule that takes a column while one has at most `cap` nonzeros left, else a row."""
    return lambda at: at.column > cap


def dense_rows(side: PatternSide, count: int) -> PeelingOrder:
    """The split that leaves the `count` longest rows to row colours and all other rows to column colours.

    Of rows of equal length none is left to row colours unless all are.
    """
    length = np.array([len(row) for row in side.members])
    longest = np.sort(length)[::-1]
    cap = int(longest[count]) if count < longest.size else 0
    steps = np.where(length > cap, 2, 0)
    most = np.bincount(side.there.line[length[side.there.vertex] > cap]).max(initial=0)
    return PeelingOrder(steps.tolist(), [1] * len(side.lines), cap, int(most))


def dense_columns(side: PatternSide, count: int) -> PeelingOrder:
    """The split that leaves the `count` longest columns to column colours and all others to row colours."""
    turned = dense_rows(side.other, count)
    return PeelingOrder(turned.columns, turned.rows, turned.columns_most, turned.rows_most)


def peel(side: PatternSide, rule: PeelingRule) -> PeelingOrder:
    """The split of peeling a pattern (columns as vertices) to nothing, in O(nnz log nnz).

    Of the rows, or of the columns, the one of least count goes first; ties go by position.
    """
    columns, rows = _LineHeap(side.lines), _LineHeap(side.members)
    step = 0
    while rows.least() and columns.least():
        at = Peel(rows.least(), columns.least(), rows.most, columns.most)
        here, there = (rows, columns) if rule(at) else (columns, rows)
        here.take(step, there)
        step += 1
    return PeelingOrder(rows.steps(step), columns.steps(step), rows.most, columns.most)


class _LineHeap:
    """The remaining lines of one direction in a heap by count, whose entries are stale where the count has changed."""

    def __init__(self, lists: IndexLists) -> None:
        self.lists, self.size = lists, len(lists)
        self.count = [len(row) for row in lists]
        self.heap = [c * self.size + v for v, c in enumerate(self.count) if c]
        self.gone: list[int | None] = [None] * self.size
        self.most = 0
        heapify(self.heap)

    def least(self) -> int:
        """The least count of a remaining line with nonzeros, 0 where there is none."""
        while self.heap:
            count, v = divmod(self.heap[0], self.size)
            if self.gone[v] is None and self.count[v] == count:
                return count
            heappop(self.heap)
        return 0

    def take(self, step: int, there: _LineHeap) -> None:
        """Remove the line of least count, and its nonzeros from the lines of the other direction."""
        count, v = divmod(heappop(self.heap), self.size)
        self.gone[v] = step
        self.most = max(self.most, count)
        for w in self.lists[v]:
            if there.gone[w] is None:
                there.count[w] = left = there.count[w] - 1
                if left:
                    heappush(there.heap, left * there.size + w)

    def steps(self, last: int) -> list[int]:
        """The step at which each line went, `last` for those that never did."""
        return [last if step is None else step for step in self.gone]
