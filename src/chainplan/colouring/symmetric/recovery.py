"""From a colouring of a symmetric pattern to its nonzeros and back; the judge of a colouring.

A product with the sum of the columns of one colour gives for each row v and each colour c one equation (v, c): the sum
of the nonzeros of row v whose columns have colour c. A nonzero {v, w} stands in two equations, (v, colour of w) and
(w, colour of v); on the diagonal, or where one of the two columns is not coloured, in one.

Recovery is *direct* where each nonzero is alone in one of its equations (Coleman & Moré, Math. Program. 28, 1984,
section 3: symmetrically consistent partitions). It is by *substitution* where the nonzeros can be put in an order in
which each is alone in an equation once those before it are taken off. Take the equations as nodes and the nonzeros as
links between the two equations in which they stand: a nonzero with one equation is a link with a loose end. Such an
order exists exactly where every connected part is a tree with at most one loose end: a cycle has no end to begin at,
and what leads from one loose end to another has none either. Where all of the diagonal is nonzero, these are the star
and the acyclic colourings of Gebremedhin, Tarafdar, Manne & Pothen, SIAM J. Sci. Comput. 29(3), 2007, sections 2.2 and
2.3. Nothing here depends on how a colouring was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.model import ColourArray
from chainplan.colouring.recovery import alone
from chainplan.colouring.symmetric.adjacency import symmetric_entries
from chainplan.colouring.symmetric.model import SymmetricColouring
from chainplan.errors import ShapeError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array
    from chainplan.colouring.recovery import Flags, Pattern


class SubstitutionRound(NamedTuple):
    """Equations that hold one nonzero each, and the equations from which these nonzeros are to be taken off."""

    known: ColourArray
    rest: ColourArray


class SymmetricRecovery(NamedTuple):
    """How the nonzeros are read off the compressed product, n x products, laid out row by row as one vector.

    Round after round, the entries `known` are taken off the entries `rest`. Then nonzero k of the pattern is entry
    `place[k]`. Direct recovery has no rounds.
    """

    place: ColourArray
    rounds: tuple[SubstitutionRound, ...]


def symmetric_misfit(pattern: Pattern, colouring: SymmetricColouring) -> str | None:
    """Say why a colouring does not recover a symmetric pattern, or None where it does.

    Cost: O(nnz log nnz).

    Raises
    ------
    ShapeError
        If the pattern is not symmetric.
    """
    i, j = symmetric_entries(pattern)
    colours = colouring.colours
    if colours.size != pattern.shape[0]:
        return f"it has colours for {colours.size} columns, but the pattern has {pattern.shape[0]}."
    if colouring.substitution:
        return _why_not_substituted(i, j, _Equations.of(i, j, colouring))
    lost = ~(alone(i, colours[j]) | alone(j, colours[i]))
    if not lost.any():
        return None
    k = int(np.argmax(lost))
    return (
        f"nonzero ({i[k]}, {j[k]}) cannot be recovered directly: "
        f"{_why_hidden(int(i[k]), int(j[k]), i, j, colours)}, and {_why_hidden(int(j[k]), int(i[k]), i, j, colours)}."
    )


def recovery_of(pattern: Pattern, colouring: SymmetricColouring) -> SymmetricRecovery:
    """How the nonzeros of a symmetric pattern are recovered.

    Cost: O(nnz log nnz); the number of rounds is the height of the highest tree of equations.

    Raises
    ------
    ShapeError
        If the pattern is not symmetric, or the colouring does not recover it.
    """
    wrong = symmetric_misfit(pattern, colouring)
    if wrong:
        raise ShapeError(f"colouring: {wrong} Colour the pattern anew.")
    i, j = symmetric_entries(pattern)
    if colouring.substitution:
        return _Equations.of(i, j, colouring).solved()
    colours, products = colouring.colours, colouring.products
    here, there = alone(i, colours[j]), alone(j, colours[i])
    row = here & ((i <= j) | ~there)  # both of a nonzero and its mirror image are read at one place
    return SymmetricRecovery(np.where(row, i * products + colours[j], j * products + colours[i]), ())


def seed_symmetric(colouring: SymmetricColouring) -> csr_array:
    """The seed matrix, n x products: H · seed_symmetric is the compressed product."""
    from scipy.sparse import csr_array

    seeded = np.flatnonzero(colouring.colours >= 0)
    ones = np.ones(seeded.size, dtype=np.int8)
    shape = (colouring.colours.size, colouring.products)
    return csr_array((ones, (seeded, colouring.colours[seeded])), shape=shape)


def decompress_symmetric(pattern: Pattern, colouring: SymmetricColouring, compressed: Array) -> csr_array:
    """The symmetric matrix with the given pattern from its compressed product.

    Parameters
    ----------
    compressed : Array
        n x products, H · seed_symmetric.

    Returns
    -------
    csr_array
        n x n with the structure of the pattern, symmetric to the bit.

    Raises
    ------
    ShapeError
        If the pattern is not symmetric, the colouring does not recover it, or the product has not its size.
    """
    from scipy.sparse import csr_array

    way = recovery_of(pattern, colouring)
    due = (pattern.shape[0], colouring.products)
    if compressed.shape != due:
        found = " x ".join(map(str, compressed.shape))
        raise ShapeError(f"compressed product: {found} given; {due[0]} x {due[1]} are due for this colouring.")
    left = np.array(compressed).ravel()
    for known, rest in way.rounds:
        np.subtract.at(left, rest, left[known])
    return csr_array((left[way.place], pattern.indices.copy(), pattern.indptr.copy()), shape=pattern.shape)


class _Equations(NamedTuple):
    """The equations of every nonzero: `here` that of its row, `there` that of its column; -1 where there is none."""

    here: ColourArray
    there: ColourArray
    total: int

    @classmethod
    def of(cls, i: ColourArray, j: ColourArray, colouring: SymmetricColouring) -> _Equations:
        """Number the equations row by row, as the entries of the compressed product lie."""
        colours, products = colouring.colours, colouring.products
        here = np.where(colours[j] >= 0, i * products + colours[j], -1)
        there = np.where(colours[i] >= 0, j * products + colours[i], -1)
        return cls(here, there, colours.size * products)

    @property
    def linked(self) -> Flags:
        """Whether a nonzero links two equations; each does so once, where it is met from the lower one."""
        linked: Flags = (self.here >= 0) & (self.here < self.there)
        return linked

    @property
    def loose(self) -> Flags:
        """Whether a nonzero stands in one equation alone."""
        loose: Flags = (self.here >= 0) & ((self.here == self.there) | (self.there < 0))
        return loose

    def parts(self) -> tuple[int, ColourArray]:
        """The number of connected parts, and the part of every equation."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        links = self.linked
        size = (self.total, self.total)
        graph = csr_array((np.ones(int(links.sum()), np.int8), (self.here[links], self.there[links])), shape=size)
        count, part = connected_components(graph, directed=False)
        return int(count), part.astype(np.intp)

    def solved(self) -> SymmetricRecovery:
        """Take a root in every tree, that with the loose end where there is one, and go from leaves to roots."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order

        count, part = self.parts()
        root = np.full(count, self.total)
        np.minimum.at(root, part, np.arange(self.total))
        root[part[self.here[self.loose]]] = self.here[self.loose]
        links, top = self.linked, np.full(count, self.total)
        ends = np.concatenate([self.here[links], top]), np.concatenate([self.there[links], root])
        size = (self.total + 1, self.total + 1)
        tree = csr_array((np.ones(ends[0].size, np.int8), ends), shape=size)
        found = breadth_first_order(tree, self.total, directed=False)
        order, above = (nodes.astype(np.intp) for nodes in found)
        depth = _depths(order, above)
        lower = np.where(depth[self.here] > depth[self.there], self.here, self.there)
        place = np.where(self.here < 0, self.there, np.where(self.there < 0, self.here, lower))
        deep = order[(depth[order] > 1)]
        cuts = np.flatnonzero(np.diff(depth[deep])) + 1
        rounds = [SubstitutionRound(level, above[level]) for level in np.split(deep, cuts)[::-1]]
        return SymmetricRecovery(place, tuple(rounds) if deep.size else ())


def _depths(order: ColourArray, above: ColourArray) -> ColourArray:
    """The depth of every node of a tree, given breadth first, by doubling the steps towards the root."""
    depth = np.zeros(above.size, dtype=np.intp)
    depth[order[1:]] = 1
    up = np.where(above < 0, np.arange(above.size), above)
    while (up != order[0]).any():
        depth = depth + depth[up]
        up = up[up]
    return depth


def _why_hidden(v: int, w: int, i: ColourArray, j: ColourArray, colours: ColourArray) -> str:
    """Say why the nonzero of row v and column w is not alone with the colour of its column in its row."""
    if colours[w] < 0:
        return f"column {w} is not coloured"
    other = next(int(u) for u in j[i == v] if u != w and colours[u] == colours[w])
    return f"column {w} shares colour {colours[w]} with column {other} in row {v}"


def _why_not_substituted(i: ColourArray, j: ColourArray, equations: _Equations) -> str | None:
    """Say which part of the equations cannot be solved by substitution."""
    missing = (equations.here < 0) & (equations.there < 0)
    if missing.any():
        k = int(np.argmax(missing))
        return f"nonzero ({i[k]}, {j[k]}) cannot be recovered: neither column is coloured."
    count, part = equations.parts()
    nodes = np.bincount(part, minlength=count)
    links = np.bincount(part[equations.here[equations.linked]], minlength=count)
    ends = np.bincount(part[equations.here[equations.loose]], minlength=count)
    bad = (links >= nodes) | (ends > 1)
    if not bad.any():
        return None
    at = np.where(equations.here >= 0, equations.here, equations.there)
    k = int(np.argmax(bad[part[at]]))
    worst = part[at[k]]
    why = "a cycle of two colours" if links[worst] >= nodes[worst] else f"{ends[worst]} nonzeros with one equation each"
    return (
        f"nonzero ({i[k]}, {j[k]}) cannot be recovered by substitution: it is in a part of {nodes[worst]} equations "
        f"for {links[worst] + ends[worst]} nonzeros, with {why}."
    )
