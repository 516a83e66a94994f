"""Points at which a layer has no derivative: which layers these are, and what they are compared with there.

At a kink (a relu at 0, equal entries under a maximum, a singular value that is repeated) central differences are the
mean of two slopes, which is no derivative either. There the layer is followed along the slope that its op takes, and
everything else by differences as ever, so that an error anywhere else still shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.evaluation import Evaluation, evaluate, evaluated
from chainplan.programs.ops.matrix_free_pair import matrix
from chainplan.programs.program import Layer, Program


class Followed:
    """A program whose layers are followed along their own slopes at kinks that lie between a point and another."""

    def __init__(self, program: Program, point: Mapping[str, Array]) -> None:
        self._at: Evaluation = evaluate(program, point)
        self._met: dict[str, Array] = {}

    def values(self, point: Mapping[str, Array]) -> Mapping[str, Array]:
        """The values of all layers at another point."""
        values = dict(point)
        for layer in self._at.program.layers:
            arguments = [values[source] for source in layer.sources]
            value, _ = evaluated(layer, arguments)
            values[layer.name] = self._followed(layer, arguments, value)
        return values

    def _followed(self, layer: Layer, arguments: list[Array], value: Array) -> Array:
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
        """The kinks that were met, a phrase for each layer."""
        return tuple(self._phrase(layer) for layer in self._at.program.layers if layer.name in self._met)

    def _phrase(self, layer: Layer) -> str:
        exact = layer.op.kinks(self._at.values[layer.sources[0]], 0.0)
        count = 0 if exact is None else int(np.count_nonzero(exact & self._met[layer.name]))
        what = "has no derivative" if count else "turns within the step of the differences"
        count, total = count or int(np.count_nonzero(self._met[layer.name])), self._met[layer.name].size
        return f"layer '{layer.name}' ({layer.op.name}) {what} at {count:,} of its {total:,} entries"
