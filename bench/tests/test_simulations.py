"""The ten simulations: each has a plan that makes the Jacobian of reverse order, and the table has a line for each."""

from __future__ import annotations

import numpy as np
import pytest

from bench import simulations
from bench.simulations import SIMULATIONS, Promise, promise


@pytest.mark.parametrize("name", ["twelve bands of 500", "a graph of two branches", "a graph of two outputs"])
def test_plans_make_the_jacobian_of_reverse_order(name: str) -> None:
    simulation = SIMULATIONS[name]()
    assert max(simulation.test_adjoints().values(), default=0.0) < 1e-12
    found = simulation.jacobians()
    simulation.plan(solver="reverse")
    expected = simulation.jacobians()
    assert found.keys() == expected.keys()
    for pair, array in found.items():
        assert np.allclose(array, expected[pair], rtol=1e-10, atol=1e-12 * np.abs(array).max())


def test_the_table_has_a_line_for_each_simulation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulations, "promise", lambda make: Promise(30.0, 40.0, 60.0, 50.0))
    simulations.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(SIMULATIONS) + 2 == 12
    assert lines[1].endswith("30 us       40 us    0.75    0.50    0.80")
    assert lines[-1].split()[-1] == "1.33"


def test_promises_are_those_of_the_plan_and_of_reverse_order() -> None:
    found = promise(SIMULATIONS["twelve bands of 500"], seconds=0.02, rounds=1)
    assert min(found) > 0
    assert found.ratio == found.promised / found.measured
