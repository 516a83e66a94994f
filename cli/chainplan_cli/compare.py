"""`chainplan compare SPEC`: plan a spec with every solver that accepts it, and print one table."""

from __future__ import annotations

from dataclasses import replace

import click

from chainplan_cli.common import FILE_NAME, SECONDS_TYPE, objective_option, progress_shown, seed_option
from chainplan_cli.functions import function_options, read_spec_or_function
from chainplan_cli.sizes import at_one_size, sizes_option


@click.command()
@click.argument("spec", type=FILE_NAME)
@click.option(
    "--budget", type=SECONDS_TYPE, metavar="SECONDS", help="[default: as 'plan' for auto, 10 for each other one]"
)
@seed_option
@objective_option
@sizes_option
@function_options
def command(
    spec: str,
    budget: float | None,
    seed: int,
    objective: str | None,
    sizes: str | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Plan SPEC, or a function as in 'plan', with every solver that accepts it and compare cost, bound and time.

    The ratio is to the cheapest of these plans; each solver may search for the budget. The line of a solver is what
    'chainplan plan --solver' finds of the same budget and seed.
    """
    from chainplan.costs.objectives import objective_model
    from chainplan.problem.problem import Problem
    from chainplan.problem.units import in_fma
    from chainplan.report.explain.comparison import FIGURE_COLUMNS, compare
    from chainplan.report.words.table import columns, describe

    planned = at_one_size(read_spec_or_function(spec, arguments, argnums), sizes, spec)
    problem = planned if isinstance(planned, Problem) else planned.problem
    if objective is not None:
        problem = replace(problem, cost=objective_model(objective))
    with progress_shown() as progress:
        compared = compare(problem, budget, seed, progress)
    click.echo(describe(problem) + ("\n" if in_fma(problem) else f", objective '{problem.cost.objective}'\n"))
    click.echo("\n".join(columns(compared.rows, right=FIGURE_COLUMNS, indent="  ")))
    for note in compared.notes:
        click.echo(f"  {note}")
    return 0 if any(result.plan is not None for _, result in compared.results) else 1
