"""Tables and figures in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp, log

DASH = "–"


def table(head: Sequence[str], body: Iterable[Sequence[str]], words: int = 1) -> list[str]:
    """Lines of a table whose first `words` columns are words and the others figures."""
    rule = ["---" if i < words else "---:" for i in range(len(head))]
    return ["| " + " | ".join(line) + " |" for line in (head, rule, *body)]


def reproduce(suite: str, *more: str) -> list[str]:
    """The section that says which commands measure a suite and write its report; `more` are further ones."""
    return [
        "## How to reproduce",
        "",
        "```",
        f"python -m bench run {suite}       # measures; writes {suite}.csv and this report",
        f"python -m bench report {suite}    # this report from the CSV alone",
        *more,
        "```",
        "",
    ]


def times(value: float) -> str:
    """A ratio: 1 only where it is exactly 1, three digits after it otherwise."""
    if value == 1:
        return "1"
    if abs(value - 1) < 0.0005:
        return "1.000" + ("+" if value > 1 else "−")
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def factor(value: float) -> str:
    """A ratio of times, to two digits."""
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"


def duration(seconds: float) -> str:
    """Seconds to three digits in the unit that suits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def geometric_mean(values: Sequence[float]) -> float:
    """The mean that suits ratios."""
    return 1.0 if all(v == 1 for v in values) else exp(sum(log(v) for v in values) / len(values))


def exponent(means: Mapping[int, float]) -> str:
    """p in value ~ n^p between the two greatest n."""
    if len(means) < 2:
        return DASH
    (n, before), (m, after) = sorted(means.items())[-2:]
    return f"{log(after / before) / log(m / n):.1f}"


def distinct(values: Iterable[str]) -> list[str]:
    """Each value once, in the order of its first."""
    return list(dict.fromkeys(values))


def number(value: int | None) -> str:
    """A whole number with commas."""
    return DASH if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """A share in percent."""
    return DASH if value is None else f"{value:.1%}"


def mean_times(values: Sequence[float]) -> str:
    """The geometric mean of ratios, where there are any."""
    return times(geometric_mean(values)) if values else DASH
