"""The compiled twin of the set search: the same steps on words of 64 bits, for graphs whose numbers fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chainplan.compiled.loader import SMALLEST_UNCOMPILED_NUMBER, CompiledCore, compiled_core
from chainplan.solvers.elimination.bitset_graph import BitsetGraph

if TYPE_CHECKING:
    from chainplan.compiled import _core

MAX_SET_VERTICES = 1024
"""Vertices of a set in the compiled search."""


class CompiledSetModel:
    """A net for compiled searches, which share what they know of reaches and cuts."""

    def __init__(self, core: CompiledCore, net: BitsetGraph, tick: Callable[[], None]) -> None:
        self._core, self._tick = core, tick
        self._model = core.SetModel(net.size, net.pred, net.succ, *net.classes, net.kept, net.mixed)

    def search(self, whole: int, room: int) -> CompiledSetSearch:
        """The search of one connected set, which keeps the candidates of at most `room` sets."""
        return CompiledSetSearch(self._core.SetSearch(self._model, whole, room), self._tick)


class CompiledSetSearch:
    """The compiled search of one connected set; `SetSearch` says what the methods do."""

    def __init__(self, search: _core.SetSearch, tick: Callable[[], None]) -> None:
        self._search, self._tick = search, tick

    @property
    def solved(self) -> bool:
        return self._search.solved

    @property
    def visits(self) -> int:
        return self._search.visits

    def bound(self) -> int:
        return self._search.bound(self._tick)

    def regroup(self, most: int) -> None:
        self._search.regroup(most, self._tick)

    def solve(self, limit: int, patience: int) -> bool:
        return self._search.solve(limit, patience, self._tick)

    def order(self) -> list[int]:
        return self._search.order()


def compiled_model(net: BitsetGraph, tick: Callable[[], None]) -> CompiledSetModel | None:
    """The compiled model of a net, or None where nothing is compiled or its numbers do not fit."""
    core, n = compiled_core(), len(net.size)
    if core is None or n > MAX_SET_VERTICES:
        return None
    dearest = max(net.size, default=0) * sum(net.size) ** 2
    return CompiledSetModel(core, net, tick) if n * dearest < SMALLEST_UNCOMPILED_NUMBER else None
