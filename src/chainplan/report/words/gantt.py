"""The Gantt chart of a schedule in plain text: a row per machine, a bar per task."""

from __future__ import annotations

from chainplan.plans.candidate import Candidate
from chainplan.plans.schedule import Schedule, Task, moved_blocks

TEXT_GANTT_WIDTH = 80
"""Characters from the start of a schedule to its end."""
MAX_TEXT_GANTT_ROWS = 40
"""Machines of the largest chart in text."""
MAX_TRANSFER_ROWS = 20
"""Transfers of the longest list in text."""


def rows(schedule: Schedule) -> dict[int, list[Task]]:
    """Group tasks by machine, in the order of their starts; idle machines are left out."""
    machines: dict[int, list[Task]] = {}
    for task in sorted(schedule.tasks, key=lambda task: (task.machine, task.start)):
        machines.setdefault(task.machine, []).append(task)
    return machines


def chart(schedule: Schedule, unit: str) -> list[str]:
    """Return the lines of the chart, at most 100 characters wide: `[#4===` is step 4, dots are idle time."""
    if not schedule.tasks:
        return []
    busy = rows(schedule)
    labels = {machine: f"machine {machine}" for machine in busy}
    margin = max(map(len, labels.values()))
    shown = list(busy)[:MAX_TEXT_GANTT_ROWS]
    lines = [f"  {labels[machine].ljust(margin)}  {_bar(busy[machine], schedule.makespan)}" for machine in shown]
    idle, hidden = schedule.machines - len(busy), len(busy) - len(shown)
    if hidden:
        lines.append(f"  ... {hidden:,} machines more; --format svg shows all")
    if idle:
        lines.append(f"  {_machines(idle)} idle")
    end = f"{schedule.makespan:,} {unit}"
    return [*lines, f"  {'':{margin}}  0{end:>{TEXT_GANTT_WIDTH - 1}}"]


def transfer_lines(candidate: Candidate | None, schedule: Schedule) -> list[str]:
    """Return a line for each block that moves to another machine, the first ones, where that takes time."""
    moved = [] if candidate is None else moved_blocks(candidate, schedule)
    if not moved:
        return []
    lines = [f"  {'moved':<8} {'to machine':>10} {'bytes':>14}   from - to in ns"]
    for one in moved[:MAX_TRANSFER_ROWS]:
        lines.append(f"  {f'#{one.id}':<8} {one.machine:>10} {one.size:>14,}   {one.start:,} - {one.end:,}")
    hidden = len(moved) - MAX_TRANSFER_ROWS
    if hidden > 0:
        lines.append(f"  ... {hidden:,} more; {sum(one.size for one in moved):,} bytes in all")
    return ["", *lines]


def _machines(count: int) -> str:
    return f"{count:,} machine{'' if count == 1 else 's'}"


def _bar(tasks: list[Task], makespan: int) -> str:
    """Draw one row; a task that is shorter than a character is not seen."""
    cells = ["."] * TEXT_GANTT_WIDTH
    for task in tasks:
        a, b = task.start * TEXT_GANTT_WIDTH // makespan, task.end * TEXT_GANTT_WIDTH // makespan
        label = f"[#{task.id}"
        text = label if len(label) <= b - a else "["
        cells[a:b] = text.ljust(b - a, "=") if b > a else ""
    return "".join(cells)
