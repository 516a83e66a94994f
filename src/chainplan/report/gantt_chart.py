"""The drawing of a schedule, in a file of its own and on a page: a row per machine, a bar per task, a scale of time.

Only the lines between `<svg ...>` and `</svg>` are written here. Whoever puts them into a document says by a style
sheet what the classes look like: `task` and the kind of a task for the bars, `in`, `small`, `left` and `right` for
texts, `rule` for the lines of the scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from chainplan.report.words.figures import figure

GANTT_LEFT, GANTT_WIDTH, GANTT_ROW, GANTT_BAR = 90, 860, 34, 26
"""Pixels before the start of a schedule, from its start to its end, and of the height of a row and of a bar."""
GANTT_SVG_WIDTH = GANTT_LEFT + GANTT_WIDTH + 20
GANTT_TICKS = 5
_MAX_CHARACTER_WIDTH = 7.0
"""Pixels that a character takes at most."""


@dataclass(frozen=True)
class GanttBar:
    """A task: its row, its times, what stands in the title, and the words of which the first that fit stand on it."""

    row: int
    start: int
    end: int
    step: str
    title: str
    words: Sequence[str]
    kind: str = "other"


@dataclass(frozen=True)
class GanttMove:
    """A block that moves from one row to another: its rows, its times, and what stands in the title."""

    rows: tuple[int, int]
    start: int
    end: int
    title: str


@dataclass(frozen=True)
class GanttChart:
    """Bars on rows that have labels; `top` is the height in pixels that is left free above them."""

    bars: Sequence[GanttBar]
    labels: Sequence[str]
    makespan: int
    unit: str = ""
    top: int = 8
    moves: Sequence[GanttMove] = ()

    @property
    def height(self) -> int:
        """Pixels of the whole drawing."""
        return self.top + GANTT_ROW * len(self.labels) + 30

    def lines(self) -> Iterator[str]:
        """Yield the elements of the drawing, the bars in the order in which they are given."""
        yield from self._scale()
        for row, label in enumerate(self.labels):
            yield f'<text class="small left" x="10" y="{self.top + GANTT_ROW * row + 18}">{escaped(label)}</text>'
        for bar in self.bars:
            yield from self._bar(bar)
        for move in self.moves:
            (x1, y1), (x2, y2) = (
                (self._place(time), self.top + GANTT_ROW * row + GANTT_BAR // 2)
                for time, row in zip((move.start, move.end), move.rows, strict=True)
            )
            line = f'<line class="move" x1="{x1:.2f}" y1="{y1}" x2="{x2:.2f}" y2="{y2}"/>'
            yield f"<g><title>{escaped(move.title)}</title>{line}</g>"

    def _place(self, time: int) -> float:
        return GANTT_LEFT + GANTT_WIDTH * time / max(1, self.makespan)

    def _bar(self, bar: GanttBar) -> Iterator[str]:
        x, y = self._place(bar.start), self.top + GANTT_ROW * bar.row
        wide = max(1.0, self._place(bar.end) - x)
        yield (
            f'<g class="task {bar.kind}" data-step="{escaped(bar.step)}"><title>{escaped(bar.title)}</title>'
            f'<rect x="{x:.2f}" y="{y}" width="{wide:.2f}" height="{GANTT_BAR}" rx="3"/>'
        )
        fitting = next((words for words in bar.words if _MAX_CHARACTER_WIDTH * len(words) + 8 <= wide), None)
        if fitting is not None:
            yield f'<text class="in left" x="{x + 4:.2f}" y="{y + 17}">{escaped(fitting)}</text>'
        yield "</g>"

    def _scale(self) -> Iterator[str]:
        """Yield lines at even times, labelled below."""
        for tick in range(GANTT_TICKS + 1) if self.makespan else ():
            time = self.makespan * tick // GANTT_TICKS
            x, side = self._place(time), " right" if tick == GANTT_TICKS else ""
            words = f"{figure(time)} {self.unit}".strip() if tick == GANTT_TICKS else figure(time)
            yield f'<line class="rule" x1="{x:.2f}" x2="{x:.2f}" y1="{self.top - 8}" y2="{self.height - 26}"/>'
            yield f'<text class="small{side}" x="{x:.2f}" y="{self.height - 10}">{escaped(words)}</text>'


def escaped(words: str) -> str:
    """Write words as SVG holds them, without the characters that XML has none of."""
    return escape("".join(c for c in words if c.isprintable()))
