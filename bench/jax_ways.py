"""The ways to a Jacobian or a Hessian that the suite `jax` measures, each as a function of the function's arguments.

A way is made only when it is measured, because peers detect and colour a pattern while they are made: that belongs to
the time before their first call. Peers take and give vectors, so that arguments and results are flattened for them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from bench.instances.functions import Function

Way = Callable[..., Any]
MOST_DENSE_ENTRIES = 4_000_000
"""Entries of the largest sparse Jacobian that the dense modes are measured on."""
MOST_SPARSEJAC_ROWS = 20_000
"""Rows of the largest Jacobian that sparsejac is measured on, which colours in Python."""


def ways(function: Function) -> dict[str, Callable[[], Way]]:
    """By the name of each way: what makes it."""
    import jax

    import chainplan.jax as planned
    from bench.instances.by_hand import BY_HAND

    f, argnums = function.call, function.argnums
    made: dict[str, Callable[[], Way]] = {}
    if function.task == "jacobian" or (function.task == "sparse" and function.m * function.n <= MOST_DENSE_ENTRIES):
        made = {"jacfwd": lambda: jax.jacfwd(f, argnums), "jacrev": lambda: jax.jacrev(f, argnums)}
    if function.task == "jacobian":
        made["default"] = lambda: planned.jacobian(f, argnums)
        made["plan"] = lambda: planned.jacobian(f, argnums, gain=None)
        made["floor"] = lambda: _floor(function)
    elif function.task == "sparse":
        made["default"] = lambda: planned.jacobian(f, argnums, sparse=True)
        made |= _sparse_peers(function)
    elif function.task == "gauss-newton":
        made = {"jacfwd": lambda: _squared(jax.jacfwd(f, argnums)), "jacrev": lambda: _squared(jax.jacrev(f, argnums))}
        made["default"] = lambda: planned.gauss_newton(f, argnums)
    else:
        sparse = function.task == "sparse hessian"
        made = {"hessian": lambda: jax.hessian(f, argnums)}
        made["default"] = lambda: planned.hessian(f, argnums, sparse=sparse)
        if sparse and find_spec("asdex"):
            made["asdex"] = lambda: _by_asdex(function, "hessian")
    if function.task in ("jacobian", "hessian") and function.name in BY_HAND:
        made["hand"] = lambda: BY_HAND[function.name]
    return made


def _squared(jacobian: Way) -> Way:
    """The product of a Jacobian by one argument with its transpose."""

    def squared(*arguments: Any) -> Any:
        (block,) = jacobian(*arguments)
        flat = block.reshape(-1, arguments[0].size)
        return (flat.T @ flat).reshape(arguments[0].shape + arguments[0].shape)

    return squared


def _sparse_peers(function: Function) -> dict[str, Callable[[], Way]]:
    found: dict[str, Callable[[], Way]] = {}
    if find_spec("asdex"):
        found["asdex"] = lambda: _by_asdex(function, "jacobian")
    if find_spec("asdex") and find_spec("sparsejac") and function.m <= MOST_SPARSEJAC_ROWS:
        found["sparsejac"] = lambda: _by_sparsejac(function)
    return found


def _of_vectors(function: Function) -> tuple[Way, Any]:
    """The function of one vector with a vector, or a number, as its result; and the vector."""
    import jax.numpy as jnp

    (x,) = function.arguments

    def call(v: Any) -> Any:
        made = jnp.asarray(function.call(v.reshape(x.shape)))
        return made.ravel() if made.ndim else made

    return call, jnp.asarray(x.ravel())


def _by_asdex(function: Function, kind: str) -> Way:
    import asdex

    call, x = _of_vectors(function)
    made = getattr(asdex, kind)(call, x)
    return lambda x: made(x.ravel())


def _by_sparsejac(function: Function) -> Way:
    import asdex
    import jax.numpy as jnp
    import sparsejac
    from jax.experimental import sparse

    call, x = _of_vectors(function)
    pattern = asdex.jacobian_sparsity(call, x)
    places = np.stack([pattern.rows, pattern.cols], 1)
    known = sparse.BCOO((jnp.ones(len(places)), jnp.asarray(places)), shape=(function.m, function.n))
    made = sparsejac.jacrev(call, known)
    return lambda x: made(x.ravel())


def _floor(function: Function) -> Way:
    """Fills arrays of the Jacobian's shapes and does nothing else."""
    import jax

    shapes = jax.eval_shape(jax.jacfwd(function.call, function.argnums), *function.arguments)

    def floor(*arguments: Any) -> Any:
        anything = sum(arguments[i].ravel()[0] for i in function.argnums)
        return jax.tree.map(lambda shape: jax.numpy.zeros(shape.shape) + anything, shapes)

    return floor


def entries(result: Any, function: Function) -> Any:
    """All blocks of a result side by side: a sparse matrix of scipy where they are sparse, else a list of arrays."""
    import jax
    from jax.experimental.sparse import BCOO
    from scipy.sparse import csr_array

    leaves = jax.tree.leaves(result, is_leaf=lambda leaf: isinstance(leaf, BCOO))
    if not any(isinstance(leaf, BCOO) for leaf in leaves):
        return [np.asarray(leaf) for leaf in leaves]
    (leaf,) = leaves
    places = np.ravel_multi_index(tuple(np.asarray(leaf.indices).T), leaf.shape)
    return csr_array((np.asarray(leaf.data), (places // function.n, places % function.n)))


def difference(a: Any, b: Any) -> tuple[float, float]:
    """The largest difference of two results of `entries`, and the largest element of the second."""
    if isinstance(a, list) and isinstance(b, list):
        pairs = zip(a, b, strict=True)
    elif isinstance(a, list):
        pairs = zip(a, [b.toarray().reshape(a[0].shape)], strict=True)
    elif isinstance(b, list):
        pairs = zip([a.toarray().reshape(b[0].shape)], b, strict=True)
    else:
        return float(abs(a - b).max()), float(abs(b).max())
    found = [(float(np.abs(x - y).max(initial=0)), float(np.abs(y).max(initial=0))) for x, y in pairs]
    return max(far for far, _ in found), max(size for _, size in found)
