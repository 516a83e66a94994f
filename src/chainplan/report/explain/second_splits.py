"""The runner-up at each top split of a chain that is planned in second order: how much more the next best one costs.

The prices of all parts (`solvers.second.interval_table`) give the best plan of a part with a given split at once, so
that each figure is exact: what is needed of the part, its second derivative and with it Jacobians and rows, costs no
less with the split of the runner-up. Only plans that the table writes step by step are explained.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from chainplan.plans.candidate import Candidate
from chainplan.plans.second_bracketings import ChainPart, bracketing_plan, split_parts
from chainplan.plans.second_links import bends, chain_links
from chainplan.problem.problem import Problem
from chainplan.report.explain.splits import MAX_EXPLAINED_SPLITS, IntervalSplit, LastOperation
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.second.chain import SecondChainSolver
from chainplan.solvers.second.interval_table import SecondIntervalTable


def second_splits(problem: Problem, candidate: Candidate, seconds: float) -> tuple[tuple[IntervalSplit, ...], str]:
    """Explain the top splits of a chain's plan for its second derivative; the text says what is not known, and why."""
    asked, not_looked = problem.second, "Runners-up are not looked at:"
    if asked is None or not asked.symmetric or SecondChainSolver().refusal(problem) is not None:
        return (), f"{not_looked} this is no chain whose second derivative is formed for the fewest fma."
    links = chain_links(problem.graph, asked)
    try:
        table = SecondIntervalTable(links, problem.cost, Search(budget=seconds).tick)
    except SearchStopped:
        return (), f"{not_looked} pricing all parts takes more than {seconds:.1f} s."
    if bracketing_plan(problem.graph, asked, table.choose).steps != candidate.plan.steps:
        return (), f"{not_looked} the plan is not the cheapest by splits of which all parts are priced."
    return tuple(_walk(candidate, table, bends(links))), ""


def _walk(
    candidate: Candidate, table: SecondIntervalTable, bent: Callable[[int, int], bool]
) -> Iterator[IntervalSplit]:
    """Yield the splits of the whole chain and of parts whose second derivatives are formed, from the top."""
    todo, count = deque([ChainPart(0, table.size, weighted=True, whole=False, carried=False)]), 0
    names = [*(e.source for e in candidate.plan.graph.chain), *candidate.plan.graph.outputs, "weights"]
    while todo and count < MAX_EXPLAINED_SPLITS:
        part = todo.popleft()
        choice = table.choose(part)
        if choice.formed:
            todo.append(part._replace(weighted=False, whole=choice.whole))
        elif part.j - part.i > 1:
            todo += split_parts(part, choice, bent)
            prices = table.prices_of_splits(part, choice)
            step = _step(candidate, names[part.i], None if part.j == table.size else names[part.j])
            if len(prices) > 1 and step is not None and (part.j == table.size or not part.weighted):
                count += 1
                yield _split(step, part, names, prices, choice.k)


def _step(candidate: Candidate, source: str, target: str | None) -> int | None:
    """Return the step that makes the second derivative of a part, from a vertex to another one or to the end."""
    end = candidate.replay.blocks[candidate.plan.second_outputs[0].step].target
    blocks = candidate.replay.blocks
    at = [p for p, b in enumerate(blocks) if b.second and (b.source, b.target) == (source, target or end)]
    return at[-1] if at else None


def _split(step: int, part: ChainPart, names: list[str], prices: dict[int, int], k: int) -> IntervalSplit:
    """Compare a split with the others of a part."""
    ways = {at: LastOperation(names[at], "product", price) for at, price in prices.items()}
    others = [way for at, way in ways.items() if at != k]
    ties = tuple(way for way in others if way.price == prices[k])
    rest = [way for way in others if way.price != prices[k]]
    runner_up = min(rest, key=lambda way: way.price, default=None)
    return IntervalSplit(step, names[part.i], names[part.j], ways[k], ties, runner_up)
