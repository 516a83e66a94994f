"""The report of the suite `limits`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.charts import Axis, Chart, Series
from bench.limits import OPTIMUM, ORDERS, PUBLISHED, LimitSuite
from bench.markdown import DASH, distinct, duration, exponent, geometric_mean, number, reproduce, table, times
from bench.pictures import Picture, growth
from bench.rows import LimitRow, ratio

GOAL = 1.6
"""What two workers are to gain on a plan of two equal halves."""
HALVES = "two halves"


def limit_report_text(
    suite: LimitSuite, about: Mapping[str, str], rows: Sequence[LimitRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _threads(rows), _growth(rows), _memory(rows), _machines(rows), charts, _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _of(rows: Sequence[LimitRow], task: str) -> list[LimitRow]:
    return [row for row in rows if row.task == task]


def gains(rows: Sequence[LimitRow]) -> dict[str, float]:
    """By instance the time of one worker over that of two."""
    seconds = {(row.instance, row.level): row.seconds or 0.0 for row in _of(rows, "threads")}
    names = distinct(row.instance for row in _of(rows, "threads"))
    return {name: seconds[name, 1] / seconds[name, 2] for name in names}


def _threads(rows: Sequence[LimitRow]) -> list[str]:
    found, body = gains(rows), []
    for name, gain in found.items():
        one, two = sorted((r for r in _of(rows, "threads") if r.instance == name), key=lambda r: r.level)
        at_most = ratio(one.cost or 1, two.bound or 1)
        seconds = [duration(row.seconds or 0.0) for row in (one, two)]
        cores = [f"{(row.cpu or 0.0) / (row.seconds or 1.0):.2f}" for row in (one, two)]
        body.append([name, number(one.cost), *seconds, *cores, f"{gain:.2f}", f"{at_most:.2f}"])
    lines = [
        "## Headline",
        "",
        "Threads: the same plan with `workers=1` and `workers=2`, in turns, the least time of each, and how many "
        "cores the machine gave in that turn. No schedule of the plan gains more than the last column says: the "
        "dearest way through it takes its time.",
        "",
        *table(["plan", "fma", "1 worker", "2 workers", "cores for 1", "cores for 2", "gain", "at most"], body),
    ]
    if HALVES in found:
        verdict = "reached" if found[HALVES] >= GOAL else "missed"
        lines += ["", f"At least {GOAL} on two equal independent halves: {verdict} ({found[HALVES]:.2f})."]
    return lines


def _growth(rows: Sequence[LimitRow]) -> list[str]:
    own, body = _of(rows, "growth"), []
    lengths = sorted({row.level for row in own})
    for order in ORDERS:
        by_length = {row.level: row for row in own if row.solver == order}
        for what in ("planning", "seconds"):
            values = {n: v for n in lengths if (v := getattr(by_length[n], what)) is not None}
            cells = [duration(values[n]) if n in values else "not run" for n in lengths]
            body.append([f"`{order}`", "planning" if what == "planning" else "running", *cells, exponent(values)])
    return [
        "## Length",
        "",
        "One chain of n dense factors with sizes from 1 to 1,000 each: planned, and run by numpy with one thread. The "
        "last column is p in time ~ n^p between the two greatest lengths.",
        "",
        *table(["order", "", *(f"n = {n:,}" for n in lengths), "p"], body, words=2),
    ]


def fronts(rows: Sequence[LimitRow]) -> dict[tuple[str, str], list[LimitRow]]:
    """By chain and solver the plans by falling memory."""
    found: dict[tuple[str, str], list[LimitRow]] = {}
    for row in _of(rows, "memory"):
        found.setdefault((row.instance, row.solver), []).append(row)
    return found


def _memory(rows: Sequence[LimitRow]) -> list[str]:
    body = []
    for (name, solver), steps in fronts(rows).items():
        first, last = steps[0], steps[-1]
        half = [row for row in steps if 2 * row.level <= first.level][:1]
        within_half = times(ratio(half[0].cost or 1, first.cost or 1)) if half else DASH
        cells = [within_half, times(ratio(last.cost or 1, first.cost or 1)), number(len(steps))]
        sizes = [number(first.cost), number(first.level), number(last.level)]
        body.append([name, f"`{solver}`", *sizes, *cells, duration(first.planning or 0.0)])
    return [
        "## Memory",
        "",
        "Matrix-free chains under a memory limit, with states given (`chain-memory`), and with states that count, are "
        "stored and evaluated again (`chain-recompute`): cost of the cheapest plan, the elements it holds, the least "
        "in which there is a plan; what the cheapest plan costs within half the elements and within the least, over "
        "the cheapest of all; how many plans there are on the way that none beats in both; and the time to find them "
        "all. The fronts are exact.",
        "",
        *table(
            ["chain", "solver", "fma", "elements", "least", "cost within half", "cost within least", "plans", "time"],
            body,
            words=2,
        ),
    ]


def own_makespans(rows: Sequence[LimitRow]) -> dict[str, dict[int, LimitRow]]:
    """By chain and number of machines, of the chains that are our own."""
    found: dict[str, dict[int, LimitRow]] = {}
    published = {row.instance for row in _of(rows, "machines") if row.status == "published"}
    for row in _of(rows, "machines"):
        if row.instance not in published:
            found.setdefault(row.instance, {})[row.level] = row
    return found


def _machines(rows: Sequence[LimitRow]) -> list[str]:
    own = own_makespans(rows)
    if not own:
        return []
    numbers, body = sorted({level for found in own.values() for level in found}), []
    for name, found in own.items():
        one, best = found[min(found)].cost or 1, [found.get(m) for m in numbers]
        cells = [DASH if r is None else times(ratio(r.cost or 1, one)) + "*" * (r.status == "optimal") for r in best]
        body.append([name, number(one), *cells])
    return [
        "## Machines",
        "",
        "The makespan on m identical machines over that on one, which is the cost of the cheapest plan; * where it is "
        "proven that no schedule of any bracketing is shorter.",
        "",
        *table(["chain", "fma", *(f"m = {m}" for m in numbers)], body),
        *_published_schedules(rows),
    ]


def schedules(rows: Sequence[LimitRow]) -> list[tuple[LimitRow, int, int]]:
    """Own schedules of published chains, each with the published optimum and what the published program finds."""
    found = {(row.instance, row.level, row.solver): row for row in _of(rows, "machines")}
    published = [(name, m) for name, m, who in found if who == OPTIMUM]
    triples = [[found[name, m, who] for who in ("auto", OPTIMUM, PUBLISHED)] for name, m in published]
    return [(own, optimum.cost or 0, other.cost or 0) for own, optimum, other in triples]


def _published_schedules(rows: Sequence[LimitRow]) -> list[str]:
    found = schedules(rows)
    if not found:
        return []
    reached = sum(own.cost == optimum for own, optimum, _ in found)
    proven = sum(own.status == "optimal" for own, _, _ in found)
    above = [ratio(other, own.cost) for own, _, other in found if own.cost and other > own.cost]
    seconds = [own.planning or 0.0 for own, _, _ in found]
    return [
        "",
        f"Published chains (arXiv 2505.06056), {len(found)} pairs of a chain and a number of machines: the optimum is "
        f"reached on {reached} and proven on {proven}; the published dynamic program is above it on {len(above)}, "
        f"by {times(max(above, default=1.0))} at most. Planning takes {duration(geometric_mean(seconds))} on geometric "
        f"mean, {duration(max(seconds))} at most.",
    ]


def limit_pictures(rows: Sequence[LimitRow]) -> list[Picture]:
    """Planning, running and cost over length; cost over memory."""
    own = _of(rows, "growth")
    seconds = [(f"{row.solver}, planning", row.level, row.planning or 0.0) for row in own]
    seconds += [(f"{row.solver}, running", row.level, row.seconds or 0.0) for row in own]
    costs = [(row.solver, row.level, float(row.cost or 0)) for row in own]
    text = "Planning a chain of n dense factors, and running the order in numpy, as far as it was run."
    return [
        growth("seconds", "Time over length", text, "seconds", seconds),
        growth("cost", "Cost over length", "Multiply-adds of the orders of the same chains.", "fma", costs),
        Picture("memory", _trade(rows, "chain-memory", "Cost under a memory limit", "states given")),
        Picture(
            "recompute", _trade(rows, "chain-recompute", "Cost under a memory limit, recomputing", "states evaluated")
        ),
        Picture("machines", _makespans(rows)),
    ]


def _trade(rows: Sequence[LimitRow], solver: str, title: str, how: str) -> Chart:
    series = []
    for (name, who), steps in fronts(rows).items():
        if who == solver:
            points = ((row.level / steps[0].level, ratio(row.cost or 1, row.bound or 1)) for row in reversed(steps))
            series.append(Series(name, tuple(points)))
    return Chart(
        title,
        f"Matrix-free chains, {how}: the cost of the cheapest plan within a share of the elements that the cheapest of "
        "all holds, over the cost of that one. Each corner is another plan.",
        Axis("share of the elements", high=1.0, percent=True),
        Axis("cost over the cheapest", log=True, low=1.0),
        tuple(series),
        "step",
    )


def _makespans(rows: Sequence[LimitRow]) -> Chart:
    series = []
    for name, found in own_makespans(rows).items():
        one = found[min(found)].cost or 1
        series.append(Series(name, tuple((float(m), ratio(found[m].cost or 1, one)) for m in sorted(found))))
    return Chart(
        "Makespan over machines",
        "Matrix-free chains: the time of the best schedule on m machines over that on one. Where a curve is flat, the "
        "dearest way through the plan takes all the time.",
        Axis("machines", low=1.0),
        Axis("makespan over that on one machine", low=0.0, high=1.0, percent=True),
        tuple(series),
    )


def _how(suite: LimitSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        f"Threads: the halves are products of three dense factors of {suite.half:,} x {suite.half:,} with an input and "
        f"an output each; the chains have {suite.factors} dense factors with sizes from {suite.widest // 4:,} to "
        f"{suite.widest:,}. {suite.turns} turns, one BLAS thread for each worker. Whatever else wants the cores takes "
        "more from two workers than from one.",
    ]
