"""A dense linearised DAG as bit sets under elimination: what the exact search, its reductions and its bounds work on.

With dense blocks a price depends on the sizes of neighbourhoods alone, so an edge is one bit. Bit i is the vertex of
topological number i; eliminations keep that order. Every vertex outside `middle` stays for good.
"""

from __future__ import annotations

from chainplan.solvers.elimination.bitset_problem import EliminationCore, members


class BitsetGraph:
    """Sizes, neighbours as bit sets, the remaining intermediates (`middle`), and the outputs among these (`kept`)."""

    def __init__(self, size: list[int], pred: list[int], succ: list[int], middle: int, kept: int) -> None:
        self.size, self.pred, self.succ = size, pred, succ
        self.middle, self.kept = middle, kept & middle

    @classmethod
    def of(cls, core: EliminationCore, mask: int | None = None) -> BitsetGraph:
        """The elimination of the intermediates in `mask` (all of them by default) with every other vertex kept."""
        middle = core.middle if mask is None else core.middle & mask
        return cls(list(core.size), list(core.pred), list(core.succ), middle, core.kept)

    def copy(self) -> BitsetGraph:
        """A net that can be changed on its own."""
        return BitsetGraph(list(self.size), list(self.pred), list(self.succ), self.middle, self.kept)

    def weight(self, mask: int) -> int:
        """Total size of the vertices in a set."""
        size, total = self.size, 0
        while mask:
            low = mask & -mask
            total += size[low.bit_length() - 1]
            mask ^= low
        return total

    def price(self, v: int) -> int:
        """Multiply-adds of eliminating v now."""
        return self.size[v] * self.weight(self.pred[v]) * self.weight(self.succ[v])

    def eliminate(self, v: int) -> int:
        """Eliminate v and return what it cost."""
        price, bit = self.price(v), 1 << v
        into, out = self.pred[v], self.succ[v]
        stays = self.kept & bit
        for p in members(into):
            self.succ[p] |= out
            if not stays:
                self.succ[p] &= ~bit
        for s in members(out):
            self.pred[s] = (self.pred[s] | into) & ~bit
        self.succ[v] = 0
        if not stays:
            self.pred[v] = 0
        self.middle &= ~bit
        self.kept &= ~bit
        return price

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
