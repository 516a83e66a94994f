"""`python -m bench run|report|verify SUITE`: the command line of the benchmarks, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.analyse import report_text
from bench.rows import from_csv, to_csv
from bench.run import run_suite
from bench.suites import SUITES
from bench.verify import mistakes

REPORTS = Path(__file__).parent / "reports"
_suite = click.argument("name", metavar="SUITE", type=click.Choice(list(SUITES)))
_folder = click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=REPORTS,
    help="Folder of SUITE.csv and SUITE.md.",
)
_quick = click.option("--quick", is_flag=True, help="One small instance of each kind; the files are SUITE-quick.*.")


@click.group()
def command() -> None:
    """Benchmarks of chainplan."""


@command.command()
@_suite
@_folder
@_quick
def run(name: str, folder: Path, quick: bool) -> None:
    """Measure a suite; write its CSV and its report."""
    suite = SUITES[name].quick() if quick else SUITES[name]
    about, rows = run_suite(suite, lambda line: click.echo(line, err=True))
    folder.mkdir(parents=True, exist_ok=True)
    base = _base(name, folder, quick)
    base.with_suffix(".csv").write_text(to_csv(about, rows), encoding="utf-8")
    write_report(name, base)


@command.command()
@_suite
@_folder
@_quick
def report(name: str, folder: Path, quick: bool) -> None:
    """Write the report of a suite again, from its CSV alone."""
    write_report(name, _base(name, folder, quick))


@command.command()
@_suite
def verify(name: str) -> None:
    """Plan every instance again and compare with the stored optimum."""
    found = list(mistakes(SUITES[name]))
    for line in found:
        click.echo(line, err=True)
    click.echo(f"{len(SUITES[name].instances())} instances, {len(found)} disagreements")
    sys.exit(1 if found else 0)


def write_report(name: str, base: Path) -> None:
    """The Markdown beside a CSV; `base` is their common path without suffix."""
    about, rows = from_csv(base.with_suffix(".csv").read_text(encoding="utf-8"))
    base.with_suffix(".md").write_text(report_text(SUITES[name], about, rows), encoding="utf-8")


def _base(name: str, folder: Path, quick: bool) -> Path:
    return folder / (f"{name}-quick" if quick else name)


if __name__ == "__main__":
    command(prog_name="python -m bench")
