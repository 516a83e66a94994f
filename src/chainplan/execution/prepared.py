"""`chainplan.prepare`: a plan made ready to run again and again on new values, as a simulation does every second.

A plan chooses its kernels, and lists the entries of its sparse blocks, at its first run (`program`, `filling`). What a
prepared plan adds is memory: products of matrices that no caller and no function ever gets to see are written into
arrays that stay from run to run, each as soon as its last reader is done with it, so that no run asks the system for
pages. A run takes a set of these arrays for itself alone, so runs may go on in several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from chainplan._util.arrays import Array
from chainplan.execution.executor import WorkArrays, prepared, require_jacobians, understood
from chainplan.execution.lowering import PlanRun, multiply
from chainplan.execution.program import CodedStep, lowered
from chainplan.kernels.dispatch import TRIVIAL_ROUTE, route
from chainplan.kernels.products import WRITING_KERNELS
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.steps import Add, Multiply, Plan, Planned, Step
from chainplan.structures import Block, Zero
from chainplan.values.jacobians import GivenJacobian

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def prepare(
    plan: Plan | Planned, *, dense: bool | None = None, dtype: DTypeLike | None = None, wrap: bool = False
) -> PreparedPlan:
    """Make a plan ready to run in this process; parameters, result and errors are those of `chainplan.prepare`."""
    plan, dtype = understood(plan, dtype)
    return PreparedPlan(plan, dense, dtype, wrap)


class PreparedPlan:
    """A plan that is ready to run, as `chainplan.prepare` makes it.

    Attributes
    ----------
    plan : Plan
        The plan.
    """

    def __init__(self, plan: Plan, dense: bool | None, dtype: DTypeLike | None, wrap: bool) -> None:
        self.plan = plan
        self._run = partial(prepared, plan, dense=dense, dtype=dtype, wrap=wrap)
        self._code, self._arrays = _in_work_arrays(plan)
        self._idle = list[list[Array | None]]()

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
        try:
            room = self._idle.pop()
        except IndexError:
            room = [None] * self._arrays
        result = self._run(jacobians, work=WorkArrays(self._code, room))()
        self._idle.append(room)
        return result


class _OwnProduct(NamedTuple):
    """A product of matrices that a run keeps to itself: its function and its shape, and the positions of all blocks."""

    product: Callable[..., HeldValues]
    position: int
    left: int
    right: int
    shape: tuple[int, int]


def _in_work_arrays(plan: Plan) -> tuple[tuple[CodedStep, ...], int]:
    """Return the steps with a work array for each result that only other steps read, and the number of arrays."""
    program, code = lowered(plan), list[CodedStep]()
    if program.evaluates:
        return program.code, 0
    own = _own_results(plan)
    free: dict[tuple[int, int], list[int]] = {}
    taken: dict[int, int] = {}
    count = 0
    for position, kernel, ended in program.code:
        if position in own:
            if not (idle := free.setdefault(own[position].shape, [])):
                idle.append(count)
                count += 1
            taken[position] = idle.pop()
            kernel = partial(_multiply_into, own[position], taken[position])
        for end in ended:
            if end in taken:
                free[own[end].shape].append(taken[end])
        code.append((position, kernel, ended))
    return tuple(code), count


def _own_results(plan: Plan) -> dict[int, _OwnProduct]:
    """Find the products that may be written into a work array, since every reader makes an array of its own of them."""
    program = lowered(plan)
    blocks, found = program.blocks, dict[int, _OwnProduct]()
    for position, kernel, _ in program.code:
        block = blocks[position]
        if not isinstance(kernel, partial) or kernel.func is not multiply or form(block) is not StorageForm.DENSE:
            continue
        product, _, left, right = kernel.args
        if product in WRITING_KERNELS:
            found[position] = _OwnProduct(product, position, left, right, (block.rows, block.cols))
    for end in plan.ends:
        found.pop(end, None)
    for step in plan.steps:
        if not _makes_its_own(step, blocks):
            for operand in step.operands():
                found.pop(operand, None)
    return found


def _makes_its_own(step: Step, blocks: Sequence[Block]) -> bool:
    """Say whether the result of a step never shares memory with what the step reads."""
    if isinstance(step, Multiply):
        left, right = blocks[step.left], blocks[step.right]
        made = left.times(right)
        own = route(left, right, made).kernel != TRIVIAL_ROUTE.kernel
        return own and (step.onto is None or _sums(made, blocks[step.onto]))
    return isinstance(step, Add) and _sums(blocks[step.left], blocks[step.right])


def _sums(left: Block, right: Block) -> bool:
    """Say whether a sum is added up, instead of being one of its terms."""
    return not isinstance(left.structure, Zero) and not isinstance(right.structure, Zero)


def _multiply_into(own: _OwnProduct, place: int, run: PlanRun) -> None:
    """Multiply into a work array, or make one where there is none of this dtype.

    A product that is not held row by row, because its factors are not, is no work array: `np.dot` takes none such.
    """
    product, position, left, right, _ = own
    values, room = run.values, run.room
    a, b, out = values[left], values[right], room[place]
    if out is not None and a.dtype is b.dtype is out.dtype:
        values[position] = product(a, b, out)
    else:
        values[position] = made = product(a, b)
        if made.flags.c_contiguous:
            room[place] = made
