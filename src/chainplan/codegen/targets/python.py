"""Python source: a module with a function of one point in plain floats, and one of many points in numpy."""

from __future__ import annotations

from collections.abc import Mapping

from chainplan._version import __version__
from chainplan.codegen.straight_line import OutputArray, StraightLine
from chainplan.codegen.targets.names import argument, number_text, shape_text

_MATH = {
    name: f"math.{word}({{}})"
    for name, word in {
        **{one: one for one in ("sqrt", "cbrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")},
        **{one: one for one in ("exp", "expm1", "log", "log1p", "erf", "floor")},
        "abs": "fabs",
    }.items()
}
_ARITHMETIC = {"add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": "{} / {}", "neg": "-{}"}
FLOAT_EXPRESSIONS: dict[str, str] = {
    **_ARITHMETIC,
    **_MATH,
    "sign": "float(({0} > 0.0) - ({0} < 0.0))",
    "pow": "math.pow({}, {})",
    "atan2": "math.atan2({}, {})",
    "min": "{0} if {0} < {1} else {1}",
    "max": "{0} if {0} > {1} else {1}",
    "lt": "float({} < {})",
    "le": "float({} <= {})",
    "eq": "float({} == {})",
    "select": "{1} if {0} != 0.0 else {2}",
}
"""The operations on floats."""
_NUMPY_EXPRESSIONS: dict[str, str] = {
    **_ARITHMETIC,
    **{name: f"np.{name}({{}})" for name in ("sqrt", "cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")},
    **{name: f"np.{name}({{}})" for name in ("expm1", "log", "log1p", "abs", "sign", "floor")},
    "asin": "np.arcsin({})",
    "acos": "np.arccos({})",
    "atan": "np.arctan({})",
    "erf": "special.erf({})",
    "pow": "np.power({}, {})",
    "atan2": "np.arctan2({}, {})",
    "min": "np.minimum({}, {})",
    "max": "np.maximum({}, {})",
    "lt": "np.where({} < {}, 1.0, 0.0)",
    "le": "np.where({} <= {}, 1.0, 0.0)",
    "eq": "np.where({} == {}, 1.0, 0.0)",
    "select": "np.where({} != 0.0, {}, {})",
}
"""The operations on arrays of numpy."""


def python_source(program: StraightLine, name: str) -> str:
    """Write a program as a Python module."""
    used = {line.operation for line in program.lines}
    lines = [
        f'"""{name}: {program.operations:,} operations, written by chainplan {__version__}.',
        "",
        f"{shape_text(program)} All lists are row-major.",
        f"`{name}` takes and gives flat lists of floats, `{name}_batch` arrays of points x entries.",
        '"""',
        "",
        "import math",
        "",
        "",
        *_function(program, name, FLOAT_EXPRESSIONS),
        "",
        "",
        *_function(
            program, f"{name}_batch", _NUMPY_EXPRESSIONS, imports=["numpy as np", *(["erf"] if "erf" in used else [])]
        ),
        "",
    ]
    return "\n".join(lines)


def _function(
    program: StraightLine, name: str, words: Mapping[str, str], imports: list[str] | None = None
) -> list[str]:
    """Write the function of one point, or that of many points where it imports numpy."""
    arguments = [argument(one.name) for one in program.inputs]
    lines = [f"def {name}({', '.join(arguments)}):"]
    for one in imports or ():
        lines.append("    from scipy import special" if one == "erf" else f"    import {one}")
    entry = "{}[:, {}]" if imports else "{}[{}]"
    names = [entry.format(a, k) for a, one in zip(arguments, program.inputs, strict=True) for k in range(one.size)]
    names += [number_text(c) for c in program.constants]
    first = len(names)
    for number, (operation, operands) in enumerate(program.lines, first):
        names.append(f"t{number - first}")
        lines.append(f"    {names[number]} = {words[operation].format(*(names[o] for o in operands))}")
    if not imports:
        results = [_listed(output, names) for output in program.outputs]
        lines.append(f"    return {', '.join(results)}")
        return lines
    lines.append(f"    points = len({arguments[0]})")
    for output in program.outputs:
        word = f"{argument(output.name)}_"
        lines.append(f"    {word} = np.zeros((points, {output.size}))")
        lines += [f"    {word}[:, {e}] = {names[v]}" for e, v in zip(output.entries, output.values, strict=True)]
    lines.append(f"    return {', '.join(f'{argument(o.name)}_' for o in program.outputs)}")
    return lines


def _listed(output: OutputArray, names: list[str]) -> str:
    held = dict(zip(output.entries, output.values, strict=True))
    return "[" + ", ".join(names[held[e]] if e in held else "0.0" for e in range(output.size)) + "]"
