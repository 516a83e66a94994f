"""The Jacobian without a plan, by naive forward or naive reverse accumulation.

It is one recurrence on dense matrices, straight from the chain rule, and judges the numbers of every plan. It knows
neither plans nor structures nor costs, and makes no attempt to be fast; only elementals too large to be written out are
sparse arrays. Where the Jacobian is too large to be written
out, the same recurrence on a few directions (`times`) judges instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors.arguments import expect, mapping
from chainplan.kernels.storage import HeldValues
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem, problem_of
from chainplan.values.equal import with_equal
from chainplan.values.jacobians import GivenJacobian, as_matrices, called, common_dtype, sparse_or_functions
from chainplan.values.solves import singular, system_matrix, with_solves

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


MAX_DENSE_CELLS = 4_000_000
"""Rows x columns of the largest elemental that is written out as a matrix."""


def reference_jacobian(
    problem: Problem | Graph,
    jacobians: Mapping[str, GivenJacobian],
    mode: Mode = Mode.TANGENT,
    dtype: DTypeLike | None = None,
) -> dict[tuple[str, str], Array]:
    """Accumulate the Jacobian by tangents of all inputs at once, or by adjoints of all outputs at once.

    Parameters
    ----------
    problem : Problem | Graph
        The linearised DAG.
    jacobians : Mapping[str, GivenJacobian]
        The elemental Jacobians by name, as `chainplan.execute` takes them.
    mode : Mode
        Whether to use tangents of the inputs or adjoints of the outputs.
    dtype : DTypeLike | None
        The dtype of the seeds; by default the common one of the arrays.

    Returns
    -------
    dict
        (output, input) -> matrix of size(output) x size(input), zero where no path connects them.

    Raises
    ------
    ArgumentError
        If an argument is something else than what is described above.
    ExecutionError
        If a Jacobian is missing or has another shape, or a function returns another shape.

    References
    ----------
    A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd edition, SIAM 2008, sections 3.1 (tangents) and 3.2
    (adjoints).

    Examples
    --------
    >>> import chainplan
    >>> problem = chainplan.chain([2, 3, 1])
    >>> reference_jacobian(problem, {"F1": np.ones((3, 2)), "F2": np.ones((1, 3))})["x2", "x0"]
    array([[3., 3.]])
    """
    graph = problem if isinstance(problem, Graph) else problem_of(problem).graph
    mapping("jacobians", jacobians, "elementals to arrays or functions", "{'F1': array, 'F2': (tangent, adjoint)}")
    jacobians = _with_inverses(graph, with_equal(graph, jacobians))
    expect("mode", mode, Mode, "a Mode", "Pass Mode.TANGENT or Mode.ADJOINT.")
    useful = [graph.declared[e.name] for e in graph.useful]
    large = {e.name for e in useful if e.explicit and e.block.rows * e.block.cols > MAX_DENSE_CELLS}
    values = as_matrices([e for e in useful if e.name not in large], jacobians)
    values |= {name: sparse_or_functions(graph.declared[name], jacobians.get(name)) for name in large}
    kind = common_dtype(jacobians.values(), dtype)
    forward = mode is Mode.TANGENT
    starts, ends = (graph.inputs, graph.outputs) if forward else (graph.outputs, graph.inputs)
    at = np.cumsum([0] + [graph.sizes[v] for v in starts])
    held: dict[str, Array] = {}
    for vertex in graph.order if forward else reversed(graph.order):
        size = graph.sizes[vertex]
        seed = np.zeros((size, at[-1]), kind)
        if vertex in starts:
            place = starts.index(vertex)
            seed[:, at[place] : at[place + 1]] = np.eye(size, dtype=kind)
        held[vertex] = seed if forward else seed.T
        for e in (graph.into if forward else graph.out_of).get(vertex, ()):
            held[vertex] = held[vertex] + _applied(e, values[e.name], held[e.source if forward else e.target], mode)
    result = {}
    for end in ends:
        for i, start in enumerate(starts):
            part = np.s_[at[i] : at[i + 1]]
            pair = (end, start) if forward else (start, end)
            result[pair] = held[end][:, part] if forward else held[end][part, :]
    return result


def times(
    problem: Problem | Graph,
    jacobians: Mapping[str, GivenJacobian],
    directions: Mapping[str, Array],
    absolute: bool = False,
    mode: Mode = Mode.TANGENT,
) -> dict[str, Array]:
    """Multiply the Jacobian by a few columns, using tangents alone, or a few rows by the Jacobian, using adjoints.

    Parameters
    ----------
    problem : Problem | Graph
        The linearised DAG.
    jacobians : Mapping[str, GivenJacobian]
        The elemental Jacobians by name, as `chainplan.execute` takes them.
    directions : Mapping[str, Array]
        A block of size(input) x c for each input, or of c x size(output) for each output.
    absolute : bool
        Whether every elemental is replaced by its absolute values, for which a matrix-free one is written out.
    mode : Mode
        Tangent for columns, adjoint for rows.

    Returns
    -------
    dict
        output -> block of size(output) x c, or input -> block of c x size(input).
    """
    graph = problem.graph if isinstance(problem, Problem) else problem
    jacobians = _with_inverses(graph, with_equal(graph, jacobians))
    forward = mode is Mode.TANGENT
    example = next(iter(directions.values()))
    held: dict[str, Array] = {}
    for vertex in graph.order if forward else reversed(graph.order):
        size, width = graph.sizes[vertex], example.shape[1 if forward else 0]
        nothing: Array = np.zeros((size, width) if forward else (width, size), example.dtype)
        held[vertex] = directions.get(vertex, nothing)
        for e in (graph.into if forward else graph.out_of).get(vertex, ()):
            value = sparse_or_functions(graph.declared[e.name], jacobians.get(e.name))
            if absolute:
                value = abs(
                    _applied(e, value, np.eye(e.block.cols), Mode.TANGENT) if isinstance(value, tuple) else value
                )
            held[vertex] = held[vertex] + _applied(e, value, held[e.source if forward else e.target], mode)
    return {end: held[end] for end in (graph.outputs if forward else graph.inputs)}


def _with_inverses(graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> Mapping[str, GivenJacobian]:
    """Return Jacobians with -R_y⁻¹ written out for each implicit system."""
    inverses = {
        e.name: _inverse(e, system_matrix(e.implicit, jacobians).toarray())
        for e in graph.solves
        if e.implicit is not None and e.name not in jacobians and e.implicit.size**2 <= MAX_DENSE_CELLS
    }
    return with_solves(graph, {**jacobians, **inverses}) if graph.solves else jacobians


def _inverse(e: Elemental, matrix: Array) -> Array:
    """Return -R_y⁻¹."""
    try:
        return -np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        raise singular(e, "a pivot is zero") from None


def _applied(e: Elemental, value: GivenJacobian, arg: Array, mode: Mode) -> HeldValues:
    """Return F'·arg (tangent) or arg·F' (adjoint)."""
    if not isinstance(value, tuple):
        return value @ arg if mode is Mode.TANGENT else arg @ value
    tangent, adjoint = value
    if mode is Mode.TANGENT:
        if tangent:
            return called(e, Mode.TANGENT, tangent, arg)
        return called(e, Mode.ADJOINT, adjoint, np.eye(e.block.rows, dtype=arg.dtype)) @ arg
    if adjoint:
        return called(e, Mode.ADJOINT, adjoint, arg)
    return arg @ called(e, Mode.TANGENT, tangent, np.eye(e.block.cols, dtype=arg.dtype))
