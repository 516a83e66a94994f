"""What the chain solvers share: the sizes of a chain, its derivations, and how a derivation becomes a plan.

Positions are those of the vertices x_0 ... x_q; the interval (i, j) stands for the block of x_j with respect to x_i, of
s_j x s_i. A derivation says how an interval is made: from a single elemental, as a product of two intervals, by
propagating one elemental onto an interval, or by one compressed sweep. A propagation over several elementals is a
sequence of single ones and costs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from chainplan.plans.bound import Status
from chainplan.plans.compressed_sweep import CompressedSweep, write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.reorder import peak_floor
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.structures import Block

BlockNumber = TypeVar("BlockNumber")
ChainInterval = tuple[int, int]
"""The first and the last position of an interval."""


class ElementalDerivation(NamedTuple):
    """The elemental at this position, loaded or accumulated in `mode`."""

    position: int
    mode: Mode | None = None


class SweepDerivation(NamedTuple):
    """An interval that one compressed sweep makes."""

    sweep: CompressedSweep


class PropagationDerivation(NamedTuple):
    """The elemental at `position`, propagated in `mode` onto `arg`."""

    position: int
    mode: Mode
    arg: object


class ProductDerivation(NamedTuple):
    """left · right."""

    left: object
    right: object


Derivation = ElementalDerivation | PropagationDerivation | ProductDerivation | SweepDerivation


def sizes_of(chain: Sequence[Elemental]) -> list[int]:
    """The sizes s_0 ... s_q of a chain."""
    return [chain[0].block.cols] + [e.block.rows for e in chain]


def blocks_of(chain: Sequence[Elemental]) -> dict[tuple[int, int], Block]:
    """The blocks of all intervals of q elementals, by O(q²) products; they do not depend on how they are made."""
    blocks: dict[tuple[int, int], Block] = {}
    for i in range(len(chain)):
        block = blocks[i, i + 1] = chain[i].block
        for j in range(i + 2, len(chain) + 1):
            block = blocks[i, j] = chain[j - 1].block.times(block)
    return blocks


def not_a_chain(problem: Problem, longest: int | None = None) -> str | None:
    """The refusal that all chain solvers share: the graph is no chain, or a chain of more than `longest` elementals."""
    reason = problem.graph.not_a_chain
    if reason is None and longest is not None and len(problem.graph.chain) > longest:
        return f"the chain has {len(problem.graph.chain):,} elementals; expected at most {longest:,}"
    return reason


def leaf_options(
    chain: Sequence[Elemental], position: int, cost: CostModel = FMA
) -> list[tuple[int, ElementalDerivation]]:
    """The ways to make the block of a single elemental, each with its price: by tangents first, then by adjoints."""
    e = chain[position]
    if e.explicit:
        return [(0, ElementalDerivation(position))]
    return [
        (cost.accumulate(e, mode), ElementalDerivation(position, mode))
        for mode in Mode
        if e.per_vector(mode) is not None
    ]


def write(graph: Graph, root: BlockNumber, derive: Callable[[BlockNumber], Derivation]) -> Plan:
    """The plan of a derivation: operands stand before their use, right factors first."""
    recorder = Recorder(graph)
    return recorder.plan([(graph.outputs[0], graph.inputs[0], recorded(recorder, graph.chain, root, derive))])


def recorded(
    recorder: Recorder, chain: Sequence[Elemental], root: BlockNumber, derive: Callable[[BlockNumber], Derivation]
) -> int:
    """Write the steps of a derivation, and return the handle of its block.

    The walk keeps its own stack, because a derivation may be deeper than Python's recursion limit.
    """
    done: list[int] = []
    todo: list[tuple[Derivation, bool]] = [(derive(root), False)]
    while todo:
        node, ready = todo.pop()
        match node:
            case ElementalDerivation(position, None):
                done.append(recorder.load(chain[position].name))
            case ElementalDerivation(position, Mode() as mode):
                done.append(recorder.accumulate(chain[position].name, mode))
            case SweepDerivation(sweep):
                done.append(write_sweep(recorder, sweep))
            case PropagationDerivation(position, mode, arg):
                if ready:
                    done.append(recorder.propagate(chain[position].name, done.pop(), mode))
                else:
                    todo += [(node, True), (derive(arg), False)]  # type: ignore[arg-type]
            case ProductDerivation(left, right):
                if ready:
                    factor = done.pop()
                    done.append(recorder.multiply(factor, done.pop()))
                else:
                    todo += [(node, True), (derive(left), False), (derive(right), False)]  # type: ignore[arg-type]
    return done.pop()


def swept(root: BlockNumber, derive: Callable[[BlockNumber], Derivation]) -> Iterator[CompressedSweep]:
    """The compressed sweeps in a derivation."""
    todo: list[object] = [root]
    while todo:
        match derive(todo.pop()):  # type: ignore[arg-type]
            case SweepDerivation(sweep):
                yield sweep
            case PropagationDerivation(_, _, arg):
                todo.append(arg)
            case ProductDerivation(left, right):
                todo += [left, right]


def nothing_fits(problem: Problem, needs: int | None) -> Outcome:
    """The outcome where no bracketing keeps the limit and `needs`, if it is known, is enough for one.

    Where elementals are equal, plans that read one block for several of them may hold less.
    """
    if not problem.graph.shares:
        return Outcome(Status.INFEASIBLE, needs=needs)
    assert problem.memory is not None, "without a limit there is a plan"
    floor = peak_floor(problem.graph)
    if floor > problem.memory:
        note = f"no plan holds fewer than {floor:,} elements at once; limits.memory is {problem.memory:,}. Raise it."
        return Outcome(Status.INFEASIBLE, note=note)
    enough = "" if needs is None else f"; {needs:,} elements are enough"
    note = f"no plan keeps the limit without sharing products of equal Jacobians{enough}. Raise it."
    return Outcome(Status.BUDGET, note=note)
