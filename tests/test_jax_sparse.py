"""Sparse Jacobians hold the numbers of JAX's, at constant, sorted places, and nothing of n x m is made on the way."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax.experimental.sparse import BCOO  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan.errors import PlanError  # noqa: E402
from chainplan.jax import DifferentiationError  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

BUDGET = 0.1
RNG = np.random.default_rng(0)


def _numbers(*shape: int) -> Any:
    return jnp.asarray(RNG.uniform(0.2, 1.2, shape))


def _burgers(u: Any) -> Any:
    up, um = jnp.roll(u, -1), jnp.roll(u, 1)
    return -u * (up - um) + 0.1 * (up - 2 * u + um)


def _walls(u: Any) -> Any:
    flux = u[1:] ** 2 - jnp.sin(u[:-1])
    return jnp.concatenate([flux[:1], flux[1:] - flux[:-1], -flux[-1:]])


def _plane(z: Any) -> Any:
    u, v = z
    around = jnp.roll(u, 1, 0) + jnp.roll(u, -1, 0) + jnp.roll(u, 1, 1) + jnp.roll(u, -1, 1)
    return jnp.stack([around - 4 * u + u * u * v, jnp.exp(v) - u])


def _arrow(x: Any) -> Any:
    return jnp.concatenate([jnp.sum(x**2)[None], x[1:] * jnp.sin(x[0])])


def _edges(x: Any) -> Any:
    i, j = np.array([0, 3, 3, 5, 2, 7]), np.array([1, 2, 9, 0, 11, 5])
    distance = jnp.sum((x.reshape(-1, 2)[i] - x.reshape(-1, 2)[j]) ** 2, -1)
    return jnp.zeros(x.size // 2).at[i].add(distance**-2)


def _network(x: Any) -> Any:
    w = jnp.asarray(np.linspace(-1, 1, 12).reshape(3, 4))
    return jax.vmap(lambda row: jnp.tanh(w @ row))(x)


def _rollout(x: Any) -> Any:
    """A loop, whose steps are differentiated by dense Jacobians of their own."""
    return jax.lax.scan(lambda c, u: (jnp.sin(c) + u * c[::-1], c[0] * u), x[:2], x[2:])[1]


def _stiff(x: Any) -> Any:
    """Small matrices of which each is factorised: known patterns of functions without structure."""
    blocks = jax.vmap(lambda row: jnp.eye(2) + jnp.outer(row, row))(x.reshape(-1, 2))
    return jnp.linalg.cholesky(blocks).ravel() + 0 * x[0]


FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "burgers": (_burgers, _numbers(40)),
    "walls": (_walls, _numbers(40)),
    "plane": (_plane, _numbers(2, 5, 6)),
    "arrow": (_arrow, _numbers(30)),
    "edges": (_edges, _numbers(24)),
    "network": (_network, _numbers(6, 4)),
    "stiff": (_stiff, _numbers(12)),
    "rollout": (_rollout, _numbers(22)),
    "small": (lambda x: x[::-1] * jnp.roll(x, 1), _numbers(3)),
    "scalar": (lambda x: x**2, _numbers()),
    "gradient": (lambda x: jnp.sum(x[1:] * x[:-1]), _numbers(5)),
    "dense": (lambda x: jnp.outer(x, x) @ jnp.cumsum(x), _numbers(4)),
    "constant": (lambda x: jnp.ones(3) + 0 * jnp.floor(x), _numbers(3)),
    "itself": (lambda x: x, _numbers(3)),
    "empty": (lambda x: x * 2, jnp.zeros((0, 3))),
}


def _require_sparse(found: Any, expected: Any) -> None:
    """Every leaf is a sparse array with the numbers of the dense one, in order, each place once."""
    leaves = jax.tree.leaves(found, is_leaf=lambda leaf: isinstance(leaf, BCOO))
    assert len(leaves) == len(jax.tree.leaves(expected))
    for block, dense in zip(leaves, jax.tree.leaves(expected), strict=True):
        assert isinstance(block, BCOO)
        assert (block.shape, block.dtype) == (dense.shape, dense.dtype)
        assert block.unique_indices
        assert block.indices_sorted
        assert (block.n_batch, block.n_dense) == (0, 0)
        places = [tuple(place) for place in np.asarray(block.indices)]
        assert places == sorted(set(places))
        scale = np.abs(dense).max(initial=1e-300)
        assert np.abs(np.asarray(block.todense()) - np.asarray(dense)).max(initial=0) <= 1e-12 * scale


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_jacrev(name: str) -> None:
    f, x = FUNCTIONS[name]
    found, expected = jax.jit(lambda x: (planned.jacobian(f, sparse=True, budget=BUDGET)(x), jax.jacrev(f)(x)))(x)
    _require_sparse(found, expected)


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("burgers", 3 * 40),
        ("walls", 3 * 40 - 2),
        ("plane", 30 * 6 + 30 * 2),
        ("arrow", 30 + 2 * 29),
        ("network", 6 * 12),
        ("small", 5),
        ("gradient", 5),
        ("dense", 16),
        ("constant", 0),
        ("itself", 3),
    ],
)
def test_only_places_that_can_be_nonzero_are_listed(name: str, entries: int) -> None:
    f, x = FUNCTIONS[name]
    assert planned.jacobian(f, sparse=True, budget=BUDGET)(x).nse == entries


def test_trees_arguments_and_auxiliary_data() -> None:
    def f(p: Any, q: Any, k: Any) -> Any:
        return {"a": p["w"] * q[0], "b": (jnp.sum(q), p["v"][:2] * k)}, (k, q[1])

    args = {"w": _numbers(4), "v": _numbers(3)}, _numbers(4), 2
    for argnums in (0, (1, 0)):
        found, aux = planned.jacobian(f, argnums, sparse=True, has_aux=True, budget=BUDGET)(*args)
        expected, _ = jax.jacrev(f, argnums, has_aux=True)(*args)
        _require_sparse(found, expected)
        stripped = jax.tree.map(lambda _: 0, found, is_leaf=lambda leaf: isinstance(leaf, BCOO))
        assert jax.tree.structure(stripped) == jax.tree.structure(expected)
        assert aux == (2, args[1][1])
    assert found["a"][0].nse == 4
    assert found["b"][0][1]["v"].nse == 0


def test_a_batch_of_sparse_arrays() -> None:
    x = _numbers(4, 12)
    found = jax.jit(jax.vmap(planned.jacobian(_walls, sparse=True, budget=BUDGET)))(x)
    assert found.shape == (4, 12, 12)
    assert np.allclose(found.todense(), jax.vmap(jax.jacrev(_walls))(x), rtol=1e-12, atol=1e-12)


def test_single_precision_is_kept() -> None:
    block = planned.jacobian(_walls, sparse=True, budget=BUDGET)(_numbers(20).astype(np.float32))
    assert block.dtype == np.float32


def test_integers_are_refused() -> None:
    with pytest.raises(DifferentiationError, match="int"):
        planned.jacobian(_burgers, sparse=True)(jnp.arange(4))
    with pytest.raises(PlanError, match="sparse: found"):
        planned.jacobian(_burgers, sparse=True, allow_int=True)


def test_modes_of_jax_give_sparse_arrays_too() -> None:
    """A function that asks for a value is left to JAX; all entries are there then."""

    def asks(x: Any) -> Any:
        return x**2 if x[0] > 0 else x

    x = _numbers(3)
    found = planned.jacobian(asks, sparse=True)(x)
    assert found.nse == 9
    _require_sparse(found, jax.jacrev(asks)(x))


def _arrays(jaxpr: Any) -> Iterator[Any]:
    """Yield the shape of every array of a program, those of the programs inside it and its constants among them."""
    for variable in (*jaxpr.constvars, *jaxpr.invars, *jaxpr.outvars):
        yield variable.aval
    for equation in jaxpr.eqns:
        yield from (variable.aval for variable in (*equation.invars, *equation.outvars))
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else (parameter,):
                if hasattr(inner, "jaxpr") or hasattr(inner, "eqns"):
                    yield from _arrays(getattr(inner, "jaxpr", inner))


def _largest(f: Any, x: Any) -> int:
    traced = jax.make_jaxpr(f)(x)
    sizes: list[int] = [prod(aval.shape) for aval in _arrays(traced.jaxpr)]
    return max(sizes + [int(np.size(constant)) for constant in traced.consts])


LARGE = {
    "burgers": (600,),
    "walls": (600,),
    "plane": (2, 10, 30),
    "arrow": (600,),
    "network": (150, 4),
    "stiff": (600,),
}


@pytest.mark.parametrize("name", LARGE)
def test_nothing_of_all_entries_is_made(name: str) -> None:
    f, x = FUNCTIONS[name][0], _numbers(*LARGE[name])
    assert jax.eval_shape(f, x).size >= 450
    assert _largest(planned.jacobian(f, sparse=True, budget=BUDGET), x) <= 40 * x.size


def _rosenbrock(x: Any) -> Any:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def _shooting(z: Any) -> Any:
    x, u = z[:14].reshape(7, 2), z[14:]
    step = jnp.stack([x[:-1, 0] + 0.1 * x[:-1, 1], x[:-1, 1] + 0.1 * u * jnp.cos(x[:-1, 0])], 1)
    return jnp.sum((x[1:] - step) ** 2)


ENERGIES = {
    "rosenbrock": (_rosenbrock, _numbers(20), 3 * 20 - 2),
    "shooting": (_shooting, _numbers(20), None),
    "network": (lambda x: jnp.sum(jnp.tanh(jnp.ones((3, 5)) @ x)), _numbers(5), 25),
    "linear": (lambda x: jnp.sum(x), _numbers(4), 0),
    "vector": (lambda x: x[1:] * x[:-1] ** 2, _numbers(4), None),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_hessians(name: str) -> None:
    f, x, entries = ENERGIES[name]
    both = planned.hessian(f, sparse=True, budget=BUDGET), planned.hessian(f, gain=None, budget=BUDGET)
    found, written, expected = jax.jit(lambda x: (both[0](x), both[1](x), jax.hessian(f)(x)))(x)
    _require_sparse(found, expected)
    assert written.shape == expected.shape
    assert np.allclose(written, expected, rtol=1e-12, atol=1e-11)
    assert entries is None or found.nse == entries
    if name in ("rosenbrock", "shooting"):
        assert np.array_equal(found.todense(), found.todense().T)
    if name == "rosenbrock":
        assert np.array_equal(written, written.T)


def test_hessians_by_trees_and_in_batches() -> None:
    def energy(p: Any, k: Any) -> Any:
        return jnp.sum(p["a"][1:] * p["b"] ** 2 * p["a"][:-1]) * k, k

    p = {"a": _numbers(5), "b": _numbers(4)}
    found, aux = planned.hessian(energy, has_aux=True, sparse=True, budget=BUDGET)(p, 3.0)
    expected, _ = jax.hessian(energy, has_aux=True)(p, 3.0)
    _require_sparse(found, expected)
    assert aux == 3.0
    for one, other in (("a", "b"), ("a", "a"), ("b", "b")):
        assert np.array_equal(found[one][other].todense(), found[other][one].todense().T)
    batch = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), p)
    two = jax.vmap(planned.hessian(lambda p, k: energy(p, k)[0], (0, 1), budget=BUDGET), (0, None))(batch, 3.0)
    both = jax.vmap(jax.hessian(lambda p, k: energy(p, k)[0], (0, 1)), (0, None))(batch, 3.0)
    assert jax.tree.structure(two) == jax.tree.structure(both)
    for a, b in zip(jax.tree.leaves(two), jax.tree.leaves(both), strict=True):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_hessians_refuse_what_is_no_function() -> None:
    number: Any = 3
    with pytest.raises(DifferentiationError, match="expected a function"):
        planned.hessian(number)
    with pytest.raises(DifferentiationError, match="positional arguments"):
        planned.hessian(_rosenbrock, 1)(_numbers(3))
