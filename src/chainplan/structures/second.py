"""Second derivatives before they have values: blocks of rows x cols x cols, and what it costs to contract them.

A second derivative F'' of an elemental has the entries d²y_i / dx_j dx_k; it is symmetric in j and k. Contracting it
multiplies one of its three sides by a block: its rows by a block on the left, or one or both of its column sides by a
block on the right. Laid out flat, as rows x (cols · cols), it is a block like any other, so that lists of steps, memory
and reports need no second way of counting entries; that is `SecondBlock.flat`.

A pattern is dense, or it is the list of all entries (i, j, k) that may be nonzero. Contractions of lists are counted
exactly as long as their results have at most `MAX_SECOND_ENTRIES` entries, found in at most `MAX_PATTERN_TERMS` terms;
longer ones count as dense, which is an upper bound. Of a block whose two column sides are alike, entries (j, k) and
(k, j) are equal, and only those with j <= k are counted: n·(n + 1) / 2 of n².
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from chainplan.structures.base import Structure
from chainplan.structures.block import Block
from chainplan.structures.counts import inner, longest
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.zero import Zero

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array

MAX_SECOND_ENTRIES = 1_000_000
"""Entries of the longest list; a block with more of them counts as dense."""
MAX_FACTOR_ENTRIES = 10_000_000
"""Entries of the longest pattern of a factor that is listed; beyond it a list is contracted as by a dense one."""
MAX_PATTERN_TERMS = 30_000_000
"""Terms of the longest product of patterns that is worked out; the result of a longer one counts as dense."""
_MAX_FLAT_COLUMNS = 1 << 62
"""Columns of the widest flat block whose entries are listed."""


class Side(Enum):
    """The sides of a second-order block that a block is multiplied onto.

    Examples
    --------
    >>> Side("both") is Side.BOTH
    True
    """

    ROWS = "rows"
    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


@dataclass(frozen=True, eq=False)
class ListedSecond:
    """The entries (i, j, k) of a second-order block that may be nonzero, in order and each once."""

    i: Array
    j: Array
    k: Array

    def __len__(self) -> int:
        return len(self.i)

    @cached_property
    def key(self) -> tuple[bytes, bytes, bytes]:
        """What equal lists have in common."""
        return self.i.tobytes(), self.j.tobytes(), self.k.tobytes()

    @cached_property
    def mark(self) -> bytes:
        """A digest of the list, short whatever its length."""
        digest = blake2b(digest_size=32)
        for numbers in self.key:
            digest.update(numbers)
        return digest.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListedSecond) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"{len(self)} entries"


class SecondBlock(NamedTuple):
    """A second-order block of rows x left x right before it has values.

    `pattern` is None where it is dense. A `symmetric` block is equal to itself with its column sides exchanged. One
    that is not `exact` is counted from above.
    """

    rows: int
    left: int
    right: int
    pattern: ListedSecond | None = None
    symmetric: bool = False
    exact: bool = True

    @property
    def nnz(self) -> int:
        """Number of entries that may be nonzero."""
        return self.rows * self.left * self.right if self.pattern is None else len(self.pattern)

    @property
    def mark(self) -> Hashable:
        """A small key that equal blocks have in common."""
        return (*self[:3], None if self.pattern is None else self.pattern.mark, *self[4:])

    @property
    def flat(self) -> Block:
        """The block as one of rows x (left · right)."""
        rows, left, right, pattern, _, exact = self
        if pattern is None:
            return Block(rows, left * right, DENSE if exact else _DENSE_FROM_ABOVE)
        if not len(pattern):
            return Block(rows, left * right, Zero())
        return Block(rows, left * right, _explicit(self))

    def exchanged(self) -> SecondBlock:
        """Return the block with its column sides exchanged."""
        listed = self.pattern
        pattern = None if listed is None else _listed(listed.i, listed.k, listed.j)
        return self._replace(left=self.right, right=self.left, pattern=pattern)

    def plus(self, other: SecondBlock) -> SecondBlock:
        """Return the block self + other, both of the same shape."""
        symmetric, exact = self.symmetric and other.symmetric, self.exact and other.exact
        exact = exact or any(one.pattern is None and one.exact for one in (self, other))
        pattern = None
        if self.pattern is not None and other.pattern is not None:
            pattern = _union(self.pattern, other.pattern)
        return self._replace(pattern=pattern, symmetric=symmetric, exact=exact)


class _DenseFromAbove(Dense):
    """Dense because nothing better is known, so that its count is an upper bound."""

    exact = False


_DENSE_FROM_ABOVE = _DenseFromAbove()


def diagonal_second(size: int) -> ListedSecond | None:
    """Return the entries (i, i, i) of elementwise functions; None, which is dense, where there are too many to list."""
    import numpy as np

    if size > MAX_SECOND_ENTRIES:
        return None
    places = np.arange(size)
    return ListedSecond(places, places, places)


def listed_second(entries: list[tuple[int, int, int]], mixed: bool = False) -> ListedSecond:
    """Return the list of entries (i, j, k), and unless they are of a mixed one of (i, k, j) beside each of them."""
    import numpy as np

    given = np.array(entries, np.int64).reshape(-1, 3)
    if not mixed:
        given = np.concatenate([given, given[:, [0, 2, 1]]])
    return _listed(*given.T)


def allowed_second(block: Block) -> SecondBlock:
    """Return the second derivative that a Jacobian of a block's structure can have.

    An entry (i, j, k) is the derivative of entry (i, j) of the Jacobian along k and of entry (i, k) along j, so that it
    is zero unless both may be nonzero. Where the structure fixes all values there is none.
    """
    rows, cols, structure = block
    whole = SecondBlock(rows, cols, cols, symmetric=True)
    if type(structure) is Dense:
        return whole
    if structure.name == "zero" or (structure.units is not None and structure.units.sign):
        return whole._replace(pattern=listed_second([]))
    if isinstance(structure, OnDiagonal):
        pattern = diagonal_second(rows)
        return whole._replace(pattern=pattern, exact=pattern is not None)
    return _pairs(whole, block)


def _pairs(whole: SecondBlock, block: Block) -> SecondBlock:
    """Return all pairs of nonzeros of each row."""
    import numpy as np

    counts = block.structure.row_counts(block.rows, block.cols)
    if inner(counts, counts) > MAX_SECOND_ENTRIES:
        return whole._replace(exact=False)
    csr = block.structure.pattern(block.rows, block.cols)
    triples = [
        np.stack(np.broadcast_arrays(i, cols[:, None], cols[None, :]), axis=-1).reshape(-1, 3)
        for i, cols in enumerate(np.split(csr.indices, csr.indptr[1:-1]))
    ]
    return whole._replace(pattern=_listed(*np.concatenate(triples).astype(np.int64).T))


class Contraction(NamedTuple):
    """The block that a contraction makes, and its fma, which may be counted from above."""

    block: SecondBlock
    fma: int
    counted: bool = True


def contraction(second: SecondBlock, block: Block, side: Side, halved: bool) -> Contraction:
    """Contract a second-order block, on its rows by a block on the left or on its column sides by one on the right.

    `halved` counts only the entries j <= k of the last product, for results that are symmetric: those on the rows of a
    symmetric block, those on both sides of one, and those on the left side of what the same block on the right of a
    symmetric one has made. The latter is one side after the other of the contraction on both.
    """
    rows, left, right, pattern, _, exact = second
    if pattern is not None and not len(pattern):
        return Contraction(_empty(second, block, side, halved), 0)
    if side is Side.LEFT:
        made = contraction(second.exchanged(), block, Side.RIGHT, halved)
        return made._replace(block=made.block.exchanged())
    free, plain = block.structure.unit, pattern is None and _all_lines(block, side)
    if side is Side.ROWS:
        if not plain:
            return _rows_of_list(second, block, halved)
        pairs = left * (left + 1) // 2 if halved else left * right
        return Contraction(second._replace(rows=block.rows), 0 if free else block.nnz * pairs)
    if not plain:
        return _columns_of_list(second, block, side, halved)
    once = rows * left * block.nnz
    twice = rows * block.nnz * block.cols
    if halved:
        counts = block.structure.column_counts(block.rows, block.cols)
        twice = rows * inner(counts, ((block.cols, block.cols, -1),))
    if side is Side.RIGHT:
        fma = twice if halved else once
        return Contraction(SecondBlock(rows, left, block.cols, None, halved, exact), 0 if free else fma)
    symmetric = second.symmetric
    return Contraction(SecondBlock(rows, block.cols, block.cols, None, symmetric, exact), 0 if free else once + twice)


def _empty(second: SecondBlock, block: Block, side: Side, halved: bool) -> SecondBlock:
    """Return what a contraction of a block without entries makes."""
    left = second.left if side in (Side.ROWS, Side.RIGHT) else block.cols
    right = second.right if side in (Side.ROWS, Side.LEFT) else block.cols
    symmetric = second.symmetric if side in (Side.ROWS, Side.BOTH) else halved
    rows = block.rows if side is Side.ROWS else second.rows
    return second._replace(rows=rows, left=left, right=right, symmetric=symmetric)


def _all_lines(block: Block, side: Side) -> bool:
    """Say whether a contraction of a dense block is dense: no row (or column) of the factor is empty."""
    if isinstance(block.structure, Dense):
        return True
    lines = block.structure.row_counts if side is Side.ROWS else block.structure.column_counts
    counts = lines(block.rows, block.cols)
    return all(min(first, first + slope * (n - 1)) > 0 for n, first, slope in counts if n)


def _from_above(made: SecondBlock, fma: int, counted: bool = True) -> Contraction:
    """Return a result that is too long to list."""
    return Contraction(made._replace(pattern=None, exact=False), fma, counted)


def _by_dense(made: SecondBlock, lines: int, width: int, fma: int) -> Array | Contraction:
    """Return the places in `lines` lines, each full, of what a dense factor makes; the result where none are listed."""
    import numpy as np

    if lines * width == made.rows * made.left * made.right:
        return Contraction(made._replace(pattern=None), fma)
    if lines * width > MAX_SECOND_ENTRIES:
        return _from_above(made, fma)
    at: Array = np.indices((lines, width)).reshape(2, -1)
    return at


def _entries_of(second: SecondBlock) -> ListedSecond | None:
    """List the entries of a block, None where there are too many, or their places are too large to be numbered."""
    import numpy as np

    if max(second.rows, second.left, second.right) ** 2 >= _MAX_FLAT_COLUMNS:
        return None
    if second.pattern is not None:
        return second.pattern
    if second.nnz > MAX_SECOND_ENTRIES:
        return None
    flat = np.indices(second[:3]).reshape(3, -1)
    return ListedSecond(*flat)


def _rows_of_list(second: SecondBlock, block: Block, halved: bool) -> Contraction:
    """Contract the rows of a listed block."""
    import numpy as np

    made = second._replace(rows=block.rows)
    listed = _entries_of(second)
    if listed is None:
        pairs = second.left * (second.left + 1) // 2 if halved else second.left * second.right
        return _from_above(made, 0 if block.structure.unit else block.nnz * pairs, counted=False)
    counted = listed.j <= listed.k if halved else np.ones(len(listed), bool)
    places, column = np.unique(listed.j * second.right + listed.k, return_inverse=True)
    factor = _listed_factor(block)
    if isinstance(block.structure, Dense):
        fma = block.rows * int(counted.sum())
        at = _by_dense(made, len(places), block.rows, fma)
        if isinstance(at, Contraction):
            return at
        at = at[::-1]
    elif factor is None:
        most = longest(block.structure.column_counts(block.rows, block.cols))
        return _from_above(made, 0 if block.structure.unit else most * int(counted.sum()), counted=False)
    else:
        fma = int(np.bincount(factor.indices, minlength=block.cols)[listed.i[counted]].sum())
        fma = 0 if block.structure.unit else fma
        product = _product(factor, _csr(listed.i, column, (second.rows, len(places))))
        if product is None:
            return _from_above(made, fma)
        at = np.stack(product.nonzero())
    j, k = np.divmod(places[at[1]], second.right)
    return Contraction(_compact(made._replace(pattern=_listed(at[0], j, k))), fma)


def _columns_of_list(second: SecondBlock, block: Block, side: Side, halved: bool) -> Contraction:
    """Contract the right side, or both sides, of a listed block."""
    import numpy as np

    both = side is Side.BOTH
    symmetric = second.symmetric if both else halved
    made = SecondBlock(second.rows, block.cols if both else second.left, block.cols, None, symmetric, second.exact)
    listed = _entries_of(second)
    if listed is None:
        dense = Block(block.rows, block.cols)
        fma = 0 if block.structure.unit else contraction(second, dense, side, halved).fma
        return _from_above(made, fma, counted=False)
    if isinstance(block.structure, Dense):
        return _columns_by_dense(listed, made, both, halved)
    once, fma = _right_of(listed, block)
    if halved and not both:
        fma = _entries_up_to(block, listed.k, listed.j)
    if once is None:
        half = second._replace(pattern=None, right=block.cols).exchanged()
        fma += contraction(half, block, Side.RIGHT, False).fma if both else 0
        counted = not both and _listed_factor(block) is not None
        return _from_above(made, 0 if block.structure.unit else fma, counted)
    if both:
        last = once.k if halved else np.full(len(once), block.cols - 1)
        fma += _entries_up_to(block, once.j, last)
        twice, _ = _right_of(_listed(once.i, once.k, once.j), block)
        once = None if twice is None else _listed(twice.i, twice.k, twice.j)
    fma = 0 if block.structure.unit else fma
    return _from_above(made, fma) if once is None else Contraction(_compact(made._replace(pattern=once)), fma)


def _columns_by_dense(listed: ListedSecond, made: SecondBlock, both: bool, halved: bool) -> Contraction:
    """Contract the right side, or both sides, of a listed block by a dense one, whose pattern is not written out."""
    import numpy as np

    cols, most = made.right, int(listed.j.max(initial=0)) + 1
    lines = np.unique(listed.i * most + listed.j)
    fma, width = int((listed.j + 1).sum()) if halved and not both else len(listed) * cols, cols
    if both:
        fma += len(lines) * (cols * (cols + 1) // 2 if halved else cols * cols)
        lines, most, width = np.unique(listed.i), 1, cols * cols
    at = _by_dense(made, len(lines), width, fma)
    if isinstance(at, Contraction):
        return at
    i, j = np.divmod(lines[at[0]], most)
    j, k = np.divmod(at[1], cols) if both else (j, at[1])
    return Contraction(_compact(made._replace(pattern=_listed(i, j, k))), fma)


def _listed_factor(block: Block) -> csr_array | None:
    """Return the pattern of a factor; None where it is dense, or too long to list."""
    if isinstance(block.structure, Dense) or max(block.nnz, block.rows, block.cols) > MAX_FACTOR_ENTRIES:
        return None
    return block.structure.pattern(block.rows, block.cols)


def _entries_up_to(block: Block, rows: Array, last: Array) -> int:
    """Count the entries of these rows of a factor up to these columns; from above where there are too many to list."""
    import numpy as np

    factor = _listed_factor(block)
    if factor is None:
        return int((last + 1).sum())
    each = np.repeat(np.arange(block.rows, dtype=np.int64), np.diff(factor.indptr))
    ends = np.searchsorted(each * block.cols + factor.indices, rows * block.cols + last, side="right")
    return int((ends - factor.indptr[rows]).sum())


def _right_of(listed: ListedSecond, block: Block) -> tuple[ListedSecond | None, int]:
    """Multiply the right side of a list: the entries that result, None for too many, and all fma."""
    import numpy as np

    factor = _listed_factor(block)
    if factor is None:
        return None, len(listed) * longest(block.structure.row_counts(block.rows, block.cols))
    fma = int(np.diff(factor.indptr).astype(np.int64)[listed.k].sum())
    most = int(listed.j.max(initial=0)) + 1
    pairs, row = np.unique(listed.i * most + listed.j, return_inverse=True)
    product = _product(_csr(row, listed.k, (len(pairs), block.rows)), factor)
    if product is None:
        return None, fma
    at = product.tocoo()
    i, j = np.divmod(pairs[at.row], most)
    return _listed(i, j, at.col), fma


def _product(left: csr_array, right: csr_array) -> csr_array | None:
    """Multiply two patterns; None where the result has too many entries, or the work to find them too many terms."""
    import numpy as np

    terms = np.bincount(left.indices, minlength=left.shape[1]) @ np.diff(right.indptr).astype(np.int64)
    if terms > MAX_PATTERN_TERMS:
        return None
    product: csr_array = left @ right
    product.sort_indices()
    return None if product.nnz > MAX_SECOND_ENTRIES else product


def _csr(rows: Array, cols: Array, shape: tuple[int, int]) -> csr_array:
    import numpy as np
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows), np.float32), (rows, cols)), shape=shape)


def _listed(i: Array, j: Array, k: Array) -> ListedSecond:
    """Return a list in order, each entry once."""
    import numpy as np

    order = np.lexsort((k, j, i))
    sides = [np.asarray(side, np.int64)[order] for side in (i, j, k)]
    fresh = np.ones(len(order), bool)
    fresh[1:] = np.logical_or.reduce([np.diff(side) != 0 for side in sides])
    return ListedSecond(*(side[fresh] for side in sides))


def _union(one: ListedSecond, other: ListedSecond) -> ListedSecond:
    import numpy as np

    if one is other or len(other) == 0:
        return one
    if len(one) == 0:
        return other
    return _listed(*(np.concatenate(pair) for pair in ((one.i, other.i), (one.j, other.j), (one.k, other.k))))


def _compact(second: SecondBlock) -> SecondBlock:
    """Return a listed block whose every entry is listed as a dense one."""
    return second._replace(pattern=None) if second.nnz == second.rows * second.left * second.right else second


def _explicit(second: SecondBlock) -> Structure:
    """Return the structure of the flat block of a list."""
    from chainplan.structures.explicit import Explicit

    rows, left, right, listed, _, _ = second
    assert listed is not None
    if left * right >= _MAX_FLAT_COLUMNS or rows > MAX_FACTOR_ENTRIES:
        return _DENSE_FROM_ABOVE
    return Explicit(_csr(listed.i, listed.j * right + listed.k, (rows, left * right)))
