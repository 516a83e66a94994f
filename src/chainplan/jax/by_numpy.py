"""Operations on known integers, as numpy makes them: nothing is compiled to find out where entries go.

JAX compiles an operation for every shape that it is applied to, which takes longer than the operation. Tracing and
linearising a function compute the indices that follow from constant ones, and move the numbers of entries once for each
equation that moves some. Primitives that are not in `BY_NUMPY` are applied by JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chainplan.jax.types import Parameters

NumpyOperation = Callable[[Parameters, Sequence[np.ndarray]], list[np.ndarray]]
"""From the parameters of a primitive and its operands, integers or truth values, to its results."""


def _sliced(params: Parameters, ins: Sequence[np.ndarray]) -> list[np.ndarray]:
    steps = params["strides"] or (1,) * ins[0].ndim
    bounds = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    return [ins[0][tuple(slice(*each) for each in bounds)]]


def _broadcast(params: Parameters, ins: Sequence[np.ndarray]) -> list[np.ndarray]:
    shape, kept = [1] * len(params["shape"]), params["broadcast_dimensions"]
    for axis, size in zip(kept, ins[0].shape, strict=True):
        shape[axis] = size
    return [np.broadcast_to(ins[0].reshape(shape), params["shape"])]


def _padded(params: Parameters, ins: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pad at the ends and between entries; below 0 entries at the ends are left out."""
    x, filling = ins
    for axis, (low, high, between) in enumerate(params["padding_config"]):
        size = x.shape[axis]
        spread = size + between * max(0, size - 1)
        made = np.full((*x.shape[:axis], max(0, low + spread + high), *x.shape[axis + 1 :]), filling, x.dtype)
        places = low + (between + 1) * np.arange(size)
        there = (places >= 0) & (places < made.shape[axis])
        front = (slice(None),) * axis
        made[(*front, places[there])] = x[(*front, there)]
        x = made
    return [x]


def _split(params: Parameters, ins: Sequence[np.ndarray]) -> list[np.ndarray]:
    return np.split(ins[0], np.cumsum(params["sizes"])[:-1], params["axis"])


def _unstacked(params: Parameters, ins: Sequence[np.ndarray]) -> list[np.ndarray]:
    return list(np.moveaxis(ins[0], params["axis"], 0))


def _chosen(params: Parameters, ins: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Take each entry from the case of its number."""
    which, *cases = ins
    return [np.where(which, cases[1], cases[0]) if which.dtype == np.bool_ else np.choose(which, cases)]


def _counted(params: Parameters, ins: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Number the entries along an axis."""
    axis, shape = params["dimension"], params["shape"]
    return [
        np.broadcast_to(
            np.arange(shape[axis], dtype=params["dtype"]).reshape(-1, *[1] * (len(shape) - axis - 1)), shape
        )
    ]


def _each(function: Callable[..., np.ndarray]) -> NumpyOperation:
    return lambda params, ins: [function(*ins)]


BY_NUMPY: dict[str, NumpyOperation] = {
    "reshape": lambda params, ins: [ins[0].reshape(params["new_sizes"])],
    "squeeze": lambda params, ins: [np.squeeze(ins[0], tuple(params["dimensions"]))],
    "transpose": lambda params, ins: [ins[0].transpose(params["permutation"])],
    "rev": lambda params, ins: [np.flip(ins[0], tuple(params["dimensions"]))],
    "slice": _sliced,
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda params, ins: [np.concatenate(ins, params["dimension"])],
    "stack": lambda params, ins: [np.stack(ins, params["axis"])],
    "split": _split,
    "unstack": _unstacked,
    "pad": _padded,
    "select_n": _chosen,
    "iota": _counted,
    "convert_element_type": lambda params, ins: [ins[0].astype(params["new_dtype"])],
    "add": _each(np.add),
    "sub": _each(np.subtract),
    "mul": _each(np.multiply),
    "lt": _each(np.less),
    "le": _each(np.less_equal),
    "gt": _each(np.greater),
    "ge": _each(np.greater_equal),
    "eq": _each(np.equal),
    "ne": _each(np.not_equal),
}
"""By the name of a primitive of JAX: what gives its results."""
