"""Loops opened: a `scan` whose steps are differentiated by themselves, all at once, before they are multiplied.

A mode sends every vector through the body, step after step. The Jacobians of the steps need as many vectors as one step
has arguments or results, for all steps together, because the states between the steps are known once the loop has run.
What then remains is a linear recurrence (`recurrences`), and the planner sees it as a graph (`rules_loops`).

An opened loop computes, beside its results, the blocks of these Jacobians, each for all steps in one array. A loop
stays closed, one matrix-free elemental, where so few vectors pass it that this does not pay, or where the blocks are
too large; so does one whose body branches or loops on values, because a batch of steps would run all branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from math import prod

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend import core

from chainplan.jax.costs import equation_fma
from chainplan.jax.edges import is_complex, is_float
from chainplan.jax.errors import NotLinearised
from chainplan.jax.rules_elementwise import CONSTANT_PRIMITIVES
from chainplan.jax.trace import FunctionTrace, TraceEquation, flat, scan_counts
from chainplan.jax.types import Shaped

Differentiate = Callable[..., Callable[..., Sequence[Sequence[Array]]]]
"""Makes the Jacobian of a function by the positions `argnums`, in the trees of `jax.jacfwd`."""
BRANCHING_PRIMITIVES = frozenset(("cond", "while"))
"""The primitives that a batch of steps would run in another way than a loop does."""
MAX_BLOCK_ENTRIES = 5_000_000
"""The most entries of the blocks of all steps of a loop."""
MIN_LOOP_GAIN = 0.5
"""The share of its predicted time that an opened loop must save: what its steps take is predicted less well."""
STEP_OVERHEAD = 50
"""The time of one more equation in the body of a loop, whatever its size, in multiply-adds."""
STATES = -1
"""The name of the state in the keys of blocks, beside the positions of operands and results."""


@dataclass(frozen=True)
class LoopLayout:
    """Which parts of a loop derivatives pass through, by the positions of its operands and results.

    `carries`, `consts` and `xs` are operands. `observed` are the stacked results but for those that are the state
    behind each step; those are in `states`, with the position of the carry. `blocks` lists the Jacobians of a step that
    are not zero: a row, `STATES` or a stacked result, and a column, `STATES` or an operand.
    """

    length: int
    reverse: bool
    sizes: dict[int, int]
    carries: tuple[int, ...]
    consts: tuple[int, ...]
    xs: tuple[int, ...]
    finals: tuple[int, ...]
    observed: dict[int, int]
    states: dict[int, int]
    blocks: tuple[tuple[int, int], ...]

    @property
    def first(self) -> int:
        """The step that runs first, by its place in stacked arrays."""
        return self.length - 1 if self.reverse else 0

    @property
    def last(self) -> int:
        """The step that runs last."""
        return self.length - 1 - self.first

    @cached_property
    def starts(self) -> dict[int, int]:
        """Where each carry begins in the state."""
        return dict(zip(self.carries, accumulate((self.sizes[c] for c in self.carries), initial=0), strict=False))

    @property
    def state(self) -> int:
        """The number of entries of the state."""
        return sum(self.sizes[c] for c in self.carries)

    def rows(self, row: int) -> int:
        """Count the rows of a block."""
        return self.state if row == STATES else self.observed[row]

    def cols(self, column: int) -> int:
        """Count the columns of a block."""
        return self.state if column == STATES else self.sizes[column]


@dataclass(frozen=True)
class LoopEquation(TraceEquation):
    """A scan that computes the blocks of its steps beside its results; they have the numbers `kept`."""

    layout: LoopLayout | None = None
    differentiate: Differentiate = jax.jacfwd

    def apply(self, *values: Array) -> list[Array]:
        """Compute the results at operands of these values, and behind them the blocks of all steps, T x rows x cols."""
        consts, carry, xs = self._grouped(values)
        run = core.jaxpr_as_fun(self.params["jaxpr"])
        carry = [jnp.asarray(c, aval.dtype) for c, aval in zip(carry, self.ins[len(consts) :], strict=False)]

        def step(before: list[Array], x: list[Array]) -> tuple[list[Array], tuple[list[Array], list[Array]]]:
            results = run(*consts, *before, *x)
            return results[: len(before)], (before, results[len(before) :])

        last, (before, ys) = lax.scan(
            step, carry, xs, self.params["length"], self.params["reverse"], self.params["unroll"]
        )
        return [*last, *ys, *self._blocks(consts, before, xs)]

    def _grouped(self, values: Sequence[Array]) -> tuple[list[Array], list[Array], list[Array]]:
        """Split operands into constants, carries and what is scanned."""
        a, c = scan_counts(self.params)
        return list(values[:a]), list(values[a : a + c]), list(values[a + c :])

    def _blocks(self, consts: list[Array], before: list[Array], xs: list[Array]) -> list[Array]:
        """Differentiate all steps at once."""
        layout = self.layout
        assert layout is not None, "an opened loop has a layout"
        run = core.jaxpr_as_fun(self.params["jaxpr"])
        by = (*layout.carries, *layout.xs, *layout.consts)
        wanted = [*layout.finals, *layout.observed]
        if not layout.blocks:
            return []

        def at(before: list[Array], xs: list[Array]) -> list[Array]:
            given = [*consts, *before, *xs]

            def function(*leaves: Array) -> list[Array]:
                operands = list(given)
                for position, leaf in zip(by, leaves, strict=True):
                    operands[position] = leaf
                results = run(*operands)
                return [results[j] for j in wanted]

            made = self.differentiate(function, argnums=tuple(range(len(by))))(*(given[i] for i in by))
            rows = dict(zip(wanted, made, strict=True))
            return [self._block(rows, by, row, column) for row, column in layout.blocks]

        blocks: list[Array] = jax.vmap(at)(before, xs)
        return blocks

    def _block(self, rows: dict[int, Sequence[Array]], by: tuple[int, ...], row: int, column: int) -> Array:
        """Put one block of a step together from the Jacobians of its results by its operands."""
        layout = self.layout
        assert layout is not None
        taken = layout.finals if row == STATES else (row,)
        columns = layout.carries if column == STATES else (column,)
        lines = []
        for j in taken:
            parts = [rows[j][by.index(i)] for i in columns]
            height = prod(self.outs[j].shape[(0 if row == STATES else 1) :])
            lines.append(
                jnp.concatenate(
                    [part.reshape(height, layout.sizes[i]) for i, part in zip(columns, parts, strict=True)], 1
                )
            )
        return jnp.concatenate(lines)


def opened(
    trace: FunctionTrace,
    ins: Sequence[Shaped],
    outs: Sequence[Shaped],
    differentiate: Differentiate,
    vectors: int | None = None,
) -> FunctionTrace:
    """Open the loops of a trace where that pays.

    Parameters
    ----------
    ins, outs : Sequence[Shaped]
        The shape and the dtype of each argument, and of each result to be differentiated.
    differentiate : Differentiate
        What makes the Jacobian of one step.
    vectors : int | None
        The number of vectors that pass the loops; by default that of all columns, or of all rows.
    """
    if not any(e.name == "scan" for e in trace.equations):
        return trace
    if vectors is None:
        vectors = min(sum(prod(a.shape) for a in side if is_float(a)) for side in (ins, outs))
    active = {i for i, a in enumerate(ins) if is_float(a)}
    number = 1 + max([trace.arguments, *(r for e in trace.equations for r in e.results)])
    equations = []
    for equation in trace.equations:
        reached = tuple(i for i, o in enumerate(equation.operands) if isinstance(o, int) and o in active)
        if reached:
            active.update(
                r for r, a in zip(equation.results, equation.outs, strict=True) if is_float(a) or is_complex(a)
            )
        layout = _layout(equation, reached) if reached and equation.name == "scan" else None
        if layout is None or not _pays(equation, layout, vectors):
            equations.append(equation)
            continue
        kept = tuple(range(number, number + len(layout.blocks)))
        number += len(kept)
        equations.append(LoopEquation(**{**vars(equation), "kept": kept}, layout=layout, differentiate=differentiate))
    return replace(trace, equations=tuple(equations))


def _layout(equation: TraceEquation, reached: tuple[int, ...]) -> LoopLayout | None:
    """Find what derivatives pass through in a loop, None where it has to stay closed."""
    params = equation.params
    a, c = scan_counts(params)
    if params["length"] < 1 or len(equation.ins) == a or _branches(params["jaxpr"]):
        return None
    try:
        body = flat(params["jaxpr"])
    except NotLinearised:
        return None
    needs = _dependences(body)
    active = set(reached)
    while True:
        grown = active | {a + i for i in range(c) if needs[i] & active}
        if grown == active:
            break
        active = grown
    active = {i for i in active if is_float(equation.ins[i]) or is_complex(equation.ins[i])}
    if any(is_complex(equation.ins[i]) for i in active):
        return None
    carries = tuple(i for i in sorted(active) if a <= i < a + c)
    finals = tuple(i - a for i in carries)
    ys = [j for j in range(c, len(equation.outs)) if needs[j] & active]
    if any(not is_float(equation.outs[j]) for j in (*finals, *ys)):
        return None
    states = {
        j: i
        for j in ys
        for i in reversed(carries)
        if isinstance(body.results[j], int) and body.results[j] == body.results[i - a]
    }
    observed = {j: prod(equation.outs[j].shape[1:]) for j in ys if j not in states}
    xs = tuple(i for i in sorted(active) if i >= a + c)
    consts = tuple(i for i in sorted(active) if i < a)
    sizes = {i: prod(equation.ins[i].shape[(i >= a + c) :]) for i in sorted(active)}
    if not all(sizes.values()) or not all(observed.values()):
        return None
    rows = ([(STATES, set.union(*(set(needs[j]) for j in finals)))] if finals else []) + [
        (j, needs[j]) for j in observed
    ]
    columns = ([(STATES, set(carries))] if carries else []) + [(i, {i}) for i in (*xs, *consts)]
    blocks = tuple((row, column) for row, some in rows for column, own in columns if some & own)
    return LoopLayout(params["length"], params["reverse"], sizes, carries, consts, xs, finals, observed, states, blocks)


def _branches(program: core.ClosedJaxpr | core.Jaxpr) -> bool:
    """Say whether a program, or one inside it, branches or loops on values."""
    inner = getattr(program, "jaxpr", program)
    if any(eqn.primitive.name in BRANCHING_PRIMITIVES for eqn in inner.eqns):
        return True
    held = (
        p
        for eqn in inner.eqns
        for value in eqn.params.values()
        for p in (value if isinstance(value, tuple) else (value,))
    )
    return any(_branches(p) for p in held if hasattr(p, "eqns") or hasattr(p, "jaxpr"))


def _dependences(body: FunctionTrace) -> list[frozenset[int]]:
    """Return for each result of a function the arguments on which it depends with a derivative."""
    nothing: frozenset[int] = frozenset()
    found = {i: frozenset((i,)) for i in range(body.arguments)}
    for equation in body.equations:
        needs = nothing.union(*(found.get(o, nothing) for o in equation.operands if isinstance(o, int)))
        if equation.name in CONSTANT_PRIMITIVES:
            needs = nothing
        for result, aval in zip(equation.results, equation.outs, strict=True):
            found[result] = needs if is_float(aval) or is_complex(aval) else nothing
    return [found.get(r, nothing) if isinstance(r, int) else nothing for r in body.results]


def _pays(equation: TraceEquation, layout: LoopLayout, vectors: int) -> bool:
    """Say whether an opened loop is predicted to take less time than `vectors` vectors through the closed one."""
    entries = layout.length * sum(layout.rows(row) * layout.cols(column) for row, column in layout.blocks)
    if entries > MAX_BLOCK_ENTRIES:
        return False
    work, count = equation_fma(equation), _equations(equation.params["jaxpr"])
    columns = sum(layout.cols(i) for i in (*((STATES,) if layout.carries else ()), *layout.xs, *layout.consts))
    rows = sum(layout.rows(row) for row in {row for row, _ in layout.blocks})
    overhead = STEP_OVERHEAD * layout.length
    closed = work * vectors + overhead * count
    forming = work * min(rows, columns) + STEP_OVERHEAD * count
    composing = layout.length * layout.state**2 * vectors + overhead
    return forming + composing < (1 - MIN_LOOP_GAIN) * closed


def _equations(program: core.ClosedJaxpr | core.Jaxpr) -> int:
    """Count the equations that one run of a program takes, those inside others as often as they run."""
    total = 0
    for eqn in getattr(program, "jaxpr", program).eqns:
        inner = [p for p in eqn.params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr")]
        total += int(eqn.params.get("length", 1)) * sum(map(_equations, inner)) if inner else 1
    return total
