"""The colours by which a matrix-free second derivative is formed from few calls, and how many calls that takes.

Let F'' have the support S, the entries (i, j) for which some (i, j, k) may be nonzero.

- *Second tangents.* Where no two columns of one colour meet in a row of S, a call along the sums of the columns of two
  colours has one term in each row. So c colours take at most c·(c + 1)/2 calls, and less where two colours never meet.
- *Second adjoints.* Rows that meet in no column of S may be weighted together, because each column tells the row then.
  The columns of such a group have a symmetric pattern, that of its rows laid over each other, which products along few
  directions recover: by star colourings directly, by acyclic ones by substitution (`chainplan.colouring.symmetric`).

A side that is multiplied by a block takes a call for each line of that block. Elementwise functions take one call in
either mode. Dense second derivatives have no colours: they take n·(n + 1)/2 second tangents or m·n second adjoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chainplan._util.byte_cache import kept
from chainplan.plans.sweep_colours import MAX_COLOURED_NONZEROS, colours_of_pattern
from chainplan.problem.graph import Mode
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock, Side, contraction

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array
    from chainplan.colouring.symmetric import SymmetricColouring

MAX_SECOND_COLOURS = 1_000_000
"""Colours of the longest list of them; a second derivative that would need more is formed without colours."""
UNCOLOURED: tuple[int, ...] = ()


class SecondColours(NamedTuple):
    """The group of each row, and the colour of each column, of one group after the other; empty for one each."""

    rows: tuple[int, ...] = UNCOLOURED
    columns: tuple[int, ...] = UNCOLOURED


class TakenSides(NamedTuple):
    """The lines of the blocks by which the sides are multiplied, None for a side that is open."""

    rows: int | None = None
    left: int | None = None
    right: int | None = None
    alike: bool = False
    """Whether both column sides are multiplied by the same block."""

    @property
    def open_columns(self) -> int:
        """The number of column sides that are open."""
        return (self.left is None) + (self.right is None)


def colours_for(block: SecondBlock, mode: Mode, taken: TakenSides) -> SecondColours:
    """Return colours for the sides of a second derivative that are open; none where it is dense, or too large."""
    if block.pattern is None or not taken.open_columns + (taken.rows is None) or not len(block.pattern) > 0:
        return SecondColours()
    if len(block.pattern) > MAX_COLOURED_NONZEROS or max(block[:3]) > MAX_SECOND_COLOURS:
        return SecondColours()
    key = "second colours", block.mark, mode, taken.rows is None, taken.open_columns
    return kept(key, lambda: _coloured(block, mode, taken))


def _coloured(block: SecondBlock, mode: Mode, taken: TakenSides) -> SecondColours:
    support = support_of(block)
    if mode is Mode.TANGENT:
        columns = colours_of_pattern(support, (1, None), None).colours.columns if taken.open_columns else ()
        return SecondColours(columns=_told(columns))
    rows = tuple(colours_of_pattern(support, (None, 1), None).colours.rows) if taken.rows is None else UNCOLOURED
    rows = rows if _told(rows) else tuple(range(block.rows)) if taken.rows is None else UNCOLOURED
    groups = max(rows, default=-1) + 1 if taken.rows is None else 1
    if taken.open_columns < 2 or groups * block.left > MAX_SECOND_COLOURS:
        return SecondColours(_told(rows))
    parts = [_symmetric(pattern) for pattern in group_patterns(block, rows, groups)]
    if all(_told(part) == UNCOLOURED for part in parts):
        return SecondColours(_told(rows))
    return SecondColours(_told(rows), tuple(colour for part in parts for colour in part))


def _told(colours: Sequence[int]) -> tuple[int, ...]:
    """Leave out colours that are one each."""
    return UNCOLOURED if len(set(colours)) == len(colours) and -1 not in colours else tuple(colours)


def _symmetric(pattern: csr_array) -> Sequence[int]:
    """Return the colours of a symmetric pattern: a star colouring, or an acyclic one that takes fewer."""
    from chainplan.colouring.symmetric import colour_symmetric

    effort = min(1.0, 1000 / max(1, pattern.nnz))
    found = [colour_symmetric(pattern, substitution=way, effort=effort).colouring for way in (False, True)]
    fewest: Sequence[int] = min(found, key=lambda one: one.products).colours.tolist()
    return fewest


def support_of(block: SecondBlock) -> Block:
    """Return the entries (i, j) for which some (i, j, k) may be nonzero, as a block."""
    from chainplan.structures.explicit import Explicit

    assert block.pattern is not None, "the caller has looked"
    return Block(block.rows, block.left, Explicit(_ones(block.pattern.i, block.pattern.j, (block.rows, block.left))))


def group_patterns(block: SecondBlock, rows: Sequence[int], groups: int) -> Iterator[csr_array]:
    """Yield the symmetric pattern of each group of rows laid over each other; of all rows where they have no groups."""
    import numpy as np

    assert block.pattern is not None, "the caller has looked"
    group = np.asarray(rows, np.intp)[block.pattern.i] if rows else np.zeros(len(block.pattern), np.intp)
    for each in range(groups):
        at = group == each
        yield _ones(block.pattern.j[at], block.pattern.k[at], (block.left, block.right))


def _ones(rows: Array, cols: Array, shape: tuple[int, int]) -> csr_array:
    import numpy as np
    from scipy.sparse import csr_array

    pattern = csr_array((np.ones(len(rows), np.bool_), (rows, cols)), shape=shape)
    pattern.sort_indices()
    return pattern


def calls_of(block: SecondBlock, mode: Mode, taken: TakenSides, colours: SecondColours) -> int:
    """Count the second tangents or second adjoints that form a second derivative, or its product on the sides taken."""
    if mode is Mode.ADJOINT:
        lines = _lines(colours.rows, block.rows) if taken.rows is None else taken.rows
        given = taken.left if taken.right is None else taken.right
        if given is not None:
            return lines * given
        if not colours.columns:
            return lines * block.left
        groups = 1 if taken.rows is not None else lines
        each = (_lines(part, 0) for part in parted(colours.columns, groups))
        return sum(each) * (1 if taken.rows is None else lines)
    if taken.open_columns == 2:
        dense = block.pattern is None
        return block.left * (block.left + 1) // 2 if dense else len(pairs_of(block, colours)[0])
    open_side = _lines(colours.columns, block.left)
    left, right = (open_side if lines is None else lines for lines in (taken.left, taken.right))
    return left * (left + 1) // 2 if taken.alike else left * right


def _lines(colours: Sequence[int], size: int) -> int:
    """Count colours, one each where there are none."""
    return max(colours) + 1 if colours else size


def parted(colours: Sequence[int], groups: int) -> list[Sequence[int]]:
    """Cut the colours of columns into those of each group."""
    size = len(colours) // max(1, groups)
    return [colours[g * size : (g + 1) * size] for g in range(groups)]


def pairs_of(block: SecondBlock, colours: SecondColours) -> tuple[Array, Array]:
    """Return the pairs of colours of columns that meet in some entry, the lower one first, as two lists."""
    import numpy as np

    if block.pattern is None:
        return np.triu_indices(block.left)
    by = np.asarray(colours.columns, np.intp) if colours.columns else np.arange(block.left)
    one, other = by[block.pattern.j], by[block.pattern.k]
    most = int(by.max(initial=0)) + 1
    met = np.unique(np.minimum(one, other) * most + np.maximum(one, other))
    return np.divmod(met, most)


def unfit_colours(block: SecondBlock, mode: Mode, taken: TakenSides, colours: SecondColours) -> str | None:
    """Say why lists of colours do not fit the open sides of a second derivative, or None where they do."""
    rows, columns = colours
    grouped = mode is Mode.ADJOINT and taken.rows is None
    if rows and not (grouped and len(rows) == block.rows):
        expected = f"{block.rows} colours, one for each row" if grouped else "none, because the rows are no open side"
        return f"row_colours has {len(rows)} entries; expected {expected}."
    groups = _lines(rows, block.rows) if grouped else 1
    is_open = taken.open_columns == 2 or (taken.open_columns == 1 and mode is Mode.TANGENT)
    if columns and not (is_open and len(columns) == groups * block.left):
        expected = f"{groups * block.left:,}" if is_open else "none, because no column side is open"
        return f"colours has {len(columns)} entries; expected {expected}."
    for part in (rows, *parted(columns, groups if columns else 0)):
        if part and not max(part) < len(part):
            return f"colours go up to {max(part)}; expected numbers below {len(part)}."
    return None


def product_on_sides(block: SecondBlock, by: Mapping[Side, Block], alike: bool) -> SecondBlock:
    """Return a second-order block with some of its sides multiplied by blocks, in the order rows, left, right."""
    if Side.ROWS in by:
        block = contraction(block, by[Side.ROWS], Side.ROWS, False).block
    if alike:
        return contraction(block, by[Side.RIGHT], Side.BOTH, False).block
    for side in (side for side in (Side.LEFT, Side.RIGHT) if side in by):
        block = contraction(block, by[side], side, False).block
    return block


def second_misfit(block: SecondBlock, mode: Mode, taken: TakenSides, colours: SecondColours) -> str | None:
    """Say which nonzero the colours of a step do not bring back, or None where they bring all back.

    Cost: O(nnz log nnz). Nothing here depends on how the colours were made.
    """
    from chainplan.colouring import Colouring, misfit

    if block.pattern is None or not len(block.pattern):
        return "colours stand for a dense second derivative; expected none." if any(colours) else None
    support = support_of(block)
    pattern = support.structure.pattern(support.rows, support.cols)
    if mode is Mode.TANGENT:
        columns = Colouring.of(colours.columns or range(block.left), (-1,) * block.rows)
        return misfit(pattern, columns) if taken.open_columns else None
    rows = colours.rows or range(block.rows)
    wrong = misfit(pattern, Colouring.of((-1,) * block.left, rows)) if taken.rows is None else None
    if wrong or taken.open_columns < 2 or not colours.columns:
        return wrong
    groups = 1 if taken.rows is not None else max(rows, default=-1) + 1
    patterns = group_patterns(block, rows if taken.rows is None else (), groups)
    faults = (symmetric_colouring(p, c)[1] for p, c in zip(patterns, parted(colours.columns, groups), strict=True))
    return next(filter(None, faults), None)


def symmetric_colouring(pattern: csr_array, colours: Sequence[int]) -> tuple[SymmetricColouring, str | None]:
    """Return a colouring that is read directly where it can be, else by substitution; and why it cannot be, or None."""
    from chainplan.colouring.symmetric import SymmetricColouring, symmetric_misfit

    direct = SymmetricColouring.of(colours)
    if symmetric_misfit(pattern, direct) is None:
        return direct, None
    substituted = SymmetricColouring.of(colours, substitution=True)
    return substituted, symmetric_misfit(pattern, substituted)
