"""Straight-line programs drawn at random, and their derivatives by complex steps; of chainplan nothing is used.

A program is a list of lines (operation, operands); values are numbered through: inputs, constants, lines. Every line is
needed by an output. Operations
that are not defined everywhere are drawn together with the lines that keep their operand inside.
"""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Callable
from typing import NamedTuple

STEP = 1e-40


class RandomProgram(NamedTuple):
    """A program as plain data."""

    inputs: int
    constants: tuple[float, ...]
    lines: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[int, ...]


def _atan2(y: complex, x: complex) -> complex:
    real = math.atan2(y.real, x.real)
    return complex(real, (y.imag * x.real - x.imag * y.real) / (x.real**2 + y.real**2))


def _real(function: Callable[[float], float], slope: Callable[[float], float]) -> Callable[[complex], complex]:
    return lambda a: complex(function(a.real), slope(a.real) * a.imag)


OPERATIONS: dict[str, Callable[..., complex]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "sqrt": cmath.sqrt,
    "cbrt": lambda a: cmath.exp(cmath.log(a) / 3),
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "asin": _real(math.asin, lambda a: 1 / math.sqrt(1 - a * a)),
    "acos": _real(math.acos, lambda a: -1 / math.sqrt(1 - a * a)),
    "atan": _real(math.atan, lambda a: 1 / (1 + a * a)),
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "exp": cmath.exp,
    "expm1": _real(math.expm1, math.exp),
    "log": cmath.log,
    "log1p": _real(math.log1p, lambda a: 1 / (1 + a)),
    "erf": _real(math.erf, lambda a: 2 / math.sqrt(math.pi) * math.exp(-a * a)),
    "abs": lambda a: -a if a.real < 0 else a,
    "sign": lambda a: complex((a.real > 0) - (a.real < 0)),
    "floor": lambda a: complex(math.floor(a.real)),
    "pow": lambda a, b: cmath.exp(b * cmath.log(a)),
    "atan2": _atan2,
    "min": lambda a, b: a if a.real < b.real else b,
    "max": lambda a, b: a if a.real > b.real else b,
    "lt": lambda a, b: complex(a.real < b.real),
    "le": lambda a, b: complex(a.real <= b.real),
    "eq": lambda a, b: complex(a.real == b.real),
    "select": lambda p, a, b: a if p.real != 0 else b,
}
"""All operations at a real number with an infinitesimal imaginary part."""


def values(program: RandomProgram, point: list[complex]) -> list[complex]:
    """Compute the outputs."""
    held = [*point, *map(complex, program.constants)]
    for name, operands in program.lines:
        held.append(OPERATIONS[name](*(held[o] for o in operands)))
    return [held[v] for v in program.outputs]


def jacobian(program: RandomProgram, point: list[float]) -> list[list[float]]:
    """Compute the Jacobian, outputs x inputs."""
    columns = []
    for k in range(program.inputs):
        moved = [complex(x, STEP if j == k else 0.0) for j, x in enumerate(point)]
        columns.append([y.imag / STEP for y in values(program, moved)])
    return [list(row) for row in zip(*columns, strict=True)]


def draw(seed: int) -> tuple[RandomProgram, list[float]]:
    """Draw a program of 3 to 40 operations and a point; values stay of moderate size."""
    rnd = random.Random(seed)
    inputs = rnd.randint(1, 5)
    constants = (0.5, 1.0, -1.0, 2.0, round(rnd.uniform(-3, 3), 3))
    lines: list[tuple[str, tuple[int, ...]]] = []
    half, one, first = inputs, inputs + 1, inputs + len(constants)

    def line(name: str, *operands: int) -> int:
        lines.append((name, operands))
        return first + len(lines) - 1

    def any_value() -> int:
        return rnd.randrange(first + len(lines))

    def small(a: int) -> int:
        return line("mul", half, line("sin", a))

    def positive(a: int) -> int:
        return line("add", half, line("cosh", small(a)))

    for _ in range(rnd.randint(3, 18)):
        name = rnd.choice(list(OPERATIONS))
        a, b = any_value(), any_value()
        if name in ("sqrt", "cbrt", "log", "log1p"):
            line(name, positive(a))
        elif name in ("asin", "acos", "expm1", "exp", "sinh", "cosh", "tan"):
            line(name, small(a))
        elif name == "div":
            line(name, a, positive(b))
        elif name == "pow":
            line(name, positive(a), rnd.choice((small(b), one, half, first - 2)))
        elif name == "atan2":
            line(name, small(a), positive(b))
        elif name == "mul":
            line(name, a, rnd.choice((line("tanh", b), inputs + rnd.randrange(len(constants)))))
        elif name == "select":
            line(name, line(rnd.choice(("lt", "le", "eq")), a, b), any_value(), any_value())
        else:
            line(name, *(any_value() for _ in range(1 if name in _UNARY else 2)))
    used = {o for _, operands in lines for o in operands}
    loose = [first + k for k in range(len(lines)) if first + k not in used]
    while len(loose) > 3:
        loose.append(line("add", loose.pop(0), line("mul", loose.pop(0), half)))
    return RandomProgram(inputs, constants, tuple(lines), tuple(loose)), [rnd.uniform(-2, 2) for _ in range(inputs)]


_UNARY = frozenset(("neg", "sin", "cos", "atan", "tanh", "erf", "abs", "sign", "floor"))
