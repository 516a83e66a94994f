"""The prices of all intervals of a chain by anti-diagonals, compiled or not, against those of single products."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from chainplan.compiled.loader import compiled_core
from chainplan.plans.replay import replay
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.chain import interval_bits, listed_products
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.derivation import write
from chainplan.solvers.chain.interval_prices import FmaTable
from chainplan.solvers.chain.interval_products import IntervalProducts, LastProducts
from chainplan.solvers.chain.interval_table import IntervalTable
from chainplan.solvers.chain.listed_products import ListedProducts
from chainplan.structures import Banded, Structure, from_spec
from tests.problems import chain_problem
from tests.structures import any_structure, band_family, fitting

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def closed_chain(seed: int) -> Problem:
    """A chain whose structures are closed as given: with bands, or with parts whose numbers divide each other."""
    rng = random.Random(seed)
    words = rng.choice((["banded"], ["block_diagonal", "replicate"], ["kronecker", "reduce"]))
    sizes, structures = [rng.choice((4, 8, 16))], list[Structure]()
    for _ in range(rng.randint(2, 14)):
        cols, plain = sizes[-1], rng.random()
        rows = cols if rng.random() < 0.7 else rng.choice((4, 8, 16))
        structure: Structure | None = None
        if words == ["banded"] and plain < 0.3:
            structure = Banded(rng.randrange(1 + rows), rng.randrange(1 + cols))
        elif words != ["banded"] and plain < 0.8:
            structure = fitting(rng, rng.choice(words), rows, cols)
        sizes.append(rows)
        structures.append(structure or _without_bands(rng, rows, cols, words == ["banded"]))
    return chain_problem(sizes, structures)


def _without_bands(rng: random.Random, rows: int, cols: int, bands: bool) -> Structure:
    while True:
        structure = band_family(rng, rows, cols)
        if bands or not isinstance(structure, Banded):
            return structure


@pytest.mark.parametrize("compiled", ["1", "0"])
def test_anti_diagonals_have_the_prices_of_single_products(compiled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiled == "1" and compiled_core() is None:
        pytest.skip("not compiled; run python hatch_build.py")
    monkeypatch.setenv("CHAINPLAN_COMPILED", compiled)
    seen = 0
    for seed in range(60):
        problem = closed_chain(seed)
        chain = problem.graph.chain
        if any(e.block.structure.name == "sparse" for e in chain):
            continue
        _compare(problem, partial(IntervalProducts, chain), seed)
        seen += 1
    assert seen > 30


def test_listed_patterns_have_the_prices_of_single_products(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(60):
        monkeypatch.setattr(listed_products, "_LONGEST_PADDED", 256 if seed % 2 else 0)
        monkeypatch.setattr(interval_bits, "MAX_BITS", 10**6 if seed % 3 else 0)
        rng = random.Random(seed)
        sizes = [rng.choice((1, 2, 5, 8))]
        for _ in range(rng.randint(2, 9)):
            sizes.append(sizes[-1] if rng.random() < 0.5 else rng.choice((1, 2, 5, 8, 70)))
        structures = [any_structure(rng, rows, cols) for cols, rows in pairwise(sizes)]
        problem = chain_problem(sizes, [*structures[:-1], from_spec("coo", [[0, 0]], (sizes[-1], sizes[-2]), None)])
        chain = problem.graph.chain
        assert problem.graph.exact
        products = partial(ListedProducts, chain, exact=True, least=False, tick=lambda: None)
        _compare(problem, products, seed)


def _compare(problem: Problem, products: Callable[[DTypeLike], LastProducts], seed: int) -> None:
    """All prices and the plan by anti-diagonals are those of one product at a time."""
    chain = problem.graph.chain
    sweeps = ChainSweeps(chain, FMA)
    table, single = FmaTable(chain, sweeps, products), IntervalTable(chain, FMA, sweeps)
    for d in range(2, len(chain) + 1):
        table.fill(d)
        single.fill(d)
        for i in range(len(chain) - d + 1):
            assert table.price(i, i + d) == single.price(i, i + d), (seed, i, d)
    whole = (0, len(chain))
    plans = [write(problem.graph, whole, made.derive) for made in (table, single)]
    assert plans[0].steps == plans[1].steps
    assert replay(plans[0]).total == table.price(*whole)
