"""Spy plots: where the nonzeros of a block are, on a small grid, as one path of an SVG.

A cell is filled where any entry in it may be nonzero. Patterns of a size that is listed quickly are put into the grid
exactly; of larger blocks each cell is asked at its corners, at its middle and where it meets the diagonal, which is
exact for bands around the diagonal and a sketch of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainplan._util.byte_cache import kept
from chainplan.structures import Block, Dense, Zero

SPY_CELLS = 32
"""Cells along the longer side."""
_MAX_SPY_NUMBERS = 2_000_000
"""Rows, columns and nonzeros of the largest pattern that is listed."""


def spy(block: Block) -> tuple[int, int, str]:
    """Return (columns, rows, path): the grid, and a path that fills its cells; it is empty for dense, "z" for zero."""
    return kept(("spy", block.mark), lambda: _spy(block))


def _spy(block: Block) -> tuple[int, int, str]:
    across, down = max(1, min(block.cols, SPY_CELLS)), max(1, min(block.rows, SPY_CELLS))
    if isinstance(block.structure, Dense):
        return across, down, ""
    if isinstance(block.structure, Zero) or not block.rows or not block.cols:
        return across, down, "z"
    cells = _listed(block, across, down) if _small(block) else _asked(block, across, down)
    return across, down, "".join(_runs(cells)) or "z"


def _small(block: Block) -> bool:
    return block.rows + block.cols <= _MAX_SPY_NUMBERS and block.nnz <= _MAX_SPY_NUMBERS


def _listed(block: Block, across: int, down: int) -> set[tuple[int, int]]:
    import numpy as np

    pattern = block.structure.pattern(block.rows, block.cols).tocoo()
    y = pattern.row.astype(np.int64) * down // block.rows
    x = pattern.col.astype(np.int64) * across // block.cols
    return {divmod(int(cell), across) for cell in np.unique(y * across + x)}


def _asked(block: Block, across: int, down: int) -> set[tuple[int, int]]:
    return {(y, x) for y in range(down) for x in range(across) if any(_points(block, y, x, down, across))}


def _points(block: Block, y: int, x: int, down: int, across: int) -> Iterator[bool]:
    m, n = block.rows, block.cols
    top, bottom = y * m // down, max(y * m // down, (y + 1) * m // down - 1)
    left, right = x * n // across, max(x * n // across, (x + 1) * n // across - 1)
    middle = (top + bottom) // 2, (left + right) // 2
    places = [(top, left), (top, right), (bottom, left), (bottom, right), middle]
    if max(top, left) <= min(bottom, right):
        places.append((max(top, left), max(top, left)))
    for row, col in places:
        yield block.structure.holds(row, col, m, n)


def _runs(cells: set[tuple[int, int]]) -> Iterator[str]:
    """Yield the filled cells, those beside each other in one rectangle."""
    ordered = sorted(cells)
    start = 0
    for i in range(1, len(ordered) + 1):
        if i == len(ordered) or ordered[i] != (ordered[i - 1][0], ordered[i - 1][1] + 1):
            y, x = ordered[start]
            yield f"M{x} {y}h{i - start}v1h-{i - start}z"
            start = i
