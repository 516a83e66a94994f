"""Decides which kernel multiplies two held blocks and through which conversions, and counts the work of each part.

A route is chosen at plan time, from the two blocks and their product alone, so that executing a plan and pricing it
under a time model refer to the same kernel. Most pairs of forms have one kernel of their own. Where several routes lead
to the product (a sparse factor may be written out first, for instance), the static table of rates decides, on every
machine alike: calibration changes prices, never routes.

Work is counted per regime. A regime is a kernel or conversion whose time is the sum of its features times their rates
(`default_rates`). Nothing here needs numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product as pairs
from typing import NamedTuple

from chainplan.kernels.default_rates import SECOND, STATIC, Rates
from chainplan.kernels.storage import Form, form
from chainplan.structures import Block, BlockDiagonal, Identity, Kronecker, Zero
from chainplan.structures.counts import inner

Part = tuple[str, tuple[int, ...]]
"""A regime and its features, in the order of `default_rates.REGIMES`."""


class Route(NamedTuple):
    """A kernel, the forms in which it takes its factors, and the form in which it makes the product."""

    kernel: str
    left: Form
    right: Form
    made: Form


_S, _V, _M, _C, _B, _L, _N = (
    Form.SCALAR,
    Form.VECTOR,
    Form.MATRIX,
    Form.SPARSE,
    Form.STACK,
    Form.LAYERS,
    Form.NOTHING,
)

DIRECT: dict[tuple[Form, Form], tuple[str, Form]] = {
    (_S, _S): ("scale vector", _S),
    (_S, _V): ("scale vector", _V),
    (_V, _S): ("scale vector", _V),
    (_V, _V): ("scale vector", _V),
    (_S, _M): ("scale matrix", _M),
    (_M, _S): ("scale matrix", _M),
    (_V, _M): ("scale matrix", _M),
    (_M, _V): ("scale matrix", _M),
    (_S, _C): ("scale sparse", _C),
    (_C, _S): ("scale sparse", _C),
    (_V, _C): ("scale sparse", _C),
    (_C, _V): ("scale sparse", _C),
    (_S, _B): ("scale parts", _B),
    (_B, _S): ("scale parts", _B),
    (_V, _B): ("scale parts", _B),
    (_B, _V): ("scale parts", _B),
    (_S, _L): ("scale parts", _L),
    (_L, _S): ("scale parts", _L),
    (_V, _L): ("scale parts", _L),
    (_L, _V): ("scale parts", _L),
    (_M, _M): ("gemm", _M),
    (_C, _M): ("sparse matrix", _M),
    (_M, _C): ("matrix sparse", _M),
    (_C, _C): ("sparse sparse", _C),
    (_B, _B): ("batch", _B),
    (_L, _L): ("batch", _L),
    (_B, _M): ("stack matrix", _M),
    (_M, _B): ("matrix stack", _M),
    (_L, _M): ("layers matrix", _M),
    (_M, _L): ("matrix layers", _M),
}
"""For each pair of forms, the kernel that takes such factors as they are, and the form of the product it makes."""

_WEIGHED = frozenset({(_M, _C), (_C, _C)})
"""Pairs of forms with a kernel of their own that is not always the fastest."""

NOTHING = Route("nothing", _N, _N, _N)
"""The route of a product that is zero or one of its factors."""


def route(left: Block, right: Block, result: Block) -> Route:
    """Choose how to compute `result` = left · right."""
    forms = form(left), form(right)
    if forms == (_M, _M) and form(result) is _M:
        return Route("outer" if left.cols == 1 else "gemm", _M, _M, _M)
    if isinstance(result.structure, Zero):
        return NOTHING
    if _N in forms:
        return _with_nothing(left, right, forms)
    direct = DIRECT.get(forms) if _alike(left, right) else None
    if direct is not None and forms not in _WEIGHED and not (forms == (_C, _M) and picks(left)):
        return Route(direct[0], *forms, direct[1])
    routes = list(_candidates(left, right, result))
    if len(routes) == 1:
        return routes[0]
    return min(routes, key=lambda way: price(STATIC, parts_of(way, left, right, result)))


def _with_nothing(left: Block, right: Block, forms: tuple[Form, Form]) -> Route:
    """Choose the route of a product with an identity, which does nothing, or with its negation, which scales."""
    unit, other = (left, forms[1]) if forms[0] is _N else (right, forms[0])
    if isinstance(unit.structure, Identity) or other is _N:
        return NOTHING
    scaled = {_S: "scale vector", _V: "scale vector", _M: "scale matrix", _C: "scale sparse"}
    return Route(scaled.get(other, "scale parts"), *forms, other)


def _alike(left: Block, right: Block) -> bool:
    """Say whether two stacks, or two layers, have the same number of parts, as their common kernel requires."""
    a, b = left.structure, right.structure
    return not isinstance(a, BlockDiagonal | Kronecker) or type(a) is not type(b) or a.count == b.count


def _candidates(left: Block, right: Block, result: Block) -> Iterator[Route]:
    """Yield the routes through sparse arrays and matrices; a unit block that only picks may take rows or columns."""
    wanted = form(result)
    if form(right) is _M or wanted is _M:
        if form(left) is _C and picks(left):
            yield Route("take rows", _C, _M, _M)
        if form(right) is _C and picks(right.transpose()):
            yield Route("take columns", _M, _C, _M)
    held = form(left), form(right)
    if held == (_C, _C) and wanted is _C:
        yield Route("sparse sparse", _C, _C, _C)
        return
    for a, b in pairs((_C, _M), repeat=2):
        if (held[0] is _M and a is _C) or (held[1] is _M and b is _C):
            continue
        kernel, made = DIRECT[a, b]
        yield Route("outer" if kernel == "gemm" and left.cols == 1 else kernel, a, b, made)


def picks(block: Block) -> bool:
    """Say whether block · matrix only picks rows of the matrix, each with a sign: the block has one entry per row."""
    units = block.structure.units
    return units is not None and units.rows and block.structure.row_counts(block.rows, block.cols) == _ones(block.rows)


def _ones(length: int) -> tuple[tuple[int, int, int], ...]:
    return ((length, 1, 0),)


def parts_of(way: Route, left: Block, right: Block, result: Block) -> tuple[Part, ...]:
    """Count the work of a product by a route, with the conversions of the factors and of the product."""
    kernel: Part = (way.kernel, FEATURES[way.kernel](left, right, result))
    if way.left is form(left) and way.right is form(right) and way.made is form(result):
        return (kernel,)
    if way is NOTHING:
        return (kernel,)
    before = (*converted(left, form(left), way.left), *converted(right, form(right), way.right))
    return (*before, kernel, *converted(result, way.made, form(result)))


def product_parts(left: Block, right: Block, result: Block) -> tuple[Part, ...]:
    """Count the work of `result` = left · right."""
    return parts_of(route(left, right, result), left, right, result)


def sum_parts(left: Block, right: Block, result: Block) -> tuple[Part, ...]:
    """Count the work of `result` = left + right; both terms are first brought into the form of the result."""
    if isinstance(left.structure, Zero) or isinstance(right.structure, Zero):
        return (("nothing", (1,)),)
    wanted = form(result)
    before = (*converted(left, form(left), wanted), *converted(right, form(right), wanted))
    if wanted is _C:
        return (*before, ("add sparse", (1, left.nnz + right.nnz)))
    return (*before, ("add", (1, elements(result))))


def converted(block: Block, held: Form, wanted: Form) -> tuple[Part, ...]:
    """Count the work of converting a block from the form `held` into the form `wanted`."""
    if held is wanted:
        return ()
    cells = block.rows * block.cols
    if wanted is _M:
        if held is _C:
            return (("densify", (1, cells, block.nnz)),)
        return () if held in (_B, _L) and cells == block.nnz else (("spread", (1, cells, block.nnz)),)
    if wanted is _C:
        return (("sparsify", (1, cells if held is _M else 0, block.nnz)),)
    if wanted in (_B, _L):
        return (*converted(block, held, _C), ("gather", (1, block.nnz)))
    return (("nothing", (1,)),)


def elements(block: Block) -> int:
    """Count the numbers that are held for a block."""
    kind = form(block)
    if kind is _M:
        return block.rows * block.cols
    return block.nnz if kind in (_C, _B, _L) else block.rows if kind is _V else 1


def price(rates: Rates, parts: tuple[Part, ...]) -> int:
    """Price some work in nanoseconds, rounded to the nearest whole number."""
    total = 0
    for regime, features in parts:
        for rate, feature in zip(rates[regime], features, strict=True):
            total += rate * feature
    return (total + SECOND // 2) // SECOND


def _gemm(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    m, k, n = left.rows, left.cols, right.cols
    return 1, m * k, k * n, m * n, m * k * n


def _of_result(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, elements(result)


def _sparse_matrix(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    m, k, n = left.rows, left.cols, right.cols
    return 1, m, k * n, m * n, left.nnz * n


def _matrix_sparse(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    m, k, n = left.rows, left.cols, right.cols
    return 1, n, m * k, m * n, right.nnz * m


def _sparse_sparse(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, left.rows, left.nnz + right.nnz, result.nnz, multiplications(left, right)


def multiplications(left: Block, right: Block) -> int:
    """Count the pairs of entries that meet in a product; unlike fma, pairs with plus and minus ones count as well."""
    return inner(left.structure.column_counts(left.rows, left.cols), right.structure.row_counts(right.rows, right.cols))


def _batch(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    work = left.nnz * (right.cols // _parts(right))
    return 1, _parts(left), left.nnz + right.nnz + elements(result), work


def _left_parts(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, _parts(left), left.cols * right.cols, result.rows * result.cols, left.nnz * right.cols


def _right_parts(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, _parts(right), left.rows * left.cols, result.rows * result.cols, left.rows * right.nnz


def _parts(block: Block) -> int:
    assert isinstance(block.structure, BlockDiagonal | Kronecker)
    return block.structure.count


FEATURES: dict[str, Callable[[Block, Block, Block], tuple[int, ...]]] = {
    "nothing": lambda left, right, result: (1,),
    "scale vector": _of_result,
    "scale matrix": _of_result,
    "scale parts": _of_result,
    "scale sparse": _of_result,
    "outer": _of_result,
    "gemm": _gemm,
    "take rows": _of_result,
    "take columns": _of_result,
    "sparse matrix": _sparse_matrix,
    "matrix sparse": _matrix_sparse,
    "sparse sparse": _sparse_sparse,
    "batch": _batch,
    "stack matrix": _left_parts,
    "matrix stack": _right_parts,
    "layers matrix": _left_parts,
    "matrix layers": _right_parts,
}
"""For each kernel, the function that counts its features in a product, in the order of `default_rates.REGIMES`."""
