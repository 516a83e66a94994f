"""The report of the suite `sizes`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bench.markdown import duration, number, reproduce, share, table
from bench.rows import SizesRow
from bench.sizes import SizesSuite

WITHIN = 1.10
"""The quotient to the optimum that 95 % of the sizes of a chain are to keep."""


def sizes_report_text(
    suite: SizesSuite, about: Mapping[str, str], rows: Sequence[SizesRow], charts: Sequence[str] = ()
) -> str:
    """The whole report."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _several(rows), _single(rows), charts, reproduce("sizes")]
    return "\n\n".join("\n".join(part).strip("\n") for part in parts if part) + "\n"


def of(rows: Sequence[SizesRow], task: str) -> list[SizesRow]:
    """The rows of a kind of chains."""
    return [row for row in rows if row.task == task]


def kept(rows: Sequence[SizesRow]) -> float:
    """The share of chains whose orders keep `WITHIN` at 95 % of the sampled sizes."""
    return sum(row.at_95 <= WITHIN for row in rows) / len(rows)


def _quantile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def _several(rows: Sequence[SizesRow]) -> list[str]:
    body = []
    for task in ("dense", "structured"):
        own = of(rows, task)
        if own:
            factors, worst = [row.guarantee for row in own], [row.worst for row in own]
            broken = sum(row.worst > row.guarantee for row in own)
            figures = [f"{value:.4f}" for value in (_quantile(worst, 95), max(worst), median(factors), max(factors))]
            planning = duration(median(row.seconds for row in own))
            body.append([task, number(len(own)), share(kept(own)), *figures, number(broken), planning])
    return [
        "## Two names",
        "",
        f"Random chains of 4 to 10 factors with two names of sizes from 1 to 1,000; at most four orders for each. "
        f"Compared with the optimum at {number(rows[0].sizes)} sampled sizes: the share of chains at which 95 % of "
        f"the sizes keep {WITHIN:.2f} times the optimum, the largest quotient of a chain (of 95 % of the chains, and "
        "of all), the proven factor (median and largest), how many chains have a quotient above their factor, and the "
        "median time. Half of the factors of structured chains are square: diagonal, triangular or banded.",
        "",
        *table(
            ["chains", "number", "keep 1.10", "worst of 95 %", "worst", "proven", "most", "above proven", "time"], body
        ),
        "",
        "López, Karlsson and Bientinesi (CGO 2026, arXiv 2511.20198) report less than 15 % above the optimum on 95 % "
        "of their chains, without a proven factor. Their symmetric and positive definite factors, whose products save "
        "operations without a pattern of zeros, and their inverses have no counterpart here.",
    ]


def _single(rows: Sequence[SizesRow]) -> list[str]:
    own = of(rows, "one name")
    if not own:
        return []
    sizes, equal = sum(row.sizes for row in own), sum(row.equal for row in own)
    orders, most = median(row.variants for row in own), max(row.variants for row in own)
    return [
        "## One name",
        "",
        f"On {number(len(own))} random dense chains of 4 to 10 factors the order for a size costs what planning finds "
        f"at {number(equal)} of {number(sizes)} sampled sizes. A chain has {orders:.0f} best orders in the median and "
        f"up to {most}; to find them takes {duration(median(row.seconds for row in own))} in the median.",
    ]
