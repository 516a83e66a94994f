"""The report of the suite `jax`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.jax_suite import BEHIND, LEAST_TIMING, JaxSuite
from bench.markdown import DASH, distinct, duration, factor, mean_times, number, reproduce, table, times
from bench.rows import JaxRow

PROMISE = 1.3
"""Operations of the better mode over those of the plan from which a plan is expected to be faster."""
GOAL, NEVER_BELOW = 1.5, 0.95
"""Speed over the better mode: geometric mean where the plan promises `PROMISE`; anywhere with `tune=True`."""


def jax_report_text(
    suite: JaxSuite, about: Mapping[str, str], rows: Sequence[JaxRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _headline(rows), charts, _counts(rows), _times(rows), _costs(rows), _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def promise(row: JaxRow) -> float:
    """Operations of the better of JAX's modes over those of the plan."""
    modes = [price for price in (row.jacfwd_fma, row.jacrev_fma) if price is not None]
    return min(modes) / max(1, row.plan_fma) if modes and row.plan_fma is not None else 1.0


def speed(row: JaxRow, way: str) -> float | None:
    """Time of the faster of JAX's modes over that of a way; None where it was not measured."""
    seconds = getattr(row, f"{way}_seconds")
    modes = [t for t in (row.jacfwd_seconds, row.jacrev_seconds) if t is not None]
    return min(modes) / seconds if modes and seconds else None


def _speeds(rows: Sequence[JaxRow], way: str) -> list[float]:
    return [found for row in rows if (found := speed(row, way)) is not None]


def _headline(rows: Sequence[JaxRow]) -> list[str]:
    promised = [row for row in rows if promise(row) >= PROMISE]
    body = []
    for batch in [*sorted({row.batch for row in rows}), None]:
        own = [row for row in promised if batch is None or row.batch == batch]
        speeds = [mean_times(_speeds(own, way)) for way in ("plan", "default", "tuned")]
        body.append(["all" if batch is None else str(batch), number(len(_speeds(own, "plan"))), *speeds])
    mean = mean_times(_speeds(promised, "tuned"))
    reached = "reached" if mean != DASH and float(mean) >= GOAL else "missed"
    least = min((found, row) for row in rows if (found := speed(row, "tuned")) is not None) if rows else None
    lines = [
        "## Speed over the better mode",
        "",
        f"The time of the faster of `jax.jacfwd` and `jax.jacrev` over that of `chainplan.jax.jacobian`, geometric "
        f"mean over the {len({row.instance for row in promised})} functions where the plan promises at least "
        f"{PROMISE} times fewer operations than the better mode. `plan` takes the plan whatever it promises "
        "(`gain=None`), `default` where it promises at least 1.25 times fewer, `tuned` where it measures faster "
        "(`tune=True`).",
        "",
        *table(["batch", "measured", "plan", "default", "tuned"], body),
        "",
        f"At least {GOAL} in the geometric mean where {PROMISE} is promised: {reached} ({mean} with `tune=True`).",
    ]
    if least is not None:
        ratio, row = least
        verdict = "kept" if ratio >= NEVER_BELOW else "missed"
        lines += [
            f"Never below {NEVER_BELOW} with `tune=True`: {verdict}; the least of all {len(_speeds(rows, 'tuned'))} "
            f"measurements is {times(ratio)}, of `{row.instance}` at batch {row.batch}."
        ]
    return lines


def _firsts(rows: Sequence[JaxRow]) -> Iterator[JaxRow]:
    """One row of each function: its counts are the same at every batch."""
    for name in distinct(row.instance for row in rows):
        yield next(row for row in rows if row.instance == name)


def _counts(rows: Sequence[JaxRow]) -> list[str]:
    body = []
    for row in _firsts(rows):
        orders = (row.jacfwd_fma, row.jacrev_fma, row.forward_fma, row.reverse_fma, row.greedy_fma, row.plan_fma)
        graph = f"{number(row.vertices)} / {number(row.edges)}"
        figures = [number(one) for one in orders]
        bound = "optimal" if row.proof == "optimal" else f"≥ {number(row.bound)}"
        body.append([f"`{row.instance}`", f"{row.m} x {row.n}", graph, *figures, bound, factor(promise(row))])
    head = ["function", "m x n", "vertices / edges", "jacfwd", "jacrev", "forward", "reverse", "greedy", "plan"]
    return [
        "## Operations",
        "",
        "Multiply-adds for one point, without those of the function itself: JAX's two modes, which send an identity "
        "through all elementals; elimination in forward and in reverse order; Markowitz' order; the plan and what is "
        "proven of it; the better mode over the plan.",
        "",
        *table([*head, "proof", "promise"], body),
    ]


def _times(rows: Sequence[JaxRow]) -> list[str]:
    body = []
    for row in rows:
        if row.status != "ok":
            body.append([f"`{row.instance}`", str(row.batch), row.status, *[DASH] * 8])
            continue
        seconds = (row.plan_seconds, row.default_seconds, row.tuned_seconds, row.jacfwd_seconds, row.jacrev_seconds)
        figures = [DASH if t is None else duration(t) for t in (*seconds, row.floor_seconds)]
        speeds = [DASH if (s := speed(row, way)) is None else f"{s:.2f}" for way in ("plan", "default", "tuned")]
        taken = f"{row.default_takes}, {row.tuned_takes}"
        body.append([f"`{row.instance}`", str(row.batch), factor(promise(row)), *figures, *speeds, taken])
    ways = ["plan", "default", "tuned", "jacfwd", "jacrev", "floor", "plan", "default", "tuned"]
    return [
        "## Times",
        "",
        "Of a compiled call, and the speed of `plan`, `default` and `tuned` over the better mode. `floor` only fills "
        "arrays of the Jacobian's shapes: of a function with many small arguments and results, hardly anything else "
        "is left to save. Last, what the default setting and tuning take.",
        "",
        *table(["function", "batch", "promise", *ways, "taken"], body),
    ]


def _costs(rows: Sequence[JaxRow]) -> list[str]:
    body = []
    for row in rows:
        if row.status != "ok":
            continue
        compiled = (row.plan_compile, row.tuned_compile, row.jacfwd_compile, row.jacrev_compile)
        held = (row.plan_memory, row.tuned_memory, row.jacfwd_memory, row.jacrev_memory)
        figures = [DASH if t is None else duration(t) for t in compiled] + [_kibibytes(size) for size in held]
        body.append([f"`{row.instance}`", str(row.batch), *figures])
    ways = ["plan", "tuned", "jacfwd", "jacrev"]
    return [
        "## Compiling and memory",
        "",
        "Seconds to trace and compile, once the plan is found and the ways are tuned; memory beside arguments and "
        "results, in KiB, as XLA says.",
        "",
        *table(["function", "batch", *(f"{way}, s" for way in ways), *(f"{way}, KiB" for way in ways)], body),
    ]


def _kibibytes(size: int | None) -> str:
    return DASH if size is None else f"{size / 1024:,.1f}"


def _how(suite: JaxSuite) -> list[str]:
    return [
        *reproduce(suite.name),
        "In one process with one thread, float64, on the CPU backend. A batch is `jax.vmap` over the arguments to "
        "differentiate by, at points within 0.1 % of each other; all other arguments are shared. All ways are "
        "compiled, those that come out as the same program once, then take turns, every other turn backwards; a "
        f"timing lasts at least {1e3 * LEAST_TIMING:.0f} ms, and the least of up to {suite.rounds} counts, within "
        f"{suite.seconds:.0f} s, of three for what is {BEHIND:.0f} times slower than others. "
        "The Jacobians of all ways are compared before. Plans were searched for "
        f"{suite.budget:.0f} s. A batch whose Jacobians would fill more than {suite.largest >> 20} MiB is left out.",
    ]
