"""Binomial checkpointing: published counts, and the least price over all sequences of actions on small chains."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from chainplan.solvers.checkpoint import ReversalAction, ReversalSchedules, forward_steps, repetitions
from tests.oracles.checkpoints import cheapest
from tests.reference import DATA, absent


def carried_out(actions: Sequence[ReversalAction], prices: Sequence[int], sizes: Sequence[int]) -> tuple[int, int]:
    """(Most elements stored, price) of a schedule, after making sure that it reverses every step in turn."""
    working, left, price, most = 0, len(prices), 0, 0
    stored: set[int] = set()
    for kind, index in actions:
        if kind == "advance":
            assert working == index
            working, price = index + 1, price + prices[index]
        elif kind == "store":
            assert working == index
            stored.add(index)
        elif kind == "restore":
            assert index in stored or index == 0
            working = index
        else:
            assert working == index == left - 1
            left -= 1
            stored.discard(index)
        most = max(most, sum(sizes[v] for v in stored))
    assert left == 0
    return most, price


def test_the_published_counts() -> None:
    path = DATA / "checkpointing.json"
    if not path.exists():
        pytest.skip(absent("checkpointing.json"))
    published = json.loads(path.read_text())
    for key, count in published["revolve"].items():
        steps, checkpoints = map(int, key.split(","))
        assert forward_steps(steps, checkpoints) == count
    example = published["unequal_steps"]
    assert ReversalSchedules(example["w"], [1] * 4).extra(example["c"]) == example["extra"]


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 33, 50])
def test_the_closed_form_is_the_recurrence_for_equal_steps(steps: int) -> None:
    reversal = ReversalSchedules([1] * steps, [1] * steps)
    for checkpoints in (1, 2, 3, 5, 10, 60):
        assert reversal.extra(checkpoints - 1) + steps == forward_steps(steps, checkpoints)


def test_no_step_is_advanced_over_more_often_than_the_closed_form_says() -> None:
    for steps, checkpoints in ((10, 3), (33, 4), (50, 2)):
        actions = ReversalSchedules([1] * steps, [1] * steps).schedule(checkpoints - 1)
        most = max(sum(a == ReversalAction("advance", i) for a in actions) for i in range(steps))
        assert most == repetitions(steps, checkpoints)


@pytest.mark.parametrize("last", [120, pytest.param(400, marks=pytest.mark.nightly)])
def test_it_is_the_least_price_of_all_sequences_of_actions(last: int) -> None:
    for seed in range(last):
        rng = random.Random(seed)
        count, equal = rng.randint(1, 6), rng.random() < 0.4
        prices = [rng.randrange(1, 10) for _ in range(count)]
        sizes = [2] * count if equal else [rng.randrange(1, 5) for _ in range(count)]
        reversal = ReversalSchedules(prices, sizes)
        for memory, price in reversal.front:
            assert cheapest(prices, sizes, memory, persistent=not equal) == price
            assert carried_out(reversal.schedule(memory), prices, sizes) == (memory, price)
            if memory:
                assert cheapest(prices, sizes, memory - 1, persistent=not equal) > price


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0 steps and 3 checkpoints"):
        forward_steps(0, 3)
    with pytest.raises(ValueError, match="2 prices and 1 sizes"):
        ReversalSchedules([1, 2], [1])
    with pytest.raises(ValueError, match="-1 elements; expected at least 0"):
        ReversalSchedules([1, 2], [1, 1]).extra(-1)
