"""Numba: the program as functions that are compiled in this process, without a C compiler.

The code is that of the Python target on pointers to arrays, so that it is called as compiled C is. Compiling takes
longer than the compiler of C does, and more than in proportion to the operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainplan.codegen.straight_line import StraightLine
from chainplan.codegen.targets.names import defined, number_text
from chainplan.codegen.targets.python import FLOAT_EXPRESSIONS
from chainplan.errors import ArgumentError, SpecError, missing_extra

MAX_NUMBA_OPERATIONS = 2_000
"""The most operations that Numba compiles in some seconds."""
_EXPRESSIONS = FLOAT_EXPRESSIONS | {
    "floor": "np.floor({})",
    "cbrt": "np.cbrt({})",
    "sign": "(1.0 if {0} > 0.0 else 0.0) - (1.0 if {0} < 0.0 else 0.0)",
    "lt": "1.0 if {} < {} else 0.0",
    "le": "1.0 if {} <= {} else 0.0",
    "eq": "1.0 if {} == {} else 0.0",
}
"""The operations; Numba makes no floats of truth values."""


class NumbaFunctions(NamedTuple):
    """The address of the function of one point, which takes all arrays by one pointer, and a function of many.

    The latter takes arrays of points x entries, inputs and outputs, and fills the outputs.
    """

    address: int
    many: Callable[..., None]
    alive: object


def numba_functions(program: StraightLine) -> NumbaFunctions:
    """Compile a program by Numba.

    Raises
    ------
    SpecError
        Where Numba is not installed.
    ArgumentError
        Where the program has too many operations.
    """
    try:
        import numba
    except ImportError:
        raise SpecError(missing_extra("target='numba'", "Numba", "native")) from None
    if program.operations > MAX_NUMBA_OPERATIONS:
        raise ArgumentError(
            f"target: found 'numba' for {program.operations:,} operations; expected at most {MAX_NUMBA_OPERATIONS:,}. "
            "Use target='c'."
        )
    arrays = range(len(program.arrays))
    named = [f"    p{k} = arrays[{k}]" for k in arrays]
    one = "\n".join(["import math", "import numpy as np", "", "def one(arrays):", *named, *_body(program, "{}")])
    rows = [f"        p{k} = whole[{k}][point]" for k in arrays]
    each = ["def many(whole, points):", "    for point in range(points):", *rows, *_body(program, "    {}")]
    signature = "void(CPointer(CPointer(float64)))"
    compiled = numba.cfunc(signature, error_model="numpy")(defined(one, "one")["one"])
    source = "\n".join(["import math", "import numpy as np", "", *each])
    many = numba.njit(error_model="numpy", nogil=True)(defined(source, "many")["many"])
    assert compiled.address is not None, "a function with a signature is compiled at once"
    return NumbaFunctions(compiled.address, many, compiled)


def _body(program: StraightLine, indented: str) -> list[str]:
    """Write the lines, and the entries of outputs that may be nonzero."""
    names = [f"p{k}[{entry}]" for k, one in enumerate(program.inputs) for entry in range(one.size)]
    names += [number_text(c) for c in program.constants]
    lines = []
    for number, (operation, operands) in enumerate(program.lines):
        lines.append(f"    t{number} = {_EXPRESSIONS[operation].format(*(names[o] for o in operands))}")
        names.append(f"t{number}")
    for k, output in enumerate(program.outputs, len(program.inputs)):
        lines += [f"    p{k}[{e}] = {names[v]}" for e, v in zip(output.entries, output.values, strict=True)]
    return [indented.format(line) for line in lines or ["    pass"]]
