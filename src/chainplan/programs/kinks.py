"""Finds layers that have no derivative at a point, and evaluates a program along the slopes that their ops take there.

At a kink (a relu at 0, equal entries under a maximum, a repeated singular value) central differences give the mean of
two slopes, which is no derivative either. There the layer follows the slope that its op takes, while everything else is
evaluated as ever, so that an error anywhere else still shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.evaluation import Evaluation, evaluate, evaluated
from chainplan.programs.ops.matrix_free_pair import matrix
from chainplan.programs.program import Layer, Program


class KinkProgram:
    """A program whose layers follow their own slopes wherever a kink lies between the point and another one."""

    def __init__(self, program: Program, point: Mapping[str, Array]) -> None:
        self._at: Evaluation = evaluate(program, point)
        self._met: dict[str, Array] = {}

    def values(self, point: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the values of all layers at another point."""
        values = dict(point)
        for layer in self._at.program.layers:
            arguments = [values[source] for source in layer.sources]
            value, _ = evaluated(layer, arguments)
            values[layer.name] = self._follow(layer, arguments, value)
        return values

    def _follow(self, layer: Layer, arguments: list[Array], value: Array) -> Array:
        """Replace the entries of a value that lie beyond a kink by those along the slope at the point."""
        before = [self._at.values[source] for source in layer.sources]
        reach = max((float(np.abs(a - b).max(initial=0)) for a, b in zip(arguments, before, strict=True)), default=0.0)
        kinks = layer.op.kinks(before[0], reach) if reach else None
        if kinks is None or not kinks.any():
            return value
        self._met[layer.name] = self._met.get(layer.name, np.zeros(kinks.shape, bool)) | kinks
        start = self._at.values[layer.name]
        (edge,) = layer.op.edges(*(b.shape for b in before))
        (given,) = layer.op.linearise(before, start, self._at.kept[layer.name])
        change = (arguments[0] - before[0]).reshape(-1, 1)
        slope = given[0](change) if isinstance(given, tuple) else matrix(edge, given) @ change
        return np.where(kinks, start + np.asarray(slope).reshape(value.shape), value)

    @property
    def said(self) -> tuple[str, ...]:
        """A phrase for each layer whose kinks were met."""
        return tuple(self._phrase(layer) for layer in self._at.program.layers if layer.name in self._met)

    def _phrase(self, layer: Layer) -> str:
        exact = layer.op.kinks(self._at.values[layer.sources[0]], 0.0)
        count = 0 if exact is None else int(np.count_nonzero(exact & self._met[layer.name]))
        what = "has no derivative" if count else "turns within the step of the differences"
        count, total = count or int(np.count_nonzero(self._met[layer.name])), self._met[layer.name].size
        return f"layer '{layer.name}' ({layer.op.name}) {what} at {count:,} of its {total:,} entries"
