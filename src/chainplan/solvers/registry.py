"""The table of solvers: a new solver is one file below this package and one line here, and the tests pick it up."""

from __future__ import annotations

from chainplan.solvers.auto import AutoSolver
from chainplan.solvers.chain.dense import ChainDenseSolver
from chainplan.solvers.chain.equal_factors import EqualFactorsSolver
from chainplan.solvers.chain.exhaustive import ExhaustiveSolver
from chainplan.solvers.chain.interval_dp import ChainDpSolver
from chainplan.solvers.chain.memory_limit import ChainMemorySolver
from chainplan.solvers.checkpoint.reversal_solver import ChainReversalSolver
from chainplan.solvers.checkpoint.solver import ChainRecomputeSolver
from chainplan.solvers.dag.cp_sat import CpSatSolver
from chainplan.solvers.dag.edge import EdgeEliminationSolver
from chainplan.solvers.dag.exact import DagExactSolver
from chainplan.solvers.dag.face import FaceEliminationSolver
from chainplan.solvers.dag.greedy_solver import GreedySolver
from chainplan.solvers.dag.local_search import LocalSearchSolver
from chainplan.solvers.dag.memory_limit import DagMemorySolver
from chainplan.solvers.dag.propagation import PropagationSolver
from chainplan.solvers.forward import ForwardSolver
from chainplan.solvers.reverse import ReverseSolver
from chainplan.solvers.search.solver import Solver
from chainplan.solvers.second.chain import SecondChainSolver
from chainplan.solvers.second.elimination import SecondEliminationSolver
from chainplan.solvers.second.memory_limit import SecondMemorySolver
from chainplan.solvers.second.products import SecondProductsSolver
from chainplan.solvers.second.published import SecondPublishedSolver
from chainplan.solvers.uses.chain_groups import ChainGroupsSolver
from chainplan.solvers.uses.free import FreeSolver
from chainplan.solvers.uses.graph_products import GraphProductsSolver
from chainplan.solvers.uses.shared_groups import SharedGroupsSolver

SOLVERS: dict[str, Solver] = {
    solver.name: solver
    for solver in (
        AutoSolver(),
        ForwardSolver(),
        ReverseSolver(),
        GreedySolver(),
        LocalSearchSolver(),
        PropagationSolver(),
        ExhaustiveSolver(),
        ChainDenseSolver(),
        ChainDpSolver(),
        EqualFactorsSolver(),
        ChainMemorySolver(),
        ChainRecomputeSolver(),
        ChainReversalSolver(),
        EdgeEliminationSolver(),
        FaceEliminationSolver(),
        DagExactSolver(),
        DagMemorySolver(),
        CpSatSolver(),
        FreeSolver(),
        ChainGroupsSolver(),
        SharedGroupsSolver(),
        GraphProductsSolver(AutoSolver()),
        SecondChainSolver(),
        SecondEliminationSolver(),
        SecondMemorySolver(),
        SecondPublishedSolver(),
        SecondProductsSolver(AutoSolver()),
    )
}
