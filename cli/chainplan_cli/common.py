"""What subcommands share: options, progress on the terminal, writing a file whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from chainplan.search import Progress

solver_option = click.option("--solver", default="auto", show_default=True, metavar="NAME", help="See 'solvers'.")
budget_option = click.option(
    "--budget", type=click.FloatRange(min=0), metavar="SECONDS", help="Time for the search.  [default: no limit]"
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N")


class Report(Protocol):
    """Called by a search now and then."""

    def __call__(self, progress: Progress, /) -> None: ...


@contextmanager
def progress_shown() -> Iterator[Report]:
    """Show how far a search of more than a second is: a bar on a terminal, else a line on stderr every five seconds."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None, visible=False)

        def report(progress: Progress, /) -> None:
            text = f"{progress.solver} {progress.seconds:.0f} s"
            bars.update(task, visible=True, description=text, total=None if progress.done is None else 1.0)
            bars.update(task, completed=progress.done or 0.0)

        yield report


class _Lines:
    def __init__(self) -> None:
        self._next = 5.0

    def __call__(self, progress: Progress, /) -> None:
        if progress.seconds >= self._next:
            self._next = progress.seconds + 5
            done = "" if progress.done is None else f", {100 * progress.done:.0f} %"
            click.echo(f"chainplan: {progress.solver}: {progress.seconds:.0f} s{done}", err=True)


def write_whole(path: str, text: str) -> None:
    """Write a file so that it is there whole or not at all.

    Raises
    ------
    click.ClickException
        Where the folder is missing or cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, 0o644)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror}.") from None
