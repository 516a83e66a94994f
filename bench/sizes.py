"""The suite `sizes`: a few orders for ranges of sizes, against the best order at sampled sizes.

Random chains have two names of sizes, each from 1 to 1,000, and numbers from 1 to 1,000 beside them. At most four
orders are chosen for all sizes; they are compared with the optimum at sampled ones, which the interval program finds
for all of them at once, and at a few of them with what planning finds. Chains of one name are compared with planning at
every sampled size. Times are processor time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from time import process_time
from typing import Any

import numpy as np

from bench.rows import SizesRow
from bench.run import load, machine
from chainplan.io.read import chain
from chainplan.planner import plan
from chainplan.plans.variants import Variants
from chainplan.problem.family import Family
from chainplan.sizing import variants
from chainplan.solvers.sizes.moves import ChainMoves
from chainplan.solvers.sizes.plan_orders import order_of
from chainplan.solvers.sizes.points import PointPrices, optima

STRUCTURES: tuple[Any, ...] = (
    "diagonal",
    "lower_triangular",
    "upper_triangular",
    {"banded": [1, 1]},
    {"banded": [8, 2]},
)
"""The structures of square factors, half of the factors of a structured chain."""
LARGEST = 1000


@dataclass(frozen=True)
class SizesSuite:
    """How many chains there are of each kind, and at how many sizes each is compared."""

    name: str = "sizes"
    title: str = "Orders for ranges of sizes"
    chains: int = 1000
    single: int = 100
    sizes: int = 1000
    planned: int = 3
    single_sizes: int = 200

    def quick(self) -> SizesSuite:
        """The same on a few chains."""
        return replace(self, chains=4, single=2, sizes=100, planned=2, single_sizes=5)


SIZES_SUITES = {"sizes": SizesSuite()}


def run_sizes(suite: SizesSuite, say: Callable[[str], None]) -> tuple[dict[str, str], list[SizesRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, rows = load(), list[SizesRow]()
    for row in _rows(suite):
        rows.append(row)
        if len(rows) % 200 == 0:
            say(f"{row.task}: {len(rows)} chains")
    about = {"suite": suite.name, **machine(("numpy",)), "load": f"{before} before, {load()} after"}
    return about, rows


def _rows(suite: SizesSuite) -> Iterator[SizesRow]:
    for task in ("dense", "structured"):
        for number in range(suite.chains):
            yield several(task, number, suite)
    for number in range(suite.single):
        yield single(number, suite)


def random_family(task: str, number: int, names: str) -> Family:
    """A random chain of 4 to 10 factors, in which each name of a size stands at least once."""
    draw = Random(f"sizes-{task}-{number}")
    while True:
        length = draw.randint(4, 10)
        sizes: list[Any] = [_size(draw, names)]
        items: list[dict[str, Any]] = []
        for _ in range(length):
            square = task == "structured" and draw.random() < 0.5
            sizes.append(sizes[-1] if square else _size(draw, names))
            items.append({"shape": [sizes[-1], sizes[-2]]} | ({"structure": draw.choice(STRUCTURES)} if square else {}))
        if set(names) <= set(sizes):
            made = chain(items, ranges={name: [1, LARGEST] for name in names}, name=f"{task} {number}")
            assert isinstance(made, Family)
            return made


def _size(draw: Random, names: str) -> Any:
    return draw.choice(names) if draw.random() < 0.5 else round(LARGEST ** draw.random())


def several(task: str, number: int, suite: SizesSuite) -> SizesRow:
    """The row of a chain with two names.

    Raises
    ------
    ValueError
        If planning finds another optimum at some size than the interval program of all sizes.
    """
    family = random_family(task, number, "nb")
    start = process_time()
    found = variants(family, 4)
    seconds = process_time() - start
    points = drawn(family, suite.sizes, f"{task}-{number}")
    moves = ChainMoves(family)
    priced = PointPrices(moves.names, points)
    best = optima(moves, priced)
    chosen = np.min([priced.total(moves, order_of(moves, each)) for each in found.plans], axis=0)
    for point, optimum in zip(points[: suite.planned].tolist(), best.tolist(), strict=False):
        price = plan(family.at(**dict(zip(family.names, point, strict=True)))).price
        if price != optimum:
            raise ValueError(
                f"{family.name} at {point}: planning finds {price} fma, the program of all sizes {optimum}"
            )
    quotients = np.where(chosen <= best, 1.0, chosen / np.maximum(best, 1))
    return _row(task, family, moves.q, found, seconds, suite.sizes, quotients.tolist())


def single(number: int, suite: SizesSuite) -> SizesRow:
    """The row of a chain with one name; its quotients are to what planning finds at each size."""
    family = random_family("one name", number, "n")
    start = process_time()
    found = variants(family)
    seconds = process_time() - start
    quotients = []
    for point in drawn(family, suite.single_sizes, f"one-{number}").tolist():
        chosen, planned = found.choose(n=point[0]).price or 0, plan(family.at(n=point[0])).price or 0
        quotients.append(1.0 if chosen == planned else chosen / max(planned, 1))
    return _row("one name", family, len(family.graph.chain), found, seconds, suite.single_sizes, quotients)


def drawn(family: Family, count: int, seed: str) -> Any:
    """Draw sizes, evenly in their logarithms."""
    draw = Random(f"points-{seed}")
    return np.array([[round(LARGEST ** draw.random()) for _ in family.names] for _ in range(count)], np.int64)


def _row(
    task: str, family: Family, q: int, found: Variants, seconds: float, sizes: int, quotients: list[float]
) -> SizesRow:
    ordered = sorted(quotients)
    at = ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
    equal = sum(quotient == 1 for quotient in quotients)
    assert found.guarantee is not None
    name = family.name or ""
    return SizesRow(task, name, q, len(found.plans), found.guarantee, sizes, equal, at, max(ordered), seconds)
