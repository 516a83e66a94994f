"""From a function to its flat list of equations: nested calls inlined, dead code left out.

A call that only groups (jit, remat, closed_call) is replaced by what it calls. A function with a rule of its own
(custom_jvp, custom_vjp) stays one equation, as its rule need not be the derivative of its body. Values are numbered
here: JAX shares the variables of a jaxpr between its calls, so they do not identify values. Integers that follow from
integer constants alone, such as indices, are computed at once: rules may then read the structure off them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from traceback import FrameSummary, extract_tb
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from chainplan.jax.errors import NotLinearised

INLINED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}
"""By the name of a primitive that only groups: the parameter that holds what it calls."""

LARGEST_KNOWN = 2_000_000
"""Entries of the largest array that is computed while the function is traced."""


@dataclass(frozen=True)
class Constant:
    """A value known before the arguments are."""

    value: Any

    @property
    def concrete(self) -> bool:
        """Whether it is there while the function is traced: not so where `jit` or `vmap` trace around it."""
        return not isinstance(self.value, jax.core.Tracer)


Atom = int | Constant
"""An operand: the number of a value, or a constant."""


@dataclass(frozen=True)
class Equation:
    """One primitive applied to operands; `ins` and `outs` are shapes with dtypes."""

    primitive: Any
    params: dict[str, Any]
    operands: tuple[Atom, ...]
    results: tuple[int, ...]
    ins: tuple[Any, ...]
    outs: tuple[Any, ...]
    source: str

    @property
    def name(self) -> str:
        """What JAX calls the primitive."""
        return str(self.primitive.name)

    def apply(self, *values: Any) -> list[Any]:
        """The results at operands of these values.

        Functions with a rule of their own are called in Python, which may index what they are given by traced values.
        """
        if self.name.startswith("custom_"):
            values = tuple(map(jnp.asarray, values))
        found = self.primitive.bind(*values, **self.primitive.get_bind_params(self.params))
        return list(found) if self.primitive.multiple_results else [found]


@dataclass(frozen=True)
class Trace:
    """A function as equations: values 0 to `arguments` - 1 are its arguments."""

    arguments: int
    equations: tuple[Equation, ...]
    results: tuple[Atom, ...]

    @cached_property
    def signature(self) -> str:
        """What tells this trace from others: primitives, parameters, operands and shapes, not values of arrays."""
        lines = [
            f"{e.name} {[o if isinstance(o, int) else None for o in e.operands]} {e.ins} {e.outs} {e.params}"
            for e in self.equations
        ]
        text = re.sub(r"0x[0-9a-f]+", "", "\n".join(lines))
        return hashlib.sha256(f"{self.arguments} {text}".encode()).hexdigest()

    def values(self, arguments: Sequence[Any]) -> dict[int, Any]:
        """Every value at a point, by its number."""
        held = dict(enumerate(arguments))
        for equation in self.equations:
            found = equation.apply(*(read(held, operand) for operand in equation.operands))
            held.update(zip(equation.results, found, strict=True))
        return held


def read(held: dict[int, Any], atom: Atom) -> Any:
    """The value of an operand."""
    return atom.value if isinstance(atom, Constant) else held[atom]


def trace(function: Callable[..., Any], arguments: Sequence[Any]) -> Trace:
    """Trace a function of flat arguments.

    Raises
    ------
    NotLinearised
        Where the function has effects, such as printing, that a plan would repeat or lose, or asks in Python for a
        value, such as to branch on it.
    """
    try:
        closed = jax.make_jaxpr(function)(*arguments)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as reason:
        where = next(
            (f"{f.filename}:{f.lineno}: " for f in reversed(extract_tb(reason.__traceback__)) if _is_user(f)), ""
        )
        raise NotLinearised(f"{where}it asks for a value while it is traced: {str(reason).splitlines()[0]}") from None
    return flat(closed)


def flat(closed: Any) -> Trace:
    """A closed jaxpr as equations."""
    if closed.effects:
        where = next(_source(eqn) for eqn in closed.jaxpr.eqns if eqn.effects)
        raise NotLinearised(f"{where}: it has effects: {', '.join(sorted(map(str, closed.effects)))}")
    count = len(closed.jaxpr.invars)
    writer = _Writer(count)
    results = writer.inline(closed.jaxpr, closed.consts, range(count))
    return Trace(count, tuple(_alive(writer.equations, results)), tuple(results))


class _Writer:
    """Writes equations down, values numbered as they come."""

    def __init__(self, arguments: int) -> None:
        self.equations: list[Equation] = []
        self._next = arguments

    def inline(self, jaxpr: Any, consts: Sequence[Any], arguments: Iterable[Atom], source: str = "") -> list[Atom]:
        """Write the equations of a jaxpr at these arguments, called from `source`; returns its results."""
        known: dict[Any, Atom] = dict(zip(jaxpr.constvars, map(Constant, consts), strict=True))
        known.update(zip(jaxpr.invars, arguments, strict=True))

        def atom(v: Any) -> Atom:
            return Constant(_typed(v)) if isinstance(v, core.Literal) else known[v]

        for eqn in jaxpr.eqns:
            operands = [atom(v) for v in eqn.invars]
            called = INLINED.get(eqn.primitive.name)
            if called is not None and called in eqn.params:
                inner = eqn.params[called]
                body, inner_consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
                results = self.inline(body, inner_consts, operands, _source(eqn) or source)
            elif _foreseeable(eqn, operands):
                results = _foreseen(eqn, operands)
            else:
                results = self._write(eqn, operands, _source(eqn) or source)
            known.update(zip(eqn.outvars, results, strict=True))
        return [atom(v) for v in jaxpr.outvars]

    def _write(self, eqn: Any, operands: list[Atom], source: str) -> list[Atom]:
        results = tuple(range(self._next, self._next + len(eqn.outvars)))
        self._next += len(results)
        ins, outs = (tuple(v.aval for v in side) for side in (eqn.invars, eqn.outvars))
        self.equations.append(Equation(eqn.primitive, dict(eqn.params), tuple(operands), results, ins, outs, source))
        return list(results)


def _foreseeable(eqn: Any, operands: Sequence[Atom]) -> bool:
    """Whether an equation makes integers or truth values out of constant ones, by a primitive that only computes."""
    if not all(isinstance(operand, Constant) and operand.concrete for operand in operands):
        return False
    if eqn.effects or "callback" in eqn.primitive.name or any(map(_is_program, eqn.params.values())):
        return False
    return all(_is_index(v.aval) for v in (*eqn.invars, *eqn.outvars))


def _is_program(parameter: Any) -> bool:
    parts = parameter if isinstance(parameter, tuple) else (parameter,)
    return any(hasattr(part, "eqns") or hasattr(part, "jaxpr") for part in parts)


def _is_index(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return isinstance(dtype, np.dtype) and dtype.kind in "iub" and prod(aval.shape) <= LARGEST_KNOWN


def _foreseen(eqn: Any, operands: Sequence[Atom]) -> list[Atom]:
    with jax.ensure_compile_time_eval():
        given = [operand.value for operand in operands if isinstance(operand, Constant)]
        found = eqn.primitive.bind(*given, **eqn.primitive.get_bind_params(eqn.params))
    return [Constant(value) for value in (found if eqn.primitive.multiple_results else [found])]


def _typed(literal: Any) -> Any:
    """The value of a literal with its dtype, which a Python number would lose."""
    aval = literal.aval
    return literal.val if hasattr(literal.val, "dtype") else np.asarray(literal.val, aval.dtype)


def _alive(equations: Sequence[Equation], results: Sequence[Atom]) -> list[Equation]:
    """The equations that the results depend on."""
    wanted = {atom for atom in results if isinstance(atom, int)}
    kept = []
    for equation in reversed(equations):
        if wanted.intersection(equation.results):
            wanted.update(atom for atom in equation.operands if isinstance(atom, int))
            kept.append(equation)
    return kept[::-1]


def _is_user(frame: FrameSummary) -> bool:
    """Whether a frame is of neither JAX nor this package."""
    return not any(Path(frame.filename).is_relative_to(Path(file).parent) for file in (jax.__file__, __file__))


def _source(eqn: Any) -> str:
    """Where in the user's code an equation comes from: file:line:column (function)."""
    try:
        from jax._src.source_info_util import summarize
    except ImportError:
        return ""
    return str(summarize(eqn.source_info))
