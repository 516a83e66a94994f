"""The report of the suite `torch`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.claims import Claim
from bench.markdown import DASH, duration, factor, geometric_mean, number, reproduce, table, times
from bench.rows import TorchRow
from bench.torch_suite import TorchSuite

NEVER_BEHIND = 0.95
"""The least speed over the best of the other ways that is asked for."""
PROMISED = 1.3
"""The promise of a plan from which on twice the speed is asked for in the mean."""


def best_other(row: TorchRow) -> float:
    """The least seconds of the other ways: both modes, and the graphs of both."""
    others = (row.jacrev_seconds, row.jacfwd_seconds, row.fx_jacrev_seconds, row.fx_jacfwd_seconds)
    return min(seconds for seconds in others if seconds is not None)


def lead(row: TorchRow) -> float:
    """The speed of chainplan over the best of the other ways."""
    return best_other(row) / row.default_seconds


def torch_claims(rows: Sequence[TorchRow]) -> list[Claim]:
    """The mean lead where a plan promises one, and how often chainplan is behind."""
    if not rows:
        return []
    ahead = [lead(row) for row in rows if row.promise >= PROMISED]
    behind = sum(lead(row) < NEVER_BEHIND for row in rows)
    words = f"PyTorch functions of which chainplan has less than {NEVER_BEHIND} of the speed of another way"
    found = [Claim(words, f"{behind} of {len(rows)}")]
    if ahead:
        words = f"speed over the best of jacrev, jacfwd and make_fx of both, where {PROMISED} are promised"
        found.append(Claim(words, times(geometric_mean(ahead))))
    return found


def torch_report_text(
    suite: TorchSuite, about: Mapping[str, str], rows: Sequence[TorchRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _goals(rows), charts, _rows(rows), _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _goals(rows: Sequence[TorchRow]) -> list[str]:
    body = []
    for words, own in (("all", rows), (f"promise ≥ {PROMISED}", [row for row in rows if row.promise >= PROMISED])):
        for batch in sorted({row.batch for row in own}):
            leads = [lead(row) for row in own if row.batch == batch]
            behind = sum(value < NEVER_BEHIND for value in leads)
            mean = times(geometric_mean(leads))
            body.append([words, number(batch), number(len(leads)), mean, times(min(leads)), number(behind)])
    return [
        "## Speed over the best of the other ways",
        "",
        "The other ways are `jacrev`, `jacfwd`, and the graphs of both by `make_fx`, traced before.",
        "",
        *table(["functions", "batch", "number", "geometric mean", "least", f"below {NEVER_BEHIND}"], body),
    ]


def _rows(rows: Sequence[TorchRow]) -> list[str]:
    body = []
    for row in rows:
        seconds = (row.default_seconds, row.jacrev_seconds, row.jacfwd_seconds, row.fx_jacrev_seconds)
        shown = [DASH if t is None else duration(t) for t in (*seconds, row.fx_jacfwd_seconds)]
        size = f"{row.m} x {row.n}"
        figures = [row.takes, factor(row.promise), *shown, times(lead(row)), duration(row.first)]
        body.append([row.instance, number(row.batch), size, *figures])
    head = ["function", "batch", "size", "takes", "promise", "chainplan", "jacrev", "jacfwd", "graph of jacrev"]
    return ["## Times of a call", "", *table([*head, "graph of jacfwd", "lead", "first call"], body)]


def _how(suite: TorchSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        "`promise` is the predicted time of the better mode over that of the plan, 1 where a mode is used. `first "
        "call` is that of chainplan, which traces and plans. One thread; the least of many turns.",
    ]
