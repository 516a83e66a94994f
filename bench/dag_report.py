"""The report of a suite of linearised DAGs, a function of its CSV alone.

Costs are given as ratios to orders that others would use: the cheaper of forward and reverse, the best greedy order by
any key, published ones. The gap says how far a cost may be above the optimum, as a share of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.dag_results import Reference, Results, gap, ratios
from bench.dag_suites import APART, DagSuite
from bench.markdown import DASH, distinct, duration, exponent, geometric_mean, table, times
from bench.rows import DagRow

REFERENCE = "auto"
"""The solver that the headline is about."""


def dag_report_text(suite: DagSuite, about: Mapping[str, str], rows: Sequence[DagRow]) -> str:
    """The whole report."""
    found = Results(rows)
    parts = [
        [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())],
        _headline(found),
        _checks(found),
        _solvers(found),
        _against_published(found),
        _sizes(found),
        _curves(found),
        _growth(found),
        _apart(found),
        _instances(found),
        _how(suite),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _headline(found: Results) -> list[str]:
    rows = found.of(REFERENCE)
    proven = [row for row in rows if row.status == "optimal"]
    lines = [f"- `{REFERENCE}` proves {len(proven)} of its {len(rows)} plans optimal within vertex elimination."]
    known = [(row, other) for row in rows if (other := found.known(row)) is not None]
    if known:
        beaten = [row.instance for row, other in known if (row.cost or 0) < other]
        above = [row.instance for row, other in known if (row.cost or 0) > other]
        lines.append(
            f"- It reaches or beats the best known cost on {len(known) - len(above)} of {len(known)} instances, and "
            f"beats it on {len(beaten)}{_named(beaten)}. Above it: {len(above)}{_named(above)}."
        )
    for words, reference in _references(found):
        values = ratios(rows, reference)
        if values:
            lines.append(f"- Cost over {words}: {_mean_and_span(values)}, {len(values)} instances.")
    return ["## Headline", "", *lines]


def _references(found: Results) -> list[tuple[str, Reference]]:
    return [
        ("the better of forward and reverse", found.baseline),
        ("the best of all greedy keys", found.keys),
        ("the better Markowitz order", found.markowitz),
        ("the published order", found.learned),
        ("the best known", found.known),
    ]


def _mean_and_span(values: Sequence[float]) -> str:
    return f"{times(geometric_mean(values))} on geometric mean, {times(min(values))} to {times(max(values))}"


def _named(instances: Sequence[str]) -> str:
    return f" ({', '.join(f'`{name}`' for name in instances)})" if instances else ""


def _checks(found: Results) -> list[str]:
    mistakes = distinct(found.disagreements())
    lines = [f"- {line}" for line in mistakes] or [
        "No bound is above a cost, no proven cost above another or beside a published optimum, and no solver failed."
    ]
    return ["## Checks", "", *lines]


def _solvers(found: Results) -> list[str]:
    body = []
    for solver in found.solvers:
        rows = found.of(solver)
        if not rows:
            continue
        gaps = [value for row in rows if (value := gap(row.cost, row.bound)) is not None]
        seconds = [row.seconds for row in rows if row.seconds is not None]
        cells = [_mean(ratios(rows, reference)) for _, reference in _references(found)]
        body.append(
            [
                f"`{solver}`",
                f"{len(rows):,}",
                f"{max(row.n for row in rows):,}",
                *cells,
                f"{sum(row.status == 'optimal' for row in rows):,}",
                f"{sum(gaps) / len(gaps):.1%}" if gaps else DASH,
                duration(geometric_mean(seconds)),
                duration(max(seconds)),
            ]
        )
    head = ["solver", "run on", "n ≤", "forward, reverse", "keys", "Markowitz", "published order", "best known"]
    return [
        "## Solvers",
        "",
        "Cost over that of other orders, geometric mean of the instances that a solver was run on and the order is "
        "known for; plans proven optimal; mean of its own gaps, where it has a bound; seconds, geometric mean and "
        "greatest.",
        "",
        *table([*head, "proven", "gap", "time", "longest"], body),
    ]


def _mean(values: Sequence[float]) -> str:
    return times(geometric_mean(values)) if values else DASH


def _against_published(found: Results) -> list[str]:
    body = []
    for row in found.of(REFERENCE):
        learned = found.learned(row)
        if learned is not None and row.cost is not None:
            bound = found.bound(row.instance)
            figures = (found.baseline(row), found.markowitz(row), learned, found.known(row), row.cost, bound or None)
            body.append([f"`{row.instance}`", *map(_number, figures), *map(_mean, (ratios([row], found.learned),))])
    if not body:
        return []
    head = ["instance", "forward, reverse", "Markowitz", "published order", "best known", "auto", "bound", "auto/order"]
    return [
        "## Learned orders",
        "",
        "In fma; the bound is the best that any solver has proven.",
        "",
        *table(head, body),
    ]


def _number(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


def _sizes(found: Results) -> list[str]:
    """Families by size, where instances differ in size alone."""
    rows = found.of(REFERENCE)
    if not rows or len({(row.family, row.n) for row in rows}) < len(rows):
        return []

    def over(reference: Reference) -> Callable[[DagRow], str]:
        return lambda row: _mean(ratios([row], reference))

    lines = ["## Families", ""]
    for words, cell in (
        ("Cost over the better of forward and reverse order", over(found.baseline)),
        ("Cost over the best of all greedy keys", over(found.keys)),
        ("Gap", lambda row: _share(gap(row.cost, row.bound))),
    ):
        body = []
        for family in found.families:
            by_size = {row.n: cell(row) for row in rows if row.family == family}
            body.append([family, *(by_size.get(n, DASH) for n in found.sizes)])
        lines += [f"{words}, `{REFERENCE}`.", "", *table(["family", *_size_heads(found)], body), ""]
    return lines[:-1]


def _size_heads(found: Results) -> list[str]:
    return [f"n = {n:,}" for n in found.sizes]


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value:.1%}"


def _curves(found: Results) -> list[str]:
    if not found.curves:
        return []
    budgets = sorted({row.budget for row in found.curves if row.budget is not None})
    body = []
    for instance in distinct(row.instance for row in found.curves):
        runs = {row.budget: row for row in found.curves if row.instance == instance}
        bound = found.bound(instance)
        costs = [_mean(ratios([runs[b]], found.keys)) if b in runs else DASH for b in budgets]
        gaps = [_share(gap(runs[b].cost, bound)) if b in runs else DASH for b in budgets]
        body.append([f"`{instance}`", *(f"{cost} ({share})" for cost, share in zip(costs, gaps, strict=True))])
    solver = found.curves[0].solver
    return [
        "## Gap over time",
        "",
        f"One run of `{solver}` per budget: cost over the best of all greedy keys, and gap to the best bound that any "
        "solver has proven on the instance.",
        "",
        *table(["instance", *(f"{b:g} s" for b in budgets)], body),
    ]


def _growth(found: Results) -> list[str]:
    if not found.curves or len(found.sizes) < 2:
        return []
    body = []
    for solver in found.solvers:
        means = {}
        for n in found.sizes:
            seconds = [row.seconds for row in found.of(solver, n=n) if row.seconds is not None]
            if seconds:
                means[n] = geometric_mean(seconds)
        cells = [duration(means[n]) if n in means else "not run" for n in found.sizes]
        body.append([f"`{solver}`", *cells, exponent(means)])
    return [
        "## Growth of planning time",
        "",
        "Geometric mean over the instances of n vertices. The last column is p in time ~ n^p between the two largest "
        "sizes run; it says something only of solvers that end before their budget or overrun it.",
        "",
        *table(["solver", *_size_heads(found), "p"], body),
    ]


def _apart(found: Results) -> list[str]:
    rows = [row for row in found.done if row.memory is not None]
    if not rows:
        return []
    body = [
        [
            f"`{row.instance}`",
            f"{row.edges:,}",
            f"`{row.solver}`",
            _mean(ratios([row], found.baseline)),
            _share(gap(row.cost, row.bound)),
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


def _instances(found: Results) -> list[str]:
    body = []
    for instance in found.instances:
        rows = {solver: found.of(solver, instance=instance) for solver in found.solvers}
        main = rows[REFERENCE][0] if rows.get(REFERENCE) else None
        known = found.cost(instance, "best_known", "vertex_optimum")
        body.append(
            [
                f"`{instance}`",
                *(_marked(rows[solver]) for solver in found.solvers),
                _number(known),
                _number(found.bound(instance) or None),
                DASH if main is None else _share(gap(main.cost, found.bound(instance))),
                DASH if main is None else duration(main.seconds or 0.0),
            ]
        )
    skipped = found.skipped()
    return [
        "## Instances",
        "",
        "Cost in fma, * where the solver proves it optimal; the best bound that any solver has proven; gap and time of "
        f"`{REFERENCE}`." + (f" {DASH} is not run or not known: {'; '.join(skipped)}." if skipped else ""),
        "",
        *table(["instance", *(f"`{s}`" for s in found.solvers), "best known", "bound", "gap", "time"], body),
    ]


def _marked(rows: Sequence[DagRow]) -> str:
    """The least cost over the seeds, with a star where one of them is proven."""
    costs = [row.cost for row in rows if row.cost is not None]
    if not costs:
        return DASH
    return f"{min(costs):,}{'*' if any(row.status == 'optimal' for row in rows) else ''}"


def _how(suite: DagSuite) -> list[str]:
    return [
        "## How to reproduce",
        "",
        "```",
        f"python -m bench run {suite.name}       # measures; writes {suite.name}.csv and this report",
        f"python -m bench report {suite.name}    # this report from the CSV alone",
        "```",
        "",
        "`--budget SECONDS` is what each plan may take. Planning time runs from the graph to the checked plan; every "
        "solver has one run, so other load on the machine lengthens times and worsens what searches "
        "that end by time find. Every plan has passed the checker and its cost is replayed from its steps.",
        *(line for note in suite.notes for line in ("", note)),
    ]
