"""Ways within a limit of memory: seeds are sent in chunks as large as the limit allows.

What a program takes beside its arguments and results is known to XLA alone, which decides what is fused and what shares
a buffer. So ways are compiled and asked (`memory_analysis`), and none is believed to fit that has not been asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax

from chainplan.errors import PlanError
from chainplan.jax.call import Call
from chainplan.jax.standalone import arguments, program
from chainplan.jax.strategies import Way, seeds_of


def within(call: Call, ways: Sequence[Way], limit: int) -> Way:
    """The first way that fits, with the largest chunk, a power of two, that does.

    Parameters
    ----------
    ways : Sequence[Way]
        The best ones first.
    limit : int
        Bytes of temporary memory.

    Raises
    ------
    PlanError
        If none fits, not even with one seed at a time; it says what the most modest one takes.
    """
    least = None
    for way in ways:
        found, needed = _chunked(call, way, limit)
        if found is not None:
            return found
        least = needed if least is None else min(least, needed)
    raise PlanError(
        f"memory: the Jacobian takes {least:,} bytes beside its arguments and result even with one seed at a time; "
        f"the limit is {limit:,}. Raise it, or let the function keep less (jax.checkpoint)."
    )


def _chunked(call: Call, way: Way, limit: int) -> tuple[Way | None, int]:
    """A way with its largest chunk that fits, None where none does; and the fewest bytes that were asked for."""
    needed = temporary_bytes(call, way)
    if needed <= limit:
        return way, needed
    best, tried = None, [needed]
    for chunk in _chunks(max(seeds_of(call, mode) for mode in ("jacfwd", "jacrev"))):
        tried.append(temporary_bytes(call, way._replace(chunk=chunk)))
        if tried[-1] > limit:
            break
        best = way._replace(chunk=chunk)
    return best, min(tried)


def _chunks(most: int) -> Iterator[int]:
    """1, 2, 4, … below `most`."""
    chunk = 1
    while chunk < most or chunk == 1:
        yield chunk
        chunk *= 2


def temporary_bytes(call: Call, way: Way) -> int:
    """What a way takes beside its arguments and result, compiled for the backend.

    Raises
    ------
    PlanError
        If the backend does not say.
    """
    given = arguments(call)
    with jax.ensure_compile_time_eval():
        analysis = jax.jit(program(call, way)).lower(*given).compile().memory_analysis()
    if analysis is None:
        raise PlanError(
            f"memory: the backend '{jax.default_backend()}' does not say what a program takes. Leave memory= out."
        )
    return int(analysis.temp_size_in_bytes)
