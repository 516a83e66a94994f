"""The table of solvers. A new solver is one file beside this one and one line here; the tests pick it up."""

from __future__ import annotations

from chainplan.solvers.auto import Auto
from chainplan.solvers.base import Solver
from chainplan.solvers.chain_dense import ChainDense
from chainplan.solvers.chain_dp import ChainDp
from chainplan.solvers.chain_memory import ChainMemory
from chainplan.solvers.chain_recompute import ChainRecompute
from chainplan.solvers.cp_sat import CpSat
from chainplan.solvers.dag_exact import DagExact
from chainplan.solvers.dag_memory import DagMemory
from chainplan.solvers.edge import Edge
from chainplan.solvers.exhaustive import Exhaustive
from chainplan.solvers.face import Face
from chainplan.solvers.forward import Forward
from chainplan.solvers.greedy import Greedy
from chainplan.solvers.local_search import LocalSearch
from chainplan.solvers.reverse import Reverse

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
