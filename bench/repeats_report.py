"""The report of the suite `repeats`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.markdown import DASH, duration, factor, geometric_mean, number, reproduce, table, times
from bench.repeats import RepeatSuite
from bench.rows import RepeatRow


def gains(rows: Sequence[RepeatRow]) -> list[tuple[float, float]]:
    """How many times fewer fma, and how many times less time, of each chain on which sharing saves anything."""
    saving = [row for row in rows if row.shared_fma < row.apart_fma]
    return [(row.apart_fma / row.shared_fma, row.apart_seconds / row.shared_seconds) for row in saving]


def over_power(rows: Sequence[RepeatRow]) -> list[float]:
    """The time of a plan over that of `numpy.linalg.matrix_power`, of each power."""
    return [row.shared_seconds / row.power_seconds for row in rows if row.power_seconds is not None]


def repeat_report_text(
    suite: RepeatSuite, about: Mapping[str, str], rows: Sequence[RepeatRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = (head, _counts(rows), _times(rows), charts, reproduce(suite.name))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _counts(rows: Sequence[RepeatRow]) -> list[str]:
    body = [
        [
            row.instance,
            "proven" if row.proof else DASH,
            number(row.q),
            number(row.apart_fma),
            number(row.shared_fma),
            times(row.apart_fma / row.shared_fma),
            number(row.bound),
            duration(row.plan_seconds),
        ]
        for row in rows
    ]
    fewer = geometric_mean([fma for fma, _ in gains(rows)])
    return [
        "## Multiply-adds",
        "",
        f"Square factors of {rows[0].n} rows; products of equal factors are computed once. The optimum of bracketings "
        "without sharing is that of `chain-dp`; the bound holds for all bracketings with equal products shared. Where "
        f"sharing saves anything, plans take {times(fewer)} times fewer fma, geometric mean.",
        "",
        *table(["chain", "optimum", "factors", "fma apart", "fma shared", "times fewer", "bound", "planning"], body, 2),
    ]


def _times(rows: Sequence[RepeatRow]) -> list[str]:
    body = [
        [
            row.instance,
            duration(row.apart_seconds),
            duration(row.shared_seconds),
            factor(row.apart_seconds / row.shared_seconds),
            DASH if row.power_seconds is None else duration(row.power_seconds),
            DASH if row.power_seconds is None else times(row.shared_seconds / row.power_seconds),
            str(row.repeats),
        ]
        for row in rows
    ]
    faster = geometric_mean([seconds for _, seconds in gains(rows)])
    return [
        "## Time",
        "",
        "Both plans and `numpy.linalg.matrix_power` in turns, one BLAS thread, least CPU time. Where sharing saves fma "
        f"it is {times(faster)} times as fast, geometric mean.",
        "",
        *table(["chain", "apart", "shared", "times as fast", "matrix_power", "over it", "turns"], body),
    ]
