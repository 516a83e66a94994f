"""Runs a plan beside forward and reverse order and compares all three with the oracle.

The three orders are run as plans, by the same executor, so that their times compare; the numbers are judged by the
oracle, which knows no plans. Integers wrap modulo 2^64 in every order alike, so they must agree exactly. Floats must
satisfy max|diff| <= c · eps · max|J| with c = 8 · (sum of all sizes): every order rounds at most once per inner index
along a path (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.5), and the constant leaves room for
cancellation in J.
"""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.executor import execute
from chainplan.graph import Graph, Mode
from chainplan.jacobians import bytes_needed, common_dtype
from chainplan.kernels.convert import Array
from chainplan.oracle import jacobian
from chainplan.problem import Problem
from chainplan.replayer import replay
from chainplan.steps import Plan, Recorder
from chainplan.sweep import sweep


@dataclass(frozen=True)
class Row:
    """One order: predicted fma, measured seconds and bytes, largest difference from the oracle over max|J|."""

    order: str
    fma: int
    seconds: float
    peak_bytes: int
    difference: float


@dataclass(frozen=True)
class Validation:
    """The three orders and the verdict in words."""

    rows: tuple[Row, ...]
    valid: bool
    verdict: str


def validate(problem: Problem, plan: Plan, jacobians: Mapping[str, Any]) -> Validation:
    """Run a plan, forward and reverse order on the same Jacobians and compare each with the oracle."""
    with np.errstate(all="ignore"):
        return _validate(problem, plan, jacobians)


def _validate(problem: Problem, plan: Plan, jacobians: Mapping[str, Any]) -> Validation:
    graph = problem.graph
    expected = jacobian(problem, jacobians)
    dtype = common_dtype([*expected.values()])
    plans = {"plan": plan, "forward": _order(graph, Mode.TANGENT), "reverse": _order(graph, Mode.ADJOINT)}
    largest = max((float(np.abs(block).max(initial=0)) for block in expected.values()), default=0.0)
    rows = []
    for order, candidate in plans.items():
        seconds, peak, found = _measured(candidate, jacobians)
        difference = _difference(found, expected, largest)
        rows.append(Row(order, replay(candidate).total, seconds, peak, difference))
    exact = dtype.kind in "biu"
    factor = 0 if exact else 8 * sum(graph.sizes.values())
    tolerance = 0.0 if exact else factor * float(np.finfo(dtype).eps)
    valid = all(row.difference <= tolerance for row in rows)
    rule = "equal integers" if exact else f"max|diff| <= {factor:,} · eps · max|J| = {tolerance:.1e} · max|J|"
    wrong = ", ".join(row.order for row in rows if not row.difference <= tolerance)
    if not np.isfinite(largest):
        return Validation(tuple(rows), False, "NOT VALID: the Jacobian overflows, so that nothing can be compared")
    return Validation(tuple(rows), valid, f"valid: {rule}" if valid else f"NOT VALID: {wrong} misses {rule}")


def require_memory(graph: Graph, dtype: Any) -> None:
    """Refuse a run whose Jacobians alone would not fit into this machine's memory.

    Raises
    ------
    ExecutionError
        With both figures.
    """
    needed = bytes_needed(graph, dtype)
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 36
    if needed > here:
        raise ExecutionError(
            f"the elemental Jacobians take {needed:,} bytes as {np.dtype(dtype)}; this machine has {here:,}. Run a "
            "problem with smaller sizes; planning has no such limit."
        )


def _order(graph: Graph, mode: Mode) -> Plan:
    recorder = Recorder(graph)
    return recorder.plan(sweep(graph, recorder, mode))


def _measured(plan: Plan, jacobians: Mapping[str, Any]) -> tuple[float, int, dict[tuple[str, str], Array]]:
    """Seconds of a warm run, peak bytes allocated by a cold one, and the result."""
    tracemalloc.start()
    try:
        execute(plan, jacobians)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    start = perf_counter()
    found = execute(plan, jacobians)
    return perf_counter() - start, peak, found


def _difference(
    found: Mapping[tuple[str, str], Array], expected: Mapping[tuple[str, str], Array], largest: float
) -> float:
    """Largest difference between two Jacobians over the largest entry; a pair that is not there is zero."""
    worst = 0.0
    for pair, block in expected.items():
        other = found.get(pair)
        difference = block if other is None else block - other
        worst = max(worst, float(np.abs(difference).max(initial=0)))
        if not np.isfinite(difference).all():
            return float("inf")
    return worst / largest if largest else worst
