"""A known plan is carried over to a problem that has changed; its cost there is an upper bound without any search."""

from __future__ import annotations

from dataclasses import replace

from chainplan.errors import PlanError
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.steps import Accumulate, Application, Load, Multiply, Output, Plan, Propagate, Step
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem


def carried(plan: Plan, problem: Problem) -> Candidate | None:
    """Carry a plan over to a problem with the same names; return None where its steps do not fit that problem.

    An elemental that is matrix-free in the plan and explicit in the problem is loaded and multiplied.
    """
    try:
        return prove(Candidate(_taken(plan, problem.graph), problem.cost), replace(problem, memory=None))
    except PlanError:
        return None


def _taken(plan: Plan, graph: Graph) -> Plan:
    """Load those elementals of a plan that are explicit in the graph."""
    steps: list[Step] = []
    place: dict[int, int] = {}
    for position, step in enumerate(plan.steps):
        known = isinstance(step, Application) and graph.declared[step.elemental].explicit
        if known and isinstance(step, Accumulate):
            steps.append(Load(step.elemental))
        elif known and isinstance(step, Propagate):
            own, arg = len(steps), place[step.arg]
            steps.append(Load(step.elemental))
            steps.append(Multiply(own, arg, None) if step.mode is Mode.TANGENT else Multiply(arg, own, None))
        else:
            steps.append(step.renumbered(place))
        place[position] = len(steps) - 1
    return Plan(graph, tuple(steps), tuple(Output(o.output, o.input, place[o.step]) for o in plan.outputs))
