"""Jacobians of PyTorch functions: equal to those of `torch.func.jacrev`, whichever program computes them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")

from torch.utils._pytree import tree_flatten  # noqa: E402

import chainplan  # noqa: E402
from chainplan.torch import choice, jacobian  # noqa: E402
from chainplan.torch.accelerator_rates import ACCELERATOR_SECONDS  # noqa: E402
from chainplan.torch.call import TensorCall  # noqa: E402
from chainplan.torch.choice import Asked, program_of_plan, programs_of_modes  # noqa: E402
from chainplan.torch.errors import NotTraced  # noqa: E402
from chainplan.torch.program_time import UNIT_SECONDS, predicted_seconds  # noqa: E402
from chainplan.torch.trace import examples, trace  # noqa: E402
from tests.torch_functions import CASES, drawn  # noqa: E402

WITHOUT_PLAN = {
    "fourier": "complex",
    "own derivative": "custom_function",
    "control flow": "data-dependent",
    "control flow, other side": "data-dependent",
    "loop by values": "data-dependent",
}
"""The cases of which no plan is made, with a word of the reason."""


def assert_same(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """Compare two Jacobians: trees, shapes, dtypes, devices and, norm-wise, values."""
    (ours, tree), (theirs, like) = tree_flatten(found), tree_flatten(expected)
    assert tree == like
    for a, b in zip(ours, theirs, strict=True):
        assert (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device)
        assert (a - b).abs().max() <= tolerance * max(1.0, float(b.detach().abs().max()))


def asked_of(f: Callable[..., Any], args: tuple[Any, ...], argnums: Any = 0, chunk: int | None = None) -> Asked:
    call = TensorCall(f, argnums, args)
    return Asked(call.function, call.leaves, call.active, chunk, False, 1)


def by_plan(f: Callable[..., Any], args: tuple[Any, ...], argnums: Any = 0, chunk: int | None = None) -> Any:
    """Return the Jacobian by the program of the plan, whatever it saves."""
    call = TensorCall(f, argnums, args)
    asked = Asked(call.function, call.leaves, call.active, chunk, False, 1)
    leaves = examples(asked.leaves)
    made = program_of_plan(asked, trace(asked.function, leaves), leaves)
    assert made is not None
    return call.nested(made.forward(*call.leaves))


@pytest.mark.parametrize("name", CASES)
def test_equal_to_jacrev(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that is used gives the Jacobian, and that of the plan does where another one is used."""
    case = CASES[name]
    expected = torch.func.jacrev(case.function, case.argnums)(*case.args)
    made = jacobian(case.function, case.argnums)
    plans: list[Any] = []

    def recorded(*given: Any) -> Any:
        plans.append(program_of_plan(*given))
        return plans[-1]

    monkeypatch.setattr(choice, "program_of_plan", recorded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert_same(made(*case.args), expected)
    assert_same(made(*case.args), expected)
    assert case.way in (None, made.way(*case.args))
    if name in WITHOUT_PLAN:
        with pytest.raises(NotTraced, match=WITHOUT_PLAN[name]):
            by_plan(case.function, case.args, case.argnums)
    elif case.way is None:
        call = TensorCall(case.function, case.argnums, case.args)
        call.function(*call.leaves)
        assert_same(call.nested(plans[0].forward(*call.leaves)), expected)


def test_there_are_sixty_functions() -> None:
    assert len(CASES) - len(WITHOUT_PLAN) >= 60


@pytest.mark.parametrize("name", ["convolutional network", "tree", "sorted"])
def test_programs_of_modes_give_the_same(name: str) -> None:
    case = CASES[name]
    call = TensorCall(case.function, case.argnums, case.args)
    asked = asked_of(case.function, case.args, case.argnums)
    leaves = examples(asked.leaves)
    made = programs_of_modes(asked, trace(asked.function, leaves), leaves)
    expected = torch.func.jacrev(case.function, case.argnums)(*case.args)
    assert set(made) == {"jacrev", "jacfwd"}
    for graph in made.values():
        call.function(*call.leaves)
        assert_same(call.nested(graph.forward(*call.leaves)), expected)


@pytest.mark.parametrize(("name", "chunk"), [("convolution", 7), ("solve", 1), ("solve", 4), ("two arguments", 100)])
def test_chunks_change_nothing(name: str, chunk: int) -> None:
    case = CASES[name]
    expected = torch.func.jacrev(case.function, case.argnums)(*case.args)
    assert_same(jacobian(case.function, case.argnums, chunk=chunk)(*case.args), expected)
    assert_same(by_plan(case.function, case.args, case.argnums, chunk), expected)


def test_the_fastest_is_found_by_timing() -> None:
    case = CASES["bottleneck"]
    made = jacobian(case.function, tune=True)
    assert_same(made(*case.args), torch.func.jacrev(case.function)(*case.args))
    assert made.way(*case.args) in ("plan", "jacrev", "jacfwd")


def test_accelerators_have_rates_of_their_own() -> None:
    """Many small operations take longer than one large product there; `meta` stands for a device that is no CPU."""

    def in_steps(x: Any) -> Any:
        for _ in range(20):
            x = torch.tanh(x)
        return x

    def at_once(x: Any) -> Any:
        return x @ torch.ones(400, 400, device=x.device)

    def seconds(f: Callable[..., Any], rows: int, device: str) -> float:
        x = torch.ones(rows, 400 if f is at_once else 4, device=device)
        return predicted_seconds(trace(f, [x]))

    assert seconds(in_steps, 1, "cpu") < seconds(at_once, 400, "cpu")
    assert seconds(in_steps, 1, "meta") > seconds(at_once, 400, "meta")
    assert ACCELERATOR_SECONDS.keys() == UNIT_SECONDS.keys()


BATCHED = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.Tanh(), torch.nn.Linear(30, 10)).double()


def test_rows_that_do_not_meet_are_planned() -> None:
    x = drawn(16, 20)
    made = jacobian(BATCHED)
    assert_same(made(x), torch.func.jacrev(BATCHED)(x))
    assert made.way(x) == "plan"


def test_single_precision_and_mixed() -> None:
    x, w = drawn(6).float(), drawn(4, 6)
    for f in (lambda x: torch.tanh(w.float() @ x), lambda x: w @ x.double() ** 2):
        assert_same(jacobian(f)(x), torch.func.jacrev(f)(x), 1e-5)
        assert_same(by_plan(f, (x,)), torch.func.jacrev(f)(x), 1e-5)


def test_under_vmap() -> None:
    case = CASES["bottleneck"]
    made, batch = jacobian(case.function), drawn(8, 24)
    assert_same(torch.vmap(made)(batch), torch.vmap(torch.func.jacrev(case.function))(batch))
    w = drawn(3, 5, 5)

    def outer(x: Any, w: Any) -> Any:
        return jacobian(lambda x, w: torch.tanh(w @ x) * x, 0)(x, w)

    expected = torch.vmap(torch.func.jacrev(lambda x, w: torch.tanh(w @ x) * x), (None, 0))(drawn(0).new_ones(5), w)
    assert_same(torch.vmap(outer, (None, 0))(torch.ones(5, dtype=torch.float64), w), expected)


@pytest.mark.parametrize("name", ["solve", "attention", "rosenbrock", "group norm", "index", "sorted"])
def test_under_vmap_as_at_every_point(name: str) -> None:
    """Also where a batching rule of PyTorch is wrong: that of `linalg_lu_solve` is."""
    case = CASES[name]
    x, *beside = case.args
    batch = x * torch.linspace(1, 1.1, 3, dtype=x.dtype).reshape(-1, *[1] * x.ndim)
    found = torch.vmap(jacobian(case.function), (0, *[None] * len(beside)))(batch, *beside)
    assert_same(found, torch.stack([torch.func.jacrev(case.function)(point, *beside) for point in batch]))


def test_under_vmap_of_what_is_read_beside_the_arguments() -> None:
    x, scale = drawn(5), drawn(3, 5)
    found = torch.vmap(lambda s: jacobian(lambda x: x * s + x.sin())(x))(scale)
    assert_same(found, torch.vmap(lambda s: torch.func.jacrev(lambda x: x * s + x.sin())(x))(scale))


def test_graph_runs_under_compile() -> None:
    case = CASES["bottleneck"]
    graph = jacobian(case.function).graph_module(*case.args)
    compiled = torch.compile(graph, backend="aot_eager")
    assert_same(compiled(*case.args)[0], torch.func.jacrev(case.function)(*case.args))


def test_hessian_through_two_jacobians() -> None:
    x = drawn(4)

    def f(x: Any) -> Any:
        return (x.sin() * x.roll(1) ** 2).sum()

    expected = torch.func.hessian(f)(x)
    assert_same(jacobian(jacobian(f))(x), expected)
    assert_same(torch.func.jacrev(jacobian(f))(x), expected)


def test_results_carry_gradients() -> None:
    x, w = drawn(4).requires_grad_(), drawn(4, 4).requires_grad_()

    def loss(jacobian_of: Any) -> Any:
        return torch.autograd.grad((jacobian_of(lambda x: torch.tanh(w @ x))(x) ** 2).sum(), (x, w))

    assert_same(loss(jacobian), loss(torch.func.jacrev))


def test_what_a_function_reads_may_change() -> None:
    held, factor = [drawn(4, 4)], 2.0

    def f(x: Any) -> Any:
        return factor * torch.tanh(held[0] @ x)

    made, x = jacobian(f), drawn(4)
    made(x)
    held[0].mul_(3)
    assert_same(made(x), torch.func.jacrev(f)(x))
    held[0] = drawn(4, 4)
    assert_same(made(x), torch.func.jacrev(f)(x))
    factor = 5.0
    assert_same(made(x), torch.func.jacrev(f)(x))


def test_modules_may_change() -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)).double().eval()
    made, x = jacobian(layer), drawn(4)
    made(x)
    layer[0].weight = torch.nn.Parameter(drawn(4, 4))
    assert_same(made(x), torch.func.jacrev(layer)(x))
    layer.load_state_dict({"0.weight": drawn(4, 4), "0.bias": drawn(4)})
    assert_same(made(x), torch.func.jacrev(layer)(x))
    layer.train()
    torch.manual_seed(1)
    found = made(x)
    torch.manual_seed(1)
    assert_same(found, torch.func.jacrev(layer)(x))


def test_a_program_is_kept_by_shapes_and_numbers() -> None:
    traced = []

    def f(x: Any, power: int) -> Any:
        traced.append(x.shape)
        return x**power

    made = jacobian(f)
    for x, power in ((drawn(3), 2), (drawn(4), 2), (drawn(3), 3)):
        made(x, power)
        before = len(traced)
        assert_same(made(2 * x, power), torch.diag(power * (2 * x) ** (power - 1)))
        assert len(traced) == before


def test_results_belong_to_the_caller() -> None:
    a = drawn(4, 4)
    made, x = jacobian(lambda x: (a @ x, a @ x)), drawn(4)
    first, second = made(x)
    first.zero_()
    assert_same(second, a)
    assert_same(made(x), (a, a))


def test_strides_do_not_matter() -> None:
    x = drawn(5, 4).T
    f = CASES["views"].function
    made = jacobian(f)
    made(x.contiguous())
    assert_same(made(x), torch.func.jacrev(f)(x))
    assert_same(by_plan(f, (x,)), torch.func.jacrev(f)(x))


def test_arguments_are_left_alone() -> None:
    def f(x: Any) -> Any:
        x = x * 1
        x.add_(1)
        return x.sin_()

    x = drawn(3)
    before = x.clone()
    assert_same(jacobian(f)(x), torch.func.jacrev(f)(x))
    assert torch.equal(x, before)


def test_steps_that_depend_on_values_are_said() -> None:
    made = jacobian(CASES["control flow"].function)
    with pytest.warns(UserWarning, match=r"depend on values.*Write torch\.where"):
        made(drawn(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made(drawn(4))
    with pytest.raises(chainplan.ChainplanError, match="depend on values"):
        made.graph_module(drawn(3))


def test_random_numbers_are_drawn_anew() -> None:
    made, x = jacobian(lambda x: x * torch.rand(3, dtype=torch.float64)), drawn(3)
    assert not torch.equal(made(x), made(x))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"argnums": "x"}, "argnums: found 'x'"),
        ({"argnums": ()}, r"argnums: found \(\)"),
        ({"argnums": True}, "argnums: found True"),
        ({"chunk": 0}, "chunk: found 0"),
        ({"chunk": 1.5}, "chunk: found 1.5"),
        ({"tune": 1}, "tune: found 1"),
    ],
)
def test_options_that_are_not_of_their_kind(options: dict[str, Any], words: str) -> None:
    with pytest.raises(chainplan.ChainplanError, match=words):
        jacobian(torch.sin, **options)


def test_no_function() -> None:
    with pytest.raises(chainplan.ChainplanError, match="f: found 3; expected a function"):
        jacobian(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("args", [(torch.arange(3),), (torch.tensor([1j]),), (1.0,), (), ("x",)])
def test_arguments_that_pytorch_refuses(args: tuple[Any, ...]) -> None:
    with pytest.raises(Exception) as theirs:
        torch.func.jacrev(torch.sin)(*args)
    with pytest.raises(type(theirs.value)):
        jacobian(torch.sin)(*args)


def test_numbers_among_the_arguments_are_told_apart() -> None:
    x = torch.ones(2, dtype=torch.float64)
    made = jacobian(lambda x, s: x * math.copysign(1.0, s))
    for s in (0.0, -0.0, 0.0):
        assert made(x, s).tolist() == (torch.eye(2) * math.copysign(1.0, s)).tolist()


def test_objects_among_the_arguments_may_change() -> None:
    class Settings:
        factor = 2.0

    def scaled(x: Any, settings: Any) -> Any:
        return x * settings.factor

    x, settings = torch.ones(2), Settings()
    made = jacobian(scaled)
    assert made(x, settings).tolist() == [[2, 0], [0, 2]]
    settings.factor = 5.0
    assert made(x, settings).tolist() == [[5, 0], [0, 5]]


def test_modules_among_the_arguments_are_followed() -> None:
    x, module = torch.ones(3), torch.nn.Linear(3, 2)
    made = jacobian(lambda x, module: torch.tanh(module(x)))
    made(x, module)
    module.weight = torch.nn.Parameter(torch.ones(2, 3))
    assert_same(made(x, module), torch.func.jacrev(lambda x: torch.tanh(module(x)))(x), 1e-6)


def test_a_number_that_is_nan_is_no_reason_to_trace_again() -> None:
    traced, missing = [], float("nan")

    def f(x: Any) -> Any:
        traced.append(1)
        return x * (1.0 if math.isnan(missing) else 2.0)

    made = jacobian(f)
    made(torch.ones(2))
    count = len(traced)
    made(torch.ones(2))
    assert len(traced) == count


def test_autocast_after_a_program_was_made() -> None:
    W, x = torch.randn(3, 4), torch.randn(4)

    def f(x: Any) -> Any:
        return torch.tanh(W @ x)

    made = jacobian(f)
    made(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(made(x), torch.func.jacrev(f)(x))


def test_tensors_without_values() -> None:
    found = jacobian(lambda x: torch.tanh(x) * 2)(torch.empty(3, device="meta"))
    assert (found.shape, found.device.type) == ((3, 3), "meta")
