"""The suite `products`: what plans for k products J·v cost, against the better of J formed and nothing formed.

The chains are random dense ones, sizes log-uniform. J is formed at its least cost. All figures but the times of
planning are counts, which nothing disturbs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from time import process_time

from bench.planners import dense_chain
from bench.rows import ProductRow
from bench.run import load, machine
from chainplan.planner import plan
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products

Say = Callable[[str], None]


@dataclass(frozen=True)
class ProductSuite:
    """So many `chains` of `fewest` to `most` dense factors with sizes from 1 to `widest`; `products` J·v of each."""

    name: str = "products"
    title: str = "Products with vectors"
    chains: int = 150
    fewest: int = 4
    most: int = 10
    widest: int = 1000
    products: tuple[int, ...] = (10, 100, 1000)

    def quick(self) -> ProductSuite:
        """The same on few chains."""
        return replace(self, chains=5)


PRODUCT_SUITES = {"products": ProductSuite()}


def run_products(suite: ProductSuite, say: Say) -> tuple[dict[str, str], list[ProductRow]]:
    """Plan all chains for all numbers of products: what it was measured on, and the rows."""
    before, rows = load(), list[ProductRow]()
    for number in range(1, suite.chains + 1):
        problem = random_chain(suite, number)
        say(f"{problem.name} ({len(problem.graph.chain)} factors)")
        whole = plan(problem)
        assert whole.price is not None
        nnz = problem.graph.sizes[problem.graph.inputs[0]] * problem.graph.sizes[problem.graph.outputs[0]]
        for k in suite.products:
            start = process_time()
            found = plan(replace(problem, products=Products(k)))
            planning = process_time() - start
            free = found.baselines.free
            assert found.price is not None
            assert found.replay is not None
            assert free is not None
            setup, each, _ = found.replay.products
            assert each is not None
            formed = whole.price + k * nnz
            figures = found.price, found.bound, setup, each, formed, free
            rows.append(ProductRow(problem.name or "", len(problem.graph.chain), k, *figures, planning))
    return {"suite": suite.name, **machine(("numpy",)), "load": f"{before} before, {load()} after"}, rows


def random_chain(suite: ProductSuite, number: int) -> Problem:
    """A random dense chain of the suite."""
    draw = Random(f"products-{number}")
    factors = draw.randint(suite.fewest, suite.most)
    sizes = [round(suite.widest ** draw.random()) for _ in range(factors + 1)]
    return replace(dense_chain(sizes), name=f"random {number}")
