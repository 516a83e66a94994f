"""The suite `jax`: Jacobians of the table of JAX functions by plan, by default, tuned, and by JAX's two modes.

Operations are counted once for a function, as forward and reverse mode, elimination in both orders, the greedy order
and the plan take them. Times are measured for a single point and for a batch of points under `jax.vmap`, which maps
over the arguments to differentiate by and shares all others: every way compiled, all ways in turns in one run, the
least time of each; ways that come out as the same program are one. `floor` is a program that only fills arrays of the
Jacobian's shapes: what it takes no order of multiplying can save. All of it is done in a process of its own with one
thread, as other load on the machine stalls what runs in parallel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.instances import ROOT
from bench.rows import JaxRow
from bench.run import load, machine
from bench.structure import ONE_THREAD
from chainplan.planner import plan

if TYPE_CHECKING:
    from bench.instances.functions import Function

WAYS = ("plan", "default", "tuned", "jacfwd", "jacrev", "floor")
"""What is timed; each is a column of seconds, and, but for the floor, of seconds to compile and of memory."""
ONE_JAX_THREAD = {**ONE_THREAD, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "NPROC": "1"}
LEAST_TIMING = 2e-3
"""Seconds that one timing takes at least, by calling several times."""
BEHIND = 3.0
"""Times the second least (the least is the floor) from which on a program is timed no more than three times."""
AGREEMENT = 1e-9
"""Largest difference between two ways over the largest element."""


@dataclass(frozen=True)
class JaxSuite:
    """Which functions are measured (all where none is named), at which batches, and how often."""

    name: str = "jax"
    title: str = "Jacobians of JAX functions"
    functions: tuple[str, ...] = ()
    batches: tuple[int, ...] = (1, 512)
    rounds: int = 25
    seconds: float = 4.0
    budget: float = 1.0
    largest: int = 1 << 30

    def quick(self) -> JaxSuite:
        """The same on two functions."""
        return replace(self, functions=("lighthouse", "bottleneck"), batches=(1, 8), rounds=3, budget=0.1)


JAX_SUITES = {"jax": JaxSuite()}


def run_jax(suite: JaxSuite, say: Callable[[str], None]) -> tuple[dict[str, str], list[JaxRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, start = load(), perf_counter()
    rows = list(_apart(suite, say))
    about = {"suite": suite.name, **machine(("jax", "jaxlib", "numpy")), "load": f"{before} before, {load()} after"}
    return {**about, "duration": f"{perf_counter() - start:.0f} s"}, rows


def _apart(suite: JaxSuite, say: Callable[[str], None]) -> Iterator[JaxRow]:
    """The rows, from a process with one thread."""
    code = [sys.executable, "-m", "bench.jax_suite", json.dumps(asdict(suite))]
    paths = os.pathsep.join([*(str(ROOT / part) for part in ("src", "cli", "")), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **ONE_JAX_THREAD, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            rows = [JaxRow(**entry) for entry in json.loads(line)]
            say(rows[-1].instance)
            yield from rows
    if process.returncode:
        raise RuntimeError(f"the process that measures ended with code {process.returncode}")


def print_rows(suite: JaxSuite) -> None:
    """Measure one function after the other; print its rows as a line of JSON."""
    import jax

    from bench.instances.functions import FUNCTIONS

    jax.config.update("jax_enable_x64", True)
    for name in suite.functions or FUNCTIONS:
        function = FUNCTIONS[name]
        counts = counted(function, suite)
        rows = [measured(counts, function, batch, suite) for batch in suite.batches]
        print(json.dumps([asdict(row) for row in rows]), flush=True)


def counted(function: Function, suite: JaxSuite) -> JaxRow:
    """A row with the sizes of a function and what each order takes, in fma."""
    from chainplan.jax import linearised_graph
    from chainplan.jax.choice import JacobianSettings, modes_of, planned

    problem = linearised_graph(function.call, *function.arguments, argnums=function.argnums)
    modes = {name: price for price, name in modes_of(problem.graph)}
    found = planned(problem, JacobianSettings(budget=suite.budget))
    greedy = plan(problem, "greedy")
    return JaxRow(
        function.name,
        m=function.m,
        n=function.n,
        vertices=len(problem.graph.sizes),
        edges=len(problem.graph.elementals),
        jacfwd_fma=modes.get("jacfwd"),
        jacrev_fma=modes.get("jacrev"),
        forward_fma=found.baselines.forward,
        reverse_fma=found.baselines.reverse,
        greedy_fma=None if greedy.cost is None else greedy.cost.fma,
        plan_fma=None if found.cost is None else found.cost.fma,
        bound=found.bound,
        proof=found.status.value,
    )


def measured(counts: JaxRow, function: Function, batch: int, suite: JaxSuite) -> JaxRow:
    """The row of a function at a batch.

    Raises
    ------
    ValueError
        If two ways do not give the same Jacobian.
    """
    import jax

    size = 8 * function.m * function.n * batch
    if size > suite.largest:
        reason = f"skipped: {size >> 20} MiB of Jacobians, more than {suite.largest >> 20} MiB"
        return replace(counts, batch=batch, status=reason)
    default, tuned = (_chosen(function, batch, tune, suite) for tune in (False, True))
    figures: dict[str, Any] = {"default_takes": default, "tuned_takes": tuned}
    arguments, ways = points(function, batch), _ways(function, batch, suite)
    programs: dict[str, Any] = {}
    same: dict[str, str] = {}
    for name, way in ways.items():
        start = perf_counter()
        lowered = jax.jit(way).lower(*arguments)
        traced, text = perf_counter() - start, _text(lowered)
        same[name] = text
        if text not in programs:
            start = perf_counter()
            programs[text] = lowered.compile(), perf_counter() - start
        program, seconds = programs[text]
        if name != "floor":
            figures[f"{name}_compile"] = traced + seconds
            figures[f"{name}_memory"] = int(program.memory_analysis().temp_size_in_bytes)
    runs = {text: program for text, (program, _) in programs.items()}
    _agree({name: runs[text](*arguments) for name, text in same.items() if name != "floor"})
    best, turns = _best_times(list(runs.values()), arguments, suite)
    times = dict(zip(runs, best, strict=True))
    figures.update({f"{name}_seconds": times[text] for name, text in same.items()})
    return replace(counts, batch=batch, repeats=turns, **figures)


def _text(lowered: Any) -> str:
    """What identifies a program: its operations, without its name."""
    return str(lowered.as_text()).partition("\n")[2]


def points(function: Function, batch: int) -> tuple[Any, ...]:
    """The arguments: those to differentiate by as a batch of points nearby, where there is more than one."""
    import jax.numpy as jnp

    if batch == 1:
        return tuple(jnp.asarray(a) for a in function.arguments)
    draw = np.random.default_rng(0)
    return tuple(
        jnp.asarray(a * (1 + 1e-3 * draw.random((batch, *a.shape)))) if i in function.argnums else jnp.asarray(a)
        for i, a in enumerate(function.arguments)
    )


def _batched(way: Callable[..., Any], function: Function, batch: int) -> Callable[..., Any]:
    import jax

    axes = tuple(0 if i in function.argnums else None for i in range(len(function.arguments)))
    return way if batch == 1 else jax.vmap(way, axes)


def _ways(function: Function, batch: int, suite: JaxSuite) -> dict[str, Callable[..., Any]]:
    import jax

    import chainplan.jax as planned

    f, argnums = function.call, function.argnums
    shapes = jax.eval_shape(jax.jacfwd(f, argnums), *function.arguments)

    def floor(*arguments: Any) -> Any:
        anything = sum(arguments[i].ravel()[0] for i in argnums)
        return jax.tree.map(lambda shape: jax.numpy.zeros(shape.shape) + anything, shapes)

    ways = {
        "plan": planned.jacobian(f, argnums, budget=suite.budget, gain=None),
        "default": planned.jacobian(f, argnums, budget=suite.budget),
        "tuned": planned.jacobian(f, argnums, budget=suite.budget, tune=True),
        "jacfwd": jax.jacfwd(f, argnums),
        "jacrev": jax.jacrev(f, argnums),
        "floor": floor,
    }
    return {name: _batched(way, function, batch) for name, way in ways.items()}


def _chosen(function: Function, batch: int, tune: bool, suite: JaxSuite) -> str:
    """Which of plan and modes a setting takes; one that is tuned is tuned here, so that compiling does not count it."""
    import jax

    from chainplan.jax.call import flattened
    from chainplan.jax.choice import JacobianSettings, chosen

    settings = JacobianSettings(budget=suite.budget, tune=tune)
    found = []

    def ask(*arguments: Any) -> Any:
        call = flattened(function.call, function.argnums, False, arguments, {})
        found.append(chosen(call, settings).way.name)
        return arguments[function.argnums[0]]

    jax.make_jaxpr(_batched(ask, function, batch))(*points(function, batch))
    return found[0]


def _agree(results: dict[str, Any]) -> None:
    import jax

    expected = [np.asarray(leaf) for leaf in jax.tree.leaves(results["jacrev"])]
    scale = max(float(np.abs(leaf).max(initial=0)) for leaf in expected)
    for name, result in results.items():
        for leaf, like in zip(jax.tree.leaves(result), expected, strict=True):
            far = float(np.abs(np.asarray(leaf) - like).max(initial=0))
            if not far <= AGREEMENT * scale:
                raise ValueError(f"'{name}' differs from 'jacrev' by {far}, the largest element is {scale}")


def _best_times(runs: Sequence[Any], arguments: Sequence[Any], suite: JaxSuite) -> tuple[list[float], int]:
    """Least seconds of each run over turns, every other one backwards, and the number of turns.

    After three turns runs that are far behind are left out, so that a slow one leaves time to the others.
    """
    calls = [max(1, round(LEAST_TIMING / min(_timed(run, arguments, 1) for _ in range(2)))) for run in runs]
    best, turns, order, start = [float("inf")] * len(runs), 0, list(range(len(runs))), perf_counter()
    while turns < 3 or (turns < suite.rounds and perf_counter() - start < suite.seconds):
        for i in order:
            best[i] = min(best[i], _timed(runs[i], arguments, calls[i]))
        order, turns = order[::-1], turns + 1
        if turns == 3:
            start, order = perf_counter(), [i for i in order if best[i] <= BEHIND * sorted(best)[:2][-1]]
    return best, turns


def _timed(run: Any, arguments: Sequence[Any], calls: int) -> float:
    """Seconds of one call, of several in a row."""
    import jax

    start = perf_counter()
    for _ in range(calls):
        result = run(*arguments)
    jax.block_until_ready(result)
    return (perf_counter() - start) / calls


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print_rows(JaxSuite(**{**given, "functions": tuple(given["functions"]), "batches": tuple(given["batches"])}))
