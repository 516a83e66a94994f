"""An opened loop as a graph: the Jacobians of its steps, side by side, and a linear recurrence behind them.

What enters at a step (`local`) goes through the recurrence to the states behind all steps (`states`). What a step gets
for itself is a block along the diagonal; what every step gets, a constant of the loop, is a column of blocks. Results
that are no states depend on the state before their step, which is the state behind the step before, or the start of the
loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax import Array

from chainplan.jax.edges import ActiveEquation, EdgeValues, JaxEdge, JaxFunction, blocks_edge, pick_edge, scatter_edge
from chainplan.jax.forms import HeldDense, parts
from chainplan.jax.loops import STATES, LoopEquation, LoopLayout
from chainplan.jax.recurrences import recurred, recurred_adjoint, recurred_adjoint_blocks, recurred_blocks


def opened_loop(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edges of an opened loop, None for one that is closed."""
    equation = active.equation
    if not isinstance(equation, LoopEquation):
        return None
    layout = equation.layout
    assert layout is not None
    edges = _Edges(equation, layout, active.ins)
    return [*edges.into_states(), *edges.out_of_states(), *edges.into_observed()]


class _Edges:
    """The edges of one loop."""

    def __init__(self, equation: LoopEquation, layout: LoopLayout, reached: Sequence[int]) -> None:
        self._reached = set(reached)
        self._layout, self._steps, self._n = layout, layout.length, layout.state
        self._kept = {key: len(equation.operands) + k for k, key in enumerate(layout.blocks)}
        self._later = np.delete(np.arange(self._steps), layout.first)
        self._recurs = self._steps > 1 and (STATES, STATES) in self._kept

    def into_states(self) -> list[JaxEdge]:
        """Make the edges from the operands to the states behind all steps."""
        if not self._layout.carries:
            return []
        edges = self._from_start(STATES, "local")
        edges += self._from_each_step(STATES, "local")
        if self._recurs:
            edges.append(self._recurrence())
        else:
            edges.append(pick_edge("local", "states", np.arange(self._steps * self._n), self._steps * self._n))
        return edges

    def out_of_states(self) -> list[JaxEdge]:
        """Make the edges from the states to the last carries and to the stacked states."""
        layout, places = self._layout, np.arange(self._steps * self._n).reshape(self._steps, self._n)
        edges = []
        for carry, result in zip(layout.carries, layout.finals, strict=True):
            index = places[layout.last, self._range(carry)]
            edges.append(pick_edge("states", result, index, places.size))
        for result, carry in layout.states.items():
            edges.append(pick_edge("states", result, places[:, self._range(carry)].ravel(), places.size))
        return edges

    def into_observed(self) -> list[JaxEdge]:
        """Make the edges to the stacked results that are no states."""
        edges = []
        for row, size in self._layout.observed.items():
            edges += self._from_each_step(row, row)
            if (row, STATES) not in self._kept:
                continue
            edges += self._from_start(row, row)
            if self._steps > 1:
                before, behind = f"before{row}", f"behind{row}"
                rolled = self._later + (1 if self._layout.reverse else -1)
                index = (rolled[:, None] * self._n + np.arange(self._n)).ravel()
                edges.append(pick_edge("states", before, index, self._steps * self._n))
                edges.append(blocks_edge(before, behind, len(rolled), size, self._n, False, self._later_blocks(row)))
                place = (self._later[:, None] * size + np.arange(size)).ravel()
                edges.append(scatter_edge(behind, row, place, self._steps * size))
        return edges

    def _range(self, carry: int) -> slice:
        """Return the entries of a carry in the state."""
        start = self._layout.starts[carry]
        return slice(start, start + self._layout.sizes[carry])

    def _from_start(self, row: int, target: int | str) -> list[JaxEdge]:
        """Make the edges by which the first step reads the start of the loop."""
        if (row, STATES) not in self._kept:
            return []
        size, inner = self._layout.rows(row), f"start{row}"
        edges = [
            JaxEdge(carry, inner, size, self._layout.sizes[carry], "dense", self._first_block(row, carry))
            for carry in self._layout.carries
            if carry in self._reached
        ]
        place = self._layout.first * size + np.arange(size)
        return [*edges, scatter_edge(inner, target, place, self._steps * size)]

    def _from_each_step(self, row: int, target: int | str) -> list[JaxEdge]:
        """Make the edges from what is scanned, and from constants, to all steps."""
        size, edges = self._layout.rows(row), []
        for i in self._layout.xs:
            if (row, i) in self._kept:
                edges.append(
                    blocks_edge(i, target, self._steps, size, self._layout.sizes[i], False, self._all_blocks(row, i))
                )
        for i in self._layout.consts:
            if (row, i) in self._kept:
                shape = self._steps * size, self._layout.sizes[i]
                edges.append(JaxEdge(i, target, *shape, "dense", self._column(row, i)))
        return edges

    def _recurrence(self) -> JaxEdge:
        """Make the edge from what enters the steps to the states."""
        place, steps, n, reverse = self._kept[STATES, STATES], self._steps, self._n, self._layout.reverse

        def functions(values: Sequence[Array]) -> tuple[JaxFunction, JaxFunction]:
            links = values[place]

            def tangent(block: Array) -> Array:
                return recurred(links, block.reshape(steps, n, -1), reverse).reshape(steps * n, -1)

            def adjoint(block: Array) -> Array:
                rows = block.reshape(-1, steps, n).transpose(1, 0, 2)
                return recurred_adjoint(links, rows, reverse).transpose(1, 0, 2).reshape(-1, steps * n)

            return tangent, adjoint

        def on_blocks(values: Sequence[Array]) -> tuple[JaxFunction, JaxFunction]:
            links = values[place]
            return (
                lambda blocks: recurred_blocks(links, blocks, reverse),
                lambda blocks: recurred_adjoint_blocks(links, blocks, reverse),
            )

        price, size = steps * n * n, steps * n
        return JaxEdge("local", "states", size, size, "dense", None, functions, price, price, on_blocks, steps)

    def _first_block(self, row: int, carry: int) -> EdgeValues:
        place, first, columns = self._kept[row, STATES], self._layout.first, self._range(carry)
        return lambda values: HeldDense(values[place][first][:, columns])

    def _all_blocks(self, row: int, column: int) -> EdgeValues:
        place = self._kept[row, column]
        return lambda values: parts(self._steps, values[place])

    def _later_blocks(self, row: int) -> EdgeValues:
        place, cut = self._kept[row, STATES], slice(0, -1) if self._layout.reverse else slice(1, None)
        return lambda values: parts(self._steps - 1, values[place][cut])

    def _column(self, row: int, column: int) -> EdgeValues:
        place = self._kept[row, column]
        return lambda values: HeldDense(values[place].reshape(-1, values[place].shape[2]))
