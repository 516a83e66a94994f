"""A chain of layers that a plan evaluates step by step, holding only the states that the plan holds.

Values that do not depend on the variables of the Jacobian (parameters, other inputs, and what follows from these alone)
are evaluated once and kept. They are part of the program, as its weights are, and do not count as memory of the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.programs.evaluation import evaluate, evaluated, linearise, linearised
from chainplan.programs.ops import RESULT_VERTEX
from chainplan.programs.ops.base import KeptValues
from chainplan.programs.point import point_of
from chainplan.programs.program import PlacedEdge, Program, program_of
from chainplan.values.jacobians import GivenJacobian
from chainplan.values.primal import Primal


class _InnerState(NamedTuple):
    """The state at an inner vertex of an op: the op's arguments, its value, and what it kept."""

    arguments: list[Array]
    value: Array
    kept: KeptValues


@final
class Stepwise(Primal):
    """A program of layers at a point, evaluated step by step; its linearisation is a chain.

    Parameters
    ----------
    program : Program
        The layers, as `chainplan.program` makes them.
    point : Mapping[str, Array]
        An array for each input and parameter, in its own shape.

    Raises
    ------
    ExecutionError
        If the linearisation is not a chain.

    Examples
    --------
    >>> import chainplan
    >>> layers = [{"op": "sigmoid"}, {"op": "linear", "out": 2}]
    >>> net = chainplan.program({"input": {"x": 3}, "layers": layers, "limits": {"recompute": True}})
    >>> plan = chainplan.plan(net.problem).plan
    >>> jacobian = chainplan.execute(plan, Stepwise(net, chainplan.draw_point(net)))
    >>> jacobian["linear1", "x"].shape
    (2, 3)
    """

    dtype = np.dtype(np.float64)

    def __init__(self, program: Program, point: Mapping[str, Array]) -> None:
        graph = program_of(program).problem.graph
        point = point_of(program, point)
        if graph.not_a_chain is not None:
            raise ExecutionError(f"states cannot be evaluated one after the other: {graph.not_a_chain}.")
        self._program, self._point = program, point
        names = {e.name for e in graph.useful}
        self._placed = {placed.name: placed for placed in program.placed if placed.name in names}
        self._variable = graph.inputs[0]
        self._constants = self._evaluated_once()

    def _evaluated_once(self) -> dict[str, Array]:
        """Return the values that do not vary."""
        values = {name: value for name, value in self._point.items() if name not in self._program.variables}
        for layer in self._program.layers:
            if not layer.varying:
                values[layer.name], _ = evaluated(layer, [values[source] for source in layer.sources])
        return values

    def start(self) -> Array:
        return self._point[self._variable]

    def advance(self, elemental: str, state: Array | _InnerState) -> Array | _InnerState:
        placed = self._placed[elemental]
        inside = state if isinstance(state, _InnerState) else self._inside(placed, state)
        return inside.value if placed.edge.target == RESULT_VERTEX else inside

    def linearise(self, elemental: str, state: Array | _InnerState) -> GivenJacobian | None:
        placed = self._placed[elemental]
        inside = state if isinstance(state, _InnerState) else self._inside(placed, state)
        return linearised(placed.layer, inside.arguments, inside.value, inside.kept)[placed.position]

    def _inside(self, placed: PlacedEdge, state: Array) -> _InnerState:
        """Evaluate the op of an edge on its one varying argument and on the constant ones."""
        source = placed.layer.vertex(placed.edge.source)
        arguments = [state if name == source else self._constants[name] for name in placed.layer.sources]
        return _InnerState(arguments, *evaluated(placed.layer, arguments))

    @cached_property
    def _jacobians(self) -> dict[str, GivenJacobian]:
        return linearise(evaluate(self._program, self._point))

    def __getitem__(self, name: str) -> GivenJacobian:
        return self._jacobians[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._jacobians)

    def __len__(self) -> int:
        return len(self._jacobians)
