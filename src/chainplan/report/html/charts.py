"""Charts of a page: memory over the steps, and the Gantt chart of a schedule where the plan has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainplan.plans.transfers import Transfer
from chainplan.report.gantt_chart import GANTT_SVG_WIDTH, GanttBar, GanttChart, GanttMove
from chainplan.report.html.frame import filled
from chainplan.report.html.markup import text, trusted
from chainplan.report.words.figures import counted, figure
from chainplan.report.words.table import CLAIMED_NOTE

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_TIMELINE_POINTS = 600
"""The most points of a timeline; a longer one shows the maximum of each stretch of steps."""
MAX_DRAWN_TASKS, MAX_DRAWN_MACHINES = 2000, 64
"""The most tasks of a schedule that are drawn, the longest ones, and the most machines, the first ones."""


def timeline(alive: Sequence[int], limit: int | None) -> Markup:
    """Fill the section of the elements alive during each step: an area, and the limit; the script moves a marker."""
    if not alive:
        return _memory_section(None, 0, 0, "")
    peak = max(alive)
    stretch = -(-len(alive) // MAX_TIMELINE_POINTS)
    ceiling = max(1, peak if limit is None or limit > 3 * peak else max(peak, limit))
    line, caption = "", f"Peak {figure(peak)} elements, at step {alive.index(peak):,}."
    if limit is not None:
        shown = limit <= ceiling
        caption += f" The limit is {figure(limit)}" + (" (dashed line)." if shown else ", more than the chart shows.")
        y = 100 - 96 * limit / ceiling
        line = f'<line class="limit" x1="0" x2="{len(alive)}" y1="{y:.2f}" y2="{y:.2f}"/>' if shown else ""
    if stretch > 1:
        caption += f" Each point is the most of {stretch:,} steps."
    drawing = (
        f'<svg id="memory" role="img" aria-label="Elements alive during each step. {text(caption)}" '
        f'viewBox="0 0 {len(alive)} 100" preserveAspectRatio="none" data-steps="{len(alive)}">'
        f'<path class="area" d="{_area(alive, stretch, ceiling)}"/>{line}'
        '<line id="now" class="now" x1="0" x2="0" y1="0" y2="100"/></svg>'
    )
    return _memory_section(trusted(drawing), ceiling, len(alive), caption)


def _memory_section(drawing: Markup | None, ceiling: int, steps: int, caption: str) -> Markup:
    values = {"drawing": drawing, "ceiling": ceiling, "steps": steps, "caption": caption}
    return filled("memory.html", id="memory-section", title="Memory", **values)


def _area(alive: Sequence[int], stretch: int, ceiling: int) -> str:
    """Write the outline of the area, a stair per stretch of steps."""
    stairs = []
    for first in range(0, len(alive), stretch):
        y = 100 - 96 * max(alive[first : first + stretch]) / ceiling
        stairs.append(f"V{y:.2f}H{min(first + stretch, len(alive))}")
    return f"M0 100{''.join(stairs)}V100Z"


def gantt(schedule: Any, claimed: bool = False, moved: Sequence[Transfer] = ()) -> Markup:
    """Fill the section of a schedule, {machines, makespan, tasks: [{id, machine, start, end}]}, or refuse it.

    `moved` are the blocks that go from one machine to another; the largest ones are drawn.
    """
    try:
        machines, makespan = int(schedule["machines"]), max(1, int(schedule["makespan"]))
        tasks = [(t["id"], int(t["machine"]), int(t["start"]), int(t["end"])) for t in schedule["tasks"]]
    except (KeyError, TypeError, ValueError):
        return _schedule_section(None, "")
    lanes = min(machines, MAX_DRAWN_MACHINES)
    longest = sorted((t for t in tasks if 0 <= t[1] < lanes), key=lambda t: (t[2] - t[3], t[2]))[:MAX_DRAWN_TASKS]
    bars = [_bar(*task) for task in sorted(longest, key=lambda t: (t[1], t[2]))]
    moves = _moves(moved, {t[0]: t[1] for t in tasks}, lanes)
    chart = GanttChart(bars, [f"machine {machine}" for machine in range(lanes)], makespan, moves=moves)
    caption = f"Makespan {figure(makespan)} on {counted(machines, 'machine')}.{_proof(schedule, claimed)}"
    if len(longest) < len(tasks):
        caption += f" The {len(longest):,} longest of {len(tasks):,} tasks on the first {lanes:,} machines are drawn."
    if moved:
        total = figure(sum(one.size for one in moved))
        caption += f" Between machines: {counted(len(moved), 'block')}, {total} bytes in all (dashed lines"
        caption += ")." if len(moves) == len(moved) else f"; {len(moves):,} are drawn)."
    drawing = (
        f'<svg role="img" aria-label="Gantt chart. {text(caption)}" width="{GANTT_SVG_WIDTH}" height="{chart.height}" '
        f'viewBox="0 0 {GANTT_SVG_WIDTH} {chart.height}">{"".join(chart.lines())}</svg>'
    )
    return _schedule_section(trusted(drawing), caption)


def _moves(moved: Sequence[Transfer], machine: Mapping[object, int], lanes: int) -> list[GanttMove]:
    """The largest transfers between rows that are drawn, from the machine that made a block to that which reads it."""
    seen = [one for one in moved if max(one.machine, machine[one.id]) < lanes]
    return [
        GanttMove(
            (machine[one.id], one.machine),
            one.start,
            one.end,
            f"step {one.id}: {one.size:,} bytes to machine {one.machine}, {figure(one.start)} to {figure(one.end)}",
        )
        for one in sorted(seen, key=lambda one: -one.size)[:MAX_DRAWN_TASKS]
    ]


def _schedule_section(drawing: Markup | None, caption: str) -> Markup:
    return filled("schedule.html", id="schedule", title="Schedule", drawing=drawing, caption=caption)


def _bar(step: Any, machine: int, start: int, end: int) -> GanttBar:
    title = f"step {step}: {figure(start)} to {figure(end)} on machine {machine}"
    return GanttBar(machine, start, end, str(step), title, (f"#{step}",))


def _proof(schedule: Any, claimed: bool) -> str:
    """Say what is proven of the makespan, or claimed of it by the file, each sentence after a space."""
    bound, status, within = (schedule.get(name) for name in ("bound", "status", "within"))
    words = ""
    if isinstance(bound, int):
        none = "The file claims: no" if claimed else "No"
        words += f" {none} schedule takes less than {figure(bound)}" + (f" within {within}." if within else ".")
    if isinstance(status, str):
        words += f" Status: {status}{f', {CLAIMED_NOTE}' if claimed else ''}."
    return words
