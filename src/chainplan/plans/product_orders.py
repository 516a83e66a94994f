"""Products with the Jacobian in the three plain ways, the baselines where a Jacobian is used for products alone.

The Jacobian is formed in forward or in reverse order and its blocks are multiplied by the vectors; or nothing is
*formed*, and every product goes through all elementals. A matrix-free elemental that lacks the mode of a product is
accumulated once in either case. Products with a Hessian have a fourth way, because nothing is formed by forward over
reverse and by reverse over forward. With `recorder.Recorder` as algebra these walks write plans, with `Pricer` they
only add up what the plans would cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from chainplan.plans.forward_reverse import AlgebraBlock, PlanAlgebra, Pricer, counted_by_edges, order_price, sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.second_bracketings import baseline_bracketing
from chainplan.plans.second_elimination import elimination_baseline, products_plan
from chainplan.plans.second_open import OpenChoice
from chainplan.plans.second_programs import multiplied
from chainplan.plans.second_sides import BASELINE_CHOICES, sided_plan
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel, factor_price
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.structures import Block


class VectorAlgebra(PlanAlgebra[AlgebraBlock], Protocol[AlgebraBlock]):
    """The operations of the plan language with which programs are made."""

    def direction(self, vertex: str, mode: Mode) -> AlgebraBlock: ...


BASELINES = ("forward", "reverse", "free")
"""The plain ways of making products; a Jacobian itself has the first two."""
SECOND_FREE = {"free": OpenChoice.FREE, "late": OpenChoice.LATE}
"""The plain ways of products with a Hessian that form nothing."""


def baselines_for(problem: Problem) -> tuple[str, ...]:
    """Return the names of the baselines of a problem.

    Parameters
    ----------
    problem : Problem
        The problem.

    Returns
    -------
    tuple[str, ...]
        Forward and reverse order; for products `free` as well, and for those with a Hessian `late`.
    """
    if problem.products is None:
        return BASELINES[:2]
    return BASELINES if problem.second is None else (*BASELINES, "late")


def priced_by_edges(problem: Problem) -> bool:
    """Return whether `baseline_price` takes O(edges): of first derivatives in fma where all blocks are dense.

    Parameters
    ----------
    problem : Problem
        The problem.

    Returns
    -------
    bool
        Whether it does.
    """
    return problem.second is None and counted_by_edges(problem.graph, problem.cost)


def baseline_price(problem: Problem, name: str, cost: CostModel = FMA) -> int:
    """Price forward or reverse order, with all products where a problem asks for these, or products of nothing formed.

    Parameters
    ----------
    problem : Problem
        The problem; only one of products has the baseline `free`.
    name : str
        One of `BASELINES`.
    cost : CostModel
        The prices of the steps.

    Returns
    -------
    int
        The price.
    """
    graph, products = problem.graph, problem.products
    if problem.second is not None:
        return replay(baseline_plan(problem, name), cost).total
    factors = factor_price(graph, cost)
    if products is None:
        return factors + order_price(graph, _MODES[name], cost)
    setup = Pricer(graph, cost)
    through = _way(graph, products, name, setup)
    total = factors + setup.price
    for mode, times in products.sides():
        if times:
            program = _VectorPricer(graph, cost)
            through(program, mode)
            total += times * program.price
    return total


def baseline_plan(problem: Problem, name: str) -> Plan:
    """Write the plan of a baseline.

    Parameters
    ----------
    problem : Problem
        The problem; only one of products has the baseline `free`.
    name : str
        One of `BASELINES`.

    Returns
    -------
    Plan
        The plan. Of a side without products it has a program too, unless an elemental lacks the mode.
    """
    graph, products = problem.graph, problem.products
    if problem.second is not None and products is not None:
        if name in SECOND_FREE:
            return products_plan(graph, problem.second, (), products.right, SECOND_FREE[name])
        return multiplied(baseline_plan(replace(problem, products=None), name), products.right)
    if problem.second is not None:
        if graph.not_a_chain is not None:
            return elimination_baseline(graph, problem.second, name)
        if problem.second.symmetric:
            return baseline_bracketing(graph, problem.second, name)
        return sided_plan(graph, problem.second, BASELINE_CHOICES[name])
    recorder = Recorder(graph)
    if products is None:
        return recorder.plan(sweep(graph, recorder, _MODES[name]))
    through = _way(graph, products, name, recorder)
    programs = []
    for mode, times in products.sides():
        if times or name != "free" or _lacking(graph, mode).keys() <= _lacking_any(graph, products).keys():
            program = recorder.begun()
            programs.append(program.program(mode, times, through(program, mode)))
    return recorder.plan((), programs)


def through_blocks(
    algebra: VectorAlgebra[AlgebraBlock], mode: Mode, blocks: Iterable[tuple[str, str, AlgebraBlock]]
) -> list[tuple[str, AlgebraBlock]]:
    """Multiply the blocks of the Jacobian, triples (output, input, block), by the vectors of a mode.

    Returns
    -------
    list
        A pair (vertex, product) for every output (tangent) or input (adjoint) that some block leads to.
    """
    vectors: dict[str, AlgebraBlock] = {}
    sums: dict[str, AlgebraBlock] = {}
    for output, source, block in blocks:
        start, end = (source, output) if mode is Mode.TANGENT else (output, source)
        if start not in vectors:
            vectors[start] = algebra.direction(start, mode)
        sums[end] = _multiplied(algebra, mode, block, vectors[start], sums.get(end))
    return list(sums.items())


def through_graph(
    graph: Graph, algebra: VectorAlgebra[AlgebraBlock], mode: Mode, formed: Mapping[str, AlgebraBlock]
) -> list[tuple[str, AlgebraBlock]]:
    """Carry the vectors of a mode through all useful elementals, some of which are *formed*; results are as above."""
    forward = mode is Mode.TANGENT
    starts, ends = (graph.inputs, graph.outputs) if forward else (graph.outputs, graph.inputs)
    onward = graph.out_of if forward else graph.into
    held: dict[str, AlgebraBlock] = {}
    for vertex in graph.order if forward else reversed(graph.order):
        edges = (graph.into if forward else graph.out_of).get(vertex, ())
        total = algebra.direction(vertex, mode) if vertex in starts and vertex in onward else None
        for e in edges:
            vector = held[e.source if forward else e.target]
            if e.name in formed or e.explicit:
                block = formed[e.name] if e.name in formed else algebra.load(e.name)
                total = _multiplied(algebra, mode, block, vector, total)
            else:
                applied = algebra.propagate(e.name, vector, mode)
                total = applied if total is None else algebra.add(total, applied)
        if total is not None:
            held[vertex] = total
    reached = {e.target if forward else e.source for e in graph.useful}
    return [(vertex, held[vertex]) for vertex in ends if vertex in reached]


class _VectorPricer(Pricer):
    """The algebra that adds up the prices of one product; whatever holds a vector is dense."""

    def direction(self, vertex: str, mode: Mode) -> Block:
        size = self._graph.sizes[vertex]
        return Block(size, 1) if mode is Mode.TANGENT else Block(1, size)

    def propagate(self, elemental: str, arg: Block, mode: Mode) -> Block:
        return _written_out(super().propagate(elemental, arg, mode))

    def multiply(self, left: Block, right: Block, onto: Block | None = None) -> Block:
        result = Block(left.rows, right.cols)
        self.price += self._cost.multiply(left, right)
        if onto is not None:
            self.price += self._cost.add(result, onto)
        return result


def _written_out(block: Block) -> Block:
    return Block(block.rows, block.cols)


def _multiplied(
    algebra: VectorAlgebra[AlgebraBlock],
    mode: Mode,
    block: AlgebraBlock,
    vector: AlgebraBlock,
    onto: AlgebraBlock | None,
) -> AlgebraBlock:
    left, right = (block, vector) if mode is Mode.TANGENT else (vector, block)
    return algebra.multiply(left, right, onto)


_MODES = {"forward": Mode.TANGENT, "reverse": Mode.ADJOINT}


def _way(
    graph: Graph, products: Products, name: str, setup: PlanAlgebra[AlgebraBlock]
) -> Callable[[VectorAlgebra[AlgebraBlock], Mode], list[tuple[str, AlgebraBlock]]]:
    """Make the set-up of a baseline, and return what makes its programs."""
    if name != "free":
        blocks = sweep(graph, setup, _MODES[name])
        return lambda algebra, mode: through_blocks(algebra, mode, blocks)
    formed = {
        name: setup.accumulate(name, Mode.ADJOINT if e.tangent is None else Mode.TANGENT)
        for name, e in _lacking_any(graph, products).items()
    }
    return lambda algebra, mode: through_graph(graph, algebra, mode, formed)


def _lacking_any(graph: Graph, products: Products) -> dict[str, Elemental]:
    """Return the matrix-free elementals that lack the mode of some product, by name."""
    return {name: e for mode, times in products.sides() if times for name, e in _lacking(graph, mode).items()}


def _lacking(graph: Graph, mode: Mode) -> dict[str, Elemental]:
    return {e.name: e for e in graph.useful if not e.explicit and e.per_vector(mode) is None}
