"""A front of memory and price as a table and a plot in plain text, or as JSON."""

from __future__ import annotations

import json
from typing import Any

from chainplan._util.bytesize import bytes_text
from chainplan.plans.state_steps import Advance, Store
from chainplan.report.words.table import columns, describe
from chainplan.tradeoff import Pareto

PARETO_WIDTH, PARETO_HEIGHT = 60, 16


def text(front: Pareto) -> str:
    """Write the problem, a table with a line per point, and a plot."""
    count = len(front.points)
    noun = "point" if count == 1 else "points"
    said = f"exact within {front.within}: {count:,} {noun}"
    if not front.exact:
        proven = sum(point.proven for point in front.points)
        said = f"within {front.within}, by the colours found: {count:,} {noun}, {proven:,} proven"
    lines = [describe(front.problem), "", f"  memory and price, {said}", ""]
    if front.ended is not None:
        lines[2:] = [*ended(front), ""]
    if not front.points and front.ended is not None:
        return "\n".join(lines)
    if not front.points:
        return "\n".join([*lines[:2], "  no plan keeps the limit", ""])
    rows: list[tuple[str, ...]] = [
        ("peak elements", "of float64", "fma", "more than the cheapest", "advances", "stores")
    ]
    cheapest = front.points[-1].fma
    for point in front.points:
        steps = point.plan.steps
        moves = [sum(isinstance(step, kind) for step in steps) for kind in (Advance, Store)]
        over = "" if point.fma == cheapest else f"+{point.fma - cheapest:,}"
        rows.append((f"{point.memory:,}", bytes_text(point.memory), f"{point.fma:,}", over, *map(str, moves)))
    if not front.problem.recompute:
        rows = [row[:4] for row in rows]
    lines += columns(rows, right={0, 1, 2, 3, 4, 5}, indent="  ")
    return "\n".join([*lines, *(["", *plot(front)] if count > 1 else []), ""])


def ended(front: Pareto) -> list[str]:
    """Say where a front ends that was stopped before all of it was proven."""
    known = f"  memory and price within {front.within}; the search was {front.ended}"
    if not front.points:
        return [f"{known}: no point was proven by then"]
    least = front.points[0].memory
    there = "are proven" if front.exact else "are there, by the colours found"
    return [f"{known}: points of {least:,} elements and more {there}, what less memory costs is not known"]


def plot(front: Pareto) -> list[str]:
    """Draw the front as a staircase: memory to the right, price upwards; below a step no plan exists."""
    memory = [point.memory for point in front.points]
    price = [point.fma for point in front.points]
    grid = [[" "] * (PARETO_WIDTH + 1) for _ in range(PARETO_HEIGHT + 1)]
    places = [
        (_scaled(m, memory[0], memory[-1], PARETO_WIDTH), _scaled(p, price[-1], price[0], PARETO_HEIGHT))
        for m, p in zip(memory, price, strict=True)
    ]
    for (x, y), (right, _) in zip(places, [*places[1:], (PARETO_WIDTH, 0)], strict=True):
        for column in range(x + 1, right):
            if grid[y][column] == " ":
                grid[y][column] = "·"
    for x, y in places:
        grid[y][x] = "*"
    top, bottom = f"{price[0]:,} fma", f"{price[-1]:,} fma"
    margin = max(len(top), len(bottom))
    lines = []
    for y in range(PARETO_HEIGHT, -1, -1):
        label = top if y == PARETO_HEIGHT else bottom if y == 0 else ""
        lines.append(f"  {label.rjust(margin)} |{''.join(grid[y])}".rstrip())
    ends = f"{memory[0]:,}", f"{memory[-1]:,} elements"
    gap = max(1, PARETO_WIDTH + 1 - len(ends[0]) - len(ends[1]))
    return [*lines, f"  {' ' * margin} +{'-' * (PARETO_WIDTH + 1)}", f"  {' ' * margin}  {ends[0]}{' ' * gap}{ends[1]}"]


def _scaled(value: int, low: int, high: int, length: int) -> int:
    return (value - low) * length // (high - low) if high > low else 0


def document(front: Pareto) -> str:
    """Write the problem and the points as JSON; `chainplan plan` with the memory of a point as limit finds its plan."""
    spec = front.problem.to_spec()
    name = spec.pop("name", None)
    head: dict[str, Any] = {
        "problem": {"name": name, "fingerprint": front.problem.fingerprint, **spec},
        "within": front.within,
    }
    points = ",\n  ".join(
        json.dumps({"memory": p.memory, "fma": p.fma} | ({} if p.proven else {"bound": p.bound})) for p in front.points
    )
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    if front.ended is not None:
        lines.append(f'"ended": {json.dumps(front.ended)}')
    body = f"[\n  {points}\n ]" if points else "[]"
    return "{" + ",\n ".join([*lines, f'"points": {body}']) + "}\n"
