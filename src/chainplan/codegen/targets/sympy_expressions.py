"""SymPy source: a Python module that gives replacements for what is used more than once, and the outputs by them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chainplan._version import __version__
from chainplan.codegen.straight_line import OutputArray, StraightLine
from chainplan.codegen.targets.names import SAME_NAMES, argument, defined, shape_text
from chainplan.errors import SpecError, missing_extra

if TYPE_CHECKING:
    import sympy

_SYMPY_EXPRESSIONS = {
    **{name: f"sp.{name}({{}})" for name in SAME_NAMES},
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "cbrt": "sp.sign({0}) * sp.Abs({0}) ** sp.Rational(1, 3)",
    "expm1": "sp.exp({}) - 1",
    "log1p": "sp.log(1 + {})",
    "abs": "sp.Abs({})",
    "pow": "{} ** {}",
    "atan2": "sp.atan2({}, {})",
    "min": "sp.Min({}, {})",
    "max": "sp.Max({}, {})",
    "lt": "sp.Piecewise((1, sp.Lt({}, {})), (0, True))",
    "le": "sp.Piecewise((1, sp.Le({}, {})), (0, True))",
    "eq": "sp.Piecewise((1, sp.Eq({}, {})), (0, True))",
    "select": "sp.Piecewise(({1}, sp.Ne({0}, 0)), ({2}, True))",
}
"""The operations as expressions of SymPy."""
_PIECEWISE = frozenset(name for name, words in _SYMPY_EXPRESSIONS.items() if "Piecewise" in words)
"""What is a replacement always, because SymPy rewrites a Piecewise inside the condition of another one, without end."""
MAX_NESTED_OPERATIONS = 30
"""How deep operations are nested in an expression, because SymPy works on expressions by recursion."""


def sympy_source(program: StraightLine, name: str) -> str:
    """Write a program as a Python module that builds SymPy expressions."""
    uses = Counter(o for line in program.lines for o in line.operands)
    uses.update(v for output in program.outputs for v in set(output.values))
    lines = [
        f'"""{name}: {program.operations:,} operations as SymPy expressions, written by chainplan {__version__}.',
        "",
        shape_text(program),
        '"""',
        "",
        "import sympy as sp",
        "",
        "",
        f"def {name}():",
        '    """Return replacements, in order, and an array of expressions for each output, as sympy.cse does."""',
        "    replacements = []",
        "",
        "    def kept(symbol, expression):",
        "        replacements.append((sp.Symbol(symbol, real=True), expression))",
        "        return replacements[-1][0]",
        "",
    ]
    names: list[str] = []
    for one in program.inputs:
        entries = [f"{argument(one.name)}_{k}" for k in range(one.size)] if one.shape else [argument(one.name)]
        lines += [f"    {entry} = sp.Symbol({entry!r}, real=True)" for entry in entries]
        names += entries
    names += map(_number, program.constants)
    first = len(names)
    depth = [0] * first
    lines += ["    with sp.evaluate(False):"] if program.lines else []
    for number, (operation, operands) in enumerate(program.lines, first):
        names.append(f"t{number - first}")
        expression = _SYMPY_EXPRESSIONS[operation].format(*(names[o] for o in operands))
        depth.append(1 + max(depth[o] for o in operands))
        if uses[number] > 1 or operation in _PIECEWISE or depth[number] == MAX_NESTED_OPERATIONS:
            expression, depth[number] = f"kept({names[-1]!r}, {expression})", 0
        lines.append(f"        {names[-1]} = {expression}")
    results = [f"        sp.Array([{_listed(output, names)}], {output.shape})," for output in program.outputs]
    return "\n".join([*lines, "    outputs = [", *results, "    ]", "    return replacements, outputs", ""])


def _listed(output: OutputArray, names: list[str]) -> str:
    held = dict(zip(output.entries, output.values, strict=True))
    return ", ".join(names[held[e]] if e in held else "0" for e in range(output.size))


def _number(number: float) -> str:
    if number != number or abs(number) == float("inf"):
        return "sp.nan" if number != number else f"({'-' if number < 0 else ''}sp.oo)"
    return f"sp.Integer({int(number)})" if number == int(number) else f"sp.Float({str(number)!r}, 17)"


def sympy_expressions(
    program: StraightLine, name: str
) -> tuple[list[tuple[sympy.Symbol, sympy.Expr]], list[sympy.NDimArray]]:
    """Return a program as SymPy expressions.

    Raises
    ------
    SpecError
        Where SymPy is not installed.
    """
    try:
        import sympy  # noqa: F401
    except ImportError:
        raise SpecError(missing_extra("sympy()", "SymPy", "codegen")) from None
    replacements, outputs = defined(sympy_source(program, name), name)[name]()
    return replacements, outputs
