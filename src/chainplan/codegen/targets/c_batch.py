"""The function of many points in C, which works on eight points at a time in short loops that compilers vectorise.

It takes structures of arrays. Calls of functions such as `sin`, for which processors have no instruction, stand in
loops of their own, so that they do not keep the arithmetic from being vectorised. Code that is compiled here has some
of these functions written out, as arithmetic (`vector_math`).
"""

from __future__ import annotations

from chainplan.codegen.straight_line import StraightLine
from chainplan.codegen.targets.c_words import C_EXPRESSIONS, argument, mention_unused, parameters, places, variables
from chainplan.codegen.vector_math import APART, VECTOR_FUNCTIONS

LANES = 8
"""The points that are worked on at a time."""
EACH = f"for (size_t l = 0; l < {LANES}; ++l)"
INDEPENDENT = """#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif"""
"""Tells compilers that rows of an array, at a distance that they do not know, do not overlap."""

_VECTORISED = frozenset(
    ("add", "sub", "mul", "div", "neg", "sqrt", "abs", "sign", "floor", "min", "max", "lt", "le", "eq", "select")
)
"""The operations for which processors have instructions that work on vectors."""


def many_points(program: StraightLine, name: str, zeros: bool = True, native: bool = False) -> list[str]:
    """Write the function of many points, and the one of eight that it calls.

    With `native`, `vector_math` stands before it, and the function of one point: where an argument is too large for a
    function that is written out, eight points are computed one by one.
    """
    block = _Block(program, zeros, native)
    arguments = [argument(one.name) for one in program.arrays]
    whole = ", ".join(["points", *(f"{a} + k" for a in arguments)])
    padded = ", ".join([f"{LANES}", *(f"rest{k}" for k in range(len(arguments)))])
    call, kind = "        {0}_block({1});", "void"
    lines = [INDEPENDENT, ""]
    if block.may_fail:
        call, kind = "        if ({0}_block({1}))\n            {0}_each({1});", "int"
        lines += [*_each(program, name), ""]
    lines += [f"static {kind} {name}_block({parameters(program, ['const size_t points'])})", "{"]
    lines += [*mention_unused(program), *block.lines(), "}", ""]
    lines += [f"void {name}_batch({parameters(program, ['const size_t points'])})", "{", "    size_t k = 0;"]
    lines += [f"    for (; k + {LANES} <= points; k += {LANES})", call.format(name, whole)]
    lines += ["    if (k < points) {", "        const size_t rest = points - k, size = rest * sizeof(double);"]
    return [*lines, *_rest(program, arguments, zeros, call.format(name, padded)), "    }", "}"]


def _rest(program: StraightLine, arguments: list[str], zeros: bool, call: str) -> list[str]:
    """Write how fewer than eight points are computed: the first is repeated, and as many results are taken."""
    lines, count = [], len(program.inputs)
    for place, one in enumerate(program.arrays):
        lines.append(f"        double rest{place}[{LANES * max(one.size, 1)}];")
        if place < count and one.size:
            given = f"{arguments[place]}[i * points + k + (l < rest ? l : 0)]"
            lines.append(f"        for (size_t i = 0; i < {one.size}; ++i)")
            lines += [f"            {EACH}", f"                rest{place}[i * {LANES} + l] = {given};"]
    lines.append(call)
    for place, output in enumerate(program.outputs, count):
        copied = f"memcpy({arguments[place]} + {{0}} * points + k, rest{place} + {{0}} * {LANES}, size);"
        if (zeros or len(output.entries) == output.size) and output.size:
            lines += [f"        for (size_t i = 0; i < {output.size}; ++i)", f"            {copied.format('i')}"]
        else:
            lines += [f"        {copied.format(e)}" for e in output.entries]
    return lines


def _each(program: StraightLine, name: str) -> list[str]:
    """Write the function that computes eight points one by one."""
    lines = [f"static void {name}_each({parameters(program, ['const size_t points'])})", "{", f"    {EACH} {{"]
    copies, moved = [], ("        for (size_t i = 0; i < {0}; ++i)\n            {1}[i{2}] = {3}[i{4}];")
    for place, one in enumerate(program.arrays):
        there, here = (argument(one.name), " * points + l"), (f"rest{place}", "")
        lines.append(f"        double rest{place}[{max(one.size, 1)}] = {{0}};")
        if place < len(program.inputs) and one.size:
            lines.append(moved.format(one.size, *here, *there))
        elif one.size:
            copies.append(moved.format(one.size, *there, *here))
    passed = ", ".join(f"rest{place}" for place in range(len(program.arrays)))
    return [*lines, f"        {name}({passed});", *copies, "    }", "}"]


class _Block:
    """The loops over eight points: those of arithmetic and those of functions take turns."""

    def __init__(self, program: StraightLine, zeros: bool, native: bool) -> None:
        self._program = program
        self._native = native
        self._words = C_EXPRESSIONS | ({o: f.call for o, f in VECTOR_FUNCTIONS.items()} if native else {})
        self._first = program.input_size + len(program.constants)
        self._segment = self._segments()
        self._stores, self._known = self._goals(zeros)
        self.may_fail = native and any(line.operation in VECTOR_FUNCTIONS for line in program.lines)

    def _segments(self) -> list[int]:
        """Number the loops: arithmetic stands in even ones, functions in odd ones, each behind its operands."""
        segment = [0] * self._first
        for operation, operands in self._program.lines:
            before = max((segment[o] for o in operands), default=0)
            vectorised = operation in _VECTORISED or (self._native and operation in VECTOR_FUNCTIONS)
            segment.append(before + (before % 2 if vectorised else 1 - before % 2))
        return segment

    def _goals(self, zeros: bool) -> tuple[dict[int, list[str]], list[tuple[str, int | None]]]:
        """Return the entries of outputs by the lines that compute them, and those that are known before any line."""
        stores: dict[int, list[str]] = {}
        known: list[tuple[str, int | None]] = []
        for output in self._program.outputs:
            held = places(output)
            for entry in range(output.size) if zeros else output.entries:
                goal, value = f"{argument(output.name)}[{entry} * points + l]", held.get(entry)
                if value is not None and value >= self._first:
                    stores.setdefault(value, []).append(goal)
                else:
                    known.append((goal, value))
        return stores, known

    def lines(self) -> list[str]:
        """Write all loops; what one leaves to another stands in small arrays."""
        program, first, segment = self._program, self._first, self._segment
        alone = {k for k in range(first, len(segment)) if self._native and segment[k] % 2}
        kept = alone | {
            o
            for k, (_, operands) in enumerate(program.lines, first)
            for o in operands
            if o >= first and segment[o] != segment[k]
        }
        names = self._variables()
        bodies: dict[int, list[str]] = {}
        checked: set[tuple[str, float]] = set()
        for number, (operation, operands) in enumerate(program.lines, first):
            body = bodies.setdefault(segment[number], [])
            if body and number in alone:
                body.append(APART)
            here = [
                f"s{o - first}[l]" if o in kept and (segment[o] != segment[number] or o in alone) else names[o]
                for o in operands
            ]
            names.append(f"t{number - first}")
            largest = VECTOR_FUNCTIONS[operation].largest if self.may_fail and operation in VECTOR_FUNCTIONS else 0.0
            if largest and (names[operands[0]], largest) not in checked:
                checked.add((names[operands[0]], largest))
                body.append(f"        far[l] += (double)(fabs({here[0]}) > {largest!r});")
            body.append(f"        const double {names[number]} = {self._words[operation].format(*here)};")
            if number in kept:
                body.append(f"        s{number - first}[l] = {names[number]};")
            body += [f"        {goal} = {names[number]};" for goal in self._stores.get(number, ())]
        if self._known:
            bodies[max(bodies, default=0) + 1] = [
                f"        {goal} = {'0.0' if value is None else names[value]};" for goal, value in self._known
            ]
        lines = [f"    double s{v - first}[{LANES}];" for v in sorted(kept)]
        for place in sorted(bodies):
            lines += ["    INDEPENDENT", f"    {EACH} {{", *bodies[place], "    }"]
        if not any("* points" in line for body in bodies.values() for line in body):
            lines.insert(0, "    (void)points;")
        return [f"    double far[{LANES}] = {{0}};", *lines, *_ANY_FAR] if self.may_fail else lines

    def _variables(self) -> list[str]:
        """Write what inputs and constants are called."""
        entries = [f"{argument(i.name)}[{k} * points + l]" for i in self._program.inputs for k in range(i.size)]
        return entries + variables(self._program)[self._program.input_size :]


_ANY_FAR = (
    f"    uint64_t bits[{LANES}], any = 0;",
    "    memcpy(bits, far, sizeof bits);",
    f"    {EACH}",
    "        any |= bits[l];",
    "    return any != 0;",
)
"""Says whether any argument was too large."""
