"""Compressed sweeps: the block of a run of elementals from as many tangents and adjoints as its pattern has colours.

A tangent of a run applies its elementals one after the other, explicit ones by a product, so one column of such a sweep
costs the sum over the run. Columns that share no row can share a sweep, so the block costs `colours · tangent` instead
of `columns · tangent`, or `c·tangent + r·adjoint` where adjoints give some of its entries (a bidirectional colouring
weighted by the two prices, `chainplan.colouring`; Griewank & Walther, *Evaluating Derivatives*, chapter 8). The solvers
decide where a run is better swept than put together from parts: no split sees sparsity that its parts do not have, such
as that of 200 colours of which the next elemental selects two rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chainplan.plans.recorder import Recorder
from chainplan.plans.sweep_colours import (
    SweepColours,
    SweepNeeds,
    TimeLeft,
    VectorPrices,
    closer_colours,
    colours_of_parts,
    colours_of_pattern,
    compressible,
    has_parts,
    simple_needs,
)
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block

UNREACHED_PRICE = 10**80
"""A price that no sweep reaches."""


class CompressedSweep(NamedTuple):
    """A compressed sweep over a run of elementals in evaluation order, its price, and a bound on all such sweeps.

    No direct colouring of the block makes the sweep cheaper than `least`, and every one has at least as many tangents
    and adjoints as one of the pairs in `needs`.
    """

    price: int
    least: int
    run: tuple[Elemental, ...]
    colours: SweepColours
    needs: SweepNeeds


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


def compressed(
    run: Sequence[Elemental],
    block: Block,
    cost: CostModel,
    below: int,
    prices: VectorPrices | None = None,
    in_time: TimeLeft = None,
) -> CompressedSweep | None:
    """Return a cheap compressed sweep over a run with this block, or None where none can cost less than `below`.

    The sweep itself may cost more than `below`, as long as its `least` does not. `prices` are the prices of one tangent
    and one adjoint, where the caller knows them. The search for colours ends when the time is up, but always returns
    some.
    """
    if not compressible(block) or all(e.explicit for e in run):
        return None
    prices = prices or (per_vector(run, Mode.TANGENT), per_vector(run, Mode.ADJOINT))
    if prices == (None, None):
        return None
    if has_parts(block):
        block_colours = colours_of_parts(block, prices)
    elif _least(run, block, simple_needs(block, prices), cost, prices) >= below:
        return None
    else:
        block_colours = colours_of_pattern(block, prices, in_time)
    price = _price(run, block, block_colours.colours, cost, prices)
    exact = has_parts(block) and cost is FMA
    least = price if exact else _least(run, block, block_colours.needs, cost, prices)
    if least >= below:
        return None
    return CompressedSweep(price, least, tuple(run), block_colours.colours, block_colours.needs)


def _price(run: Sequence[Elemental], block: Block, colours: SweepColours, cost: CostModel, prices: VectorPrices) -> int:
    """Price the sweeps of these colours, with the decompression."""
    if cost is FMA:
        return colours.tangents * (prices[0] or 0) + colours.adjoints * (prices[1] or 0)
    swept = (_sweep_price(run, mode, n, cost) for mode, n in zip(Mode, colours[2:], strict=True) if n)
    return sum(swept) + cost.decompress(block)


def _least(run: Sequence[Elemental], block: Block, needs: SweepNeeds, cost: CostModel, prices: VectorPrices) -> int:
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


def least_compressed(e: Elemental) -> int:
    """Bound the fma of every compressed sweep over an elemental, as far as that takes no colouring."""
    if not compressible(e.block):
        return UNREACHED_PRICE
    prices = e.tangent, e.adjoint
    return _least((e,), e.block, simple_needs(e.block, prices), FMA, prices)


def closer(sweep: CompressedSweep, block: Block, prices: VectorPrices) -> CompressedSweep:
    """Search the colours of a small block more closely; the sweep, in fma, may get cheaper or have a higher `least`."""
    if sweep.least >= sweep.price:
        return sweep
    better = closer_colours(block, prices, (sweep.price, sweep.least), sweep.colours)
    if better is None:
        return sweep
    price, least, colours = better
    return sweep._replace(price=price, least=least, colours=colours)


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


def write_sweep(recorder: Recorder, sweep: CompressedSweep) -> int:
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
