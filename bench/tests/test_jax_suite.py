"""The suite `jax`: from the measurement of two functions to the report, which is a function of the CSV alone."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("jax")

from bench.__main__ import command
from bench.jax_goals import Goal, goals, promise, speed
from bench.jax_report import jax_report_text
from bench.jax_suite import JAX_SUITES, JaxSuite
from bench.rows import JaxRow, from_csv, to_csv


@pytest.mark.usefixtures("charts")
def test_from_measurement_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = JaxSuite(functions=("lighthouse", "mlp", "burgers-1e3"), rounds=1, seconds=0.1, largest=1 << 20)
    monkeypatch.setitem(JAX_SUITES, "jax", few)
    done = CliRunner().invoke(command, ["run", "jax", "-o", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    text = (tmp_path / "jax.csv").read_text(encoding="utf-8")
    about, rows = from_csv(text, JaxRow)
    assert to_csv(about, rows, JaxRow) == text
    measured = [("lighthouse", 1), ("lighthouse", 512), ("mlp", 1), ("burgers-1e3", 1)]
    assert [(row.instance, row.batch) for row in rows] == measured
    for row in rows[:3]:
        assert row.plan_fma is not None
        assert row.bound is not None
        assert row.greedy_fma is not None
        assert row.bound <= row.plan_fma <= row.greedy_fma
        assert row.takes in ("plan", "jacfwd", "jacrev")
        assert row.plan_memory is not None
    if find_spec("asdex"):
        assert rows[3].asdex_seconds is not None
    first = (tmp_path / "jax.md").read_bytes()
    (tmp_path / "jax.md").unlink()
    CliRunner().invoke(command, ["report", "jax", "-o", str(tmp_path)], catch_exceptions=False)
    assert (tmp_path / "jax.md").read_bytes() == first


def _row(instance: str, plan_fma: int, default: float, batch: int = 1, **more: Any) -> JaxRow:
    figures = {"m": 2, "n": 2, "jacfwd_fma": 300, "jacrev_fma": 200, "plan_fma": plan_fma, "vertices": 3, "edges": 2}
    times = {"default_seconds": default, "jacfwd_seconds": 1.0, "jacrev_seconds": 2.0}
    return JaxRow(instance, batch, **{**figures, **times, **more})


def _goal(rows: list[JaxRow], words: str) -> Goal:
    (found,) = [goal for goal in goals(rows) if words in goal.wanted]
    return found


def test_goals_are_judged_by_the_better_mode() -> None:
    rows = [_row("f", 100, 0.25), _row("g", 100, 1.0), _row("h", 200, 1.25), _row("f", 100, 0.25, 512)]
    assert [promise(row) for row in rows] == [2.0, 2.0, 1.0, 2.0]
    assert [speed(row) for row in rows] == [4.0, 1.0, 0.8, 4.0]
    assert _goal(rows, "promised, batch 1:") == Goal(
        "speed over the better mode where 1.3 is promised, batch 1: geometric mean at least 1.5",
        "2.00 of 2, least 1.00 (`g`)",
        True,
    )
    below = _goal(rows, "never below 0.95 of the better mode (")
    assert (below.figure, below.reached) == ("least 0.80 (`h`), 1 of 4 below", False)
    assert _goal(rows[:2], "never below 0.95 of the better mode (").reached
    assert _goal(rows, "asdex, in time").figure is None
    assert "| missed | least 0.80 (`h`), 1 of 4 below |" in jax_report_text(JaxSuite(), {}, rows)


def test_short_calls_may_differ_by_the_noise_of_timing() -> None:
    times: dict[str, Any] = {"jacfwd_seconds": 10e-6, "jacrev_seconds": 20e-6}
    short = [_row("f", 100, seconds, **times) for seconds in (10.9e-6, 11.5e-6)]
    assert [_goal([row], "never below 0.95 of the better mode (").reached for row in short] == [True, False]


def test_peers_and_what_is_written_by_hand_are_compared() -> None:
    rows = [
        _row("a", 1, 1.0, task="sparse", n=1000, asdex_seconds=0.5, jacfwd_seconds=30.0),
        _row("b", 1, 1.0, task="sparse", n=100_000, asdex_seconds=2.0, default_first=4.0, peak=400_000_000),
        _row(
            "c",
            1,
            1.0,
            task="sparse hessian",
            asdex_seconds=1.0,
            hessian_seconds=3.0,
            jacfwd_seconds=None,
            jacrev_seconds=3.0,
        ),
        _row("d", 1, 1.0, hand_seconds=0.5),
        _row(
            "e", 1, 1.0, task="hessian", hand_seconds=0.8, hessian_seconds=1.5, jacfwd_seconds=None, jacrev_seconds=None
        ),
        _row("f", 1, 1.0, task="gauss-newton", jacfwd_seconds=0.9),
    ]
    judged = {
        "up to 1,000: not behind asdex": ("0.50 (`a`)", False),
        "from 10,000: over asdex": ("2.00 of 1, least 2.00 (`b`)", True),
        "first call at 100,000": ("4.00 (`b`)", False),
        "memory of it": ("400.00 (`b`)", True),
        "asdex, in time": ("1.00 (`c`)", True),
        "within 1.3 of what is written by hand": ("2.00 (`d`)", False),
        "Hessians within 1.5": ("1.25 (`e`)", True),
        "Hessians with structure": ("1.50 (`e`)", False),
        "Hessians never below": ("least 1.50 (`e`)", True),
        "forming them": ("least 0.90 (`f`), 1 of 1 below", False),
    }
    for words, expected in judged.items():
        goal = _goal(rows, words)
        assert (goal.figure, goal.reached) == expected, words


def test_only_names_functions_by_their_beginnings() -> None:
    assert JaxSuite().only(["lighthouse", "cnn"]).functions == ("lighthouse", "lighthouse-vector", "cnn")
    with pytest.raises(ValueError, match="--only: found nothing; expected the beginning of one of simple, baby,"):
        JaxSuite().only(["nothing"])
