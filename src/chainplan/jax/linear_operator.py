"""The Jacobian at a point as a linear operator on trees of tangents; a tree of JAX itself.

Its leaves are the arrays that products need, so that it is returned by a compiled function, mapped by `jax.vmap` and
passed on like any other tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import PyTreeDef

from chainplan.jax.errors import DifferentiationError
from chainplan.jax.product_ways import Pull, Push, pulled, pushed
from chainplan.jax.types import Tree
from chainplan.plans.steps import Plan


class OperatorSides(NamedTuple):
    """The trees of the arguments (a tuple) and of the results of a function, the arrays in them, and the plan."""

    in_tree: PyTreeDef
    ins: tuple[jax.ShapeDtypeStruct, ...]
    out_tree: PyTreeDef
    outs: tuple[jax.ShapeDtypeStruct, ...]
    plan: Plan | None


@jax.tree_util.register_pytree_node_class
class LinearizedOperator:
    """The Jacobian of a function at a point, as `linearize` makes it: called with a tangent of every argument.

    Parameters
    ----------
    push : Push | None
        What is linear on flat tangents, as a tree of JAX.
    pull : Pull | None
        Its transpose, on flat cotangents; one of the two may be None.
    sides : OperatorSides
        What is known of arguments and results without arrays.
    transposed : bool
        Whether it is called with a cotangent of the results.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import chainplan.jax
    >>> value, operator = chainplan.jax.linearize(lambda x, y: x * y, jnp.array([2.0]), jnp.array([3.0]), products=5)
    >>> operator(jnp.array([1.0]), jnp.array([0.0])).tolist(), [c.tolist() for c in operator.T(jnp.array([1.0]))]
    ([3.0], [[3.0], [2.0]])
    """

    def __init__(self, push: Push | None, pull: Pull | None, sides: OperatorSides, transposed: bool = False) -> None:
        self._push, self._pull, self._sides, self._transposed = push, pull, sides, transposed

    def __call__(self, *vectors: Tree) -> Tree:
        """Multiply a vector by the Jacobian.

        Parameters
        ----------
        *vectors : Tree
            A tangent of every argument, in its tree; for the transposed operator one cotangent, in the tree of the
            results.

        Returns
        -------
        Tree
            The tangent of the results, in their tree; of the transposed operator a tuple of cotangents, one for each
            argument.

        Raises
        ------
        DifferentiationError
            If trees or shapes are others.
        """
        sides = self._sides
        if self._transposed:
            if len(vectors) != 1:
                raise DifferentiationError(
                    f"operator.T: found {len(vectors)} arguments; expected one, a cotangent in the tree of the "
                    "results. Pass that alone."
                )
            flat = _flat("cotangent", vectors[0], sides.out_tree, sides.outs)
            return jax.tree.unflatten(sides.in_tree, _pulled(self._push, self._pull, sides.ins, flat))
        flat = _flat("tangents", vectors, sides.in_tree, sides.ins)
        return jax.tree.unflatten(sides.out_tree, _pushed(self._push, self._pull, sides.outs, flat))

    @property
    def T(self) -> LinearizedOperator:
        """The transposed operator, from cotangents of the results to cotangents of the arguments."""
        return LinearizedOperator(self._push, self._pull, self._sides, not self._transposed)

    @property
    def plan(self) -> Plan | None:
        """The plan by which products are made; None where they are made as `jax.linearize` or `jax.vjp` make them."""
        return self._sides.plan

    def tree_flatten(self) -> tuple[tuple[Push | None, Pull | None], tuple[OperatorSides, bool]]:
        """Return the arrays of the operator and everything else, for JAX.

        Returns
        -------
        tuple
            The trees that hold the arrays; what is known without them.
        """
        return (self._push, self._pull), (self._sides, self._transposed)

    @classmethod
    def tree_unflatten(
        cls, known: tuple[OperatorSides, bool], arrays: tuple[Push | None, Pull | None]
    ) -> LinearizedOperator:
        """Make an operator of what `tree_flatten` returned.

        Parameters
        ----------
        known : tuple[OperatorSides, bool]
            What is known without arrays.
        arrays : tuple[Push | None, Pull | None]
            The trees that hold the arrays.

        Returns
        -------
        LinearizedOperator
            The operator.
        """
        return cls(*arrays, *known)


_pushed = partial(jax.jit, static_argnums=2)(pushed)
_pulled = partial(jax.jit, static_argnums=2)(pulled)


def _flat(what: str, given: Tree, tree: PyTreeDef, like: Sequence[jax.ShapeDtypeStruct]) -> list[Array]:
    """Flatten vectors into arrays of these types.

    Raises
    ------
    DifferentiationError
        If the tree or a shape is another.
    """
    leaves, found = jax.tree.flatten(given)
    if found != tree:
        raise DifferentiationError(f"{what}: found the tree {found}; expected {tree}. Pass vectors in that tree.")
    arrays = [jnp.asarray(leaf) for leaf in leaves]
    for array, one in zip(arrays, like, strict=True):
        if array.shape != one.shape or not jnp.issubdtype(array.dtype, jnp.number):
            raise DifferentiationError(
                f"{what}: found {array.dtype} of shape {array.shape}; expected {one.dtype} of shape {one.shape}. "
                "Pass vectors in the shapes of what was differentiated."
            )
    return [array.astype(one.dtype) for array, one in zip(arrays, like, strict=True)]
