"""chainplan finds the cheapest order of multiplying elemental Jacobians, proves how good it is, and runs it.

Names are looked up on first use, so that importing the package, or asking the command line for help, loads nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from chainplan.checker import check as check
    from chainplan.cost import Fma as Fma
    from chainplan.errors import ChainplanError as ChainplanError
    from chainplan.executor import execute as execute
    from chainplan.frontends.network import from_networkx as from_networkx
    from chainplan.frontends.network import to_networkx as to_networkx
    from chainplan.frontends.table import chain as chain
    from chainplan.frontends.table import from_spec as from_spec
    from chainplan.frontends.table import program as program
    from chainplan.frontends.table import read as read
    from chainplan.frontends.table import read_plan as read_plan
    from chainplan.graph import Elemental as Elemental
    from chainplan.graph import Graph as Graph
    from chainplan.graph import Mode as Mode
    from chainplan.layers.evaluation import evaluate as evaluate
    from chainplan.layers.evaluation import linearise as linearise
    from chainplan.layers.point import draw_point as draw_point
    from chainplan.layers.stepwise import Stepwise as Stepwise
    from chainplan.oracle import jacobian as jacobian
    from chainplan.planner import plan as plan
    from chainplan.primal import Primal as Primal
    from chainplan.problem import Problem as Problem
    from chainplan.proofs import prove_again as prove_again
    from chainplan.replayer import replay as replay
    from chainplan.report.table import render as render
    from chainplan.restarts import portfolio as portfolio
    from chainplan.result import Result as Result
    from chainplan.result import Status as Status
    from chainplan.steps import Plan as Plan
    from chainplan.tradeoff import pareto as pareto

_HOMES = {
    "ChainplanError": "errors",
    "Elemental": "graph",
    "Fma": "cost",
    "Graph": "graph",
    "Mode": "graph",
    "Plan": "steps",
    "Primal": "primal",
    "Problem": "problem",
    "Result": "result",
    "Status": "result",
    "Stepwise": "layers.stepwise",
    "chain": "frontends.table",
    "check": "checker",
    "draw_point": "layers.point",
    "evaluate": "layers.evaluation",
    "execute": "executor",
    "from_networkx": "frontends.network",
    "from_spec": "frontends.table",
    "jacobian": "oracle",
    "linearise": "layers.evaluation",
    "pareto": "tradeoff",
    "plan": "planner",
    "portfolio": "restarts",
    "program": "frontends.table",
    "prove_again": "proofs",
    "read": "frontends.table",
    "read_plan": "frontends.table",
    "render": "report.table",
    "replay": "replayer",
    "to_networkx": "frontends.network",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'chainplan' has no attribute '{name}'")
    value = getattr(import_module(f"chainplan.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
