"""What the numbers of a plan are judged by: the whole Jacobian where it fits, a few directions where it does not.

Either knows from the oracle what is right, runs a plan in the form that it can compare, and says in words by which
rule. Floats must satisfy max|diff| <= c · eps · scale with c = 8 · (sum of all sizes): every order rounds at most once
per inner index along a path (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.5), and the constant
leaves room for cancellation. For directions V the scale is max(|J|·V), which is no smaller than any entry that V sees.

Where the elementals are derivatives of a program, J may be far smaller than the terms that it is the sum of: a
saturated tanh behind a large product does that. Rounding is in proportion to those terms, max(|F_q|···|F_1|) by rows
(the same section, for products of absolute values), which is asked for where the first scale is missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from chainplan._util.arrays import Array, DType
from chainplan.execution.executor import execute
from chainplan.kernels.convert import as_matrix, as_sparse
from chainplan.kernels.storage import Form, HeldValues, form
from chainplan.plans.replay import replay
from chainplan.plans.steps import Accumulate, Plan, Propagate
from chainplan.problem.graph import Graph, Mode
from chainplan.validation.reference import reference_jacobian, times
from chainplan.values.jacobians import Given, common_dtype

LARGEST = 50_000_000
"""Entries that the oracle may hold at once; beyond, directions judge."""
DIRECTIONS = 3

Found = Mapping[tuple[str, str], HeldValues]


class Judge(Protocol):
    """Compares what plans compute with what the oracle says."""

    scale: float
    dtype: DType
    measure: str
    """What differences are relative to, in words."""
    note: str
    """What else there is to say of how it compares."""

    def run(self, plan: Plan, jacobians: Mapping[str, Given]) -> Found:
        """Run a plan so that its result can be compared."""

    def difference(self, found: Found) -> float:
        """The largest difference over the scale; a pair that is not there is zero."""

    def terms(self) -> float:
        """The largest row of the same products with the absolute values of all elementals, 0 if too large to tell."""


def judge(graph: Graph, jacobians: Mapping[str, Given]) -> Judge:
    """The judge that fits the sizes of a graph."""
    inputs = sum(graph.sizes[v] for v in graph.inputs)
    whole = sum(graph.sizes.values()) * inputs <= LARGEST
    return Whole(graph, jacobians) if whole else Directions(graph, jacobians)


class Whole:
    """Compares every entry."""

    measure = "max|J|"
    note = ""

    def __init__(self, graph: Graph, jacobians: Mapping[str, Given]) -> None:
        self._graph, self._jacobians = graph, jacobians
        self._expected = reference_jacobian(graph, jacobians)
        self.dtype = common_dtype([*self._expected.values()])
        self.scale = max((float(np.abs(block).max(initial=0)) for block in self._expected.values()), default=0.0)

    def run(self, plan: Plan, jacobians: Mapping[str, Given]) -> Found:
        return execute(plan, jacobians, dense=True, wrap=True)

    def difference(self, found: Found) -> float:
        worst = 0.0
        for pair, block in self._expected.items():
            other = found.get(pair)
            worst = max(worst, _largest(block if other is None else block - other))
        return worst / self.scale if self.scale else worst

    def terms(self) -> float:
        columns = {v: np.ones((self._graph.sizes[v], 1)) for v in self._graph.inputs}
        return _terms(self._graph, self._jacobians, columns)


class Directions:
    """Compares the products with a few positive random columns; nothing is written out."""

    measure = "max(|J|·V)"
    note = f"; J is compared along {DIRECTIONS} directions V, for it is too large to be written out"

    def __init__(self, graph: Graph, jacobians: Mapping[str, Given]) -> None:
        self._graph, self._jacobians = graph, jacobians
        rng = np.random.default_rng(0)
        self._columns = {v: 0.5 + rng.random((graph.sizes[v], DIRECTIONS)) for v in graph.inputs}
        self._expected = times(graph, jacobians, self._columns)
        self.dtype = common_dtype([*self._expected.values()])
        self.scale = max((_largest(block) for block in self._expected.values()), default=0.0)

    def run(self, plan: Plan, jacobians: Mapping[str, Given]) -> Found:
        return run_held(plan, jacobians)

    def difference(self, found: Found) -> float:
        totals = {v: np.zeros_like(block) for v, block in self._expected.items()}
        for (output, source), block in found.items():
            totals[output] += block @ self._columns[source]
            self.scale = max(self.scale, _largest(abs(block) @ self._columns[source]))
        worst = max(_largest(totals[v] - block) for v, block in self._expected.items())
        return worst / self.scale if self.scale else worst

    def terms(self) -> float:
        return _terms(self._graph, self._jacobians, self._columns)


def _terms(graph: Graph, jacobians: Mapping[str, Given], columns: Mapping[str, Array]) -> float:
    if any(not e.explicit and e.block.rows * e.block.cols > LARGEST for e in graph.useful):
        return 0.0
    return max((_largest(block) for block in times(graph, jacobians, columns, absolute=True).values()), default=0.0)


def run_held(plan: Plan, jacobians: Mapping[str, Given]) -> dict[tuple[str, str], HeldValues]:
    """Run a plan; each block of the result is a matrix where it is held as one, else a sparse array."""
    found, result = execute(plan, jacobians, dense=False, wrap=True), {}
    blocks = replay(plan).blocks
    for output, source, position in plan.outputs:
        block, value = blocks[position].block, found[output, source]
        whole = form(block) is Form.MATRIX
        result[output, source] = (as_matrix if whole else as_sparse)(value, block, np.float64)
    return result


def largest_held(plan: Plan) -> int:
    """Entries of the largest block that a plan holds."""
    blocks = (typed.block for typed in replay(plan).blocks)
    return max((b.rows * b.cols if form(b) is Form.MATRIX else b.nnz for b in blocks), default=0)


def largest_handled(plan: Plan) -> int:
    """Entries of the largest block that a plan holds, hands to a function as a matrix or gets back from one."""
    blocks = [typed.block for typed in replay(plan).blocks]
    sizes = [largest_held(plan)]
    for step, made in zip(plan.steps, blocks, strict=True):
        if isinstance(step, Accumulate | Propagate):
            e = plan.graph[step.elemental].block
            side = e.cols if step.mode is Mode.TANGENT else e.rows
            handed = side * side if isinstance(step, Accumulate) else blocks[step.arg].rows * blocks[step.arg].cols
            sizes += [handed, made.rows * made.cols]
    return max(sizes)


def _largest(array: Array) -> float:
    """The largest absolute value, infinite where one is undefined."""
    largest = float(np.abs(array).max(initial=0))
    return largest if np.isfinite(array).all() else float("inf")
