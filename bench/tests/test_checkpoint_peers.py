"""Checkpoints of equal steps cost what other programs say, where these are installed, and what they said once."""

from __future__ import annotations

import pytest

from bench.checkpoint_peers import compared, two_level_price
from chainplan.solvers.checkpoint import forward_steps


def test_other_programs_count_the_same() -> None:
    cases = list(compared())
    if not cases:
        pytest.skip("neither checkpoint_schedules nor pyrevolve is installed")
    assert [case.ours for case in cases] == [case.theirs for case in cases]


@pytest.mark.parametrize(("steps", "slots", "extra"), [(10, 3, 15), (50, 5, 122), (100, 10, 222), (300, 7, 1035)])
def test_what_pyrevolve_2_2_8_counts(steps: int, slots: int, extra: int) -> None:
    assert forward_steps(steps, slots) - steps == extra


@pytest.mark.parametrize(("steps", "slots", "move", "price"), [(20, 3, 2, 43), (30, 3, 5, 80), (50, 4, 3, 129)])
def test_what_disk_revolve_of_checkpoint_schedules_1_0_4_costs(steps: int, slots: int, move: int, price: int) -> None:
    assert two_level_price(steps, slots, steps + 1, move) == price
