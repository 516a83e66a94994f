"""Kernels of the steps that make second derivatives, which `second_kernels` and `second_calls` compute."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun, StepKernel
from chainplan.execution.second_calls import GivenSides, called_second
from chainplan.execution.second_kernels import contracted, exchanged
from chainplan.execution.second_kernels import total as total_second
from chainplan.kernels.convert import as_matrix, as_sparse
from chainplan.kernels.storage import StorageForm, form
from chainplan.plans.second_colours import SecondColours
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given
from chainplan.problem.graph import Mode
from chainplan.problem.mixed_second import OwnSecond
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock
from chainplan.values.second import stored_second, stored_side
from chainplan.values.second_functions import second_functions


def load_second(position: int, own: OwnSecond) -> StepKernel:
    """Load the second derivative of an elemental."""

    def kernel(run: PlanRun) -> None:
        run.values[position] = stored_second(own, run.given.get(own.given))

    return kernel


def apply_second(
    position: int, step: ApplySecond, own: OwnSecond, result: SecondBlock, blocks: Sequence[Block]
) -> StepKernel:
    """Apply a matrix-free second derivative to what multiplies its sides."""
    args = step.on_rows, step.on_left, step.on_right
    alike = step.on_left is not None and step.on_left == step.on_right
    colours = SecondColours(step.row_colours, step.colours)

    def kernel(run: PlanRun) -> None:
        if own.given not in run.seconds:
            run.seconds[own.given] = second_functions(own, run.given.get(own.given))
        function = run.seconds[own.given][0 if step.mode is Mode.TANGENT else 1]
        if function is None:
            raise ExecutionError(
                f"'{own.given}' has no second {step.mode.value}; the plan applies one. Pass (tangent, adjoint)."
            )
        rows, left, right = (
            None if arg is None else as_matrix(run.values[arg], blocks[arg], run.dtype) for arg in args
        )
        sides = GivenSides(rows, left, right, alike, colours)
        run.values[position] = called_second(own, step.mode, function, sides, result, run.dtype)

    return kernel


def given_side(position: int, step: Given, block: Block) -> StepKernel:
    """Take weights or directions."""

    def kernel(run: PlanRun) -> None:
        run.values[position] = stored_side(step.vertex, step.side, block, run.given)

    return kernel


def contract(position: int, step: Contract, kinds: tuple[SecondBlock, SecondBlock], block: Block) -> StepKernel:
    """Multiply one side of a second derivative, and add the product onto another one where there is one."""
    (second, result), onto = kinds, step.onto
    dense = form(block) is StorageForm.DENSE

    def kernel(run: PlanRun) -> None:
        value, held = run.values[step.second], run.values[step.block]
        matrix = as_matrix(held, block, run.dtype) if dense else as_sparse(held, block, run.dtype)
        made = contracted(value, second, matrix, step.side, result, step.symmetric)
        run.values[position] = made if onto is None else total_second(run.values[onto], made, result)

    return kernel


def exchange(position: int, step: Exchange, second: SecondBlock) -> StepKernel:
    """Exchange the column sides of a second derivative."""

    def kernel(run: PlanRun) -> None:
        run.values[position] = exchanged(run.values[step.second], second)

    return kernel


def add_seconds(position: int, left: int, right: int, result: SecondBlock) -> StepKernel:
    """Add two second derivatives."""

    def kernel(run: PlanRun) -> None:
        run.values[position] = total_second(run.values[left], run.values[right], result)

    return kernel
