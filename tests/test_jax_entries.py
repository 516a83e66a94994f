"""Functions of small arrays, taken apart into their entries: the same Jacobians, from scalars alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan.jax.by_entries import known_pattern, taken_apart  # noqa: E402
from chainplan.jax.call import FlatCall, flattened  # noqa: E402
from chainplan.jax.trace import FunctionTrace, trace  # noqa: E402
from tests.jax_programs import draw  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

TURN, MASK = np.array([2, 0, 1]), np.array([True, False, True])


def _frame(angle: Any, length: float) -> Any:
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.array([[c, -s, length * c], [s, c, length * s], [0, 0, 1]])


def _arm(q: Any) -> Any:
    """Where the joints of a plane arm are; its matrices hold zeros and ones that are known."""
    places, whole = [], jnp.eye(3)
    for i in range(3):
        whole = whole @ _frame(q[i], 0.5 + i)
        places.append(whole[:2, 2])
    return jnp.concatenate(places)


def _moved(x: Any) -> Any:
    y = jnp.pad(jnp.roll(x, 1)[TURN], (1, 2), constant_values=0.5).reshape(2, 3).T
    return jnp.flip(y, 0) * jnp.stack([x, x**2], 1).at[0].set(x[1:])


def _chosen(x: Any) -> Any:
    y = jnp.where(x > 0, jnp.exp(x), x * x)
    return jnp.where(MASK, y, x[0]) + jnp.sum(jnp.clip(x, -0.5, 0.5)) - (x[0] > x[1])


def _contracted(x: Any, w: Any) -> Any:
    a = x.reshape(2, 3)
    return jnp.einsum("ij,ik,kj->ji", a, w, jnp.tanh(a)), jnp.sum(a, 0), (a * w[:, :1]).sum(1)


CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "arm": (_arm, draw((3,))),
    "moved": (_moved, draw((3,))),
    "chosen": (_chosen, draw((3,))),
    "contracted": (_contracted, draw((6,), (2, 2))),
    "own rule": (lambda x: jnp.stack([jax.nn.relu(x[0] * x[1]), jax.nn.softplus(x[2])]), draw((3,))),
    "constant results": (lambda x: (jnp.ones(2), jnp.stack([x[0], 3.0, x[0]])), draw((2,))),
    "the argument": (lambda x: (x, x[1:]), draw((3,))),
    "a trip": (lambda x: lax.fori_loop(0, 3, lambda i, y: y * y[0], x[:1]) * x, draw((2,))),
}


def _call(f: Any, *arguments: Any) -> tuple[FlatCall, FunctionTrace]:
    call = flattened(f, 0, False, arguments, {})
    return call, trace(call.flat, call.leaves)


def _require_equal(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.abs(np.asarray(a) - np.asarray(b)).max(initial=0) <= 1e-12 * max(1, np.abs(np.asarray(b)).max())


@pytest.mark.parametrize("name", CASES)
def test_jacobians_by_entries(name: str) -> None:
    f, arguments = CASES[name]
    call, traced = _call(f, *arguments)
    if name != "a trip":
        assert known_pattern(traced, call.leaves, call.outs) is not None
        vertices = taken_apart(traced, call.leaves, call.outs).graph
        assert vertices is not None
        assert set(vertices.sizes.values()) == {1}
    expected = jax.jacrev(f)(*arguments)
    by_plan = planned.jacobian(f, gain=None)
    _require_equal(by_plan(*arguments), expected)
    _require_equal(jax.jit(by_plan)(*arguments), expected)
    axes = (0, *(None for _ in arguments[1:]))
    batch = (arguments[0] * jnp.linspace(-1, 1, 4)[:, None], *arguments[1:])
    _require_equal(jax.jit(jax.vmap(by_plan, axes))(*batch), jax.vmap(jax.jacrev(f), axes)(*batch))


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda x: jnp.cumsum(x), (3,)),
        (lambda x: jax.nn.relu(x), (3,)),
        (lambda x: lax.top_k(x, 2)[0], (3,)),
        (lambda x: jnp.sin(x), (40,)),
        (lambda x: jnp.sin(x), ()),
        (lambda x: jnp.ones((9, 4)) @ x, (4,)),
        (lambda x: jnp.outer(x, x), (7,)),
        (lambda x: jnp.zeros(2), (3,)),
    ],
    ids=["no rule", "own rule of a vector", "sorted", "long", "scalar", "large factor", "large result", "zero"],
)
def test_what_is_not_taken_apart(f: Any, shape: tuple[int, ...]) -> None:
    call, traced = _call(f, *draw(shape))
    assert known_pattern(traced, call.leaves, call.outs) is None


def test_long_programs_are_not_taken_apart() -> None:
    def f(x: Any, steps: int) -> Any:
        for _ in range(steps):
            x = jnp.sin(x)
        return x

    found = []
    for steps in (2, 300):
        call, traced = _call(partial(f, steps=steps), *draw((3,)))
        found.append(known_pattern(traced, call.leaves, call.outs) is not None)
    assert found == [True, False]


def test_deep_programs_are_not_taken_apart() -> None:
    """What is shared by many steps in a row would be computed again along each of their paths."""

    def steps(x: Any, count: int) -> Any:
        for _ in range(count):
            a, b = x
            x = x + 0.01 * jnp.stack([a - a * b, a * b - b])
        return x

    (x,) = draw((2,))
    found = []
    for count in (4, 40):
        call, traced = _call(partial(steps, count=count), x)
        found.append(known_pattern(traced, call.leaves, call.outs) is not None)
    assert found == [True, False]


def test_a_known_zero_ends_its_paths() -> None:
    """Constants decide by where they are 0 and 1, and are not mixed up with others where they are not."""
    (x,) = draw((3,))
    edges = []
    for w in ([[0.0, 2.0, 0.0]], [[0.0, 3.0, 0.0]], [[4.0, 2.0, 0.0]], [[1.0, 0.0, 0.0]]):
        weights = np.array(w)

        def f(x: Any, weights: Any = weights) -> Any:
            return jnp.asarray(weights) @ jnp.sin(x)

        call, traced = _call(f, x)
        graph = taken_apart(traced, call.leaves, call.outs).graph
        assert graph is not None
        edges.append(len(graph.elementals))
        for way in (planned.jacobian(f, gain=None), jax.jit(planned.jacobian(f, gain=None))):
            _require_equal(way(x), jax.jacrev(f)(x))
    assert edges == [2, 2, 6, 1]


def test_auxiliary_data_and_precision() -> None:
    def f(x: Any, w: Any) -> Any:
        y = jnp.sin(x) * w
        return y[::2], {"y": y, "n": jnp.arange(3), "big": jnp.zeros(99) + w[0]}

    x, w = draw((3,), (3,))
    _require_equal(planned.jacobian(f, has_aux=True, gain=None)(x, w), jax.jacrev(f, has_aux=True)(x, w))
    single, given = x.astype(np.float32), w.astype(np.float32)
    found = planned.jacobian(lambda x: f(x, given)[0], gain=None)(single)
    assert found.dtype == np.float32
    assert np.abs(found - jax.jacrev(lambda x: f(x, given)[0])(single)).max() < 1e-6


def test_batches_run_over_plain_vectors() -> None:
    """Under `vmap` the program multiplies vectors over the batch, and stacks no more than a few at once."""
    f, (q,) = CASES["arm"]
    by_plan = jax.vmap(planned.jacobian(f, gain=None))
    traced = jax.make_jaxpr(by_plan)(jnp.stack([q] * 8))
    names = {eqn.primitive.name for eqn in traced.jaxpr.eqns}
    assert not names & {"dot_general", "gather", "scatter", "scatter-add", "while"}
    products = [eqn.outvars[0].aval.shape for eqn in traced.jaxpr.eqns if eqn.primitive.name == "mul"]
    assert set(products) <= {(), (8,), (8, 1)}


def test_a_result_without_entries_that_no_argument_reaches() -> None:
    def f(x: Any, y: Any) -> Any:
        return jnp.sin(x) * x[0], y[:0] * 2

    x = jnp.array([0.1, 0.2, 0.4])
    made, expected = (jax.tree.leaves(way(x, x)) for way in (planned.jacobian(f, gain=None), jax.jacrev(f)))
    for a, b in zip(made, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.allclose(a, b)
