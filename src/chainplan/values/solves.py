"""The values of systems: R_y is put together from its blocks and factored, and solved with from then on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import coo_array, csr_array

from chainplan.errors import ExecutionError
from chainplan.kernels.convert import as_sparse
from chainplan.kernels.factors import LuFactors, SingularError
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.implicit import ImplicitSystem
from chainplan.values.jacobians import GivenJacobian, MatrixFree, require_listable, stored
from chainplan.values.on_demand import JacobiansOnDemand


def with_solves(graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> Mapping[str, GivenJacobian]:
    """Return Jacobians in which each system has a pair of functions for its elemental instead of its blocks.

    A mapping that is no dict is still asked for the other Jacobians on demand.
    A pair that is given under the name of the elemental itself is taken as it is: it solves without a factorisation.

    Raises
    ------
    ExecutionError
        Where a block is missing or has another shape or structure, or a system is singular to rounding.
    """
    if not any(e.implicit for e in graph.elementals):
        return jacobians
    inner = {block.name for e in graph.elementals if e.implicit is not None for block in e.implicit.blocks}
    names = dict.fromkeys(name for name in jacobians if name not in inner)
    solves = {e.name: factored(e, jacobians) for e in graph.solves if e.name not in names}
    if type(jacobians) is not dict:
        return JacobiansOnDemand((*names, *solves), lambda name: solves[name] if name in solves else jacobians[name])
    return {name: jacobians[name] for name in names} | solves


def factored(e: Elemental, jacobians: Mapping[str, GivenJacobian]) -> MatrixFree:
    """Factor the system of an elemental, and return its tangent and its adjoint, which solve."""
    assert e.implicit is not None, "the caller has looked"
    try:
        factors = LuFactors(system_matrix(e.implicit, jacobians))
    except SingularError as error:
        raise singular(e, str(error)) from None
    return SystemFunction(factors, False), SystemFunction(factors, True)


def singular(e: Elemental, why: str) -> ExecutionError:
    """Return the error for an elemental whose system has no solution."""
    assert e.implicit is not None, "the caller has looked"
    names = ", ".join(f"'{vertex.name}'" for vertex in e.implicit.unknowns)
    return ExecutionError(
        f"'{e.name}': found a singular system for {names} ({why}); expected one that has a solution. Correct its "
        "Jacobians."
    )


class SystemFunction:
    """The tangent -R_y⁻¹·block, or the adjoint -block·R_y⁻¹, of a system that has been factored."""

    def __init__(self, factors: LuFactors, adjoint: bool) -> None:
        self._factors, self._adjoint = factors, adjoint

    def __call__(self, block: GivenJacobian) -> GivenJacobian:
        return -(self._factors.solve_left(block) if self._adjoint else self._factors.solve(block))


def system_matrix(system: ImplicitSystem, jacobians: Mapping[str, GivenJacobian]) -> csr_array:
    """Put R_y together from the values of its blocks.

    Raises
    ------
    ExecutionError
        Where a block is missing, or has another shape or structure.
    """
    rows, cols, entries = [np.zeros(0, int)], [np.zeros(0, int)], [np.zeros(0)]
    for part, row, col in system.placed():
        e = Elemental(part.name, part.unknown, part.residual, part.block)
        value = stored(e, jacobians.get(part.name))
        if value is not None:
            require_listable(part.name, value)
        held = coo_array(as_sparse(value, part.block, np.float64))
        rows.append(held.row + row)
        cols.append(held.col + col)
        entries.append(held.data)
    places = np.concatenate(rows), np.concatenate(cols)
    return csr_array((np.concatenate(entries), places), shape=(system.size, system.size))


def worst_condition(graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> float:
    """Return the largest condition of the systems of a graph whose blocks are given, 1 where there are none."""
    given = [e.implicit for e in graph.solves if e.implicit is not None and e.name not in jacobians]
    return max((1 / LuFactors(system_matrix(system, jacobians)).rcond for system in given if system.size), default=1.0)
