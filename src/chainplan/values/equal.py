"""One array for elementals of equal values: a caller gives it under any of their names, once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.problem.graph import Graph
from chainplan.values.jacobians import GivenJacobian, is_sparse
from chainplan.values.on_demand import JacobiansOnDemand
from chainplan.values.shifts_block import ShiftsBlock


def with_equal(graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> Mapping[str, GivenJacobian]:
    """Return Jacobians under the names of all elementals that share their values.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    jacobians : Mapping[str, GivenJacobian]
        The Jacobians as the caller gives them; where several elementals are equal, the name of one of them is enough.

    Returns
    -------
    Mapping[str, GivenJacobian]
        The same mapping where no elementals are equal. A dict stays one; any other mapping is still asked on demand.

    Raises
    ------
    ExecutionError
        Where equal elementals are given different values.
    """
    if not graph.shares:
        return jacobians
    firsts = {e.name: e.first for e in graph.elementals}
    names = dict.fromkeys(jacobians)
    given = {firsts[name]: name for name in reversed(names) if name in firsts}
    given |= {first: first for first in given if first in names}
    if type(jacobians) is not dict:
        named = {name: given[first] for name, first in firsts.items() if first in given}
        return JacobiansOnDemand((*named, *jacobians), lambda name: jacobians[named.get(name, name)])
    filled = dict(jacobians)
    for name, first in firsts.items():
        if first in given:
            value = jacobians[given[first]]
            if name in jacobians and not _alike(jacobians[name], value):
                raise ExecutionError(
                    f"'{name}' has the values of '{first}', but the Jacobian for '{name}' is another one than that for "
                    f"'{given[first]}'; expected the same. Pass it under one name alone."
                )
            filled[name] = value
    return filled


def _alike(one: GivenJacobian, other: GivenJacobian) -> bool:
    """Say whether two Jacobians are the same: one object, the same functions, or arrays with the same entries."""
    if one is other:
        return True
    if isinstance(one, tuple) or isinstance(other, tuple):
        return type(one) is type(other) and bool(one == other)
    if isinstance(one, ShiftsBlock) or isinstance(other, ShiftsBlock):
        return type(one) is type(other) and bool(one.coefficients == other.coefficients)
    if is_sparse(one) or is_sparse(other):
        return is_sparse(one) and is_sparse(other) and one.shape == other.shape and (one != other).nnz == 0
    return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=np.asarray(one).dtype.kind in "fc")
