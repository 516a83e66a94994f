"""Sample calls of every regime: random blocks with their values, and the kernel or conversion that works on them.

Sizes are drawn evenly on a logarithmic scale, so that small calls, whose time is mostly the call itself, are as common
as large ones. `kernels.dispatch` counts the features of each call, as it counts those of a plan's steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, random_array

from chainplan._util.arrays import Array, DType
from chainplan.colouring import Colouring
from chainplan.colouring.recovery import decompress
from chainplan.kernels.convert import as_matrix, as_sparse, from_matrix, from_sparse
from chainplan.kernels.default_rates import MAX_SMALL_ENTRIES
from chainplan.kernels.dispatch import FEATURES_OF_REGIMES, converted, sum_parts
from chainplan.kernels.products import PRODUCT_KERNELS, sum_kernel
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.structures import DIAGONAL, Block, BlockDiagonal, Identity, Kronecker, Shifts
from chainplan.structures.csr import csr_of_rows
from chainplan.structures.explicit import Explicit
from chainplan.structures.unit_entries import UnitEntries

MAX_TIMED_MULTIPLICATIONS = 1e8
"""Multiplications of the largest product that is timed."""

TimedCall = Callable[[], object]


class TimedPoint(NamedTuple):
    """A call and the features of its work."""

    features: tuple[int, ...]
    call: TimedCall


@dataclass(frozen=True)
class RandomDraw:
    """A source of random sizes, blocks and values."""

    sizes: Random
    values: np.random.Generator
    dtype: DType

    def size(self, most: int = 1000, least: int = 4) -> int:
        """Draw a size, evenly on a logarithmic scale."""
        return round(least * exp(log(most / least) * self.sizes.random()))

    def shape(self, work: float = MAX_TIMED_MULTIPLICATIONS) -> tuple[int, int, int]:
        """Draw m, k, n of a product of at most `work` multiplications."""
        while True:
            m, k, n = self.size(), self.size(), self.size()
            if m * k * n <= work:
                return m, k, n

    def array(self, *shape: int) -> Array:
        """Draw values for an array."""
        if self.dtype.kind == "i":
            return self.values.integers(-4, 5, shape, self.dtype)
        return (0.5 + self.values.random(shape)).astype(self.dtype)

    def sparse(self, rows: int, cols: int) -> DrawnBlock:
        """Draw a block of a density at which it is held sparse."""
        density = 0.09 * self.sizes.random() ** 2 + 0.0005
        values: HeldValues = random_array((rows, cols), density=density, format="csr", rng=self.values)
        drawn = csr_array(values)
        drawn.sort_indices()
        ones = np.ones(drawn.nnz, np.int8)
        pattern = csr_array((ones, drawn.indices, drawn.indptr), shape=drawn.shape)
        values = csr_array((self.array(drawn.nnz), drawn.indices, drawn.indptr), shape=drawn.shape)
        return Block(rows, cols, Explicit(pattern)), values

    def shifts(self, size: int) -> DrawnBlock:
        """Draw a block of lags and leads, some of which miss their first entries."""
        offsets = sorted({self.sizes.randint(-8, 8) for _ in range(self.size(12, 1))})
        runs = tuple((i, max(0, -i) + self.sizes.randrange(3), min(size, size - i)) for i in offsets)
        return Block(size, size, Shifts(runs, size, size)), self.array(len(runs))

    def kind(self) -> type[BlockDiagonal] | type[Kronecker]:
        """Draw one of the two structures of equal parts."""
        return BlockDiagonal if self.sizes.random() < 0.5 else Kronecker

    def parts(self, kind: type[BlockDiagonal] | type[Kronecker], r: int, c: int, count: int) -> DrawnBlock:
        """Draw the values of a block of `count` parts of r x c."""
        return Block(r * count, c * count, kind(count)), self.array(count, r, c)

    def few_parts(self) -> tuple[int, int, int, int]:
        """Draw the number of parts, and the three sizes of the product of one part with another."""
        while True:
            count, r, c, n = self.size(100, 2), self.size(60, 1), self.size(60, 1), self.size(60, 1)
            if count * r * c * n <= MAX_TIMED_MULTIPLICATIONS / 30:
                return count, r, c, n


DrawnBlock = tuple[Block, HeldValues]


def _dense(draw: RandomDraw, rows: int, cols: int) -> DrawnBlock:
    return Block(rows, cols), draw.array(rows, cols)


def _product(regime: str, left: DrawnBlock, right: DrawnBlock) -> TimedPoint:
    """Call the kernel itself, on factors that are in the forms it takes."""
    (a, x), (b, y) = left, right
    kernel = PRODUCT_KERNELS[regime](a, b)
    return TimedPoint(FEATURES_OF_REGIMES[regime](a, b, a.times(b)), lambda: kernel(x, y))


def _gemm(draw: RandomDraw) -> TimedPoint:
    m, k, n = draw.shape()
    return _product("gemm", _dense(draw, m, k), _dense(draw, k, n))


def _gemv(large: bool) -> Callable[[RandomDraw], TimedPoint]:
    """Return what draws a product of a vector with a small or a large matrix."""

    def sample(draw: RandomDraw) -> TimedPoint:
        while True:
            m, k = draw.size(1500), draw.size(1500)
            if (m * k > MAX_SMALL_ENTRIES) == large:
                break
        if draw.sizes.random() < 0.5:
            return _product("gemv", _dense(draw, m, k), _dense(draw, k, 1))
        return _product("gemv", _dense(draw, 1, m), _dense(draw, m, k))

    return sample


def _outer(draw: RandomDraw) -> TimedPoint:
    m, n = draw.size(), draw.size()
    return _product("outer", _dense(draw, m, 1), _dense(draw, 1, n))


def _scale_vector(draw: RandomDraw) -> TimedPoint:
    n = draw.size(5000)
    held = Block(n, n, DIAGONAL)
    return _product("scale vector", (held, draw.array(n)), (held, draw.array(n)))


def _scale_matrix(draw: RandomDraw) -> TimedPoint:
    m, n = draw.size(), draw.size()
    if draw.sizes.random() < 0.5:
        return _product("scale matrix", (Block(m, m, DIAGONAL), draw.array(m)), _dense(draw, m, n))
    return _product("scale matrix", _dense(draw, m, n), (Block(n, n, DIAGONAL), draw.array(n)))


def _diagonal_vector(draw: RandomDraw) -> TimedPoint:
    """Draw a product as programs make it, whose vectors have one axis."""
    n = draw.size(5000)
    diagonal, vector = draw.array(n), draw.array(n)
    return TimedPoint((1, n), lambda: diagonal * vector)


def _scale_sparse(draw: RandomDraw) -> TimedPoint:
    m, n = draw.size(), draw.size()
    if draw.sizes.random() < 0.5:
        return _product("scale sparse", (Block(m, m, DIAGONAL), draw.array(m)), draw.sparse(m, n))
    return _product("scale sparse", draw.sparse(m, n), (Block(n, n, DIAGONAL), draw.array(n)))


def _scale_parts(draw: RandomDraw) -> TimedPoint:
    count, r, c, _ = draw.few_parts()
    kind = draw.kind()
    held = draw.parts(kind, r, c, count)
    n = held[0].rows
    return _product("scale parts", (Block(n, n, DIAGONAL), draw.array(n)), held)


def _picker(draw: RandomDraw, rows: int, cols: int) -> DrawnBlock:
    """Draw a selection, which has one entry in every row."""
    csr = csr_of_rows([draw.sizes.randrange(cols) for _ in range(rows)], cols)
    return Block(rows, cols, Explicit(csr, UnitEntries(True, False, 1))), csr.astype(draw.dtype)


def _take_rows(draw: RandomDraw) -> TimedPoint:
    m, k, n = draw.size(), draw.size(), draw.size()
    return _product("take rows", _picker(draw, m, k), _dense(draw, k, n))


def _take_columns(draw: RandomDraw) -> TimedPoint:
    m, k, n = draw.size(), draw.size(), draw.size()
    block, values = _picker(draw, n, k)
    return _product("take columns", _dense(draw, m, k), (block.transpose(), csr_array(values.T)))


def _sparse_matrix(draw: RandomDraw) -> TimedPoint:
    m, k, n = draw.shape(5 * MAX_TIMED_MULTIPLICATIONS)
    return _product("sparse matrix", draw.sparse(m, k), _dense(draw, k, n))


def _matrix_sparse(draw: RandomDraw) -> TimedPoint:
    m, k, n = draw.shape(5 * MAX_TIMED_MULTIPLICATIONS)
    return _product("matrix sparse", _dense(draw, m, k), draw.sparse(k, n))


def _sparse_vector(draw: RandomDraw) -> TimedPoint:
    """Draw a product as programs make it: rows times a block are the transposed block times columns."""
    block, csr = draw.sparse(draw.size(5000), draw.size(5000))
    vector = draw.array(block.cols)
    return TimedPoint((1, block.rows, block.nnz), lambda: csr @ vector)


def _sparse_sparse(draw: RandomDraw) -> TimedPoint:
    m, k, n = draw.shape(5 * MAX_TIMED_MULTIPLICATIONS)
    return _product("sparse sparse", draw.sparse(m, k), draw.sparse(k, n))


def _batch(draw: RandomDraw) -> TimedPoint:
    count, r, c, n = draw.few_parts()
    kind = draw.kind()
    return _product("batch", draw.parts(kind, r, c, count), draw.parts(kind, c, n, count))


def _with_matrix(kind: type[BlockDiagonal] | type[Kronecker], left: bool) -> Callable[[RandomDraw], TimedPoint]:
    """Return what draws a product of a stack, or of layers, with a matrix; the matrix may be on either side."""
    word = "stack" if kind is BlockDiagonal else "layers"

    def sample(draw: RandomDraw) -> TimedPoint:
        count, r, c, n = draw.few_parts()
        held = draw.parts(kind, r, c, count)
        if left:
            return _product(f"{word} matrix", held, _dense(draw, count * c, n))
        return _product(f"matrix {word}", _dense(draw, n, count * r), held)

    return sample


def _spread(draw: RandomDraw) -> TimedPoint:
    block, value = _some_parts(draw)
    return TimedPoint(
        _converted("spread", block, form(block), StorageForm.DENSE), lambda: as_matrix(value, block, draw.dtype)
    )


def _gather(draw: RandomDraw) -> TimedPoint:
    block, value = _some_parts(draw)
    csr = as_sparse(value, block, draw.dtype)
    return TimedPoint(_converted("gather", block, StorageForm.SPARSE, form(block)), lambda: from_sparse(csr, block))


def _join_shifts(draw: RandomDraw) -> TimedPoint:
    n = draw.size(5000, 20)
    return _product("join shifts", draw.shifts(n), draw.shifts(n))


def _lay_out(draw: RandomDraw) -> TimedPoint:
    block, value = draw.shifts(draw.size(5000, 20))
    features = _converted("lay out", block, StorageForm.SHIFTS, StorageForm.SPARSE)
    return TimedPoint(features, lambda: as_sparse(value, block, draw.dtype))


def _densify(draw: RandomDraw) -> TimedPoint:
    block, value = draw.sparse(draw.size(), draw.size())
    return TimedPoint(
        _converted("densify", block, StorageForm.SPARSE, StorageForm.DENSE), lambda: as_matrix(value, block, draw.dtype)
    )


def _sparsify(draw: RandomDraw) -> TimedPoint:
    block, value = draw.sparse(draw.size(), draw.size())
    array = value.toarray()
    return TimedPoint(
        _converted("sparsify", block, StorageForm.DENSE, StorageForm.SPARSE), lambda: from_matrix(array, block)
    )


def _converted(regime: str, block: Block, held: StorageForm, wanted: StorageForm) -> tuple[int, ...]:
    """Count the features of a conversion that belong to one regime."""
    return dict(converted(block, held, wanted))[regime]


def _some_parts(draw: RandomDraw) -> DrawnBlock:
    count, r, c, _ = draw.few_parts()
    return draw.parts(draw.kind(), r, c, max(2, count))


def _sum(regime: str, left: DrawnBlock, right: DrawnBlock, draw: RandomDraw) -> TimedPoint:
    (a, x), (b, y) = left, right
    total = sum_kernel(a, b)
    return TimedPoint(dict(sum_parts(a, b, a.plus(b)))[regime], lambda: total(x, y, draw.dtype))


def _add(draw: RandomDraw) -> TimedPoint:
    m, n = draw.size(), draw.size()
    return _sum("add", _dense(draw, m, n), _dense(draw, m, n), draw)


def _add_sparse(draw: RandomDraw) -> TimedPoint:
    while True:
        m, n = draw.size(), draw.size()
        left, right = draw.sparse(m, n), draw.sparse(m, n)
        if form(left[0].plus(right[0])) is StorageForm.SPARSE:
            return _sum("add sparse", left, right, draw)


def _nothing(draw: RandomDraw) -> TimedPoint:
    held = Block(3, 3), draw.array(3, 3)
    kernel = PRODUCT_KERNELS["nothing"](Block(3, 3, Identity()), held[0])
    return TimedPoint((1,), lambda: kernel(None, held[1]))


def _apply(draw: RandomDraw) -> TimedPoint:
    """Draw a matrix-free call, which stands for a function that multiplies by a matrix at the rate of gemm."""
    m, k, n = draw.shape()
    left, right = draw.array(m, k), draw.array(k, n)
    return TimedPoint((1, m * k * n), lambda: np.asarray((lambda block: left @ block)(right)))


def _identity(draw: RandomDraw) -> TimedPoint:
    n = draw.size()
    return TimedPoint((1, n * n), lambda: np.eye(n, dtype=draw.dtype))


def _decompress(draw: RandomDraw) -> TimedPoint:
    block, _ = draw.sparse(draw.size(), draw.size())
    pattern = block.structure.pattern(block.rows, block.cols)
    colours = np.arange(block.cols)
    colouring = Colouring.of(tuple(colours.tolist()), (-1,) * block.rows)
    compressed = draw.array(block.rows, block.cols)
    return TimedPoint((1, block.nnz), lambda: decompress(pattern, colouring, compressed, None))


REGIME_SAMPLES: dict[str, Callable[[RandomDraw], TimedPoint]] = {
    "nothing": _nothing,
    "scale vector": _scale_vector,
    "scale matrix": _scale_matrix,
    "diagonal vector": _diagonal_vector,
    "scale parts": _scale_parts,
    "scale sparse": _scale_sparse,
    "outer": _outer,
    "gemv": _gemv(large=False),
    "large gemv": _gemv(large=True),
    "gemm": _gemm,
    "take rows": _take_rows,
    "take columns": _take_columns,
    "sparse matrix": _sparse_matrix,
    "matrix sparse": _matrix_sparse,
    "sparse vector": _sparse_vector,
    "sparse sparse": _sparse_sparse,
    "join shifts": _join_shifts,
    "batch": _batch,
    "stack matrix": _with_matrix(BlockDiagonal, True),
    "matrix stack": _with_matrix(BlockDiagonal, False),
    "layers matrix": _with_matrix(Kronecker, True),
    "matrix layers": _with_matrix(Kronecker, False),
    "lay out": _lay_out,
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
"""For each regime, the function that draws a sample call."""
