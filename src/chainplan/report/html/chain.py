"""The elementals of a chain as blocks drawn to scale, in the order of the product: F_q on the left, F_1 on the right.

Lengths are proportional to sizes. Where the largest size is more than `MAX_PROPORTIONAL_RATIO` times the smallest they
grow with its logarithm instead, and the caption says so. Long chains are drawn in groups of neighbours, and break into
lines where the page is too narrow for them, so that both ends are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log2

from chainplan.problem.graph import Elemental
from chainplan.report.html.markup import Drawing, text
from chainplan.report.html.spy import spy
from chainplan.report.words.figures import brief
from chainplan.structures import Block

MAX_DRAWN_CHAIN_BLOCKS = 24
"""The most blocks that are drawn; the elementals of a longer chain are drawn in so many groups."""
MAX_PROPORTIONAL_RATIO = 10_000
"""The largest ratio of sizes up to which lengths are proportional to them."""
_MIN_BLOCK_LENGTH, _BLOCK_GAP, _CHAIN_WIDTH = 3.0, 14.0, 1020.0
_MAX_LEGEND_CHARACTERS = 14
"""The most characters of a line below a block."""


def picture(chain: tuple[Elemental, ...]) -> tuple[list[Drawing], str]:
    """Draw the factors of a chain, and say in a caption what the drawings show and what they leave out."""
    groups = _groups(chain)
    factors, scale = _drawn(groups, "·")
    words = f"{_caption(chain, scale)} The product is read from right to left: the input enters on the right."
    if len(groups) < len(chain):
        words += f" The {len(chain):,} elementals are drawn in {len(groups)} groups of neighbours."
    return factors, words


def blocks(elementals: Sequence[Elemental]) -> tuple[list[Drawing], str]:
    """Draw the blocks of a graph, in evaluation order, with a caption."""
    factors, scale = _drawn([(e,) for e in reversed(elementals)], "")
    return factors, _caption(elementals, scale)


def in_lines(drawings: Sequence[Drawing], name: str) -> str:
    """Put drawings beside each other on a page, where they break into lines."""
    return f'<div class="factors" role="group" aria-label="{name}">{"".join(map(str, drawings))}</div>'


def _drawn(groups: list[tuple[Elemental, ...]], sign: str) -> tuple[list[Drawing], PixelScale]:
    blocks = [Block(g[-1].block.rows, g[0].block.cols, g[0].block.structure) for g in groups]
    longest = max(72.0, min(150.0, _CHAIN_WIDTH / len(groups) - _BLOCK_GAP))
    scale = PixelScale([s for b in blocks for s in (b.rows, b.cols)], longest)
    parts = [
        _factor(group, block, scale, sign if group is not groups[0] else "")
        for group, block in zip(reversed(groups), reversed(blocks), strict=True)
    ]
    return parts, scale


def _factor(group: tuple[Elemental, ...], block: Block, scale: PixelScale, sign: str) -> Drawing:
    """Draw a block, its legend and the sign behind it by themselves, so that a product breaks into lines."""
    w, h, below = scale(block.cols), scale(block.rows), scale.longest + 20
    slot = max(w, 92.0)
    box = (4 + (slot - w) / 2, 8 + (scale.longest - h) / 2, w, h)
    legend = _legend(group, block)
    parts = [_block(group, block, box)]
    for i, (style, words) in enumerate(legend):
        title = f"<title>{text(words, 200)}</title>" if len(words) > _MAX_LEGEND_CHARACTERS else ""
        place = f'x="{4 + slot / 2:.1f}" y="{below + 15 * i:.1f}"'
        parts.append(f'<text class="{style}" {place}>{title}{text(words, _MAX_LEGEND_CHARACTERS)}</text>')
    if sign:
        parts.append(
            f'<text class="op" x="{slot + 8 + _BLOCK_GAP / 2:.1f}" y="{14 + scale.longest / 2:.1f}">{sign}</text>'
        )
    said = ", ".join(words for _, words in legend)
    return Drawing("".join(parts), slot + 8 + _BLOCK_GAP, below + 46, said)


class PixelScale:
    """The length in pixels of a size."""

    def __init__(self, sizes: list[int], longest: float) -> None:
        self.largest, smallest = max([1, *sizes]), max(1, min([*sizes, 10**400]))
        self.logarithmic = self.largest > MAX_PROPORTIONAL_RATIO * smallest
        self.longest = longest

    def __call__(self, size: int) -> float:
        share = log2(size + 1) / log2(self.largest + 1) if self.logarithmic else size / self.largest
        return max(_MIN_BLOCK_LENGTH, self.longest * share)


def _groups(chain: tuple[Elemental, ...]) -> list[tuple[Elemental, ...]]:
    if len(chain) <= MAX_DRAWN_CHAIN_BLOCKS:
        return [(e,) for e in chain]
    cuts = [i * len(chain) // MAX_DRAWN_CHAIN_BLOCKS for i in range(MAX_DRAWN_CHAIN_BLOCKS + 1)]
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


def _legend(group: tuple[Elemental, ...], block: Block) -> tuple[tuple[str, str], ...]:
    """Return (style, words) of the lines below a block."""
    first, last = group[0], group[-1]
    name = first.name if first is last else f"{last.name}–{first.name}"
    what = repr(block.structure) if first is last else f"{len(group):,} factors"
    if first is last and not first.explicit:
        what = f"matrix-free, {what}" if block.structure.name != "dense" else "matrix-free"
    return ("name", name), ("small", f"{brief(block.rows)} × {brief(block.cols)}"), ("small", what)


def _caption(elementals: Sequence[Elemental], scale: PixelScale) -> str:
    words = "Width is columns, height is rows"
    if scale.logarithmic:
        words += ", on a logarithmic scale as the sizes are too far apart to be drawn in proportion."
    else:
        words += ", in proportion (sides thinner than 3 pixels are drawn with 3)."
    if any(not e.explicit for e in elementals):
        words += " Dashed frames are matrix-free."
    return words
