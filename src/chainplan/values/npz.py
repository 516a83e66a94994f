"""Reads the Jacobians of a graph from a .npz file, and reports everything that does not fit the graph at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from chainplan._util.archives import BROKEN_ARCHIVE_ERRORS, fault, read
from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.errors.suggest import did_you_mean
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.implicit import ResidualBlock
from chainplan.problem.problem import Problem
from chainplan.problem.second import SecondOrder
from chainplan.values.equal import with_equal
from chainplan.values.jacobians import common_dtype, matrix_free, stored
from chainplan.values.second import stored_second
from chainplan.values.solves import system_matrix


def read_npz(path: str) -> dict[str, Array]:
    """Read the arrays of a .npz file; nothing in it is unpickled.

    Raises
    ------
    ExecutionError
        Where the file cannot be read.
    """
    try:
        return read(path)
    except BROKEN_ARCHIVE_ERRORS as error:
        expected = "an archive of arrays of numbers. Write it by numpy.savez('values.npz', NAME=array)"
        raise ExecutionError(f"{path}: not a .npz file of plain arrays: {fault(error, expected)}.") from None


def load_npz(path: str, problem: Problem) -> dict[str, Array]:
    """Read the Jacobians of a problem from a .npz file, one array per elemental name; nothing in it is unpickled.

    Second derivatives stand beside them where the problem asks for these, that of F1 under the name F1''.

    Elementals on no path from an input to an output are left out. All arrays are returned in one dtype, to which they
    all promote and which is at least int64: otherwise the rounding or wrapping of a product would depend on the order.

    Raises
    ------
    ExecutionError
        Where the file cannot be read or does not fit the graph; the message lists every fault.
    """
    graph, given = problem.graph, read_npz(path)
    seconds = {} if problem.second is None else _seconds(given, problem)
    arrays = dict(with_equal(graph, {name: array for name, array in given.items() if name not in seconds}))
    faults = [f"{path}: {text}" for text in (*_faults(arrays, graph), *_second_faults(seconds, graph, problem.second))]
    if faults:
        raise ExecutionError("\n".join(faults))
    names = (*(e.name for e in graph.useful), *(block.name for block in _blocks(graph.solves)))
    used = {name: arrays[name] for name in names if name in arrays} | seconds
    common = common_dtype(used.values())
    if common.kind in "iu" and common.itemsize < 8:
        common = np.dtype(np.int64)
    return {name: array.astype(common, copy=False) for name, array in used.items()}


def _seconds(given: Mapping[str, Array], problem: Problem) -> dict[str, Array]:
    """Take the second derivatives of useful elementals, weights and directions out of what a file has."""
    names = (*(own.given for own in problem.graph.useful_seconds.values()), *problem.second_sides)
    return {name: given[name] for name in names if name in given}


def _second_faults(seconds: Mapping[str, Array], graph: Graph, asked: SecondOrder | None) -> Iterator[str]:
    """Yield everything that keeps arrays from being the second derivatives of a graph."""
    for own in () if asked is None else graph.useful_seconds.values():
        name = own.given
        try:
            if own.block.nnz:
                stored_second(own, seconds.get(name))
            if name in seconds and not np.isfinite(seconds[name]).all():
                yield f"the array for '{name}' has infinite or undefined entries; expected finite numbers."
        except ExecutionError as error:
            yield str(error)


def _faults(arrays: Mapping[str, Array], graph: Graph) -> Iterator[str]:
    """Yield everything that keeps arrays from being the Jacobians of a graph."""
    known = {*(e.name for e in graph.elementals), *(block.name for block in _blocks(graph.elementals))}
    for name in arrays.keys() - known:
        hint = did_you_mean(name, known)
        yield f"'{name}' is no elemental of the problem. {hint}".rstrip()
    for e in graph.useful:
        try:
            if e.explicit:
                stored(graph.declared[e.name], arrays.get(e.name))
            elif e.implicit is not None and e.name not in arrays:
                system_matrix(e.implicit, arrays)
            elif e.name in arrays:
                matrix_free(e, arrays[e.name])
            else:
                yield f"no array for '{e.name}'; expected one of {e.block.rows} x {e.block.cols}."
            inner = () if e.implicit is None else (block.name for block in e.implicit.blocks)
            for name in (e.name, *inner):
                if name in arrays and not np.isfinite(arrays[name]).all():
                    yield f"the array for '{name}' has infinite or undefined entries; expected finite numbers."
        except ExecutionError as error:
            yield str(error)


def _blocks(elementals: Iterable[Elemental]) -> tuple[ResidualBlock, ...]:
    """Return the blocks of all systems among some elementals."""
    return tuple(block for e in elementals if e.implicit is not None for block in e.implicit.blocks)
