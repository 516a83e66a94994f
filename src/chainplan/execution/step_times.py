"""Times the steps of a plan within its own runs, and gives a time model the times that were found.

A kernel takes one time when it is called again and again and another between the other steps of a plan, with its
operands out of the caches. So the plan itself runs, as the function that a prepared plan is (`straight`), with a clock
behind every step. The least time of each step counts; all are then scaled so that they sum up to the least time of a
whole run without the clock, which includes the checks of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter

import numpy as np

from chainplan._util.arrays import Array
from chainplan.execution.function_times import MeasuredCost, width_times
from chainplan.execution.prepared import PreparedPlan
from chainplan.execution.straight import UnusualValues, straight
from chainplan.kernels.default_rates import FEMTOSECONDS_PER_NANOSECOND
from chainplan.kernels.storage import StorageForm, form
from chainplan.plans.replay import replay
from chainplan.plans.steps import Accumulate, Multiply, Plan, Propagate
from chainplan.problem.graph import Mode
from chainplan.structures import Block
from chainplan.values.jacobians import GivenJacobian, common_dtype

MIN_TIMED_RUNS = 5
"""Runs of a plan whose steps are timed, at least, and as many without a clock."""
MAX_TIMED_RUNS = 1000
"""Runs at the most, where time allows."""


def step_times(plan: Plan, jacobians: Mapping[str, GivenJacobian], seconds: float) -> dict[int, float] | None:
    """Time the steps of a plan, or return None where it is no function.

    Parameters
    ----------
    plan : Plan
        The plan.
    jacobians : Mapping[str, GivenJacobian]
        The elemental Jacobians by name.
    seconds : float
        The time that all runs may take together, beyond the least number of them.

    Returns
    -------
    dict[int, float] | None
        Step -> nanoseconds, of all steps but loads.
    """
    given = dict(jacobians)
    timed = straight(plan, common_dtype(given.values()), None, timed=True)
    if timed is None:
        return None
    run, work = PreparedPlan(plan, None, None, False), timed.work_arrays()
    least: Array | None = None
    whole, end = float("inf"), perf_counter() + seconds
    for turn in range(MAX_TIMED_RUNS):
        start = perf_counter()
        run(given)
        whole = min(whole, perf_counter() - start)
        ticks = list[int]()
        try:
            if timed.run(given, work, ticks) is None:
                return None
        except UnusualValues:
            return None
        taken = np.diff(np.array(ticks, np.float64))
        least = taken if least is None else np.minimum(least, taken)
        if turn >= MIN_TIMED_RUNS and perf_counter() > end:
            break
    assert least is not None, "there are several turns"
    total = float(least.sum())
    scale = 1e9 * whole / total if total else 1.0
    return dict(zip(timed.timed_steps, (scale * least).tolist(), strict=True))


def with_steps(model: MeasuredCost, plan: Plan, times: Mapping[int, float]) -> MeasuredCost:
    """Return the model with the times of the products and calls of a plan; those of the same shapes are averaged."""
    blocks = tuple(typed.block for typed in replay(plan).blocks)
    products: dict[tuple[Block, Block], list[float]] = {}
    calls: dict[tuple[str, Mode], dict[int, list[float]]] = {}
    for position, time in times.items():
        step, block = plan.steps[position], blocks[position]
        match step:
            case Multiply(left, right, onto):
                factors = blocks[left], blocks[right]
                added = 0 if onto is None else model.add(factors[0].times(factors[1]), blocks[onto])
                products.setdefault(factors, []).append(max(0.0, time - added))
            case Propagate(name, arg, mode) if form(block) is form(blocks[arg]) is StorageForm.DENSE:
                width = blocks[arg].cols if mode is Mode.TANGENT else blocks[arg].rows
                calls.setdefault((name, mode), {}).setdefault(width, []).append(time)
            case Accumulate(name, mode) if form(block) is StorageForm.DENSE:
                width = block.cols if mode is Mode.TANGENT else block.rows
                calls.setdefault((name, mode), {}).setdefault(width, []).append(
                    max(0.0, time - model.seed(width, width))
                )
    return replace(model, functions=_functions(model, calls), products=_products(model, products))


def _products(
    model: MeasuredCost, found: Mapping[tuple[Block, Block], list[float]]
) -> tuple[tuple[Block, Block, int], ...]:
    known = {(left.mark, right.mark): (left, right, time) for left, right, time in model.products}
    for (left, right), times in found.items():
        known[left.mark, right.mark] = left, right, _femtoseconds(times)
    return tuple(known.values())


def _functions(
    model: MeasuredCost, found: Mapping[tuple[str, Mode], Mapping[int, list[float]]]
) -> tuple[tuple[str, Mode, tuple[tuple[int, int], ...]], ...]:
    known = {(name, mode): dict(times) for name, mode, times in model.functions}
    for call, by_width in found.items():
        for width, times in by_width.items():
            if width:
                known.setdefault(call, {})[width] = _femtoseconds(times)
    return tuple((name, mode, width_times(times)) for (name, mode), times in known.items())


def _femtoseconds(nanoseconds: list[float]) -> int:
    return round(FEMTOSECONDS_PER_NANOSECOND * sum(nanoseconds) / len(nanoseconds))
