"""The report of a suite of linearised DAGs, a function of its CSV alone.

Costs are given as ratios to orders that others would use: the cheaper of forward and reverse, the best greedy order by
any key, published ones. The gap says how far a cost may be above the optimum, as a share of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.dag_nodes import by_nodes
from bench.dag_results import PROVEN, REFERENCE, Reference, Results, gap, ratios
from bench.dag_scaling import curves, families, growth, large
from bench.dag_suites import DagSuite
from bench.markdown import DASH, distinct, duration, geometric_mean, mean_times, number, reproduce, share, table, times
from bench.rows import DagRow


def dag_report_text(
    suite: DagSuite, about: Mapping[str, str], rows: Sequence[DagRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    found = Results(rows)
    parts = [
        [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())],
        _headline(found, suite.moves),
        charts,
        _checks(found),
        _solvers(found),
        _against_published(found),
        families(found),
        curves(found),
        by_nodes(rows),
        growth(found),
        large(found),
        _instances(found),
        _how(suite),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _headline(found: Results, moves: str) -> list[str]:
    rows = found.of(REFERENCE)
    proven = [row for row in rows if row.status == "optimal"]
    lines = [f"- `{REFERENCE}` proves {len(proven)} of its {len(rows)} plans optimal within {moves}."]
    known = [(row, other) for row in rows if (other := found.known(row)) is not None]
    if known:
        beaten = [row.instance for row, other in known if (row.cost or 0) < other]
        above = [row.instance for row, other in known if (row.cost or 0) > other]
        lines.append(
            f"- It reaches or beats the best known cost on {len(known) - len(above)} of {len(known)} instances, and "
            f"beats it on {len(beaten)}{_named(beaten)}. Above it: {len(above)}{_named(above)}."
        )
    dearer = [row.instance for row in rows if (row.cost or 0) > (found.keys(row) or row.cost or 0)]
    lines.append(f"- It is dearer than the best of all greedy keys on {len(dearer)} of {len(rows)}{_named(dearer)}.")
    above = [row.instance for row in rows if (row.cost or 0) > (found.baseline(row) or row.cost or 0)]
    lines.append(
        f"- It is dearer than the better of forward and reverse on {len(above)} of {len(rows)}{_named(above)}."
    )
    optima = [row for row in rows if found.cost(row.instance, PROVEN) is not None]
    if optima:
        reached = sum(row.cost == found.cost(row.instance, PROVEN) for row in optima)
        ended = sum(row.status == "optimal" for row in optima)
        lines.append(f"- Of {len(optima)} published optima it reaches {reached} and proves {ended}.")
    for words, _, reference in _references(found):
        values = ratios(rows, reference)
        lines.append(f"- Cost over {words}: {_mean_and_span(values)}, {len(values)} instances.")
    return ["## Headline", "", *lines]


def _references(found: Results) -> list[tuple[str, str, Reference]]:
    """What costs are compared with, in words and as the head of a column, where it is known for any instance."""
    every: list[tuple[str, str, Reference]] = [
        ("the better of forward and reverse", "forward, reverse", found.baseline),
        ("the best of all greedy keys", "keys", found.keys),
        ("the better Markowitz order", "Markowitz", found.markowitz),
        ("the published order", "published order", found.learned),
        ("the best known", "best known", found.known),
    ]
    return [entry for entry in every if ratios(found.of(REFERENCE), entry[2])]


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
        cells = [mean_times(ratios(rows, reference)) for _, _, reference in _references(found)]
        body.append(
            [
                f"`{solver}`",
                f"{len(rows):,}",
                f"{max(row.n for row in rows):,}",
                *cells,
                f"{sum(row.status == 'optimal' for row in rows):,}",
                share(sum(gaps) / len(gaps) if gaps else None),
                duration(geometric_mean(seconds)),
                duration(max(seconds)),
            ]
        )
    head = ["solver", "run on", "n ≤", *(column for _, column, _ in _references(found))]
    return [
        "## Solvers",
        "",
        "Cost over that of other orders, geometric mean of the instances that a solver was run on and the order is "
        "known for; plans proven optimal; mean of its own gaps, where it has a bound; seconds, geometric mean and "
        "greatest.",
        "",
        *table([*head, "proven", "gap", "time", "longest"], body),
    ]


def _against_published(found: Results) -> list[str]:
    body = []
    for row in found.of(REFERENCE):
        learned = found.learned(row)
        if learned is not None and row.cost is not None:
            bound = found.bound(row.instance)
            figures = (found.baseline(row), found.markowitz(row), learned, found.known(row), row.cost, bound or None)
            body.append([f"`{row.instance}`", *map(number, figures), mean_times(ratios([row], found.learned))])
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
                number(known),
                number(found.bound(instance) or None),
                DASH if main is None else share(gap(main.cost, found.bound(instance))),
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
        *reproduce(suite.name),
        "`--budget SECONDS` is what each plan may take. Planning time runs from the graph to the checked plan; every "
        "solver has one run, so other load on the machine lengthens times and worsens what searches "
        "that end by time find. Every plan has passed the checker and its cost is replayed from its steps.",
        *(line for note in suite.notes for line in ("", note)),
    ]
