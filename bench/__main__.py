"""`python -m bench run|report|verify SUITE`: the command line of the benchmarks, and nothing else."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from bench.analyse import report_text
from bench.dag_report import dag_report_text
from bench.dag_run import run_dags
from bench.dag_suites import DAG_SUITES
from bench.jax_report import jax_report_text
from bench.jax_suite import JAX_SUITES, run_jax
from bench.rows import DagRow, JaxRow, Row, StructureRow, from_csv, to_csv
from bench.run import run_suite
from bench.structure import STRUCTURE_SUITES, run_structures
from bench.structure_report import structure_report_text
from bench.suites import SUITES
from bench.verify import mistakes

REPORTS = Path(__file__).parent / "reports"
_suite = click.argument(
    "name", metavar="SUITE", type=click.Choice([*SUITES, *DAG_SUITES, *STRUCTURE_SUITES, *JAX_SUITES])
)
_folder = click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=REPORTS,
    help="Folder of SUITE.csv and SUITE.md.",
)
_quick = click.option("--quick", is_flag=True, help="Small instances of each kind; the files are SUITE-quick.*.")


@click.group()
def command() -> None:
    """Benchmarks of chainplan."""


@command.command()
@_suite
@_folder
@_quick
@click.option("--budget", type=click.FloatRange(min=0), help="Seconds per plan of a DAG; 10, or 1 with --quick.")
def run(name: str, folder: Path, quick: bool, budget: float | None) -> None:
    """Measure a suite; write its CSV and its report."""
    text = _measured_dags(name, quick, budget) if name in DAG_SUITES else _measured_chains(name, quick, budget)
    if text is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    base = _base(name, folder, quick)
    base.with_suffix(".csv").write_text(text, encoding="utf-8")
    write_report(name, base)


def _measured_chains(name: str, quick: bool, budget: float | None) -> str:
    if budget is not None:
        raise click.UsageError(f"--budget has no meaning for {name}; expected one of {', '.join(DAG_SUITES)}.")
    if name in JAX_SUITES:
        functions = JAX_SUITES[name].quick() if quick else JAX_SUITES[name]
        return to_csv(*run_jax(functions, _say), JaxRow)
    if name in STRUCTURE_SUITES:
        structures = STRUCTURE_SUITES[name].quick() if quick else STRUCTURE_SUITES[name]
        return to_csv(*run_structures(structures, _say), StructureRow)
    suite = SUITES[name].quick() if quick else SUITES[name]
    return to_csv(*run_suite(suite, _say), Row)


def _measured_dags(name: str, quick: bool, budget: float | None) -> str | None:
    suite = DAG_SUITES[name].quick() if quick else DAG_SUITES[name]
    missing = suite.missing()
    if missing is not None:
        _say(f"{name} skipped: {missing}")
        return None
    return to_csv(*run_dags(suite if budget is None else replace(suite, budget=budget), _say), DagRow)


def _say(line: str) -> None:
    click.echo(line, err=True)


@command.command()
@_suite
@_folder
@_quick
def report(name: str, folder: Path, quick: bool) -> None:
    """Write the report of a suite again, from its CSV alone."""
    write_report(name, _base(name, folder, quick))


@command.command()
@click.argument("name", metavar="SUITE", type=click.Choice(list(SUITES)))
def verify(name: str) -> None:
    """Plan every instance again and compare with the stored optimum."""
    found = list(mistakes(SUITES[name]))
    for line in found:
        click.echo(line, err=True)
    click.echo(f"{len(SUITES[name].instances())} instances, {len(found)} disagreements")
    sys.exit(1 if found else 0)


def write_report(name: str, base: Path) -> None:
    """The Markdown beside a CSV; `base` is their common path without suffix."""
    text = base.with_suffix(".csv").read_text(encoding="utf-8")
    if name in DAG_SUITES:
        report = dag_report_text(DAG_SUITES[name], *from_csv(text, DagRow))
    elif name in STRUCTURE_SUITES:
        report = structure_report_text(STRUCTURE_SUITES[name], *from_csv(text, StructureRow))
    elif name in JAX_SUITES:
        report = jax_report_text(JAX_SUITES[name], *from_csv(text, JaxRow))
    else:
        report = report_text(SUITES[name], *from_csv(text, Row))
    base.with_suffix(".md").write_text(report, encoding="utf-8")


def _base(name: str, folder: Path, quick: bool) -> Path:
    return folder / (f"{name}-quick" if quick else name)


if __name__ == "__main__":
    command(prog_name="python -m bench")
