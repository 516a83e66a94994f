"""The sections of a page that need no script: figures, drawings, charts, the comparison and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainplan.plans.result import Result, baseline_text
from chainplan.plans.schedule import moved_blocks
from chainplan.problem.units import in_fma, unit_text
from chainplan.report.explain.comparison import FIGURE_COLUMNS, SolverComparison
from chainplan.report.explain.eliminations import eliminated
from chainplan.report.explain.reasons import PlanReasons
from chainplan.report.explain.wording import worded
from chainplan.report.html import chain, charts, dag, tree
from chainplan.report.html.frame import filled
from chainplan.report.html.markup import trusted
from chainplan.report.html.player import MAX_DRAWN_VERTICES
from chainplan.report.words.figures import counted, figure, label, percent, ratio
from chainplan.report.words.table import CLAIMED_NOTE, listed_steps, proof, seconds_text
from chainplan.report.words.table import headline as summary_rows

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_LISTED_ELIMINATIONS = 200
"""Vertices in the table of eliminations."""
MAX_SHOWN_ROWS = 15
"""Rows of the longest table that does not scroll in a frame of its own."""


@dataclass(frozen=True)
class Tile:
    """One figure of a result: what it is, the number or the word, and what is said below it."""

    name: str
    figure: int | str
    more: str


def tiles(result: Result) -> list[Tile]:
    """List the figures that sum a result up."""
    unit, cost, price = unit_text(result.problem), result.cost, result.price
    baselines, listed = result.price_baselines, []
    if price is not None and cost is not None:
        listed.append(Tile("cost", price, f"{unit}, by {result.solver}"))
        listed.append(Tile("lower bound", result.bound, _proof(result)))
    for name, other in baselines.named().items():
        listed.append(Tile(baseline_text(result.problem, name), other, "" if price is None else ratio(other, price)))
    if cost is not None:
        limit = result.problem.memory
        limited = "elements alive" if limit is None else f"elements, limit {figure(limit)}"
        listed.append(Tile("peak memory", cost.peak_elements, limited))
        if not in_fma(result.problem):
            listed.append(Tile("multiply-adds", cost.fma, "fma of this plan"))
    elementals = f"{len(result.problem.graph.useful):,} elementals"
    listed.append(Tile("planned in", seconds_text(result.seconds), elementals))
    if result.counts != "exact":
        listed.append(Tile("nonzeros", "upper bound", "counted from above"))
    return listed


def _proof(result: Result) -> str:
    """Say what is proven of the cost; a bound that a file claims is said to be its claim."""
    return CLAIMED_NOTE if result.claimed and result.bound and result.optimal_within is None else proof(result)


def problem_drawn(result: Result) -> Markup:
    """Draw the chain as blocks to scale; of a graph, draw its vertices and edges in layers, and its blocks."""
    graph = result.problem.graph
    if graph.not_a_chain is not None:
        return _graph_drawn(result)
    factors, caption = chain.picture(tuple(graph.declared[e.name] for e in graph.chain))
    drawing = chain.in_lines(factors, f"{len(graph.chain):,} elemental Jacobians in the order of their product")
    return filled("chain.html", id="chain", title="The chain", drawing=trusted(drawing), caption=caption)


def _graph_drawn(result: Result) -> Markup:
    graph = result.problem.graph
    count = len(dag.vertices(graph))
    several = [graph.declared[e.name] for e in graph.useful[: chain.MAX_DRAWN_CHAIN_BLOCKS]]
    drawn, caption = chain.blocks(several) if count else ([], "")
    blocks = chain.in_lines(drawn, f"{len(several):,} elemental Jacobians")
    if len(several) < len(graph.useful):
        caption += f" The first {len(several)} of {len(graph.useful):,}."
    return filled(
        "graph.html",
        id="graph",
        title="The graph",
        counts=f"{counted(count, 'vertex', 'vertices')}, {counted(len(graph.useful), 'elemental')}, "
        f"{counted(len(graph.inputs), 'input')}, {counted(len(graph.outputs), 'output')}.",
        empty=not count,
        drawing=trusted(str(dag.picture(graph))) if 0 < count <= MAX_DRAWN_VERTICES else None,
        most=MAX_DRAWN_VERTICES,
        blocks=trusted(blocks),
        caption=caption,
    )


def order_drawn(result: Result) -> Markup | None:
    """Draw the bracket tree of a chain; of a graph, list the vertices in the order in which they vanish."""
    plan, replayed, unit = result.plan, result.priced, unit_text(result.problem)
    if plan is None or replayed is None or not plan.outputs:
        return None
    if plan.graph.not_a_chain is None:
        drawing, caption = tree.picture(plan, replayed, unit)
        order = next((figures for name, figures, _ in summary_rows(result) if name == "order"), None)
        return filled(
            "tree.html", id="tree", title="Bracket tree", drawing=trusted(str(drawing)), caption=caption, order=order
        )
    vertices, total = eliminated(plan, replayed), max(1, replayed.total)
    rows: list[tuple[str, ...]] = [("", "vertex", "size", "gone after step", "products over it", unit, "share")]
    for place, v in enumerate(vertices[:MAX_LISTED_ELIMINATIONS], 1):
        gone = "stays" if v.step is None else f"#{v.step}"
        figures = (f"{v.products:,}", figure(v.price), percent(v.price, total))
        rows.append((f"{place:,}", v.vertex, figure(v.size), gone, *figures))
    words = "Intermediate vertices in the order in which they vanish."
    if len(vertices) > MAX_LISTED_ELIMINATIONS:
        words += f" The first {MAX_LISTED_ELIMINATIONS} of {len(vertices):,}."
    return filled(
        "table.html",
        id="order",
        title="Order of elimination",
        name=words,
        rows=rows,
        caption=words,
        right={0, 2, 3, 4, 5, 6},
        tall=len(rows) > MAX_SHOWN_ROWS,
        notes=(),
    )


def programs_listed(result: Result) -> list[Markup]:
    """List the steps of each program, which makes one product from what the set-up keeps."""
    plan = result.plan
    tables = [] if plan is None or not plan.programs else [t for t in listed_steps(result) if t.title != "set-up"]
    return [
        filled(
            "table.html",
            id=f"program{number}",
            title=f"Each product {table.title}",
            name=f"Steps of a product {table.title}",
            rows=[tuple(label(cell, 60) for cell in row) for row in table.rows(unit_text(result.problem))],
            caption="Steps of the set-up have the numbers before these.",
            right={0, 6, 7, 8},
            tall=len(table.steps) > MAX_SHOWN_ROWS,
            notes=(),
        )
        for number, table in enumerate(tables)
    ]


def memory_drawn(result: Result) -> Markup | None:
    """Draw the elements alive over the steps."""
    return None if result.priced is None else charts.timeline(result.priced.alive, result.problem.memory)


def schedule_drawn(document: dict[str, Any], result: Result) -> Markup | None:
    """Draw the Gantt chart, where the plan has a schedule, with the blocks that move between machines."""
    schedule = document.get("schedule")
    if not schedule:
        return None
    if result.candidate is None or result.schedule is None:
        return charts.gantt(schedule, result.claimed)
    return charts.gantt(schedule, result.claimed, moved_blocks(result.candidate, result.schedule))


def explained(reasons: PlanReasons) -> Markup | None:
    """List the reasons, group by group."""
    groups = worded(reasons)
    return filled("why.html", id="why", title="Why this order", groups=groups) if groups else None


def compared(comparison: SolverComparison, seconds: float, own: str) -> Markup:
    """Compare all solvers that were asked, with their bounds, and say why the others were not."""
    rows = [tuple(cell if len(cell) < 40 else cell[:37] + "..." for cell in row) for row in comparison.rows]
    return filled(
        "table.html",
        id="solvers",
        title="All solvers",
        name="Comparison of the solvers",
        rows=rows,
        caption=f"Each solver searched for at most {seconds:g} s. {own}",
        right=FIGURE_COLUMNS,
        tall=False,
        notes=[label(note, 300) for note in comparison.notes],
    )
