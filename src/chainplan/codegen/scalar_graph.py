"""The linearised DAG of a scalar program, whose edges are values of a writer, and vertex elimination on it.

To eliminate a vertex writes the code that the step stands for: a product for each pair of an edge in and an edge out,
a sum where the edge is there already. Products by ±1, by known constants and of equal factors cost what the writer
makes of them, so that the price of a step is known before it is taken (`price`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from sys import maxsize

from chainplan.codegen.derivatives import DERIVATIVES
from chainplan.codegen.writer import Ref, Writer


class TooManyProducts(Exception):
    """An elimination has formed as many products as it may."""


class ScalarGraph:
    """Edges by their ends: `succ[u][v]` and `pred[v][u]` are the derivative of v by u.

    Vertices are numbers of values; result k is the vertex -1 - k, so that a value that is a result has an edge to it.
    `inner` lists the vertices to be eliminated in topological order. `left` says how many products of edges may still
    be formed or priced: time is in proportion to them, even where their values are known.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.succ: dict[int, dict[int, Ref]] = {}
        self.pred: dict[int, dict[int, Ref]] = {}
        self.inner: list[int] = []
        self.left = maxsize

    def copy(self) -> ScalarGraph:
        """Return a graph to be eliminated from, with a writer of its own."""
        other = copy(self)
        other.writer = self.writer.copy()
        other.succ = {u: dict(edges) for u, edges in self.succ.items()}
        other.pred = {v: dict(edges) for v, edges in self.pred.items()}
        return other

    def put(self, u: int, v: int, value: Ref) -> None:
        """Add a value onto the edge from u to v."""
        held = self.succ[u].get(v)
        if held is not None:
            value = self.writer.add(held, value)
        self.succ[u][v] = self.pred[v][u] = value

    def eliminate(self, v: int) -> None:
        """Eliminate a vertex, in O(edges in · edges out); raise `TooManyProducts` where these are not left."""
        self._spend(v)
        mul, add, zero = self.writer.mul, self.writer.add, self.writer.ZERO
        succ, pred = self.succ, self.pred
        before, behind = pred.pop(v), succ.pop(v)
        for u in before:
            del succ[u][v]
        for w, outer in behind.items():
            into = pred[w]
            del into[v]
            for u, inner in before.items():
                value = mul(inner, outer)
                if u in into:
                    value = add(into[u], value)
                    if value == zero:
                        del into[u], succ[u][w]
                        continue
                into[u] = succ[u][w] = value

    def price(self, v: int) -> int:
        """Count the operations that eliminating a vertex would write; raise as `eliminate` does."""
        self._spend(v)
        price, pred = 0, self.pred
        products, product_price = self.writer.products, self.writer.product_price
        before = pred[v]
        for w, outer in self.succ[v].items():
            into = pred[w]
            price += len(before.keys() & into.keys())
            outer &= -2
            if outer < 0:
                price += sum(product_price(inner, outer) for inner in before.values())
                continue
            for inner in before.values():
                inner &= -2
                if inner < 0:
                    price += product_price(inner, outer)
                elif ((inner, outer) if inner <= outer else (outer, inner)) not in products:
                    price += 1
        return price

    def _spend(self, v: int) -> None:
        self.left -= len(self.pred[v]) * len(self.succ[v])
        if self.left < 0:
            raise TooManyProducts


def linearised(writer: Writer, inputs: Sequence[Ref], results: Sequence[Ref]) -> ScalarGraph:
    """Write the derivatives of all values that lie between inputs and results, and return the graph of them."""
    reached = {a >> 1 for a in inputs}
    count = len(writer.nodes)
    for number in range(count):
        name, operands = writer.nodes[number]
        if name != "input" and any(a >= 0 and a >> 1 in reached for a in operands):
            reached.add(number)
    wanted = {r >> 1 for r in results if r >= 0} & reached
    for number in range(count - 1, -1, -1):
        name, operands = writer.nodes[number]
        if number in wanted and name != "input":
            wanted.update(a >> 1 for a in operands if a >= 0 and a >> 1 in reached)
    graph = ScalarGraph(writer)
    ends = [-1 - k for k in range(len(results))]
    graph.succ.update((number, {}) for number in sorted(wanted))
    graph.pred.update((number, {}) for number in (*sorted(wanted), *ends))
    for number in sorted(wanted):
        name, operands = writer.nodes[number]
        if name == "input":
            continue
        graph.inner.append(number)
        for a, derivative in zip(operands, _derivatives(writer, number), strict=True):
            if a >= 0 and a >> 1 in wanted and derivative not in (None, writer.ZERO):
                graph.put(a >> 1, number, derivative ^ (a & 1))
    for end, r in zip(ends, results, strict=True):
        if r >= 0 and r >> 1 in wanted:
            graph.put(r >> 1, end, writer.ONE ^ (r & 1))
    _leave_out_dead_ends(graph)
    return graph


def _derivatives(writer: Writer, number: int) -> Iterable[Ref | None]:
    name, operands = writer.nodes[number]
    return DERIVATIVES[name](writer, operands, 2 * number)


def _leave_out_dead_ends(graph: ScalarGraph) -> None:
    """Drop inner vertices without an edge in or out, as behind a derivative that is zero everywhere."""
    kept = []
    for number in graph.inner:
        if graph.pred[number]:
            kept.append(number)
        else:
            for v in graph.succ.pop(number):
                del graph.pred[v][number]
    graph.inner = []
    for number in reversed(kept):
        if graph.succ[number]:
            graph.inner.append(number)
        else:
            del graph.succ[number]
            for u in graph.pred.pop(number):
                del graph.succ[u][number]
    graph.inner.reverse()
