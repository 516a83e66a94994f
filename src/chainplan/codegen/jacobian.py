"""The Jacobian of a scalar program as a scalar program: linearised, eliminated in several orders, the shortest kept.

What counts is the number of operations once equal values are one value and dead ones are gone, because sharing between
the derivatives and the values decides more than the order alone. So every order of the table is written and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from chainplan.codegen.layout import laid_out
from chainplan.codegen.orders import ORDERS
from chainplan.codegen.scalar_graph import ScalarGraph, linearised
from chainplan.codegen.straight_line import InputArray, Line, OutputArray, StraightLine
from chainplan.codegen.writer import Ref, Writer
from chainplan.errors import ArgumentError
from chainplan.errors.suggest import did_you_mean

AnyProgram = TypeVar("AnyProgram", bound=StraightLine)
Named = TypeVar("Named", InputArray, OutputArray)

DERIVATIVE_NAMES = {1: "jacobian", 2: "hessian"}
"""The names of derivatives by their order; the names of higher ones are numbered."""


def jacobian_program(
    program: AnyProgram, wrt: str | Sequence[str] | None, of: str | Sequence[str] | None, with_value: bool
) -> AnyProgram:
    """Return the program of a Jacobian, as `StraightLine.jacobian` describes it."""
    highest = max(len(o.by) for o in program.outputs)
    rows = _named(program.outputs, of, "of") or tuple(o for o in program.outputs if len(o.by) == highest)
    if len({o.by for o in rows}) > 1 or (rows[0].by and len(rows) > 1):
        names = ", ".join(o.name for o in rows)
        raise ArgumentError(f"of: found {names}; expected one derivative, or values alone. Name one of them.")
    by = _named(program.inputs, (program.variables or None) if wrt is None else wrt, "wrt") or program.inputs
    asked = _Asked(program, by, rows, with_value)
    writer = Writer()
    refs = program.load(writer, [writer.input(k) for k in range(program.input_size)])
    graph = linearised(writer, [2 * column for column in asked.columns], asked.ends(refs))
    made = {}
    for name, eliminate in ORDERS.items():
        candidate = graph.copy()
        eliminate(candidate)
        made[name] = asked.finished(candidate, refs)
    constants, lines, outputs = min(made.values(), key=lambda one: len(one[1]))
    counts = {name: len(one[1]) for name, one in made.items()}
    return replace(program, constants=constants, lines=lines, outputs=outputs, counts=counts)


class _Asked:
    """What is to be differentiated, and by what."""

    def __init__(
        self, program: StraightLine, by: tuple[InputArray, ...], rows: tuple[OutputArray, ...], with_value: bool
    ) -> None:
        self.program = program
        self.with_value = with_value
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

    def ends(self, refs: Sequence[Ref]) -> list[Ref]:
        """Return the values to be differentiated, each once and without its sign."""
        return list(dict.fromkeys(refs[value] & -2 for value in self.rows.values()))

    def finished(
        self, graph: ScalarGraph, refs: Sequence[Ref]
    ) -> tuple[tuple[float, ...], tuple[Line, ...], tuple[OutputArray, ...]]:
        """Lay out the constants, lines and outputs of an eliminated graph."""
        entries = self._entries(graph, refs)
        kept = self.program.outputs if self.with_value else ()
        results = [refs[value] for o in kept for value in o.values] + list(entries.values())
        constants, lines, places = laid_out(graph.writer, self.program.input_size, results)
        outputs, start = [], 0
        for o in kept:
            outputs.append(o._replace(values=places[start : start + len(o.values)]))
            start += len(o.values)
        order = len(self.kind) + 1
        name = DERIVATIVE_NAMES.get(order, f"derivative{order}")
        shape = (*self.shape, len(self.columns))
        outputs.append(OutputArray(name, shape, tuple(entries), places[start:], (*self.kind, self.by)))
        return constants, lines, tuple(outputs)

    def _entries(self, graph: ScalarGraph, refs: Sequence[Ref]) -> dict[int, Ref]:
        """Return the derivatives that are not zero, by their places in row-major order."""
        writer, width = graph.writer, len(self.columns)
        vertex = {end: -1 - k for k, end in enumerate(self.ends(refs))}

        def entry(row: int, column: int) -> Ref:
            if row not in self.rows:
                return writer.ZERO
            r = refs[self.rows[row]]
            value = graph.succ.get(self.columns[column], {}).get(vertex[r & -2], writer.ZERO)
            return writer.neg(value) if r & 1 else value

        entries = {}
        alike = next((k for k, names in enumerate(reversed(self.kind)) if names != self.by), len(self.kind))
        for row in sorted(self.rows):
            for column in range(width):
                value = entry(*self._first(row, column, alike)) if alike else entry(row, column)
                if value != writer.ZERO:
                    entries[row * width + column] = value
        return entries

    def _first(self, row: int, column: int, alike: int) -> tuple[int, int]:
        """Return the entry that stands for all that symmetry makes equal to this one: its indices ascend."""
        width = len(self.columns)
        indices = [column]
        for _ in range(alike):
            row, index = divmod(row, width)
            indices.append(index)
        *others, column = sorted(indices)
        for index in others:
            row = row * width + index
        return row, column


def _named(all_: tuple[Named, ...], names: str | Sequence[str] | None, what: str) -> tuple[Named, ...]:
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
