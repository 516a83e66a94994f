"""The printed table of a result: cost, proof, baselines, and one line per step."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan._util.bytesize import bytes_text
from chainplan.plans.ratios import gap_text, ratio_text
from chainplan.plans.result import Result
from chainplan.plans.schedule import Schedule
from chainplan.plans.steps import Advance, Decompress, Step, Store, Write
from chainplan.problem.problem import Problem
from chainplan.problem.units import in_fma, unit_text
from chainplan.report.words.gantt import chart
from chainplan.report.words.steps import order_text, step_cells
from chainplan.structures import Block
from chainplan.structures.counts import longest

CLAIMED_NOTE = "claimed by the file"
"""Said of what a plan file says about other plans, as long as nothing has proven it again."""
MAX_TABLE_STEPS = 60


def table(result: Result, most_steps: int | None = MAX_TABLE_STEPS) -> str:
    """Lay out a result in plain text; at most `most_steps` steps are shown (None: all)."""
    lines = [describe(result.problem), ""]
    lines += columns([(label, *cells) for label, *cells in headline(result)], right={1}, indent="  ")
    lines += [f"  note: {note}" for note in result.notes]
    if result.plan is not None and result.plan.steps:
        lines += ["", *step_table(result, most_steps)]
    if result.schedule is not None and result.schedule.tasks:
        lines += ["", *chart(result.schedule, unit_text(result.problem))]
    return "\n".join(lines)


def describe(problem: Problem) -> str:
    """Describe a problem in one line: its name, its inputs and outputs, the number of its elementals."""
    graph = problem.graph
    ends = " -> ".join(
        ", ".join(f"{v} ({graph.sizes[v]:,})" for v in side[:4]) + (", ..." if len(side) > 4 else "")
        for side in (graph.inputs, graph.outputs)
    )
    count = len(graph.elementals)
    unused = count - len(graph.useful)
    text = f"{problem.name or 'problem'}: {ends}, {count:,} elemental{'s' if count != 1 else ''}"
    return text + (f" ({unused:,} on no path from an input to an output)" if unused else "")


def headline(result: Result) -> list[tuple[str, str, str]]:
    """Sum up a result in rows (label, figure with unit, comment)."""
    rows = [] if result.schedule is None else _schedule_rows(result, result.schedule)
    shared = result.schedule is not None and result.schedule.machines > 1
    cost, took = result.cost, seconds_text(result.seconds)
    price, unit = result.price, unit_text(result.problem)
    if cost is None or price is None:
        rows.append(("status", result.status.value, f"{result.solver}, {took}"))
    else:
        said = "on all machines together" if shared else proof(result)
        rows.append(("cost", f"{price:,} {unit}", f"{said}, by {result.solver} in {took}"))
    baselines = result.baselines if in_fma(result.problem) else result.price_baselines
    for label, other in (("forward", baselines.forward), ("reverse", baselines.reverse)):
        rows.append((label, f"{other:,} {unit}", "" if price is None else ratio_text(other, price)))
    if cost is not None and not in_fma(result.problem):
        fma = result.baselines
        rows.append(("fma", f"{cost.fma:,}", f"forward {fma.forward:,}, reverse {fma.reverse:,}"))
    if cost is not None and result.gap and not shared:
        within = f" within {result.within}" if result.within else ""
        comment = f"gap at most {gap_text(price, result.bound)}{within}" if result.bound else "none known"
        comment += f", {CLAIMED_NOTE}" if result.claimed and result.bound else ""
        rows.append(("bound", f"{result.bound:,} {unit}", comment))
    if cost is not None and result.replay is not None and result.replay.alive:
        if cost.adds:
            rows.append(("adds", f"{cost.adds:,}", ""))
        rows.append(
            (
                "peak",
                f"{cost.peak_elements:,} elements",
                f"at step {result.replay.alive.index(cost.peak_elements)}",
            )
        )
    if cost is not None and result.problem.disk is not None:
        rows.append(("disk", f"{cost.peak_disk:,} elements", f"of {result.problem.disk:,}"))
    rows += _evaluated(result)
    if any(e.block.structure.name != "dense" for e in result.problem.graph.useful):
        rows.append(("counts", result.counts, "of the nonzeros of structured blocks"))
    if result.problem.memory is not None:
        memory = result.problem.memory
        rows.append(("limit", f"{memory:,} elements", f"{bytes_text(memory)} of float64"))
    if result.needs is not None and cost is None:
        which = "has a plan of nested checkpoints" if result.problem.recompute else "has a plan"
        rows.append(("needs", f"{result.needs:,} elements", f"the smallest limits.memory that {which}"))
    order = order_text(result.plan) if result.plan is not None else None
    if order is not None:
        rows.append(("order", order, ""))
    return rows


def _evaluated(result: Result) -> list[tuple[str, str, str]]:
    """Say how often a plan evaluates elementals and stores states; the list is empty for plans that do neither."""
    if result.plan is None or result.priced is None:
        return []
    steps = result.plan.steps
    prices = [price for step, price in zip(steps, result.priced.prices, strict=True) if isinstance(step, Advance)]
    stores = sum(isinstance(step, Store) for step in steps)
    if not prices:
        return []
    written = sum(isinstance(step, Write) for step in steps)
    on_disk = f", {written:,} written to disk" if written else ""
    return [("states", plural(len(prices), "advance"), f"{sum(prices):,} fma of the cost; {stores:,} stored{on_disk}")]


def _schedule_rows(result: Result, schedule: Schedule) -> list[tuple[str, str, str]]:
    """Return rows for the makespan, for what is proven of it, and for what several machines gain over one."""
    on, unit = f"on {plural(schedule.machines, 'machine')}", unit_text(result.problem)
    rows = [("makespan", f"{schedule.makespan:,} {unit}", f"{on}, {schedule_proof(schedule, result.claimed)}")]
    if schedule.machines > 1 and schedule.makespan:
        rows.append(("speed-up", f"{schedule.speedup:,.2f}x", f"one machine takes {schedule.one_machine:,} {unit}"))
    return rows


def schedule_proof(schedule: Schedule, claimed: bool = False) -> str:
    """Say what is proven of the makespan of a schedule, or what a file claims of it."""
    within = "for this plan" if schedule.this_plan else f"within {schedule.within}"
    if schedule.optimal:
        return f"{CLAIMED_NOTE}: optimal {within}" if claimed else f"proven optimal {within}"
    if not schedule.bound:
        return "no bound known"
    least = f"at least {schedule.bound:,}, a gap of at most {gap_text(schedule.makespan, schedule.bound)} {within}"
    return f"{CLAIMED_NOTE}: {least}" if claimed else least


def schedule_text(schedule: Schedule, unit: str, claimed: bool = False) -> str:
    """Describe a schedule in one line."""
    on = f"on {plural(schedule.machines, 'machine')}"
    faster = f"{schedule.speedup:,.2f}x faster than one"
    return f"makespan {schedule.makespan:,} {unit} {on}, {schedule_proof(schedule, claimed)}, {faster}"


def proof(result: Result) -> str:
    """Say what is proven of the cost, or what a file claims of it; the cost model is named where it is not fma."""
    under = "" if in_fma(result.problem) else f" under '{result.problem.cost.objective}'"
    if result.optimal_within is not None:
        what = f"{CLAIMED_NOTE}: optimal" if result.claimed else "proven optimal"
        return f"{what} within {result.optimal_within}{under}"
    if result.within is not None and result.price == result.bound:
        said = f"no plan costs less within {result.within}{under}"
        return f"{CLAIMED_NOTE}: {said}" if result.claimed else said
    return f"no proof of optimality{under}"


def plural(count: int, word: str) -> str:
    """Write a number of things."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def seconds_text(seconds: float) -> str:
    """Write a duration in a unit that fits."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _cells(step: Step, block: Block) -> tuple[str, str]:
    """Return `step_cells`; a decompression also says how long rows and columns are, which colours cannot undercut."""
    operation, of = step_cells(step)
    if not isinstance(step, Decompress):
        return operation, of
    rows, cols = block.structure.row_counts(*block[:2]), block.structure.column_counts(*block[:2])
    return operation, f"{of}; rows of up to {longest(rows):,}, columns of up to {longest(cols):,}"


def step_rows(result: Result, first: int = 0) -> list[tuple[str, ...]]:
    """Return the header and a row per step from `first` on, with its block, its price and the elements alive."""
    assert result.plan is not None
    assert result.priced is not None
    plan, replay, total = result.plan, result.priced, result.priced.total
    rows: list[tuple[str, ...]] = [
        ("step", "operation", "of", "leads", "rows x cols", "structure", unit_text(result.problem), "share", "alive")
    ]
    for position in range(first, len(plan.steps)):
        typed, price, alive = replay.blocks[position], replay.prices[position], replay.alive[position]
        rows.append(
            (
                f"#{position}",
                *_cells(plan.steps[position], typed.block),
                typed.target if typed.state else f"{typed.source} -> {typed.target}".replace("\0", ""),
                f"{typed.block.rows:,} x {typed.block.cols:,}",
                repr(typed.block.structure),
                f"{price:,}",
                f"{100 * price / total:.1f} %" if price else "",
                f"{alive:,}",
            )
        )
    return rows


def step_table(result: Result, most: int | None) -> list[str]:
    """Return the lines of the table of steps, at most the last `most` of them."""
    assert result.plan is not None
    hidden = 0 if most is None else max(0, len(result.plan.steps) - most)
    lines = columns(step_rows(result, hidden), right={0, 6, 7, 8}, indent="  ")
    if hidden:
        lines.insert(1, f"  ... {hidden:,} steps before these; --format json shows all")
    return lines


def columns(rows: Sequence[Sequence[str]], right: set[int], indent: str) -> list[str]:
    """Align cells; columns in `right` to the right. A first-row cell of the last column may be as long as it likes."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(w) if c in right else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
