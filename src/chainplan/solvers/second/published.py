"""The published recurrence for second derivatives of chains, to compare with: Jacobians paid at every use, no symmetry.

For an interval (i, j) let C(i, j) be the price of its Jacobian by the best bracketing, and

    H(i, j) = min over k of H(i, k) + H(k, j) + C(i, k) + C(k, j) + m·p²·n + m·p·n² + m·p·n²

with n, p, m the sizes of x_i, x_k, x_j. The plan says what that is: each split makes the Jacobians of both parts anew,
contracts one column side after the other, and computes all entries of symmetric blocks.

References
----------
U. Naumann et al., arXiv 2103.09480, section 2.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Plan, SecondOutput
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.problem.second import SecondOrder
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma, not_of_second_order
from chainplan.structures import Dense
from chainplan.structures.second import Side

MAX_PUBLISHED_CHAIN = 200
"""Elementals of the longest chain that is taken."""
_Splits = dict[tuple[int, int], int]


@final
class SecondPublishedSolver(Solver):
    """The published recurrence for second derivatives: Jacobians paid at every use, without symmetry.

    Cost: O(q³) time and O(q²) memory for q elementals; the plan has O(q²) steps.
    Exact: no, a baseline; `second-chain` shares Jacobians and uses symmetry.
    Refuses: problems that ask for the Jacobian; weights and directions; graphs that are not chains; other objectives
        than fma; elementals that are not explicit and dense in both derivatives; more than 200 elementals.
    """

    name = "second-published"
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        reason = not_of_second_order(problem) or problem.graph.not_a_chain or not_fma(problem)
        if reason is not None:
            return reason
        if problem.second != SecondOrder():
            return "it takes no weights and no directions"
        chain = problem.graph.chain
        if len(chain) > MAX_PUBLISHED_CHAIN:
            return f"the chain has {len(chain):,} elementals; expected at most {MAX_PUBLISHED_CHAIN}"
        plain = all(e.explicit and type(e.block.structure) is Dense and e.second_block.pattern is None for e in chain)
        plain = plain and all(own.explicit for own in problem.graph.useful_seconds.values())
        return None if plain else "it counts dense blocks alone, and some elemental is not dense or is matrix-free"

    def solve(self, problem: Problem, search: Search) -> Outcome:
        sizes = [problem.graph.sizes[v] for v in problem.graph.order]
        plan = _written(problem.graph, *_recurrence(sizes, search))
        return Outcome(Status.FEASIBLE, Candidate(plan, problem.cost))


def _recurrence(sizes: list[int], search: Search) -> tuple[_Splits, _Splits]:
    """Return the splits of the best bracketing of each interval, and those of the recurrence; ties go to the first."""
    q = len(sizes) - 1
    first = {(i, i + 1): 0 for i in range(q)}
    second = dict(first)
    brackets, splits = _Splits(), _Splits()
    for i, j in ((i, i + length) for length in range(2, q + 1) for i in range(q - length + 1)):
        search.tick()
        n, m = sizes[i], sizes[j]
        best = min((first[i, k] + first[k, j] + m * sizes[k] * n, k) for k in range(i + 1, j))
        twice = min(
            (
                second[i, k] + second[k, j] + first[i, k] + first[k, j] + m * sizes[k] * n * (sizes[k] + 2 * n),
                k,
            )
            for k in range(i + 1, j)
        )
        (first[i, j], brackets[i, j]), (second[i, j], splits[i, j]) = best, twice
    return brackets, splits


def _written(graph: Graph, brackets: _Splits, splits: _Splits) -> Plan:
    """Write the plan of the recurrence."""
    chain, recorder = graph.chain, Recorder(graph)

    def jacobian(i: int, j: int) -> int:
        if j - i == 1:
            return recorder.load(chain[i].name)
        k = brackets[i, j]
        return recorder.multiply(jacobian(k, j), jacobian(i, k))

    def second(i: int, j: int) -> int:
        if j - i == 1:
            return recorder.load_second(chain[i].name)
        k = splits[i, j]
        after, before, right = second(k, j), second(i, k), jacobian(i, k)
        pushed = recorder.contract(after, right, Side.RIGHT, symmetric=False)
        pushed = recorder.contract(pushed, right, Side.LEFT, symmetric=False)
        return recorder.contract(before, jacobian(k, j), Side.ROWS, symmetric=False, onto=pushed)

    held = second(0, len(chain))
    end = SecondOutput(graph.outputs[0], graph.inputs[0], graph.inputs[0], held)
    return recorder.plan((), second_outputs=(end,), second=SecondOrder())
