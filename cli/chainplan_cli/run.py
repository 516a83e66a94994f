"""`chainplan run SPEC|PLAN`: run the plan, forward and reverse order in numpy and compare the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chainplan_cli.common import progress_shown, seed_option

if TYPE_CHECKING:
    from chainplan.problem import Problem
    from chainplan.steps import Plan


@click.command()
@click.argument("path", metavar="SPEC|PLAN", type=click.Path())
@click.option("--jacobians", metavar="FILE.npz", help="Arrays by elemental name.  [default: drawn from the seed]")
@seed_option
@click.option("--dtype", type=click.Choice(["float64", "float32", "int64"]), default="float64", show_default=True)
def command(path: str, jacobians: str | None, seed: int, dtype: str) -> int:
    """Run SPEC (planned first) or PLAN (checked first) and validate it against forward and reverse order.

    Each order runs twice: once to measure its memory, once for its time. Integer Jacobians must agree exactly (modulo
    2^64), floating ones up to c · eps · max|J|.
    """
    from chainplan.jacobians import draw, load_npz
    from chainplan.summary import columns, describe, seconds_text
    from chainplan.validation import require_memory, validate

    problem, plan, made_by = _planned(path, seed)
    require_memory(problem.graph, dtype)
    values = draw(problem.graph, seed, dtype) if jacobians is None else load_npz(jacobians, problem.graph)
    validation = validate(problem, plan, values)
    click.echo(f"{describe(problem)}\n")
    origin = f"random {dtype} Jacobians, seed {seed}" if jacobians is None else f"Jacobians of {jacobians}"
    click.echo(f"  plan {made_by}, {origin}\n")
    rows = [("order", "fma", "time", "peak bytes", "max|diff| / max|J|")]
    for row in validation.rows:
        figures = (f"{row.fma:,}", seconds_text(row.seconds), f"{row.peak_bytes:,}", f"{row.difference:.1e}")
        rows.append((row.order, *figures))
    click.echo("\n".join(columns(rows, right={1, 2, 3, 4}, indent="  ")))
    click.echo(f"\n  {validation.verdict}")
    return 0 if validation.valid else 1


def _planned(path: str, seed: int) -> tuple[Problem, Plan, str]:
    """The problem and its plan: read and checked from a plan file, or found for a spec."""
    from chainplan.errors import PlanError
    from chainplan.frontends.plan_file import SavedPlan, verify
    from chainplan.frontends.table import read_any
    from chainplan.planner import plan

    found = read_any(path)
    if isinstance(found, SavedPlan):
        verify(found)
        assert found.plan is not None
        return found.problem, found.plan, f"from {path}, checked"
    with progress_shown() as report:
        result = plan(found, seed=seed, progress=report)
    if result.plan is None:
        raise PlanError(f"{path}: no plan: {result.status.value}. {' '.join(result.notes)}".rstrip())
    return found, result.plan, f"by {result.solver}"
