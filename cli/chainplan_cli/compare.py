"""`chainplan compare SPEC`: every solver that accepts it, in one table."""

from __future__ import annotations

from dataclasses import replace

import click

from chainplan_cli.common import SECONDS, objective_option, progress_shown, seed_option


@click.command()
@click.argument("spec", type=click.Path())
@click.option("--budget", type=SECONDS, default=10.0, show_default=True, metavar="SECONDS")
@seed_option
@objective_option
def command(spec: str, budget: float, seed: int, objective: str | None) -> int:
    """Plan SPEC with every solver that accepts it and compare cost, bound and time.

    The ratio is to the cheaper of forward and reverse order; each solver may search for the budget.
    """
    from chainplan.frontends.table import read
    from chainplan.objectives import objective_model
    from chainplan.planner import plan
    from chainplan.result import Result
    from chainplan.solvers.table import SOLVERS
    from chainplan.summary import columns, describe, ratio_text, seconds_text, timed, unit_text

    problem = read(spec)
    if objective is not None:
        problem = replace(problem, cost=objective_model(objective))
    unit = unit_text(problem)
    refused = {name: solver.refusal(problem) for name, solver in SOLVERS.items()}
    results: list[tuple[str, Result]] = []
    with progress_shown() as report:
        for name in (n for n, reason in refused.items() if reason is None):
            results.append((name, plan(problem, name, budget=budget, seed=seed, progress=report)))
            if any("interrupted" in note for note in results[-1][1].notes):
                break
    more = ("fma",) if timed(problem) else ()
    rows = [("solver", "status", unit, "ratio", "bound", "gap", "peak", "time", "bound is within", *more)]
    for name, result in results:
        cost, price = result.cost, result.price
        label = name if result.solver == name else f"{name} ({result.solver})"
        if cost is None or price is None:
            took = seconds_text(result.seconds)
            rows.append((label, result.status.value, "", "", "", "", "", took, "", *("" for _ in more)))
            continue
        figures = (f"{price:,}", ratio_text(result.price_baselines.best, price))
        proof = (
            (f"{result.bound:,}", f"{100 * (result.gap or 0):.1f} %") if result.bound or not result.gap else ("", "")
        )
        rest = (
            f"{cost.peak_elements:,}",
            seconds_text(result.seconds),
            result.within or "",
            *(f"{cost.fma:,}" for _ in more),
        )
        rows.append((label, result.status.value, *figures, *proof, *rest))
    click.echo(describe(problem) + (f", objective '{problem.cost.objective}'\n" if more else "\n"))
    click.echo("\n".join(columns(rows, right={2, 3, 4, 5, 6, 7, 9}, indent="  ")))
    for name, result in results:
        for note in result.notes:
            click.echo(f"  {name}: {note}")
    for name, reason in refused.items():
        if reason is not None:
            click.echo(f"  {name} refuses: {reason}")
    return 0 if any(result.plan is not None for _, result in results) else 1
