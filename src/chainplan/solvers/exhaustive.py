"""All derivations of a tiny chain, each written down as a plan and replayed: the oracle of the other chain solvers.

Nothing is shared between derivations and no price is computed here: the replayer prices whole plans. Under a memory
limit both orders of working out the two factors of a product are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import final

from chainplan.graph import Mode
from chainplan.problem import Problem
from chainplan.replayer import replay
from chainplan.result import Outcome, Status
from chainplan.search import Search
from chainplan.solvers.base import Solver
from chainplan.solvers.chains import Apply, Derivation, Product, leaf_options, not_a_chain, write

MOST = 100_000


@final
class Exhaustive(Solver):
    """Every bracketing, every mode, one by one.

    Cost: O(number of derivations · q), which grows like 4^q for explicit and faster for matrix-free chains.
    Exact: yes, within bracketings (under a memory limit: evaluated factor by factor).
    Refuses: graphs that are not chains; more than 100,000 derivations.
    """

    name = "exhaustive"

    def refuses(self, problem: Problem) -> str | None:
        reason = not_a_chain(problem)
        if reason is None and len(problem.graph.chain) > 20:
            return f"the chain has {len(problem.graph.chain):,} elementals; expected a tiny one"
        if reason is None:
            count = _count(problem)
            if count > MOST:
                return f"the chain has {count:,} derivations; expected at most {MOST:,}"
        return reason

    def solve(self, problem: Problem, search: Search) -> Outcome:
        total, best, needs = _count(problem), None, None
        for i, tree in enumerate(_trees(problem, 0, len(problem.graph.chain))):
            plan = write(problem.graph, tree, lambda node: node)
            replayed = replay(plan)
            needs = replayed.peak if needs is None else min(needs, replayed.peak)
            if problem.memory is None or replayed.peak <= problem.memory:
                key = (replayed.total, replayed.peak)
                if best is None or key < best[0]:
                    best = (key, plan)
                    search.offer(plan)
            search.tick(i / total)
        if best is None:
            return Outcome(Status.INFEASIBLE, needs=needs)
        return Outcome(Status.OPTIMAL, best[1], bound=best[0][0], within="bracketings")


def _trees(problem: Problem, i: int, j: int) -> Iterator[Derivation]:
    """Every derivation of the interval (i, j)."""
    chain = problem.graph.chain
    if j - i == 1:
        for _, leaf in leaf_options(chain, i):
            yield leaf
        return
    if chain[j - 1].tangent is not None:
        for arg in _trees(problem, i, j - 1):
            yield Apply(j - 1, Mode.TANGENT, arg)
    if chain[i].adjoint is not None:
        for arg in _trees(problem, i + 1, j):
            yield Apply(i, Mode.ADJOINT, arg)
    for k in range(i + 1, j):
        for left in _trees(problem, k, j):
            for right in _trees(problem, i, k):
                yield Product(left, right)
                if problem.memory is not None:
                    yield Product(left, right, left_first=True)


def _count(problem: Problem) -> int:
    """Number of derivations that `_trees` yields for the whole chain."""
    chain, orders = problem.graph.chain, 1 if problem.memory is None else 2

    @cache
    def count(i: int, j: int) -> int:
        if j - i == 1:
            return len(leaf_options(chain, i))
        total = orders * sum(count(i, k) * count(k, j) for k in range(i + 1, j))
        total += count(i, j - 1) if chain[j - 1].tangent is not None else 0
        return total + (count(i + 1, j) if chain[i].adjoint is not None else 0)

    return count(0, len(chain))
