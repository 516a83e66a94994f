"""A portfolio of four searches against one search of the same seconds: `python -m bench.portfolio`.

Cost and bound of both on stored random graphs. The team is this process and three workers. By default these are
processes, each with one thread, and the seconds are those of the wall, which says something on a machine with a core
for each. With `--cpu` the members of the team take turns in this process, and a second is a second of its processor:
the same search, whatever else runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from time import thread_time
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

import chainplan
from bench.instances.graphs import DagInstance, random_dags
from bench.markdown import table
from chainplan.planner import plan_by
from chainplan.plans.result import Result
from chainplan.problem.problem import Problem
from chainplan.solvers.auto import AutoSolver
from chainplan.solvers.search import search
from chainplan.solvers.search.search import Search
from chainplan.solvers.teams.leader import TeamSolver
from chainplan.solvers.teams.turns import Member, Turn, TurnAnswer

if TYPE_CHECKING:
    from distributed import Client

Runs = Callable[[Callable[[], Problem]], tuple[Result, Result]]
"""One search and a team on a problem."""
FAMILIES = ("degree", "layered", "local", "residual")
SEARCHED_SIZES = (100, 300, 1000)
MEMBERS = 4
DEFAULT_SECONDS = 10.0


class ProcessorClock:
    """The processor time of this thread, which the members of a team can be put back on."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return thread_time() + self.shift

    def put(self, time: float) -> None:
        """Have the clock say this time."""
        self.shift += time - self()


class _TakenTurn:
    """A turn whose answer is there once the clock says so; waiting for it moves the clock."""

    def __init__(self, answer: TurnAnswer, time: ProcessorClock, end: float) -> None:
        self.answer, self.time, self.end = answer, time, end

    def done(self) -> bool:
        return self.time() >= self.end

    def wait(self, seconds: float) -> None:
        self.time.put(max(self.time(), min(self.end, self.time() + seconds)))

    def result(self) -> TurnAnswer:
        return self.answer


class MembersInTurn:
    """A crew whose members take turns in this thread, each as if it had a processor of its own."""

    def __init__(self, problem: Problem, members: int, time: ProcessorClock) -> None:
        self.members, self.time = members, time
        self.all = [Member(problem) for _ in range(members)]

    def submit(self, member: int, turn: Turn) -> _TakenTurn:
        start = self.time()
        answer = self.all[member].take(turn)
        end = self.time()
        self.time.put(start)
        return _TakenTurn(answer, self.time, end)

    def end(self) -> None: ...


@contextmanager
def processor_time() -> Iterator[ProcessorClock]:
    """Have all searches count the processor time of this thread."""
    time = ProcessorClock()
    with patch.object(search, "monotonic", time):
        yield time


class Figures(NamedTuple):
    """Cost and bound of one search."""

    cost: int
    bound: int


class Row(NamedTuple):
    """What one search and a team have found on a graph."""

    instance: str
    alone: Figures
    team: Figures


def by_processor(problem: Callable[[], Problem], members: int, seconds: float) -> tuple[Result, Result]:
    """One search and a team, by the processor seconds of each member."""
    with processor_time() as time:
        alone = chainplan.plan(problem(), budget=seconds)
        same = problem()
        solver = TeamSolver(MembersInTurn(same, members - 1, time), AutoSolver())
        return alone, plan_by(solver, same, Search(budget=seconds, solver=solver.name))


def by_wall(problem: Callable[[], Problem], members: int, seconds: float, client: Client) -> tuple[Result, Result]:
    """One search and a team on a cluster, by the wall."""
    alone = chainplan.plan(problem(), budget=seconds)
    return alone, chainplan.portfolio(problem(), restarts=members, budget=seconds, scheduler=client)


def instances() -> dict[str, DagInstance]:
    """Twelve stored graphs of blocks by name, the small ones first."""
    known = {one.name: one for one in random_dags(larger=())}
    names = [f"{family}_{size}_block" for size in SEARCHED_SIZES for family in FAMILIES]
    return {name: known[name] for name in names}


def rows(chosen: Iterable[DagInstance], run: Runs) -> Iterator[Row]:
    """The rows of a table, one by one."""
    for one in chosen:
        yield Row(one.name, *(Figures(found.price or 0, found.bound) for found in run(one.make)))


def summary(found: Sequence[Row]) -> str:
    """On how many graphs the team is better, and on how many worse."""
    words = []
    for what, sign in (("cost", 1), ("bound", -1)):
        change = [sign * (getattr(row.team, what) - getattr(row.alone, what)) for row in found]
        better, worse = sum(x < 0 for x in change), sum(x > 0 for x in change)
        words.append(f"{what}: better on {better} of {len(found)}, worse on {worse}")
    return "; ".join(words)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    known = instances()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="of each search")
    parser.add_argument("--graphs", nargs="+", default=list(known), choices=known, metavar="NAME", help="which")
    parser.add_argument("--cpu", action="store_true", help="processor seconds of each member, without processes")
    options = parser.parse_args(argv)
    found, head = list[Row](), ("graph", "one search", "team", "its bound", "bound of the team")
    with ExitStack() as stack:
        run: Runs = partial(by_processor, members=MEMBERS, seconds=options.seconds)
        if not options.cpu:
            client = stack.enter_context(cluster(MEMBERS - 1))
            run = partial(by_wall, members=MEMBERS, seconds=options.seconds, client=client)
        for row in rows([known[name] for name in options.graphs], run):
            found.append(row)
            print(f"{row.instance}: {row.alone} alone, {row.team} as a team", file=sys.stderr, flush=True)
    body = [
        (f"`{r.instance}`", *(f"{n:,}" for n in (r.alone.cost, r.team.cost, r.alone.bound, r.team.bound)))
        for r in found
    ]
    print("\n".join([*table(head, body), "", summary(found)]))
    return 0


@contextmanager
def cluster(members: int) -> Iterator[Client]:
    """A local cluster of processes with one thread each, for the members beside the leader."""
    import distributed

    options: dict[str, object] = {"n_workers": members, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as local, distributed.Client(local) as client:
        yield client


if __name__ == "__main__":
    sys.exit(main())
