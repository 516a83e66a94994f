"""Runs plans for products with vectors: the set-up once, then one product after the other from the blocks it kept.

A program is lowered once for each number of vectors that comes, because kernels are chosen by the sizes of blocks. The
loads of a program are brought into form once as well, so that a product costs its kernels and one list of values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.execution.asked import require_functions
from chainplan.execution.executor import guarded_code, run_setup, taken
from chainplan.execution.lowering import PlanRun, placed
from chainplan.execution.program import LoweredPlan, lowered_program
from chainplan.execution.whole_numbers import whole
from chainplan.kernels.storage import HeldValues
from chainplan.plans.steps import Plan, ProductProgram
from chainplan.problem.graph import Graph, Mode
from chainplan.values.equal import with_equal
from chainplan.values.jacobians import GivenJacobian, matrix_free

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

_MAX_LOWERED = 64
"""Numbers of vectors for which a program stays lowered."""


class _ReadyProgram(NamedTuple):
    """A program for some number of vectors, with the values that stand before its first step."""

    lowered: LoweredPlan
    values: list[HeldValues]


class PreparedProducts:
    """The set-up of a plan, carried out, and the programs that multiply by vectors.

    Parameters
    ----------
    plan : Plan
        A plan with programs that has passed `check`.
    jacobians : Mapping[str, GivenJacobian]
        The elemental Jacobians by name, as `chainplan.execute` takes them. Arrays that programs load are not copied.
    dtype : DTypeLike | None
        The dtype of seeds, by default the common one of the given arrays.
    wrap : bool
        Whether whole numbers that do not fit their dtype wrap; otherwise they are refused.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, or of another shape or structure.

    Examples
    --------
    >>> import chainplan
    >>> problem = chainplan.from_spec({"chain": [2, 3], "products": {"right": 5}})
    >>> products = PreparedProducts(chainplan.plan(problem).plan, {"F1": np.ones((3, 2))})
    >>> products.multiply(Mode.TANGENT, {"x0": np.array([[1.0], [2.0]])})["x1"].ravel()
    array([3., 3., 3.])
    """

    def __init__(
        self,
        plan: Plan,
        jacobians: Mapping[str, GivenJacobian],
        *,
        dtype: DTypeLike | None = None,
        wrap: bool = False,
    ) -> None:
        self.plan, self._given, self._wrap = plan, with_equal(plan.graph, dict(jacobians)), wrap
        self._run = taken(plan, self._given, dtype)
        run_setup(plan, self._run, guard=not wrap and any(map(whole, self._run.values)))
        self._ready: dict[tuple[Mode, int, bool], _ReadyProgram] = {}
        for program in plan.programs:
            self._lower(program, 1, guard=False)

    def multiply(self, mode: Mode, vectors: Mapping[str, Array]) -> dict[str, Array]:
        """Make products of some vectors at once.

        Parameters
        ----------
        mode : Mode
            Tangent for J·V, adjoint for W·J.
        vectors : Mapping[str, Array]
            For J·V an array of size(input) x c for every input that has a path to an output; for W·J one of
            c x size(output) for every output that has one.

        Returns
        -------
        dict[str, Array]
            For J·V an array of size(output) x c for each output that some path leads to; for W·J one of
            c x size(input) for each input. They share no memory with the vectors.

        Raises
        ------
        ExecutionError
            If the plan has no program for the mode, or a function returns another shape.
        """
        program = self.plan.program(mode)
        if program is None:
            raise ExecutionError(
                f"the plan has no program of {mode.value}s, because an elemental that it applies has none; expected a "
                "plan for products on this side. Plan for some, so that the elemental is accumulated."
            )
        count = _count(self.plan.graph, mode, vectors)
        guard = not self._wrap and any(map(whole, vectors.values()))
        ready = self._ready.get((mode, count, guard)) or self._lower(program, count, guard)
        run = PlanRun(0, self._given, self._run.dtype)
        run.values, run.applied, run.vectors = [*ready.values], self._run.applied, vectors
        for _, kernel, dropped in ready.lowered.code:
            kernel(run)
            for ended in dropped:
                run.values[ended] = None
        return {vertex: _own(run.values[step], vectors) for vertex, step in program.results}

    def _lower(self, program: ProductProgram, count: int, guard: bool) -> _ReadyProgram:
        """Lower a program for so many vectors, and bring what it loads into form."""
        made = lowered_program(self.plan, program, count)
        if guard:
            made = replace(made, code=guarded_code(made.code, (*self.plan.steps, *program.steps)))
        values = [*self._run.values, *[None] * len(program.steps)]
        for position, e, shape, block in made.loads:
            values[position] = placed(e, shape, block, self._given.get(e.name), self._run)
        for e in made.applied:
            require_functions(e.name, self._given)
            self._run.applied[e.name] = matrix_free(e, self._given[e.name])
        if len(self._ready) >= _MAX_LOWERED:
            self._ready.clear()
        ready = self._ready[program.mode, count, guard] = _ReadyProgram(made, values)
        return ready


def _count(graph: Graph, mode: Mode, vectors: Mapping[str, Array]) -> int:
    """Count the vectors, and refuse some that do not fit."""
    tangent = mode is Mode.TANGENT
    counts = set()
    for vertex in graph.inputs if tangent else graph.outputs:
        if vertex in (graph.out_of if tangent else graph.into):
            vector, size = vectors.get(vertex), graph.sizes[vertex]
            if vector is None or vector.ndim != 2 or vector.shape[0 if tangent else 1] != size:
                found = "no array" if vector is None else f"an array of shape {vector.shape}"
                shape = f"{size} x c" if tangent else f"c x {size}"
                raise ExecutionError(f"vectors at '{vertex}': found {found}; expected {shape}. Pass that.")
            counts.add(vector.shape[1 if tangent else 0])
    if len(counts) > 1:
        numbers = ", ".join(map(str, sorted(counts)))
        raise ExecutionError(f"vectors: found {numbers} at different vertices; expected as many at each. Pass that.")
    return counts.pop() if counts else 0


def _own(result: Array, vectors: Mapping[str, Array]) -> Array:
    """Return a result that shares no memory with the vectors."""
    shared = any(np.may_share_memory(result, vector) for vector in vectors.values())
    return np.array(result) if shared else result
