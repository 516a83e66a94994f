"""`module:function` in place of a spec stands for the linearised DAG of a JAX function; it needs the extra `jax`.

Arguments are written as JAX prints their types, `f64[3,4]` or `i32[]`, or as Python values, which the function gets
unchanged: a number of steps, a string. The graph depends on shapes alone, so arrays are filled with ones.
"""

from __future__ import annotations

import os
import re
import sys
from ast import literal_eval
from collections.abc import Callable, Sequence
from importlib import import_module
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from warnings import catch_warnings

import click

from chainplan.errors import ChainplanError, SpecError, missing_extra
from chainplan_cli.sizes import at_one_size

if TYPE_CHECKING:
    from chainplan.io.plan_file import SavedPlan
    from chainplan.problem.problem import Problem
    from chainplan.programs.program import Program

Made = TypeVar("Made")

_FUNCTION_PATTERN = re.compile(r"([^\W\d][\w.]*):([^\W\d][\w.]*)")
_ARRAY_PATTERN = re.compile(r"(f16|bf16|f32|f64|i8|i16|i32|i64|u8|u16|u32|u64|bool)\[([0-9,\s]*)\]")
_SIZE_PATTERN = re.compile("[0-9]{1,18}")
_TOKEN_PATTERN = re.compile(r"[a-z]+\d*\[[^\]]*\]|\S+")
_DTYPE_NAMES = {"f": "float", "bf": "bfloat", "i": "int", "u": "uint"}
_MAX_ARGUMENT_ENTRIES = 2 * 10**7
"""Entries that all arguments may have together; JAX makes arrays of them, which take 15 bytes or more per entry."""


def function_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options `--args` and `--argnums`, for `read_spec_or_function`."""
    argnums = click.option(
        "--argnums", metavar="I,J", help="Positions of the arguments to differentiate by.  [default: 0]"
    )
    arguments = click.option(
        "--args", "arguments", metavar="TYPES", help="Arguments of a function: 'f64[3,4] f64[4] 10'."
    )
    return arguments(argnums(command))


def read_spec_or_function(spec: str, arguments: str | None, argnums: str | None) -> Problem | Program:
    """Read what is to be planned: the spec in a file, or the function that stands in its place.

    Raises
    ------
    SpecError
        Where the file or the function cannot be read.
    click.UsageError
        Where a spec is given arguments.
    """
    if names_function(spec):
        return function_problem(spec, arguments or "", positions(argnums or "0"))
    refuse_arguments(arguments, argnums)
    from chainplan.io.read import read_spec

    return read_spec(spec)


def read_content(
    path: str, sizes: str | None, arguments: str | None, argnums: str | None
) -> Problem | Program | SavedPlan:
    """Read a spec at one size, a function or a plan file, whichever is named; raise as `read_spec_or_function` does."""
    if names_function(path):
        return function_problem(path, arguments or "", positions(argnums or "0"))
    refuse_arguments(arguments, argnums)
    from chainplan.io.read import read_any

    return at_one_size(read_any(path), sizes, path)


def refuse_arguments(arguments: str | None, argnums: str | None) -> None:
    """Refuse the options of functions beside a file."""
    if arguments is not None or argnums is not None:
        raise click.UsageError("--args and --argnums are for module:function; a spec has no arguments. Leave them out.")


def names_function(spec: str) -> bool:
    """Say whether the argument is `module:function`; if a file has this name, it means the file."""
    return _FUNCTION_PATTERN.fullmatch(spec) is not None and not os.path.exists(spec)


def positions(text: str) -> tuple[int, ...]:
    """Read positions of arguments, which are separated by commas.

    Raises
    ------
    SpecError
        If they are not whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("-?[0-9]{1,9}", part) for part in parts):
        raise SpecError(f"--argnums: found '{_cut(text)}'; expected positions such as 0 or 0,2. Correct it.")
    return tuple(map(int, parts))


def function_problem(name: str, arguments: str, argnums: Sequence[int]) -> Problem:
    """Make the problem of a function's linearised DAG.

    Parameters
    ----------
    name : str
        `module:function`; the module is looked for in the working directory first.
    arguments : str
        The arguments of the call, separated by blanks.
    argnums : Sequence[int]
        The positions of the arguments with respect to which the function is differentiated.

    Raises
    ------
    SpecError
        If JAX or the function cannot be imported, an argument cannot be read, or the call fails.
    """
    from dataclasses import replace

    def made(function: Any, values: list[Any]) -> Problem:
        from chainplan.jax import linearised_graph

        return linearised_graph(function, *values, argnums=argnums[0] if len(argnums) == 1 else tuple(argnums))

    return replace(called_function(name, arguments, made), name=name)


def called_function(name: str, arguments: str, make: Callable[[Any, list[Any]], Made]) -> Made:
    """Make something of a function and the arguments of its call; raise as `function_problem` does."""
    function = _import_function(name)
    values = _arguments(arguments, name)
    if not values:
        raise SpecError(
            f"{name}: found no arguments; expected those that it is called with. Write them in --args, such as "
            "--args 'f64[3,4] f64[4]'."
        )
    try:
        return make(function, values)
    except ChainplanError:
        raise
    except (Exception, SystemExit) as error:
        first = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else ""
        raise SpecError(
            f"{name}: called with {_cut(arguments)}, it fails: {type(error).__name__}: {_cut(first, 300)}. "
            "Expected arguments that it takes. Write them in --args, such as --args 'f64[3,4] f64[4]'."
        ) from None


def _import_function(name: str) -> Any:
    """Import the function that `module:function` names."""
    match = _FUNCTION_PATTERN.fullmatch(name)
    assert match is not None, "callers ask names_function first"
    module, path = match.groups()
    _require_jax(name)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        imported = import_module(module)
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {_cut(str(error), 300)}"
        raise SpecError(
            f"{name}: module '{module}' cannot be imported: {why}. Expected a module in the working directory or on "
            "PYTHONPATH. Check the name."
        ) from None
    try:
        function = attrgetter(path)(imported)
    except Exception:
        raise SpecError(f"{name}: '{module}' has no '{path}'; expected a function. Check the name.") from None
    if not callable(function):
        raise SpecError(f"{name}: found a {type(function).__name__}; expected a function of arrays. Check the name.")
    return function


def _require_jax(name: str) -> None:
    """Import JAX and let it compute in float64, or say how to install it."""
    try:
        import jax
    except ImportError:
        raise SpecError(missing_extra(f"{name}: a function", "JAX", "jax")) from None
    jax.config.update("jax_enable_x64", True)


def _cut(text: str, most: int = 60) -> str:
    """Write a text as messages show it, on one line and not too long."""
    from chainplan.io.located.nodes import shown

    return shown(text, most)


class _OnesToBeMade(NamedTuple):
    """An array of ones that is yet to be made, because a short text can describe one that fills the memory."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def entries(self) -> int:
        """The number of entries, where sizes of 0 count as 1 so that the other sizes stay limited as well."""
        return prod(max(1, size) for size in self.shape)


def _arguments(text: str, name: str) -> list[Any]:
    """Make the arguments that a text describes."""
    read = [_argument(token, name) for token in _TOKEN_PATTERN.findall(text)]
    entries = sum(one.entries for one in read if isinstance(one, _OnesToBeMade))
    if entries > _MAX_ARGUMENT_ENTRIES:
        what = f"'{_cut(text)}' has more than {_MAX_ARGUMENT_ENTRIES:,} entries in all"
        raise SpecError(f"{name}: --args: {what}; expected fewer. Use smaller arrays.")
    if not any(isinstance(one, _OnesToBeMade) for one in read):
        return read
    import jax.numpy as jnp

    return [jnp.ones(one.shape, one.dtype) if isinstance(one, _OnesToBeMade) else one for one in read]


def _argument(text: str, name: str) -> Any:
    """Read one argument, which is an array yet to be made or a Python value."""
    array = _ARRAY_PATTERN.fullmatch(text)
    sizes = [size.strip() for size in array[2].removesuffix(",").split(",")] if array and array[2].strip() else []
    try:
        if array is None:
            with catch_warnings(action="error"):
                return literal_eval(text)
        if all(map(_SIZE_PATTERN.fullmatch, sizes)):
            letters = array[1].rstrip("0123456789")
            dtype = "bool" if array[1] == "bool" else _DTYPE_NAMES[letters] + array[1][len(letters) :]
            return _OnesToBeMade(tuple(map(int, sizes)), dtype)
    except (ValueError, TypeError, SyntaxError, SyntaxWarning, MemoryError, RecursionError):
        pass
    raise SpecError(
        f"{name}: --args: found '{_cut(text)}'; expected an array, such as f64[3,4] or i32[], or a Python value. "
        "Correct it."
    )
