"""The predicted time of a program: what XLA executes of it, each kernel at its work and at the bytes it moves.

Plans and modes are compared by what will run, so that both are traced to programs and read by one rule. The kernels are
those that XLA makes of the program (`fusions`), and an operation counts as often as its kernel evaluates it. Work that
does not depend on a batch is not batched in the program, so that it counts once. Every kernel of a loop is started anew
in each trip, unless the loop moves so few bytes that XLA compiles it whole.

The rates were fitted to ratios of the times of compiled calls, on one thread, by plan and by both modes: of the suite
`jax` (`bench/reports/jax.md`), of functions drawn at random and of random programs, one point and batches. Only ratios
of predictions are used. An accelerator has rates of its own (`accelerator_rates`).
"""

from __future__ import annotations

from collections import Counter
from math import prod

import jax
from jax.extend import core

from chainplan.jax.accelerator_rates import ON_ACCELERATOR
from chainplan.jax.costs import ASSUMED_LOOP_TRIPS
from chainplan.jax.flat_program import LOOPS, FlatProgram, Operation, elements, size_in_bytes
from chainplan.jax.fusions import Fusions
from chainplan.jax.operation_kinds import BRANCHES, DEAR, LINALG, MOVES, is_fusible, names, reduces
from chainplan.jax.trace import scan_counts
from chainplan.jax.types import Parameters, Shaped

NEAR_BYTES = 1 << 18
"""The largest array that is written to a cache rather than to memory."""
THIN = 8
"""A matrix product with a side below this one is not worth the library's kernel."""
MAX_COMPILED_LOOP_BYTES = 1100
"""The bytes that a trip of a loop moves up to which it is compiled whole; XLA's own count of them is 1,024."""
MAX_SEQUENTIAL_BYTES, MAX_SEQUENTIAL_KERNELS = 512, 8
"""The largest array, or else the most kernels, of a trip whose kernels run one after the other without a queue.

They are the defaults of XLA's `ThunkExecutor::Options`.
"""

SECONDS = {
    "call": 7.8e-6,
    "results": 2e-6,
    "kernels": 4.1e-8,
    "loop_kernels": 6.6e-8,
    "sequential_kernels": 1.2e-8,
    "compiled_kernels": 2.8e-9,
    "trips": 6.9e-8,
    "sequential_trips": 1.2e-8,
    "compiled_trips": 9e-9,
    "fma": 7.1e-11,
    "thin_fma": 7.9e-11,
    "vector_fma": 5.2e-11,
    "dots": 1e-8,
    "simple": 8.3e-11,
    "branched_simple": 2.2e-11,
    "slow": 1.6e-9,
    "branched_slow": 2.7e-9,
    "expensive": 7.2e-10,
    "branched_expensive": 4.4e-9,
    "called": 8.3e-10,
    "branched_called": 7.2e-10,
    "placed": 9.7e-11,
    "branched_placed": 1.2e-10,
    "turned": 2.3e-10,
    "branched_turned": 2.3e-10,
    "gathered": 9.6e-11,
    "branched_gathered": 9.6e-11,
    "picked": 3e-10,
    "branched_picked": 3e-10,
    "loaded": 4.9e-12,
    "branched_loaded": 9.3e-11,
    "reduced": 2.5e-11,
    "scattered": 4e-9,
    "read": 2.3e-11,
    "written": 4.6e-12,
    "written_far": 1.7e-11,
    "linalg_fma": 1.4e-10,
    "linalg_calls": 6.9e-7,
}
"""Seconds per unit of each kind of work: calls, kernels, multiply-adds, evaluations or bytes; `branched` is what is
evaluated in one branch of several."""

_CALLED = names("sin cos tan pow atan atan2 asin acos sinh cosh asinh acosh erf_inv lgamma digamma cbrt igamma")
"""Functions that are called for one number at a time."""
_SLOW = names("sqrt rsqrt div rem")


def predicted_seconds(closed: core.ClosedJaxpr) -> float:
    """Predict the seconds that a compiled call of a program takes."""
    return _rates()["call"] + _seconds(work_of(closed))


def _seconds(work: Counter[str]) -> float:
    rates = _rates()
    return sum(rates[kind] * amount for kind, amount in work.items())


def _rates() -> dict[str, float]:
    """The seconds per unit of work on the backend that JAX runs on by default."""
    return SECONDS if jax.default_backend() == "cpu" else ON_ACCELERATOR


def work_of(closed: core.ClosedJaxpr) -> Counter[str]:
    """Count the work of a program, by the kinds of `SECONDS`."""
    program = FlatProgram(closed)
    return _work(program, program.results) + Counter(results=len(set(program.results)))


def _work(program: FlatProgram, results: list[int]) -> Counter[str]:
    """Count the work of a program but for handing its results over."""
    work: Counter[str] = Counter()
    fusions = Fusions(program, results)
    for kernel in fusions.kernels:
        _write(work, program.avals[kernel.root])
        for v, evaluations in kernel.evaluations.items():
            op = fusions.maker[v] if v in kernel.inside else None
            kind = "loaded" if op is None else _kind(op)
            if kind is not None:
                for name, amount in zip((kind, f"branched_{kind}"), evaluations, strict=True):
                    work[name] += round(amount)
            if op is None:
                work["read"] += min(size_in_bytes(program.avals[v]), int(8 * sum(evaluations)))
            elif reduces(op):
                lines = elements(program.avals[op.ins[0]]) / max(1, elements(program.avals[v]))
                work["reduced"] += int(sum(evaluations) * lines)
    for op in program.operations:
        if not is_fusible(op):
            _count(work, op, [program.avals[v] for v in op.ins], [program.avals[v] for v in op.outs])
    return work


def _write(work: Counter[str], aval: Shaped) -> None:
    """Count a kernel that writes an array."""
    size = size_in_bytes(aval)
    work["kernels"] += 1
    work["written" if size <= NEAR_BYTES else "written_far"] += size


def _count(work: Counter[str], op: Operation, ins: list[Shaped], outs: list[Shaped]) -> None:
    """Count an operation that is no part of a kernel."""
    if op.name in LOOPS:
        work.update(_work_of_loop(op, max(map(size_in_bytes, (*ins, *outs)), default=0)))
        return
    out = sum(map(elements, outs))
    for aval in outs:
        _write(work, aval)
    work["read"] += sum(map(size_in_bytes, ins))
    if op.name == "dot_general":
        work.update(_work_of_dot(ins, out, op.params))
    elif op.name == "custom_linear_solve":
        work.update(_work_of_body(op.params["jaxprs"].solve))
    elif op.name == "conv_general_dilated":
        kernel, numbers = ins[1].shape, op.params["dimension_numbers"]
        work["fma"] += out * prod(kernel) // max(1, kernel[numbers.rhs_spec[0]])
    elif op.name in LINALG:
        work["linalg_calls"] += 1
        work["linalg_fma"] += max(out, elements(ins[0])) * ins[0].shape[-1]
    elif op.name.startswith("scatter"):
        work["scattered"] += elements(ins[2])
    elif op.name.startswith(("cum", "arg", "reduce_window")):
        work["reduced"] += elements(ins[0])
    else:
        work["simple"] += out


def _kind(op: Operation) -> str | None:
    """Return the kind of work that one evaluation of an operation takes, None where it takes none of its own."""
    if op.name in ("transpose", "gather", "dynamic_slice"):
        return {"transpose": "turned", "gather": "gathered", "dynamic_slice": "picked"}[op.name]
    if op.name in BRANCHES or op.name == "tile":
        return "placed"
    if op.name in MOVES or op.name == "convert_element_type" or reduces(op):
        return None
    if op.name in _CALLED:
        return "called"
    return "slow" if op.name in _SLOW else "expensive" if op.name in DEAR else "simple"


def _work_of_dot(ins: list[Shaped], out: int, params: Parameters) -> Counter[str]:
    """Count the work of matrix products; each of a batch is a call of its own."""
    (over, _), (batch, _) = params["dimension_numbers"]
    x, y = ins[0].shape, ins[1].shape
    b, k = prod(x[i] for i in batch), prod(x[i] for i in over)
    m, n = prod(x) // max(1, b * k), prod(y) // max(1, b * k)
    kind = "vector_fma" if 1 in (m, n) else "thin_fma" if min(m, n, k) < THIN else "fma"
    return Counter({"dots": b, kind: out * k})


def _work_of_loop(op: Operation, largest: int) -> Counter[str]:
    """Count the work of a loop, of the dearest branch of a condition; `largest` are the bytes of its longest operand or
    result."""
    if op.name == "cond":
        return max((_work_of_body(branch) for branch in op.params["branches"]), key=_seconds)
    if op.name == "while":
        bodies = [FlatProgram(op.params[name]) for name in ("body_jaxpr", "cond_jaxpr")]
        return sum((_trips(body, body.results, ASSUMED_LOOP_TRIPS, largest) for body in bodies), Counter())
    program, trips = FlatProgram(op.params["jaxpr"]), int(op.params["length"])
    _, carried = scan_counts(op.params)
    results = list(program.results[:carried])
    work: Counter[str] = Counter()
    for row in program.results[carried:]:
        stack = program.stored(row)
        results.append(stack)
        size = trips * size_in_bytes(program.avals[row])
        work["kernels"] += 2
        work["written" if size <= NEAR_BYTES else "written_far"] += 2 * size
    return work + _trips(program, results, trips, largest)


def _work_of_body(closed: core.ClosedJaxpr) -> Counter[str]:
    program = FlatProgram(closed)
    return _work(program, program.results)


def _trips(program: FlatProgram, results: list[int], trips: int, largest: int) -> Counter[str]:
    """Count the work of all trips through the body of a loop."""
    body = _work(program, results)
    moved = body["read"] + body["written"] + body["written_far"]
    largest = max([largest, *map(size_in_bytes, program.avals)])
    kind = "loop"
    if moved < MAX_COMPILED_LOOP_BYTES and not body["scattered"] and not body["linalg_calls"]:
        kind = "compiled"
    elif largest <= MAX_SEQUENTIAL_BYTES or body["kernels"] < MAX_SEQUENTIAL_KERNELS:
        kind = "sequential"
    work = Counter({name: trips * amount for name, amount in body.items() if name != "kernels"})
    work["trips" if kind == "loop" else f"{kind}_trips"] += trips
    work[f"{kind}_kernels"] += trips * body["kernels"]
    return work
