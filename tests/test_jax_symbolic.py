"""Functions whose sizes are symbols: exported Jacobians are right at all sizes, by the order that is cheapest there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402
from jax import export  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.symbolic import SymbolicOrders, symbolic_orders  # noqa: E402
from chainplan.plans.steps import Accumulate, Multiply  # noqa: E402
from chainplan.problem.graph import Mode  # noqa: E402


def waves(x: Any) -> Any:
    """A function from n entries to twenty sums of them."""
    return jnp.sin(jnp.arange(20.0)[:, None] * x).sum(1)


def neighbours(x: Any) -> Any:
    return jnp.tanh(x[:-1] * x[1:])


def narrow(x: Any) -> Any:
    """A function through two numbers, each of which needs products with a matrix."""
    for _ in range(3):
        x = jnp.tanh(jnp.outer(x, x) @ x)
    y = jnp.stack([x.sum(), (x**2).sum()])
    z = jnp.outer(jnp.cos(jnp.arange(x.shape[0]) * 1.0), y).ravel()
    for _ in range(3):
        z = jnp.tanh(jnp.outer(z, z) @ z)
    return z


def layers(x: Any) -> Any:
    return jnp.tanh(jnp.tanh(x @ jnp.ones((6, 3))) @ jnp.ones((3, 4)))


def sums(x: Any) -> Any:
    return jnp.cumsum(jnp.sin(x).sum(0))[:, None] * jnp.ones(7)


CASES: list[tuple[Callable[[Any], Any], str, list[tuple[int, ...]]]] = [
    (waves, "n", [(2,), (50,)]),
    (neighbours, "n", [(3,), (8,)]),
    (narrow, "n", [(1,), (7,)]),
    (layers, "b, 6", [(1, 6), (4, 6)]),
    (sums, "n, m", [(2, 5), (9, 3)]),
    (lambda x: x.reshape(-1) ** 2, "2*n, n", [(4, 2)]),
]


def exported(f: Callable[..., Any], shape: str) -> Any:
    return export.export(jax.jit(f))(jax.ShapeDtypeStruct(export.symbolic_shape(shape), jnp.float32))


def orders_of(f: Callable[..., Any], shape: str) -> SymbolicOrders | None:
    """Return the orders of a function, of which nothing is computed."""
    found = []

    def asked(x: Any) -> Any:
        found.append(symbolic_orders(flattened(f, 0, False, (x,), {})))
        return x

    exported(asked, shape)
    return found[0]


@pytest.mark.parametrize(("f", "shape", "sizes"), CASES, ids=lambda case: getattr(case, "__name__", None))
def test_exported_jacobians_are_right_at_all_sizes(
    f: Callable[[Any], Any], shape: str, sizes: list[tuple[int, ...]]
) -> None:
    made = exported(planned.jacobian(f), shape)
    assert orders_of(f, shape) is not None
    for size in sizes:
        x = jnp.asarray(np.random.default_rng(0).random(size), jnp.float32)
        expected = jax.jacrev(f)(x)
        found = made.call(x)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert jnp.abs(found - expected).max() <= 1e-5 * jnp.abs(expected).max() + 1e-12


def test_the_size_of_a_run_chooses_the_order() -> None:
    orders = orders_of(waves, "n")
    assert orders is not None
    for n, mode in ((3, Mode.TANGENT), (4000, Mode.ADJOINT)):
        prices = [sum(term.at({"n0": n}) for term in terms) for terms in orders.prices]
        (step,) = orders.plans[prices.index(min(prices))].steps
        assert isinstance(step, Accumulate)
        assert step.mode is mode
    assert "stablehlo.case" in exported(planned.jacobian(waves), "n").mlir_module()


def test_a_narrow_value_is_reached_from_both_sides() -> None:
    orders = orders_of(narrow, "n")
    assert orders is not None
    assert len(orders.parts) > 1
    prices = [sum(term.at({"n0": 1000}) for term in terms) for terms in orders.prices]
    steps = orders.plans[prices.index(min(prices))].steps
    assert [type(step) for step in steps].count(Multiply) == 1
    modes = {step.elemental: step.mode for step in steps if isinstance(step, Accumulate)}
    assert set(modes.values()) == {Mode.TANGENT, Mode.ADJOINT}


def test_constraints_of_symbols_are_the_ranges() -> None:
    dims = export.symbolic_shape("n", constraints=("n <= 8",))
    found = []

    def asked(x: Any) -> Any:
        found.append(symbolic_orders(flattened(waves, 0, False, (x,), {})))
        return x

    export.export(jax.jit(asked))(jax.ShapeDtypeStruct(dims, jnp.float32))
    (orders,) = found
    assert orders is not None
    assert [plan.steps for plan in orders.plans] == [(Accumulate("F1", Mode.TANGENT),)]


def test_what_has_no_orders_is_left_to_a_mode() -> None:
    def two(x: Any) -> Any:
        return x * 2, x + 1

    assert orders_of(two, "n") is None
    assert orders_of(lambda x: jnp.zeros(3), "n") is None
    x = jnp.arange(3, dtype=jnp.float32)
    for mine, jax_own in zip(exported(planned.jacobian(two), "n").call(x), jax.jacrev(two)(x), strict=True):
        assert (mine == jax_own).all()
