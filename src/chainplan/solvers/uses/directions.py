"""A graph with one vertex more, for the directions of J·v or the weights of w·J: products as elimination.

k products J·v are one product of J with a dense block of k columns. Let these columns be a vertex of k entries before
the inputs, joined to each of them by a dense block, and let the inputs be intermediate vertices. Then what is asked for
is the Jacobian of this graph, and every order of eliminating its vertices is a way to make the products: what does not
depend on the new vertex is formed once, and what does is done again for every product, at the price of one of its
columns. To eliminate the inputs first and all others in topological order is to form nothing; to eliminate the inputs
last is to form J. So all that is known of elimination holds for products: exact and local search, and bounds.

For w·J the new vertex is behind the outputs. Where products on both sides are asked for, it stands on the side of the
more frequent ones, before the inputs where they are equally many. The program of the other side is then the transposed
one: it goes through the same blocks backwards (Griewank & Walther, *Evaluating Derivatives*, section 3.3), and costs
the same per block, because both multiply a vector by it. So k + l vectors stand for the products of both sides, but
that a matrix-free elemental is applied to k of them by tangents and to l by adjoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.products import Products
from chainplan.solvers.elimination.propagation_graph import Directions
from chainplan.solvers.elimination.swept_parts import has_hole
from chainplan.structures import DENSE, Block, Identity, Zero

VECTORS = "\0vectors"
"""The name of the new vertex; no vertex of a problem has it."""


def side_of(products: Products) -> Mode:
    """The mode of the side on which the new vertex stands."""
    return Mode.TANGENT if products.right >= products.left else Mode.ADJOINT


def with_vectors(graph: Graph, mode: Mode, size: int, price: Callable[[Elemental], Elemental] | None = None) -> Graph:
    """The useful part of a graph with a vertex of `size` vectors, and with other prices of elementals where given.

    Its blocks are counted as those of the graph: dense ones beside them change no structure. Outputs that are read are
    joined to weights by way of a copy, so that a block that ends there can be formed although the output is eliminated.
    """
    ends = [v for v in (graph.inputs if mode is Mode.TANGENT else graph.outputs) if v in _touched(graph)]
    useful = tuple(replace(price(e) if price else e, values=None) for e in graph.useful)
    if mode is Mode.TANGENT:
        more = tuple(Elemental(vector_name(v), VECTORS, v, _vectors(graph.sizes[v], size)) for v in ends)
        sizes, elementals = {VECTORS: size, **graph.sizes}, more + useful
        return _counted_like(graph, Graph(sizes, (VECTORS,), graph.outputs, elementals))
    copies = {v: apart_name(vector_name(v)) for v in ends if v in graph.out_of}
    more = tuple(Elemental(vector_name(v), copies.get(v, v), VECTORS, _vectors(size, graph.sizes[v])) for v in ends)
    units = tuple(Elemental(copy, v, copy, _identity(graph.sizes[v])) for v, copy in copies.items())
    sizes = {**graph.sizes, **{copy: graph.sizes[v] for v, copy in copies.items()}, VECTORS: size}
    return _counted_like(graph, Graph(sizes, graph.inputs, (VECTORS,), (*useful, *units, *more)))


def with_units_apart(graph: Graph) -> Graph:
    """The useful part of a graph, where parallel unit blocks that make a sum denser go through vertices of their own.

    Multiplying by them is free, and adding them up with others is not, if the sum has more nonzeros. From the source to
    such a vertex leads an identity, by which it can be told.
    """
    groups: dict[tuple[str, str], list[Elemental]] = {}
    for e in graph.useful:
        groups.setdefault((e.source, e.target), []).append(e)
    apart = {e.name for group in groups.values() if group[1:] for e in _denser_with(group)}
    if not apart:
        return graph
    sizes, elementals = dict(graph.sizes), list[Elemental]()
    for e in graph.useful:
        e = replace(e, values=None)
        if e.name in apart:
            vertex, size = apart_name(e.name), graph.sizes[e.source]
            sizes[vertex] = size
            elementals.append(Elemental(vertex, e.source, vertex, _identity(size)))
            e = replace(e, source=vertex)
        elementals.append(e)
    return _counted_like(graph, Graph(sizes, graph.inputs, graph.outputs, tuple(elementals)))


def apart_name(elemental: str) -> str:
    """The name of the vertex through which a unit block leads, and of the identity before it."""
    return f"\0apart {elemental}"


def _denser_with(group: list[Elemental]) -> Iterable[Elemental]:
    """The unit blocks of a group of parallel ones that another of them becomes denser with, or no unit any more."""
    units = [e for e in group if e.explicit and e.block.structure.unit]
    others = [e.block for e in group if e not in units] or [units.pop(0).block]
    for e in units:
        if any(block.structure.unit or block.plus(e.block).nnz > block.nnz for block in others):
            yield e


def _counted_like(graph: Graph, whole: Graph) -> Graph:
    """The same graph, of useful elementals alone, whose blocks are counted as those of another one are."""
    vars(whole)["_resolved"] = whole.elementals, graph.exact, graph.bounded_below
    return whole


def _identity(size: int) -> Block:
    return Block(size, size, Identity() if size else Zero())


def _vectors(rows: int, cols: int) -> Block:
    return Block(rows, cols, DENSE if rows and cols else Zero())


def vector_name(vertex: str) -> str:
    """The name of the block that joins the new vertex to an input or output."""
    return f"{VECTORS} {vertex}"


def directions_of(graph: Graph, products: Products) -> Directions:
    """What a work graph with one vector for all products needs to know of them."""
    mode = side_of(products)
    counted = with_vectors(graph, mode, products.total, lambda e: _least_priced(e, products, mode))
    return Directions(VECTORS, products, counted)


def plain(graph: Graph, products: Products) -> bool:
    """Whether the Jacobian of the graph with a vector for every product costs as much as the products.

    All elementals must be explicit, and no block may have an empty row, nor an empty column where the vectors are
    behind the outputs: products with vectors count these as dense.
    """
    behind = side_of(products) is Mode.ADJOINT
    return graph.explicit and not any(has_hole(e.block, column=behind) for e in graph.useful)


def _touched(graph: Graph) -> set[str]:
    return {v for e in graph.useful for v in (e.source, e.target)}


def _least_priced(e: Elemental, products: Products, mode: Mode) -> Elemental:
    """The elemental with the price of a vector below which no plan applies it in the mode of the vertex of vectors.

    Vectors of the set-up cost that mode, and those of products on average the mean of both modes.
    """
    own = e.per_vector(mode)
    other = e.per_vector(Mode.ADJOINT if mode is Mode.TANGENT else Mode.TANGENT)
    if own is None or other is None:
        return e
    few = min(products.right, products.left)
    mean = (own * (products.total - few) + other * few) // products.total
    least = min(own, mean)
    return replace(e, tangent=least) if mode is Mode.TANGENT else replace(e, adjoint=least)
