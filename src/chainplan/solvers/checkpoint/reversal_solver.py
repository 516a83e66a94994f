"""One sweep of adjoints, or of tangents, over a chain of any length that evaluates its states, with a lower bound.

A chain of time steps may have tens of thousands of elementals, far more than the exact fronts of `solver` take. What
its cheapest plan looks like is seldom in doubt: it extends one block from the output to the input, or from the input to
the output. The second evaluates every state once and holds one of them. The first is the reversal of `reversal_splits`.
The bound of `reversal_bound` knows all plans of the class, so that a gap is stated where the sweep is not proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import CHECKPOINTS
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.steps import Advance, Plan, Restore, Store
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.derivation import leaf_options, not_a_chain
from chainplan.solvers.checkpoint.binomial import forward_steps
from chainplan.solvers.checkpoint.reversal import ReversalAction
from chainplan.solvers.checkpoint.reversal_bound import reversal_bound
from chainplan.solvers.checkpoint.reversal_chain import ExtensionWay, ReversalChain, reversal_chain
from chainplan.solvers.checkpoint.reversal_splits import ReversalSplits
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma

MAX_REVERSAL_STEPS = 3_000_000
"""Evaluations of the longest plan that is written down."""


@final
class ChainReversalSolver(Solver):
    """One sweep over a chain of any length, by adjoints with checkpoints or by tangents.

    Cost: O(q log q) for q elementals besides the steps of the plan.
    Exact: for equal steps, where no other use of the memory can pay; elsewhere the lower bound says how far the plan is
        from the best one within bracketings and nested checkpoints.
    Refuses: graphs that are not chains; other objectives than fma; states that are given.
    """

    name = "chain-reversal"
    recomputes = True

    def refuses(self, problem: Problem) -> str | None:
        if not problem.recompute:
            return "its states are given; set limits.recompute to have them evaluated"
        return not_fma(problem) or not_a_chain(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        graph, memory = problem.graph, problem.memory
        sweep = reversal_chain(graph, memory, search.watch)
        bound = Bound(reversal_bound(graph, sweep, memory, search.watch), CHECKPOINTS)
        search.prove(bound)
        reverse, least = _adjoints(graph, sweep, memory, search)
        if reverse is not None:
            search.offer(reverse.plan, reverse.price)
        forward = _tangents(graph, search) if reverse is None or self._may_pay(graph, reverse.price) else None
        fitting = [plan for plan in (reverse, forward) if plan is not None and plan.fits(memory)]
        if not fitting:
            note = "no single sweep with nested checkpoints that is short enough keeps the limit. Raise it."
            return Outcome(Status.BUDGET, needs=least if forward is None else min(forward.peak, least), note=note)
        best = min(fitting, key=lambda plan: plan.price)
        return bounded(best, best.price, bound)

    @staticmethod
    def _may_pay(graph: Graph, price: int) -> bool:
        """Whether a sweep of tangents, which evaluates each state once, may cost less than this."""
        least = sum(
            min([0] if e.explicit else [p for p in (e.tangent, e.adjoint) if p is not None]) for e in graph.chain
        )
        columns = graph.sizes[graph.inputs[0]]
        return columns * least + sum(FMA.advance(e) for e in graph.chain[:-1]) < price


def _tangents(graph: Graph, search: Search) -> Candidate:
    """The sweep of tangents: each state is evaluated once, and left behind."""
    recorder, chain = Recorder(graph), graph.chain
    block = _leaf(recorder, graph, 0)
    for i in range(1, len(chain)):
        search.tick()
        recorder.move(Advance(chain[i - 1].name))
        if chain[i].tangent is not None:
            block = recorder.propagate(chain[i].name, block, Mode.TANGENT)
        else:
            block = recorder.multiply(_leaf(recorder, graph, i), block)
    return Candidate(recorder.plan([(graph.outputs[0], graph.inputs[0], block)]), FMA)


def _leaf(recorder: Recorder, graph: Graph, i: int) -> int:
    """Make the block of an elemental in the cheapest way."""
    _, leaf = min(leaf_options(graph.chain, i), key=lambda option: option[0])
    name = graph.chain[i].name
    return recorder.linearise(name) if leaf.mode is None else recorder.accumulate(name, leaf.mode)


def _adjoints(graph: Graph, sweep: ReversalChain, memory: int | None, search: Search) -> tuple[Candidate | None, int]:
    """The sweep of adjoints, None where the limit is too low for it, and the least limit under which it is written."""
    splits = ReversalSplits(sweep)
    slots = _fewest_slots(len(sweep.ways))
    least = splits.memory_of(slots)
    if memory is not None and memory < least:
        return None, least
    return Candidate(_written(graph, sweep, splits.actions(memory), search), FMA), least


def _fewest_slots(steps: int) -> int:
    """The fewest checkpoints with which so many equal steps take at most `MAX_REVERSAL_STEPS` evaluations."""
    slots = 1
    while forward_steps(steps, slots) > MAX_REVERSAL_STEPS + steps:
        slots += 1
    return slots


def _written(graph: Graph, sweep: ReversalChain, actions: Iterator[ReversalAction], search: Search) -> Plan:
    """The plan of a sweep of adjoints whose states move as the actions say."""
    recorder, chain = Recorder(graph), graph.chain
    vertices = [graph.inputs[0], *(e.target for e in chain)]
    block: int | None = None
    for kind, at in actions:
        match kind:
            case "advance":
                recorder.move(Advance(chain[at].name))
            case "store":
                recorder.move(Store(vertices[at]))
            case "restore":
                recorder.move(Restore(vertices[at]))
            case "reverse":
                search.tick()
                block = _extended(recorder, chain[at].name, sweep.ways[at], block)
    assert block is not None, "a chain has elementals"
    return recorder.plan([(graph.outputs[0], graph.inputs[0], block)])


def _extended(recorder: Recorder, name: str, way: ExtensionWay, block: int | None) -> int:
    """Extend a block by an elemental, or begin with that one, and return the block that is made."""
    if way.leaf is None:
        assert block is not None, "an adjoint is applied to a block"
        return recorder.propagate(name, block, Mode.ADJOINT)
    (mode,) = way.leaf
    leaf = recorder.linearise(name) if mode is None else recorder.accumulate(name, mode)
    return leaf if block is None else recorder.multiply(block, leaf)
