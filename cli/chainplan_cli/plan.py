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
from chainplan_cli.functions import function_problem, names_function, positions

if TYPE_CHECKING:
    from chainplan.layers.program import Program

FORMATS = ("text", "json", "markdown", "dot", "html")


@click.command()
@click.argument("spec", type=click.Path())
@solver_option
@budget_option
@seed_option
@objective_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of the screen.")
@click.option("--args", "arguments", metavar="TYPES", help="Arguments of a function: 'f64[3,4] f64[4] 10'.")
@click.option("--argnums", metavar="I,J", help="Positions of the arguments to differentiate by.  [default: 0]")
def command(
    spec: str,
    solver: str,
    budget: float | None,
    seed: int,
    objective: str | None,
    form: str,
    output: str | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Find the cheapest plan for SPEC (a YAML or JSON file, - for standard input), or for a JAX function.

    A function is written module:function, its arguments as JAX prints their types: --args 'f64[3,4] f64[4]'.

    --format json is the plan file, which 'chainplan check' and 'chainplan run' read. Ctrl-C during a search prints the
    best plan found so far. --objective is fma unless given.
    """
    from dataclasses import replace

    from chainplan.frontends.table import read_spec
    from chainplan.planner import plan
    from chainplan.problem import Problem
    from chainplan.report.table import RENDERERS

    if names_function(spec):
        found: Problem | Program = function_problem(spec, arguments or "", positions(argnums or "0"))
    elif arguments is not None or argnums is not None:
        raise click.UsageError("--args and --argnums are for module:function; a spec has no arguments. Leave them out.")
    else:
        found = read_spec(spec)
    problem = found if isinstance(found, Problem) else found.problem
    if output is not None:
        require_place(output)
    with progress_shown() as report:
        result = plan(problem, solver, budget=budget, seed=seed, progress=report, objective=objective)
    if not isinstance(found, Problem):
        result = replace(result, notes=(*result.notes, *found.notes))
    text = RENDERERS[form](result)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_whole(output, text)
    if result.plan is None:
        click.echo(f"chainplan: no plan: {result.status.value}. {' '.join(result.notes)}".rstrip(), err=True)
        return 1
    return 0
