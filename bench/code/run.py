"""The suite `code`: functions of the table as scalar code, by chainplan, CasADi and SymPy, and in jitted JAX.

All is measured in this process, in turns, the least of many short timings each, so that other load on the machine does
little. What takes JAX longest is to compile; it is asked for one batch, in the mode that is faster at a point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.code.casadi_lines import casadi_lines
from bench.code.peers import CasadiCode, casadi_codes, sympy_code
from bench.code.timing import Code, casadi_point, least_seconds, many_points, one_point
from bench.rows import CodeRow
from bench.run import beginning, load, machine
from chainplan._util.arrays import Array
from chainplan.codegen import CompiledProgram, ScalarProgram, from_jax

if TYPE_CHECKING:
    from bench.code.function import CodeFunction

POINTS = 64
"""The points that code for eight at a time is timed on."""


@dataclass(frozen=True)
class CodeSuite:
    """Which functions are measured (all where none is named), and how often.

    `batch` points are computed at once by chainplan and by JAX. SymPy gets `sympy_seconds` for a function.
    """

    name: str = "code"
    title: str = "Scalar code"
    functions: tuple[str, ...] = ()
    rounds: int = 100
    batch: int = 4096
    batch_rounds: int = 10
    sympy_seconds: float = 20.0

    def quick(self) -> CodeSuite:
        """The same on two functions."""
        return replace(self, functions=("pose3", "cart-pole"), rounds=5, batch=64, batch_rounds=2, sympy_seconds=2.0)

    def only(self, names: Sequence[str]) -> CodeSuite:
        """The same on the functions whose names begin so."""
        from bench.code.table import FUNCTIONS

        return replace(self, functions=beginning(names, FUNCTIONS))


CODE_SUITES = {"code": CodeSuite()}


def run_code(suite: CodeSuite, say: Callable[[str], None]) -> Iterator[tuple[dict[str, str], list[CodeRow]]]:
    """Measure the suite: after each function what it was measured on, and the rows so far."""
    import jax

    from bench.code.table import FUNCTIONS

    jax.config.update("jax_enable_x64", True)
    before, start, rows = load(), perf_counter(), list[CodeRow]()
    for name in suite.functions or FUNCTIONS:
        row = measured(FUNCTIONS[name], suite)
        rows.append(row)
        say(f"{name}: {row.operations} operations, {row.operations / row.casadi_operations:.2f} of CasADi's")
        about = {"suite": suite.name, **machine(("casadi", "sympy", "jax", "jaxlib", "numpy"))}
        about |= {"load": f"{before} before, {load()} after", "duration": f"{perf_counter() - start:.0f} s"}
        yield about, rows


def measured(function: CodeFunction, suite: CodeSuite) -> CodeRow:
    """Measure a function."""
    program = from_jax(function.call, function.points(1)[0])
    start = process_time()
    jacobian = program.jacobian()
    jacobian.c_source()
    seconds = process_time() - start
    casadi, sympy = casadi_codes(program), sympy_code(program, suite.sympy_seconds)
    row = CodeRow(
        function.name,
        function.n,
        program.outputs[0].size,
        len(jacobian.outputs[-1].entries),
        program.operations,
        jacobian.operations,
        casadi_operations=casadi["default"].operations,
        casadi_forward=casadi["forward"].operations,
        casadi_reverse=casadi["reverse"].operations,
        sympy_operations=sympy.operations,
        generation=seconds,
        casadi_generation=casadi["default"].seconds,
        sympy_generation=sympy.seconds,
    )
    row = replace(row, **code_times(jacobian, casadi, function, suite))
    return replace(row, **call_times(jacobian.compile(), function, suite))


def code_times(
    jacobian: ScalarProgram, casadi: dict[str, CasadiCode], function: CodeFunction, suite: CodeSuite
) -> dict[str, Any]:
    """Seconds of the C alone, at one point and, per point, at eight at a time; and how far results are apart."""
    x, points = function.points(1)[0], np.ascontiguousarray(function.points(POINTS).T)
    sizes = [len(output.entries) for output in jacobian.outputs]

    def room(count: int) -> list[Array]:
        return [np.zeros(size * count) for size in (jacobian.outputs[0].size, sizes[-1])]

    def written(mode: str) -> list[Array]:
        return [np.zeros(casadi[mode].function.nnz_out(k)) for k in (0, 1)]

    codes = {"chainplan": Code(one_point(jacobian), [x, *room(1)])}
    for mode in ("forward", "reverse"):
        codes[mode] = Code(casadi_point(casadi[mode].function), [x, *written(mode)])
    one = least_seconds({name: code.run for name, code in codes.items()}, suite.rounds)
    own = one.pop("chainplan")
    mode = min(one, key=lambda name: one[name])
    many = {
        "chainplan": Code(many_points(jacobian, POINTS), [points, *room(POINTS)]),
        "casadi": Code(
            many_points(casadi_lines(casadi[mode].function), POINTS),
            [points, *(np.zeros(one.size * POINTS) for one in written(mode))],
        ),
    }
    eight = least_seconds({name: code.run for name, code in many.items()}, suite.rounds)
    return {
        "c_seconds": own,
        "casadi_c_seconds": one[mode],
        "vector_seconds": eight["chainplan"] / POINTS,
        "casadi_vector_seconds": eight["casadi"] / POINTS,
        "difference": _difference(jacobian, casadi["default"], function),
    }


def _difference(jacobian: ScalarProgram, code: CasadiCode, function: CodeFunction) -> float:
    """The largest difference of chainplan's Jacobian and CasADi's at 100 points over the largest element."""
    found = 0.0
    for x in function.points(100, seed=1):
        ours, theirs = jacobian.evaluate(x)[-1], code.function(x)[1].full()
        found = max(found, float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
    return found


def call_times(run: CompiledProgram, function: CodeFunction, suite: CodeSuite) -> dict[str, Any]:
    """Seconds of a call from Python, and of a point in a batch, by chainplan and by the faster mode of jitted JAX."""
    import jax
    import jax.numpy as jnp

    x, points = function.points(1)[0], function.points(suite.batch)
    modes = {"forward": jax.jacfwd(function.call), "reverse": jax.jacrev(function.call)}
    at, all_at = jnp.asarray(x), jnp.asarray(points)
    ways: dict[str, Callable[[int], Any]] = {"chainplan": _repeated(lambda: run(x))}
    for name, mode in modes.items():
        compiled = jax.jit(mode)
        compiled(at).block_until_ready()
        ways[name] = _repeated(partial(_awaited, compiled, at))
    one = least_seconds(ways, suite.rounds)
    fastest = min(modes, key=lambda name: one[name])
    batched = jax.jit(jax.vmap(modes[fastest]))
    batched(all_at).block_until_ready()
    many = least_seconds(
        {
            "chainplan": _repeated(lambda: run.batch(points)),
            "jax": _repeated(partial(_awaited, batched, all_at)),
        },
        suite.batch_rounds,
    )
    return {
        "call_seconds": one["chainplan"],
        "jax_seconds": one[fastest],
        "batch_seconds": many["chainplan"] / suite.batch,
        "jax_batch_seconds": many["jax"] / suite.batch,
    }


def _awaited(compiled: Callable[[Any], Any], x: Any) -> None:
    """Call a jitted function, and wait for its result."""
    compiled(x).block_until_ready()


def _repeated(call: Callable[[], Any]) -> Callable[[int], None]:
    def run(times: int) -> None:
        for _ in range(times):
            call()

    return run
