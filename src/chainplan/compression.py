"""Compressed sweeps: the block of a run of elementals from as many tangents and adjoints as its pattern has colours.

A tangent of a run applies its elementals one after the other, an explicit one by multiplying: what one column of such a
sweep costs is the sum over the run. Columns that share no row can share a sweep, so the block costs `colours · tangent`
instead of `columns · tangent`, and with adjoints for some of its entries `c·tangent + r·adjoint` (bidirectional
colouring weighted by the two prices, `chainplan.colouring`). Where a run is better swept than put together from parts
is for the solvers to find out: sparsity that the parts do not have (200 colours, of which the next elemental selects
two rows) is not seen by any split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chainplan.caches import kept
from chainplan.cost import CostModel
from chainplan.graph import Elemental, Mode
from chainplan.steps import Recorder
from chainplan.structures import Block, BlockDiagonal, Dense, Kronecker, OnDiagonal, Zero
from chainplan.structures.counts import longest

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan.colouring import Colouring

LARGEST = 1_000_000
"""Rows or columns of the largest block that is coloured."""
NONZEROS = 4_000_000
"""Nonzeros of the largest pattern that is coloured."""
BOTH_WAYS = 20_000
"""Nonzeros of the largest pattern whose transpose is coloured too, so that transposing a problem changes no price."""


class Colours(NamedTuple):
    """Colours of columns and rows, -1 for one that is not seeded, and how many there are of each."""

    columns: tuple[int, ...]
    rows: tuple[int, ...]
    tangents: int
    adjoints: int


class Sweep(NamedTuple):
    """A compressed sweep over a run of elementals, given in evaluation order, and its price."""

    price: int
    run: tuple[Elemental, ...]
    colours: Colours


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


def colourable(block: Block) -> bool:
    """Whether compression may gain something on a block, and its pattern can be listed."""
    if isinstance(block.structure, Dense | Zero) or max(block.rows, block.cols) > LARGEST:
        return False
    return 0 < block.nnz <= NONZEROS


Prices = tuple[int | None, int | None]
"""Multiply-adds of one tangent and of one adjoint, None where there is none."""


def compressed(
    run: Sequence[Elemental], block: Block, cost: CostModel, below: int, prices: Prices | None = None
) -> Sweep | None:
    """The cheapest compressed sweep found over a run with this block, None where none is cheaper than `below`.

    `prices` are those of one sweep in each mode, where they are known.
    """
    if not colourable(block) or all(e.explicit for e in run):
        return None
    tangent, adjoint = prices or (per_vector(run, Mode.TANGENT), per_vector(run, Mode.ADJOINT))
    if tangent is None and adjoint is None:
        return None
    fma = cost.objective == "fma"
    if isinstance(block.structure, OnDiagonal | BlockDiagonal | Kronecker):
        colours = kept(("parts", block.mark, tangent, adjoint), lambda: _of_parts(block, tangent, adjoint))
    elif fma and _simple_bound(block, tangent, adjoint) >= below:
        return None
    else:
        colours = kept(("colours", block.mark, tangent, adjoint), lambda: _coloured(block, tangent, adjoint))
    if fma:
        price = colours.tangents * (tangent or 0) + colours.adjoints * (adjoint or 0)
    else:
        swept = (_sweep_price(run, mode, n, cost) for mode, n in zip(Mode, colours[2:], strict=True) if n)
        price = sum(swept) + cost.decompress(block)
    return Sweep(price, tuple(run), colours) if price < below else None


def _of_parts(block: Block, tangent: int | None, adjoint: int | None) -> Colours:
    """One colour for each column, or row, of a part: no mixture of both is cheaper on dense parts of equal shape.

    Of a part of r x c with x column and y row colours, r·c <= x·r + y·c (`colouring.bounds`); x·tangent + y·adjoint is
    least under that constraint where x or y is zero.
    """
    parts = block.rows if isinstance(block.structure, OnDiagonal) else block.structure.count  # type: ignore[attr-defined]
    r, c = block.rows // parts, block.cols // parts
    forward = adjoint is None or (tangent is not None and c * tangent <= r * adjoint)
    length, colours = (block.cols, c) if forward else (block.rows, r)
    layered = isinstance(block.structure, Kronecker)
    line = tuple(i // parts if layered else i % colours for i in range(length))
    return Colours(line, (-1,) * block.rows, c, 0) if forward else Colours((-1,) * block.cols, line, 0, r)


def _simple_bound(block: Block, tangent: int | None, adjoint: int | None) -> int:
    """A price that no colouring undercuts: the longest row or column needs as many sweeps, or their average both."""
    counts = block.structure.row_counts(block.rows, block.cols), block.structure.column_counts(block.rows, block.cols)
    most = [longest(side) for side in counts]
    sided = [price * n for price, n in ((tangent, most[0]), (adjoint, most[1])) if price is not None]
    if tangent is not None and adjoint is not None:
        sided.append(min(tangent, adjoint) * -(-block.nnz // max(block.rows, block.cols, 1)))
    return min(sided)


def _coloured(block: Block, tangent: int | None, adjoint: int | None) -> Colours:
    """The cheapest colours found for a pattern, and for its transpose where that is small."""
    from chainplan.colouring import colour

    effort = min(1.0, 1000 / block.nnz)
    best = colour(_listed(block), tangent, adjoint, effort=effort)
    found = _plain(best.colouring)
    if not best.optimal and block.nnz <= BOTH_WAYS:
        turned = colour(_listed(block.transpose()), adjoint, tangent, effort=effort)
        if turned.price < best.price:
            rows, columns, adjoints, tangents = _plain(turned.colouring)
            found = Colours(columns, rows, tangents, adjoints)
    return found


def _listed(block: Block) -> csr_array:
    pattern = block.structure.pattern(block.rows, block.cols)
    pattern.sort_indices()
    return pattern


def _plain(found: Colouring) -> Colours:
    return Colours(tuple(found.columns.tolist()), tuple(found.rows.tolist()), found.tangents, found.adjoints)


def _sweep_price(run: Sequence[Elemental], mode: Mode, colours: int, cost: CostModel) -> int:
    total = cost.seed(run[0].block.cols if mode is Mode.TANGENT else run[-1].block.rows, colours)
    for e in run if mode is Mode.TANGENT else reversed(run):
        arg = Block(e.block.cols, colours) if mode is Mode.TANGENT else Block(colours, e.block.rows)
        if not e.explicit:
            total += cost.propagate(e, arg, mode)
        else:
            total += cost.multiply(*((e.block, arg) if mode is Mode.TANGENT else (arg, e.block)))
    return total


def write_sweep(recorder: Recorder, sweep: Sweep) -> int:
    """Write a compressed sweep down, tangents first; returns the position of the block."""
    run, colours = sweep.run, sweep.colours
    tangent = adjoint = None
    if colours.tangents:
        tangent = _swept(recorder, run, recorder.seed(run[0].source, Mode.TANGENT, colours.columns), Mode.TANGENT)
    if colours.adjoints:
        adjoint = _swept(recorder, run[::-1], recorder.seed(run[-1].target, Mode.ADJOINT, colours.rows), Mode.ADJOINT)
    return recorder.decompress(tangent, adjoint)


def _swept(recorder: Recorder, run: Sequence[Elemental], arg: int, mode: Mode) -> int:
    for e in run:
        if not e.explicit:
            arg = recorder.propagate(e.name, arg, mode)
        else:
            load = recorder.load(e.name)
            arg = recorder.multiply(load, arg) if mode is Mode.TANGENT else recorder.multiply(arg, load)
    return arg


def accumulated(e: Elemental, cost: CostModel) -> tuple[int, Mode | Sweep]:
    """The price of a matrix-free elemental's block and how it is had: tangents, adjoints, or a compressed sweep."""
    prices = [(cost.accumulate(e, mode), i, mode) for i, mode in enumerate(Mode) if e.per_vector(mode) is not None]
    price, _, mode = min(prices)
    sweep = compressed((e,), e.block, cost, price)
    return (price, mode) if sweep is None else (sweep.price, sweep)
