"""Misuse from Python: every public function says in a sentence what it was given, what it takes and what to do."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest

import chainplan
from chainplan.errors.suggest import did_you_mean, nearest

PROBLEM = chainplan.chain([3, 2, 4])
RESULT = chainplan.plan(PROBLEM)
PLAN = RESULT.plan
NONE = chainplan.plan(chainplan.chain([5, 5, 5], memory=10))
"""A result without a plan."""
ARRAYS = {"F1": np.ones((2, 3)), "F2": np.ones((4, 2))}
FREE = chainplan.chain([{"name": "model", "shape": [2, 3], "tangent": 5}, {"shape": [4, 2]}])
NET = chainplan.program({"input": {"x": 3, "batch": 2}, "layers": [{"op": "linear", "out": 4}, {"op": "sigmoid"}]})
POINT = chainplan.draw_point(NET)
DIGRAPH = networkx.DiGraph([("x", "y")])
c: Any = chainplan
"""The package without types: what a type checker would refuse is what is tried."""


def free(tangent: Any) -> Any:
    """The matrix-free chain run with a tangent."""
    return c.execute(c.plan(FREE), {"model": (tangent, None), "F2": ARRAYS["F2"]})


NO_PROBLEMS: tuple[Any, ...] = (
    3,
    None,
    "shapes.yaml",
    [3, 2, 4],
    {"chain": [1, 2]},
    PROBLEM.graph,
    RESULT,
    PLAN,
    NET,
    DIGRAPH,
)
NO_PLANS: tuple[Any, ...] = (3, "plan.json", PROBLEM, PROBLEM.graph, [1], {"steps": []})
NO_PROGRAMS: tuple[Any, ...] = (3, None, PROBLEM, {"input": {"x": 3}})
NO_MAPPINGS: tuple[Any, ...] = (None, 3, [1, 2], np.ones((2, 3)), "F1")
NO_FILES: tuple[Any, ...] = (3, None, 0.5, b"x", [3, 2], {"chain": [1, 2]}, RESULT)
NO_COUNTS: tuple[Any, ...] = (-1, "1", 1.5, [1])

CALLS: list[Any] = [
    *((lambda v=v: c.plan(v), "problem: found .*; expected a Problem.") for v in NO_PROBLEMS),
    *((lambda v=v: c.pareto(v), "problem: found .*; expected a Problem.") for v in NO_PROBLEMS),
    *((lambda v=v: c.portfolio(v), "problem: found .*; expected a Problem.") for v in NO_PROBLEMS),
    *((lambda v=v: c.to_networkx(v), "problem: found .*; expected a Problem.") for v in NO_PROBLEMS),
    *((lambda v=v: c.check(PLAN, v), "problem: found .*; expected a Problem.") for v in NO_PROBLEMS if v is not None),
    *(
        (lambda v=v: c.reference_jacobian(v, ARRAYS), "problem: found .*; expected")
        for v in (3, None, RESULT, PLAN, [1])
    ),
    *((lambda v=v: c.execute(v, ARRAYS), "plan: found .*; expected a Plan, or a Result") for v in NO_PLANS),
    *((lambda v=v: c.check(v), "plan: found .*; expected a Plan, or a Result") for v in NO_PLANS),
    *((lambda v=v: c.replay(v), "plan: found .*; expected a Plan, or a Result") for v in NO_PLANS),
    *((lambda f=f: f(NONE), "found a Result without a plan; expected a plan") for f in (c.check, c.replay)),
    *((lambda f=f: f(NONE.plan), "found None; expected a plan") for f in (c.check, c.replay)),
    (lambda: c.execute(NONE, ARRAYS), "found a Result without a plan; expected a plan"),
    (lambda: c.execute(NONE.plan, ARRAYS), "found None; expected a plan"),
    *((lambda v=v: c.render(v), "result: found .*; expected a Result") for v in (3, None, PLAN, PROBLEM)),
    *(
        (lambda v=v: c.render(RESULT, v), "format .* does not exist; expected one of")
        for v in (3, "x", NO_COUNTS, None)
    ),
    # options
    *((lambda v=v: c.plan(PROBLEM, v), "solver: found .*; expected the name") for v in (3, None, [1])),
    *((lambda v=v: c.plan(PROBLEM, budget=v), "budget: found .*; expected sec") for v in ("1", -1, float("nan"), [1])),
    *((lambda v=v: c.pareto(PROBLEM, budget=v), "budget: found .*; expected seconds") for v in ("1", -1, True)),
    *((lambda v=v: c.plan(PROBLEM, seed=v), "seed: found .*; expected a whole number") for v in (*NO_COUNTS, None)),
    *((lambda v=v: c.plan(PROBLEM, nodes=v), "nodes: found .*; expected a whole") for v in (*NO_COUNTS, 10**400)),
    *((lambda v=v: c.plan(PROBLEM, machines=v), "machines: found .*; expected a whole") for v in (*NO_COUNTS, 0, True)),
    *(
        (lambda v=v: c.portfolio(PROBLEM, restarts=v), "restarts: found .*; expected a w")
        for v in (*NO_COUNTS, 0, None, 10**9)
    ),
    *((lambda v=v: c.plan(PROBLEM, objective=v), "objective: found .*; expected the name") for v in (3, NO_COUNTS)),
    (lambda: c.plan(PROBLEM, progress=3), "progress: found 3; expected a function"),
    (lambda: c.pareto(PROBLEM, progress=3), "progress: found 3; expected a function"),
    *((lambda v=v: c.plan(PROBLEM, warm_start=v), "warm_start: found .*; expected a Plan") for v in (3, "plan.json")),
    (lambda: c.plan(PROBLEM, warm_start=NONE), "warm start: found no plan"),
    (lambda: c.plan(PROBLEM, warm_start=c.plan(FREE)), "warm start: found a plan of another graph"),
    (lambda: c.check(PLAN, PROBLEM, 3), "cost: found 3; expected a cost model"),
    (lambda: c.replay(PLAN, 3), "cost: found 3; expected a cost model"),
    (lambda: c.portfolio(PROBLEM, scheduler=3), "scheduler: nothing answers at '3'"),
    (lambda: c.portfolio(PROBLEM, workers="x"), "workers: found 'x'; expected a whole number"),
    (lambda: c.execute(PLAN, ARRAYS, backend="dask", scheduler=3), "scheduler: nothing answers at '3'"),
    *((lambda v=v: c.execute(PLAN, ARRAYS, workers=v), "workers: found .*; expected a whole") for v in (0, "2", 1.5)),
    *((lambda v=v: c.execute(PLAN, ARRAYS, dtype=v), "dtype: found .*; expected a dtype") for v in ("x", str, object)),
    (lambda: c.reference_jacobian(PROBLEM, ARRAYS, dtype="x"), "dtype: found 'x'; expected a dtype of numpy"),
    *(
        (lambda v=v: c.reference_jacobian(PROBLEM, ARRAYS, v), "mode: found .*; expected a Mode")
        for v in ("tangent", 3)
    ),
    # arrays
    *((lambda v=v: c.execute(PLAN, v), "jacobians: found .*; expected a mapping") for v in NO_MAPPINGS),
    *((lambda v=v: c.reference_jacobian(PROBLEM, v), "jacobians: found .*; expected a mapping") for v in NO_MAPPINGS),
    (lambda: c.execute(PLAN, {**ARRAYS, "F1": [[1, 2, 3], [1]]}), "the list for 'F1' has rows of several lengths"),
    # functions
    (lambda: free(lambda x: (np.ones((2, 3)) @ x).T), r"tangent of 'model' returned shape \(3, 2\); expected \(2, 3\)"),
    (
        lambda: free(lambda x: np.ones((3, 3)) @ x),
        r"map a block of 3 x c to F'·block of 2 x c. Test the pair by the dot",
    ),
    (
        lambda: free(lambda x: [[1.0, 2.0, 3.0], [1.0]]),
        r"tangent of 'model' returned a list with rows of several lengths; expected \(2, 3\)\. It should map",
    ),
    *(
        (
            lambda f=f: f({"F2": ARRAYS["F2"], "model": [[1, 2, 3], [1]]}),
            "list for 'model' has rows of several lengths; exp",
        )
        for f in (lambda given: c.execute(c.plan(FREE), given), lambda given: c.reference_jacobian(FREE, given))
    ),
    (lambda: free(lambda x: None), r"returned shape \(\); expected \(2, 3\)"),
    (lambda: free(lambda x: np.full((2, 3), "x")), "returned an array of dtype <U1; expected numbers"),
    (
        lambda: c.reference_jacobian(FREE, {"model": (lambda x: x, None), "F2": ARRAYS["F2"]}),
        r"'model' returned shape \(3, 3\)",
    ),
    # what makes problems
    *((lambda v=v: c.read(v), "path: found .*; expected the name of a file") for v in NO_FILES),
    *((lambda v=v: c.read_plan(v), "path: found .*; expected the name of a file") for v in NO_FILES),
    *(
        (lambda v=v: c.from_spec(v), "the spec is .*; expected a mapping")
        for v in (3, None, "chain: [1]", [1], PROBLEM)
    ),
    *((lambda v=v: c.program(v), "the spec is .*; expected a mapping") for v in (3, None, "input: x", [1], PROBLEM)),
    (lambda: c.from_spec({"chain": [1, 2]}, 3), "source: found 3; expected text"),
    (lambda: c.from_networkx(DIGRAPH, 3), "source: found 3; expected text"),
    *(
        (lambda v=v: c.chain(v), "chain is .*; expected a list of sizes")
        for v in (3, None, "3,2", {"chain": [3]}, {3, 2})
    ),
    (lambda: c.chain(list(ARRAYS.values())), r"chain\[0\]: found a ndarray.*{'shape': \[2, 3\]}.*{'F1': array}"),
    (lambda: c.chain([3, networkx.to_scipy_sparse_array(DIGRAPH)]), r"chain\[1\]: found a csr_array.*\[2, 2\]"),
    (lambda: c.chain([lambda x: x]), "chain.0. is a Python object of type function; expected"),
    *(
        (lambda v=v: c.from_networkx(v), "graph: found .*; expected a DiGraph")
        for v in (3, None, PROBLEM, {"a": ["b"]})
    ),
    (lambda: c.from_networkx(networkx.Graph([(1, 2)])), "graph: found an undirected graph; expected a directed one"),
    *((lambda v=v: c.Problem(v), "graph: found .*; expected a Graph") for v in (3, None, PROBLEM, [3, 2])),
    *((lambda v=v: c.Problem(PROBLEM.graph, memory=v), "memory: found .*; expected") for v in (-1, "3", 1.5)),
    (lambda: c.Problem(PROBLEM.graph, name=3), "name: found 3; expected text"),
    (lambda: c.Problem(PROBLEM.graph, cost=3), "cost: found 3; expected a cost model"),
    (lambda: c.Graph(3, (), (), ()), "sizes: found 3; expected a mapping"),
    (lambda: c.Graph({"x": 1, "y": 1}, ("x",), ("y",), (3,)), "elementals: found 3; expected Elementals"),
    (
        lambda: c.Graph({"x": 1, "y": 1}, ("x",), ("y",), (c.Elemental("F", "x", "y", 3),)),
        "block: found 3; expected a Bl",
    ),
    (lambda: c.Plan(3, (), ()), "graph: found 3; expected a Graph"),
    (lambda: c.Plan(PROBLEM.graph, 3, ()), "steps: found 3; expected a tuple"),
    (lambda: c.check(c.Plan(PROBLEM.graph, (3,), ())), "step 0: found 3; expected a step"),
    # layers
    *((lambda v=v: c.evaluate(v, POINT), "program: found .*; expected a program of layers") for v in NO_PROGRAMS),
    *((lambda v=v: c.Stepwise(v, POINT), "program: found .*; expected a program of layers") for v in NO_PROGRAMS),
    *((lambda v=v: c.draw_point(v), "program: found .*; expected a program of layers") for v in NO_PROGRAMS),
    *((lambda v=v: c.evaluate(NET, v), "point: found .*; expected a mapping") for v in NO_MAPPINGS),
    *((lambda v=v: c.Stepwise(NET, v), "point: found .*; expected a mapping") for v in NO_MAPPINGS),
    *(
        (lambda v=v: c.draw_point(NET, 0, v), "point: found .*; expected a mapping")
        for v in NO_MAPPINGS
        if v is not None
    ),
    *((lambda v=v: c.draw_point(NET, v), "seed: found .*; expected a whole number") for v in NO_COUNTS),
    (lambda: c.draw_point(NET, 0, {"q": 1}), "'q' is no input or parameter"),
    (lambda: c.evaluate(NET, {}), r"the point has no 'x'; expected an array of shape \(2, 3\)"),
    (lambda: c.evaluate(NET, {**POINT, "x": POINT["x"].T}), r"'x' has shape \(3, 2\); expected \(2, 3\)"),
    (lambda: c.evaluate(NET, {**POINT, "x": "a"}), "'x' has dtype <U1; expected real numbers"),
    *((lambda v=v: c.linearise(v), "evaluation: found .*; expected an Evaluation") for v in (3, None, POINT, NET)),
]


@pytest.mark.parametrize(("call", "message"), CALLS)
def test_misuse_is_answered_in_a_sentence(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(chainplan.ChainplanError, match=message) as caught:
        call()
    assert len(str(caught.value)) < 700


def test_what_holds_a_plan_stands_for_it(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(chainplan.render(RESULT, "json"))
    saved = chainplan.read_plan(tmp_path / "plan.json")
    for holder in (RESULT, saved, chainplan.pareto(PROBLEM).points[0]):
        assert np.array_equal(chainplan.execute(holder, ARRAYS)["x2", "x0"], np.full((4, 3), 2.0))
        assert chainplan.check(holder).total == chainplan.replay(holder).total == 24
        assert chainplan.plan(PROBLEM, warm_start=holder).plan is not None


def test_numbers_of_numpy_are_numbers() -> None:
    sizes = np.array([3, 2, 4])
    problem = chainplan.chain(sizes, memory=np.int64(1000))  # type: ignore[arg-type]
    assert problem.fingerprint == chainplan.chain([3, 2, 4], memory=1000).fingerprint
    assert chainplan.chain(range(2, 5)).graph.sizes == {"x0": 2, "x1": 3, "x2": 4}
    assert type(chainplan.Problem(PROBLEM.graph, memory=np.int64(9)).memory) is int  # type: ignore[arg-type]
    chainplan.plan(PROBLEM, seed=np.int64(3), budget=np.float32(1), nodes=np.int32(9))  # type: ignore[arg-type]


def test_an_error_in_a_function_says_where_it_was_called() -> None:
    with pytest.raises(ValueError, match="matmul") as caught:
        free(lambda x: np.ones((2, 3)).T @ x)
    assert "This was the tangent of 'model', called with a block of 3 x 3." in caught.value.__notes__[0]
    assert "y @ tangent(x) equals adjoint(y) @ x for x of 3 x 1 and y of 1 x 2." in caught.value.__notes__[0]


def test_no_public_name_is_that_of_a_module() -> None:
    """Importing the module would put it in the place of the function."""
    assert [name for name in chainplan.__all__ if find_spec(f"chainplan.{name}")] == []


def test_a_misspelt_name_gets_the_nearest_known_one_or_what_to_do_otherwise() -> None:
    known = ("chain-dp", "chain-dense", "greedy")
    assert did_you_mean("chain-pd", known) == "Did you mean 'chain-dp'?"
    assert did_you_mean("dense", known, "Choose one.") == "Did you mean 'chain-dense'?"
    assert did_you_mean("simplex", known, "Choose one.") == "Choose one."
    assert did_you_mean("simplex", known) == ""
    assert nearest("chain-dp" * 1000, known) is None
    assert nearest("w99999x", (f"w{i}" for i in range(10**6))) is not None
