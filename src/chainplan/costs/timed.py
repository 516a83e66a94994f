"""Cost models in nanoseconds: rates of kernels and conversions times their work.

The price of a step is what its kernel, the conversions around it and the call itself take by the model's table of
rates; `kernels.routes` counts the work. Forms and routes are functions of the blocks alone, so a price does not depend
on how a block came about, and interval dynamic programming stays exact. There is no roofline: what a pass over memory
takes is in the rates per entry.

`WEIGHTED` has the static table, the same everywhere; `calibrated` (see `calibration`) has this machine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from chainplan.kernels.default_rates import REGIMES, SECOND, STATIC, Rates
from chainplan.kernels.dispatch import Part, converted, price, product_parts, sum_parts
from chainplan.kernels.storage import Form, form
from chainplan.problem.cost import available
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block, Dense


@dataclass(frozen=True)
class Timed:
    """Nanoseconds by a table of rates; `table` lists each regime with its rates in femtoseconds.

    A matrix-free elemental is priced by its fma at one rate, as what it does inside is not known; add to that the seed
    it is given, its result's conversion to the form of its block, and the call.
    """

    objective: str
    table: tuple[tuple[str, tuple[int, ...]], ...]
    unit = "nanoseconds"

    @cached_property
    def rates(self) -> Rates:
        """The table by regime."""
        return dict(self.table)

    @cached_property
    def _gemm(self) -> tuple[int, ...]:
        """Rates of a dense product, which is priced without looking for its route."""
        return self.rates["gemm"]

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        m, k, n = left.rows, left.cols, right.cols
        if type(left.structure) is type(right.structure) is Dense and k != 1:
            once, by_left, by_right, by_result, by_fma = self._gemm
            total = once + by_left * m * k + by_right * k * n + by_result * m * n + by_fma * m * k * n
            return (total + SECOND // 2) // SECOND
        return price(self.rates, product_parts(left, right, left.times(right) if result is None else result))

    def add(self, left: Block, right: Block) -> int:
        return price(self.rates, sum_parts(left, right, left.plus(right)))

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        block = elemental.block
        vectors = block.cols if mode is Mode.TANGENT else block.rows
        seed: Part = ("identity", (1, vectors * vectors))
        return price(self.rates, (seed, *self._applied(elemental, vectors, mode, block)))

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        tangent = mode is Mode.TANGENT
        result = elemental.block.times(arg) if tangent else arg.times(elemental.block)
        written = converted(arg, form(arg), Form.MATRIX)
        vectors = arg.cols if tangent else arg.rows
        return price(self.rates, (*written, *self._applied(elemental, vectors, mode, result)))

    def _applied(self, elemental: Elemental, vectors: int, mode: Mode, result: Block) -> tuple[Part, ...]:
        """The work of one call on some vectors, its result held as `result` is."""
        return self.called(elemental, vectors, mode), *converted(result, Form.MATRIX, form(result))

    def called(self, elemental: Elemental, vectors: int, mode: Mode) -> Part:
        """The work of a function of a matrix-free elemental itself, on some vectors."""
        return "apply", (1, vectors * available(elemental, mode))

    def call(self, elemental: Elemental, vectors: int, mode: Mode) -> int:
        return price(self.rates, (self.called(elemental, vectors, mode),))

    def advance(self, elemental: Elemental) -> int:
        return price(self.rates, (("apply", (1, elemental.evaluation)),))

    def seed(self, size: int, colours: int) -> int:
        return price(self.rates, (("identity", (1, size * colours)),))

    def decompress(self, block: Block) -> int:
        parts: tuple[Part, ...] = (("decompress", (1, block.nnz)),)
        return price(self.rates, (*parts, *converted(block, Form.SPARSE, form(block))))


def timed(objective: str, rates: Mapping[str, tuple[int, ...]]) -> Timed:
    """The model of a table, its regimes in the order of `REGIMES`."""
    return Timed(objective, tuple((regime, tuple(rates[regime])) for regime in REGIMES))


def proper_rates(rates: object) -> dict[str, tuple[int, ...]]:
    """Rates read from JSON, for every regime a whole number of femtoseconds per feature.

    Raises
    ------
    ValueError
        Where they are not that.
    """
    if not isinstance(rates, dict) or rates.keys() != REGIMES.keys():
        raise ValueError("expected an object with one list per regime.")
    for regime, features in REGIMES.items():
        found = rates[regime]
        whole = isinstance(found, list) and all(type(rate) is int and 0 <= rate < 10**18 for rate in found)
        if not whole or len(found) != len(features):
            raise ValueError(f"'{regime}' needs {len(features)} whole numbers of femtoseconds from 0.")
    return {regime: tuple(rates[regime]) for regime in REGIMES}


WEIGHTED = timed("weighted", STATIC)
"""The static table: the objective for execution time where no machine has been measured."""
