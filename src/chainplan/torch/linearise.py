"""From a graph of operations to a linearised DAG: a vertex per real tensor that derivatives pass through.

Only what lies on a path from an argument to a result becomes part of the DAG. A node that keeps all entries in their
order has no vertex of its own. Integers, constants and empty tensors are values of the program and no vertices.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from torch import Tensor
from torch.fx import GraphModule, Node

from chainplan._util.digraph import reachable
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.structures import Block, from_spec
from chainplan.torch.edges import ActiveNode, TorchEdge, operands_of
from chainplan.torch.errors import NotTraced
from chainplan.torch.rules import structured
from chainplan.torch.rules_matrix_free import matrix_free
from chainplan.torch.trace import known_values
from chainplan.torch.types import Value

NamedTorchEdge = tuple[str, str, str, ActiveNode, TorchEdge]
"""The name, the source and the target of an elemental, its node and its edge."""


@dataclass(frozen=True, eq=False)
class LinearisedGraph:
    """A graph of operations and its linearised DAG.

    `inputs` and `outputs` name the vertex of each argument and of each result, None where no path leads from or to it.
    `problem` is None where no path leads from any argument to any result.
    """

    graph: GraphModule
    inputs: tuple[str | None, ...]
    outputs: tuple[str | None, ...]
    edges: dict[str, tuple[ActiveNode, TorchEdge]]
    problem: Problem | None


def linearise(graph: GraphModule, active: Sequence[int]) -> LinearisedGraph:
    """Find the elemental Jacobians of a graph.

    Parameters
    ----------
    graph : GraphModule
        The graph of operations, as `trace` makes it.
    active : Sequence[int]
        The positions of the arguments to differentiate by.

    Raises
    ------
    NotTraced
        If a derivative passes through complex numbers, or through an operation that has none.
    """
    walk = _GraphWalk(graph, active)
    placed = list(walk.edges())
    results = [walk.names.get(node) if isinstance(node, Node) else None for node in results_of(graph)]
    arguments = arguments_of(graph)
    inputs = [walk.names.get(arguments[i]) for i in active]
    ends = [f"{name}.result" if name in inputs else name for name in results]
    extra = {name: f"{name}.result" for name in results if name in inputs and name is not None}
    arrows = [(source, target) for _, source, target, _, _ in placed] + list(extra.items())
    useful = reachable([v for v in inputs if v], arrows)
    useful &= reachable([v for v in ends if v], [(b, a) for a, b in arrows])
    kept = [edge for edge in placed if edge[1] in useful and edge[2] in useful]
    elementals = [_elemental(*edge[:3], edge[4]) for edge in kept]
    elementals += [_identity(a, b, walk.sizes[a]) for a, b in extra.items() if a in useful]
    sizes = {**walk.sizes, **{b: walk.sizes[a] for a, b in extra.items()}}
    inputs = [v if v in useful else None for v in inputs]
    ends = [v if v in useful else None for v in ends]
    problem = None
    if any(inputs) and elementals:
        order = [v for v in sizes if v in useful]
        outputs = tuple(dict.fromkeys(v for v in ends if v))
        dag = Graph({v: sizes[v] for v in order}, tuple(v for v in inputs if v), outputs, tuple(elementals))
        problem = Problem(dag)
    edges = {name: (node, edge) for name, _, _, node, edge in kept}
    return LinearisedGraph(graph, tuple(inputs), tuple(ends), edges, problem)


def arguments_of(graph: GraphModule) -> list[Node]:
    """Return the nodes of the arguments."""
    return [node for node in graph.graph.nodes if node.op == "placeholder"]


def results_of(graph: GraphModule) -> list[Value]:
    """Return the nodes of the results."""
    (end,) = (node for node in graph.graph.nodes if node.op == "output")
    made = end.args[0]
    return list(made) if isinstance(made, tuple | list) else [made]


class _GraphWalk:
    """The vertices of a graph, found node after node: `names` by node, `sizes` by name."""

    def __init__(self, graph: GraphModule, active: Sequence[int]) -> None:
        self.names: dict[Node, str] = {}
        self.sizes: dict[str, int] = {}
        self._several: dict[Node, dict[int, str]] = {}
        self._graph = graph
        self._known: Callable[[Node], Value] = known_values(graph)
        for i, node in enumerate(arguments_of(graph)):
            if i in set(active):
                self.names[node] = f"x{i}"
                self.sizes[f"x{i}"] = prod(node.meta["val"].shape)

    def edges(self) -> Iterator[NamedTorchEdge]:
        """Yield the edges of all nodes that an argument reaches, and name their vertices."""
        for place, node in enumerate(self._graph.graph.nodes):
            if node.op != "call_function":
                continue
            if node.target is operator.getitem:
                self._pick(node)
                continue
            found = self._active(node)
            if found is not None:
                yield from self._of_node(place, found)

    def _pick(self, node: Node) -> None:
        """Name one of several results as its operation named it."""
        name = self._several.get(node.args[0], {}).get(node.args[1])
        if name is not None:
            self.names[node] = name

    def _active(self, node: Node) -> ActiveNode | None:
        """Return a node with its active operands and results, None where no derivative passes through it."""
        ins = tuple(i for i, operand in enumerate(operands_of(node)) if operand in self.names)
        if not ins:
            return None
        value = node.meta.get("val")
        results = tuple(value) if isinstance(value, tuple | list) else (value,)
        if any(isinstance(result, Tensor) and result.dtype.is_complex for result in results):
            raise NotTraced(f"'{node.target}' has complex results")
        outs = [j for j, y in enumerate(results) if isinstance(y, Tensor) and y.dtype.is_floating_point and y.numel()]
        if len(results) > 1:
            used = {user.args[1] for user in node.users if user.target is operator.getitem and user.users}
            outs = [j for j in outs if j in used]
        return ActiveNode(node, ins, tuple(outs), self._known) if outs else None

    def _of_node(self, place: int, active: ActiveNode) -> Iterator[NamedTorchEdge]:
        """Yield the edges of a node, none where its only one is an identity, and name its results."""
        edges = structured(active)
        edges = matrix_free(active) if edges is None else edges
        node = active.node
        several = isinstance(node.meta["val"], tuple | list)
        if len(edges) == 1 and edges[0].words == "identity" and len(active.outs) == 1 and not several:
            self.names[node] = self.names[active.operands[int(edges[0].source)]]
            return
        targets = {edge.target for edge in edges}
        named = {j: f"v{place}.{j}" if several else f"v{place}" for j in active.outs if j in targets}
        if several:
            self._several[node] = named
        elif named:
            self.names[node] = named[0]
        for i, edge in enumerate(edges):
            source = (
                f"e{place}.{edge.source}" if isinstance(edge.source, str) else self.names[active.operands[edge.source]]
            )
            target = f"e{place}.{edge.target}" if isinstance(edge.target, str) else named[edge.target]
            self.sizes.setdefault(source, edge.cols)
            self.sizes.setdefault(target, edge.rows)
            suffix = "" if len(edges) == 1 else f".{i}"
            yield f"{active.name}{place}{suffix}", source, target, active, edge


def _elemental(name: str, source: str, target: str, edge: TorchEdge) -> Elemental:
    """Make the elemental of an edge, its structure read."""
    ((word, argument),) = ((edge.words, None),) if isinstance(edge.words, str) else edge.words.items()
    block = Block(edge.rows, edge.cols, from_spec(word, argument, (edge.rows, edge.cols), Path()))
    return Elemental(name, source, target, block, edge.tangent, edge.adjoint)


def _identity(source: str, target: str, size: int) -> Elemental:
    return Elemental(
        f"{source} to {target}", source, target, Block(size, size, from_spec("identity", None, (size, size), None))
    )
