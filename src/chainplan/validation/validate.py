"""Runs a plan, forward order and reverse order, and compares all three with the reference.

The three orders run as plans in the same executor, so that their times are comparable. Their numbers are judged by the
reference, which knows no plans (see `tolerance`). Integers wrap modulo 2^64 in every order alike, so they must agree
exactly; floats must agree up to rounding.
"""

from __future__ import annotations

import math
import os
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.plans.candidate import Candidate
from chainplan.plans.product_orders import BASELINES, baseline_plan
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.validation.second_reference import MAX_REFERENCE_ENTRIES, SecondJudge, reference_entries
from chainplan.validation.tolerance import (
    MAX_ORACLE_ENTRIES,
    ComparisonScale,
    JacobianJudge,
    judge,
    largest_handled,
    largest_held,
)
from chainplan.validation.turns import in_turns
from chainplan.values.draw import bytes_needed
from chainplan.values.jacobians import GivenJacobian, common_dtype
from chainplan.values.second import second_bytes
from chainplan.values.solves import worst_condition

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass(frozen=True)
class OrderRow:
    """One order: its fma, its price under the objective, measured seconds and bytes, largest difference over max|J|.

    `seconds` is the least of `runs` runs; another run before them measured the memory.
    """

    order: str
    fma: int
    seconds: float
    peak_bytes: int
    difference: float
    price: int = 0
    runs: int = 1


@dataclass(frozen=True)
class Validation:
    """The three orders, and the verdict in words."""

    rows: tuple[OrderRow, ...]
    valid: bool
    verdict: str
    measure: str = "max|J|"
    """What differences are divided by, in words."""


PATHS_OF_A_TERM = 3
"""Paths along which a term of a second derivative is rounded: behind the elemental, and two before it."""


TERMS_OF_J = "max(|F_q|···|F_1|)"
"""The scale of differences, in words, where the terms of J cancel."""


def validate(problem: Problem, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> Validation:
    """Run a plan, forward order and reverse order on the same Jacobians, and compare each with the reference."""
    with np.errstate(all="ignore"):
        return _validate(problem, plan, jacobians)


def _validate(problem: Problem, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> Validation:
    graph = problem.graph
    kind = common_dtype(jacobians.values())
    orders = {"plan": plan, **{name: baseline_plan(problem, name) for name in BASELINES[:2]}}
    plans = {order: Candidate(found, problem.cost) for order, found in orders.items()}
    require_bytes(largest_held(plans["plan"]) * kind.itemsize, "the largest block of the plan takes", kind)
    judged = _judge(problem, jacobians)
    first_runs, remarks = {}, judged.note
    for order, candidate in plans.items():
        if order != "plan" and (held := largest_handled(candidate)) > MAX_ORACLE_ENTRIES:
            remarks += f"; {order} order is left out, for it handles a block of {held:,} entries"
            continue
        first_runs[order] = _first_run(candidate.plan, jacobians, judged)
    turns = in_turns({order: partial(judged.run, plans[order].plan, jacobians) for order in first_runs})
    rows = tuple(
        OrderRow(
            order,
            plans[order].replay.total,
            turns[order].least,
            peak,
            difference,
            plans[order].price,
            len(turns[order].seconds),
        )
        for order, (peak, difference) in first_runs.items()
    )
    differences = {row.order: row.difference for row in rows}
    sizes = sum(graph.sizes.values()) * (1 if problem.second is None else PATHS_OF_A_TERM)
    if graph.solves:
        condition = worst_condition(graph, jacobians)
        sizes *= math.ceil(condition)
        remarks += f"; implicit systems have a condition of up to {condition:.1e}, by which rounding may grow"
    valid, verdict = verdict_on(differences, judged, sizes, remarks)
    return Validation(rows, valid, verdict, judged.measure)


def _judge(problem: Problem, jacobians: Mapping[str, GivenJacobian]) -> JacobianJudge:
    """Return the judge of what the problem asks for."""
    if problem.second is None:
        return judge(problem.graph, jacobians)
    entries = reference_entries(problem.graph)
    if entries > MAX_REFERENCE_ENTRIES:
        raise ExecutionError(
            f"the second derivative and its parts have {entries:,} entries; expected at most "
            f"{MAX_REFERENCE_ENTRIES:,}, which the reference holds at once. Run a problem with smaller sizes; planning "
            "has no such limit."
        )
    return SecondJudge(problem, jacobians)


def verdict_on(differences: Mapping[str, float], judged: ComparisonScale, sizes: int, remarks: str) -> tuple[bool, str]:
    """Say whether all differences are within the tolerance, and by which rule; `sizes` is the sum of all sizes."""
    exact = judged.dtype.kind in "biu"
    factor = 0 if exact else 8 * sizes
    tolerance = 0.0 if exact else factor * float(np.finfo(judged.dtype).eps)
    measure = judged.measure
    rule = "equal integers" if exact else f"max|diff| <= {factor:,} · eps · {measure} = {tolerance:.1e} · {measure}"
    wrong = ", ".join(order for order, difference in differences.items() if not difference <= tolerance)
    if not np.isfinite(judged.scale):
        return False, "NOT VALID: the Jacobian overflows, so that nothing can be compared"
    if wrong and not exact:
        scale, terms = judged.scale or 1.0, judged.terms()
        if all(difference * scale <= tolerance * terms for difference in differences.values()):
            verdict = (
                f"valid but for cancellation: {wrong} misses {rule}, but max|diff| <= {factor:,} · eps · {TERMS_OF_J}"
            )
            return True, f"{verdict} = {tolerance * terms / scale:.1e} · {measure}{remarks}"
    if wrong:
        return False, f"NOT VALID: {wrong} misses {rule}{remarks}"
    return True, f"valid: {rule}{remarks}"


def require_memory(problem: Problem, dtype: DTypeLike) -> None:
    """Refuse a run whose Jacobians and second derivatives alone would not fit into this machine's memory.

    Raises
    ------
    ExecutionError
        Where they would not fit; the message gives both figures.
    """
    needed = bytes_needed(problem.graph, dtype)
    if problem.second is None:
        require_bytes(needed, "the elemental Jacobians take", dtype)
    else:
        needed += second_bytes(problem, dtype)
        require_bytes(needed, "the elemental Jacobians and second derivatives take", dtype)


def require_bytes(needed: int, what: str, dtype: DTypeLike) -> None:
    """Refuse what needs more bytes than this machine has memory, as `require_memory` does."""
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 36
    if needed > here:
        raise ExecutionError(
            f"{what} {needed:,} bytes as {np.dtype(dtype)}; this machine has {here:,}. Run a problem with smaller "
            "sizes; planning has no such limit."
        )


def _first_run(plan: Plan, jacobians: Mapping[str, GivenJacobian], judged: JacobianJudge) -> tuple[int, float]:
    """Return the peak of the bytes that the first run allocates, and the largest difference of its result."""
    tracemalloc.start()
    try:
        result = judged.run(plan, jacobians)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak, judged.difference(result)
