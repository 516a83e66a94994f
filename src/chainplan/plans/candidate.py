"""A plan together with what follows from it: the value that every stage of planning passes to the next.

Solvers make candidates, and later stages compare, reorder, schedule and accept them. Each stage needs the peak or the
price of the plan, and none trusts the figures of another. So a candidate works them out itself, by a replay on first
use, and only once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chainplan.plans.replay import Replay, replay
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel


@dataclass(frozen=True, eq=False)
class Candidate:
    """A plan, and the cost model of the objective by which it competes."""

    plan: Plan
    cost: CostModel

    @cached_property
    def replay(self) -> Replay:
        """The blocks of the plan, the elements alive at each step, and prices in fma."""
        return replay(self.plan)

    @cached_property
    def priced(self) -> Replay:
        """The same replay with the prices of the objective."""
        return self.replay if self.cost is FMA else replay(self.plan, self.cost)

    @cached_property
    def price(self) -> int:
        """The cost of the plan in the unit of the objective."""
        return self.priced.total

    @property
    def peak(self) -> int:
        """The most elements alive at any step."""
        return self.replay.peak

    def fits(self, memory: int | None) -> bool:
        """Say whether the plan keeps a limit of elements alive at once; None sets no limit."""
        return memory is None or self.peak <= memory
