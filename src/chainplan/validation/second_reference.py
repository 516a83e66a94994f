"""The second derivative without a plan, by the chain rule at each vertex, and the judge of what plans compute.

One recurrence on arrays of three dimensions, from the inputs on: at the target v of an elemental F with source u, and
at a vertex v with a second derivative M by its arguments u and w,

    J(v) += F' · J(u),    H(v)[a, b] += F' · H(u)[a, b] + F''[J(u) a, J(u) b],
    H(v)[a, b] += M[J(u) a, J(w) b] + M[J(u) b, J(w) a].

It knows neither plans nor patterns nor symmetry, and makes no attempt to be fast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from chainplan._util.arrays import Array
from chainplan.execution.executor import second_derivatives
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.problem.second import side_name
from chainplan.structures import Block
from chainplan.structures.second import Side
from chainplan.validation.tolerance import largest
from chainplan.values.equal import with_equal
from chainplan.values.jacobians import GivenJacobian, as_matrices, common_dtype, is_sparse
from chainplan.values.second import stored_side
from chainplan.values.second_functions import as_array

MAX_REFERENCE_ENTRIES = 50_000_000
"""Entries that the reference may hold at once."""


def reference_second_derivatives(
    problem: Problem, jacobians: Mapping[str, GivenJacobian]
) -> dict[tuple[str, str, str], Array]:
    """Compute all second derivatives of outputs by inputs.

    Parameters
    ----------
    problem : Problem
        The problem, whose elementals are given as arrays.
    jacobians : Mapping[str, GivenJacobian]
        The Jacobians and second derivatives, as `chainplan.second_derivatives` takes them.

    Returns
    -------
    dict
        (output, input, input) -> second derivative of size(output) x size(input) x size(input).

    Examples
    --------
    >>> import chainplan, numpy
    >>> problem = chainplan.from_spec({"chain": [1, 1], "derivative": 2})
    >>> given = {"F1": numpy.array([[3]]), "F1''": numpy.array([[[5]]])}
    >>> reference_second_derivatives(problem, given)["x1", "x0", "x0"].tolist()
    [[[5]]]
    """
    return _on_sides(problem, _computed(problem.graph, jacobians, absolute=False), jacobians)


def _on_sides(
    problem: Problem, blocks: dict[tuple[str, str, str], Array], given: Mapping[str, GivenJacobian]
) -> dict[tuple[str, str, str], Array]:
    """Multiply the sides of all blocks by the weights and directions that are asked for."""
    result = {}
    for (output, left, right), block in blocks.items():
        made = block
        for axis, (vertex, side) in enumerate(((output, Side.ROWS), (left, Side.LEFT), (right, Side.RIGHT))):
            shape = problem.second_sides.get(side_name(vertex, side))
            if shape is not None:
                matrix = stored_side(vertex, side, Block(*shape), given)
                moved = np.tensordot(matrix if side is Side.ROWS else matrix.T, made, axes=(1, axis))
                made = np.moveaxis(moved, 0, axis)
        result[output, left, right] = made
    return result


def reference_entries(graph: Graph) -> int:
    """Count the entries that the reference holds."""
    inputs = sum(graph.sizes[v] for v in graph.inputs)
    own = sum(e.block.rows * e.block.cols**2 for e in graph.useful)
    own += sum(math.prod(graph.sizes[v] for v in (one.target, one.left, one.right)) for one in graph.useful_mixed)
    return sum(graph.sizes.values()) * inputs**2 + own


def _computed(
    graph: Graph, jacobians: Mapping[str, GivenJacobian], absolute: bool
) -> dict[tuple[str, str, str], Array]:
    given = with_equal(graph, jacobians)
    matrices = as_matrices((graph.declared[e.name] for e in graph.useful), given)
    first: dict[tuple[str, str], Array] = {(v, v): np.eye(graph.sizes[v], dtype=np.int8) for v in graph.inputs}
    second: dict[tuple[str, str, str], Array] = {}

    def change(value: Any) -> Array:
        array = value.toarray() if is_sparse(value) else np.asarray(value)
        return np.abs(array) if absolute else array

    def bends(name: str) -> Array:
        own = graph.own_second(name)
        assert own is not None, "it is one of the graph"
        return change(as_array(own, given))

    def leading_to(vertex: str) -> dict[str, Array]:
        return {a: first[vertex, a] for a in graph.inputs if (vertex, a) in first}

    for vertex in graph.order:
        for one in (one for one in graph.useful_mixed if one.target == vertex):
            bend, left, right = bends(one.name), leading_to(one.left), leading_to(one.right)
            for a, b in product(left, right):
                fresh = np.einsum("ijk,ja,kb->iab", bend, left[a], right[b], optimize=True)
                second[vertex, a, b] = second.get((vertex, a, b), 0) + fresh
                second[vertex, b, a] = second.get((vertex, b, a), 0) + fresh.transpose(0, 2, 1)
        near = leading_to(vertex)
        for e in graph.out_of.get(vertex, ()):
            slope, bend = change(matrices[e.name]), bends(e.name)
            for a, b in product(near, near):
                fresh = np.einsum("ijk,ja,kb->iab", bend, near[a], near[b], optimize=True)
                if (vertex, a, b) in second:
                    fresh = fresh + np.tensordot(slope, second[vertex, a, b], 1)
                second[e.target, a, b] = second.get((e.target, a, b), 0) + fresh
            for a, block in near.items():
                first[e.target, a] = first.get((e.target, a), 0) + slope @ block
    outputs = set(graph.outputs)
    return {key: block for key, block in second.items() if key[0] in outputs}


class SecondJudge:
    """Compares every entry of second derivatives with the reference."""

    measure = "max|H|"
    note = ""

    def __init__(self, problem: Problem, jacobians: Mapping[str, GivenJacobian]) -> None:
        self._problem, self._jacobians = problem, jacobians
        self._expected = reference_second_derivatives(problem, jacobians)
        self.dtype = common_dtype([*jacobians.values()])
        self.scale = max((largest(block) for block in self._expected.values()), default=0.0)

    def run(self, plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> dict[tuple[str, str, str], Array]:
        return second_derivatives(plan, jacobians, dense=True, wrap=True)

    def difference(self, result: Mapping[tuple[str, str, str], Array]) -> float:
        """Return the largest difference over the scale."""
        worst = 0.0
        for key, block in self._expected.items():
            other = result.get(key)
            worst = max(worst, largest(block if other is None else block - other))
        return worst / self.scale if self.scale else worst

    def terms(self) -> float:
        """Return the largest entry of the sum of the absolute values of all terms."""
        given = {name: abs(self._jacobians[name]) for name in self._problem.second_sides}
        blocks = _on_sides(self._problem, _computed(self._problem.graph, self._jacobians, True), given).values()
        return max((largest(block) for block in blocks), default=0.0)
