"""Judges the numbers of a plan: by the whole Jacobian where it fits into memory, by a few directions where it does not.

Either judge takes the right values from the reference, runs a plan in a form that it can compare, and says in words
what it compares. Floats must satisfy max|diff| <= c · eps · scale with c = 8 · (sum of all sizes): every order rounds
at most once per inner index along a path (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.5), and
the constant leaves room for cancellation. For directions V the scale is max(|J|·V), which is no smaller than any entry
that V sees.

Where the elementals are derivatives of a program, J may be far smaller than the terms of the sum that it is, as behind
a saturated tanh. Rounding errors are in proportion to those terms, max(|F_q|···|F_1|) by rows (the same section, for
products of absolute values); this second scale is computed only where a plan misses the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from chainplan._util.arrays import Array, DType
from chainplan.execution.executor import execute
from chainplan.execution.program import lowered
from chainplan.kernels.convert import as_matrix, as_sparse
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Accumulate, Application, Plan
from chainplan.problem.graph import Graph, Mode
from chainplan.validation.reference import reference_jacobian, times
from chainplan.values.jacobians import GivenJacobian, common_dtype

MAX_ORACLE_ENTRIES = 50_000_000
"""Entries that the reference may hold at once; for more entries, directions judge."""
RANDOM_DIRECTIONS = 3
"""Columns of V."""

ComputedJacobians = Mapping[Any, HeldValues]
"""The result of a plan: the block of each pair (output, input), or of each (output, input, input)."""


class ComparisonScale(Protocol):
    """What differences from the reference are compared with."""

    scale: float
    """The number that differences are divided by."""
    dtype: DType
    measure: str
    """The scale in words."""

    def terms(self) -> float:
        """Return the scale of the terms that J is the sum of, or 0 where the elementals are too large to tell."""


class JacobianJudge(ComparisonScale, Protocol):
    """Compares the results of plans with the reference."""

    note: str
    """What a verdict adds about how this judge compares."""

    def run(self, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> ComputedJacobians:
        """Run a plan so that its result can be compared."""

    def difference(self, result: ComputedJacobians) -> float:
        """Return the largest difference over the scale; a missing pair is zero."""


def judge(graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> JacobianJudge:
    """Return the judge that fits the sizes of a graph."""
    inputs = sum(graph.sizes[v] for v in graph.inputs)
    whole = sum(graph.sizes.values()) * inputs <= MAX_ORACLE_ENTRIES
    return EntriesJudge(graph, jacobians) if whole else DirectionsJudge(graph, jacobians)


class EntriesJudge:
    """Compares every entry of the Jacobian."""

    measure = "max|J|"
    note = ""

    def __init__(self, graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> None:
        self._graph, self._jacobians = graph, jacobians
        self._expected = reference_jacobian(graph, jacobians)
        self.dtype = common_dtype([*self._expected.values()])
        self.scale = max((float(np.abs(block).max(initial=0)) for block in self._expected.values()), default=0.0)

    def run(self, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> ComputedJacobians:
        return execute(plan, jacobians, dense=True, wrap=True)

    def difference(self, result: ComputedJacobians) -> float:
        worst = 0.0
        for pair, block in self._expected.items():
            other = result.get(pair)
            worst = max(worst, largest(block if other is None else block - other))
        return worst / self.scale if self.scale else worst

    def terms(self) -> float:
        columns = {v: np.ones((self._graph.sizes[v], 1)) for v in self._graph.inputs}
        return terms_of(self._graph, self._jacobians, columns)


class DirectionsJudge:
    """Compares the products of the Jacobian with a few positive random columns, and writes nothing out."""

    measure = "max(|J|·V)"
    note = f"; J is compared along {RANDOM_DIRECTIONS} directions V, for it is too large to be written out"

    def __init__(self, graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> None:
        self._graph, self._jacobians = graph, jacobians
        rng = np.random.default_rng(0)
        self._columns = {v: 0.5 + rng.random((graph.sizes[v], RANDOM_DIRECTIONS)) for v in graph.inputs}
        self._expected = times(graph, jacobians, self._columns)
        self.dtype = common_dtype([*self._expected.values()])
        self.scale = max((largest(block) for block in self._expected.values()), default=0.0)

    def run(self, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> ComputedJacobians:
        return run_held(plan, jacobians)

    def difference(self, result: ComputedJacobians) -> float:
        totals = {v: np.zeros_like(block) for v, block in self._expected.items()}
        for (output, source), block in result.items():
            totals[output] += block @ self._columns[source]
            self.scale = max(self.scale, largest(abs(block) @ self._columns[source]))
        worst = max(largest(totals[v] - block) for v, block in self._expected.items())
        return worst / self.scale if self.scale else worst

    def terms(self) -> float:
        return terms_of(self._graph, self._jacobians, self._columns)


def terms_of(
    graph: Graph, jacobians: Mapping[str, GivenJacobian], vectors: Mapping[str, Array], mode: Mode = Mode.TANGENT
) -> float:
    """Return the largest entry of |F_q|···|F_1| · columns, or of rows · that, or 0 where an elemental is too large."""
    if any(not e.explicit and e.block.rows * e.block.cols > MAX_ORACLE_ENTRIES for e in graph.useful):
        return 0.0
    blocks = times(graph, jacobians, vectors, absolute=True, mode=mode).values()
    return max((largest(block) for block in blocks), default=0.0)


def run_held(plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> dict[tuple[str, str], HeldValues]:
    """Run a plan, and return each block of the result as a matrix where it is held as one, else as a sparse array."""
    values, result = execute(plan, jacobians, dense=False, wrap=True), {}
    blocks = lowered(plan).blocks
    for output, source, position in plan.outputs:
        block, value = blocks[position], values[output, source]
        convert = as_matrix if form(block) is StorageForm.DENSE else as_sparse
        result[output, source] = convert(value, block, np.float64)
    return result


def largest_held(candidate: Candidate) -> int:
    """Count the entries of the largest block that a plan holds."""
    blocks = (typed.block for typed in candidate.replay.blocks)
    return max((b.rows * b.cols if form(b) is StorageForm.DENSE else b.nnz for b in blocks), default=0)


def largest_handled(candidate: Candidate) -> int:
    """Count the entries of the largest block that a plan holds, passes to a function as a matrix or gets back."""
    plan, blocks = candidate.plan, [typed.block for typed in candidate.replay.blocks]
    sizes = [largest_held(candidate)]
    for step, made in zip(plan.steps, blocks, strict=True):
        if isinstance(step, Application):
            e = plan.graph[step.elemental].block
            side = e.cols if step.mode is Mode.TANGENT else e.rows
            passed = side * side if isinstance(step, Accumulate) else blocks[step.arg].rows * blocks[step.arg].cols
            sizes += [passed, made.rows * made.cols]
    return max(sizes)


def largest(array: Array) -> float:
    """Return the largest absolute value, which is infinite where a value is undefined."""
    largest = float(np.abs(array).max(initial=0))
    return largest if np.isfinite(array).all() else float("inf")
