"""Writes down the plan of an order of elimination where all blocks are dense: what a work graph records, but faster.

With dense blocks only the steps themselves have to be determined, so an edge is a number: the step that holds its
block or, below zero, an elemental that is not loaded yet. Writing a plan of 10^6 steps takes a second or two.
"""

from __future__ import annotations

from collections.abc import Iterable

from chainplan.plans.steps import Load, Multiply, Output, Plan, Step
from chainplan.problem.graph import Graph
from chainplan.solvers.search.search import WorkWatcher, unwatched


class DenseWriter:
    """Steps and edges of a graph under elimination; `into[v]` and `out[v]` map neighbours to numbers.

    Vertices are those of a `WorkGraph`; the argument `into` holds for each the name of the elemental from each
    predecessor.
    """

    def __init__(self, into: list[dict[int, str]], kept: list[bool]) -> None:
        self.steps: list[Step] = []
        self._names = [name for row in into for name in row.values()]
        self._kept, self._into = kept, list[dict[int, int]]()
        self._out: list[dict[int, int]] = [{} for _ in into]
        number = 0
        for v, row in enumerate(into):
            numbered = {}
            for p in row:
                number -= 1
                numbered[p] = self._out[p][v] = number
            self._into.append(numbered)

    def eliminate(self, v: int) -> None:
        """Multiply every successor's block by every predecessor's, with loads just before their first use."""
        into, out, steps = self._into, self._out, self.steps
        sources, rights = list(into[v]), list(into[v].values())
        new, count = tuple.__new__, len(steps)
        for s, left in out[v].items():
            row = into[s]
            del row[v]
            for i, p in enumerate(sources):
                right, onto = rights[i], row.get(p)
                if left < 0 or right < 0 or (onto is not None and onto < 0):
                    left, right = self._held(left), self._held(right)
                    onto = None if onto is None else self._held(onto)
                    rights[i], count = right, len(steps)
                steps.append(new(Multiply, (left, right, onto)))
                row[p] = out[p][s] = count
                count += 1
        out[v] = {}
        for p, right in zip(sources, rights, strict=True):
            if self._kept[v]:
                into[v][p] = out[p][v] = right
            else:
                del out[p][v]
        if not self._kept[v]:
            into[v] = {}

    def _held(self, number: int) -> int:
        """The step that holds a block, loaded now where it is still an elemental."""
        if number >= 0:
            return number
        self.steps.append(Load(self._names[-1 - number]))
        return len(self.steps) - 1

    def plan(self, graph: Graph, index: dict[str, int], order: Iterable[int], look: WorkWatcher = unwatched) -> Plan:
        """The plan that eliminates all intermediates in this order; `look` is told of the products."""
        for v in order:
            look(len(self._into[v]) * len(self._out[v]))
            self.eliminate(v)
        outputs = []
        for output in graph.outputs:
            row = self._into[index[output]] if output in index else {}
            for source in graph.inputs:
                number = row.get(index.get(source, -1))
                if number is not None:
                    outputs.append(Output(output, source, self._held(number)))
        return Plan(graph, tuple(self.steps), tuple(outputs))
