"""Jacobians of functions whose sizes are symbols, as where `jax.export` traces: a few orders, of which a run takes one.

The function is cut at values that everything passes. What lies between two cuts is a matrix-free elemental of a chain
whose sizes and prices are terms of the symbols, and orders for all sizes come from `solvers.sizes`, as those of
`chainplan.variants` do. An order is written out as tangents, adjoints and products of parts, which name no size; the
program compares the prices of the orders at the sizes it is called with, and runs the cheapest.

Blocks inside a part are not looked at, because their patterns are lists of indices, which no symbol has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod, sqrt
from operator import ge, le
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from chainplan.jax.call import FlatCall
from chainplan.jax.trace import FunctionTrace, TraceEquation, read, trace
from chainplan.jax.types import Shaped
from chainplan.plans.steps import Accumulate, Multiply, Plan, Propagate
from chainplan.problem.family import MAX_SIZE_NAMES, Family, SizeRange, SizeTerm
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import chain_vertex
from chainplan.solvers.sizes.few import few_orders, sampled
from chainplan.solvers.sizes.moves import ChainMoves
from chainplan.structures import Block

if TYPE_CHECKING:
    from jax.typing import DTypeLike

MAX_SYMBOL = 1 << 16
"""The largest size that is planned for where the constraints of a symbol name none."""
MAX_CUTS = 10
"""Values at which a function is cut, beside its ends."""
MAX_ORDERS = 4
"""Orders between which a program chooses."""


class SymbolicPart(NamedTuple):
    """The equations between two values, by their numbers, through the second of which all paths from the first lead."""

    equations: tuple[TraceEquation, ...]
    source: int
    target: int


class SymbolicOrders(NamedTuple):
    """The parts of a function, a few plans of their chain, and the terms that each plan costs.

    `sizes` are the symbols, or whatever is computed of them, by their names in the terms.
    """

    trace: FunctionTrace
    parts: tuple[SymbolicPart, ...]
    plans: tuple[Plan, ...]
    prices: tuple[tuple[SizeTerm, ...], ...]
    sizes: dict[str, object]

    def evaluated(self, call: FlatCall, leaves: Sequence[Array]) -> tuple[list[list[Array]], list[Array]]:
        """Compute the Jacobian, and the arrays beside the result, by the order that is cheapest at the sizes of a run.

        Parameters
        ----------
        call : FlatCall
            The call, of one argument and one result.
        leaves : Sequence[Array]
            The argument.

        Returns
        -------
        tuple
            The blocks by result and argument, and what is computed beside the result.
        """
        values = self.trace.values(leaves)
        run = _Run(self.parts, values)
        (leaf,), out = leaves, call.outs[0]
        if len(self.plans) == 1:
            block = run.block(self.plans[0], leaf.dtype)
        else:
            sizes = {name: jnp.asarray(size).astype(float) for name, size in self.sizes.items()}
            prices = jnp.stack([sum(jnp.asarray(term.at(sizes), float) for term in terms) for terms in self.prices])
            branches = [partial(run.block, plan, leaf.dtype) for plan in self.plans]
            block = lax.switch(jnp.argmin(prices), branches)
        return [[block.reshape((*out.shape, *leaf.shape))]], [read(values, atom) for atom in self.trace.results[1:]]


def symbolic_orders(call: FlatCall) -> SymbolicOrders | None:
    """Plan a call some of whose sizes are symbols.

    Parameters
    ----------
    call : FlatCall
        The call.

    Returns
    -------
    SymbolicOrders | None
        The orders; None for several arguments or results, for more symbols than a family may have, and where JAX cannot
        write a part out in the modes of an order.
    """
    if len(call.leaves) != 1:
        return None
    try:
        traced = trace(call.flat, call.leaves, symbols=True)
    except Exception:  # a size that JAX cannot compare
        return None
    found = _planned(traced, _Terms()) if len(call.outs) == 1 else None
    if found is None:
        return None
    try:
        jax.eval_shape(lambda *leaves: found.evaluated(call, leaves), *call.leaves)
    except Exception:  # the same, or a rule of the user's own that refuses a mode
        return None
    return found


def _planned(traced: FunctionTrace, terms: _Terms) -> SymbolicOrders | None:
    """Cut a function, and find orders of its parts."""
    parts = _cut(traced, terms)
    if parts is None or not 1 <= len(terms.names) <= MAX_SIZE_NAMES:
        return None
    avals = _avals(traced)
    ends = [terms.of(avals[v].shape) for v in (parts[0].source, *(part.target for part in parts))]
    prices = [terms.dominant([terms.price(e) for e in part.equations]) for part in parts]
    ranges = {name: terms.range(size) for size, name in terms.names.items()}
    family = _family(ends, prices, ranges)
    moves = ChainMoves(family)
    orders = few_orders(moves, sampled(list(ranges.values()), 0), MAX_ORDERS)
    return SymbolicOrders(
        traced,
        parts,
        tuple(moves.plan(order, family.graph) for order in orders),
        tuple(tuple(price for price in moves.prices(order) if isinstance(price, SizeTerm)) for order in orders),
        {name: size for size, name in terms.names.items()},
    )


class _Terms:
    """Sizes as terms of the symbols; a size that is no such term, as n - 1, gets a name of its own."""

    def __init__(self) -> None:
        self.names: dict[object, str] = {}

    def of(self, shape: Sequence[object]) -> SizeTerm:
        """Return the number of entries of an array."""
        term = SizeTerm(1)
        for size in shape:
            term = term.times(SizeTerm(size) if isinstance(size, int) else self._size(size))
        return term

    def _size(self, size: object) -> SizeTerm:
        """Return a size that is no number; JAX writes products of symbols as 3*m*n^2."""
        symbols = {str(known): name for known, name in self.names.items()}
        numbers, named = 1, list[str]()
        for factor in str(size).split("*"):
            symbol, _, power = factor.partition("^")
            if factor.isdecimal():
                numbers *= int(factor)
            elif symbol in symbols and (power or "1").isdecimal():
                named += [symbols[symbol]] * int(power or 1)
            else:
                return SizeTerm(1, (self.names.setdefault(size, f"n{len(self.names)}"),))
        return SizeTerm(numbers, tuple(sorted(named)))

    def price(self, e: TraceEquation) -> SizeTerm:
        """Return the multiply-adds of one tangent of an equation: those of a product, or the entries of an array."""
        if e.name == "dot_general":
            (contracted, _), _ = e.params["dimension_numbers"]
            return self.of(e.outs[0].shape).times(self.of([e.ins[0].shape[axis] for axis in contracted]))
        return max((self.of(aval.shape) for aval in (*e.ins, *e.outs)), key=self.middle)

    def dominant(self, terms: Sequence[SizeTerm]) -> SizeTerm:
        """Return the largest of some terms, scaled to be as large as their sum in the middle of the ranges."""
        largest = max(terms, key=self.middle)
        share = sum(map(self.middle, terms)) / max(1.0, self.middle(largest))
        return SizeTerm(max(1, round(largest.coefficient * share)), largest.names)

    def middle(self, term: SizeTerm) -> float:
        """Return a term in the middle of the ranges."""
        return float(term.at({name: sqrt(prod(self.range(size))) for size, name in self.names.items()}))

    def range(self, size: object) -> SizeRange:
        """Return the least and the largest power of two between which a size is known to be."""
        powers = [1 << i for i in range(MAX_SYMBOL.bit_length())]
        least = max((power for power in powers if _certain(ge, size, power)), default=1)
        most = min((power for power in powers if _certain(le, size, power)), default=MAX_SYMBOL)
        return least, max(least, most)


def _certain(comparison: Callable[[Any, Any], Any], size: object, power: int) -> bool:
    """Say whether a comparison holds whatever the symbols stand for."""
    try:
        return bool(comparison(size, power))
    except Exception:  # of a class that JAX keeps to itself, where it depends on the symbols
        return False


def _avals(traced: FunctionTrace) -> dict[int, Shaped]:
    """Return shapes and dtypes of the arguments and of the results of all equations."""
    avals = dict(enumerate(traced.closed.in_avals))
    for e in traced.equations:
        avals.update(zip(e.results, e.outs, strict=True))
    return avals


def _cut(traced: FunctionTrace, terms: _Terms) -> tuple[SymbolicPart, ...] | None:
    """Divide the equations that depend on the argument at narrow values that all of its paths pass."""
    avals, active, own = _avals(traced), {0}, list[TraceEquation]()
    for e in traced.equations:
        if not active.isdisjoint(o for o in e.operands if isinstance(o, int)):
            own.append(e)
            active.update(v for v in e.results if jnp.issubdtype(avals[v].dtype, jnp.inexact))
    result = traced.results[0]
    if not isinstance(result, int) or result not in active or result == 0:
        return None
    last = {v: at for at, e in enumerate(own) for v in e.operands if isinstance(v, int) and v in active}
    last[result] = len(own)
    cuts, live = list[tuple[int, int]](), {0}
    for at, e in enumerate(own):
        live = {v for v in (*live, *e.results) if last.get(v, -1) > at}
        if len(live) == 1 and at + 1 < len(own):
            cuts.append((at + 1, live.copy().pop()))
    sizes = [terms.of(avals[v].shape) for v in (0, *(v for _, v in cuts), result)]
    chosen = _narrow(cuts, sizes, terms)
    starts, ends = [(0, 0), *chosen], [*chosen, (len(own), result)]
    return tuple(
        SymbolicPart(tuple(own[first:end]), source, target)
        for (first, source), (end, target) in zip(starts, ends, strict=True)
    )


def _narrow(cuts: Sequence[tuple[int, int]], sizes: Sequence[SizeTerm], terms: _Terms) -> list[tuple[int, int]]:
    """Choose the cuts that are no wider than their neighbours at some sizes; of equal neighbours the last one."""
    different = [i for i in range(1, len(sizes) - 1) if sizes[i] != sizes[i + 1] and {*sizes[: i + 1]} != {sizes[0]}]
    kept = [0, *different, len(sizes) - 1]
    corners = [{name: terms.range(size)[end] for size, name in terms.names.items()} for end in (0, 1)]

    def is_narrow(before: int, own: int, after: int) -> bool:
        return any(
            sizes[own].at(at) <= min(sizes[before].at(at), sizes[after].at(at))
            and sizes[own].at(at) < max(sizes[before].at(at), sizes[after].at(at))
            for at in corners
        )

    narrow = [
        own for before, own, after in zip(kept, kept[1:], kept[2:], strict=False) if is_narrow(before, own, after)
    ]
    few = sorted(narrow, key=lambda i: (terms.middle(sizes[i]), i))[:MAX_CUTS]
    return [cuts[i - 1] for i in sorted(few)]


def _family(ends: Sequence[SizeTerm], prices: Sequence[SizeTerm], ranges: dict[str, SizeRange]) -> Family:
    """Return the chain of the parts: a family of matrix-free elementals with both modes."""
    least = {name: low for name, (low, _) in ranges.items()}
    vertices = [chain_vertex(i) for i in range(len(ends))]
    elementals = []
    for i, price in enumerate(prices):
        block, number = Block(ends[i + 1].at(least), ends[i].at(least)), price.at(least)
        elementals.append(Elemental(f"F{i + 1}", vertices[i], vertices[i + 1], block, number, number))
    sizes = {v: term.at(least) for v, term in zip(vertices, ends, strict=True)}
    return Family(
        Graph(sizes, (vertices[0],), (vertices[-1],), tuple(elementals)),
        ranges=ranges,
        sizes={v: term for v, term in zip(vertices, ends, strict=True) if term.names},
        prices={
            (e.name, key): price
            for e, price in zip(elementals, prices, strict=True)
            if price.names
            for key in ("tangent", "adjoint")
        },
    )


class _Run:
    """Writes the blocks of a plan: matrices of rows x columns, whose numbers may be symbols."""

    def __init__(self, parts: Sequence[SymbolicPart], values: dict[int, Array]) -> None:
        self._parts = {f"F{i}": part for i, part in enumerate(parts, 1)}
        self._values = values

    def block(self, plan: Plan, dtype: DTypeLike) -> Array:
        """Return the Jacobian by a plan, in this dtype."""
        held: list[Array] = []
        for step in plan.steps:
            match step:
                case Accumulate(name, mode):
                    part = self._parts[name]
                    size = prod(self._values[part.source if mode is Mode.TANGENT else part.target].shape)
                    held.append(self._applied(part, jnp.eye(size), mode))
                case Propagate(name, arg, mode):
                    held.append(self._applied(self._parts[name], held[arg], mode))
                case Multiply(left, right, None):
                    held.append(jnp.dot(held[left], held[right]))
                case _:
                    raise AssertionError(step)
        return held[plan.outputs[0].step].astype(dtype)

    def _applied(self, part: SymbolicPart, block: Array, mode: Mode) -> Array:
        """Apply the tangent of a part to the columns of a block, or its adjoint to the rows."""
        at, out = self._values[part.source], self._values[part.target]

        def function(value: Array) -> Array:
            held = self._values | {part.source: value}
            for e in part.equations:
                held.update(zip(e.results, e.apply(*(read(held, o) for o in e.operands)), strict=False))
            return held[part.target]

        if mode is Mode.TANGENT:
            lines = block.T.reshape((block.shape[1], *at.shape)).astype(at.dtype)
            made = jax.vmap(lambda line: jax.jvp(function, (at,), (line,))[1])(lines)
            return made.reshape((block.shape[1], prod(out.shape))).T
        lines = block.reshape((block.shape[0], *out.shape)).astype(out.dtype)
        pull = jax.vjp(function, at)[1]
        made = jax.vmap(lambda line: pull(line)[0])(lines)
        return made.reshape((block.shape[0], prod(at.shape)))
