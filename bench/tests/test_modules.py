"""The loop of forty modules: every way makes the same Jacobian, and a way that does not is found."""

from __future__ import annotations

import numpy as np
import pytest

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
