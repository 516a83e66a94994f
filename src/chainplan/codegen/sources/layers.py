"""Scalar programs from layers: the value of each layer is computed on numbers that are yet to be known (`real`).

Layers whose value branches on numbers are written here once more, without branches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.sources.build import built
from chainplan.codegen.sources.real import Real, TooManyValues, UnknownChoice, reals, references
from chainplan.codegen.straight_line import InputArray
from chainplan.codegen.writer import MAX_VALUES, Writer
from chainplan.errors import SpecError

if TYPE_CHECKING:
    pass

MAX_LAYER_ENTRIES = 100_000
"""The most entries of an array of a program that is written in scalars."""


def from_layers(spec: Any) -> ScalarProgram:
    """Make the scalar program of layers.

    Parameters
    ----------
    spec : Any
        A spec with layers, as `chainplan.program` takes it, or the program that it makes.

    Returns
    -------
    ScalarProgram
        The program. Inputs and parameters are its inputs, in whose names `_` stands for `.`; unless others are named,
        derivatives are by the variables of the spec.

    Raises
    ------
    SpecError
        Where the spec cannot be read, is too large, or has a layer that cannot be written in scalars.

    Examples
    --------
    >>> from chainplan.codegen import from_layers
    >>> net = from_layers({"input": {"x": 2}, "layers": [{"op": "linear", "out": 2}, {"op": "tanh"}]})
    >>> [one.name for one in net.inputs], net.operations
    (['x', 'linear1_weight', 'linear1_bias'], 10)
    """
    from chainplan.io.read import program as read_program
    from chainplan.programs.program import Program

    layers = spec if isinstance(spec, Program) else read_program(spec)
    names = [*layers.inputs, *layers.parameters]
    for name, shape in layers.shapes.items():
        if int(np.prod(shape, dtype=object)) > MAX_LAYER_ENTRIES:
            raise SpecError(
                f"'{name}': found {np.prod(shape, dtype=object):,} entries; expected at most {MAX_LAYER_ENTRIES:,} in "
                "scalar code. Use a smaller program."
            )
    writer = Writer()
    inputs = tuple(InputArray(re.sub(r"\W", "_", name), tuple(layers.shapes[name])) for name in names)
    values: dict[str, Any] = {}
    start = 0
    for name, one in zip(names, inputs, strict=True):
        refs = np.array([writer.input(start + k) for k in range(one.size)], np.int64).reshape(one.shape)
        values[name] = reals(writer, refs)
        start += one.size
    for layer in layers.layers:
        values[layer.name] = _value(layer, [values[source] for source in layer.sources])
    outputs = [(re.sub(r"\W", "_", name), references(writer, values[name])) for name in layers.outputs]
    made = built(re.sub(r"\W", "_", layers.name or "layers"), writer, inputs, outputs)
    return replace(made, variables=tuple(re.sub(r"\W", "_", name) for name in layers.variables))


def _value(layer: Any, arguments: list[Any]) -> Any:
    """Compute a layer on numbers that are not known."""
    name = layer.op.name
    try:
        if name in WITHOUT_BRANCHES:
            return WITHOUT_BRANCHES[name](layer.op, *arguments)
        return np.asarray(layer.op.evaluate(*arguments)[0], object)
    except TooManyValues:
        raise SpecError(
            f"layer '{layer.name}' ({name}): found more than {MAX_VALUES:,} values up to here; expected at most as "
            "many in scalar code. Use a smaller program."
        ) from None
    except (UnknownChoice, TypeError, AttributeError, ValueError, np.linalg.LinAlgError):
        raise SpecError(
            f"layer '{layer.name}' ({name}): found an op that branches on numbers; expected one that can be written in "
            "scalars. Leave it out."
        ) from None


def _each(function: Callable[[Real], Real]) -> Callable[[Any, Any], Any]:
    return lambda op, x: np.asarray(np.frompyfunc(function, 1, 1)(x), object)


def _relu(x: Real) -> Real:
    return x.maximum(Real(x.writer, x.writer.ZERO))


def _softplus(x: Real) -> Real:
    return _relu(x) + (-abs(x)).exp().function("log1p")


def _gelu(x: Real) -> Real:
    return 0.5 * x * (1 + (x / sqrt(2)).function("erf"))


def _max_pool(op: Any, x: Any) -> Any:
    listed = op.windows(x)
    best = [reduce(Real.maximum, window) for window in np.moveaxis(listed, 1, -1).reshape(-1, listed.shape[1])]
    return np.array(best, object).reshape(op.shape(x.shape))


def _log_softmax(x: Any) -> Any:
    """Compute the logarithm of softmax without a shift by the largest entry, a detour for every derivative."""
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def _softmax(op: Any, x: Any) -> Any:
    powers = np.exp(x)
    return powers / powers.sum(axis=-1, keepdims=True)


def _cross_entropy(op: Any, p: Any, target: Any) -> Any:
    logarithm = _log_softmax(p) if op.from_logits else np.log(p)
    return np.asarray(-(target * logarithm).sum(axis=-1), object)


WITHOUT_BRANCHES: dict[str, Callable[..., Any]] = {
    "relu": _each(_relu),
    "sigmoid": _each(lambda x: 1 / (1 + (-x).exp())),
    "softplus": _each(_softplus),
    "gelu": _each(_gelu),
    "max_pool": _max_pool,
    "softmax": _softmax,
    "log_softmax": lambda op, x: _log_softmax(x),
    "cross_entropy": _cross_entropy,
}
"""The value of ops that branch, by their names."""
