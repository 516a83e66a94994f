"""Plans for the second derivative of a chain by splits: one rule for both orders, as a bracketing has for the Jacobian.

Let F = F_q ∘ ... ∘ F_1, J(i, j) the Jacobian of the part from x_i to x_j and H(i, j) its second derivative. For a split
at k the chain rule says

    J(i, j) = J(k, j) · J(i, k),    H(i, j) = H(k, j)[J(i, k), J(i, k)] + J(k, j) · H(i, k).

So the second-order block of an interval needs the Jacobians of both parts, and these are the ones that a bracketing by
the same splits makes anyway. A *second-order bracketing* splits each interval once, for both: every Jacobian is made
once, however many contractions read it, and the Jacobian of the whole chain is not made. Terms whose second derivative
is zero are left out, and so are Jacobians that nothing reads then.

The baselines are the homogeneous orders of the reference, with each Jacobian made once, and without symmetry: forward
order splits off the last elemental, so that J(0, j) and H(0, j) grow together (forward over forward); reverse order
splits off the first one, and pushes H(i, q) back by both sides (reverse over reverse).

References
----------
U. Naumann et al., arXiv 2103.09480, section 2: the recurrence, in which the Jacobians are paid wherever they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from chainplan.plans.accumulations import cheapest_mode
from chainplan.plans.recorder import Recorder
from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.plans.steps import Plan, SecondOutput
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.mixed_second import OwnSecond
from chainplan.problem.second import ElementalSecond, SecondOrder
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock, Side

Split = Callable[[int, int], int]
"""The vertex between i and j at which the interval from x_i to x_j is split."""

BASELINE_SPLITS: dict[str, Split] = {"forward": lambda i, j: j - 1, "reverse": lambda i, j: i + 1}
"""The splits of the two baselines."""


class ChainLink(NamedTuple):
    """A part of a chain that is not split: an elemental, or the row of weights behind the last one."""

    block: Block
    second: SecondBlock
    elemental: Elemental | None
    own: OwnSecond | None = None

    @property
    def free(self) -> FreeSecond | None:
        """The second derivative where it is matrix-free and not zero."""
        e, own = self.elemental, self.own
        if e is None or own is None or own.explicit or not own.block.nnz:
            return None
        return FreeSecond(e.name, own, (own.left, own.right))

    @property
    def price(self) -> int:
        """The fma of the Jacobian, which only a matrix-free elemental has."""
        e = self.elemental
        return 0 if e is None or e.explicit else FMA.accumulate(e, cheapest_mode(e))


def chain_links(graph: Graph, asked: SecondOrder) -> list[ChainLink]:
    """Return the links of a chain: with weights, that of the weights comes last and has no second derivative."""
    links = []
    for e in graph.chain:
        own = graph.own_second(e.name)
        assert own is not None, "an elemental has a second derivative, if only a zero one"
        links.append(ChainLink(e.block, own.block, e, own))
    if asked.weights:
        rows = links[-1].block.rows
        nothing = ElementalSecond("zero").block(1, rows)
        links.append(ChainLink(Block(1, rows), nothing, None))
    return links


def bends(links: Sequence[ChainLink]) -> Callable[[int, int], bool]:
    """Return what says whether some link from x_i to x_j has a second derivative.

    If so, a plan has terms of H(i, j), though all of them may be zero because the Jacobian of another link is: it is
    checked that a plan counts every term of every elemental.
    """
    count = list(accumulate((bool(link.second.nnz) for link in links), initial=0))
    return lambda i, j: count[i] < count[j]


def bracketing_plan(graph: Graph, asked: SecondOrder, split: Split, symmetric: bool = True) -> Plan:
    """Write the plan of a second-order bracketing of a chain; unless `symmetric`, all entries are computed."""
    writer = _IntervalWriter(graph, chain_links(graph, asked), split, symmetric)
    held = writer.second()
    ends = graph.outputs[0], graph.inputs[0], graph.inputs[0]
    outputs = () if held is None else (SecondOutput(*ends, held),)
    return writer.recorder.plan((), second_outputs=outputs, second=asked)


class _IntervalWriter:
    """Writes the blocks of intervals, those of the parts before those of the whole.

    A matrix-free second derivative is written where it is read, because what multiplies it may be taken along.
    """

    def __init__(self, graph: Graph, links: Sequence[ChainLink], split: Split, symmetric: bool) -> None:
        self.recorder = Recorder(graph)
        self._writer = SecondWriter(self.recorder)
        self._output = graph.outputs[0]
        self._links, self._split, self._symmetric = links, split, symmetric
        self._bends = bends(links)
        self._jacobians: dict[tuple[int, int], HeldJacobian] = {}

    def second(self) -> int | None:
        """Write the second derivative of the whole chain; None where it is zero."""
        last = len(self._links)
        made: dict[tuple[int, int], HeldSecond | FreeSecond | None] = {}
        needed = set[tuple[int, int]]()
        order = list(self._nodes(last))
        for i, j in order:
            self._need(i, j, needed)
        for i, j in reversed(order):
            if j - i == 1:
                made[i, j] = self._loaded(i)
            else:
                made[i, j] = self._joined(i, j, made)
            if (i, j) in needed:
                self._jacobian(i, j)
        whole = made[0, last]
        if isinstance(whole, FreeSecond):
            whole = made_along(self._writer, whole, SideBlocks(), whole.ends)
        return None if whole is None else whole.handle

    def _nodes(self, last: int) -> Iterator[tuple[int, int]]:
        """Yield the intervals of the bracketing, each before its parts; the later part comes first."""
        todo = [(0, last)]
        while todo:
            i, j = todo.pop()
            yield i, j
            if j - i > 1:
                k = self._split(i, j)
                todo += [(i, k), (k, j)]

    def _need(self, i: int, j: int, needed: set[tuple[int, int]]) -> None:
        """Note which parts of an interval need their Jacobians: for that of the whole, or for a second derivative."""
        if j - i == 1:
            return
        k, whole = self._split(i, j), (i, j) in needed
        if whole or self._bends(k, j):
            needed.add((i, k))
        if whole or self._bends(i, k):
            needed.add((k, j))

    def _joined(self, i: int, j: int, made: dict[tuple[int, int], HeldSecond | FreeSecond | None]) -> HeldSecond | None:
        """Write the second derivative of an interval, that of a matrix-free part first, onto which the other comes."""
        k, total = self._split(i, j), None
        reads: list[tuple[HeldSecond | FreeSecond, tuple[int, int], Side]] = []
        if (after := made[k, j]) is not None:
            reads.append((after, (i, k), Side.BOTH))
        if (before := made[i, k]) is not None:
            reads.append((before, (k, j), Side.ROWS))
        for part, other, side in sorted(reads, key=lambda read: not isinstance(read[0], FreeSecond)):
            by = self._jacobian(*other)
            if isinstance(part, FreeSecond):
                blocks = SideBlocks(rows=by) if side is Side.ROWS else SideBlocks(left=by, right=by)
                fresh = made_along(self._writer, part, blocks, part.ends, self._symmetric)
                total = fresh if total is None else self._writer.total_second(total, fresh)
            else:
                total = self._writer.contract(part, by, side, part[:2], self._symmetric, total)
        return total

    def _loaded(self, i: int) -> HeldSecond | FreeSecond | None:
        return own_second(self._writer, self._links[i]) if self._bends(i, i + 1) else None

    def _jacobian(self, i: int, j: int) -> HeldJacobian:
        """Write the Jacobian of an interval whose parts have theirs."""
        if (i, j) not in self._jacobians:
            last = j - i == 1
            made = link_jacobian(self._writer, self._links[i], self._output) if last else self._product(i, j)
            self._jacobians[i, j] = made
        return self._jacobians[i, j]

    def _product(self, i: int, j: int) -> HeldJacobian:
        k = self._split(i, j)
        return self._writer.multiply(self._jacobian(k, j), self._jacobian(i, k))


def own_second(writer: SecondWriter, link: ChainLink) -> HeldSecond | FreeSecond:
    """Load the second derivative of a link, unless it is matrix-free."""
    assert link.elemental is not None, "weights have no second derivative"
    assert link.own is not None, "an elemental has one"
    return writer.own_second(link.elemental.name, link.own)


def link_jacobian(writer: SecondWriter, link: ChainLink, output: str) -> HeldJacobian:
    """Write the Jacobian of a link."""
    return writer.given(output, Side.ROWS, link.block) if link.elemental is None else writer.loaded(link.elemental)
