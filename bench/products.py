"""The suites `products` and `products-graphs`: plans for k products J·v, against the better of J formed and free.

The chains are random dense ones, sizes log-uniform, of which J is formed at its least cost. The graphs are random dense
ones of every family; J is formed at the least cost that a search of as many nodes finds. All figures but the times of
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
from generators.graphs import FAMILIES, dag_problem, make

Say = Callable[[str], None]


@dataclass(frozen=True)
class ProductSuite:
    """So many chains of `fewest` to `most` dense factors with sizes from 1 to `widest`; `products` J·v of each.

    Graphs instead have so many intermediate vertices, and a search ends after `nodes`.
    """

    name: str = "products"
    title: str = "Products with vectors"
    count: int = 150
    fewest: int = 4
    most: int = 10
    widest: int = 1000
    products: tuple[int, ...] = (10, 100, 1000)
    nodes: int | None = None
    graphs: bool = False

    def quick(self) -> ProductSuite:
        """The same on few problems."""
        return replace(self, count=5)

    @property
    def what(self) -> str:
        """The kind of problem in a word."""
        return "graph" if self.graphs else "chain"

    def drawn(self, number: int) -> Problem:
        """A random problem of the suite."""
        return random_graph(self, number) if self.graphs else random_chain(self, number)


PRODUCT_SUITES = {
    suite.name: suite
    for suite in (
        ProductSuite(),
        ProductSuite("products-graphs", "Products with graphs", 18, 8, 20, 20, nodes=1_000, graphs=True),
    )
}


def run_products(suite: ProductSuite, say: Say) -> tuple[dict[str, str], list[ProductRow]]:
    """Plan all problems for all numbers of products: what it was measured on, and the rows."""
    before, rows = load(), list[ProductRow]()
    for number in range(1, suite.count + 1):
        problem = suite.drawn(number)
        factors = len(problem.graph.elementals)
        say(f"{problem.name} ({factors} factors)")
        whole = plan(problem, nodes=suite.nodes)
        assert whole.price is not None
        assert whole.plan is not None
        assert whole.replay is not None
        nnz = sum(whole.replay.blocks[output.step].block.nnz for output in whole.plan.outputs)
        for k in suite.products:
            start = process_time()
            found = plan(replace(problem, products=Products(k)), nodes=suite.nodes)
            planning = process_time() - start
            free = found.baselines.free
            assert found.price is not None
            assert found.replay is not None
            assert free is not None
            setup, each, _ = found.replay.products
            assert each is not None
            formed = whole.price + k * nnz
            figures = found.price, found.bound, setup, each, formed, free
            rows.append(ProductRow(problem.name or "", factors, k, *figures, planning))
    return {"suite": suite.name, **machine(("numpy",)), "load": f"{before} before, {load()} after"}, rows


def random_chain(suite: ProductSuite, number: int) -> Problem:
    """A random dense chain of the suite."""
    draw = Random(f"products-{number}")
    factors = draw.randint(suite.fewest, suite.most)
    sizes = [round(suite.widest ** draw.random()) for _ in range(factors + 1)]
    return replace(dense_chain(sizes), name=f"random {number}")


def random_graph(suite: ProductSuite, number: int) -> Problem:
    """A random dense graph of the suite, of one family after the other."""
    draw, families = Random(f"products-{number}"), list(FAMILIES)
    family = families[(number - 1) % len(families)]
    problem = dag_problem(make(family, draw.randint(suite.fewest, suite.most), block=True, seed=number))
    return replace(problem, name=f"{problem.name} {number}")
