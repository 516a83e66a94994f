"""Cost models in nanoseconds: the work of kernels and conversions times their rates.

The price of a step is the time of its kernel, of the conversions around it and of the call itself, by the rates of the
model; `kernels.dispatch` counts the work. Forms and routes depend on the blocks alone, so a price does not depend on
how a block came about, and interval dynamic programming stays exact. There is no roofline, because the rates per entry
include the passes over memory.

`WEIGHTED_COST` has the static rates, which are the same everywhere; the model of `calibrated` (see `rate_store`) has
the rates of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from chainplan.kernels.default_rates import (
    FEMTOSECONDS_PER_NANOSECOND,
    MAX_SMALL_ENTRIES,
    REGIMES,
    SHIFT_REGIMES,
    STATIC_RATES,
    VECTOR_REGIMES,
    RegimeRates,
)
from chainplan.kernels.dispatch import WorkPart, converted, price, product_parts, sum_parts
from chainplan.kernels.storage import StorageForm, form
from chainplan.problem.cost import available
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block, Dense
from chainplan.structures.second import SecondBlock, Side


@dataclass(frozen=True)
class TimedCost:
    """Prices in nanoseconds by a table of rates; `table` lists each regime with its rates in femtoseconds.

    A matrix-free elemental is priced by its fma at one rate, because what happens inside it is not known. Its price
    also includes the call, the seed it takes, and the conversion of its result into the form of its block.
    """

    objective: str
    table: tuple[tuple[str, tuple[int, ...]], ...]
    unit = "nanoseconds"
    short_unit = "ns"

    @cached_property
    def rates(self) -> RegimeRates:
        """The rates by regime."""
        return {regime: STATIC_RATES[regime] for regime in SHIFT_REGIMES} | dict(self.table)

    @cached_property
    def _dense(self) -> tuple[tuple[int, ...], tuple[int, ...] | None, tuple[int, ...] | None]:
        """The rates of dense products, of two matrices and with a vector, which are priced without choosing a route."""
        small = self.rates.get("gemv")
        return self.rates["gemm"], small, self.rates.get("large gemv", small)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The regimes of products with a vector that have no rates, and are priced as products with a matrix."""
        return tuple(regime for regime in VECTOR_REGIMES if regime not in self.rates)

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        m, k, n = left.rows, left.cols, right.cols
        if type(left.structure) is type(right.structure) is Dense and k != 1:
            matrices, small, large = self._dense
            if small and large and (m == 1 or n == 1):
                entries = k * max(m, n)
                call, by_entry = large if entries > MAX_SMALL_ENTRIES else small
                total = call + by_entry * entries
            else:
                once, by_left, by_right, by_result, by_fma = matrices
                total = once + by_left * m * k + by_right * k * n + by_result * m * n + by_fma * m * k * n
            return (total + FEMTOSECONDS_PER_NANOSECOND // 2) // FEMTOSECONDS_PER_NANOSECOND
        made = left.times(right) if result is None else result
        return price(self.rates, product_parts(left, right, made, self.rates))

    def add(self, left: Block, right: Block) -> int:
        if type(left.structure) is type(right.structure) is Dense:
            once, by_entry = self.rates["add"]
            total = once + by_entry * left.rows * left.cols
            return (total + FEMTOSECONDS_PER_NANOSECOND // 2) // FEMTOSECONDS_PER_NANOSECOND
        return price(self.rates, sum_parts(left, right, left.plus(right)))

    def accumulate(self, elemental: Elemental, mode: Mode) -> int:
        block = elemental.block
        vectors = block.cols if mode is Mode.TANGENT else block.rows
        seed: WorkPart = ("identity", (1, vectors * vectors))
        return price(self.rates, (seed, *self._applied(elemental, vectors, mode, block)))

    def propagate(self, elemental: Elemental, arg: Block, mode: Mode) -> int:
        tangent = mode is Mode.TANGENT
        result = elemental.block.times(arg) if tangent else arg.times(elemental.block)
        written = converted(arg, form(arg), StorageForm.DENSE)
        vectors = arg.cols if tangent else arg.rows
        return price(self.rates, (*written, *self._applied(elemental, vectors, mode, result)))

    def _applied(self, elemental: Elemental, vectors: int, mode: Mode, result: Block) -> tuple[WorkPart, ...]:
        """Count the work of one call on some vectors, whose result is converted into the form of `result`."""
        return self.called(elemental, vectors, mode), *converted(result, StorageForm.DENSE, form(result))

    def called(self, elemental: Elemental, vectors: int, mode: Mode) -> WorkPart:
        """Count the work of the tangent or adjoint itself, on some vectors."""
        return "apply", (1, vectors * available(elemental, mode))

    def call(self, elemental: Elemental, vectors: int, mode: Mode) -> int:
        return price(self.rates, (self.called(elemental, vectors, mode),))

    def contract(self, second: SecondBlock, block: Block, side: Side, halved: bool) -> int:
        """Price the products of matrices as which a contraction is carried out, without what symmetry saves."""
        rows, left, right = second[:3]
        if side is Side.ROWS:
            return self.multiply(block, second.flat)
        inner, kept = (left, right) if side is Side.LEFT else (right, left)
        price = self.multiply(Block(rows * kept, inner), block)
        return price if side is not Side.BOTH else price + self.multiply(Block(rows * block.cols, inner), block)

    def apply_second(self, fma: int) -> int:
        return price(self.rates, (("apply", (1, fma)),))

    def advance(self, elemental: Elemental) -> int:
        return price(self.rates, (("apply", (1, elemental.evaluation)),))

    def transfer(self, fma: int) -> int:
        return price(self.rates, (("apply", (1, fma)),))

    def seed(self, size: int, colours: int) -> int:
        return price(self.rates, (("identity", (1, size * colours)),))

    def decompress(self, block: Block) -> int:
        parts: tuple[WorkPart, ...] = (("decompress", (1, block.nnz)),)
        return price(self.rates, (*parts, *converted(block, StorageForm.SPARSE, form(block))))


def timed(objective: str, rates: Mapping[str, tuple[int, ...]]) -> TimedCost:
    """Make the model of a table of rates, with its regimes in the order of `REGIMES`."""
    return TimedCost(objective, tuple((regime, tuple(rates[regime])) for regime in REGIMES if regime in rates))


def proper_rates(rates: object) -> dict[str, tuple[int, ...]]:
    """Return rates that were read from JSON, if they give each regime a whole number of femtoseconds per feature.

    Those of products with a vector, and of shifts, may be missing, as in files that were written before these had rates
    of their own.

    Raises
    ------
    ValueError
        Where they do not.
    """
    if (
        not isinstance(rates, dict)
        or not REGIMES.keys() - {*VECTOR_REGIMES, *SHIFT_REGIMES} <= rates.keys() <= REGIMES.keys()
    ):
        raise ValueError("expected an object with one list per regime.")
    for regime in rates:
        given, features = rates[regime], REGIMES[regime]
        whole = isinstance(given, list) and all(type(rate) is int and 0 <= rate < 10**18 for rate in given)
        if not whole or len(given) != len(features):
            raise ValueError(f"'{regime}' needs {len(features)} whole numbers of femtoseconds from 0.")
    return {regime: tuple(rates[regime]) for regime in REGIMES if regime in rates}


WEIGHTED_COST = timed("weighted", STATIC_RATES)
"""The model with the static rates: the objective for execution time where no machine has been measured."""
