"""C source: one file of C99 that stands alone, with a function of one point and a function of many.

The function of one point is a line for each operation, in the order of the program. The one of many points takes
structures of arrays, and works on eight points at a time in short loops that compilers vectorise: calls of functions
such as `sin`, for which processors have no instruction, stand in loops of their own, so that they do not keep the
arithmetic from being vectorised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isinf, isnan

from chainplan._version import __version__
from chainplan.codegen.straight_line import OutputArray, StraightLine

LANES = 8
"""The points that are worked on at a time."""

_C_EXPRESSIONS = {
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
_VECTORISED = frozenset(
    ("add", "sub", "mul", "div", "neg", "sqrt", "abs", "sign", "floor", "min", "max", "lt", "le", "eq", "select")
)
"""The operations for which processors have instructions that work on vectors."""


def c_source(program: StraightLine, name: str, zeros: bool = True) -> str:
    """Write a program as a file of C99; without `zeros`, it leaves entries that are always zero as they are."""
    one, many = _one_point(program, name, zeros), _many_points(program, name, zeros)
    return "\n".join([*_header(program, name), "", *one, "", *many, ""])


def places(output: OutputArray) -> dict[int, int]:
    """Return the value of each entry of an output that may be nonzero."""
    return dict(zip(output.entries, output.values, strict=True))


def _header(program: StraightLine, name: str) -> list[str]:
    """Write the comment that says what the file is, and the headers that it includes."""
    lines = [f"/* {name}: {program.operations:,} operations, written by chainplan {__version__}.", " *"]
    for one in program.inputs:
        lines.append(f" * {one.name}: input, {_shape(one.shape)}")
    for output in program.outputs:
        zeros = output.size - len(output.entries)
        by = " by ".join(["", *(", ".join(names) for names in output.by)])
        lines.append(
            f" * {output.name}: output, {_shape(output.shape)}{by}"
            + (f"; {zeros:,} of {output.size:,} entries are always zero" if zeros else "")
        )
    lines += [
        " *",
        " * All arrays are row-major and must not overlap.",
        f" * {name} computes one point. {name}_batch computes many: entry i of point k is at [i * points + k].",
        " */",
        "#include <math.h>",
        "#include <stddef.h>",
        "#include <string.h>",
    ]
    return lines


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) if shape else "a number"


def _number(number: float) -> str:
    """Write a constant."""
    if isnan(number):
        return "NAN"
    text = "INFINITY" if isinf(number) else repr(abs(number))
    return text if number >= 0 else f"(-{text})"


def _variables(program: StraightLine) -> list[str]:
    """Write what inputs and constants are called."""
    entries = [f"{_argument(one.name)}[{k}]" for one in program.inputs for k in range(one.size)]
    return entries + [_number(c) for c in program.constants]


def _argument(name: str) -> str:
    """Return the name of an argument, which no variable and no function of C has."""
    return f"{name}_" if name in _RESERVED or name.rstrip("0123456789") in ("t", "s", "a", "rest") else name


def _parameters(program: StraightLine, extra: Iterable[str] = ()) -> str:
    arguments = [f"const double *restrict {_argument(one.name)}" for one in program.inputs]
    arguments += [f"double *restrict {_argument(one.name)}" for one in program.outputs]
    return ", ".join([*extra, *arguments])


def _one_point(program: StraightLine, name: str, zeros: bool) -> list[str]:
    """Write the function of one point."""
    names = _variables(program)
    wanted: dict[int, list[str]] = {}
    late = []
    for output in program.outputs:
        held = places(output)
        for entry in range(output.size) if zeros else output.entries:
            target = f"{_argument(output.name)}[{entry}]"
            if held.get(entry, 0) >= len(names) and entry in held:
                wanted.setdefault(held[entry], []).append(target)
            else:
                late.append(f"    {target} = {names[held[entry]] if entry in held else '0.0'};")
    lines = [f"void {name}({_parameters(program)})", "{", *_unused(program)]
    for number, (operation, operands) in enumerate(program.lines, len(names)):
        expression = _C_EXPRESSIONS[operation].format(*(names[o] for o in operands))
        names.append(f"t{number - len(program.constants) - program.input_size}")
        lines.append(f"    const double {names[-1]} = {expression};")
        lines += [f"    {target} = {names[-1]};" for target in wanted.get(number, ())]
    return [*lines, *late, "}"]


def _unused(program: StraightLine) -> list[str]:
    """Mention the inputs that nothing reads, of which compilers would warn."""
    used = {o for line in program.lines for o in line.operands} | {v for o in program.outputs for v in o.values}
    lines, start = [], 0
    for one in program.inputs:
        if not used.intersection(range(start, start + one.size)):
            lines.append(f"    (void){_argument(one.name)};")
        start += one.size
    return lines


def _many_points(program: StraightLine, name: str, zeros: bool) -> list[str]:
    """Write the function of many points, and the one of eight that it calls."""
    arguments = [_argument(one.name) for one in program.arrays]
    sizes = [one.size for one in program.arrays]
    count = len(program.inputs)
    lines = [f"static void {name}_block({_parameters(program, ['const size_t points'])})", "{"]
    lines += [*_unused(program), *_segments(program, zeros), "}", ""]
    lines += [f"void {name}_batch({_parameters(program, ['const size_t points'])})", "{", "    size_t k = 0;"]
    whole = ", ".join(["points", *(f"{a} + k" for a in arguments)])
    lines += [f"    for (; k + {LANES} <= points; k += {LANES})", f"        {name}_block({whole});"]
    lines += ["    if (k < points) {", "        const size_t rest = points - k, size = rest * sizeof(double);"]
    padded = [f"rest{k}" for k in range(len(arguments))]
    for place, (rest, size) in enumerate(zip(padded, sizes, strict=True)):
        lines.append(f"        double {rest}[{LANES * max(size, 1)}];")
        if place < count and size:
            lines += [
                f"        for (size_t i = 0; i < {size}; ++i)",
                f"            for (size_t l = 0; l < {LANES}; ++l)",
                f"                {rest}[i * {LANES} + l] = {arguments[place]}[i * points + k + (l < rest ? l : 0)];",
            ]
    lines.append(f"        {name}_block({', '.join([str(LANES), *padded])});")
    for place, output in enumerate(program.outputs, count):
        lines += [
            f"        memcpy({arguments[place]} + {e} * points + k, {padded[place]} + {e * LANES}, size);"
            for e in (range(output.size) if zeros else output.entries)
        ]
    return [*lines, "    }", "}"]


def _segments(program: StraightLine, zeros: bool) -> list[str]:
    """Write the loops over eight points: those of arithmetic and those of functions take turns.

    What they read and write are small arrays of the function itself, because compilers do not vectorise loops of which
    they cannot tell that rows of an array at a variable distance do not overlap.
    """
    first = program.input_size + len(program.constants)
    segment = _segment_numbers(program, first)
    given = {v for output in program.outputs for v in output.values}
    kept = {
        o
        for k, (_, operands) in enumerate(program.lines, first)
        for o in operands
        if o >= first and segment[o] != segment[k]
    } | {v for v in given if v >= first}
    names = [f"a{k}[l]" for k in range(program.input_size)]
    loads, start = [], 0
    used = {o for line in program.lines for o in line.operands} | given
    for one in program.inputs:
        for k in range(one.size):
            if start + k in used:
                array = names[start + k].removesuffix("[l]")
                loads.append(f"    double {array}[{LANES}];")
                loads.append(f"    memcpy({array}, {_argument(one.name)} + {k} * points, sizeof {array});")
        start += one.size
    names += [_number(c) for c in program.constants]
    bodies: dict[int, list[str]] = {}
    for number, (operation, operands) in enumerate(program.lines, first):
        body = bodies.setdefault(segment[number], [])
        here = [f"s{o - first}[l]" if o in kept and segment[o] != segment[number] else names[o] for o in operands]
        names.append(f"t{number - first}")
        body.append(f"        const double {names[number]} = {_C_EXPRESSIONS[operation].format(*here)};")
        if number in kept:
            body.append(f"        s{number - first}[l] = {names[number]};")
    lines = [*loads, *(f"    double s{v - first}[{LANES}];" for v in sorted(kept))]
    for place in sorted(bodies):
        lines += [f"    for (size_t l = 0; l < {LANES}; ++l) {{", *bodies[place], "    }"]
    return [*lines, *_stores(program, names, first, zeros)]


def _segment_numbers(program: StraightLine, first: int) -> list[int]:
    """Number the loops: arithmetic stands in even ones, functions in odd ones, each behind its operands."""
    segment = [0] * first
    for operation, operands in program.lines:
        before = max((segment[o] for o in operands), default=0)
        vectorised = operation in _VECTORISED
        segment.append(before + (before % 2 if vectorised else 1 - before % 2))
    return segment


def _stores(program: StraightLine, names: list[str], first: int, zeros: bool) -> list[str]:
    """Write the copies of eight points of each entry to its row of an output."""
    lines = []
    for output in program.outputs:
        held = places(output)
        for entry in range(output.size) if zeros else output.entries:
            target = f"{_argument(output.name)} + {entry} * points"
            value = held.get(entry)
            if value is None:
                lines.append(f"    memset({target}, 0, {LANES} * sizeof(double));")
            elif value < program.input_size:
                lines.append(f"    memcpy({target}, {names[value].removesuffix('[l]')}, {LANES} * sizeof(double));")
            elif value >= first:
                lines.append(f"    memcpy({target}, s{value - first}, sizeof s{value - first});")
            else:
                eight = ", ".join([names[value]] * LANES)
                lines.append(f"    memcpy({target}, (const double[]){{{eight}}}, {LANES} * sizeof(double));")
    return lines


_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"
)
_DECLARED = (
    "memcpy memset sqrt cbrt sin cos tan asin acos atan sinh cosh tanh exp expm1 log log1p erf fabs floor pow atan2 y0 "
    "y1 yn j0 j1 jn gamma signgam main size_t points size k l i rest"
)
_RESERVED = frozenset([*_KEYWORDS.split(" "), *_DECLARED.split(" ")])
"""Names that arguments cannot have."""
