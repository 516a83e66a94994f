"""On which arguments each result of a function can depend, entry by entry, known from the shapes alone.

The structures of all equations are multiplied as patterns, without values and without a plan. Loops and branches are
gone through: a `scan` step by step, a `while` until nothing is added, a `cond` along all of its branches, so that a
batch of short loops keeps the pattern of one of them. What a plan holds as one matrix-free elemental has a pattern here
that is often far sparser. A pattern bounds the Jacobian from above; it is None where it would have too many entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jax.extend import core

from chainplan.jax.edges import ActiveEquation, entries, is_complex, is_float
from chainplan.jax.errors import NotLinearised
from chainplan.jax.rules import structured
from chainplan.jax.rules_matrix_free import MATRIX_FREE_PRIMITIVES
from chainplan.jax.rules_sparsity import pattern
from chainplan.jax.trace import FunctionTrace, TraceEquation, flat, scan_counts
from chainplan.jax.types import Shaped
from chainplan.structures import from_spec
from chainplan.structures.base import StructureWords

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Dependence = csr_array
    """Of each entry of a value, a row, the entries of all arguments on which it can depend."""

MAX_PATTERN_ENTRIES = 5_000_000
"""The most entries of a pattern on the way."""
MAX_FOLLOWED_STEPS = 3_000
"""The most steps of a loop that are followed."""

MAX_ROUNDS = 100
"""The most rounds of a loop of unknown length; then everything is said to depend on everything."""


class _TooManyEntries(Exception):
    """A pattern has too many entries."""


def dependences(trace: FunctionTrace, ins: Sequence[Shaped], outs: Sequence[Shaped]) -> Dependence | None:
    """Return the pattern of the Jacobian of all results by all arguments, one behind the other.

    Arrays that hold no real numbers have neither rows nor columns. None says that it would have too many entries.
    """
    try:
        return _stacked(_followed(trace, ins, outs))
    except (_TooManyEntries, NotLinearised):
        return None


def _followed(trace: FunctionTrace, ins: Sequence[Shaped], outs: Sequence[Shaped]) -> list[Dependence]:
    """Return the pattern of each result that holds numbers."""
    from scipy.sparse import csr_array, eye_array

    sizes = [_size(a) for a in ins]
    starts, width = np.cumsum([0, *sizes]), sum(sizes)
    whole = csr_array(eye_array(width, dtype=np.bool_))
    held = {i: whole[starts[i] : starts[i + 1]] for i, size in enumerate(sizes) if size}
    for equation in trace.equations:
        given = {i: held[o] for i, o in enumerate(equation.operands) if isinstance(o, int) and o in held}
        if given:
            made = _through(equation, given, width)
            held.update((equation.results[j], one) for j, one in made.items() if one.nnz)
    found = []
    for atom, a in zip(trace.results, outs, strict=False):
        one = held.get(atom) if isinstance(atom, int) else None
        found += [_nothing(_size(a), width) if one is None else one] if _size(a) else []
    return found


def _through(equation: TraceEquation, given: Mapping[int, Dependence], width: int) -> dict[int, Dependence]:
    """Return the patterns of the results of an equation at those of its operands."""
    outs = tuple(j for j, a in enumerate(equation.outs) if _size(a))
    if not outs:
        return {}
    if equation.name in _FOLLOWED:
        parts = [given.get(i, _nothing(_size(a), width)) for i, a in enumerate(equation.ins)]
        return dict(zip(outs, _FOLLOWED[equation.name](equation, parts), strict=True))
    made: dict[int | str, Dependence] = {}
    for source, target, rows, cols, words in _steps(ActiveEquation(equation, tuple(given), outs)):
        found = _product(words, rows, cols, made[source] if isinstance(source, str) else given[source])
        made[target] = made[target] + found if target in made else found
    return {j: one for j, one in made.items() if isinstance(j, int)}


def _steps(active: ActiveEquation) -> Iterator[tuple[int | str, int | str, int, int, StructureWords]]:
    """Yield source, target, rows, columns and structure of the elementals of an equation, one after the other."""
    edges = structured(active)
    if edges is not None:
        for edge in edges:
            yield edge.source, edge.target, edge.rows, edge.cols, edge.words
        return
    alone = len(active.outs) == 1 and (len(active.ins) == 1 or active.equation.name in MATRIX_FREE_PRIMITIVES)
    for i in active.ins:
        for j in active.outs:
            words = pattern(active, i, j) if alone else "dense"
            yield i, j, entries(active.equation.outs[j]), active.size(i), words


def _product(words: StructureWords, rows: int, cols: int, before: Dependence) -> Dependence:
    """Multiply a structure by a pattern."""
    from scipy.sparse import csr_array

    if words == "identity":
        return before
    if words == "dense":
        union = np.unique(before.indices)
        _require_few(rows * union.size)
        pointers = np.arange(rows + 1) * union.size
        ones = np.ones(rows * union.size, dtype=np.bool_)
        return csr_array((ones, np.tile(union, rows), pointers), shape=(rows, before.shape[1]))
    ((word, argument),) = ((words, None),) if isinstance(words, str) else words.items()
    left = from_spec(word, argument, (rows, cols), Path()).pattern(rows, cols)
    _require_few(int(np.diff(before.indptr)[left.indices].sum()))
    return csr_array(left.astype(np.bool_) @ before)


def _of_scan(equation: TraceEquation, parts: Sequence[Dependence]) -> list[Dependence]:
    """Go through a loop step by step; what is scanned and what is stacked have a slice for each step."""
    params = equation.params
    length, (a, c) = int(params["length"]), scan_counts(params)
    if length > MAX_FOLLOWED_STEPS:
        return _of_everything(equation, parts)
    body, cuts = _body(params["jaxpr"])
    held = list(parts[: a + c])
    stacks: list[list[Dependence]] = [[] for _ in equation.outs[c:]]
    for step in range(length):
        t = length - 1 - step if params["reverse"] else step
        scanned = [one[t * (one.shape[0] // length) : (t + 1) * (one.shape[0] // length)] for one in parts[a + c :]]
        made = _split(_within(body, [*held, *scanned]), cuts)
        held[a:] = made[:c]
        for stack, one in zip(stacks, made[c:], strict=True):
            stack.append(one)
    width = parts[0].shape[1]
    ends = [_stacked(stack[::-1] if params["reverse"] else stack) if length else _nothing(0, width) for stack in stacks]
    sizes = [_size(a) for a in equation.outs]
    return [one for one, size in zip([*held[a:], *ends], sizes, strict=True) if size]


def _of_while(equation: TraceEquation, parts: Sequence[Dependence]) -> list[Dependence]:
    """Go through the body of a loop until the pattern of its state takes no more entries, or for too many rounds."""
    params = equation.params
    body, cuts = _body(params["body_jaxpr"])
    consts = list(parts[params["cond_nconsts"] : params["cond_nconsts"] + params["body_nconsts"]])
    held = list(parts[params["cond_nconsts"] + params["body_nconsts"] :])
    for _ in range(MAX_ROUNDS):
        made = _split(_within(body, [*consts, *held]), cuts)
        grown = [one + other for one, other in zip(held, made, strict=True)]
        if sum(one.nnz for one in grown) == sum(one.nnz for one in held):
            return [one for one, a in zip(held, equation.outs, strict=True) if _size(a)]
        held = grown
    return _of_everything(equation, parts)


def _of_cond(equation: TraceEquation, parts: Sequence[Dependence]) -> list[Dependence]:
    """Go through all branches."""
    found: list[Dependence] = []
    for branch in equation.params["branches"]:
        body, cuts = _body(branch)
        made = _split(_within(body, parts[1:]), cuts)
        found = [one + other for one, other in zip(found, made, strict=True)] if found else made
    return [one for one, a in zip(found, equation.outs, strict=True) if _size(a)]


_FOLLOWED: dict[str, Callable[[TraceEquation, Sequence[Dependence]], list[Dependence]]] = {
    "scan": _of_scan,
    "while": _of_while,
    "cond": _of_cond,
}
"""By the name of a primitive that runs a program of its own: what goes through that program."""


def _of_everything(equation: TraceEquation, parts: Sequence[Dependence]) -> list[Dependence]:
    """Let every result depend on all operands."""
    whole = _stacked(parts)
    return [_product("dense", _size(a), whole.shape[0], whole) for a in equation.outs if _size(a)]


def _body(program: core.ClosedJaxpr) -> tuple[Dependence, list[int]]:
    """Return the pattern of a program, and where its results end; those without numbers have no rows."""
    traced = flat(program)
    outs = [v.aval for v in program.jaxpr.outvars]
    found = _followed(traced, [v.aval for v in program.jaxpr.invars], outs)
    return _stacked(found), np.cumsum([_size(a) for a in outs]).tolist()


def _within(body: Dependence, parts: Sequence[Dependence]) -> Dependence:
    """Return what the results of a body depend on, where its arguments depend on `parts`."""
    from scipy.sparse import csr_array

    before = _stacked(parts)
    _require_few(int(np.diff(before.indptr)[body.indices].sum()))
    return csr_array(body @ before)


def _split(whole: Dependence, cuts: Sequence[int]) -> list[Dependence]:
    """Cut a pattern into those of several results."""
    return [whole[start:end] for start, end in zip([0, *cuts[:-1]], cuts, strict=True)]


def _stacked(parts: Sequence[Dependence]) -> Dependence:
    """Put patterns one below the other."""
    from scipy.sparse import csr_array, vstack

    return csr_array(vstack(parts, format="csr", dtype=np.bool_))


def _nothing(rows: int, width: int) -> Dependence:
    """Return a pattern without entries."""
    from scipy.sparse import csr_array

    return csr_array((rows, width), dtype=np.bool_)


def _require_few(count: int) -> None:
    """Give up a pattern with too many entries."""
    if count > MAX_PATTERN_ENTRIES:
        raise _TooManyEntries


def _size(aval: Shaped) -> int:
    """Count the entries of an array through which derivatives can pass."""
    return entries(aval) if is_float(aval) or is_complex(aval) else 0
