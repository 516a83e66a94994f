"""The suite `jax`: derivatives of the table of JAX functions by chainplan, by JAX and by sparse peers.

These are Jacobians, Hessians, and products JᵀJ of Jacobians with their transposes.

Operations are counted once for a function, as forward and reverse mode, elimination in both orders, the greedy order
and the plan take them. Times are measured for a single point and for a batch of points under `jax.vmap`, which maps
over the arguments to differentiate by and shares all others: every way compiled, all ways in turns in one run, the
least time of each; ways that come out as the same program are one. `default` is chainplan with its default settings,
`plan` takes the plan whatever it promises, `hand` is written by hand. `floor` is a program that only fills arrays of
the Jacobian's shapes: what it takes no order of multiplying can save. All of it is done in a process of its own with
one thread, as other load on the machine stalls what runs in parallel. What a first call takes of a large function is
measured in a process where nothing was planned or compiled before.
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

from bench.apart import ONE_THREAD, printed_apart
from bench.instances import ROOT
from bench.jax_ways import difference, entries, ways
from bench.memory import peak_memory
from bench.rows import JaxRow
from bench.run import beginning, load, machine
from chainplan.planner import plan

if TYPE_CHECKING:
    from bench.instances.functions import Function

WAYS = ("jacfwd", "jacrev", "hessian", "default", "plan", "hand", "asdex", "sparsejac", "floor")
"""What is timed, each a column of seconds, in the order in which they are compiled."""
COMPILED = ("jacfwd", "jacrev", "hessian", "default", "plan", "asdex")
"""Those of which the seconds before a first call, and the memory, are columns, too."""
LARGE = 50_000
"""Columns from which on a first call is measured in a process of its own."""
ONE_JAX_THREAD = {**ONE_THREAD, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "NPROC": "1"}
LEAST_TIMING = 2e-3
"""Seconds that one timing takes at least, by calling several times."""
BEHIND = 3.0
"""Times the second least (the least is the floor) from which on a program is timed no more than three times."""
AGREEMENT = 1e-9
"""Largest difference between two ways over the largest element."""


@dataclass(frozen=True)
class JaxSuite:
    """Which functions are measured (all where none is named), at which of their batches, and how often."""

    name: str = "jax"
    title: str = "Jacobians of JAX functions"
    functions: tuple[str, ...] = ()
    batches: tuple[int, ...] = (1, 64, 512)
    rounds: int = 25
    seconds: float = 1.0
    largest: int = 1 << 25

    def quick(self) -> JaxSuite:
        """The same on two functions."""
        return replace(self, functions=("lighthouse", "bottleneck"), batches=(1,), rounds=3)

    def only(self, names: Sequence[str]) -> JaxSuite:
        """The same on the functions whose names begin so."""
        from bench.instances.functions import FUNCTIONS

        return replace(self, functions=beginning(names, FUNCTIONS))


JAX_SUITES = {"jax": JaxSuite()}


def run_jax(suite: JaxSuite, say: Callable[[str], None]) -> tuple[dict[str, str], list[JaxRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, start = load(), perf_counter()
    rows = list(_apart(suite, say))
    about = {"suite": suite.name, **machine(("jax", "jaxlib", "numpy")), "load": f"{before} before, {load()} after"}
    return {**about, "duration": f"{perf_counter() - start:.0f} s"}, rows


def _apart(suite: JaxSuite, say: Callable[[str], None]) -> Iterator[JaxRow]:
    """The rows, from a process with one thread."""
    platform = {"JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu")}
    for printed in printed_apart("bench.jax_suite", suite, {**ONE_JAX_THREAD, **platform}):
        rows = [JaxRow(**entry) for entry in printed]
        say(", ".join([rows[0].instance, *filter(None, map(_told, rows))]))
        yield from rows


def _told(row: JaxRow) -> str:
    """The batch and the speed over the better of JAX's ways, in a few words."""
    others = [t for t in (row.jacfwd_seconds, row.jacrev_seconds, row.hessian_seconds, row.asdex_seconds) if t]
    return f"{min(others) / row.default_seconds:.2f} at {row.batch}" if others and row.default_seconds else ""


def print_rows(suite: JaxSuite) -> None:
    """Measure one function after the other; print its rows as a line of JSON."""
    import jax

    from bench.instances.functions import FUNCTIONS

    jax.config.update("jax_enable_x64", True)
    for name in suite.functions or FUNCTIONS:
        function = FUNCTIONS[name]
        made = [measured(function, batch, suite) for batch in _batches(function, suite)]
        counts = counted(function)
        print(json.dumps([{**asdict(row), **counts} for row in made]), flush=True)


def _batches(function: Function, suite: JaxSuite) -> list[int]:
    """At which batches a function is measured: a single point, and those whose Jacobians are not too large."""
    size = 8 * function.m * function.n
    return [n for n in suite.batches if n in function.batches and (n == 1 or n * size <= suite.largest)]


def counted(function: Function) -> dict[str, Any]:
    """What each order takes, in fma; nothing where the function has no graph, or two."""
    import jax

    from chainplan.jax import DifferentiationError, linearised_graph
    from chainplan.jax.choice import JacobianSettings, modes_of, planned

    if function.task == "gauss-newton":
        return {}
    call = jax.grad(function.call, function.argnums) if "hessian" in function.task else function.call
    try:
        problem = linearised_graph(call, *function.arguments, argnums=function.argnums)
    except DifferentiationError:
        return {}
    modes = {name: price for price, name in modes_of(problem.graph)}
    found, greedy = planned(problem, JacobianSettings()), plan(problem, "greedy")
    return {
        "vertices": len(problem.graph.sizes),
        "edges": len(problem.graph.elementals),
        "jacfwd_fma": modes.get("jacfwd"),
        "jacrev_fma": modes.get("jacrev"),
        "forward_fma": found.baselines.forward,
        "reverse_fma": found.baselines.reverse,
        "greedy_fma": None if greedy.cost is None else greedy.cost.fma,
        "plan_fma": None if found.cost is None else found.cost.fma,
        "bound": found.bound,
        "proof": found.status.value,
    }


def measured(function: Function, batch: int, suite: JaxSuite) -> JaxRow:
    """The row of a function at a batch, without what is counted.

    Raises
    ------
    ValueError
        If two ways do not give the same Jacobian.
    """
    import jax

    figures: dict[str, Any] = {}
    arguments, made = points(function, batch), ways(function)
    if function.n >= LARGE and "default" in made:
        figures["default_first"], figures["peak"] = _cold(function.name)
    programs: dict[str, Any] = {}
    same: dict[str, str] = {}
    for name in (way for way in WAYS if way in made):
        start = perf_counter()
        lowered = jax.jit(_batched(made[name](), function, batch)).lower(*arguments)
        traced, text = perf_counter() - start, _text(lowered)
        same[name] = text
        if text not in programs:
            start = perf_counter()
            programs[text] = lowered.compile(), perf_counter() - start
        program, seconds = programs[text]
        if name in COMPILED:
            figures.setdefault(f"{name}_first", traced + seconds)
            figures[f"{name}_memory"] = int(program.memory_analysis().temp_size_in_bytes)
    runs = {text: program for text, (program, _) in programs.items()}
    results = {name: runs[text](*arguments) for name, text in same.items() if name != "floor"}
    _agree({name: entries(result, function) for name, result in results.items()})
    best, turns = _best_times(list(runs.values()), arguments, suite)
    times = dict(zip(runs, best, strict=True))
    figures.update({f"{name}_seconds": times[text] for name, text in same.items()})
    if function.task == "jacobian":
        figures["takes"] = _chosen(function, batch)
    about: dict[str, Any] = {"task": function.task, "group": function.group, "m": function.m, "n": function.n}
    return JaxRow(function.name, batch, repeats=turns, **about, **figures)


def _cold(name: str) -> tuple[float, int]:
    """The seconds of a first call in a process of its own, and the bytes by which the process grew."""
    code = [sys.executable, "-m", "bench.jax_suite", name]
    done = subprocess.run(code, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    seconds, grown = json.loads(done.stdout)
    return float(seconds), int(grown)


def print_first_call(name: str) -> None:
    """Call a function's default way once; print the seconds and the bytes by which the process grew, as JSON."""
    import jax

    from bench.instances.functions import FUNCTIONS

    jax.config.update("jax_enable_x64", True)
    function = FUNCTIONS[name]
    arguments = points(function, 1)
    jax.block_until_ready(jax.jit(function.call)(*arguments))
    before, start = peak_memory(), perf_counter()
    jax.block_until_ready(jax.jit(ways(function)["default"]())(*arguments))
    print(json.dumps([perf_counter() - start, 1024 * (peak_memory() - before)]))


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


def _chosen(function: Function, batch: int) -> str:
    """Which of plan and modes the default settings take."""
    import jax

    from chainplan.jax.call import flattened
    from chainplan.jax.choice import JacobianSettings, chosen

    settings = JacobianSettings()
    found = []

    def ask(*arguments: Any) -> Any:
        call = flattened(function.call, function.argnums, False, arguments, {})
        found.append(chosen(call, settings).way.name)
        return arguments[function.argnums[0]]

    jax.make_jaxpr(_batched(ask, function, batch))(*points(function, batch))
    return found[0]


def _agree(results: dict[str, Any]) -> None:
    """Refuse results that differ from those of the first way, which is one of JAX or of a peer."""
    like = next(name for name in WAYS if name in results and name != "default")
    for name, result in results.items():
        far, scale = difference(result, results[like])
        if not far <= AGREEMENT * scale:
            raise ValueError(f"'{name}' differs from '{like}' by {far}, the largest element is {scale}")


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


def main(given: str) -> None:
    """Measure a suite, given as JSON, or the first call of a function, given by its name."""
    if not given.startswith("{"):
        return print_first_call(given)
    suite = json.loads(given)
    print_rows(JaxSuite(**{**suite, "functions": tuple(suite["functions"]), "batches": tuple(suite["batches"])}))


if __name__ == "__main__":
    main(sys.argv[1])
