"""The loop of forty modules and the model of blocks: every way makes the same Jacobian; one that does not is found."""

from __future__ import annotations

import numpy as np
import pytest

from bench import block_model, shift_model
from bench.modules import forty_modules, measured, ways


@pytest.mark.parametrize("bottleneck", [False, True])
def test_all_ways_agree(bottleneck: bool) -> None:
    loop = forty_modules(20, 3, bottleneck)
    assert len(loop.spec) == 41 + bottleneck
    times = measured(ways(loop, "auto"), 1)
    assert list(times) == ["by hand", "structured", "matrices", "functions"]


def test_a_way_that_disagrees_is_found() -> None:
    loop = forty_modules(20, 3)
    with pytest.raises(ValueError, match="half and by hand disagree"):
        measured({"by hand": loop.by_hand, "half": lambda: np.asarray(loop.by_hand()) / 2}, 1)


def test_the_model_of_blocks_is_accumulated_in_three_ways(capsys: pytest.CaptureFixture[str]) -> None:
    block_model.main(size=8, rounds=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "73 blocks of 8 x 8, 73 on paths"
    assert len(lines) == 5


def test_a_model_of_shifts_is_compared() -> None:
    shift_model.main(size=40, rounds=1)
