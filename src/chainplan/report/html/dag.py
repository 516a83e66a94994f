"""A linearised DAG as a drawing: inputs on the left, edges by what their elementals are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from chainplan.problem.graph import Elemental, Graph
from chainplan.report.html.layers import LAYOUT_WIDTH, layout
from chainplan.report.html.markup import Drawing, text
from chainplan.report.words.figures import brief, figure

_VERTEX_RIM = 17
"""Pixels from the middle of a vertex to the end of an edge."""

_ARROW_MARKER = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
)

PixelPoint = tuple[float, float]


def vertices(graph: Graph) -> list[str]:
    """List the vertices of the useful part of a graph in topological order."""
    useful = {v for e in graph.useful for v in (e.source, e.target)}
    return [v for v in graph.order if v in useful]


def picture(graph: Graph, width: float = LAYOUT_WIDTH, marks: Mapping[str, tuple[str, str]] | None = None) -> Drawing:
    """Draw the useful part of a graph, in so many pixels where it can.

    A vertex has its name and its size, or the two texts of its mark: one inside, and one below its name.
    """
    order = vertices(graph)
    index = {v: i for i, v in enumerate(order)}
    placed = layout(graph, order, width)
    at = dict(zip(order, placed.places, strict=True))
    ends = {*graph.inputs, *graph.outputs}
    parts = [
        _edge(e, [at[e.source], *placed.ways.get((index[e.source], index[e.target]), ()), at[e.target]])
        for e in graph.useful
    ]
    for v in order:
        style = "vertex end" if v in ends else "vertex"
        parts.append(_vertex(v, graph.sizes[v], style, at[v], (marks or {}).get(v)))
    return Drawing("".join(parts), placed.width, placed.height, "The linearised DAG", _ARROW_MARKER)


def _edge(e: Elemental, points: list[PixelPoint]) -> str:
    path = f"M{points[0][0] + _VERTEX_RIM:.0f} {points[0][1]:.0f}"
    for (x, y), (to_x, to_y) in pairwise(points):
        end = to_x - (_VERTEX_RIM if (to_x, to_y) == points[-1] else 0)
        half = (x + to_x) / 2
        path += f"C{half:.0f} {y:.0f} {half:.0f} {to_y:.0f} {end:.0f} {to_y:.0f}"
    title = f"{e.name}: {figure(e.block.rows)} x {figure(e.block.cols)} {e.block.structure!r}"
    kind = "edge" if e.explicit else "edge free"
    return f'<path class="{kind}" d="{path}" marker-end="url(#head)"><title>{text(title, 200)}</title></path>'


def _vertex(name: str, size: int, style: str, place: PixelPoint, mark: tuple[str, str] | None) -> str:
    x, y = place
    inside, below = ("", text(name, 14)) if len(name) > 4 else (text(name), brief(size))
    if mark is not None:
        inside, below = text(mark[0], 4), f"{text(name, 9)}: {text(mark[1])}"
    return (
        f"<g><title>{text(name, 200)}, size {figure(size)}</title>"
        f'<circle class="{style}" cx="{x:.0f}" cy="{y:.0f}" r="15"/>'
        f'<text class="name" x="{x:.0f}" y="{y + 4:.0f}">{inside}</text>'
        f'<text class="small halo" x="{x:.0f}" y="{y + 27:.0f}">{below}</text></g>'
    )
