"""Times several ways to compute the same on the real backend: a plan is a prediction, a measurement decides.

The program that is timed is the one that will run: under `jax.vmap` the size of the batch is read off the arguments,
and the ways are timed on such a batch. Inside `jit` the values are not known, and ones take their place. A short
program is called in a loop, because the time of a single call of some microseconds says nothing. A plan is used only
where it is clearly faster. The calls run on a thread of their own, because every call in the middle of a trace takes
tens of microseconds longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from time import perf_counter

import jax
import jax.numpy as jnp
from jax import Array

from chainplan.jax.types import Tree

MAX_TIMING_ROUNDS = 15
"""The number of times that each way is timed, in turns. Its least time counts, as disturbances only add to a time."""
MIN_TIMING_SECONDS = 1e-3
"""The least number of seconds that a timing takes; a short program is called several times in it."""
MAX_TUNING_SECONDS = 3.0
"""The number of seconds after which no further round begins; the first three always run."""
GIVE_UP_RATIO = 4.0
"""A way that takes this many times the least time is given up after three rounds, which leaves time to the others."""
MIN_TIME_SAVED = 0.05
"""The share of the time of the fastest mode that a plan must save to be used in its place."""


def fastest(ways: Mapping[str, Callable[..., Tree]], doubtful: str, arguments: Sequence[Array]) -> str:
    """Return the name of the fastest way, compiled; `doubtful` is named only where it is faster by a margin.

    Parameters
    ----------
    ways : Mapping[str, Callable[..., Tree]]
        Functions of the same arguments.
    arguments : Sequence[Array]
        Their arguments, some of which may be traced.
    """
    batch, axes = batch_axes(arguments)

    def program(way: Callable[..., Tree]) -> jax.stages.Wrapped:
        return jax.jit(way if axes is None else jax.vmap(way, axes))

    with jax.ensure_compile_time_eval():
        arrays = [_example(leaf, 1 if axes is None or axes[i] is None else batch) for i, leaf in enumerate(arguments)]
        programs = {name: program(way).lower(*arrays).compile() for name, way in ways.items()}
    with ThreadPoolExecutor(1) as aside:
        best = aside.submit(_least_times, programs, arrays).result()
    others = [name for name in best if name != doubtful]
    first = min(others, key=lambda name: best[name])
    return doubtful if doubtful in best and best[doubtful] < (1 - MIN_TIME_SAVED) * best[first] else first


def batch_axes(arrays: Sequence[Array]) -> tuple[int, tuple[int | None, ...] | None]:
    """Return the size of the batch that is in sight, and the axis of each array in it; None where there is no batch."""
    sizes = [prod(batch_of(array)) for array in arrays]
    batch = max(sizes, default=1)
    return batch, tuple(0 if size > 1 else None for size in sizes) if batch > 1 else None


def batch_of(leaf: object) -> tuple[int, ...]:
    """Return the sizes of the axes that `jax.vmap` hides from a function, inner ones first."""
    axis, value = getattr(leaf, "batch_dim", None), getattr(leaf, "val", None)
    return () if not isinstance(axis, int) or value is None else (int(value.shape[axis]), *batch_of(value))


def _example(leaf: Array, batch: int) -> Array:
    """Return the array itself, or ones in the place of a traced one, with a batch axis in front where it has one."""
    if not isinstance(leaf, jax.core.Tracer):
        return jnp.asarray(leaf)
    return jnp.ones((batch, *leaf.shape) if batch > 1 else leaf.shape, leaf.dtype)


def _least_times(programs: Mapping[str, Callable[..., Tree]], arrays: Sequence[Array]) -> dict[str, float]:
    """Measure the least number of seconds that a call of each program takes."""
    calls = {}
    for name, run in programs.items():
        jax.block_until_ready(run(*arrays))
        calls[name] = max(1, round(MIN_TIMING_SECONDS / min(_seconds(run, arrays, 1) for _ in range(3))))
    best, order = dict.fromkeys(programs, float("inf")), list(programs)
    start = perf_counter()
    for done in range(MAX_TIMING_ROUNDS):
        if done == 3:
            order = [name for name in order if best[name] <= GIVE_UP_RATIO * min(best.values())]
            start = perf_counter()
        if len(order) == 1 or (done > 3 and perf_counter() - start > MAX_TUNING_SECONDS):
            break
        for name in order:
            best[name] = min(best[name], _seconds(programs[name], arrays, calls[name]))
        order.reverse()
    return best


def _seconds(run: Callable[..., Tree], arrays: Sequence[Array], calls: int) -> float:
    """Measure the seconds of a call, the mean of several in a row."""
    start = perf_counter()
    for _ in range(calls):
        result = run(*arrays)
    jax.block_until_ready(result)
    return (perf_counter() - start) / calls
