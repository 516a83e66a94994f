"""The report of a run, a function of its CSV alone.

Costs are given as ratios to the optimum of the instance, times as ratios to chainplan's on the same instance in the
same run; seconds are there for the reader of one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.markdown import DASH, distinct, duration, exponent, factor, geometric_mean, reproduce, table, times
from bench.rows import Row
from bench.suites import ENOUGH, TURNS, Suite

GROWTH = "uniform"
"""The family whose instances differ in length alone."""
NOISE = 0.02
"""Share of a time below which a difference says nothing."""


def report_text(suite: Suite, about: Mapping[str, str], rows: Sequence[Row], charts: Sequence[str] = ()) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    orders = [row for row in rows if row.task == "order"]
    executions = [row for row in rows if row.task == "execute"]
    found = _Orders(orders, suite.reference)
    parts = [
        [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())],
        _headline(found),
        charts,
        _anchors(found),
        _growth(found),
        _execution(executions) if executions else [],
        _instances(found),
        _how(suite),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


class _Orders:
    """The rows of orders, looked at by solver, family and instance, in the order of the file."""

    def __init__(self, rows: Sequence[Row], reference: str) -> None:
        self.rows = rows
        self.done = [row for row in rows if row.status == "ok"]
        self.reference = reference
        self.solvers = distinct(row.solver for row in rows if row.status != "published")
        self.families = distinct(row.family for row in rows)
        self.instances = distinct(row.instance for row in rows)
        self._base = {row.instance: row.seconds for row in self.done if row.solver == reference}

    def of(self, solver: str, **where: str | int) -> list[Row]:
        """The rows of a solver with figures, where fields have these values."""
        return [
            row
            for row in self.done
            if row.solver == solver and all(getattr(row, key) == value for key, value in where.items())
        ]

    def slower(self, row: Row) -> float:
        """Planning time of a row over that of the reference."""
        return (row.seconds or 0.0) / (self._base[row.instance] or 1.0)


def _ratios(rows: Sequence[Row]) -> list[float]:
    return [row.ratio for row in rows if row.ratio is not None]


def _seconds(rows: Sequence[Row]) -> list[float]:
    return [row.seconds for row in rows if row.seconds is not None]


def _headline(found: _Orders) -> list[str]:
    def cost(rows: list[Row]) -> str:
        values = _ratios(rows)
        return f"{times(geometric_mean(values))} ({times(max(values))})"

    def time(rows: list[Row]) -> str:
        return factor(geometric_mean([found.slower(row) for row in rows]))

    return [
        "## Headline",
        "",
        "Cost over the optimum: geometric mean (worst) of the instances of a family. "
        "A solver stands for what it was run on, up to `n ≤`.",
        "",
        *_by_family(found, cost),
        "",
        f"Planning time over that of `{found.reference}`: geometric mean.",
        "",
        *_by_family(found, time),
    ]


def _by_family(found: _Orders, cell: Callable[[list[Row]], str]) -> list[str]:
    body = []
    for solver in found.solvers:
        rows = found.of(solver)
        longest = f"{max(row.n for row in rows):,}" if rows else DASH
        cells = [found.of(solver, family=family) for family in found.families]
        body.append([f"`{solver}`", longest, *(cell(rows) if rows else DASH for rows in cells)])
    return table(["solver", "n ≤", *found.families], body)


def _anchors(found: _Orders) -> list[str]:
    lines = ["## Anchors", "", *_published(found)]
    base = {row.instance: row for row in found.of(found.reference)}
    for row in found.of("multi_dot"):
        if row.n >= 1000:
            own = base[row.instance].seconds or 0.0
            lines.append(
                f"- `{row.instance}` ({row.n:,} factors): `{found.reference}` plans in {duration(own)}, the order "
                f"search of `multi_dot` takes {duration(row.seconds or 0.0)}, "
                f"{factor(found.slower(row))} times as long."
            )
    above = [row for row in found.of("multi_dot") if row.cost != row.optimum]
    if found.of("multi_dot"):
        worst = max((float(row.ratio or 1) - 1 for row in above), default=0.0)
        lines.append(
            f"- `multi_dot` counts in float64: {len(above)} of its {len(found.of('multi_dot'))} orders are not optimal"
            + (f", by at most {worst:.1e} of the optimum." if above else ".")
        )
    return lines


def _published(found: _Orders) -> list[str]:
    """Published optima, reproduced or not, and every order over them."""
    published = [row for row in found.rows if row.status == "published"]
    if not published:
        return []
    lines = []
    for row in published:
        costs = {own.cost for own in found.of(found.reference, instance=row.instance)}
        verdict = "reproduced" if costs == {row.optimum} else f"not reproduced ({costs})"
        lines.append(f"- `{row.instance}`: published optimum {row.optimum:,} multiplications, {verdict}.")
    body = [["best published path", *(times(row.ratio or 0.0) for row in published)]]
    for solver in found.solvers:
        cells = [_ratios(found.of(solver, instance=row.instance)) for row in published]
        body.append([f"`{solver}`", *(_span(values) for values in cells)])
    return [*lines, "", *table(["over the optimum", *(f"`{row.instance}`" for row in published)], body), ""]


def _span(values: Sequence[float]) -> str:
    """One ratio, or the least and the greatest where seeds differ."""
    if not values:
        return DASH
    least, most = times(min(values)), times(max(values))
    return least if least == most else f"{least} to {most}"


def _growth(found: _Orders) -> list[str]:
    lengths = sorted({row.n for row in found.done if row.family == GROWTH})
    if len(lengths) < 2:
        return []
    body = []
    for solver in found.solvers:
        means = {}
        for n in lengths:
            seconds = _seconds(found.of(solver, family=GROWTH, n=n))
            if seconds:
                means[n] = geometric_mean(seconds)
        cells = [duration(means[n]) if n in means else "not run" for n in lengths]
        body.append([f"`{solver}`", *cells, exponent(means)])
    return [
        "## Growth of planning time",
        "",
        f"Family `{GROWTH}`, geometric mean over its instances of n factors. The last column is p in time ~ n^p "
        "between the two longest lengths run.",
        "",
        *table(["solver", *(f"n = {n:,}" for n in lengths), "p"], body),
    ]


def _execution(rows: Sequence[Row]) -> list[str]:
    body = []
    for case in distinct(row.instance for row in rows):
        run = {row.solver: row for row in rows if row.instance == case}
        hand = run["by-hand"].seconds or 0.0
        steps = run["by-hand"].n - 1
        for name, row in run.items():
            seconds = row.seconds or 0.0
            rate = f"{(row.cost or 0) / seconds / 1e9:.3g}"
            beyond = duration((seconds - hand) / steps) if seconds > (1 + NOISE) * hand else DASH
            body.append(
                [
                    f"`{case}`",
                    f"{steps:,}",
                    f"`{name}`",
                    duration(seconds),
                    f"{seconds / hand:.2f}",
                    beyond,
                    rate,
                ]
            )
    return [
        "## Executor",
        "",
        "One run of a plan in numpy, best of several in turns. `by-hand` is a loop over the same products with the "
        "same frees; `execute-first` is the first run of a plan, which also chooses the kernels of its steps. "
        f"A difference of less than {NOISE:.0%} is not told from noise.",
        "",
        *table(["chain", "products", "how", "time", "over by-hand", "beyond it, per product", "10⁹ fma/s"], body),
    ]


def _instances(found: _Orders) -> list[str]:
    def costs(rows: list[Row]) -> str:
        return _span(_ratios(rows))

    def seconds(rows: list[Row]) -> str:
        return duration(min(_seconds(rows)))

    skipped = distinct(
        f"`{row.solver}`: {row.status.removeprefix('not run: ')}"
        for row in found.rows
        if row.status.startswith("not run")
    )
    return [
        "## Instances",
        "",
        "Cost over the optimum; over several seeds, least to greatest."
        + (f" {DASH} is not run: {'; '.join(skipped)}." if skipped else ""),
        "",
        *_by_instance(found, costs),
        "",
        "Planning time; over several seeds, the least.",
        "",
        *_by_instance(found, seconds),
    ]


def _by_instance(found: _Orders, cell: Callable[[list[Row]], str]) -> list[str]:
    body = []
    for instance in found.instances:
        cells = [found.of(solver, instance=instance) for solver in found.solvers]
        body.append([f"`{instance}`", *(cell(rows) if rows else DASH for rows in cells)])
    return table(["instance", *(f"`{solver}`" for solver in found.solvers)], body)


def _how(suite: Suite) -> list[str]:
    return [
        *reproduce(
            suite.name,
            f"python -m bench verify {suite.name}    # plans every instance again, compares with the stored optimum",
        ),
        "Planning time runs from the list of sizes to the order, for everyone; chainplan's includes the check of the "
        "plan. Costs are derived from the orders by `bench/costs.py`, never taken from the solver. Solvers take turns "
        f"on each instance and the best time counts: up to {TURNS} turns, no further one after {ENOUGH} s in all. So a "
        "slow solver has one turn, which other load on the machine can lengthen; quick ones have firmer figures.",
        *(line for note in suite.notes for line in ("", note)),
    ]
