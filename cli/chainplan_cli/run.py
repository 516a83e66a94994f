"""`chainplan run SPEC|PLAN`: run the plan, forward and reverse order in numpy and compare the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chainplan_cli.common import objective_option, progress_shown, seed_option

if TYPE_CHECKING:
    from chainplan.problem import Problem
    from chainplan.steps import Plan


@click.command()
@click.argument("path", metavar="SPEC|PLAN", type=click.Path())
@click.option("--jacobians", metavar="FILE.npz", help="Arrays by elemental name.  [default: drawn from the seed]")
@seed_option
@objective_option
@click.option("--dtype", type=click.Choice(["float64", "float32", "int64"]), default="float64", show_default=True)
def command(path: str, jacobians: str | None, seed: int, objective: str | None, dtype: str) -> int:
    """Run SPEC (planned first) or PLAN (checked first) and validate it against forward and reverse order.

    Each order runs twice: once to measure its memory, once for its time. Integer Jacobians must agree exactly (modulo
    2^64), floating ones up to c · eps · max|J|. A spec is planned for --objective: by default weighted where a factor
    is not dense, else fma.
    """
    from chainplan.jacobians import draw, load_npz
    from chainplan.summary import columns, describe, seconds_text, timed
    from chainplan.validation import require_memory, validate

    problem, plan, made_by = _planned(path, seed, objective, dtype)
    require_memory(problem.graph, dtype)
    values = draw(problem.graph, seed, dtype) if jacobians is None else load_npz(jacobians, problem.graph)
    validation = validate(problem, plan, values)
    click.echo(f"{describe(problem)}\n")
    origin = f"random {dtype} Jacobians, seed {seed}" if jacobians is None else f"Jacobians of {jacobians}"
    click.echo(f"  plan {made_by}, {origin}\n")
    model = (f"'{problem.cost.objective}'",) if timed(problem) else ()
    rows = [("order", "fma", *model, "time", "peak bytes", "max|diff| / max|J|")]
    for row in validation.rows:
        foreseen = (seconds_text(row.price * 1e-9) for _ in model)
        figures = (f"{row.fma:,}", *foreseen, seconds_text(row.seconds), f"{row.peak_bytes:,}", f"{row.difference:.1e}")
        rows.append((row.order, *figures))
    click.echo("\n".join(columns(rows, right={1, 2, 3, 4, 5}, indent="  ")))
    click.echo(f"\n  {validation.verdict}")
    return 0 if validation.valid else 1


def _planned(path: str, seed: int, objective: str | None, dtype: str) -> tuple[Problem, Plan, str]:
    """The problem and its plan: read and checked from a plan file, or found for a spec."""
    from dataclasses import replace

    from chainplan.errors import PlanError
    from chainplan.frontends.plan_file import SavedPlan, verify
    from chainplan.frontends.table import read_any
    from chainplan.objectives import objective_model
    from chainplan.planner import plan
    from chainplan.structures import Dense

    found = read_any(path)
    if isinstance(found, SavedPlan):
        if objective is not None:
            raise click.UsageError(
                f"--objective is for specs; {path} is a plan, made for '{found.problem.cost.objective}'."
            )
        verify(found)
        assert found.plan is not None
        return found.problem, found.plan, f"from {path}, checked"
    dense = all(type(e.block.structure) is Dense for e in found.graph.useful)
    found = replace(found, cost=objective_model(objective or ("fma" if dense else "weighted"), dtype))
    with progress_shown() as report:
        result = plan(found, seed=seed, progress=report)
    if result.plan is None:
        raise PlanError(f"{path}: no plan: {result.status.value}. {' '.join(result.notes)}".rstrip())
    return found, result.plan, f"by {result.solver} for '{found.cost.objective}'"
