"""The lines that multiply and add blocks in the function of a plan (`straight`): expressions on the names of values.

Sparse blocks stand for their entries, and the lists belong to the term. What has no line of its own goes through the
kernel of its route, as in the executor, with sparse factors made whole again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from chainplan._util.arrays import Array, DType
from chainplan.execution.straight_shifts import ShiftLines, written
from chainplan.execution.straight_term import Term
from chainplan.kernels.convert import as_matrix, with_data
from chainplan.kernels.dispatch import TRIVIAL_ROUTE, ProductRoute, route
from chainplan.kernels.entry_lists import matrix_of_lists, product_of_lists, rows_of, sum_of_lists
from chainplan.kernels.pick_products import across_taken, put_columns, put_rows
from chainplan.kernels.products import product_kernel, routed_kernel, sum_kernel, writes
from chainplan.kernels.sparse_products import listed_matrix, matrix_listed
from chainplan.kernels.storage import StorageForm, form
from chainplan.plans.steps import Add, Multiply, Step
from chainplan.structures import Block, Dense, Identity, NegatedIdentity, Shifts, Zero
from chainplan.structures.shifts import laid_out


class NotStraight(Exception):
    """Raised where a step of a plan has no line."""


class ProductLines:
    """Writes products and sums; `named` gives a kernel its name in the function, `line` adds a line to it."""

    def __init__(self, named: Callable[[object], str], line: Callable[[str], None], dtype: DType) -> None:
        self._named, self._dtype = named, dtype
        self._shifts = ShiftLines(line)

    def product(self, left: Term, right: Term, onto: Term | None, work: str | None) -> Term:
        """Return left · right, added to another block where there is one; `work` is the array to write into."""
        made = left.block.times(right.block)
        numbers = self._shifts.product(left, right)
        if numbers is not None:
            added = None if onto is None else self._shifts.total(numbers, made, onto)
            if added is not None:
                return Term(written(added[1]), added[0], numbers=True)
            term = Term(written(numbers), made, numbers=True)
        elif type(left.block.structure) is type(right.block.structure) is Dense:
            kernel = product_kernel(left.block, right.block, made)
            arguments = (left.value, right.value, *([work] if work else []))
            term = Term(f"{self._named(kernel)}({', '.join(arguments)})", made)
        else:
            term = self._structured(left, right, made)
        return term if onto is None else self.total(term, onto)

    def total(self, left: Term, right: Term) -> Term:
        """Return left + right."""
        made = left.block.plus(right.block)
        if isinstance(right.block.structure, Zero):
            return left
        if isinstance(left.block.structure, Zero):
            return right
        for one, other in ((left, right), (right, left)):
            numbers = self._shifts.sum(one, other) if one.numbers else None
            if numbers is not None:
                return Term(written(numbers), made, numbers=True)
        if form(made) is StorageForm.SPARSE:
            left, right = self._laid_out(left), self._laid_out(right)
        if left.lists is not None and right.lists is not None and form(made) is StorageForm.SPARSE:
            lists, add = sum_of_lists(left.lists, right.lists)
            return Term(f"{self._named(add)}({left.value}, {right.value})", made, lists)
        if form(made) is StorageForm.DENSE:
            return Term(f"{self.matrix(left)} + {self.matrix(right)}", made)
        if left.lists is not None or right.lists is not None or form(made) is StorageForm.SPARSE:
            raise NotStraight
        kernel = self._named(sum_kernel(left.block, right.block))
        return Term(f"{kernel}({self.whole(left)}, {self.whole(right)}, D)", made)

    def matrix(self, term: Term) -> str:
        """Return the expression of a term written out as a matrix."""
        if term.lists is not None:
            return f"{self._named(matrix_of_lists(term.lists))}({term.value})"
        if form(term.block) is StorageForm.DENSE:
            return term.value
        return f"{self._named(partial(_written_out, term.block, self._dtype))}({self.whole(term)})"

    def writes(self, step: Multiply, blocks: Sequence[Block]) -> bool:
        """Say whether the line of a step writes into an array that is given to it."""
        left, right = blocks[step.left], blocks[step.right]
        dense = type(left.structure) is type(right.structure) is Dense and step.onto is None
        return dense and writes(product_kernel(left, right))

    def makes_its_own(self, step: Step, blocks: Sequence[Block]) -> bool:
        """Say whether the result of a step never shares memory with what the step reads."""
        if isinstance(step, Multiply):
            left, right = blocks[step.left], blocks[step.right]
            made = left.times(right)
            own = route(left, right, made).kernel != TRIVIAL_ROUTE.kernel
            return own and (step.onto is None or _sums(made, blocks[step.onto]))
        return isinstance(step, Add) and _sums(blocks[step.left], blocks[step.right])

    def _structured(self, left: Term, right: Term, made: Block) -> Term:
        a, b = left.block, right.block
        way = route(a, b, made)
        if way.kernel == TRIVIAL_ROUTE.kernel:
            return self._unchanged(left, right, made)
        if form(made) is StorageForm.SPARSE:
            return self._sparse(self._laid_out(left), self._laid_out(right), made)
        if form(made) is StorageForm.DENSE:
            line = self._with_matrix(left, right, way)
            if line is not None:
                return Term(line, made)
        whole = ", ".join(self.whole(term) for term in (left, right))
        return Term(f"{self._named(routed_kernel(way, a, b, made))}({whole})", made)

    def _unchanged(self, left: Term, right: Term, made: Block) -> Term:
        """Return a product that is zero or one of its factors."""
        if isinstance(made.structure, Zero):
            return Term("None", made)
        if {form(left.block), form(right.block)} == {StorageForm.IMPLIED}:
            return Term("None", made)
        term = right if isinstance(left.block.structure, Identity) else left
        return term._replace(block=made)

    def _sparse(self, left: Term, right: Term, made: Block) -> Term:
        """Return a product that is held sparse."""
        if left.lists is None and right.lists is None:
            raise NotStraight
        if left.lists is not None and right.lists is not None:
            found = product_of_lists(left.lists, right.lists, left.ones, right.ones)
            if found is None:
                raise NotStraight
            lists, multiply = found
            ones = left.ones and right.ones and lists.nnz == 0
            return Term(f"{self._named(multiply)}({left.value}, {right.value})", made, lists, ones)
        (term, other), first = ((left, right), False) if left.lists is not None else ((right, left), True)
        assert term.lists is not None
        if isinstance(other.block.structure, NegatedIdentity):
            return Term(f"-{term.value}", made, term.lists)
        if form(other.block) is StorageForm.SCALED_IDENTITY:
            return Term(f"{term.value} * {other.value}", made, term.lists)
        if form(other.block) is not StorageForm.DIAGONAL:
            raise NotStraight
        lines = self._named(rows_of(term.lists) if first else term.lists.indices)
        scale = f"{other.value}.take({lines})"
        return Term(scale if term.ones else f"{term.value} * {scale}", made, term.lists)

    def _with_matrix(self, left: Term, right: Term, way: ProductRoute) -> str | None:
        """Return the line of a product of sparse entries and a matrix, where it has one of its own."""
        a, b = left.block, right.block
        factors = way.left, way.right
        left, right = (
            self._laid_out(term) if wanted is StorageForm.SPARSE else term
            for term, wanted in zip((left, right), factors, strict=True)
        )
        held = tuple(StorageForm.SPARSE if term.lists is not None else form(term.block) for term in (left, right))
        if held != factors or {*held} != {StorageForm.SPARSE, StorageForm.DENSE}:
            return None
        if way.kernel == "take columns":
            take = across_taken(b)
            return None if take is None else f"{self._named(take)}({left.value})"
        if way.kernel == "take rows":
            return None
        if left.lists is not None and put_rows(a) is None:
            kernel = self._named(listed_matrix(left.lists, b.cols, self._dtype))
        elif right.lists is not None and put_columns(b) is None:
            kernel = self._named(matrix_listed(right.lists, a.rows, self._dtype))
        else:
            return None
        return f"{kernel}({left.value}, {right.value})"

    def _laid_out(self, term: Term) -> Term:
        """Return shifts as the entries of a sparse block, and any other term as it is."""
        if not isinstance(term.block.structure, Shifts):
            return term
        csr, run = laid_out(term.block.structure)
        return Term(f"{self.whole(term)}.take({self._named(run)})", term.block, csr)

    def whole(self, term: Term) -> str:
        """Return the expression of a block as kernels take it."""
        if term.numbers:
            return f"{self._named(np.array)}({term.value}, D)"
        if term.lists is None:
            return term.value
        return f"{self._named(partial(with_data, term.lists))}({term.value})"


def _written_out(block: Block, dtype: DType, value: Array) -> Array:
    return as_matrix(value, block, dtype)


def _sums(left: Block, right: Block) -> bool:
    """Say whether a sum is added up, instead of being one of its terms."""
    return not isinstance(left.structure, Zero) and not isinstance(right.structure, Zero)
