"""A traced program as a flat list of operations: calls are inlined, equal operations are one, dead ones are left out.

XLA does the same before anything else. What a program costs is read off this list (`program_time`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from jax.extend import core

from chainplan.jax.types import Parameters, Shaped

LOOPS = frozenset(("scan", "while", "cond"))
"""Primitives whose programs are not inlined."""
CALLED_PROGRAMS = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""The parameters by which a primitive that only groups holds the program it calls."""


class Operation(NamedTuple):
    """A primitive that is applied to numbered values."""

    name: str
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    params: Parameters


class FlatProgram:
    """The operations of a program in order; `avals` are the shapes and dtypes of all values by number.

    `inputs` are the values that no operation makes, `literals` those of them that are numbers in its source, `results`
    those that the program gives.
    """

    def __init__(self, closed: core.ClosedJaxpr) -> None:
        self.avals: list[Shaped] = []
        self.inputs: set[int] = set()
        self.literals: set[int] = set()
        self._made: list[Operation] = []
        self._known: dict[object, tuple[int, ...]] = {}
        jaxpr = closed.jaxpr
        given = (*jaxpr.constvars, *jaxpr.invars)
        self.results = self._inline(jaxpr, dict(zip(given, map(self._input, given), strict=True)))
        self.operations = alive(self._made, self.results)

    def stored(self, v: int) -> int:
        """Write a value down once more, as a loop does that keeps it for every trip, and return the copy."""
        self.avals.append(self.avals[v])
        copy = len(self.avals) - 1
        self.operations.append(Operation("copy", (v,), (copy,), {}))
        return copy

    def _value(self, of: core.Var) -> int:
        self.avals.append(of.aval)
        return len(self.avals) - 1

    def _input(self, of: core.Var | core.Literal) -> int:
        number = self._value(of)
        self.inputs.add(number)
        return number

    def _literal(self, literal: core.Literal) -> int:
        key = "literal", str(literal.val), str(literal.aval)
        if key not in self._known:
            self._known[key] = (self._input(literal),)
            self.literals.update(self._known[key])
        return self._known[key][0]

    def _inline(self, jaxpr: core.Jaxpr, held: dict[core.Var, int]) -> list[int]:
        """Write down the operations of a program whose inputs are numbered, and return its results."""

        def number(v: core.Var | core.Literal) -> int:
            return self._literal(v) if isinstance(v, core.Literal) else held[v]

        for eqn in jaxpr.eqns:
            name, ins = eqn.primitive.name, tuple(map(number, eqn.invars))
            body = None if name in LOOPS else _called(eqn.params)
            if body is not None and len(body.invars) == len(ins):
                given = dict(zip(body.invars, ins, strict=True))
                given.update((v, self._input(v)) for v in body.constvars)
                outs: Sequence[int] = self._inline(body, given)
            else:
                outs = self._operation(name, ins, eqn)
            held.update(zip(eqn.outvars, outs, strict=True))
        return [number(v) for v in jaxpr.outvars]

    def _operation(self, name: str, ins: tuple[int, ...], eqn: core.JaxprEqn) -> tuple[int, ...]:
        """Return the results of an operation, those of an equal one where there is one."""
        key: object = name, ins, tuple(sorted(eqn.params.items(), key=lambda item: item[0]))
        try:
            hash(key)
        except TypeError:
            key = object()
        if key not in self._known:
            self._known[key] = tuple(map(self._value, eqn.outvars))
            self._made.append(Operation(name, ins, self._known[key], eqn.params))
        return self._known[key]


def _called(params: Parameters) -> core.Jaxpr | None:
    """Return the program that a grouping primitive calls, None where there is none."""
    for name in CALLED_PROGRAMS:
        inner = params.get(name)
        body = getattr(inner, "jaxpr", inner)
        if hasattr(body, "eqns"):
            return body
    return None


def alive(operations: Sequence[Operation], results: Iterable[int]) -> list[Operation]:
    """Keep the operations on which the results depend."""
    wanted, kept = set(results), []
    for operation in reversed(operations):
        if wanted.intersection(operation.outs):
            wanted.update(operation.ins)
            kept.append(operation)
    return kept[::-1]


def elements(aval: Shaped) -> int:
    """Count the entries of an array."""
    return int(prod(getattr(aval, "shape", ())))


def size_in_bytes(aval: Shaped) -> int:
    """Count the bytes of an array."""
    return elements(aval) * getattr(getattr(aval, "dtype", None), "itemsize", 4)
