"""The elementals of a chain as blocks drawn to scale, in the order of the product: F_q on the left, F_1 on the right.

Lengths are proportional to sizes. Where the largest size is more than `WIDEST` times the smallest they grow with its
logarithm instead, and the caption says so. Long chains are drawn in groups of neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log2

from chainplan.graph import Elemental
from chainplan.report.page.markup import brief, text
from chainplan.report.page.spy import spy
from chainplan.structures import Block

MOST = 40
"""Blocks drawn; the elementals of a longer chain are drawn in so many groups."""
WIDEST = 10_000
"""Largest over smallest size up to which lengths are proportional."""
_THIN, _GAP, _ACROSS = 3.0, 22.0, 1020.0
_SHORT = 14
"""Characters below a block."""


def picture(chain: tuple[Elemental, ...]) -> tuple[str, str]:
    """The drawing as SVG and a caption that says what it shows and what it leaves out."""
    groups = _groups(chain)
    svg, scale = _drawn(groups, "·", f"{len(chain):,} elemental Jacobians in the order of their product")
    words = f"{_caption(chain, scale)} The product is read from right to left: the input enters on the right."
    if len(groups) < len(chain):
        words += f" The {len(chain):,} elementals are drawn in {len(groups)} groups of neighbours."
    return svg, words


def blocks(elementals: Sequence[Elemental]) -> tuple[str, str]:
    """The blocks of a graph beside each other, in evaluation order, and a caption."""
    svg, scale = _drawn([(e,) for e in reversed(elementals)], "", f"{len(elementals):,} elemental Jacobians")
    return svg, _caption(elementals, scale)


def _drawn(groups: list[tuple[Elemental, ...]], sign: str, name: str) -> tuple[str, Scale]:
    blocks = [Block(g[-1].block.rows, g[0].block.cols, g[0].block.structure) for g in groups]
    longest = max(72.0, min(150.0, _ACROSS / len(groups) - _GAP))
    scale = Scale([s for b in blocks for s in (b.rows, b.cols)], longest)
    parts, x, below = [], 8.0, longest + 20
    for group, block in zip(reversed(groups), reversed(blocks), strict=True):
        w, h = scale(block.cols), scale(block.rows)
        slot = max(w, 92.0)
        parts.append(_block(group, block, (x + (slot - w) / 2, 8 + (longest - h) / 2, w, h)))
        parts += _legend(group, block, x + slot / 2, below)
        x += slot + _GAP
        if group is not groups[0]:
            parts.append(f'<text class="op" x="{x - 11:.1f}" y="{14 + longest / 2:.1f}">{sign}</text>')
    width, height = x - 18, below + 46
    svg = (
        f'<svg role="img" aria-label="{name}" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">{"".join(parts)}</svg>'
    )
    return svg, scale


class Scale:
    """Length in pixels of a size."""

    def __init__(self, sizes: list[int], longest: float) -> None:
        self.largest, smallest = max([1, *sizes]), max(1, min([*sizes, 10**400]))
        self.logarithmic = self.largest > WIDEST * smallest
        self.longest = longest

    def __call__(self, size: int) -> float:
        share = log2(size + 1) / log2(self.largest + 1) if self.logarithmic else size / self.largest
        return max(_THIN, self.longest * share)


def _groups(chain: tuple[Elemental, ...]) -> list[tuple[Elemental, ...]]:
    if len(chain) <= MOST:
        return [(e,) for e in chain]
    cuts = [i * len(chain) // MOST for i in range(MOST + 1)]
    return [chain[a:b] for a, b in pairwise(cuts)]


def _block(group: tuple[Elemental, ...], block: Block, box: tuple[float, float, float, float]) -> str:
    x, y, w, h = (f"{v:.1f}" for v in box)
    kind = "free" if any(not e.explicit for e in group) else "held"
    if len(group) > 1:
        return f'<rect class="blk group" x="{x}" y="{y}" width="{w}" height="{h}"/>'
    across, down, path = spy(block)
    frame = f'<rect class="blk {kind}{" solid" if not path else ""}" x="{x}" y="{y}" width="{w}" height="{h}"/>'
    if path in ("", "z"):
        return frame
    inner = (
        f'<svg x="{x}" y="{y}" width="{w}" height="{h}" viewBox="0 0 {across} {down}" preserveAspectRatio="none">'
        f'<path class="nz" d="{path}"/></svg>'
    )
    return frame + inner


def _legend(group: tuple[Elemental, ...], block: Block, x: float, y: float) -> list[str]:
    first, last = group[0], group[-1]
    name = first.name if first is last else f"{last.name}–{first.name}"
    shape = f"{brief(block.rows)} × {brief(block.cols)}"
    what = repr(block.structure) if first is last else f"{len(group):,} factors"
    if first is last and not first.explicit:
        what = f"matrix-free, {what}" if block.structure.name != "dense" else "matrix-free"
    lines = []
    for i, (style, words) in enumerate((("name", name), ("small", shape), ("small", what))):
        title = f"<title>{text(words, 200)}</title>" if len(words) > _SHORT else ""
        place = f'x="{x:.1f}" y="{y + 15 * i:.1f}"'
        lines.append(f'<text class="{style}" {place}>{title}{text(words, _SHORT)}</text>')
    return lines


def _caption(elementals: Sequence[Elemental], scale: Scale) -> str:
    words = "Width is columns, height is rows"
    if scale.logarithmic:
        words += ", on a logarithmic scale as the sizes are too far apart to be drawn in proportion."
    else:
        words += ", in proportion (sides thinner than 3 pixels are drawn with 3)."
    if any(not e.explicit for e in elementals):
        words += " Dashed frames are matrix-free."
    return words
