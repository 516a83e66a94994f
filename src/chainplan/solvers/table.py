"""The table of solvers. A new solver is one file beside this one and one line here; the tests pick it up."""

from __future__ import annotations

from chainplan.solvers.auto import Auto
from chainplan.solvers.base import Solver
from chainplan.solvers.chain_dense import ChainDense
from chainplan.solvers.chain_dp import ChainDp
from chainplan.solvers.chain_memory import ChainMemory
from chainplan.solvers.exhaustive import Exhaustive
from chainplan.solvers.forward import Forward
from chainplan.solvers.reverse import Reverse

SOLVERS: dict[str, Solver] = {
    solver.name: solver
    for solver in (
        Auto(),
        Forward(),
        Reverse(),
        Exhaustive(),
        ChainDense(),
        ChainDp(),
        ChainMemory(),
    )
}
