"""A listed pattern whose lists are in another process: its shape, its number of nonzeros and its mark are here.

Kernels and forms depend on these alone, but for a few that read the lists. So a plan goes to other processes without
its lists, and those that a process needs are sent to it and lie at hand while it does what they are needed for. Whether
an array lists exactly the entries of the pattern is seen from the digest in the mark, without the lists.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import TYPE_CHECKING

from chainplan.errors import ExecutionError
from chainplan.structures.block import Block
from chainplan.structures.explicit import Explicit
from chainplan.structures.pattern_product import LargePattern

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan.structures.base import Structure
    from chainplan.structures.unit_entries import UnitEntries

_AT_HAND: ContextVar[Mapping[Hashable, Explicit]] = ContextVar("patterns at hand", default={})  # noqa: B039


class PatternWanted(ExecutionError):
    """A process asks for the lists of a pattern that it has not got; `mark` says of which."""

    def __init__(self, mark: Hashable) -> None:
        super().__init__(mark)
        self.mark = mark

    def __str__(self) -> str:
        return "a worker has no lists of a pattern; expected them from the process that runs the plan. Run it again."


@contextmanager
def at_hand(patterns: Mapping[Hashable, Explicit]) -> Iterator[None]:
    """Have the lists of some patterns, by the marks of those that stand for them."""
    token = _AT_HAND.set({**_AT_HAND.get(), **patterns})
    try:
        yield
    finally:
        _AT_HAND.reset(token)


class AbsentPattern(Explicit):
    """What is known of a listed pattern without its lists.

    Parameters
    ----------
    mark : Hashable
        A small key that stands for the pattern.
    shape : tuple[int, int]
        Rows and columns.
    nonzeros : int
        The number of entries.
    units : UnitEntries | None
        What is known about the values.
    """

    __slots__ = ("_mark", "_nonzeros", "_shape")

    def __init__(self, mark: Hashable, shape: tuple[int, int], nonzeros: int, units: UnitEntries | None) -> None:
        self._mark, self._shape, self._nonzeros, self.units = mark, shape, nonzeros, units

    def __reduce__(self) -> tuple[type[AbsentPattern], tuple[object, ...]]:
        return AbsentPattern, (self._mark, self._shape, self._nonzeros, self.units)

    @property
    def mark(self) -> Hashable:
        """The mark of the pattern, and what is known about the values."""
        return self._mark, self.units

    @property
    def csr(self) -> csr_array:  # type: ignore[override]
        """The lists, where they are at hand.

        Raises
        ------
        PatternWanted
            Where they are not.
        """
        found = _AT_HAND.get().get(self._mark)
        if found is None:
            raise PatternWanted(self._mark)
        return found.csr

    @property
    def wanted(self) -> Hashable:
        """The mark by which the lists are asked for."""
        return self._mark

    def listed_by(self, csr: csr_array) -> bool:
        """Say whether a sparse array lists exactly these entries, row by row in order, in O(entries)."""
        return csr.shape == self._shape and csr.nnz == self._nonzeros and _mark_of(Explicit(csr)) == self._mark

    def misfit(self, rows: int, cols: int) -> str | None:
        m, n = self._shape
        return None if (m, n) == (rows, cols) else f"is a pattern of {m} x {n}, not {rows} x {cols}"

    def nnz(self, rows: int, cols: int) -> int:
        return self._nonzeros

    @property
    def held_bytes(self) -> int:  # type: ignore[override]
        """The bytes of the mark."""
        return 200

    def _with(self, units: UnitEntries | None) -> Structure:
        return AbsentPattern(self._mark, self._shape, self._nonzeros, units)

    def __repr__(self) -> str:
        return f"{'sparse' if self.units is None else 'units'} {self._nonzeros:,}"


def without_lists(block: Block) -> Block:
    """Return a block with an `AbsentPattern` in the place of a listed pattern."""
    structure = block.structure
    if isinstance(structure, AbsentPattern) or not isinstance(structure, Explicit | LargePattern):
        return block
    absent = AbsentPattern(_mark_of(structure), (block.rows, block.cols), block.nnz, structure.units)
    return block._replace(structure=absent)


def _mark_of(structure: Structure) -> Hashable:
    """A mark of a few bytes of the entries alone; equal lists have equal marks."""
    if isinstance(structure, Explicit):
        return structure.csr.shape, structure.digest
    return blake2b(repr(structure.mark).encode(), digest_size=32).digest()
