"""The suite `torch`: from the measurement of two functions to the report, which is a function of the CSV alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")

from bench.__main__ import command
from bench.rows import TorchRow, from_csv, to_csv
from bench.torch_report import best_other, lead, torch_claims
from bench.torch_suite import TORCH_SUITES, TorchSuite


def test_from_measurement_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = TorchSuite(functions=("bottleneck", "scalar"), batches=(1, 2), turns=1, seconds=0.01)
    monkeypatch.setitem(TORCH_SUITES, "torch", few)
    done = CliRunner().invoke(command, ["run", "torch", "-o", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    text = (tmp_path / "torch.csv").read_text(encoding="utf-8")
    about, rows = from_csv(text, TorchRow)
    assert to_csv(about, rows, TorchRow) == text
    assert [(row.instance, row.batch) for row in rows] == [(f, n) for f in ("bottleneck", "scalar") for n in (1, 2)]
    assert rows[0].takes == "plan"
    assert rows[0].promise > 1
    first = (tmp_path / "torch.md").read_bytes()
    (tmp_path / "torch.md").unlink()
    CliRunner().invoke(command, ["report", "torch", "-o", str(tmp_path)], catch_exceptions=False)
    assert (tmp_path / "torch.md").read_bytes() == first


def test_claims_count_those_behind() -> None:
    row = TorchRow("f", 1, 2, 3, "plan", 2.0, 1.0, 4.0, 9.0, 3.0, None, 1.0, 3)
    assert best_other(row) == 3
    slower = replace(row, default_seconds=4.0, promise=1.0)
    assert lead(slower) == 0.75
    figures = [claim.figure for claim in torch_claims([row, slower])]
    assert figures == ["1 of 2", "3.000"]
