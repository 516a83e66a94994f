"""`chainplan compare SPEC`: plan a spec with every solver that accepts it, and print one table."""

from __future__ import annotations

from dataclasses import replace

import click

from chainplan_cli.common import (
    FILE_NAME,
    SECONDS_TYPE,
    objective_option,
    progress_shown,
    require_place,
    seed_option,
    write_or_print,
)
from chainplan_cli.functions import function_options, read_spec_or_function
from chainplan_cli.sizes import at_one_size, sizes_option

COMPARISON_FORMATS = ("text", "markdown", "latex", "json")


@click.command()
@click.argument("spec", type=FILE_NAME)
@click.option(
    "--budget", type=SECONDS_TYPE, metavar="SECONDS", help="[default: as 'plan' for auto, 10 for each other one]"
)
@seed_option
@objective_option
@click.option(
    "--only", metavar="NAME,...", help="The solvers to compare, such as forward,reverse,auto.  [default: all]"
)
@click.option("--format", "form", type=click.Choice(COMPARISON_FORMATS), default="text", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of the screen.")
@sizes_option
@function_options
def command(
    spec: str,
    budget: float | None,
    seed: int,
    objective: str | None,
    only: str | None,
    form: str,
    output: str | None,
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
    from chainplan.report.compared import COMPARISON_RENDERERS
    from chainplan.report.explain.comparison import compare
    from chainplan.solvers.registry import SOLVERS

    names = list(SOLVERS) if only is None else _named(only)
    if output is not None:
        require_place(output)
    planned = at_one_size(read_spec_or_function(spec, arguments, argnums), sizes, spec)
    problem = planned if isinstance(planned, Problem) else planned.problem
    if objective is not None:
        problem = replace(problem, cost=objective_model(objective))
    with progress_shown() as progress:
        compared = compare(problem, budget, seed, progress, names)
    write_or_print(COMPARISON_RENDERERS[form](compared) + "\n", output)
    return 0 if any(result.plan is not None for _, result in compared.results) else 1


def _named(only: str) -> list[str]:
    """Read the names of solvers, each once, in the order in which they are given."""
    from chainplan.errors import SolverError
    from chainplan.errors.suggest import did_you_mean
    from chainplan.solvers.registry import SOLVERS

    names = list(dict.fromkeys(name.strip() for name in only.split(",")))
    for name in names:
        if name not in SOLVERS:
            todo = did_you_mean(name, SOLVERS, "List them with: chainplan solvers")
            raise SolverError(
                f"--only: solver '{name[:60]}' does not exist; expected one of {len(SOLVERS)} names. {todo}"
            )
    return names
