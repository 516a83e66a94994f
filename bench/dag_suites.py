"""The suites of linearised DAGs: which instances, which solvers, for how long. A new suite is one entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.instances import DATA
from bench.instances.graphs import DagInstance, matrix_free_dags, published_dags, random_dags
from chainplan.plans.classes import PROPAGATION

QUICK_LARGEST = 30
BUDGET = 10.0
NODES_LARGEST = 100
"""Intermediate vertices up to which an instance is searched by nodes."""
APART = 5_000
"""Intermediate vertices from which a plan is made in a process of its own, whose memory is measured."""


@dataclass(frozen=True)
class DagSolver:
    """A solver by name, with the most intermediate vertices that it is run on and the seeds it is run with."""

    name: str
    largest: int | None = None
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class DagSuite:
    """What is measured together: every solver on every instance within a budget, in seconds.

    `moves` is the class of plans within which plans are proven. `curves` names the instances on which `curve_solver` is
    run with each of `growing` budgets. `needs` are files of reference instances without which there is nothing to
    measure.
    """

    name: str
    title: str
    instances: Callable[[], list[DagInstance]]
    solvers: tuple[DagSolver, ...]
    budget: float = BUDGET
    moves: str = "vertex elimination"
    curves: tuple[str, ...] = ()
    curve_solver: str = "local-search"
    growing: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    nodes: tuple[int, ...] = (100, 1000)
    needs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def quick(self) -> DagSuite:
        """The same within a second on one small instance of each family, with one short curve."""
        first: dict[str, DagInstance] = {}
        for instance in self.instances():
            if instance.n <= QUICK_LARGEST:
                first.setdefault(instance.family, instance)
        chosen = list(first.values())
        curves = (chosen[-1].name,) if self.curves and chosen else ()
        return replace(self, instances=lambda: chosen, budget=1.0, curves=curves, growing=(0.1, 0.3), nodes=(30,))

    def missing(self) -> str | None:
        """Why there is nothing to measure, or None where there is."""
        absent = [file for file in self.needs if not (DATA / file).exists()]
        if not absent:
            return None
        return f"{' and '.join(absent)} not in {DATA}; set CHAINPLAN_DATA to the folder that holds them"


SOLVERS: tuple[DagSolver, ...] = (
    DagSolver("forward"),
    DagSolver("reverse"),
    DagSolver("greedy"),
    DagSolver("local-search"),
    DagSolver("dag-exact", largest=400),
    DagSolver("cp-sat", largest=100),
    DagSolver("auto"),
)

DAG_SUITES: dict[str, DagSuite] = {
    suite.name: suite
    for suite in (
        DagSuite(
            "dags-published",
            "Published linearised DAGs",
            published_dags,
            SOLVERS,
            needs=("dag_elimination.json", "dag_optimal.json"),
            notes=(
                "Instances: graphs traced from the benchmark functions of arXiv 2406.05027, in the metrics `plain` "
                "(every product counts) and `unit_free` (products with a ±1 are free), and graphs with a proven "
                "optimum (`proven`). `published order` is the order learned in that paper, `best known` the least cost "
                "in the file: found by annealing (`plain`, `unit_free`) or proven (`proven`).",
            ),
        ),
        DagSuite(
            "dags-random",
            "Random linearised DAGs",
            random_dags,
            tuple(replace(s, largest=40) if s.name == "cp-sat" else s for s in SOLVERS),
            curves=("residual_1000_block", "global_300_block", "local_300_scalar"),
            notes=(
                "Instances up to 1,000 vertices are stored in `bench/instances/dags/`, one per family, kind and size; "
                "larger ones come from the seeded generator beside them.",
            ),
        ),
        DagSuite(
            "dags-matrix-free",
            "Simulations with matrix-free modules",
            matrix_free_dags,
            tuple(DagSolver(name) for name in ("forward", "reverse", "greedy", "propagation", "auto")),
            moves=PROPAGATION,
            notes=(
                "Instances are stored in `bench/instances/matrix_free/`: 4 to 40 modules in a row, each with "
                "parameters of its own and a matrix-free part, joined by a few values. `greedy` accumulates every "
                "matrix-free part to choose its order.",
            ),
        ),
    )
}
