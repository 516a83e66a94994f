"""A linearised DAG as bit sets under elimination: what the exact search, its reductions and its bounds work on.

Prices depend on the sizes of neighbourhoods and on the classes of edges alone (see `block_classes`). Bit i is the
vertex of topological number i; eliminations keep that order. Every vertex outside `middle` stays for good.

Where additions count too (`edge_prices`), a vertex is priced by what its neighbours count for multiplications and by
the entries that it has beside it. Products with units are free but have entries, so these are counted in a second
graph, `counted`, in which units are thin edges, or full ones where all sizes are 1.
"""

from __future__ import annotations

from chainplan.problem.cost import FMA
from chainplan.solvers.elimination.bitset_problem import EliminationCore, bits, members
from chainplan.solvers.elimination.block_classes import EdgeClasses
from chainplan.solvers.elimination.edge_prices import EdgePrices


class BitsetGraph:
    """Sizes, neighbours as bit sets, the remaining intermediates (`middle`), and the outputs among these (`kept`).

    `classes` holds the full and the unit edges; where it is not given all edges are full and the graph is not `mixed`.
    """

    def __init__(
        self,
        size: list[int],
        pred: list[int],
        succ: list[int],
        middle: int,
        kept: int,
        classes: EdgeClasses | None,
        prices: EdgePrices | None = None,
    ) -> None:
        self.size, self.pred, self.succ = size, pred, succ
        self.middle, self.kept = middle, kept & middle
        self.mixed = classes is not None
        self.classes = EdgeClasses(pred, succ, [0] * len(size), [0] * len(size)) if classes is None else classes
        self.prices = EdgePrices(FMA) if prices is None else prices
        self.counted = self._entries() if self.prices.adds and self.mixed else None

    def _entries(self) -> BitsetGraph:
        """The same graph with what the edges of its vertices count as entries."""
        none = [0] * len(self.size)
        scalar = all(size == 1 for size in self.size)
        classes = None if scalar else EdgeClasses(*self.classes[:2], none, none)
        return BitsetGraph(self.size, self.pred, self.succ, self.middle, self.kept, classes).copy()

    @classmethod
    def of(cls, core: EliminationCore, mask: int | None = None, classes: EdgeClasses | None = None) -> BitsetGraph:
        """The elimination of the intermediates in `mask` (all of them by default) with every other vertex kept."""
        middle = core.middle if mask is None else core.middle & mask
        lists = (list(core.size), list(core.pred), list(core.succ))
        return cls(*lists, middle, core.kept, classes, core.prices).copy()

    def copy(self) -> BitsetGraph:
        """A net that can be changed on its own."""
        classes = EdgeClasses(*map(list, self.classes)) if self.mixed else None
        lists = (list(self.size), list(self.pred), list(self.succ))
        return BitsetGraph(*lists, self.middle, self.kept, classes, self.prices)

    def weight(self, mask: int) -> int:
        """Total size of the vertices in a set."""
        size, total = self.size, 0
        while mask:
            low = mask & -mask
            total += size[low.bit_length() - 1]
            mask ^= low
        return total

    def counts(self, near: int, full: int, unit: int) -> int:
        """What neighbours count: their size along full edges, nothing along units, 1 along the others."""
        return self.weight(full) + (near & ~full & ~unit).bit_count()

    def around(self, v: int) -> tuple[int, int]:
        """What the neighbours of v count now."""
        full_pred, full_succ, unit_pred, unit_succ = self.classes
        into = self.counts(self.pred[v], full_pred[v], unit_pred[v])
        return into, self.counts(self.succ[v], full_succ[v], unit_succ[v])

    def price(self, v: int) -> int:
        """The price of eliminating v now."""
        return self.priced(v, self.around(v), None if self.counted is None else self.counted.around(v))

    def priced(self, v: int, counts: tuple[int, int], entries: tuple[int, int] | None) -> int:
        """The price of v where its neighbours count so much, and have so many entries, as many where None is given."""
        kept = bool(self.kept >> v & 1)
        return self.prices.entries(self.size[v], counts[0] * counts[1], *(entries or counts), kept)

    def all_full(self, v: int) -> bool:
        """Whether all edges of v are full."""
        return self.pred[v] == self.classes.full_pred[v] and self.succ[v] == self.classes.full_succ[v]

    def eliminate(self, v: int) -> int:
        """Eliminate v and return what it cost."""
        price, into, out = self.price(v), self.pred[v], self.succ[v]
        if self.counted is not None:
            self.counted.eliminate(v)
        if self.mixed:
            self._join_classes(v)
        for p in members(into):
            self.succ[p] |= out
        for s in members(out):
            self.pred[s] |= into
        self.cut_off(v, bool(self.kept >> v & 1))
        return price

    def _join_classes(self, v: int) -> None:
        """The classes of the edges between the neighbours of v once v has been eliminated."""
        full_pred, full_succ, unit_pred, unit_succ = self.classes
        into, out = self.pred[v], self.succ[v]
        for p in members(into):
            full = out if full_succ[p] >> v & 1 else full_succ[v]
            sums = self.succ[p] & out & ~full & ~full_succ[p]
            unit = out & ~full & ~self.succ[p] & unit_succ[v] if unit_succ[p] >> v & 1 else 0
            if self.size[v] == 1:
                full |= out & ~unit
            full_succ[p] |= full
            unit_succ[p] = (unit_succ[p] | unit) & ~sums & ~full
        for s in members(out):
            for row, other in ((full_pred, full_succ), (unit_pred, unit_succ)):
                row[s] = (row[s] & ~into) | bits(p for p in members(into) if other[p] >> s & 1)

    def merge(self, v: int, other: int) -> None:
        """Make one vertex of two that have the same neighbourhoods."""
        self.size[v] += self.size[other]
        self.cut_off(other)
        if self.counted is not None:
            self.counted.merge(v, other)

    def cut_off(self, v: int, stays: bool = False) -> None:
        """Remove v from the intermediates with its edges; the edges into it stay where it `stays` as an output."""
        full_pred, full_succ, unit_pred, unit_succ = self.classes
        sides = [(self.succ, self.pred), (full_succ, full_pred), (unit_succ, unit_pred)]
        if not stays:
            sides += [(into, out) for out, into in sides]
        bit = 1 << v
        for row, other in sides:
            for w in members(row[v]):
                other[w] &= ~bit
            row[v] = 0
        self.middle &= ~bit
        self.kept &= ~bit

    def parts(self, mask: int) -> list[int]:
        """The connected components of a set of intermediates, where edges join vertices whatever their direction."""
        components = []
        succ, pred = self.succ, self.pred
        while mask:
            part, border = 0, mask & -mask
            while border:
                part |= border
                grown = 0
                while border:
                    low = border & -border
                    v = low.bit_length() - 1
                    grown |= succ[v] | pred[v]
                    border ^= low
                border = grown & mask & ~part
            components.append(part)
            mask &= ~part
        return components
