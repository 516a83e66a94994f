"""chainplan's own solvers as competitors.

Timed is the whole of `plan`, with the check of the plan and the baselines, and the making of the graph from the sizes:
what a user waits for. A fresh graph each time, since a graph keeps what has been derived from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from bench.competitor import Competitor
from bench.costs import plan_cost
from chainplan.planner import plan
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem, chain_vertex
from chainplan.structures import Block


@final
@dataclass(frozen=True)
class Planner(Competitor):
    """The solver of that name."""

    def search(self, sizes: Sequence[int], seed: int) -> Plan:
        return plan_chain(sizes, self.name, seed)

    def price(self, sizes: Sequence[int], found: Plan) -> int:
        return plan_cost(sizes, found)


def plan_chain(sizes: Sequence[int], solver: str = "auto", seed: int = 0) -> Plan:
    """The plan of a dense chain."""
    found = plan(dense_chain(sizes), solver, seed=seed).plan
    if found is None:
        raise ValueError(f"solver '{solver}' found no plan; expected one, as there is no memory limit")
    return found


def dense_chain(sizes: Sequence[int]) -> Problem:
    """The dense chain F1, F2, ... of these sizes."""
    vertices = {chain_vertex(i): size for i, size in enumerate(sizes)}
    names = list(vertices)
    elementals = tuple(
        Elemental(f"F{i}", names[i - 1], names[i], Block(sizes[i], sizes[i - 1])) for i in range(1, len(sizes))
    )
    return Problem(Graph(vertices, (names[0],), (names[-1],), elementals))


PLANNERS: tuple[Planner, ...] = (
    Planner("auto"),
    Planner("chain-dense"),
    Planner("chain-dp", longest=3000),
    Planner("forward"),
    Planner("reverse"),
)
