"""`chainplan explain SPEC|PLAN`: say in text why the best plan is as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chainplan_cli.common import FILE_NAME, SECONDS_TYPE, objective_option, progress_shown, seed_option
from chainplan_cli.functions import function_options, names_function, read_spec_or_function, refuse_arguments
from chainplan_cli.sizes import at_one_size, sizes_option

if TYPE_CHECKING:
    from chainplan.programs.program import Program

DEFAULT_REASON_SECONDS = 10.0
"""Seconds that working out the reasons may take where no budget is given."""


@click.command()
@click.argument("path", metavar="SPEC|PLAN", type=FILE_NAME)
@click.option(
    "--budget", type=SECONDS_TYPE, metavar="SECONDS", help="[default: as 'plan', and 10 more for the reasons]"
)
@seed_option
@objective_option
@sizes_option
@function_options
def command(
    path: str,
    budget: float | None,
    seed: int,
    objective: str | None,
    sizes: str | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Say why the best plan of SPEC, or of a function as in 'plan', or PLAN (checked first) is as it is.

    Runners-up at the top splits, what the cost is made of, the sizes at which another order becomes optimal, what other
    sizes and elementals would change, and what is best formed for how many products with vectors. All of it is found by
    planning again; of --budget the plan may take half, and the reasons what is left.
    """
    from chainplan.io.plan_file import SavedPlan
    from chainplan.io.plan_file_claims import saved_result
    from chainplan.io.read import read_any
    from chainplan.planner import plan
    from chainplan.problem.problem import Problem
    from chainplan.report.explain.reasons import reasons
    from chainplan.report.explain.wording import worded
    from chainplan.report.words.sentence import headline
    from chainplan.report.words.table import describe

    if names_function(path):
        content: Problem | Program | SavedPlan = read_spec_or_function(path, arguments, argnums)
    else:
        refuse_arguments(arguments, argnums)
        content = at_one_size(read_any(path), sizes, path)
    if isinstance(content, SavedPlan) and (seed, objective) != (0, None):
        raise click.ClickException(f"{path}: found a plan, which is not planned again; leave the options out.")
    problem = content if isinstance(content, Problem) else content.problem
    with progress_shown() as progress:
        if isinstance(content, SavedPlan):
            result, used = saved_result(content), 0.0
        else:
            half = None if budget is None else budget / 2
            result = plan(problem, budget=half, seed=seed, progress=progress, objective=objective)
            used = result.seconds
        left = DEFAULT_REASON_SECONDS if budget is None else max(0.0, budget - used)
        groups = worded(reasons(result, left, progress))
    click.echo(f"{describe(problem)}\n\n  {headline(result)}")
    for title, sentences in groups:
        click.echo(f"\n  {title}")
        for sentence in sentences:
            click.echo(f"    {sentence}")
    if result.plan is None:
        click.echo(f"chainplan: no plan: {result.status.value}. {' '.join(result.notes)}".rstrip(), err=True)
        return 1
    return 0
