"""Times ways to compute the same thing on the real backend: a plan is a prediction, a measurement decides.

What is timed is what will run: under `jax.vmap` the batch is read off the arguments, and the ways are timed on a batch
of that size. Inside of `jit` the values are not known and ones take their place. A short program is called in a loop,
as a single call of some microseconds says nothing, and the plan has to be clearly ahead to be taken. The calls are made
on a thread of their own: in the middle of a trace every call takes tens of microseconds longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp

ROUNDS = 15
"""Timings of each way, taken in turns; the least of each counts, as disturbances only ever add."""
TIMING = 1e-3
"""Seconds that a timing takes at least, by calling several times."""
ENOUGH = 3.0
"""Seconds after which no round is begun, but for the first three."""
BEHIND = 4.0
"""Times the least from which on a way is given up after three rounds, so that a slow one leaves time to the others."""
MARGIN = 0.05
"""Share of the time of the best other way that a way has to save to be taken instead of it."""


def fastest(ways: Mapping[str, Callable[..., Any]], doubtful: str, arguments: Sequence[Any]) -> str:
    """The name of the fastest way, compiled; `doubtful` only where it is ahead by a margin.

    Parameters
    ----------
    ways : Mapping[str, Callable[..., Any]]
        Functions of the same arguments.
    arguments : Sequence[Any]
        Trees of arrays, those that are traced among them.
    """
    leaves, tree = jax.tree.flatten(tuple(arguments))
    sizes = [prod(batch_of(leaf)) for leaf in leaves]
    batch = max(sizes, default=1)
    axes = tuple(0 if size > 1 else None for size in sizes)

    def program(way: Callable[..., Any]) -> Any:
        def run(*arrays: Any) -> Any:
            return way(*jax.tree.unflatten(tree, arrays))

        return jax.jit(jax.vmap(run, axes) if batch > 1 else run)

    with jax.ensure_compile_time_eval():
        arrays = [_example(leaf, batch if size > 1 else 1) for leaf, size in zip(leaves, sizes, strict=True)]
        programs = {name: program(way).lower(*arrays).compile() for name, way in ways.items()}
    with ThreadPoolExecutor(1) as aside:
        best = aside.submit(_least_times, programs, arrays).result()
    others = [name for name in best if name != doubtful]
    first = min(others, key=lambda name: best[name])
    return doubtful if doubtful in best and best[doubtful] < (1 - MARGIN) * best[first] else first


def batch_of(leaf: Any) -> tuple[int, ...]:
    """Sizes of the axes that `jax.vmap` hides from a function, inner ones first."""
    axis, value = getattr(leaf, "batch_dim", None), getattr(leaf, "val", None)
    return () if not isinstance(axis, int) or value is None else (int(value.shape[axis]), *batch_of(value))


def _example(leaf: Any, batch: int) -> Any:
    """The array, or ones in place of what is traced, with a batch axis in front where there is one."""
    if not isinstance(leaf, jax.core.Tracer):
        return jnp.asarray(leaf)
    return jnp.ones((batch, *leaf.shape) if batch > 1 else leaf.shape, leaf.dtype)


def _least_times(programs: Mapping[str, Callable[..., Any]], arrays: Sequence[Any]) -> dict[str, float]:
    """Seconds of a call of each."""
    calls = {}
    for name, run in programs.items():
        jax.block_until_ready(run(*arrays))
        calls[name] = max(1, round(TIMING / min(_seconds(run, arrays, 1) for _ in range(3))))
    best, order = dict.fromkeys(programs, float("inf")), list(programs)
    start = perf_counter()
    for done in range(ROUNDS):
        if done == 3:
            order = [name for name in order if best[name] <= BEHIND * min(best.values())]
            start = perf_counter()
        if len(order) == 1 or (done > 3 and perf_counter() - start > ENOUGH):
            break
        for name in order:
            best[name] = min(best[name], _seconds(programs[name], arrays, calls[name]))
        order.reverse()
    return best


def _seconds(run: Callable[..., Any], arrays: Sequence[Any], calls: int) -> float:
    start = perf_counter()
    for _ in range(calls):
        result = run(*arrays)
    jax.block_until_ready(result)
    return (perf_counter() - start) / calls
