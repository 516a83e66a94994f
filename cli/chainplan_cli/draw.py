"""`chainplan draw SPEC|PLAN`: draw forward order, reverse order and the plan beside each other, as one picture."""

from __future__ import annotations

import click

from chainplan_cli.common import (
    FILE_NAME,
    budget_option,
    objective_option,
    progress_shown,
    require_place,
    say_no_plan,
    seed_option,
    solver_option,
    write_whole,
)
from chainplan_cli.functions import function_options, read_content
from chainplan_cli.sizes import sizes_option


@click.command()
@click.argument("path", metavar="SPEC|PLAN", type=FILE_NAME)
@click.option("-o", "--output", metavar="FILE", default="slide.svg", show_default=True, help="An .svg, .png or .pdf.")
@solver_option
@budget_option
@seed_option
@objective_option
@sizes_option
@function_options
def command(
    path: str,
    output: str,
    solver: str,
    budget: float | None,
    seed: int,
    objective: str | None,
    sizes: str | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Draw SPEC (planned first), a function as in 'plan', or PLAN (checked first) as a slide.

    Forward order, reverse order and the plan stand beside each other with their costs: bracket trees of a chain, orders
    of elimination of a graph, and above them the blocks to scale. The suffix of the file says what is written: .svg
    stands alone, .png and .pdf need the extra 'draw'.
    """
    from chainplan.io.plan_file import SavedPlan
    from chainplan.io.plan_file_claims import saved_result
    from chainplan.planner import plan
    from chainplan.problem.problem import Problem
    from chainplan.problem.units import unit_text
    from chainplan.report.slide import not_drawn, slide
    from chainplan.report.slide_files import slide_writer

    written = slide_writer(output)
    require_place(output)
    content = read_content(path, sizes, arguments, argnums)
    problem = content if isinstance(content, Problem) else content.problem
    if reason := not_drawn(problem):
        raise click.ClickException(f"{path}: {reason}")
    if isinstance(content, SavedPlan):
        if (solver, budget, seed, objective) != ("auto", None, 0, None):
            raise click.ClickException(f"{path}: found a plan, which is not planned again; leave the options out.")
        result = saved_result(content)
    else:
        with progress_shown() as progress:
            result = plan(problem, solver, budget=budget, seed=seed, progress=progress, objective=objective)
    if result.price is None:
        say_no_plan(result)
        return 1
    write_whole(output, written(slide(result)))
    click.echo(f"{output}: {result.price:,} {unit_text(result.problem)}")
    return 0
