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

from chainplan.jax.flat_program import FlatProgram, Operation, alive, elements
from chainplan.jax.operation_kinds import (
    BRANCHES,
    DEAR,
    JOINS,
    MOVES,
    axis_of_operand,
    is_fusible,
    is_long,
    joined_axis,
    last_axis,
    reduces,
    true_rank,
)

MAX_EMITTED = 15
"""How often the code of an operation may be emitted in one kernel."""
MAX_REDUCTIONS = 5
"""The number of reductions in a kernel beyond which no other one is fused."""
MAX_AGAIN, FREE_AGAIN = 8, 10_000
"""How often operations are computed once more in further kernels, on average, and how many may be beside; XLA has no
such limit, and takes as long for large programs."""
MAX_PATH_OPERATIONS = 200
"""The most operations between an operation and what reads it that are looked through."""


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


class _Readers:
    """What reads a value: for each reader, how often for an entry of its own; values read alike share one.

    It is never changed, and its totals are known once: a reader is counted before what it reads.
    """

    __slots__ = ("_totals", "shares")

    def __init__(self, shares: dict[int, float]) -> None:
        self.shares = shares
        self._totals: tuple[float, ...] | None = None

    def totals(self, *counts: dict[int, float]) -> tuple[float, ...]:
        """Add up the counts of all readers, by each of several measures."""
        if self._totals is None:
            self._totals = tuple(sum(count[u] * share for u, share in self.shares.items()) for count in counts)
        return self._totals

    def joined(self, other: _Readers) -> _Readers:
        """Return the readers of both."""
        if other.shares.items() <= self.shares.items():
            return self
        return _Readers(self.shares | other.shares)


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
        self._dear, self._branches, self._reductions = (
            {v for v, op in self.maker.items() if kind(op)}
            for kind in (lambda op: op.name in DEAR, lambda op: op.name in BRANCHES, reduces)
        )
        self._alike = {v: self._operands_alike(v) for v in self.maker}
        self._reused = {v: self._operands_reused(v) for v in self.maker}
        self._along: dict[tuple[int, int | None, int], Sequence[tuple[int, int | None, float | None]]] = {}
        self._again = MAX_AGAIN * len(self.maker) + FREE_AGAIN
        self._single = self._not_duplicated()
        self.kernels = self._fused()

    def size(self, v: int) -> int:
        """Count the entries of a value."""
        return self._sizes[v]

    def _fits(self, consumer: int, producer: int, whole: bool, others: bool) -> bool:
        """Say whether a value may be computed where another one is, whatever else is computed there.

        `whole` says that nothing else is so far, `others` that something else reads the value.
        """
        if producer not in self._fusible or consumer not in self._fusible:
            return False
        if is_long(self.maker[producer]) or (whole and is_long(self.maker[consumer])):
            return False
        return not (producer in self._dear and (others or producer in self._reused[consumer]))

    def _others(self, producer: int, consumer: int) -> bool:
        """Say whether something else reads a value."""
        users = self._users[producer]
        return producer in self._results or len(users) > (consumer in users)

    def _not_duplicated(self) -> set[int]:
        """Return the values of several large operands that are not computed twice, last ones first."""
        found: set[int] = set()
        for v in sorted(self.maker, key=self._place.__getitem__, reverse=True):
            op = self.maker[v]
            rank = true_rank(self._avals[v])
            large = [u for u in op.ins if self._is_large(u) and true_rank(self._avals[u]) >= rank]
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
                    if (u != producer and u in single) or not self._fits(v, u, True, self._others(u, v)):
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
        reused = set(self._reused[root])
        users: dict[int, _Readers] = {root: _Readers({-1: 1.0})}
        counts: dict[int, float] = {-1: 1.0}
        self._index(root, users, counts)
        heap: list[tuple[int, int]] = []
        queued = set()

        def enqueue(v: int) -> None:
            for u in self.maker[v].ins:
                if u not in queued:
                    queued.add(u)
                    if u in self.maker:
                        heappush(heap, (-self._place[u], u))
                    else:
                        kernel.reads.add(u)

        enqueue(root)
        reductions = int(root in self._reductions)
        while heap:
            v = heappop(heap)[1]
            again = self._others(v, root)
            fits = v not in self._single and self._fits(root, v, len(kernel.inside) == 1, again)
            fits = fits and not (v in self._dear and v in reused)
            fits = fits and not (v in self._reductions and reductions > MAX_REDUCTIONS)
            fits = fits and not (again and self._again <= 0)
            if fits and len(kernel.inside) > 1:
                fits = not self._emits_too_much(v, users[v].totals(counts)[0])
            if not fits:
                kernel.reads.add(v)
                continue
            self._again -= again
            reductions += v in self._reductions
            kernel.inside.add(v)
            reused.update(self.maker[v].ins if v in reused else self._reused[v])
            self._index(v, users, counts)
            self._users[v].discard(root)
            for u in self.maker[v].ins:
                if u in self._users:
                    self._users[u].add(root)
            if not self._users[v] and v not in self._results:
                left.discard(v)
                for u in self.maker[v].ins:
                    self._users[u].discard(v)
            enqueue(v)
        return kernel

    def _operands_alike(self, v: int) -> list[tuple[int, bool]]:
        """Return the operands of a value, each with whether an entry of it is read where that of the value is."""
        op, shape = self.maker[v], self._avals[v].shape
        turned, branches = op.name == "transpose", v in self._branches
        return [(u, not branches and (turned or self._avals[u].shape == shape)) for u in op.ins]

    def _operands_reused(self, v: int) -> frozenset[int]:
        """Return the operands of which an entry is read for several entries of the result."""
        op = self.maker[v]
        if op.name in MOVES or v in self._reductions:
            return frozenset(op.ins if op.name in ("broadcast_in_dim", "tile") else ())
        return frozenset(u for u in op.ins if self.size(u) < self.size(v))

    def _emits_too_much(self, v: int, emitted: float) -> bool:
        """Say whether an operation would be written down too many times in a kernel."""
        if self.maker[v].name == "broadcast_in_dim":
            return False
        again = emitted > 1 or len(self._readers[v]) > 1
        return emitted > MAX_EMITTED or (again and (v in self._branches or v in self._reductions))

    def _index(self, v: int, users: dict[int, _Readers], counts: dict[int, float]) -> None:
        """Note by what places the operands of an operation are read: by those of its own entries, or by new ones."""
        counts[v] = users[v].totals(counts)[0]
        for u, alike in self._alike[v]:
            given = users[v] if alike else _Readers({v: 1.0})
            users[u] = users[u].joined(given) if u in users else given

    def _evaluate(self, kernel: Kernel) -> None:
        """Count how many times each operation of a kernel is evaluated for all of its entries.

        What stays the same along the inner loop of a kernel is evaluated once for it, and a number once.
        """
        entries, inner = self.size(kernel.root), last_axis(self._avals[kernel.root].shape)
        along: dict[int, int | None] = {kernel.root: inner}
        users: dict[int, _Readers] = {kernel.root: _Readers({-1: 1.0})}
        plain: dict[int, float] = {-1: 1.0}
        branched: dict[int, float] = {-1: 0.0}
        steps = 1 if inner is None else self._avals[kernel.root].shape[inner]
        joined = len(kernel.inside) > 1

        def total(v: int) -> tuple[float, float]:
            one, other = users[v].totals(plain, branched)
            once = 1.0 if self.size(v) > 1 else min(1.0, 1 / max(1e-9, entries * (one + other)))
            return one * once, other * once

        for v in sorted(kernel.inside, key=self._place.__getitem__, reverse=True):
            one, other = plain[v], branched[v] = total(v)
            kernel.evaluations[v] = one * entries, other * entries
            if v in self._branches and joined and self._places_along(self.maker[v], along[v]):
                plain[v], branched[v] = 0.0, one + other
            for u, axis, share in self._operands_along(v, along[v], steps):
                given = users[v] if share is None else _Readers({v: share})
                users[u] = users[u].joined(given) if u in users else given
                along[u] = axis
        for v in kernel.reads:
            one, other = total(v)
            kernel.evaluations[v] = one * entries, other * entries

    def _operands_along(self, v: int, axis: int | None, steps: int) -> Sequence[tuple[int, int | None, float | None]]:
        """Return the operands of a value, the axis along which each is read, and how often for each entry.

        None stands for as often as the value itself is, for the same entries.
        """
        key = v, axis, steps
        if key not in self._along:
            op, size, found = self.maker[v], self.size(v), list[tuple[int, int | None, float | None]]()
            for u, alike in self._alike[v]:
                behind = axis_of_operand(op, self._avals[u].shape, self._avals[v].shape, axis)
                share: float | None = 1.0
                if v in self._branches or v in self._reductions:
                    share = self.size(u) / max(1, size)
                elif behind is None and axis is not None:
                    share = 1 / steps
                found.append((u, behind, None if alike else share))
            self._along[key] = found
        return self._along[key]

    def _places_along(self, op: Operation, axis: int | None) -> bool:
        """Say whether the entries along an axis of a result come from different places."""
        if op.name in JOINS:
            return axis == joined_axis(op)
        if op.name == "pad":
            return axis is not None and any(op.params["padding_config"][axis])
        return True


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
            parts = [made[v].ins if v in made and joined_axis(made[v]) == joined_axis(op) else (v,) for v in op.ins]
            flat = [v for part in parts for v in part]
            op = op._replace(ins=tuple(v for i, v in enumerate(flat) if not i or v != flat[i - 1] or v not in known))
        if op.name in JOINS:
            made[op.outs[0]] = op
        kept.append(op)
    return kept
