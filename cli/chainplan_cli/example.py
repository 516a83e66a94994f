"""`chainplan example [NAME]`: list the examples, or write one into the working folder.

The wheel has the folder `examples/` of the repository beside this file; a checkout reads it in its own place.
"""

from __future__ import annotations

from pathlib import Path

import click

from chainplan_cli.common import require_place, write_whole

EXAMPLE_SUFFIXES = (".yaml", ".py")


@click.command()
@click.argument("name", required=False)
@click.option("-o", "--output", metavar="FILE", help="Where to write it.  [default: its own name, in this folder]")
def command(name: str | None, output: str | None) -> int:
    """List the examples, or write the one called NAME as a file to plan, run and change."""
    known = examples()
    if name is None:
        if output is not None:
            raise click.UsageError("-o writes one example; expected its NAME beside it. Add it.")
        rows = [
            (path.relative_to(_folder()).with_suffix("").as_posix(), _first_sentence(path)) for path in known.values()
        ]
        formatter = click.get_current_context().make_formatter()
        formatter.write_dl(rows)
        click.echo(f"{formatter.getvalue()}\nWrite one into this folder with: chainplan example NAME")
        return 0
    path = known.get(name.rpartition("/")[2].partition(".")[0])
    if path is None:
        from chainplan.errors.suggest import did_you_mean

        todo = did_you_mean(name, known, "List them with: chainplan example")
        raise click.ClickException(f"example '{name[:100]}' does not exist; expected one of {len(known)} names. {todo}")
    text, target = path.read_text(encoding="utf-8"), output or path.name
    require_place(target)
    if output is None and Path(target).exists() and Path(target).read_text(encoding="utf-8", errors="replace") != text:
        raise click.ClickException(
            f"{target}: found another file of this name; expected a free name. Write elsewhere with -o FILE."
        )
    write_whole(target, text)
    click.echo(f"{target}: {_first_sentence(path)}\nTry: {_command_to_try(path, target)}")
    return 0


def examples() -> dict[str, Path]:
    """Return the examples by name, with those in the top folder first."""
    folder = _folder()
    paths = sorted(
        (path for path in folder.rglob("*") if path.suffix in EXAMPLE_SUFFIXES),
        key=lambda path: (len(path.parts), path),
    )
    return {path.stem: path for path in paths}


def _folder() -> Path:
    """Return the folder of the examples, which is that of the installed package or else that of the checkout."""
    own = Path(__file__).parent / "examples"
    return own if own.is_dir() else Path(__file__).parents[2] / "examples"


def _first_sentence(path: Path) -> str:
    """Return the first sentence of the comment or docstring at the top of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".py":
        return lines[0].strip('"')
    about = " ".join(line.removeprefix("#").strip() for line in lines[: _comment_lines(lines)])
    return about.partition(". ")[0].removesuffix(".") + "."


def _comment_lines(lines: list[str]) -> int:
    """Count the lines of comment with which a file begins."""
    return next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _command_to_try(path: Path, target: str) -> str:
    """Return the command for which an example is made."""
    if path.suffix == ".yaml":
        return f"chainplan plan {target}"
    text = path.read_text(encoding="utf-8")
    suggested = next((line for line in text.splitlines() if line.strip().startswith("chainplan plan ")), None)
    return f"python {target}" if suggested is None else suggested.strip()
