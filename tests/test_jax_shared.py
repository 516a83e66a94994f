"""What all points of a batch have in common is computed once for it: values on integers, and the programs made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import chainplan.jax as cj  # noqa: E402
from chainplan.jax import shared_blocks  # noqa: E402
from chainplan.jax.flat_program import FlatProgram, elements  # noqa: E402
from chainplan.jax.forms import HeldDense, HeldDiagonal, matrix, picked  # noqa: E402
from chainplan.jax.shared_blocks import RunBlock, SharedBlock, shared_product, shared_total, written  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

BATCH = 64


def whole(*shape: int, seed: int = 0) -> Any:
    return jnp.asarray(np.random.default_rng(seed).integers(-3, 4, shape), jnp.float64)


def projected(x: Any, v: Any) -> Any:
    """A matrix that does not depend on x on both sides of a diagonal that does."""
    u = v @ x
    return v.T @ (u * u * u)


def narrow(x: Any, v: Any, w: Any) -> Any:
    """Two shared matrices in a row before a diagonal, and a result that is short."""
    y = w @ (v @ (x * x))
    return jnp.sum(y * y)[None] * 2


def scaled_alike(x: Any, v: Any) -> Any:
    """The same shared matrix with one diagonal or another on either side, and a sum of both."""
    return v @ (x * x) + (v @ x) * (v @ (x * x * x))


def two_shared_sums(x: Any, v: Any, w: Any) -> Any:
    """A sum of shared matrices is shared."""
    y = v @ x + w @ x
    return v.T @ (y * y)


def by_places(x: Any, v: Any) -> Any:
    """Picks and joins, whose places are known, between shared matrices."""
    y = v @ jnp.concatenate([x[:2], x[1:]])[jnp.array([0, 2, 1, 3, 4, 4, 5])][:6]
    return v[:, :4] @ jnp.flip(y * y)[:4]


def masked(x: Any, v: Any) -> Any:
    """A choice that depends on the point leaves entries of what is shared out."""
    y = v @ x
    return v.T @ jnp.where(y > 0, y * y, v[:, 0] * y)


def filtered(x: Any, v: Any) -> Any:
    """A matrix-free elemental that depends on shared arrays alone, behind a diagonal that does not."""
    y = lax.conv_general_dilated((x * x).reshape(1, 1, -1), v[:1, None, :3], (1,), "SAME").ravel()
    return v @ (y * y)


X = whole(BATCH, 6, seed=1)
V = whole(40, 6, seed=2)
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "projected": (projected, V),
    "narrow": (narrow, V, whole(30, 40, seed=3)),
    "scaled alike": (scaled_alike, V),
    "two shared sums": (two_shared_sums, V, whole(40, 6, seed=4)),
    "picked": (by_places, whole(6, 6, seed=5)),
    "masked": (masked, V),
    "filtered": (filtered, V),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_each_point_alone(name: str) -> None:
    f, *shared = FUNCTIONS[name]
    axes = (0, *(None for _ in shared))
    expected = jax.jit(jax.vmap(jax.jacrev(f), axes))(X, *shared)
    found = jax.jit(jax.vmap(cj.jacobian(f, gain=None), axes))(X, *shared)
    assert found.dtype == expected.dtype
    assert jnp.array_equal(found, expected)


def test_a_batch_of_batches() -> None:
    axes = (0, None)
    expected = jax.jit(jax.vmap(jax.jacrev(projected), axes))(X, V)
    for twice in (axes, (0, 0)):
        v = V if twice is axes else jnp.stack([V, V])
        found = jax.jit(jax.vmap(jax.vmap(cj.jacobian(projected, gain=None), axes), twice))(X.reshape(2, -1, 6), v)
        assert jnp.array_equal(found.reshape(expected.shape), expected)


def scale(seed: int) -> HeldDiagonal:
    return HeldDiagonal(6, whole(6, seed=seed))


DENSE, OTHER = HeldDense(whole(6, 6, seed=6)), HeldDense(whole(6, 6, seed=7))
BLOCKS: list[RunBlock] = [
    *(SharedBlock(DENSE, left, right) for left in (None, scale(8)) for right in (None, scale(9))),
    SharedBlock(HeldDiagonal(6, None, -1)),
    SharedBlock(picked(np.array([1, 1, 0, 3, 5, 4]), 6)),
    SharedBlock(scale(10)),
    scale(11),
    OTHER,
]


@pytest.mark.parametrize("left", BLOCKS)
@pytest.mark.parametrize("right", BLOCKS)
def test_products_and_sums_of_blocks_with_scales(left: RunBlock, right: RunBlock) -> None:
    dtype = jnp.float64
    a, b = (np.asarray(matrix(written(block, dtype), dtype)) for block in (left, right))
    for made, expected in ((shared_product(left, right, dtype), a @ b), (shared_total(left, right, dtype), a + b)):
        assert np.array_equal(matrix(written(made, dtype), dtype), expected)
    if isinstance(left, SharedBlock) and isinstance(right, SharedBlock) and left.right is right.left is None:
        assert isinstance(shared_product(left, right, dtype), SharedBlock)


def sizes(f: Any, *args: Any, plain: bool = False, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The entries of all arrays that a plan makes for a batch; with `plain` point by point."""
    with monkeypatch.context() as patched:
        patched.setattr("chainplan.jax.choice.kept", lambda key, make, *rest: make())
        if plain:
            patched.setattr("chainplan.jax.choice.shared_elementals", lambda *_: frozenset())
        axes = (0, *(None for _ in args[1:]))
        closed = jax.make_jaxpr(jax.vmap(cj.jacobian(f, gain=None), axes))(*args)
    return [elements(FlatProgram(closed).avals[v]) for op in FlatProgram(closed).operations for v in op.outs]


def test_a_shared_matrix_is_not_scaled_for_each_point(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, modes = V.shape
    once = sizes(projected, X, V, monkeypatch=monkeypatch)
    assert max(once) <= max(BATCH * max(cells, modes**2), cells * modes**2)
    assert cells * modes**2 in once
    assert max(sizes(projected, X, V, plain=True, monkeypatch=monkeypatch)) >= BATCH * cells * modes


def test_vertices_between_shared_matrices_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    v, w = FUNCTIONS["narrow"][1:]
    product = w.shape[0] * v.shape[1]
    assert product in sizes(narrow, X, v, w, monkeypatch=monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr("chainplan.jax.choice.shared_first", lambda *_: None)
        assert product not in sizes(narrow, X, v, w, monkeypatch=monkeypatch)


def test_nothing_is_shared_where_no_batch_is_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(x: Any, v: Any) -> Any:
        return jax.jit(cj.jacobian(projected, gain=None))(x, v)

    monkeypatch.setattr("chainplan.jax.choice.kept", lambda key, make, *rest: make())
    program = FlatProgram(jax.make_jaxpr(jax.vmap(alone, (0, None)))(X, V))
    made = [elements(program.avals[v]) for op in program.operations for v in op.outs]
    assert max(made) == BATCH * V.size


def test_large_products_of_columns_and_rows_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_blocks, "MAX_OUTER_ENTRIES", V.size * V.shape[1] - 1)
    assert V.size * V.shape[1] not in sizes(projected, X, V, monkeypatch=monkeypatch)
