"""`python -m bench run|report|verify|best|picture`: the command line of the benchmarks, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench import orders_picture
from bench.best import improve, wrong_claims
from bench.instances import ROOT
from bench.instances.sets import SETS
from bench.orders_picture import PICTURE
from bench.suites import SUITES
from bench.summary import REPORTS, pages, stored_csvs
from bench.table import GROUPS, TABLE, chosen
from bench.verify import mistakes

_folder = click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=REPORTS,
    help="Folder of SUITE.csv, SUITE.md and charts.",
)
_quick = click.option("--quick", is_flag=True, help="Small instances of each kind; the files are SUITE-quick*.")
_suites = click.Choice([*TABLE, *GROUPS])
_sets = click.argument("names", metavar="[SUITE]...", type=click.Choice(list(SETS)), nargs=-1)


@click.group()
def command() -> None:
    """Benchmarks of chainplan."""


@command.command()
@click.argument("name", metavar="SUITE", type=_suites)
@_folder
@_quick
@click.option("--budget", type=click.FloatRange(min=0), help="Seconds per search on a graph, in place of the suite's.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Functions, or targets, whose names begin so; may be given repeatedly.",
)
@click.option("--samples", type=click.IntRange(min=1), help="Graphs for each proof rate, in place of the suite's.")
def run(name: str, folder: Path, quick: bool, budget: float | None, only: tuple[str, ...], samples: int | None) -> None:
    """Measure a suite, or all of them; write its CSV, its report and its charts."""
    entries = chosen(name)
    _expect_takers("--budget", budget is not None, name, "budgeted")
    _expect_takers("--only", bool(only), name, "parted")
    _expect_takers("--samples", bool(samples), name, "sampled")
    for entry in entries:
        stem, written = f"{entry.name}-quick" if quick else entry.name, False
        for text in entry.run(quick, _say, budget, only, samples):
            _write({folder / f"{stem}.csv": text})
            written = True
        if written:
            _report(entry.name, stem, folder)


def _expect_takers(option: str, given: bool, name: str, taken: str) -> None:
    """Refuse an option that means nothing to any of the suites that a name stands for."""
    if given and not any(getattr(entry, taken) for entry in chosen(name)):
        takers = ", ".join(entry.name for entry in TABLE.values() if getattr(entry, taken))
        raise click.UsageError(f"{option} has no meaning for {name}; expected one of {takers}.")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _report(name: str, stem: str, folder: Path) -> None:
    csv = (folder / f"{stem}.csv").read_text(encoding="utf-8")
    _write({folder / file: text for file, text in TABLE[name].report(stem, csv).items()})


@command.command()
@click.argument("name", metavar="[SUITE]", type=_suites, required=False)
@_folder
@_quick
def report(name: str | None, folder: Path, quick: bool) -> None:
    """Write the report of a suite again, from its CSV alone; without a suite all, and the tables of claims."""
    for entry in chosen(name or "all"):
        stem = f"{entry.name}-quick" if quick else entry.name
        if name == entry.name or (folder / f"{stem}.csv").exists():
            _report(entry.name, stem, folder)
    if name is None and not quick and folder == REPORTS:
        _write(pages(stored_csvs()))


@command.command()
def picture() -> None:
    """Draw the picture of the README and of the site: a chain in two orders, with what they cost."""
    _write({PICTURE: orders_picture.picture()})
    click.echo(f"{PICTURE.relative_to(ROOT)}: written")


@command.command()
@_sets
def verify(names: tuple[str, ...]) -> None:
    """Re-check the best known plan of every stored instance, and the stored optima of chains by planning again."""
    total, found = 0, list[str]()
    for name in names or SETS:
        total += len(list(SETS[name]()))
        found += wrong_claims(name)
        found += mistakes(SUITES[name]) if name in SUITES else ()
    for line in found:
        _say(line)
    click.echo(f"{total} instances, {len(found)} disagreements")
    sys.exit(1 if found else 0)


@command.command()
@_sets
@click.option("--budget", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Seconds per search.")
@click.option("--only", multiple=True, metavar="INSTANCE", help="This instance; may be given more than once.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of searches that draw random numbers.")
def best(names: tuple[str, ...], budget: float, only: tuple[str, ...], seed: int) -> None:
    """Search on from the best known plans that are not proven; keep better plans and bounds."""
    better = sum(improve(name, budget, _say, only=only, seed=seed) for name in names or SETS)
    click.echo(f"{better} instances got better")


if __name__ == "__main__":
    command(prog_name="python -m bench")
