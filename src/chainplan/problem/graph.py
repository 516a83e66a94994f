"""The linearised DAG: vertices with sizes, elemental Jacobians on the edges, inputs and outputs.

A graph is immutable, and its fields hold only what was declared. What follows from them (the topological order, the
part between inputs and outputs, whether it is a chain) is computed once, on first use. `_faults` is the one definition
of a well-formed graph: the constructor raises them as a `FaultyGraphError`, which the spec front-end turns into
messages with file, line and column.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import pairwise
from operator import is_, le

from chainplan._util.digraph import find_cycle, runs_forward, topological_order
from chainplan.errors import ShapeError
from chainplan.errors.arguments import expect, refuse
from chainplan.problem.implicit import ImplicitSystem
from chainplan.problem.mixed_second import MixedSecond, OwnSecond, mixed_faults
from chainplan.problem.second import ElementalSecond, second_name
from chainplan.structures import Block
from chainplan.structures.resolve import listed_blocks, resolve
from chainplan.structures.second import SecondBlock, allowed_second

FaultPlace = tuple[str | int, ...]
"""The place of a fault in a graph: ("inputs", 0), ("jacobians", 3, "edge"), ..."""


class Mode(Enum):
    """The two ways to apply a matrix-free elemental: tangent F'·Ẋ and adjoint Ȳ·F'.

    Examples
    --------
    >>> Mode("tangent") is Mode.TANGENT
    True
    """

    TANGENT = "tangent"
    ADJOINT = "adjoint"


@dataclass(frozen=True, slots=True)
class Elemental:
    """An elemental Jacobian F' of rows x cols = size(target) x size(source).

    An elemental with neither `tangent` nor `adjoint` is explicit: its entries are given and can be loaded. Any other is
    matrix-free, and its structure is that of the accumulated block.

    Parameters
    ----------
    name : str
        A name that is unique in its graph; steps refer to it.
    source : str
        The vertex of the columns.
    target : str
        The vertex of the rows.
    block : Block
        Rows, columns and structure.
    tangent : int | None
        The cost of a tangent in fma per column; None where there is no tangent.
    adjoint : int | None
        The cost of an adjoint in fma per row; None where there is no adjoint.
    tape : int
        The tape size: the elements that an adjoint needs from the evaluation.
    advance : int | None
        The cost of one evaluation in fma; None where it follows from the other prices (see `evaluation`).
    values : str | None
        The name of the elemental whose values it shares, which shares those of no other; its block, its prices and its
        tape are those of that elemental. None where the values are its own.
    second : ElementalSecond | None
        Its second derivative, where one is asked for; None stands for all that its structure allows.
    implicit : ImplicitSystem | None
        The system whose negated inverse -R_y⁻¹ it is, None for any other elemental. Tangent and adjoint are then the
        price of a right-hand side, and `advance` is that of the factorisation.

    References
    ----------
    U. Naumann, arXiv 2406.11862, section 3: the costs of matrix-free elementals.

    Examples
    --------
    >>> from chainplan.structures import Block
    >>> model = Elemental("model", "x", "y", Block(rows=2, cols=3), tangent=50, adjoint=80, tape=40)
    >>> model.explicit, model.per_vector(Mode.ADJOINT)
    (False, 80)
    """

    name: str
    source: str
    target: str
    block: Block
    tangent: int | None = None
    adjoint: int | None = None
    tape: int = 0
    advance: int | None = None
    values: str | None = None
    second: ElementalSecond | None = None
    implicit: ImplicitSystem | None = None

    @property
    def first(self) -> str:
        """The name under which the values are given: that of the elemental whose values it shares, else its own."""
        return self.values or self.name

    @property
    def second_block(self) -> SecondBlock:
        """The second derivative of rows x cols x cols before it has values."""
        if self.second is None or self.second.pattern is None:
            return allowed_second(self.block)
        return self.second.block(self.block.rows, self.block.cols)

    @property
    def kind(self) -> Hashable:
        """A key that elementals of equal values have in common: those that share them, and equal unit or zero ones."""
        structure = self.block.structure
        determined = structure.name == "zero" or (structure.units is not None and structure.units.sign != 0)
        return self.block.mark if determined and self.explicit else self.first

    @property
    def evaluation(self) -> int:
        """Cost of one evaluation in fma: `advance`, else the price of one tangent or one adjoint, else the nonzeros."""
        given = (self.advance, self.tangent, self.adjoint, self.block.nnz)
        return next(price for price in given if price is not None)

    @property
    def explicit(self) -> bool:
        """Whether the entries are given, so that a step can load them."""
        return self.tangent is None and self.adjoint is None

    def per_vector(self, mode: Mode) -> int | None:
        """Return the cost of a mode per vector.

        Parameters
        ----------
        mode : Mode
            The mode in which the elemental is applied.

        Returns
        -------
        int | None
            Fma per column (tangent) or per row (adjoint); None where the mode is not available.
        """
        return self.tangent if mode is Mode.TANGENT else self.adjoint


@dataclass(frozen=True)
class GraphFault:
    """A fault of a graph: its place, and a message that ends with what to do."""

    place: FaultPlace
    message: str


class FaultyGraphError(ShapeError):
    """The parts of a graph do not make a linearised DAG; `faults` holds everything that keeps them from it."""

    def __init__(self, faults: Sequence[GraphFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{'.'.join(map(str, fault.place))}: {fault.message}" for fault in faults))


@dataclass(frozen=True)
class Graph:
    """A linearised DAG; parallel elementals between the same two vertices add up.

    Parameters
    ----------
    sizes : Mapping[str, int]
        The size of each vertex.
    inputs : tuple[str, ...]
        The vertices with respect to which the outputs are differentiated.
    outputs : tuple[str, ...]
        The vertices to be differentiated.
    elementals : tuple[Elemental, ...]
        The edges.
    transfer : int
        The cost in fma of writing an element of a state to disk, or of reading it back.
    mixed : tuple[MixedSecond, ...]
        The second derivatives of vertices by two of their arguments; pairs that are left out have none.

    Raises
    ------
    FaultyGraphError
        Where the parts do not make a linearised DAG; the message lists every fault.

    Examples
    --------
    >>> from chainplan.structures import Block
    >>> f, g = Elemental("f", "x", "h", Block(4, 3)), Elemental("g", "h", "y", Block(2, 4))
    >>> graph = Graph({"x": 3, "h": 4, "y": 2}, ("x",), ("y",), (f, g))
    >>> [elemental.name for elemental in graph.chain]
    ['f', 'g']
    """

    sizes: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    elementals: tuple[Elemental, ...]
    transfer: int = 0
    mixed: tuple[MixedSecond, ...] = ()

    def __post_init__(self) -> None:
        expect("sizes", self.sizes, Mapping, "a mapping from vertices to sizes", "Pass {'x': 3, 'y': 2}.")
        for what in ("inputs", "outputs", "elementals"):
            expect(what, getattr(self, what), Sequence, "a tuple", f"Pass {what}=(...,).")
        for e in self.elementals:
            if type(e) is not Elemental or type(e.block) is not Block:
                expect("elementals", e, Elemental, "Elementals", "Make them by Elemental(name, source, target, block).")
                expect("block", e.block, Block, "a Block", "Make one by chainplan.structures.Block(rows, cols).")
            if e.second is not None:
                expect(
                    "second", e.second, ElementalSecond, "an ElementalSecond, or None", "Write ElementalSecond('zero')."
                )
        if type(self.transfer) is not int or self.transfer < 0:
            raise refuse("transfer", self.transfer, "a whole number of fma from 0 for each element", "Correct it.")
        expect("mixed", self.mixed, Sequence, "a tuple", "Pass mixed=(...,).")
        for one in self.mixed:
            expect("mixed", one, MixedSecond, "MixedSeconds", "Write MixedSecond('h/x/u', 'h', 'x', 'u', 'dense').")
        found = tuple(_faults(self.sizes, self.inputs, self.outputs, self.elementals))
        edges = {(e.source, e.target) for e in self.elementals} if self.mixed else ()
        names = {e.name for e in self.elementals} if self.mixed else ()
        for i, key, text in () if found else mixed_faults(self.mixed, self.sizes, names, edges):
            found += (GraphFault(("seconds", i, key), text),)
        if found:
            raise FaultyGraphError(found)

    def __getitem__(self, name: str) -> Elemental:
        return self.named[name]

    def __contains__(self, name: str) -> bool:
        return name in self.named

    @cached_property
    def named(self) -> dict[str, Elemental]:
        """The elementals by name, the useful ones with the structures by which they are counted."""
        if self.useful is self.elementals:
            return self.declared
        return self.declared | {e.name: e for e in self.useful}

    @cached_property
    def shares(self) -> bool:
        """Whether some elementals share the values of others."""
        return any(e.values is not None for e in self.elementals)

    @cached_property
    def declared(self) -> dict[str, Elemental]:
        """The elementals by name, as they were declared."""
        return {e.name: e for e in self.elementals}

    def own_second(self, name: str) -> OwnSecond | None:
        """Return the second derivative of an elemental, or of a pair of arguments.

        Parameters
        ----------
        name : str
            The name of the elemental or of the pair.

        Returns
        -------
        OwnSecond | None
            The second derivative as a step loads it, None where nothing has the name.
        """
        e = self.declared.get(name)
        if e is not None:
            own = e.second or ElementalSecond()
            ends = e.target, e.source, e.source
            return OwnSecond(second_name(e.first), *ends, e.second_block, own.tangent, own.adjoint)
        one = next((one for one in self.mixed if one.name == name), None)
        return None if one is None else OwnSecond(second_name(name), *one.ends, one.block(self.sizes))

    @property
    def useful_mixed(self) -> tuple[MixedSecond, ...]:
        """The second derivatives by pairs of arguments from both of which a useful elemental leads."""
        edges = {(e.source, e.target) for e in self.useful if self.mixed}
        return tuple(one for one in self.mixed if {(one.left, one.target), (one.right, one.target)} <= edges)

    @property
    def useful_seconds(self) -> dict[str, OwnSecond]:
        """The second derivatives of the useful elementals and pairs of arguments, by the names that steps load."""
        names = (*(e.name for e in self.useful), *(one.name for one in self.useful_mixed))
        return {name: own for name in names if (own := self.own_second(name)) is not None}

    @property
    def held_bytes(self) -> int:
        """The bytes that the graph takes, roughly."""
        return sum(1000 + e.block.structure.held_bytes for e in self.elementals)

    @property
    def exact(self) -> bool:
        """Whether all counts of nonzeros are exact rather than upper bounds."""
        return self._resolved[1]

    @property
    def bounded_below(self) -> bool:
        """Whether nonzeros that are not counted exactly are counted from below as well as from above."""
        return self._resolved[2]

    @property
    def listed(self) -> Graph | None:
        """The useful part with listed patterns, whose counts are exact, where bands count from above, else None."""
        ends = [(e.source, e.target) for e in self.useful]
        blocks = listed_blocks([e.block for e in self.useful], ends, self.order)
        if blocks is None:
            return None
        listed = tuple(replace(e, block=b) for e, b in zip(self.useful, blocks, strict=True))
        return replace(self, elementals=sharing_among(listed), mixed=self.useful_mixed)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The vertices in topological order; of several that could follow, the one declared first does."""
        if runs_forward(self.sizes, self.elementals):
            return tuple(self.sizes)
        return tuple(topological_order(list(self.sizes), [(e.source, e.target) for e in self.elementals]))

    @cached_property
    def by_source(self) -> tuple[Elemental, ...]:
        """The elementals by the place of their source in `order`; those from one vertex as they were declared.

        Whatever goes along paths needs one pass over them: an elemental stands behind all that end at its source.
        """
        place = {vertex: i for i, vertex in enumerate(self.order)}
        places = [place[e.source] for e in self.elementals]
        if all(map(le, places, places[1:])):
            return tuple(self.elementals)
        return tuple(sorted(self.elementals, key=lambda e: place[e.source]))

    @property
    def useful(self) -> tuple[Elemental, ...]:
        """The elementals that lie on a path from an input to an output, in the order declared.

        They carry the structures by which `chainplan.structures.resolve` counts them; `elementals` carries those that
        were declared.
        """
        return self._resolved[0]

    @cached_property
    def solves(self) -> tuple[Elemental, ...]:
        """The useful elementals that are inverses of systems, each of which every plan factors once."""
        return tuple(e for e in self.useful if e.implicit is not None)

    @property
    def factor_elements(self) -> int:
        """The elements of the factors of all systems, which a plan holds from its first step to its last."""
        return sum(e.implicit.counts.solve for e in self.solves if e.implicit is not None)

    @cached_property
    def explicit(self) -> bool:
        """Whether the blocks of all useful elementals are given, so that none is matrix-free."""
        return all(e.explicit for e in self.useful)

    @cached_property
    def _resolved(self) -> tuple[tuple[Elemental, ...], bool, bool]:
        ahead, behind = set(self.inputs), set(self.outputs)
        for e in self.by_source:
            if e.source in ahead:
                ahead.add(e.target)
        for e in reversed(self.by_source):
            if e.target in behind:
                behind.add(e.source)
        useful = tuple(e for e in self.elementals if e.source in ahead and e.target in behind)
        resolved = resolve([e.block for e in useful], ((e.source, e.target) for e in useful), self.order)
        counted = [
            e if e.block is block else replace(e, block=block) for e, block in zip(useful, resolved.blocks, strict=True)
        ]
        same = len(counted) == len(self.elementals) and all(map(is_, counted, self.elementals))
        return self.elementals if same else tuple(counted), resolved.exact, resolved.bounded_below

    @cached_property
    def into(self) -> dict[str, list[Elemental]]:
        """The useful elementals that end at each vertex."""
        result: dict[str, list[Elemental]] = {}
        for e in self.useful:
            result.setdefault(e.target, []).append(e)
        return result

    @cached_property
    def out_of(self) -> dict[str, list[Elemental]]:
        """The useful elementals that start at each vertex."""
        result: dict[str, list[Elemental]] = {}
        for e in self.useful:
            result.setdefault(e.source, []).append(e)
        return result

    @cached_property
    def not_a_chain(self) -> str | None:
        """The reason why the useful part is not a chain; None where it is one."""
        for what, vertices in (("input", self.inputs), ("output", self.outputs)):
            if len(vertices) != 1:
                return f"the graph has {len(vertices)} {what}s, a chain has one"
        if not self.useful:
            return f"no path leads from '{self.inputs[0]}' to '{self.outputs[0]}'"
        if self._head_to_tail:
            return None
        for word, lists in (("predecessors", self.into), ("successors", self.out_of)):
            for vertex, edges in lists.items():
                if len(edges) > 1:
                    return f"vertex '{vertex}' has {len(edges)} {word}, so the graph is not a chain"
        if self.outputs[0] in self.out_of:
            return f"output '{self.outputs[0]}' is also an intermediate, so the graph is not a chain"
        return None

    @cached_property
    def chain(self) -> tuple[Elemental, ...]:
        """The elementals F_1, ..., F_q of a chain in evaluation order.

        Raises
        ------
        ShapeError
            Where the graph is not a chain.
        """
        if self.not_a_chain is not None:
            raise ShapeError(self.not_a_chain)
        return self._useful_by_source

    @cached_property
    def _useful_by_source(self) -> tuple[Elemental, ...]:
        if self.by_source == self.elementals:
            return self.useful
        useful = {e.name: e for e in self.useful}
        return tuple(useful[e.name] for e in self.by_source if e.name in useful)

    @property
    def _head_to_tail(self) -> bool:
        """Whether every useful elemental starts where the one before it ends: then they are one path."""
        path = self._useful_by_source
        return path[-1].target == self.outputs[0] and all(a.target == b.source for a, b in pairwise(path))

    def with_blocks(self, changed: Callable[[Block], Block]) -> Graph:
        """Return the graph of first derivatives with other blocks, which are not resolved again.

        Parameters
        ----------
        changed : Callable[[Block], Block]
            What becomes of a block, of those that were declared and of those by which the graph is counted.

        Returns
        -------
        Graph
            The graph with changed blocks.
        """

        def with_changed(elementals: Sequence[Elemental]) -> tuple[Elemental, ...]:
            return tuple(replace(e, block=changed(e.block), second=None) for e in elementals)

        useful, *counts = self._resolved
        made = replace(self, elementals=with_changed(self.elementals), mixed=())
        made.__dict__["_resolved"] = (with_changed(useful), *counts)
        return made

    def transpose(self) -> Graph:
        """Return the graph of the transposed Jacobian: all edges are reversed, tangents and adjoints exchanged.

        Returns
        -------
        Graph
            The transposed graph, whose inputs are the outputs of this one.
        """
        transposed = tuple(
            replace(
                e,
                source=e.target,
                target=e.source,
                block=e.block.transpose(),
                tangent=e.adjoint,
                adjoint=e.tangent,
                implicit=None if e.implicit is None else e.implicit.transpose(),
            )
            for e in reversed(self.elementals)
        )
        return Graph(dict(reversed(list(self.sizes.items()))), self.outputs, self.inputs, transposed, self.transfer)


def sharing_among(elementals: Sequence[Elemental]) -> tuple[Elemental, ...]:
    """Let elementals share values among each other, where those they shared them with are missing or have changed.

    Parameters
    ----------
    elementals : Sequence[Elemental]
        Some of the elementals of a graph.

    Returns
    -------
    tuple[Elemental, ...]
        The same, the first of equal ones with values of its own.
    """
    firsts: dict[Hashable, str] = {}
    keys = [(e.first, e.block.mark, e.tangent, e.adjoint, e.tape, e.advance, e.second) for e in elementals]
    for key, e in sorted(zip(keys, elementals, strict=True), key=lambda pair: pair[1].values is not None):
        firsts.setdefault(key, e.name)
    shared = ((e, None if firsts[key] == e.name else firsts[key]) for key, e in zip(keys, elementals, strict=True))
    return tuple(e if e.values == first else replace(e, values=first) for e, first in shared)


def _faults(
    sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str], elementals: Sequence[Elemental]
) -> Iterator[GraphFault]:
    """Yield everything that keeps the parts from being a linearised DAG."""
    for what, names in (("inputs", inputs), ("outputs", outputs)):
        if not names:
            yield GraphFault((what,), f"found no vertex; expected at least one. Name the {what} of the program.")
        seen: set[str] = set()
        for i, name in enumerate(names):
            if name not in sizes:
                text = f"'{name}' is no vertex; expected one that a size or an edge names. Correct the name."
                yield GraphFault((what, i), text)
            if name in seen:
                yield GraphFault((what, i), f"'{name}' stands twice among the {what}; name it once.")
            seen.add(name)
    yield from _role_faults(inputs, outputs, elementals)
    yield from elemental_faults(sizes, elementals)
    if not runs_forward(sizes, elementals):
        yield from _cycle_faults(elementals)


def _role_faults(
    inputs: Sequence[str], outputs: Sequence[str], elementals: Sequence[Elemental]
) -> Iterator[GraphFault]:
    """Yield every input that is an output as well, and every edge that ends at an input."""
    input_set = set(inputs)
    for i, name in enumerate(outputs):
        if name in input_set:
            yield GraphFault(
                ("outputs", i),
                f"'{name}' is also an input; expected inputs and outputs to differ. Add a vertex for the output and "
                f"an edge with structure 'identity' from '{name}' to it.",
            )
    for i, e in enumerate(elementals):
        if e.target in input_set:
            yield GraphFault(
                ("jacobians", i, "edge"),
                f"'{e.name}' ends at '{e.target}', which is an input; expected no edge into an input. Take "
                f"'{e.target}' out of the inputs, or remove the edge.",
            )


def elemental_faults(sizes: Mapping[str, int], elementals: Sequence[Elemental]) -> Iterator[GraphFault]:
    """Yield names that are taken, and blocks that fit neither their edge nor their structure."""
    seen: dict[str, int] = {}
    for i, e in enumerate(elementals):
        if e.name in seen:
            yield GraphFault(
                ("jacobians", i, "name"),
                f"the name '{e.name}' is taken by jacobian [{seen[e.name]}]; expected unique names. Rename one.",
            )
        else:
            seen[e.name] = i
        (rows, cols, structure), m, n = e.block, sizes.get(e.target), sizes.get(e.source)
        if rows != m or cols != n:
            yield GraphFault(
                ("jacobians", i, "shape"),
                f"'{e.name}' is {rows} x {cols}, but its edge '{e.source}' -> '{e.target}' asks for {m} x {n}; rows "
                "are the size of the target, columns of the source.",
            )
        twice = None if e.second is None else e.second.misfit(rows, cols)
        if twice:
            yield GraphFault(("jacobians", i, "second"), f"the second derivative of '{e.name}' {twice}. Correct it.")
        misfit = structure.misfit(rows, cols)
        if misfit:
            yield GraphFault(("jacobians", i, "structure"), f"structure '{structure!r}' of '{e.name}' {misfit}.")
    yield from _sharing_faults(elementals)


def _sharing_faults(elementals: Sequence[Elemental]) -> Iterator[GraphFault]:
    """Yield elementals that share the values of one that is missing, is not the first, or differs from them."""
    named: dict[str, Elemental] = {}
    for i, e in enumerate(elementals):
        if e.values is None:
            continue
        named = named or {other.name: other for other in elementals}
        first, place = named.get(e.values), ("jacobians", i, "same_as")
        if first is None:
            text = f"'{e.name}' has the values of '{e.values}', which is no elemental; expected the name of one."
            yield GraphFault(place, text)
        elif first.values is not None:
            whose = "itself" if first is e else f"'{e.values}', which has those of '{first.values}'"
            text = f"'{e.name}' has the values of {whose}; expected an elemental with values of its own. Name that."
            yield GraphFault(place, text)
        elif replace(e, name=first.name, source=first.source, target=first.target, values=None) != first:
            (m, n, _), (rows, cols, _) = e.block, first.block
            what = f"is {m} x {n}" if (m, n) != (rows, cols) else "has another structure or other prices"
            text = f"'{e.name}' {what}, but has the values of '{first.name}' of {rows} x {cols}; expected both alike."
            yield GraphFault(place, text)


def _cycle_faults(elementals: Sequence[Elemental]) -> Iterator[GraphFault]:
    """Yield every edge from a vertex to itself, and one longer cycle at that of its edges which was declared last."""
    for i, e in enumerate(elementals):
        if e.source == e.target:
            text = (
                f"'{e.name}' leads from '{e.source}' to itself; a linearised DAG has no cycle. Remove it, or have the "
                f"vertex solved for by implicit: {{unknowns: [{e.source}]}}."
            )
            yield GraphFault(("jacobians", i, "edge"), text)
    cycle = find_cycle([(e.source, e.target) for e in elementals if e.source != e.target])
    if cycle:
        steps = set(pairwise(cycle))
        last = max(i for i, e in enumerate(elementals) if (e.source, e.target) in steps)
        shown = cycle if len(cycle) <= 8 else [*cycle[:6], "...", cycle[-1]]
        path = " -> ".join(v if v == "..." else f"'{v}'" for v in shown)
        unknowns = shown[:-1] if len(cycle) <= 8 else [*shown[:-2], "..."]
        text = (
            f"the edges form a cycle {path}; a linearised DAG has none. Have the vertices that depend on each other "
            f"solved together by implicit: {{unknowns: [{', '.join(unknowns)}]}}."
        )
        yield GraphFault(("jacobians", last, "edge"), text)
