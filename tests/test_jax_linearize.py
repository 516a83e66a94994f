"""Linearised functions: the operator of `chainplan.jax.linearize` against JAX's own tangents and adjoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import chainplan.jax as cj  # noqa: E402
from chainplan.errors import PlanError  # noqa: E402
from chainplan.jax.flat_program import FlatProgram  # noqa: E402
from tests.jax_programs import CASES, Function, draw, tripled_backward  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SAMPLE = ("arithmetic", "trees", "residual", "convolution", "scan", "custom vjp", "unused", "complex inside")


def along(tree: Any, seed: int) -> Any:
    """A direction: normal numbers in the shapes of a tree."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape), leaf.dtype), tree)


def assert_equal(made: Any, expected: Any) -> None:
    """The same trees of arrays, up to rounding."""
    (ours, tree), (theirs, own) = jax.tree.flatten(made), jax.tree.flatten(expected)
    assert tree == own
    for one, other in zip(ours, theirs, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        scale = max(1.0, float(jnp.abs(other).max(initial=0)))
        assert float(jnp.abs(one - other).max(initial=0)) <= 1e-12 * scale


def of_differentiated(name: str) -> tuple[Function, tuple[Any, ...]]:
    """A program as a function of what it is differentiated by alone, and these arguments."""
    f, args, argnums = CASES[name]
    places = (argnums,) if isinstance(argnums, int) else argnums

    def function(*primals: Any) -> Any:
        full = list(args)
        for place, value in zip(places, primals, strict=True):
            full[place] = value
        return f(*full)

    return function, tuple(args[place] for place in places)


@pytest.mark.parametrize("name", [n if n in SAMPLE else pytest.param(n, marks=pytest.mark.nightly) for n in CASES])
def test_both_sides_equal_those_of_jax(name: str) -> None:
    f, primals = of_differentiated(name)
    tangents, cotangents = along(primals, 1), along(jax.eval_shape(f, *primals), 2)

    def expected(primals: Any, tangents: Any, cotangents: Any) -> Any:
        y, pull = jax.vjp(f, *primals)
        return y, pull(cotangents), None if name == "custom vjp" else jax.jvp(f, primals, tangents)[1]

    def made(primals: Any, tangents: Any, cotangents: Any) -> Any:
        y, right = cj.linearize(f, *primals, products=3, gain=None)
        left = cj.linearize(f, *primals, products=(0, 2), gain=None)[1]
        return y, [right.T(cotangents), left.T(cotangents)], [right(*tangents), left(*tangents)]

    y, pulled, pushed = jax.jit(expected)(primals, tangents, cotangents)
    own, by_transposes, by_operators = jax.jit(made)(primals, tangents, cotangents)
    assert_equal(own, y)
    for one in by_transposes:
        assert_equal(one, pulled)
    for one in by_operators:
        if pushed is not None:
            assert_equal(one, pushed)
        dot = sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(cotangents), strict=True))
        back = sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(pulled), jax.tree.leaves(tangents), strict=True))
        assert np.isclose(dot, back, rtol=1e-10, atol=1e-10)


def hourglass(x: Any, w: Any, v: Any) -> Any:
    """Wide layers with a narrow one between them."""
    return jnp.tanh(v @ jnp.tanh(w @ jnp.tanh(x)))


ARGUMENTS = draw((30,), (2, 30), (30, 2))


def test_an_operator_is_returned_by_compiled_and_mapped_functions() -> None:
    x, w, v = ARGUMENTS
    points, tangents = jnp.stack([x, 2 * x, -x]), along(jnp.zeros((3, 30)), 5)

    def linearized(x: Any) -> Any:
        return cj.linearize(lambda x: hourglass(x, w, v), x, products=40, gain=None)

    def tangent(x: Any, t: Any) -> Any:
        return jax.jvp(lambda x: hourglass(x, w, v), (x,), (t,))[1]

    y, operator = jax.jit(linearized)(x)
    assert_equal(y, hourglass(x, w, v))
    assert_equal(operator(tangents[0]), tangent(x, tangents[0]))
    assert_equal(jax.vmap(operator)(tangents), jax.vmap(lambda t: tangent(x, t))(tangents))
    operators = jax.jit(jax.vmap(linearized))(points)[1]
    expected = jax.vmap(tangent)(points, tangents)
    assert_equal(jax.vmap(lambda operator, t: operator(t))(operators, tangents), expected)
    assert_equal(operator.T.T(tangents[1]), operator(tangents[1]))
    leaves, tree = jax.tree.flatten(operator)
    assert jax.tree.unflatten(tree, leaves).plan is operator.plan is not None


def made_by(function: Function, *arguments: Any) -> list[str]:
    """The primitives of a program that do something."""
    return [op.name for op in FlatProgram(jax.make_jaxpr(function)(*arguments)).operations]


def test_the_set_up_is_computed_once() -> None:
    x, w, v = ARGUMENTS
    operator = cj.linearize(hourglass, x, w, v, products=50, gain=None)[1]
    assert operator.plan is not None
    product = made_by(operator, x, w, v)
    assert "tanh" not in product
    loop = cj.linearize(
        lambda x: lax.scan(lambda c, _: (jnp.sin(c) * x, None), x, None, 5)[0], x, products=1, gain=None
    )
    assert "scan" in made_by(loop[1], x)
    assert "sin" not in str(jax.make_jaxpr(loop[1])(x))
    assert "cos" not in str(jax.make_jaxpr(loop[1])(x))


def test_narrow_factors_are_kept_apart_and_wide_ones_formed() -> None:
    x, w, v = draw((60,), (60, 60), (60, 60))

    def deep(x: Any) -> Any:
        for _ in range(4):
            x = jnp.tanh(v @ jnp.tanh(w @ x))
        return x

    def shapes(products: int) -> list[tuple[int, ...]]:
        operator = cj.linearize(deep, x, products=products, gain=None)[1]
        return [leaf.shape for leaf in jax.tree.leaves(operator) if leaf.ndim == 2 and leaf.size > 60]

    assert len(shapes(10**6)) == 1
    assert len(shapes(1)) > 1


def test_jax_is_left_to_itself_where_a_plan_saves_nothing() -> None:
    x = draw((50,))[0]
    assert cj.linearize(jnp.sin, x, products=5)[1].plan is None
    assert cj.linearize(jnp.sin, x, products=5, gain=None)[1].plan is not None
    w = draw((300, 300), seed=1)[0]

    def deep(x: Any) -> Any:
        for _ in range(20):
            x = jnp.sin(w @ x) / 300
        return x

    narrow = cj.linearize(lambda s: deep(s * jnp.ones(300)), jnp.asarray(0.3), products=1000)[1]
    assert narrow.plan is not None
    assert_equal(narrow(jnp.asarray(1.0)), jax.jvp(lambda s: deep(s * jnp.ones(300)), (0.3,), (1.0,))[1])


def test_what_was_found_for_a_function_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(x: Any) -> Any:
        return jnp.cos(x) * 7.5

    x = draw((4,))[0]
    for gain in (None, 0.1):
        first = cj.linearize(function, x, products=9, gain=gain)[1]
        with monkeypatch.context() as broken:
            broken.setattr("chainplan.jax.linearized._decided", None)
            again = cj.linearize(function, 2 * x, products=9, gain=gain)[1]
        assert jax.tree.structure(again) == jax.tree.structure(first)
        assert_equal(again(x), jax.jvp(function, (2 * x,), (x,))[1])


def test_functions_that_are_not_traced_flat_are_left_to_jax() -> None:
    def printing(x: Any) -> Any:
        jax.debug.callback(lambda value: None, x)
        return jnp.sin(x)

    x = draw((4,))[0]
    y, operator = cj.linearize(printing, x, products=3)
    assert operator.plan is None
    assert_equal((y, operator(x)), (jnp.sin(x), jnp.cos(x) * x))
    assert_equal(operator.T(x), (jnp.cos(x) * x,))


def test_a_rule_for_adjoints_alone_is_followed_on_both_sides() -> None:
    x = draw((4,))[0]
    for gain in (None, 0.1):
        operator = cj.linearize(lambda x: tripled_backward(x * x), x, products=(2, 2), gain=gain)[1]
        assert_equal(operator.T(x), (6 * x * x,))
        assert_equal(operator(x), 6 * x * x)


def test_auxiliary_data_is_passed_on() -> None:
    x = draw((4,))[0]
    for gain in (None, 0.1):
        y, operator, aux = cj.linearize(
            lambda x: (x**2, {"name": "square", "sum": x.sum()}), x, products=1, has_aux=True, gain=gain
        )
        assert_equal((y, operator(x), aux["sum"]), (x**2, 2 * x * x, x.sum()))
        assert aux["name"] == "square"


def test_misuse_is_refused() -> None:
    x = draw((4,))[0]
    for products in (0, -1, True, 1.5, (1,), (0, 0), (1, 2, 3)):
        with pytest.raises(PlanError, match="products: found"):
            cj.linearize(jnp.sin, x, products=products)  # type: ignore[arg-type]
    with pytest.raises(cj.DifferentiationError, match="f: found 3"):
        cj.linearize(3, x, products=1)  # type: ignore[arg-type]
    with pytest.raises(cj.DifferentiationError, match="expected real floating-point numbers"):
        cj.linearize(jnp.sin, jnp.arange(3), products=1)
    operator = cj.linearize(lambda x, y: x * y, x, x, products=1)[1]
    with pytest.raises(cj.DifferentiationError, match="tangents: found the tree"):
        operator(x)
    with pytest.raises(cj.DifferentiationError, match=r"tangents: found float64 of shape \(3,\); expected float64 of"):
        operator(x, x[:3])
    with pytest.raises(cj.DifferentiationError, match=r"operator\.T: found 2 arguments"):
        operator.T(x, x)


@pytest.mark.parametrize("where", ["predicted_seconds", "shape_of"])
def test_a_defect_is_no_refusal(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(f"chainplan.jax.product_ways.{where}", broken)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        cj.linearize(lambda x: jnp.roll(x, 3) * jnp.sin(x) * 0.375, jnp.ones(37), products=(3, 3))


def test_the_prediction_of_jax_s_own_way_is_no_refusal_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is predicted first; a defect in what follows is not taken for a function without derivatives."""
    from chainplan.jax import product_ways

    calls = iter(range(100))

    def later_broken(closed: Any) -> float:
        if next(calls) >= 3:
            raise ZeroDivisionError("a defect")
        return 1.0

    monkeypatch.setattr(product_ways, "predicted_seconds", later_broken)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        cj.linearize(lambda x: jnp.roll(x, 5) * jnp.sin(x) * 0.375, jnp.ones(37), products=(3, 3))


class Refusal(Exception):
    """An error that only a rule of a user's own raises."""


def test_what_a_rule_raises_in_every_mode_is_raised() -> None:
    @jax.custom_jvp  # type: ignore[untyped-decorator]
    def refusing(x: Any) -> Any:
        return 3 * x

    @refusing.defjvp  # type: ignore[untyped-decorator]
    def _rule(primals: Any, tangents: Any) -> Any:
        raise Refusal

    def branching(x: Any) -> Any:
        return refusing(x) * (1.0 if x[0] > 0 else 2.0)

    with pytest.raises(Refusal):
        cj.linearize(branching, jnp.ones(3), products=3)
