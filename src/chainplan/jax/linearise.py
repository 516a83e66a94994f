"""From equations to a linearised DAG: one vertex per real array that derivatives pass through, one edge per elemental.

Only what lies on a path from an argument to a result becomes part of the graph. Integers, constants and empty arrays
are values of the program and no vertices. A complex array between real arguments and results is a vertex of twice as
many entries.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import jax

from chainplan.jax.edges import ActiveEquation, JaxEdge, is_complex, is_float
from chainplan.jax.equal import EqualValues
from chainplan.jax.errors import NotLinearised
from chainplan.jax.loops import Differentiate, opened
from chainplan.jax.rules import structured
from chainplan.jax.rules_matrix_free import matrix_free
from chainplan.jax.trace import FunctionTrace, TraceConstant, TraceEquation
from chainplan.jax.types import Shaped
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.structures import Block, from_spec

MIN_SHARED_ENTRIES = 4
"""The fewest nonzeros of an elemental that may share its values with others."""
MAX_STRUCTURE_INDICES = 2_000_000
"""The most indices that a structure may list."""


@dataclass(frozen=True, eq=False)
class LinearisedEquation:
    """An equation that derivatives pass through, and its edges with the names of their ends."""

    equation: TraceEquation
    structured: bool
    edges: tuple[tuple[str, str, str, JaxEdge], ...]
    """Name, source, target and edge of each elemental."""


@dataclass(frozen=True, eq=False)
class LinearisedFunction:
    """A trace and its graph.

    `inputs` and `outputs` name the vertex of each argument and of each result, None where no path leads from or to it.
    `graph` is None where no path leads from any argument to any result. Where the function is taken apart, `apart` is a
    trace of it by entries (`by_entries`), and vertices and edges are those of that trace.
    """

    trace: FunctionTrace
    found: tuple[LinearisedEquation, ...]
    inputs: tuple[str | None, ...]
    outputs: tuple[str | None, ...]
    graph: Graph | None
    apart: FunctionTrace | None = None

    def problem(self) -> Problem | None:
        """Return the problem of the graph, None where there is no graph."""
        return None if self.graph is None else Problem(self.graph)


def linearise(
    trace: FunctionTrace,
    ins: Sequence[Shaped],
    outs: Sequence[Shaped],
    differentiate: Differentiate = jax.jacfwd,
    vectors: int | None = None,
) -> LinearisedFunction:
    """Find the elemental Jacobians of a trace.

    Parameters
    ----------
    ins, outs : Sequence[Shaped]
        The shape and the dtype of each argument, and of each result to be differentiated; results behind those are not.
    differentiate : Differentiate
        What makes the Jacobian of one step of a loop.
    vectors : int | None
        The number of vectors that the Jacobian is multiplied by; None asks for all of its entries.

    Raises
    ------
    NotLinearised
        If a structure would list too many indices.
    """
    trace = opened(trace, ins, outs, differentiate, vectors)
    names: dict[int, str] = {i: f"x{i}" for i, a in enumerate(ins) if is_float(a) and prod(a.shape) > 0}
    sizes = {name: prod(ins[i].shape) for i, name in names.items()}
    walked = list(_walk(trace, names, sizes))
    ends, extra = _ends(trace, names, outs)
    steps = [(source, target) for one in walked for _, source, target, _ in one.edges] + extra
    useful = _reach(names.values(), steps) & _reach([e for e in ends if e], [(b, a) for a, b in steps])
    kept = tuple(_pruned(one, useful) for one in walked)
    elementals = _elementals(trace, kept)
    for source, target in extra:
        sizes[target] = sizes[source]
        elementals.append(_elemental(target, source, target, JaxEdge(0, 0, sizes[source], sizes[source], "identity")))
    inputs = tuple(n if (n := names.get(i)) in useful else None for i in range(len(ins)))
    outputs = tuple(e if e in useful else None for e in ends)
    graph = None
    if any(inputs) and elementals:
        graph = Graph(
            {v: s for v, s in sizes.items() if v in useful},
            tuple(v for v in inputs if v),
            tuple(dict.fromkeys(v for v in outputs if v)),
            tuple(elementals),
        )
    return LinearisedFunction(trace, tuple(one for one in kept if one.edges), inputs, outputs, graph)


def _walk(trace: FunctionTrace, names: dict[int, str], sizes: dict[str, int]) -> Iterator[LinearisedEquation]:
    """Yield every equation that an argument reaches with its edges; add their vertices to `names` and `sizes`.

    Names count these equations alone, because the number of others depends on which arguments are known while tracing.
    """
    place = 0
    for equation in trace.equations:
        ins = tuple(i for i, o in enumerate(equation.operands) if not isinstance(o, TraceConstant) and o in names)
        if not ins:
            continue
        outs = tuple(j for j, a in enumerate(equation.outs) if (is_float(a) or is_complex(a)) and prod(a.shape) > 0)
        if not outs:
            continue
        active = ActiveEquation(equation, ins, outs)
        edges = structured(active)
        by_rule = edges is not None
        edges = matrix_free(active) if edges is None else edges
        for j in outs:
            names[equation.results[j]] = f"v{place}" if len(outs) == 1 else f"v{place}.{j}"
        if not edges:
            for j in outs:
                del names[equation.results[j]]
        yield LinearisedEquation(equation, by_rule, tuple(_named(place, equation, edges, names, sizes)))
        place += 1


def _named(
    place: int, equation: TraceEquation, edges: Sequence[JaxEdge], names: dict[int, str], sizes: dict[str, int]
) -> Iterator[tuple[str, str, str, JaxEdge]]:
    """Yield the edges of an equation with their names and those of their ends; add the sizes of the ends to `sizes`."""
    for i, edge in enumerate(edges):
        source = f"e{place}.{edge.source}" if isinstance(edge.source, str) else _operand(equation, edge.source, names)
        target = f"e{place}.{edge.target}" if isinstance(edge.target, str) else names[equation.results[edge.target]]
        sizes[source], sizes[target] = edge.cols, edge.rows
        suffix = "" if len(edges) == 1 else f".{i}"
        yield f"{equation.name}{place}{suffix}", source, target, edge


def _operand(equation: TraceEquation, position: int, names: dict[int, str]) -> str:
    """Return the vertex of an operand."""
    operand = equation.operands[position]
    assert not isinstance(operand, TraceConstant), "constants are not active"
    return names[operand]


def _ends(
    trace: FunctionTrace, names: dict[int, str], outs: Sequence[Shaped]
) -> tuple[list[str | None], list[tuple[str, str]]]:
    """Return the vertex of each result, and the identities that lead to results which are arguments themselves."""
    ends: list[str | None] = []
    extra: dict[str, str] = {}
    for atom, aval in zip(trace.results[: len(outs)], outs, strict=True):
        name = None if isinstance(atom, TraceConstant) or not is_float(aval) else names.get(atom)
        if name is not None and not isinstance(atom, TraceConstant) and atom < trace.arguments:
            extra[name] = name = f"{name}.result"
        ends.append(name)
    return ends, list(extra.items())


def _reach(start: Iterable[str], steps: Sequence[tuple[str, str]]) -> set[str]:
    """Return the vertices that some vertices reach along steps."""
    follow: dict[str, list[str]] = {}
    for a, b in steps:
        follow.setdefault(a, []).append(b)
    seen = set(start)
    todo = list(seen)
    while todo:
        for vertex in follow.get(todo.pop(), ()):
            if vertex not in seen:
                seen.add(vertex)
                todo.append(vertex)
    return seen


def _pruned(one: LinearisedEquation, useful: set[str]) -> LinearisedEquation:
    """Leave out the edges of an equation that lie on no path from an argument to a result."""
    kept = tuple(edge for edge in one.edges if edge[1] in useful and edge[2] in useful)
    return LinearisedEquation(one.equation, one.structured, kept)


def _elementals(trace: FunctionTrace, found: Sequence[LinearisedEquation]) -> list[Elemental]:
    """Make the elementals of all edges; of those with equal values the later ones share them with the first."""
    values = EqualValues(trace.equations)
    firsts: dict[Hashable, str] = {}
    made = []
    for one in found:
        for place, edge in enumerate(one.edges):
            e = _elemental(*edge)
            if e.kind == e.name and e.block.nnz >= MIN_SHARED_ENTRIES:
                first = firsts.setdefault(values.edge(one.equation, one.edges, place), e.name)
                e = e if first == e.name else replace(e, values=first)
            made.append(e)
    return made


def _elemental(name: str, source: str, target: str, edge: JaxEdge) -> Elemental:
    """Make the elemental of an edge, its structure read."""
    ((word, argument),) = ((edge.words, None),) if isinstance(edge.words, str) else edge.words.items()
    if isinstance(argument, list) and len(argument) > MAX_STRUCTURE_INDICES:
        raise NotLinearised(
            f"'{name}' picks {len(argument):,} entries, more than {MAX_STRUCTURE_INDICES:,} are not listed"
        )
    structure = from_spec(word, argument, (edge.rows, edge.cols), Path())
    block = Block(edge.rows, edge.cols, structure)
    return Elemental(name, source, target, block, edge.tangent, edge.adjoint)
