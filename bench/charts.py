"""Charts as SVG, drawn by matplotlib: lines, steps and dots on linear or logarithmic axes.

Reports are read on GitHub, where a picture is an image without scripts, on a page that may be light or dark. So a chart
brings its own background and both sets of colours, says in words what it shows, and tells its series apart by markers
and dashes as well as by colour. matplotlib draws for light pages and knows no words for those who cannot see a picture;
`_for_readers` adds both to its text.

The same version of matplotlib writes the same text for the same chart: the text has no date, the names of its parts are
hashes with a fixed salt, coordinates are rounded to hundredths of a pixel, and the settings of the user are set aside.
Words stay text, so that a reader can search and copy them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from io import StringIO
from math import floor, inf, log10, nan
from typing import TYPE_CHECKING, Any

from chainplan.errors import missing_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 800, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 254, 44, 56
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
PAGE, INK, GRID, AXES = ("#ffffff", "#0d1117"), ("#24292f", "#e6edf3"), ("#d8dee4", "#30363d"), ("#57606a", "#8b949e")
"""Of the background, of words, of the grid and of the axes on a light and on a dark page."""
DASHES = ("-", "--", ":")
MARKERS = ("o", "s", "D")
MANY = 300
"""Points of a series beyond which they are drawn small, as one path, to keep the file small too."""
ROUND = {5.0: (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), 500.0: (1.0, 2.0, 5.0), inf: (1.0,)}
"""Factors of powers of ten that a logarithmic axis marks, by the ratio of its ends below which it does."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "chainplan",
    "path.simplify": False,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": INK[0],
    "figure.facecolor": PAGE[0],
    "axes.facecolor": PAGE[0],
    "axes.edgecolor": AXES[0],
    "axes.labelcolor": INK[0],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlepad": 14,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.xmargin": 0.02,
    "axes.ymargin": 0.03,
    "grid.color": GRID[0],
    "xtick.color": AXES[0],
    "ytick.color": AXES[0],
    "xtick.labelcolor": INK[0],
    "ytick.labelcolor": INK[0],
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}
"""Settings of matplotlib; sizes are in pixels, as a chart has 72 of them per inch."""


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


def svg(chart: Chart) -> str:
    """The text of an SVG file.

    Raises
    ------
    ModuleNotFoundError
        Where matplotlib is not installed; the message says how to install it.
    """
    try:
        from matplotlib import style
    except ModuleNotFoundError:
        raise ModuleNotFoundError(missing_extra("a chart", "matplotlib", "bench")) from None
    text = StringIO()
    with style.context(["default", STYLE]):
        _figure(chart).savefig(text, format="svg", metadata={"Date": None})
    return _for_readers(text.getvalue(), chart)


def _figure(chart: Chart) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
    box = LEFT / WIDTH, BOTTOM / HEIGHT, (WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - TOP - BOTTOM) / HEIGHT
    axes = figure.add_axes(box, title=_verbatim(chart.title))
    axes.set(xscale="log" if chart.x.log else "linear", yscale="log" if chart.y.log else "linear")
    for index, series in enumerate(chart.series):
        _draw(axes, chart, series, index)
    axes.set(xlim=_ends(chart.x, *axes.get_xlim()), ylim=_ends(chart.y, *axes.get_ylim()))
    _mark(axes.xaxis, chart.x)
    _mark(axes.yaxis, chart.y)
    if chart.diagonal:
        axes.axline((1, 1), (2, 2), color=AXES[0], linewidth=0.8, zorder=2)
    if chart.series:
        axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1.02), borderaxespad=0.0)
    return figure


def _draw(axes: Axes, chart: Chart, series: Series, index: int) -> None:
    """Draw a series; the first one lies on top."""
    points = [(x, y) for x, y in series.points if (x > 0 or not chart.x.log) and (y > 0 or not chart.y.log)]
    colour, zorder = COLOURS[index % len(COLOURS)][0], 3 - index / 1000
    if len(points) > MANY:
        apart = [at for point in points for at in (point, point, (nan, nan))]
        axes.plot(*zip(*apart, strict=True), color=colour, zorder=zorder, linewidth=3, solid_capstyle="round")
        points = []
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=colour,
        zorder=zorder,
        label=_verbatim(series.name),
        gid=f"series-{index}",
        linestyle="none" if chart.mark == "dots" else DASHES[index // len(COLOURS) % len(DASHES)],
        drawstyle="steps-post" if chart.mark == "step" else "default",
        marker="none" if chart.mark == "step" else MARKERS[index % len(MARKERS)],
    )


def _verbatim(words: str) -> str:
    """Words in which matplotlib sees no formula."""
    return words.replace("$", r"\$")


def _ends(axis: Axis, low: float, high: float) -> tuple[float, float]:
    """The ends of an axis that shows values from `low` to `high`."""
    return min(low, low if axis.low is None else axis.low), max(high, high if axis.high is None else axis.high)


def _mark(drawn: XAxis | YAxis, axis: Axis) -> None:
    """Name an axis, and mark round values on it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

    drawn.set_label_text(_verbatim(axis.title))
    if axis.percent:
        drawn.set_major_formatter(PercentFormatter(1.0))
    if axis.log:
        low, high = drawn.get_view_interval()
        factors = next(some for span, some in ROUND.items() if high / low < span)
        drawn.set_major_locator(LogLocator(subs=factors))
        drawn.set_minor_locator(NullLocator())
        drawn.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))


def _power(value: float) -> str:
    """A value on a logarithmic axis in figures, or as a power of ten where these are long."""
    if 1e-3 <= value < 1e5:
        return f"{value:,g}"
    exponent = floor(log10(value) + 1e-9)
    factor = f"{value / 10.0**exponent:.3g}"
    return f"$10^{{{exponent}}}$" if factor == "1" else rf"${factor} \cdot 10^{{{exponent}}}$"


def _for_readers(text: str, chart: Chart) -> str:
    """Add words and the colours of dark pages to what matplotlib has drawn, and round its coordinates."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{WIDTH}" '
        f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title description">\n'
        f'<title id="title">{escape(chart.title)}</title>\n<desc id="description">{escape(chart.description)}</desc>'
    )
    dark = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in (*COLOURS, PAGE, INK, GRID, AXES)
        for what in ("fill", "stroke")
    )
    drawn = re.sub("<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{2,}", _rounded, tag[0]), text.partition("<svg")[2])
    drawn = drawn.partition(">")[2].replace("</style>", f"@media (prefers-color-scheme:dark){{{dark}}}</style>", 1)
    return re.sub(r" *\n *", "\n", head + drawn)


def _rounded(number: re.Match[str]) -> str:
    return f"{round(float(number[0]), 2) + 0.0:g}"
