"""What C source is made of: how operations, constants, inputs and parameters are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isinf, isnan
from typing import NamedTuple

from chainplan.codegen.straight_line import OutputArray, StraightLine

C_EXPRESSIONS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "sqrt": "sqrt({})",
    "cbrt": "cbrt({})",
    "sin": "sin({})",
    "cos": "cos({})",
    "tan": "tan({})",
    "asin": "asin({})",
    "acos": "acos({})",
    "atan": "atan({})",
    "sinh": "sinh({})",
    "cosh": "cosh({})",
    "tanh": "tanh({})",
    "exp": "exp({})",
    "expm1": "expm1({})",
    "log": "log({})",
    "log1p": "log1p({})",
    "erf": "erf({})",
    "abs": "fabs({})",
    "sign": "(double)({0} > 0.0) - (double)({0} < 0.0)",
    "floor": "floor({})",
    "pow": "pow({}, {})",
    "atan2": "atan2({}, {})",
    "min": "{0} < {1} ? {0} : {1}",
    "max": "{0} > {1} ? {0} : {1}",
    "lt": "(double)({} < {})",
    "le": "(double)({} <= {})",
    "eq": "(double)({} == {})",
    "select": "{} != 0.0 ? {} : {}",
}
"""The operations as expressions of C."""


MENTIONED_TWICE = frozenset(("sign", "min", "max"))
"""The operations whose expressions mention an operand twice."""
ATOM, PRODUCT, SUM, CHOICE = 3, 2, 1, 0
"""How tightly expressions bind."""
_BINDING = {"add": SUM, "sub": SUM, "mul": PRODUCT, "div": PRODUCT, "neg": PRODUCT} | dict.fromkeys(
    ("sign", "min", "max", "lt", "le", "eq", "select"), CHOICE
)


class Expression(NamedTuple):
    """The text of an expression, and how tightly it binds."""

    text: str
    binding: int


def expression(operation: str, operands: Sequence[Expression]) -> Expression:
    """Write an operation on expressions, in parentheses where C would read it in another order."""
    binding = _BINDING.get(operation, ATOM)
    texts = []
    for place, operand in enumerate(operands):
        least = 0 if binding == ATOM else ATOM if place or binding == CHOICE or operation == "neg" else binding
        texts.append(operand.text if operand.binding >= least else f"({operand.text})")
    return Expression(C_EXPRESSIONS[operation].format(*texts), binding)


def places(output: OutputArray) -> dict[int, int]:
    """Return the value of each entry of an output that may be nonzero."""
    return dict(zip(output.entries, output.values, strict=True))


def c_number(number: float) -> str:
    """Write a constant."""
    if isnan(number):
        return "NAN"
    text = "INFINITY" if isinf(number) else repr(abs(number))
    return text if number >= 0 else f"(-{text})"


def variables(program: StraightLine) -> list[str]:
    """Write what inputs and constants are called."""
    entries = [f"{argument(one.name)}[{k}]" for one in program.inputs for k in range(one.size)]
    return entries + [c_number(c) for c in program.constants]


def argument(name: str) -> str:
    """Return the name of an argument, which no variable and no function of C has."""
    return f"{name}_" if name in _RESERVED or name.rstrip("0123456789") in ("t", "s", "a", "rest") else name


def parameters(program: StraightLine, extra: Iterable[str] = ()) -> str:
    arguments = [f"const double *restrict {argument(one.name)}" for one in program.inputs]
    arguments += [f"double *restrict {argument(one.name)}" for one in program.outputs]
    return ", ".join([*extra, *arguments])


def mention_unused(program: StraightLine) -> list[str]:
    """Mention the inputs that nothing reads and the outputs without entries, of which compilers would warn."""
    used = {o for line in program.lines for o in line.operands} | {v for o in program.outputs for v in o.values}
    unused, start = [], 0
    for one in program.inputs:
        if not used.intersection(range(start, start + one.size)):
            unused.append(one.name)
        start += one.size
    unused += [one.name for one in program.outputs if not one.size]
    return [f"    (void){argument(name)};" for name in unused]


_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"
)
_DECLARED = (
    "memcpy memset sqrt cbrt sin cos tan asin acos atan sinh cosh tanh exp expm1 log log1p erf fabs floor pow atan2 y0 "
    "y1 yn j0 j1 jn gamma signgam main size_t points size k l i rest far bits any uint64_t INDEPENDENT APART"
)
_RESERVED = frozenset([*_KEYWORDS.split(" "), *_DECLARED.split(" ")])
"""Names that arguments cannot have."""
