"""The printed table of a result: cost, proof, baselines, and one line per step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chainplan._util.bytesize import bytes_text
from chainplan.plans.program_replay import kept_elements
from chainplan.plans.ratios import gap_text, ratio_text
from chainplan.plans.result import Result, baseline_text
from chainplan.plans.schedule import Schedule
from chainplan.plans.state_steps import Advance, Store, Write
from chainplan.plans.steps import Decompress, Step
from chainplan.plans.typed import Typed
from chainplan.problem.cost import factor_price
from chainplan.problem.problem import Problem
from chainplan.problem.units import in_fma, unit_text
from chainplan.report.words.gantt import chart, transfer_lines
from chainplan.report.words.steps import order_text, program_text, step_cells
from chainplan.structures import Block
from chainplan.structures.counts import longest

CLAIMED_NOTE = "claimed by the file"
"""Said of what a plan file says about other plans, as long as nothing has proven it again."""
MAX_TABLE_STEPS = 60
MAX_NAMED_SOLVES = 4


def table(result: Result, most_steps: int | None = MAX_TABLE_STEPS) -> str:
    """Lay out a result in plain text; at most `most_steps` steps are shown (None: all)."""
    lines = [describe(result.problem), ""]
    lines += columns([(label, *cells) for label, *cells in headline(result)], right={1}, indent="  ")
    lines += [f"  note: {note}" for note in result.notes]
    for listed in listed_steps(result):
        lines += ["", *listed.lines(unit_text(result.problem), most_steps)]
    if result.schedule is not None and result.schedule.tasks:
        lines += ["", *chart(result.schedule, unit_text(result.problem))]
        lines += transfer_lines(result.candidate, result.schedule)
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
    rows += _factor_rows(result)
    rows += _product_rows(result)
    baselines = result.baselines if in_fma(result.problem) else result.price_baselines
    for label, other in baselines.named().items():
        rows.append((label, f"{other:,} {unit}", _compared(result, label, other)))
    if cost is not None and not in_fma(result.problem):
        fma = ", ".join(f"{label} {other:,}" for label, other in result.baselines.named().items())
        rows.append(("fma", f"{cost.fma:,}", fma))
    if cost is not None and result.gap and not shared:
        within = f" within {result.within}" if result.within else ""
        comment = f"gap at most {gap_text(price, result.bound)}{within}" if result.bound else "none known"
        comment += f", {CLAIMED_NOTE}" if result.claimed and result.bound else ""
        rows.append(("bound", f"{result.bound:,} {unit}", comment))
    if cost is not None and result.replay is not None and result.replay.peak_place is not None:
        if cost.adds:
            rows.append(("adds", f"{cost.adds:,}", ""))
        rows.append(
            (
                "peak",
                f"{cost.peak_elements:,} elements",
                f"at {result.replay.peak_place}",
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
    if result.plan is not None:
        orders = [("order", order_text(result.plan))]
        first = (program for program in result.plan.programs if not program.second)
        orders += [(program.name, program_text(result.plan, program)) for program in first]
        rows += [(name, order, "") for name, order in orders if order is not None]
    return rows


def _factor_rows(result: Result) -> list[tuple[str, str, str]]:
    """Say what factoring the implicit systems costs, in every plan; the list is empty where there are none."""
    graph, cost = result.problem.graph, result.problem.cost
    if not graph.solves:
        return []
    names = ", ".join(e.name for e in graph.solves[:MAX_NAMED_SOLVES])
    more = ", ..." if len(graph.solves) > MAX_NAMED_SOLVES else ""
    comment = f"of the cost, once in every plan, holds {graph.factor_elements:,} elements: {names}{more}"
    return [("factors", f"{factor_price(graph, cost):,} {unit_text(result.problem)}", comment)]


def _product_rows(result: Result) -> list[tuple[str, str, str]]:
    """Say what set-up and one product on each side cost; the list is empty for plans of the Jacobian itself."""
    plan, priced, unit = result.plan, result.priced, unit_text(result.problem)
    if plan is None or priced is None or not plan.programs:
        return []
    elements = kept_elements(plan, priced.blocks)
    rows = [("set-up", f"{priced.products.setup:,} {unit}", f"once, keeps {elements:,} elements")]
    for program in priced.programs:
        times = program.program.times
        asked = f"each of {plural(times, 'product')}" if times else "each, of which none is asked for"
        rows.append((program.program.name, f"{program.price:,} {unit}", asked))
    return rows


def _compared(result: Result, baseline: str, other: int) -> str:
    """Compare a baseline with the plan, and say what is formed in one for products."""
    said = [] if result.price is None else [ratio_text(other, result.price)]
    if result.problem.products is not None:
        said.append(_way(result.problem, baseline))
    return ", ".join(said)


def _way(problem: Problem, baseline: str) -> str:
    """Say what is formed in a baseline for products."""
    if baseline in ("free", "late"):
        return "with nothing formed" if problem.second is None else baseline_text(problem, baseline)
    return f"with {'J' if problem.second is None else 'H'} formed in this order"


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
    on, unit = _on_machines(schedule), unit_text(result.problem)
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
    on = _on_machines(schedule)
    faster = f"{schedule.speedup:,.2f}x faster than one"
    return f"makespan {schedule.makespan:,} {unit} {on}, {schedule_proof(schedule, claimed)}, {faster}"


def _on_machines(schedule: Schedule) -> str:
    """Say on how many machines a schedule is, and how fast blocks move between them where that takes time."""
    apart = "" if schedule.bandwidth is None else f" at {schedule.bandwidth:,} bytes/s"
    return f"on {plural(schedule.machines, 'machine')}{apart}"


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


class ListedSteps(NamedTuple):
    """The steps of a table, of which the first has the number `first`, with what follows from them."""

    title: str
    first: int
    steps: Sequence[Step]
    blocks: Sequence[Typed]
    prices: Sequence[int]
    alive: Sequence[int]
    total: int

    def rows(self, unit: str, most: int | None = None) -> list[tuple[str, ...]]:
        """Return the header and a row for each of the last `most` steps (None: all)."""
        rows: list[tuple[str, ...]] = [
            ("step", "operation", "of", "leads", "rows x cols", "structure", unit, "share", "alive")
        ]
        for place in range(self.hidden(most), len(self.steps)):
            typed, price = self.blocks[place], self.prices[place]
            rows.append(
                (
                    f"#{self.first + place}",
                    *_cells(self.steps[place], typed.block),
                    leads_text(typed),
                    shape_text(typed),
                    repr(typed.block.structure),
                    f"{price:,}",
                    f"{100 * price / self.total:.1f} %" if price else "",
                    f"{self.alive[place]:,}",
                )
            )
        return rows

    def hidden(self, most: int | None) -> int:
        """Return the number of steps that are not shown."""
        return 0 if most is None else max(0, len(self.steps) - most)

    def lines(self, unit: str, most: int | None) -> list[str]:
        """Lay the table out below its title."""
        lines = columns(self.rows(unit, most), right={0, 6, 7, 8}, indent="  ")
        if hidden := self.hidden(most):
            lines.insert(1, f"  ... {hidden:,} steps before these; --format json shows all")
        return [f"  {self.title}:", *lines] if self.title else lines


def shape_text(typed: Typed) -> str:
    """Write the shape of a block, of rows x cols, or x cols again where it is of second order."""
    second = typed.second
    sides = typed.block[:2] if second is None else second.block[:3]
    return " x ".join(f"{size:,}" for size in sides)


def leads_text(typed: Typed) -> str:
    """Write from where to where a block leads; one of second order starts at two vertices."""
    if typed.state:
        return typed.target
    start = typed.source if typed.second is None else f"{typed.source}, {typed.second.right}"
    return f"{start} -> {typed.target}".replace("\0", "")


def listed_steps(result: Result) -> Iterator[ListedSteps]:
    """Yield the steps of a plan, or of its set-up and of each of its programs, where there are some."""
    plan, replayed = result.plan, result.priced
    if plan is None or replayed is None:
        return
    if plan.steps:
        title = "set-up" if plan.programs else ""
        yield ListedSteps(title, 0, plan.steps, replayed.blocks, replayed.prices, replayed.alive, sum(replayed.prices))
    for one in replayed.programs:
        program, first = one.program, len(plan.steps)
        yield ListedSteps(program.name, first, program.steps, one.blocks, one.prices, one.alive, one.price)


def columns(rows: Sequence[Sequence[str]], right: set[int], indent: str) -> list[str]:
    """Align cells; columns in `right` to the right. A cell with nothing behind it takes the room it needs."""
    followed = ([row for row in rows if any(row[c + 1 :])] or rows for c in range(len(rows[0])))
    widths = [max(len(row[c]) for row in chosen) for c, chosen in enumerate(followed)]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(w) if c in right else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
