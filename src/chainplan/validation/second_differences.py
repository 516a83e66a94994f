"""Central differences of gradients: second derivatives from the Jacobians of a program at points beside.

Column k of H is (J(x + h e_k) - J(x - h e_k)) / 2h, with h and the tolerance of `finite_differences`. J is the
reference Jacobian of the layers linearised at those points, and knows neither plans nor second derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter

import numpy as np

from chainplan._util.arrays import Array
from chainplan.execution.executor import second_derivatives
from chainplan.plans.steps import Plan
from chainplan.programs.evaluation import evaluate, linearise
from chainplan.programs.program import Program
from chainplan.validation.finite_differences import DOUBLE_EPS, MAX_COMPARED_COLUMNS, DifferencesComparison
from chainplan.validation.reference import reference_jacobian
from chainplan.validation.tolerance import largest
from chainplan.values.jacobians import GivenJacobian


def compare_second(
    program: Program, point: Mapping[str, Array], plan: Plan, given: Mapping[str, GivenJacobian], seed: int = 0
) -> DifferencesComparison:
    """Compare the second derivative of a chain of layers with differences of its Jacobian, in some columns."""
    made, start = second_derivatives(plan, given, dense=True), perf_counter()
    (source,), (output,) = program.variables, program.outputs
    total = point[source].size
    count = min(total, MAX_COMPARED_COLUMNS)
    columns = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    whole = made.get((output, source, source))
    worst, scale = 0.0, 0.0 if whole is None else largest(whole)
    for k in columns.tolist():
        h = DOUBLE_EPS ** (1 / 3) * max(1.0, abs(float(point[source].flat[k])))
        up, down = (_jacobian(program, point, k, sign * h) for sign in (1, -1))
        column = (up - down) / (2 * h)
        worst = max(worst, largest(column - (0 if whole is None else whole[:, :, k])))
        scale = max(scale, largest(up))
    seconds = (perf_counter() - start) * total / max(1, count)
    return DifferencesComparison(total, count, worst / scale if scale else worst, seconds)


def _jacobian(program: Program, point: Mapping[str, Array], k: int, step: float) -> Array:
    """Return the Jacobian with one entry of the input moved."""
    (source,), (output,) = program.variables, program.outputs
    moved = point[source].copy()
    moved.flat[k] += step
    first = replace(program, second=None)
    found = reference_jacobian(first.problem, linearise(evaluate(first, {**point, source: moved})))
    return found[output, source]
