"""What the subcommands share: options, progress on the terminal, and files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isnan
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import click

from chainplan.errors.arguments import MAX_OPTION_COUNT
from chainplan.plans.ratios import gap_text
from chainplan_cli.interrupt import raise_again

if TYPE_CHECKING:
    from chainplan.plans.result import Result
    from chainplan.problem.problem import Problem
    from chainplan.programs.program import Program
    from chainplan.solvers.search.search import SearchProgress

solver_option = click.option("--solver", default="auto", show_default=True, metavar="NAME", help="See 'solvers'.")


_PLAIN_NUMBER_PATTERN = re.compile("[-+.0-9A-Za-z]+")
"""The characters of numbers; Python would also read digits of other scripts, spaces around and underscores inside."""


class WholeNumberType(click.IntRange):
    """A whole number in digits, or with an exponent as in specs: 1000, 1e3."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from chainplan.io.located.reader import number_or_text

        if isinstance(value, str):
            if not _PLAIN_NUMBER_PATTERN.fullmatch(value):
                self.fail(f"{value!r} is not a valid integer; expected digits alone, such as 1000.", param, ctx)
            value = number_or_text(value)
        return int(super().convert(value, param, ctx))


class _SecondsType(click.FloatRange):
    """A number of seconds from 0; nan is refused, because it compares as below no limit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, str) and not _PLAIN_NUMBER_PATTERN.fullmatch(value):
            self.fail(f"{value!r} is no number of seconds; expected digits, such as 10 or 0.5.", param, ctx)
        seconds = float(super().convert(value, param, ctx))
        if isnan(seconds):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return seconds


class _FileNameType(click.Path):
    """The name of a file, which shells complete; it is not checked here, as whoever reads it says what is wrong."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)


FILE_NAME = _FileNameType()
SECONDS_TYPE = _SecondsType(min=0)
budget_option = click.option(
    "--budget",
    type=SECONDS_TYPE,
    metavar="SECONDS",
    help="Time for the search.  [default: no limit on chains, 10 on other graphs]",
)
nodes_option = click.option(
    "--nodes",
    type=WholeNumberType(0, MAX_OPTION_COUNT),
    metavar="N",
    help="Steps of the search; unlike seconds, they give the same plan on every machine.",
)
seed_option = click.option("--seed", type=WholeNumberType(min=0), default=0, show_default=True, metavar="N")
machines_option = click.option(
    "--machines",
    type=WholeNumberType(1, MAX_OPTION_COUNT),
    metavar="P",
    help="Plan for P machines at once: the makespan is minimised and the plan has a schedule.",
)


bandwidth_option = click.option(
    "--bandwidth",
    type=WholeNumberType(1, MAX_OPTION_COUNT),
    metavar="B",
    help="Bytes per second between the machines; moving blocks then takes time.",
)


class _ObjectiveOption(click.Option):
    """The option of an objective; the table of objectives is imported for its help alone, because it takes long."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from chainplan.costs.objectives import OBJECTIVES

        *others, last = (objective.words for objective in OBJECTIVES.values())
        self.metavar = "|".join(OBJECTIVES)
        self.help = f"What is minimised: {', '.join(others)}, or {last}."
        return super().get_help_record(ctx)


objective_option = click.option("--objective", cls=_ObjectiveOption, metavar="NAME")


class ProgressReport(Protocol):
    """A function that a search calls from time to time."""

    def __call__(self, progress: SearchProgress, /) -> None: ...


@contextmanager
def progress_shown() -> Iterator[ProgressReport]:
    """Show the progress of a long search: as a bar on a terminal, else as a line on stderr every five seconds."""
    raise_again()
    if not sys.stderr.isatty():
        yield _ProgressLines()
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None, visible=False)

        def report(progress: SearchProgress, /) -> None:
            text = f"{progress.solver} {progress.seconds:.0f} s{_standing(progress)}"
            bars.update(task, visible=True, description=text, total=None if progress.done is None else 1.0)
            bars.update(task, completed=progress.done or 0.0)

        yield report


class _ProgressLines:
    """Progress as lines on stderr, at first and every five seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, progress: SearchProgress, /) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + 5
            done = "" if progress.done is None else f", {100 * progress.done:.0f} %"
            standing = _standing(progress)
            click.echo(f"chainplan: {progress.solver}: {progress.seconds:.1f} s{done}{standing}", err=True)


def _standing(progress: SearchProgress) -> str:
    """Describe the best plan so far, the bound and the gap, as far as they are known."""
    best = "" if progress.best is None else f", best {progress.best:,} {progress.unit}"
    bound = f", bound {progress.bound:,}" if progress.bound else ""
    return best + bound + ("" if progress.gap is None else f", gap {gap_text(progress.best, progress.bound)}")


def with_notes(result: Result, planned: Problem | Program) -> Result:
    """Add to a result the notes on the layers or the file for which it was planned."""
    notes = tuple(getattr(planned, "notes", ()))
    if getattr(planned, "of_model", False) and result.price == result.price_baselines.reverse:
        notes += ("Reverse order is the best order that was found: a backward pass of a framework loses nothing here.",)
    return replace(result, notes=(*result.notes, *notes)) if notes else result


def say_no_plan(result: Result) -> None:
    """Say on stderr why there is no plan."""
    click.echo(f"chainplan: no plan: {result.status.value}. {' '.join(result.notes)}".rstrip(), err=True)


def require_place(path: str) -> None:
    """Refuse a place where no file can be written, before a search is spent on it.

    A file that nobody may write counts as read-only for root too, whom the system would let write. Everything else is
    tried out, because permissions alone say little on read-only and network file systems: the folder is tried by a file
    without a name, an existing file by opening it.

    Raises
    ------
    click.ClickException
        Where the folder is missing, the path is a folder itself, or what is there is read-only.
    """
    target = Path(path)
    try:
        os.fsencode(target)
        if target.is_dir():
            raise click.ClickException(_unwritable(path, "found a folder; expected a file. Name a file."))
        if not target.parent.is_dir():
            where = f"'{target.parent}' is no folder; expected one that exists. Make it, or write elsewhere."
            raise click.ClickException(_unwritable(path, where))
        if not target.exists() or target.is_file():
            target = Path(os.path.realpath(target))
            _require_permission(target)
            with tempfile.TemporaryFile(dir=target.parent):
                pass
            if target.exists():
                os.close(os.open(target, os.O_WRONLY))
    except (OSError, ValueError) as error:
        raise click.ClickException(_unwritable(path, f"{_reason(error)}; {_ADVICE_ON_PLACES}")) from None


def _require_permission(target: Path) -> None:
    """Refuse a file, or its folder, that nobody may write; on Windows the mark of a folder means something else."""
    for path in (target, target.parent) if os.name == "posix" else (target,):
        if path.exists() and not path.stat().st_mode & 0o222:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


_ADVICE_ON_PLACES = "expected a place where a file may be written. Write elsewhere."


def _unwritable(path: str, why: str) -> str:
    from chainplan.io.located.nodes import shown

    return f"{shown(path, 200) or '-o'}: cannot be written: {why}"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def write_or_print(text: str, path: str | None) -> None:
    """Write a text to a file, or to the screen where none is named."""
    if path is None:
        click.echo(text, nl=False)
    else:
        write_whole(path, text)


def write_whole(path: str, content: str | bytes) -> None:
    """Write a file whole or not at all; a link is followed, and a pipe or device is written into.

    Raises
    ------
    click.ClickException
        Where the place cannot be written.
    """
    raise_again()
    target, data = Path(path), content.encode() if isinstance(content, str) else content
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(target)), data)
    except (OSError, ValueError) as error:
        raise click.ClickException(_unwritable(path, f"{_reason(error)}; {_ADVICE_ON_PLACES}")) from None


def _replace(target: Path, data: bytes) -> None:
    """Write a new file beside the old one, and put it in the place of the old one with the same permissions."""
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".chainplan.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
