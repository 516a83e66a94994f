"""The suite `structure`: counts agree on many chains, stored patterns are the stored ones, the report is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.__main__ import command
from bench.instances.mixed import MixedChain, stored_mixed
from bench.rows import StructureRow, from_csv, to_csv
from bench.structure import STRUCTURE_SUITES, StructureSuite, counted
from bench.structure_report import over_best


def _lost(rows: list[StructureRow]) -> float:
    return sum((row.dense_fma or 0) > 1.1 * (row.fma or 0) for row in rows) / len(rows)


def test_structured_planning_is_exhaustive_search_with_exact_counts() -> None:
    rows = [counted(number) for number in range(1, 201)]
    assert {row.n for row in rows} == {3, 4, 5, 6}
    assert all((row.dense_fma or 0) >= (row.fma or 0) for row in rows)
    assert 0.1 < _lost(rows) < 0.35


@pytest.mark.nightly
def test_on_three_thousand_chains() -> None:
    assert 0.15 < _lost([counted(number) for number in range(1, 3001)]) < 0.3


class TestStored:
    def test_thirty_chains_of_six_factors_of_all_three_kinds(self) -> None:
        chains = stored_mixed()
        assert [chain.n for chain in chains] == [6] * 30
        assert all(any(factor == kind for factor in c.factors) for c in chains for kind in ("dense", "diagonal"))
        assert all(any(isinstance(factor, dict) for factor in c.factors) for c in chains)
        for chain in chains[:6]:
            for factor, e in zip(chain.factors, chain.problem().graph.elementals, strict=True):
                assert isinstance(factor, str) or e.block.nnz == factor["nonzeros"]

    def test_another_pattern_is_refused(self) -> None:
        chain = next(c for c in stored_mixed() if isinstance(c.factors[1], dict))
        factors = (chain.factors[0], {**chain.factors[1], "crc32": 1}, *chain.factors[2:])
        with pytest.raises(ValueError, match="the pattern of F2 is not the stored one"):
            MixedChain(chain.name, chain.sizes, factors).problem()


@pytest.mark.usefixtures("charts")
def test_from_measurement_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(StructureSuite(), counted=20, timed=1, seconds=0.1, turns=1)
    monkeypatch.setitem(STRUCTURE_SUITES, "structure", few)
    done = CliRunner().invoke(command, ["run", "structure", "-o", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    text = (tmp_path / "structure.csv").read_text(encoding="utf-8")
    about, rows = from_csv(text, StructureRow)
    assert to_csv(about, rows, StructureRow) == text
    assert [row.task for row in rows] == ["count"] * 20 + ["time"] * 43
    assert all(len(ratios) == 1 for ratios in over_best([row for row in rows if row.task == "time"]).values())
    for objective in ("fma", "weighted", "calibrated"):
        orders = [row for row in rows if row.order]
        least = min(getattr(row, objective) for row in orders)
        assert [getattr(r, objective) for r in orders if objective in r.chosen_by.split()] == [least]
    first = (tmp_path / "structure.md").read_bytes()
    (tmp_path / "structure.md").unlink()
    CliRunner().invoke(command, ["report", "structure", "-o", str(tmp_path)], catch_exceptions=False)
    assert (tmp_path / "structure.md").read_bytes() == first
