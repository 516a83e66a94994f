"""Coloured sweeps over parts of a graph: vertices that go all at once, because their joint pattern has few colours.

A part is a connected set of intermediate vertices. It is swept forward, by a line of vectors from each vertex before
it, or backward from each behind it: seeds are carried through its elementals, explicit ones by products, matrix-free
ones by tangents or adjoints, along all paths at once, and what arrives is decompressed to the blocks that the part adds
between the vertices around it. Between one vertex before and one behind both modes may be used together. A line that
colours do not make cheaper begins without seeds, with the blocks of its first elementals.

On a path a part is the inside of an interval, and its sweep is that of the interval program (`compressed_sweep`). What
a sweep costs does not depend on what else is gone, as long as nothing beside the part is.

Parts are made of vertices that have a block that is not dense on both sides, or that come after a block with an empty
column or before one with an empty row; one of them is beside a matrix-free elemental. Along other paths nothing is
sparse from one end to the other. Outputs that are read are in no part, because their in-edges stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from chainplan.plans.accumulations import accumulated, swept, time_for_parts
from chainplan.plans.compressed_sweep import UNREACHED_PRICE, per_vector
from chainplan.plans.recorder import Recorder
from chainplan.plans.sweep_colours import SweepColours, VectorPrices, compressible, simple_needs
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.elimination_graph import write_accumulation
from chainplan.structures import Block, Dense

MAX_SWEPT_INTERMEDIATES = 2000
"""Intermediate vertices above which no parts are swept."""
MAX_PART_VERTICES = 64
"""The vertices of the largest part that is tried: what a part costs is asked for each set that an order makes."""

BlockEnds = tuple[int, int]
"""The vertices that a block starts and ends at, (source, target)."""


class SweptLine(NamedTuple):
    """What is carried from one vertex beside a part: seeds of these colours, or whole blocks where there are none."""

    mode: Mode
    end: int
    colours: SweepColours | None


class PartSweep(NamedTuple):
    """The sweep of a part, its price, a bound on all such sweeps, and the blocks that it makes by their ends."""

    price: int
    least: int
    inside: int
    lines: tuple[SweptLine, ...]
    blocks: dict[BlockEnds, Block]


class _Line(NamedTuple):
    """A line before it has colours: its elementals, the price of a vector, that of whole blocks, and what arrives."""

    mode: Mode
    end: int
    run: tuple[Elemental, ...]
    vector: int | None
    plain: int
    plain_least: int
    joint: Block | None
    blocks: dict[BlockEnds, Block]

    @property
    def prices(self) -> VectorPrices:
        """The prices of a tangent and of an adjoint, one of which is not asked for."""
        return (self.vector, None) if self.mode is Mode.TANGENT else (None, self.vector)

    def at_least(self) -> int:
        """A bound on the line that needs no colours."""
        if self.joint is None or self.vector is None:
            return self.plain_least
        return min(self.plain_least, self.vector * max(simple_needs(self.joint, self.prices)[0]))


class SweptParts:
    """The parts of a graph that can be swept, and what the sweep of each costs; vertices have the numbers given."""

    def __init__(self, graph: Graph, index: Mapping[str, int], middle: Collection[int]) -> None:
        self.complete = True
        """Whether every part that was asked for has been tried."""
        self._known: dict[int, PartSweep | None] = {}
        self._open: dict[int, int] = {}
        """What the sweep of a part costs at least, where it was not coloured because that is too much."""
        self._into: dict[int, list[tuple[int, Elemental]]] = {}
        self._out: dict[int, list[tuple[int, Elemental]]] = {}
        for e in graph.useful:
            self._into.setdefault(index[e.target], []).append((index[e.source], e))
            self._out.setdefault(index[e.source], []).append((index[e.target], e))
        small = len(middle) <= MAX_SWEPT_INTERMEDIATES
        self.within = self._sweepable(middle) if small and graph.exact and not graph.explicit else 0

    def _sweepable(self, middle: Collection[int]) -> int:
        """Return the vertices that are in some part."""
        sides = self._into, self._out
        sparse = [{v for v in middle if any(type(e.block.structure) is not Dense for _, e in s[v])} for s in sides]
        found, left = 0, sparse[0] & sparse[1]
        for (back, _), order in ((sides, sorted(middle)), (sides[::-1], sorted(middle, reverse=True))):
            holed = set[int]()
            for v in order:
                if any(u in holed or has_hole(e.block, back is self._into) for u, e in back[v]):
                    holed.add(v)
            left |= holed
        while left:
            part, stack = set[int](), [left.pop()]
            while stack:
                v = stack.pop()
                part.add(v)
                near = {u for u, _ in (*self._into[v], *self._out[v])} & left
                left -= near
                stack += near
            if any(not e.explicit for v in part for _, e in (*self._into[v], *self._out[v])):
                found |= sum(1 << v for v in part)
        return found

    @property
    def any(self) -> bool:
        """Whether some part can be swept."""
        return bool(self.within)

    @cached_property
    def pieces(self) -> list[list[int]]:
        """The connected pieces of all vertices that are in some part."""
        found, left = [], self.within
        while left:
            piece, todo = 0, left & -left
            while todo:
                piece, left = piece | todo, left & ~todo
                todo = left & sum({1 << u for v in members(todo) for u, _ in (*self._into[v], *self._out[v])})
            found.append([*members(piece)])
        return found

    def cheaper(self, inside: int, below: int, least: bool = False) -> PartSweep | None:
        """Return the sweep of a connected set, None where it is not cheaper than `below`.

        With `least` its price is what no colours undercut.
        """
        if inside & ~self.within or self._open.get(inside, 0) >= below:
            return None
        if inside not in self._known:
            forward = self._lines(inside, Mode.TANGENT)
            backward = None if forward is None else self._lines(inside, Mode.ADJOINT)
            if forward is None or backward is None:
                self._known[inside], self.complete = None, False
                return None
            bound = self._floor(forward, backward)
            if bound >= below:
                self._open[inside] = bound
                return None
            self._known[inside] = _cheapest(inside, forward, backward)
        sweep = self._known[inside]
        if sweep is not None and least:
            sweep = sweep._replace(price=sweep.least)
        return sweep if sweep is not None and sweep.price < below else None

    @property
    def tight(self) -> bool:
        """Whether no known sweep could be cheaper with other colours."""
        return all(sweep is None or sweep.least == sweep.price for sweep in self._known.values())

    @staticmethod
    def _floor(forward: Sequence[_Line], backward: Sequence[_Line]) -> int:
        """Return a bound on the sweeps of a part that needs no colours."""
        ways = [
            sum(line.at_least() for line in lines)
            for lines in (forward, backward)
            if any(line.joint is not None and line.vector is not None for line in lines)
        ]
        prices = _both(forward, backward)
        if prices is not None:
            assert forward[0].joint is not None
            needs = simple_needs(forward[0].joint, prices)
            ways.append(min(c * (prices[0] or 0) + a * (prices[1] or 0) for c, a in needs))
        return min(ways, default=UNREACHED_PRICE)

    def _lines(self, inside: int, mode: Mode) -> list[_Line] | None:
        """Return the lines of one direction, from each vertex beside a part from which it can be entered.

        None where the part is too large or the search has no time for it.
        """
        if inside.bit_count() > MAX_PART_VERTICES:
            return None
        back = self._into if mode is Mode.TANGENT else self._out
        found = []
        for end in sorted({u for v in members(inside) for u, _ in back[v] if not inside >> u & 1}):
            if not time_for_parts():
                return None
            found.append(self._line(inside, mode, end))
        return found

    def edges(self, inside: int, mode: Mode, end: int) -> Iterator[tuple[int, int, Elemental]]:
        """Yield the elementals that a line goes through in order, each with the vertices that it leads from and to."""
        back, on = (self._into, self._out) if mode is Mode.TANGENT else (self._out, self._into)
        reached = {end}
        places = {*members(inside)} | {w for v in members(inside) for w, _ in on[v]}
        for v in sorted(places, reverse=mode is Mode.ADJOINT):
            for u, e in back.get(v, ()):
                if u in reached and (inside >> v & 1 if u == end else inside >> u & 1):
                    reached.add(v)
                    yield u, v, e

    def _line(self, inside: int, mode: Mode, end: int) -> _Line:
        """Carry blocks from a vertex through a part."""
        tangent = mode is Mode.TANGENT
        arrived, run = dict[int, Block](), list[Elemental]()
        vector: int | None = 0
        plain = plain_least = 0
        for u, v, e in self.edges(inside, mode, end):
            run.append(e)
            price = per_vector((e,), mode)
            vector = None if price is None or vector is None else vector + price
            if u == end:
                block = e.block
                if not e.explicit:
                    first = accumulated(e)
                    plain, plain_least = plain + first.price, plain_least + first.least
            else:
                arg = arrived[u]
                pair = (e.block, arg) if tangent else (arg, e.block)
                block = pair[0].times(pair[1])
                if e.explicit:
                    more = FMA.multiply(*pair)
                else:
                    own = e.per_vector(mode)
                    more = UNREACHED_PRICE if own is None else own * (arg.cols if tangent else arg.rows)
                plain, plain_least = plain + more, plain_least + more
            arrived[v] = arrived[v].plus(block) if v in arrived else block
        blocks = {(end, v) if tangent else (v, end): arrived[v] for v in arrived if not inside >> v & 1}
        free = any(not e.explicit for e in run)
        joint = _joint([*blocks.values()], mode) if free else None
        return _Line(mode, end, tuple(run), vector, plain, plain_least, joint, blocks)

    def write(self, recorder: Recorder, sweep: PartSweep) -> dict[BlockEnds, int]:
        """Write the steps of a sweep and return those that hold its blocks, by their ends."""
        compressed_steps, found = dict[BlockEnds, dict[Mode, int]](), dict[BlockEnds, int]()
        for mode, end, colours in sweep.lines:
            arrived = self._written(recorder, sweep.inside, mode, end, colours)
            for ends in sweep.blocks:
                near, far = ends if mode is Mode.TANGENT else ends[::-1]
                if near == end and colours is None:
                    found[ends] = arrived[far]
                elif near == end:
                    compressed_steps.setdefault(ends, {})[mode] = arrived[far]
        for ends, steps in compressed_steps.items():
            found[ends] = recorder.decompress(steps.get(Mode.TANGENT), steps.get(Mode.ADJOINT))
        return found

    def _written(
        self, recorder: Recorder, inside: int, mode: Mode, end: int, colours: SweepColours | None
    ) -> dict[int, int]:
        """Write the steps of one line, and return what arrives at each vertex."""
        arrived = dict[int, int]()
        for u, v, e in self.edges(inside, mode, end):
            onto = arrived.get(v)
            if u == end and colours is None:
                step = recorder.load(e.name) if e.explicit else write_accumulation(recorder, e)
                arrived[v] = step if onto is None else recorder.add(onto, step)
                continue
            if u == end and end not in arrived:
                assert colours is not None
                vertex = e.source if mode is Mode.TANGENT else e.target
                side = colours.columns if mode is Mode.TANGENT else colours.rows
                arrived[end] = recorder.seed(vertex, mode, tuple(side))
            arg = arrived[u]
            if e.explicit:
                load = recorder.load(e.name)
                arrived[v] = recorder.multiply(*((load, arg) if mode is Mode.TANGENT else (arg, load)), onto)
            else:
                step = recorder.propagate(e.name, arg, mode)
                arrived[v] = step if onto is None else recorder.add(onto, step)
        return arrived


def has_hole(block: Block, column: bool) -> bool:
    """Whether a block has an empty column, or an empty row."""
    structure, (rows, cols, _) = block.structure, block
    counts = (structure.column_counts if column else structure.row_counts)(rows, cols)
    return type(structure) is not Dense and any(n and not min(a, a + b * (n - 1)) for n, a, b in counts)


def _joint(blocks: Sequence[Block], mode: Mode) -> Block | None:
    """Return the blocks that arrive on one line below or beside each other, None where no colours are saved."""
    if any(type(block.structure) is Dense for block in blocks):
        return None
    joint = blocks[0]
    if blocks[1:]:
        if not all(block.structure.exact for block in blocks):
            return None
        from scipy.sparse import csr_array, hstack, vstack

        from chainplan.structures.explicit import Explicit

        stack = vstack if mode is Mode.TANGENT else hstack
        csr = csr_array(stack([block.structure.pattern(block.rows, block.cols) for block in blocks], format="csr"))
        csr.sort_indices()
        rows, cols = csr.shape
        joint = Block(rows, cols, Explicit(csr))
    return joint if compressible(joint) else None


def _both(forward: Sequence[_Line], backward: Sequence[_Line]) -> VectorPrices | None:
    """Return the prices of a tangent and an adjoint of a part that may be swept in both modes together."""
    if len(forward) != 1 or len(backward) != 1 or forward[0].joint is None:
        return None
    prices = forward[0].vector, backward[0].vector
    return None if None in prices else prices


def _cheapest(inside: int, forward: Sequence[_Line], backward: Sequence[_Line]) -> PartSweep | None:
    """Colour the lines of a part, and return the cheapest sweep."""
    ways = [_one_way(inside, lines) for lines in (forward, backward)]
    prices = _both(forward, backward)
    if prices is not None:
        line = forward[0]
        assert line.joint is not None
        found = swept(line.run, line.joint, UNREACHED_PRICE, prices)
        if found is not None:
            colours, ends = found.colours, (line.end, backward[0].end)
            counts = zip(Mode, ends, colours[2:], strict=True)
            lines = tuple(SweptLine(mode, end, colours) for mode, end, count in counts if count)
            ways.append(PartSweep(found.price, found.least, inside, lines, line.blocks))
    known = [way for way in ways if way is not None]
    if not known:
        return None
    return min(known, key=lambda way: way.price)._replace(least=min(way.least for way in known))


def _one_way(inside: int, lines: Sequence[_Line]) -> PartSweep | None:
    """Return the sweep of one direction, None where none of its lines has colours."""
    price = least = 0
    chosen, blocks, any_colours = list[SweptLine](), dict[BlockEnds, Block](), False
    for line in lines:
        found = None
        if line.joint is not None and line.vector is not None:
            any_colours = True
            found = swept(line.run, line.joint, line.plain, line.prices)
        cheap = found is not None and found.price < line.plain
        price += found.price if found is not None and cheap else line.plain
        least += line.plain_least if found is None else min(found.least, line.plain_least)
        chosen.append(SweptLine(line.mode, line.end, found.colours if found is not None and cheap else None))
        blocks |= line.blocks
    if not any_colours or price >= UNREACHED_PRICE:
        return None
    return PartSweep(price, least, inside, tuple(chosen), blocks)
