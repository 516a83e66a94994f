"""The kernels of a program: what XLA's CPU backend fuses, and how often a kernel evaluates each operation in it.

A kernel computes one array. It evaluates the expression of each entry anew, so that what several entries or several
branches share is computed again for each: a sine of one number that is broadcast into a padded array is computed for
every entry of it. Which operations are fused follows the rules of XLA (cpu_instruction_fusion.cc): what is expensive is
never computed twice, what is cheap always may be, and an operation of several large operands only where all that reads
it is one kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from math import prod

from chainplan.jax.flat_program import LOOPS, FlatProgram, Operation, alive, elements
from chainplan.jax.types import Shaped

MAX_JOINED = 8
"""The most operands of a concatenation that is fused."""
MAX_EMITTED = 15
"""How often the code of an operation may be emitted in one kernel."""
MAX_REDUCTIONS = 5
"""The number of reductions in a kernel beyond which no other one is fused."""
MAX_PATH_OPERATIONS = 200
"""The most operations between an operation and what reads it that are looked through."""


def names(text: str) -> frozenset[str]:
    """Return the names that a text lists."""
    return frozenset(text.split())


RESHAPES = names("reshape squeeze expand_dims bitcast_convert_type")
COPIES = names("copy stop_gradient reduce_precision optimization_barrier name")
JOINS = names("concatenate stack")
BRANCHES = JOINS | names("pad dynamic_update_slice")
"""Operations in which an entry comes from one of several places."""
SLICES = names("slice split unstack")
MOVES = RESHAPES | COPIES | BRANCHES | SLICES | names("broadcast_in_dim iota rev transpose dynamic_slice gather tile")
DEAR = names(
    "exp exp2 expm1 log log1p tanh logistic pow atan atan2 asin acos sinh cosh asinh acosh atanh erf erfc erf_inv "
    "lgamma digamma cbrt igamma sqrt rsqrt div rem"
)
"""What is never computed twice."""
_UNFUSED = (
    *("scatter", "dot_general", "conv", "sort", "cum", "custom", "fft", "rng", "random", "top_k", "arg"),
    "reduce_window",
)
LINALG = names("lu cholesky qr geqrf eigh svd eig householder_product triangular_solve")


def is_fusible(op: Operation) -> bool:
    """Say whether an operation can become a part of a kernel."""
    if op.name in LINALG | LOOPS or op.name.startswith(_UNFUSED):
        return False
    return len(op.outs) == 1 or op.name in SLICES


def reduces(op: Operation) -> bool:
    """Say whether an operation reduces an array over some axes."""
    return op.name.startswith("reduce_") and "axes" in op.params


@dataclass
class Kernel:
    """The kernel of a value: what it reads, and the operations in it by the value that they make.

    `evaluations` says how many times each is evaluated where all entries take the same way, and how many times within
    a branch; those of values that are read are the times that an entry of them is.
    """

    root: int
    inside: set[int]
    reads: set[int] = field(default_factory=set)
    evaluations: dict[int, tuple[float, float]] = field(default_factory=dict)


class Fusions:
    """The kernels of a flat program; `maker` has the operations that XLA runs, by the values that they make."""

    def __init__(self, program: FlatProgram, results: Iterable[int]) -> None:
        self._avals, self._results = program.avals, set(results)
        self._sizes = [elements(aval) for aval in program.avals]
        operations = alive(_simplified(program), self._results)
        self.maker = {v: op for op in operations for v in op.outs}
        self._place = {v: i for i, op in enumerate(operations) for v in op.outs}
        self._users: dict[int, set[int]] = {}
        for v, op in self.maker.items():
            for u in op.ins:
                self._users.setdefault(u, set()).add(v)
        self._readers = {v: set(users) for v, users in self._users.items()}
        self._fusible = {v for v, op in self.maker.items() if is_fusible(op)}
        self._single = self._not_duplicated()
        self.kernels = self._fused()

    def size(self, v: int) -> int:
        """Count the entries of a value."""
        return self._sizes[v]

    def _fits(self, consumer: int, producer: int, whole: bool = True) -> bool:
        """Say whether a value may be computed where another one is, whatever else is computed there."""
        made, used = self.maker[producer], self.maker[consumer]
        if producer not in self._fusible or consumer not in self._fusible:
            return False
        if _is_long(made) or (whole and _is_long(used)):
            return False
        return not (made.name in DEAR and (self._others(producer, consumer) or producer in self._reused(consumer)))

    def _others(self, producer: int, consumer: int) -> bool:
        """Say whether something else reads a value."""
        return producer in self._results or bool(self._users[producer] - {consumer})

    def _not_duplicated(self) -> set[int]:
        """Return the values of several large operands that are not computed twice, last ones first."""
        found: set[int] = set()
        for v in sorted(self.maker, key=self._place.__getitem__, reverse=True):
            op = self.maker[v]
            rank = _true_rank(self._avals[v])
            large = [u for u in op.ins if self._is_large(u) and _true_rank(self._avals[u]) >= rank]
            if len(large) <= 1 or sum(map(self.size, set(op.ins))) <= self.size(v):
                continue
            if v not in self._fusible or not self._fits_on_all_paths(v, found):
                found.add(v)
        return found

    def _is_large(self, v: int) -> bool:
        op = self.maker.get(v)
        return op.name not in ("broadcast_in_dim", "iota") if op is not None else self.size(v) > 1

    def _fits_on_all_paths(self, producer: int, single: set[int]) -> bool:
        """Say whether a value can be computed in all that reads it, along every path."""
        if producer in self._results:
            return False
        seen, front = {producer}, list(self._users.get(producer, ()))
        while front:
            v = front.pop()
            if v in seen:
                continue
            seen.add(v)
            if len(seen) > MAX_PATH_OPERATIONS:
                return False
            for u in self.maker[v].ins:
                if u in self._ancestry and (u == producer or self._ancestry[u] >> self._place[producer] & 1):
                    if (u != producer and u in single) or not self._fits(v, u):
                        return False
                    front.append(u)
        return True

    @cached_property
    def _ancestry(self) -> dict[int, int]:
        """The operations that each value depends on, as the bits of a number."""
        found: dict[int, int] = {}
        for v in self.maker:
            bits = 0
            for u in self.maker[v].ins:
                if u in found:
                    bits |= found[u] | 1 << self._place[u]
            found[v] = bits
        return found

    def _fused(self) -> list[Kernel]:
        """Fuse as XLA does, from the results up, and return the kernels."""
        kernels = []
        left = set(self.maker)
        for v in sorted(self.maker, key=self._place.__getitem__, reverse=True):
            if v not in left or (v not in self._results and not self._users.get(v)):
                continue
            if v not in self._fusible:
                continue
            kernels.append(self._kernel(v, left))
        for kernel in kernels:
            self._evaluate(kernel)
        return kernels

    def _kernel(self, root: int, left: set[int]) -> Kernel:
        """Fuse into a value what can be, and take what nothing else reads out of what is left."""
        kernel = Kernel(root, {root})
        reused = self._reused(root)
        users = {root: {-1: 1.0}}
        counts: dict[int, float] = {-1: 1.0}
        self._index(root, users, counts)
        heap: list[tuple[int, int]] = []
        queued = set()

        def enqueue(v: int) -> None:
            for u in self.maker[v].ins:
                if u not in self.maker:
                    kernel.reads.add(u)
                elif u not in queued:
                    queued.add(u)
                    heappush(heap, (-self._place[u], u))

        enqueue(root)
        reductions = int(reduces(self.maker[root]))
        while heap:
            v = heappop(heap)[1]
            op = self.maker[v]
            fits = v not in self._single and self._fits(root, v, whole=len(kernel.inside) == 1)
            fits = fits and not (op.name in DEAR and v in reused)
            fits = fits and not (reduces(op) and reductions > MAX_REDUCTIONS)
            if fits and len(kernel.inside) > 1:
                fits = not self._emits_too_much(v, sum(counts[u] for u in users[v]))
            if not fits:
                kernel.reads.add(v)
                continue
            reductions += reduces(op)
            kernel.inside.add(v)
            reused |= set(op.ins) if v in reused else self._reused(v)
            self._index(v, users, counts)
            self._users[v].discard(root)
            for u in op.ins:
                if u in self._users:
                    self._users[u].add(root)
            if not self._users[v] and v not in self._results:
                left.discard(v)
                for u in op.ins:
                    self._users[u].discard(v)
            enqueue(v)
        return kernel

    def _reused(self, v: int) -> set[int]:
        """Return the operands of which an entry is read for several entries of the result."""
        op = self.maker[v]
        if op.name in MOVES or reduces(op):
            return set(op.ins) if op.name in ("broadcast_in_dim", "tile") else set()
        return {u for u in op.ins if self.size(u) < self.size(v)}

    def _emits_too_much(self, v: int, emitted: float) -> bool:
        """Say whether an operation would be written down too many times in a kernel."""
        op = self.maker[v]
        if op.name == "broadcast_in_dim":
            return False
        again = emitted > 1 or len(self._readers[v]) > 1
        return emitted > MAX_EMITTED or (again and (op.name in BRANCHES or reduces(op)))

    def _index(self, v: int, users: dict[int, dict[int, float]], counts: dict[int, float]) -> None:
        """Note by what places the operands of an operation are read: by those of its own entries, or by new ones."""
        counts[v] = sum(counts[u] for u in users[v])
        op = self.maker[v]
        for u in op.ins:
            same = op.name == "transpose" or self._avals[u].shape == self._avals[v].shape
            users.setdefault(u, {}).update(users[v] if same and op.name not in BRANCHES else {v: 1.0})

    def _evaluate(self, kernel: Kernel) -> None:
        """Count how many times each operation of a kernel is evaluated for all of its entries.

        What stays the same along the inner loop of a kernel is evaluated once for it, and a number once.
        """
        entries, inner = self.size(kernel.root), _last_axis(self._avals[kernel.root].shape)
        along: dict[int, int | None] = {kernel.root: inner}
        users: dict[int, dict[int, float]] = {kernel.root: {-1: 1.0}}
        weight: dict[int, tuple[float, float]] = {-1: (1.0, 0.0)}
        steps = 1 if inner is None else self._avals[kernel.root].shape[inner]

        def total(v: int) -> tuple[float, float]:
            plain = sum(weight[u][0] * share for u, share in users[v].items())
            branched = sum(weight[u][1] * share for u, share in users[v].items())
            once = 1.0 if self.size(v) > 1 else min(1.0, 1 / max(1e-9, entries * (plain + branched)))
            return plain * once, branched * once

        for v in sorted(kernel.inside, key=self._place.__getitem__, reverse=True):
            plain, branched = weight[v] = total(v)
            op, size = self.maker[v], self.size(v)
            kernel.evaluations[v] = plain * entries, branched * entries
            if op.name in BRANCHES and len(kernel.inside) > 1 and self._places_along(op, along[v]):
                weight[v] = 0.0, plain + branched
            for u in op.ins:
                axis = _axis_of_operand(op, self._avals[u].shape, self._avals[v].shape, along[v])
                share = 1.0
                if op.name in BRANCHES or reduces(op):
                    share = self.size(u) / max(1, size)
                elif axis is None and along[v] is not None:
                    share = 1 / steps
                same = op.name == "transpose" or self._avals[u].shape == self._avals[v].shape
                users.setdefault(u, {}).update(users[v] if same and op.name not in BRANCHES else {v: share})
                along[u] = axis
        for v in kernel.reads:
            plain, branched = total(v)
            kernel.evaluations[v] = plain * entries, branched * entries

    def _places_along(self, op: Operation, axis: int | None) -> bool:
        """Say whether the entries along an axis of a result come from different places."""
        if op.name in JOINS:
            return axis == _axis(op)
        if op.name == "pad":
            return axis is not None and any(op.params["padding_config"][axis])
        return True


def _last_axis(shape: Sequence[int]) -> int | None:
    """Return the last axis with more than one entry."""
    return next((i for i in reversed(range(len(shape))) if shape[i] > 1), None)


def _axis_of_operand(op: Operation, given: Sequence[int], made: Sequence[int], axis: int | None) -> int | None:
    """Return the axis of an operand along which it is read where the result is made along `axis`; None for none."""
    if axis is None:
        return None
    name = op.name
    if name == "transpose":
        return int(op.params["permutation"][axis])
    if name == "broadcast_in_dim":
        dims = tuple(op.params["broadcast_dimensions"])
        return dims.index(axis) if axis in dims and given[dims.index(axis)] > 1 else None
    if name == "stack":
        place = _axis(op)
        return None if axis == place else axis - (axis > place)
    if name == "unstack":
        return axis + (axis >= _axis(op))
    if name in RESHAPES:
        behind = prod(made[axis + 1 :])
        return next((i for i in range(len(given)) if given[i] > 1 and prod(given[i + 1 :]) == behind), None)
    if reduces(op):
        kept = [i for i in range(len(given)) if i not in op.params["axes"]]
        return kept[axis] if axis < len(kept) else _last_axis(given)
    if len(given) != len(made):
        return _last_axis(given)
    return axis if given[axis] > 1 else None


def _is_long(op: Operation) -> bool:
    """Say whether an operation joins so many arrays that they are better written one by one."""
    return op.name in JOINS and len(op.ins) > MAX_JOINED


def _simplified(program: FlatProgram) -> list[Operation]:
    """Return the operations of a program but for those that XLA does not run.

    Numbers that follow from the source alone are known, a division by one is a product, and what is joined of joined
    arrays is joined at once.
    """
    known, made, kept = set(program.literals), dict[int, Operation](), []
    for op in program.operations:
        number = is_fusible(op) and all(elements(program.avals[v]) == 1 for v in op.outs)
        if known.issuperset(op.ins) and (number or op.name == "broadcast_in_dim"):
            known.update(op.outs)
            continue
        if op.name == "div" and op.ins[1] in known:
            op = op._replace(name="mul")
        if op.name == "concatenate":
            parts = [made[v].ins if v in made and _axis(made[v]) == _axis(op) else (v,) for v in op.ins]
            flat = [v for part in parts for v in part]
            op = op._replace(ins=tuple(v for i, v in enumerate(flat) if not i or v != flat[i - 1] or v not in known))
        if op.name in JOINS:
            made[op.outs[0]] = op
        kept.append(op)
    return kept


def _axis(op: Operation) -> int:
    """Return the axis along which an operation joins arrays or takes one apart."""
    return int(op.params["dimension" if "dimension" in op.params else "axis"])


def _true_rank(aval: Shaped) -> int:
    """Count the axes along which an array has more than one entry."""
    return sum(side > 1 for side in aval.shape)
