"""`chainplan.accumulate`: total derivatives of a model that is made of blocks, in one call.

Shapes and structures are read off the values, the plan is made and prepared once, and an accumulator runs it on new
values of the same structure.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from chainplan._util.arrays import Array
from chainplan.errors import ArgumentError
from chainplan.errors.arguments import expect
from chainplan.execution.prepared import prepare
from chainplan.models.block_model import block_model
from chainplan.models.block_values import BlockPlace, GivenBlocks, given_value
from chainplan.models.implicit_group import SolvePair
from chainplan.planner import plan
from chainplan.plans.result import Result
from chainplan.problem.problem import Problem
from chainplan.values.jacobians import GivenJacobian

DEFAULT_SECONDS = 1.0
"""Seconds that the search for a plan takes at most, where nothing is said."""


def accumulate(
    blocks: GivenBlocks,
    inputs: Sequence[Hashable],
    outputs: Sequence[Hashable],
    *,
    solvers: Mapping[Hashable, SolvePair] | None = None,
    objective: str | None = None,
    budget: float | None = DEFAULT_SECONDS,
    dense: bool | None = None,
) -> dict[BlockPlace, Array]:
    """Compute the total derivatives of a model.

    Parameters
    ----------
    blocks : GivenBlocks
        The partial derivatives of the model: (output, input) -> block of size(output) x size(input), where vertices are
        named by anything hashable. A block is an array of rows x cols, a sparse array of scipy, a vector as
        `chainplan.DiagonalBlock(vector)`, lags and leads as `chainplan.ShiftsBlock({-1: 0.5, 0: 1.0})`, a number (so
        many times the identity), a `scipy.sparse.linalg.LinearOperator` or a pair (tangent, adjoint) of functions as
        for `execute`. Vertices on a cycle are solved together: they are given by y = f(y, x), with the blocks of f.
    inputs, outputs : Sequence[Hashable]
        The vertices to differentiate by, and those to be differentiated.
    solvers : Mapping[Hashable, SolvePair] | None
        For a vertex of a cycle, what solves the cycle instead of a factorisation: a pair of functions that apply
        (I - f_y)⁻¹ and its transpose to N x c, where the vertices of the cycle stand in the order in which blocks name
        them, the input of a block before its output.
    objective : str | None
        What is minimised, as for `plan`. A call of a function counts as rows · cols fma.
    budget : float | None
        The seconds that the search for a plan may take; None lets it finish.
    dense : bool | None
        Whether results are written out as arrays of rows x cols; otherwise they are as the plan holds them: a diagonal
        as a vector, shifts in time as a `ShiftsBlock`, a pattern with few nonzeros as a sparse array. None writes out
        up to 4 GiB and refuses more.

    Returns
    -------
    dict
        (output, input) -> total derivative of size(output) x size(input); pairs that no path connects are left out.

    Raises
    ------
    ArgumentError
        If blocks disagree about a size or are of no such kind, there is no path, or a cycle has no solution.
    ExecutionError
        If a function returns another shape.

    Examples
    --------
    >>> import numpy
    >>> blocks = {("h", "x"): numpy.ones((3, 2)), ("y", "h"): 2.0, ("y", "x"): numpy.ones((3, 2))}
    >>> accumulate(blocks, ["x"], ["y"])["y", "x"]
    array([[3., 3.],
           [3., 3.],
           [3., 3.]])
    >>> accumulate({("y", "x"): 1.0, ("y", "z"): 0.5, ("z", "y"): 0.5}, ["x"], ["z"])["z", "x"].round(6)
    array([[0.666667]])
    """
    total = accumulator(blocks, inputs, outputs, solvers=solvers, objective=objective, budget=budget, dense=dense)
    return total(blocks)


def accumulator(
    blocks: GivenBlocks,
    inputs: Sequence[Hashable],
    outputs: Sequence[Hashable],
    *,
    solvers: Mapping[Hashable, SolvePair] | None = None,
    objective: str | None = None,
    budget: float | None = DEFAULT_SECONDS,
    dense: bool | None = None,
) -> Accumulator:
    """Plan the total derivatives of a model, to compute them for many values of its blocks.

    Parameters
    ----------
    blocks : GivenBlocks
        The blocks, as for `accumulate`. Later values must have the structures that are read off these.
    inputs, outputs : Sequence[Hashable]
        The vertices to differentiate by, and those to be differentiated.
    solvers : Mapping[Hashable, SolvePair] | None
        What solves cycles, as for `accumulate`.
    objective : str | None
        What is minimised, as for `plan`.
    budget : float | None
        The seconds that the search for a plan may take; None lets it finish.
    dense : bool | None
        Whether results are written out as arrays of rows x cols; otherwise they are as the plan holds them: a diagonal
        as a vector, shifts in time as a `ShiftsBlock`, a pattern with few nonzeros as a sparse array. None writes out
        up to 4 GiB and refuses more.

    Returns
    -------
    Accumulator
        A function of the blocks.

    Raises
    ------
    ArgumentError
        As for `accumulate`.

    Examples
    --------
    >>> import numpy
    >>> total = accumulator({("h", "x"): numpy.ones((3, 2)), ("y", "h"): 2.0}, ["x"], ["y"])
    >>> total.result.cost.fma
    6
    >>> total({("h", "x"): numpy.ones((3, 2)), ("y", "h"): 5.0})["y", "x"][0].tolist()
    [5.0, 5.0]
    """
    return Accumulator(blocks, inputs, outputs, {} if solvers is None else solvers, objective, budget, dense)


class Accumulator:
    """A planned model, as `chainplan.accumulator` makes it.

    Parameters
    ----------
    blocks : GivenBlocks
        The blocks whose structures are read off.
    inputs, outputs : Sequence[Hashable]
        The vertices to differentiate by, and those to be differentiated.
    solvers : Mapping[Hashable, SolvePair]
        What solves cycles.
    objective : str | None
        What is minimised.
    budget : float | None
        The seconds that the search for a plan may take; None lets it finish.
    dense : bool | None
        Whether results are written out as arrays, as for `accumulate`.

    Attributes
    ----------
    result : Result
        The plan with its cost, its bound and its baselines.

    Examples
    --------
    >>> import chainplan, numpy
    >>> total = chainplan.accumulator({("h", "x"): numpy.ones((3, 2)), ("y", "h"): 2.0}, ["x"], ["y"])
    >>> isinstance(total, Accumulator), total.result.cost.fma
    (True, 6)
    """

    def __init__(
        self,
        blocks: GivenBlocks,
        inputs: Sequence[Hashable],
        outputs: Sequence[Hashable],
        solvers: Mapping[Hashable, SolvePair],
        objective: str | None,
        budget: float | None,
        dense: bool | None,
    ) -> None:
        self._solvers = solvers
        self._model = block_model(blocks, inputs, outputs, solvers)
        self.result: Result = plan(Problem(self._model.graph), objective=objective, budget=budget)
        self._run = prepare(self.result, dense=dense)
        self._vertices = {name: vertex for vertex, name in self._model.names.items()}

    def __call__(self, blocks: GivenBlocks) -> dict[BlockPlace, Array]:
        """Compute the total derivatives for some values of the blocks.

        Parameters
        ----------
        blocks : GivenBlocks
            The blocks, of the shapes and structures for which the model was planned.

        Returns
        -------
        dict
            (output, input) -> total derivative of size(output) x size(input).

        Raises
        ------
        ArgumentError
            If a block is missing or of no such kind, or a cycle has no solution.
        ExecutionError
            If a block has another shape or structure.
        """
        expect("blocks", blocks, Mapping, "a mapping from (output, input) to blocks", "Pass {('y', 'x'): array}.")
        model = self._model
        given: dict[str, GivenJacobian] = {}
        for place in (*model.places.values(), *(place for group in model.groups.values() for place in group.places)):
            if place not in blocks:
                raise ArgumentError(f"blocks: found no block {place!r}; expected one, as before. Add it.")
        for name, place in model.places.items():
            given[name] = given_value(blocks[place])
        for name, group in model.groups.items():
            given[name], _ = group.inverse(blocks, self._solvers)
        found = self._run(given)
        return {(self._vertices[output], self._vertices[source]): value for (output, source), value in found.items()}
