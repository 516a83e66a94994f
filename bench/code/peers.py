"""The Jacobian of a program as CasADi and SymPy write it."""

from __future__ import annotations

import json
import subprocess
import sys
from math import ceil
from time import process_time
from typing import TYPE_CHECKING, NamedTuple

from chainplan.codegen import ScalarProgram

if TYPE_CHECKING:
    import casadi

CASADI_MODES = {"default": {}, "forward": {"ad_weight": 0.0}, "reverse": {"ad_weight": 1.0}}
"""How CasADi is asked for a Jacobian; by default it chooses a mode by the number of sweeps."""
_NO_OPERATIONS = ("OP_CONST", "OP_INPUT", "OP_OUTPUT", "OP_PARAMETER", "OP_ASSIGN")


class CasadiCode(NamedTuple):
    """A function of values and Jacobian, how many operations it has, and what it took to make it."""

    function: casadi.Function
    operations: int
    seconds: float


def casadi_codes(program: ScalarProgram) -> dict[str, CasadiCode]:
    """Values and Jacobian by each mode of CasADi, after its `cse` of the values, and again of both."""
    import casadi as ca

    whole = program.casadi("f")
    x = ca.SX.sym("x", whole.numel_in(0))
    codes = {}
    for mode, options in CASADI_MODES.items():
        start = process_time()
        value = ca.cse(whole(x))
        jacobian = ca.jacobian(value, x, {"helper_options": options} if options else {})
        function = ca.Function("f", [x], ca.cse([value, jacobian]))
        codes[mode] = CasadiCode(function, casadi_operations(function), process_time() - start)
    return codes


def casadi_operations(function: casadi.Function) -> int:
    """The instructions of a function that compute something."""
    import casadi as ca

    idle = {getattr(ca, name) for name in _NO_OPERATIONS}
    return sum(function.instruction_id(k) not in idle for k in range(function.n_instructions()))


class SympyCode(NamedTuple):
    """How many operations SymPy counts in its code, and what it took to make it; None where that took too long."""

    operations: int | None
    seconds: float


def sympy_code(program: ScalarProgram, limit: float) -> SympyCode:
    """Values and Jacobian by `jacobian` and `cse` of SymPy, in a process that gets so many seconds of the processor."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.code.peers", str(limit)],
        input=json.dumps(program.casadi("f").serialize()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        return SympyCode(None, limit)
    if done.returncode:
        raise RuntimeError(f"SymPy: {done.stderr}")
    operations, seconds = json.loads(done.stdout)
    return SympyCode(operations, seconds)


def main(limit: float) -> None:
    """Read a program as text, and print what SymPy makes of it; the system ends the process after the limit."""
    import resource

    import casadi as ca
    import sympy as sp

    from chainplan.codegen import from_casadi

    replaced, reduced = from_casadi(ca.Function.deserialize(json.load(sys.stdin))).sympy()
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(process_time() + limit),) * 2)
    whole: dict[sp.Symbol, sp.Expr] = {}
    for symbol, expression in replaced:
        whole[symbol] = expression.xreplace(whole)
    values = sp.Matrix([expression.xreplace(whole) for expression in reduced[0]])
    start = process_time()
    variables = sorted(values.free_symbols, key=lambda s: int(s.name.rpartition("_")[2]))
    replacements, (value, jacobian) = sp.cse([values, values.jacobian(variables)])
    seconds = process_time() - start
    operations = sum(sp.count_ops(e) for _, e in replacements) + sp.count_ops(value) + sp.count_ops(jacobian)
    print(json.dumps([int(operations), seconds]))


if __name__ == "__main__":
    main(float(sys.argv[1]))
