"""C source: one file of C99 that stands alone, with a function of one point and a function of many.

The function of one point names what is used more than once, in the order of the program, and writes the rest inside
what uses it, so that people can read it; the operations are those of the program. That of many points is in `c_batch`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from chainplan._version import __version__
from chainplan.codegen.straight_line import OutputArray, StraightLine
from chainplan.codegen.targets.c_batch import many_points
from chainplan.codegen.targets.c_words import (
    ATOM,
    MENTIONED_TWICE,
    Expression,
    argument,
    expression,
    mention_unused,
    parameters,
    places,
    variables,
)

MAX_NESTED = 60
"""The most characters of an expression that is written inside another one."""
MAX_WIDTH = 110
"""The most characters of a line, but for that of a function's parameters."""


def c_source(program: StraightLine, name: str, sparse: bool = False) -> str:
    """Write a program as a file of C99.

    With `sparse`, an output with entries that are always zero is an array of the others, and constant arrays hold the
    row and the column of each, where all axes but the last count as rows.
    """
    written = packed(program) if sparse else program
    patterns = [line for output in program.outputs if sparse and _has_zeros(output) for line in _pattern(output, name)]
    one, many = one_point(written, name), many_points(written, name)
    return "\n".join([*_header(program, name, sparse), *INCLUDED, "", *patterns, *one, "", *many, ""])


def packed(program: StraightLine) -> StraightLine:
    """Return a program whose outputs are vectors of the entries that may be nonzero."""
    outputs = [
        o._replace(shape=(len(o.entries),), entries=tuple(range(len(o.entries)))) if _has_zeros(o) else o
        for o in program.outputs
    ]
    return replace(program, outputs=tuple(outputs))


def _has_zeros(output: OutputArray) -> bool:
    return len(output.entries) < output.size


INCLUDED = ("#include <math.h>", "#include <stddef.h>", "#include <string.h>")
"""The headers that the code needs."""


def _header(program: StraightLine, name: str, sparse: bool) -> list[str]:
    """Write the comment that says what the file is."""
    lines = [f"/* {name}: {program.operations:,} operations, written by chainplan {__version__}.", " *"]
    lines += [f" * {one.name}: input, {_shape(one.shape)}" for one in program.inputs]
    for output in program.outputs:
        by = " by ".join(["", *(", ".join(names) for names in output.by)])
        lines.append(f" * {output.name}: output, {_shape(output.shape)}{by}{_zeros(output, name, sparse)}")
    return [
        *lines,
        " *",
        " * All arrays are row-major and must not overlap.",
        f" * {name} computes one point. {name}_batch computes many: entry i of point k is at [i * points + k].",
        " */",
    ]


def _zeros(output: OutputArray, name: str, sparse: bool) -> str:
    """Say how many entries are always zero, or where the others are."""
    kept, size = len(output.entries), output.size
    if kept == size:
        return ""
    if not sparse:
        return f"; {size - kept:,} of {size:,} entries are always zero"
    return f"; of its {size:,} entries the {kept:,} at {name}_{output.name}_rows and {name}_{output.name}_cols"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) if shape else "a number"


def _pattern(output: OutputArray, name: str) -> list[str]:
    """Write the rows and columns of the entries that an array of nonzeros holds."""
    lines = []
    for word, numbers in (("rows", output.rows), ("cols", output.cols)):
        declared = f"const int {name}_{output.name}_{word}[{max(len(numbers), 1)}]"
        lines += [f"extern {declared};", f"{declared} = {{", *_filled([str(n) for n in numbers] or ["0"]), "};"]
    return [*lines, ""]


def _filled(words: Sequence[str]) -> list[str]:
    """Write words into lines, with commas."""
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) > MAX_WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return [*lines, line]


def one_point(program: StraightLine, name: str, zeros: bool = True) -> list[str]:
    """Write the function of one point; without `zeros`, it leaves entries that are always zero as they are."""
    values = [Expression(text, ATOM) for text in variables(program)]
    first = len(values)
    wanted, late = _targets(program, first, zeros)
    used = Counter(o for line in program.lines for o in line.operands)
    nested = _nested(program, first, used)
    lines, named = [f"void {name}({parameters(program)})", "{", *mention_unused(program)], 0
    for number, (operation, operands) in enumerate(program.lines, first):
        made = expression(operation, [values[o] for o in operands])
        goals = wanted.get(number, [])
        if number in nested and len(made.text) <= MAX_NESTED:
            values.append(made)
            continue
        if number in nested or len(goals) != 1 or used[number]:
            values.append(Expression(f"t{named}", ATOM))
            named += 1
            lines.append(f"    const double {values[-1].text} = {made.text};")
        else:
            values.append(made)
        lines += [f"    {goal} = {values[-1].text};" for goal in goals]
    lines += [f"    {goal} = {'0.0' if value is None else values[value].text};" for goal, value in late]
    return [*lines, "}"]


def _targets(
    program: StraightLine, first: int, zeros: bool
) -> tuple[dict[int, list[str]], list[tuple[str, int | None]]]:
    """Return the entries of outputs by the lines that compute them, and those that are known before any line."""
    wanted: dict[int, list[str]] = {}
    late: list[tuple[str, int | None]] = []
    for output in program.outputs:
        held = places(output)
        for entry in range(output.size) if zeros else output.entries:
            goal, value = f"{argument(output.name)}[{entry}]", held.get(entry)
            if value is not None and value >= first:
                wanted.setdefault(value, []).append(goal)
            else:
                late.append((goal, value))
    return wanted, late


def _nested(program: StraightLine, first: int, used: Mapping[int, int]) -> frozenset[int]:
    """Return the lines that are mentioned once, by another line, and are no output."""
    given = {value for output in program.outputs for value in output.values}
    twice = {o for line in program.lines if line.operation in MENTIONED_TWICE for o in line.operands}
    lines = range(first, first + len(program.lines))
    return frozenset(n for n in lines if used[n] == 1 and n not in given and n not in twice)
