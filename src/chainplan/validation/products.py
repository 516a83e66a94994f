"""Runs the set-up and the programs of a plan for products, and compares a few products with the reference.

The plan runs beside its baselines: J, or H, formed in forward and in reverse order, and nothing formed. Each runs its
set-up, and then products of one vector at a time, which are timed in turns. Their numbers are judged by the reference,
which knows no plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from chainplan._util.arrays import Array, DType
from chainplan.execution.operator import JacobianOperator, operator
from chainplan.plans.candidate import Candidate
from chainplan.plans.product_orders import baseline_plan, baselines_for
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.validation.hessian_products import hessian_times
from chainplan.validation.reference import times
from chainplan.validation.tolerance import MAX_ORACLE_ENTRIES, largest, largest_handled, largest_held, terms_of
from chainplan.validation.turns import in_turns
from chainplan.validation.validate import PATHS_OF_A_TERM, require_bytes, verdict_on
from chainplan.values.jacobians import GivenJacobian, common_dtype

COMPARED_PRODUCTS = 3
"""Products on each side that are compared."""


@dataclass(frozen=True)
class ProductRow:
    """The set-up of one way to make products, or one product: fma, price under the objective, measured seconds.

    `seconds` is the least of `runs` runs; `difference` is the largest one over the scale, None for a set-up.
    """

    way: str
    part: str
    fma: int
    price: int
    seconds: float
    runs: int
    difference: float | None = None


@dataclass(frozen=True)
class ProductValidation:
    """The parts of all ways, the verdict in words, and what differences are divided by, in words."""

    rows: tuple[ProductRow, ...]
    valid: bool
    verdict: str
    measure: str


def validate_products(problem: Problem, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> ProductValidation:
    """Run a plan for products and its baselines on the same Jacobians, and compare each with the reference."""
    with np.errstate(all="ignore"):
        return _validate(problem, plan, jacobians)


def _validate(problem: Problem, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> ProductValidation:
    ways = {"plan": plan, **{name: baseline_plan(problem, name) for name in baselines_for(problem)}}
    candidates = {way: Candidate(found, problem.cost) for way, found in ways.items()}
    kind = common_dtype(jacobians.values())
    require_bytes(largest_held(candidates["plan"]) * kind.itemsize, "the largest block of the plan takes", kind)
    remarks = f"; {COMPARED_PRODUCTS} products on each side are compared"
    for way in baselines_for(problem):
        if (held := largest_handled(candidates[way])) > MAX_ORACLE_ENTRIES:
            remarks += f"; '{way}' is left out, for it handles a block of {held:,} entries"
            del candidates[way]
    judged = _ProductJudge(problem, jacobians, kind, [program.mode for program in plan.programs])
    prepared = {way: operator(one.plan, jacobians, wrap=True) for way, one in candidates.items()}
    differences = {
        (way, mode): judged.difference(prepared[way], mode)
        for way, one in candidates.items()
        for mode in judged.vectors
        if one.plan.program(mode) is not None
    }
    rows = _rows(candidates, jacobians, judged, prepared, differences)
    named = {f"{way} {row.part}": row.difference for row in rows if row.difference is not None for way in (row.way,)}
    sizes = sum(problem.graph.sizes.values()) * (1 if problem.second is None else PATHS_OF_A_TERM)
    valid, verdict = verdict_on(named, judged, sizes, remarks)
    return ProductValidation(rows, valid, verdict, judged.measure)


def _rows(
    candidates: Mapping[str, Candidate],
    jacobians: Mapping[str, GivenJacobian],
    judged: _ProductJudge,
    prepared: Mapping[str, JacobianOperator],
    differences: Mapping[tuple[str, Mode], float],
) -> tuple[ProductRow, ...]:
    """Time the parts of all ways in turns, products in the modes that are compared."""
    setups = in_turns({way: partial(operator, one.plan, jacobians, wrap=True) for way, one in candidates.items()})
    products = in_turns({f"{way} {mode}": judged.single(prepared[way], mode) for way, mode in differences})
    rows = []
    for way, one in candidates.items():
        fma, price, took = one.replay.products.setup, one.priced.products.setup, setups[way]
        rows.append(ProductRow(way, "set-up", fma, price, took.least, len(took.seconds)))
        for replayed, priced in zip(one.replay.programs, one.priced.programs, strict=True):
            mode = replayed.program.mode
            if (way, mode) in differences:
                took = products[f"{way} {mode}"]
                measured = took.least, len(took.seconds), differences[way, mode]
                rows.append(ProductRow(way, replayed.program.name, replayed.price, priced.price, *measured))
    return tuple(rows)


class _ProductJudge:
    """Compares a few products of each mode with the reference, along vectors of positive entries or small integers."""

    def __init__(
        self, problem: Problem, jacobians: Mapping[str, GivenJacobian], dtype: DType, modes: list[Mode]
    ) -> None:
        self._problem, self._graph, self._jacobians, self.dtype = problem, problem.graph, jacobians, dtype
        self.measure = "max(|J|·V)" if problem.second is None else "max(|H|·V)"
        rng = np.random.default_rng(0)
        self.vectors = {mode: {v: self._drawn(rng, v, mode) for v in self._starts(mode)} for mode in modes}
        self._expected = {mode: self._product(mode) for mode in modes}
        self.scale = max(largest(part) for parts in self._expected.values() for part in parts.values())

    def _product(self, mode: Mode) -> dict[str, Array]:
        """Return what the reference makes of the vectors of a mode."""
        if self._problem.second is not None:
            return hessian_times(self._problem, self._jacobians, self.vectors[mode])
        return times(self._graph, self._jacobians, self.vectors[mode], mode=mode)

    def difference(self, products: JacobianOperator, mode: Mode) -> float:
        """Return the largest difference of all products of a mode over the scale; a missing vertex is zero."""
        sizes, ends = self._graph.sizes, products.outputs if mode is Mode.TANGENT else products.inputs
        made = self._columns(mode)
        made = products.matmat(made) if mode is Mode.TANGENT else products.T.matmat(made)
        cuts = np.cumsum([sizes[v] for v in ends])[:-1]
        parts = dict(
            zip(ends, np.split(made if mode is Mode.TANGENT else made.T, cuts, mode is Mode.ADJOINT), strict=True)
        )
        worst = max(largest(parts[v] - part) for v, part in self._expected[mode].items())
        return worst / self.scale if self.scale else worst

    def single(self, products: JacobianOperator, mode: Mode) -> Callable[[], Array]:
        """Return the product with the first vector of a mode, to be timed."""
        first = np.ascontiguousarray(self._columns(mode)[:, 0])
        return partial(products.matvec if mode is Mode.TANGENT else products.rmatvec, first)

    def _columns(self, mode: Mode) -> Array:
        """Return the vectors of a mode as columns, those of all vertices below each other."""
        parts = [self.vectors[mode][v] for v in self._starts(mode)]
        return np.concatenate(parts if mode is Mode.TANGENT else [part.T for part in parts])

    def terms(self) -> float:
        if self._problem.second is not None:
            vectors = {v: np.abs(block) for v, block in self.vectors[Mode.TANGENT].items()}
            made = hessian_times(self._problem, self._jacobians, vectors, absolute=True)
            return max((largest(block) for block in made.values()), default=0.0)
        return max(terms_of(self._graph, self._jacobians, some, mode) for mode, some in self.vectors.items())

    def _starts(self, mode: Mode) -> tuple[str, ...]:
        return self._graph.inputs if mode is Mode.TANGENT else self._graph.outputs

    def _drawn(self, rng: np.random.Generator, vertex: str, mode: Mode) -> Array:
        size = self._graph.sizes[vertex]
        shape = (size, COMPARED_PRODUCTS) if mode is Mode.TANGENT else (COMPARED_PRODUCTS, size)
        if self.dtype.kind in "iu":
            return rng.integers(1, 4, shape).astype(self.dtype)
        drawn: Array = (0.5 + rng.random(shape)).astype(self.dtype)
        return drawn
