"""A linearised DAG with its vertices expanded into their entries, on which structured blocks are bounded.

Eliminating a vertex with blocks `a` into it and `b` out of it costs, by the definition of the price of a product,
`Σ_l (Σ_b nnz(b[:, l])) · (Σ_a nnz(a[l, :]))` over its entries l, where unit blocks count nothing: they multiply for
free. The patterns hold at least the nonzeros that paths of entries through eliminated entries make, because products
and sums of structures are upper bounds. So elimination of blocks costs at least what elimination of their entries does
(Griewank & Walther, *Evaluating Derivatives*, section 9.3), and every bound on the neighbours of an entry counts.

Which neighbours are free: the block between u and v is the sum of the products along the paths from one to the other
through eliminated vertices, and a sum or product is a unit block only if all its terms or factors are. So what an entry
pays for on one side are the neighbours to which it is joined by some path that has an edge which is no unit. These meet
every path that begins with such an edge: let u be the first entry on it that is still there; the part of the path up to
u has gone, and begins with that edge. So an entry pays at least the minimum cut of the paths that do not begin with a
unit, and where some entries are known to have gone before it, of those that do not lead into these by units either.

Entries of one vertex with the same neighbours stand for each other in every cut: they are one class, of their number
as size. A vertex with dense blocks alone is one class however large it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, bits, members
from chainplan.solvers.elimination.block_classes import EdgeClasses
from chainplan.solvers.search.search import WorkWatcher, unwatched
from chainplan.structures import Block, Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.envelope import Outline

MAX_LISTED_ENTRIES = 100_000
"""Rows, columns and nonzeros of structured blocks above which entries are not told apart."""
WORK_PER_LISTED_ENTRY = 30
"""The work of telling entries apart, of each of those: sets of entries take room for all of them."""


class EntryGraph:
    """The classes of entries of an elimination problem, numbered in the order of their vertices.

    `net` is the graph of the classes, in which an edge is full where its block is no unit, and `classes[v]` the set of
    those of vertex v.
    """

    def __init__(self, core: EliminationCore, mask: int | None = None) -> None:
        rows = {ends: _rows(block) for ends, block in core.block.items() if not isinstance(block.structure, Dense)}
        labels = _labels(core, rows)
        size: list[int] = []
        self.classes: list[int] = []
        for v, label in enumerate(labels):
            counts = [core.size[v]] if label is None else list(Counter(label).values())
            self.classes.append(((1 << len(counts)) - 1) << len(size))
            size += counts
        self.single = len(size) == len(self.classes) and all(self.classes)
        pred, succ = [0] * len(size), [0] * len(size)
        kinds = EdgeClasses(*([0] * len(size) for _ in range(4)))
        for (p, v), block in core.block.items():
            more = (kinds.unit_pred, kinds.unit_succ) if block.structure.unit else (kinds.full_pred, kinds.full_succ)
            for sources, targets in self._edges(labels, p, v, rows.get((p, v))):
                _add(pred, more[0], targets, sources)
                _add(succ, more[1], sources, targets)
        middle = core.middle if mask is None else core.middle & mask
        self.net = BitsetGraph(size, pred, succ, self.spread(middle), self.spread(core.kept), kinds)

    @classmethod
    def of(
        cls, core: EliminationCore, most: int, mask: int | None = None, look: WorkWatcher = unwatched
    ) -> EntryGraph | None:
        """The classes of a problem; None where they are more than `most` or its patterns too large to be listed.

        Outlines are left out, because what they count is a choice among several upper bounds. `look` is told of the
        work before it is done.
        """
        listed = 0
        for block in core.block.values():
            if isinstance(block.structure, Outline) or listed > MAX_LISTED_ENTRIES:
                return None
            if not isinstance(block.structure, Dense):
                listed += block.rows + block.cols
                if listed <= MAX_LISTED_ENTRIES and not isinstance(block.structure, OnDiagonal):
                    listed += block.nnz
        if listed > MAX_LISTED_ENTRIES:
            return None
        look(WORK_PER_LISTED_ENTRY * listed)
        entries = cls(core, mask)
        return entries if len(entries.net.size) <= most else None

    def spread(self, mask: int) -> int:
        """The classes of a set of vertices."""
        if self.single:
            return mask
        result = 0
        for v in members(mask):
            result |= self.classes[v]
        return result

    def _edges(
        self, labels: list[list[int] | None], p: int, v: int, rows: list[list[int]] | None
    ) -> Iterable[tuple[int, int]]:
        """The pairs of sets of classes of p and v whose members are all joined by a block, dense or of these rows."""
        if rows is None:
            yield self.classes[p], self.classes[v]
            return
        above, below = labels[p], labels[v]
        assert above is not None
        assert below is not None
        sources, targets = _lowest(self.classes[p]), _lowest(self.classes[v])
        known = set[int]()
        for row, label in zip(rows, below, strict=True):
            if label not in known:
                known.add(label)
                yield bits(sources + above[j] for j in row), 1 << targets + label


def _add(step: list[int], more: list[int], ends: int, near: int) -> None:
    """Add the same neighbours to several classes, in two tables."""
    for c in members(ends):
        step[c] |= near
        more[c] |= near


def _lowest(mask: int) -> int:
    """The first number in a set, -1 where it is empty."""
    return (mask & -mask).bit_length() - 1


def _rows(block: Block) -> list[list[int]]:
    """The columns of the nonzeros of each row of a block that is not dense."""
    if isinstance(block.structure, OnDiagonal):
        return [[i] for i in range(block.rows)]
    if not block.nnz:
        return [[] for _ in range(block.rows)]
    if block.rows == block.cols == 1:
        return [[0]]
    pattern = block.structure.pattern(block.rows, block.cols)
    ends, columns = pattern.indptr.tolist(), pattern.indices.tolist()
    return [sorted(columns[a:b]) for a, b in pairwise(ends)]


def _labels(core: EliminationCore, rows: dict[tuple[int, int], list[list[int]]]) -> list[list[int] | None]:
    """The class of each entry of each vertex, numbered within the vertex; None where all blocks beside it are dense.

    `rows` are those of the blocks that are not dense.
    """
    keys: list[list[list[tuple[int, ...]]] | None] = [None] * len(core.size)
    for (p, v), listed in rows.items():
        columns: list[list[int]] = [[] for _ in range(core.size[p])]
        for i, row in enumerate(listed):
            for j in row:
                columns[j].append(i)
        for u, lines in ((p, columns), (v, listed)):
            known = keys[u]
            if known is None:
                known = keys[u] = [[] for _ in range(core.size[u])]
            for key, line in zip(known, lines, strict=True):
                key.append(tuple(line))
    return [None if known is None else _numbers([tuple(key) for key in known]) for known in keys]


def _numbers(keys: list[tuple[tuple[int, ...], ...]]) -> list[int]:
    """Equal numbers for equal keys, in the order in which they come up."""
    number: dict[tuple[tuple[int, ...], ...], int] = {}
    return [number.setdefault(key, len(number)) for key in keys]
