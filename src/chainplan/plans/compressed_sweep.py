"""Compressed sweeps: the block of a run of elementals from as many tangents and adjoints as its pattern has colours.

A tangent of a run applies its elementals one after the other, an explicit one by multiplying: what one column of such a
sweep costs is the sum over the run. Columns that share no row can share a sweep, so the block costs `colours · tangent`
instead of `columns · tangent`, and with adjoints for some of its entries `c·tangent + r·adjoint` (bidirectional
colouring weighted by the two prices, `chainplan.colouring`). Where a run is better swept than put together from parts
is for the solvers to find out: sparsity that the parts do not have (200 colours, of which the next elemental selects
two rows) is not seen by any split.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chainplan._util.byte_cache import kept
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import LARGEST_COLOURED
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block, BlockDiagonal, Dense, Kronecker, OnDiagonal, Zero
from chainplan.structures.counts import longest

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan.colouring import Coloured, Colouring

CLOSE = 128
"""Nonzeros of the largest pattern that is looked at closer."""
STEPS = 64
"""Most pairs of tangents and adjoints that are told apart without a colouring."""
NEVER = 10**80
"""A price that no sweep reaches."""
LISTED = 1_500_000
"""Nonzeros of the largest pattern that is coloured: finding colours takes some 250 bytes for each of them."""
BOTH_WAYS = 20_000
"""Nonzeros of the largest pattern whose transpose is coloured too, so that transposing a problem changes no price."""


InTime = Callable[[], bool] | None
"""Whether there is time left for a search; None stands for as much as it takes."""


class Colours(NamedTuple):
    """Colours of columns and rows, -1 for one that is not seeded, and how many there are of each."""

    columns: Sequence[int]
    rows: Sequence[int]
    tangents: int
    adjoints: int


Needs = tuple[tuple[int, int], ...]
"""Pairs of tangents and adjoints; every direct colouring has as many of both as one of them."""


class Sweep(NamedTuple):
    """A compressed sweep over a run of elementals, given in evaluation order, its price and what any costs at least.

    No direct colouring of the block makes the sweep cheaper than `least`, and all have as many tangents and adjoints as
    one of the pairs `needs`.
    """

    price: int
    least: int
    run: tuple[Elemental, ...]
    colours: Colours
    needs: Needs


def per_vector(run: Sequence[Elemental], mode: Mode) -> int | None:
    """Multiply-adds of one column (tangent) or row (adjoint) of a sweep over a run, None where it cannot be made."""
    total = 0
    for e in run:
        if e.explicit:
            total += 0 if e.block.structure.unit else e.block.nnz
        else:
            price = e.per_vector(mode)
            if price is None:
                return None
            total += price
    return total


def compressible(block: Block) -> bool:
    """Whether compression may gain something on a block, and its pattern is small enough to be coloured."""
    if isinstance(block.structure, Dense | Zero) or max(block.rows, block.cols) > LARGEST_COLOURED:
        return False
    return 0 < block.nnz <= LISTED


Prices = tuple[int | None, int | None]
"""Multiply-adds of one tangent and of one adjoint, None where there is none."""


def compressed(
    run: Sequence[Elemental],
    block: Block,
    cost: CostModel,
    below: int,
    prices: Prices | None = None,
    in_time: InTime = None,
) -> Sweep | None:
    """The cheapest compressed sweep found over a run with this block, None where no colouring gives one below `below`.

    It may cost more than that itself, if only its `least` is below. `prices` are those of one sweep in each mode, where
    they are known. Colours are found until the time is up, but some always.
    """
    if not compressible(block) or all(e.explicit for e in run):
        return None
    tangent, adjoint = prices or (per_vector(run, Mode.TANGENT), per_vector(run, Mode.ADJOINT))
    if tangent is None and adjoint is None:
        return None
    parts = isinstance(block.structure, OnDiagonal | BlockDiagonal | Kronecker)
    if parts:
        found = kept(("parts", block.mark, tangent, adjoint), lambda: _of_parts(block, tangent, adjoint))
    elif _least(run, block, _simple_needs(block, tangent, adjoint), cost, (tangent, adjoint)) >= below:
        return None
    else:
        key = ("colours", block.mark, tangent, adjoint)
        found = kept(key, lambda: _coloured(block, tangent, adjoint, in_time), lasting=lambda colours: colours.whole)
    price = _price(run, block, found.colours, cost, (tangent, adjoint))
    least = price if parts and cost is FMA else _least(run, block, found.needs, cost, (tangent, adjoint))
    if least >= below:
        return None
    return Sweep(price, least, tuple(run), found.colours, found.needs)


def _price(run: Sequence[Elemental], block: Block, colours: Colours, cost: CostModel, prices: Prices) -> int:
    """What the sweeps of these colours cost, decompression included."""
    if cost is FMA:
        return colours.tangents * (prices[0] or 0) + colours.adjoints * (prices[1] or 0)
    swept = (_sweep_price(run, mode, n, cost) for mode, n in zip(Mode, colours[2:], strict=True) if n)
    return sum(swept) + cost.decompress(block)


def _least(run: Sequence[Elemental], block: Block, needs: Needs, cost: CostModel, prices: Prices) -> int:
    """What sweeps of as many tangents and adjoints as one of some pairs, or more, cost at least.

    Other models than fma price a product by routes that change with the number of its columns, so that more columns may
    cost less. Of those the bound holds the seeds, the calls and the decompression alone, all of which grow with it.
    """
    if cost is FMA:
        return min(c * (prices[0] or 0) + a * (prices[1] or 0) for c, a in needs)
    return cost.decompress(block) + min(
        sum(_least_sweep(run, mode, n, cost) for mode, n in zip(Mode, pair, strict=True) if n) for pair in needs
    )


class Found(NamedTuple):
    """Colours found for a block, and what any need."""

    colours: Colours
    needs: Needs
    whole: bool = True
    """Whether there was time for all that is tried."""


def _of_parts(block: Block, tangent: int | None, adjoint: int | None) -> Found:
    """One colour for each column, or row, of a part: no mixture of both is cheaper on dense parts of equal shape.

    Of a part of r x c with x column and y row colours, r·c <= x·r + y·c (`colouring.bounds`); x·tangent + y·adjoint is
    least under that constraint where x or y is zero.
    """
    parts = block.rows if isinstance(block.structure, OnDiagonal) else block.structure.count  # type: ignore[attr-defined]
    r, c = block.rows // parts, block.cols // parts
    forward = adjoint is None or (tangent is not None and c * tangent <= r * adjoint)
    needs = _needs((c, r), (tangent, adjoint), (r * c, r, c))
    layered = isinstance(block.structure, Kronecker)
    if forward:
        return Found(Colours(_line(block.cols, c, layered), _line(block.rows, 0, layered), c, 0), needs)
    return Found(Colours(_line(block.cols, 0, layered), _line(block.rows, r, layered), 0, r), needs)


def _line(length: int, colours: int, layered: bool) -> Sequence[int]:
    """Colours that take turns, or in layers each as often as the next; -1 where there are none. Equal ones are one."""

    def make() -> array[int]:
        if not colours:
            return array("i", [-1]) * length
        if not layered:
            return array("i", range(colours)) * (length // colours)
        return array("i", (i // (length // colours) for i in range(length)))

    return kept(("line", length, colours, layered and colours > 0), make)


def _simple_needs(block: Block, tangent: int | None, adjoint: int | None) -> Needs:
    """What follows from the longest row and column and from the number of nonzeros."""
    counts = block.structure.row_counts(block.rows, block.cols), block.structure.column_counts(block.rows, block.cols)
    longest_row, longest_column = map(longest, counts)
    return _needs((longest_row, longest_column), (tangent, adjoint), (block.nnz, block.rows, block.cols))


def _needs(alone: tuple[int, int], prices: Prices, cut: tuple[int, int, int]) -> Needs:
    """Sweeps of one mode alone, and those of both by one inequality nnz <= c·rows + a·columns (`colouring.bounds`).

    Where there are many pairs on its line some stand for all: fewer tangents, with the fewest adjoints of their step.
    """
    pairs = [pair for pair, price in (((alone[0], 0), prices[0]), ((0, alone[1]), prices[1])) if price is not None]
    if None not in prices:
        nonzeros, rows, columns = cut
        step = -(-alone[0] // STEPS)
        for c in range(1, alone[0], step):
            pairs.append((c, max(1, -(-(nonzeros - (c + step - 1) * rows) // columns))))
    return tuple(pairs)


def _coloured(block: Block, tangent: int | None, adjoint: int | None, in_time: InTime) -> Found:
    """The cheapest colours found for a pattern, and for its transpose where that is small."""
    best = _best(block, tangent, adjoint, in_time)
    return Found(_plain(best.colouring), best.needs, best.whole)


def _best(block: Block, tangent: int | None, adjoint: int | None, in_time: InTime) -> Coloured:
    from chainplan.colouring import colour

    effort = min(1.0, 1000 / block.nnz)
    best = colour(_listed(block), tangent, adjoint, effort=effort, in_time=in_time)
    if best.optimal or block.nnz > BOTH_WAYS or not best.whole:
        return best
    turned = colour(_listed(block.transpose()), adjoint, tangent, effort=effort, in_time=in_time).turned
    cheaper, firmer = min(best, turned, key=lambda one: one.price), max(best, turned, key=lambda one: one.bound)
    bound, needs, witness = firmer.bound, firmer.needs, firmer.witness
    return replace(cheaper, bound=bound, needs=needs, witness=witness, whole=turned.whole)


def closer(sweep: Sweep, block: Block, prices: Prices) -> Sweep:
    """A sweep in fma after a closer look at the colours of its block, which may be cheaper or have a higher `least`."""
    colours = sweep.colours
    if sweep.least >= sweep.price or block.nnz > CLOSE:
        return sweep
    known = sweep.price, sweep.least
    price, least, found = kept(("closer", block.mark, prices, known), lambda: _closer(block, prices, known, colours))
    return sweep._replace(price=price, least=least, colours=found)


def _closer(block: Block, prices: Prices, known: tuple[int, int], colours: Colours) -> tuple[int, int, Colours]:
    from chainplan.colouring import Coloured, Colouring, Witness, closer

    best = Coloured(Colouring.of(colours.columns, colours.rows), *known, "", (), Witness())
    found = closer(_listed(block), *prices, best)
    return found.price, found.bound, _plain(found.colouring)


def _listed(block: Block) -> csr_array:
    pattern = block.structure.pattern(block.rows, block.cols)
    pattern.sort_indices()
    return pattern


def _plain(found: Colouring) -> Colours:
    import numpy as np

    columns, rows = (array("i", side.astype(np.int32).tobytes()) for side in (found.columns, found.rows))
    return Colours(columns, rows, found.tangents, found.adjoints)


def _sweep_price(run: Sequence[Elemental], mode: Mode, colours: int, cost: CostModel) -> int:
    total = cost.seed(run[0].block.cols if mode is Mode.TANGENT else run[-1].block.rows, colours)
    for e in run if mode is Mode.TANGENT else reversed(run):
        arg = Block(e.block.cols, colours) if mode is Mode.TANGENT else Block(colours, e.block.rows)
        if not e.explicit:
            total += cost.propagate(e, arg, mode)
        else:
            total += cost.multiply(*((e.block, arg) if mode is Mode.TANGENT else (arg, e.block)))
    return total


def _least_sweep(run: Sequence[Elemental], mode: Mode, colours: int, cost: CostModel) -> int:
    """What a sweep of so many colours or more costs at least: its seed and its calls."""
    total = cost.seed(run[0].block.cols if mode is Mode.TANGENT else run[-1].block.rows, colours)
    return total + sum(cost.call(e, colours, mode) for e in run if not e.explicit)


def write_sweep(recorder: Recorder, sweep: Sweep) -> int:
    """Write a compressed sweep down, tangents first; returns the position of the block."""
    run, colours = sweep.run, sweep.colours
    tangent = adjoint = None
    if colours.tangents:
        tangent = _swept(
            recorder, run, recorder.seed(run[0].source, Mode.TANGENT, tuple(colours.columns)), Mode.TANGENT
        )
    if colours.adjoints:
        adjoint = _swept(
            recorder, run[::-1], recorder.seed(run[-1].target, Mode.ADJOINT, tuple(colours.rows)), Mode.ADJOINT
        )
    return recorder.decompress(tangent, adjoint)


def _swept(recorder: Recorder, run: Sequence[Elemental], arg: int, mode: Mode) -> int:
    for e in run:
        if not e.explicit:
            arg = recorder.propagate(e.name, arg, mode)
        else:
            load = recorder.load(e.name)
            arg = recorder.multiply(load, arg) if mode is Mode.TANGENT else recorder.multiply(arg, load)
    return arg


class Accumulation(NamedTuple):
    """How the block of a matrix-free elemental is had, its price, and what any way to have it costs at least."""

    price: int
    least: int
    how: Mode | Sweep


def accumulated(e: Elemental, cost: CostModel) -> Accumulation:
    """The cheapest way found to have the block of a matrix-free elemental: tangents, adjoints or a compressed sweep."""
    prices = [(cost.accumulate(e, mode), i, mode) for i, mode in enumerate(Mode) if e.per_vector(mode) is not None]
    price, _, mode = min(prices)
    sweep = compressed((e,), e.block, cost, price)
    if sweep is None:
        return Accumulation(price, price, mode)
    if cost is FMA:
        sweep = closer(sweep, e.block, (e.tangent, e.adjoint))
    if sweep.price < price:
        return Accumulation(sweep.price, sweep.least, sweep)
    return Accumulation(price, sweep.least, mode)
