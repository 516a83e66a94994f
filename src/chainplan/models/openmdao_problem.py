"""`chainplan.from_openmdao`: the partial derivatives of an OpenMDAO problem as a model of blocks.

A component's partials are blocks between its outputs and its inputs; each input takes entries of the output that it is
connected to, in its own units. An explicit component gives y = f(x), and its partials are blocks as they are. An
implicit one gives residuals R(y, x) = 0, which is y = y - R(y, x) and so has the blocks I - R_y and -R_x. What is
coupled by connections is a cycle of the model, and `accumulate` solves it.

References
----------
Gray, Hwang, Martins, Moore & Naylor, OpenMDAO, Structural and Multidisciplinary Optimization 59 (2019), section 4.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array, eye_array

from chainplan.errors import ArgumentError
from chainplan.kernels.storage import HeldValues
from chainplan.models.block_values import BlockPlace, ModelBlock

if TYPE_CHECKING:
    from openmdao.api import Problem as OpenMDAOProblem


def from_openmdao(problem: OpenMDAOProblem) -> dict[BlockPlace, ModelBlock]:
    """Read the partial derivatives of an OpenMDAO problem at its present point, as `accumulate` takes them.

    Parameters
    ----------
    problem : OpenMDAOProblem
        A problem of OpenMDAO that was run, on one process. It is linearised by this call.

    Returns
    -------
    dict
        (output, input) -> block, in the promoted names of OpenMDAO. Inputs that nothing is connected to are vertices by
        themselves, and so are the outputs of independent variables.

    Raises
    ------
    ArgumentError
        If it is no such problem, was not run, or has a component that computes only products with its partials.

    Examples
    --------
    >>> from_openmdao("sellar")
    Traceback (most recent call last):
        ...
    chainplan.errors.ArgumentError: problem: found an object of type str; expected a problem of OpenMDAO. Pass one.
    """
    model = getattr(problem, "model", None)
    if model is None or not hasattr(model, "run_linearize"):
        expected = "expected a problem of OpenMDAO. Pass one."
        raise ArgumentError(f"problem: found an object of type {type(problem).__name__}; {expected}")
    try:
        model.run_linearize()
    except (RuntimeError, TypeError):
        expected = "expected one at a point. Call setup and run_model first."
        raise ArgumentError(f"problem: found one that was not run; {expected}") from None
    names = _promoted(model)
    return {
        (names[output], names[source]): block for output, source, block in (*_partials(model), *_connections(model))
    }


def _promoted(model: HeldValues) -> dict[str, Hashable]:
    """Return the vertex of each variable: its promoted name, or ('input', absolute name) for an input of a component.

    A variable that OpenMDAO makes for inputs without a connection has the promoted name of these inputs.
    """
    listed = model.list_vars(prom_name=True, val=False, out_stream=None, return_format="dict")
    names: dict[str, Hashable] = {}
    for name, described in listed.items():
        names[name] = described["prom_name"] if described["io"] == "output" else ("input", name)
    for name, source in model._conn_global_abs_in2out.items():
        if source not in names or source.startswith("_auto_ivc."):
            names[source] = listed[name]["prom_name"]
    return names


def _partials(model: HeldValues) -> Iterator[tuple[str, str, ModelBlock]]:
    """Yield the blocks of all components."""
    from openmdao.core.component import Component
    from openmdao.core.implicitcomponent import ImplicitComponent

    for component in model.system_iter(recurse=True, typ=Component):
        if component.matrix_free:
            expected = "expected one whose partial derivatives are declared. Declare and compute them."
            raise ArgumentError(f"problem: found the matrix-free component '{component.pathname}'; {expected}")
        component._get_jacobian()  # one whose partials are all constant has made none
        own = component._jacobian
        implicit = isinstance(component, ImplicitComponent)
        outputs = set(component._var_abs2meta["output"])
        seen = set()
        for (output, source), described in ({} if own is None else own._subjacs_info).items():
            if described["dependent"] and (implicit or source not in outputs):
                block = _block(described)
                seen.add((output, source))
                yield output, source, _unknown(block, output == source) if implicit else block
        for output in outputs if implicit else ():
            if (output, output) not in seen:
                yield output, output, eye_array(component._var_abs2meta["output"][output]["size"], format="csr")


def _unknown(block: csr_array, own: bool) -> csr_array:
    """Return the block of y - R(y, x) for one of the residuals R."""
    return csr_array(eye_array(block.shape[0]) - block) if own else csr_array(-block)


def _block(described: Mapping[str, HeldValues]) -> csr_array:
    """Return a partial derivative as a sparse array, which is held as a matrix, by its entries or as a diagonal."""
    value, shape = described["val"], described["shape"]
    if described["rows"] is not None:
        entries = np.broadcast_to(value, np.shape(described["rows"]))
        return csr_array((entries, (described["rows"], described["cols"])), shape=shape)
    if described.get("diagonal"):
        places = np.arange(shape[0])
        return csr_array((np.broadcast_to(value, shape[:1]), (places, places)), shape=shape)
    return csr_array(value if hasattr(value, "tocsr") else np.broadcast_to(value, shape))


def _connections(model: HeldValues) -> Iterator[tuple[str, str, ModelBlock]]:
    """Yield a block for each connected input: the entries that it takes, times the factor between the units."""
    from openmdao.utils.indexer import idx_list_to_index_array
    from openmdao.utils.units import unit_conversion

    sizes = model._var_allprocs_abs2meta["output"]
    for name, source in model._conn_global_abs_in2out.items():
        described, given = model._var_abs2meta["input"][name], sizes[source]
        factor = 1.0
        if described["units"] and given["units"] and described["units"] != given["units"]:
            factor, _ = unit_conversion(given["units"], described["units"])
        taken = described["src_inds_list"]
        places = idx_list_to_index_array(taken).ravel() if taken else np.arange(given["size"])
        entries = np.full(len(places), factor), places, np.arange(len(places) + 1)
        yield name, source, csr_array(entries, shape=(len(places), given["size"]))
