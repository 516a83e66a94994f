"""Finds the compiled routines, if they have been built and are wanted: `CHAINPLAN_COMPILED=0` turns them off."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chainplan.compiled._core import ArrayCall, FlowNetwork, SetModel, SetSearch

SMALLEST_UNCOMPILED_NUMBER = 1 << 60
"""What all numbers in compiled routines must stay below, sums and products included."""


class CompiledCore(Protocol):
    """The compiled module."""

    ArrayCall: type[ArrayCall]
    FlowNetwork: type[FlowNetwork]
    SetModel: type[SetModel]
    SetSearch: type[SetSearch]
    least_splits: Callable[..., None]
    first_split: Callable[..., int]
    fragment_prices: Callable[..., bool]
    cheapest_order: Callable[..., list[int]]
    follow_key: Callable[..., tuple[int, list[int]] | None]


def compiled_core() -> CompiledCore | None:
    """The compiled module, or None where there is none or the environment turns it off."""
    return None if os.environ.get("CHAINPLAN_COMPILED") == "0" else _loaded()


@cache
def _loaded() -> CompiledCore | None:
    """The compiled module, or None where it has not been built or lacks routines, as it was built before they came."""
    try:
        from chainplan.compiled import _core
    except ImportError:
        return None
    return _core if all(hasattr(_core, name) for name in CompiledCore.__annotations__) else None
