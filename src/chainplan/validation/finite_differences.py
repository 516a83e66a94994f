"""Central differences of a program: a check that shares nothing with plans and edges except the values of the layers.

Column i is (f(x + h e_i) - f(x - h e_i)) / 2h with h = eps^(1/3) · max(1, |x_i|), which balances the truncation h² and
the rounding eps / h (Nocedal & Wright, *Numerical Optimization*, section 8.1). Both are of order eps^(2/3) ≈ 4e-11,
times third derivatives and |f|; the tolerance leaves a factor of 10^5 for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from chainplan._util.arrays import Array
from chainplan.kernels.storage import HeldValues
from chainplan.plans.steps import Plan
from chainplan.programs.evaluation import evaluate
from chainplan.programs.kinks import KinkProgram
from chainplan.programs.program import Program
from chainplan.validation.tolerance import ComputedJacobians, run_held
from chainplan.values.jacobians import GivenJacobian

DOUBLE_EPS = float(np.finfo(np.float64).eps)
RELATIVE_TOLERANCE = 1e5 * DOUBLE_EPS ** (2 / 3)
MAX_COMPARED_COLUMNS = 64
"""Columns that are compared; of more columns, this number is drawn at random."""


@dataclass(frozen=True)
class DifferencesComparison:
    """The largest difference over max(max|J|, max|f|) among `compared` of `columns` columns, and the seconds for all.

    `kinks` names, in words, the layers that have no derivative at the point, so that differences cannot judge them.
    """

    columns: int
    compared: int
    difference: float
    seconds: float
    kinks: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the difference is within the tolerance."""
        return bool(self.difference <= RELATIVE_TOLERANCE)

    @property
    def evaluations(self) -> int:
        """Evaluations of the program that all columns would take."""
        return 2 * self.columns


def compare(
    program: Program, point: Mapping[str, Array], plan: Plan, jacobians: Mapping[str, GivenJacobian], seed: int = 0
) -> DifferencesComparison:
    """Compare the result of a plan with central differences; `jacobians` are the elemental Jacobians at the point.

    Where they disagree and layers are not differentiable at the point, the layers follow the slopes that their ops take
    there, and the comparison is repeated.
    """
    jacobian = run_held(plan, jacobians)
    comparison = _compare_columns(program, point, jacobian, seed, lambda at: evaluate(program, at).values)
    if comparison.valid:
        return comparison
    followed = KinkProgram(program, point)
    repeated = _compare_columns(program, point, jacobian, seed, followed.values)
    return replace(repeated, kinks=followed.said) if followed.said and repeated.valid else comparison


ValuesAtInputs = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""A function from a point to the values of all layers."""


def _compare_columns(
    program: Program, point: Mapping[str, Array], jacobian: ComputedJacobians, seed: int, values: ValuesAtInputs
) -> DifferencesComparison:
    """Compare a Jacobian with differences of the values of a program."""
    sizes = {v: point[v].size for v in program.variables}
    total = sum(sizes.values())
    columns = _columns(sizes, seed)
    worst, scale = 0.0, max((float(abs(block).max()) for block in jacobian.values()), default=0.0)
    start = perf_counter()
    for variable, i in columns:
        for output, column, size in _column(program, point, variable, i, values):
            worst = max(worst, _largest([column - _entries(jacobian.get((output, variable)), i)]))
            scale = max(scale, size)
    seconds = (perf_counter() - start) * total / max(1, len(columns))
    return DifferencesComparison(total, len(columns), worst / scale if scale else worst, seconds)


def _columns(sizes: Mapping[str, int], seed: int) -> list[tuple[str, int]]:
    """Choose the columns to compare, as pairs (variable, entry): all, or `MAX_COMPARED_COLUMNS` at random."""
    total = sum(sizes.values())
    flat = np.arange(total)
    if total > MAX_COMPARED_COLUMNS:
        flat = np.sort(np.random.default_rng(seed).choice(total, MAX_COMPARED_COLUMNS, replace=False))
    ends = np.cumsum(list(sizes.values()))
    places = np.searchsorted(ends, flat, side="right")
    starts = ends - np.array(list(sizes.values()))
    names = list(sizes)
    return [(names[p], int(i - starts[p])) for p, i in zip(places, flat, strict=True)]


def _column(
    program: Program, point: Mapping[str, Array], variable: str, i: int, values: ValuesAtInputs
) -> list[tuple[str, Array, float]]:
    """Return (output, central difference, max|f|) for one entry of one variable."""
    x = point[variable]
    h = DOUBLE_EPS ** (1 / 3) * max(1.0, abs(float(x.flat[i])))
    ends = []
    for sign in (1, -1):
        moved = x.copy()
        moved.flat[i] += sign * h
        ends.append(values({**point, variable: moved}))
    pairs = ((output, ends[0][output].ravel(), ends[1][output].ravel()) for output in program.outputs)
    return [(output, (up - down) / (2 * h), _largest([up])) for output, up, down in pairs]


def _entries(block: HeldValues, i: int) -> Array | int:
    """Return column i of a matrix or sparse array; a missing block is 0."""
    if block is None:
        return 0
    return block[:, i] if isinstance(block, np.ndarray) else block[:, [i]].toarray().ravel()


def _largest(arrays: Iterable[Array]) -> float:
    return max((float(np.abs(a).max(initial=0)) for a in arrays), default=0.0)
