"""Where the block of a step stands once more: on a part of the graph with equal elementals.

A block is a sum of products along paths. Let it be made of some elementals, and let each of them have an equal one
elsewhere, such that those that meet at a vertex meet there too. Then the same block, computed once, is also the sum of
the products along the paths there. `Again` says of a block that it is meant so; here the elementals that it then stands
for are found, from its new source on, edge by edge in topological order. Where several equal edges are possible, the
first one declared is taken that leads to a vertex not yet in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from chainplan.plans.second_steps import ApplySecond, LoadSecond
from chainplan.plans.steps import Accumulate, Again, Load, Propagate, Step
from chainplan.problem.graph import Elemental, Graph

MAX_AGAIN_DEPTH = 100
"""How many blocks that stand again may be inside each other."""

MovedElementals = Mapping[str, str]
"""By the name of each elemental that a block is made of: the name of the equal one elsewhere."""


class BlockPlaces:
    """What the blocks of the steps of a plan are made of, and where they stand again.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    steps : Sequence[Step]
        The steps of the plan.
    """

    def __init__(self, graph: Graph, steps: Sequence[Step]) -> None:
        self._graph, self.steps = graph, steps
        self._parts: dict[int, tuple[str, ...]] = {}
        self._depths: dict[int, int] = {}
        self._moved: dict[int, MovedElementals | None] = {}

    def made_of(self, position: int) -> tuple[str, ...]:
        """Return the names of the elementals in the block of a step, at the place where it stands."""
        if position not in self._parts:
            parts, seen, todo = dict[str, None](), {position}, [position]
            while todo:
                place = todo.pop()
                step = self.steps[place]
                if isinstance(step, Again):
                    parts |= dict.fromkeys((self.moved(place) or {}).values())
                    continue
                if isinstance(step, Load | Accumulate | Propagate | LoadSecond | ApplySecond):
                    parts[step.elemental] = None
                fresh = [arg for arg in step.operands() if arg not in seen]
                seen.update(fresh)
                todo += reversed(fresh)
            self._parts[position] = tuple(parts)
        return self._parts[position]

    def depth(self, position: int) -> int:
        """Count how many blocks that stand again are inside each other in the block of a step."""
        todo = [position]
        while todo:
            step = self.steps[todo[-1]]
            missing = [arg for arg in step.operands() if arg not in self._depths]
            if missing:
                todo += missing
                continue
            deepest = max((self._depths[arg] for arg in step.operands()), default=0)
            self._depths[todo.pop()] = deepest + isinstance(step, Again)
        return self._depths[position]

    def steps_of(self, position: int, *, behind: bool = False) -> list[int]:
        """Return the steps that make the block of a step, in order; `behind`: those of what stands again in it, too."""
        found, todo = {position}, [position]
        while todo:
            place = todo.pop()
            if behind or not isinstance(self.steps[place], Again):
                fresh = set(self.steps[place].operands()) - found
                found |= fresh
                todo += fresh
        return sorted(found)

    def moved(self, position: int) -> MovedElementals | None:
        """Return what stands for each elemental of the operand where the step `Again` puts it, None where nothing does.

        The steps before it are right.
        """
        if position not in self._moved:
            step = self.steps[position]
            assert isinstance(step, Again), "only this step moves a block"
            names, known = self.made_of(step.arg), self._graph.named
            parts = [known[name] for name in names if name in known]
            elsewhere = moved_to(self._graph, parts, step.source, step.target, self._order)
            self._moved[position] = elsewhere if len(parts) == len(names) else None
        return self._moved[position]

    @cached_property
    def _order(self) -> dict[str, int]:
        return {vertex: i for i, vertex in enumerate(self._graph.order)}


def moved_to(
    graph: Graph, parts: Iterable[Elemental], source: str, target: str, order: Mapping[str, int]
) -> MovedElementals | None:
    """Find equal elementals from `source` to `target` for all elementals of a block, or return None.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    parts : Iterable[Elemental]
        The elementals between the source and the target of the block.
    source, target : str
        The vertices where the block is meant to stand.
    order : Mapping[str, int]
        The place of each vertex in the topological order.
    """
    parts = sorted(parts, key=lambda e: order[e.source])
    if not parts:
        return None
    last = max(parts, key=lambda e: order[e.target]).target
    there = {parts[0].source: source, last: target}
    if there[parts[0].source] != source:
        return None
    taken: dict[str, str] = {}
    used, reached = set[str](), {source, target}
    for e in parts:
        start, end = there.get(e.source), there.get(e.target)
        if start is None:
            return None
        for other in graph.out_of.get(start, ()):
            free = other.target not in reached if end is None else other.target == end
            if free and other.name not in used and other.kind == e.kind:
                break
        else:
            return None
        taken[e.name] = other.name
        used.add(other.name)
        reached.add(other.target)
        there[e.target] = other.target
    return taken
