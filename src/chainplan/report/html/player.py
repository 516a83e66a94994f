"""The part of a page that plays the steps: its frame in HTML, and what the script needs to draw them.

Without scripts the table shows its first `MAX_STATIC_STEPS` steps, and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.explain.eliminations import direct_uses
from chainplan.report.html.chain import MAX_PROPORTIONAL_RATIO
from chainplan.report.html.dag import vertices
from chainplan.report.html.frame import filled
from chainplan.report.html.layers import layout
from chainplan.report.html.steps import EmbeddedSteps, columns
from chainplan.report.words.figures import figure, label, percent

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_STATIC_STEPS = 100
"""Rows of the table that is there without scripts."""
MAX_DRAWN_VERTICES = 120
"""Vertices of the largest graph that is drawn whole."""
MAX_DRAWN_ELEMENTALS = 5000
"""Elementals of the largest problem whose untouched elementals are drawn at each step."""


def data(result: Result) -> dict[str, Any]:
    """Gather what the script reads; the result is empty where there are no steps."""
    plan, replayed, graph = result.plan, result.priced, result.problem.graph
    if plan is None or replayed is None or not plan.steps:
        return {}
    is_chain = graph.not_a_chain is None
    order = vertices(graph)
    index = {vertex: i for i, vertex in enumerate(order)}
    steps = columns(result, index)
    drawn = not is_chain and len(order) <= MAX_DRAWN_VERTICES
    named = (
        range(len(order))
        if len(order) <= MAX_DRAWN_ELEMENTALS
        else sorted({*steps.columns["from"], *steps.columns["to"], 0, len(order) - 1})
    )
    sizes = [graph.sizes[v] for v in order]
    extent = [b.rows for _, _, b, *_ in replayed.blocks] + [b.cols for _, _, b, *_ in replayed.blocks]
    largest = max([1, *extent])
    return {
        "kind": "chain" if is_chain else "graph",
        "unit": unit_text(result.problem),
        "count": steps.total,
        "total": sum(replayed.prices),
        "peak": replayed.peak,
        "cut": cut_words(steps),
        "length": len(order) - 1,
        "vertices": len(order),
        "names": {i: label(order[i]) for i in named if i >= 0},
        "sizes": sizes if drawn else {},
        "inputs": [index[v] for v in graph.inputs if v in index] if not is_chain else [],
        "outputs": [index[v] for v in graph.outputs if v in index] if not is_chain else [],
        "elementals": _elementals(result, index),
        "largest": largest,
        "logarithmic": largest > MAX_PROPORTIONAL_RATIO * max(1, min([*extent, largest])),
        "steps": steps.columns,
        **(_drawing(result, order) if drawn else {}),
    }


def _elementals(result: Result, index: dict[str, int]) -> list[tuple[str, int, int, int]]:
    """List (name, source, target, last step that takes it) of each elemental."""
    assert result.plan is not None
    graph, uses = result.problem.graph, direct_uses(result.plan)
    if len(uses) > MAX_DRAWN_ELEMENTALS:
        return []
    return [(label(n, 24), index[graph[n].source], index[graph[n].target], last) for n, last in uses.items()]


def _drawing(result: Result, order: list[str]) -> dict[str, Any]:
    placed = layout(result.problem.graph, order)
    return {
        "places": dict(enumerate(placed.places)),
        "ways": {f"{a} {b}": way for (a, b), way in placed.ways.items()},
        "drawing": (placed.width, placed.height),
        "spacing": placed.spacing,
    }


def cut_words(steps: EmbeddedSteps) -> str:
    """Say what is left out of a long plan."""
    if len(steps.shown) == steps.total:
        return ""
    return (
        f"The plan has {steps.total:,} steps; {len(steps.shown):,} of them are on this page: the first, the last, "
        "the dearest and what they read. Costs and memory are those of the whole plan."
    )


STROKE_LEGEND = {
    "use-left": "left factor",
    "use-right": "right factor (dashed)",
    "use-onto": "added onto (dotted)",
    "made": "result (thick)",
    "have": "alive",
    "wait": "elemental still waiting (dotted, thin)",
}
"""What each style of line stands for."""


def section(steps: dict[str, Any]) -> Markup | None:
    """Fill the controls, the stage and the table of steps."""
    if not steps:
        return None
    about = (
        "The graph at each step. Edges are elementals that wait and blocks that are alive; a vertex without is gone."
        if steps["kind"] == "graph"
        else "The blocks at each step, over the vertices they lead between: output on the left, input on the right."
    )
    rows = _rows(steps)
    shown = len(rows) - 1
    return filled(
        "player.html",
        about=about,
        cut=steps["cut"],
        count=steps["count"],
        kind=steps["kind"],
        logarithmic=steps["logarithmic"],
        strokes=tuple(STROKE_LEGEND.items()),
        rows=rows,
        caption=f"The first {shown} of {steps['count']:,} steps." if steps["count"] > shown else "All steps.",
        right=range(6, 10),
    )


def _rows(steps: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the header and the first rows of the table of steps, which the script takes over."""
    head = ("step", "operation", "of", "leads", "rows × cols", "structure", steps["unit"], "share", "so far", "alive")
    c, names = steps["steps"], steps["names"]
    rows: list[tuple[str, ...]] = [head]
    for i in range(min(MAX_STATIC_STEPS, len(c["id"]))):
        price = c["price"][i]
        rows.append(
            (
                f"#{c['id'][i]}",
                c["ops"][c["op"][i]],
                c["of"][i],
                f"{names.get(c['from'][i], '?')} → {names.get(c['to'][i], '?')}",
                f"{figure(c['rows'][i])} × {figure(c['cols'][i])}",
                c["structures"][c["structure"][i]],
                figure(price),
                percent(price, steps["total"]) if price else "",
                figure(c["sofar"][i]),
                figure(c["alive"][i]),
            )
        )
    return rows
