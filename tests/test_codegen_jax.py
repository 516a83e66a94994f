"""Scalar programs of JAX functions equal JAX, and what cannot be written in scalars is named with its line."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import Array, lax  # noqa: E402

from chainplan.codegen import from_jax  # noqa: E402
from chainplan.codegen.orders import ORDERS  # noqa: E402
from chainplan.errors import ArgumentError, SpecError  # noqa: E402
from chainplan_cli.main import main  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

POINTS = np.random.default_rng(0).uniform(0.3, 1.2, (100, 4))


def moves(x: Array) -> Array:
    m = jnp.eye(3).at[0, 1].set(x[2]).at[jnp.array([1, 2]), 0].add(x[:2])
    y = jnp.pad(jnp.flip(x)[1:], (1, 2)).reshape(2, 3)
    return jnp.concatenate([(y @ m).ravel(), x[jnp.array([3, 1, 1])], jnp.tile(x[:2], 2), jnp.stack([x, x], 1)[1]])


def reductions(x: Array) -> Array:
    m = jnp.outer(x, x) + jnp.arange(4)
    pairs = jnp.stack([x, x[::-1]])
    parts = [m.sum(0), m.prod(1), pairs.max(0), pairs.min(1), jnp.cumsum(x), jnp.cumprod(x), lax.cummax(x)]
    return jnp.concatenate([*parts, m.mean()[None], jnp.linalg.norm(x)[None], jnp.einsum("ij,jk,k->i", m, m, x)])


def functions(x: Array) -> Array:
    a, b, c, d = x
    first = [a**3, a**2.5, a**b, jnp.exp2(c), jnp.cbrt(d), lax.rsqrt(a), jnp.log1p(b), jnp.expm1(c), jnp.hypot(a, d)]
    second = [jnp.arctan2(a, b), jnp.arcsinh(a), jnp.arccosh(1 + b), jnp.arctanh(c / 2), lax.erf(a), lax.erfc(b)]
    third = [jnp.floor(3 * a) * b, jnp.ceil(3 * b), jnp.round(5 * c), jnp.sign(a - b), jnp.abs(a - c), (7 * a) % b]
    last = [jnp.clip(a, 0.4, 0.9), jnp.sinh(a) * jnp.cosh(b), jnp.tan(c), jnp.arccos(d / 2), jnp.arcsin(d / 2), a // b]
    return jnp.stack([*first, *second, *third, *last])


def networks(x: Array) -> Array:
    parts = [jax.nn.relu(x - 0.7), jax.nn.softplus(x), jax.nn.sigmoid(x), jax.nn.silu(x), jax.nn.gelu(x), jnp.tanh(x)]
    return jnp.concatenate([*parts, jax.nn.leaky_relu(x - 0.7), jnp.where(x > 0.8, x**2, jnp.sin(x))])


def loops(x: Array) -> Array:
    y = lax.fori_loop(0, 4, lambda i, y: y * x[i] + jnp.sin(y), x)
    last, rest = lax.scan(lambda c, z: (c * z, c + z), x[0], x, reverse=True)
    grown = lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * x[s[0]]), (0, x[1]))[1]
    either = lax.cond(x[0] < x[1], lambda a: a * a, lambda a: jnp.exp(a), x[2])
    which = lax.switch(1, [jnp.sin, jnp.cos], x[3])
    return jnp.concatenate([y, last[None], rest, jnp.stack([grown, either, which]), lax.map(lambda a: a * x[0], x)])


def logic(x: Array) -> Array:
    inside = (x > 0.5) & ~(x >= 1.0) | (x == x[0])
    return jnp.where(inside, x * x, -x) + lax.select_n((x > 0.7).astype(int), x, 2 * x)


def apart(found: Any, expected: Any) -> float:
    assert np.shape(found) == np.shape(expected)
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("function", [moves, reductions, functions, networks, loops], ids=lambda f: f.__name__)
def test_values_equal_jax(function: Callable[[Array], Array]) -> None:
    (values,) = from_jax(function, jnp.ones(4)).evaluate(POINTS)
    assert apart(values, jax.jit(jax.vmap(function))(POINTS)) < 1e-12


def derivatives_equal_jax(function: Callable[[Array], Array]) -> None:
    program = from_jax(function, jnp.ones(4)).jacobian()
    assert program.name == function.__name__
    values, jacobians = program.evaluate(POINTS)
    expected = jax.jit(jax.vmap(lambda x: (function(x), jax.jacfwd(function)(x))))(POINTS)
    assert apart(values, expected[0]) < 1e-12
    assert apart(jacobians, expected[1]) < 1e-12


def test_derivatives_equal_jax() -> None:
    derivatives_equal_jax(logic)


@pytest.mark.nightly
@pytest.mark.parametrize("function", [moves, reductions, functions, networks, loops], ids=lambda f: f.__name__)
def test_derivatives_of_many_operations_equal_jax(function: Callable[[Array], Array]) -> None:
    derivatives_equal_jax(function)


def test_hessians_equal_jax() -> None:
    def energy(x: Array) -> Array:
        return jnp.exp(-x[0] * x[1]) * jnp.sin(x[2]) + x[0] / x[2]

    points = POINTS[:, :3]
    program = from_jax(energy, jnp.ones(3)).jacobian().jacobian()
    _, gradients, hessians = program.evaluate(points)
    expected = jax.jit(jax.vmap(jax.jacfwd(lambda x: (jax.grad(energy)(x),) * 2, has_aux=True)))(points)
    assert apart(gradients[:, 0], expected[1]) < 1e-12
    assert apart(hessians[:, 0], expected[0]) < 1e-12
    assert (hessians[:, 0] == hessians[:, 0].swapaxes(1, 2)).all()


def test_trees_of_arguments_are_inputs_by_name() -> None:
    def step(state: dict[str, Array], u: float, times: int) -> tuple[Array, dict[str, Array]]:
        x = state["x"]
        for _ in range(times):
            x = x + u * state["v"]
        return x, {"v": state["v"] * u}

    program = from_jax(step, {"x": jnp.ones(2), "v": jnp.ones(2)}, 0.5, 3)
    assert [(i.name, i.shape) for i in program.inputs] == [("state_v", (2,)), ("state_x", (2,)), ("u", ())]
    assert [o.name for o in program.outputs] == ["value_0", "value_1_v"]
    assert program.jacobian(wrt="u", of="value_0").outputs[-1].shape == (2, 1)
    found = program.evaluate(np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array(0.5))
    assert [f.tolist() for f in found] == [[4.5, 7.0], [0.5, 1.0]]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8, 13])
def test_a_sort_is_a_network_with_the_derivative_of_jax(size: int) -> None:
    def spread(x: Array) -> Array:
        return jnp.sort(x.reshape(1, -1) * jnp.ones((2, 1)), axis=1)[0] * jnp.arange(1.0, size + 1)

    made = from_jax(spread, jnp.ones(size)).jacobian()
    for seed in range(5):
        x = np.random.default_rng(seed).permutation(size) + 0.25
        value, jacobian = made.evaluate(x)
        np.testing.assert_allclose(value, np.sort(x) * np.arange(1.0, size + 1))
        assert jacobian.tolist() == np.asarray(jax.jacfwd(spread)(jnp.asarray(x))).tolist()


def test_lines_of_one_entry_and_of_none_are_reduced() -> None:
    def reduced(x: Array) -> Array:
        one, none = x.reshape(2, 1), x[:0].reshape(2, 0)
        ends = jnp.concatenate([one.max(axis=1), one.min(axis=1), none.sum(axis=1), none.prod(axis=1)])
        return jnp.concatenate([ends, jnp.cumsum(one, axis=1).ravel(), jnp.cumsum(none, axis=1).ravel()])

    assert from_jax(reduced, jnp.ones(2)).evaluate(np.array([3.0, 4.0]))[0].tolist() == [3, 4, 3, 4, 0, 0, 1, 1, 3, 4]


def test_what_cannot_be_written_in_scalars_is_named_with_its_line() -> None:
    @jax.custom_jvp
    def odd(x: Array) -> Array:
        return x

    odd.defjvp(lambda primals, tangents: (primals[0], 2 * tangents[0]))
    cases: list[tuple[Callable[[Array], Any], str]] = [
        (lambda x: x[jnp.argsort(x)], "'sort' of several arrays by values that depend on an argument"),
        (lambda x: odd(x), "a derivative of its own"),
        (lambda x: x[jnp.argmax(x)], "'argmax' cannot be written in scalars"),
        (lambda x: lax.while_loop(lambda y: y.sum() < 9, lambda y: 2 * y, x), "'while' whose length depends"),
        (lambda x: x[(x[0] * 3).astype(int)], "at an index that depends on an argument"),
        (lambda x: jnp.fft.fft(x).real, "gives complex numbers"),
        (lambda x: jnp.ones((1000, 1000)) * x[0], "makes more than 400,000 scalars"),
        (lambda x: x if x[0] > 0 else -x, "asks for a value"),
        (lambda x: lax.stop_gradient(x), "'stop_gradient' cannot be written in scalars"),
    ]
    for function, words in cases:
        with pytest.raises(SpecError, match=words) as caught:
            from_jax(function, jnp.ones(4))
        assert words.startswith("makes") or f"{Path(__file__).name}:" in str(caught.value)
    with pytest.raises(ArgumentError, match="found no array of floats"):
        from_jax(lambda n: n, 3)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no cc on this machine")
def test_the_c_that_the_page_shows_is_written_and_compiles_alone(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "code.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    source = names["jacobian"].c_source()
    assert page.split("```c\n")[1].split("```")[0] in source
    (tmp_path / "arm.c").write_text(source)
    told = subprocess.run(["cc", "-c", "arm.c"], cwd=tmp_path, check=True, capture_output=True)
    assert told.stderr == b""
    assert (tmp_path / "arm.o").is_file()


def test_emit_writes_code_and_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reaching.py").write_text(
        "import jax.numpy as jnp\n\n\ndef arm(q, l):\n    a = jnp.cumsum(q)\n"
        "    return jnp.stack([jnp.sum(l * jnp.cos(a)), jnp.sum(l * jnp.sin(a))])\n"
    )
    monkeypatch.chdir(tmp_path)
    call = ["emit", "reaching:arm", "--args", "f64[3] f64[3]"]
    assert main([*call, "-o", "arm.c"]) == 0
    table = capsys.readouterr().out
    assert re.search(r"^values +\d+$", table, re.MULTILINE)
    rows = re.findall(r"^jacobian, (.*?) {2,}(\d+) *(\d*)$", table, re.MULTILINE)
    names = [name for name, _, _ in rows]
    assert names[: len(ORDERS)] == list(ORDERS)
    assert names[-1] == "plan"
    kept = min(int(operations) for _, _, operations in rows if operations)
    assert re.search(rf"^jacobian +{kept}$", table, re.MULTILINE)
    assert f"arm: {kept} operations" in (tmp_path / "arm.c").read_text()
    assert "void arm_batch(" in (tmp_path / "arm.c").read_text()
    assert main([*call, "--argnums", "1", "--to", "python", "--name", "reach"]) == 0
    source = capsys.readouterr().out
    module: dict[str, Any] = {}
    exec(source, module)
    value, jacobian = module["reach"]([0.0, 0.0, 0.0], [1.0, 2.0, 3.0])
    assert (value, jacobian) == ([6.0, 0.0], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    for target in ("casadi", "sympy"):
        assert main([*call, "--to", target, "--derivative", "value"]) == 0
        assert "def arm():" in capsys.readouterr().out
    assert main([*call, "--argnums", "2"]) == 2
    assert "argnums: found 2" in capsys.readouterr().err
    assert main([*call, "--name", "two words"]) == 2
    assert "name: found 'two words'" in capsys.readouterr().err
    (tmp_path / "net.yaml").write_text("input: {x: 2}\nlayers: [{op: linear, out: 2}, {op: tanh}]\n")
    assert main(["emit", "net.yaml"]) == 0
    assert "jacobian: output, 2 x 2 by x" in capsys.readouterr().out


def test_jitted_programs_call_compiled_code() -> None:
    def arm(q: Array, s: Array) -> Array:
        a = jnp.cumsum(q) * s
        return jnp.stack([jnp.sum(jnp.cos(a)), jnp.sum(jnp.sin(a))])

    call = from_jax(arm, jnp.ones(3), 1.0).jacobian(wrt="q").compile("python").in_jax()
    q = jnp.array([0.1, 0.2, 0.3])
    points = jnp.stack([q, 2 * q, 3 * q])
    value, jacobian = jax.jit(call)(q, 2.0)
    np.testing.assert_allclose(value, arm(q, 2.0), rtol=1e-6)
    np.testing.assert_allclose(jacobian, jax.jacfwd(arm)(q, 2.0), rtol=1e-6)
    _, jacobians = jax.jit(jax.vmap(call, (0, None)))(points, 2.0)
    np.testing.assert_allclose(jacobians[2], jax.jacfwd(arm)(3 * q, 2.0), rtol=1e-6)
    with pytest.raises(ArgumentError, match=r"q: found an array of shape \(2,\); expected \(3,\)"):
        jax.jit(call)(q[:2], 2.0)
