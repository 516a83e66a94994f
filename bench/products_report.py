"""The report of the suite `products`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.charts import Axis, Chart, Series
from bench.markdown import distinct, duration, geometric_mean, number, reproduce, table, times
from bench.pictures import Picture
from bench.products import ProductSuite
from bench.rows import ProductRow, ratio

GOAL, GOAL_PRODUCTS = 2.0, 100
"""How much dearer the better of formed and free is to be than the mix on geometric mean, at so many products."""


def gains(rows: Sequence[ProductRow]) -> dict[int, list[float]]:
    """By number of products the cost of the better of formed and free over that of the mix, for each chain."""
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(row.products, []).append(ratio(min(row.formed, row.free), row.cost))
    return found


def product_report_text(
    suite: ProductSuite, about: Mapping[str, str], rows: Sequence[ProductRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _headline(suite, rows), _examples(suite, rows), charts, _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _headline(suite: ProductSuite, rows: Sequence[ProductRow]) -> list[str]:
    found, body = gains(rows), []
    for k, values in found.items():
        own = [row for row in rows if row.products == k]
        between = sum(row.setup > 0 and row.cost < min(row.formed, row.free) for row in own)
        proven = sum(row.cost == row.bound for row in own)
        seconds = duration(geometric_mean([row.planning for row in own]))
        cells = [times(geometric_mean(values)), times(max(values)), number(between), number(proven), seconds]
        body.append([number(k), *cells])
    lines = [
        "## Headline",
        "",
        f"{len(distinct(row.instance for row in rows))} random dense {suite.what}s, multiplied by k vectors: what the "
        f"better of two ways costs over the best mix, which {_MIX[suite.what]} once. Of the two, one forms J at its "
        "least known cost and multiplies it by every vector, the other forms nothing.",
        "",
        *table(["k", "geometric mean", "most", "mix is better", "proven optimal", "planning"], body),
    ]
    if GOAL_PRODUCTS in found and not suite.graphs:
        mean = geometric_mean(found[GOAL_PRODUCTS])
        verdict = "reached" if mean >= GOAL else "missed"
        lines += ["", f"At least {GOAL:g} at {GOAL_PRODUCTS} products: {verdict} ({mean:.2f})."]
    return lines


_MIX = {"chain": "forms some groups of factors", "graph": "eliminates some vertices"}


def _examples(suite: ProductSuite, rows: Sequence[ProductRow]) -> list[str]:
    """The problems that gain most at the middle number of products."""
    numbers = sorted(gains(rows))
    own = [row for row in rows if row.products == numbers[len(numbers) // 2]]
    best = sorted(own, key=lambda row: -ratio(min(row.formed, row.free), row.cost))[:5]
    body = [
        [
            row.instance,
            *map(number, (row.factors, row.setup, row.each, row.cost, row.formed, row.free)),
            times(ratio(min(row.formed, row.free), row.cost)),
        ]
        for row in best
    ]
    return [
        "## Where it matters most",
        "",
        f"At {number(best[0].products)} products, in fma." if best else "",
        "",
        *table([suite.what, "factors", "set-up", "a product", "mix", "J formed", "nothing formed", "gain"], body),
    ]


def product_pictures(rows: Sequence[ProductRow]) -> list[Picture]:
    """The share of problems with at least a gain."""
    series = []
    for k, values in gains(rows).items():
        ordered = sorted(values, reverse=True)
        points = tuple((value, (place + 1) / len(ordered)) for place, value in reversed(list(enumerate(ordered))))
        series.append(Series(f"k = {k:,}", points))
    chart = Chart(
        "Gain of the mix",
        "Share of the problems on which the better of J formed and nothing formed costs at least so much over the mix.",
        Axis("cost over the mix", log=True, low=1.0),
        Axis("share of the problems", low=0.0, high=1.0, percent=True),
        tuple(series),
        "step",
    )
    return [Picture("gain", chart)] if series else []


def _how(suite: ProductSuite) -> list[str]:
    if suite.graphs:
        return [
            *reproduce(suite.name),
            f"The graphs are of the families of `generators.graphs`, one after the other, with {suite.fewest} to "
            f"{suite.most} intermediate vertices of sizes 1 to {suite.widest}, 3 inputs and 3 outputs. Each search "
            f"ends after {suite.nodes:,} nodes.",
        ]
    return [
        *reproduce(suite.name),
        f"Chain n is drawn by Python's generator of the seed `products-n`: {suite.fewest} to {suite.most} dense "
        f"factors with sizes 1 to {suite.widest:,}, log-uniform.",
    ]
