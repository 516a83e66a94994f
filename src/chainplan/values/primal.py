"""What a plan that evaluates states runs on: a chain that can be advanced, and linearised at a state.

`execute` takes a `Primal` in the place of elemental Jacobians. Those are then not all there at once: each is made at
the state of its source when a step asks for it, and gone after. Where nothing but Jacobians is known, `Fixed` carries
out the steps on states of the right sizes that say which vertex they belong to, so that order and memory are real while
the numbers are those of the given Jacobians.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np

from chainplan._util.arrays import DType
from chainplan.problem.graph import Graph
from chainplan.values.jacobians import Given, common_dtype

State = Any
"""What a `Primal` computes with: its own affair, as nobody else looks inside."""


class Primal(Mapping[str, Given]):
    """A chain at a point. As a mapping it holds all elemental Jacobians, made together when one is first asked for."""

    @property
    @abstractmethod
    def dtype(self) -> DType:
        """Of seeds, and of unit blocks that must be written out."""

    @abstractmethod
    def start(self) -> State:
        """The state of the input."""

    @abstractmethod
    def advance(self, elemental: str, state: State) -> State:
        """The state of an elemental's target, given that of its source."""

    @abstractmethod
    def linearise(self, elemental: str, state: State) -> Given | None:
        """The elemental Jacobian at the state of its source; None where its structure says all."""


@final
class Fixed(Primal):
    """Given Jacobians that depend on no state; a state is filled with the position of its vertex in the chain."""

    def __init__(self, graph: Graph, jacobians: Mapping[str, Given]) -> None:
        self._graph, self._jacobians = graph, jacobians
        self._positions = {vertex: position for position, vertex in enumerate(graph.order)}

    @property
    def dtype(self) -> DType:
        return common_dtype(self._jacobians.values())

    def start(self) -> State:
        return self._state(self._graph.inputs[0])

    def advance(self, elemental: str, state: State) -> State:
        self._require(elemental, state)
        return self._state(self._graph[elemental].target)

    def linearise(self, elemental: str, state: State) -> Given | None:
        self._require(elemental, state)
        return self._jacobians.get(elemental)

    def _state(self, vertex: str) -> State:
        return np.full(self._graph.sizes[vertex], float(self._positions[vertex]))

    def _require(self, elemental: str, state: State) -> None:
        e = self._graph[elemental]
        expected = self._positions[e.source]
        assert state.shape == (e.block.cols,), "a state of another vertex"
        assert (state == expected).all(), "a state of another vertex"

    def __getitem__(self, name: str) -> Given:
        return self._jacobians[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._jacobians)

    def __len__(self) -> int:
        return len(self._jacobians)
