"""Graphs whose paths all meet at some vertices: a chain of segments, of which equal ones are made once.

A time stepper x + h·A·x is such a graph: every step begins and ends at one vertex, and has sums and products between.
Each different segment is planned by itself, and the chain of their blocks is made as one of equal factors is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from chainplan.plans.candidate import Candidate
from chainplan.plans.recorder import Recorder
from chainplan.plans.sharing import shared
from chainplan.plans.steps import Plan, Step
from chainplan.problem.graph import Elemental, Graph, sharing_among
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.derivation import ElementalDerivation, ProductDerivation
from chainplan.solvers.chain.shared_sets import WordSets
from chainplan.solvers.chain.words import MAX_WORD_CHAIN_LENGTH, ChainWords
from chainplan.solvers.search.search import Search

MAX_SEGMENT_KINDS = 20
"""Different segments of a graph that are planned."""

PartPlanner = Callable[[Problem], Candidate | None]
"""A function that plans one segment."""


@dataclass(frozen=True)
class GraphSegment:
    """The elementals between two vertices that all paths pass, and what equal segments have in common."""

    elementals: tuple[Elemental, ...]
    source: str
    target: str
    mark: Hashable

    def problem(self, problem: Problem) -> Problem:
        """The problem of the segment alone, without limits."""
        vertices = {self.source: None} | {v: None for e in self.elementals for v in (e.source, e.target)}
        sizes = {v: problem.graph.sizes[v] for v in vertices}
        own = tuple(replace(problem.graph.declared[e.name], values=e.values) for e in self.elementals)
        graph = Graph(sizes, (self.source,), (self.target,), sharing_among(own))
        return replace(problem, graph=graph, memory=None, name=None)


def segmented(problem: Problem, plan_part: PartPlanner, search: Search) -> Candidate | None:
    """A plan in which equal segments, and products of them, are made once; None where a graph has no equal segments."""
    segments = segments_of(problem.graph)
    kinds = len({segment.mark for segment in segments})
    if len(segments) > MAX_WORD_CHAIN_LENGTH or kinds > MAX_SEGMENT_KINDS or kinds == len(segments):
        return None
    plans: dict[Hashable, Candidate] = {}
    firsts: dict[Hashable, GraphSegment] = {}
    for segment in segments:
        if segment.mark not in plans:
            candidate = plan_part(segment.problem(problem))
            if candidate is None:
                return None
            plans[segment.mark], firsts[segment.mark] = candidate, segment
    chain, names = list[Elemental](), dict[Hashable, str]()
    for i, segment in enumerate(segments):
        candidate, name = plans[segment.mark], f"segment {i}"
        block = candidate.replay.blocks[candidate.plan.outputs[0].step].block
        first = names.setdefault(segment.mark, name)
        own = None if first == name else first
        chain.append(Elemental(name, segment.source, segment.target, block, values=own))
    words = ChainWords(tuple(chain), problem.cost, [plans[segment.mark].price for segment in segments])
    sets = WordSets(words, search.in_time, words.floors[words.root], search.budget is not None)
    sets.improve()
    recorder, done, todo = Recorder(problem.graph), list[int](), [((0, words.q), False)]
    while todo:
        (i, j), ready = todo.pop()
        node = words.derivation((i, j), sets.made[words.number[i, j]])
        if isinstance(node, ElementalDerivation):
            segment = segments[node.position]
            done.append(_copied(recorder, plans[segment.mark].plan, firsts[segment.mark], segment))
        elif ready:
            factor = done.pop()
            done.append(recorder.multiply(factor, done.pop()))
        else:
            assert isinstance(node, ProductDerivation), "the blocks of segments are multiplied"
            todo += [((i, j), True), (node.left, False), (node.right, False)]  # type: ignore[list-item]
    graph = problem.graph
    return shared(Candidate(recorder.plan([(graph.outputs[0], graph.inputs[0], done.pop())]), problem.cost))


def segments_of(graph: Graph) -> list[GraphSegment]:
    """The segments of a graph with one input and one output, in evaluation order; none where no vertex cuts it."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or not graph.useful:
        return []
    place = {vertex: i for i, vertex in enumerate(graph.order)}
    ordered = sorted(graph.useful, key=lambda e: place[e.source])
    segments, part, reach, start = list[GraphSegment](), list[Elemental](), -1, graph.inputs[0]
    for e in ordered:
        if part and place[e.source] >= reach:
            segments.append(_segment(part, start, e.source))
            part, start = [], e.source
        part.append(e)
        reach = max(reach, place[e.target])
    segments.append(_segment(part, start, graph.outputs[0]))
    return segments if len(segments) > 1 else []


def _segment(part: Sequence[Elemental], source: str, target: str) -> GraphSegment:
    """A segment; equal ones have the same elementals between vertices that come in the same order."""
    number = {source: 0}
    for e in part:
        number.setdefault(e.target, len(number))
    mark = tuple((number[e.source], number[e.target], e.kind, e.block.mark, e.tangent, e.adjoint, e.tape) for e in part)
    return GraphSegment(tuple(part), source, target, mark)


def _copied(recorder: Recorder, plan: Plan, first: GraphSegment, segment: GraphSegment) -> int:
    """Write the steps of the plan of a segment for an equal one, and return the handle of its block."""
    names = {e.name: other.name for e, other in zip(first.elementals, segment.elementals, strict=True)}
    vertices = {first.source: segment.source}
    for e, other in zip(first.elementals, segment.elementals, strict=True):
        vertices[e.target] = other.target
    place: dict[int, int] = {}
    for position, step in enumerate(plan.steps):
        place[position] = recorder.copy(_renamed(step, names, vertices), place)
    return place[plan.outputs[0].step]


def _renamed(step: Step, names: dict[str, str], vertices: dict[str, str]) -> Step:
    """The same step for other elementals and vertices."""
    changes = {
        field: (names if field == "elemental" else vertices)[getattr(step, field)]
        for field in ("elemental", "vertex", "source", "target")
        if field in step._fields
    }
    return step._replace(**changes)  # type: ignore[arg-type]
