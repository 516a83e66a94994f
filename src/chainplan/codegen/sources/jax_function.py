"""Scalar programs from JAX functions: the function is traced, and each array becomes as many scalars as it has entries.

Loops of known length are unrolled, indices that are known while the function is traced cost nothing. What an equation
does to entries is in `jax_rules`; where none of its operands depends on an argument, JAX computes it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.sources.build import built
from chainplan.codegen.straight_line import InputArray
from chainplan.codegen.writer import MAX_VALUES, Writer
from chainplan.errors import ArgumentError, SpecError, missing_extra


def from_jax(function: Callable[..., Any], *args: Any) -> ScalarProgram:
    """Make the scalar program of a JAX function.

    Parameters
    ----------
    function : Callable[..., Any]
        A function that JAX can trace, of arrays or trees of them. Its results are the outputs of the program.
    *args : Any
        What it is called with. Arrays of floats, and floats, are the inputs of the program; of these only the shapes
        matter. Everything else stays as it is: whole numbers, truth values, texts.

    Returns
    -------
    ScalarProgram
        The program, which computes in double precision whatever the dtypes of the arguments.

    Raises
    ------
    SpecError
        Where the function cannot be written in scalars; the message names the operation, and the line that calls it.
    ArgumentError
        Where there is no argument to take as an input.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from chainplan.codegen import from_jax
    >>> program = from_jax(lambda x: jnp.sin(x) * x[0], jnp.ones(3))
    >>> program.operations, program.jacobian().operations
    (6, 13)
    """
    try:
        import jax
    except ImportError:
        raise SpecError(missing_extra("from_jax", "JAX", "jax")) from None
    if not callable(function):
        raise ArgumentError(f"function: found {function!r}; expected a function of arrays. Pass the function itself.")
    from chainplan.codegen.sources.jax_rules import Unrolled
    from chainplan.jax.errors import NotLinearised
    from chainplan.jax.trace import trace

    name = _function_words(function)
    paths, tree = jax.tree_util.tree_flatten_with_path(args)
    taken = [k for k, (_, leaf) in enumerate(paths) if _is_input(leaf)]
    if not taken:
        raise ArgumentError(f"{name}: found no array of floats among the arguments; expected an input. Pass one.")
    inputs = _inputs(function, [paths[k] for k in taken])
    structure: list[Any] = []

    def flat(*leaves: Any) -> list[Any]:
        whole = [leaf for _, leaf in paths]
        for k, leaf in zip(taken, leaves, strict=True):
            whole[k] = leaf
        results, found = jax.tree_util.tree_flatten_with_path(function(*jax.tree_util.tree_unflatten(tree, whole)))
        structure.append((results, found))
        return [result for _, result in results]

    shapes = [jax.ShapeDtypeStruct(np.shape(paths[k][1]), jax.dtypes.canonicalize_dtype(float)) for k in taken]
    writer = Writer()
    try:
        traced = trace(flat, shapes)
        arrays = [
            np.array([writer.input(k) for k in range(start, start + one.size)], np.int64).reshape(one.shape)
            for one, start in _started(inputs)
        ]
        results = Unrolled(writer, MAX_VALUES).results(traced, arrays)
    except NotLinearised as reason:
        raise SpecError(
            f"{name}: found what scalar code cannot say: {reason}; expected a function of arrays."
        ) from None
    names = _output_names([path for path, _ in structure[-1][0]])
    return built(name, writer, inputs, list(zip(names, results, strict=True)))


def argument_inputs(function: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the inputs that the arguments at these positions make.

    Raises
    ------
    ArgumentError
        Where there is no such argument, or it holds no floats.
    """
    import jax

    leaves = [leaf for leaf in jax.tree_util.tree_flatten_with_path(tuple(args))[0] if _is_input(leaf[1])]
    named = list(zip(_inputs(function, leaves), (path[0].idx for path, _ in leaves), strict=True))
    names: list[str] = []
    for position in argnums:
        found = (
            [one.name for one, at in named if at == position % len(args)] if -len(args) <= position < len(args) else []
        )
        if not found:
            raise ArgumentError(
                f"argnums: found {position}; expected positions of arrays of floats among {len(args)} arguments."
                " Correct it."
            )
        names += found
    return tuple(names)


def _function_words(function: Callable[..., Any]) -> str:
    """Return a name for the program of a function."""
    name = re.sub(r"\W", "_", getattr(function, "__name__", "")) if hasattr(function, "__name__") else ""
    return name if name.isidentifier() and name.isascii() and "lambda" not in name else "function"


def _is_input(leaf: Any) -> bool:
    """Say whether an argument is a float, or an array of floats or of shapes of them."""
    kind = getattr(getattr(leaf, "dtype", None), "kind", None)
    return isinstance(leaf, float) or kind == "f" or (kind == "V" and "float" in str(leaf.dtype))


def _started(inputs: Sequence[InputArray]) -> list[tuple[InputArray, int]]:
    """Return the inputs and where the entries of each begin."""
    starts = np.cumsum([0, *(one.size for one in inputs)])
    return list(zip(inputs, map(int, starts), strict=False))


def _inputs(function: Callable[..., Any], leaves: Sequence[tuple[Any, Any]]) -> tuple[InputArray, ...]:
    """Name the inputs by the parameters of the function, and by their places in trees."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = []
    for path, _ in leaves:
        place = path[0].idx
        first = plain[place] if place < len(plain) else f"x{place}"
        names.append("_".join([first, *(_word(key) for key in path[1:])]))
    shapes = [np.shape(leaf) for _, leaf in leaves]
    return tuple(InputArray(name, tuple(shape)) for name, shape in zip(_distinct(names), shapes, strict=True))


def _output_names(paths: Sequence[Any]) -> list[str]:
    """Name the outputs: `value`, or by their places in the tree of results."""
    if all(not path for path in paths):
        return ["value"]
    return _distinct(["value" + "".join(f"_{_word(key)}" for key in path) for path in paths])


def _word(key: Any) -> str:
    """Write a step of a path in a tree so that it can be part of a name."""
    return re.sub(r"\W", "_", str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))))


def _distinct(names: Sequence[str]) -> list[str]:
    """Number names that are there already."""
    made: list[str] = []
    for name in names:
        number, wanted = 2, name
        while wanted in made:
            wanted, number = f"{name}_{number}", number + 1
        made.append(wanted)
    return made
