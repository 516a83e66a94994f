"""What an entry of the table says: a function, where to differentiate it and who published it.

Arguments are numpy arrays, so that nothing is decided about the precision before JAX is told to use float64. Random
weights come from `Random(NAME).random()` alone, the same in every version of Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Function:
    """A function of arrays, to be differentiated with respect to the arguments `argnums` at `arguments`.

    `sizes` opens with `m x n` of the whole Jacobian: elements of all outputs and of all arguments in `argnums`.
    `task` is what is asked for: a "jacobian", a "sparse" one, the "hessian" of a function of one output, a "sparse
    hessian", or the "gauss-newton" product of a Jacobian with its transpose. It is measured at `batches`, and belongs
    to a `group` of which something is claimed.
    """

    name: str
    call: Callable[..., Any]
    arguments: tuple[Float, ...]
    argnums: tuple[int, ...]
    source: str
    sizes: str
    task: str = "jacobian"
    batches: tuple[int, ...] = (1, 512)
    group: str = ""

    @property
    def m(self) -> int:
        """Rows of the Jacobian."""
        return int(self.sizes.split()[0])

    @property
    def n(self) -> int:
        """Columns of the Jacobian."""
        return sum(self.arguments[i].size for i in self.argnums)


def scalars(*values: float) -> tuple[Float, ...]:
    """The numbers as arrays without axes."""
    return tuple(np.array(value, dtype=np.float64) for value in values)


def drawn(name: str, *shape: int, scale: float = 1.0) -> Float:
    """Uniform numbers from -scale to scale, the same for the same name."""
    random = Random(name).random
    return np.array([scale * (2.0 * random() - 1.0) for _ in range(math.prod(shape))]).reshape(shape)


def of_vector(function: Function) -> Function:
    """The same function of one vector in the place of its scalars, with one vector as its result."""

    def call(v: Array) -> Array:
        """The function of scalars at the elements of a vector."""
        return jnp.stack(jax.tree.leaves(function.call(*(v[i] for i in range(function.n)))))

    return replace(
        function,
        name=f"{function.name}-vector",
        call=call,
        arguments=(np.array(function.arguments),),
        argnums=(0,),
    )


def weights(name: str, rows: int, cols: int) -> Float:
    """A layer's weights: rows x cols, uniform with variance 1 / cols, so that it keeps the size of what it reads."""
    return drawn(name, rows, cols, scale=math.sqrt(3.0 / cols))
