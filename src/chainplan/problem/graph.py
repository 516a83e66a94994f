"""The linearised DAG: vertices with sizes, elemental Jacobians on the edges, inputs and outputs.

A graph is immutable and holds what was said, nothing derived; what is derived (order, the part between inputs and
outputs, whether it is a chain) is computed once, on first use. `faults` is the one definition of a well-formed graph:
the constructor raises on it, the spec front-end turns the same faults into messages with file, line and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import pairwise

from chainplan.errors import ShapeError
from chainplan.errors.arguments import expect
from chainplan.structures import Block
from chainplan.structures.resolve import Edge, resolve

Place = tuple[str | int, ...]
"""Where in a graph a fault is: ("inputs", 0), ("jacobians", 3, "edge"), ..."""


class Mode(Enum):
    """How a matrix-free elemental is applied: tangent F'·Ẋ or adjoint Ȳ·F'."""

    TANGENT = "tangent"
    ADJOINT = "adjoint"


@dataclass(frozen=True, slots=True)
class Elemental:
    """An elemental Jacobian F' of rows x cols = size(target) x size(source).

    It is explicit where neither `tangent` nor `adjoint` is given: its entries are there to be loaded. Otherwise it is
    matrix-free, and its structure is that of the accumulated block.

    Parameters
    ----------
    name : str
        A name that is unique in its graph; steps refer to it.
    source : str
        The vertex that the columns belong to.
    target : str
        The vertex that the rows belong to.
    block : Block
        Rows, columns and structure.
    tangent : int | None
        The cost of a tangent in fma per column; None where there is no tangent.
    adjoint : int | None
        The cost of an adjoint in fma per row; None where there is no adjoint.
    tape : int
        The elements that an adjoint needs from the evaluation.
    advance : int | None
        The cost of one evaluation in fma; None where it follows from the others (see `evaluation`).
    """

    name: str
    source: str
    target: str
    block: Block
    tangent: int | None = None
    adjoint: int | None = None
    tape: int = 0
    advance: int | None = None

    @property
    def evaluation(self) -> int:
        """Cost in fma of evaluating it once: `advance`, else that of one tangent, of one adjoint, or of its entries."""
        given = (self.advance, self.tangent, self.adjoint, self.block.nnz)
        return next(price for price in given if price is not None)

    @property
    def explicit(self) -> bool:
        """Whether its entries can be loaded."""
        return self.tangent is None and self.adjoint is None

    def per_vector(self, mode: Mode) -> int | None:
        """Cost in fma of one column (tangent) or one row (adjoint), None where the mode is not available."""
        return self.tangent if mode is Mode.TANGENT else self.adjoint


@dataclass(frozen=True)
class Fault:
    """Something wrong with a graph: where, and what in words that end with what to do."""

    place: Place
    message: str


@dataclass(frozen=True)
class Graph:
    """A linearised DAG; parallel elementals between the same two vertices add up.

    Parameters
    ----------
    sizes : Mapping[str, int]
        The size of each vertex.
    inputs : tuple[str, ...]
        The vertices to differentiate by.
    outputs : tuple[str, ...]
        The vertices to be differentiated.
    elementals : tuple[Elemental, ...]
        The edges.

    Raises
    ------
    ShapeError
        With every fault, where the parts do not make a linearised DAG.
    """

    sizes: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    elementals: tuple[Elemental, ...]

    def __post_init__(self) -> None:
        expect("sizes", self.sizes, Mapping, "a mapping from vertices to sizes", "Pass {'x': 3, 'y': 2}.")
        for what in ("inputs", "outputs", "elementals"):
            expect(what, getattr(self, what), Sequence, "a tuple", f"Pass {what}=(...,).")
        for e in self.elementals:
            expect("elementals", e, Elemental, "Elementals", "Make them by Elemental(name, source, target, block).")
            expect("block", e.block, Block, "a Block", "Make one by chainplan.structures.Block(rows, cols).")
        found = list(faults(self.sizes, self.inputs, self.outputs, self.elementals))
        if found:
            raise ShapeError("\n".join(f"{'.'.join(map(str, f.place))}: {f.message}" for f in found))

    def __getitem__(self, name: str) -> Elemental:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @cached_property
    def _by_name(self) -> dict[str, Elemental]:
        return self.declared | {e.name: e for e in self.useful}

    @cached_property
    def declared(self) -> dict[str, Elemental]:
        """The elementals by name, as they were declared."""
        return {e.name: e for e in self.elementals}

    @property
    def held_bytes(self) -> int:
        """About the bytes that it takes."""
        return sum(1000 + e.block.structure.held_bytes for e in self.elementals)

    @property
    def exact(self) -> bool:
        """Whether all counts of nonzeros are exact rather than upper bounds."""
        return self._resolved[1]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The vertices in topological order; among the ready ones, first declared first."""
        return tuple(_topological(self.sizes, self.elementals))

    @property
    def useful(self) -> tuple[Elemental, ...]:
        """The elementals that lie on a path from an input to an output, in the order given, as they are counted.

        Their structures are those of `chainplan.structures.resolve`; `elementals` has them as they were declared.
        """
        return self._resolved[0]

    @cached_property
    def _resolved(self) -> tuple[tuple[Elemental, ...], bool]:
        ahead = _reach(self.inputs, ((e.source, e.target) for e in self.elementals))
        behind = _reach(self.outputs, ((e.target, e.source) for e in self.elementals))
        useful = tuple(e for e in self.elementals if e.source in ahead and e.target in behind)
        found = resolve([Edge(e.source, e.target, e.block) for e in useful], self.order)
        kept = tuple(
            e if e.block is block else replace(e, block=block) for e, block in zip(useful, found.blocks, strict=True)
        )
        return kept, found.exact

    @cached_property
    def into(self) -> dict[str, list[Elemental]]:
        """The useful elementals that end at each vertex."""
        result: dict[str, list[Elemental]] = {}
        for e in self.useful:
            result.setdefault(e.target, []).append(e)
        return result

    @cached_property
    def out_of(self) -> dict[str, list[Elemental]]:
        """The useful elementals that start at each vertex."""
        result: dict[str, list[Elemental]] = {}
        for e in self.useful:
            result.setdefault(e.source, []).append(e)
        return result

    @cached_property
    def not_a_chain(self) -> str | None:
        """Why the useful part is not a chain, or None where it is one."""
        for what, vertices in (("input", self.inputs), ("output", self.outputs)):
            if len(vertices) != 1:
                return f"the graph has {len(vertices)} {what}s, a chain has one"
        if not self.useful:
            return f"no path leads from '{self.inputs[0]}' to '{self.outputs[0]}'"
        for word, lists in (("predecessors", self.into), ("successors", self.out_of)):
            for vertex, edges in lists.items():
                if len(edges) > 1:
                    return f"vertex '{vertex}' has {len(edges)} {word}, so the graph is not a chain"
        if self.outputs[0] in self.out_of:
            return f"output '{self.outputs[0]}' is also an intermediate, so the graph is not a chain"
        return None

    @cached_property
    def chain(self) -> tuple[Elemental, ...]:
        """The elementals F_1, ..., F_q of a chain in evaluation order.

        Raises
        ------
        ShapeError
            Where the graph is not a chain.
        """
        if self.not_a_chain is not None:
            raise ShapeError(self.not_a_chain)
        result = []
        vertex = self.inputs[0]
        while vertex in self.out_of:
            result.append(self.out_of[vertex][0])
            vertex = result[-1].target
        return tuple(result)

    def transpose(self) -> Graph:
        """The graph of the transposed Jacobian: every edge turned round, tangents and adjoints exchanged."""
        turned = tuple(
            Elemental(e.name, e.target, e.source, e.block.transpose(), e.adjoint, e.tangent, e.tape)
            for e in reversed(self.elementals)
        )
        return Graph(dict(reversed(list(self.sizes.items()))), self.outputs, self.inputs, turned)


def faults(
    sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str], elementals: Sequence[Elemental]
) -> Iterator[Fault]:
    """Everything that keeps the parts from being a linearised DAG."""
    for what, names in (("inputs", inputs), ("outputs", outputs)):
        if not names:
            yield Fault((what,), f"found no vertex; expected at least one. Name the {what} of the program.")
        seen: set[str] = set()
        for i, name in enumerate(names):
            if name not in sizes:
                text = f"'{name}' is no vertex; expected one that a size or an edge names. Correct the name."
                yield Fault((what, i), text)
            if name in seen:
                yield Fault((what, i), f"'{name}' stands twice among the {what}; name it once.")
            seen.add(name)
    yield from _role_faults(inputs, outputs, elementals)
    yield from _elemental_faults(sizes, elementals)
    yield from _cycle_faults(elementals)


def _role_faults(inputs: Sequence[str], outputs: Sequence[str], elementals: Sequence[Elemental]) -> Iterator[Fault]:
    ends = set(inputs)
    for i, name in enumerate(outputs):
        if name in ends:
            yield Fault(
                ("outputs", i),
                f"'{name}' is also an input; expected inputs and outputs to differ. Add a vertex for the output and "
                f"an edge with structure 'identity' from '{name}' to it.",
            )
    for i, e in enumerate(elementals):
        if e.target in ends:
            yield Fault(
                ("jacobians", i, "edge"),
                f"'{e.name}' ends at '{e.target}', which is an input; expected no edge into an input. Take "
                f"'{e.target}' out of the inputs, or remove the edge.",
            )


def _elemental_faults(sizes: Mapping[str, int], elementals: Sequence[Elemental]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for i, e in enumerate(elementals):
        if e.name in seen:
            yield Fault(
                ("jacobians", i, "name"),
                f"the name '{e.name}' is taken by jacobian [{seen[e.name]}]; expected unique names. Rename one.",
            )
        seen.setdefault(e.name, i)
        shape = (sizes.get(e.target), sizes.get(e.source))
        if (e.block.rows, e.block.cols) != shape:
            yield Fault(
                ("jacobians", i, "shape"),
                f"'{e.name}' is {e.block.rows} x {e.block.cols}, but its edge '{e.source}' -> '{e.target}' asks for "
                f"{shape[0]} x {shape[1]}; rows are the size of the target, columns of the source.",
            )
        misfit = e.block.structure.misfit(e.block.rows, e.block.cols)
        if misfit:
            yield Fault(("jacobians", i, "structure"), f"structure '{e.block.structure!r}' of '{e.name}' {misfit}.")


def _cycle_faults(elementals: Sequence[Elemental]) -> Iterator[Fault]:
    """Every edge from a vertex to itself, and one longer cycle, at the last of its edges to be declared."""
    for i, e in enumerate(elementals):
        if e.source == e.target:
            text = f"'{e.name}' leads from '{e.source}' to itself; a linearised DAG has no cycle. Remove it."
            yield Fault(("jacobians", i, "edge"), text)
    cycle = _cycle([e for e in elementals if e.source != e.target])
    if cycle:
        steps = set(pairwise(cycle))
        last = max(i for i, e in enumerate(elementals) if (e.source, e.target) in steps)
        shown = cycle if len(cycle) <= 8 else [*cycle[:6], "...", cycle[-1]]
        path = " -> ".join(v if v == "..." else f"'{v}'" for v in shown)
        text = f"the edges form a cycle {path}; a linearised DAG has none. Remove one of them."
        yield Fault(("jacobians", last, "edge"), text)


def _reach(start: Sequence[str], edges: Iterator[tuple[str, str]]) -> set[str]:
    steps: dict[str, list[str]] = {}
    for a, b in edges:
        steps.setdefault(a, []).append(b)
    seen, todo = set(start), list(start)
    while todo:
        for vertex in steps.get(todo.pop(), ()):
            if vertex not in seen:
                seen.add(vertex)
                todo.append(vertex)
    return seen


def _topological(sizes: Mapping[str, int], elementals: Sequence[Elemental]) -> Iterator[str]:
    """Kahn's algorithm with a heap: the order depends on the declaration alone. O((V + E) log V)."""
    index = {v: i for i, v in enumerate(sizes)}
    vertices = list(sizes)
    waiting = [0] * len(vertices)
    out: list[list[int]] = [[] for _ in vertices]
    for e in elementals:
        out[index[e.source]].append(index[e.target])
        waiting[index[e.target]] += 1
    ready = [i for i, n in enumerate(waiting) if not n]
    heapify(ready)
    while ready:
        i = heappop(ready)
        yield vertices[i]
        for j in out[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heappush(ready, j)


def _cycle(elementals: Sequence[Elemental]) -> list[str]:
    """Vertices of a cycle, the first repeated at the end, or [] where there is none."""
    targets: dict[str, list[str]] = {}
    waiting: dict[str, int] = {}
    for e in elementals:
        targets.setdefault(e.source, []).append(e.target)
        waiting[e.target] = waiting.get(e.target, 0) + 1
        waiting.setdefault(e.source, 0)
    todo = [v for v, n in waiting.items() if not n]
    while todo:
        vertex = todo.pop()
        del waiting[vertex]
        for t in targets.get(vertex, ()):
            waiting[t] -= 1
            if not waiting[t]:
                todo.append(t)
    if not waiting:
        return []
    back = {e.target: e.source for e in elementals if e.source in waiting and e.target in waiting}
    walk: dict[str, None] = {}
    vertex = next(iter(waiting))
    while vertex not in walk:
        walk[vertex] = None
        vertex = back[vertex]
    visited = list(walk)
    return [vertex, *reversed(visited[visited.index(vertex) :])]
