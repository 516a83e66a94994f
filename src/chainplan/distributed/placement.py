"""Plans on all workers of a cluster, those that come later included, so that no task has to fetch one.

A plan that tasks read like a block would draw them to the workers that have it, and leave the others idle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from distributed import WorkerPlugin

from chainplan.distributed.worker_tasks import PLACED_PLANS, withdraw_plan

if TYPE_CHECKING:
    from distributed import Worker

    from chainplan.distributed.worker_plan import WorkerPlan


class PlanPlugin(WorkerPlugin):  # type: ignore[misc]
    """A plan that each worker gets when it starts, or at once."""

    def __init__(self, token: str, plan: WorkerPlan) -> None:
        self._token, self._plan = token, plan

    def setup(self, worker: Worker) -> None:
        """Put the plan where tasks look for it."""
        PLACED_PLANS[self._token] = self._plan

    def teardown(self, worker: Worker) -> None:
        """Drop the plan."""
        withdraw_plan(self._token)
