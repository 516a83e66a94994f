"""What is asked of a Jacobian: of which entries, by which inputs, and how its nonzeros are laid out as an output.

A derivative that is differentiated again by the same inputs is symmetric in their axes. Of the entries that symmetry
makes equal, the one whose indices ascend stands for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, permutations
from typing import NamedTuple, TypeVar

from chainplan.codegen.layout import laid_out
from chainplan.codegen.scalar_graph import ScalarGraph
from chainplan.codegen.straight_line import InputArray, Line, OutputArray, StraightLine
from chainplan.codegen.writer import Ref, Writer
from chainplan.errors import ArgumentError
from chainplan.errors.suggest import did_you_mean

NamedArray = TypeVar("NamedArray", InputArray, OutputArray)

DERIVATIVE_NAMES = {1: "jacobian", 2: "hessian"}
"""The names of derivatives by their order; the names of higher ones are numbered."""


class LaidOut(NamedTuple):
    """The constants, lines and outputs of a program."""

    constants: tuple[float, ...]
    lines: tuple[Line, ...]
    outputs: tuple[OutputArray, ...]


class AskedJacobian:
    """The rows, columns and outputs that are asked for, of a program whose inputs are the first values of a writer."""

    def __init__(
        self,
        program: StraightLine,
        wrt: str | Sequence[str] | None,
        of: str | Sequence[str] | None,
        with_value: bool,
    ) -> None:
        highest = max(len(o.by) for o in program.outputs)
        rows = _named(program.outputs, of, "of") or tuple(o for o in program.outputs if len(o.by) == highest)
        if len({o.by for o in rows}) > 1 or (rows[0].by and len(rows) > 1):
            names = ", ".join(o.name for o in rows)
            raise ArgumentError(f"of: found {names}; expected one derivative, or values alone. Name one of them.")
        by = _named(program.inputs, (program.variables or None) if wrt is None else wrt, "wrt") or program.inputs
        self.inputs = program.input_size
        self.kept = program.outputs if with_value else ()
        self.by = tuple(i.name for i in by)
        self.kind = rows[0].by
        self.shape = rows[0].shape if self.kind else (sum(o.size for o in rows),)
        starts, start = {}, 0
        for one in program.inputs:
            starts[one.name] = start
            start += one.size
        self.columns = [starts[i.name] + k for i in by for k in range(i.size)]
        self.rows: dict[int, int] = {}
        start = 0
        for o in rows:
            self.rows.update((start + entry, value) for entry, value in zip(o.entries, o.values, strict=True))
            start += o.size

    @property
    def values(self) -> list[int]:
        """The numbers of the values that are differentiated or kept, each once."""
        return list(dict.fromkeys((*self.rows.values(), *(v for o in self.kept for v in o.values))))

    def ends(self, refs: Mapping[int, Ref]) -> list[Ref]:
        """Return the values to be differentiated, each once and without its sign."""
        return list(dict.fromkeys(refs[value] & -2 for value in self.rows.values()))

    def results(self, refs: Mapping[int, Ref], entries: Mapping[int, Ref]) -> list[Ref]:
        """Return all that the program gives: the values that are kept, and the nonzeros."""
        return [refs[value] for o in self.kept for value in o.values] + list(entries.values())

    def laid_out(self, writer: Writer, results: Sequence[Ref], entries: Sequence[int]) -> LaidOut:
        """Lay out results, of which the last are the nonzeros at these places."""
        constants, lines, places = laid_out(writer, self.inputs, results)
        outputs, start = [], 0
        for o in self.kept:
            outputs.append(o._replace(values=places[start : start + len(o.values)]))
            start += len(o.values)
        order = len(self.kind) + 1
        name = DERIVATIVE_NAMES.get(order, f"derivative{order}")
        shape = (*self.shape, len(self.columns))
        outputs.append(OutputArray(name, shape, tuple(entries), places[start:], (*self.kind, self.by)))
        return LaidOut(constants, lines, tuple(outputs))

    def entries(self, graph: ScalarGraph, refs: Mapping[int, Ref]) -> dict[int, Ref]:
        """Return the derivatives that are not zero, by their places in row-major order."""
        column_of = {column: k for k, column in enumerate(self.columns)}
        vertex = {end: -1 - k for k, end in enumerate(self.ends(refs))}
        alike = next((k for k, names in enumerate(reversed(self.kind)) if names != self.by), len(self.kind))
        entries: dict[int, Ref] = {}
        for row, number in self.rows.items():
            r = refs[number]
            for u, value in graph.pred.get(vertex[r & -2], {}).items():
                if value != graph.writer.ZERO:
                    entries.update(dict.fromkeys(self._places(row, column_of[u], alike), value ^ (r & 1)))
        return dict(sorted(entries.items()))

    def _places(self, row: int, column: int, alike: int) -> Iterable[int]:
        """Return the places of all entries for which this one stands: where its indices ascend, all their orders."""
        width = len(self.columns)
        indices = [column]
        for _ in range(alike):
            row, index = divmod(row, width)
            indices.append(index)
        if any(a < b for a, b in pairwise(indices)):
            return
        for others in {*permutations(indices)}:
            at = row
            for index in others[:-1]:
                at = at * width + index
            if at in self.rows:
                yield at * width + others[-1]


def _named(all_: tuple[NamedArray, ...], names: str | Sequence[str] | None, what: str) -> tuple[NamedArray, ...]:
    """Return the inputs or outputs of these names, in the order in which they are named."""
    if names is None:
        return ()
    known = {one.name: one for one in all_}
    asked = [names] if isinstance(names, str) else list(names)
    for name in asked:
        if name not in known:
            raise ArgumentError(
                f"{what}: found {name!r}; expected some of {', '.join(known)}. {did_you_mean(name, known)}".rstrip()
            )
    return tuple(known[name] for name in dict.fromkeys(asked))
