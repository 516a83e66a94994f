"""Vertex elimination of a DAG with dense blocks as a constraint program, solved by OR-tools CP-SAT.

The model is in `elimination.cp_model`. It starts from the best of the greedy orders, so the first solution is never
worse than forward and reverse, and needs no model where that order meets the plain bound already.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.bitset_problem import Core, members
from chainplan.solvers.elimination.cp_cuts import Cuts
from chainplan.solvers.elimination.cp_model import EliminationModel
from chainplan.solvers.elimination.elimination_graph import after_accumulation, order_plan
from chainplan.solvers.elimination.greedy import best_of_keys
from chainplan.solvers.search.cp_sat import attend, new_solver
from chainplan.solvers.search.search import Search, Stopped
from chainplan.solvers.search.solver import Solver, not_fma
from chainplan.structures import Dense

MOST = 100
WIDEST = 1_000_000
SECONDS = 60.0
GROUPS = 0.2
"""Share of the budget after which no more groups are looked for."""
ALONE = 20
"""Up to so many intermediates one worker proves as fast as two, and finds the same plan every time."""


@final
class CpSat(Solver):
    """A constraint program of the whole elimination, with a proven bound when the budget ends it.

    Cost: a model of O(n³) clauses for n intermediates; 60 seconds at most unless a budget is given.
    Exact: yes within vertex elimination, where the search ends within the budget.
    Refuses: blocks that are not dense; more than 100 intermediates; sizes that add up to more than 1,000,000; other
        objectives than fma.
    """

    name = "cp-sat"

    def refuses(self, problem: Problem) -> str | None:
        graph = problem.graph
        if not_fma(problem):
            return not_fma(problem)
        count = len({e.source for e in graph.useful} - set(graph.inputs))
        if count > MOST:
            return f"the graph has {count:,} intermediates; expected at most {MOST:,}"
        for e in graph.useful:
            if type(e.block.structure) is not Dense:
                return f"jacobian '{e.name}' is {e.block.structure}; expected dense blocks only"
        total = sum(graph.sizes.values())
        if total > WIDEST:
            return f"the sizes of the vertices add up to {total:,}; expected at most {WIDEST:,}"
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        within = after_accumulation(problem.graph, "vertex elimination")
        core = Core(problem.graph)
        found = _Found(core, best_of_keys(problem.graph, search.going, search.greedy).order)
        search.offer(order_plan(problem.graph, found.order), core.fixed + found.price)
        cuts = Cuts(core)
        found.bound = sum(map(cuts.price, members(core.middle)))
        why = "out of budget"
        try:
            if found.bound < found.price:
                _minimise(found, cuts, search)
        except Stopped:
            pass
        except KeyboardInterrupt:
            why = "interrupted"
        plan = order_plan(problem.graph, found.order)
        if found.bound < found.price:
            note = f"'{self.name}' was {why} after {search.spent}."
            return Outcome(Status.FEASIBLE, plan, bound=found.bound + core.least_fixed, within=within, note=note)
        return bounded(plan, found.price + core.fixed, found.price + core.least_fixed, within)


class _Found:
    """The best order so far and what is proven."""

    def __init__(self, core: Core, order: list[int]) -> None:
        self.core, self.order, self.price, self.bound = core, order, core.order_price(order), 0

    def prove(self, bound: int) -> None:
        self.bound = max(self.bound, bound)

    def improve(self, order: list[int], search: Search) -> None:
        price = self.core.order_price(order)
        if price < self.price:
            self.order, self.price = order, price
            search.offer(order_plan(self.core.graph, order), self.core.fixed + price)


def _minimise(found: _Found, cuts: Cuts, search: Search) -> None:
    """Run the constraint program from the order found; better orders and bounds go there as they come."""
    from ortools.sat.python import cp_model

    class Improved(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            found.improve(model.order(self.value), search)

    budget = SECONDS if search.budget is None else search.budget
    model = _model(found, cuts, search, budget)
    solver = new_solver(search, budget)
    solver.parameters.num_workers = 1 if len(found.order) <= ALONE or search.nodes is not None else 2
    attend(solver, lambda: solver.solve(model.model, Improved()), search, found.prove)


def _model(found: _Found, cuts: Cuts, search: Search, budget: float) -> EliminationModel:
    """The model with its start and as many group bounds as their share of the time allows."""
    model = EliminationModel(cuts, found.price, search.tick)
    model.hint(found.order)
    for group, price in cuts.groups():
        model.demand(group, price)
        search.tick()
        late = search.seconds > GROUPS * budget if search.nodes is None else search.ticks > GROUPS * search.nodes
        if late:
            break
    return model
