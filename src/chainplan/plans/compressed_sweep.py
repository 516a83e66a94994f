"""Compressed sweeps: the block of a run of elementals from as many tangents and adjoints as its pattern has colours.

A tangent of a run applies its elementals one after the other, explicit ones by a product, so one column of such a sweep
costs the sum over the run. Columns that share no row can share a sweep, so the block costs `colours · tangent` instead
of `columns · tangent`, or `c·tangent + r·adjoint` where adjoints give some of its entries (a bidirectional colouring
weighted by the two prices, `chainplan.colouring`; Griewank & Walther, *Evaluating Derivatives*, chapter 8). The solvers
decide where a run is better swept than put together from parts: no split sees sparsity that its parts do not have, such
as that of 200 colours of which the next elemental selects two rows.
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
"""Nonzeros of the largest pattern whose colours are searched more closely."""
STEPS = 64
"""The most pairs of tangents and adjoints that are distinguished without a colouring."""
NEVER = 10**80
"""A price that no sweep reaches."""
LISTED = 1_500_000
"""Nonzeros of the largest pattern that is coloured; colouring takes about 250 bytes for each of them."""
BOTH_WAYS = 20_000
"""Nonzeros of the largest pattern whose transpose is coloured too, so that transposing a problem changes no price."""


InTime = Callable[[], bool] | None
"""A function that says whether there is time left for a search; None gives a search as much time as it takes."""


class Colours(NamedTuple):
    """The colours of columns and rows, -1 for one that is not seeded, and the numbers of tangents and adjoints."""

    columns: Sequence[int]
    rows: Sequence[int]
    tangents: int
    adjoints: int


Needs = tuple[tuple[int, int], ...]
"""Pairs of tangents and adjoints; every direct colouring has at least as many of both as one of the pairs."""


class Sweep(NamedTuple):
    """A compressed sweep over a run of elementals in evaluation order, its price, and a bound on all such sweeps.

    No direct colouring of the block makes the sweep cheaper than `least`, and every one has at least as many tangents
    and adjoints as one of the pairs in `needs`.
    """

    price: int
    least: int
    run: tuple[Elemental, ...]
    colours: Colours
    needs: Needs


def per_vector(run: Sequence[Elemental], mode: Mode) -> int | None:
    """Return the fma of one column (tangent) or row (adjoint) of a sweep, or None where a mode is not available."""
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
    """Say whether compression may pay on a block, and its pattern is small enough to be coloured."""
    if isinstance(block.structure, Dense | Zero) or max(block.rows, block.cols) > LARGEST_COLOURED:
        return False
    return 0 < block.nnz <= LISTED


Prices = tuple[int | None, int | None]
"""The fma of one tangent and of one adjoint, None where there is none."""


def compressed(
    run: Sequence[Elemental],
    block: Block,
    cost: CostModel,
    below: int,
    prices: Prices | None = None,
    in_time: InTime = None,
) -> Sweep | None:
    """Return a cheap compressed sweep over a run with this block, or None where none can cost less than `below`.

    The sweep itself may cost more than `below`, as long as its `least` does not. `prices` are the prices of one tangent
    and one adjoint, where the caller knows them. The search for colours ends when the time is up, but always returns
    some.
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
    """Price the sweeps of these colours, with the decompression."""
    if cost is FMA:
        return colours.tangents * (prices[0] or 0) + colours.adjoints * (prices[1] or 0)
    swept = (_sweep_price(run, mode, n, cost) for mode, n in zip(Mode, colours[2:], strict=True) if n)
    return sum(swept) + cost.decompress(block)


def _least(run: Sequence[Elemental], block: Block, needs: Needs, cost: CostModel, prices: Prices) -> int:
    """Bound the price of sweeps that have at least as many tangents and adjoints as one of the pairs.

    Models other than fma price a product by routes that change with the number of columns, so that more columns may
    cost less. For them the bound has only the seeds, the calls and the decompression, whose prices all grow with that
    number.
    """
    if cost is FMA:
        return min(c * (prices[0] or 0) + a * (prices[1] or 0) for c, a in needs)
    return cost.decompress(block) + min(
        sum(_least_sweep(run, mode, n, cost) for mode, n in zip(Mode, pair, strict=True) if n) for pair in needs
    )


class Found(NamedTuple):
    """Colours for a block, and the numbers of tangents and adjoints that all colours need."""

    colours: Colours
    needs: Needs
    whole: bool = True
    """Whether there was time for the whole search."""


def _of_parts(block: Block, tangent: int | None, adjoint: int | None) -> Found:
    """Give each column, or each row, of a part its own colour; no mixture is cheaper on dense parts of equal shape.

    For a part of r x c with x column colours and y row colours r·c <= x·r + y·c (`colouring.bounds`), and under that
    constraint x·tangent + y·adjoint is least where x or y is zero.
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
    """Colour a line: colours take turns, or follow each other in equal runs if `layered`; without colours all are -1.

    Equal lines share one array.
    """

    def make() -> array[int]:
        if not colours:
            return array("i", [-1]) * length
        if not layered:
            return array("i", range(colours)) * (length // colours)
        return array("i", (i // (length // colours) for i in range(length)))

    return kept(("line", length, colours, layered and colours > 0), make)


def _simple_needs(block: Block, tangent: int | None, adjoint: int | None) -> Needs:
    """Return the needs that follow from the longest row, the longest column and the number of nonzeros."""
    counts = block.structure.row_counts(block.rows, block.cols), block.structure.column_counts(block.rows, block.cols)
    longest_row, longest_column = map(longest, counts)
    return _needs((longest_row, longest_column), (tangent, adjoint), (block.nnz, block.rows, block.cols))


def _needs(alone: tuple[int, int], prices: Prices, cut: tuple[int, int, int]) -> Needs:
    """Return the needs of either mode alone, and of both by the inequality nnz <= c·rows + a·columns.

    The inequality is that of `colouring.bounds`. Where its line has many pairs, some stand for all: the fewest tangents
    of a step with the fewest adjoints of that step.
    """
    pairs = [pair for pair, price in (((alone[0], 0), prices[0]), ((0, alone[1]), prices[1])) if price is not None]
    if None not in prices:
        nonzeros, rows, columns = cut
        step = -(-alone[0] // STEPS)
        for c in range(1, alone[0], step):
            pairs.append((c, max(1, -(-(nonzeros - (c + step - 1) * rows) // columns))))
    return tuple(pairs)


def _coloured(block: Block, tangent: int | None, adjoint: int | None, in_time: InTime) -> Found:
    """Colour a pattern, and its transpose too where that is small, and return the cheaper colours."""
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
    """Search the colours of a small block more closely; the sweep, in fma, may get cheaper or have a higher `least`."""
    colours = sweep.colours
    if sweep.least >= sweep.price or block.nnz > CLOSE:
        return sweep
    known = sweep.price, sweep.least
    price, least, better = kept(("closer", block.mark, prices, known), lambda: _closer(block, prices, known, colours))
    return sweep._replace(price=price, least=least, colours=better)


def _closer(block: Block, prices: Prices, known: tuple[int, int], colours: Colours) -> tuple[int, int, Colours]:
    from chainplan.colouring import Coloured, Colouring, Witness, closer

    best = Coloured(Colouring.of(colours.columns, colours.rows), *known, "", (), Witness())
    coloured = closer(_listed(block), *prices, best)
    return coloured.price, coloured.bound, _plain(coloured.colouring)


def _listed(block: Block) -> csr_array:
    pattern = block.structure.pattern(block.rows, block.cols)
    pattern.sort_indices()
    return pattern


def _plain(colouring: Colouring) -> Colours:
    """Turn a colouring of numpy arrays into plain arrays of Python."""
    import numpy as np

    columns, rows = (array("i", side.astype(np.int32).tobytes()) for side in (colouring.columns, colouring.rows))
    return Colours(columns, rows, colouring.tangents, colouring.adjoints)


def _sweep_price(run: Sequence[Elemental], mode: Mode, colours: int, cost: CostModel) -> int:
    """Price a sweep of one mode with so many colours: its seed, its products and its calls."""
    total = cost.seed(run[0].block.cols if mode is Mode.TANGENT else run[-1].block.rows, colours)
    for e in run if mode is Mode.TANGENT else reversed(run):
        arg = Block(e.block.cols, colours) if mode is Mode.TANGENT else Block(colours, e.block.rows)
        if not e.explicit:
            total += cost.propagate(e, arg, mode)
        else:
            total += cost.multiply(*((e.block, arg) if mode is Mode.TANGENT else (arg, e.block)))
    return total


def _least_sweep(run: Sequence[Elemental], mode: Mode, colours: int, cost: CostModel) -> int:
    """Bound the price of a sweep with at least so many colours: by its seed and its calls."""
    total = cost.seed(run[0].block.cols if mode is Mode.TANGENT else run[-1].block.rows, colours)
    return total + sum(cost.call(e, colours, mode) for e in run if not e.explicit)


def write_sweep(recorder: Recorder, sweep: Sweep) -> int:
    """Write the steps of a compressed sweep, tangents first, and return the position of the block."""
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
    """The way to accumulate a matrix-free elemental, its price, and a lower bound on the price of every way."""

    price: int
    least: int
    how: Mode | Sweep


def accumulated(e: Elemental, cost: CostModel) -> Accumulation:
    """Choose how to accumulate a matrix-free elemental: by tangents, by adjoints or by a compressed sweep."""
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
