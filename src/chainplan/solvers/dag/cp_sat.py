"""Vertex elimination of a DAG with dense blocks as a constraint program, solved by OR-tools CP-SAT.

The model is in `elimination.cp_model`. The search starts from the best of the greedy orders, so its first solution is
never worse than forward and reverse order. Where that order already meets the plain bound, no model is made.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.cp_cuts import MinimumCuts
from chainplan.solvers.elimination.cp_model import EliminationModel
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import after_accumulation, order_plan
from chainplan.solvers.elimination.greedy import best_of_keys
from chainplan.solvers.elimination.path_bound import path_bound
from chainplan.solvers.search.cp_sat import attend, new_solver
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver
from chainplan.structures import Dense

MAX_CP_SAT_INTERMEDIATES = 100
MAX_CP_SAT_TOTAL_SIZE = 1_000_000
DEFAULT_CP_SAT_SECONDS = 60.0
GROUP_SEARCH_SHARE = 0.2
"""Share of the budget after which no more group bounds are added to the model."""
MAX_ONE_WORKER_INTERMEDIATES = 20
"""Intermediates up to which a single worker is used: it proves as fast as two and always gives the same plan."""


@final
class CpSatSolver(Solver):
    """A constraint program of the whole elimination, with a proven bound when the budget ends it.

    Cost: a model of O(n³) clauses for n intermediates; 60 seconds at most unless a budget is given.
    Exact: yes within vertex elimination, where the search ends within the budget.
    Refuses: blocks that are not dense; more than 100 intermediates; sizes that add up to more than 1,000,000;
        objectives in time; for operations, vertices of size 0.
    """

    name = "cp-sat"

    def refuses(self, problem: Problem) -> str | None:
        graph = problem.graph
        if not counts_fma(problem.cost):
            return f"it minimises fma or operations; the objective is '{problem.cost.objective}'"
        count = len({e.source for e in graph.useful} - set(graph.inputs))
        if count > MAX_CP_SAT_INTERMEDIATES:
            return f"the graph has {count:,} intermediates; expected at most {MAX_CP_SAT_INTERMEDIATES:,}"
        for e in graph.useful:
            if type(e.block.structure) is not Dense:
                return f"jacobian '{e.name}' is {e.block.structure}; expected dense blocks only"
        if problem.cost is not FMA and not all(graph.sizes.values()):
            return "it minimises operations where no size is 0"
        total = sum(graph.sizes.values())
        if total > MAX_CP_SAT_TOTAL_SIZE:
            return f"the sizes of the vertices add up to {total:,}; expected at most {MAX_CP_SAT_TOTAL_SIZE:,}"
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        within = after_accumulation(problem.graph, "vertex elimination")
        core = EliminationCore(problem.graph, problem.cost)
        best = _BestOrder(core, best_of_keys(problem.graph, search.going, search.greedy, problem.cost).order)
        search.offer(order_plan(problem.graph, best.order), core.fixed + best.price)
        cuts = MinimumCuts(core)
        best.bound = max(sum(map(cuts.price, members(core.middle))), path_bound(core.work) - core.least_fixed)
        why = "out of budget"
        try:
            if best.bound < best.price:
                _minimise(best, cuts, search)
        except SearchStopped:
            pass
        except KeyboardInterrupt:
            why = "interrupted"
        candidate = Candidate(order_plan(problem.graph, best.order), problem.cost)
        if best.bound < best.price:
            note = f"'{self.name}' was {why} after {search.spent}."
            return Outcome(Status.FEASIBLE, candidate, Bound(best.bound + core.least_fixed, within), note=note)
        return bounded(candidate, best.price + core.fixed, Bound(best.price + core.least_fixed, within))


class _BestOrder:
    """The best order so far, its price, and the bound proven so far, both without the accumulation."""

    def __init__(self, core: EliminationCore, order: list[int]) -> None:
        self.core, self.order, self.price, self.bound = core, order, core.order_price(order), 0

    def prove(self, bound: int) -> None:
        """Keep a lower bound on all orders if it is better."""
        self.bound = max(self.bound, bound)

    def improve(self, order: list[int], search: Search) -> None:
        """Keep an order if it is cheaper, and offer its plan."""
        price = self.core.order_price(order)
        if price < self.price:
            self.order, self.price = order, price
            search.offer(order_plan(self.core.graph, order), self.core.fixed + price)


def _minimise(best: _BestOrder, cuts: MinimumCuts, search: Search) -> None:
    """Run the constraint program from the best order, which takes better orders and bounds as they come."""
    from ortools.sat.python import cp_model

    class Improved(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            best.improve(model.order(self.value), search)

    budget = DEFAULT_CP_SAT_SECONDS if search.budget is None else search.budget
    model = _model(best, cuts, search, budget)
    solver = new_solver(search, budget)
    solver.parameters.num_workers = (
        1 if len(best.order) <= MAX_ONE_WORKER_INTERMEDIATES or search.nodes is not None else 2
    )
    attend(solver, lambda: solver.solve(model.model, Improved()), search, best.prove)


def _model(best: _BestOrder, cuts: MinimumCuts, search: Search, budget: float) -> EliminationModel:
    """The model with its starting order and as many group bounds as their share of the time allows."""
    model = EliminationModel(cuts, best.price, search.tick)
    model.hint(best.order)
    for group, price in cuts.groups():
        model.demand(group, price)
        search.tick()
        late = (
            search.seconds > GROUP_SEARCH_SHARE * budget
            if search.nodes is None
            else search.ticks > GROUP_SEARCH_SHARE * search.nodes
        )
        if late:
            break
    return model
