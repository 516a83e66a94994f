"""`module:function` in place of a spec: the linearised DAG of a JAX function; needs the extra `chainplan[jax]`.

Arguments are written as JAX prints their types, `f64[3,4]` or `i32[]`, or as Python values, which the function gets as
they are: a number of steps, a string. Only shapes matter to the graph, so that arrays are full of ones.
"""

from __future__ import annotations

import os
import re
import sys
from ast import literal_eval
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainplan.errors import ChainplanError, SpecError, missing_extra

if TYPE_CHECKING:
    from chainplan.layers.program import Program
    from chainplan.problem import Problem

_FUNCTION = re.compile(r"([^\W\d][\w.]*):([^\W\d][\w.]*)")
_ARRAY = re.compile(r"(f16|bf16|f32|f64|i8|i16|i32|i64|u8|u16|u32|u64|bool)\[([\d\s,]*)\]")
_TOKEN = re.compile(r"[a-z]+\d*\[[^\]]*\]|\S+")
_NAMES = {"f": "float", "bf": "bfloat", "i": "int", "u": "uint"}
_LARGEST = 10**9
"""Entries of the largest argument."""


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
    """What is to be planned: the spec in a file, or the function that stands in its place.

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
    from chainplan.frontends.table import read_spec

    return read_spec(spec)


def refuse_arguments(arguments: str | None, argnums: str | None) -> None:
    """Refuse the options of functions beside a file."""
    if arguments is not None or argnums is not None:
        raise click.UsageError("--args and --argnums are for module:function; a spec has no arguments. Leave them out.")


def names_function(spec: str) -> bool:
    """Whether what stands for a spec is `module:function`; a file of that name is a file."""
    return _FUNCTION.fullmatch(spec) is not None and not os.path.exists(spec)


def positions(text: str) -> tuple[int, ...]:
    """Positions of arguments, separated by commas.

    Raises
    ------
    SpecError
        If they are no whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"-?\d{1,9}", part) for part in parts):
        raise SpecError(f"--argnums: found '{text}'; expected positions such as 0 or 0,2. Correct it.")
    return tuple(map(int, parts))


def function_problem(name: str, arguments: str, argnums: Sequence[int]) -> Problem:
    """The linearised DAG of a function.

    Parameters
    ----------
    name : `module:function`; modules are looked for in the working directory first.
    arguments : what the function is called with, separated by blanks.
    argnums : positions of the arguments to differentiate by.

    Raises
    ------
    SpecError
        If JAX or the function cannot be imported, an argument cannot be read, or the function fails at them.
    """
    function = _found(name)
    values = [_argument(text, name) for text in _TOKEN.findall(arguments)]
    if not values:
        raise SpecError(
            f"{name}: found no arguments; expected those that it is called with. Write them in --args, such as "
            "--args 'f64[3,4] f64[4]'."
        )
    from dataclasses import replace

    from chainplan.jax import linearised_graph

    try:
        problem = linearised_graph(function, *values, argnums=argnums[0] if len(argnums) == 1 else tuple(argnums))
    except ChainplanError:
        raise
    except Exception as error:
        first = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else ""
        raise SpecError(
            f"{name}: called with {arguments or 'no arguments'}, it fails: {type(error).__name__}: {first}. "
            "Expected arguments that it takes. Write them in --args, such as --args 'f64[3,4] f64[4]'."
        ) from None
    return replace(problem, name=name)


def _found(name: str) -> Any:
    match = _FUNCTION.fullmatch(name)
    assert match is not None, "callers ask names_function first"
    module, path = match.groups()
    _require_jax(name)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = import_module(module)
    except Exception as error:
        raise SpecError(
            f"{name}: module '{module}' cannot be imported: {type(error).__name__}: {error}. Expected a module in the "
            "working directory or on PYTHONPATH. Check the name."
        ) from None
    for part in path.split("."):
        if not hasattr(found, part):
            raise SpecError(f"{name}: '{module}' has no '{path}'; expected a function. Check the name.")
        found = getattr(found, part)
    if not callable(found):
        raise SpecError(f"{name}: found a {type(found).__name__}; expected a function of arrays. Check the name.")
    return found


def _require_jax(name: str) -> None:
    try:
        import jax
    except ImportError:
        raise SpecError(missing_extra(f"{name}: a function", "JAX", "jax")) from None
    jax.config.update("jax_enable_x64", True)


def _argument(text: str, name: str) -> Any:
    match = _ARRAY.fullmatch(text)
    if match is None:
        try:
            return literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise SpecError(
                f"{name}: --args: found '{text}'; expected an array, such as f64[3,4] or i32[], or a Python value. "
                "Correct it."
            ) from None
    import jax.numpy as jnp

    kind, sizes = match.groups()
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    entries = 1
    for size in shape:
        entries *= size
    if entries > _LARGEST:
        raise SpecError(f"{name}: --args: '{text}' has {entries:,} entries; expected {_LARGEST:,} at most. Use less.")
    letters = kind.rstrip("0123456789")
    return jnp.ones(shape, "bool" if kind == "bool" else _NAMES[letters] + kind[len(letters) :])
