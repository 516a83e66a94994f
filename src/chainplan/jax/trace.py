"""From a function to its flat list of equations: nested calls inlined, dead code left out.

A call that only groups (jit, remat, closed_call) is replaced by the equations that it calls. A function with a rule of
its own (custom_jvp, custom_vjp) stays one equation, because its rule need not be the derivative of its body. Values are
numbered here: JAX shares the variables of a jaxpr between its calls, so that variables do not identify values. Integers
that follow from integer constants alone, such as indices, are computed at once, so that rules can read the structure
off them. All other arrays and numbers that the function reads beside its arguments are numbered like arguments: what
follows from a trace holds for any values of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from traceback import FrameSummary, extract_tb

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend import core

from chainplan.jax.by_numpy import BY_NUMPY
from chainplan.jax.errors import NotLinearised
from chainplan.jax.program_text import equation_text, value_text
from chainplan.jax.types import Parameters, Shaped

INLINED_PRIMITIVES = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}
"""By the name of a primitive that only groups: the parameter that holds the program it calls."""

MAX_KNOWN_ENTRIES = 2_000_000
"""The number of entries of the largest array that is computed while the function is traced."""


def scan_counts(params: Parameters) -> tuple[int, int]:
    """Return how many of a scan's operands are the same in every step, and how many it carries from step to step.

    JAX 0.10 states the two numbers, later versions state the operands as a tree.
    """
    if "ft_in" in params:
        constants, carries, _ = params["ft_in"].unpack()
        return len(list(constants)), len(list(carries))
    return params["num_consts"], params["num_carry"]


@dataclass(frozen=True)
class TraceConstant:
    """An integer, a truth value or an array of them that is known while the function is traced."""

    value: Array


TraceOperand = int | TraceConstant
"""An operand: the number of a value, or a known one."""


@dataclass(frozen=True)
class TraceEquation:
    """A primitive that is applied to operands; `ins` and `outs` are the shapes and dtypes of operands and results.

    Values of the numbers `kept` are computed behind the results, for the derivatives of this equation alone.
    """

    primitive: core.Primitive
    params: Parameters
    operands: tuple[TraceOperand, ...]
    results: tuple[int, ...]
    ins: tuple[Shaped, ...]
    outs: tuple[Shaped, ...]
    source: str
    kept: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name of the primitive in JAX."""
        return str(self.primitive.name)

    def apply(self, *values: Array) -> list[Array]:
        """Compute the results at operands of these values.

        A function with a rule of its own is called in Python; it may index its operands by traced values, which numpy's
        arrays do not allow.
        """
        if self.name.startswith("custom_"):
            values = tuple(map(jnp.asarray, values))
        results = self.primitive.bind(*values, **self.primitive.get_bind_params(self.params))
        return list(results) if self.primitive.multiple_results else [results]


@dataclass(frozen=True, eq=False)
class FunctionTrace:
    """A function as a list of equations.

    The values 0 to `arguments` - 1 are its arguments; -1, -2, … are `constants`, what it reads beside them. `closed` is
    the program that the equations are from, and `places` says for each of its constants which of `constants` it is,
    None where it is known and none of them.
    """

    arguments: int
    constants: tuple[Array, ...]
    equations: tuple[TraceEquation, ...]
    results: tuple[TraceOperand, ...]
    closed: core.ClosedJaxpr
    places: tuple[int | None, ...]

    @cached_property
    def key(self) -> str | None:
        """A digest of all that the function does but for the values of `constants`, None where it cannot be told."""
        texts = [f"{self.arguments} {_operands_text(self.results)}"]
        for e in self.equations:
            text = equation_text(e.primitive, e.params, e.ins)
            if text is None:
                return None
            texts.append(f"{_operands_text(e.operands)} {e.ins} {e.outs} {text}")
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    @cached_property
    def numbers(self) -> str:
        """The constants that stand in `closed` itself, written with their values."""
        inside = set(range(len(self.constants))).difference(place for place in self.places if place is not None)
        return " ".join(value_text(self.constants[place]) for place in sorted(inside))

    def function(self, constants: Sequence[Array]) -> Callable[..., list[Array]]:
        """Return the function of the arguments alone, at these values of the constants."""
        held = zip(self.closed.consts, self.places, strict=True)
        given = [const if place is None else constants[place] for const, place in held]
        made: Callable[..., list[Array]] = core.jaxpr_as_fun(core.ClosedJaxpr(self.closed.jaxpr, given))
        return made

    def values(self, arguments: Sequence[Array], constants: Sequence[Array] | None = None) -> dict[int, Array]:
        """Compute every value at a point, by its number; at other values of the constants where they are given."""
        held = dict(enumerate(arguments))
        held.update((-1 - i, c) for i, c in enumerate(self.constants if constants is None else constants))
        for equation in self.equations:
            results = equation.apply(*(read(held, operand) for operand in equation.operands))
            held.update(zip((*equation.results, *equation.kept), results, strict=True))
        return held


def _operands_text(operands: Sequence[TraceOperand]) -> str:
    """Write operands, known ones by their values."""
    return " ".join(str(o) if isinstance(o, int) else value_text(o.value) for o in operands)


def read(held: dict[int, Array], atom: TraceOperand) -> Array:
    """Return the value of an operand."""
    return atom.value if isinstance(atom, TraceConstant) else held[atom]


def trace(function: Callable[..., list[Array]], arguments: Sequence[Array], symbols: bool = False) -> FunctionTrace:
    """Trace a function of flat arguments; with `symbols` sizes of arrays may be symbols.

    Raises
    ------
    NotLinearised
        If the function has effects, such as printing, that a plan would repeat or lose; if it asks in Python for a
        value, for example to branch on it; or if the size of an array is a symbol, as where `jax.export` traces.
    """
    try:
        closed = jax.make_jaxpr(function)(*arguments)
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as reason:
        where = next(
            (f"{f.filename}:{f.lineno}: " for f in reversed(extract_tb(reason.__traceback__)) if _is_user(f)), ""
        )
        raise NotLinearised(f"{where}it asks for a value while it is traced: {str(reason).splitlines()[0]}") from None
    return flat(closed, symbols)


def flat(closed: core.ClosedJaxpr, symbols: bool = False) -> FunctionTrace:
    """Write a closed jaxpr as a flat list of equations; with `symbols` sizes of arrays may be symbols."""
    if closed.effects:
        where = next(_source(eqn) for eqn in closed.jaxpr.eqns if eqn.effects)
        raise NotLinearised(f"{where}: it has effects: {', '.join(sorted(map(str, closed.effects)))}")
    avals = (*closed.in_avals, *(v.aval for eqn in closed.jaxpr.eqns for v in eqn.outvars))
    if not symbols and any(map(_is_symbolic, avals)):
        raise NotLinearised("the size of an array is a symbol, not a number")
    count = len(closed.jaxpr.invars)
    writer = _EquationWriter(count)
    results = writer.inline(closed.jaxpr, closed.consts, range(count))
    places = tuple(writer.constant_place(const) for const in closed.consts)
    equations = tuple(_alive(writer.equations, results))
    return FunctionTrace(count, tuple(writer.constants), equations, tuple(results), closed, places)


class _EquationWriter:
    """Writes equations down and numbers their results."""

    def __init__(self, arguments: int) -> None:
        self.equations: list[TraceEquation] = []
        self.constants: list[Array] = []
        self._place: dict[int, int] = {}
        self._literals: dict[tuple[str, int, str, str], Array] = {}
        self._next = arguments

    def constant_place(self, value: Array) -> int | None:
        """Return the place of a value among the constants, None where it is known and rules may read it."""
        if not isinstance(value, jax.core.Tracer) and _is_index(value):
            return None
        place = self._place.setdefault(id(value), len(self.constants))
        if place == len(self.constants):
            self.constants.append(value)
        return place

    def _constant(self, value: Array) -> TraceOperand:
        place = self.constant_place(value)
        return TraceConstant(value) if place is None else -1 - place

    def _literal(self, value: Array, where: tuple[str, int, str]) -> TraceOperand:
        """Return the operand of a number in the source; equal ones of one place, as in a loop, are one constant.

        Of two places that happen to have equal numbers an equal function may have different ones.
        """
        if isinstance(value, jax.core.Tracer):
            return self._constant(value)
        return self._constant(self._literals.setdefault((*where, value_text(value)), value))

    def inline(
        self, jaxpr: core.Jaxpr, consts: Sequence[Array], arguments: Iterable[TraceOperand], source: str = ""
    ) -> list[TraceOperand]:
        """Write the equations of a jaxpr at these arguments, called from `source`, and return its results."""
        known: dict[core.Var, TraceOperand] = dict(zip(jaxpr.constvars, map(self._constant, consts), strict=True))
        known.update(zip(jaxpr.invars, arguments, strict=True))

        def atom(v: core.Var | core.Literal) -> TraceOperand:
            return self._constant(_typed(v)) if isinstance(v, core.Literal) else known[v]

        for eqn in jaxpr.eqns:
            operands = [
                self._literal(_typed(v), (eqn.primitive.name, place, _source(eqn) or source))
                if isinstance(v, core.Literal)
                else known[v]
                for place, v in enumerate(eqn.invars)
            ]
            called = INLINED_PRIMITIVES.get(eqn.primitive.name)
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

    def _write(self, eqn: core.JaxprEqn, operands: list[TraceOperand], source: str) -> list[TraceOperand]:
        """Write one equation and return the numbers of its results."""
        results = tuple(range(self._next, self._next + len(eqn.outvars)))
        self._next += len(results)
        ins, outs = (tuple(v.aval for v in side) for side in (eqn.invars, eqn.outvars))
        self.equations.append(
            TraceEquation(eqn.primitive, dict(eqn.params), tuple(operands), results, ins, outs, source)
        )
        return list(results)


def _foreseeable(eqn: core.JaxprEqn, operands: Sequence[TraceOperand]) -> bool:
    """Say whether an equation only computes integers or truth values from constant ones."""
    if not all(isinstance(operand, TraceConstant) for operand in operands):
        return False
    if eqn.effects or "callback" in eqn.primitive.name or eqn.primitive.name == "dim_as_value":
        return False
    if any(map(_is_program, eqn.params.values())):
        return False
    return all(_is_index(v.aval) for v in (*eqn.invars, *eqn.outvars))


def _is_program(parameter: object) -> bool:
    """Say whether a parameter of a primitive is, or holds, a program."""
    parts = parameter if isinstance(parameter, tuple) else (parameter,)
    return any(hasattr(part, "eqns") or hasattr(part, "jaxpr") for part in parts)


def _is_symbolic(aval: Shaped) -> bool:
    """Say whether a size of an array is not known while the function is traced."""
    return not all(isinstance(size, int) for size in getattr(aval, "shape", ()))


def _is_index(aval: Shaped) -> bool:
    """Say whether an array holds integers or truth values and is small enough to be computed at once."""
    dtype = getattr(aval, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iub" or _is_symbolic(aval):
        return False
    return prod(aval.shape) <= MAX_KNOWN_ENTRIES


def _foreseen(eqn: core.JaxprEqn, operands: Sequence[TraceOperand]) -> list[TraceOperand]:
    """Compute the results of an equation whose operands are known."""
    given = [operand.value for operand in operands if isinstance(operand, TraceConstant)]
    if eqn.primitive.name in BY_NUMPY:
        made = BY_NUMPY[eqn.primitive.name](eqn.params, [np.asarray(value) for value in given])
        return [TraceConstant(value) for value in made]
    with jax.ensure_compile_time_eval():
        results = eqn.primitive.bind(*given, **eqn.primitive.get_bind_params(eqn.params))
    return [TraceConstant(value) for value in (results if eqn.primitive.multiple_results else [results])]


def _typed(literal: core.Literal) -> Array:
    """Return the value of a literal with its dtype, which a Python number would lose."""
    aval = literal.aval
    return literal.val if isinstance(literal.val, Array | np.ndarray) else np.asarray(literal.val, aval.dtype)


def _alive(equations: Sequence[TraceEquation], results: Sequence[TraceOperand]) -> list[TraceEquation]:
    """Keep the equations on which the results depend."""
    wanted = {atom for atom in results if isinstance(atom, int)}
    kept = []
    for equation in reversed(equations):
        if wanted.intersection(equation.results):
            wanted.update(atom for atom in equation.operands if isinstance(atom, int))
            kept.append(equation)
    return kept[::-1]


def _is_user(frame: FrameSummary) -> bool:
    """Say whether a frame belongs to neither JAX nor this package."""
    return not any(Path(frame.filename).is_relative_to(Path(file).parent) for file in (jax.__file__, __file__))


def _source(eqn: core.JaxprEqn) -> str:
    """Say where an equation comes from in the user's code: file:line:column (function)."""
    try:
        from jax._src.source_info_util import summarize
    except ImportError:
        return ""
    return str(summarize(eqn.source_info))
