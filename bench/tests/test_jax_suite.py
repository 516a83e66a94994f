"""The suite `jax`: from the measurement of two functions to the report, which is a function of the CSV alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("jax")

from bench.__main__ import command
from bench.jax_report import jax_report_text, promise, speed
from bench.jax_suite import JAX_SUITES, JaxSuite
from bench.rows import JaxRow, from_csv, to_csv


@pytest.mark.usefixtures("charts")
def test_from_measurement_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = JaxSuite(functions=("lighthouse", "mlp"), batches=(1, 3), rounds=1, seconds=0.1, budget=0.1, largest=5000)
    monkeypatch.setitem(JAX_SUITES, "jax", few)
    done = CliRunner().invoke(command, ["run", "jax", "-o", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    text = (tmp_path / "jax.csv").read_text(encoding="utf-8")
    about, rows = from_csv(text, JaxRow)
    assert to_csv(about, rows, JaxRow) == text
    assert [(row.instance, row.batch) for row in rows] == [(n, b) for n in few.functions for b in few.batches]
    for row in rows[:3]:
        assert row.status == "ok"
        assert row.plan_fma is not None
        assert row.bound is not None
        assert row.greedy_fma is not None
        assert row.bound <= row.plan_fma <= row.greedy_fma
        assert row.default_takes in ("plan", "jacfwd", "jacrev")
        assert getattr(row, f"{row.tuned_takes}_seconds") == row.tuned_seconds
        assert getattr(row, f"{row.default_takes}_seconds") == row.default_seconds
        assert row.plan_memory is not None
    assert rows[3].status == "skipped: 0 MiB of Jacobians, more than 0 MiB"
    assert rows[3].plan_seconds is None
    first = (tmp_path / "jax.md").read_bytes()
    (tmp_path / "jax.md").unlink()
    CliRunner().invoke(command, ["report", "jax", "-o", str(tmp_path)], catch_exceptions=False)
    assert (tmp_path / "jax.md").read_bytes() == first


def _row(instance: str, plan_fma: int, plan: float, tuned: float) -> JaxRow:
    counts = JaxRow(instance, m=2, n=2, vertices=3, edges=2, jacfwd_fma=300, jacrev_fma=200, plan_fma=plan_fma, bound=1)
    return replace(
        counts, plan_seconds=plan, default_seconds=plan, tuned_seconds=tuned, jacfwd_seconds=1.0, jacrev_seconds=2.0
    )


def test_the_report_judges_by_the_better_mode() -> None:
    rows = [_row("f", 100, 0.25, 0.25), _row("g", 100, 1.0, 1.0), _row("h", 200, 4.0, 1.25)]
    assert [promise(row) for row in rows] == [2.0, 2.0, 1.0]
    assert [speed(row, "plan") for row in rows] == [4.0, 1.0, 0.25]
    text = jax_report_text(JaxSuite(), {}, rows)
    assert "over the 2 functions where the plan promises" in text
    assert "At least 1.5 in the geometric mean where 1.3 is promised: reached (2.000 with `tune=True`)." in text
    assert "Never below 0.95 with `tune=True`: missed; the least of all 3 measurements is 0.800, of `h`" in text
