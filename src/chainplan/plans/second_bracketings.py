"""Plans for the second derivative of a chain by splits: one rule for both orders, as a bracketing has for the Jacobian.

Let F = F_q ∘ ... ∘ F_1, J(i, j) the Jacobian of the part from x_i to x_j and H(i, j) its second derivative. For a split
at k the chain rule says

    J(i, j) = J(k, j) · J(i, k),    H(i, j) = H(k, j)[J(i, k), J(i, k)] + J(k, j) · H(i, k).

So the second-order block of an interval needs the Jacobians of both parts, and these are the ones that a bracketing by
the same splits makes anyway. A *second-order bracketing* splits each interval once, for both: every Jacobian is made
once, however many contractions read it, and the Jacobian of the whole chain is not made. Terms whose second derivative
is zero are left out, and so are Jacobians that nothing reads then.

*Rows* are carried back besides. Let Y(j) be the Jacobian of all that lies behind x_j, with the weights where there are
some, and W(i, j) = Y(j) · H(i, j). Where few rows are asked for, W takes less than H, and it follows a split as well:

    Y(k) = Y(j) · J(k, j),    W(i, j) = W(k, j)[J(i, k), J(i, k)] + W(i, k).

So a part is weighted as soon as it is formed, or its parts are weighted before they are put together; the whole chain
is the part behind which there are no rows, W(0, q) = H(0, q). Rows are carried through a part by its Jacobian, if that
is made, or through both of its parts, one after the other, at last by the adjoints of matrix-free elementals.

The baselines are the homogeneous orders of the reference, with each Jacobian made once, and without symmetry: forward
order splits off the last elemental, so that J(0, j) and H(0, j) grow together (forward over forward); reverse order
splits off the first one, and pushes H(i, q) back by both sides (reverse over reverse).

References
----------
U. Naumann et al., arXiv 2103.09480, section 2: the recurrence, in which the Jacobians are paid wherever they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from chainplan.plans.recorder import Recorder
from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_links import ChainLink, bends, chain_links, link_jacobian, own_second
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.plans.steps import Plan, SecondOutput
from chainplan.problem.graph import Graph
from chainplan.problem.second import SecondOrder
from chainplan.structures.second import Side

Split = Callable[[int, int], int]
"""The vertex between i and j at which the interval from x_i to x_j is split."""


class ChainPart(NamedTuple):
    """A part of a chain, from x_i to x_j, and what is needed of it.

    `weighted` says whether W(i, j) is needed or H(i, j), `whole` whether J(i, j) is, and `carried` whether Y(i) is.
    """

    i: int
    j: int
    weighted: bool
    whole: bool
    carried: bool


class PartChoice(NamedTuple):
    """How what is needed of a part is made.

    With `formed` the second derivative is formed, and weighted then. Else the part is split at `k`; an elemental is
    not. With `whole` its Jacobian is made, if only to carry rows. Rows are carried `through` both parts, or by the
    adjoints of an elemental, or else multiplied by the Jacobian.
    """

    k: int = 0
    formed: bool = False
    whole: bool = False
    through: bool = True


ChoosePart = Callable[[ChainPart], PartChoice]
"""The choice for each part of a chain."""


def by_splits(split: Split) -> ChoosePart:
    """Return the choices of a second-order bracketing that carries no rows."""
    return lambda part: PartChoice(0 if part.j - part.i == 1 else split(part.i, part.j), whole=part.whole)


BASELINE_SPLITS: dict[str, Split] = {"forward": lambda i, j: j - 1, "reverse": lambda i, j: i + 1}
"""The splits of the two baselines."""


def split_parts(part: ChainPart, choice: PartChoice, bent: Callable[[int, int], bool]) -> tuple[ChainPart, ChainPart]:
    """Return what is needed of both parts of a split, given what says where second derivatives are."""
    i, j, weighted, _, carried = part
    k, through = choice.k, carried and choice.through
    near = choice.whole or bent(k, j)
    far = choice.whole or (bent(i, k) and not weighted)
    before = ChainPart(i, k, weighted, near, through)
    return before, ChainPart(k, j, weighted, far, through or (weighted and bent(i, k)))


def baseline_bracketing(graph: Graph, asked: SecondOrder, name: str) -> Plan:
    """Write the plan of a baseline, of which all entries are computed."""
    return bracketing_plan(graph, asked, by_splits(BASELINE_SPLITS[name]), carried=False, symmetric=False)


def bracketing_plan(
    graph: Graph, asked: SecondOrder, choose: ChoosePart, carried: bool = True, symmetric: bool = True
) -> Plan:
    """Write the plan of the choices for the parts of a chain; unless `symmetric`, all entries are computed.

    Where rows may not be `carried`, the choices are asked for H(0, q), else for W(0, q).
    """
    writer = _PartsWriter(graph, chain_links(graph, asked), choose, symmetric)
    held = writer.second(carried)
    ends = graph.outputs[0], graph.inputs[0], graph.inputs[0]
    outputs = () if held is None else (SecondOutput(*ends, held),)
    return writer.recorder.plan((), second_outputs=outputs, second=asked)


class _PartsWriter:
    """Writes what is needed of parts, of the later one of a split first: rows come from there.

    A matrix-free second derivative is written where it is read, because what multiplies it may be taken along.
    """

    def __init__(self, graph: Graph, links: Sequence[ChainLink], choose: ChoosePart, symmetric: bool) -> None:
        self.recorder = Recorder(graph)
        self._writer = SecondWriter(self.recorder)
        self._output = graph.outputs[0]
        self._links, self._choose, self._symmetric = links, choose, symmetric
        self._bends = bends(links)
        self._splits: dict[tuple[int, int], int] = {}
        self._jacobians: dict[tuple[int, int], HeldJacobian] = {}
        self._rows: dict[int, HeldJacobian] = {}
        self._seconds: dict[tuple[int, int, bool], HeldSecond | FreeSecond | None] = {}

    def second(self, weighted: bool) -> int | None:
        """Write the second derivative of the whole chain; None where it is zero."""
        last = len(self._links)
        whole = ChainPart(0, last, weighted, whole=False, carried=False)
        for part, choice in reversed(list(self._parts(whole))):
            self._write(part, choice)
        made = self._seconds[0, last, weighted]
        if isinstance(made, FreeSecond):
            made = made_along(self._writer, made, SideBlocks(), made.ends)
        return None if made is None else made.handle

    def _parts(self, whole: ChainPart) -> Iterator[tuple[ChainPart, PartChoice]]:
        """Yield each part with its choice before the parts that it is made of; the later one comes last."""
        todo = [whole]
        while todo:
            part = todo.pop()
            choice = self._choose(part)
            yield part, choice
            if choice.formed:
                todo.append(part._replace(weighted=False, whole=choice.whole))
            elif part.j - part.i > 1:
                todo += reversed(split_parts(part, choice, self._bends))

    def _write(self, part: ChainPart, choice: PartChoice) -> None:
        """Write what is needed of a part whose own parts are written."""
        i, j, weighted, _, carried = part
        if choice.formed:
            self._seconds[i, j, True] = self._weigh(self._seconds[i, j, False], j)
            return
        single = j - i == 1
        self._splits[i, j] = choice.k
        self._seconds[i, j, weighted] = self._loaded(part) if single else self._joined(part, choice.k)
        if choice.whole:
            self._jacobian(i, j)
        if carried and (single or not choice.through):
            self._rows[i] = self._carried(i, j, choice.through)

    def _loaded(self, part: ChainPart) -> HeldSecond | FreeSecond | None:
        """Load the second derivative of an elemental, and weight it unless it is matrix-free."""
        i, j = part.i, part.j
        if not self._bends(i, j):
            return None
        own = own_second(self._writer, self._links[i])
        return self._weigh(own, j) if part.weighted and isinstance(own, HeldSecond) else own

    def _weigh(self, second: HeldSecond | FreeSecond | None, j: int) -> HeldSecond | FreeSecond | None:
        """Multiply the rows at x_j onto a second derivative; behind the last elemental there are none."""
        if not isinstance(second, HeldSecond) or j == len(self._links):
            return second
        return self._writer.contract(second, self._rows[j], Side.ROWS, second.ends, self._symmetric)

    def _joined(self, part: ChainPart, k: int) -> HeldSecond | None:
        """Write the second derivative of a split, that of a matrix-free part first, onto which the other comes."""
        i, j, weighted = part[:3]
        after, before = self._seconds[k, j, weighted], self._seconds[i, k, weighted]
        total: HeldSecond | None = None
        if isinstance(after, FreeSecond):
            by, rows = self._jacobian(i, k), self._rows.get(j) if weighted else None
            total = made_along(self._writer, after, SideBlocks(rows, by, by), after.ends, self._symmetric)
        if isinstance(before, FreeSecond):
            rows = self._rows[k] if weighted else self._jacobian(k, j)
            total = self._plus(total, made_along(self._writer, before, SideBlocks(rows), before.ends, self._symmetric))
        elif before is not None and weighted:
            total = self._plus(total, before)
        if isinstance(after, HeldSecond):
            total = self._contract(after, self._jacobian(i, k), Side.BOTH, total)
        if isinstance(before, HeldSecond) and not weighted:
            total = self._contract(before, self._jacobian(k, j), Side.ROWS, total)
        return total

    def _plus(self, total: HeldSecond | None, fresh: HeldSecond) -> HeldSecond:
        return fresh if total is None else self._writer.total_second(total, fresh)

    def _contract(self, second: HeldSecond, by: HeldJacobian, side: Side, onto: HeldSecond | None) -> HeldSecond:
        return self._writer.contract(second, by, side, second.ends, self._symmetric, onto)

    def _carried(self, i: int, j: int, through: bool) -> HeldJacobian:
        """Write the rows at x_i: those at x_j, multiplied by the Jacobian or by the adjoints of an elemental."""
        link = self._links[i]
        if j == len(self._links):
            return link_jacobian(self._writer, link, self._output)
        if through and link.elemental is not None:
            return self._writer.adjoint(link.elemental, self._rows[j], None)
        return self._writer.multiply(self._rows[j], self._jacobian(i, j))

    def _jacobian(self, i: int, j: int) -> HeldJacobian:
        """Write the Jacobian of a part whose own parts have theirs."""
        if (i, j) not in self._jacobians:
            single = j - i == 1
            self._jacobians[i, j] = (
                link_jacobian(self._writer, self._links[i], self._output) if single else self._product(i, j)
            )
        return self._jacobians[i, j]

    def _product(self, i: int, j: int) -> HeldJacobian:
        k = self._splits[i, j]
        return self._writer.multiply(self._jacobian(k, j), self._jacobian(i, k))
