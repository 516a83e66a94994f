"""The suite `products-time`: an operator against J formed first, and against nothing formed, in seconds.

For each problem and each number of products three ways are timed: the operator of the plan (what `chainplan.operator`
takes, and one product), the Jacobian formed by its own best plan and multiplied by `J @ v`, and every elemental applied
by hand-written numpy. What counts is the set-up and all products together. Plans are made for time, under rates that
were measured in the same process, so that a plan also promises by how much it is ahead. All of it is done in a process
of its own with one BLAS thread, and timed in seconds of the processor, because other load on the machine would count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.apart import printed_apart
from bench.instances.multiplied import KINDS
from bench.rows import ProductTimeRow
from bench.run import load, machine
from chainplan.costs.calibrate import measure
from chainplan.costs.timed import TimedCost, timed
from chainplan.execution.executor import execute
from chainplan.execution.function_times import measured
from chainplan.execution.operator import JacobianOperator, operator
from chainplan.planner import plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.kept_blocks import multiplying
from chainplan.plans.product_orders import baseline_price
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.values.draw import draw

Array = np.ndarray[Any, np.dtype[np.float64]]
MIN_SECONDS = 2e-4
"""Seconds that a timing takes at least; a shorter call is repeated within it."""


@dataclass(frozen=True)
class ProductTimeSuite:
    """How many problems of each kind, how many products, and the turns and seconds of each measurement."""

    name: str = "products-time"
    title: str = "Products with a Jacobian, in time"
    each: int = 3
    products: tuple[int, ...] = (10, 100, 1000)
    turns: int = 15
    seconds: float = 1.0

    def quick(self) -> ProductTimeSuite:
        """The same on one problem of each kind."""
        return replace(self, each=1, products=(10,), turns=2, seconds=0.1)


PRODUCT_TIME_SUITES = {"products-time": ProductTimeSuite()}


def run_product_times(
    suite: ProductTimeSuite, say: Callable[[str], None]
) -> tuple[dict[str, str], list[ProductTimeRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before = load()
    rows = list(_apart(suite, say))
    about = {"suite": suite.name, **machine(("numpy", "scipy")), "load": f"{before} before, {load()} after"}
    return about, rows


def _apart(suite: ProductTimeSuite, say: Callable[[str], None]) -> Iterator[ProductTimeRow]:
    """The rows, from a process with one BLAS thread."""
    for entry in printed_apart("bench.product_times", suite):
        row = ProductTimeRow(**entry)
        say(f"{row.instance}, {row.right} and {row.left} products")
        yield row


def print_rows(suite: ProductTimeSuite) -> None:
    """Measure every problem with every number of products, and print each row as a line of JSON."""
    rates = timed("calibrated", {fit.regime: fit.rates for fit in measure(clock=process_time)})
    for kind in KINDS:
        for number in range(1, suite.each + 1):
            problem = kind(number)
            for k in suite.products:
                for products in (Products(k), Products(k, k)) if number == 1 else (Products(k),):
                    print(json.dumps(asdict(timed_row(problem, products, rates, suite))), flush=True)


def timed_row(problem: Problem, products: Products, rates: TimedCost, suite: ProductTimeSuite) -> ProductTimeRow:
    """Time the three ways in turns."""
    graph, given = problem.graph, _given(problem)
    problem = replace(problem, cost=measured(rates, graph, given, process_time))
    found, own = _planned(replace(problem, products=products)), _planned(problem)
    made, jacobian = operator(found, given), _formed(own, given)
    calls: dict[str, Callable[[], Any]] = {
        "setup": lambda: operator(found, given),
        "formed_setup": lambda: _formed(own, given),
    }
    for mode, times in products.sides():
        if times:
            calls |= _products(problem, made, jacobian, given, mode)
    best, turns = _least(calls, suite)
    prices = _prices(problem, products, found, own)
    total = {way: best.get(f"{way}setup", 0.0) for way in ("", "formed_", "free_")}
    for mode, times in products.sides():
        if times:
            side = "right" if mode is Mode.TANGENT else "left"
            total = {way: spent + times * best[f"{way}{side}"] for way, spent in total.items()}
    return ProductTimeRow(
        problem.name or "",
        products.right,
        products.left,
        *prices,
        total[""],
        total["formed_"],
        total["free_"],
        best["setup"],
        best["formed_setup"],
        turns,
    )


def _planned(problem: Problem) -> Plan:
    found = plan(problem, budget=5.0).plan
    assert found is not None
    return found


def _products(
    problem: Problem, made: JacobianOperator, jacobian: Any, given: Mapping[str, Any], mode: Mode
) -> dict[str, Callable[[], Any]]:
    """One product on a side by each way, which must agree.

    Raises
    ------
    ValueError
        If they do not.
    """
    right = mode is Mode.TANGENT
    side, size = ("right", made.shape[1]) if right else ("left", made.shape[0])
    vector = np.random.default_rng(1).random(size)
    ways: dict[str, Callable[[], Any]] = {
        side: partial(made.matvec if right else made.rmatvec, vector),
        f"formed_{side}": (lambda: jacobian @ vector) if right else (lambda: vector @ jacobian),
        f"free_{side}": _by_hand(problem.graph, given, mode, vector),
    }
    products = [call() for call in ways.values()]
    scale = float(np.abs(products[0]).max())
    if any(float(np.abs(product - products[0]).max()) > 1e-9 * scale for product in products[1:]):
        raise ValueError(f"{problem.name}: two ways disagree")
    return ways


def _prices(problem: Problem, products: Products, found: Plan, own: Plan) -> tuple[int, int, int]:
    """The predicted nanoseconds of the operator's plan, of J formed by its best plan, and of nothing formed."""
    cost = problem.cost
    priced = Candidate(multiplying(own), cost).priced
    per = {program.program.mode: program.price for program in priced.programs}
    formed = sum(priced.prices) + sum(times * per[mode] for mode, times in products.sides())
    free = baseline_price(replace(problem, products=products), "free", cost)
    return Candidate(found, cost).price, formed, free


def _given(problem: Problem) -> dict[str, Any]:
    """Draw the elementals, matrix-free ones as functions."""
    given: dict[str, Any] = draw(problem.graph, 0)
    for e in problem.graph.elementals:
        if not e.explicit:
            given[e.name] = _functions(given[e.name])
    return given


def _functions(matrix: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    return lambda block: matrix @ block, lambda block: block @ matrix


def _formed(found: Plan, given: Mapping[str, Any]) -> Any:
    """The Jacobian as a plan holds it, so that `@` multiplies it; a diagonal is written out."""
    held = next(iter(execute(found, given, dense=False).values()))
    return held if held.ndim == 2 else execute(found, given, dense=True).popitem()[1]


def _by_hand(graph: Graph, given: Mapping[str, Any], mode: Mode, vector: Array) -> Callable[[], Array]:
    """A product through all elementals, as one would write it: a line of numpy for each."""
    tangent = mode is Mode.TANGENT
    lines = [
        (e.source, e.target, _applied(e, given.get(e.name), tangent))
        if tangent
        else (e.target, e.source, _applied(e, given.get(e.name), tangent))
        for e in (graph.useful if tangent else reversed(graph.useful))
    ]
    start, end = (graph.inputs[0], graph.outputs[0])[:: 1 if tangent else -1]

    def product() -> Array:
        values = {start: vector}
        for source, target, apply in lines:
            part = apply(values[source])
            values[target] = values[target] + part if target in values else part
        return values[end]

    return product


def _applied(e: Elemental, given: Any, tangent: bool) -> Callable[[Array], Array]:
    """What multiplies a vector by an elemental."""
    if given is None:
        return lambda v: v
    if isinstance(given, tuple):
        function = given[0 if tangent else 1]
        return (lambda v: function(v[:, None])[:, 0]) if tangent else lambda w: function(w[None])[0]
    if given.ndim == 1:
        return lambda v: given * v
    if given.ndim == 3:
        count, rows, cols = given.shape
        if tangent:
            return lambda v: (given @ v.reshape(count, cols, 1)).reshape(-1)
        return lambda w: (w.reshape(count, 1, rows) @ given).reshape(-1)
    return (lambda v: given @ v) if tangent else lambda w: w @ given


def _least(calls: Mapping[str, Callable[[], Any]], suite: ProductTimeSuite) -> tuple[dict[str, float], int]:
    """Least seconds of each call over turns, and the number of turns."""
    counts = {
        name: max(1, round(MIN_SECONDS / max(1e-7, min(_seconds(call, 1) for _ in range(3)))))
        for name, call in calls.items()
    }
    best, turns, names = dict.fromkeys(calls, float("inf")), 0, list(calls)
    begin = perf_counter()
    while turns < 3 or (turns < suite.turns and perf_counter() - begin < suite.seconds):
        for name in names if turns % 2 else reversed(names):
            best[name] = min(best[name], _seconds(calls[name], counts[name]))
        turns += 1
    return best, turns


def _seconds(call: Callable[[], Any], count: int) -> float:
    """Seconds of the processor that a call takes, the mean of several in a row behind one that warms the caches up."""
    call()
    start = process_time()
    for _ in range(count):
        call()
    return (process_time() - start) / count


if __name__ == "__main__":
    print_rows(ProductTimeSuite(**{**(given := json.loads(sys.argv[1])), "products": tuple(given["products"])}))
