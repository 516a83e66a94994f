"""The result in one sentence: what the plan costs, what the better of forward and reverse costs, what is proven."""

from __future__ import annotations

from chainplan.plans.bound import Status
from chainplan.plans.ratios import gap_text
from chainplan.plans.result import Result, baseline_text
from chainplan.problem.units import unit_text
from chainplan.report.words.figures import figure, ratio
from chainplan.report.words.table import CLAIMED_NOTE, schedule_text

_MAX_TELLING_GAP = 0.9
"""The gap above which the bound itself says more than the gap does."""


def headline(result: Result) -> str:
    """Sum up a result in one sentence."""
    price, unit = result.price, unit_text(result.problem)
    if price is None:
        needs = "" if result.needs is None else f"; {result.needs:,} elements would be enough"
        return f"No plan: {_STATUS_SENTENCES[result.status]}{needs}."
    if result.schedule is not None and result.schedule.machines > 1:
        said = schedule_text(result.schedule, unit, result.claimed)
        return f"{said}; {figure(price)} {unit} on all machines together.".capitalize()
    baselines = result.price_baselines
    best = next(name for name, other in baselines.named().items() if other == baselines.best)
    order = baseline_text(result.problem, best)
    formed = "J" if result.problem.second is None else "H"
    several = "forward and reverse" if baselines.free is None else f"{formed} formed and nothing formed"
    if price == baselines.best:
        said = f"{figure(price)} {unit}: {order}, the better of {several}"
    elif price > baselines.best:
        said = f"{figure(price)} {unit}: {order} would cost {figure(baselines.best)}"
    else:
        fewer = _fewer(baselines.best, price)
        said = f"{figure(price)} {unit} instead of {figure(baselines.best)}: {fewer} than the best of {several}"
    if result.status is Status.OPTIMAL:
        return f"{said}; {f'{CLAIMED_NOTE} to be optimal' if result.claimed else 'proven optimal'}."
    if result.within is not None and result.bound == price:
        note = f"{CLAIMED_NOTE}: " if result.claimed else ""
        return f"{said}; {note}no plan costs less within {result.within}."
    if result.claimed and result.bound:
        return f"{said}; the lower bound {figure(result.bound)} is {CLAIMED_NOTE}."
    if result.bound and result.gap and result.gap < _MAX_TELLING_GAP:
        return f"{said}; the least possible is at most {gap_text(price, result.bound)} less."
    return f"{said}; not proven optimal{f', the lower bound is {figure(result.bound)}' if result.bound else ''}."


def _fewer(baseline: int, price: int) -> str:
    if price == 0:
        return "nothing at all"
    percent = 100 * (baseline - price) / baseline
    if percent < 0.01:
        return "less than 0.01 % fewer"
    return f"{percent:.2f} % fewer" if percent < 1 else f"{ratio(baseline, price)} fewer"


_STATUS_SENTENCES = {
    Status.INFEASIBLE: "it is proven that none keeps the limits",
    Status.BUDGET: "none was found that keeps the limits",
}
