"""Plan or mode is decided by the programs that would run; what is known of a function is kept, values are not."""

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
from chainplan.jax import choice, strategies  # noqa: E402
from chainplan.jax.accelerator_rates import ON_ACCELERATOR  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.choice import JacobianSettings, chosen, least_steps  # noqa: E402
from chainplan.jax.linearise import linearise  # noqa: E402
from chainplan.jax.program_time import SECONDS, predicted_seconds, work_of  # noqa: E402
from chainplan.jax.standalone import linearised_call  # noqa: E402
from tests.jax_programs import CASES, draw  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def _work(f: Any, *shapes: tuple[int, ...]) -> Any:
    return work_of(jax.make_jaxpr(f)(*(jnp.ones(shape) for shape in shapes)))


def test_matrix_products_are_counted_by_their_sides() -> None:
    assert _work(lambda a, b: a @ b, (10, 20), (20, 30))["fma"] == 10 * 20 * 30
    assert _work(lambda a, b: a @ b, (10, 20), (20,))["vector_fma"] == 10 * 20
    assert _work(lambda a, b: a @ b, (4, 10, 2), (4, 2, 30))["thin_fma"] == 4 * 10 * 2 * 30


def test_what_is_dead_equal_or_called_counts_once() -> None:
    def f(x: Any) -> Any:
        jnp.exp(3 * x)
        return jax.jit(jnp.sin)(x) * jnp.sin(x)

    work = _work(f, (100,))
    assert work["called"] == 100
    assert work["simple"] == 100
    assert work["results"] == 1


def test_chains_are_fused() -> None:
    chain = _work(lambda x: 2 * x + 1 - x * x, (100,))
    assert (chain["kernels"], chain["written"]) == (1, 800)
    broken = _work(lambda x, a: 2 * (a @ (x + 1)), (100,), (100, 100))
    assert (broken["kernels"], broken["written"]) == (3, 3 * 800)


def test_what_is_constant_in_a_batch_counts_once() -> None:
    def f(x: Any, a: Any) -> Any:
        return (a @ a) @ x

    a = jnp.ones((50, 50))
    batch = work_of(jax.make_jaxpr(jax.vmap(f, (0, None)))(jnp.ones((8, 50)), a))
    assert batch["fma"] == 50**3 + 8 * 50**2


def test_loops_count_their_trips() -> None:
    def f(x: Any, trips: int) -> Any:
        return lax.scan(lambda c, _: (jnp.sin(c), None), x, None, trips)[0]

    assert _work(lambda x: f(x, 7), (10,))["called"] == 70
    assert _work(lambda x: lax.cond(x[0] > 0, lambda x: f(x, 2), lambda x: f(x, 5), x), (10,))["called"] == 50


def _settled(f: Any, *arguments: Any, **options: Any) -> choice.Choice:
    return chosen(flattened(f, 0, False, arguments, {}), JacobianSettings(**options))


def _seconds(way: choice.Choice) -> float:
    assert way.chosen is not None
    assert way.chosen.program is not None
    return predicted_seconds(way.chosen.program)


def test_kernels_and_trips_decide_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_steps(x: Any) -> Any:
        return lax.fori_loop(0, 20, lambda _, y: jnp.tanh(y) @ jnp.eye(4), x)

    def at_once(x: Any) -> Any:
        return jnp.tanh(x @ jnp.ones((400, 400))) @ jnp.ones((400, 4))

    programs = jax.make_jaxpr(in_steps)(jnp.ones((1, 4))), jax.make_jaxpr(at_once)(jnp.ones((400, 400)))
    here = [predicted_seconds(program) for program in programs]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    there = [predicted_seconds(program) for program in programs]
    assert here[0] < here[1]
    assert there[0] > there[1]
    assert ON_ACCELERATOR.keys() == SECONDS.keys()


def test_the_gain_is_a_share_of_predicted_time() -> None:
    w, v = draw((3, 60), (60, 3))

    def f(x: Any) -> Any:
        for _ in range(4):
            x = x + v @ jnp.tanh(w @ x)
        return x

    x = draw((60,))[0]
    ways = [_settled(f, x, gain=gain) for gain in (None, 1.0)]
    assert ways[0].way.name == "plan"
    assert ways[1].way.name != "plan"
    taken = [_seconds(way) for way in ways]
    share = 1 - taken[0] / taken[1]
    assert share > 0.1
    assert _settled(f, x, gain=share - 0.01).way.name == "plan"
    assert _settled(f, x, gain=share + 0.01).way.name == ways[1].way.name


def test_the_batch_in_sight_decides() -> None:
    """Of a batch, what is constant is computed once; the program of a single point is another question."""
    seen = []

    def spy(closed: Any) -> float:
        seen.append([v.aval.shape for v in closed.jaxpr.invars])
        return predicted_seconds(closed)

    (x, w) = draw((4, 3), (2, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "predicted_seconds", spy)
        jax.jit(jax.vmap(planned.jacobian(lambda x, w: jnp.tanh(w @ x) * 2.5 + x[1:]), (0, None)))(x, w)
    assert seen
    assert all(shapes[0] == (4, 3) for shapes in seen)
    assert all((2, 3) in shapes for shapes in seen)


def test_the_same_plan_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        a, b, c, d = x
        for _ in range(3):
            a, b, c, d = a * b + jnp.sin(c), b * c * d, a + d * jnp.cos(a), b / (c * c + 1)
        return jnp.stack([a, b, c, d])

    (x,) = draw((4,))
    call = flattened(f, 0, False, (x,), {})
    problem = linearised_call(call).problem()
    assert problem is not None
    found = []
    for pace in (0.0, 50.0):
        ticks = iter(range(10**9))
        monkeypatch.setattr("chainplan.solvers.search.search.monotonic", lambda p=pace, t=ticks: p * next(t))
        monkeypatch.setattr(choice, "kept", lambda key, make, *rest: make())
        found.append(choice.planned(problem, JacobianSettings()))
    assert found[0].status.value != "optimal"
    assert found[0].plan is not None
    assert found[1].plan is not None
    assert found[0].plan.steps == found[1].plan.steps


def _equal(found: Any, expected: Any) -> None:
    assert np.abs(np.asarray(found) - np.asarray(expected)).max() <= 1e-12 * np.abs(expected).max()


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a function is linearised."""
    calls: list[int] = []

    def counted(*given: Any) -> Any:
        calls.append(1)
        return linearise(*given)

    monkeypatch.setattr(choice, "linearise", counted)
    return calls


def _activated(w: Any, scale: float) -> Any:
    return lambda x: jax.nn.gelu(w @ x) * scale + jax.nn.relu(x[:4] * 1.7)


@pytest.mark.parametrize("gain", [None, 1.0])
def test_a_second_call_of_an_equal_function_is_known(gain: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _counted(monkeypatch)
    x, w = draw((5,), (4, 5))
    for scale in (1.0, 2.5):
        f = _activated(scale * w, scale)
        _equal(planned.jacobian(f, gain=gain)(x), jax.jacrev(f)(x))
    assert len(calls) == 1


@pytest.mark.parametrize("gain", [None, 1.0])
def test_values_that_a_function_reads_are_never_kept(gain: float | None) -> None:
    x = draw((6,))[0]
    held: dict[str, Any] = {}

    def f(x: Any) -> Any:
        return held["a"] @ jnp.sin(x[held["i"]]) * held["s"]

    by_plan = planned.jacobian(f, gain=gain)
    for held["s"] in (1.0, 2.0):
        for held["i"] in (np.array([0, 1, 2]), np.array([5, 1, 4])):
            for held["a"] in draw((2, 3)), draw((2, 3))[0] + 1:
                held["a"] = jnp.asarray(held["a"]).reshape(2, 3)
                _equal(by_plan(x), jax.jacrev(f)(x))
                _equal(jax.jit(lambda x: by_plan(x))(x), jax.jacrev(f)(x))


def test_rules_of_equal_bodies_are_told_apart() -> None:
    def ruled(factor: float) -> Any:
        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def f(x: Any) -> Any:
            return x * 1.0

        f.defjvp(lambda primals, tangents: (f(*primals), factor * tangents[0]))
        return f

    def reversed_rule(factor: float) -> Any:
        @jax.custom_vjp  # type: ignore[untyped-decorator]
        def f(x: Any) -> Any:
            return x * 1.0

        f.defvjp(lambda x: (f(x), None), lambda _, row: (factor * row,))
        return f

    x = draw((3,))[0]
    for rule in (ruled, reversed_rule):
        for factor in (2.0, 3.0):
            _equal(planned.jacobian(rule(factor), gain=None)(x), factor * jnp.eye(3))


def test_numbers_in_the_source_of_a_function_are_never_kept() -> None:
    x = draw((6,))[0]
    for number in (1.5, 2.5, 1.5):
        for _ in range(3):
            _equal(planned.jacobian(lambda x, n=number: jnp.sin(x) * n, gain=1.0)(x), jnp.diag(jnp.cos(x) * number))


@pytest.mark.parametrize("solver", ["forward", "reverse", "greedy", "auto"])
def test_no_plan_is_shorter_than_its_bound(solver: str) -> None:
    for name in ("residual", "softmax", "odd product", "scan"):
        f, arguments, argnums = CASES[name]
        problem = linearised_call(flattened(f, argnums, False, arguments, {})).problem()
        assert problem is not None
        plan = chainplan.plan(problem, solver, nodes=5).plan
        assert plan is not None
        assert len(plan.steps) >= least_steps(problem.graph)


def test_hopeless_plans_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        for _ in range(40):
            x = jnp.sin(x) * x
        return x

    x = draw((3,))[0]
    monkeypatch.setattr(choice, "planned", lambda *given: pytest.fail("it was searched"))
    monkeypatch.setattr(choice, "MAX_COMPILED_STEPS", 150)
    assert _settled(f, x).way.name != "plan"
    monkeypatch.setattr(choice, "MAX_PREDICTED_EQUATIONS", 50)
    monkeypatch.setattr(choice, "predicted_seconds", lambda *given: pytest.fail("it was predicted"))
    assert _settled(lambda x: jnp.sum(f(x) * 3), x).way.name == "jacrev"
    assert _settled(lambda x: f(x[0] * jnp.arange(5)), x[:1]).way.name == "jacfwd"


def test_short_plans_are_ranked_by_predicted_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of a simple order takes the place of the searched one where its program is predicted to be faster."""
    ws = draw(*[(8, 8)] * 3)

    def f(x: Any) -> Any:
        for w in ws:
            x = jnp.tanh(w @ x)
        return x

    x = draw((8,))[0]
    found = []
    for first, later in ((1.0, 2.0), (2.0, 1.0)):
        times = iter([first] + [later] * 20)
        monkeypatch.setattr(choice, "predicted_seconds", lambda closed, t=times: next(t))
        monkeypatch.setattr(choice, "kept", lambda key, make, *rest: make())
        plan = _settled(f, x, gain=None).way.plan
        assert plan is not None
        found.append(plan.steps)
    assert found[0] != found[1]


def _broken(*_: Any) -> Any:
    raise TypeError("a defect")


def test_an_error_of_the_prediction_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "predicted_seconds", _broken)
    with pytest.raises(TypeError, match="a defect"):
        planned.jacobian(lambda x: jnp.roll(x, 3) * jnp.sin(x) * 0.125)(jnp.ones(37))


@pytest.mark.parametrize("options", [{}, {"gain": None}, {"sparse": True}])
def test_an_error_of_a_plan_is_no_refusal(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategies, "blocks_of", _broken)
    with pytest.raises(TypeError, match="a defect"):
        planned.jacobian(lambda x: jnp.roll(x, 3) * jnp.sin(x) * 0.25, **options)(jnp.ones(37))
