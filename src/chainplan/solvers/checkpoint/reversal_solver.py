"""One sweep of adjoints, or of tangents, over a chain of any length that evaluates its states, with a lower bound.

A chain of time steps may have tens of thousands of elementals, far more than the exact fronts of `solver` take. What
its cheapest plan looks like is seldom in doubt: it extends one block from the output to the input, or from the input to
the output. The second evaluates every state once and holds one of them. The first is a reversal: the cheapest one, by
`two_levels`, where the chain is short enough for that, else that of `reversal_splits`. Only reversals use the disk.

The bound of `reversal_bound` knows all plans of the class, so that a gap is stated where the sweep is not proven. It
counts transfers to the disk as free. So with a disk what is claimed is the optimum of one sweep, where that is proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import CHECKPOINTS, ONE_SWEEP
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.derivation import not_a_chain
from chainplan.solvers.checkpoint.binomial import forward_steps
from chainplan.solvers.checkpoint.reversal import ReversalAction
from chainplan.solvers.checkpoint.reversal_bound import reversal_bound
from chainplan.solvers.checkpoint.reversal_chain import ReversalChain, reversal_chain
from chainplan.solvers.checkpoint.reversal_splits import ReversalSplits
from chainplan.solvers.checkpoint.reversal_writer import adjoint_sweep, tangent_sweep
from chainplan.solvers.checkpoint.two_levels import TwoLevels, prices_fit
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma

MAX_REVERSAL_STEPS = 3_000_000
"""Evaluations of the longest plan that is written down."""
MAX_EXACT_STEPS = 200
"""Steps of the longest chain that is reversed by dynamic programming."""
WINDOWS = (16, 32, 64, 128)
"""Steps of the parts of longer chains that are."""
MAX_WINDOW_WORK = 8_000_000
"""Steps times the square of a window, up to which it is tried where neither time nor nodes are limited."""


@final
class ChainReversalSolver(Solver):
    """One sweep over a chain of any length, by adjoints with checkpoints in memory and on disk, or by tangents.

    Cost: O(q log q) for q elementals besides the steps of the plan; O(q³) operations on arrays up to 200 elementals,
        and above that for each window of up to 128 unequal ones.
    Exact: for equal steps, where no other use of the memory can pay, and within one sweep up to 200 elementals;
        elsewhere a lower bound says how far the plan is from the best one within bracketings and nested checkpoints.
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
        search.prove(Bound(reversal_bound(graph, sweep, memory, problem.disk or 0, search.watch), CHECKPOINTS))
        reversal = _Reversal(problem, sweep, search)
        plans = list(reversal.plans())
        if not plans or self._may_pay(graph, min(plan.price for plan in plans)):
            plans.append(tangent_sweep(graph, search))
        fitting = [plan for plan in plans if plan.fits(memory)]
        if not fitting:
            note = "no single sweep with nested checkpoints that is short enough keeps the limit. Raise it."
            needs = [reversal.least, *(plan.peak for plan in plans)]
            return Outcome(Status.BUDGET, needs=min(needs), note=note)
        best = min(fitting, key=lambda plan: plan.price)
        if problem.disk is not None and best.price == reversal.proven and best.price > search.bound.value:
            note = f"within {CHECKPOINTS} no plan costs less than {search.bound.value:,}."
            return replace(bounded(best, best.price, Bound(best.price, ONE_SWEEP)), note=note)
        return bounded(best, best.price, search.bound)

    @staticmethod
    def _may_pay(graph: Graph, price: int) -> bool:
        """Whether a sweep of tangents, which evaluates each state once, may cost less than this."""
        least = sum(
            min([0] if e.explicit else [p for p in (e.tangent, e.adjoint) if p is not None]) for e in graph.chain
        )
        columns = graph.sizes[graph.inputs[0]]
        return columns * least + sum(FMA.advance(e) for e in graph.chain[:-1]) < price


class _Reversal:
    """The sweeps of adjoints of a problem."""

    def __init__(self, problem: Problem, sweep: ReversalChain, search: Search) -> None:
        self._problem, self._sweep, self._search = problem, sweep, search
        self._splits = ReversalSplits(sweep)
        self.least = self._splits.memory_of(_fewest_slots(len(sweep.ways)))
        """The least limit under which a sweep is written down."""
        self.proven: int | None = None
        """The price of the cheapest sweep within one sweep with nested checkpoints, once that is known."""

    def plans(self) -> Iterator[Candidate]:
        """The sweeps that keep the limits, the quick ones first; each is offered to the search."""
        memory, disk, steps = self._problem.memory, self._problem.disk, len(self._sweep.ways)
        if memory is None or memory >= self.least:
            yield self._offered(self._splits.actions(memory))
        if memory is None or self._proven_best():
            return
        if disk is not None and (period := self._period(memory, disk)) is not None:
            yield self._offered(self._splits.actions_on_disk(memory, period))
        if disk is None and steps > MAX_EXACT_STEPS and memory >= self.least:
            for window in self._windows():
                splits = ReversalSplits(self._sweep, window, self._search.tick)
                yield self._offered(splits.actions(memory))
        transfer = self._problem.graph.transfer
        if steps <= MAX_EXACT_STEPS and prices_fit(self._sweep, transfer):
            exact = TwoLevels(self._sweep, memory, disk, transfer, self._search.tick)
            if exact.price is not None:
                yield self._offered(exact.actions())
                if exact.exact:
                    self.proven = self._sweep.sweep_price + exact.price

    def _proven_best(self) -> bool:
        """Whether a plan at hand costs what no plan undercuts."""
        return self._search.best is not None and self._search.best <= self._search.bound.value

    def _windows(self) -> list[int]:
        """The windows that are tried one after the other: all within limits, else the widest that takes a moment."""
        steps = len(self._sweep.ways)
        unlike = sum(len(set(column)) > 1 for column in (self._sweep.evaluations, self._sweep.sizes[1:-1]))
        if not unlike and len({way.hill for way in self._sweep.ways[1:-1]}) <= 1:
            return []
        if self._search.limited:
            return list(WINDOWS)
        return [window for window in WINDOWS if steps * window**2 <= MAX_WINDOW_WORK][-1:]

    def _offered(self, actions: Iterator[ReversalAction]) -> Candidate:
        plan = adjoint_sweep(self._problem.graph, self._sweep, actions, self._search)
        self._search.offer(plan.plan, plan.price)
        return plan

    def _period(self, memory: int, disk: int) -> int | None:
        """The cheapest distance of states on disk for equal steps, None where there is no room.

        Each segment costs an evaluation of its steps, a transfer to the disk and back, and the evaluations of revolve.
        Aupy & Herrmann 2017, "Periodicity in optimal hierarchical checkpointing schemes for adjoint computations"
        (Optim. Methods Softw. 32), show that equal distances are optimal but for a number of steps that does not grow.
        """
        sizes, steps = self._sweep.sizes[1:-1], len(self._sweep.ways)
        size = max(sizes, default=0)
        slots = 1 + (memory - size - self._splits.least_memory) // size if size else 0
        if slots < 1 or steps < 3:
            return None
        most = disk // size
        mean = sum(self._sweep.evaluations) / steps
        move = 2 * self._problem.graph.transfer * size
        best: tuple[float, int] | None = None
        for period in sorted(
            {*range(2, min(steps, 200)), *(int(1.02**k) for k in range(268, 2000) if 1.02**k < steps)}
        ):
            on_disk = -(-steps // period) - 2
            if on_disk <= most:
                again = forward_steps(period, min(slots, period)) - period
                price = on_disk * move + mean * (steps / period) * again
                best = min(best or (price, period), (price, period))
        return None if best is None else best[1]


def _fewest_slots(steps: int) -> int:
    """The fewest checkpoints with which so many equal steps take at most `MAX_REVERSAL_STEPS` evaluations."""
    slots = 1
    while forward_steps(steps, slots) > MAX_REVERSAL_STEPS + steps:
        slots += 1
    return slots
