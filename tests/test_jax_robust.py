"""Calls that JAX allows and that once surprised: rules that raise, symbolic sizes, weak types, signs, float32."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import export, lax  # noqa: E402
from jax.extend import core  # noqa: E402
from jax.interpreters import ad, batching, mlir  # noqa: E402

import chainplan  # noqa: E402
import chainplan.jax as planned  # noqa: E402
from chainplan.errors import PlanError  # noqa: E402
from chainplan.jax.forms import HeldSelection, matrix, negated  # noqa: E402
from chainplan.jax.products import product  # noqa: E402
from chainplan.jax.trace import scan_counts  # noqa: E402
from tests.jax_programs import draw, tripled_backward  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def _agrees(found: Any, expected: Any) -> bool:
    a, b = np.asarray(found), np.asarray(expected)
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.abs(a - b).max() <= 1e-12 * max(1, np.abs(b).max()))


def test_signs_that_are_known_meet_picks() -> None:
    index = np.array([2, 0, 0, 1])
    minus = negated(HeldSelection(index, 3))
    for other in (HeldSelection(np.array([1, 1, 0]), 2), minus, HeldSelection(np.array([0, 3, 1]), 4, turned=True)):
        for left, right in ((minus, other), (other, minus)):
            if left.cols != right.rows:
                continue
            expected = matrix(left, np.float64) @ matrix(right, np.float64)
            assert np.array_equal(matrix(product(left, right, np.float64), np.float64), expected)


def test_more_signs_are_added_up_than_a_byte_counts() -> None:
    each = np.arange(300) // 150
    minus = negated(HeldSelection(each, 20))
    summed = product(HeldSelection(each, 20, turned=True), minus, np.float64)
    assert matrix(summed, np.float64)[0, 0] == -150


def test_repulsion_of_many_pairs() -> None:
    """A gradient whose Jacobian subtracts what it picked before."""
    x = draw((4, 3))[0] * 3
    i, j = np.triu_indices(4, 1)

    def force(x: Any) -> Any:
        return jax.grad(lambda x: jnp.sum(jnp.sum((x[i] - x[j]) ** 2, -1) ** -3))(x)

    for solver in ("forward", "reverse"):
        found = jax.jit(planned.jacobian(force, gain=None, solver=solver))(x)
        assert _agrees(found, jax.jacfwd(force)(x))


class Refusal(Exception):
    """An error that only a rule of a user's own raises."""


def _refuse(*arguments: Any, **parameters: Any) -> Any:
    raise Refusal


ONE_WAY = core.Primitive("one_way")
"""Three times its operand as a tangent; there is no way back."""
ONE_WAY.def_impl(lambda t: 3 * t)
ONE_WAY.def_abstract_eval(lambda t: t)
mlir.register_lowering(ONE_WAY, mlir.lower_fun(lambda t: 3 * t, multiple_results=False))
batching.defvectorized(ONE_WAY)
ad.primitive_transposes[ONE_WAY] = _refuse


one_way = jax.custom_jvp(lambda x: 3 * x)
one_way.defjvp(lambda primals, tangents: (one_way(*primals), ONE_WAY.bind(*tangents)))


@pytest.mark.parametrize(("rule", "mode"), [(one_way, jax.jacfwd), (tripled_backward, jax.jacrev)])
def test_a_rule_that_raises_in_one_mode_leaves_the_other(rule: Any, mode: Any) -> None:
    w, x = draw((3, 3), (3,))

    def function(x: Any) -> Any:
        return jnp.tanh(w @ rule(w @ x))

    def branching(x: Any) -> Any:
        return rule(x) * (1.0 if x[0] > 0 else 2.0)

    assert _agrees(planned.jacobian(branching)(x), mode(branching)(x))
    for gain in (None, 1e9):
        assert _agrees(planned.jacobian(function, gain=gain)(x), mode(function)(x))


def test_a_function_with_neither_mode_raises_what_the_first_raised() -> None:
    def function(x: Any) -> Any:
        return tripled_backward(lax.while_loop(lambda s: s[0] < 5, lambda s: 2 * s, x)) * (1.0 if x[0] > 0 else 2.0)

    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        planned.jacobian(function)(jnp.ones(2))


def test_a_mask_of_values_is_left_to_a_mode() -> None:
    (x,) = draw((4,))
    assert _agrees(planned.jacobian(lambda x: x[x > 0.5] * 2)(x), jax.jacrev(lambda x: x[x > 0.5] * 2)(x))


def test_symbolic_sizes_are_left_to_a_mode() -> None:
    def function(x: Any) -> Any:
        return jnp.tanh(x[:-1] * x[1:])

    (n,) = export.symbolic_shape("n")
    exported = export.export(jax.jit(planned.jacobian(function)))(jax.ShapeDtypeStruct((n,), jnp.float64))
    for x in draw((4,)):
        assert _agrees(exported.call(x), jax.jacrev(function)(x))


@pytest.mark.parametrize("name", ["root_find", "least_squares"])
def test_solvers_of_optimistix(name: str) -> None:
    optimistix = pytest.importorskip("optimistix")
    methods = {"root_find": optimistix.Newton, "least_squares": optimistix.GaussNewton}

    def function(p: Any) -> Any:
        solve = getattr(optimistix, name)
        return solve(lambda y, p: y**3 + p * y - 1 - p**2, methods[name](1e-12, 1e-12), jnp.ones(2), jnp.sin(p)).value

    x = jnp.array([0.3, 0.8])
    found, y, p = np.asarray(jax.jit(planned.jacobian(function))(x)), np.asarray(function(x)), np.sin(x)
    assert np.abs(found - np.diag((2 * p - y) / (3 * y**2 + p) * np.cos(x))).max() < 1e-9


WEAK: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "a number": (lambda x: x**2, (1.0,), 0),
    "spread out": (lambda x: jnp.sin(x) * jnp.ones(3), (1.0,), 0),
    "itself": (lambda x: x, (1.0,), 0),
    "no path": (lambda x: jnp.ones(3), (1.0,), 0),
    "two": (lambda x, y: (x * y, x), (1.0, np.ones(3)), (0, 1)),
    "a number of numpy": (lambda x: x * 2.0, (np.float32(1.0),), 0),
    "half": (lambda x: x * jnp.ones(2, jnp.float32), (jnp.ones(2, jnp.bfloat16),), 0),
    "loop": (lambda x: lax.fori_loop(0, 3, lambda i, s: s * x, x), (1.0,), 0),
}


@pytest.mark.parametrize("name", WEAK)
def test_dtypes_are_weak_where_those_of_jacrev_are(name: str) -> None:
    f, arguments, argnums = WEAK[name]
    expected = [(leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(jax.jacrev(f, argnums)(*arguments))]
    for gain in (None, 1e9):
        found = jax.tree.leaves(planned.jacobian(f, argnums, gain=gain)(*arguments))
        assert [(leaf.dtype, leaf.weak_type) for leaf in found] == expected


def test_holomorphic_functions_and_integers_are_differentiated_as_jax_does() -> None:
    z = jnp.array([1 + 2j, 0.5 - 1j])
    for f in (lambda z: z * z, lambda z: jnp.exp(z[0]) * jnp.array([1, 2j, 3])):
        assert _agrees(planned.jacobian(f, holomorphic=True)(z), jax.jacrev(f, holomorphic=True)(z))
    with pytest.raises(PlanError, match="complex functions are left to JAX's modes"):
        planned.jacobian(lambda z: z, holomorphic=True, memory=1)

    x, k = jnp.array([1.0, 2.0]), jnp.array([3, 4])
    for argnums in (0, (0, 1)):
        found = planned.jacobian(lambda x, k: x * k, argnums, allow_int=True)(x, k)
        expected = jax.jacrev(lambda x, k: x * k, argnums, allow_int=True)(x, k)
        assert all(map(_agrees, jax.tree.leaves(found), jax.tree.leaves(expected)))


WITHOUT_WARNINGS = """
import warnings; warnings.simplefilter("error")
import jax, numpy as np, chainplan.jax as planned
from tests.jax_programs import CASES
for name in {names!r}:
    f, arguments, argnums = CASES[name]
    found = jax.jit(planned.jacobian(f, argnums, gain=None, budget=0))(*arguments)
    expected = jax.jit(jax.jacrev(f, argnums))(*arguments)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.dtype, a.dtype.itemsize) == (b.dtype, 4), name
        assert np.abs(np.asarray(a) - b).max() <= 1e-4 * np.abs(b).max(), name
"""


def test_float32_gives_no_warning() -> None:
    names = ["scatters", "joined", "pooling"]
    code = WITHOUT_WARNINGS.format(names=names)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


_clipped = jax.custom_vjp(lambda x: jnp.sin(x))
_clipped.defvjp(lambda x: (jnp.sin(x), x), lambda x, y: (jnp.clip(jnp.cos(x) * y, -0.5, 0.5),))


_weighted = jax.custom_vjp(lambda x: jnp.cumsum(x * x))
_weighted.defvjp(lambda x: (jnp.cumsum(x * x), x), lambda x, y: (3 * x * jnp.cumsum(y[::-1])[::-1],))


def test_the_tangent_of_a_rule_for_adjoints_is_its_transpose() -> None:
    """One tangent goes from one argument to a hundred results, where a hundred adjoints went back."""
    w, v, x = draw((20, 1), (10, 20), (1,))

    def function(x: Any) -> Any:
        return v @ _weighted(w @ x)

    graph = planned.linearised_graph(function, x)
    cost = chainplan.plan(graph, budget=1).cost
    assert cost is not None
    assert cost.fma < 400
    settings: tuple[dict[str, Any], ...] = ({}, {"gain": None}, {"tune": True}, {"memory": 10**6})
    for options in settings:
        assert _agrees(planned.jacobian(function, **options)(x), jax.jacrev(function)(x))


def test_a_rule_that_cannot_be_transposed_has_no_tangent() -> None:
    (x,) = draw((3,))
    assert "matrix-free (adjoint)" in planned.explain(_clipped, x)
    assert _agrees(planned.jacobian(_clipped, gain=None)(x), jax.jacrev(_clipped)(x))


class _Tree:
    """The operands of a scan as JAX 0.11 states them: a tree of three groups, each a tree of leaves."""

    def unpack(self) -> list[list[None]]:
        return [[None], [None, None], [None] * 3]


def test_what_a_scan_carries_is_read_as_each_version_of_jax_states_it() -> None:
    def steps(c: Any, w: Any) -> Any:
        return lax.scan(lambda c, x: (w @ c + x, c), c, jnp.ones((5, 2)))[0]

    (scan,) = [e for e in jax.make_jaxpr(steps)(jnp.ones(2), jnp.eye(2)).eqns if e.primitive.name == "scan"]
    assert scan_counts(scan.params) == (1, 1)
    assert scan_counts({"ft_in": _Tree()}) == (1, 2)
