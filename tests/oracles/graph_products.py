"""The cheapest plan for products with the Jacobian of a small graph, by trying everything.

One vertex of one entry stands for the vectors of k products J·v and l products w·J: before the inputs where k >= l,
else behind the outputs. A product of a block with such a vector, which is dense, is made k + l times; a matrix-free
elemental that is applied to it costs k · tangent + l · adjoint. All else is as for Jacobians (`propagation`). Outputs
that are read are joined to the vector by a copy, and parallel unit blocks lead through vertices of their own, so that
they may be added up with others or not.

`least_kept_cost` is the same straight from the use: it eliminates some vertices, in every order, and carries vectors
through what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.oracles.graph import Dag, Edges, as_dag
from tests.oracles.patterns import PICKERS, Block, fma, word_of
from tests.oracles.propagation import Ends, Free, FreeDag

VECTOR = "vector of products"


class VectorDag(FreeDag):
    """The graph of a spec with products and the vertex that stands for their vectors."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        products = spec["products"]
        self.right, self.left = int(products.get("right", 0)), int(products.get("left", 0))
        self.forward = self.right >= self.left
        super().__init__(with_vector(spec, self.forward))
        beside = [ends for ends, *_ in self.links if VECTOR in ends]
        self.unswept = {v for ends in beside for v in ends}

    def product(self, into: Ends, out: Ends, left: Block, right: Block) -> int:
        if into[0] == VECTOR:
            return (self.right + self.left) * once(left)
        if out[1] == VECTOR:
            return (self.right + self.left) * once(right)
        return fma(left, right)

    def applied(self, into: Ends, out: Ends, each: list[Free], tangents: bool, vectors: int) -> int | None:
        if VECTOR not in (into[0], out[1]):
            return super().applied(into, out, each, tangents, vectors)
        if tangents != (into[0] == VECTOR):
            return None
        total_price = 0
        for e in each:
            for count, price in ((self.right, e.tangent), (self.left, e.adjoint)):
                if count and price is None:
                    return None
                total_price += count * (price or 0)
        return total_price


def with_vector(spec: Mapping[str, Any], forward: bool) -> dict[str, Any]:
    """The spec of the Jacobian of the graph with the vector."""
    dag = as_dag(spec)
    sizes, links = dict(dag["sizes"]), list[dict[str, Any]]()
    pairs = [tuple(e["edge"]) for e in dag["jacobians"]]
    for number, e in enumerate(dag["jacobians"]):
        (source, target), structure = e["edge"], e.get("structure", "dense")
        free = e.get("tangent") is not None or e.get("adjoint") is not None
        if pairs.count((source, target)) > 1 and word_of(structure)[0] in PICKERS and not free:
            middle = f"unit {number}"
            sizes[middle] = sizes[source]
            links.append({"edge": [source, middle], "structure": "identity"})
            e = {**e, "edge": [middle, target]}
        links.append(e)
    sizes[VECTOR] = 1
    inputs, outputs = list(dag["inputs"]), list(dag["outputs"])
    if forward:
        links += [{"edge": [VECTOR, v]} for v in inputs]
        return {"dag": {"sizes": sizes, "inputs": [VECTOR], "outputs": outputs, "jacobians": links}}
    for v in outputs:
        end = v
        if any(e["edge"][0] == v for e in dag["jacobians"]):
            end = f"copy of {v}"
            sizes[end] = sizes[v]
            links.append({"edge": [v, end], "structure": "identity"})
        links.append({"edge": [end, VECTOR]})
    return {"dag": {"sizes": sizes, "inputs": inputs, "outputs": [VECTOR], "jacobians": links}}


def once(block: Block) -> int:
    """Multiply-adds of the product of a block with a vector on either side."""
    return 0 if block.picks else block.nnz


def least_kept_cost(spec: Mapping[str, Any]) -> int:
    """Multiply-adds of the cheapest plan of explicit elementals that eliminates a set and goes through the rest."""
    dag, count = Dag(spec), sum(map(int, spec["products"].values()))

    def uses(edges: Edges) -> int:
        return count * sum(map(once, edges.values()))

    best: dict[frozenset[str], tuple[int, Edges]] = {frozenset(): (0, dag.edges)}
    layer, least = dict(best), uses(dag.edges)
    for _ in dag.middle:
        grown: dict[frozenset[str], tuple[int, Edges]] = {}
        for gone, (price, edges) in layer.items():
            for v in dag.middle:
                if v not in gone:
                    cost = price + dag.price(edges, v)
                    key = gone | {v}
                    if key not in grown or cost < grown[key][0]:
                        grown[key] = cost, dag.eliminated(edges, v)
        layer = grown
        least = min([least, *(price + uses(edges) for price, edges in layer.values())])
    return least
