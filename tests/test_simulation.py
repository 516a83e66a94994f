"""Simulations made of modules: chains and graphs, shapes from trial calls, the dot-product test, measured times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainplan._util.arrays import Array
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.execution.function_times import MeasuredCost
from chainplan.execution.step_times import step_times, with_steps
from chainplan.models.simulation import ModuleTime, Simulation
from chainplan.plans.replay import replay
from chainplan.plans.steps import Load, Multiply, Propagate
from chainplan.problem.graph import Mode
from chainplan.structures import Block


def matrix(seed: int, rows: int, cols: int) -> Array:
    return np.random.default_rng(seed).integers(-3, 4, (rows, cols)).astype(float)


def functions(array: Array) -> tuple[Any, Any]:
    return lambda v: array @ v, lambda w: w @ array


class Model:
    """A module as people write them: an object whose point changes."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def tangent(self, block: Array) -> Array:
        return self.array @ block

    def adjoint(self, block: Array) -> Array:
        return block @ self.array


A, B, C = matrix(0, 4, 3), matrix(1, 5, 4), matrix(2, 2, 5)


def test_a_chain_of_all_kinds_of_modules() -> None:
    model = Model(B)
    simulation = Simulation([functions(A), model, C], sizes={"input": 3})
    assert [e.name for e in simulation.graph.chain] == ["module1", "module2", "module3"]
    assert np.array_equal(simulation.jacobian(), C @ B @ A)
    model.array = 2 * B
    assert np.array_equal(simulation.jacobian(), 2 * C @ B @ A)
    assert np.array_equal(simulation.jacobian({"module3": 3 * C, "module1": functions(-A)}), -6 * C @ B @ A)


@pytest.mark.parametrize("known", ["first", "last", "input"])
def test_shapes_follow_from_one_that_is_known(known: str) -> None:
    modules: list[Any] = [functions(A), functions(B), functions(C)]
    if known == "input":
        simulation = Simulation(modules, sizes={"input": 3})
    else:
        place, array = (0, A) if known == "first" else (2, C)
        modules[place] = array
        simulation = Simulation(modules)
    assert simulation.graph.sizes == {"input": 3, "module1": 4, "module2": 5, "module3": 2}


def test_a_module_without_a_tangent_tells_its_columns() -> None:
    simulation = Simulation({"one": (None, functions(A)[1]), "two": (None, functions(B)[1]), "end": C})
    assert np.array_equal(simulation.jacobian(), C @ B @ A)


def test_a_graph_whose_modules_take_several_results() -> None:
    D = matrix(3, 2, 4 + 3 + 1)
    simulation = Simulation(
        {"a": functions(A), "b": functions(matrix(4, 3, 4)), "join": D, "side": matrix(5, 1, 4)},
        takes={"a": ["x"], "join": ["a", "b", "p"], "side": ["a"]},
        outputs=["join", "side"],
        sizes={"x": 3},
    )
    assert simulation.graph.sizes["p"] == 1
    found = simulation.jacobians()
    with pytest.raises(ArgumentError, match=r"expected one of each\. Call jacobians"):
        simulation.jacobian()
    expected = D[:, :4] @ A + D[:, 4:7] @ matrix(4, 3, 4) @ A
    assert np.array_equal(found["join", "x"], expected)
    assert np.array_equal(found["join", "p"], D[:, 7:])
    assert np.array_equal(found["side", "x"], matrix(5, 1, 4) @ A)
    assert np.array_equal(found.get(("side", "p"), np.zeros((1, 1))), np.zeros((1, 1)))


def test_the_dot_product_test_names_the_wrong_module() -> None:
    wrong = (lambda v: B @ v, lambda w: -w @ B)
    simulation = Simulation({"good": functions(A), "bad": wrong, "end": C}, sizes={"input": 3})
    with pytest.raises(ExecutionError, match=r"module 'bad': y·tangent\(x\) is .*, but adjoint\(y\)·x is"):
        simulation.test_adjoints()
    found = Simulation({"good": functions(A), "half": (functions(B)[0], None)}, sizes={"input": 3}).test_adjoints()
    assert found.keys() == {"good"}
    assert found["good"] < 1e-14


def test_a_wrong_shape_in_the_dot_product_test_names_the_module() -> None:
    odd = (lambda v: B @ v, lambda w: (w @ B)[..., 1:])
    with pytest.raises(ExecutionError, match="the adjoint of 'odd' returned shape"):
        Simulation({"odd": odd}, sizes={"input": 4}).test_adjoints()


@pytest.mark.parametrize(("prices", "mode"), [((1.0, 1e6), Mode.TANGENT), ((1e6, 1.0), Mode.ADJOINT)])
def test_prices_in_nanoseconds_choose_the_mode(prices: tuple[float, float], mode: Mode) -> None:
    square = matrix(6, 9, 9)
    simulation = Simulation({"in": square, "model": functions(square), "out": square}, prices={"model": prices})
    result = simulation.plan()
    assert result.plan is not None
    assert result.problem.cost.unit == "nanoseconds"
    assert [step.mode for step in result.plan.steps if isinstance(step, Propagate)] == [mode]
    assert np.array_equal(simulation.jacobian(), square @ square @ square)


def test_measured_times_become_the_prices() -> None:
    simulation = Simulation({"in": A, "model": functions(B), "out": C})
    assert simulation.plan().problem.cost.unit == "fma"
    times = simulation.measure()
    assert times.keys() == {"model"}
    assert times["model"].keys() == {"tangent", "adjoint"}
    assert all(time.call >= 0 and time.vector >= 0 and time.of(7) > 0 for time in times["model"].values())
    assert {1, 8, 64} <= {width for width, _ in times["model"]["tangent"].measured}
    result = simulation.plan()
    assert result.problem.cost.unit == "nanoseconds"
    assert result.plan is not None
    blocks = [typed.block for typed in replay(result.plan).blocks]
    timed = {(left.mark, right.mark) for left, right, _ in result.problem.cost.products}  # type: ignore[attr-defined]
    products = [step for step in result.plan.steps if isinstance(step, Multiply)]
    assert products
    assert all((blocks[step.left].mark, blocks[step.right].mark) in timed for step in products)
    assert np.array_equal(simulation.jacobian(), C @ B @ A)
    assert ModuleTime(5.0, 2.0).of(10) == 25.0


def test_times_of_steps_become_the_prices_of_their_products_and_calls() -> None:
    """Equal products share the mean of their times, and what a sum costs is not theirs."""
    square = matrix(8, 6, 6)
    simulation = Simulation({"a": square, "b": square, "f": functions(square), "c": square[:2]}, sizes={"input": 6})
    result = simulation.plan()
    assert result.plan is not None
    blocks = [typed.block for typed in replay(result.plan).blocks]
    model = MeasuredCost("measured", WEIGHTED_COST.table)
    made = {position for position, step in enumerate(result.plan.steps) if not isinstance(step, Load)}
    found = with_steps(model, result.plan, {position: 1000.0 * (position + 1) for position in made})
    for position in made:
        step = result.plan.steps[position]
        if isinstance(step, Multiply):
            factors = blocks[step.left], blocks[step.right]
            alike = [
                1000 * (p + 1)
                for p in made
                if isinstance(other := result.plan.steps[p], Multiply)
                and (blocks[other.left], blocks[other.right]) == factors
            ]
            assert found.multiply(*factors) == round(sum(alike) / len(alike))
        elif isinstance(step, Propagate):
            e, arg = simulation.graph[step.elemental], blocks[step.arg]
            assert found.propagate(e, arg, step.mode) == 1000 * (position + 1)
    assert found.multiply(Block(7, 3), Block(3, 2)) == WEIGHTED_COST.multiply(Block(7, 3), Block(3, 2))
    assert with_steps(found, result.plan, {}) == found


def test_all_steps_but_loads_are_timed() -> None:
    simulation = Simulation({"a": A, "f": functions(B), "c": C}, sizes={"input": 3})
    plan = simulation.plan().plan
    assert plan is not None
    times = step_times(plan, {"a": A, "f": functions(B), "c": C}, 0.0)
    assert times is not None
    assert times.keys() == {position for position, step in enumerate(plan.steps) if not isinstance(step, Load)}
    assert all(time >= 0 for time in times.values())
    assert step_times(plan, {"a": A.astype(int), "f": functions(B), "c": C}, 0.0) is None


def test_functions_of_single_vectors_are_called_for_each() -> None:
    """A trial call tells functions that refuse blocks, or scale them along the wrong axis, from others."""
    slope = np.array([2.0, -1.0, 3.0, 1.0])

    def tangent(vector: Array) -> Array:
        if vector.ndim != 1:
            raise TypeError("expected a vector")
        return B @ vector

    modules = {"a": functions(A), "scale": (lambda v: slope * v, lambda w: w * slope), "b": (tangent, None), "c": C}
    simulation = Simulation(modules, sizes={"input": 3})
    assert simulation.graph.sizes["b"] == 5
    expected = C @ B @ np.diag(slope) @ A
    for objective in ("fma", "weighted"):
        simulation.plan(objective)
        assert np.array_equal(simulation.jacobian(), expected)
    twice = {"scale": (lambda v: 2 * slope * v, lambda w: 2 * w * slope)}
    assert np.array_equal(simulation.jacobian(twice), 2 * expected)
    assert simulation.test_adjoints()["scale"] < 1e-14
    rows = (None, lambda w: np.concatenate([w @ B]) if w.ndim == 1 else None)
    backward = Simulation({"b": rows, "c": C})
    assert np.array_equal(backward.jacobian(), C @ B)


def test_functions_that_an_object_gets_later_are_those_that_run() -> None:
    model = Model(B)
    simulation = Simulation({"a": A, "model": model, "c": C})
    assert np.array_equal(simulation.jacobian(), C @ B @ A)
    model.tangent, model.adjoint = functions(3 * B)  # type: ignore[method-assign]
    assert np.array_equal(simulation.jacobian(), 3 * C @ B @ A)


def test_what_a_simulation_says_of_itself() -> None:
    simulation = Simulation({"a": A, "model": Model(B), "c": C})
    assert repr(simulation) == "<Simulation of 3 modules: a 4 x 3, model 5 x 4, c 2 x 5; c by input>"
    assert "3 more" in repr(Simulation([np.eye(2)] * 9))


class Shaped:
    """A module that says a wrong shape."""

    shape = (2,)

    def tangent(self, block: Array) -> Array:
        return block


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    ([], {}, "modules: found none"),
    ([object()], {}, r"modules\['module1'\]: found an object of type object; expected an object with tangent"),
    ([functions(A)], {}, r"modules\['module1'\]: found \? x \?; .* pass sizes=\{'input': \.\.\.\}"),
    ([A, matrix(7, 2, 7)], {}, r"modules\['module2'\]: found 7 columns; expected 4, the entries of module1"),
    ({"a": A}, {"takes": {"b": ["a"]}}, "takes: 'b' is no module"),
    ({"a": A, "b": B}, {"takes": {"a": ["b"]}}, r"takes\['a'\]: found 'b', which stands behind it"),
    ({"a": A}, {"takes": {"a": "x"}}, r"takes\['a'\]: found 'x'; expected a list"),
    ({"a": A}, {"outputs": ["q"]}, "'q' is no module"),
    ({"a": A}, {"prices": {"q": (1.0, None)}}, "'q' is no module"),
    ({"a": A}, {"sizes": {"input": 5}}, "columns"),
    ({"a": A}, {"sizes": {"input": 2.5}}, r"sizes\['input'\]: found"),
    ({"a": A}, {"sizes": {"q": 2}}, "sizes: 'q' is no input"),
    ({"a": A}, {"sizes": [2]}, "sizes: found .* expected a mapping"),
    ({"a": A}, {"takes": ["a"]}, "takes: found .* expected a mapping"),
    ({"a": A}, {"takes": {"a": 3}}, r"takes\['a'\]: found 3; expected a list"),
    ({"a": A}, {"outputs": "a"}, "outputs: found 'a'; expected a list"),
    ({"a": A}, {"prices": {"a": (1.0,)}}, r"prices\['a'\]: found .* expected a pair"),
    ({"a": A}, {"prices": {"a": (float("nan"), 1.0)}}, r"prices\['a'\]: found nan; expected a number of nanoseconds"),
    ({"a": A}, {"prices": {"a": (-1.0, None)}}, r"prices\['a'\]: found -1.0; expected a number of nanoseconds"),
    ([Shaped()], {}, r"modules\['module1'\].shape: found .* expected a pair \(outputs, inputs\)"),
    ([(lambda v: v[:, 0], None)], {"sizes": {"input": 2}}, r"found a tangent that returned shape \(2,\)"),
]


def test_what_a_module_raises_in_its_trial_call_is_the_cause() -> None:
    def down(v: Array) -> Array:
        raise RuntimeError("the licence server is down\nand more")

    said = (
        r"modules\['gate'\]: found a (tangent|adjoint) that raised RuntimeError: the licence server is down; expected"
    )
    for functions_of, sizes in (((down, None), {"input": 2}), ((None, down), {"gate": 2})):
        known = {"gate": functions_of} if "input" in sizes else {"gate": functions_of, "end": matrix(1, 1, 2)}
        with pytest.raises(ArgumentError, match=said) as caught:
            Simulation(known, sizes=sizes if "input" in sizes else {})
        assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_fault_for_single_vectors_is_said_beside_that_for_blocks() -> None:
    def faulty(v: Array) -> Array:
        if v.ndim == 2:
            raise ValueError("vectors alone")
        raise KeyError("viscosity")

    with pytest.raises(ArgumentError, match="ValueError: vectors alone, and for a single vector KeyError: 'viscosity'"):
        Simulation({"flow": (faulty, None)}, sizes={"input": 2})


@pytest.mark.parametrize(("modules", "options", "message"), REFUSED, ids=[case[2][:30] for case in REFUSED])
def test_wrong_simulations_are_refused(modules: Any, options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Simulation(modules, **options)


def test_values_for_an_unknown_module_are_refused() -> None:
    with pytest.raises(ArgumentError, match="'q' is no module"):
        Simulation([A]).jacobian({"q": A})
    with pytest.raises(ArgumentError, match="values: found"):
        Simulation([A]).jacobian([A])  # type: ignore[arg-type]


def test_what_stands_between_modules_takes_no_name_of_theirs() -> None:
    one, two = matrix(11, 2, 3), matrix(12, 2, 3)
    named = {"inputs of g": one, "h": two, "g/h": matrix(13, 1, 2), "g": matrix(14, 1, 4)}
    takes = {"inputs of g": ["x"], "h": ["x"], "g/h": ["h"], "g": ["inputs of g", "h"]}
    found = Simulation(named, takes=takes).jacobians()
    np.testing.assert_array_equal(found["g", "x"], named["g"] @ np.vstack([one, two]))
    np.testing.assert_array_equal(found["g/h", "x"], named["g/h"] @ two)


def test_a_module_may_take_a_result_twice() -> None:
    one, two = matrix(15, 2, 3), matrix(16, 1, 4)
    found = Simulation({"f": one, "g": two}, takes={"g": ["f", "f"]}).jacobian()
    np.testing.assert_array_equal(found, two @ np.vstack([one, one]))
