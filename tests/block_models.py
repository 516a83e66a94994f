"""Random models of blocks of all kinds, with and without cycles, and their total derivatives by one dense solve."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import aslinearoperator

from chainplan._util.arrays import Array
from chainplan.models.block_values import DiagonalBlock
from chainplan.values.shifts_block import ShiftsBlock

Place = tuple[Hashable, Hashable]


class RandomModel:
    """A model: blocks as a caller gives them, the same written out as matrices, inputs and outputs."""

    def __init__(self, seed: int, cyclic: bool) -> None:
        self._draw, self._rng = random.Random(seed), np.random.default_rng(seed)
        draw = self._draw
        count = draw.randint(2, 9)
        names: list[Hashable] = [draw.choice([f"v{i}", i, ("t", i), float(i) + 0.5]) for i in range(count)]
        same = draw.random() < 0.4
        size = draw.randint(1, 12)
        self.sizes = {name: size if same or draw.random() < 0.5 else draw.randint(1, 12) for name in names}
        starts = draw.randint(1, max(1, count // 3))
        self.inputs = names[:starts]
        self.outputs = draw.sample(names[starts:], draw.randint(1, min(3, count - starts)))
        self._sized: set[Hashable] = set()
        self.blocks: dict[Place, Any] = {}
        self.written: dict[Place, Array] = {}
        for j, source in enumerate(names):
            for i, output in enumerate(names[starts:], starts):
                if (i > j or cyclic) and draw.random() < (0.45 if i > j else 0.15):
                    self._add(output, source)

    def _add(self, output: Hashable, source: Hashable) -> None:
        m, n = self.sizes[output], self.sizes[source]
        kind = self._draw.choice(KINDS if m == n else KINDS[:6])
        if kind not in (_number, _pair, _shifts):
            self._sized.update((output, source))
        elif not self._sized.issuperset((output, source)):
            kind = _dense
            self._sized.update((output, source))
        self.blocks[output, source], self.written[output, source] = kind(self._rng, m, n)

    def redrawn(self) -> RandomModel:
        """The same model with other numbers: every block times a factor, units and functions as they are."""
        other = object.__new__(RandomModel)
        other.__dict__.update(self.__dict__)
        other.blocks, other.written = dict(self.blocks), dict(self.written)
        for place, value in self.blocks.items():
            if isinstance(value, np.ndarray | csr_array | csc_array) and not _unit(self.written[place]):
                other.blocks[place], other.written[place] = 0.5 * value, 0.5 * self.written[place]
            if isinstance(value, ShiftsBlock):
                halved = {shift: 0.5 * number for shift, number in value.coefficients.items()}
                other.blocks[place], other.written[place] = ShiftsBlock(halved, value.size), 0.5 * self.written[place]
        return other

    def expected(self) -> dict[Place, Array]:
        """All total derivatives by one solve with the matrix of all vertices."""
        places, first = {}, 0
        for name, size in self.sizes.items():
            places[name] = slice(first, first + size)
            first += size
        matrix = np.eye(first)
        for (output, source), block in self.written.items():
            matrix[places[output], places[source]] -= block
        inverse = np.linalg.inv(matrix)
        return {(o, i): inverse[places[o], places[i]] for o in self.outputs for i in self.inputs}

    @property
    def solvable(self) -> bool:
        """Whether no cycle is close to having no solution, by the condition of the whole system."""
        total = sum(self.sizes.values())
        places = dict(zip(self.sizes, np.cumsum([0, *self.sizes.values()])[:-1], strict=True))
        matrix = np.eye(total)
        for (output, source), block in self.written.items():
            rows, cols = int(places[output]), int(places[source])
            matrix[rows : rows + block.shape[0], cols : cols + block.shape[1]] -= block
        return bool(np.linalg.cond(matrix) < 1e6)


def _unit(matrix: Array) -> bool:
    """Say whether a structure that is read off these values determines them."""
    nonzero = matrix[matrix != 0]
    return matrix.size > 1 and bool((np.abs(nonzero) == 1).all())


def _dense(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    matrix = rng.standard_normal((m, n)) / n
    return matrix, matrix


def _listed(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    matrix = np.where(rng.random((m, n)) < 0.2, rng.standard_normal((m, n)), 0)
    return matrix, matrix


def _sparse(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    _, matrix = _listed(rng, m, n)
    return (csr_array if rng.random() < 0.5 else csc_array)(matrix), matrix


def _operator(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    _, matrix = _dense(rng, m, n)
    return aslinearoperator(matrix), matrix


def _picks(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    matrix = np.eye(n)[rng.integers(0, n, m)]
    return matrix, matrix


def _diagonal(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    vector = rng.standard_normal(n)
    return DiagonalBlock(vector), np.diag(vector)


def _number(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    number = float(rng.choice([1.0, -1.0, 0.5, -2.0]))
    return number, number * np.eye(n)


def _identity(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    matrix = np.eye(n) * rng.choice([1.0, -1.0])
    return matrix, matrix


def _band(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    i, j = np.indices((m, n))
    matrix = np.where((i - j <= 1) & (j - i <= 2), rng.standard_normal((m, n)), 0)
    return matrix, matrix


def _parts(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    size = next(k for k in (3, 2, n) if n % k == 0)
    matrix = np.kron(np.eye(n // size), np.ones((size, size))) * rng.standard_normal((n, n)) / size
    return matrix, matrix


def _shifts(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    drawn = {(int(i), int(a), int(b)): float(rng.standard_normal()) / 3 for i, a, b in rng.integers(-2, 3, (4, 3)) ** 2}
    signed: dict[int | tuple[int, ...], float] = {(i * (-1) ** a, a, b): number for (i, a, b), number in drawn.items()}
    signed |= {0: 0.5, -1: 0.25}
    matrix = np.zeros((n, n))
    for (i, a, b), number in ((key if isinstance(key, tuple) else (key, 0, 0), x) for key, x in signed.items()):
        length = n - abs(i)
        for t in range(max(0, -i) + a, max(0, -i) + length - b):
            matrix[t, t + i] += number
    return ShiftsBlock(signed, n if rng.random() < 0.5 else None), matrix


def _permutation(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    matrix = np.eye(n)[rng.permutation(n)]
    return matrix, matrix


def _pair(rng: Any, m: int, n: int) -> tuple[Any, Array]:
    _, matrix = _dense(rng, m, n)
    return (lambda v: matrix @ v, lambda w: w @ matrix), matrix


KINDS: list[Callable[[Any, int, int], tuple[Any, Array]]] = [
    _dense,
    _listed,
    _sparse,
    _operator,
    _picks,
    _dense,
    _diagonal,
    _number,
    _identity,
    _band,
    _parts,
    _shifts,
    _permutation,
    _pair,
]
