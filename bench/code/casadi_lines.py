"""CasADi's instructions as a straight-line program, one line each, so that the writer of vector code takes them.

`from_casadi` would make equal values one value and fold signs, which is chainplan's work and not CasADi's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainplan.codegen import ScalarProgram
from chainplan.codegen.straight_line import InputArray, Line, OutputArray

if TYPE_CHECKING:
    import casadi

_TAKEN = {
    **{name: name.lower() for name in ("ADD", "SUB", "MUL", "DIV", "NEG", "SQRT", "SIN", "COS", "TAN", "ASIN", "ACOS")},
    **{name: name.lower() for name in ("ATAN", "SINH", "COSH", "TANH", "EXP", "LOG", "FLOOR", "SIGN", "POW", "ATAN2")},
    **{"LT": "lt", "LE": "le", "EQ": "eq", "FABS": "abs", "FMIN": "min", "FMAX": "max", "CONSTPOW": "pow"},
}
"""The instructions with an operation of the same operands."""


def casadi_lines(function: casadi.Function) -> ScalarProgram:
    """Transcribe a function of one dense vector; its outputs are the nonzeros.

    Raises
    ------
    ValueError
        Where an instruction is not known here.
    """
    import casadi as ca

    names = {value: name[3:] for name, value in vars(ca).items() if name[:3] == "OP_" and isinstance(value, int)}
    size, count = function.numel_in(0), function.n_instructions()
    kinds = [names[function.instruction_id(k)] for k in range(count)]
    numbers = {function.instruction_constant(k) for k in range(count) if kinds[k] == "CONST"} | {0.0, 1.0, 2.0}
    constants = {number: size + k for k, number in enumerate(sorted(numbers))}
    lines: list[Line] = []
    work: dict[int, int] = {}
    results: list[dict[int, int]] = [{} for _ in range(function.n_out())]
    for k, kind in enumerate(kinds):
        i, o = function.instruction_input(k), function.instruction_output(k)
        if kind == "CONST":
            work[o[0]] = constants[function.instruction_constant(k)]
        elif kind == "INPUT":
            work[o[0]] = i[1]
        elif kind == "OUTPUT":
            results[o[0]][o[1]] = work[i[0]]
        elif kind == "ASSIGN":
            work[o[0]] = work[i[0]]
        else:
            lines.append(_line(kind, [work[a] for a in i], constants))
            work[o[0]] = size + len(constants) + len(lines) - 1
    outputs = [
        OutputArray(f"y{k}", (len(held),), tuple(sorted(held)), tuple(held[e] for e in sorted(held)))
        for k, held in enumerate(results)
    ]
    return ScalarProgram("casadi", (InputArray("x", (size,)),), tuple(constants), tuple(lines), tuple(outputs))


def _line(kind: str, operands: list[int], constants: dict[float, int]) -> Line:
    """Write an instruction as CasADi's C does."""
    if kind in _TAKEN:
        return Line(_TAKEN[kind], tuple(operands))
    if kind == "SQ":
        return Line("mul", (operands[0], operands[0]))
    if kind == "TWICE":
        return Line("mul", (constants[2.0], operands[0]))
    if kind == "INV":
        return Line("div", (constants[1.0], operands[0]))
    if kind == "IF_ELSE_ZERO":
        return Line("select", (*operands, constants[0.0]))
    raise ValueError(f"found CasADi's instruction {kind}; expected one that is written in {__name__}. Add it.")
