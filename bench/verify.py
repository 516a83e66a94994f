"""Plans every instance of a suite again and compares with the stored optimum."""

from __future__ import annotations

from collections.abc import Iterator

from bench.costs import plan_cost
from bench.planners import plan_chain
from bench.suites import Suite


def mistakes(suite: Suite) -> Iterator[str]:
    """Each disagreement between a stored optimum and a solver of its proof."""
    for instance in suite.instances():
        for solver in instance.proof:
            cost = plan_cost(instance.sizes, plan_chain(instance.sizes, solver))
            if cost != instance.optimum:
                yield f"{instance.name}: stored optimum {instance.optimum:,}, but {solver} finds {cost:,}"
