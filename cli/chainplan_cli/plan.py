"""`chainplan plan SPEC`: find a plan and print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chainplan_cli.common import (
    budget_option,
    objective_option,
    progress_shown,
    require_place,
    seed_option,
    solver_option,
    write_whole,
)

if TYPE_CHECKING:
    from chainplan.problem import Problem

FORMATS = ("text", "json", "markdown", "dot")


@click.command()
@click.argument("spec", type=click.Path())
@solver_option
@budget_option
@seed_option
@objective_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--recompute", is_flag=True, help="Evaluate states in the plan, as limits.recompute in a spec.")
@click.option(
    "--pareto", is_flag=True, help="Print the exact front of memory and price of a chain instead of one plan."
)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of the screen.")
def command(
    spec: str,
    solver: str,
    budget: float | None,
    seed: int,
    objective: str | None,
    form: str,
    recompute: bool,
    pareto: bool,
    output: str | None,
) -> int:
    """Find the cheapest plan for SPEC (a YAML or JSON file, - for standard input).

    --format json is the plan file, which 'chainplan check' and 'chainplan run' read. Ctrl-C during a search prints the
    best plan found so far. --objective is fma unless given.
    """
    from dataclasses import replace

    from chainplan.frontends.table import read_spec
    from chainplan.planner import plan
    from chainplan.problem import Problem
    from chainplan.report.table import RENDERERS

    found = read_spec(spec)
    problem = found if isinstance(found, Problem) else found.problem
    if recompute:
        problem = replace(problem, recompute=True)
    if output is not None:
        require_place(output)
    if pareto:
        return _front(problem, form, budget, output)
    with progress_shown() as report:
        result = plan(problem, solver, budget=budget, seed=seed, progress=report, objective=objective)
    if not isinstance(found, Problem):
        result = replace(result, notes=(*result.notes, *found.notes))
    text = RENDERERS[form](result)
    _put(text, output)
    if result.plan is None:
        click.echo(f"chainplan: no plan: {result.status.value}. {' '.join(result.notes)}".rstrip(), err=True)
        return 1
    return 0


def _put(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        write_whole(output, text)


def _front(problem: Problem, form: str, budget: float | None, output: str | None) -> int:
    """Print the front of a chain: a table and a plot, or JSON."""
    from chainplan.report.front import document, text
    from chainplan.search import Stopped
    from chainplan.tradeoff import pareto

    if form not in ("text", "json"):
        raise click.ClickException(f"--format {form} does not fit: a front is text or json.")
    try:
        with progress_shown() as report:
            front = pareto(problem, budget=budget, progress=report)
    except Stopped:
        click.echo(f"chainplan: the front was not found within {budget} seconds; give it more.", err=True)
        return 1
    _put(text(front) if form == "text" else document(front), output)
    return 0 if front.points else 1
