"""A point is an array for every input and parameter of a program; this module reads points from files and draws them.

Inputs are drawn between 0.5 and 1.5, where every op is defined. Each op decides how its parameters are drawn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import prod
from typing import cast

import numpy as np

from chainplan._util.arrays import Array
from chainplan._util.bytesize import BYTES_PER_ELEMENT
from chainplan.errors import ExecutionError, PointError
from chainplan.errors.arguments import mapping, whole
from chainplan.errors.suggest import did_you_mean
from chainplan.programs.program import Program, program_of
from chainplan.values.jacobians import NUMBER_KINDS
from chainplan.values.npz import read_npz


def draw_point(program: Program, seed: int = 0, given: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """Draw a random point: an array for each input and parameter of a program.

    Parameters
    ----------
    program : Program
        The layers, as `chainplan.program` makes them.
    seed : int
        The seed of the random numbers.
    given : Mapping[str, Array] | None
        Arrays that stay as they are. They do not change how the others are drawn.

    Returns
    -------
    dict
        The arrays by name.

    Raises
    ------
    ExecutionError
        If the values of the program would not fit into the memory of this machine.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> net = chainplan.program({"input": {"x": 4}, "layers": [{"op": "linear", "out": 3}]})
    >>> {name: array.shape for name, array in draw_point(net).items()}
    {'x': (4,), 'linear1.weight': (3, 4), 'linear1.bias': (3,)}
    """
    _require_memory(program_of(program))
    given = {} if given is None else arrays_of(program, given)
    rng = np.random.default_rng(whole("seed", seed, most=None))
    result = {}
    for name in (*program.inputs, *program.parameters):
        shape = program.shapes[name]
        if name in program.parameters:
            op, parameter = program.parameters[name]
            drawn = op.drawn(parameter, shape, rng)
        else:
            drawn = np.asarray(0.5 + rng.random(shape))
        result[name] = given.get(name, drawn)
    return result


def _require_memory(program: Program) -> None:
    needed = BYTES_PER_ELEMENT * sum(map(prod, program.shapes.values()))
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 36
    if needed > here:
        raise ExecutionError(
            f"the values of the layers take {needed:,} bytes; this machine has {here:,}. Evaluate smaller layers; "
            "planning has no such limit."
        )


def load_point(path: str, program: Program) -> dict[str, Array]:
    """Read values of inputs and parameters from a .npz file; nothing in it is unpickled.

    Raises
    ------
    ExecutionError
        Where the file cannot be read or does not fit the program; the message lists every fault.
    PointError
        Where an array is not finite.
    """
    arrays = read_npz(path)
    _require_fitting(program, arrays, f"{path}: ")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise PointError(f"'{name}' has infinite or undefined entries; expected finite numbers. Correct the point.")
    return {name: array.astype(np.float64) for name, array in arrays.items()}


def point_of(program: Program, point: object) -> dict[str, Array]:
    """Return the arrays of a point, one for every input and parameter.

    Raises
    ------
    ArgumentError
        Where the value is no point.
    ExecutionError
        Where arrays are missing, unknown or of another shape.
    """
    arrays = arrays_of(program, point)
    if missing := [name for name in (*program.inputs, *program.parameters) if name not in arrays]:
        raise ExecutionError(
            f"the point has no '{missing[0]}'; expected an array of shape {program.shapes[missing[0]]}. "
            "Add it, or draw a point by draw_point(program, given=...)."
        )
    return arrays


def arrays_of(program: Program, given: object) -> dict[str, Array]:
    """Return the arrays of some inputs and parameters; raise as `point_of` does."""
    mapping("point", given, "inputs and parameters to arrays", "{'x': array}, or draw_point(program)")
    arrays = {name: np.asarray(value) for name, value in cast(Mapping[str, Array], given).items()}
    _require_fitting(program, arrays)
    return arrays


def _require_fitting(program: Program, arrays: Mapping[str, Array], where: str = "") -> None:
    """Refuse arrays that do not belong to a program, and list every fault."""
    faults = [where + fault for name, array in arrays.items() if (fault := _fault(name, array, program))]
    if faults:
        raise ExecutionError("\n".join(faults))


def _fault(name: str, array: Array, program: Program) -> str | None:
    """Say what is wrong with an array of a point, or return None where it is right."""
    known = (*program.inputs, *program.parameters)
    if name not in known:
        todo = did_you_mean(name, known, "Remove it.")
        return f"'{name}' is no input or parameter; expected some of {', '.join(known[:8])}. {todo}"
    if array.dtype.kind not in NUMBER_KINDS.replace("c", "b"):
        return f"the array for '{name}' has dtype {array.dtype}; expected real numbers."
    if array.shape != program.shapes[name]:
        return f"the array for '{name}' has shape {array.shape}; expected {program.shapes[name]}."
    return None
