"""Checks of the arguments of public functions, made before anything else happens.

Python takes any object for any argument. A wrong one would fail deep inside, in words that say nothing to the caller,
so every public function checks its arguments here first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from os import PathLike
from typing import Any

from chainplan.errors import ArgumentError

MAX_SHOWN_CHARACTERS = 60
"""Characters of a value that a message shows."""
MAX_OPTION_COUNT = 10**15
"""The largest number that an option takes by default."""


def describe(value: object) -> str:
    """Describe a value that was found: a plain value by itself, any other by its type."""
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value) if not isinstance(value, int) or value.bit_length() < 200 else hex(value)
        return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."
    if isinstance(value, type):
        return f"the type {value.__name__}"
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOaeio" else f"a {name}"


def refuse(what: str, value: object, expected: str, todo: str) -> ArgumentError:
    """Return the error for an argument that the function does not take."""
    return ArgumentError(f"{what}: found {describe(value)}; expected {expected}. {todo}")


def expect(what: str, value: object, kind: Any, expected: str, todo: str) -> None:
    """Refuse a value that is not of the type `kind`.

    Raises
    ------
    ArgumentError
        Where it is not; the message says what was found, what was expected and what to do.
    """
    if not isinstance(value, kind):
        raise refuse(what, value, expected, todo)


def whole(what: str, value: object, least: int = 0, most: int | None = MAX_OPTION_COUNT) -> int:
    """Return a whole number, also one of numpy, as an int; refuse any other value as `expect` does."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if number >= least and (most is None or number <= most):
            return number
    span = f"from {least}" if most is None or not isinstance(value, Integral) or value < most else f"up to {most:,}"
    raise refuse(what, value, f"a whole number {span}", f"Pass {what}={max(least, 1)}, say.")


def seconds(what: str, value: object) -> float | None:
    """Return a number of seconds from 0, or None; refuse any other value as `expect` does."""
    if value is None:
        return None
    if isinstance(value, int | float | Real) and not isinstance(value, bool):
        given = float(value)
        if given >= 0:
            return given
    raise refuse(what, value, "seconds from 0, or None for no limit", f"Pass {what}=10, say.")


def called(what: str, value: object) -> None:
    """Refuse a value that is neither a function nor None, as `expect` does."""
    if value is not None:
        expect(what, value, Callable, "a function, or None", "Leave it out, or pass a function.")


def mapping(what: str, value: object, of: str, example: str) -> None:
    """Refuse a value that is not a mapping from names, as `expect` does."""
    expect(what, value, Mapping, f"a mapping from names of {of}", f"Pass {example}.")


def path(what: str, value: object) -> None:
    """Refuse a value that is neither a path nor None, as `expect` does."""
    if value is not None:
        expect(what, value, str | PathLike, "the path of a directory, or None", f"Pass {what}='directory'.")
