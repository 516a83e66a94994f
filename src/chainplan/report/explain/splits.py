"""The runner-up at each top split of a chain: how much more the second-best last product costs.

The prices of all intervals (`solvers.chain.interval_prices`) give the best plan with a given last operation at once:
the optimal plans of its two operands and that operation. So each figure is exact as far as the colours of sweeps are
proven to be the fewest: no plan whose last operation is the runner-up's is cheaper.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainplan.plans.candidate import Candidate
from chainplan.plans.replay import Replay
from chainplan.plans.steps import Again, Decompress, Multiply, Plan, Propagate
from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.derivation import SweepDerivation
from chainplan.solvers.chain.interval_dp import ChainDpSolver
from chainplan.solvers.chain.interval_prices import filled
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.structures import Block

MAX_EXPLAINED_SPLITS = 8
"""Splits that are explained, from the top of the bracket tree."""
MAX_SPLIT_CHAIN_LENGTH = 600
"""Elementals of the longest chain whose intervals are all priced."""


@dataclass(frozen=True)
class LastOperation:
    """A last operation of an interval: a product at vertex `at`, or an elemental applied in `mode` at that end."""

    at: str
    how: str
    price: int


@dataclass(frozen=True)
class IntervalSplit:
    """The operation that makes the block `source` -> `target` in step `step`, and the other ways to make it."""

    step: int
    source: str
    target: str
    chosen: LastOperation
    ties: tuple[LastOperation, ...]
    runner_up: LastOperation | None


def top_splits(problem: Problem, candidate: Candidate, seconds: float) -> tuple[tuple[IntervalSplit, ...], str]:
    """Explain the top splits of a chain's plan without a memory limit; the text says what is not known, and why."""
    if any(isinstance(step, Again) for step in candidate.plan.steps):
        return (), "Runners-up are not looked at: equal products are computed once."
    problem = replace(problem, memory=None)
    graph = problem.graph
    reason = ChainDpSolver().refusal(problem)
    if reason is None and len(graph.chain) > MAX_SPLIT_CHAIN_LENGTH:
        reason = f"the chain has more than {MAX_SPLIT_CHAIN_LENGTH} elementals"
    if reason is not None:
        return (), f"Runners-up are not looked at: {reason}."
    try:
        prices = _IntervalPrices(problem, Search(budget=seconds))
    except SearchStopped:
        return (), f"Runners-up are not looked at: pricing all intervals takes more than {seconds:.1f} s."
    note = (
        "" if prices.proven else "Whether fewer colours than those found would make a runner-up cheaper is not known."
    )
    return tuple(_walk(candidate.plan, candidate.priced, prices)), note


def _walk(plan: Plan, replayed: Replay, prices: _IntervalPrices) -> Iterator[IntervalSplit]:
    place = _places(plan.graph)
    todo, count = deque([plan.outputs[0].step]), 0
    while todo and count < MAX_EXPLAINED_SPLITS:
        position = todo.popleft()
        step, typed = plan.steps[position], replayed.blocks[position]
        i, j = place.get(typed.source, -1), place.get(typed.target, -1)
        if not isinstance(step, Multiply | Propagate | Decompress) or i < 0 or j < 0:
            continue
        choices = prices.choices(i, j)
        own = _own(step, replayed, choices)
        if isinstance(step, Multiply):
            todo += [step.left, step.right]
        if isinstance(step, Propagate):
            todo.append(step.arg)
        if own is None or len(choices) < 2:
            continue
        others = [c for c in choices if c is not own]
        ties = tuple(c for c in others if c.price == own.price)
        count += 1
        yield IntervalSplit(
            position,
            typed.source,
            typed.target,
            own,
            ties,
            min((c for c in others if c.price != own.price), key=lambda c: c.price, default=None),
        )


def _own(
    step: Multiply | Propagate | Decompress, replayed: Replay, choices: list[LastOperation]
) -> LastOperation | None:
    """Return the choice that a step made, if it is among them."""
    if isinstance(step, Decompress):
        return next((c for c in choices if c.how == "coloured sweep"), None)
    if isinstance(step, Multiply):
        wanted = replayed.blocks[step.left].source, "product"
    else:
        arg = replayed.blocks[step.arg]
        wanted = (arg.target, "tangent") if step.mode is Mode.TANGENT else (arg.source, "adjoint")
    return next((c for c in choices if (c.at, c.how) == wanted), None)


def _places(graph: Graph) -> dict[str, int]:
    chain = graph.chain
    return {chain[0].source: 0} | {e.target: i + 1 for i, e in enumerate(chain)}


class _IntervalPrices:
    """Prices of all intervals, and of all last operations of one."""

    def __init__(self, problem: Problem, search: Search) -> None:
        self._chain: tuple[Elemental, ...] = problem.graph.chain
        self._cost: CostModel = problem.cost
        sweeps = ChainSweeps(self._chain, self._cost, search)
        self._table = filled(problem, sweeps, search)
        self.proven = sweeps.proven
        """Whether no colours make any of them lower."""

    def choices(self, i: int, j: int) -> list[LastOperation]:
        """Price every last operation of the interval (i, j) by the best plan that ends with it."""
        chain, cost, price = self._chain, self._cost, self._table.price
        if j - i < 2:
            return []
        rights = _folded(chain[i:j])
        lefts = _folded(chain[i:j], backwards=True)
        whole, first, last = rights[-1], chain[i], chain[j - 1]
        operations = [
            LastOperation(
                chain[k].source,
                "product",
                price(i, k) + price(k, j) + cost.multiply(lefts[k - i], rights[k - i - 1], whole),
            )
            for k in range(i + 1, j)
        ]
        if last.tangent is not None:
            applied = cost.propagate(last, rights[-2], Mode.TANGENT)
            operations.append(LastOperation(last.source, "tangent", price(i, j - 1) + applied))
        if first.adjoint is not None:
            applied = cost.propagate(first, lefts[1], Mode.ADJOINT)
            operations.append(LastOperation(first.target, "adjoint", price(i + 1, j) + applied))
        if isinstance(self._table.derive((i, j)), SweepDerivation):
            operations.append(LastOperation(chain[i].source, "coloured sweep", price(i, j)))
        return operations


def _folded(chain: tuple[Elemental, ...], backwards: bool = False) -> list[Block]:
    """Multiply the beginnings of a chain, or its ends; the blocks are in the order of where they end or begin."""
    if backwards:
        blocks = [chain[-1].block]
        for e in reversed(chain[:-1]):
            blocks.append(blocks[-1].times(e.block))
        return blocks[::-1]
    blocks = [chain[0].block]
    for e in chain[1:]:
        blocks.append(e.block.times(blocks[-1]))
    return blocks
