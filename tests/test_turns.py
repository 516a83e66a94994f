"""What is measured when a plan is run: turns of calls, and the functions of matrix-free elementals. No real clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.execution.function_times import MeasuredCost, at_width, measured, width_times
from chainplan.problem.graph import Mode
from chainplan.validation.turns import MAX_TURNS, MIN_TURNS, SECONDS_FOR_FEWEST_TURNS, SECONDS_FOR_ONE_TURN, in_turns
from chainplan_cli.main import main
from tests.reference import ROOT


class Clock:
    """A clock that goes on when a call says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def taking(self, *seconds: float) -> Callable[[], None]:
        """A call that takes so long; the last for ever after."""
        left = list(seconds)

        def call() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


@pytest.mark.parametrize(
    ("seconds", "turns"),
    [
        (1e-6, MAX_TURNS),
        (SECONDS_FOR_FEWEST_TURNS / 9.5, 10),
        (SECONDS_FOR_FEWEST_TURNS, MIN_TURNS),
        (0.9 * SECONDS_FOR_ONE_TURN / 2, 3),
        (SECONDS_FOR_ONE_TURN, 1),
        (10 * SECONDS_FOR_ONE_TURN, 1),
    ],
)
def test_at_least_five_turns_unless_one_takes_long(seconds: float, turns: int) -> None:
    clock = Clock()
    found = in_turns({"one": clock.taking(seconds), "other": clock.taking(1e-9)}, clock)
    assert len(found["one"].seconds) == turns
    assert len(found["other"].seconds) == MAX_TURNS


def test_the_least_turn_counts() -> None:
    clock = Clock()
    found = in_turns({"disturbed": clock.taking(0.5, 0.25, 0.75, 0.125, 0.5, 1.0)}, clock)
    assert found["disturbed"].least == 0.125
    assert len(found["disturbed"].seconds) == MIN_TURNS


def test_functions_are_priced_by_call_and_vector() -> None:
    """The price of a propagation is the function's own, whatever its fma say; one without a function keeps its rate."""
    clock = Clock()

    def function(call: float, vector: float, size: int, axis: int) -> Callable[[Any], Any]:
        def run(block: Any) -> Any:
            clock.now += call + vector * block.shape[axis]
            return np.zeros((size, block.shape[1]) if axis else (block.shape[0], size))

        return run

    module = {"shape": [3, 4], "tangent": 12, "adjoint": 12}
    problem = chainplan.chain([{"name": "A", **module}, {"name": "B", "shape": [2, 3], "tangent": 5}])
    pair = function(2.0**-10, 2.0**-12, 3, 1), function(2.0**-9, 2.0**-14, 4, 0)
    model = measured(WEIGHTED_COST, problem.graph, {"A": pair, "B": (None, None)}, clock)
    assert isinstance(model, MeasuredCost)
    second = 10**15
    assert [(name, mode) for name, mode, *_ in model.functions] == [("A", Mode.TANGENT), ("A", Mode.ADJOINT)]
    for (*_, times), expected in zip(model.functions, ((-10, -12), (-9, -14)), strict=True):
        assert [width for width, _ in times] == [1, 8, 64]
        for width in (1, 3, 8, 64, 100):
            assert at_width(times, width) == pytest.approx(second * (2.0 ** expected[0] + width * 2.0 ** expected[1]))
    a, b = (problem.graph[name] for name in "AB")
    assert model.accumulate(a, Mode.TANGENT) > 10**9 * (2**-10 + 4 * 2**-12) > WEIGHTED_COST.accumulate(a, Mode.TANGENT)
    assert model.accumulate(b, Mode.TANGENT) == WEIGHTED_COST.accumulate(b, Mode.TANGENT)


def test_the_order_follows_what_was_measured() -> None:
    """Adjoints are cheaper by fma, and the order is the other one where their function is slower."""
    clock = Clock()

    def slow(block: Any) -> Any:
        clock.now += 1.0 * block.shape[0]
        return np.zeros((block.shape[0], 9))

    def fast(block: Any) -> Any:
        clock.now += 1e-6
        return np.zeros((2, block.shape[1]))

    problem = chainplan.chain([{"name": "A", "shape": [2, 9], "tangent": 900, "adjoint": 9}])
    by_rate = chainplan.plan(chainplan.Problem(problem.graph, cost=WEIGHTED_COST)).plan
    model = measured(WEIGHTED_COST, problem.graph, {"A": (fast, slow)}, clock)
    by_time = chainplan.plan(chainplan.Problem(problem.graph, cost=model)).plan
    assert by_rate is not None
    assert by_time is not None
    assert by_rate.steps[0].mode is Mode.ADJOINT  # type: ignore[union-attr]
    assert by_time.steps[0].mode is Mode.TANGENT  # type: ignore[union-attr]


def test_run_measures_functions_and_counts_its_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(ROOT / "examples" / "layers" / "singular_values.yaml")]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    runs = lines["order"].index("runs")
    assert lines["order"][:3] == ["order", "fma", "'measured'"]
    assert runs == 4
    assert int(lines["forward"][runs + 2]) >= MIN_TURNS


def test_times_are_straight_between_measured_widths_and_never_fall() -> None:
    times = width_times({8: 50, 1: 10, 4: 40, 6: 30})
    assert times == ((1, 10), (4, 40), (6, 40), (8, 50))
    assert [at_width(times, width) for width in (0, 1, 2, 4, 5, 6, 7, 8, 10)] == [10, 10, 20, 40, 40, 40, 45, 50, 60]
    assert [at_width(((3, 30),), width) for width in (2, 3, 6)] == [30, 30, 60]
    assert [at_width(((0, 0), (1, 7)), width) for width in (0, 1, 5)] == [0, 7, 35]
