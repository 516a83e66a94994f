"""The report of the suite `targets`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.claims import Claim
from bench.markdown import DASH, distinct, duration, number, reproduce, share, table
from bench.rows import TargetRow
from bench.targets.run import TargetSuite


def target_report_text(
    suite: TargetSuite, about: Mapping[str, str], rows: Sequence[TargetRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _headline(rows), *(_part(part, rows) for part in distinct(row.part for row in rows)), _how(suite)]
    return "\n\n".join("\n".join(part) for part in [*parts, charts] if part) + "\n"


def judged(rows: Sequence[TargetRow]) -> tuple[list[TargetRow], list[TargetRow], list[TargetRow]]:
    """The rows that reach their goal, those that miss it, and those without a figure."""
    reached, missed = ([row for row in rows if row.reached == word] for word in ("yes", "no"))
    return reached, missed, [row for row in rows if row.figure is None]


def target_claims(rows: Sequence[TargetRow]) -> list[Claim]:
    """How many goals are reached."""
    reached, missed, none = judged(rows)
    if not reached and not missed:
        return []
    found = [Claim("goals of planning reached", f"{len(reached)} of {len(reached) + len(missed) + len(none)}")]
    return [*found, Claim("goals without a figure", number(len(none)))] if none else found


def _headline(rows: Sequence[TargetRow]) -> list[str]:
    reached, missed, none = judged(rows)
    if not reached and not missed:
        return ["## Headline", "", "- Nothing is judged: the sizes and seconds of this run are not those of the goals."]
    lines = ["## Headline", "", f"- {len(reached)} goals are reached, {len(missed)} are missed."]
    if none:
        lines.append(f"- {len(none)} have no figure: {', '.join(f'`{name}`' for name in _names(none))}.")
    if missed:
        lines += ["- Missed: " + ", ".join(f"`{name}`" for name in _names(missed)) + "."]
    return lines


def _names(rows: Sequence[TargetRow]) -> list[str]:
    return distinct(row.target for row in rows)


def _part(part: str, rows: Sequence[TargetRow]) -> list[str]:
    """The table of a part: what is measured, the goal, the figure, and under which load."""
    own = [row for row in rows if row.part == part]
    body = [
        [
            f"`{row.target}`",
            row.measured + (f" (of {row.samples})" if row.samples > 1 else ""),
            _goal(row),
            _shown(row.figure, row.unit) if row.figure is not None else row.status,
            row.reached or DASH,
            duration(row.seconds) if row.seconds else DASH,
            _cores(row),
            DASH if row.load is None else f"{row.load:.1f}",
            row.note or DASH,
        ]
        for row in own
    ]
    head = ["target", "measured", "goal", "figure", "reached", "took", "cores had", "load", "details"]
    return [f"## {part}", "", *table(head, body, words=2)]


def _goal(row: TargetRow) -> str:
    return DASH if row.goal is None else f"{'≥' if row.sense == 'at least' else '≤'} {_shown(row.goal, row.unit)}"


def _cores(row: TargetRow) -> str:
    """How many cores the process had on average."""
    return DASH if not row.seconds or row.cpu is None else f"{row.cpu / row.seconds:.2f}"


def _shown(value: float, unit: str) -> str:
    """A figure in its unit."""
    if unit == "share":
        return share(value)
    if unit == "s":
        return duration(value)
    text = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _how(suite: TargetSuite) -> list[str]:
    lines = [
        *reproduce(
            suite.name,
            f"python -m bench run {suite.name} --samples 12   # proof rates of all families, two graphs of each",
            f"python -m bench run {suite.name} --only proofs   # the targets whose names begin with proofs",
        ),
        "Each target is measured in a process of its own, one after the other. `took` is what measuring took, of which "
        "`cores had` is the share that the process had of one core (more where it uses several); `load` says how many "
        "processes wanted a core in the minute before, of the run itself about one. A figure is firm where `cores had` "
        "is near 1 and `load` no more than the cores of the machine.",
        "",
        "Graphs of proof rates are those of `generators.graphs.make`; with ±1 edges two edges in five, drawn at "
        "random, are ±1 and join vertices of one size. Targets named `…-python` switch the compiled core off. A gap "
        "without a bound counts as 100%.",
    ]
    return lines
