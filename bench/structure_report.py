"""The report of the suite `structure`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bench.markdown import distinct, duration, geometric_mean, number, reproduce, share, table, times
from bench.rows import StructureRow
from bench.structure import MULTI_DOT, StructureSuite

WORSE = 1.1
"""Cost over the optimum from which an order counts as lost."""
GOAL = 1.15
"""What the order chosen by `calibrated` may take over the best, geometric mean."""
CHOOSERS = {
    "calibrated": "`--objective calibrated`",
    "weighted": "`--objective weighted`",
    "fma": "`--objective fma`",
    "shapes": "best for dense factors of these shapes",
    "forward": "forward order",
    "reverse": "reverse order",
}


def structure_report_text(
    suite: StructureSuite, about: Mapping[str, str], rows: Sequence[StructureRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    counts = [row for row in rows if row.task == "count"]
    timed = [row for row in rows if row.task == "time"]
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _counts(counts), _times(timed), charts, _instances(timed), _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _counts(rows: Sequence[StructureRow]) -> list[str]:
    body = []
    for n in [*sorted({row.n for row in rows}), None]:
        ratios = [_over_optimum(row) for row in rows if n is None or row.n == n]
        lost = sum(ratio > WORSE for ratio in ratios) / len(ratios)
        above = sum(ratio > 1 for ratio in ratios) / len(ratios)
        figures = (share(above), share(lost), times(geometric_mean(ratios)), times(max(ratios)))
        body.append(["all" if n is None else str(n), number(len(ratios)), *figures])
    return [
        "## Structured counts against shapes",
        "",
        f"{len(rows):,} random chains of 3 to 6 factors, sizes 20 to 240, every other factor dense, the others "
        "diagonal, banded, triangular, block-diagonal, permutations, selections or random patterns. On every one of "
        "them the optimum of `chain-dp` is the least of all bracketings, counted from matrices of zeros and ones. "
        "The table says what the order that is best for dense factors of the same shapes costs, in fma over that "
        "optimum.",
        "",
        *table(["factors", "chains", "above", "> 10 % above", "mean", "worst"], body),
    ]


def _over_optimum(row: StructureRow) -> float:
    """Structured cost of the order for dense factors over the optimum; a free optimum is matched or lost."""
    optimum, other = row.fma or 0, row.dense_fma or 0
    return other / optimum if optimum else 1.0 if not other else float(other)


def over_best(rows: Sequence[StructureRow]) -> dict[str, list[float]]:
    """By who chooses: the time of its order over that of the best order, for each instance in the order of the file."""
    found: dict[str, list[float]] = {who: [] for who in (*CHOOSERS, "median", "worst", MULTI_DOT)}
    for instance in distinct(row.instance for row in rows):
        orders, other = _of(rows, instance)
        seconds = [row.seconds or 0.0 for row in orders]
        best = min(seconds)
        for who in CHOOSERS:
            found[who].append(next(row.seconds or 0.0 for row in orders if who in row.chosen_by.split()) / best)
        found["median"].append(median(seconds) / best)
        found["worst"].append(max(seconds) / best)
        found[MULTI_DOT].append((other.seconds or 0.0) / best)
    return found


def _of(rows: Sequence[StructureRow], instance: str) -> tuple[list[StructureRow], StructureRow]:
    """The rows of the orders of an instance, and that of multi_dot."""
    own = [row for row in rows if row.instance == instance]
    return [row for row in own if row.order], next(row for row in own if row.chosen_by == MULTI_DOT)


def _times(rows: Sequence[StructureRow]) -> list[str]:
    found = over_best(rows)
    words = {**CHOOSERS, "median": "the middle order", "worst": "the worst order"}
    words[MULTI_DOT] = "`numpy.linalg.multi_dot` on the factors written out"
    body = [[words[who], times(geometric_mean(v)), times(max(v))] for who, v in found.items()]
    mean = geometric_mean(found["calibrated"])
    verdict = "kept" if mean <= GOAL else "missed"
    return [
        "## Orders by time",
        "",
        f"{len(found['fma'])} stored chains of six dense, diagonal and CSR factors; each of the 42 orders run by the "
        "executor. Time over that of the best order of the chain: geometric mean and worst.",
        "",
        *table(["order", "mean", "worst"], body),
        "",
        f"At most {GOAL} for `calibrated` in the geometric mean: {verdict}. The factors are checked and brought into "
        "form before the clock starts, for every order alike. `calibrated` was measured in the same run.",
    ]


def _instances(rows: Sequence[StructureRow]) -> list[str]:
    found, body = over_best(rows), []
    for i, instance in enumerate(distinct(row.instance for row in rows)):
        orders, _ = _of(rows, instance)
        best = min(orders, key=lambda row: row.seconds or 0.0)
        foreseen = [duration(1e-9 * (price or 0)) for price in (best.calibrated, best.weighted)]
        cells = [times(found[who][i]) for who in (*CHOOSERS, "worst", MULTI_DOT)]
        body.append([f"`{instance}`", f"`{best.order}`", duration(best.seconds or 0.0), *foreseen, *cells])
    head = ["instance", "best order", "its time", "by calibrated", "by weighted", *CHOOSERS, "worst", MULTI_DOT]
    return [
        "## Instances",
        "",
        "Time of the best order, what the models foresee for it, and times over it.",
        "",
        *table(head, body, words=2),
    ]


def _how(suite: StructureSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        "All in one process with one BLAS thread. The orders of a chain and `multi_dot` take turns, each turn in "
        f"another random order; the least of up to {suite.turns} turns counts, of at least 3 and within "
        f"{suite.seconds:.0f} s a chain. The best of 42 orders is best by luck, too: on the smallest chains, of some "
        "50 µs, a ratio of 1.05 says little.",
    ]
