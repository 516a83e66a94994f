"""What the targets that are written in Python share: how they spell names and numbers, and how their source is run."""

from __future__ import annotations

import keyword
from typing import Any

from chainplan.codegen.straight_line import StraightLine
from chainplan.errors import ArgumentError
from chainplan.errors.arguments import expect

SAME_NAMES = (
    *("sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("exp", "log", "erf", "floor", "sign"),
)
"""The operations of one operand that CasADi and SymPy call by the same names."""
_TAKEN = frozenset(
    ("math", "np", "special", "points", "float", "ca", "sp", "kept", "replacements", "outputs", "results")
)


def argument(name: str) -> str:
    """Return the name of an argument, which nothing else in the module has."""
    taken = keyword.iskeyword(name) or name in _TAKEN or (name[:1] == "t" and name[1:].isdigit())
    return f"{name}_" if taken else name


def number_text(number: float) -> str:
    """Write a constant."""
    if number != number:
        return "float('nan')"
    text = repr(abs(number)) if abs(number) != float("inf") else "float('inf')"
    return f"(-{text})" if number < 0 else text


def shape_text(program: StraightLine) -> str:
    """Say what the program takes and gives."""
    sides = [
        "; ".join(f"{one.name}: {' x '.join(map(str, one.shape)) or 'a number'}" for one in side)
        for side in (program.inputs, program.outputs)
    ]
    return f"Inputs: {sides[0]}. Outputs: {sides[1]}."


def function_name(name: str) -> str:
    """Return a name that is fit for a function in C and in Python.

    Raises
    ------
    ArgumentError
        Where it is not.
    """
    expect("name", name, str, "the name of a function", "Pass name='arm', say.")
    if not (name.isidentifier() and name.isascii()):
        raise ArgumentError(
            f"name: found {name!r}; expected letters, digits and underscores, no digit first. Pass name='arm', say."
        )
    return name


def defined(source: str, name: str) -> dict[str, Any]:
    """Run the source of a program, and return what its module defines."""
    module: dict[str, Any] = {}
    exec(compile(source, f"<{name}>", "exec"), module)
    return module
