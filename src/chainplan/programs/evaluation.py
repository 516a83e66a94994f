"""Evaluates a program at a point, and linearises it there: values of layers, elemental Jacobians of the linearised DAG.

Evaluation keeps what linearisation uses again (factors of a matrix, the entries that won a maximum), so that the primal
is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import PointError
from chainplan.errors.arguments import expect
from chainplan.programs.ops.base import KeptValues
from chainplan.programs.point import point_of
from chainplan.programs.program import Layer, Program, program_of
from chainplan.values.jacobians import GivenJacobian


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The values of a program by name, and what each layer kept for its linearisation."""

    program: Program
    values: Mapping[str, Array]
    kept: Mapping[str, KeptValues]


def evaluate(program: Program, point: Mapping[str, Array]) -> Evaluation:
    """Compute all layers at a point.

    Parameters
    ----------
    program : Program
        The layers, as `chainplan.program` makes them.
    point : Mapping[str, Array]
        An array for each input and parameter, in its own shape.

    Returns
    -------
    Evaluation
        The values of all layers by name, and what each layer keeps for its linearisation.

    Raises
    ------
    PointError
        If a layer has no finite value; the message names the layer.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> net = chainplan.program({"input": {"x": 2}, "layers": [{"op": "scale", "by": 3.0}]})
    >>> evaluate(net, {"x": np.array([1.0, 2.0])}).values["scale1"]
    array([3., 6.])
    """
    values, kept = point_of(program_of(program), point), {}
    for layer in program.layers:
        values[layer.name], kept[layer.name] = evaluated(layer, [values[source] for source in layer.sources])
    return Evaluation(program, values, kept)


def evaluated(layer: Layer, arguments: list[Array]) -> tuple[Array, KeptValues]:
    """Return the value of one layer and what it keeps for its linearisation; raise as `evaluate` does."""
    with np.errstate(all="ignore"):
        try:
            value, kept = layer.op.evaluate(*arguments)
        except PointError as error:
            raise PointError(f"{_called(layer)}: {error}") from None
        _require_finite(value, f"{_called(layer)}: the value", layer.op.positive)
    return value, kept


def linearise(evaluation: Evaluation) -> dict[str, GivenJacobian]:
    """Compute the elemental Jacobians of all layers, as `chainplan.execute` takes them.

    Parameters
    ----------
    evaluation : Evaluation
        The layers at a point, as `chainplan.evaluate` computes them.

    Returns
    -------
    dict
        The elemental Jacobians by name. Those whose structure determines all values are left out.

    Raises
    ------
    PointError
        If a layer has a value but no finite derivative.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> net = chainplan.program({"input": {"x": 2}, "layers": [{"op": "exp"}]})
    >>> linearise(evaluate(net, {"x": np.array([0.0, 0.0])}))
    {'exp1/x': array([1., 1.])}
    """
    expect("evaluation", evaluation, Evaluation, "an Evaluation", "Make one by evaluate(program, point).")
    program, partials = evaluation.program, dict[str, dict[int, GivenJacobian]]()
    result = {}
    for name, layer, position, _ in program.placed:
        if layer.name not in partials:
            arguments = [evaluation.values[source] for source in layer.sources]
            value, kept = evaluation.values[layer.name], evaluation.kept[layer.name]
            partials[layer.name] = linearised(layer, arguments, value, kept)
        given = partials[layer.name][position]
        if given is not None:
            result[name] = given
    return result


def linearised(layer: Layer, arguments: list[Array], value: Array, kept: KeptValues) -> dict[int, GivenJacobian]:
    """Return the elemental Jacobians of one layer by the positions of its varying edges; raise as `linearise` does."""
    with np.errstate(all="ignore"):
        partials = layer.op.linearise(arguments, value, kept)
    jacobians = {position: partials[position] for position, _ in layer.varying}
    for jacobian in jacobians.values():
        if jacobian is not None and not isinstance(jacobian, tuple):
            entries = jacobian if isinstance(jacobian, np.ndarray) else jacobian.data
            _require_finite(entries, f"{_called(layer)}: the derivative", layer.op.positive)
    return jacobians


def _called(layer: Layer) -> str:
    """Name a layer as messages do."""
    return f"layer '{layer.name}' ({layer.op.name})"


def _require_finite(array: Array, what: str, positive: bool) -> None:
    """Refuse infinite and undefined numbers."""
    finite = np.isfinite(array)
    if finite.all():
        return
    first = [int(i) for i in np.argwhere(~finite)[0]]
    count = int(array.size - np.count_nonzero(finite))
    wanted = "finite numbers; this op takes positive arguments" if positive else "finite numbers"
    raise PointError(
        f"{what} is {array[tuple(first)]} at {first} ({count:,} of {array.size:,} entries are not finite); expected "
        f"{wanted}. Choose another point."
    )
