"""Jacobians of JAX functions by plans equal those of JAX; what JAX refuses is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import chainplan  # noqa: E402
import chainplan.jax as planned  # noqa: E402
from chainplan.errors import PlanError, SolverError, SpecError  # noqa: E402
from chainplan.jax import tuning  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.choice import JacobianSettings, chosen, modes_of  # noqa: E402
from tests.jax_programs import CASES, draw, tripled_backward  # noqa: E402

BUDGET = 0.1

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def _jacobian(f: Any, argnums: Any = 0, **options: Any) -> Any:
    """By a plan, whatever it promises."""
    return planned.jacobian(f, argnums, gain=None, budget=BUDGET, **options)


def _require_equal(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        scale = np.abs(b).max(initial=0)
        assert np.abs(np.asarray(a) - np.asarray(b)).max(initial=0) <= 1e-12 * max(scale, 1e-300)


@pytest.mark.parametrize("name", CASES)
def test_equals_jacrev(name: str) -> None:
    f, arguments, argnums = CASES[name]
    both = jax.jit(lambda: (_jacobian(f, argnums)(*arguments), jax.jacrev(f, argnums)(*arguments)))
    _require_equal(*both())


@pytest.mark.parametrize("solver", ["forward", "reverse", "greedy"])
@pytest.mark.parametrize("name", ["residual", "softmax", "odd product", "padded", "scan"])
def test_any_order(name: str, solver: str) -> None:
    f, arguments, argnums = CASES[name]
    _require_equal(_jacobian(f, argnums, solver=solver)(*arguments), jax.jacrev(f, argnums)(*arguments))


@pytest.mark.parametrize("name", CASES)
def test_graphs_plan_and_check(name: str) -> None:
    f, arguments, argnums = CASES[name]
    problem = planned.linearised_graph(f, *arguments, argnums=argnums)
    result = chainplan.plan(problem, budget=BUDGET)
    assert result.plan is not None
    chainplan.check(result.plan, problem)
    assert "primitive" in planned.explain(f, *arguments, argnums=argnums)


def test_shapes_are_enough_for_a_graph() -> None:
    f, arguments, argnums = CASES["residual"]
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), arguments)
    found = [planned.linearised_graph(f, *given, argnums=argnums) for given in (arguments, shapes)]
    assert found[0].fingerprint == found[1].fingerprint
    assert planned.explain(f, *shapes, argnums=argnums) == planned.explain(f, *arguments, argnums=argnums)


def test_a_while_loop_has_tangents_alone() -> None:
    def f(x: Any) -> Any:
        return jnp.sin(lax.while_loop(lambda c: c.sum() < 50, lambda c: 2 * c + x, x)).sum()

    (x,) = draw((5,))
    _require_equal(_jacobian(f)(x), jax.jacfwd(f)(x))
    _require_equal(planned.jacobian(f)(x), jax.jacfwd(f)(x))
    _require_equal(_jacobian(f, solver="reverse")(x), jax.jacfwd(f)(x))
    assert "matrix-free (tangent)" in planned.explain(f, x)


def test_a_plan_goes_where_no_single_mode_does() -> None:
    def looped(x: Any) -> Any:
        return lax.while_loop(lambda c: c.sum() < 50, lambda c: 2 * c + x, x)

    def f(x: Any) -> Any:
        return tripled_backward(looped(x))

    (x,) = draw((3,))
    _require_equal(planned.jacobian(f)(x), 3 * jax.jacfwd(looped)(x))


def test_no_derivative_says_where() -> None:
    (x,) = draw((3,))
    message = (
        r"^\S*test_jax.py:\d+:\d+ \(.*neither a tangent nor an adjoint for 'pure_callback' \(.*; expected .*custom_jvp"
    )
    with pytest.raises(planned.DifferentiationError, match=message):
        planned.jacobian(lambda x: jax.pure_callback(np.sin, x, x))(x)


def test_blocks_too_large_to_be_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (p,) = draw((20, 50))
    monkeypatch.setattr("chainplan.jax.choice.MAX_JAX_BLOCK_ENTRIES", 10)

    def f(x: Any) -> Any:
        return jnp.sum(jnp.sin(p @ jnp.sin(p.T @ x)))

    assert _chosen(f, *draw((20,)), gain=0) == "jacrev"


def test_jit_vmap_and_itself() -> None:
    def f(x: Any, w: Any) -> Any:
        return jnp.tanh(w @ x) * x[:2]

    x, w = draw((7, 3), (2, 3))
    by_plan, by_jax = _jacobian(f), jax.jacrev(f)
    _require_equal(jax.jit(by_plan)(x[0], w), by_jax(x[0], w))
    _require_equal(jax.vmap(by_plan, (0, None))(x, w), jax.vmap(by_jax, (0, None))(x, w))
    _require_equal(jax.jit(jax.vmap(by_plan, (0, None)))(x, w), jax.vmap(by_jax, (0, None))(x, w))
    _require_equal(_jacobian(_jacobian(f))(x[0], w), jax.jacfwd(by_jax)(x[0], w))


def test_auxiliary_data_and_keywords() -> None:
    def f(x: Any, *, scale: float) -> Any:
        return jnp.sin(x) * scale, {"n": x.sum(), "k": jnp.arange(2)}

    (x,) = draw((3,))
    _require_equal(_jacobian(f, has_aux=True)(x, scale=2.0), jax.jacrev(f, has_aux=True)(x, scale=2.0))


@pytest.mark.parametrize("gain", [None, 1.0])
def test_auxiliary_data_of_any_kind(gain: float | None) -> None:
    given = {"n": 3, "text": "a", "a": np.ones(2), "f": test_single_precision}
    (x,) = draw((3,))
    _, found = planned.jacobian(lambda x: (x**2, given | {"y": x * 2}), has_aux=True, gain=gain)(x)
    _require_equal(found.pop("y"), x * 2)
    assert all(found[key] is value for key, value in given.items())


@pytest.mark.parametrize(("result", "found"), [(jnp.ones(2), "one array"), ((1.0, 2.0, 3.0), "a tuple of 3")])
def test_auxiliary_data_come_in_a_pair(result: Any, found: str) -> None:
    with pytest.raises(
        planned.DifferentiationError, match=rf"test_jax.py:\d+ .*found {found} as result; expected a pair"
    ):
        planned.jacobian(lambda x: result, has_aux=True)(1.0)


@pytest.mark.parametrize("gain", [None, 1.0])
@pytest.mark.parametrize("results", [1, 9])
def test_dtypes_are_those_of_the_arguments(gain: float | None, results: int) -> None:
    def f(x: Any, y: Any) -> Any:
        return {"single": x * y[:results], "double": jnp.sin(x.astype(np.float64) * y[:results])}

    x, y = jnp.ones(1, np.float32), jnp.linspace(0, 1, 9)
    expected = jax.jacrev(f, (0, 1))(x, y)
    found = planned.jacobian(f, (0, 1), gain=gain)(x, y)
    assert [a.dtype for a in jax.tree.leaves(found)] == [a.dtype for a in jax.tree.leaves(expected)]
    assert all(jnp.allclose(a, b) for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))


def test_own_rules_are_called_with_arrays() -> None:
    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def summed(x: Any, times: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, y: y + x * times[i], x)

    summed.defvjp(lambda x, times: (summed(x, times), times), lambda times, row: (row * (1 + times.sum()), None))
    (x,) = draw((4,))

    def f(x: Any) -> Any:
        return summed(x, jnp.array([0.0, 0.5, 1.0]))  # a constant of the trace, held by numpy

    _require_equal(_jacobian(f)(x), jax.jacrev(f)(x))


def test_single_precision() -> None:
    f, arguments, argnums = CASES["residual"]
    single = [a.astype(jnp.float32) for a in arguments]
    found, expected = _jacobian(f, argnums)(*single), jax.jacrev(f, argnums)(*single)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype == np.float32
        assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


def _sin(x: Any) -> Any:
    return jnp.sin(x)


def _chosen(f: Any, *arguments: Any, argnums: Any = 0, gain: float = 0.05) -> str:
    call = flattened(f, argnums, False, arguments, {})
    return chosen(call, JacobianSettings(budget=BUDGET, gain=gain)).way.name


def test_a_small_gain_leaves_the_modes_alone() -> None:
    w, p = draw((20, 50), (20, 50))
    assert _chosen(lambda x: jnp.sum(jnp.sin(w @ x)), *draw((50,))) == "jacrev"
    assert _chosen(lambda t: p @ jnp.sin(t * p[0]), *draw(())) == "jacfwd"
    assert _chosen(lambda x: p @ jnp.sin(x), *draw((50,))) == "plan"


def _projected(x: Any, p: Any) -> Any:
    """An elementwise stage followed by a projection."""
    return p @ (jnp.sin(x) * jnp.exp(-x) + x**3)


def _bottleneck(x: Any, w: Any, v: Any) -> Any:
    """Residual layers through few hidden units."""
    for _ in range(4):
        x = x + v @ jnp.tanh(w @ x)
    return x


@pytest.mark.parametrize(
    ("f", "arguments"),
    [(_projected, draw((100,), (20, 100))), (_bottleneck, draw((40,), (2, 40), (40, 2)))],
    ids=["projection", "bottleneck"],
)
def test_a_plan_beats_both_modes(f: Any, arguments: tuple[Any, ...]) -> None:
    problem = planned.linearised_graph(f, *arguments)
    result = chainplan.plan(problem, budget=1)
    assert result.cost is not None
    modes = [price for price, _ in modes_of(problem.graph)]
    assert len(modes) == 2
    assert result.cost.fma < min(modes)
    _require_equal(_jacobian(f)(*arguments), jax.jacrev(f)(*arguments))


def test_a_plan_can_be_passed_in() -> None:
    f, arguments, argnums = CASES["softmax"]
    result = chainplan.plan(planned.linearised_graph(f, *arguments, argnums=argnums), "reverse")
    _require_equal(planned.jacobian(f, argnums, plan=result)(*arguments), jax.jacrev(f, argnums)(*arguments))
    with pytest.raises(PlanError, match="another graph"):
        planned.jacobian(jnp.sin, plan=result)(*draw((3,)))


def test_plans_are_saved_and_loaded(tmp_path: Path) -> None:
    f, arguments, argnums = CASES["gathered"]
    result = chainplan.plan(planned.linearised_graph(f, *arguments, argnums=argnums))
    file = tmp_path / "plan.json"
    file.write_text(chainplan.render(result, "json"), encoding="utf-8")
    expected = jax.jacrev(f, argnums)(*arguments)
    for given in (file, str(file), chainplan.read_plan(file), result, result.plan):
        _require_equal(planned.jacobian(f, argnums, plan=given)(*arguments), expected)


def test_a_wrong_plan_is_refused(tmp_path: Path) -> None:
    f, arguments, _ = CASES["softmax"]
    result = chainplan.plan(planned.linearised_graph(f, *arguments))
    document = json.loads(chainplan.render(result, "json"))
    document["outputs"][0]["id"] = 0
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PlanError):
        planned.jacobian(f, plan=file)(*arguments)
    with pytest.raises(SpecError, match=r"missing.json: .* expected a file"):
        planned.jacobian(f, plan=tmp_path / "missing.json")
    with pytest.raises(PlanError, match="a result without a plan"):
        planned.jacobian(f, plan=replace(result, candidate=None))


def test_any_objective() -> None:
    f, arguments, argnums = CASES["residual"]
    found = _jacobian(f, argnums, objective="weighted")(*arguments)
    _require_equal(found, jax.jacrev(f, argnums)(*arguments))


def test_the_graph_is_the_same_where_an_argument_is_known_and_where_not() -> None:
    (x, a) = draw((3,), (3, 3))

    def f(x: Any, a: Any) -> Any:
        return (jnp.sin(a @ a) @ x) * x

    known = planned.linearised_graph(f, x, a).fingerprint
    found = []

    def ask(x: Any, a: Any) -> Any:
        found.append(planned.linearised_graph(f, x, a).fingerprint)
        return x

    jax.make_jaxpr(ask)(x, a)
    assert found == [known]


def test_tuning_keeps_one_of_the_ways() -> None:
    f, arguments, argnums = CASES["residual"]
    tuned = planned.jacobian(f, argnums, tune=True, budget=BUDGET)
    _require_equal(tuned(*arguments), jax.jacrev(f, argnums)(*arguments))
    _require_equal(jax.jit(tuned)(*arguments), jax.jacrev(f, argnums)(*arguments))


REALS = r"expected real floating-point numbers\. .*\."
REFUSED: dict[str, tuple[Any, tuple[Any, ...], Any, str]] = {
    "complex": (_sin, (jnp.ones(3, complex),), 0, rf"argument 0: found complex128 of shape \(3,\); {REALS}"),
    "integer": (_sin, (jnp.ones(3, int),), 0, rf"argument 0: found int64 of shape \(3,\); {REALS}"),
    "number": (_sin, (3,), 0, rf"argument 0: found int64 of shape \(\); {REALS}"),
    "truth": (lambda x: x > 0, (jnp.ones(3),), 0, rf"result: found bool of shape \(3,\); {REALS}"),
    "index": (lambda x: {"a": jnp.argmax(x)}, (jnp.ones(3),), 0, rf"result\['a'\]: found int64 of shape \(\); {REALS}"),
    "complex result": (lambda x: jnp.fft.fft(x), (jnp.ones(3),), 0, rf"result: found complex128 of .*; {REALS}"),
    "text result": (lambda x: "text", (jnp.ones(3),), 0, rf"result: found 'text', of type str; {REALS}"),
    "text": (_sin, ("abc",), 0, rf"argument 0: found 'abc', of type str; {REALS}"),
    "object": (_sin, (object(),), 0, rf"argument 0: found <object .*, of type object; {REALS}"),
    "tree": (
        lambda y, p: p["w"] * y,
        (jnp.ones(3), {"w": jnp.ones(3), "b": ["text"]}),
        (0, 1),
        rf"argument 1\['b'\]\[0\]: found 'text', of type str; {REALS}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    f, arguments, argnums, message = REFUSED[name]
    with pytest.raises(planned.DifferentiationError, match=rf"^\S*test_jax.py:\d+ \(\S+\): {message}"):
        planned.jacobian(f, argnums)(*arguments)
    with pytest.raises(TypeError):
        jax.jacrev(f, argnums)(*arguments)


@pytest.mark.parametrize(
    ("argnums", "message"),
    [
        (2, "2 is given, but the function was called with 1 positional arguments; expected one of those"),
        ((0, -1), r"found \(0, -1\); expected each argument once"),
        ("x", "found 'x'; expected a position"),
        (1.0, "found 1.0; expected a position"),
        ([0, "x"], r"found \(0, 'x'\); expected a position"),
    ],
)
def test_wrong_argnums(argnums: Any, message: str) -> None:
    with pytest.raises(planned.DifferentiationError, match=f"argnums: {message}"):
        planned.jacobian(jnp.sin, argnums)(jnp.ones(3))


def test_positions_from_numpy() -> None:
    (x,) = draw((3,))
    _require_equal(planned.jacobian(jnp.sin, np.argmax([1, 0]))(x), jax.jacrev(jnp.sin)(x))  # type: ignore[arg-type]
    _require_equal(planned.jacobian(jnp.sin, np.arange(1).tolist())(x), jax.jacrev(jnp.sin, [0])(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gain": "most"}, "gain: found 'most'; expected a share"),
        ({"budget": "1s"}, "budget: found '1s'; expected seconds"),
        ({"budget": -1}, "budget: found -1; expected seconds"),
        ({"plan": 3}, "plan: found 3; expected a plan, the result of"),
        ({"sparse": 3}, "sparse: found 3; expected True or False"),
        ({"tune": None}, "tune: found None; expected True or False"),
    ],
)
def test_wrong_options(options: Any, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        planned.jacobian(jnp.sin, **options)


def test_what_is_no_function() -> None:
    with pytest.raises(planned.DifferentiationError, match=r"f: found 3; expected a function"):
        planned.jacobian(3)  # type: ignore[arg-type]


def test_wrong_solvers() -> None:
    f, arguments, argnums = CASES["residual"]
    with pytest.raises(SolverError, match=r"solver 'chain-dense' refuses this problem: .* Try 'auto'"):
        planned.jacobian(f, argnums, solver="chain-dense")(*arguments)
    with pytest.raises(SolverError, match="solver 'fastest' does not exist; expected one of"):
        planned.jacobian(f, argnums, solver="fastest")(*arguments)


def test_nothing_to_differentiate_by() -> None:
    (x,) = draw((3,))
    assert planned.jacobian(lambda nothing, x: x, (0,))(None, x) == (None,)
    assert planned.jacobian(lambda x: x, ())(x) == ()


def test_branching_in_python_is_left_to_jacrev() -> None:
    def f(x: Any) -> Any:
        return jnp.sin(x) if x[0] > 0 else jnp.cos(x)

    (x,) = draw((3,))
    _require_equal(planned.jacobian(f)(x), jax.jacrev(f)(x))
    assert re.match(r"left to jax.jacrev: \S*test_jax.py:\d+: it asks for a value", planned.explain(f, x))
    with pytest.raises(jax.errors.TracerBoolConversionError):
        jax.jit(planned.jacobian(f))(x)


def test_printing_is_left_to_jacrev() -> None:
    def f(x: Any) -> Any:
        jax.debug.print("{}", x[0])
        return jnp.sin(x)

    (x,) = draw((3,))
    _require_equal(planned.jacobian(f)(x), jax.jacrev(f)(x))
    with pytest.raises(
        planned.DifferentiationError, match=r"test_jax.py:\d+:\d+ \(\S+\): it has effects: Debug. Use jax"
    ):
        planned.linearised_graph(f, x)


def test_zero_jacobians() -> None:
    (x,) = draw((3,))
    _require_equal(_jacobian(lambda x: jnp.ones((2, 2)))(x), jnp.zeros((2, 2, 3)))
    assert "the Jacobian is zero" in planned.explain(lambda x: jnp.ones(2), x)
    with pytest.raises(planned.DifferentiationError, match="no path"):
        planned.linearised_graph(lambda x: jnp.ones(2), x)


def test_the_core_does_not_import_jax() -> None:
    code = "import sys, chainplan; chainplan.plan(chainplan.chain([2, 3, 4])); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tuning_sees_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch is tuned on its own, on arguments with the batch in front."""
    seen = []
    measure = tuning._least_times

    def spy(programs: Any, arrays: Any) -> Any:
        seen.append([a.shape for a in arrays])
        return measure(programs, arrays)

    monkeypatch.setattr(tuning, "_least_times", spy)
    (x, w) = draw((4, 3), (2, 3))
    by_plan = planned.jacobian(_odd, tune=True, budget=BUDGET)
    expected = jax.vmap(jax.jacrev(_odd), (0, None))(x, w)
    for _ in range(2):
        _require_equal(jax.jit(jax.vmap(by_plan, (0, None)))(x, w), expected)
    _require_equal(jax.vmap(by_plan, (0, None))(x, w), expected)
    by_plan(x[0], w)
    assert seen == [[(4, 3), (2, 3)], [(3,), (2, 3)]]
    _require_equal(jax.jit(jax.vmap(jax.vmap(by_plan, (0, None)), (None, 0)))(x, w[None]).squeeze(0), expected)


def _odd(x: Any, w: Any) -> Any:
    return jnp.cos(w @ x) * x[:2] + x[1:] ** 5


def test_a_plan_has_to_be_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = dict.fromkeys(("plan", "jacfwd", "jacrev"), jnp.sin)
    for plan_seconds, chosen_way in ((0.93, "plan"), (0.97, "jacrev")):
        times = {"plan": plan_seconds, "jacfwd": 1.1, "jacrev": 1.0}
        monkeypatch.setattr(tuning, "_least_times", lambda programs, arrays, times=times: times)
        assert tuning.fastest(ways, "plan", (jnp.ones(2),)) == chosen_way
