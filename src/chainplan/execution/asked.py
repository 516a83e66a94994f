"""Fetches elementals from a mapping that makes them on demand: each at its first step, to be dropped after its last.

A mapping that is no dict may read files or linearise modules, and all elementals at once may take far more memory than
the plan does. So what a step needs is fetched before the step, under a lock because there may be threads, and is
dropped after its last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping
from threading import Lock

from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun
from chainplan.execution.program import LoweredPlan
from chainplan.kernels.convert import given_away
from chainplan.plans.liveness import kept
from chainplan.plans.steps import Accumulate, Plan, Propagate
from chainplan.values.jacobians import GivenJacobian, matrix_free


class FetchedJacobians:
    """The elementals that one run of a plan fetches from a mapping."""

    def __init__(self, plan: Plan, program: LoweredPlan, jacobians: Mapping[str, GivenJacobian], run: PlanRun) -> None:
        self._jacobians, self._run, self._lock = jacobians, run, Lock()
        self._steps = plan.steps
        self._loads = {load[0]: load[1:] for load in program.loads}
        self._applied = {e.name: e for e in program.applied}
        self._left: Counter[int | str] = Counter(use for position, _, _ in program.code for use in self._uses(position))
        self._left.update(output.step for output in plan.outputs if output.step in self._loads)
        self._kept: set[int | str] = {position for position in kept(plan) if position in self._loads}
        self._kept.update(step.elemental for p in plan.programs for step in p.steps if isinstance(step, Propagate))
        self._left.update(self._kept)
        self._there: set[int | str] = set()
        _require_all(program, set(jacobians))

    def _uses(self, position: int) -> list[int | str]:
        """Return the loads that a step reads, and the elemental that it applies."""
        step = self._steps[position]
        uses: list[int | str] = [arg for arg in set(step.operands()) if arg in self._loads]
        if isinstance(step, Accumulate | Propagate):
            uses.append(step.elemental)
        return uses

    def step(self, position: int, kernel: Callable[[PlanRun], None]) -> None:
        """Fetch what a step needs, run the step, and drop what no later step needs."""
        uses = self._uses(position)
        with self._lock:
            for use in uses:
                self._fetch(use)
        kernel(self._run)
        with self._lock:
            for use in uses:
                self._left[use] -= 1
                if not self._left[use]:
                    self._drop(use)

    def output(self, position: int) -> None:
        """Fetch a load that is itself an output."""
        if position in self._loads:
            self._fetch(position)

    def keep(self) -> None:
        """Fetch what the programs of a plan read and apply; it is never dropped."""
        for use in self._kept:
            self._fetch(use)

    def _fetch(self, use: int | str) -> None:
        if use in self._there:
            return
        self._there.add(use)
        if isinstance(use, int):
            e, fill = self._loads[use]
            self._run.values[use] = fill(self._jacobians.get(e.name), self._run)
        else:
            self._run.applied[use] = matrix_free(self._applied[use], self._jacobians[use])

    def _drop(self, use: int | str) -> None:
        if isinstance(use, int):
            self._run.values[use] = None
        else:
            del self._run.applied[use]


def _require_all(program: LoweredPlan, names: Container[str]) -> None:
    """Refuse a mapping that lacks an elemental, before the first step."""
    for _, e, _ in program.loads:
        if e.name not in names and not given_away(e.block):
            raise ExecutionError(f"no Jacobian for '{e.first}'; expected an array of {e.block.rows} x {e.block.cols}.")
    for e in program.applied:
        require_functions(e.name, names)


def require_functions(name: str, names: Container[str]) -> None:
    """Refuse Jacobians that lack those of a matrix-free elemental."""
    if name not in names:
        raise ExecutionError(f"no functions for matrix-free '{name}'; expected a pair (tangent, adjoint).")
