"""What the page of benchmarks says of chainplan, each with its figure, as functions of the rows of a run.

A claim is a question in words and what the run answered, whichever way it came out; it is written by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.dag_results import PROVEN, REFERENCE, Results, gap, ratios
from bench.jax_goals import PROMISE, promise, speed
from bench.limits_report import HALVES, gains, schedules
from bench.markdown import distinct, duration, factor, geometric_mean, mean_times, number, share, times
from bench.products_report import gains as product_gains
from bench.repeats_report import gains as gains_of_sharing
from bench.repeats_report import over_power
from bench.rows import DagRow, JaxRow, LimitRow, ProductRow, RepeatRow, Row, SizesRow, StructureRow
from bench.sizes_report import kept
from bench.sizes_report import of as of_task
from bench.structure_report import over_best

PEERS = ("cotengra-auto-hq", "cotengra-auto", "opt_einsum-auto")


@dataclass(frozen=True)
class Claim:
    """What was measured, and the figure."""

    what: str
    figure: str


def chain_claims(rows: Sequence[Row]) -> list[Claim]:
    """Of dense chains: how often the optimum, what peers pay over it, how long planning takes."""
    done = [row for row in rows if row.task == "order" and row.status == "ok"]
    own = [row for row in done if row.solver == "auto"]
    found = [Claim("chains planned at their stored optimum", _of(sum(r.cost == r.optimum for r in own), len(own)))]
    for peer in PEERS:
        values = [row.ratio for row in done if row.solver == peer and row.ratio is not None and row.family != "equal"]
        if values:
            figure = f"{times(geometric_mean(values))}, up to {times(max(values))}"
            found.append(Claim(f"cost of `{peer}` over the optimum, geometric mean", figure))
    longest = max(own, key=lambda row: row.n, default=None)
    if longest is not None:
        found.append(Claim(f"planning {longest.n:,} dense factors", duration(longest.seconds or 0.0)))
    slow = [row for row in done if row.solver == "multi_dot" and row.n >= 1000]
    base = {row.instance: row.seconds or 0.0 for row in own}
    if slow:
        mean = geometric_mean([(row.seconds or 0.0) / base[row.instance] for row in slow])
        found.append(Claim("order search of `numpy.linalg.multi_dot` at 1,000 factors, times as long", factor(mean)))
    return found


def dag_claims(rows: Sequence[DagRow], moves: str = "vertex elimination") -> list[Claim]:
    """Of graphs: cost over forward, reverse and greedy orders, over published ones, proofs among the moves, gaps."""
    found = Results(rows)
    own = found.of(REFERENCE)
    claims = [
        Claim("cost over the better of forward and reverse, geometric mean", mean_times(ratios(own, found.baseline))),
        Claim("cost over the best of eleven greedy orders, geometric mean", mean_times(ratios(own, found.keys))),
        Claim(f"plans proven optimal within {moves}", _proven(own)),
    ]
    known = [(row, other) for row in own if (other := found.known(row)) is not None]
    if known:
        reached = sum((row.cost or 0) <= other for row, other in known)
        claims.append(Claim("best published cost reached or beaten", _of(reached, len(known))))
        optima = [row for row in own if found.cost(row.instance, PROVEN) is not None]
        reached = sum(row.cost == found.cost(row.instance, PROVEN) for row in optima)
        claims.append(Claim("published optima reached", _of(reached, len(optima))))
        claims.append(Claim("cost over learned orders, geometric mean", mean_times(ratios(own, found.learned))))
    else:
        gaps = [value for row in own if (value := gap(row.cost, found.bound(row.instance))) is not None]
        claims.append(Claim("gap to the best bound, mean", share(sum(gaps) / len(gaps) if gaps else None)))
    return claims


def _proven(rows: Sequence[DagRow]) -> str:
    return _of(sum(row.status == "optimal" for row in rows), len(rows))


def structure_claims(rows: Sequence[StructureRow]) -> list[Claim]:
    """Of mixed chains: what shapes alone lose, and how near the chosen orders come to the fastest."""
    counts = [row for row in rows if row.task == "count"]
    above = sum((row.dense_fma or 0) > (row.fma or 0) for row in counts) / max(1, len(counts))
    found = [Claim("chains of mixed structures whose order by shapes alone is not optimal", share(above))]
    chosen = over_best([row for row in rows if row.task == "time"])
    for who, words in (("calibrated", "`--objective calibrated`"), ("multi_dot", "`numpy.linalg.multi_dot`")):
        if chosen[who]:
            figure = times(geometric_mean(chosen[who]))
            found.append(Claim(f"time of {words} over the fastest of 42 orders, geometric mean", figure))
    return found


def jax_claims(rows: Sequence[JaxRow]) -> list[Claim]:
    """Of JAX functions: operations and speed over the better mode."""
    names = distinct(row.instance for row in rows)
    first = [next(row for row in rows if row.instance == name) for name in names]
    found = [Claim("operations of the better mode over those of the plan, geometric mean", _mean(map(promise, first)))]
    promised = [row for row in rows if row.task == "jacobian" and promise(row) >= PROMISE]
    for batch in sorted({row.batch for row in promised}):
        speeds = [s for row in promised if row.batch == batch and (s := speed(row)) is not None]
        what = f"speed over the better mode at batch {batch} where {PROMISE} times fewer operations are promised"
        found.append(Claim(what, mean_times(speeds)))
    return found


def _mean(values: Iterable[float]) -> str:
    return mean_times(list(values))


def limit_claims(rows: Sequence[LimitRow]) -> list[Claim]:
    """Of limits: the gain of two threads, published schedules reached."""
    found, claims = gains(rows), list[Claim]()
    if HALVES in found:
        what = "speed of two workers over one on two equal independent halves"
        claims.append(Claim(what, f"{found[HALVES]:.2f}"))
    known = schedules(rows)
    if known:
        reached = sum(own.cost == optimum for own, optimum, _ in known)
        proven = sum(own.status == "optimal" for own, _, _ in known)
        claims.append(Claim("published optimal makespans reached", _of(reached, len(known))))
        claims.append(Claim("of them proven", _of(proven, len(known))))
    return claims


def size_claims(rows: Sequence[SizesRow]) -> list[Claim]:
    """Of ranges of sizes: how near few orders come to the optimum, and what is proven."""
    found = list[Claim]()
    for task in ("dense", "structured"):
        own = of_task(rows, task)
        if own:
            what = f"{task} chains with two unknown sizes whose 4 orders keep 1.10 of the optimum at 95 % of sizes"
            found.append(Claim(what, share(kept(own))))
            proven = median(row.guarantee for row in own)
            found.append(Claim(f"factor proven of them over all sizes, median, {task} chains", f"{proven:.4f}"))
    return found


def repeat_claims(rows: Sequence[RepeatRow]) -> list[Claim]:
    """Of chains of equal factors: what sharing saves in fma and in time, how many plans are proven."""
    fewer, faster = zip(*gains_of_sharing(rows), strict=True)
    proven, powers = sum(bool(row.proof) for row in rows), over_power(rows)
    return [
        Claim("fma without sharing over those with it, where it saves any, geometric mean", mean_times(fewer)),
        Claim("time likewise", mean_times(faster)),
        Claim("time over `numpy.linalg.matrix_power` on powers of a dense factor, geometric mean", mean_times(powers)),
        Claim("plans proven optimal within bracketings with equal products shared", _of(proven, len(rows))),
    ]


def product_claims(rows: Sequence[ProductRow]) -> list[Claim]:
    """Of products with vectors: what the better of formed and free costs over the mix."""
    found = []
    for k, values in product_gains(rows).items():
        figure = f"{times(geometric_mean(values))}, up to {times(max(values))}"
        what = f"fma of the better of J formed and nothing formed over the best mix at {number(k)} products, geom. mean"
        found.append(Claim(what, figure))
    return found


def _of(part: int, whole: int) -> str:
    return f"{number(part)} of {number(whole)}"
