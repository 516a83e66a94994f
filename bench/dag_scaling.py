"""The sections of a report on linearised DAGs that are about growth: size, time, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.dag_results import REFERENCE, Reference, Results, gap, ratios
from bench.dag_suites import APART
from bench.markdown import DASH, distinct, duration, exponent, geometric_mean, mean_times, share, table
from bench.rows import DagRow


def families(found: Results) -> list[str]:
    """Costs and gaps by family and size."""
    rows = found.of(REFERENCE)
    if not _scaled(found):
        return []

    def over(reference: Reference) -> Callable[[DagRow], str]:
        return lambda row: mean_times(ratios([row], reference))

    lines = ["## Families", ""]
    for words, cell in (
        ("Cost over the better of forward and reverse order", over(found.baseline)),
        ("Cost over the best of all greedy keys", over(found.keys)),
        ("Gap", lambda row: share(gap(row.cost, row.bound))),
    ):
        body = []
        for family in found.families:
            by_size = {row.n: cell(row) for row in rows if row.family == family}
            body.append([family, *(by_size.get(n, DASH) for n in found.sizes)])
        lines += [f"{words}, `{REFERENCE}`.", "", *table(["family", *_size_heads(found)], body), ""]
    return lines[:-1]


def _scaled(found: Results) -> bool:
    """Whether there is one instance of a family and size, as in a suite of random families, and more than one size."""
    rows = found.of(REFERENCE)
    return len(found.sizes) > 1 and len({(row.family, row.n) for row in rows}) == len(rows)


def _size_heads(found: Results) -> list[str]:
    return [f"n = {n:,}" for n in found.sizes]


def curves(found: Results) -> list[str]:
    """Costs and gaps by budget."""
    if not found.curves:
        return []
    budgets = sorted({row.budget for row in found.curves if row.budget is not None})
    body = []
    for instance in distinct(row.instance for row in found.curves):
        runs = {row.budget: row for row in found.curves if row.instance == instance}
        bound = found.bound(instance)
        costs = [mean_times(ratios([runs[b]], found.keys)) if b in runs else DASH for b in budgets]
        gaps = [share(gap(runs[b].cost, bound)) if b in runs else DASH for b in budgets]
        body.append([f"`{instance}`", *(f"{cost} ({apart})" for cost, apart in zip(costs, gaps, strict=True))])
    solver = found.curves[0].solver
    return [
        "## Gap over time",
        "",
        f"One run of `{solver}` per budget: cost over the best of all greedy keys, and gap to the best bound that any "
        "solver has proven on the instance.",
        "",
        *table(["instance", *(f"{b:g} s" for b in budgets)], body),
    ]


def growth(found: Results) -> list[str]:
    """Planning time by size."""
    if not _scaled(found):
        return []
    body = []
    for solver in found.solvers:
        means = {n: _mean_seconds(found.of(solver, n=n)) for n in found.sizes if found.of(solver, n=n)}
        cells = [duration(means[n]) if n in means else "not run" for n in found.sizes]
        body.append([f"`{solver}`", *cells, _rate(found, solver, sorted(means)[-2:])])
    return [
        "## Growth of planning time",
        "",
        "Geometric mean over the instances of n vertices. The last column is p in time ~ n^p between the two largest "
        "sizes run, of the families that both have; it says something only of solvers that end before their budget or "
        "overrun it.",
        "",
        *table(["solver", *_size_heads(found), "p"], body),
    ]


def _mean_seconds(rows: Sequence[DagRow]) -> float:
    return geometric_mean([row.seconds for row in rows if row.seconds is not None])


def _rate(found: Results, solver: str, sizes: Sequence[int]) -> str:
    """The exponent of time between two sizes, on the families of both."""
    rows = [found.of(solver, n=n) for n in sizes]
    both = set.intersection(*({row.family for row in some} for some in rows)) if rows else set[str]()
    means = {n: [row for row in some if row.family in both] for n, some in zip(sizes, rows, strict=True)}
    return exponent({n: _mean_seconds(some) for n, some in means.items()}) if both else DASH


def large(found: Results) -> list[str]:
    """Time and memory of the graphs that were planned apart."""
    rows = [row for row in found.done if row.memory is not None]
    if not rows:
        return []
    body = [
        [
            f"`{row.instance}`",
            f"{row.edges:,}",
            f"`{row.solver}`",
            mean_times(ratios([row], found.baseline)),
            share(gap(row.cost, row.bound)),
            duration(row.seconds or 0.0),
            f"{row.memory:,} MiB",
        ]
        for row in rows
    ]
    return [
        "## Large graphs",
        "",
        f"From {APART:,} vertices each plan has a process of its own. Cost over the better of forward and reverse; "
        "memory is the most that the process held, the graph and Python included.",
        "",
        *table(["instance", "edges", "solver", "cost", "gap", "time", "memory"], body),
    ]
