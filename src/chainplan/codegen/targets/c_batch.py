"""The function of many points in C, which works on eight points at a time in short loops that compilers vectorise.

It takes structures of arrays. Calls of functions such as `sin`, for which processors have no instruction, stand in
loops of their own, so that they do not keep the arithmetic from being vectorised.
"""

from __future__ import annotations

from chainplan.codegen.straight_line import StraightLine
from chainplan.codegen.targets.c_words import (
    C_EXPRESSIONS,
    argument,
    c_number,
    mention_unused,
    parameters,
    places,
)

LANES = 8
"""The points that are worked on at a time."""

_VECTORISED = frozenset(
    ("add", "sub", "mul", "div", "neg", "sqrt", "abs", "sign", "floor", "min", "max", "lt", "le", "eq", "select")
)
"""The operations for which processors have instructions that work on vectors."""


def many_points(program: StraightLine, name: str, zeros: bool = True, apart: str = "") -> list[str]:
    """Write the function of many points, and the one of eight that it calls.

    A line `apart` stands between any two calls of functions such as `sin` in a loop.
    """
    arguments = [argument(one.name) for one in program.arrays]
    sizes = [one.size for one in program.arrays]
    count = len(program.inputs)
    lines = [f"static void {name}_block({parameters(program, ['const size_t points'])})", "{"]
    segments = _segments(program, zeros, apart)
    if not any("* points" in line for line in segments):
        lines.append("    (void)points;")
    lines += [*mention_unused(program), *segments, "}", ""]
    lines += [f"void {name}_batch({parameters(program, ['const size_t points'])})", "{", "    size_t k = 0;"]
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
        target, rest = f"{arguments[place]} + {{0}} * points + k", f"{padded[place]} + {{0}} * {LANES}"
        copied = f"memcpy({target}, {rest}, size);"
        if (zeros or len(output.entries) == output.size) and output.size:
            lines += [f"        for (size_t i = 0; i < {output.size}; ++i)", f"            {copied.format('i')}"]
        else:
            lines += [f"        {copied.format(e)}" for e in output.entries]
    return [*lines, "    }", "}"]


def _segments(program: StraightLine, zeros: bool, apart: str) -> list[str]:
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
    alone = {k for k in range(first, len(segment)) if apart and segment[k] % 2}
    kept |= alone
    names = [f"a{k}[l]" for k in range(program.input_size)]
    loads, start = [], 0
    used = {o for line in program.lines for o in line.operands} | given
    for one in program.inputs:
        for k in range(one.size):
            if start + k in used:
                array = names[start + k].removesuffix("[l]")
                loads.append(f"    double {array}[{LANES}];")
                loads.append(f"    memcpy({array}, {argument(one.name)} + {k} * points, sizeof {array});")
        start += one.size
    names += [c_number(c) for c in program.constants]
    bodies: dict[int, list[str]] = {}
    for number, (operation, operands) in enumerate(program.lines, first):
        body = bodies.setdefault(segment[number], [])
        if body and apart and segment[number] % 2:
            body.append(apart)
        here = [
            f"s{o - first}[l]" if o in kept and (segment[o] != segment[number] or o in alone) else names[o]
            for o in operands
        ]
        names.append(f"t{number - first}")
        body.append(f"        const double {names[number]} = {C_EXPRESSIONS[operation].format(*here)};")
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
            target = f"{argument(output.name)} + {entry} * points"
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
