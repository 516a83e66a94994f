"""Hessians: the Jacobian of a gradient, which is symmetric.

Of a block on the diagonal one triangle is read, and of two blocks that are transposes of each other one; XLA computes
nothing for the others where entries are listed. Whichever way computes a Hessian, it is symmetric to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper, wraps
from typing import Any

import jax
import jax.numpy as jnp

from chainplan.jax.errors import DifferentiationError
from chainplan.jax.jacobians import ScalarGradient, jacobian
from chainplan.jax.types import Tree


def hessian(
    f: Callable[..., Tree],
    argnums: int | Sequence[int] = 0,
    *,
    sparse: bool = False,
    has_aux: bool = False,
    **options: Any,
) -> Callable[..., Tree]:
    """Make the Hessian of a function by the cheapest order; it is called, and shaped, like `jax.hessian(f, argnums)`.

    Parameters
    ----------
    f : Callable[..., Tree]
        A function of arrays, or trees of them, that JAX can differentiate twice. Where it gives one number, the Hessian
        is taken to be symmetric.
    argnums : int | Sequence[int]
        The positions of the arguments to differentiate by.
    sparse : bool
        Whether the blocks are sparse arrays, as for `jacobian`. Where f gives one number, products with its Hessian
        along coloured columns may take the place of a plan: they do where the gradient has parts that no plan opens,
        such as loops side by side, or where they are predicted to save half of the time.
    has_aux : bool
        Whether f returns a pair: the result that is differentiated, and auxiliary data that is passed on.
    **options : Any
        Options of `jacobian`, by which the Jacobian of the gradient is planned.

    Returns
    -------
    Callable[..., Tree]
        A function of the arguments of f. Like `jax.hessian(f)` it traces at every call: wrap it in `jax.jit`.

    Raises
    ------
    DifferentiationError
        If f is no function; at a call: if an argument or a result is not real, or JAX has no derivative.
    PlanError
        If an option is not of its kind, as for `jacobian`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> hessian(lambda x: x[0] ** 2 * x[1])(jnp.array([1.0, 3.0])).tolist()
    [[6.0, 2.0], [2.0, 0.0]]
    >>> hessian(lambda x: jnp.sum(x**3), sparse=True)(jnp.array([1.0, 3.0])).data.tolist()
    [6.0, 18.0]
    """
    if not callable(f):
        raise DifferentiationError(f"f: found {f!r:.60}; expected a function of arrays. Pass the function itself.")
    of_one = jacobian(ScalarGradient(f, argnums, has_aux), argnums, sparse=sparse, has_aux=has_aux, **options)
    rows = update_wrapper(jax.jacrev(f, argnums, has_aux=has_aux), f)
    of_many = jacobian(rows, argnums, sparse=sparse, has_aux=has_aux, **options)

    @wraps(f)
    def hessian_of_f(*args: Tree, **kwargs: Tree) -> Tree:
        places = [argnums] if isinstance(argnums, int) else list(argnums)

        def value(*given: Tree) -> Tree:
            full = list(args)
            for place, one in zip(places, given, strict=True):
                full[place] = one
            result = f(*full, **kwargs)
            return result[0] if has_aux else result

        known = all(-len(args) <= place < len(args) for place in places)
        result = _shape_of_result(value, [args[place] for place in places]) if known else None
        return (of_one if getattr(result, "shape", None) == () else of_many)(*args, **kwargs)

    return hessian_of_f


def _shape_of_result(value: Callable[..., Tree], args: Sequence[Tree]) -> Tree:
    """Return the result of a function, or its shape alone where it can be traced."""
    try:
        return jax.eval_shape(value, *args)
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError):
        return jax.tree.map(jnp.asarray, value(*args))
