"""A lower bound on all bracketings with nested checkpoints of a chain, in time linear in the chain.

A plan pays for elimination and for evaluations. Call an elemental *swept* if it extends the block of the sweep, which
ends at the output, by itself: by its adjoint, or by the product with its block made then. The other elementals are
accumulated, multiplied into blocks that end elsewhere, or passed by tangents.

*Elimination.* Every elemental is used once: as a block of its own (`leaf`), as a tangent, which eliminates the vertex
before it, or as an adjoint, which eliminates the vertex behind it. Every vertex inside is eliminated once: by one of
these two or by a product. A tangent costs its price times the columns of its argument, and some vertex before it has so
many; an adjoint likewise; a product of dense blocks costs the product of three sizes. `_least` takes the least of all
such choices by dynamic programming along the chain. What does not fit by itself under the limit is left out.

*Evaluations.* Let a step be the evaluation of an elemental before the last; each is made at least once. Let s be the
most states, the input included, that fit beside any swept step. Then at most C(s + j, s) swept elementals are evaluated
at most j times before they are swept (Griewank & Walther 2000, section 2; here for the nested plans of `grammar`). By
induction over a task that sweeps from a state x_i it owns: it advances to a checkpoint x_k, sweeps what is behind x_k
with x_k as its own state and room for one state less, and then what is before x_k, whose steps it has made before.
So the counts C(s - 1 + j, s - 1) and C(s + j - 1, s) add up to C(s + j, s). A task without room for a second state
sweeps a single elemental behind x_k, which is C(0 + j, 0). Elementals that are not swept are passed over or made in
between, and leave the counts as they are; states of different sizes only make s, the count of the smallest, larger.
So all swept elementals but C(s + j, s) are evaluated more than j times, and for every t > 0

    price >= Σ a_i + min over plans (elimination + (t - 1) Σ_swept a_i) - Σ_{0 < j < t} (the C(s + j, s) largest a_i).

Each t gives a bound. It is concave in t, so that a climb finds the best. The last elemental is evaluated by no plan. If
it begins the sweep it is always among the counted, and C(s + j, s) - 1 are left; but then its step counts for s, too.
Both hold, and the larger is taken. For equal steps the bound is the price of revolve.

A block that is made before the sweep and multiplied into it later looks like a swept one in its elimination. All of
these wait together while the last elemental is taken, so that the limit bounds their number, and (t - 1) a_i of so many
of the dearest is taken off.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import comb
from typing import NamedTuple

from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.checkpoint.binomial import repetitions
from chainplan.solvers.checkpoint.reversal_chain import ReversalChain
from chainplan.solvers.search.search import unwatched
from chainplan.structures import Block

MAX_CLIMBED = 20
"""Values of t that are tried at most on either side of the first."""

_Price = int | float
"""A price, infinite where a step does not fit under the limit by itself."""
_NEVER = float("inf")


class _Uses(NamedTuple):
    """The least prices of the ways to use an elemental, and to eliminate the vertex before it by a product.

    `leaf`: its block by itself; `tangent`; `adjoint`: the one that sweeps; `inner_adjoint`: any other; `loaded`: an
    explicit elemental before it is multiplied onto the block of the sweep; `product`: any other product.
    """

    leaf: _Price
    tangent: _Price
    adjoint: _Price
    inner_adjoint: _Price
    loaded: _Price
    product: _Price


class _Room(NamedTuple):
    """How many states fit beside a step of the sweep, and how many loaded blocks while the last elemental is taken.

    `starts` are the ways to take the last elemental, each with its premium over the cheapest and the states that fit.
    """

    starts: tuple[tuple[int, int], ...]
    states: int
    loaded: int


def reversal_bound(
    graph: Graph, sweep: ReversalChain, memory: int | None, disk: int = 0, look: Callable[[], None] = unwatched
) -> int:
    """The least price of all bracketings with nested checkpoints of a chain under a limit, bounded from below.

    The disk holds so many elements of states besides, and moving them is counted as free. The bound is 0 where nothing
    is known, as where no such plan keeps the limit. `look` is called in every pass.
    """
    uses = list(_uses(graph, sweep, memory))
    room = _room(graph, sweep, memory, disk)
    prices = sweep.evaluations[:-1]
    largest = [0, *accumulate(sorted(prices, reverse=True))]

    def least(t: int) -> _Price:
        look()
        swept, passed = (price - (t - 1) * largest[room.loaded] for price in _least(uses, prices, t - 1))
        behind = _counted(largest, room.states, t, 0)
        starts = (premium - min(behind, _counted(largest, states, t, 1)) for premium, states in room.starts)
        return min(swept + min(starts), passed - behind)

    found = _climbed(least, repetitions(len(uses), room.states))
    return max(0, largest[-1] + int(found)) if found < _NEVER else 0


def _climbed(value: Callable[[int], _Price], start: int) -> _Price:
    """The largest value of a concave function of t >= 1, within `MAX_CLIMBED` of the start."""
    start = max(1, start)
    best = value(start)
    for direction in (1, -1):
        t = start + direction
        while t >= 1 and abs(t - start) <= MAX_CLIMBED and (tried := value(t)) > best:
            best, t = tried, t + direction
    return best


def _counted(largest: Sequence[int], states: int, t: int, less: int) -> int:
    """The sum over 0 < j < t of the C(s + j, s) - less largest prices."""
    every, total = len(largest) - 1, 0
    for j in range(1, t):
        count = comb(states + j, states) - less
        if count >= every:
            return total + (t - j) * largest[-1]
        total += largest[count]
    return total


def _least(uses: Sequence[_Uses], prices: Sequence[int], factor: int) -> tuple[_Price, _Price]:
    """The least price of elimination, where each swept elemental pays its evaluation `factor` times besides.

    One for plans that take the last elemental by itself, one for those that take it as a tangent.
    """
    first = uses[0]
    extra = factor * prices[0] if prices else 0
    leaf, tangent, done = first.leaf, _NEVER, min(first.adjoint + extra, first.inner_adjoint)
    for i in range(1, len(uses)):
        own, pending = uses[i], min(leaf, tangent)
        free = min(done, leaf + own.loaded + extra, pending + own.product)
        extra = factor * prices[i] if i < len(prices) else 0
        tangent = pending + own.tangent
        leaf = free + own.leaf
        done = free + min(own.adjoint + extra, own.inner_adjoint)
    return leaf, tangent


def _uses(graph: Graph, sweep: ReversalChain, memory: int | None) -> Iterator[_Uses]:
    """The least prices of the uses of each elemental, as far as each fits by itself; equal ones are priced once."""
    chain, q = graph.chain, len(graph.chain)
    sizes = [graph.sizes[graph.inputs[0]], *sweep.sizes[1:]]
    dense = all(e.block.structure.name == "dense" for e in chain)
    before = [_NEVER, _NEVER, *accumulate(sizes, min)]
    behind = [*list(accumulate(reversed(sizes[:-1]), min))[::-1], _NEVER, _NEVER]
    last: tuple[object, ...] = ()
    uses = _Uses(*(_NEVER,) * 6)
    for i, e in enumerate(chain):
        ends = (before[i], before[i + 1], behind[i + 1], behind[i + 2], sizes[q])
        if i and i < q - 1:
            key = (ends, chain[i - 1].block, chain[i - 1].explicit, e.block, *_prices(e), sweep.blocks[i])
            if key == last:
                yield uses
                continue
            last = key
        fits = _Fits(memory if dense else None)
        own = sweep.sizes[i], sizes[i], sizes[i + 1]
        loaded, product = _products(chain, i, sweep.blocks[i], ends, fits) if i else (_NEVER, _NEVER)
        product = product if dense else 0
        uses = _Uses(_leaf(e, own[0], memory), *_applied(e, own, ends, i == q - 1, fits), loaded, product)
        yield uses


def _prices(e: Elemental) -> tuple[int | None, int | None, int]:
    return e.tangent, e.adjoint, e.tape


class _Fits(NamedTuple):
    """Whether blocks fit together under a limit."""

    limit: int | None

    def all(self, *held: _Price) -> bool:
        return self.limit is None or sum(held) <= self.limit


def _applied(
    e: Elemental, own: tuple[int, int, int], ends: tuple[_Price, ...], is_last: bool, fits: _Fits
) -> tuple[_Price, _Price, _Price]:
    """The least prices of a tangent, of the adjoint that sweeps, and of any other adjoint.

    `own` are the elements of the state before the elemental, and the sizes of the two vertices; `ends` the least sizes
    of the vertices before (without and with the one just before), of those behind but the last, and that of the last.
    """
    state, source, target = own
    _, columns, _, rows, output = ends
    both, tangent, adjoint, inner = source + target, _NEVER, _NEVER, _NEVER
    if e.tangent is not None and columns < _NEVER and fits.all(columns * both, state):
        tangent = e.tangent * columns
    if e.adjoint is not None and not is_last:
        if fits.all(output * both, state, e.tape):
            adjoint = e.adjoint * output
        if rows < _NEVER and fits.all(rows * both, state, e.tape):
            inner = e.adjoint * rows
    return tangent, adjoint, inner


def _products(
    chain: Sequence[Elemental], i: int, sweep: Block, ends: tuple[_Price, ...], fits: _Fits
) -> tuple[_Price, _Price]:
    """The least prices of products at the vertex i: of the loaded block before it onto the sweep, of dense others."""
    single = chain[i - 1]
    swept: _Price = FMA.multiply(sweep, single.block)
    further, nearer, inner, _, output = ends
    middle = chain[i].block.cols
    pairs = ((further, min(inner, output)), (nearer, inner))
    prices = [k * middle * j for k, j in pairs if max(k, j) < _NEVER and fits.all(k * middle, middle * j, k * j)]
    return (swept, min(prices, default=_NEVER)) if single.explicit else (_NEVER, min([swept, *prices]))


def _leaf(e: Elemental, state: int, memory: int | None) -> _Price:
    """The least price of the block of an elemental by itself."""
    return min((price for price, hill in _leaves(e, state) if memory is None or hill <= memory), default=_NEVER)


def _leaves(e: Elemental, state: int) -> Iterator[tuple[int, int]]:
    """Prices and elements alive of the ways to make a block by itself; from below where it may be compressed."""
    if e.explicit:
        yield 0, e.block.nnz + state
    elif e.block.structure.name == "dense":
        for mode in Mode:
            if e.per_vector(mode) is not None:
                tape = e.tape if mode is Mode.ADJOINT else 0
                yield FMA.accumulate(e, mode), e.block.nnz + state + tape
    else:
        least = min(price for price in (e.tangent, e.adjoint) if price is not None)
        yield least if e.block.nnz else 0, state


def _room(graph: Graph, sweep: ReversalChain, memory: int | None, disk: int) -> _Room:
    """What fits under the limit at the same time; nothing is left beside the first step, which is swept last."""
    chain, q = graph.chain, len(graph.chain)
    sizes = list(accumulate(sorted(sweep.sizes[1:-1])))
    hills = list(_least_hills(graph, sweep))[1:-1]
    leaves = [leaf for leaf in _leaves(chain[-1], sweep.sizes[q - 1]) if memory is None or leaf[1] <= memory]
    least = min((price for price, _ in leaves), default=0)

    def beside(hill: int | None) -> int:
        return q if memory is None else 1 if hill is None else 1 + bisect_right(sizes, memory - hill + disk)

    starts = [(price - least, beside(min([hill, *hills]))) for price, hill in leaves] or [(0, q)]
    loaded = list(accumulate(sorted(e.block.nnz for e in chain[:-1] if e.explicit)))
    waiting = len(loaded) if memory is None else bisect_right(loaded, memory - sweep.sizes[q - 1])
    return _Room(tuple(starts), beside(min(hills, default=None)), waiting)


def _least_hills(graph: Graph, sweep: ReversalChain) -> Iterator[int]:
    """For each elemental, the least elements alive while it is swept, other states apart."""
    blocks = sweep.blocks
    for i, e in enumerate(graph.chain):
        waiting = blocks[i + 1].nnz if i + 1 < len(blocks) else 0
        known = e.explicit or e.block.structure.name == "dense"
        least = waiting + (e.block.nnz if known else 0)
        if waiting and e.adjoint is not None:
            least = min(least, waiting + blocks[i].nnz + e.tape)
        yield sweep.sizes[i] + least
