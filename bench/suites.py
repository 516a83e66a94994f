"""The table of suites: which instances, which competitors, which executions. A new suite is one entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.competitor import Competitor
from bench.execution import Execution
from bench.instances import Instance, stored_chains
from bench.peers import PEERS
from bench.planners import PLANNERS

QUICK_LONGEST = 100
TURNS = 5
"""Most turns of a competitor on an instance."""
ENOUGH = 0.5
"""Seconds after which a competitor gets no further turn on an instance."""


@dataclass(frozen=True)
class Suite:
    """What is measured together. Times are compared with those of `reference`."""

    name: str
    title: str
    instances: Callable[[], list[Instance]]
    competitors: tuple[Competitor, ...]
    executions: tuple[Execution, ...] = ()
    reference: str = "auto"
    notes: tuple[str, ...] = ()

    def quick(self) -> Suite:
        """The same on the first instance of each family and length up to 100 factors."""
        first: dict[tuple[str, int], Instance] = {}
        for instance in self.instances():
            if instance.n <= QUICK_LONGEST:
                first.setdefault((instance.family, instance.n), instance)
        short = tuple(case for case in self.executions if case.n <= QUICK_LONGEST)
        return replace(self, instances=lambda: list(first.values()), executions=short)


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "chains",
            "Dense matrix chains",
            stored_chains,
            (*PLANNERS, *PEERS),
            (
                Execution("tiny-100", "tiny", 100, 4, 8, 200),
                Execution("tiny-1000", "tiny", 1000, 4, 8, 50),
                Execution("large-8", "large", 8, 900, 1100, 7),
            ),
            notes=(
                "The searches of `cotengra-auto` and `cotengra-auto-hq` end by time, so load raises their costs, too.",
                "`multi_dot` stands for its order search alone; no array is multiplied.",
            ),
        ),
    )
}
