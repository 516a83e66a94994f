"""`chainplan solvers`: list what each solver costs, whether it is exact, and what it refuses."""

from __future__ import annotations

import inspect

import click


@click.command()
def command() -> int:
    """List the solvers with their cost, exactness and what they refuse."""
    from chainplan.solvers.registry import SOLVERS

    for name, solver in SOLVERS.items():
        lines = (inspect.getdoc(type(solver)) or "").splitlines()
        click.echo(f"{name}: {lines[0]}")
        for line in filter(None, lines[1:]):
            click.echo(f"    {line}")
    return 0
