"""The solver of explicit dense chains of any length, by the algorithm of Hu and Shing.

Its subquadratic cost makes it the only exact solver for chains of more than a few thousand elementals (`hu_shing`).
"""

from __future__ import annotations

from typing import final

from chainplan._util.gc_pause import uncollected
from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.derivation import not_a_chain, sizes_of
from chainplan.solvers.chain.hu_shing import optimal_products
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma
from chainplan.structures import Dense


@final
class ChainDenseSolver(Solver):
    """Exact bracketing of a dense chain (Hu & Shing 1982, 1984).

    Cost: O(q log q) time and O(q) memory for q elementals.
    Exact: yes, within bracketings.
    Refuses: graphs that are not chains; structured and matrix-free elementals; other objectives than fma.
    """

    name = "chain-dense"

    def refuses(self, problem: Problem) -> str | None:
        reason = not_fma(problem) or not_a_chain(problem)
        if reason is not None:
            return reason
        for e in problem.graph.chain:
            if not e.explicit:
                return f"'{e.name}' is matrix-free; expected explicit dense elementals"
            empty = not e.block.rows or not e.block.cols  # with a size of zero some order costs nothing
            if type(e.block.structure) is not Dense and not empty:
                return f"'{e.name}' is {e.block.structure!r}; expected explicit dense elementals"
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        graph = problem.graph
        chain, sizes = graph.chain, sizes_of(graph.chain)
        recorder = Recorder(graph)
        held, read, price = list[int](), 0, 0
        with uncollected():
            for i, k, j in optimal_products(sizes):
                held += [recorder.load(e.name) for e in chain[read:j]]
                read = max(read, j)
                left = held.pop()
                held[-1] = recorder.multiply(left, held[-1])
                price += sizes[i] * sizes[k] * sizes[j]
            whole = held.pop() if held else recorder.load(chain[0].name)
            plan = recorder.plan([(graph.outputs[0], graph.inputs[0], whole)])
        return Outcome(Status.OPTIMAL, Candidate(plan, FMA), Bound(price, "bracketings"))
