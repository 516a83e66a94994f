"""Bracketing and schedule of a chain together: dynamic programs, frontier and prices of tails, a constraint program.

The dynamic programs, the frontier of work and path and the prices of tails give a good schedule and a good bound in
milliseconds on short chains and in seconds on chains of a hundred elementals, and so rule out most of what the
constraint program would have to examine. Its running time has a heavy tail that depends on how it searches, so it runs
in slices of growing length under settings that take turns. Slices are measured in its own deterministic time: but for
the budget, the same seed gives the same schedule.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from chainplan.plans.bound import Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import BRACKETINGS
from chainplan.plans.schedule import Task
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.derivation import ChainInterval, write
from chainplan.solvers.schedule.bounds import WorkPathBounds
from chainplan.solvers.schedule.incumbent import ScheduleIncumbent, end_of
from chainplan.solvers.schedule.list_scheduling import list_schedule, placed_on_machines
from chainplan.solvers.schedule.machine_dp import ScheduledDp
from chainplan.solvers.schedule.priced_tails import MAX_PRICED_TIME, OptionTable, PricedTails, option_table
from chainplan.solvers.schedule.tasks import ChainTasks, ChainTree
from chainplan.solvers.schedule.work_span_front import frontier
from chainplan.solvers.search.cp_sat import NODES_PER_CP_SAT_SECOND, attend, new_solver
from chainplan.solvers.search.search import Search

if TYPE_CHECKING:
    from chainplan.solvers.schedule.cp_model import ChainScheduleModel

MAX_SCHEDULED_CHAIN_LENGTH = 100
"""Elementals of the longest chain whose bracketings are searched for a schedule."""
FRONTIER_TURNS = (30, 80, 80)
"""Elementals up to which the frontier of work and path comes before the first, the second and the last of `TAIL_STEPS`.

On short chains it takes less time than prices of tails, on longer ones once these have given a good schedule.
"""
TAIL_STEPS: tuple[tuple[int, float], ...] = ((192, 0.01), (384, 0.004), (768, 0.001))
"""Parts of a makespan to which tails are rounded, and the share of it between makespans that are refuted and not."""
CLOSE_MAKESPANS = 0.04
"""Share of a makespan above the bound up to which tails are also rounded to the nearest step, for better plans."""
MAX_SCHEDULE_OPTIONS = 20_000
"""Options of the largest constraint program."""
FIRST_SLICE_SECONDS = 0.5
"""Deterministic seconds of the first slice."""
_EDGE_FINDING: dict[str, int] = {
    "use_overload_checker_in_cumulative": True,
    "use_timetable_edge_finding_in_cumulative": True,
}
SLICE_SETTINGS: tuple[Mapping[str, int], ...] = (
    _EDGE_FINDING | {"linearization_level": 2},
    {"linearization_level": 2},
    _EDGE_FINDING,
)
"""Parameters of the slices, in turn; no setting is good on all chains."""


def searchable(graph: Graph) -> bool:
    """Whether the bracketings of a graph can be searched for a schedule."""
    return graph.not_a_chain is None and len(graph.chain) <= MAX_SCHEDULED_CHAIN_LENGTH


class ChainScheduleSearch:
    """The search on a chain; `run` improves the incumbent until it is proven or the search is stopped.

    Where a coloured sweep may be cheaper than any bracketing, the bounds proven here do not cover it and are not kept.
    """

    def __init__(self, problem: Problem, incumbent: ScheduleIncumbent, search: Search) -> None:
        self._graph, self._best, self._search = problem.graph, incumbent, search
        self._tasks = ChainTasks(problem.graph.chain, problem.cost)
        self._bounds = WorkPathBounds(self._tasks, incumbent.machines)
        self._all_moves = not ChainSweeps(problem.graph.chain, problem.cost, search).any
        self._bound = 0
        self._options: OptionTable | None = None
        self._tree: _ScheduledTree | None = None

    def run(self) -> None:
        """Search until the makespan is proven and one more slice gives no plan of less work.

        Raises
        ------
        SearchStopped
            When the budget of the search has run out.
        """
        self._prove(self._bounds.makespan)
        self._by_dynamic_programs()
        steps: list[Callable[[], None]] = [partial(self._by_priced_tails, *rounding) for rounding in TAIL_STEPS]
        steps.insert(bisect_left(FRONTIER_TURNS, self._tasks.q), self._along_the_frontier)
        for step in steps:
            if not self._proven:
                step()
        if not self._proven or self._best.work > self._bounds.work[self._tasks.root]:
            self._by_constraints()

    @property
    def _proven(self) -> bool:
        return self._best.makespan <= self._bound

    def _prove(self, bound: int) -> None:
        """Keep a lower bound on the makespan of all bracketings, at most that of the best schedule."""
        self._bound = max(self._bound, min(bound, self._best.makespan))
        if self._all_moves:
            self._best.prove(Bound(self._bound, BRACKETINGS))

    def _by_dynamic_programs(self) -> None:
        """Offer the schedules of the scheduled dynamic program on every number of machines.

        On as many machines as can ever be busy it is exact, so its makespan is a bound.
        """
        machines = self._best.machines
        dp = ScheduledDp(self._tasks, machines, self._search)
        for t in range(1, dp.machines + 1):
            tree, placed = dp.schedule(t)
            self._offer(tree, {interval: start for interval, (_, start) in placed.items()})
        if machines >= self._tasks.width:
            self._prove(dp.makespan(machines))

    def _along_the_frontier(self) -> None:
        """Offer list schedules of all plans on the frontier of work and path, and keep its bound."""
        machines, most = self._best.machines, self._best.makespan
        points = frontier(self._tasks, self._bounds, machines, most, self._search)
        if points is None:
            return
        self._prove(min((max(point.path, -(-point.work // machines)) for point in points), default=most))
        for point in points:
            self._offer(point.tree())
            self._search.tick()

    def _by_priced_tails(self, steps: int, enough: float) -> None:
        """Halve the gap by makespans that are refuted or not, and offer the plans that are met on the way."""
        least, most = self._bound, self._best.makespan
        while most - least > enough * most:
            tried = (least + most) // 2
            if self._refuted(tried, steps):
                least = self._bound
            else:
                most = tried
            most = min(most, self._best.makespan)

    def _refuted(self, makespan: int, steps: int) -> bool:
        """Whether prices of tails refute a makespan; plans that they do not refute are offered."""
        if self._best.machines * makespan >= MAX_PRICED_TIME:
            return False
        if self._options is None:
            self._options = option_table(self._tasks, self._bounds, self._best.machines)
        arguments = self._options, self._bounds, self._best.machines, makespan, steps, self._search
        program = PricedTails(*arguments)
        refuted = program.refuted()
        if refuted:
            self._prove(makespan + 1)
        for tree in program.trees:
            self._offer(tree)
        if not refuted and makespan - self._bound <= CLOSE_MAKESPANS * makespan:
            program = PricedTails(*arguments, nearest=True)
            program.refuted()
            for tree in program.trees:
                self._offer(tree)
        return refuted

    def _by_constraints(self) -> None:
        """Run slices of the constraint program: first for the makespan, then for the work of plans that reach it."""
        for turn in count():
            self._search.tick()
            settled = self._proven
            model = self._model(settled)
            if model is None:
                return
            settings = SLICE_SETTINGS[turn % len(SLICE_SETTINGS)]
            seconds = FIRST_SLICE_SECONDS * 2.0 ** (0 if settled else turn // len(SLICE_SETTINGS))
            done = self._slice(model, settings, seconds, turn, settled)
            if settled or (done and not self._proven):
                return

    def _model(self, settled: bool) -> ChainScheduleModel | None:
        """The constraint program of shorter plans or, where none exist, of plans of less work; None where too large.

        The search for a shorter plan gets no hint: without one it refutes much faster than from the best schedule.
        """
        from chainplan.solvers.schedule.cp_model import ChainScheduleModel

        best = self._best
        if best.machines * best.makespan >= 1 << 50:
            return None
        most = best.makespan if settled else best.makespan - 1
        model = ChainScheduleModel(self._tasks, self._bounds, best.machines, (self._bound, most))
        if len(model.choices) > MAX_SCHEDULE_OPTIONS:
            return None
        if settled:
            model.least_work()
            if self._tree is not None and self._tree.makespan <= most:
                model.hint(*self._tree)
        return model

    def _slice(
        self, model: ChainScheduleModel, settings: Mapping[str, int], seconds: float, turn: int, settled: bool
    ) -> bool:
        """Run the constraint program once and return whether it ended with an answer, not by its time."""
        from ortools.sat.python import cp_model

        class Improved(cp_model.CpSolverSolutionCallback):
            def on_solution_callback(callback) -> None:
                self._offer(*model.read(callback.value))

        solver = new_solver(self._search)
        solver.parameters.random_seed = (self._search.seed + turn) % 2**31
        solver.parameters.max_deterministic_time = min(solver.parameters.max_deterministic_time, seconds)
        for name, value in settings.items():
            setattr(solver.parameters, name, value)

        def prove(bound: int) -> None:
            if not settled:
                nothing = solver.response_proto.status == cp_model.INFEASIBLE
                self._prove(least if nothing else bound)

        least = self._best.makespan
        attend(solver, lambda: solver.solve(model.model, Improved()), self._search, prove)
        self._search.ticks += int(NODES_PER_CP_SAT_SECOND * solver.response_proto.deterministic_time)
        return solver.response_proto.status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)

    def _offer(self, tree: ChainTree, starts: dict[ChainInterval, int] | None = None) -> None:
        """Offer the plan of a tree, with its list schedule or with these starts, whichever is shorter."""
        plan = write(self._graph, self._tasks.root, lambda interval: tree[interval].derivation)
        candidate = Candidate(plan, self._best.candidate.cost)
        steps = _steps(self._graph, candidate)
        tasks = list_schedule(plan, candidate.priced.prices, self._best.machines)
        if starts is not None:
            spans = [(steps[i], starts[i], starts[i] + o.duration) for i, o in tree.items() if o.duration]
            tasks = min(tasks, placed_on_machines(spans), key=end_of)
        if self._best.offer(candidate, tasks) or self._tree is None or end_of(tasks) < self._tree.makespan:
            self._tree = _ScheduledTree(tree, _starts(tree, steps, tasks), end_of(tasks))


class _ScheduledTree(NamedTuple):
    """A tree, the start of each of its intervals, and the end of the last one."""

    tree: ChainTree
    starts: dict[ChainInterval, int]
    makespan: int


def _steps(graph: Graph, candidate: Candidate) -> dict[ChainInterval, int]:
    """The step that makes each interval of a plan of a chain."""
    place = {e.source: i for i, e in enumerate(graph.chain)} | {graph.chain[-1].target: len(graph.chain)}
    return {(place[t.source], place[t.target]): step for step, t in enumerate(candidate.priced.blocks)}


def _starts(tree: ChainTree, steps: dict[ChainInterval, int], tasks: Sequence[Task]) -> dict[ChainInterval, int]:
    """The start of every interval: that of its task, or where it takes no time the end of what it reads."""
    known = {task.id: task.start for task in tasks}
    starts: dict[ChainInterval, int] = {}
    for interval in sorted(tree, key=lambda interval: interval[1] - interval[0]):
        ready = (starts[arg] + tree[arg].duration for arg in tree[interval].reads)
        starts[interval] = known.get(steps[interval], max(ready, default=0))
    return starts
