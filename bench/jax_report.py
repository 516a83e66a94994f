"""The report of the suite `jax`, a function of its CSV alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.jax_goals import PROMISE, goals, promise, ratio, speed
from bench.jax_suite import BEHIND, LEAST_TIMING, JaxSuite
from bench.markdown import DASH, distinct, duration, factor, mean_times, number, reproduce, table
from bench.rows import JaxRow


def jax_report_text(
    suite: JaxSuite, about: Mapping[str, str], rows: Sequence[JaxRow], charts: Sequence[str] = ()
) -> str:
    """The whole report; `charts` are the lines of the section that shows them."""
    head = [f"# {suite.title}", "", *(f"- {key}: {value}" for key, value in about.items())]
    parts = [head, _headline(rows), charts, _counts(rows), _times(rows), _costs(rows), _how(suite)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _headline(rows: Sequence[JaxRow]) -> list[str]:
    body = []
    for goal in goals(rows):
        verdict = "not measured" if goal.figure is None else "reached" if goal.reached else "missed"
        body.append([goal.wanted, verdict, goal.figure or DASH])
    promised = [row for row in rows if row.task == "jacobian" and promise(row) >= PROMISE]
    means = []
    for batch in [*sorted({row.batch for row in promised}), None]:
        own = [row for row in promised if batch is None or row.batch == batch]
        speeds = [[s for row in own if (s := speed(row, way)) is not None] for way in ("plan", "default")]
        means.append(["all" if batch is None else str(batch), number(len(speeds[0])), *map(mean_times, speeds)])
    return [
        "## Goals",
        "",
        "Speeds are the time of the faster of JAX's ways over that of `chainplan.jax` with its default settings.",
        "",
        *table(["wanted", "", "measured"], body),
        "",
        f"## Where {PROMISE} times fewer operations are promised",
        "",
        "Speed over the faster of `jax.jacfwd` and `jax.jacrev`, geometric mean. `plan` takes the plan whatever it "
        "promises (`gain=None`), `default` decides.",
        "",
        *table(["batch", "measured", "plan", "default"], means),
    ]


def _firsts(rows: Sequence[JaxRow]) -> Iterator[JaxRow]:
    """One row of each function: its counts are the same at every batch."""
    for name in distinct(row.instance for row in rows):
        yield next(row for row in rows if row.instance == name)


def _counts(rows: Sequence[JaxRow]) -> list[str]:
    body = []
    for row in _firsts([row for row in rows if row.vertices]):
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
    lines: list[str] = []
    for title, what, tasks, ways in _TIMED:
        own = [row for row in rows if row.task in tasks]
        body = []
        for row in own:
            figures = [_duration(getattr(row, f"{way}_seconds")) for way in ways]
            peers = [ratio(getattr(row, f"{peer}_seconds"), row.default_seconds) for peer in ("asdex", "hand")]
            speeds = [DASH if s is None else f"{s:.2f}" for s in (speed(row), *peers)]
            about = [row.takes or DASH, factor(promise(row)) if row.plan_fma else DASH]
            body.append([f"`{row.instance}`", str(row.batch), *about, *figures, *speeds])
        if own:
            head = ["function", "batch", "takes", "promise", *ways, "over JAX", "over asdex", "over hand"]
            lines += [f"## {title}", "", what, "", *table(head, body), ""]
    return lines[:-1]


_TIMED = (
    (
        "Times of Jacobians",
        "Of a compiled call. `floor` only fills arrays of the Jacobian's shapes: of a function with many small "
        "arguments and results, hardly anything else is left to save. Last, the speed of `default` over the better "
        "mode, and over what is written by hand.",
        ("jacobian",),
        ("default", "plan", "hand", "jacfwd", "jacrev", "floor"),
    ),
    (
        "Times of sparse Jacobians",
        "The dense modes fill matrices; asdex and sparsejac send the seeds of a colouring, asdex in its default mode.",
        ("sparse",),
        ("default", "hand", "asdex", "sparsejac", "jacfwd", "jacrev"),
    ),
    (
        "Times of Hessians",
        "`hessian` is `jax.hessian`, which fills a matrix.",
        ("hessian", "sparse hessian"),
        ("default", "hand", "asdex", "hessian"),
    ),
    (
        "Times of products of Jacobians with their transposes",
        "`jacfwd` and `jacrev` form the Jacobian and multiply it.",
        ("gauss-newton",),
        ("default", "jacfwd", "jacrev"),
    ),
)
"""By table: its title, what it says, the tasks it holds, the ways."""


def _duration(seconds: float | None) -> str:
    return DASH if seconds is None else duration(seconds)


def _costs(rows: Sequence[JaxRow]) -> list[str]:
    body = []
    ways = ("default", "jacfwd", "jacrev", "hessian", "asdex")
    for row in rows:
        first = [_duration(getattr(row, f"{way}_first")) for way in ways]
        held = [_kibibytes(getattr(row, f"{way}_memory")) for way in ways]
        body.append([f"`{row.instance}`", str(row.batch), *first, *held, _kibibytes(row.peak)])
    return [
        "## First call and memory",
        "",
        "Seconds before a first call runs: tracing, planning or colouring, compiling; at a second batch of a function "
        "the plan is known. Memory beside arguments and results, in KiB, as XLA says. Last, of large functions, by how "
        "much a process grows in a first call, whose seconds are those of the whole call in that process.",
        "",
        *table(["function", "batch", *(f"{way}, s" for way in ways), *(f"{way}, KiB" for way in ways), "grown"], body),
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
        "The results of all ways are compared before. A batch whose Jacobians would fill more than "
        f"{suite.largest >> 20} MiB is left out.",
    ]
