"""Measures the rates of this machine: some 64 products or conversions per regime, then non-negative least squares.

Each point is a call with random blocks: its features are counted by `kernels.routes`, its time is the least of a few
turns. Rows are weighted by 1 / time, so that relative residuals count and small calls matter as much as large ones
(no roofline: with absolute residuals, or a maximum of two rates, the orders chosen were measured to be worse than by
plain fma). The turns go through all points of a regime before any is repeated, so that a disturbance of the machine
does not hit one point alone; regimes end after their share of the time, with fewer turns if need be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_array, random_array

from chainplan._util.arrays import Array, DType
from chainplan.colouring import Colouring
from chainplan.colouring.recovery import decompress
from chainplan.kernels.convert import as_matrix, as_sparse, from_matrix, from_sparse
from chainplan.kernels.default_rates import REGIMES, SECOND
from chainplan.kernels.dispatch import FEATURES, converted, sum_parts
from chainplan.kernels.products import PRODUCTS, sum_kernel
from chainplan.kernels.storage import Form, HeldValues, form
from chainplan.structures import DIAGONAL, Block, BlockDiagonal, Identity, Kronecker
from chainplan.structures.explicit import Explicit, csr_of_rows
from chainplan.structures.unit_entries import Units

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

POINTS = 64
TURNS = 5
SECONDS = 4.5
"""What all regimes together may take."""
MOST_WORK = 1e8
"""Multiplications of the largest product that is timed."""

Call = Callable[[], object]


class Point(NamedTuple):
    """A call and the features of its work."""

    features: tuple[int, ...]
    call: Call


@dataclass(frozen=True)
class Fit:
    """The rates of a regime, in femtoseconds, and how far the times of its points are from them."""

    regime: str
    points: int
    rates: tuple[int, ...]
    residuals: tuple[float, ...]
    """Predicted over measured time, less one, of each point."""

    @property
    def typical(self) -> float:
        """Root of the mean square of the residuals."""
        return float(np.sqrt(np.mean(np.square(self.residuals)))) if self.residuals else 0.0

    @property
    def worst(self) -> float:
        """The largest residual, of either sign."""
        return max(map(abs, self.residuals), default=0.0)


def measure(
    dtype: DTypeLike = "float64",
    seconds: float = SECONDS,
    points: int = POINTS,
    clock: Callable[[], float] = perf_counter,
    seed: int = 0,
) -> list[Fit]:
    """Rates of every regime on this machine, in the order of `REGIMES`.

    Parameters
    ----------
    dtype : DTypeLike
        Of the values.
    seconds : float
        What all regimes together may take.
    points : int
        Calls per regime, of different sizes.
    clock : Callable[[], float]
        Seconds from any start.
    seed : int
        Of the sizes and values.
    """
    draw = _Draw(Random(seed), np.random.default_rng(seed), np.dtype(dtype))
    fits, start = [], clock()
    for position, (regime, features) in enumerate(REGIMES.items()):
        count = points if len(features) > 1 else points // 4
        until = start + seconds * (position + 1) / len(REGIMES)
        found = [SAMPLES[regime](draw) for _ in range(count)]
        fits.append(fit(regime, [p.features for p in found], _times([p.call for p in found], until, clock)))
    return fits


def fit(regime: str, features: Sequence[tuple[int, ...]], nanoseconds: Sequence[float]) -> Fit:
    """The non-negative rates that are closest to the times given, by the sum of squares of relative residuals."""
    from scipy.optimize import nnls

    times = np.maximum(np.array(nanoseconds), 1.0)
    matrix = np.array(features, float) / times[:, None]
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    found, _ = nnls(matrix / scale, np.ones(len(times)))
    rates = tuple(round(rate * SECOND) for rate in (found / scale).tolist())
    residuals = matrix @ (np.array(rates) / SECOND) - 1
    return Fit(regime, len(times), rates, tuple(residuals.tolist()))


def _times(calls: Sequence[Call], until: float, clock: Callable[[], float]) -> list[float]:
    """Least nanoseconds of each call over some turns; the first turn, which warms up, is repeated in any case."""
    best = [float("inf")] * len(calls)
    for turn in range(TURNS + 1):
        for i, call in enumerate(calls):
            if turn > 1 and clock() > until:
                return best
            start = clock()
            call()
            if turn or clock() > until:
                best[i] = min(best[i], 1e9 * (clock() - start))
    return best


@dataclass(frozen=True)
class _Draw:
    """Random sizes, blocks and values."""

    sizes: Random
    values: np.random.Generator
    dtype: DType

    def size(self, most: int = 1000, least: int = 4) -> int:
        """A size, evenly on a logarithmic scale."""
        return round(least * exp(log(most / least) * self.sizes.random()))

    def shape(self, work: float = MOST_WORK) -> tuple[int, int, int]:
        """m, k, n of a product of at most so much work."""
        while True:
            m, k, n = self.size(), self.size(), self.size()
            if m * k * n <= work:
                return m, k, n

    def array(self, *shape: int) -> Array:
        if self.dtype.kind == "i":
            return self.values.integers(-4, 5, shape, self.dtype)
        return (0.5 + self.values.random(shape)).astype(self.dtype)

    def sparse(self, rows: int, cols: int) -> Held:
        """A block held sparse, of a density below that from which it would not be."""
        density = 0.09 * self.sizes.random() ** 2 + 0.0005
        drawn: HeldValues = random_array((rows, cols), density=density, format="csr", rng=self.values)
        found = csr_array(drawn)
        found.sort_indices()
        ones = np.ones(found.nnz, np.int8)
        pattern = csr_array((ones, found.indices, found.indptr), shape=found.shape)
        values = csr_array((self.array(found.nnz), found.indices, found.indptr), shape=found.shape)
        return Block(rows, cols, Explicit(pattern)), values

    def kind(self) -> type[BlockDiagonal] | type[Kronecker]:
        return BlockDiagonal if self.sizes.random() < 0.5 else Kronecker

    def parts(self, kind: type[BlockDiagonal] | type[Kronecker], r: int, c: int, count: int) -> Held:
        return Block(r * count, c * count, kind(count)), self.array(count, r, c)

    def few_parts(self) -> tuple[int, int, int, int]:
        """Number of parts and the three sizes of a product of parts."""
        while True:
            count, r, c, n = self.size(100, 2), self.size(60, 1), self.size(60, 1), self.size(60, 1)
            if count * r * c * n <= MOST_WORK / 30:
                return count, r, c, n


Held = tuple[Block, HeldValues]


def _dense(draw: _Draw, rows: int, cols: int) -> Held:
    return Block(rows, cols), draw.array(rows, cols)


def _product(regime: str, left: Held, right: Held) -> Point:
    """A call of the kernel itself, on factors that are in the form it takes."""
    (a, x), (b, y) = left, right
    kernel = PRODUCTS[regime](a, b)
    return Point(FEATURES[regime](a, b, a.times(b)), lambda: kernel(x, y))


def _gemm(draw: _Draw) -> Point:
    m, k, n = draw.shape()
    return _product("gemm", _dense(draw, m, k), _dense(draw, k, n))


def _outer(draw: _Draw) -> Point:
    m, n = draw.size(), draw.size()
    return _product("outer", _dense(draw, m, 1), _dense(draw, 1, n))


def _scale_vector(draw: _Draw) -> Point:
    n = draw.size(5000)
    held = Block(n, n, DIAGONAL)
    return _product("scale vector", (held, draw.array(n)), (held, draw.array(n)))


def _scale_matrix(draw: _Draw) -> Point:
    m, n = draw.size(), draw.size()
    if draw.sizes.random() < 0.5:
        return _product("scale matrix", (Block(m, m, DIAGONAL), draw.array(m)), _dense(draw, m, n))
    return _product("scale matrix", _dense(draw, m, n), (Block(n, n, DIAGONAL), draw.array(n)))


def _scale_sparse(draw: _Draw) -> Point:
    m, n = draw.size(), draw.size()
    if draw.sizes.random() < 0.5:
        return _product("scale sparse", (Block(m, m, DIAGONAL), draw.array(m)), draw.sparse(m, n))
    return _product("scale sparse", draw.sparse(m, n), (Block(n, n, DIAGONAL), draw.array(n)))


def _scale_parts(draw: _Draw) -> Point:
    count, r, c, _ = draw.few_parts()
    kind = draw.kind()
    held = draw.parts(kind, r, c, count)
    n = held[0].rows
    return _product("scale parts", (Block(n, n, DIAGONAL), draw.array(n)), held)


def _picker(draw: _Draw, rows: int, cols: int) -> Held:
    """A selection: one entry in every row."""
    csr = csr_of_rows([draw.sizes.randrange(cols) for _ in range(rows)], cols)
    return Block(rows, cols, Explicit(csr, Units(True, False, 1))), csr.astype(draw.dtype)


def _take_rows(draw: _Draw) -> Point:
    m, k, n = draw.size(), draw.size(), draw.size()
    return _product("take rows", _picker(draw, m, k), _dense(draw, k, n))


def _take_columns(draw: _Draw) -> Point:
    m, k, n = draw.size(), draw.size(), draw.size()
    block, values = _picker(draw, n, k)
    return _product("take columns", _dense(draw, m, k), (block.transpose(), csr_array(values.T)))


def _sparse_matrix(draw: _Draw) -> Point:
    m, k, n = draw.shape(5 * MOST_WORK)
    return _product("sparse matrix", draw.sparse(m, k), _dense(draw, k, n))


def _matrix_sparse(draw: _Draw) -> Point:
    m, k, n = draw.shape(5 * MOST_WORK)
    return _product("matrix sparse", _dense(draw, m, k), draw.sparse(k, n))


def _sparse_sparse(draw: _Draw) -> Point:
    m, k, n = draw.shape(5 * MOST_WORK)
    return _product("sparse sparse", draw.sparse(m, k), draw.sparse(k, n))


def _batch(draw: _Draw) -> Point:
    count, r, c, n = draw.few_parts()
    kind = draw.kind()
    return _product("batch", draw.parts(kind, r, c, count), draw.parts(kind, c, n, count))


def _with_matrix(kind: type[BlockDiagonal] | type[Kronecker], left: bool) -> Callable[[_Draw], Point]:
    """A stack or layers times a matrix, or a matrix times them."""
    word = "stack" if kind is BlockDiagonal else "layers"

    def sample(draw: _Draw) -> Point:
        count, r, c, n = draw.few_parts()
        held = draw.parts(kind, r, c, count)
        if left:
            return _product(f"{word} matrix", held, _dense(draw, count * c, n))
        return _product(f"matrix {word}", _dense(draw, n, count * r), held)

    return sample


def _spread(draw: _Draw) -> Point:
    block, value = _some_parts(draw)
    return Point(_converted("spread", block, form(block), Form.MATRIX), lambda: as_matrix(value, block, draw.dtype))


def _gather(draw: _Draw) -> Point:
    block, value = _some_parts(draw)
    csr = as_sparse(value, block, draw.dtype)
    return Point(_converted("gather", block, Form.SPARSE, form(block)), lambda: from_sparse(csr, block))


def _densify(draw: _Draw) -> Point:
    block, value = draw.sparse(draw.size(), draw.size())
    return Point(_converted("densify", block, Form.SPARSE, Form.MATRIX), lambda: as_matrix(value, block, draw.dtype))


def _sparsify(draw: _Draw) -> Point:
    block, value = draw.sparse(draw.size(), draw.size())
    array = value.toarray()
    return Point(_converted("sparsify", block, Form.MATRIX, Form.SPARSE), lambda: from_matrix(array, block))


def _converted(regime: str, block: Block, held: Form, wanted: Form) -> tuple[int, ...]:
    return dict(converted(block, held, wanted))[regime]


def _some_parts(draw: _Draw) -> Held:
    count, r, c, _ = draw.few_parts()
    return draw.parts(draw.kind(), r, c, max(2, count))


def _sum(regime: str, left: Held, right: Held, draw: _Draw) -> Point:
    (a, x), (b, y) = left, right
    total = sum_kernel(a, b)
    return Point(dict(sum_parts(a, b, a.plus(b)))[regime], lambda: total(x, y, draw.dtype))


def _add(draw: _Draw) -> Point:
    m, n = draw.size(), draw.size()
    return _sum("add", _dense(draw, m, n), _dense(draw, m, n), draw)


def _add_sparse(draw: _Draw) -> Point:
    while True:
        m, n = draw.size(), draw.size()
        left, right = draw.sparse(m, n), draw.sparse(m, n)
        if form(left[0].plus(right[0])) is Form.SPARSE:
            return _sum("add sparse", left, right, draw)


def _nothing(draw: _Draw) -> Point:
    held = Block(3, 3), draw.array(3, 3)
    kernel = PRODUCTS["nothing"](Block(3, 3, Identity()), held[0])
    return Point((1,), lambda: kernel(None, held[1]))


def _apply(draw: _Draw) -> Point:
    """A matrix-free call stands for a function that multiplies by a matrix: at the rate of gemm, plus its call."""
    m, k, n = draw.shape()
    left, right = draw.array(m, k), draw.array(k, n)
    return Point((1, m * k * n), lambda: np.asarray((lambda block: left @ block)(right)))


def _identity(draw: _Draw) -> Point:
    n = draw.size()
    return Point((1, n * n), lambda: np.eye(n, dtype=draw.dtype))


def _decompress(draw: _Draw) -> Point:
    block, _ = draw.sparse(draw.size(), draw.size())
    pattern = block.structure.pattern(block.rows, block.cols)
    colours = np.arange(block.cols)
    colouring = Colouring.of(tuple(colours.tolist()), (-1,) * block.rows)
    compressed = draw.array(block.rows, block.cols)
    return Point((1, block.nnz), lambda: decompress(pattern, colouring, compressed, None))


SAMPLES: dict[str, Callable[[_Draw], Point]] = {
    "nothing": _nothing,
    "scale vector": _scale_vector,
    "scale matrix": _scale_matrix,
    "scale parts": _scale_parts,
    "scale sparse": _scale_sparse,
    "outer": _outer,
    "gemm": _gemm,
    "take rows": _take_rows,
    "take columns": _take_columns,
    "sparse matrix": _sparse_matrix,
    "matrix sparse": _matrix_sparse,
    "sparse sparse": _sparse_sparse,
    "batch": _batch,
    "stack matrix": _with_matrix(BlockDiagonal, True),
    "matrix stack": _with_matrix(BlockDiagonal, False),
    "layers matrix": _with_matrix(Kronecker, True),
    "matrix layers": _with_matrix(Kronecker, False),
    "densify": _densify,
    "sparsify": _sparsify,
    "spread": _spread,
    "gather": _gather,
    "add": _add,
    "add sparse": _add_sparse,
    "apply": _apply,
    "identity": _identity,
    "decompress": _decompress,
}
"""By regime: what draws a point."""
