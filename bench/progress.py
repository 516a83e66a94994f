"""The suite `dags-progress`: what a search has at every moment, best plan and best bound, on a few stored graphs.

Solvers tell a `Search` of each better plan and bound; the search given to them here writes down when. So a curve is one
run, not one run per budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from bench.instances.graphs import DagInstance, random_dags
from bench.rows import ProgressRow
from bench.run import load, machine
from chainplan.plans.bound import Bound
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import Search, SearchStopped

PACKAGES = ("numpy", "ortools")


@dataclass(frozen=True)
class ProgressSuite:
    """Which solvers are watched on which stored graphs, for `budget` seconds each."""

    name: str = "dags-progress"
    title: str = "Gap over time"
    instances: tuple[str, ...] = (
        "degree_30_scalar",
        "local_100_block",
        "layered_300_scalar",
        "global_300_block",
        "residual_1000_block",
    )
    solvers: tuple[str, ...] = ("auto", "local-search", "dag-exact")
    budget: float = 20.0

    def quick(self) -> ProgressSuite:
        """The same for a moment on two small graphs."""
        return replace(self, instances=("local_30_scalar", "degree_30_scalar"), budget=0.3)


PROGRESS_SUITES = {"dags-progress": ProgressSuite()}


@dataclass
class Watched(Search):
    """A search that keeps (event, seconds, cost, bound) of everything it is told."""

    events: list[tuple[str, float, int | None, int]] = field(default_factory=list)

    def offer(self, plan: Plan | Callable[[], Plan], cost: int) -> None:
        """As any search, and note a plan that costs less."""
        before = self.best
        super().offer(plan, cost)
        if before is None or cost < before:
            self.events.append(("plan", self.seconds, self.best, self.bound.value))

    def prove(self, bound: Bound) -> None:
        """As any search, and note a bound that is better."""
        before = self.bound
        super().prove(bound)
        if bound.value > before.value:
            self.events.append(("bound", self.seconds, self.best, self.bound.value))


def run_progress(suite: ProgressSuite, say: Callable[[str], None]) -> tuple[dict[str, str], list[ProgressRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, rows = load(), list[ProgressRow]()
    for instance in random_dags(larger=()):
        if instance.name in suite.instances:
            for solver in suite.solvers:
                say(f"{instance.name} ({solver})")
                rows += watched(instance, solver, suite.budget)
    budget = f"{suite.budget:g} s per search"
    about = {"suite": suite.name, **machine(PACKAGES), "load": f"{before} before, {load()} after", "budget": budget}
    return about, rows


def watched(instance: DagInstance, solver: str, budget: float, seed: int = 0) -> Iterator[ProgressRow]:
    """A row per event of one search, and one for its end; none where the solver refuses the graph."""
    problem = instance.make()
    if SOLVERS[solver].refuses(problem) is not None:
        return
    search = Watched(seed=seed, budget=budget, solver=solver)
    cost, bound = None, 0
    try:
        outcome = SOLVERS[solver].solve(problem, search)
        cost, bound = None if outcome.plan is None else replay(outcome.plan).total, outcome.bound.value
    except SearchStopped:
        cost = search.best
    end = ("end", search.seconds, cost, max(bound, search.bound.value))
    for event, seconds, best, proven in (*search.events, end):
        yield ProgressRow(
            instance.name, instance.family, instance.n, solver, seed, budget, event, round(seconds, 4), best, proven
        )
