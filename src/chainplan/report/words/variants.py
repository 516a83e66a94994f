"""Variants in words: the sentence that says how good they are, and a table that says which is best where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Plan
from chainplan.plans.variants import Variants
from chainplan.problem.family import Family
from chainplan.problem.graph import Graph
from chainplan.report.words.steps import order_text
from chainplan.report.words.table import columns
from chainplan.solvers.sizes.few import sampled
from chainplan.solvers.sizes.moves import ChainMoves, refusal
from chainplan.solvers.sizes.plan_orders import order_of, price_text
from chainplan.solvers.sizes.points import PointPrices

MAP_WIDTH, MAP_HEIGHT = 48, 12
"""Characters of the map of two sizes."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_GRAPH_POINTS = 40
"""Sizes at which the variants of a graph are compared, each by a replay."""


class VariantRow(NamedTuple):
    """What the table says of a variant."""

    name: str
    where: str
    order: str
    price: str


def variants_table(variants: Variants) -> str:
    """Write the family, the sentence, a row for each variant, and a map where two sizes have names."""
    family = variants.family
    lines = [describe_family(family), "", f"  {variants}", ""]
    lines += columns([("order", "cheapest", "steps", "fma"), *variant_rows(variants)], right=set(), indent="  ")
    if len(family.ranges) == 2 and len(variants.plans) > 1:
        lines += ["", *_map(variants)]
    lines += ["", "  --sizes names=numbers plans for one of these sizes; --format json keeps all orders in one file."]
    return "\n".join(lines)


def describe_family(family: Family) -> str:
    """Describe a family in one line: its name, its inputs and outputs, the number of its elementals."""
    graph: Graph = family.graph
    ends = " -> ".join(", ".join(f"{v} ({family.term(v)})" for v in side) for side in (graph.inputs, graph.outputs))
    count = len(graph.elementals)
    return f"{family.name or 'family'}: {ends}, {count:,} elemental{'s' if count != 1 else ''}"


def variant_rows(variants: Variants) -> Iterator[VariantRow]:
    """Yield what the table says of each variant."""
    family = variants.family
    moves = None if refusal(family) else ChainMoves(family)
    where = list(_where(variants))
    for i, plan in enumerate(variants.plans):
        price = None if moves is None else price_text(moves, order_of(moves, plan))
        least, largest = (_price(family, plan, end) for end in (0, 1))
        order = order_text(plan) or f"{len(plan.steps)} steps"
        yield VariantRow(LETTERS[i % 26], where[i], order, price or f"{least:,} to {largest:,}")


def _price(family: Family, plan: Plan, end: int) -> int:
    problem = family.at_point(family.corner(end))
    return Candidate(Plan(problem.graph, plan.steps, plan.outputs), problem.cost).price


def _where(variants: Variants) -> Iterator[str]:
    """Say of each variant where it is the cheapest: at which sizes of one name, or at what share of several."""
    family = variants.family
    if variants.best:
        name = family.names[0]
        for i in range(len(variants.plans)):
            spans = [each for each in variants.best if each.variant == i]
            yield ", ".join(
                f"{name} = {s.first:,}" if s.first == s.last else f"{name} from {s.first:,} to {s.last:,}"
                for s in spans
            )
        return
    points = sampled(list(family.ranges.values()), 0)
    cheapest, lead = _compared(
        variants, points if not refusal(family) else points[:: max(1, len(points) // MAX_GRAPH_POINTS)]
    )
    for i in range(len(variants.plans)):
        own = cheapest == i
        if not own.any():
            yield "nowhere sampled"
            continue
        at = points[int(np.where(own, lead, 0).argmax())]
        example = ", ".join(f"{name} = {size:,}" for name, size in zip(family.names, at.tolist(), strict=True))
        yield f"at {100 * own.mean():.0f} % of sizes, such as {example}"


def _compared(variants: Variants, points: Array) -> tuple[Array, Array]:
    """Return the cheapest variant at each point, and by which factor the next one is dearer."""
    family = variants.family
    if refusal(family):
        named = [dict(zip(family.names, point, strict=True)) for point in points.tolist()]
        table = np.array([variants.prices_at(point) for point in named], float).T
    else:
        moves = ChainMoves(family)
        priced = PointPrices(moves.names, points)
        table = np.array([priced.total(moves, order_of(moves, plan)) for plan in variants.plans])
    ordered = np.sort(table, axis=0)
    second = ordered[min(1, len(ordered) - 1)]
    return table.argmin(axis=0), second / np.maximum(ordered[0], 1)


def _map(variants: Variants) -> list[str]:
    """Draw which variant is the cheapest: the first name to the right, the second one upwards, by their logarithms."""
    family = variants.family
    (across, (left, right)), (up, (low, high)) = family.ranges.items()
    width, height = (MAP_WIDTH, MAP_HEIGHT) if not refusal(family) else (MAP_WIDTH // 4, MAP_HEIGHT // 3)

    def steps(first: int, last: int, count: int) -> list[int]:
        return [int(first * (last / first) ** (i / (count - 1)) + 0.5) for i in range(count)]

    points = np.array([(x, y) for y in reversed(steps(low, high, height)) for x in steps(left, right, width)])
    letters = [LETTERS[i % 26] for i in _compared(variants, points)[0]]
    margin = max(len(f"{up} = {high:,}"), len(f"{low:,}"))
    lines = []
    for row in range(height):
        label = f"{up} = {high:,}" if row == 0 else f"{low:,}" if row == height - 1 else ""
        lines.append(f"  {label.rjust(margin)} |{''.join(letters[row * width : (row + 1) * width])}")
    ends = f"{left:,}", f"{across} = {right:,}"
    gap = max(1, width - len(ends[0]) - len(ends[1]))
    return [*lines, f"  {' ' * margin} +{'-' * width}", f"  {' ' * margin}  {ends[0]}{' ' * gap}{ends[1]}"]
