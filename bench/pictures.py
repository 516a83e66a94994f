"""Which charts a suite has, as functions of its rows.

Every picture has a key, which ends the name of its file, and a chart whose title and description stand in the file and
beside it in the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.charts import Axis, Chart, Series, svg
from bench.dag_results import REFERENCE
from bench.markdown import geometric_mean
from bench.profiles import profiles
from bench.rows import DagRow, JaxRow, Row, StructureRow

GROWTH = "uniform"
"""The family of chains whose instances differ in length alone."""
FACTOR = Axis("factor τ", log=True, low=1.0)
SHARE = Axis("share of instances within τ of the best", low=0.0, high=1.0, percent=True)


@dataclass(frozen=True)
class Picture:
    """A chart and the end of the name of its file."""

    key: str
    chart: Chart

    def file(self, stem: str) -> str:
        """Name of the file in a report whose files begin with `stem`."""
        return f"{stem}-{self.key}.svg"


def section(stem: str, pictures: Sequence[Picture]) -> list[str]:
    """The section of a report that shows its pictures."""
    lines = ["## Charts"]
    for picture in pictures:
        chart = picture.chart
        lines += ["", f"![{chart.title}]({picture.file(stem)})", "", chart.description]
    return lines if pictures else []


def files(stem: str, pictures: Sequence[Picture]) -> dict[str, str]:
    """The files of the pictures by name."""
    return {picture.file(stem): svg(picture.chart) for picture in pictures}


def profile(key: str, title: str, what: str, values: Mapping[str, Mapping[str, float]]) -> Picture:
    """A performance profile."""
    text = (
        f"{what} For each factor τ the share of instances on which a solver is within τ times the least of all; where "
        "it was not run or is not known, it is not within any τ. Further up and to the left is better."
    )
    return Picture(key, Chart(title, text, FACTOR, SHARE, profiles(values), "step"))


def growth(key: str, title: str, what: str, y: str, points: Iterable[tuple[str, int, float]]) -> Picture:
    """Curves over n on logarithmic axes, geometric means of the values (solver, n, value) that are positive."""
    found: dict[str, dict[int, list[float]]] = {}
    for who, n, value in points:
        if value > 0:
            found.setdefault(who, {}).setdefault(n, []).append(value)
    series = tuple(
        Series(who, tuple((float(n), geometric_mean(by_size[n])) for n in sorted(by_size)))
        for who, by_size in found.items()
    )
    return Picture(key, Chart(title, what, Axis("n", log=True), Axis(y, log=True), series))


def chain_pictures(rows: Sequence[Row]) -> list[Picture]:
    """Of dense chains: profiles of cost and planning time, growth of cost and planning time."""
    done = [row for row in rows if row.task == "order" and row.status == "ok"]
    own = [row for row in done if row.family == GROWTH]
    return [
        profile(
            "profile", "Cost of orders, chains", "Own solvers and peers by the cost of their orders.", _costs(done)
        ),
        profile(
            "speed",
            "Planning time, chains",
            "Own solvers and peers by planning time, whatever they find.",
            _times(done),
        ),
        growth(
            "planning",
            "Planning time over length",
            f"Geometric mean over the chains of n factors of the family `{GROWTH}`; time limits end the searches.",
            "seconds",
            ((row.solver, row.n, row.seconds or 0.0) for row in own),
        ),
        growth(
            "cost",
            "Cost over length",
            f"Multiplications that running the order takes, geometric mean over the chains of the family `{GROWTH}`.",
            "multiplications",
            ((row.solver, row.n, float(row.cost or 0)) for row in own),
        ),
    ]


def _costs(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """By solver and instance, the mean over seeds of cost over optimum."""
    return _means((row.solver, row.instance, row.ratio) for row in rows)


def _times(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    return _means((row.solver, row.instance, row.seconds) for row in rows)


def _means(entries: Iterable[tuple[str, str, float | None]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {}
    for who, instance, value in entries:
        if value is not None and value > 0:
            found.setdefault(who, {}).setdefault(instance, []).append(value)
    return {who: {i: geometric_mean(values) for i, values in some.items()} for who, some in found.items()}


PUBLISHED = {"markowitz_low": "Markowitz", "best_known": "best published", "vertex_optimum": "best published"}
"""Figures published with graphs that a profile shows; learned orders are known of too few."""


def dag_pictures(rows: Sequence[DagRow]) -> list[Picture]:
    """Of graphs: a profile of costs, and growth of both where a family has one graph of each size."""
    plans = [row for row in rows if row.task == "plan"]
    named = [(PUBLISHED.get(row.solver, row.solver), row) for row in plans if row.cost is not None]
    named = [(who, row) for who, row in named if row.status != "published" or row.solver in PUBLISHED]
    named.sort(key=lambda entry: entry[0] != REFERENCE)  # what a report is about lies on top
    costs = _means((who, row.instance, float(row.cost or 0)) for who, row in named)
    found = [profile("profile", "Cost of plans, graphs", "Own solvers, and published orders where there are.", costs)]
    own = [row for _, row in named if row.status != "published"]
    families, places = {row.family for row in own}, {row.instance: (row.family, row.n) for row in own}
    whole = {n for n in {row.n for row in own} if {row.family for row in own if row.n == n} == families}
    if len(whole) < 2 or len(set(places.values())) < len(places):
        return found
    own = [row for row in own if row.n in whole]
    return [
        *found,
        growth(
            "planning",
            "Planning time over size",
            "Geometric mean over the graphs of n intermediate vertices, at the sizes that every family has; searches "
            "end by their budget.",
            "seconds",
            ((row.solver, row.n, row.seconds or 0.0) for row in own),
        ),
        growth(
            "cost",
            "Cost over size",
            "Multiply-adds that running the plan takes, geometric mean over the same graphs.",
            "fma",
            ((row.solver, row.n, float(row.cost or 0)) for row in own),
        ),
    ]


def structure_pictures(rows: Sequence[StructureRow]) -> list[Picture]:
    """Of mixed chains: what counts and models foresee against measured time, and a profile of those who choose."""
    orders = [row for row in rows if row.task == "time" and row.order and row.seconds]
    foreseen = Chart(
        "Predicted fma against measured time, orders of mixed chains",
        f"Each of the {len(orders):,} dots is one order of a chain: its multiply-adds, and the time that running it "
        "took. Dots below each other cost the same and take different kernels to run.",
        Axis("predicted fma", log=True),
        Axis("measured seconds", log=True),
        (Series("an order", tuple((float(r.fma or 0), r.seconds or 0.0) for r in orders)),),
        "dots",
    )
    models = tuple(
        Series(name, tuple((1e-9 * (getattr(r, name) or 0), r.seconds or 0.0) for r in orders))
        for name in ("weighted", "calibrated")
    )
    modelled = Chart(
        "Modelled against measured time, orders of mixed chains",
        "The same orders by the objectives that count nanoseconds per kernel; on the line a model is exact.",
        Axis("modelled seconds", log=True),
        Axis("measured seconds", log=True),
        models,
        "dots",
        diagonal=True,
    )
    chosen = [(who, row) for row in rows if row.task == "time" for who in row.chosen_by.split()]
    values = _means((who, row.instance, row.seconds) for who, row in chosen)
    taken = profile("profile", "Time of chosen orders", "By who chooses the order, its measured time.", values)
    return [Picture("predicted", foreseen), Picture("modelled", modelled), taken] if orders else []


def jax_pictures(rows: Sequence[JaxRow]) -> list[Picture]:
    """Of JAX functions: operations against time for plans and modes, and a profile of times."""
    done = [row for row in rows if row.status == "ok" and row.plan_seconds]
    if not done:
        return []
    ways = ("plan", "jacfwd", "jacrev")
    measured = Chart(
        "Predicted fma against measured time, JAX functions",
        "Each dot is a function at a batch: multiply-adds of all its points together, seconds of a compiled call. "
        "Few operations take as long as handing arrays over does.",
        Axis("predicted fma", log=True),
        Axis("measured seconds", log=True),
        tuple(
            Series(
                way,
                tuple(
                    (float(row.batch * (getattr(row, f"{way}_fma") or 0)), getattr(row, f"{way}_seconds") or 0.0)
                    for row in done
                ),
            )
            for way in ways
        ),
        "dots",
    )
    names = ("plan", "default", "jacfwd", "jacrev")
    entries = ((way, f"{row.instance} {row.batch}", getattr(row, f"{way}_seconds")) for row in done for way in names)
    what = "Ways to the Jacobian by the time of a compiled call."
    return [Picture("predicted", measured), profile("profile", "Time of a compiled call", what, _means(entries))]
