"""Scalar programs from CasADi functions of SX, whose instructions are read one by one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.sources.build import built
from chainplan.codegen.straight_line import InputArray
from chainplan.codegen.writer import Ref, Writer
from chainplan.errors import ArgumentError, SpecError, missing_extra

if TYPE_CHECKING:
    import casadi

_CASADI_OPERATIONS = {
    "ADD": "add",
    "SUB": "sub",
    "MUL": "mul",
    "DIV": "div",
    "NEG": "neg",
    "INV": "recip",
    "SQRT": "sqrt",
    "SIN": "sin",
    "COS": "cos",
    "TAN": "tan",
    "ASIN": "asin",
    "ACOS": "acos",
    "ATAN": "atan",
    "SINH": "sinh",
    "COSH": "cosh",
    "TANH": "tanh",
    "EXP": "exp",
    "EXPM1": "expm1",
    "LOG": "log",
    "LOG1P": "log1p",
    "ERF": "erf",
    "FABS": "abs",
    "SIGN": "sign",
    "FLOOR": "floor",
    "POW": "pow",
    "CONSTPOW": "pow",
    "ATAN2": "atan2",
    "FMIN": "min",
    "FMAX": "max",
    "LT": "lt",
    "LE": "le",
    "EQ": "eq",
}
"""The instructions of CasADi that are operations of scalar programs."""

_CASADI_WRITTEN: dict[str, Callable[..., Ref]] = {
    "SQ": lambda w, a: w.mul(a, a),
    "TWICE": lambda w, a: w.mul(w.TWO, a),
    "ASSIGN": lambda w, a: a,
    "CEIL": lambda w, a: w.neg(w.unary("floor", w.neg(a))),
    "NE": lambda w, a, b: w.sub(w.ONE, w.compare("eq", a, b)),
    "NOT": lambda w, a: w.sub(w.ONE, a),
    "AND": lambda w, a, b: w.mul(a, b),
    "OR": lambda w, a, b: w.least("max", a, b),
    "IF_ELSE_ZERO": lambda w, a, b: w.select(a, b, w.ZERO),
    "HYPOT": lambda w, a, b: w.unary("sqrt", w.add(w.mul(a, a), w.mul(b, b))),
}
"""Those that are written by several."""


def from_casadi(function: casadi.Function) -> ScalarProgram:
    """Make the scalar program of a CasADi function of SX.

    Parameters
    ----------
    function : casadi.Function
        A function of SX; one of MX is made one by `expand()`. Dense inputs, outputs of any pattern.

    Returns
    -------
    ScalarProgram
        The program. Vectors have one axis, matrices two.

    Raises
    ------
    SpecError
        Where CasADi is not installed, or an instruction has no counterpart.
    ArgumentError
        Where the function is none of SX, or an input is sparse.

    Examples
    --------
    >>> import casadi
    >>> from chainplan.codegen import from_casadi
    >>> x = casadi.SX.sym("x", 2)
    >>> from_casadi(casadi.Function("f", [x], [casadi.sin(x)])).operations
    2
    """
    try:
        import casadi
    except ImportError:
        raise SpecError(missing_extra("from_casadi", "CasADi", "codegen")) from None
    if not isinstance(function, casadi.Function) or not function.is_a("SXFunction"):
        raise ArgumentError(f"function: found {function!r}; expected a casadi.Function of SX. Call expand() on it.")
    names = _instruction_names(casadi)
    inputs = []
    for k in range(function.n_in()):
        if not function.sparsity_in(k).is_dense():
            raise ArgumentError(f"{function.name_in(k)}: found a sparse input; expected a dense one. Densify it.")
        inputs.append(InputArray(function.name_in(k), _shape(function.size_in(k))))
    writer, work, places = Writer(), dict[int, Ref](), list[list[Ref]]()
    start = 0
    for one, k in zip(inputs, range(function.n_in()), strict=True):
        refs = np.array([writer.input(start + j) for j in range(one.size)], np.int64)
        places.append(list(refs.reshape(function.size_in(k)).ravel(order="F").tolist()))
        start += one.size
    results: dict[tuple[int, int], Ref] = {}
    for k in range(function.n_instructions()):
        name = names[function.instruction_id(k)]
        i, o = function.instruction_input(k), function.instruction_output(k)
        if name == "CONST":
            work[o[0]] = writer.constant(function.instruction_constant(k))
        elif name == "INPUT":
            work[o[0]] = places[i[0]][i[1]]
        elif name == "OUTPUT":
            results[o[0], o[1]] = work[i[0]]
        elif name in _CASADI_WRITTEN:
            work[o[0]] = _CASADI_WRITTEN[name](writer, *(work[a] for a in i))
        elif name in _CASADI_OPERATIONS:
            work[o[0]] = writer.apply(_CASADI_OPERATIONS[name], [work[a] for a in i])
        else:
            raise SpecError(f"{function.name()}: found the instruction {name} of CasADi; expected {_known()}.")
    outputs = []
    for k in range(function.n_out()):
        whole = np.full(function.size_out(k), writer.ZERO, np.int64)
        rows, cols = function.sparsity_out(k).get_triplet()
        for place, (row, col) in enumerate(zip(rows, cols, strict=True)):
            whole[row, col] = results.get((k, place), writer.ZERO)
        outputs.append((function.name_out(k), whole.reshape(_shape(function.size_out(k)))))
    name = function.name() if re.fullmatch(r"[A-Za-z_]\w*", function.name()) else "function"
    return built(name, writer, inputs, outputs)


def _shape(size: tuple[int, int]) -> tuple[int, ...]:
    """Return the shape of a matrix of CasADi, a vector's where it has one column."""
    rows, cols = size
    return (rows,) if cols == 1 else (rows, cols)


def _known() -> str:
    return ", ".join(sorted((*_CASADI_OPERATIONS, *_CASADI_WRITTEN)))


def _instruction_names(casadi: Any) -> dict[int, str]:
    """Return the names of the instructions by their numbers."""
    return {
        value: name.removeprefix("OP_")
        for name, value in vars(casadi).items()
        if name.startswith("OP_") and isinstance(value, int)
    }
