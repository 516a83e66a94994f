"""What is said of the kernels of a program equals what XLA makes of it on the CPU."""

from __future__ import annotations

import re
from typing import Any

import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

from chainplan.jax.flat_program import FlatProgram  # noqa: E402
from chainplan.jax.fusions import Fusions  # noqa: E402
from chainplan.jax.program_time import predicted_seconds, work_of  # noqa: E402

X, A = jnp.linspace(0.1, 1, 6), jnp.linspace(0.1, 1, 36).reshape(6, 6)

FUNCTIONS: dict[str, Any] = {
    "chain": lambda x: jnp.sin(2 * x + 1) * x,
    "shared and dear": lambda x: (jnp.exp(x)[:, None] * x[None, :], jnp.exp(x) + 1),
    "shared and cheap": lambda x: jnp.sin(x)[:, None] * x[None, :],
    "dear, read for many": lambda x: jnp.tanh(x)[:, None] * jnp.ones((6, 50)),
    "matrix products": lambda x: jnp.tanh(A @ (jnp.exp(x) * x)) * 2,
    "many joined": lambda x: jnp.stack([jnp.sin(x[i]) * x[i - 1] for i in range(6)] * 2),
    "few joined": lambda x: jnp.concatenate([x[:2] * 2, jnp.cos(x[2:4]), x[4:] + 1]),
    "padded": lambda x: jnp.pad(x[:2] * x[1:3], (0, 4)) + jnp.pad(jnp.cos(x[:3]), (3, 0)),
    "reduced": lambda x: jnp.sum(x[:, None] * x[None, :] + A, axis=1) * 3,
    "division by a number": lambda x: jnp.outer(x / 3, x),
    "division": lambda x: jnp.outer(x / (1 + x), x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_kernels_are_those_of_xla(name: str) -> None:
    f = FUNCTIONS[name]
    program = FlatProgram(jax.make_jaxpr(f)(X))
    text = jax.jit(f).lower(X).compile().as_text()
    entry = text[text.index("ENTRY") :]
    kernels = re.findall(r" (?:fusion|concatenate)\(", entry)
    assert len(Fusions(program, program.results).kernels) == len(kernels), entry


def test_a_branch_along_the_inner_loop_is_evaluated_entry_by_entry() -> None:
    """The adjoint of entries picked pads along the axis of the result, the tangent of them joins along another one."""

    def arm(x: Any) -> Any:
        a, b, c = x
        return jnp.stack([jnp.sin(a) * jnp.cos(b) * c, jnp.cos(a) * jnp.sin(b * c), a * b * c])

    points = jnp.linspace(0.1, 1, 3 * 64).reshape(64, 3)
    modes = [work_of(jax.make_jaxpr(jax.vmap(mode(arm)))(points)) for mode in (jax.jacfwd, jax.jacrev)]
    assert modes[0]["branched_simple"] < modes[0]["simple"]
    assert modes[1]["branched_simple"] > modes[1]["simple"]


def test_loops_run_whole_or_by_kernels_with_and_without_a_queue() -> None:
    def f(x: Any, steps: int) -> Any:
        def step(c: Any, _: None) -> tuple[Any, None]:
            for _step in range(steps):
                c = jnp.stack([c[0] * 0.9 + jnp.sin(c[1]), c[1] - c[0] * c[1]])
            return c, None

        return lax.scan(step, x, None, 50)[0]

    def loops(steps: int, *shape: int) -> dict[str, int]:
        work = work_of(jax.make_jaxpr(lambda x: f(x, steps))(jnp.ones((2, *shape))))
        return {kind: work[f"{kind}_kernels"] for kind in ("compiled", "sequential", "loop") if work[f"{kind}_kernels"]}

    assert loops(1, 3).keys() == {"compiled"}
    assert loops(12, 16).keys() == loops(2, 300).keys() == {"sequential"}
    assert loops(12, 300).keys() == {"loop"}
    assert loops(12, 16)["sequential"] == loops(12, 300)["loop"] >= 12 * 50


def test_what_a_loop_keeps_is_written_by_a_kernel_each() -> None:
    def f(x: Any) -> Any:
        return lax.scan(lambda c, _: (jnp.tanh(c), (jnp.sin(c), c * 2)), x, None, 50)

    def g(x: Any) -> Any:
        return lax.scan(lambda c, _: (jnp.tanh(c), None), x, None, 50)

    x = jnp.ones(300)
    kept, bare = (work_of(jax.make_jaxpr(h)(x))["sequential_kernels"] for h in (f, g))
    assert kept == bare + 2 * 50
    assert predicted_seconds(jax.make_jaxpr(f)(x)) > predicted_seconds(jax.make_jaxpr(g)(x))


def test_kernels_of_a_long_program_grow_no_faster_than_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cheap is computed again in every kernel that reads it, which would take the square of the steps."""

    def long(x: Any) -> Any:
        a, b = x, x[::-1]
        for _ in range(60):
            a, b = jnp.sin(a) * b + a, jnp.cos(b) - a * 0.5
        return a + b

    program = FlatProgram(jax.make_jaxpr(jax.jacrev(long))(X))

    def looked_at() -> int:
        return sum(len(kernel.inside) for kernel in Fusions(program, program.results).kernels)

    freely = looked_at()
    monkeypatch.setattr("chainplan.jax.fusions.MAX_AGAIN", 1)
    monkeypatch.setattr("chainplan.jax.fusions.FREE_AGAIN", 0)
    assert len(program.operations) / 2 < looked_at() <= 2 * len(program.operations) < freely
