"""Optimal bracketing of a matrix chain in O(n log n) time and O(n) memory, exact for integers of any length.

A bracketing of n factors is a triangulation of the polygon whose n + 1 vertices weigh the sizes; a triangle costs the
product of its three weights. T. C. Hu and M. T. Shing ("Computation of matrix chain products", Part I, SIAM J. Comput.
11 (1982); Part II, 13 (1984); the proof of Part II was repaired by O. Schwartz and E. Weiss, "Revisiting 'Computation
of Matrix Chain Products'", SIAM J. Comput. 48 (2019)) show that some optimum consists of fans, each from the smallest
vertex of its region, and that the arcs between the fans lie among at most n - 2 potential h-arcs, which one sweep with
a stack lists (Part I). It remains to choose among these (Part II).

The potential h-arcs are nested as a binary tree, and an arc is settled once all arcs below it are. The sweep lists them
in such an order, so no recursion is needed, and no tree beyond one heap per arc. Arcs drop out by decreasing supporting
weight; a pairing heap melds in O(1) and pops in amortised O(log n) whatever the shape of the tree, so no input takes
more than O(n log n). Supporting weights are quotients of integers and are compared by cross-multiplication, so that a
tie is a tie at any magnitude.

Of equal sizes the one met first, clockwise from the first smallest size, counts as the smaller. The theory needs such a
total order, and it makes the result a function of the sizes alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index, itemgetter

__all__ = ["optimal_products"]


class _HorizontalArc:
    """An h-arc u - v, 0 < u < v, over a region that ends below at the outermost arcs still present.

    Without the arc, its region joins the fan above: with w the weight of the fan's vertex, this adds w * den and saves
    num. So the arc pays if and only if w > num / den, its supporting weight (Part II).
    """

    __slots__ = ("child", "den", "host", "left", "num", "present", "right", "sibling", "u", "v")

    child: _HorizontalArc | None  # heap: first child
    sibling: _HorizontalArc | None  # heap: next child of the same parent
    host: _HorizontalArc | None  # the arc with which this one stands or falls, if any
    left: int  # left neighbour of v and right neighbour of u in the region
    right: int
    num: int
    den: int

    def __init__(self, u: int, v: int) -> None:
        self.u = u
        self.v = v
        self.sibling = None
        self.host = None
        self.present = True


def optimal_products(sizes: Sequence[int]) -> list[tuple[int, int, int]]:
    """Products of an optimal bracketing of the chain whose factor F_i is sizes[i] x sizes[i - 1].

    Cost: O(n log n) time and O(n) memory.

    Returns
    -------
    list
        Triples (i, k, j) with 0 <= i < k < j <= n: the interval (i, j) is the product of (k, j) and (i, k), which costs
        sizes[j] * sizes[k] * sizes[i]. Operands come before their use, in the order of a stack machine: by j, then by
        decreasing i.

    Raises
    ------
    ValueError
        For a negative size.
    """
    # Python ints: sizes of a fixed width would overflow in the products.
    s = list(map(index, sizes))
    n = len(s) - 1
    if s and min(s) < 0:
        raise ValueError(f"a size is negative: {min(s)}")
    if n < 2:
        return []
    m = s.index(min(s))
    w = s[m:] + s[:m]
    # A zero makes the fan from it free; the supporting weights would be 0 / 0.
    arcs = _present_arcs(w) if w[0] else []
    position = [*range(m, n + 1), *range(m)]
    products = []
    for a, b, c in _triangles(w, arcs):
        i, k, j = position[a], position[b], position[c]
        if i > k:
            i, k, j = k, j, i
        elif k > j:
            i, k, j = j, i, k
        products.append((i, k, j))
    products.sort(key=itemgetter(0), reverse=True)
    products.sort(key=itemgetter(2))
    return products


def _present_arcs(w: Sequence[int]) -> list[_HorizontalArc]:
    """The h-arcs of an optimal partition of the polygon w, w[0] minimal and positive, innermost first."""
    n = len(w)
    left, right = list(range(-1, n - 1)), list(range(1, n + 1))
    heaps: list[_HorizontalArc | None] = [None] * n  # heaps[v]: the arcs within the outermost arc that ends in v
    arcs = []
    stack = [0]
    for v in range(1, n):
        while w[c := stack[-1]] > w[v]:
            stack.pop()
            u = stack[-1]
            # Arcs at the smallest vertex belong to its fan and are no h-arcs.
            if u:
                arc = _settle_arc(w, u, c, v, _meld(heaps[c], heaps[v]), left, right)
                heaps[c], heaps[v] = None, arc
                arcs.append(arc)
        stack.append(v)
    _drop_arcs(w[0], heaps)
    for arc in reversed(arcs):
        if arc.host:
            arc.present = arc.host.present
    return [arc for arc in arcs if arc.present]


def _settle_arc(
    w: Sequence[int], u: int, c: int, v: int, top: _HorizontalArc | None, left: list[int], right: list[int]
) -> _HorizontalArc:
    """The arc u - v over the triangle u, c, v and over the heap `top`, by the ceilings and condensation of Part II."""
    arc = _HorizontalArc(u, v)
    x, y, z = w[u], w[v], w[c]
    mul = x * y
    low = x if x <= y else y
    den = z * (x + y) - mul
    # Arcs that do not pay below a fan from the smaller end give way to that fan.
    while top and top.num >= low * top.den:
        den += top.den
        left[top.v], right[top.u] = top.left, top.right
        top.present = False
        top = _without_top(top)
    # Fan from the smaller end: its weight times the sides that do not meet it.
    num = low * (den + mul - low * w[right[u] if x <= y else left[v]])
    # An arc that pays only where this one pays already is condensed with it.
    while top and num * top.den <= top.num * den:
        num += top.num
        den += top.den
        left[top.v], right[top.u] = top.left, top.right
        top.host = arc
        top = _without_top(top)
    arc.num, arc.den, arc.child = num, den, top
    arc.left, arc.right = left[v], right[u]
    left[v], right[u] = u, v
    return arc


def _drop_arcs(low: int, heaps: Sequence[_HorizontalArc | None]) -> None:
    """Remove the arcs that do not pay below a fan of weight `low`; the heap order ends the walk at arcs that pay."""
    todo = list(heaps)
    while todo:
        top = todo.pop()
        while top:
            if top.num >= low * top.den:
                top.present = False
                todo.append(top.child)
            top = top.sibling


def _meld(a: _HorizontalArc | None, b: _HorizontalArc | None) -> _HorizontalArc | None:
    """Union of two pairing heaps, the largest supporting weight on top."""
    if not a or not b:
        return a or b
    if a.num * b.den < b.num * a.den:
        a, b = b, a
    b.sibling, a.child = a.child, b
    return a


def _without_top(top: _HorizontalArc) -> _HorizontalArc | None:
    """The pairing heap without its top: the children melded in pairs, the pairs from last to first."""
    a = top.child
    if not a or not a.sibling:
        return a
    pairs = None
    while a:
        b = a.sibling
        a.sibling = None
        following = None
        if b:
            following, b.sibling = b.sibling, None
        pair = _meld(a, b)
        assert pair
        pair.sibling, pairs = pairs, pair
        a = following
    heap = None
    while pairs:
        pair, pairs = pairs, pairs.sibling
        pair.sibling = None
        heap = _meld(heap, pair)
    return heap


def _triangles(w: Sequence[int], arcs: Sequence[_HorizontalArc]) -> Iterator[tuple[int, int, int]]:
    """The triangles (a, b, c), a < b < c, of the fans between the arcs (innermost first) and above them."""
    n = len(w)
    right = list(range(1, n + 1))
    for arc in arcs:
        u, v = arc.u, arc.v
        a = right[u]
        if w[u] <= w[v]:
            while a != v:
                yield u, a, (b := right[a])
                a = b
        else:
            b = u
            while a != v:
                yield b, a, v
                a, b = right[a], a
        right[u] = v
    a = right[0]
    while (b := right[a]) != n:
        yield 0, a, b
        a = b
