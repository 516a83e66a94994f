"""The part of a page that plays the steps: its frame in HTML, and what the script needs to draw them.

Without scripts the table shows its first `STATIC` steps, and says so.
"""

from __future__ import annotations

from typing import Any

from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.html.chain import WIDEST
from chainplan.report.html.dag import vertices
from chainplan.report.html.layers import layout
from chainplan.report.html.markup import figure, label, percent, text
from chainplan.report.html.steps import Steps, columns, direct_uses

STATIC = 100
"""Steps of the table that is there without scripts."""
MOST_VERTICES = 120
"""Vertices of the largest graph that is drawn whole."""
MOST_ELEMENTALS = 5000
"""Elementals of the largest problem whose untouched elementals are drawn at each step."""


def data(result: Result) -> dict[str, Any]:
    """What the script reads; empty where there are no steps."""
    plan, replayed, graph = result.plan, result.priced, result.problem.graph
    if plan is None or replayed is None or not plan.steps:
        return {}
    is_chain = graph.not_a_chain is None
    order = vertices(graph)
    index = {vertex: i for i, vertex in enumerate(order)}
    steps = columns(result, index)
    drawn = not is_chain and len(order) <= MOST_VERTICES
    named = (
        range(len(order))
        if len(order) <= MOST_ELEMENTALS
        else sorted({*steps.columns["from"], *steps.columns["to"], 0, len(order) - 1})
    )
    sizes = [graph.sizes[v] for v in order]
    extent = [b.rows for _, _, b, *_ in replayed.blocks] + [b.cols for _, _, b, *_ in replayed.blocks]
    largest = max([1, *extent])
    return {
        "kind": "chain" if is_chain else "graph",
        "unit": unit_text(result.problem),
        "count": steps.total,
        "total": replayed.total,
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
        "logarithmic": largest > WIDEST * max(1, min([*extent, largest])),
        "steps": steps.columns,
        **(_drawing(result, order) if drawn else {}),
    }


def _elementals(result: Result, index: dict[str, int]) -> list[tuple[str, int, int, int]]:
    """(name, source, target, last step that takes it) of each elemental."""
    assert result.plan is not None
    graph, uses = result.problem.graph, direct_uses(result.plan)
    if len(uses) > MOST_ELEMENTALS:
        return []
    return [(label(n, 24), index[graph[n].source], index[graph[n].target], last) for n, last in uses.items()]


def _drawing(result: Result, order: list[str]) -> dict[str, Any]:
    found = layout(result.problem.graph, order)
    return {
        "places": dict(enumerate(found.places)),
        "ways": {f"{a} {b}": way for (a, b), way in found.ways.items()},
        "drawing": (found.width, found.height),
        "spacing": found.spacing,
    }


def cut_words(steps: Steps) -> str:
    """What is left out of a long plan, or nothing."""
    if len(steps.shown) == steps.total:
        return ""
    return (
        f"The plan has {steps.total:,} steps; {len(steps.shown):,} of them are on this page: the first, the last, "
        "the dearest and what they read. Costs and memory are those of the whole plan."
    )


_STROKES = {
    "use-left": "left factor",
    "use-right": "right factor (dashed)",
    "use-onto": "added onto (dotted)",
    "made": "result (thick)",
    "have": "alive",
    "wait": "elemental still waiting (dotted, thin)",
}


def section(result: Result, steps: dict[str, Any]) -> str:
    """Controls, stage and table of steps."""
    if not steps:
        return ""
    kind = "graph" if steps["kind"] == "graph" else "chain"
    about = (
        "The graph at each step. Edges are elementals that wait and blocks that are alive; a vertex without is gone."
        if kind == "graph"
        else "The blocks at each step, over the vertices they lead between: output on the left, input on the right."
    )
    key = "".join(
        f'<li><svg width="34" height="10" aria-hidden="true"><line class="{style}" x1="0" x2="34" y1="5" y2="5"/></svg>'
        f"{words}</li>"
        for style, words in _STROKES.items()
    )
    return f"""<section id="player" aria-labelledby="steps-title">
<h2 id="steps-title">The plan, step by step</h2>
<p class="note">{text(about)} {text(steps["cut"])} Arrow keys step; Home and End go to the ends.</p>
<div class="controls js-only">
<button type="button" id="first">First</button><button type="button" id="back">Back</button>
<button type="button" id="play">Play</button><button type="button" id="next">Next</button>
<button type="button" id="final">Last</button>
<input type="range" id="slider" min="0" max="0" value="0" aria-label="Step">
<label>step <input type="number" id="number" min="0" max="{steps["count"] - 1}" value="0"></label>
</div>
<p class="said js-only" id="said" role="status"></p>
<div class="stage js-only {kind}"><div class="panel"><h3>{"Graph" if kind == "graph" else "Blocks alive"}</h3>
<div class="scroll" tabindex="0" role="group" aria-label="Blocks that exist"><div id="state"></div></div>
<p class="note" id="state-note"></p></div>
<div class="panel"><h3>This step, to {"a logarithmic scale" if steps["logarithmic"] else "scale"}</h3>
<div class="scroll" tabindex="0" role="group" aria-label="What is multiplied"><div id="product"></div></div>
<p class="note" id="product-note"></p></div></div>
<ul class="key js-only">{key}</ul>
<div class="meters js-only">
<div><p><span>Cost so far</span><span id="cost"></span></p><div class="meter"><div id="cost-bar"></div></div></div>
<div><p><span>Memory now</span><span id="held"></span></p><div class="meter"><div id="held-bar"></div></div></div>
</div>
<h3>All steps</h3>
<div class="scroll tall" tabindex="0" role="group" aria-label="Table of steps">{_table(result, steps)}</div>
</section>"""


def _table(result: Result, steps: dict[str, Any]) -> str:
    """The table of the first steps, which the script takes over."""
    head = ("step", "operation", "of", "leads", "rows × cols", "structure", steps["unit"], "share", "so far", "alive")
    c = steps["steps"]
    lines = []
    for i in range(min(STATIC, len(c["id"]))):
        ends = f"{steps['names'].get(c['from'][i], '?')} → {steps['names'].get(c['to'][i], '?')}"
        price = c["price"][i]
        cells = (
            f"#{c['id'][i]}",
            c["ops"][c["op"][i]],
            c["of"][i],
            ends,
            f"{figure(c['rows'][i])} × {figure(c['cols'][i])}",
            c["structures"][c["structure"][i]],
            figure(price),
            percent(price, steps["total"]) if price else "",
            figure(c["sofar"][i]),
            figure(c["alive"][i]),
        )
        tags = (f"<td{' class=num' if k >= 6 else ''}>{text(cell)}</td>" for k, cell in enumerate(cells))
        lines.append(f"<tr>{''.join(tags)}</tr>")
    words = f"The first {len(lines)} of {steps['count']:,} steps." if steps["count"] > len(lines) else "All steps."
    names = "".join(f'<th scope="col"{" class=num" if k >= 6 else ""}>{h}</th>' for k, h in enumerate(head))
    return (
        f'<table id="steps"><caption><span id="steps-caption">{words}</span></caption><thead><tr>{names}</tr></thead>'
        f'<tbody id="rows">{"".join(lines)}</tbody></table>'
    )
