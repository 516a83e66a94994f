"""The predicted time of a program: what XLA executes of it, each kernel at its work and at the bytes it moves.

Plans and modes are compared by what will run, so that both are traced to programs and read by one rule. Chains of
elementwise operations are fused and cost their arithmetic alone; an array is written to memory where it is a result,
where a kernel that is not fused makes or takes it, or where it is expensive and read more than once. Work that does not
depend on a batch is not batched in the program, so that it counts once.

The rates were fitted to the times of compiled calls of the suite `jax` (`bench/reports/jax.md`), by plan and by both
modes, one point and batches, on one thread. Only ratios of predictions are used.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from jax.extend import core

from chainplan.jax.costs import ASSUMED_LOOP_TRIPS
from chainplan.jax.flat_program import LOOPS, FlatProgram, Operation, elements, size_in_bytes
from chainplan.jax.types import Parameters, Shaped

NEAR_BYTES = 1 << 18
"""The largest array that is written to a cache rather than to memory."""
MAX_FUSED_PARTS = 4
"""The number of arrays that are joined in the kernel that makes them."""
THIN = 8
"""A matrix product with a side below this one is not worth the library's kernel."""

SECONDS = {
    "call": 9.9e-6,
    "results": 2.1e-6,
    "kernels": 7.7e-8,
    "fma": 6e-11,
    "thin_fma": 1.3e-10,
    "vector_fma": 8.9e-11,
    "dots": 8.7e-9,
    "simple": 2.7e-10,
    "slow": 1.3e-10,
    "expensive": 4.2e-9,
    "moved": 1.4e-10,
    "gathered": 6.3e-10,
    "scattered": 5.5e-9,
    "reduced": 6.7e-10,
    "read": 1.1e-11,
    "written": 9.4e-12,
    "written_far": 5.1e-12,
    "linalg_fma": 2.2e-10,
    "linalg_calls": 8.6e-7,
    "trips": 1.7e-7,
    "turned": 5.9e-10,
    "joined": 1.6e-9,
}
"""Seconds per unit of each kind of work: calls, kernels, multiply-adds, entries or bytes."""


def _names(text: str) -> frozenset[str]:
    """Return the names that a text lists."""
    return frozenset(text.split())


_VIEWS = frozenset(("reshape", "squeeze", "expand_dims", "copy", "stop_gradient", "transpose"))
_FREE = _names(
    "reshape squeeze expand_dims broadcast_in_dim stop_gradient iota copy reduce_precision optimization_barrier slice "
    "convert_element_type split unstack bitcast_convert_type real imag name rev"
)
"""Primitives that are fused into what reads them, at no work of their own."""
_MOVING = _names("pad concatenate stack gather dynamic_slice dynamic_update_slice tile")
_EXPENSIVE = _names(
    "exp exp2 expm1 log log1p sin cos tan tanh logistic pow atan atan2 asin acos sinh cosh asinh acosh atanh erf erfc "
    "erf_inv lgamma digamma cbrt igamma"
)
_SLOW = _names("sqrt rsqrt div rem")
_LINALG = _names("lu cholesky qr geqrf eigh svd eig householder_product triangular_solve")
_NOT_FUSED = ("scatter", "dot_general", "conv", "sort", "cum", "custom", "fft", "rng", "random", "top_k")


def predicted_seconds(closed: core.ClosedJaxpr) -> float:
    """Predict the seconds that a compiled call of a program takes."""
    return SECONDS["call"] + _seconds(work_of(closed))


def _seconds(work: Counter[str]) -> float:
    return sum(SECONDS[kind] * amount for kind, amount in work.items())


def work_of(closed: core.ClosedJaxpr) -> Counter[str]:
    """Count the work of a program, by the kinds of `SECONDS`."""
    return _ProgramWork(FlatProgram(closed)).counted()


class _ProgramWork:
    """The work of a program: which of its arrays are written to memory, and what its operations do."""

    def __init__(self, program: FlatProgram) -> None:
        self._program, self._avals = program, program.avals
        self._maker = {v: op for op in program.operations for v in op.outs}
        self._held = set(program.inputs)
        self._work: Counter[str] = Counter()

    def counted(self) -> Counter[str]:
        for v in set(self._program.results):
            self._work["results"] += 1
            self._hold(v)
        uses = Counter(v for op in self._program.operations for v in set(op.ins))
        for op in self._program.operations:
            if not _is_fused(op):
                for v in op.ins:
                    if elements(self._avals[v]) > 1:
                        self._hold(v)
            several = op.name in _EXPENSIVE and uses[op.outs[0]] > 1 and elements(self._avals[op.outs[0]]) > 1
            if several or not _is_fused(op) or _reduces(op) or _joins(op):
                for v in op.outs:
                    self._hold(v)
        for op in self._program.operations:
            self._count(op)
        return self._work

    def _viewed(self, v: int) -> int:
        """Return the value of which another is a view."""
        while v in self._maker and self._maker[v].name in _VIEWS:
            v = self._maker[v].ins[0]
        return v

    def _hold(self, v: int) -> None:
        """Write a value to memory unless it is there already."""
        v = self._viewed(v)
        if v not in self._held:
            size = size_in_bytes(self._avals[v])
            self._held.add(v)
            self._work["kernels"] += 1
            self._work["written" if size <= NEAR_BYTES else "written_far"] += size

    def _count(self, op: Operation) -> None:
        """Count what an operation does and reads."""
        out = sum(elements(self._avals[v]) for v in op.outs)
        if op.name not in _VIEWS:
            for v in op.ins:
                if self._viewed(v) in self._held:
                    size = size_in_bytes(self._avals[v])
                    self._work["read"] += size if op.name == "dot_general" or _reduces(op) else min(size, 8 * out)
        ins = [self._avals[v] for v in op.ins]
        if op.name in LOOPS:
            self._work.update(_work_of_loop(op))
        elif op.name == "dot_general":
            self._work.update(_work_of_dot(ins, out, op.params))
        elif op.name == "custom_linear_solve":
            self._work.update(work_of(op.params["jaxprs"].solve))
        elif op.name == "conv_general_dilated":
            kernel, numbers = ins[1].shape, op.params["dimension_numbers"]
            self._work["fma"] += out * prod(kernel) // max(1, kernel[numbers.rhs_spec[0]])
        elif op.name in _LINALG:
            self._work["linalg_calls"] += 1
            self._work["linalg_fma"] += max(out, elements(ins[0])) * ins[0].shape[-1]
        elif op.name.startswith("scatter"):
            self._work["scattered"] += elements(ins[2])
            self._work["moved"] += out
        elif _reduces(op) or op.name.startswith("cum"):
            self._work["reduced"] += elements(ins[0])
        elif op.name not in _FREE:
            self._work[_kind(op)] += out
            if _joins(op):
                self._work["joined"] += len(ins)


def _kind(op: Operation) -> str:
    """Return the kind of work that an entry of an operation's result takes."""
    if op.name == "gather":
        return "gathered"
    if op.name == "transpose":
        return "turned"
    if op.name in _MOVING:
        return "moved"
    return "expensive" if op.name in _EXPENSIVE else "slow" if op.name in _SLOW else "simple"


def _reduces(op: Operation) -> bool:
    return op.name.startswith(("reduce_", "arg")) and op.name != "reduce_precision"


def _joins(op: Operation) -> bool:
    """Say whether an operation joins more arrays than are read in one kernel with what makes them."""
    return op.name in ("concatenate", "stack") and len(op.ins) > MAX_FUSED_PARTS


def _is_fused(op: Operation) -> bool:
    """Say whether an operation becomes part of the kernel of what it reads or of what reads it."""
    if op.name in LOOPS | _LINALG or op.name.startswith(_NOT_FUSED):
        return False
    return len(op.outs) == 1 or op.name in _FREE


def _work_of_dot(ins: list[Shaped], out: int, params: Parameters) -> Counter[str]:
    """Count the work of matrix products; each of a batch is a call of its own."""
    (over, _), (batch, _) = params["dimension_numbers"]
    x, y = ins[0].shape, ins[1].shape
    b, k = prod(x[i] for i in batch), prod(x[i] for i in over)
    m, n = prod(x) // max(1, b * k), prod(y) // max(1, b * k)
    kind = "vector_fma" if 1 in (m, n) else "thin_fma" if min(m, n, k) < THIN else "fma"
    return Counter({"dots": b, kind: out * k})


def _work_of_loop(op: Operation) -> Counter[str]:
    """Count the work of a loop, of the dearest branch of a condition."""
    if op.name == "cond":
        return max(map(work_of, op.params["branches"]), key=_seconds)
    if op.name == "scan":
        bodies, trips = ["jaxpr"], int(op.params["length"])
    else:
        bodies, trips = ["body_jaxpr", "cond_jaxpr"], ASSUMED_LOOP_TRIPS
    work: Counter[str] = Counter({"trips": trips})
    for body in bodies:
        for kind, amount in work_of(op.params[body]).items():
            if kind != "results":
                work[kind] += trips * amount
    return work
