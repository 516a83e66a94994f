"""The report of the suite `products-time`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.claims import Claim
from bench.markdown import distinct, duration, factor, geometric_mean, number, reproduce, table, times
from bench.product_times import ProductTimeSuite
from bench.rows import ProductTimeRow

GOAL = 1.05
"""What an operator may take over the better of the other two ways."""
KEPT = 1.5
"""Times by which the measured lead may fall short of the promised one."""


def over_better(row: ProductTimeRow) -> float:
    """Seconds of the operator over those of the better of the other two ways."""
    return row.operator_seconds / min(row.formed_seconds, row.free_seconds)


def promised(row: ProductTimeRow) -> float:
    """Predicted seconds of the better of the other two ways over those of the operator."""
    return min(row.formed_price, row.free_price) / row.operator_price


def behind(row: ProductTimeRow) -> bool:
    """Say whether an operator leads by less than was promised, beyond what is allowed."""
    return over_better(row) * promised(row) > KEPT


def product_time_claims(rows: Sequence[ProductTimeRow]) -> list[Claim]:
    """The mean lead, and how often an operator is behind the better of forming J and forming nothing."""
    if not rows:
        return []
    leads = [1 / over_better(row) for row in rows]
    within = sum(over_better(row) <= GOAL for row in rows)
    return [
        Claim(
            "speed of an operator over the better of J formed and nothing formed, geometric mean",
            f"{times(geometric_mean(leads))}, up to {factor(max(leads))}",
        ),
        Claim(f"operators that take at most {GOAL} times the better of the two", f"{within} of {number(len(rows))}"),
    ]


def product_time_report_text(
    suite: ProductTimeSuite, about: Mapping[str, str], rows: Sequence[ProductTimeRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _summary(rows), charts, _rows(rows), _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _summary(rows: Sequence[ProductTimeRow]) -> list[str]:
    body = []
    for k in [*distinct(str(row.right) for row in rows), "all"]:
        own = [row for row in rows if k in (str(row.right), "all")]
        over = [over_better(row) for row in own]
        within = sum(value <= GOAL for value in over)
        kept = sum(not behind(row) for row in own)
        mean = geometric_mean([1 / value for value in over])
        promise = geometric_mean([promised(row) for row in own])
        figures = (times(mean), times(promise), number(within), number(kept), times(max(over)))
        body.append([k, number(len(own)), *figures])
    return [
        "## Set-up and products together",
        "",
        "An operator against the better of two ways: J formed by its best plan and multiplied by `J @ v`, and every "
        "elemental applied by numpy. The lead that the plan promises, how often the operator takes at most "
        f"{GOAL} times the better of the two, and how often its lead is at most {KEPT} times less than promised.",
        "",
        *table(["products", "problems", "lead", "promised", f"≤ {GOAL}", "kept", "worst"], body),
    ]


def _rows(rows: Sequence[ProductTimeRow]) -> list[str]:
    body = [
        [
            f"`{row.instance}`",
            f"{number(row.right)} + {number(row.left)}",
            duration(row.operator_seconds),
            duration(row.formed_seconds),
            duration(row.free_seconds),
            duration(row.setup_seconds),
            duration(row.forming_seconds),
            times(1 / over_better(row)),
            times(promised(row)),
        ]
        for row in rows
    ]
    head = ["problem", "products", "operator", "J formed", "nothing formed", "set-up", "forming J", "lead", "promised"]
    return ["## Problems", "", "Products are J·v + w·J.", "", *table(head, body)]


def _how(suite: ProductTimeSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        "In one process with one BLAS thread, in seconds of the processor: other load on the machine still shows, "
        "through the caches that it shares. The ways take turns, each behind a call that is not counted; the least of "
        f"up to {suite.turns} turns counts, of at least 3. "
        "Plans are for time, under rates and times of functions that were measured in the same process. To make an "
        "operator takes some 20 µs more than to form J, which shows where all else takes less than a millisecond.",
    ]
