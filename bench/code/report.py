"""The report of the suite `code`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bench.claims import Claim
from bench.code.run import CodeSuite
from bench.markdown import DASH, duration, factor, geometric_mean, number, reproduce, table, times
from bench.rows import CodeRow

SMALL = 1_000
"""Operations below which a call is compared with that of JAX."""
SHORT = 5_000
"""Operations up to which the time of generation has a limit."""
Figure = Callable[[CodeRow], float]


class Goal(NamedTuple):
    """A ratio in words, how it is taken, and what its mean and each single one are to be at most, or at least."""

    words: str
    of: Figure
    mean: float | None
    each: float | None
    least: bool = False
    rows: Callable[[CodeRow], bool] = lambda row: True


GOALS = (
    Goal("operations over CasADi's", lambda r: r.operations / r.casadi_operations, 0.78, None),
    Goal("operations over those of CasADi's better mode", lambda r: r.operations / r.casadi_best, 0.85, 1.0),
    Goal("C alone over CasADi's, time", lambda r: r.c_seconds / r.casadi_c_seconds, 0.95, 1.05),
    Goal("eight points at a time over CasADi's, time", lambda r: r.vector_seconds / r.casadi_vector_seconds, 0.8, None),
    Goal(
        f"a call over jitted JAX below {SMALL:,} operations, speed",
        lambda r: r.jax_seconds / r.call_seconds,
        None,
        20.0,
        least=True,
        rows=lambda r: r.operations < SMALL,
    ),
    Goal("a batch over jitted JAX, speed", lambda r: r.jax_batch_seconds / r.batch_seconds, 5.0, None, least=True),
    Goal("generation over SymPy's, speed", lambda r: r.sympy_generation / r.generation, 3.0, None, least=True),
)
"""What the code is to be, over all functions."""
GENERATION = 1.5
"""Seconds of the processor that generation of short programs is to take at most."""


def code_report_text(
    suite: CodeSuite, about: Mapping[str, str], rows: Sequence[CodeRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _headline(rows), _operations(rows), _times(rows), _calls(rows, suite), charts, _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def code_claims(rows: Sequence[CodeRow]) -> list[Claim]:
    """Of scalar code: each ratio, its geometric mean and its worst."""
    found = []
    for goal in GOALS:
        values = [goal.of(row) for row in rows if goal.rows(row)]
        if values:
            words = f"{goal.words}, geometric mean and {'least' if goal.least else 'most'}"
            found.append(Claim(words, f"{_ratio(geometric_mean(values))}, {_ratio(_worst(goal, values))}"))
    return found


def _worst(goal: Goal, values: Sequence[float]) -> float:
    return min(values) if goal.least else max(values)


def _ratio(value: float) -> str:
    return times(value) if value < 10 else factor(value)


def _headline(rows: Sequence[CodeRow]) -> list[str]:
    body = []
    for goal in GOALS:
        values = [goal.of(row) for row in rows if goal.rows(row)]
        if values:
            mean, worst = geometric_mean(values), _worst(goal, values)
            body.append(
                [goal.words, number(len(values)), *_against(goal, mean, goal.mean), *_against(goal, worst, goal.each)]
            )
    short = [row for row in rows if row.operations <= SHORT]
    slowest = max(short, key=lambda row: row.generation, default=None)
    lines = [
        "## Headline",
        "",
        "Values and Jacobian of each function, as chainplan writes them, over what others write. Below 1 is better for "
        "operations and times, above 1 for speeds.",
        "",
        *table(["ratio", "functions", "geometric mean", "goal", "worst", "goal"], body),
    ]
    if slowest is not None:
        verdict = "reached" if slowest.generation <= GENERATION else "missed"
        lines += [
            "",
            f"Generation of programs up to {SHORT:,} operations within {GENERATION} s: {verdict}; the longest, "
            f"{slowest.instance}, took {duration(slowest.generation)}.",
        ]
    worst_difference = max((row.difference for row in rows), default=0.0)
    return [
        *lines,
        "",
        f"At 100 random points each, Jacobians of chainplan and CasADi differ by {worst_difference:.0e} of the largest "
        "element at most.",
    ]


def _against(goal: Goal, value: float, wanted: float | None) -> list[str]:
    """A figure, and whether it is what was wanted."""
    if wanted is None:
        return [_ratio(value), DASH]
    reached = value >= wanted if goal.least else value <= wanted
    return [_ratio(value), f"{'≥' if goal.least else '≤'} {wanted:g}: {'reached' if reached else 'missed'}"]


def _operations(rows: Sequence[CodeRow]) -> list[str]:
    body = [
        [
            row.instance,
            f"{row.outputs} x {row.inputs}",
            *map(number, (row.nonzeros, row.values, row.operations, row.casadi_operations, row.casadi_forward)),
            number(row.casadi_reverse),
            number(row.sympy_operations),
            times(row.operations / row.casadi_best),
            *map(duration, (row.generation, row.casadi_generation)),
            duration(row.sympy_generation) if row.sympy_operations is not None else f"> {row.sympy_generation:g} s",
        ]
        for row in rows
    ]
    head = ["function", "Jacobian", "nonzeros", "values alone", "chainplan", "CasADi", "forward", "reverse", "SymPy"]
    return [
        "## Operations and generation",
        "",
        "Operations of values and Jacobian together; those of CasADi after its `cse`, by default and in either mode; "
        "SymPy's `jacobian` and `cse` by its own count. The ratio is to the better mode of CasADi.",
        "",
        *table([*head, "ratio", "generation", "CasADi's", "SymPy's"], body),
    ]


def _times(rows: Sequence[CodeRow]) -> list[str]:
    body = [
        [
            row.instance,
            *map(duration, (row.c_seconds, row.casadi_c_seconds)),
            times(row.c_seconds / row.casadi_c_seconds),
            *map(duration, (row.vector_seconds, row.casadi_vector_seconds)),
            times(row.vector_seconds / row.casadi_vector_seconds),
        ]
        for row in rows
    ]
    head = ["function", "C", "CasADi's C", "ratio", "eight at a time", "CasADi's instructions", "ratio"]
    return [
        "## Code alone",
        "",
        "A call in C at one point, nonzeros alone, compiled with the same options; and a point of code for eight at a "
        "time. CasADi writes none of the latter, so its instructions go through the same writer, one by one. Its mode "
        "is the one whose C is faster.",
        "",
        *table(head, body),
    ]


def _calls(rows: Sequence[CodeRow], suite: CodeSuite) -> list[str]:
    body = [
        [
            row.instance,
            *map(duration, (row.call_seconds, row.jax_seconds)),
            times(row.jax_seconds / row.call_seconds),
            *map(duration, (row.batch_seconds, row.jax_batch_seconds)),
            times(row.jax_batch_seconds / row.batch_seconds),
        ]
        for row in rows
    ]
    return [
        "## Calls from Python",
        "",
        f"A call at one point, and a point in a batch of {suite.batch:,}. JAX computes the Jacobian alone, jitted, in "
        "the faster of its modes, in double precision; chainplan values, too.",
        "",
        *table(["function", "call", "JAX", "speed", "in a batch", "JAX", "speed"], body),
    ]


def _how(suite: CodeSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        "The functions and where they are from are in `bench/code`. They are written in JAX; CasADi and SymPy get them "
        f"line by line as traced. SymPy is ended after {suite.sympy_seconds:g} s for a function.",
    ]
