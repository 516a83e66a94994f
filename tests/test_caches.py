"""Caches keep bytes: all of the process together stay below one budget, whatever is planned."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan._util import byte_cache as caches
from chainplan._util.byte_cache import MAX_CACHED_BYTES, bytes_of, kept
from chainplan.structures import Block
from chainplan.structures.csr import csr_of_rows
from chainplan.structures.explicit import Explicit


@pytest.fixture(autouse=True)
def _traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


def _pattern(rng: np.random.Generator, size: int, entries: int) -> dict[str, Any]:
    places = rng.choice(size * size, entries, replace=False)
    return {"shape": [size, size], "structure": {"coo": np.stack(np.divmod(places, size), axis=1)}}


def test_plans_that_are_gone_leave_no_more_behind_than_the_budget() -> None:
    before = tracemalloc.get_traced_memory()[0]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        result = chainplan.plan(chainplan.chain([_pattern(rng, 1500, 60_000) for _ in range(2)]))
        assert result.status is chainplan.Status.OPTIMAL
        del result
        assert tracemalloc.get_traced_memory()[0] - before < MAX_CACHED_BYTES
    assert caches.held() <= MAX_CACHED_BYTES


def test_small_patterns_stay_within_the_budget_too() -> None:
    before, held = tracemalloc.get_traced_memory()[0], 0
    rng = np.random.default_rng(0)
    for _ in range(60):
        left, right = (Block(400, 400, Explicit(csr_of_rows(rng.integers(0, 400, 400), 400))) for _ in range(2))
        wide = left.plus(right).plus(left.transpose()).times(right.plus(left).times(left.plus(right.transpose())))
        wide.times(wide)
        wide.structure.transpose()
        held = max(held, caches.held())
        assert caches.held() <= MAX_CACHED_BYTES
    assert 0 < tracemalloc.get_traced_memory()[0] - before < held


def test_a_pattern_travels_without_what_was_worked_out_of_it() -> None:
    pattern = Explicit(csr_of_rows([2, 0, 1], 4))
    turned = pattern.transpose()
    assert turned.transpose() is pattern
    for sent in (pattern, turned):
        found = pickle.loads(pickle.dumps(sent))
        assert found == sent
        assert found.transpose() == sent.transpose()


def test_what_was_not_asked_for_longest_goes_first() -> None:
    made = []

    def ask(name: int, size: int = MAX_CACHED_BYTES // 6) -> None:
        def make() -> Any:
            made.append(name)
            return np.zeros(size, np.int8)

        kept(("test", name), make)

    for name in (1, 2, 3, 1, 4, 5, 6, 1):  # with the sixth the second goes
        ask(name)
    assert made == [1, 2, 3, 4, 5, 6]
    ask(2)
    assert made[-1] == 2
    ask(7, MAX_CACHED_BYTES // 3)
    ask(7, MAX_CACHED_BYTES // 3)
    assert made[-2:] == [7, 7], "what takes a large share is not kept"
    for name in range(6):
        ask(10 + name, 1)  # and the large ones make place for others
    assert caches.held() <= MAX_CACHED_BYTES


@pytest.mark.parametrize("value", [np.zeros(10_000), [[1, 2]] * 1000, list(range(300, 9000)), ("a", np.zeros(1000))])
def test_bytes_of_a_value(value: Any) -> None:
    before = tracemalloc.get_traced_memory()[0]
    copy: Any = [np.array(item) if isinstance(item, np.ndarray) else item for item in value]
    if isinstance(value, np.ndarray):
        copy = value.copy()
    elif isinstance(value[0], list):
        copy = [list(item) for item in value]
    elif isinstance(value[0], int):
        copy = [item + 0 for item in value]
    taken = tracemalloc.get_traced_memory()[0] - before
    assert taken <= bytes_of(copy) + 500 <= 2 * taken + 2000
