"""All derivations of a tiny chain, each written down as a plan and replayed: the oracle of the other chain solvers.

Derivations share nothing and no price is computed here: the replay prices whole plans, so that an error in the dynamic
programs is not repeated. Under a memory limit every derivation is carried out in every order of its steps, because the
steps of the two factors of a product may be interleaved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache, reduce
from itertools import combinations
from math import comb
from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.compressed_sweep import UNREACHED_PRICE, compressed
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import ABOVE_EVERY_SWEEP, ChainSweeps
from chainplan.solvers.chain.derivation import (
    Derivation,
    ElementalDerivation,
    ProductDerivation,
    PropagationDerivation,
    SweepDerivation,
    leaf_options,
    not_a_chain,
    nothing_fits,
    swept,
    write,
)
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

MAX_DERIVATIONS = 100_000


@final
class ExhaustiveSolver(Solver):
    """Every bracketing, every mode, and under a memory limit every order of the steps, one by one.

    Cost: O(number of derivations · q), which grows like 4^q for explicit and faster for matrix-free chains.
    Exact: yes, within bracketings.
    Refuses: graphs that are not chains; more than 100,000 derivations (under a memory limit times their orders).
    """

    name = "exhaustive"

    def refuses(self, problem: Problem) -> str | None:
        reason = not_a_chain(problem)
        if reason is None and len(problem.graph.chain) > 20:
            return f"the chain has {len(problem.graph.chain):,} elementals; expected a tiny one"
        if reason is None:
            count = _count_plans(problem)
            if count > MAX_DERIVATIONS:
                return f"the chain has {count:,} derivations; expected at most {MAX_DERIVATIONS:,}"
        return reason

    def solve(self, problem: Problem, search: Search) -> Outcome:
        total, best, needs, bound = _count_plans(problem), None, None, UNREACHED_PRICE
        for i, (plan, saved) in enumerate(_plans(problem)):
            candidate = Candidate(plan, problem.cost)
            price, peak = candidate.price, candidate.priced.peak
            needs = peak if needs is None else min(needs, peak)
            if problem.memory is None or peak <= problem.memory:
                bound = min(bound, price - saved)
                if best is None or (price, peak) < best[0]:
                    best = ((price, peak), candidate)
                    search.offer(plan, price)
            search.tick(i / total)
        sweeps = ChainSweeps(problem.graph.chain, problem.cost, search)
        if best is not None:
            within = sweeps.moves if problem.memory is None else "bracketings"
            return bounded(best[1], best[0][0], Bound(bound, within))
        if not sweeps.any:
            return nothing_fits(problem, needs)
        return Outcome(Status.BUDGET, needs=needs, note="coloured sweeps are not tried under a limit. Raise it.")


def _plans(problem: Problem) -> Iterator[tuple[Plan, int]]:
    """Every derivation of the chain as a plan, in one order or, where memory matters, in all orders of its steps.

    The number beside a plan is the most that fewer colours in its sweeps could save.
    """
    whole = 0, len(problem.graph.chain)
    for tree in _derivations(problem, *whole):
        if problem.memory is None:
            saved = sum(sweep.price - sweep.least for sweep in swept(tree, lambda node: node))
            yield write(problem.graph, tree, lambda node: node), saved
        else:
            yield from ((_plan_in_order(problem.graph, order, tree), 0) for order in _step_orders(tree))


def _derivations(problem: Problem, i: int, j: int) -> Iterator[Derivation]:
    """Every derivation of the interval (i, j)."""
    chain = problem.graph.chain
    sweep = _compressed_sweep(problem, i, j)
    if sweep is not None:
        yield sweep
    if j - i == 1:
        for _, leaf in leaf_options(chain, i):
            yield leaf
        return
    if chain[j - 1].tangent is not None:
        for arg in _derivations(problem, i, j - 1):
            yield PropagationDerivation(j - 1, Mode.TANGENT, arg)
    if chain[i].adjoint is not None:
        for arg in _derivations(problem, i + 1, j):
            yield PropagationDerivation(i, Mode.ADJOINT, arg)
    for k in range(i + 1, j):
        for left in _derivations(problem, k, j):
            for right in _derivations(problem, i, k):
                yield ProductDerivation(left, right)


def _compressed_sweep(problem: Problem, i: int, j: int) -> SweepDerivation | None:
    """The compressed sweep of the interval (i, j), whatever it costs; None under a memory limit."""
    run = problem.graph.chain[i:j]
    block = reduce(lambda right, left: left.times(right), (e.block for e in run))
    sweep = None if problem.memory is not None else compressed(run, block, problem.cost, ABOVE_EVERY_SWEEP)
    return None if sweep is None else SweepDerivation(sweep)


def _step_orders(node: object) -> Iterator[tuple[Derivation, ...]]:
    """Every order of the steps of a derivation, without its loads, which always stand just before their use."""
    match node:
        case ElementalDerivation(_, None):
            yield ()
        case ElementalDerivation():
            yield (node,)
        case PropagationDerivation(_, _, arg):
            yield from ((*before, node) for before in _step_orders(arg))
        case ProductDerivation(left, right):
            for one in _step_orders(left):
                for other in _step_orders(right):
                    for places in combinations(range(len(one) + len(other)), len(one)):
                        rest, chosen = iter(other), iter(one)
                        merged = (next(chosen if p in places else rest) for p in range(len(one) + len(other)))
                        yield (*merged, node)


def _plan_in_order(graph: Graph, order: tuple[Derivation, ...], root: Derivation) -> Plan:
    """The plan that carries out the steps of a derivation in the order given."""
    chain, recorder = graph.chain, Recorder(graph)
    held: dict[int, int] = {}

    def load_or_look_up(node: object) -> int:
        if isinstance(node, ElementalDerivation) and node.mode is None:
            return recorder.load(chain[node.position].name)
        return held[id(node)]

    for node in order:
        match node:
            case ElementalDerivation(position, Mode() as mode):
                held[id(node)] = recorder.accumulate(chain[position].name, mode)
            case PropagationDerivation(position, mode, arg):
                held[id(node)] = recorder.propagate(chain[position].name, load_or_look_up(arg), mode)
            case ProductDerivation(left, right):
                held[id(node)] = recorder.multiply(load_or_look_up(left), load_or_look_up(right))
    return recorder.plan([(graph.outputs[0], graph.inputs[0], load_or_look_up(root))])


def _count_plans(problem: Problem) -> int:
    """The number of plans that `_plans` yields."""
    chain = problem.graph.chain

    @cache
    def count(i: int, j: int) -> Counter[int]:
        """The number of plans of the interval (i, j), by their number of steps."""
        total: Counter[int] = Counter({0: 1} if _compressed_sweep(problem, i, j) is not None else {})
        if j - i == 1:
            return total + Counter(0 if leaf.mode is None else 1 for _, leaf in leaf_options(chain, i))
        for present, arg in ((chain[j - 1].tangent, (i, j - 1)), (chain[i].adjoint, (i + 1, j))):
            if present is not None:
                total.update({n + 1: plans for n, plans in count(*arg).items()})
        for k in range(i + 1, j):
            for n, ones in count(i, k).items():
                for m, others in count(k, j).items():
                    orders = 1 if problem.memory is None else comb(n + m, n)
                    total[n + m + 1] += ones * others * orders
        return total

    return count(0, len(chain)).total()
