"""The table of solvers: a new solver is one file below this package and one line here, and the tests pick it up."""

from __future__ import annotations

from chainplan.solvers.auto import Auto
from chainplan.solvers.chain.dense import ChainDense
from chainplan.solvers.chain.exhaustive import Exhaustive
from chainplan.solvers.chain.interval_dp import ChainDp
from chainplan.solvers.chain.memory_limit import ChainMemory
from chainplan.solvers.checkpoint.solver import ChainRecompute
from chainplan.solvers.dag.cp_sat import CpSat
from chainplan.solvers.dag.edge import Edge
from chainplan.solvers.dag.exact import DagExact
from chainplan.solvers.dag.face import Face
from chainplan.solvers.dag.greedy_solver import Greedy
from chainplan.solvers.dag.local_search import LocalSearch
from chainplan.solvers.dag.memory_limit import DagMemory
from chainplan.solvers.forward import Forward
from chainplan.solvers.reverse import Reverse
from chainplan.solvers.search.solver import Solver

SOLVERS: dict[str, Solver] = {
    solver.name: solver
    for solver in (
        Auto(),
        Forward(),
        Reverse(),
        Greedy(),
        LocalSearch(),
        Exhaustive(),
        ChainDense(),
        ChainDp(),
        ChainMemory(),
        ChainRecompute(),
        Edge(),
        Face(),
        DagExact(),
        DagMemory(),
        CpSat(),
    )
}
