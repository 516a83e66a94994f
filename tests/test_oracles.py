"""The oracles share nothing with what they judge, and know what can be said without them."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from tests.oracles import chain, colouring
from tests.oracles.patterns import blocks_of, fma, product
from tests.reference import ROOT

ORACLES = sorted(path.stem for path in (ROOT / "tests" / "oracles").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", ORACLES)
def test_an_oracle_imports_nothing_of_what_it_judges(name: str) -> None:
    code = f"import sys, tests.oracles.{name}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    loaded = set(made.stdout.decode().split())
    assert "tests" in loaded
    assert not loaded & {"chainplan", "chainplan_cli", "bench", "scipy", "networkx", "ortools"}


def test_colours_of_patterns_that_are_understood() -> None:
    n = 7
    i, j = np.indices((n, n))
    arrow = (i == j) | (i == 0) | (j == 0)
    assert colouring.least_price(arrow, 1, 1) == 3
    assert colouring.least_price(arrow, 1, 10) == colouring.least_price(arrow, 1, None) == n
    assert colouring.least_price(abs(i - j) <= 1, 5, 5) == 15
    assert colouring.least_price(np.ones((3, 5), bool), 1, 1) == 3
    assert colouring.least_price(np.eye(100, dtype=bool), 10, 10) == 10
    assert colouring.recovers(arrow, [0, *[1] * (n - 1)], [0, *[-1] * (n - 1)])
    assert not colouring.recovers(arrow, [0, *[1] * (n - 1)], [-1] * n)


def test_chains_that_are_understood() -> None:
    sizes = [30, 35, 15, 5, 10, 20, 25]
    dense = {"chain": [{"shape": [m, n]} for n, m in pairwise(sizes)]}
    assert chain.least_cost(dense) == 15_125
    diagonal = {"shape": [100, 100], "structure": "diagonal", "tangent": 10, "adjoint": 10}
    assert chain.least_cost({"chain": [diagonal] * 5}) == 50
    assert chain.pareto(chain.Chain(dense), {})[-1][1] == 15_125


def test_products_with_a_picker_are_free() -> None:
    pick, dense, add = blocks_of([(2, 3, {"selection": [2, 2]}), (3, 4, "dense"), (1, 2, {"reduce": "each"})])
    assert fma(pick, dense) == 0
    assert fma(dense, dense._replace(rows=4, cols=2)) == 24
    assert product(pick, dense).nnz == 8
    assert product(add, pick).picks is None
