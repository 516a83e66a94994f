"""`chainplan report SPEC|PLAN`: write a page about a plan, as one HTML file."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import click

from chainplan_cli.common import (
    FILE_NAME,
    budget_option,
    machines_option,
    objective_option,
    progress_shown,
    require_place,
    say_no_plan,
    seed_option,
    solver_option,
    with_notes,
    write_whole,
)
from chainplan_cli.functions import function_options, read_content
from chainplan_cli.sizes import sizes_option

if TYPE_CHECKING:
    pass


@click.command()
@click.argument("path", metavar="SPEC|PLAN", type=FILE_NAME)
@click.option("-o", "--output", metavar="FILE", default="report.html", show_default=True)
@solver_option
@budget_option
@seed_option
@objective_option
@machines_option
@sizes_option
@function_options
def command(
    path: str,
    output: str,
    solver: str,
    budget: float | None,
    seed: int,
    objective: str | None,
    machines: int | None,
    sizes: str | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Write a page about SPEC (planned first) or PLAN (checked first): one HTML file that opens from disk.

    A function in the place of SPEC is written as in 'plan'.

    The page shows the blocks, the plan step by step, memory, all solvers with their bounds, and why the plan is as it
    is. The reasons are found by planning again within some seconds; of --budget the plan may take half, and all else
    what is left. Of a SPEC the cheapest plan that any of the solvers finds is shown; the page of a PLAN says where
    there is a cheaper one.
    """
    from chainplan.io.plan_file import SavedPlan, document
    from chainplan.io.plan_file_claims import saved_result
    from chainplan.planner import plan
    from chainplan.problem.problem import Problem
    from chainplan.problem.units import unit_text
    from chainplan.report.html.page import cheapest, comparison, page

    require_place(output)
    content = read_content(path, sizes, arguments, argnums)
    start = monotonic()
    with progress_shown() as progress:
        if isinstance(content, SavedPlan):
            if (solver, budget, seed, objective, machines) != ("auto", None, 0, None, None):
                raise click.ClickException(f"{path}: found a plan, which is not planned again; leave the options out.")
            result, saved = saved_result(content), content.document
            compared = comparison(result, progress)
        else:
            problem = content if isinstance(content, Problem) else content.problem
            result = plan(
                problem,
                solver,
                budget=None if budget is None else budget / 2,
                seed=seed,
                progress=progress,
                objective=objective,
                machines=machines,
            )
            share = None if budget is None else max(0.0, budget - result.seconds) / 2
            compared = comparison(result, progress, share)
            result = with_notes(cheapest(result, compared), content)
            saved = document(result)
        left = None if budget is None else max(0.0, budget - (monotonic() - start))
        text = page(result, saved, progress, compared, left)
    write_whole(output, text)
    if result.price is None:
        say_no_plan(result)
        return 1
    click.echo(f"{output}: {result.price:,} {unit_text(result.problem)}, {len(text.encode()):,} bytes")
    return 0
