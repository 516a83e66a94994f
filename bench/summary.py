"""The table of claims, on the page of benchmarks and beside the reports: written between its marks, never by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.instances import ROOT
from bench.markdown import table
from bench.table import TABLE

BEGIN = "<!-- table: python -m bench report -->"
END = "<!-- end of table -->"
REPORTS = Path(__file__).parent / "reports"
PAGES = {ROOT / "docs" / "benchmarks.md": "../bench/reports/", REPORTS / "README.md": ""}
"""The pages that show the table, each with the way from it to the reports."""


def claims_table(csvs: Mapping[str, str], way: str) -> list[str]:
    """Lines of the table, from the text of the CSVs by suite; a link to its report stands before what it says."""
    body = []
    for name, csv in csvs.items():
        for i, claim in enumerate(TABLE[name].claimed(csv)):
            body.append(["" if i else f"[{name}]({way}{name}.md)", claim.what, claim.figure])
    return table(["report", "measured", "figure"], body, words=2)


def stored_csvs(folder: Path = REPORTS) -> dict[str, str]:
    """The text of the CSVs in a folder, by suite, in the order of the table of suites."""
    files = {name: folder / f"{name}.csv" for name in TABLE}
    return {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.exists()}


def filled(page: str, lines: list[str]) -> str:
    """A page with these lines between its marks.

    Raises
    ------
    ValueError
        If the page does not have both marks, once, in this order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in after:
        raise ValueError(f"the page has other marks than '{BEGIN}' and '{END}' once each. Put them around the table.")
    return "\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"])


def pages(csvs: Mapping[str, str]) -> dict[Path, str]:
    """The pages with the table, as they are to be."""
    return {path: filled(path.read_text(encoding="utf-8"), claims_table(csvs, way)) for path, way in PAGES.items()}
