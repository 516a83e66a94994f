"""The sizes of the vertices of a model, as they follow from its blocks.

A block with a shape says two sizes; a multiple of the identity, or a shift, says that two sizes are equal.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from chainplan.models.block_values import BlockPlace, ReadBlock, refused


def sizes_of(blocks: Mapping[BlockPlace, ReadBlock]) -> dict[Hashable, int]:
    """Return the size of each vertex; vertices between which there are only numbers have size 1.

    Raises
    ------
    ArgumentError
        Where two blocks disagree, or nothing says the shape of a pair of functions or the periods of shifts.
    """
    sizes: dict[Hashable, tuple[int, BlockPlace]] = {}
    for place, block in blocks.items():
        for vertex, size, what in zip(place, (block.rows, block.cols), ("rows", "columns"), strict=True):
            if size is not None:
                _agree(sizes, vertex, size, place, what)
    left = [place for place, block in blocks.items() if block.square]
    while left:
        known = [place for place in left if place[0] in sizes or place[1] in sizes]
        if not known and (endless := [place for place in left if blocks[place].shifts is not None]):
            expected = "expected their number. Pass ShiftsBlock(coefficients, size=300), say."
            raise refused(endless[0], "found shifts, and nothing says over how many periods", expected)
        for output, source in known or left[:1]:
            size = sizes.get(output, sizes.get(source, (1, (output, source))))[0]
            _agree(sizes, output, size, (output, source), "rows")
            _agree(sizes, source, size, (output, source), "columns")
        left = [place for place in left if place not in (known or left[:1])]
    for place in blocks:
        for vertex in place:
            if vertex not in sizes:
                expected = "expected one that another block says. Pass a LinearOperator, which has a shape."
                raise refused(place, f"found functions, and nothing says the size of {vertex!r}", expected)
    return {vertex: size for vertex, (size, _) in sizes.items()}


def _agree(
    sizes: dict[Hashable, tuple[int, BlockPlace]], vertex: Hashable, size: int, place: BlockPlace, what: str
) -> None:
    """Note a size, or refuse it where another block says another one."""
    known, by = sizes.setdefault(vertex, (size, place))
    if known != size:
        expected = f"expected {known}, the size of {vertex!r} by blocks[{by[0]!r}, {by[1]!r}]. Correct one of them."
        raise refused(place, f"found {size} {what}", expected)
