"""Decides which kernel multiplies two held blocks and through which conversions, and counts the work of each part.

A route is chosen at plan time, from the two blocks and their product alone, so that executing a plan and pricing it
under a time model refer to the same kernel. Most pairs of forms have one kernel of their own. Where several routes lead
to the product (a sparse factor may be written out first, for instance), the static table of rates decides, on every
machine alike: calibration changes prices, never routes.

Work is counted per regime. A regime is a kernel or conversion whose time is the sum of its features times their rates
(`default_rates`). Nothing here needs numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from itertools import product as pairs
from typing import NamedTuple

from chainplan.kernels.default_rates import (
    FEMTOSECONDS_PER_NANOSECOND,
    MAX_SMALL_ENTRIES,
    REGIMES,
    STATIC_RATES,
    RegimeRates,
)
from chainplan.kernels.storage import StorageForm, form
from chainplan.structures import Block, BlockDiagonal, Identity, Kronecker, Shifts, Zero
from chainplan.structures.counts import inner
from chainplan.structures.shifts import joined

WorkPart = tuple[str, tuple[int, ...]]
"""A regime and its features, in the order of `default_rates.REGIMES`."""


class ProductRoute(NamedTuple):
    """A kernel, the forms in which it takes its factors, and the form in which it makes the product."""

    kernel: str
    left: StorageForm
    right: StorageForm
    made: StorageForm


_SCALED, _DIAGONAL, _DENSE, _SPARSE, _BLOCKS, _KRONECKER, _IMPLIED, _SHIFTS = (
    StorageForm.SCALED_IDENTITY,
    StorageForm.DIAGONAL,
    StorageForm.DENSE,
    StorageForm.SPARSE,
    StorageForm.BLOCK_DIAGONAL,
    StorageForm.KRONECKER,
    StorageForm.IMPLIED,
    StorageForm.SHIFTS,
)

DIRECT_ROUTES: dict[tuple[StorageForm, StorageForm], tuple[str, StorageForm]] = {
    (_SCALED, _SCALED): ("scale vector", _SCALED),
    (_SCALED, _DIAGONAL): ("scale vector", _DIAGONAL),
    (_DIAGONAL, _SCALED): ("scale vector", _DIAGONAL),
    (_DIAGONAL, _DIAGONAL): ("scale vector", _DIAGONAL),
    (_SCALED, _DENSE): ("scale matrix", _DENSE),
    (_DENSE, _SCALED): ("scale matrix", _DENSE),
    (_DIAGONAL, _DENSE): ("scale matrix", _DENSE),
    (_DENSE, _DIAGONAL): ("scale matrix", _DENSE),
    (_SCALED, _SPARSE): ("scale sparse", _SPARSE),
    (_SPARSE, _SCALED): ("scale sparse", _SPARSE),
    (_DIAGONAL, _SPARSE): ("scale sparse", _SPARSE),
    (_SPARSE, _DIAGONAL): ("scale sparse", _SPARSE),
    (_SCALED, _BLOCKS): ("scale parts", _BLOCKS),
    (_BLOCKS, _SCALED): ("scale parts", _BLOCKS),
    (_DIAGONAL, _BLOCKS): ("scale parts", _BLOCKS),
    (_BLOCKS, _DIAGONAL): ("scale parts", _BLOCKS),
    (_SCALED, _KRONECKER): ("scale parts", _KRONECKER),
    (_KRONECKER, _SCALED): ("scale parts", _KRONECKER),
    (_DIAGONAL, _KRONECKER): ("scale parts", _KRONECKER),
    (_KRONECKER, _DIAGONAL): ("scale parts", _KRONECKER),
    (_SCALED, _SHIFTS): ("scale vector", _SHIFTS),
    (_SHIFTS, _SCALED): ("scale vector", _SHIFTS),
    (_SHIFTS, _SHIFTS): ("join shifts", _SHIFTS),
    (_DENSE, _DENSE): ("gemm", _DENSE),
    (_SPARSE, _DENSE): ("sparse matrix", _DENSE),
    (_DENSE, _SPARSE): ("matrix sparse", _DENSE),
    (_SPARSE, _SPARSE): ("sparse sparse", _SPARSE),
    (_BLOCKS, _BLOCKS): ("batch", _BLOCKS),
    (_KRONECKER, _KRONECKER): ("batch", _KRONECKER),
    (_BLOCKS, _DENSE): ("stack matrix", _DENSE),
    (_DENSE, _BLOCKS): ("matrix stack", _DENSE),
    (_KRONECKER, _DENSE): ("layers matrix", _DENSE),
    (_DENSE, _KRONECKER): ("matrix layers", _DENSE),
}
"""For each pair of forms, the kernel that takes such factors as they are, and the form of the product it makes."""

_WEIGHED_PAIRS = frozenset({(_DENSE, _SPARSE), (_SPARSE, _SPARSE)})
"""Pairs of forms with a kernel of their own that is not always the fastest."""

GEMM_ROUTE = ProductRoute("gemm", _DENSE, _DENSE, _DENSE)
GEMV_ROUTE = ProductRoute("gemv", _DENSE, _DENSE, _DENSE)
OUTER_ROUTE = ProductRoute("outer", _DENSE, _DENSE, _DENSE)
"""The routes of a product of matrices: of two matrices, with a vector, and of inner size 1."""
TRIVIAL_ROUTE = ProductRoute("nothing", _IMPLIED, _IMPLIED, _IMPLIED)
"""The route of a product that is zero or one of its factors."""


VECTOR_KERNELS = {
    "sparse matrix": "sparse vector",
    "matrix sparse": "sparse vector",
    "scale matrix": "diagonal vector",
}
"""The kernels that take the place of others where the dense factor is a vector."""


def route(left: Block, right: Block, result: Block, regimes: Container[str] = REGIMES) -> ProductRoute:
    """Choose how to compute `result` = left · right, by the rates of these regimes."""
    forms = form(left), form(right)
    if forms[0] is forms[1] is form(result) is _DENSE:
        return _of_matrices(left, right)
    if isinstance(result.structure, Zero):
        return TRIVIAL_ROUTE
    if _IMPLIED in forms:
        return _with_nothing(left, right, forms)
    if forms not in DIRECT_ROUTES:
        forms = _laid_out(forms)
    direct = DIRECT_ROUTES.get(forms) if _alike(left, right) else None
    if direct is not None and forms not in _WEIGHED_PAIRS and not (forms == (_SPARSE, _DENSE) and picks(left)):
        return _of_vector(ProductRoute(direct[0], *forms, direct[1]), left, right)
    routes = list(_candidates(left, right, result))
    if len(routes) == 1:
        return routes[0]
    return min(routes, key=lambda way: price(STATIC_RATES, parts_of(way, left, right, result, regimes)))


def _laid_out(forms: tuple[StorageForm, StorageForm]) -> tuple[StorageForm, StorageForm]:
    """Return the forms of two factors after shifts were written out as sparse arrays, to meet what is not of them."""
    left, right = (_SPARSE if one is _SHIFTS else one for one in forms)
    return left, right


def _of_matrices(left: Block, right: Block) -> ProductRoute:
    """Return the route of a product of two blocks that are taken as matrices."""
    if left.cols == 1:
        return OUTER_ROUTE
    return GEMV_ROUTE if left.rows == 1 or right.cols == 1 else GEMM_ROUTE


def _of_vector(way: ProductRoute, left: Block, right: Block) -> ProductRoute:
    """Return the route with the kernel for a vector, where its dense factor is one."""
    dense = right if way.right is _DENSE else left
    one = dense.cols == 1 if dense is right else dense.rows == 1
    return way._replace(kernel=VECTOR_KERNELS.get(way.kernel, way.kernel)) if one else way


def _with_nothing(left: Block, right: Block, forms: tuple[StorageForm, StorageForm]) -> ProductRoute:
    """Choose the route of a product with an identity, which does nothing, or with its negation, which scales."""
    unit, other = (left, forms[1]) if forms[0] is _IMPLIED else (right, forms[0])
    if isinstance(unit.structure, Identity) or other is _IMPLIED:
        return TRIVIAL_ROUTE
    vectors = dict.fromkeys((_SCALED, _DIAGONAL, _SHIFTS), "scale vector")
    scaled = vectors | {_DENSE: "scale matrix", _SPARSE: "scale sparse"}
    return ProductRoute(scaled.get(other, "scale parts"), *forms, other)


def _alike(left: Block, right: Block) -> bool:
    """Say whether two stacks, or two layers, have the same number of parts, as their common kernel requires."""
    a, b = left.structure, right.structure
    return not isinstance(a, BlockDiagonal | Kronecker) or type(a) is not type(b) or a.count == b.count


def _candidates(left: Block, right: Block, result: Block) -> Iterator[ProductRoute]:
    """Yield the routes through sparse arrays and matrices; a unit block that only picks may take rows or columns."""
    wanted = form(result)
    if form(right) is _DENSE or wanted is _DENSE:
        if form(left) is _SPARSE and picks(left):
            yield ProductRoute("take rows", _SPARSE, _DENSE, _DENSE)
        if form(right) is _SPARSE and picks(right.transpose()):
            yield ProductRoute("take columns", _DENSE, _SPARSE, _DENSE)
    held = _laid_out((form(left), form(right)))
    if held == (_SPARSE, _SPARSE) and wanted is _SPARSE:
        yield ProductRoute("sparse sparse", _SPARSE, _SPARSE, _SPARSE)
        return
    for a, b in pairs((_SPARSE, _DENSE), repeat=2):
        if (held[0] is _DENSE and a is _SPARSE) or (held[1] is _DENSE and b is _SPARSE):
            continue
        kernel, made = DIRECT_ROUTES[a, b]
        yield (
            _of_matrices(left, right) if kernel == "gemm" else _of_vector(ProductRoute(kernel, a, b, made), left, right)
        )


def picks(block: Block) -> bool:
    """Say whether block · matrix only picks rows of the matrix, each with a sign: the block has one entry per row."""
    units = block.structure.units
    return units is not None and units.rows and block.structure.row_counts(block.rows, block.cols) == _ones(block.rows)


def _ones(length: int) -> tuple[tuple[int, int, int], ...]:
    return ((length, 1, 0),)


def parts_of(
    way: ProductRoute, left: Block, right: Block, result: Block, regimes: Container[str] = REGIMES
) -> tuple[WorkPart, ...]:
    """Count the work of a product by a route, with the conversions of the factors and of the product.

    A product with a vector whose regime is not among `regimes` counts as one with a matrix.
    """
    known = way.kernel if way.kernel in regimes else DIRECT_ROUTES[way.left, way.right][0]
    large = known == "gemv" and "large gemv" in regimes and vector_entries(left, right) > MAX_SMALL_ENTRIES
    kernel: WorkPart = ("large gemv" if large else known, FEATURES_OF_REGIMES[known](left, right, result))
    if way.left is form(left) and way.right is form(right) and way.made is form(result):
        return (kernel,)
    if way is TRIVIAL_ROUTE:
        return (kernel,)
    before = (*converted(left, form(left), way.left), *converted(right, form(right), way.right))
    return (*before, kernel, *converted(result, way.made, form(result)))


def vector_entries(left: Block, right: Block) -> int:
    """Count the entries of the matrix in a product with a vector."""
    return max(left.rows * left.cols, right.rows * right.cols)


def product_parts(left: Block, right: Block, result: Block, regimes: Container[str] = REGIMES) -> tuple[WorkPart, ...]:
    """Count the work of `result` = left · right in some regimes."""
    return parts_of(route(left, right, result, regimes), left, right, result, regimes)


def sum_parts(left: Block, right: Block, result: Block) -> tuple[WorkPart, ...]:
    """Count the work of `result` = left + right; both terms are first brought into the form of the result."""
    if isinstance(left.structure, Zero) or isinstance(right.structure, Zero):
        return (("nothing", (1,)),)
    wanted = form(result)
    before = (*converted(left, form(left), wanted), *converted(right, form(right), wanted))
    if wanted is _SPARSE:
        return (*before, ("add sparse", (1, left.nnz + right.nnz)))
    return (*before, ("add", (1, elements(result))))


def converted(block: Block, held: StorageForm, wanted: StorageForm) -> tuple[WorkPart, ...]:
    """Count the work of converting a block from the form `held` into the form `wanted`."""
    if held is wanted:
        return ()
    cells = block.rows * block.cols
    if held is _SHIFTS and wanted is _SPARSE:
        return (("lay out", (1, block.nnz)),)
    if wanted is _DENSE:
        if held is _SPARSE:
            return (("densify", (1, cells, block.nnz)),)
        return () if held in (_BLOCKS, _KRONECKER) and cells == block.nnz else (("spread", (1, cells, block.nnz)),)
    if wanted is _SPARSE:
        return (("sparsify", (1, cells if held is _DENSE else 0, block.nnz)),)
    if wanted in (_BLOCKS, _KRONECKER):
        return (*converted(block, held, _SPARSE), ("gather", (1, block.nnz)))
    return (("nothing", (1,)),)


def elements(block: Block) -> int:
    """Count the numbers that are held for a block."""
    kind = form(block)
    if kind is _DENSE:
        return block.rows * block.cols
    if isinstance(block.structure, Shifts):
        return len(block.structure.runs)
    return block.nnz if kind in (_SPARSE, _BLOCKS, _KRONECKER) else block.rows if kind is _DIAGONAL else 1


def price(rates: RegimeRates, parts: tuple[WorkPart, ...]) -> int:
    """Price some work in nanoseconds, rounded to the nearest whole number."""
    total = 0
    for regime, features in parts:
        for rate, feature in zip(rates[regime], features, strict=True):
            total += rate * feature
    return (total + FEMTOSECONDS_PER_NANOSECOND // 2) // FEMTOSECONDS_PER_NANOSECOND


def _gemm(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    m, k, n = left.rows, left.cols, right.cols
    return 1, m * k, k * n, m * n, m * k * n


def _gemv(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, vector_entries(left, right)


def _of_result(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, elements(result)


def _sparse_matrix(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    m, k, n = left.rows, left.cols, right.cols
    return 1, m, k * n, m * n, left.nnz * n


def _matrix_sparse(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    m, k, n = left.rows, left.cols, right.cols
    return 1, n, m * k, m * n, right.nnz * m


def _sparse_vector(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, max(result.rows, result.cols), left.nnz if right.cols == 1 else right.nnz


def _sparse_sparse(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    return 1, left.rows, left.nnz + right.nnz, result.nnz, multiplications(left, right)


def multiplications(left: Block, right: Block) -> int:
    """Count the pairs of entries that meet in a product; unlike fma, pairs with plus and minus ones count as well."""
    return inner(left.structure.column_counts(left.rows, left.cols), right.structure.row_counts(right.rows, right.cols))


def _join_shifts(left: Block, right: Block, result: Block) -> tuple[int, ...]:
    a, b = left.structure, right.structure
    assert isinstance(a, Shifts)
    assert isinstance(b, Shifts)
    return 1, len(joined(a, b).piece)


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


FEATURES_OF_REGIMES: dict[str, Callable[[Block, Block, Block], tuple[int, ...]]] = {
    "nothing": lambda left, right, result: (1,),
    "scale vector": _of_result,
    "scale matrix": _of_result,
    "diagonal vector": _of_result,
    "scale parts": _of_result,
    "scale sparse": _of_result,
    "outer": _of_result,
    "gemv": _gemv,
    "gemm": _gemm,
    "take rows": _of_result,
    "take columns": _of_result,
    "sparse matrix": _sparse_matrix,
    "matrix sparse": _matrix_sparse,
    "sparse vector": _sparse_vector,
    "sparse sparse": _sparse_sparse,
    "join shifts": _join_shifts,
    "batch": _batch,
    "stack matrix": _left_parts,
    "matrix stack": _right_parts,
    "layers matrix": _left_parts,
    "matrix layers": _right_parts,
}
"""For each kernel, the function that counts its features in a product, in the order of `default_rates.REGIMES`."""
