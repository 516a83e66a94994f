"""`chainplan plan SPEC`: find a plan and print it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import click

from chainplan.errors.arguments import MAX_OPTION_COUNT
from chainplan_cli.common import (
    FILE_NAME,
    WholeNumberType,
    bandwidth_option,
    budget_option,
    machines_option,
    nodes_option,
    objective_option,
    progress_shown,
    require_place,
    say_no_plan,
    seed_option,
    solver_option,
    with_notes,
    write_or_print,
)
from chainplan_cli.functions import function_options, read_spec_or_function
from chainplan_cli.sizes import at_sizes, plan_family, sizes_option

if TYPE_CHECKING:
    from chainplan.plans.result import Result
    from chainplan.plans.steps import Plan
    from chainplan.problem.problem import Problem

PLAN_FORMATS = ("text", "json", "markdown", "latex", "dot", "html", "svg", "trace")
SCHEDULE_FORMATS = ("svg", "trace")
"""The formats that draw a schedule."""


@click.command()
@click.argument("spec", type=FILE_NAME)
@solver_option
@budget_option
@nodes_option
@seed_option
@objective_option
@machines_option
@bandwidth_option
@click.option("--search", type=click.Choice(["here", "dask"]), default="here", help="Where: here or on a cluster.")
@click.option("--restarts", type=WholeNumberType(1, MAX_OPTION_COUNT), help="Searches of --search dask.  [default: 4]")
@click.option("--scheduler", metavar="ADDRESS", help="Of the cluster.  [default: a local cluster]")
@click.option("--warm-start", "start", metavar="PLAN", help="A plan file of the same problem to start from.")
@click.option("--format", "form", type=click.Choice(PLAN_FORMATS), default="text", show_default=True)
@click.option("--recompute", is_flag=True, help="Evaluate states in the plan, as limits.recompute in a spec.")
@click.option(
    "--pareto", is_flag=True, help="Print the exact front of memory and price of a chain instead of one plan."
)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of the screen.")
@sizes_option
@click.option("--at-most", type=WholeNumberType(1, MAX_OPTION_COUNT), metavar="K", help="Orders for ranges of sizes.")
@function_options
def command(
    spec: str,
    solver: str,
    budget: float | None,
    nodes: int | None,
    seed: int,
    objective: str | None,
    machines: int | None,
    bandwidth: int | None,
    search: str,
    restarts: int | None,
    scheduler: str | None,
    start: str | None,
    form: str,
    recompute: bool,
    pareto: bool,
    output: str | None,
    sizes: str | None,
    at_most: int | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Find the cheapest plan for SPEC (a YAML or JSON file, - for standard input), or for a JAX function.

    A function is written module:function, its arguments as JAX prints their types: --args 'f64[3,4] f64[4]'.

    --format json is the plan file, which 'chainplan check' and 'chainplan run' read. Ctrl-C during a search prints the
    best plan found so far; --warm-start goes on from a plan file. --objective is fma unless given. --format svg and
    trace draw the schedule on --machines P: a Gantt chart, and events for chrome://tracing or ui.perfetto.dev.

    A spec with ranges of sizes gets a few plans, and a factor within which the best of them is proven to be at all
    sizes; --sizes plans it for one of these sizes.
    """
    from dataclasses import replace

    from chainplan.problem.family import Family
    from chainplan.problem.problem import Problem
    from chainplan.report.registry import RENDERERS

    if form in SCHEDULE_FORMATS and machines is None:
        raise click.UsageError(f"--format {form} draws a schedule; expected --machines P beside it. Add it.")
    planned = at_sizes(read_spec_or_function(spec, arguments, argnums), sizes)
    if output is not None:
        require_place(output)
    if isinstance(planned, Family):
        lone: dict[str, object] = {"--solver": solver != "auto", "--nodes": nodes is not None}
        lone |= {"--objective": objective}
        lone |= {
            "--machines": machines,
            "--bandwidth": bandwidth,
            "--search": search != "here",
            "--warm-start": start,
            "--pareto": pareto,
        }
        lone |= {"--recompute": recompute}
        return plan_family(planned, at_most, budget, seed, form, output, lone)
    if at_most is not None:
        raise click.UsageError("--at-most is for specs with ranges of sizes. Leave it out.")
    problem = planned if isinstance(planned, Problem) else planned.problem
    if recompute:
        problem = replace(problem, recompute=True)
    if pareto:
        if (solver, machines, search, start, nodes) != ("auto", None, "here", None, None):
            others = "--solver, --machines, --search, --warm-start and --nodes"
            raise click.UsageError(f"--pareto finds every plan that none beats; {others} are for one. Leave them out.")
        return _front(problem, objective, form, budget, output)
    request = _Request(
        solver=solver,
        budget=budget,
        nodes=nodes,
        seed=seed,
        objective=objective,
        warm_start=None if start is None else _saved(start),
    )
    if search == "dask":
        if machines is not None or bandwidth is not None:
            raise click.UsageError(
                "--machines and --bandwidth are for --search here; restarts are compared by cost. Leave them out."
            )
        result = _search_on_cluster(problem, request, restarts, scheduler)
    elif restarts is not None or scheduler is not None:
        raise click.UsageError("--restarts and --scheduler are for --search dask. Add it, or leave them out.")
    else:
        result = _search_here(problem, request, machines, bandwidth)
    result = with_notes(result, planned)
    text = "" if form in SCHEDULE_FORMATS and result.schedule is None else RENDERERS[form](result)
    write_or_print(text, output)
    if result.plan is None:
        say_no_plan(result)
        return 1
    return 0


class _Request(TypedDict):
    """The options of a search, wherever it runs, by the names that `chainplan.plan` and `portfolio` have for them."""

    solver: str
    budget: float | None
    nodes: int | None
    seed: int
    objective: str | None
    warm_start: Plan | None


def _search_here(problem: Problem, request: _Request, machines: int | None, bandwidth: int | None) -> Result:
    """Plan in this process, and show the progress."""
    from chainplan.planner import plan

    with progress_shown() as report:
        return plan(problem, **request, progress=report, machines=machines, bandwidth=bandwidth)


def _search_on_cluster(problem: Problem, request: _Request, restarts: int | None, scheduler: str | None) -> Result:
    """Plan by several searches on a cluster."""
    from chainplan.distributed.restarts import DEFAULT_RESTARTS, portfolio

    with progress_shown() as report:
        return portfolio(
            problem, **request, progress=report, restarts=restarts or DEFAULT_RESTARTS, scheduler=scheduler
        )


def _front(problem: Problem, objective: str | None, form: str, budget: float | None, output: str | None) -> int:
    """Print the front of a chain: a table and a plot, or JSON."""
    from dataclasses import replace

    from chainplan.costs.objectives import objective_model
    from chainplan.report.pareto import document, text
    from chainplan.tradeoff import pareto

    if form not in ("text", "json"):
        raise click.ClickException(f"--format {form} does not fit: a front is text or json.")
    if objective is not None:
        problem = replace(problem, cost=objective_model(objective))
    with progress_shown() as report:
        front = pareto(problem, budget=budget, progress=report)
    write_or_print(text(front) if form == "text" else document(front), output)
    if front.ended is not None:
        click.echo(f"chainplan: the front was {front.ended}; what is not proven is left out. Give it more.", err=True)
    elif not front.points:
        click.echo("chainplan: no plan: plan without --pareto to see how much memory is needed.", err=True)
    return 0 if front.points else 1


def _saved(path: str) -> Plan:
    """Read the plan of a plan file."""
    from chainplan.errors import SpecError
    from chainplan.io.read import read_plan

    plan = read_plan(path).plan
    if plan is None:
        raise SpecError(f"{path}: found a plan file without a plan; expected one to start from. Leave it out.")
    return plan
