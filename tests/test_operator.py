"""Jacobians as operators of scipy: products against the Jacobian itself, in whole numbers exactly."""

from __future__ import annotations

import gc
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator, gmres, lsqr

import chainplan
from chainplan._util.arrays import Array
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.execution.operator import JacobianOperator
from chainplan.execution.vector_program import _VECTOR_CODES
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.structures import STRUCTURE_NAMES
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from tests.problems import chain_problem, random_problem
from tests.test_executor import drawn

METHODS = ("matvec", "rmatvec", "matmat", "rmatmat")


def asked(seed: int) -> Problem:
    """A random problem for products, or now and then for the Jacobian, without limits."""
    sides = [None, Products(right=1), Products(right=100), Products(left=7), Products(right=3, left=9)]
    return replace(random_problem(seed), products=random.Random(seed).choice(sides), memory=None)


def functions(graph: Graph, values: Mapping[str, Any]) -> dict[str, Any]:
    """Matrix-free elementals as the functions that they have, all others as they are."""
    given = dict(values)
    for e in graph.elementals:
        if not e.explicit:
            matrix = values[e.name]
            tangent = None if e.tangent is None else lambda block, a=matrix: a @ block
            adjoint = None if e.adjoint is None else lambda block, a=matrix: block @ a
            given[e.name] = (tangent, adjoint)
    return given


def whole(graph: Graph, blocks: Mapping[tuple[str, str], Array]) -> Array:
    """The blocks of a Jacobian below and beside each other."""
    sizes = graph.sizes
    return np.block(
        [[blocks.get((o, i), np.zeros((sizes[o], sizes[i]), int)) for i in graph.inputs] for o in graph.outputs]
    )


def agree(operator: LinearOperator, matrix: Array, seed: int, lacking: Sequence[bool] = ()) -> int:
    """Compare all products that an operator has, and count them; it lacks those on the right (False) or left (True)."""
    rng, found = np.random.default_rng(seed), 0
    assert operator.shape == matrix.shape
    for method in METHODS:
        lines = matrix.T if method.startswith("r") else matrix
        shape = (lines.shape[1], 3) if method.endswith("mat") else (lines.shape[1],)
        x = rng.integers(-3, 4, shape)
        kept = x.copy()
        if method.startswith("r") in lacking:
            with pytest.raises(ExecutionError, match="the plan has no products"):
                getattr(operator, method)(x)
            continue
        product = getattr(operator, method)(x)
        assert np.array_equal(product, lines @ x), (seed, method)
        assert not np.may_share_memory(product, x)
        assert np.array_equal(x, kept)
        found += 1
    return found


@pytest.mark.parametrize(("first", "last"), [(0, 60), pytest.param(60, 1500, marks=pytest.mark.nightly)])
def test_products_equal_those_of_the_jacobian(first: int, last: int) -> None:
    found, pairs = 0, 0
    for seed in range(first, last):
        problem = asked(seed)
        graph, values = problem.graph, draw(problem.graph, seed, np.int64)
        blocks = reference_jacobian(problem, values)
        result = chainplan.plan(problem, nodes=30)
        if result.plan is None:
            continue
        modes = {program.mode for program in result.plan.programs} or set(Mode)
        lacking = [mode is Mode.ADJOINT for mode in Mode if mode not in modes]
        for given in (values, functions(graph, values)):
            operator = chainplan.operator(result, given)
            found += agree(operator, whole(graph, blocks), seed, lacking)
        for output in graph.outputs:
            for source in graph.inputs:
                empty = np.zeros((graph.sizes[output], graph.sizes[source]), int)
                pairs += agree(operator[output, source], blocks.get((output, source), empty), seed, lacking)
    assert found > 7 * (last - first)
    assert pairs > 8 * (last - first)


@pytest.mark.parametrize("shape", [(12, 12), (4, 12)])
@pytest.mark.parametrize("word", STRUCTURE_NAMES[:-1])
def test_every_structure_multiplies_vectors(word: str, shape: tuple[int, int]) -> None:
    structure = drawn(word, *shape)
    if structure is None:
        return
    problem = replace(chain_problem(shape[::-1], [structure]), products=Products(1, 1))
    values = draw(problem.graph, 0, np.int64)
    operator = chainplan.operator(chainplan.plan(problem), dict(values))
    assert agree(operator, reference_jacobian(problem, values)["x1", "x0"], 1) == 4


def test_operators_compose_and_turn() -> None:
    rng = np.random.default_rng(0)
    given = {
        f"F{i}": rng.standard_normal((n, m)) + 1j * rng.standard_normal((n, m)) for i, m, n in ((1, 5, 3), (2, 3, 4))
    }
    operator = chainplan.operator(planned({"chain": [5, 3, 4], "products": {"right": 1}}), given)
    matrix = given["F2"] @ given["F1"]
    assert operator.dtype == complex
    assert np.allclose(operator.H @ np.eye(4), matrix.conj().T)
    assert np.allclose(operator.T @ np.eye(4), matrix.T)
    assert np.allclose((operator.H @ operator) @ np.eye(5), matrix.conj().T @ matrix)
    assert np.allclose(operator.rmatvec(np.ones(4)), matrix.conj().T @ np.ones(4))
    assert np.allclose((2 * operator.H) @ np.ones((4, 1)), 2 * matrix.conj().T @ np.ones((4, 1)))
    real = chainplan.operator(planned({"chain": [5, 3, 4]}), {name: value.real for name, value in given.items()})
    formed = given["F2"].real @ given["F1"].real
    assert real.T.shape == (5, 4)
    assert np.allclose(real.T @ np.ones(4), formed.T @ np.ones(4))
    assert np.allclose(real @ [1, 2, 3, 4, 5], formed @ [1, 2, 3, 4, 5])
    assert np.allclose(real @ np.ones((5, 1)), formed @ np.ones((5, 1)))
    assert np.allclose(real.rmatvec(np.ones((4, 1))), formed.T @ np.ones((4, 1)))
    with pytest.raises(ValueError, match="dimension mismatch"):
        real.matvec(np.ones(4))
    with pytest.raises(TypeError, match="sparse matrix"):
        real.matmat(csr_array(np.eye(5)))  # type: ignore[call-overload]


def planned(spec: dict[str, Any]) -> chainplan.Result:
    return chainplan.plan(chainplan.from_spec(spec))


def modules(**products: int) -> tuple[chainplan.Result, dict[str, Any], Array]:
    """A loop of modules: a dear one that is applied, a cheap one that is accumulated, matrices between them."""
    rng = np.random.default_rng(3)
    flow, coarse = rng.random((40, 40)) / 40, rng.random((5, 40)) / 40
    closure, spread = rng.random((5, 5)), rng.random((40, 5)) / 5
    result = planned(
        {
            "chain": [
                {"name": "flow", "shape": [40, 40], "tangent": 900, "adjoint": 900},
                {"name": "coarse", "shape": [5, 40]},
                {"name": "closure", "shape": [5, 5], "tangent": 3000, "adjoint": 3000},
                {"name": "spread", "shape": [40, 5]},
            ],
            "products": products,
        }
    )
    given = {
        "flow": (lambda block: flow @ block, lambda block: block @ flow),
        "coarse": coarse,
        "closure": (lambda block: closure @ block, lambda block: block @ closure),
        "spread": spread,
    }
    return result, given, spread @ closure @ coarse @ flow


def test_krylov_methods_run_on_an_operator() -> None:
    result, given, matrix = modules(right=60, left=60)
    calls = []
    tangent, adjoint = given["closure"]

    def counted(block: Array) -> Array:
        calls.append(block.shape)
        return np.asarray(tangent(block))

    given["closure"] = (counted, adjoint)
    operator = chainplan.operator(result, given)
    assert calls == [(5, 5)]
    right = np.ones(40)
    found, fault = gmres(aslinearoperator(np.eye(40)) - operator, right, rtol=1e-12)
    assert fault == 0
    assert np.allclose(found - matrix @ found, right)
    least, *_ = lsqr(operator, right, damp=0.5, atol=1e-14, btol=1e-14, iter_lim=500)
    assert np.allclose(least, np.linalg.solve(matrix.T @ matrix + 0.25 * np.eye(40), matrix.T @ right))
    assert calls == [(5, 5)]


def test_functions_get_blocks_that_they_cannot_write_to() -> None:
    result, given, matrix = modules(right=1)
    seen = []

    def tangent(block: Array) -> Array:
        seen.append((block.shape, block.flags.writeable))
        return np.asarray(given["flow"][0](block))

    operator = chainplan.operator(result, {**given, "flow": (tangent, None)})
    operator @ np.ones(40)
    operator @ np.ones((40, 7))
    assert seen == [((40, 1), False), ((40, 7), False)]
    assert np.allclose(operator @ np.eye(40), matrix)


def test_what_a_function_keeps_is_not_handed_out() -> None:
    held = np.empty((3, 1))

    def tangent(block: Array) -> Array:
        held[:] = 2 * block
        return held

    spec = {"chain": [{"name": "F", "shape": [3, 3], "tangent": 1, "adjoint": 9}], "products": {"right": 1}}
    operator = chainplan.operator(planned(spec), {"F": (tangent, None)})
    one = operator @ np.ones(3)
    assert np.array_equal(operator @ np.zeros(3), np.zeros(3))
    assert np.array_equal(one, np.full(3, 2.0))


def test_a_side_that_an_elemental_lacks_is_refused() -> None:
    spec = {
        "chain": [{"shape": [4, 4], "tangent": 3}, {"name": "solver", "shape": [4, 4], "tangent": 3, "adjoint": 3}],
        "products": {"right": 1},
    }
    given = {"F1": (lambda block: block, None), "solver": (lambda block: block, None)}
    operator = chainplan.operator(planned(spec), given)
    with pytest.raises(ExecutionError, match=r"no products w·J \(rmatvec\): found no adjoint of 'F1'"):
        operator.rmatvec(np.ones(4))
    spec["products"] = {"left": 2}
    both = chainplan.operator(planned(spec), {**given, "solver": (lambda block: block, lambda block: block)})
    assert np.array_equal(both.rmatvec(np.arange(4.0)), np.arange(4.0))
    with pytest.raises(ExecutionError, match="'solver' has no adjoint function"):
        chainplan.operator(planned(spec), given)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({}, r"no Jacobian for 'F[12]'; expected an array of"),
    "unknown": ({"F1": np.ones((3, 2)), "F2": np.ones((1, 3)), "G": 1}, "'G' is no elemental of the plan"),
    "shape": ({"F1": np.ones((2, 3)), "F2": np.ones((1, 3))}, r"shape \(2, 3\); expected \(3, 2\)"),
}


@pytest.mark.parametrize("products", [None, {"right": 1}])
@pytest.mark.parametrize("case", REFUSED)
def test_unfit_jacobians_are_refused_at_once(case: str, products: dict[str, int] | None) -> None:
    given, message = REFUSED[case]
    spec = {"chain": [2, 3, 1], **({} if products is None else {"products": products})}
    with pytest.raises(ExecutionError, match=message):
        chainplan.operator(planned(spec), given)
    with pytest.raises(ArgumentError, match="jacobians"):
        chainplan.operator(planned(spec), [1])  # type: ignore[arg-type]


def test_a_function_that_returns_another_shape_is_refused_in_the_product() -> None:
    result, given, _ = modules(right=1)
    operator = chainplan.operator(result, {**given, "flow": (lambda block: block[:3], None)})
    with pytest.raises(ExecutionError, match=r"the tangent of 'flow' returned shape \(3, 1\); expected \(40, 1\)"):
        operator @ np.ones(40)


def test_a_pair_that_does_not_exist_is_refused() -> None:
    operator = chainplan.operator(planned({"chain": [2, 1]}), {"F1": np.ones((1, 2))})
    with pytest.raises(ExecutionError, match=r"found \('x0', 'x1'\); expected a pair of an output of x1 and an input"):
        operator["x0", "x1"]


class Asking(Mapping[str, Any]):
    """Makes elementals on demand, and notes which."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given, self.asked = given, list[str]()

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        return self.given[name]

    def __iter__(self) -> Any:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def test_a_mapping_is_asked_for_each_elemental_once() -> None:
    for products in ({"right": 1}, {"right": 60}, {"right": 10**6}):
        result, given, matrix = modules(**products)
        mapping = Asking(given)
        operator = chainplan.operator(result, mapping)
        assert np.allclose(operator @ np.eye(40), matrix)
        assert sorted(mapping.asked) == sorted(given)


def test_threads_share_an_operator() -> None:
    result, given, matrix = modules(right=60)
    operator = chainplan.operator(result, given)
    columns = np.random.default_rng(0).random((64, 40))
    with ThreadPoolExecutor(4) as pool:
        products = list(pool.map(operator.matvec, columns))
    assert np.allclose(products, columns @ matrix.T)


def test_the_code_of_a_plan_goes_with_it() -> None:
    result, given, _ = modules(right=60)
    operator: JacobianOperator | None = chainplan.operator(result, given)
    assert operator is not None
    operator @ np.ones(40)
    before = len(_VECTOR_CODES)
    del operator, result
    gc.collect()
    assert len(_VECTOR_CODES) < before


def test_a_plan_that_evaluates_states_forms_the_jacobian() -> None:
    rng = np.random.default_rng(0)
    spec = {
        "chain": [
            {"name": f"F{i}", "shape": [4, 4], "tangent": 16, "adjoint": 16, "tape": 4, "advance": 16} for i in range(3)
        ],
        "limits": {"recompute": True},
    }
    given = {f"F{i}": rng.random((4, 4)) for i in range(3)}
    operator = chainplan.operator(planned(spec), given)
    assert np.allclose(operator @ np.eye(4), given["F2"] @ given["F1"] @ given["F0"])
