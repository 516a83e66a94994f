"""When each intermediate vertex of a graph vanishes, and what the products over it cost.

A vertex is there as long as an elemental that is still to be taken, or a block that is still to be read, begins or ends
at it. A product left · right leads over the vertex where the two meet, so every product belongs to one vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainplan.plans.liveness import last_uses
from chainplan.plans.replay import Replay
from chainplan.plans.steps import Accumulate, Load, Multiply, Plan, Propagate


@dataclass(frozen=True)
class EliminatedVertex:
    """A vertex that products lead over: their number and price, and the step after which it is gone.

    An output stays: its `step` is None.
    """

    vertex: str
    size: int
    step: int | None
    products: int
    price: int


def eliminated(plan: Plan, replayed: Replay) -> list[EliminatedVertex]:
    """List the intermediate vertices in the order in which they vanish, then the outputs that products lead over."""
    graph, gone = plan.graph, dict[str, int]()
    count, price = dict[str, int](), dict[str, int]()
    for name, position in direct_uses(plan).items():
        for vertex in (graph[name].source, graph[name].target):
            gone[vertex] = max(gone.get(vertex, 0), position)
    for position, last in enumerate(last_uses(plan)):
        typed = replayed.blocks[position]
        for vertex in (typed.source, typed.target):
            gone[vertex] = max(gone.get(vertex, 0), last)
        step = plan.steps[position]
        if isinstance(step, Multiply | Propagate):
            if isinstance(step, Multiply):
                middle = replayed.blocks[step.left].source
            else:
                e = graph[step.elemental]
                middle = e.source if replayed.blocks[step.arg].target == e.source else e.target
            count[middle] = count.get(middle, 0) + 1
            price[middle] = price.get(middle, 0) + replayed.prices[position]
    ends = {*graph.inputs, *graph.outputs}
    order = sorted((step, v) for v, step in gone.items() if v in graph.sizes and v not in ends)
    stays = [v for v in graph.order if v in ends and v in count]
    return [
        EliminatedVertex(v, graph.sizes[v], step, count.get(v, 0), price.get(v, 0))
        for step, v in [*order, *((None, v) for v in stays)]
    ]


def direct_uses(plan: Plan) -> dict[str, int]:
    """Map each elemental to the last step that takes it from the graph, in the order of the first such steps."""
    uses: dict[str, int] = {}
    for position, step in enumerate(plan.steps):
        if isinstance(step, Load | Accumulate | Propagate):
            uses[step.elemental] = position
    return uses
