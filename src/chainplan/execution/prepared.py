"""`chainplan.prepare`: a plan made ready to run again and again on new values, as a simulation does every second.

For values of one floating-point dtype that are all there, the plan becomes one function (`straight`), with work arrays
that stay from run to run, so that no run asks the system for pages. A run takes a set of these arrays for itself alone,
so runs may go on in several threads. Other values, and plans with steps that the function has no line for, go through
the executor.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from chainplan._util.arrays import Array, DType
from chainplan.execution.executor import prepared, require_jacobians, understood
from chainplan.execution.straight import StraightPlan, UnusualValues, straight
from chainplan.plans.steps import Plan, Planned
from chainplan.values.equal import with_equal
from chainplan.values.jacobians import GivenJacobian, common_dtype
from chainplan.values.references import is_reference

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

STRAIGHT_KINDS = "fc"
"""Kinds of dtype for which plans become functions; sums of whole numbers are guarded by the executor."""


def prepare(
    plan: Plan | Planned, *, dense: bool | None = None, dtype: DTypeLike | None = None, wrap: bool = False
) -> PreparedPlan:
    """Make a plan ready to run in this process; parameters, result and errors are those of `chainplan.prepare`."""
    plan, dtype = understood(plan, dtype)
    return PreparedPlan(plan, dense, dtype, wrap)


class PreparedPlan:
    """A plan that is ready to run, as `chainplan.prepare` makes it.

    Parameters
    ----------
    plan : Plan
        The plan.
    dense : bool | None
        Whether results are written out as matrices; otherwise they stay as the plan holds them. None writes out up to
        4 GiB and refuses more.
    dtype : DTypeLike | None
        The dtype of seeds; None takes the one to which all given arrays promote.
    wrap : bool
        Whether whole numbers that do not fit their dtype wrap; otherwise they are refused.

    Attributes
    ----------
    plan : Plan
        The plan.

    Examples
    --------
    >>> import chainplan, numpy
    >>> run = chainplan.prepare(chainplan.plan(chainplan.chain([3, 2, 1])))
    >>> run({"F1": numpy.ones((2, 3)), "F2": numpy.ones((1, 2))})["x2", "x0"]
    array([[2., 2., 2.]])
    """

    def __init__(self, plan: Plan, dense: bool | None, dtype: DTypeLike | None, wrap: bool) -> None:
        self.plan = plan
        self._dense, self._wanted = dense, dtype
        self._execute = partial(prepared, plan, dense=dense, dtype=dtype, wrap=wrap)
        self._functions: dict[DType, _StraightRuns | None] = {}
        self._last: _StraightRuns | None = None

    def __call__(self, jacobians: Mapping[str, GivenJacobian]) -> dict[tuple[str, str], Array]:
        """Run the plan.

        Parameters
        ----------
        jacobians : Mapping[str, GivenJacobian]
            The elemental Jacobians by name, as for `execute`. Lists of a sparse array that were found to be those of
            the planned pattern are not compared again when the same lists are given again.

        Returns
        -------
        dict
            (output, input) -> Jacobian of size(output) x size(input), arrays of the caller's own.

        Raises
        ------
        ExecutionError
            Where `execute` does.
        ArgumentError
            If the Jacobians are no mapping.
        """
        require_jacobians(jacobians)
        if type(jacobians) is dict:
            given = with_equal(self.plan.graph, jacobians) if self.plan.graph.shares else jacobians
            assert type(given) is dict, "a dict stays one"
            result = self._straight(given)
            if result is not None:
                return result
        return self._execute(jacobians)()

    def _straight(self, given: dict[str, GivenJacobian]) -> dict[tuple[str, str], Array] | None:
        """Run the function of the plan for the dtype of the values, or return None where there is none for them."""
        last = self._last
        try:
            result = None if last is None else last(given)
            if result is None:
                function = self._function(given)
                if function is None or function is last:
                    return None
                result = function(given)
                self._last = function
        except UnusualValues:
            self._functions = dict.fromkeys(self._functions)
            self._last = result = None
        return result

    def _function(self, given: dict[str, GivenJacobian]) -> _StraightRuns | None:
        """Return the function for the dtype of the values, and make it where it is the first of this dtype."""
        if any(map(is_reference, given.values())):
            return None
        dtype = common_dtype(given.values())
        if dtype.kind not in STRAIGHT_KINDS or self._wanted not in (None, dtype):
            return None
        if dtype not in self._functions:
            made = straight(self.plan, dtype, self._dense)
            self._functions[dtype] = None if made is None else _StraightRuns(made)
        return self._functions[dtype]


class _StraightRuns:
    """The function of a plan with the work arrays that no run has at present."""

    def __init__(self, function: StraightPlan) -> None:
        self._run, self._arrays = function.run, function.work_arrays
        self.idle = list[list[Array]]()

    def __call__(self, given: dict[str, GivenJacobian]) -> dict[tuple[str, str], Array] | None:
        try:
            work = self.idle.pop()
        except IndexError:
            work = self._arrays()
        result = self._run(given, work, [])
        self.idle.append(work)
        return result
