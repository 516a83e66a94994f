"""`chainplan run SPEC|PLAN`: run the plan, forward order and reverse order in numpy, and compare the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from chainplan_cli.common import FILE_NAME, objective_option, progress_shown, seed_option
from chainplan_cli.sizes import sizes_of, sizes_option, smallish

if TYPE_CHECKING:
    from chainplan.io.variants_file import SavedVariants
    from chainplan.plans.steps import Plan
    from chainplan.problem.family import Family
    from chainplan.problem.problem import Problem
    from chainplan.programs.program import Program
    from chainplan.validation.validate import Validation


@click.command()
@click.argument("path", metavar="SPEC|PLAN", type=FILE_NAME)
@click.option("--jacobians", metavar="FILE.npz", help="Arrays by elemental name.  [default: drawn from the seed]")
@click.option("--point", metavar="FILE.npz", help="Inputs and parameters of layers.  [default: drawn from the seed]")
@seed_option
@objective_option
@sizes_option
@click.option("--dtype", type=click.Choice(["float64", "float32", "int64"]), default="float64", show_default=True)
def command(
    path: str, jacobians: str | None, point: str | None, seed: int, objective: str | None, sizes: str | None, dtype: str
) -> int:
    """Run SPEC (planned first) or PLAN (checked first) and validate it against forward and reverse order.

    Each order runs once to measure its memory, then in turns with the others for its time, of which the least is shown:
    5 times and more, fewer where a run takes seconds. Integer Jacobians must agree exactly (modulo 2^64), floating ones
    up to c · eps · max|J|. Of a plan for products set-up and single products are timed, and a few are compared.

    Of a model in ONNX the order is run and timed: its weights are not looked at, and the Jacobians are random unless
    --jacobians gives them.

    A spec is planned for --objective: by default weighted where a factor is not dense and states are given, else fma. A
    spec of layers is evaluated and linearised at a point, and validated against central differences too; its default
    objective has the functions of matrix-free elementals measured there.

    With ranges of sizes, a spec or a file of variants is run at --sizes, by default at those that the arrays of
    --jacobians have, and at small ones without.
    """
    from chainplan.io.plan_file import SavedPlan
    from chainplan.io.plan_file_claims import saved_result
    from chainplan.io.read import read_any
    from chainplan.io.variants_file import SavedVariants
    from chainplan.problem.family import Family
    from chainplan.problem.problem import Problem
    from chainplan.report.words.table import proof
    from chainplan.validation.validate import require_memory, validate
    from chainplan.values.npz import load_npz
    from chainplan.values.second import draw_all

    content = read_any(path)
    if isinstance(content, SavedVariants | Family):
        return _run_family(content, path, jacobians, seed, sizes, dtype)
    _refuse(sizes is not None, "--sizes", f"{path} has no ranges of sizes")
    if not isinstance(content, Problem | SavedPlan):
        _refuse(jacobians is not None, "--jacobians", f"{path} has layers; give their inputs with --point")
        _refuse(dtype != "float64", "--dtype", f"{path} has layers, which are computed in float64")
        return _run_layers(content, path, point, seed, objective)
    _refuse(point is not None, "--point", f"{path} has no layers; give its elemental Jacobians with --jacobians")
    if isinstance(content, SavedPlan):
        made_for = content.problem.cost.objective
        _refuse(objective is not None, "--objective", f"{path} is a plan, made for '{made_for}'")
        result = saved_result(content)
        assert result.plan is not None
        claimed = "" if result.optimal_within is None else f" ({proof(result)})"
        problem, plan, made_by = content.problem, result.plan, f"from {path}, checked{claimed}"
    else:
        problem, plan, made_by = _plan_for(content, path, seed, objective, dtype)
    require_memory(problem, dtype)
    values = draw_all(problem, seed, dtype) if jacobians is None else load_npz(jacobians, problem)
    origin = _origin(jacobians, seed, dtype)
    if jacobians is None and getattr(content, "of_model", False):
        origin += "\n  the weights of the model are not looked at; --jacobians FILE.npz gives Jacobians of your own"
    if plan.programs:
        return _run_products(problem, plan, values, f"plan {made_by}, {origin}")
    validation = validate(problem, plan, values)
    _show(problem, validation, f"plan {made_by}, {origin}")
    click.echo(f"\n  {validation.verdict}")
    return 0 if validation.valid else 1


def _run_products(problem: Problem, plan: Plan, values: Mapping[str, Any], made: str) -> int:
    """Run set-up and programs of a plan for products beside those of its baselines, and compare a few products."""
    from chainplan.problem.units import in_fma
    from chainplan.report.words.table import columns, describe, seconds_text
    from chainplan.validation.products import validate_products

    validation = validate_products(problem, plan, values)
    click.echo(f"{describe(problem)}\n\n  {made}\n")
    model = () if in_fma(problem) else (f"'{problem.cost.objective}'",)
    rows = [("way", "part", "fma", *model, "time", "runs", f"max|diff| / {validation.measure}")]
    for row in validation.rows:
        foreseen = (seconds_text(row.price * 1e-9) for _ in model)
        difference = "" if row.difference is None else f"{row.difference:.1e}"
        rows.append(
            (row.way, row.part, f"{row.fma:,}", *foreseen, seconds_text(row.seconds), f"{row.runs:,}", difference)
        )
    click.echo("\n".join(columns(rows, right={2, 3, 4, 5, 6}, indent="  ")))
    click.echo(f"\n  {validation.verdict}")
    return 0 if validation.valid else 1


def _run_family(
    content: SavedVariants | Family, path: str, jacobians: str | None, seed: int, sizes: str | None, dtype: str
) -> int:
    """Choose a plan for the sizes of a family, run it and validate it."""
    from chainplan.io.variants_file import SavedVariants, verify_variants
    from chainplan.sizing import variants
    from chainplan.validation.validate import require_memory, validate
    from chainplan.values.draw import draw
    from chainplan.values.npz import load_npz, read_npz

    found = verify_variants(content) if isinstance(content, SavedVariants) else variants(content, seed=seed)
    if sizes is None and jacobians is not None:
        chosen = found.choose_for(read_npz(jacobians))
    else:
        chosen = found.choose(**(smallish(found.family) if sizes is None else sizes_of(sizes)))
    problem, plan = chosen.problem, chosen.plan
    assert plan is not None
    require_memory(problem, dtype)
    values = draw(problem.graph, seed, dtype) if jacobians is None else load_npz(jacobians, problem)
    origin = _origin(jacobians, seed, dtype)
    validation = validate(problem, plan, values)
    count = len(found.plans)
    made = f"plan from {path}, the cheapest of {count} for these sizes" if count > 1 else f"plan from {path}"
    _show(problem, validation, f"{made}, {origin}")
    click.echo(f"\n  {validation.verdict}")
    return 0 if validation.valid else 1


def _origin(jacobians: str | None, seed: int, dtype: str) -> str:
    """Say where elemental Jacobians come from."""
    return f"random {dtype} Jacobians, seed {seed}" if jacobians is None else f"Jacobians of {jacobians}"


def _refuse(wrong: bool, option: str, why: str) -> None:
    """Refuse an option that does not fit the file."""
    if wrong:
        raise click.ClickException(f"{option} does not fit: {why}.")


def _plan_for(
    problem: Problem,
    path: str,
    seed: int,
    objective: str | None,
    dtype: str,
    jacobians: Mapping[str, Any] | None = None,
) -> tuple[Problem, Plan, str]:
    """Plan a problem; return it with its cost model, the plan, and a phrase that says which solver made the plan.

    Where no objective is asked for, the functions among the given Jacobians are measured.
    """
    from dataclasses import replace

    from chainplan.costs.objectives import objective_model
    from chainplan.costs.timed import TimedCost
    from chainplan.errors import PlanError
    from chainplan.execution.function_times import measured
    from chainplan.planner import plan
    from chainplan.structures import Dense

    dense = all(type(e.block.structure) is Dense for e in problem.graph.useful)
    simple = dense or problem.recompute or problem.second is not None
    model = objective_model(objective or ("fma" if simple else "weighted"), dtype)
    if objective is None and jacobians is not None and isinstance(model, TimedCost):
        model = measured(model, problem.graph, jacobians)
    problem = replace(problem, cost=model)
    with progress_shown() as report:
        result = plan(problem, seed=seed, progress=report)
    if result.plan is None:
        needs = "" if result.needs is None else f"limits.memory must be at least {result.needs:,} elements. "
        raise PlanError(f"{path}: no plan: {result.status.value}. {needs}{' '.join(result.notes)}".rstrip())
    return problem, result.plan, f"by {result.solver} for '{problem.cost.objective}'"


def _run_layers(program: Program, path: str, point: str | None, seed: int, objective: str | None) -> int:
    """Evaluate, linearise, plan, run and compare with forward and reverse order and with central differences."""
    from chainplan.programs.evaluation import evaluate, linearise
    from chainplan.programs.point import draw_point, load_point
    from chainplan.programs.second import second_values
    from chainplan.programs.stepwise import Stepwise
    from chainplan.report.words.table import seconds_text
    from chainplan.validation.finite_differences import RELATIVE_TOLERANCE, compare
    from chainplan.validation.second_differences import compare_second
    from chainplan.validation.validate import validate

    given = {} if point is None else load_point(point, program)
    values = draw_point(program, seed, given)
    stepwise = program.problem.recompute
    jacobians: Any = Stepwise(program, values) if stepwise else linearise(evaluate(program, values))
    if program.second is not None:
        jacobians |= second_values(evaluate(program, values))
    problem, plan, made_by = _plan_for(program.problem, path, seed, objective, "float64", jacobians)
    validation = validate(problem, plan, jacobians)
    compared = (compare if program.second is None else compare_second)(program, values, plan, jacobians, seed)
    about = "" if compared.compared == compared.columns else "about "
    took = about + seconds_text(compared.seconds)
    differences = (f"{compared.evaluations:,} evaluations", took, f"{compared.difference:.1e}")
    drawn = [f"{len(values) - len(given)} drawn from seed {seed}"] if len(given) < len(values) else []
    origin = ", ".join(([f"{len(given)} of {point}"] if given else []) + drawn)
    _show(problem, validation, f"plan {made_by}; inputs and parameters: {origin}", differences)
    for note in program.notes:
        click.echo(f"  note: {note}")
    scale = "|J|, |f|" if program.second is None else "|H|, |J|"
    rule = f"max|diff| <= {RELATIVE_TOLERANCE:.1e} · max({scale})"
    said = "valid" if compared.valid else "NOT VALID"
    part = "all" if compared.compared == compared.columns else f"{compared.compared} of the"
    click.echo(f"\n  {validation.verdict}")
    if compared.kinks:
        said = f"undefined at this point: {'; '.join(compared.kinks)}; along the slopes taken there: {said}"
    click.echo(f"  central differences, {part} {compared.columns:,} columns: {said}: {rule}")
    return 0 if validation.valid and compared.valid else 1


def _show(problem: Problem, validation: Validation, made: str, differences: tuple[str, str, str] | None = None) -> None:
    """Print the orders in one table, with a row for central differences: their evaluations, time and difference."""
    from chainplan.problem.units import in_fma
    from chainplan.report.words.table import columns, describe, seconds_text

    click.echo(f"{describe(problem)}\n\n  {made}\n")
    model = () if in_fma(problem) else (f"'{problem.cost.objective}'",)
    rows = [("order", "fma", *model, "time", "runs", "peak bytes", f"max|diff| / {validation.measure}")]
    for row in validation.rows:
        foreseen = (seconds_text(row.price * 1e-9) for _ in model)
        took = (seconds_text(row.seconds), f"{row.runs:,}", f"{row.peak_bytes:,}")
        rows.append((row.order, f"{row.fma:,}", *foreseen, *took, f"{row.difference:.1e}"))
    if differences is not None:
        needs, seconds, difference = differences
        rows.append(("differences", needs, *("" for _ in model), seconds, "", "", difference))
    click.echo("\n".join(columns(rows, right={1, 2, 3, 4, 5, 6}, indent="  ")))
