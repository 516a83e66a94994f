"""One run of a plan, which the kernels of its steps are called with one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from chainplan._util.arrays import DType
from chainplan.execution.state_files import StateFiles
from chainplan.kernels.storage import HeldValues
from chainplan.values.jacobians import GivenJacobian, MatrixFree, common_dtype
from chainplan.values.primal import Primal, VertexState
from chainplan.values.second_functions import SecondFunctions
from chainplan.values.worker_module import WorkerModule

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class PlanRun:
    """One run of a plan: the blocks held so far, by step, and what the matrix-free steps need."""

    def __init__(
        self, steps: int, given: Mapping[str, GivenJacobian], dtype: DTypeLike | None, primal: Primal | None = None
    ) -> None:
        self.values: list[HeldValues] = [None] * steps
        self.states: dict[str, VertexState] = {}
        self.files = StateFiles()
        self.working = ""
        self.primal = primal
        self.applied: dict[str, MatrixFree] = {}
        self.seconds: dict[str, SecondFunctions] = {}
        self.modules: dict[str, WorkerModule] = {}
        self.asked = False
        self.given, self._wanted = given, dtype

    @cached_property
    def dtype(self) -> DType:
        """The dtype of seeds, and of unit blocks that must be written out."""
        if self.primal is not None and self._wanted is None:
            return self.primal.dtype
        return common_dtype(self._known(), self._wanted)

    def _known(self) -> Iterable[GivenJacobian]:
        """Return the values that decide the dtype; for a mapping that is asked step by step, the blocks so far."""
        if self.primal is not None:
            return ()
        return self.values if self.asked else self.given.values()

    @property
    def lineariser(self) -> Primal:
        """The primal chain on which states are evaluated."""
        assert self.primal is not None
        return self.primal


StepKernel = Callable[[PlanRun], None]
"""What runs a step: it reads the values of other steps in a run, and puts its own there."""
