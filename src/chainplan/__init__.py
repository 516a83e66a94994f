"""chainplan finds the cheapest order of multiplying elemental Jacobians, proves how good it is, and runs it.

Names are looked up on first use, so that importing the package, or asking the command line for help, loads nothing.
"""

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainplan._util.notebook_views import NOTEBOOK_VIEWS
from chainplan._version import __version__ as __version__

if TYPE_CHECKING:
    from chainplan.distributed.backends import execute as execute
    from chainplan.distributed.backends import prepare as prepare
    from chainplan.distributed.restarts import portfolio as portfolio
    from chainplan.errors import ChainplanError as ChainplanError
    from chainplan.execution.executor import second_derivatives as second_derivatives
    from chainplan.execution.operator import operator as operator
    from chainplan.execution.prepared import PreparedPlan as PreparedPlan
    from chainplan.io.networkx_graph import from_networkx as from_networkx
    from chainplan.io.networkx_graph import to_networkx as to_networkx
    from chainplan.io.read import chain as chain
    from chainplan.io.read import from_spec as from_spec
    from chainplan.io.read import program as program
    from chainplan.io.read import read as read
    from chainplan.io.read import read_plan as read_plan
    from chainplan.models.accumulate import Accumulator as Accumulator
    from chainplan.models.accumulate import accumulate as accumulate
    from chainplan.models.accumulate import accumulator as accumulator
    from chainplan.models.block_values import DiagonalBlock as DiagonalBlock
    from chainplan.models.openmdao_problem import from_openmdao as from_openmdao
    from chainplan.models.simulation import ModuleTime as ModuleTime
    from chainplan.models.simulation import Simulation as Simulation
    from chainplan.planner import plan as plan
    from chainplan.plans.bound import Status as Status
    from chainplan.plans.check import check as check
    from chainplan.plans.replay import replay as replay
    from chainplan.plans.result import Result as Result
    from chainplan.plans.steps import Plan as Plan
    from chainplan.plans.variants import Variants as Variants
    from chainplan.problem.cost import Fma as Fma
    from chainplan.problem.graph import Elemental as Elemental
    from chainplan.problem.graph import Graph as Graph
    from chainplan.problem.graph import Mode as Mode
    from chainplan.problem.mixed_second import MixedSecond as MixedSecond
    from chainplan.problem.problem import Problem as Problem
    from chainplan.problem.products import Products as Products
    from chainplan.problem.second import ElementalSecond as ElementalSecond
    from chainplan.problem.second import SecondOrder as SecondOrder
    from chainplan.programs.evaluation import evaluate as evaluate
    from chainplan.programs.evaluation import linearise as linearise
    from chainplan.programs.point import draw_point as draw_point
    from chainplan.programs.stepwise import Stepwise as Stepwise
    from chainplan.proofs.claims import prove_again as prove_again
    from chainplan.report.registry import render as render
    from chainplan.sizing import variants as variants
    from chainplan.tradeoff import pareto as pareto
    from chainplan.validation.reference import reference_jacobian as reference_jacobian
    from chainplan.values.primal import Primal as Primal
    from chainplan.values.shifts_block import ShiftsBlock as ShiftsBlock
    from chainplan.values.worker_module import WorkerModule as WorkerModule

_HOMES = {
    "Accumulator": "models.accumulate",
    "ChainplanError": "errors",
    "DiagonalBlock": "models.block_values",
    "Elemental": "problem.graph",
    "ElementalSecond": "problem.second",
    "Fma": "problem.cost",
    "Graph": "problem.graph",
    "MixedSecond": "problem.mixed_second",
    "Mode": "problem.graph",
    "ModuleTime": "models.simulation",
    "Plan": "plans.steps",
    "PreparedPlan": "execution.prepared",
    "Primal": "values.primal",
    "Problem": "problem.problem",
    "Products": "problem.products",
    "Result": "plans.result",
    "SecondOrder": "problem.second",
    "ShiftsBlock": "values.shifts_block",
    "Simulation": "models.simulation",
    "Status": "plans.bound",
    "Stepwise": "programs.stepwise",
    "Variants": "plans.variants",
    "WorkerModule": "values.worker_module",
    "accumulate": "models.accumulate",
    "accumulator": "models.accumulate",
    "chain": "io.read",
    "check": "plans.check",
    "draw_point": "programs.point",
    "evaluate": "programs.evaluation",
    "execute": "distributed.backends",
    "from_networkx": "io.networkx_graph",
    "from_openmdao": "models.openmdao_problem",
    "from_spec": "io.read",
    "linearise": "programs.evaluation",
    "operator": "execution.operator",
    "pareto": "tradeoff",
    "plan": "planner",
    "portfolio": "distributed.restarts",
    "prepare": "distributed.backends",
    "program": "io.read",
    "prove_again": "proofs.claims",
    "read": "io.read",
    "read_plan": "io.read",
    "reference_jacobian": "validation.reference",
    "render": "report.registry",
    "replay": "plans.replay",
    "second_derivatives": "execution.executor",
    "to_networkx": "io.networkx_graph",
    "variants": "sizing",
}

__all__ = [*sorted(_HOMES), "__version__"]


def _view(function: str, shown: object) -> str | None:
    written: str | None = getattr(import_module("chainplan.report.notebook"), function)(shown)
    return written


NOTEBOOK_VIEWS |= {form: partial(_view, f"notebook_{form}") for form in ("html", "svg")}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        instead = "; write chainplan.reference_jacobian, or chainplan.jax.jacobian" if name == "jacobian" else ""
        raise AttributeError(f"module 'chainplan' has no attribute '{name}'{instead}")
    value = getattr(import_module(f"chainplan.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
