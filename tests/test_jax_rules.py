"""Rules of the JAX front-end: the edges of an equation multiply to its Jacobian, within the patterns they declare."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import chainplan  # noqa: E402
import chainplan.jax as planned  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.costs import equation_fma  # noqa: E402
from chainplan.jax.edges import is_complex  # noqa: E402
from chainplan.jax.forms import matrix  # noqa: E402
from chainplan.jax.linearise import LinearisedEquation, LinearisedFunction  # noqa: E402
from chainplan.jax.rules import PRIMITIVE_RULES  # noqa: E402
from chainplan.jax.standalone import linearised_call  # noqa: E402
from chainplan.jax.trace import TraceConstant, flat, read  # noqa: E402
from chainplan.problem.graph import Mode  # noqa: E402
from tests.jax_programs import CASES, draw  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

TRACED = {name: linearised_call(flattened(f, argnums, False, args, {})) for name, (f, args, argnums) in CASES.items()}


def test_every_rule_is_used() -> None:
    """But for two primitives that the oldest JAX writes as several others."""
    used = {equation.name for traced in TRACED.values() for equation in traced.trace.equations}
    written = jax.make_jaxpr(lambda x: (jnp.stack([x, x]), *jnp.unstack(x)))(jnp.ones((2, 3)))
    assert set(PRIMITIVE_RULES) - used == {"stack", "unstack"} - {equation.primitive.name for equation in written.eqns}


def _blocks(found: LinearisedEquation, operands: list[Any]) -> dict[str, list[Any]]:
    """The matrix of every edge, by each way to compute it."""
    made: dict[str, list[Any]] = {}
    for name, _, _, edge in found.edges:
        if edge.values is not None:
            made[name] = [matrix(edge.values(operands), np.float64)]
            continue
        assert edge.functions is not None
        tangent, adjoint = edge.functions(operands)
        ways = ((edge.tangent, tangent, edge.cols), (edge.adjoint, adjoint, edge.rows))
        made[name] = [way(jnp.eye(size)) for price, way, size in ways if price is not None]
        assert made[name]
    return made


def _as_reals(array: Any) -> Any:
    vector = array.ravel()
    return jnp.concatenate([vector.real, vector.imag]) if is_complex(array) else vector


def _jacobian(found: LinearisedEquation, operands: list[Any], positions: list[int], result: int) -> Any:
    """Of one result by the operands at these positions, which are one value, by JAX on that equation alone."""
    operand = jnp.asarray(operands[positions[0]])

    def function(x: Any) -> Any:
        x = lax.complex(*jnp.split(x, 2)) if is_complex(operand) else x
        x = x.reshape(operand.shape).astype(operand.dtype)
        given = [x if i in positions else value for i, value in enumerate(operands)]
        return _as_reals(found.equation.apply(*given)[result])

    x = _as_reals(operand)
    try:
        return jax.jacfwd(function)(x)
    except TypeError:
        return jax.jacrev(function)(x)


def _product(found: LinearisedEquation, made: dict[str, list[Any]], source: str, target: str) -> Any:
    """The sum over the paths between two vertices within an equation, None where there is none."""
    total: Any = None
    for name, start, end, _ in found.edges:
        if start == source:
            behind = np.eye(len(made[name][0])) if end == target else _product(found, made, end, target)
            if behind is not None:
                total = behind @ made[name][0] + (0 if total is None else total)
    return total


def _pairs(found: LinearisedEquation) -> dict[tuple[str, str], tuple[list[int], int]]:
    """By every vertex before and every one behind an equation: the positions of the operand and of the result."""
    places: dict[str, list[int]] = {}
    for _, start, _, edge in found.edges:
        if isinstance(edge.source, int) and edge.source not in places.setdefault(start, []):
            places[start].append(edge.source)
    ends = {end: edge.target for _, _, end, edge in found.edges if isinstance(edge.target, int)}
    return {(start, end): (positions, j) for start, positions in places.items() for end, j in ends.items()}


@pytest.mark.parametrize("name", CASES)
def test_edges_multiply_to_the_jacobian_within_their_patterns(name: str) -> None:
    traced: LinearisedFunction = TRACED[name]
    f, arguments, argnums = CASES[name]

    @jax.jit
    def everything(*leaves: Any) -> list[Any]:
        values = traced.trace.values(leaves)
        made = []
        for found in traced.found:
            operands = [read(values, operand) for operand in found.equation.operands]
            jacobians = [_jacobian(found, operands, *ends) for ends in _pairs(found).values()]
            kept = [values[number] for number in found.equation.kept]
            made.append((_blocks(found, [*operands, *kept]), jacobians))
        return made

    made = everything(*flattened(f, argnums, False, arguments, {}).leaves)
    assert traced.graph is not None
    for found, (blocks, jacobians) in zip(traced.found, made, strict=True):
        blocks = {edge: [np.asarray(way) for way in ways] for edge, ways in blocks.items()}
        for edge, ways in blocks.items():
            block = traced.graph.declared[edge].block
            allowed = block.structure.pattern(block.rows, block.cols).toarray() != 0
            for way in ways:
                assert not way[~allowed].any(), f"{found.equation.name} leaves its pattern {block.structure}"
                assert np.abs(way - ways[0]).max() <= 1e-12 * np.abs(way).max()
        _require_products(found, blocks, jacobians)


def _require_products(found: LinearisedEquation, blocks: dict[str, list[Any]], jacobians: list[Any]) -> None:
    for (start, end), expected in zip(_pairs(found), map(np.asarray, jacobians), strict=True):
        got = _product(found, blocks, start, end)
        got = np.zeros_like(expected) if got is None else got
        assert np.abs(got - expected).max() <= 1e-12 * max(1, np.abs(expected).max()), found.equation.name


STRUCTURED = {
    "index lists": ("gather", "selection"),
    "scatters": ("scatter-add", "scatter"),
    "dynamic slices": ("dynamic_update_slice", "scatter"),
    "indices of values": ("gather", "matrix-free (tangent, adjoint)"),
    "triangles": ("select_n", "selection; scatter"),
    "stacks": ("tile", "replicate whole"),
    "along each axis": ("cumprod", "coo matrix-free (tangent, adjoint)"),
    "backwards": ("cumsum", "upper_triangular matrix-free (tangent, adjoint)"),
    "batched algebra": ("cholesky", "block_diagonal [2, 9, 9] matrix-free (tangent, adjoint)"),
    "pooling": ("reduce_window_max", "coo matrix-free (tangent, adjoint)"),
    "filter": ("conv_general_dilated", "coo matrix-free (tangent, adjoint)"),
    "complex inside": ("abs", "kronecker [[1, 2], 4] matrix-free (tangent, adjoint)"),
    "custom vjp": ("custom_vjp_call", "matrix-free (tangent, adjoint)"),
    "scan": ("scan", "matrix-free (tangent, adjoint)"),
    "cond": ("cond", "matrix-free (tangent, adjoint)"),
    "solve": ("custom_linear_solve", "matrix-free (tangent, adjoint)"),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_explain_names_the_path(name: str) -> None:
    f, arguments, argnums = CASES[name]
    primitive, path = STRUCTURED[name]
    lines = planned.explain(f, *arguments, argnums=argnums).splitlines()
    assert any(line.split()[0] == primitive and path in line for line in lines)


def test_indices_that_are_traced_are_values() -> None:
    def paths(k: Any) -> str:
        return planned.explain(lambda x: x[k], x)

    (x,) = draw((4,))
    assert "selection" in paths(jnp.array([1, 2]))
    seen: list[str] = []

    def recorded(k: Any) -> Any:
        seen.append(paths(k))
        return k

    jax.jit(recorded)(jnp.array([1, 2]))
    assert "matrix-free" in seen[0]


def test_a_short_filter_takes_as_many_tangents_as_it_is_long() -> None:
    x, k = draw((40,), (3,))
    problem = planned.linearised_graph(lambda x: jnp.convolve(x, k), x)
    (conv,) = [e for e in problem.graph.elementals if not e.explicit]
    cost = chainplan.plan(problem, budget=1).cost
    assert cost is not None
    assert cost.fma == 3 * (conv.per_vector(Mode.TANGENT) or 0)


def test_prices_are_of_the_size_that_xla_counts() -> None:
    w, x, image, k = draw((30, 30), (30,), (2, 4, 12, 12), (8, 4, 3, 3))
    cases = (
        (lambda a: w @ a, x, 1),
        (lambda a: lax.conv_general_dilated(a, k, (1, 1), "SAME"), image, 1),
        (lambda a: lax.conv_general_dilated(a, k, (2, 2), "VALID"), image, 1),
        (lambda a: lax.scan(lambda c, _: (w @ c, None), a, None, length=10)[0], x, 10),
        (lambda a: lax.fori_loop(0, 7, lambda i, c: w @ c, a), x, 7),
        (lambda a: jnp.fft.fft(a).real, jnp.tile(x, 32), 1),
        (lambda a: lax.cond(a[0] > 0, lambda b: w @ b, lambda b: b, a), x, 1),
    )
    for f, a, times in cases:
        counted = jax.jit(f).lower(a).compile().cost_analysis()["flops"] / 2 * times
        price = sum(equation_fma(equation) for equation in flat(jax.make_jaxpr(f)(a)).equations)
        assert counted / 4 <= price <= 4 * counted


def test_integer_constants_are_computed_while_tracing() -> None:
    made = flat(jax.make_jaxpr(lambda x: x[jnp.arange(4)[::-1] + 0])(jnp.ones(4)))
    (equation,) = made.equations
    assert isinstance(equation.operands[1], TraceConstant)


def test_what_follows_from_other_real_arguments_is_a_value() -> None:
    """They become arguments of a program that is compiled apart, where structures must be the same."""
    (x,) = draw((4,))
    assert "selection" not in planned.explain(lambda x, y: jnp.where(y > 0.5, x, 0), x, x)
    assert "selection" in planned.explain(lambda x, m: jnp.where(m, x, 0), x, x > 0.5)
