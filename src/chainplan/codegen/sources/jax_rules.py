"""What the primitives of JAX do to entries: one rule each in a table, from arrays of references to arrays of them.

A primitive that only moves entries is applied to their references by numpy, or by JAX itself where its rule is long.
One whose operands are all known is computed by JAX, so that whole numbers behave as they do there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any

import jax
import numpy as np

from chainplan.codegen.operations import OPERATIONS
from chainplan.codegen.sources.build import Refs
from chainplan.codegen.sources.sorting import sorted_by_network
from chainplan.codegen.writer import Ref, Writer
from chainplan.jax.errors import NotLinearised
from chainplan.jax.rules_dot import axes_of
from chainplan.jax.trace import FunctionTrace, TraceConstant, TraceEquation, flat, scan_counts

Rule = Callable[["Unrolled", TraceEquation, list[Refs]], "Refs | list[Refs]"]

JAX_FOLDER = str(Path(jax.__file__).parent)


class Unrolled:
    """Writes the equations of a trace in scalars."""

    def __init__(self, writer: Writer, most: int) -> None:
        self.writer = writer
        self.most = most

    def results(self, traced: FunctionTrace, arguments: Sequence[Refs]) -> list[Refs]:
        """Return the results of a trace at these arguments."""
        held: dict[int, Refs] = dict(enumerate(arguments))
        held.update((-1 - k, self.known(value)) for k, value in enumerate(traced.constants))
        for equation in traced.equations:
            operands = [self.known(o.value) if isinstance(o, TraceConstant) else held[o] for o in equation.operands]
            held.update(zip(equation.results, self._applied(equation, operands), strict=True))
        return [self.known(r.value) if isinstance(r, TraceConstant) else held[r] for r in traced.results]

    def known(self, value: Any) -> Refs:
        """Write known values."""
        array = np.asarray(value)
        self.require(array.size, "an array that the function reads")
        constant = self.writer.constant
        return np.array([constant(float(number)) for number in array.flat], np.int64).reshape(array.shape)

    def numbers(self, refs: Refs) -> Any:
        """Return the numbers of constants."""
        return np.array([self.writer.number(int(r)) for r in refs.flat]).reshape(refs.shape)

    def each(self, function: Callable[..., Ref], shape: Sequence[int], *operands: Refs) -> Refs:
        """Apply a function of references entry by entry."""
        self.require(prod(shape), "an array")
        lines = [np.broadcast_to(o, shape).ravel().tolist() for o in operands]
        return np.array([function(*refs) for refs in zip(*lines, strict=True)], np.int64).reshape(shape)

    def folded(self, function: Callable[[Ref, Ref], Ref], start: Ref, lines: Refs) -> Refs:
        """Combine the entries of the last axis."""
        return np.array([reduce(function, row, start) for row in _rows(lines)], np.int64).reshape(lines.shape[:-1])

    def _applied(self, equation: TraceEquation, operands: list[Refs]) -> list[Refs]:
        if any(getattr(a.dtype, "kind", "V") == "c" for a in equation.outs):
            raise NotLinearised(f"{equation.source}: '{equation.name}' gives complex numbers")
        rule = RULES.get(equation.name)
        program = equation.name in PROGRAM_RULES
        if not program and all((refs < 0).all() for refs in operands) and not _is_exact(equation):
            return self._computed(equation, operands)
        if rule is None:
            raise NotLinearised(f"{equation.source}: '{equation.name}' cannot be written in scalars")
        made = rule(self, equation, operands)
        self.require(0, "the program")
        return made if isinstance(made, list) else [made]

    def _computed(self, equation: TraceEquation, operands: Sequence[Refs]) -> list[Refs]:
        given = [np.asarray(self.numbers(o)).astype(a.dtype) for o, a in zip(operands, equation.ins, strict=True)]
        with jax.ensure_compile_time_eval():
            return [self.known(result) for result in equation.apply(*given)]

    def require(self, more: int, what: str) -> None:
        if len(self.writer.nodes) + more > self.most:
            raise NotLinearised(f"{what} makes more than {self.most:,} scalars")


def _is_exact(equation: TraceEquation) -> bool:
    """Say whether a rule computes on known values what JAX does: where it only moves, compares or has few floats."""
    kinds = {getattr(a.dtype, "kind", "V") for a in (*equation.ins, *equation.outs)}
    return equation.name in _EXACT or (equation.name in RULES and kinds == {"f"})


def _unary(name: str) -> Rule:
    return lambda u, e, o: u.each(lambda a: u.writer.unary(name, a), e.outs[0].shape, *o)


def _binary(method: str) -> Rule:
    return lambda u, e, o: u.each(getattr(u.writer, method), e.outs[0].shape, *o)


def _written(function: Callable[..., Ref]) -> Rule:
    """Make the rule of an elementwise primitive from a function of the writer and the references."""
    return lambda u, e, o: u.each(lambda *refs: function(u.writer, *refs), e.outs[0].shape, *o)


def _compared(name: str, turned: bool = False, negated: bool = False) -> Rule:
    def comparison(w: Writer, a: Ref, b: Ref) -> Ref:
        found = w.compare(name, b, a) if turned else w.compare(name, a, b)
        return w.sub(w.ONE, found) if negated else found

    return _written(comparison)


def _floats_alone(rule: Rule) -> Rule:
    """Refuse whole numbers, which behave in another way."""

    def checked(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs | list[Refs]:
        if e.outs[0].dtype.kind != "f":
            raise NotLinearised(f"{e.source}: '{e.name}' of whole numbers that depend on an argument")
        return rule(u, e, o)

    return checked


def _truncated(w: Writer, a: Ref) -> Ref:
    return w.mul(w.unary("sign", a), w.unary("floor", w.unary("abs", a)))


def _rem(w: Writer, a: Ref, b: Ref) -> Ref:
    return w.sub(a, w.mul(b, _truncated(w, w.div(a, b))))


def _round(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    """Round to the nearest whole number; halves away from zero by method 0, to even numbers by method 1."""
    w = u.writer
    half = w.constant(0.5)

    def nearest(a: Ref) -> Ref:
        if int(e.params["rounding_method"]) == 0:
            return w.mul(w.unary("sign", a), w.unary("floor", w.add(w.unary("abs", a), half)))
        up = w.unary("floor", w.add(a, half))
        odd = w.sub(up, w.mul(w.TWO, w.unary("floor", w.mul(half, up))))
        return w.sub(up, w.mul(w.compare("eq", w.sub(up, a), half), odd))

    return u.each(nearest, e.outs[0].shape, *o)


def _convert(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    before, behind = (str(a.dtype) for a in (e.ins[0], e.outs[0]))
    if "int" in behind and "float" in before:
        return u.each(lambda a: _truncated(u.writer, a), e.outs[0].shape, *o)
    if behind == "bool" and before != "bool":
        return u.each(lambda a: u.writer.sub(u.writer.ONE, u.writer.compare("eq", a, u.writer.ZERO)), o[0].shape, *o)
    return o[0]


def _select(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    w, which, cases = u.writer, o[0], o[1:]
    made = cases[0]
    for k, case in enumerate(cases[1:], 1):
        chosen = (
            which if len(cases) == 2 else u.each(lambda a, k=k: w.compare("eq", a, w.constant(k)), which.shape, which)
        )
        made = u.each(w.select, e.outs[0].shape, chosen, case, made)
    return made


def _clamp(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    w = u.writer
    return u.each(lambda low, x, high: w.least("min", w.least("max", x, low), high), e.outs[0].shape, *o)


def _broadcast(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    shape, axes = e.params["shape"], e.params["broadcast_dimensions"]
    u.require(prod(shape), "an array")
    wide = np.ones(len(shape), int)
    for axis, size in zip(axes, o[0].shape, strict=True):
        wide[axis] = size
    return np.broadcast_to(o[0].reshape(wide), shape)


def _slice(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    p = e.params
    steps = p["strides"] or (1,) * o[0].ndim
    return o[0][tuple(slice(a, b, s) for a, b, s in zip(p["start_indices"], p["limit_indices"], steps, strict=True))]


def _dynamic_slice(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    starts = _starts(u, e, o[0].shape, e.params["slice_sizes"], o[1:])
    return o[0][tuple(slice(a, a + n) for a, n in zip(starts, e.params["slice_sizes"], strict=True))]


def _dynamic_update(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    starts = _starts(u, e, o[0].shape, o[1].shape, o[2:])
    made = o[0].copy()
    made[tuple(slice(a, a + n) for a, n in zip(starts, o[1].shape, strict=True))] = o[1]
    return made


def _starts(u: Unrolled, e: TraceEquation, shape: Sequence[int], sizes: Sequence[int], given: list[Refs]) -> list[int]:
    """Return the indices at which a slice starts, moved inside as JAX does."""
    if any((refs >= 0).any() for refs in given):
        raise NotLinearised(f"{e.source}: '{e.name}' at an index that depends on an argument")
    return [
        min(max(int(u.writer.number(int(refs))), 0), size - width)
        for refs, size, width in zip(given, shape, sizes, strict=True)
    ]


def _pad(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    made, fill = o[0], int(o[1])
    for axis, (low, high, between) in enumerate(e.params["padding_config"]):
        size = made.shape[axis]
        spread = max(0, size + (size - 1) * between) if size else 0
        whole = (
            np.full((*made.shape[:axis], low + spread + high, *made.shape[axis + 1 :]), fill, np.int64)
            if (low >= 0 and high >= 0)
            else None
        )
        if whole is None:
            raise NotLinearised(f"{e.source}: 'pad' by less than nothing")
        places = [slice(None)] * made.ndim
        places[axis] = slice(low, low + spread, between + 1)
        whole[tuple(places)] = made
        made = whole
    return made


def _moved(u: Unrolled, e: TraceEquation, o: list[Refs]) -> list[Refs]:
    """Let JAX move entries: those of the float operands are numbered, and the numbers are moved."""
    given: list[Any] = []
    pool: list[Ref] = []
    for refs, aval in zip(o, e.ins, strict=True):
        if aval.dtype.kind == "f":
            given.append(np.arange(len(pool), len(pool) + refs.size, dtype=np.int32).reshape(refs.shape))
            pool += refs.ravel().tolist()
        elif (refs >= 0).any():
            raise NotLinearised(f"{e.source}: '{e.name}' at an index that depends on an argument")
        else:
            given.append(u.numbers(refs).astype(aval.dtype))
    equation = e
    if "fill_value" in e.params:
        from dataclasses import replace

        equation = replace(e, params={**e.params, "fill_value": len(pool)})
    pool.append(u.writer.constant(float("nan")))
    with jax.ensure_compile_time_eval():
        made = [np.asarray(result) for result in equation.apply(*given)]
    return [np.array(pool, np.int64)[numbers] for numbers in made]


def _scatter_add(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    """Add updates onto the places where a scatter of their numbers one by one would put them."""
    w, made = u.writer, o[0].ravel().tolist()
    places = np.arange(1, o[2].size + 1).reshape(o[2].shape)
    if (o[1] >= 0).any():
        raise NotLinearised(f"{e.source}: '{e.name}' at an index that depends on an argument")
    indices = u.numbers(o[1]).astype(e.ins[1].dtype)
    with jax.ensure_compile_time_eval():
        for k, ref in enumerate(o[2].ravel().tolist()):
            one = np.where(places == k + 1, 1, 0).astype(e.ins[0].dtype)
            hit = np.asarray(e.apply(np.zeros(o[0].shape, e.ins[0].dtype), indices, one)[0]).ravel()
            for place in np.flatnonzero(hit):
                made[place] = w.add(made[place], ref)
    return np.array(made, np.int64).reshape(o[0].shape)


def _dot(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    axes = axes_of(e.ins, e.params)
    left = o[0].transpose(sum(axes.left, ())).reshape(axes.b, axes.m, axes.k)
    right = o[1].transpose(sum(axes.right, ())).reshape(axes.b, axes.k, axes.n)
    u.require(axes.b * axes.m * axes.k * axes.n, "a product of arrays")
    w = u.writer
    made = [
        w.total(w.mul(a, b) for a, b in zip(row, column, strict=True))
        for one, other in zip(left, right, strict=True)
        for row in one.tolist()
        for column in other.T.tolist()
    ]
    return np.array(made, np.int64).reshape(e.outs[0].shape)


def _lines(e: TraceEquation, refs: Refs) -> Refs:
    """Bring the axes of a reduction to the end, as one."""
    axes = tuple(e.params["axes"])
    kept = [i for i in range(refs.ndim) if i not in axes]
    return refs.transpose(*kept, *axes).reshape((*e.outs[0].shape, -1))


def _reduced(method: str, start: Ref | None, name: str = "") -> Rule:
    def rule(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
        lines = _lines(e, o[0])
        function = (lambda a, b: u.writer.least(name, a, b)) if name else getattr(u.writer, method)
        if start is None:
            if not lines.shape[-1]:
                raise NotLinearised(f"{e.source}: '{e.name}' of nothing")
            first = lines[..., 0]
            rows = zip(_rows(lines[..., 1:]), first.ravel().tolist(), strict=True)
            made = [reduce(function, row, begin) for row, begin in rows]
            return np.array(made, np.int64).reshape(lines.shape[:-1])
        return u.folded(function, start, lines)

    return rule


def _rows(lines: Refs) -> list[list[Ref]]:
    """Return the lines along the last axis; there may be none, or none of their entries."""
    rows: list[list[Ref]] = lines.reshape(prod(lines.shape[:-1]), lines.shape[-1]).tolist()
    return rows


def _cumulated(method: str, name: str = "") -> Rule:
    def rule(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
        axis, turned = e.params["axis"], e.params["reverse"]
        lines = np.moveaxis(o[0], axis, -1)
        lines = lines[..., ::-1] if turned else lines
        function = (lambda a, b: u.writer.least(name, a, b)) if name else getattr(u.writer, method)
        rows = [list(accumulate(row, function)) for row in _rows(lines)]
        whole = np.array(rows, np.int64).reshape(lines.shape)
        return np.moveaxis(whole[..., ::-1] if turned else whole, -1, axis)

    return rule


def _scan(u: Unrolled, e: TraceEquation, o: list[Refs]) -> list[Refs]:
    p = e.params
    body, (a, carried) = flat(p["jaxpr"]), scan_counts(p)
    b = a + carried
    consts, carry, xs = o[:a], o[a:b], o[b:]
    steps = range(p["length"])
    stacked: dict[int, list[Refs]] = {}
    for step in reversed(steps) if p["reverse"] else steps:
        results = u.results(body, [*consts, *carry, *(x[step] for x in xs)])
        carry = results[: b - a]
        stacked[step] = results[b - a :]
    ys = [np.stack([stacked[step][k] for step in steps]) for k in range(len(e.outs) - (b - a))] if steps else []
    return [*carry, *ys]


def _while(u: Unrolled, e: TraceEquation, o: list[Refs]) -> list[Refs]:
    p = e.params
    test, body = flat(p["cond_jaxpr"]), flat(p["body_jaxpr"])
    a = p["cond_nconsts"]
    b = a + p["body_nconsts"]
    state = o[b:]
    while True:
        (more,) = u.results(test, [*o[:a], *state])
        if int(more) >= 0:
            raise NotLinearised(f"{e.source}: 'while' whose length depends on an argument")
        if int(more) == u.writer.ZERO:
            return state
        state = u.results(body, [*o[a:b], *state])


def _cond(u: Unrolled, e: TraceEquation, o: list[Refs]) -> list[Refs]:
    w, which, branches = u.writer, int(o[0]), e.params["branches"]
    if which < 0:
        chosen = min(max(int(w.number(which)), 0), len(branches) - 1)
        return u.results(flat(branches[chosen]), o[1:])
    made = u.results(flat(branches[0]), o[1:])
    for k, branch in enumerate(branches[1:], 1):
        taken = w.compare("le", w.constant(k), which)
        others = u.results(flat(branch), o[1:])
        made = [
            u.each(lambda a, b, t=taken: w.select(t, a, b), one.shape, other, one)
            for one, other in zip(made, others, strict=True)
        ]
    return made


def _custom(u: Unrolled, e: TraceEquation, o: list[Refs]) -> list[Refs]:
    """Take the body of a function of JAX itself, whose rule only guards what the body does."""
    body = e.params["call_jaxpr"]
    made_at = getattr(getattr(body.jaxpr, "debug_info", None), "func_src_info", None) or ""
    if f" at {JAX_FOLDER}" not in made_at:
        raise NotLinearised(f"{e.source}: a function with a derivative of its own, which may differ from its body's")
    return u.results(flat(body), o)


def _sort(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    """Sort the lines of an array by a network of minima and maxima."""
    if len(o) > 1:
        raise NotLinearised(f"{e.source}: 'sort' of several arrays by values that depend on an argument")
    lines = np.moveaxis(o[0], e.params["dimension"], -1)
    u.require(lines.size * lines.shape[-1], "a sort")
    rows = [sorted_by_network(u.writer, row) for row in _rows(lines)]
    return np.moveaxis(np.array(rows, np.int64).reshape(lines.shape), -1, e.params["dimension"])


def _concatenate(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs:
    return np.concatenate(o, e.params["dimension"])


def _split(u: Unrolled, e: TraceEquation, o: list[Refs]) -> list[Refs]:
    return np.split(o[0], np.cumsum(e.params["sizes"])[:-1], e.params["axis"])


def _logical(function: Callable[..., Ref]) -> Rule:
    def rule(u: Unrolled, e: TraceEquation, o: list[Refs]) -> Refs | list[Refs]:
        if str(e.outs[0].dtype) != "bool":
            raise NotLinearised(f"{e.source}: '{e.name}' of the bits of numbers that depend on an argument")
        return _written(function)(u, e, o)

    return rule


_COMPARING = ("lt", "le", "gt", "ge", "eq", "ne")
_STATIC_MOVES = ("reshape", "squeeze", "expand_dims", "slice", "dynamic_slice", "transpose", "rev", "broadcast_in_dim")
_EXACT = frozenset(
    (*_COMPARING, *_STATIC_MOVES, "concatenate", "stack", "split", "pad", "select_n", "convert_element_type")
)
"""The primitives whose rules are right for whole numbers and truth values too."""
_UNCHANGED = frozenset(
    ("copy", "copy_p", "name", "optimization_barrier", "reduce_precision", "real", "sharding_constraint")
)
PROGRAM_RULES: dict[str, Rule] = {"scan": _scan, "while": _while, "cond": _cond, "custom_jvp_call": _custom}
"""The primitives that hold programs."""

RULES: dict[str, Rule] = {
    **PROGRAM_RULES,
    **{
        name: _unary(name)
        for name, operation in OPERATIONS.items()
        if operation.arity == 1 and name not in ("neg", "recip")
    },
    **dict.fromkeys(_UNCHANGED, lambda u, e, o: o[0]),
    "add": _binary("add"),
    "add_any": _binary("add"),
    "sub": _binary("sub"),
    "mul": _binary("mul"),
    "div": _floats_alone(_binary("div")),
    "pow": _floats_alone(_binary("pow")),
    "rem": _floats_alone(_written(_rem)),
    "neg": _binary("neg"),
    "max": _written(lambda w, a, b: w.least("max", a, b)),
    "min": _written(lambda w, a, b: w.least("min", a, b)),
    "atan2": _written(lambda w, a, b: w.apply("atan2", (a, b))),
    "round": _round,
    "square": _written(lambda w, a: w.mul(a, a)),
    "rsqrt": _written(lambda w, a: w.recip(w.unary("sqrt", a))),
    "logistic": _written(lambda w, a: w.recip(w.add(w.ONE, w.unary("exp", w.neg(a))))),
    "erfc": _written(lambda w, a: w.sub(w.ONE, w.unary("erf", a))),
    "exp2": _written(lambda w, a: w.unary("exp", w.mul(w.constant(float(np.log(2))), a))),
    "ceil": _written(lambda w, a: w.neg(w.unary("floor", w.neg(a)))),
    "asinh": _written(lambda w, a: w.unary("log", w.add(a, w.unary("sqrt", w.add(w.mul(a, a), w.ONE))))),
    "acosh": _written(lambda w, a: w.unary("log", w.add(a, w.unary("sqrt", w.sub(w.mul(a, a), w.ONE))))),
    "atanh": _written(lambda w, a: w.mul(w.constant(0.5), w.sub(w.unary("log1p", a), w.unary("log1p", w.neg(a))))),
    "integer_pow": lambda u, e, o: u.each(
        lambda a: u.writer.pow(a, u.writer.constant(float(e.params["y"]))), o[0].shape, o[0]
    ),
    "lt": _compared("lt"),
    "le": _compared("le"),
    "gt": _compared("lt", turned=True),
    "ge": _compared("le", turned=True),
    "eq": _compared("eq"),
    "ne": _compared("eq", negated=True),
    "and": _logical(lambda w, a, b: w.mul(a, b)),
    "or": _logical(lambda w, a, b: w.least("max", a, b)),
    "xor": _logical(lambda w, a, b: w.sub(w.ONE, w.compare("eq", a, b))),
    "not": _logical(lambda w, a: w.sub(w.ONE, a)),
    "is_finite": _written(lambda w, a: w.compare("lt", w.unary("abs", a), w.constant(float("inf")))),
    "select_n": _select,
    "clamp": _clamp,
    "convert_element_type": _convert,
    "reshape": lambda u, e, o: o[0].reshape(e.params["new_sizes"]),
    "squeeze": lambda u, e, o: o[0].reshape(e.outs[0].shape),
    "expand_dims": lambda u, e, o: o[0].reshape(e.outs[0].shape),
    "transpose": lambda u, e, o: o[0].transpose(e.params["permutation"]),
    "rev": lambda u, e, o: np.flip(o[0], e.params["dimensions"]),
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update,
    "concatenate": _concatenate,
    "stack": lambda u, e, o: np.stack(o, e.params["axis"]),
    "split": _split,
    "pad": _pad,
    "gather": _moved,
    "scatter": _moved,
    "tile": _moved,
    "unstack": _moved,
    "scatter-add": _scatter_add,
    "dot_general": _dot,
    "reduce_sum": _reduced("add", Writer.ZERO),
    "reduce_prod": _reduced("mul", Writer.ONE),
    "reduce_max": _reduced("", None, "max"),
    "reduce_min": _reduced("", None, "min"),
    "sort": _floats_alone(_sort),
    "cumsum": _cumulated("add"),
    "cumprod": _cumulated("mul"),
    "cummax": _cumulated("", "max"),
    "cummin": _cumulated("", "min"),
}
"""All rules by the name of the primitive."""
