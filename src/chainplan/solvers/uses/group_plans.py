"""A chain cut into groups, whose blocks are formed or applied, as a plan for products with vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan, ProductProgram
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.products import Products
from chainplan.solvers.chain.derivation import ChainInterval, Derivation, recorded


class ChainGroup(NamedTuple):
    """The elementals from vertex x_start to x_end: one block that is formed, or a single elemental that is applied."""

    start: int
    end: int
    formed: bool


def groups_plan(
    graph: Graph,
    products: Products,
    groups: Sequence[ChainGroup],
    derive: Callable[[ChainInterval], Derivation],
    order: Sequence[ChainGroup] | None = None,
) -> Plan:
    """The plan of a cut: a set-up that forms the groups, and a program for each side on which all can be used.

    `derive` says how the interval of a group is made, `order` in which order groups are formed, if not in the chain's.
    """
    chain, recorder = graph.chain, Recorder(graph)
    if order is None:
        order = [group for group in groups if group.formed]
    formed = {group: recorded(recorder, chain, (group.start, group.end), derive) for group in order}
    programs = []
    for mode, times in products.sides():
        if all(group.formed or chain[group.start].per_vector(mode) is not None for group in groups):
            programs.append(_program(graph, recorder.begun(), groups, formed, mode, times))
    return recorder.plan((), programs)


def _program(
    graph: Graph,
    recorder: Recorder,
    groups: Sequence[ChainGroup],
    formed: dict[ChainGroup, int],
    mode: Mode,
    times: int,
) -> ProductProgram:
    """The program that carries the vector of a side through all groups."""
    tangent = mode is Mode.TANGENT
    start, end = (*graph.inputs, *graph.outputs)[:: 1 if tangent else -1]
    vector = recorder.direction(start, mode)
    for group in groups if tangent else reversed(groups):
        if not group.formed:
            vector = recorder.propagate(graph.chain[group.start].name, vector, mode)
        elif tangent:
            vector = recorder.multiply(formed[group], vector)
        else:
            vector = recorder.multiply(vector, formed[group])
    return recorder.program(mode, times, [(end, vector)])
