"""A primal chain: it can be advanced from state to state and linearised at a state, as plans with recomputation need.

`execute` takes a `Primal` in place of elemental Jacobians. These do not exist all at once then: each is made at the
state of its source when a step asks for it, and is dropped afterwards. Where only the Jacobians are known,
`FixedJacobians` stands in: its states have the right sizes and say which vertex they belong to, so that the order of
the steps and the memory are real, while the numbers are those of the given Jacobians.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np

from chainplan._util.arrays import DType
from chainplan.problem.graph import Graph
from chainplan.values.jacobians import GivenJacobian, common_dtype

VertexState = Any
"""A state of a chain; nothing but its `Primal` looks inside."""


class Primal(Mapping[str, GivenJacobian]):
    """A chain at a point: what a plan that evaluates states runs on, in the place of elemental Jacobians.

    As a mapping it holds all elemental Jacobians, made together when one is first asked for.

    Examples
    --------
    >>> import chainplan
    >>> issubclass(chainplan.Stepwise, Primal)
    True
    """

    @property
    @abstractmethod
    def dtype(self) -> DType:
        """The dtype of seed matrices, and of unit blocks that must be written out."""

    @abstractmethod
    def start(self) -> VertexState:
        """Return the state of the input.

        Returns
        -------
        VertexState
            The state.
        """

    @abstractmethod
    def advance(self, elemental: str, state: VertexState) -> VertexState:
        """Evaluate an elemental.

        Parameters
        ----------
        elemental : str
            The name of the elemental.
        state : VertexState
            The state of its source.

        Returns
        -------
        VertexState
            The state of its target.
        """

    @abstractmethod
    def linearise(self, elemental: str, state: VertexState) -> GivenJacobian | None:
        """Linearise an elemental.

        Parameters
        ----------
        elemental : str
            The name of the elemental.
        state : VertexState
            The state of its source.

        Returns
        -------
        GivenJacobian | None
            The elemental Jacobian, as `chainplan.execute` takes it; None where its structure says all values.
        """


@final
class FixedJacobians(Primal):
    """Given Jacobians that depend on no state; each state is filled with the position of its vertex in the chain."""

    def __init__(self, graph: Graph, jacobians: Mapping[str, GivenJacobian]) -> None:
        self._graph, self._jacobians = graph, jacobians
        self._positions = {vertex: position for position, vertex in enumerate(graph.order)}

    @property
    def dtype(self) -> DType:
        return common_dtype(self._jacobians.values())

    def start(self) -> VertexState:
        return self._state(self._graph.inputs[0])

    def advance(self, elemental: str, state: VertexState) -> VertexState:
        self._require(elemental, state)
        return self._state(self._graph[elemental].target)

    def linearise(self, elemental: str, state: VertexState) -> GivenJacobian | None:
        self._require(elemental, state)
        return self._jacobians.get(elemental)

    def _state(self, vertex: str) -> VertexState:
        return np.full(self._graph.sizes[vertex], float(self._positions[vertex]))

    def _require(self, elemental: str, state: VertexState) -> None:
        e = self._graph[elemental]
        expected = self._positions[e.source]
        assert state.shape == (e.block.cols,), "a state of another vertex"
        assert (state == expected).all(), "a state of another vertex"

    def __getitem__(self, name: str) -> GivenJacobian:
        return self._jacobians[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._jacobians)

    def __len__(self) -> int:
        return len(self._jacobians)
