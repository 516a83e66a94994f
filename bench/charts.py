"""Charts as SVG: lines, steps and dots on linear or logarithmic axes.

Reports are read on GitHub, where a picture is an image without scripts, on a page that may be light or dark. So a chart
brings its own background and both sets of colours, names no font, says in words what it shows, and tells its series
apart by markers and dashes as well as by colour. Text and figures are a function of the chart alone: no dates, no
random identifiers, coordinates to a tenth of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 214, 44, 56
"""Margins; the right one holds the legend."""
COLOURS = (
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9e4a"),
    ("#00795c", "#3ddbb0"),
    ("#a8437f", "#e597c4"),
    ("#8a6d00", "#f0e442"),
    ("#6b4fbb", "#b3a1f2"),
    ("#555555", "#bbbbbb"),
)
"""Of a series on a light and on a dark page; after the last one they begin again, dashed."""
DASHES = ("", "6 4", "2 3")
MARKERS = ("circle", "square", "diamond")
MANY = 300
"""Points of a series beyond which they are drawn small, as one path, to keep the file small too."""


@dataclass(frozen=True)
class Axis:
    """An axis: what it shows, in which unit; a logarithmic one shows positive values alone.

    `low` and `high` are ends that it reaches at least.
    """

    title: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    percent: bool = False


@dataclass(frozen=True)
class Series:
    """Points (x, y), in the order in which they are joined."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """`mark` is "line", "step" (a value holds until the next point) or "dots"; `diagonal` draws y = x."""

    title: str
    description: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    mark: str = "line"
    diagonal: bool = False


@dataclass(frozen=True)
class _Scale:
    """From values to pixels."""

    axis: Axis
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Pixel of a value."""
        a, b, v = (log10(t) if self.axis.log else t for t in (self.low, self.high, value))
        return self.start + (v - a) / (b - a) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of ten, with 2 and 5 between them where they are few; else multiples of 1, 2 or 5 times one."""
        if not self.axis.log:
            return _even(self.low, self.high)
        first, last = floor(log10(self.low)), ceil(log10(self.high))
        every = max(1, ceil((last - first) / 8))
        steps = (1,) if last - first > 2 else (1, 2, 5)
        found = [s * 10.0**p for p in range(first, last + 1, every) for s in steps]
        return [t for t in found if self.low * 0.999 <= t <= self.high * 1.001]


def svg(chart: Chart) -> str:
    """The text of an SVG file."""
    drawn = tuple(Series(s.name, _drawable(chart, s)) for s in chart.series)
    shown = [s for s in drawn if s.points]
    x = _scale(chart.x, [p[0] for s in shown for p in s.points], LEFT, WIDTH - RIGHT)
    y = _scale(chart.y, [p[1] for s in shown for p in s.points], HEIGHT - BOTTOM, TOP)
    body = [*_frame(chart, x, y)]
    for i in reversed(range(len(drawn))):  # the first series lies on top
        body += _series(chart.mark, drawn[i], i, x, y)
    for i, series in enumerate(drawn):
        body += _legend(chart.mark, series.name, i)
    return "\n".join([*_head(chart), *body, "</svg>", ""])


def _drawable(chart: Chart, series: Series) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in series.points if (x > 0 or not chart.x.log) and (y > 0 or not chart.y.log))


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
    ends = [*values, *(v for v in (axis.low, axis.high) if v is not None)] or [1.0]
    low, high = min(ends), max(ends)
    if axis.log:
        low, high = _nice(low, False), _nice(high, True)
        return _Scale(axis, low, high if high > low else low * 10, start, end)
    if high == low:
        high = low + 1
    return _Scale(axis, low, high, start, end)


def _nice(value: float, up: bool) -> float:
    """The nearest 1, 2 or 5 times a power of ten on one side."""
    power = floor(log10(value))
    near = [s * 10.0**p for p in (power - 1, power, power + 1) for s in (1, 2, 5)]
    return min(v for v in near if v >= value * 0.999999) if up else max(v for v in near if v <= value * 1.000001)


def _even(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    return [round(k * step, 12) for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _head(chart: Chart) -> Iterator[str]:
    light = "".join(f".s{i}{{--c:{c}}}" for i, (c, _) in enumerate(COLOURS))
    dark = "".join(f".s{i}{{--c:{c}}}" for i, (_, c) in enumerate(COLOURS))
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title description" font-family="sans-serif" font-size="12">'
    )
    yield f'<title id="title">{escape(chart.title)}</title>'
    yield f'<desc id="description">{escape(chart.description)}</desc>'
    yield (
        "<style>.page{fill:#ffffff}text{fill:#24292f}.grid{stroke:#d8dee4}.axis{stroke:#57606a}"
        ".line{stroke:var(--c);fill:none;stroke-width:1.8}.mark{fill:var(--c)}.dots{stroke:var(--c);stroke-width:3;stroke-linecap:round}"
        f"{light}@media (prefers-color-scheme:dark){{.page{{fill:#0d1117}}text{{fill:#e6edf3}}.grid{{stroke:#30363d}}"
        f".axis{{stroke:#8b949e}}{dark}}}</style>"
    )
    yield f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>'
    yield f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold">{escape(chart.title)}</text>'


def _frame(chart: Chart, x: _Scale, y: _Scale) -> Iterator[str]:
    for tick in x.ticks():
        at = x.at(tick)
        yield _line("grid", at, y.start, at, y.end)
        yield f'<text x="{at:.1f}" y="{y.start + 17:.1f}" text-anchor="middle">{_label(tick, chart.x)}</text>'
    for tick in y.ticks():
        at = y.at(tick)
        yield _line("grid", x.start, at, x.end, at)
        yield f'<text x="{x.start - 7:.1f}" y="{at + 4:.1f}" text-anchor="end">{_label(tick, chart.y)}</text>'
    yield _line("axis", x.start, y.start, x.end, y.start)
    yield _line("axis", x.start, y.start, x.start, y.end)
    middle = (x.start + x.end) / 2, (y.start + y.end) / 2
    yield f'<text x="{middle[0]:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(chart.x.title)}</text>'
    yield (
        f'<text x="18" y="{middle[1]:.1f}" text-anchor="middle" transform="rotate(-90 18 {middle[1]:.1f})">'
        f"{escape(chart.y.title)}</text>"
    )
    if chart.diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        if low < high:
            yield _line("axis", x.at(low), y.at(low), x.at(high), y.at(high))


def _line(kind: str, *ends: float) -> str:
    a, b, c, d = ends
    return f'<line class="{kind}" x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"/>'


def _label(value: float, axis: Axis) -> str:
    if axis.percent:
        return f"{100 * value:g}%"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return f"{value:,g}"


def _look(index: int) -> tuple[str, str]:
    """Class and dashes of a series."""
    return f"s{index % len(COLOURS)}", DASHES[index // len(COLOURS) % len(DASHES)]


def _series(mark: str, series: Series, index: int, x: _Scale, y: _Scale) -> Iterator[str]:
    colour, dash = _look(index)
    yield f'<g class="{colour}"><title>{escape(series.name)}</title>'
    at = [(x.at(a), y.at(b)) for a, b in series.points]
    if mark != "dots" and len(at) > 1:
        yield _path(_corners(at) if mark == "step" else at, dash)
    if len(at) > MANY:
        yield f'<path class="dots" d="{"".join(f"M{a:.1f} {b:.1f}h0" for a, b in at)}"/>'
    elif mark != "step":
        yield from (_marker(index, *point) for point in at)
    yield "</g>"


def _corners(at: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [at[0], *(corner for (_, b), (c, d) in pairwise(at) for corner in ((c, b), (c, d)))]


def _path(at: Sequence[tuple[float, float]], dash: str) -> str:
    joined = " ".join(f"{'L' if i else 'M'}{a:.1f} {b:.1f}" for i, (a, b) in enumerate(at))
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path class="line" d="{joined}"{dashes}/>'


def _marker(index: int, a: float, b: float) -> str:
    match MARKERS[index % len(MARKERS)]:
        case "circle":
            return f'<circle class="mark" cx="{a:.1f}" cy="{b:.1f}" r="3.2"/>'
        case "square":
            return f'<rect class="mark" x="{a - 2.8:.1f}" y="{b - 2.8:.1f}" width="5.6" height="5.6"/>'
        case _:
            return f'<path class="mark" d="M{a:.1f} {b - 4:.1f}l4 4l-4 4l-4 -4z"/>'


def _legend(mark: str, name: str, index: int) -> Iterator[str]:
    colour, dash = _look(index)
    left, at = WIDTH - RIGHT + 16, TOP + 10 + 20 * index
    yield f'<g class="{colour}">'
    if mark != "dots":
        yield _path([(left, at), (left + 24, at)], dash)
    if mark != "step":
        yield _marker(index, left + 12, at)
    yield f'<text x="{left + 31}" y="{at + 4}">{escape(name)}</text></g>'
