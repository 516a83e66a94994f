"""Hu-Shing against the O(n^3) recurrence: ties, shapes, sizes of any magnitude, published optima."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product

import numpy as np
import pytest

from chainplan.solvers.chain.hu_shing import optimal_products
from tests.oracles.brackets import least_products, least_products_by_rows
from tests.reference import OWN, entries


def cost(sizes: Sequence[int]) -> int:
    """Cost of the returned bracketing, after checking that it is one and that operands precede their use."""
    n = len(sizes) - 1
    products = optimal_products(sizes)
    blocks = {(i, i + 1) for i in range(n)}
    for i, k, j in products:
        assert 0 <= i < k < j <= n
        blocks.remove((i, k))
        blocks.remove((k, j))
        blocks.add((i, j))
    assert blocks == {(0, n)}
    assert len(products) == n - 1
    return sum(sizes[i] * sizes[k] * sizes[j] for i, k, j in products)


@pytest.mark.parametrize(("low", "high"), [(1, 2), (1, 3), (0, 4), (1, 6), (1, 20), (1, 1000), (100, 105), (1, 10**12)])
def test_random_small_chains(low: int, high: int) -> None:
    rng = random.Random(high)
    for _ in range(4000):
        s = [rng.randint(low, high) for _ in range(rng.randint(2, 13))]
        assert cost(s) == cost(s[::-1]) == least_products(s), s


@pytest.mark.parametrize(("sizes", "longest"), [((0, 1, 2), 7), ((1, 2, 3), 8), ((2, 3, 4, 5), 6)])
def test_every_chain_over_few_sizes(sizes: Sequence[int], longest: int) -> None:
    for n in range(2, longest + 1):
        for s in product(sizes, repeat=n):
            assert cost(s) == least_products(s), s


@pytest.mark.parametrize(
    "multiset",
    [
        (1, 2, 3, 4, 5, 6, 7),
        (10, 11, 12, 13, 14, 15, 16),
        (1, 1, 2, 2, 3, 3, 4, 4),
        (3, 3, 4, 4, 5, 5, 6, 7),
        (1, 2, 4, 8, 16, 32, 64),
        (0, 0, 1, 1, 2, 3, 5),
        (10**12, 10**12 + 1, 10**12 + 2, 10**12 + 3, 10**12 + 3, 10**12 + 4),
    ],
)
def test_all_permutations(multiset: Sequence[int]) -> None:
    for s in set(permutations(multiset)):
        assert cost(s) == least_products(s), s


def rising_falling(values: Sequence[int], rng: random.Random) -> list[int]:
    """Unimodal: largest values inside, each next smaller one at a random end."""
    s: list[int] = []
    for x in sorted(values, reverse=True):
        s.insert(rng.choice((0, len(s))), x)
    return s


def uniform(n: int, r: random.Random) -> list[int]:
    return [r.randint(1, r.choice((3, 10, 1000))) for _ in range(n)]


SHAPES: dict[str, Callable[[int, random.Random], list[int]]] = {
    "uniform": uniform,
    "rising": lambda n, r: sorted(r.randint(1, 500) for _ in range(n)),
    "falling": lambda n, r: sorted((r.randint(1, 500) for _ in range(n)), reverse=True),
    "concave": lambda n, r: rising_falling([r.randint(1, 500) for _ in range(n)], r),
    "concave, few sizes": lambda n, r: rising_falling([r.randint(9, 19) for _ in range(n)], r),
    "convex": lambda n, r: [-x for x in rising_falling([-r.randint(1, 500) for _ in range(n)], r)],
    "parabola": lambda n, r: [2 + i * (n - i) + r.randint(-1, 1) for i in range(n)],
    "bowl": lambda n, r: [1 + (i - n // 2) ** 2 // r.randint(1, 2) for i in range(n)],
    "sawtooth": lambda n, r: [5 + i % r.choice((3, 7, 13)) for i in range(n)],
    "nested sawteeth": lambda n, r: [10 + ((i & -i) if i else n) for i in range(n)],
    "alternating": lambda n, r: [(1000, r.randint(1, 3))[i % 2] for i in range(n)],
    "constant": lambda n, r: [r.choice((1, 7))] * n,
    "geometric": lambda n, r: [2 ** abs(i - n // r.choice((2, 3))) for i in range(n)],
    "near ties": lambda n, r: [10**6 + r.randint(0, 3) for i in range(n)],
    "near ties, huge": lambda n, r: [10**30 + r.randint(0, 5) for i in range(n)],
    "few minima": lambda n, r: [r.choice((2, 50, 60, 70, 80, 90)) for _ in range(n)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_medium_chains(shape: str) -> None:
    rng = random.Random(shape)
    for _ in range(8):
        s = SHAPES[shape](rng.randint(50, 120), rng)
        assert cost(s) == cost(s[::-1]) == least_products_by_rows(s), s
    for _ in range(2):
        s = SHAPES[shape](rng.randint(150, 201), rng)
        assert cost(s) == cost(s[::-1]) == least_products_by_rows(s), s


def test_large_integers_scale() -> None:
    rng = random.Random(5)
    for n in (20, 300):
        s = [rng.randint(1, 10**12) for _ in range(n)]
        assert cost([x << 200 for x in s]) == cost(s) << 600


def test_cost_is_invariant_under_rotation() -> None:
    rng = random.Random(6)
    s = [rng.randint(1, 50) for _ in range(400)]
    assert len({cost(s[m:] + s[:m]) for m in range(400)}) == 1


def test_degenerate_chains() -> None:
    assert optimal_products([]) == optimal_products([3]) == optimal_products([3, 4]) == []
    assert optimal_products([3, 4, 5]) == [(0, 1, 2)]
    assert cost([0] * 9) == cost([4, 5, 0, 6, 7]) == cost([0, 5, 6]) == cost([5, 6, 0]) == 0
    with pytest.raises(ValueError, match="negative"):
        optimal_products([2, -1, 3])


def test_input_kinds() -> None:
    s = [4_000_000, 3_000_000, 5_000_000, 2_000_000, 4_000_000]
    expected = optimal_products(s)
    assert optimal_products(tuple(s)) == expected
    assert optimal_products(np.array(s, dtype=np.int32)) == expected  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        optimal_products([1.5, 2, 3])  # type: ignore[list-item]


def test_known_optima() -> None:
    assert cost([1000, 1, 1000, 1, 1000]) == 1_002_000
    assert cost([30, 35, 15, 5, 10, 20, 25]) == 15_125


def test_einsum_benchmark_chains() -> None:
    chains = entries(OWN / "einsum_benchmark_chains.json")
    assert len(chains) == 2
    for instance in chains:
        assert cost(instance["sizes"]) == instance["optimum"]


def large() -> Iterator[tuple[str, list[int]]]:
    n, rng = 100_001, random.Random(7)
    yield "all ones", [1] * n
    yield "alternating", [1000, 1] * (n // 2) + [1000]
    yield "rising", list(range(1, n + 1))
    yield "falling", list(range(n, 0, -1))
    yield "concave", rising_falling(range(1, n // 4), rng)
    yield "concave, near ties", [10**9 + i for i in range(n // 2)] + [10**9 + i for i in range(n // 2, 0, -1)]
    yield "convex", [abs(i - n // 2) + 1 for i in range(n)]
    yield "sawtooth", [1 + i % 1000 for i in range(n)]
    yield "nested sawteeth", [10 + ((i & -i) if i else n) for i in range(n)]
    yield "random", [rng.randint(1, 10**12) for _ in range(n)]


@pytest.mark.parametrize("sizes", [pytest.param(s, id=shape) for shape, s in large()])
def test_long_chains_of_every_shape(sizes: list[int]) -> None:
    assert cost(sizes) == cost(sizes[::-1])
