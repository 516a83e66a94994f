"""What an order costs, as an exact int, derived from the order and the sizes alone.

No competitor is asked for its own figure: some count in floats, some count a multiply-add twice, some minimise a mix of
operations and memory traffic. A chain has sizes x_0 ... x_n and factors i = 0 ... n-1 between x_i and x_(i+1). Whether
factor i is x_i by x_(i+1) or its transpose changes neither the orders nor their costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any

from chainplan.plans.steps import Load, Multiply, Plan


def path_cost(sizes: Sequence[int], path: Sequence[Sequence[int]]) -> int:
    """Multiplications of an einsum path: each step pops two terms by position and appends their contraction.

    A contraction costs the product of all sizes involved, which is m·k·n for a product of matrices and more where the
    path takes factors that are not neighbours.

    Raises
    ------
    ValueError
        If a step is not a pair, or the path does not end with the whole chain.
    """
    n = len(sizes) - 1
    terms = [frozenset((i, i + 1)) for i in range(n)]
    wanted = Counter(i for term in terms for i in term) + Counter((0, n))
    cost = 0
    for step in path:
        if len(step) != 2:
            raise ValueError(f"step {tuple(step)} of the path contracts {len(step)} terms; expected 2")
        high, low = max(step), min(step)
        a, b = terms.pop(high), terms.pop(low)
        involved = a | b
        cost += prod(sizes[i] for i in involved)
        wanted.subtract(a)
        wanted.subtract(b)
        kept = frozenset(i for i in involved if wanted[i])
        wanted.update(kept)
        terms.append(kept)
    if terms != [frozenset((0, n))]:
        raise ValueError(f"the path leaves {len(terms)} terms; expected the product of all {n} factors")
    return cost


def bracketing_cost(sizes: Sequence[int], split: Any) -> int:
    """Multiplications of a bracketing: factors i ... j are split after factor `split[i, j]`."""
    cost, todo = 0, [(0, len(sizes) - 2)]
    while todo:
        i, j = todo.pop()
        if i == j:
            continue
        k = int(split[i, j])
        if not i <= k < j:
            raise ValueError(f"factors {i} to {j} are split after {k}; expected {i} to {j - 1}")
        cost += sizes[i] * sizes[k + 1] * sizes[j + 1]
        todo += [(i, k), (k + 1, j)]
    return cost


def plan_cost(sizes: Sequence[int], plan: Plan) -> int:
    """Multiplications of a plan for the chain whose factor i is the elemental F(i+1)."""
    cost = 0
    made: list[tuple[int, int]] = []
    for step in plan.steps:
        match step:
            case Load(name):
                end = int(name.removeprefix("F"))
                made.append((end - 1, end))
            case Multiply(left, right, None):
                (start, middle), (meets, end) = made[right], made[left]
                if middle != meets:
                    raise ValueError(f"{step} joins x{middle} and x{meets}; expected one vertex")
                cost += sizes[start] * sizes[middle] * sizes[end]
                made.append((start, end))
            case _:
                raise ValueError(f"{step} has no place in the plan of a dense chain")
    if [made[output.step] for output in plan.outputs] != [(0, len(sizes) - 1)]:
        raise ValueError("the plan does not end with the product of the whole chain")
    return cost
