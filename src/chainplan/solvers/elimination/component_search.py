"""The cheapest order of eliminating some vertices of a graph with propagation, from the cheapest orders of components.

What a vertex costs depends on the vertices that are gone, and of these only on the connected components that touch it.
In a connected set S the last vertex v is left with components of S without v, each of which went by itself, so

    least(S) = min over v in S of price(v after the rest of S) + sum of least(C) over the components C of S without v,

the recurrence of the elimination tree (Liu, *The role of elimination trees in sparse factorization*, SIAM J. Matrix
Anal. 1990). Along a path it is the dynamic program over intervals; on graphs that are nearly paths there are few more
sets. Components are found by size, each from a vertex and smaller ones around it. A set is dropped as soon as it and a
bound on all other vertices cost as much as a limit. The price of a product grows in proportion to the size of a dense
block, so that dense edges of a vertex are held as the set of their other ends, and priced as one.

A set that may be swept at once costs what its sweep does where that is less. Its parts are kept however dear they are.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.greedy import PricedOrder
from chainplan.solvers.elimination.propagation_bound import NO_CHARGES, Charges
from chainplan.solvers.elimination.propagation_edge import PropagationEdge
from chainplan.solvers.elimination.propagation_graph import PropagationGraph
from chainplan.solvers.search.search import SearchStopped
from chainplan.structures import Block, Dense

MAX_CLUSTERS = 400_000
"""Clusters that are kept at most; more end the search."""


class _Row:
    """What components add to the edges of one side of a vertex: the ends of dense blocks as bits, and other blocks."""

    __slots__ = ("blocks", "dense")

    def __init__(self, dense: int = 0, blocks: dict[int, Block] | None = None) -> None:
        self.dense, self.blocks = dense, {} if blocks is None else blocks

    def add(self, u: int, block: Block) -> None:
        """Add a block to the edge from or to u."""
        if self.dense >> u & 1:
            return
        if u in self.blocks:
            block = self.blocks[u].plus(block)
        if type(block.structure) is Dense:
            self.dense |= 1 << u
            self.blocks.pop(u, None)
        else:
            self.blocks[u] = block

    def join(self, other: _Row, but: int = 0) -> None:
        """Add another row without the edges of some vertices, which are bits."""
        self.dense |= other.dense & ~but
        for u in [u for u in self.blocks if self.dense >> u & 1]:
            del self.blocks[u]
        for u, block in other.blocks.items():
            if not but >> u & 1:
                self.add(u, block)


class _Cluster(NamedTuple):
    """Components around a vertex that do not touch each other; `charged` is what the bound charges to them."""

    cost: int
    mask: int
    charged: int
    parts: tuple[_Component, ...]


class _Component(NamedTuple):
    """A connected set of vertices that are gone, with the cheapest way: the last vertex after the cluster around it.

    `near` are the vertices beside it that are still to go; `into` and `out` say what it adds to their edges.
    """

    cost: int
    mask: int
    charged: int
    near: int
    last: int
    parts: tuple[_Component, ...]
    into: dict[int, _Row]
    out: dict[int, _Row]

    def order(self) -> Iterator[int]:
        """Yield the vertices in the order in which they go."""
        for part in self.parts:
            yield from part.order()
        yield self.last


class _Side(NamedTuple):
    """The edges of one side of a vertex: the ends of dense blocks as bits, and the other edges.

    `key` tells the other edges from those of other sides of the vertex, None where it would take long.
    """

    dense: int
    edges: dict[int, PropagationEdge]
    key: tuple[int, ...] | None = ()


def cheapest_order(
    work: PropagationGraph,
    vertices: Sequence[int],
    limit: int | None = None,
    tick: Callable[[], None] = lambda: None,
    charges: Charges = NO_CHARGES,
) -> PricedOrder | None:
    """Return the cheapest order of eliminating `vertices` next, None where none costs less than `limit`.

    `tick` is called for each price that is worked out; what it raises ends the search, as too many clusters do by
    `SearchStopped`. `charges` are a bound on what the vertices cost.
    """
    found = _ComponentSearch(work, vertices, limit, tick, charges).whole()
    if found is None:
        return None
    return PricedOrder(sum(c.cost for c in found), [v for c in found for v in c.order()])


class _ComponentSearch:
    """The search: clusters around each vertex, and for each size the sets that its vertices and clusters make.

    Sets of vertices are bits, by the numbers of the work graph.
    """

    def __init__(
        self,
        work: PropagationGraph,
        vertices: Sequence[int],
        limit: int | None,
        tick: Callable[[], None],
        charges: Charges,
    ) -> None:
        self.work, self.vertices, self.limit, self.tick = work, vertices, limit, tick
        self.charges, self.charged = charges, charges.total(vertices)
        self.every = sum(1 << v for v in vertices)
        self.kept = sum(1 << v for v in vertices if work.kept[v])
        self.beside = {v: self.every & sum(1 << u for u in {*work.into[v], *work.out[v]}) for v in vertices}
        self.into = {v: _side(work.edges(work.into[v])) for v in vertices}
        self.out = {v: _side(work.edges(work.out[v])) for v in vertices}
        self.clusters = {v: {0: [_Cluster(0, 0, 0, ())]} for v in vertices}
        self.count = 0
        self.sets: list[dict[int, list[tuple[int, _Cluster]]]] = [{} for _ in range(len(vertices) + 1)]
        self.weights = dict[int, int]()
        self.prices = dict[tuple[object, ...], int]()

    def whole(self) -> list[_Component] | None:
        """Return the components of all vertices, None where they cost as much as the limit."""
        for v in self.vertices:
            self.sets[1][1 << v] = [(v, self.clusters[v][0][0])]
        found = list[_Component]()
        for sets in self.sets:
            for options in sets.values():
                component = self._cheapest(options)
                if component is not None and component.near:
                    self._surround(component)
                elif component is not None:
                    found.append(component)
            sets.clear()
        complete = sum(c.mask for c in found) == self.every
        cheap = self.limit is None or sum(c.cost for c in found) < self.limit
        return sorted(found, key=lambda c: c.mask & -c.mask) if complete and cheap else None

    def _dear(self, cost: int, charged: int) -> bool:
        """Whether sets of this cost, with what the bound charges to all other vertices, reach the limit."""
        return self.limit is not None and cost + self.charged - charged >= self.limit

    def _in_part(self, mask: int) -> bool:
        """Whether a set may be swept with more vertices, so that what its vertices cost one by one ends nothing."""
        return self.work.sweeping and not mask & ~self.work.parts.within

    def _charge(self, v: int, mask: int) -> int:
        """Return what the bound charges to a vertex and not to a set beside it."""
        own = self.charges.edges.get(v, ())
        return self.charges.vertices.get(v, 0) + sum(fma for u, fma in own if u < 0 or not mask >> u & 1)

    def _cheapest(self, options: list[tuple[int, _Cluster]]) -> _Component | None:
        """Return the set that each vertex makes with its cluster, None where it is too dear."""
        best, cost = cast("tuple[int, _Cluster] | None", None), 0
        for v, cluster in sorted(options, key=lambda option: (option[1].cost, option[0])):
            if best is not None and cluster.cost + self._charge(v, cluster.mask) >= cost:
                continue
            self.tick()
            price = self._price(v, self._into(v, cluster), self._out(v, cluster))
            if best is None or cluster.cost + price < cost:
                best, cost = (v, cluster), cluster.cost + price
        assert best is not None
        mask = best[1].mask | 1 << best[0]
        sweep = self.work.swept(mask, cost)
        cost = cost if sweep is None else sweep.price
        charged = best[1].charged + self._charge(best[0], best[1].mask)
        dear = self._dear(cost, charged) and not self._in_part(mask)
        return None if dear else self._component(*best, cost, charged)

    def _into(self, v: int, cluster: _Cluster) -> _Side:
        """Return the in-edges of a vertex after a cluster is gone."""
        rows = [part.into.get(v) for part in cluster.parts]
        return self._added(self.into[v], cluster.mask, rows, lambda u: (u, v))

    def _out(self, v: int, cluster: _Cluster) -> _Side:
        """Return its out-edges; those to outputs that are read stay."""
        gone = cluster.mask & ~self.kept
        rows = [part.out.get(v) for part in cluster.parts]
        return self._added(self.out[v], gone, rows, lambda u: (v, u))

    def _added(self, base: _Side, gone: int, rows: list[_Row | None], ends: Callable[[int], tuple[int, int]]) -> _Side:
        """Return the edges of one side whose other end is there, with the blocks that components add to them."""
        total, work = _Row(base.dense & ~gone), self.work
        for row in rows:
            if row is not None:
                total.join(row)
        dense, edges, key, same = total.dense, dict[int, PropagationEdge](), list[int](), not total.blocks
        for u, edge in base.edges.items():
            if gone >> u & 1:
                continue
            key.append(u)
            if dense >> u & 1:
                edge, key[-1] = edge.plus(Block(edge.block.rows, edge.block.cols)), ~u
            elif u in total.blocks:
                edge = edge.plus(total.blocks.pop(u))
            if edge.plain:
                dense |= 1 << u
            else:
                edges[u] = edge
                dense &= ~(1 << u)
        for u, block in total.blocks.items():
            edges[u] = work.edge(*ends(u), block, block)
        for u in members(dense) if work.directions is not None else ():
            p, s = ends(u)
            block = Block(work.size[s], work.size[p])
            edge = work.edge(p, s, block, block)
            if not edge.plain:
                edges[u] = edge
                dense &= ~(1 << u)
                key.append(u)
        return _Side(dense, edges, tuple(key) if same else None)

    def _price(self, v: int, into: _Side, out: _Side) -> int:
        """Return the price of eliminating a vertex of these edges."""
        cols, rows = self._weight(into.dense), self._weight(out.dense)
        key = v, cols, rows, into.key, out.key
        price = self.prices.get(key)
        if price is None:
            size, ins, outs = self.work.size[v], list(into.edges.values()), list(out.edges.values())
            if into.dense:
                ins.append(_whole(Block(size, cols)))
            if out.dense:
                outs.append(_whole(Block(rows, size)))
            price = self.work.route_price(outs, ins)
            if into.key is not None and out.key is not None:
                self.prices[key] = price
        return price

    def _weight(self, mask: int) -> int:
        """Return the total size of a set of vertices."""
        if mask not in self.weights:
            self.weights[mask] = self.work.weight([*members(mask)])
        return self.weights[mask]

    def _component(self, v: int, cluster: _Cluster, cost: int, charged: int) -> _Component:
        """Return the component of a vertex and the cluster before it, with what it adds to the edges around it."""
        near, mask = self.beside[v], cluster.mask | 1 << v
        for part in cluster.parts:
            near |= part.near
        near &= ~mask
        into, out = ({u: _Row() for u in members(near)} for _ in range(2))
        for part in cluster.parts:
            for u in members(part.near & near):
                into[u].join(part.into[u], 1 << v)
                out[u].join(part.out[u], 1 << v & ~self.kept)
        if near:
            self._join_products(v, self._into(v, cluster), self._out(v, cluster), into, out)
        return _Component(cost, mask, charged, near, v, cluster.parts, into, out)

    def _join_products(self, v: int, ins: _Side, outs: _Side, into: dict[int, _Row], out: dict[int, _Row]) -> None:
        """Add the products through a vertex to the edges of those beside it."""
        for s in into:
            if outs.dense >> s & 1:
                into[s].join(_Row(ins.dense))
        for p in out:
            if ins.dense >> p & 1:
                out[p].join(_Row(outs.dense))
        size = self.work.size
        left = {s: edge.block for s, edge in outs.edges.items()}
        right = {p: edge.block for p, edge in ins.edges.items()}
        lefts = left | {s: Block(size[s], size[v]) for s in members(outs.dense)} if right else left
        rights = right | {p: Block(size[v], size[p]) for p in members(ins.dense)} if left else right
        for s, one in lefts.items():
            for p, other in rights.items():
                if (s in left or p in right) and (s in into or p in out):
                    product = one.times(other)
                    if s in into:
                        into[s].add(p, product)
                    if p in out:
                        out[p].add(s, product)

    def _surround(self, component: _Component) -> None:
        """Put a component into the clusters of each vertex beside it, and note the sets that these make."""
        taken = component.mask | component.near
        for v in members(component.near):
            place = self.beside[v] & component.mask
            made = list[tuple[int, _Cluster]]()
            for other, clusters in self.clusters[v].items():
                if other & place:
                    continue
                for cluster in clusters:
                    cost, charged = cluster.cost + component.cost, cluster.charged + component.charged
                    if self._dear(cost, charged) and not self._in_part(cluster.mask | component.mask | 1 << v):
                        if self.work.sweeping:
                            continue
                        break
                    if not cluster.mask & taken:
                        mask = cluster.mask | component.mask
                        made.append((other | place, _Cluster(cost, mask, charged, (*cluster.parts, component))))
            for key, cluster in made:
                insort(self.clusters[v].setdefault(key, []), cluster, key=_spent)
                mask = cluster.mask | 1 << v
                self.sets[mask.bit_count()].setdefault(mask, []).append((v, cluster))
            self.count += len(made)
            if self.count > MAX_CLUSTERS:
                raise SearchStopped


def _spent(cluster: _Cluster) -> int:
    """Return what a cluster costs beyond the bound."""
    return cluster.cost - cluster.charged


def _side(edges: list[tuple[int, PropagationEdge]]) -> _Side:
    """Return the edges of one side before anything is gone."""
    side, dense = dict[int, PropagationEdge](), 0
    for u, edge in edges:
        if edge.plain:
            dense |= 1 << u
        else:
            side[u] = edge
    return _Side(dense, side)


def _whole(block: Block) -> PropagationEdge:
    """Return an edge of a block that is there."""
    return PropagationEdge(block, block)
