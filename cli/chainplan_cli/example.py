"""`chainplan example [NAME]`: list the examples, or write one into the working folder.

The wheel holds the folder `examples/` of the repository beside this file; in a checkout it is read where it is.
"""

from __future__ import annotations

from pathlib import Path

import click

from chainplan_cli.common import require_place, write_whole

SUFFIXES = (".yaml", ".py")


@click.command()
@click.argument("name", required=False)
@click.option("-o", "--output", metavar="FILE", help="Where to write it.  [default: its own name, in this folder]")
def command(name: str | None, output: str | None) -> int:
    """List the examples, or write the one called NAME as a file to plan, run and change."""
    found = examples()
    if name is None:
        if output is not None:
            raise click.UsageError("-o writes one example; expected its NAME beside it. Add it.")
        rows = [(path.relative_to(_folder()).with_suffix("").as_posix(), _first(path)) for path in found.values()]
        formatter = click.get_current_context().make_formatter()
        formatter.write_dl(rows)
        click.echo(f"{formatter.getvalue()}\nWrite one into this folder with: chainplan example NAME")
        return 0
    path = found.get(name.rpartition("/")[2].partition(".")[0])
    if path is None:
        from chainplan.errors.suggest import did_you_mean

        todo = did_you_mean(name, found, "List them with: chainplan example")
        raise click.ClickException(f"example '{name[:100]}' does not exist; expected one of {len(found)} names. {todo}")
    text, target = path.read_text(encoding="utf-8"), output or path.name
    require_place(target)
    if output is None and Path(target).exists() and Path(target).read_text(encoding="utf-8", errors="replace") != text:
        raise click.ClickException(
            f"{target}: found another file of this name; expected a free name. Write elsewhere with -o FILE."
        )
    write_whole(target, text)
    click.echo(f"{target}: {_first(path)}\nTry: {_try(path, target)}")
    return 0


def examples() -> dict[str, Path]:
    """The examples by name, the short ones of the top folder first."""
    folder = _folder()
    paths = sorted(
        (path for path in folder.rglob("*") if path.suffix in SUFFIXES), key=lambda path: (len(path.parts), path)
    )
    return {path.stem: path for path in paths}


def _folder() -> Path:
    """The folder of the examples: of the installed package, else of the checkout."""
    own = Path(__file__).parent / "examples"
    return own if own.is_dir() else Path(__file__).parents[2] / "examples"


def _first(path: Path) -> str:
    """The first sentence of what a file says of itself."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".py":
        return lines[0].strip('"')
    about = " ".join(line.removeprefix("#").strip() for line in lines[: _comments(lines)])
    return about.partition(". ")[0].removesuffix(".") + "."


def _comments(lines: list[str]) -> int:
    """How many lines of comment a file begins with."""
    return next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _try(path: Path, target: str) -> str:
    """The command that an example is made for."""
    if path.suffix == ".yaml":
        return f"chainplan plan {target}"
    text = path.read_text(encoding="utf-8")
    tried = next((line for line in text.splitlines() if line.strip().startswith("chainplan plan ")), None)
    return f"python {target}" if tried is None else tried.strip()
