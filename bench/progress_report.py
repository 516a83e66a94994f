"""The report of the suite `dags-progress`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.charts import Axis, Chart, Series
from bench.dag_results import gap
from bench.markdown import DASH, distinct, duration, number, reproduce, share, table, times
from bench.pictures import Picture
from bench.progress import ProgressSuite
from bench.rows import ProgressRow, ratio

FIRST = 1e-3
"""Seconds at which a curve begins at the earliest."""
NEAR = 1.01
"""Cost over the final one from which on a search has nearly arrived."""


def progress_report_text(
    suite: ProgressSuite, about: Mapping[str, str], rows: Sequence[ProgressRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _ends(rows), charts, _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _runs(rows: Iterable[ProgressRow]) -> dict[tuple[str, str], list[ProgressRow]]:
    """The events of each search, by instance and solver."""
    found: dict[tuple[str, str], list[ProgressRow]] = {}
    for row in rows:
        found.setdefault((row.instance, row.solver), []).append(row)
    return found


def least_costs(rows: Iterable[ProgressRow]) -> dict[str, int]:
    """By instance the least cost of all searches."""
    found: dict[str, int] = {}
    for row in rows:
        if row.cost is not None:
            found[row.instance] = min(row.cost, found.get(row.instance, row.cost))
    return found


def greatest_bounds(rows: Iterable[ProgressRow]) -> dict[str, int]:
    """By instance the best bound of all searches."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.instance] = max(row.bound, found.get(row.instance, 0))
    return found


def _ends(rows: Sequence[ProgressRow]) -> list[str]:
    least, body = least_costs(rows), []
    for (instance, solver), events in _runs(rows).items():
        end = events[-1]
        costs = [row for row in events if row.cost is not None and row.cost <= NEAR * (end.cost or 0)]
        proofs = [row for row in events if row.bound == end.bound]
        body.append(
            [
                f"`{instance}`",
                f"`{solver}`",
                number(end.cost),
                times(ratio(end.cost, least[instance])) if end.cost and least.get(instance) else DASH,
                number(end.bound or None),
                share(gap(end.cost, end.bound)),
                duration(costs[0].seconds) if costs else DASH,
                duration(proofs[0].seconds) if end.bound else DASH,
                duration(end.seconds),
            ]
        )
    head = ["instance", "solver", "cost", "over the least", "bound", "gap", f"within {NEAR - 1:.0%}", "bound", "end"]
    return [
        "## Headline",
        "",
        "Cost and bound in fma at the end of each search, cost over the least of all searches, gap; seconds until the "
        f"cost was within {NEAR - 1:.0%} of the last one, until the last bound, and until the end.",
        "",
        *table(head, body, words=2),
    ]


def progress_pictures(rows: Sequence[ProgressRow]) -> list[Picture]:
    """For each solver the gap to the best bound of all over time, a curve per instance."""
    bounds, found = greatest_bounds(rows), []
    for solver in distinct(row.solver for row in rows):
        series = []
        for (instance, who), events in _runs(rows).items():
            if who == solver:
                series.append(Series(instance, tuple(_gaps(events, bounds[instance]))))
        text = (
            f"One run of `{solver}` on each graph: how far its best plan so far is above the best bound that any of "
            "the searches has proven, as a share of the plan's cost. What is left at the end is slack of the bound or "
            "of the plan."
        )
        x, y = Axis("seconds", log=True), Axis("gap", low=0.0, percent=True)
        found.append(Picture(solver, Chart(f"Gap over time, {solver}", text, x, y, tuple(series), "step")))
    return found


def _gaps(events: Sequence[ProgressRow], bound: int) -> list[tuple[float, float]]:
    points = []
    for row in events:
        if row.cost is not None:
            points.append((max(FIRST, row.seconds), gap(row.cost, bound) or 0.0))
    return points


def _how(suite: ProgressSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        "Every search writes down each better plan and bound that its solver tells it of; `auto` tells of those of the "
        "solvers it calls. Other load on the machine shifts the curves to the right. `--budget SECONDS` is what each "
        "search may take.",
    ]
