"""What the chain solvers share: the sizes of a chain, its derivations, and how a derivation becomes a plan.

Positions are those of the vertices x_0 ... x_q; the interval (i, j) stands for the block of x_j with respect to x_i, of
size s_j x s_i. A derivation says how an interval came about: a single elemental, a product of two intervals, or one
elemental propagated onto an interval. Longer propagations are sequences of single ones, at the same cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from chainplan.plans.compressed_sweep import Sweep, write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem

N = TypeVar("N")


class Leaf(NamedTuple):
    """The elemental at this position, loaded or accumulated in `mode`."""

    position: int
    mode: Mode | None = None


class Swept(NamedTuple):
    """An interval in one compressed sweep."""

    sweep: Sweep


class Apply(NamedTuple):
    """The elemental at `position`, propagated in `mode` onto `arg`."""

    position: int
    mode: Mode
    arg: object


class Product(NamedTuple):
    """left · right."""

    left: object
    right: object


Derivation = Leaf | Apply | Product | Swept


def sizes_of(chain: Sequence[Elemental]) -> list[int]:
    """The sizes s_0 ... s_q of a chain."""
    return [chain[0].block.cols] + [e.block.rows for e in chain]


def not_a_chain(problem: Problem, longest: int | None = None) -> str | None:
    """The refusal that all chain solvers share: no chain, or one of more than `longest` elementals."""
    reason = problem.graph.not_a_chain
    if reason is None and longest is not None and len(problem.graph.chain) > longest:
        return f"the chain has {len(problem.graph.chain):,} elementals; expected at most {longest:,}"
    return reason


def leaf_options(chain: Sequence[Elemental], position: int, cost: CostModel = FMA) -> list[tuple[int, Leaf]]:
    """The ways to get a single elemental with their prices, tangents first."""
    e = chain[position]
    if e.explicit:
        return [(0, Leaf(position))]
    return [(cost.accumulate(e, mode), Leaf(position, mode)) for mode in Mode if e.per_vector(mode) is not None]


def write(graph: Graph, root: N, derive: Callable[[N], Derivation]) -> Plan:
    """Write down the plan of a derivation without recursion: operands before their use, right factors first."""
    chain = graph.chain
    recorder = Recorder(graph)
    done: list[int] = []
    todo: list[tuple[Derivation, bool]] = [(derive(root), False)]
    while todo:
        node, ready = todo.pop()
        match node:
            case Leaf(position, None):
                done.append(recorder.load(chain[position].name))
            case Leaf(position, Mode() as mode):
                done.append(recorder.accumulate(chain[position].name, mode))
            case Swept(sweep):
                done.append(write_sweep(recorder, sweep))
            case Apply(position, mode, arg):
                if ready:
                    done.append(recorder.propagate(chain[position].name, done.pop(), mode))
                else:
                    todo += [(node, True), (derive(arg), False)]  # type: ignore[arg-type]
            case Product(left, right):
                if ready:
                    factor = done.pop()
                    done.append(recorder.multiply(factor, done.pop()))
                else:
                    todo += [(node, True), (derive(left), False), (derive(right), False)]  # type: ignore[arg-type]
    return recorder.plan([(graph.outputs[0], graph.inputs[0], done.pop())])


def swept(root: N, derive: Callable[[N], Derivation]) -> Iterator[Sweep]:
    """The compressed sweeps of a derivation."""
    todo: list[object] = [root]
    while todo:
        match derive(todo.pop()):  # type: ignore[arg-type]
            case Swept(sweep):
                yield sweep
            case Apply(_, _, arg):
                todo.append(arg)
            case Product(left, right):
                todo += [left, right]
