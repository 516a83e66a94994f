"""The report of the suite `budgets`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.budgets import SLACK, BudgetSuite
from bench.charts import Axis, Chart, Series
from bench.markdown import DASH, distinct, geometric_mean, number, reproduce, table, times
from bench.pictures import Picture
from bench.rows import BudgetRow, ratio

TOLERANCE = 1.05
"""How much dearer than one of its parts the plan of `auto` may be on one graph; on the mean it may not be."""
WHOLE = "auto"


def budget_report_text(
    suite: BudgetSuite, about: Mapping[str, str], rows: Sequence[BudgetRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _headline(rows), _commands(rows), _equal(rows), charts, _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def late(rows: Sequence[BudgetRow]) -> list[BudgetRow]:
    """The commands that took longer than they were allowed."""
    return [row for row in rows if row.allowed is not None and (row.seconds or 0.0) > row.allowed]


def against(rows: Sequence[BudgetRow]) -> dict[str, dict[str, float]]:
    """By part and graph the cost of `auto` over that of the part, in equal time."""
    cost = {(row.solver, row.instance): row.cost or 0 for row in rows if row.task == "equal"}
    found: dict[str, dict[str, float]] = {}
    for (solver, instance), price in cost.items():
        if solver != WHOLE and (WHOLE, instance) in cost:
            found.setdefault(solver, {})[instance] = ratio(cost[WHOLE, instance], price)
    return found


def budget_pictures(rows: Sequence[BudgetRow]) -> list[Picture]:
    """The share of the time allowed that commands take, over the number of vertices or factors."""
    own = [row for row in rows if row.allowed]
    names = distinct(f"{row.task}, {row.instance}" for row in own)
    series = []
    for name in names:
        found = sorted((r for r in own if f"{r.task}, {r.instance}" == name), key=lambda r: r.n)
        series.append(Series(name, tuple((float(r.n), (r.seconds or 0.0) / (r.allowed or 1.0)) for r in found)))
    text = "Wall time of a command over the time that it is allowed; above 100 % it is late."
    axes = Axis("vertices or factors", log=True), Axis("share of the time allowed", low=0.0, high=1.0, percent=True)
    return [Picture("wall", Chart("Time over the time allowed", text, *axes, tuple(series), "dots"))]


def _headline(rows: Sequence[BudgetRow]) -> list[str]:
    commands = [row for row in rows if row.task != "equal"]
    missed = late(commands)
    lines = [f"- {len(commands) - len(missed)} of {len(commands)} commands ended in the time that they are allowed."]
    lines += [f"- Late: {row.task} of {row.instance}, {row.n:,}: {_over(row)} s." for row in missed]
    for part, ratios in against(rows).items():
        worse = sum(value > TOLERANCE for value in ratios.values())
        mean, most = geometric_mean(list(ratios.values())), max(ratios.values())
        lines.append(
            f"- Cost of `{WHOLE}` over that of `{part}` in equal time: {times(mean)} on geometric mean, at most "
            f"{times(most)}; more than {TOLERANCE:g} on {worse} of {len(ratios)} graphs."
        )
    return ["## Headline", "", *lines]


def _over(row: BudgetRow) -> str:
    return f"{(row.seconds or 0.0) - (row.allowed or 0.0):+.2f}"


def _commands(rows: Sequence[BudgetRow]) -> list[str]:
    body = []
    for row in rows:
        if row.task == "equal":
            continue
        figures = [f"{value or 0.0:.2f}" for value in (row.budget, row.seconds, row.cpu, row.allowed)]
        found = [DASH if value is None else number(value) for value in (row.cost, row.bound)]
        body.append([row.task, row.instance, f"{row.n:,}", f"{row.edges:,}", *figures, _over(row), *found, row.status])
    head = ["command", "problem", "n", "edges", "budget", "wall", "processor", "allowed", "over", "fma", "bound", ""]
    return [
        "## Commands",
        "",
        f"Seconds. Allowed are the budget, {SLACK:g} s, and what it takes to read the spec, to check the plan and to "
        "print it, measured beside it. Wall time less processor time is what the machine gave to others.",
        "",
        *table(head, body, words=2),
    ]


def _equal(rows: Sequence[BudgetRow]) -> list[str]:
    own = [row for row in rows if row.task == "equal"]
    solvers = distinct(row.solver for row in own)
    cost = {(row.solver, row.instance): row.cost for row in own}
    body = []
    for instance in distinct(row.instance for row in own):
        found = [cost.get((solver, instance)) for solver in solvers]
        body.append([instance, *(DASH if value is None else number(value) for value in found)])
    return [
        f"## `{WHOLE}` and its parts",
        "",
        "What each finds in the same time, in fma.",
        "",
        *table(["graph", *(f"`{solver}`" for solver in solvers)], body),
    ]


def _how(suite: BudgetSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        "`complete` graphs join every vertex to all behind it, `wide` ones have 40 inputs and outputs, and each vertex "
        f"reads two of the last 400; `degree` and `local` are families of `dags-random`, whose graphs up to "
        f"{suite.largest:,} vertices are those on which `{WHOLE}` is compared, each solver for {suite.equal:g} s. A "
        "page may take half of its budget to plan.",
    ]
