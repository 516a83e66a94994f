"""Decides how the patterns of a problem are kept whose products are too large to be listed, and counts the products.

Every block that can be listed keeps its list, whatever becomes of its products. On a chain the products of all runs of
patterns are then counted, short runs first: exactly as long as there is work left, and listed as long as there is room;
the others are bounded. All of this is done once, before any search, so that the counts of a block never depend on how
it is made.

Cost: `MAX_COUNTED_MULTIPLICATIONS` at most, and O(nonzeros of the patterns) for each of the O(q²) runs that are only
bounded.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby

from chainplan.structures.block import Block
from chainplan.structures.dense import Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.envelope import Outline
from chainplan.structures.pattern_counts import (
    PatternCounts,
    counted,
    framed,
    listed,
    multiplications,
    product_bounds,
    symbolic,
    tightest,
)
from chainplan.structures.pattern_product import Factors, PatternFactor, PatternProduct, lists
from chainplan.structures.zero import Zero

MAX_LISTED_PRODUCT_NONZEROS = 10_000_000
"""Nonzeros of all products together that are listed."""
MAX_COUNTED_MULTIPLICATIONS = 50_000_000
"""Multiplications for which products are counted exactly, all together."""
MAX_LISTED_ELEMENTAL_NONZEROS = 4_000_000
"""Nonzeros of the largest block that is listed where its structure is a word."""
MAX_COUNTED_LINES = 20_000_000
"""Rows and columns of all sums of paths together whose counts are held."""
_ENDLESS = 1 << 62
"""More multiplications than can be made."""


def worth_keeping(blocks: Sequence[Block]) -> bool:
    """Say whether blocks are to be kept as they are listed: the rows and columns of all products must fit."""
    patterns = [b for b in blocks if _is_pattern(b)]
    lines = sum(b.rows + b.cols for b in patterns)
    return lines * (len(patterns) + 1) // 2 <= MAX_COUNTED_LINES


def _is_pattern(block: Block) -> bool:
    return not isinstance(block.structure, Dense | OnDiagonal | Zero)


def large_patterns(blocks: Sequence[Block], chained: Sequence[int] | None) -> tuple[tuple[Block, ...], bool]:
    """Return the blocks of a problem as large patterns, and whether all their products are counted exactly.

    Parameters
    ----------
    blocks : Sequence[Block]
        The blocks of the elementals.
    chained : Sequence[int] | None
        The positions of the elementals in evaluation order, where they form a chain, else None.
    """
    factors: dict[Hashable, PatternFactor] = {}
    for block in blocks:
        if _is_pattern(block) and block.mark not in factors:
            factors[block.mark] = PatternFactor(_counts(block), block.mark)
    table: dict[Factors, PatternCounts] = {(factor,): factor.counts for factor in factors.values()}
    if chained is not None:
        _fill(table, _runs([blocks[position] for position in chained], factors))
    counted_exactly = chained is not None and all(counts.exact for counts in table.values())
    exact = counted_exactly and lists(tuple(factors.values())) is not None
    kept = tuple(
        block._replace(structure=PatternProduct((factor,), factor.counts, table, block.structure.units))
        if (factor := factors.get(block.mark))
        else block
        for block in blocks
    )
    return kept, exact


def _counts(block: Block) -> PatternCounts:
    """Return the counts of a block; it is listed where it is given as a list, or where its list is short."""
    structure, rows, cols = block.structure, block.rows, block.cols
    if structure.name != "sparse" and structure.units is None and block.nnz > MAX_LISTED_ELEMENTAL_NONZEROS:
        return symbolic(structure, rows, cols)
    return listed(structure.pattern(rows, cols), framed(structure.valued(), rows, cols))


def _runs(chain: Sequence[Block], factors: dict[Hashable, PatternFactor]) -> list[Factors]:
    """Return the runs of patterns between dense blocks, left factors first; diagonals do not end a run."""
    among = [block for block in reversed(chain) if not isinstance(block.structure, OnDiagonal)]
    return [tuple(factors[block.mark] for block in run) for kept, run in groupby(among, _is_pattern) if kept]


def _fill(table: dict[Factors, PatternCounts], runs: Sequence[Factors]) -> None:
    """Count the products of all parts of all runs, short ones first."""
    work, room = MAX_COUNTED_MULTIPLICATIONS, MAX_LISTED_PRODUCT_NONZEROS
    for length in range(2, max(map(len, runs), default=0) + 1):
        for part in (run[start : start + length] for run in runs for start in range(len(run) - length + 1)):
            if part in table:
                continue
            forward, backward = _work_forward(part, table), _work_backward(part, table)
            if min(forward, backward) > work:
                table[part] = _bounds(part, table)
                continue
            counts = _forward(part, table, room) if forward <= backward else _backward(part, table, room)
            table[part] = counts
            work -= min(forward, backward)
            room -= 0 if counts.csr is None else counts.nnz


def _listed_start(part: Factors, table: dict[Factors, PatternCounts]) -> int:
    """Return how many factors the longest listed product at the start of a part has, 0 where there is none."""
    return next((k for k in range(len(part) - 1, 0, -1) if table[part[:k]].csr is not None), 0)


def _listed_end(part: Factors, table: dict[Factors, PatternCounts]) -> int:
    """Return how many factors the longest listed product at the end of a part has, 0 where there is none."""
    return next((k for k in range(len(part) - 1, 0, -1) if table[part[-k:]].csr is not None), 0)


def _work_forward(part: Factors, table: dict[Factors, PatternCounts]) -> int:
    """Return the multiplications by which a part is counted from its listed start, at most."""
    k = _listed_start(part, table)
    if not k or lists(part[k:]) is None:
        return _ENDLESS
    return sum(multiplications(table[part[:s]], part[s].counts) for s in range(k, len(part)))


def _work_backward(part: Factors, table: dict[Factors, PatternCounts]) -> int:
    """Return the multiplications by which a part is counted from its listed end, at most."""
    k, q = _listed_end(part, table), len(part)
    if not k or lists(part[:-k]) is None:
        return _ENDLESS
    return sum(multiplications(part[q - s - 1].counts, table[part[q - s :]]) for s in range(k, q))


def _forward(part: Factors, table: dict[Factors, PatternCounts], room: int) -> PatternCounts:
    """Count a part exactly from its listed start."""
    k = _listed_start(part, table)
    first, rest = table[part[:k]].csr, lists(part[k:])
    assert first is not None
    assert rest is not None
    return counted(first, rest, _frame(part, table), room)


def _backward(part: Factors, table: dict[Factors, PatternCounts], room: int) -> PatternCounts:
    """Count a part exactly from its listed end: its transpose from the listed start."""
    k = _listed_end(part, table)
    frame, first = _frame(part, table).transpose(), table[part[-k:]].columns
    rest = lists(tuple(factor.transpose() for factor in reversed(part[:-k])))
    assert isinstance(frame, Outline)
    assert first is not None
    assert rest is not None
    return counted(first, rest, frame, room).transpose()


def _frame(part: Factors, table: dict[Factors, PatternCounts]) -> Outline:
    frame = table[part[:-1]].frame.times(part[-1].counts.frame)
    assert isinstance(frame, Outline)
    return frame


def _bounds(part: Factors, table: dict[Factors, PatternCounts]) -> PatternCounts:
    """Bound the counts of a part by splits of it: at either end, and behind or before what is listed."""
    q = len(part)
    splits = {1, q - 1, _listed_start(part, table) or 1, q - (_listed_end(part, table) or 1)}
    first, *others = (product_bounds(table[part[:k]], table[part[k:]]) for k in sorted(splits))
    for other in others:
        first = tightest(first, other)
    return first
