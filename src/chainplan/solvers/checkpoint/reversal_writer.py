"""Writes down the plan of one sweep over a chain that evaluates its states: by tangents, or by adjoints."""

from __future__ import annotations

from collections.abc import Iterable

from chainplan.plans.candidate import Candidate
from chainplan.plans.recorder import Recorder
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.solvers.chain.derivation import leaf_options
from chainplan.solvers.checkpoint.reversal import ReversalAction
from chainplan.solvers.checkpoint.reversal_chain import ExtensionWay, ReversalChain
from chainplan.solvers.search.search import Search


def tangent_sweep(graph: Graph, search: Search) -> Candidate:
    """The sweep of tangents: each state is evaluated once, and left behind."""
    recorder, chain = Recorder(graph), graph.chain
    block = _leaf(recorder, graph, 0)
    for i in range(1, len(chain)):
        search.tick()
        recorder.move(Advance(chain[i - 1].name))
        if chain[i].tangent is not None:
            block = recorder.propagate(chain[i].name, block, Mode.TANGENT)
        else:
            block = recorder.multiply(_leaf(recorder, graph, i), block)
    return Candidate(recorder.plan([(graph.outputs[0], graph.inputs[0], block)]), FMA)


def _leaf(recorder: Recorder, graph: Graph, i: int) -> int:
    """Make the block of an elemental in the cheapest way."""
    _, leaf = min(leaf_options(graph.chain, i), key=lambda option: option[0])
    name = graph.chain[i].name
    return recorder.linearise(name) if leaf.mode is None else recorder.accumulate(name, leaf.mode)


def adjoint_sweep(graph: Graph, sweep: ReversalChain, actions: Iterable[ReversalAction], search: Search) -> Candidate:
    """The sweep of adjoints whose states move as the actions say."""
    recorder, chain = Recorder(graph), graph.chain
    vertices = [graph.inputs[0], *(e.target for e in chain)]
    block: int | None = None
    for kind, at in actions:
        match kind:
            case "advance":
                recorder.move(Advance(chain[at].name))
            case "store":
                recorder.move(Store(vertices[at]))
            case "restore":
                recorder.move(Restore(vertices[at]))
            case "write":
                recorder.move(Write(vertices[at]))
            case "read":
                recorder.move(Read(vertices[at]))
            case "reverse":
                search.tick()
                block = _extended(recorder, chain[at].name, sweep.ways[at], block)
    assert block is not None, "a chain has elementals"
    return Candidate(recorder.plan([(graph.outputs[0], graph.inputs[0], block)]), FMA)


def _extended(recorder: Recorder, name: str, way: ExtensionWay, block: int | None) -> int:
    """Extend a block by an elemental, or begin with that one, and return the block that is made."""
    if way.leaf is None:
        assert block is not None, "an adjoint is applied to a block"
        return recorder.propagate(name, block, Mode.ADJOINT)
    (mode,) = way.leaf
    leaf = recorder.linearise(name) if mode is None else recorder.accumulate(name, mode)
    return leaf if block is None else recorder.multiply(block, leaf)
