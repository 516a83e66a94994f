"""Which elementals of a function have the same values, whatever its arguments and constants are.

Two edges are equal where the same primitive makes them of the same values: a weight that several layers multiply by, a
matrix that is applied again and again. The edge of a product with respect to one operand does not read that operand.
Values are told by the equations that compute them, never by numbers, so that what follows holds for other constants.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from chainplan.jax.edges import JaxEdge
from chainplan.jax.program_text import equation_text, value_text
from chainplan.jax.trace import TraceConstant, TraceEquation, TraceOperand

LINEAR_OPERANDS = {
    "mul": (0, 1),
    "dot_general": (0, 1),
    "ragged_dot_general": (0, 1),
    "conv_general_dilated": (0, 1),
    "div": (0,),
    "triangular_solve": (1,),
}
"""By the name of a primitive: the operands in which it is linear, whose edges do not depend on their own value."""
MAX_TOLD_ENTRIES = 64
"""Entries of the largest known operand that is told by its values."""

NamedEdges = Sequence[tuple[str, str, str, JaxEdge]]
"""Name, source, target and edge of each elemental of an equation."""


class EqualValues:
    """Numbers of equal values by those of the first one, over the equations of a trace."""

    def __init__(self, equations: Iterable[TraceEquation]) -> None:
        self._first: dict[int, int] = {}
        known: dict[Hashable, list[TraceEquation]] = {}
        self._texts: dict[int, str | None] = {}
        for equation in equations:
            key = equation.name, tuple(map(self._operand, equation.operands))
            for other in known.setdefault(key, []):
                if not equation.kept and self._alike(equation, other):
                    self._first.update(zip(equation.results, other.results, strict=True))
                    break
            else:
                known[key].append(equation)

    def edge(self, equation: TraceEquation, edges: NamedEdges, place: int) -> Hashable:
        """Return a key that edges of equal values have in common; `place` is that of the edge in its equation."""
        edge = edges[place][3]
        skipped = _unread(equation, edges, place)
        read = tuple(None if i in skipped else self._operand(o) for i, o in enumerate(equation.operands))
        return self._text(equation), edge.source, edge.target, edge.rows, edge.cols, read, equation.kept

    def _operand(self, operand: TraceOperand) -> Hashable:
        if not isinstance(operand, TraceConstant):
            return self._first.get(operand, operand)
        told = np.size(operand.value) <= MAX_TOLD_ENTRIES
        return value_text(operand.value) if told else ("known", id(operand.value))

    def _alike(self, one: TraceEquation, other: TraceEquation) -> bool:
        text = self._text(one)
        return text is not None and text == self._text(other)

    def _text(self, equation: TraceEquation) -> str | None:
        """Write an equation without its operands; one that cannot be told is equal to itself alone."""
        own = id(equation)
        if own not in self._texts:
            text = equation_text(equation.primitive, equation.params, equation.ins)
            self._texts[own] = f"{own}" if text is None else f"{text} {equation.ins} {equation.outs}"
        return self._texts[own]


def operands_read(equation: TraceEquation, edges: NamedEdges, place: int) -> list[TraceOperand]:
    """Return the operands of an equation on which the values of an edge of it depend."""
    skipped = _unread(equation, edges, place)
    return [o for i, o in enumerate(equation.operands) if i not in skipped]


def _unread(equation: TraceEquation, edges: NamedEdges, place: int) -> set[int]:
    """Return the operand along which an edge leads where the equation is linear in it."""
    along = _operands_of(edges[place][3], [other for *_, other in edges])
    linear = len(along) == 1 and along <= set(LINEAR_OPERANDS.get(equation.name, ()))
    return along if linear else set()


def _operands_of(edge: JaxEdge, edges: Iterable[JaxEdge]) -> set[int]:
    """Return the operands from which an edge of an equation is reached, through inner vertices."""
    if isinstance(edge.source, int):
        return {edge.source}
    before = (other for other in edges if other.target == edge.source)
    return set().union(*(_operands_of(other, edges) for other in before))
