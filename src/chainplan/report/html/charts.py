"""Charts of a page: memory over the steps, and the Gantt chart of a schedule where the plan has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainplan.report.html.markup import figure, figure_html, text
from chainplan.report.words.table import CLAIMED

POINTS = 600
"""Points of a timeline; longer ones show the most of each stretch of steps."""
TASKS, LANES = 2000, 64
"""Tasks drawn of a schedule, the longest ones, and machines, the first ones."""


def timeline(alive: Sequence[int], limit: int | None) -> str:
    """Elements alive during each step as an area, with the peak and the limit; a marker is moved by the script."""
    if not alive:
        return '<p class="note">The plan has no steps.</p>'
    peak = max(alive)
    stretch = -(-len(alive) // POINTS)
    tops = [max(alive[i : i + stretch]) for i in range(0, len(alive), stretch)]
    ceiling = max(1, peak if limit is None or limit > 3 * peak else max(peak, limit))
    path = ["M0 100"]
    for i, top in enumerate(tops):
        y = 100 - 96 * top / ceiling
        path.append(f"V{y:.2f}H{min((i + 1) * stretch, len(alive))}")
    path.append("V100Z")
    lines, words = "", f"Peak {figure(peak)} elements, at step {alive.index(peak):,}."
    if limit is not None:
        words += f" The limit is {figure(limit)}"
        drawn = limit <= ceiling
        words += " (dashed line)." if drawn else ", more than the chart shows."
        if drawn:
            y = 100 - 96 * limit / ceiling
            lines = f'<line class="limit" x1="0" x2="{len(alive)}" y1="{y:.2f}" y2="{y:.2f}"/>'
    if stretch > 1:
        words += f" Each point is the most of {stretch:,} steps."
    return (
        f'<div class="chart"><div class="axis"><span>{figure_html(ceiling)}</span><span>0</span></div>'
        f'<svg id="memory" role="img" aria-label="Elements alive during each step. {text(words)}" '
        f'viewBox="0 0 {len(alive)} 100" preserveAspectRatio="none" data-steps="{len(alive)}">'
        f'<path class="area" d="{"".join(path)}"/>{lines}'
        '<line id="now" class="now" x1="0" x2="0" y1="0" y2="100"/></svg>'
        f'<div class="scale"><span>step 0</span><span>step {len(alive) - 1:,}</span></div></div>'
        f'<p class="note">{text(words)}</p>'
    )


def gantt(schedule: Any, claimed: bool = False) -> str:
    """The chart of a schedule, {machines, makespan, tasks: [{id, machine, start, end}]}; says where it is no such."""
    try:
        machines, makespan = int(schedule["machines"]), max(1, int(schedule["makespan"]))
        tasks = [(t["id"], int(t["machine"]), int(t["start"]), int(t["end"])) for t in schedule["tasks"]]
    except (KeyError, TypeError, ValueError):
        return '<p class="note">The schedule of this plan is in a form that this page cannot draw.</p>'
    lanes = min(machines, LANES)
    longest = sorted((t for t in tasks if 0 <= t[1] < lanes), key=lambda t: (t[2] - t[3], t[2]))[:TASKS]
    width, row = 920.0, 34
    parts = []
    for machine in range(lanes):
        y = 8 + row * machine
        parts.append(f'<text class="small left" x="0" y="{y + 20}">machine {machine}</text>')
        parts.append(f'<line class="rule" x1="80" x2="{80 + width:.0f}" y1="{y + row - 3}" y2="{y + row - 3}"/>')
    for step, machine, start, end in sorted(longest, key=lambda t: (t[1], t[2])):
        x, w = 80 + width * start / makespan, max(1.0, width * (end - start) / makespan)
        y = 8 + row * machine
        name = f"step {step}: {figure(start)} to {figure(end)} on machine {machine}"
        parts.append(
            f'<g class="task" data-step="{text(str(step))}"><title>{text(name)}</title>'
            f'<rect class="blk solid" x="{x:.2f}" y="{y}" width="{w:.2f}" height="{row - 8}"/>'
            + (f'<text class="in" x="{x + w / 2:.2f}" y="{y + 18}">#{text(str(step))}</text>' if w > 34 else "")
            + "</g>"
        )
    height = 8 + row * lanes + 20
    parts.append(f'<text class="small left" x="80" y="{height - 4}">0</text>')
    parts.append(f'<text class="small right" x="{80 + width:.0f}" y="{height - 4}">{figure(makespan)}</text>')
    words = f"Makespan {figure(makespan)} on {machines:,} machine{'' if machines == 1 else 's'}."
    bound, status, within = (schedule.get(name) for name in ("bound", "status", "within"))
    if isinstance(bound, int):
        none = "The file claims: no" if claimed else "No"
        words += f" {none} schedule takes less than {figure(bound)}" + (f" within {within}." if within else ".")
    if isinstance(status, str):
        words += f" Status: {status}{f', {CLAIMED}' if claimed else ''}."
    if len(longest) < len(tasks):
        words += f" The {len(longest):,} longest of {len(tasks):,} tasks on the first {lanes:,} machines are drawn."
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="Gantt chart"><svg role="img" '
        f'aria-label="Gantt chart. {text(words)}" width="{90 + width:.0f}" height="{height}" '
        f'viewBox="0 0 {90 + width:.0f} {height}">{"".join(parts)}</svg></div><p class="note">{text(words)}</p>'
    )
