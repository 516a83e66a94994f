"""`chainplan check PLAN`: prove a saved plan, and everything that it claims, again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chainplan_cli.common import FILE_NAME, SECONDS_TYPE, progress_shown

if TYPE_CHECKING:
    from chainplan.io.plan_file import SavedPlan
    from chainplan.problem.cost import CostModel
    from chainplan.proofs.verdict import ProofVerdict


@click.command()
@click.argument("plan", type=FILE_NAME)
@click.option(
    "--budget",
    type=SECONDS_TYPE,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for proving claims again.",
)
@click.option("--require-proof", is_flag=True, help="Exit with 1 where something is claimed by the file only.")
def command(plan: str, budget: float, require_proof: bool) -> int:
    """Prove that PLAN (made by 'chainplan plan --format json') computes the Jacobian and costs what it claims.

    Every path must be counted exactly once, every figure must follow from the steps, the limits must be kept. Then
    what the file claims of other plans is judged: bounds, optima, schedules, that no plan keeps the limits. What can be
    derived in polynomial time is derived again, searches are repeated within the budget.

    Of a file of variants each plan is proven right at all sizes, and the factor over all sizes is derived again.

    The last line is one of 'proven again', 'NOT proven again: claimed by the file only', 'refuted: ...' (exit code 1).
    """
    from chainplan.errors import PlanError
    from chainplan.io.read import read_plan
    from chainplan.io.variants_file import SavedVariants
    from chainplan.proofs.claims import prove_again
    from chainplan.proofs.verdict import ClaimStanding, refuted

    try:
        saved = read_plan(plan)
    except PlanError as error:
        click.echo(refuted(error))
        return 1
    with progress_shown() as report:
        verdict = prove_again(saved, budget, report)
    for line in _proven_lines(saved, verdict):
        click.echo(f"{plan}: {line}")
    click.echo(verdict)
    failed = verdict.standing is ClaimStanding.REFUTED or (require_proof and verdict.standing is ClaimStanding.CLAIMED)
    return 1 if failed or (saved.plan is None and not isinstance(saved, SavedVariants)) else 0


def _proven_lines(saved: SavedPlan, verdict: ProofVerdict) -> list[str]:
    """Say what is proven about the plan, and the verdict on each claim except those that the last line refutes."""
    from chainplan.io.variants_file import SavedVariants
    from chainplan.problem.units import in_fma, unit_text
    from chainplan.proofs.verdict import ClaimStanding

    lines = [finding.said for finding in verdict.findings if finding.standing is not ClaimStanding.REFUTED]
    if isinstance(saved, SavedVariants) and saved.variants is not None and len(lines) == len(verdict.findings):
        count = len(saved.variants.plans)
        return [f"right: {count} plan{'s' if count > 1 else ''}, each at all sizes of the ranges", *lines]
    if verdict.replay is None or saved.candidate is None:
        return lines
    problem, replayed = saved.problem, verdict.replay
    price = f"{saved.candidate.price:,} {unit_text(problem)} by '{problem.cost.objective}', "
    model = "" if in_fma(problem) else price
    figures = f"{model}{replayed.total:,} fma, {replayed.adds:,} adds, peak {replayed.peak:,} elements"
    return [f"right: {figures}", *_rates_lacking(problem.cost), *lines]


def _rates_lacking(cost: CostModel) -> list[str]:
    """Say which rates a file does not have because it is older than they are."""
    from chainplan.costs.timed import TimedCost

    if not isinstance(cost, TimedCost) or not cost.lacking:
        return []
    return [
        f"no rates for products with a vector ({', '.join(cost.lacking)}): they are priced as products with a matrix "
        "of one column. Plan anew after 'chainplan calibrate' for prices of their own"
    ]
