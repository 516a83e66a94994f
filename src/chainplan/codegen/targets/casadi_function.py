"""CasADi source: a Python module that builds a function of SX, whose instructions are the lines of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainplan._version import __version__
from chainplan.codegen.straight_line import InputArray, OutputArray, StraightLine
from chainplan.codegen.targets.names import SAME_NAMES, argument, defined, number_text, shape_text
from chainplan.errors import ArgumentError, SpecError, missing_extra

if TYPE_CHECKING:
    import casadi

_CASADI_EXPRESSIONS = {
    **{name: f"ca.{name}({{}})" for name in (*SAME_NAMES, "expm1", "log1p")},
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "cbrt": "ca.sign({0}) * ca.fabs({0}) ** (1 / 3)",
    "abs": "ca.fabs({})",
    "pow": "{} ** {}",
    "atan2": "ca.atan2({}, {})",
    "min": "ca.fmin({}, {})",
    "max": "ca.fmax({}, {})",
    "lt": "ca.SX({}) < {}",
    "le": "ca.SX({}) <= {}",
    "eq": "ca.SX({}) == {}",
    "select": "ca.if_else({}, {}, {})",
}
"""The operations as expressions of CasADi."""


def casadi_source(program: StraightLine, name: str) -> str:
    """Write a program as a Python module that builds a CasADi function.

    Raises
    ------
    ArgumentError
        Where an array has more than two axes.
    """
    for one in program.arrays:
        if len(one.shape) > 2:
            raise ArgumentError(f"{one.name}: found {len(one.shape)} axes; expected at most two in CasADi. Flatten it.")
    lines = [
        f'"""{name}: {program.operations:,} operations as a CasADi function of SX, written by chainplan {__version__}.',
        "",
        f"{shape_text(program)}",
        '"""',
        "",
        "import casadi as ca",
        "",
        "",
        f"def {name}():",
        '    """Return the function."""',
    ]
    names: list[str] = []
    for one in program.inputs:
        rows, cols = _matrix(one)
        lines.append(f"    {argument(one.name)} = ca.SX.sym({one.name!r}, {rows}, {cols})")
        names += [f"{argument(one.name)}[{k // cols}, {k % cols}]" for k in range(one.size)]
    names += map(number_text, program.constants)
    first = len(names)
    for number, (operation, operands) in enumerate(program.lines, first):
        names.append(f"t{number - first}")
        lines.append(f"    {names[-1]} = {_CASADI_EXPRESSIONS[operation].format(*(names[o] for o in operands))}")
    sides = [[one.name for one in side] for side in (program.inputs, program.outputs)]
    arguments = ", ".join(argument(one.name) for one in program.inputs)
    results = [f"        {_result(output, names)}," for output in program.outputs]
    lines += ["    results = [", *results, "    ]"]
    lines.append(f"    return ca.Function({name!r}, [{arguments}], results, {sides[0]}, {sides[1]})")
    return "\n".join([*lines, ""])


def _matrix(one: InputArray | OutputArray) -> tuple[int, int]:
    """Return rows and columns; a vector is a column."""
    rows, cols = (*one.shape, 1, 1)[:2]
    return rows, cols


def _result(output: OutputArray, names: list[str]) -> str:
    """Write an output as a matrix that stores only what may be nonzero, column by column."""
    rows, cols = _matrix(output)
    row, col = np.divmod(np.array(output.entries, int), cols)
    order = np.lexsort((row, col))
    pattern = f"ca.Sparsity.triplet({rows}, {cols}, {row[order].tolist()}, {col[order].tolist()})"
    return f"ca.SX({pattern}, ca.vertcat({', '.join(names[output.values[k]] for k in order)}))"


def casadi_function(program: StraightLine, name: str) -> casadi.Function:
    """Return a program as a CasADi function.

    Raises
    ------
    SpecError
        Where CasADi is not installed.
    """
    try:
        import casadi  # noqa: F401
    except ImportError:
        raise SpecError(missing_extra("casadi()", "CasADi", "codegen")) from None
    made: casadi.Function = defined(casadi_source(program, name), name)[name]()
    return made
