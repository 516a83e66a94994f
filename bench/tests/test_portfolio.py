"""The comparison of a team with one search, by the processor."""

from __future__ import annotations

import pytest

from bench.portfolio import main, processor_time


def test_the_processor_clock_counts_a_round_once(capsys: pytest.CaptureFixture[str]) -> None:
    with processor_time() as time:
        before = time()
        time.put(before + 5)
        assert 5 <= time() - before < 6
    assert main(["--cpu", "--seconds", "0.3", "--graphs", "degree_100_block"]) == 0
    out = capsys.readouterr().out
    assert "degree_100_block" in out
    assert "cost: better on" in out
