from collections.abc import Callable
from typing import Any

class ArrayCall:
    def __init__(
        self, address: int, inputs: tuple[tuple[int, ...], ...], outputs: tuple[tuple[int, ...], ...], releases: bool
    ) -> None: ...
    def __call__(self, *inputs: object) -> Any: ...

class FlowNetwork:
    def __init__(self, step: list[int], size: list[int]) -> None: ...
    def cut(self, v: int, starts: int, region: int, locked: int, ends: int, look: Callable[[int], None]) -> int: ...

class SetModel:
    def __init__(
        self,
        size: list[int],
        pred: list[int],
        succ: list[int],
        full_pred: list[int],
        full_succ: list[int],
        unit_pred: list[int],
        unit_succ: list[int],
        kept: int,
        mixed: bool,
    ) -> None: ...

class SetSearch:
    def __init__(self, model: SetModel, whole: int, room: int) -> None: ...
    @property
    def solved(self) -> bool: ...
    @property
    def visits(self) -> int: ...
    def bound(self, tick: Callable[[], None]) -> int: ...
    def regroup(self, most: int, tick: Callable[[], None]) -> None: ...
    def solve(self, limit: int, patience: int, tick: Callable[[], None]) -> bool: ...
    def order(self) -> list[int]: ...

def least_splits(q: int, d: int, longest_not_dense: int, longest_band: int, tables: tuple[object, ...]) -> None: ...
def first_split(
    q: int, i: int, d: int, longest_not_dense: int, longest_band: int, price: int, tables: tuple[object, ...]
) -> int: ...
def fragment_prices(
    local: list[int],
    size: list[int],
    into: list[dict[int, object]],
    out: list[dict[int, object]],
    kept: int,
    adds: bool,
    prices: object,
) -> bool: ...
def cheapest_order(k: int, prices: object) -> list[int]: ...
def follow_key(
    size: list[int],
    into: list[dict[int, object]],
    kept: list[bool],
    middle: list[int],
    key: str,
    ranks: list[int],
    base: list[int] | None,
    factor: list[float] | None,
    most: int,
    local: bool,
    adds: bool,
    work: int,
    tick: Callable[[], None],
) -> tuple[int, list[int]] | None: ...
