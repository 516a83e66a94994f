"""Kernels of the steps that evaluate, keep and drop states, and of those that linearise at one.

The functions of a matrix-free elemental, with their tape, are dropped after the step that applies them, and states are
dropped where `states.spans` says that they end, so that a run holds what `replay` counts; those on disk are files until
then.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.errors import ExecutionError
from chainplan.execution.filling import loaded
from chainplan.execution.plan_run import PlanRun, StepKernel
from chainplan.plans.states import StateSpan
from chainplan.problem.graph import Elemental
from chainplan.structures import Block
from chainplan.values.jacobians import matrix_free


def linearise_first(kernel: StepKernel, e: Elemental) -> StepKernel:
    """Let a kernel run on the functions of an elemental at the working state, which are dropped afterwards."""

    def linearise_and_run(run: PlanRun) -> None:
        given = run.lineariser.linearise(e.name, run.states[run.working])
        if given is None:
            raise ExecutionError(f"no functions for matrix-free '{e.name}'; expected a pair (tangent, adjoint).")
        run.applied[e.name] = matrix_free(e, given)
        del given
        kernel(run)
        del run.applied[e.name]

    return linearise_and_run


def then_drop(kernel: StepKernel, ended: Sequence[StateSpan]) -> StepKernel:
    """Let a kernel drop the states that end after it has run."""
    vertices = [span.vertex for span in ended if not span.on_disk]
    written = [span.vertex for span in ended if span.on_disk]

    def run_and_drop(run: PlanRun) -> None:
        kernel(run)
        for vertex in vertices:
            del run.states[vertex]
        for vertex in written:
            run.files.drop(vertex)

    return run_and_drop


def load_at_state(position: int, e: Elemental, block: Block) -> StepKernel:
    """Load the Jacobian of an elemental at the working state."""

    def kernel(run: PlanRun) -> None:
        value = run.lineariser.linearise(e.name, run.states[run.working])
        run.values[position] = loaded(e, value, block, run)

    return kernel


def advance(e: Elemental) -> StepKernel:
    """Evaluate an elemental at the working state, and go on from the result."""

    def kernel(run: PlanRun) -> None:
        run.states[e.target] = run.lineariser.advance(e.name, run.states[run.working])
        run.working = e.target

    return kernel


def restore(vertex: str) -> StepKernel:
    """Go back to a state that is held."""

    def kernel(run: PlanRun) -> None:
        run.working = vertex

    return kernel


def write(vertex: str) -> StepKernel:
    """Write a state to disk."""

    def kernel(run: PlanRun) -> None:
        run.files.write(vertex, run.states[vertex])

    return kernel


def read(vertex: str) -> StepKernel:
    """Read a state from disk, and go on from it."""

    def kernel(run: PlanRun) -> None:
        run.states[vertex] = run.files.read(vertex)
        run.working = vertex

    return kernel


def store(run: PlanRun) -> None:
    """Do nothing, because no state is copied: it stays where it is until its last use."""
