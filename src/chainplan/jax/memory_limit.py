"""Ways within a limit of memory: seeds are sent in chunks as large as the limit allows.

Only XLA knows the memory that a program takes beside its arguments and results, because XLA decides what is fused and
what shares a buffer. Every way is therefore compiled and its `memory_analysis` read; no way is assumed to fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax

from chainplan.errors import PlanError
from chainplan.jax.call import FlatCall
from chainplan.jax.linearise import LinearisedFunction
from chainplan.jax.standalone import examples, program
from chainplan.jax.strategies import JacobianStrategy, seeds_of


def within(
    call: FlatCall, linearised: LinearisedFunction | None, ways: Sequence[JacobianStrategy], limit: int
) -> JacobianStrategy:
    """Return the first way that fits, with the largest chunk, a power of two, that fits.

    Parameters
    ----------
    linearised : LinearisedFunction | None
        The linearised function of the call, None where it has none.
    ways : Sequence[JacobianStrategy]
        The ways, the best ones first.
    limit : int
        The bytes of temporary memory.

    Raises
    ------
    PlanError
        If no way fits, not even with one seed at a time; the message says what the most modest one takes.
    """
    least = None
    for way in ways:
        fitting, needed = _chunked(call, linearised, way, limit)
        if fitting is not None:
            return fitting
        least = needed if least is None else min(least, needed)
    raise PlanError(
        f"memory: the Jacobian takes {least:,} bytes beside its arguments and result even with one seed at a time; "
        f"the limit is {limit:,}. Raise it, or let the function keep less (jax.checkpoint)."
    )


def _chunked(
    call: FlatCall, linearised: LinearisedFunction | None, way: JacobianStrategy, limit: int
) -> tuple[JacobianStrategy | None, int]:
    """Return a way with its largest chunk that fits, None where none does, and the fewest bytes that it takes."""
    needed = temporary_bytes(call, linearised, way)
    if needed <= limit:
        return way, needed
    best, tried = None, [needed]
    for chunk in _chunks(max(seeds_of(call, mode) for mode in ("jacfwd", "jacrev"))):
        tried.append(temporary_bytes(call, linearised, way._replace(chunk=chunk)))
        if tried[-1] > limit:
            break
        best = way._replace(chunk=chunk)
    return best, min(tried)


def _chunks(most: int) -> Iterator[int]:
    """Yield 1, 2, 4, … below `most`."""
    chunk = 1
    while chunk < most or chunk == 1:
        yield chunk
        chunk *= 2


def temporary_bytes(call: FlatCall, linearised: LinearisedFunction | None, way: JacobianStrategy) -> int:
    """Return the bytes that a way takes beside its arguments and result, compiled for the backend.

    Raises
    ------
    PlanError
        If the backend does not say what a program takes.
    """
    run, given = program(call, linearised, way), examples(call, linearised)
    with jax.ensure_compile_time_eval():
        analysis = jax.jit(run).lower(*given).compile().memory_analysis()
    if analysis is None:
        raise PlanError(
            f"memory: the backend '{jax.default_backend()}' does not say what a program takes. Leave memory= out."
        )
    return int(analysis.temp_size_in_bytes)
