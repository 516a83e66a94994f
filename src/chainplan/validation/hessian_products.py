"""Products of a Hessian with a few vectors without a plan, by one sweep forward and one backward over all vertices.

From the inputs on, v̇ = Σ F'·u̇ over the elementals F from u to v; then from the outputs back, with the weights ȳ,

    ū = Σ v̄·F',    w(u) = Σ w(v)·F' + v̄·F''[·, u̇],    and for pairs w(a) += v̄·M[·, ḃ], w(b) += v̄·M[ȧ, ·].

It knows neither plans nor patterns nor symmetry, forms no Hessian, and makes no attempt to be fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainplan._util.arrays import Array
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.problem.second import side_name
from chainplan.structures import Block
from chainplan.structures.second import Side
from chainplan.values.equal import with_equal
from chainplan.values.jacobians import GivenJacobian, as_matrices, is_sparse
from chainplan.values.second import stored_side
from chainplan.values.second_functions import as_array


def hessian_times(
    problem: Problem, jacobians: Mapping[str, GivenJacobian], vectors: Mapping[str, Array], absolute: bool = False
) -> dict[str, Array]:
    """Multiply the Hessian of the weighted outputs, or of a single number, by a few vectors.

    Parameters
    ----------
    problem : Problem
        The problem.
    jacobians : Mapping[str, GivenJacobian]
        The Jacobians, second derivatives and weights, as `chainplan.operator` takes them.
    vectors : Mapping[str, Array]
        A block of size(input) x c for each input.
    absolute : bool
        Whether all arrays are replaced by their absolute values.

    Returns
    -------
    dict
        input -> block of size(input) x c.

    Examples
    --------
    >>> import chainplan, numpy
    >>> problem = chainplan.from_spec({"chain": [1, 1], "derivative": 2, "products": {"right": 1}})
    >>> given = {"F1": numpy.array([[3]]), "F1''": numpy.array([[[5]]])}
    >>> hessian_times(problem, given, {"x0": numpy.array([[2]])})["x0"].tolist()
    [[10]]
    """
    graph, given = problem.graph, with_equal(problem.graph, jacobians)

    def change(value: Any) -> Array:
        array = value.toarray() if is_sparse(value) else np.asarray(value)
        return np.abs(array) if absolute else array

    matrices = {
        name: change(value)
        for name, value in as_matrices((graph.declared[e.name] for e in graph.useful), given).items()
    }
    weights = {v: change(_weights(problem, v, given)) for v in graph.outputs}
    return _backward(graph, matrices, lambda name: change(_own(graph, name, given)), weights, vectors)


def _backward(
    graph: Graph,
    matrices: Mapping[str, Array],
    bends: Callable[[str], Array],
    weights: Mapping[str, Array],
    vectors: Mapping[str, Array],
) -> dict[str, Array]:
    """Sweep forward and backward."""
    ahead: dict[str, Any] = dict(vectors)
    for v in graph.order:
        for e in graph.into.get(v, ()):
            ahead[v] = ahead.get(v, 0) + matrices[e.name] @ ahead[e.source]
    row: dict[str, Any] = dict(weights)
    made: dict[str, Any] = {v: np.zeros_like(block) for v, block in vectors.items()}
    for v in reversed(graph.order):
        for e in graph.out_of.get(v, ()):
            row[v] = row.get(v, 0) + row[e.target] @ matrices[e.name]
            bent = np.tensordot(row[e.target][0], bends(e.name), 1) @ ahead[v]
            made[v] = (
                made.get(v, 0) + bent + matrices[e.name].T @ made.get(e.target, np.zeros(ahead[e.target].shape, int))
            )
        for one in (one for one in graph.useful_mixed if one.target == v):
            matrix = np.tensordot(row[v][0], bends(one.name), 1)
            made[one.left] = made.get(one.left, 0) + matrix @ ahead[one.right]
            made[one.right] = made.get(one.right, 0) + matrix.T @ ahead[one.left]
    return {v: made[v] for v in graph.inputs}


def _weights(problem: Problem, output: str, given: Mapping[str, GivenJacobian]) -> Array:
    """Return the weights of an output, as a row."""
    if problem.second is None or not problem.second.weights:
        return np.ones((1, 1), np.int8)
    return stored_side(output, Side.ROWS, Block(*problem.second_sides[side_name(output, Side.ROWS)]), given)


def _own(graph: Graph, name: str, given: Mapping[str, GivenJacobian]) -> Array:
    own = graph.own_second(name)
    assert own is not None, "it is one of the graph"
    return as_array(own, given)
