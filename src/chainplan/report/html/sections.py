"""The sections of a page that need no script: figures, drawings, charts, the comparison and the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainplan.plans.result import Result
from chainplan.problem.units import timed, unit_text
from chainplan.report.explain.comparison import RIGHT, Comparison
from chainplan.report.explain.eliminations import eliminated
from chainplan.report.explain.reasons import Reasons
from chainplan.report.explain.wording import worded
from chainplan.report.html import chain, charts, dag, tree
from chainplan.report.html.markup import counted, figure, figure_html, percent, ratio, table_html, text, unbroken
from chainplan.report.html.player import MOST_VERTICES
from chainplan.report.words.table import CLAIMED, proof, seconds_text
from chainplan.report.words.table import headline as summary_rows

_VERTICES = 200
"""Vertices in the table of eliminations."""


def tiles(result: Result) -> str:
    """The figures of a result as a list of terms."""
    unit, found = unit_text(result.problem), []
    baselines, cost, price = result.price_baselines, result.cost, result.price
    if price is not None and cost is not None:
        found.append(("cost", figure_html(price), f"{unit}, by {result.solver}"))
        found.append(("lower bound", figure_html(result.bound), _proof(result)))
    for name, other in (("forward order", baselines.forward), ("reverse order", baselines.reverse)):
        found.append((name, figure_html(other), "" if price is None else ratio(other, price)))
    if cost is not None:
        limit = result.problem.memory
        limited = "elements alive" if limit is None else f"elements, limit {figure(limit)}"
        found.append(("peak memory", figure_html(cost.peak_elements), limited))
        if timed(result.problem):
            found.append(("multiply-adds", figure_html(cost.fma), "fma of this plan"))
    found.append(("planned in", text(seconds_text(result.seconds)), f"{len(result.problem.graph.useful):,} elementals"))
    if result.counts != "exact":
        found.append(("nonzeros", "upper bound", "counted from above"))
    return "".join(
        f"<div><dt>{text(name)}</dt><dd>{shown}<small>{text(more)}</small></dd></div>" for name, shown, more in found
    )


def _proof(result: Result) -> str:
    """What is proven of the cost; a bound that a file claims is said to be its claim."""
    return CLAIMED if result.claimed and result.bound and result.optimal_within is None else proof(result)


def _scrolled(svg: str, words: str, tall: bool = False) -> str:
    return (
        f'<div class="scroll{" tall" if tall else ""}" tabindex="0" role="group" aria-label="{text(words)}">{svg}</div>'
    )


def section(identity: str, title: str, *content: str) -> str:
    """A section with a heading."""
    return f'<section id="{identity}" aria-labelledby="{identity}-title">\n<h2 id="{identity}-title">{title}</h2>\n' + (
        "\n".join(content) + "\n</section>"
    )


def problem_drawn(result: Result) -> str:
    """The chain as blocks to scale; of a graph, its vertices and edges in layers and its blocks."""
    graph = result.problem.graph
    if graph.not_a_chain is None:
        svg, words = chain.picture(tuple(graph.declared[e.name] for e in graph.chain))
        return section("chain", "The chain", _scrolled(svg, "The chain"), f'<p class="note">{text(words)}</p>')
    return section("graph", "The graph", *_graph_drawn(result))


def _graph_drawn(result: Result) -> Iterator[str]:
    graph = result.problem.graph
    count = len(dag.vertices(graph))
    yield (
        f'<p class="note">{counted(count, "vertex", "vertices")}, {counted(len(graph.useful), "elemental")}, '
        f"{counted(len(graph.inputs), 'input')}, {counted(len(graph.outputs), 'output')}.</p>"
    )
    if not count:
        yield '<p class="note">No path leads from an input to an output.</p>'
        return
    if count <= MOST_VERTICES:
        yield _scrolled(dag.picture(graph), "The graph")
        yield '<p class="note">Inputs on the left and outputs have thick rims; dashed edges are matrix-free.</p>'
    else:
        yield (
            f'<p class="note">The graph is not drawn whole: it has more than {MOST_VERTICES} vertices. '
            "Step by step, the vertices that a step touches are drawn.</p>"
        )
    several = [graph.declared[e.name] for e in graph.useful[: chain.MOST]]
    svg, words = chain.blocks(several)
    more = f" The first {len(several)} of {len(graph.useful):,}." if len(several) < len(graph.useful) else ""
    yield "<h3>Its blocks</h3>"
    yield _scrolled(svg, "The elemental Jacobians")
    yield f'<p class="note">{text(words + more)}</p>'


def order_drawn(result: Result) -> str:
    """The bracket tree of a chain; of a graph, the vertices in the order in which they vanish."""
    plan, replayed, unit = result.plan, result.priced, unit_text(result.problem)
    if plan is None or replayed is None or not plan.outputs:
        return ""
    if plan.graph.not_a_chain is None:
        svg, words = tree.picture(plan, replayed, unit)
        order = next((figures for name, figures, _ in summary_rows(result) if name == "order"), None)
        shown = "" if order is None else f"<p><code>{text(order)}</code></p>"
        return section(
            "tree", "Bracket tree", shown, _scrolled(svg, "Bracket tree"), f'<p class="note">{text(words)}</p>'
        )
    found = eliminated(plan, replayed)
    total = max(1, replayed.total)
    rows: list[tuple[str, ...]] = [("", "vertex", "size", "gone after step", "products over it", unit, "share")]
    rows += [
        (
            f"{i + 1:,}",
            v.vertex,
            figure(v.size),
            "stays" if v.step is None else f"#{v.step}",
            f"{v.products:,}",
            figure(v.price),
            percent(v.price, total),
        )
        for i, v in enumerate(found[:_VERTICES])
    ]
    words = "Intermediate vertices in the order in which they vanish."
    if len(found) > _VERTICES:
        words += f" The first {_VERTICES} of {len(found):,}."
    return section(
        "order", "Order of elimination", _scrolled(table_html(rows, words, {0, 2, 3, 4, 5, 6}), words, len(rows) > 15)
    )


def memory_drawn(result: Result) -> str:
    """Elements alive over the steps."""
    if result.priced is None:
        return ""
    return section("memory-section", "Memory", charts.timeline(result.priced.alive, result.problem.memory))


def schedule_drawn(document: dict[str, Any], claimed: bool = False) -> str:
    """The Gantt chart, where the plan has a schedule."""
    schedule = document.get("schedule")
    return "" if not schedule else section("schedule", "Schedule", charts.gantt(schedule, claimed))


def explained(found: Reasons) -> str:
    """The reasons, group by group."""
    parts = []
    for title, sentences in worded(found):
        parts.append(f"<h3>{text(title)}</h3>")
        parts.append(f'<ul class="why">{"".join(f"<li>{unbroken(each)}</li>" for each in sentences)}</ul>')
    return section("why", "Why this order", *parts) if parts else ""


def compared(comparison: Comparison, seconds: float, own: str) -> str:
    """Every solver that was asked, with bounds, and why the others were not."""
    rows = [tuple(cell if len(cell) < 40 else cell[:37] + "..." for cell in row) for row in comparison.rows]
    words = f"Each solver searched for at most {seconds:g} s. {own}"
    notes = "".join(f"<li>{text(note, 300)}</li>" for note in comparison.notes)
    table = _scrolled(table_html(rows, words, RIGHT), "Comparison of the solvers")
    return section("solvers", "All solvers", table, f'<ul class="why note">{notes}</ul>' if notes else "")
