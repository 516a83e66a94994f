"""The figures that the README gives are those of the reports."""

from __future__ import annotations

import re

from bench.instances import ROOT
from bench.summary import claims_table, stored_csvs

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FIGURE = re.compile(r"\b\d[\d,.]*\d\b")


def test_the_figures_of_the_readme_are_those_of_the_reports() -> None:
    said = TEXT.split("## When it helps, and when not")[1].split("\n## ")[0].split("\n- ", 1)[1]
    figures = set(FIGURE.findall("\n".join(claims_table(stored_csvs(), ""))))
    assert len(FIGURE.findall(said)) > 10
    assert set(FIGURE.findall(said)) <= figures
