"""A slide: the blocks of a problem to scale, and forward order, reverse order and the plan beside each other.

It is one SVG that stands alone. Its styles are those of the page (`report/html/style.css`) with colours in the place of
variables, because programs that show slides resolve no variables. Of long chains each tree shows the dearest products,
of large graphs each panel lists the dearest vertices, so that a slide stays legible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainplan.errors import PlanError
from chainplan.plans.candidate import Candidate
from chainplan.plans.product_orders import baseline_plan
from chainplan.plans.result import BASELINE_WORDS, Result
from chainplan.problem.problem import Problem
from chainplan.problem.units import unit_text
from chainplan.report.explain.eliminations import EliminatedVertex, eliminated
from chainplan.report.html import chain, dag, tree
from chainplan.report.html.frame import style_sheet
from chainplan.report.html.markup import Drawing, text
from chainplan.report.words.figures import brief, counted, figure, ratio
from chainplan.report.words.sentence import headline
from chainplan.report.words.steps import order_text
from chainplan.report.words.table import describe

MAX_SLIDE_LEAVES = 6
"""Leaves of a tree on a slide, where three of them stand beside each other."""
MAX_SLIDE_BLOCKS = 11
"""Blocks of a graph that are drawn."""
MAX_SLIDE_VERTICES, MAX_SLIDE_LINES = 14, 8
"""Vertices of the largest graph that is drawn on a slide, and of the list in place of a larger one."""
_MIN_PANEL_WIDTH, _SLIDE_GAP, _SLIDE_RIM = 400.0, 28.0, 36.0
_GRAPH_WIDTH = 420.0
"""Pixels that the layers of a graph take where they can."""
_CHARACTER = 0.56
"""The width of a character as a share of the size of its font."""


def slide(result: Result) -> str:
    """Draw a result as an SVG file.

    Parameters
    ----------
    result : Result
        A result with a plan of a Jacobian.

    Returns
    -------
    str
        The text of the file.

    Raises
    ------
    PlanError
        If `undrawable` says why it cannot be drawn.
    """
    if reason := undrawable(result):
        raise PlanError(reason)
    panels = _panels(result)
    width = max(panel.drawing.width for panel in panels)
    width = 3 * max(_MIN_PANEL_WIDTH, width) + 2 * _SLIDE_GAP + 2 * _SLIDE_RIM
    body, y = [], _SLIDE_RIM + 14.0
    title = result.problem.name or "problem"
    body.append(_line("title left", _SLIDE_RIM, y, title, width, 26))
    for words in _wrapped(f"{_about(result.problem)}. {headline(result)}", width - 2 * _SLIDE_RIM, 15):
        y += 24
        body.append(_line("about left", _SLIDE_RIM, y, words, width, 15))
    blocks, caption = _blocks(result.problem)
    placed, height = _in_lines(blocks, _SLIDE_RIM, y + 16, width - 2 * _SLIDE_RIM)
    y += 16 + height
    body += placed
    body.append(_line("small left", _SLIDE_RIM, y + 14, caption, width, 11))
    y += 40
    slot = (width - 2 * _SLIDE_RIM - 2 * _SLIDE_GAP) / 3
    dearest = max(panel.price for panel in panels)
    tallest = max(panel.drawing.height for panel in panels)
    for number, panel in enumerate(panels):
        body += panel.elements(_SLIDE_RIM + number * (slot + _SLIDE_GAP), y, slot, dearest)
    caption = next(panel.caption for panel in reversed(panels))
    height = y + _Panel.top + tallest + 30
    body.append(_line("small left", _SLIDE_RIM, height - 2, caption, width, 11))
    return _file(title, headline(result), body, {panel.drawing.defs for panel in panels}, width, height + 22)


def undrawable(result: Result) -> str | None:
    """Say why a result cannot be drawn, None where it can."""
    if result.plan is None:
        return "this result has no plan; expected one to draw. Relax the limits, or give it more time."
    return not_drawn(result.problem)


def not_drawn(problem: Problem) -> str | None:
    """Say why no plan of a problem can be drawn, None where one can."""
    if problem.products is None and problem.second is None:
        return None
    what = "products with vectors" if problem.products is not None else "a second derivative"
    return f"this asks for {what}; expected a Jacobian to draw. Write its page by 'chainplan report'."


def _file(title: str, about: str, body: Sequence[str], defs: set[str], width: float, height: float) -> str:
    """Write the file around the elements of a slide."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" class="chainplan" role="img" aria-labelledby="title desc">',
        f'<title id="title">{text(title, 200)}</title>',
        f'<desc id="desc">{text(about)}</desc>',
        f"<style>\n{_style()}\n</style>",
        *sorted(defs - {""}),
        f'<rect class="paper" x="0" y="0" width="{width:.0f}" height="{height:.0f}"/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


_SLIDE_STYLE = """\
svg .paper { fill: var(--card); }
svg text.title { font-size: 26px; font-weight: 600; }
svg text.about { font-size: 15px; fill: var(--soft); }
svg text.panel { font-size: 18px; font-weight: 600; }
svg text.price { font-size: 18px; }
svg .bar { fill: var(--held); }
svg .bar.least { fill: var(--made); }
svg .room { fill: var(--grid); }"""
"""What only slides have, in the words of the style sheet of the page."""


def _style() -> str:
    """Return the rules for drawings with colours in the place of variables, for this drawing alone in a notebook."""
    sheet = style_sheet()
    colours = dict(re.findall(r"--(\w+): (#\w+)", sheet.partition("@media")[0]))
    kept = [line for line in sheet.splitlines() if line.startswith("svg ") and "halo" not in line]
    rules = re.sub(r"var\(--(\w+)\)", lambda name: colours[name[1]], "\n".join((*kept, _SLIDE_STYLE)))
    return re.sub("^svg ", ".chainplan ", rules, flags=re.MULTILINE)


@dataclass(frozen=True)
class _Panel:
    """An order of multiplying: its name, its price in words and as a number, its drawing with a caption."""

    name: str
    price: int
    words: str
    order: str
    drawing: Drawing
    caption: str
    least: bool

    top = 84.0
    """Pixels above the drawing."""

    def elements(self, x: float, y: float, width: float, dearest: int) -> Iterator[str]:
        """Yield the panel: its name, its price as words and as a bar, the order in words, and the drawing."""
        yield _line("panel left", x, y + 16, self.name, width * 0.4, 18)
        yield _line("price right", x + width, y + 16, self.words, width * 0.6, 18)
        share = self.price / dearest if dearest else 0.0
        yield f'<rect class="room" x="{x:.1f}" y="{y + 26:.1f}" width="{width:.1f}" height="8" rx="4"/>'
        bar, long = "bar least" if self.least else "bar", max(3.0, width * share)
        yield f'<rect class="{bar}" x="{x:.1f}" y="{y + 26:.1f}" width="{long:.1f}" height="8" rx="3"/>'
        yield _line("about left", x, y + 58, self.order, width, 15)
        yield _placed(self.drawing, x + (width - self.drawing.width) / 2, y + self.top)


def _panels(result: Result) -> list[_Panel]:
    """Make the panels of forward and reverse order and of the plan."""
    problem, plan = result.problem, result.candidate
    assert plan is not None
    orders = {name: Candidate(baseline_plan(problem, name), problem.cost) for name in ("forward", "reverse")}
    orders["plan"] = plan
    least = min(each.price for each in orders.values())
    return [_panel(name, each, plan.price, problem, each.price == least) for name, each in orders.items()]


def _panel(order: str, candidate: Candidate, price: int, problem: Problem, least: bool) -> _Panel:
    unit, name = unit_text(problem), BASELINE_WORDS.get(order, "the plan").capitalize()
    words = f"{brief(candidate.price)} {unit}"
    if candidate.price != price:
        words += f", {ratio(candidate.price, price)}"
    if not candidate.plan.outputs:
        return _Panel(name, candidate.price, words, "nothing to multiply", Drawing("", 0, 0, ""), "", least)
    if problem.graph.not_a_chain is None:
        drawing, caption = tree.picture(candidate.plan, candidate.priced, unit, MAX_SLIDE_LEAVES)
        bracketing = order_text(candidate.plan) or counted(len(problem.graph.chain), "factor")
        return _Panel(name, candidate.price, words, bracketing, drawing, caption, least)
    drawing, caption, said = _eliminations(_order(candidate, order), problem)
    return _Panel(name, candidate.price, words, said, drawing, caption, least)


def _order(candidate: Candidate, order: str) -> list[EliminatedVertex]:
    """List the intermediate vertices in the order in which they are eliminated.

    Forward and reverse order are walks along the vertices; those of any other plan count where they vanish.
    """
    gone = [v for v in eliminated(candidate.plan, candidate.priced) if v.step is not None]
    if order == "plan":
        return gone
    place = {v: i for i, v in enumerate(candidate.plan.graph.order)}
    return sorted(gone, key=lambda v: place[v.vertex], reverse=order == "reverse")


def _eliminations(gone: list[EliminatedVertex], problem: Problem) -> tuple[Drawing, str, str]:
    """Number the intermediate vertices of a graph; return the drawing, its caption, and the order in words."""
    said = "eliminates " + ", ".join(v.vertex for v in gone) if gone else "eliminates nothing"
    if len(dag.vertices(problem.graph)) <= MAX_SLIDE_VERTICES:
        marks = {v.vertex: (str(place), brief(v.price)) for place, v in enumerate(gone, 1)}
        drawing = dag.picture(problem.graph, _GRAPH_WIDTH, marks)
        caption = "Numbers in vertices say when they are eliminated, figures below what the products over them cost."
        return drawing, caption, said
    dearest = sorted(enumerate(gone, 1), key=lambda numbered: (-numbered[1].price, numbered[0]))[:MAX_SLIDE_LINES]
    lines = [f"{place:,}. {v.vertex}: {figure(v.price)} {unit_text(problem)}" for place, v in dearest]
    listed = [_line("about left", 0, 20 + 22 * i, line, _MIN_PANEL_WIDTH, 15) for i, line in enumerate(lines)]
    drawing = Drawing("".join(listed), _MIN_PANEL_WIDTH, 10 + 22 * len(lines), "The dearest vertices")
    caption = f"Of {len(gone):,} vertices the dearest are listed, each with its place in the order of elimination."
    return drawing, caption, said


def _about(problem: Problem) -> str:
    """Describe a problem without its name, which is the title."""
    return describe(problem).removeprefix(f"{problem.name or 'problem'}: ")


def _blocks(problem: Problem) -> tuple[list[Drawing], str]:
    """Draw the blocks of a chain as a product, and those of a graph one by one."""
    graph = problem.graph
    if graph.not_a_chain is None:
        return chain.picture(tuple(graph.declared[e.name] for e in graph.chain))
    if all(size == 1 for size in graph.sizes.values()):
        return [], f"{counted(len(graph.useful), 'block')} of 1 x 1."
    shown = [graph.declared[e.name] for e in graph.useful[:MAX_SLIDE_BLOCKS]]
    drawings, caption = chain.blocks(shown) if shown else ([], "No path leads from an input to an output.")
    if len(shown) < len(graph.useful):
        caption += f" The first {len(shown)} of {len(graph.useful):,}."
    return drawings, caption


def _in_lines(drawings: Sequence[Drawing], x: float, y: float, width: float) -> tuple[list[str], float]:
    """Place drawings beside each other, in as many lines as they need; return the elements and their height."""
    elements, at, top = [], 0.0, 0.0
    for drawing in drawings:
        if at and at + drawing.width > width:
            at, top = 0.0, top + drawing.height + 8
        elements.append(_placed(drawing, x + at, y + top))
        at += drawing.width
    return elements, top + max((drawing.height for drawing in drawings), default=0.0)


def _placed(drawing: Drawing, x: float, y: float) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f})">{drawing.elements}</g>'


def _line(style: str, x: float, y: float, words: str, width: float, size: int) -> str:
    """Write a line of text, cut where it would be wider than its place."""
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{text(words, max(4, int(width / (_CHARACTER * size))))}</text>'
    )


def _wrapped(words: str, width: float, size: int) -> list[str]:
    """Break words into lines that are no wider than a width."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) * _CHARACTER * size > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
