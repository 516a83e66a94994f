"""Other programs that order matrix chains, one class each, called the way their users would call them.

All are asked for the fewest operations, which is not what cotengra's `auto` asks by itself, and without their caches,
so that repeating a call repeats the work. `longest` keeps a call to about a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, NamedTuple, final

from bench.competitor import Competitor
from bench.costs import bracketing_cost, path_cost


class _Shaped(NamedTuple):
    """An array without entries: all that the order search of multi_dot looks at."""

    shape: tuple[int, int]


@final
@dataclass(frozen=True)
class MultiDot(Competitor):
    """The order search of `numpy.linalg.multi_dot`: interval dynamic programming in Python, prices in float64.

    It is a private function of numpy. Three factors are ordered by a shortcut that is not measured here.
    """

    name: str = "multi_dot"
    longest: int | None = 1000
    module: str = "numpy"

    def search(self, sizes: Sequence[int], seed: int) -> Any:
        numpy_linalg = import_module(
            "numpy.linalg._linalg" if find_spec("numpy.linalg._linalg") else "numpy.linalg.linalg"
        )
        return numpy_linalg._multi_dot_matrix_chain_order([_Shaped(shape) for shape in _shapes(sizes)])

    def price(self, sizes: Sequence[int], found: Any) -> int:
        return bracketing_cost(sizes, found)


@final
@dataclass(frozen=True)
class OptEinsum(Competitor):
    """`opt_einsum.contract_path` on shapes."""

    module: str = "opt_einsum"
    optimize: str = "auto"

    def search(self, sizes: Sequence[int], seed: int) -> Any:
        import opt_einsum

        symbols = [opt_einsum.get_symbol(i) for i in range(len(sizes))]
        terms = ",".join(a + b for a, b in pairwise(symbols))
        equation = f"{terms}->{symbols[0]}{symbols[-1]}"
        path, _ = opt_einsum.contract_path(equation, *_shapes(sizes), shapes=True, optimize=self.optimize)
        return path

    def price(self, sizes: Sequence[int], found: Any) -> int:
        return path_cost(sizes, found)


@final
@dataclass(frozen=True)
class CotengraGreedy(Competitor):
    """`cotengra.array_contract_path` with the preset `greedy`."""

    name: str = "cotengra-greedy"
    module: str = "cotengra"

    def search(self, sizes: Sequence[int], seed: int) -> Any:
        return _cotengra_path(sizes, "greedy")

    def price(self, sizes: Sequence[int], found: Any) -> int:
        return path_cost(sizes, found)


@final
@dataclass(frozen=True)
class CotengraSearch(Competitor):
    """cotengra's presets `auto` and `auto-hq`: exact on a dozen or two of factors, else a hyper-optimized search.

    The search ends by time, so its costs vary a little even with one seed.
    """

    module: str = "cotengra"
    optimizer: str = "AutoOptimizer"

    def search(self, sizes: Sequence[int], seed: int) -> Any:
        import cotengra

        optimizer = getattr(cotengra, self.optimizer)
        return _cotengra_path(sizes, optimizer(minimize="flops", cache=False, parallel=False, seed=seed))

    def price(self, sizes: Sequence[int], found: Any) -> int:
        return path_cost(sizes, found)


def _cotengra_path(sizes: Sequence[int], optimize: Any) -> Any:
    import cotengra

    inputs = [(i, i + 1) for i in range(len(sizes) - 1)]
    output = (0, len(sizes) - 1)
    return cotengra.array_contract_path(inputs, output, dict(enumerate(sizes)), optimize=optimize, cache=False)


def _shapes(sizes: Sequence[int]) -> list[tuple[int, int]]:
    return list(pairwise(sizes))


PEERS: tuple[Competitor, ...] = (
    MultiDot(),
    OptEinsum("opt_einsum-greedy", optimize="greedy"),
    OptEinsum("opt_einsum-dp", longest=100, optimize="dp"),
    OptEinsum("opt_einsum-auto", optimize="auto"),
    CotengraGreedy(),
    CotengraSearch("cotengra-auto", longest=1000, seeds=(0, 1, 2)),
    CotengraSearch("cotengra-auto-hq", longest=1000, optimizer="AutoHQOptimizer"),
)
