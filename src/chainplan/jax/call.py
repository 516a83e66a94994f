"""Arguments and results as `jax.jacrev` takes and gives them: trees, several argnums, refusals with reasons."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.tree_util import PyTreeDef

from chainplan.jax.edges import shape_of
from chainplan.jax.errors import DifferentiationError
from chainplan.jax.types import Shaped, Tree

if TYPE_CHECKING:
    from jax.typing import DTypeLike

COMPUTED_LEAF = object()
"""Stands for an array that the function computes."""


@dataclass(eq=False)
class FlatCall:
    """A function at its arguments, flattened.

    `leaves` are the arrays to differentiate by; everything else stays as it is. `flat` gives the results, followed by
    the arrays that were computed beside them. `outs`, `trees` (those of the results and of what is passed on) and
    `beside` (the leaves of what is passed on, `COMPUTED_LEAF` in the place of those arrays) are known once the function
    has been traced. `others` are the arrays beside the leaves that a compiled program takes as arguments: real arrays,
    and whatever is being traced. `placed` makes the call with other values of them.
    """

    leaves: list[Array]
    tree: PyTreeDef
    flat: Callable[..., list[Array]]
    outs: list[Shaped]
    trees: list[PyTreeDef]
    beside: list[object]

    def nested(self, blocks: Sequence[Sequence[Array]]) -> Tree:
        """Put Jacobian blocks, by result and argument, into the trees of the results and of the arguments."""
        return jax.tree.unflatten(self.trees[0], [jax.tree.unflatten(self.tree, row) for row in blocks])

    def passed_on(self, computed: Sequence[Array]) -> Tree:
        """Return what the function gives beside its results: computed arrays, and everything else unchanged."""
        arrays = iter(computed)
        return jax.tree.unflatten(
            self.trees[1], [next(arrays) if leaf is COMPUTED_LEAF else leaf for leaf in self.beside]
        )

    def as_jacrev(self, nested: Tree) -> Tree:
        """Give a Jacobian the dtypes of `jax.jacrev`, those of the arguments, not of the results; and its weak types.

        A block is weak by `jax.jacrev` only where the argument is, and not always there; JAX is asked.
        """
        blocks, tree = jax.tree.flatten(nested)
        weak = self._weak_blocks() if any(leaf.weak_type for leaf in self.leaves) else [False] * len(blocks)
        given = cycle(leaf.dtype for leaf in self.leaves)
        typed = [_typed(*each) for each in zip(blocks, given, weak, strict=False)]
        return jax.tree.unflatten(tree, typed)

    def _weak_blocks(self) -> list[bool]:
        """Say of every block, by result and argument, whether `jax.jacrev` gives it a weak type, on shapes alone."""
        count = len(self.leaves)

        def results(*values: Array) -> list[Array]:
            arrays = self.flat(*values)
            return arrays[: len(self.outs)]

        try:
            blocks = jax.eval_shape(jax.jacrev(results, tuple(range(count))), *self.leaves)
        except Exception:  # a function without adjoint; its own rule may raise anything
            return [False] * count * len(self.outs)
        return [block.weak_type for block in jax.tree.leaves(blocks)]


def _typed(block: Array, dtype: DTypeLike, weak: bool) -> Array:
    """Give an array a dtype, weak or not."""
    if block.dtype == dtype and block.weak_type == weak:
        return block
    return lax.convert_element_type_p.bind(block, new_dtype=dtype, weak_type=weak, sharding=None)


def flattened(
    f: Callable[..., Tree], argnums: int | Sequence[int], has_aux: bool, args: Sequence[Tree], kwargs: dict[str, Tree]
) -> FlatCall:
    """Split the arguments of a call into the arrays to differentiate by and everything else.

    Raises
    ------
    DifferentiationError
        If an argument to differentiate by is missing, given twice or not real.
    """
    places = _argnums(argnums, len(args))
    where = where_of(f)
    given = args[places[0]] if isinstance(argnums, int) else tuple(args[place] for place in places)
    leaves, tree = jax.tree.flatten(given)
    for path, leaf in jax.tree_util.tree_leaves_with_path({place: args[place] for place in places}):
        remedy = "Convert it to float, or leave it out of argnums."
        _require_real(leaf, f"{where}: argument {_named(path)}", remedy)
    call = FlatCall([jnp.asarray(leaf) for leaf in leaves], tree, lambda: [], [], [], [])

    def flat(*values: Array) -> list[Array]:
        inner = jax.tree.unflatten(tree, values)
        full = list(args)
        for place, value in zip(places, (inner,) if isinstance(argnums, int) else inner, strict=True):
            full[place] = value
        value = f(*full, **kwargs)
        result, aux = pair_of(value, where) if has_aux else (value, None)
        results, out_tree = jax.tree.flatten(result)
        passed, aux_tree = jax.tree.flatten(aux)
        for path, leaf in jax.tree_util.tree_leaves_with_path(result):
            remedy = "Return it as auxiliary data (has_aux), or convert it to float."
            _require_real(leaf, f"{where}: result{jax.tree_util.keystr(path)}", remedy)
        results = [jnp.asarray(leaf) for leaf in results]
        call.outs[:] = [shape_of(r) for r in results]
        call.trees[:] = [out_tree, aux_tree]
        call.beside[:] = [COMPUTED_LEAF if isinstance(leaf, jax.Array) else leaf for leaf in passed]
        return [*results, *(leaf for leaf in passed if isinstance(leaf, jax.Array))]

    call.flat = flat
    return call


def by_jax(f: Callable[..., Tree], mode: str, args: Sequence[Tree], kwargs: dict[str, Tree], **options: Tree) -> Tree:
    """Compute a Jacobian by a mode of JAX, by the other one where that raises an error.

    The rule of a function may refuse a mode by any error, and only when it is asked.
    """
    other = "jacfwd" if mode == "jacrev" else "jacrev"
    try:
        return getattr(jax, mode)(f, **options)(*args, **kwargs)
    except Exception as refusal:
        try:
            return getattr(jax, other)(f, **options)(*args, **kwargs)
        except Exception:
            raise refusal from None


def has_integers(args: Sequence[Tree], argnums: int | Sequence[int]) -> bool:
    """Say whether an argument to differentiate by holds integers or truth values."""
    given = [args[place] for place in _argnums(argnums, len(args))]
    return any(not jnp.issubdtype(jnp.result_type(leaf), np.inexact) for leaf in jax.tree.leaves(given))


def pair_of(value: Tree, where: str) -> tuple[Tree, Tree]:
    """Return the value of a function with auxiliary data; it is refused where it is no pair."""
    if not isinstance(value, tuple) or len(value) != 2:
        what = f"a tuple of {len(value)}" if isinstance(value, tuple) else f"one {_kind(value)}"
        raise DifferentiationError(
            f"{where}: found {what} as result; expected a pair of the result and what is passed on, as has_aux says. "
            "Return such a pair, or leave out has_aux."
        )
    return value


def _kind(value: object) -> str:
    return "array" if isinstance(value, jax.Array) else type(value).__name__


def _argnums(argnums: int | Sequence[int], count: int) -> list[int]:
    """Return the positions to differentiate by, counted from 0."""
    given = (argnums,) if isinstance(argnums, int) else argnums
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(n, int) for n in given):
        raise DifferentiationError(
            f"argnums: found {argnums!r}; expected a position from 0, or several. Write argnums=(0, 1)."
        )
    for number in given:
        if not -count <= number < count:
            raise DifferentiationError(
                f"argnums: {number} is given, but the function was called with {count} positional arguments; "
                "expected one of those. Pass the argument by position, or correct argnums."
            )
    places = [number % count for number in given]
    if len(set(places)) < len(places):
        raise DifferentiationError(f"argnums: found {argnums}; expected each argument once. Leave out the second.")
    return places


def where_of(f: Callable[..., Tree]) -> str:
    """Say where a function is written: file:line (name)."""
    inner = inspect.unwrap(f)
    inner = inspect.unwrap(inner.func) if isinstance(inner, partial) else inner
    name = getattr(inner, "__name__", type(inner).__name__)
    code = getattr(inner, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno} ({name})" if code else name


def _named(path: tuple[jax.tree_util.KeyEntry, ...]) -> str:
    """Name an argument, and a leaf within it, in words such as 0['w']."""
    return f"{path[0].key}{jax.tree_util.keystr(path[1:])}"


def _require_real(leaf: Tree, what: str, remedy: str) -> None:
    """Refuse a leaf that does not hold real floating-point numbers."""
    try:
        dtype = leaf.dtype if hasattr(leaf, "dtype") else jax.dtypes.canonicalize_dtype(jnp.result_type(leaf))
    except TypeError:
        given = f"{leaf!r:.60}, of type {type(leaf).__name__}"
    else:
        if jnp.issubdtype(dtype, np.floating):
            return
        given = f"{dtype} of shape {getattr(leaf, 'shape', ())}"
    raise DifferentiationError(f"{what}: found {given}; expected real floating-point numbers. {remedy}")
