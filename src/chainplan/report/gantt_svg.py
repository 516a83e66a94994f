"""SVG: the schedule as a Gantt chart that stands alone: a row per machine, a labelled bar per task, a scale.

Colours follow the kind of the step and never stand alone: every bar wide enough says what it is, and all have a title
that is read out and shown on hovering. The page's colour scheme is followed.
"""

from __future__ import annotations

from html import escape

from chainplan.plans.result import Result
from chainplan.plans.schedule import Task
from chainplan.plans.steps import Accumulate, Add, Multiply, Propagate, Step
from chainplan.problem.units import timed, unit_text
from chainplan.report._schedule import scheduled, step_name
from chainplan.report.words.gantt import rows
from chainplan.report.words.table import describe, schedule_text

LEFT, TOP, WIDTH, ROW, BAR = 90, 56, 860, 34, 26
CHARACTER = 7.0
TICKS = 5
COLOURS: dict[type[Step], str] = {
    Accumulate: "#b3541e",
    Propagate: "#1f6f8b",
    Multiply: "#3d6b35",
    Add: "#6b4c8a",
}
"""Fills that white text is read on, on a light page and on a dark one."""
OTHER = "#555555"

STYLE = """text{font:12px sans-serif;fill:#222}.name{font-weight:bold}.in{fill:#fff}line{stroke:#bbb}
@media (prefers-color-scheme:dark){text{fill:#ddd}.in{fill:#fff}line{stroke:#555}}"""


def render(result: Result) -> str:
    """The chart of the schedule of a result.

    Raises
    ------
    PlanError
        Where the result has no schedule.
    """
    plan, schedule = scheduled(result)
    busy, unit = rows(schedule), unit_text(result.problem)
    height = TOP + ROW * len(busy) + 30
    under = f" by '{result.problem.cost.objective}'" if timed(result.problem) else ""
    title, said = _escape(describe(result.problem)), _escape(schedule_text(schedule, unit) + under)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" role="img" '
        'aria-labelledby="title desc">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{said}</desc>',
        f"<style>{STYLE}</style>",
        f'<text class="name" x="10" y="20">{title}</text>',
        f'<text x="10" y="38">{said}</text>',
    ]
    lines += _scale(schedule.makespan, height, unit)
    for row, (machine, tasks) in enumerate(busy.items()):
        y = TOP + ROW * row
        lines.append(f'<text x="10" y="{y + 18}">machine {machine}</text>')
        for task in tasks:
            lines += _bar(task, plan.steps[task.id], step_name(result, task.id), schedule.makespan, y)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bar(task: Task, step: Step, name: str, makespan: int, y: int) -> list[str]:
    x, end = (LEFT + WIDTH * at / makespan for at in (task.start, task.end))
    fill = COLOURS.get(type(step), OTHER)
    about = _escape(f"{name}: machine {task.machine}, {task.start:,} to {task.end:,}")
    lines = [
        f'<g><title>{about}</title><rect x="{x:.2f}" y="{y}" width="{end - x:.2f}" height="{BAR}" rx="3" '
        f'fill="{fill}"/>'
    ]
    fitting = (text for text in (name, f"#{task.id}") if CHARACTER * len(text) + 8 <= end - x)
    for text in list(fitting)[:1]:
        lines.append(f'<text class="in" x="{x + 4:.2f}" y="{y + 17}">{_escape(text)}</text>')
    return [*lines, "</g>"]


def _scale(makespan: int, height: int, unit: str) -> list[str]:
    """Lines at even times, labelled below."""
    lines = []
    for tick in range(TICKS + 1) if makespan else ():
        at = makespan * tick // TICKS
        x = LEFT + WIDTH * at / makespan
        anchor = "end" if tick == TICKS else "middle"
        text = f"{at:,} {unit}" if tick == TICKS else f"{at:,}"
        lines.append(f'<line x1="{x:.2f}" x2="{x:.2f}" y1="{TOP - 8}" y2="{height - 26}"/>')
        lines.append(f'<text x="{x:.2f}" y="{height - 10}" text-anchor="{anchor}">{text}</text>')
    return lines


def _escape(text: str) -> str:
    """Text as SVG holds it; characters that XML has none of are left out."""
    return escape("".join(c for c in text if c.isprintable()))
