"""The cheapest way to make w·F''[B, C] of a matrix-free second derivative: what its calls take along, what comes after.

A second tangent takes blocks along on either column side or on both, a second adjoint on the rows and on one column
side. Each side that is taken along costs as many calls as its block has lines; one that is not costs as many as the
side is long, or has colours, and a contraction afterwards. So few lines are taken along, and wide blocks are not, if
that is cheaper. All of these ways are tried on a writer that only counts, and the cheapest one is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from chainplan._util.byte_cache import kept
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.problem.graph import Mode
from chainplan.structures.second import SecondBlock, Side


class SideBlocks(NamedTuple):
    """The blocks by which the sides of a second derivative are multiplied, None for a side that stays as it is."""

    rows: HeldJacobian | None = None
    left: HeldJacobian | None = None
    right: HeldJacobian | None = None

    @property
    def alike(self) -> bool:
        """Whether one and the same block multiplies both column sides."""
        return self.left is not None and self.left is self.right


class AppliedWay(NamedTuple):
    """The mode of the calls, the sides that they take along, and those that are contracted afterwards."""

    mode: Mode
    along: frozenset[Side]
    then: tuple[Side, ...]


def made_along(
    writer: SecondWriter, free: FreeSecond, blocks: SideBlocks, ends: tuple[str, str], symmetric: bool = True
) -> HeldSecond:
    """Write the cheapest way to multiply the sides of a matrix-free second derivative; its result is at `ends`.

    Directions that it has already are not among `blocks`. Ties go to the first way.
    """
    blocks = SideBlocks(blocks.rows, free.left or blocks.left, free.right or blocks.right)
    marks = tuple(None if block is None else block.block.mark for block in blocks)
    key = "second way", free.own.block.mark, free.own.tangent, free.own.adjoint, marks, blocks.alike, symmetric
    best = kept(key, lambda: _cheapest(free, blocks, symmetric), size=lambda way: 24 * way.block.nnz)
    if writer.recorder is None:
        writer.price, writer.counted = writer.price + best.price, writer.counted and best.counted
        return HeldSecond(*ends, best.block)
    return _made(writer, free, blocks, best.way, symmetric)._replace(left=ends[0], right=ends[1])


class _PricedWay(NamedTuple):
    """A way, with its price, the block that it makes, and whether all of it is counted exactly."""

    price: int
    way: AppliedWay
    block: SecondBlock
    counted: bool


def _cheapest(free: FreeSecond, blocks: SideBlocks, symmetric: bool) -> _PricedWay:
    """Return the cheapest way, the first of several."""
    priced = []
    for way in _ways(free, blocks):
        counter = SecondWriter()
        made = _made(counter, free, blocks, way, symmetric)
        priced.append(_PricedWay(counter.price, way, made.block, counter.counted))
    return min(priced, key=lambda one: one.price)


def _ways(free: FreeSecond, blocks: SideBlocks) -> Iterator[AppliedWay]:
    """Yield every way; a block on both column sides is taken along on the right first, so that halves are equal."""
    given = _given(blocks)
    columns: list[Side] = [side for side in (Side.RIGHT, Side.LEFT) if side in given]
    some: list[list[Side]] = [list(sides) for size in (0, 1, 2) for sides in combinations(columns, size)]
    if blocks.alike:
        some.remove([Side.LEFT])
    taken = {Mode.TANGENT: some, Mode.ADJOINT: [sides for sides in some if len(sides) < 2]}
    if Side.ROWS in given:
        taken[Mode.ADJOINT] += [[Side.ROWS, *sides] for sides in taken[Mode.ADJOINT]]
    for mode in (mode for mode in Mode if free.own.price(mode.value) is not None):
        for along in taken[mode]:
            rest = [side for side in columns if side not in along]
            then = [Side.BOTH] if blocks.alike and len(rest) == 2 else rest
            rows = [Side.ROWS] if Side.ROWS in given and Side.ROWS not in along else []
            yield AppliedWay(mode, frozenset(along), (*then, *rows))
            if then and rows and not (blocks.alike and then == [Side.LEFT]):
                yield AppliedWay(mode, frozenset(along), (*rows, *then))


def _given(blocks: SideBlocks) -> dict[Side, HeldJacobian]:
    """Return the blocks that are there by their sides."""
    sides = zip((Side.ROWS, Side.LEFT, Side.RIGHT), blocks, strict=True)
    return {side: block for side, block in sides if block is not None}


def _made(writer: SecondWriter, free: FreeSecond, blocks: SideBlocks, way: AppliedWay, symmetric: bool) -> HeldSecond:
    """Write a way; both column sides of the result are named as those of the second derivative."""
    given = _given(blocks)
    rows, left, right = (given[s] if s in way.along else None for s in (Side.ROWS, Side.LEFT, Side.RIGHT))
    if way.mode is Mode.ADJOINT and left is not None:
        made = writer.exchanged(writer.applied_second(free, way.mode, rows, None, left))
    else:
        made = writer.applied_second(free, way.mode, rows, left, right)
    for side in way.then:
        by = given[Side.RIGHT if side is Side.BOTH else side]
        alike = blocks.alike if side is Side.LEFT else side is not Side.RIGHT and made.block.symmetric
        made = writer.contract(made, by, side, (made.left, made.right), symmetric and alike)
    return made
