"""The classes of plans within which a bound holds or a plan is optimal, and which class includes which.

A lower bound on the plans of a class also holds for every narrower class, and says nothing about a wider one. So a plan
of a class refutes every higher bound of that class and of all wider ones. On chains the steps of a plan show its class
(`class_of`); elsewhere nothing is said about the class of a plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.bound import AFTER_ACCUMULATION
from chainplan.plans.candidate import Candidate
from chainplan.plans.second_steps import Contract, LoadSecond
from chainplan.plans.steps import Accumulate, Again, Decompress, Direction, Load, Multiply, Plan, Propagate, Seed
from chainplan.plans.typed import Typed
from chainplan.problem.problem import Problem
from chainplan.structures.second import Side

BRACKETINGS = "bracketings"
SHARED = "bracketings with equal products shared"
SWEEPS = "bracketings and coloured sweeps"
CHECKPOINTS = "bracketings and nested checkpoints"
ONE_SWEEP = "one sweep with nested checkpoints"
PROPAGATION = "vertex elimination with propagation"
SWEPT_PROPAGATION = "vertex elimination with propagation and coloured sweeps"

GROUPS = "groups of bracketings"
SWEPT_GROUPS = "groups of bracketings and coloured sweeps"
ELIMINATION_PRODUCTS = "vertex elimination and products"
PROPAGATION_PRODUCTS = "vertex elimination with propagation and products"
SWEPT_PROPAGATION_PRODUCTS = "vertex elimination with propagation, coloured sweeps and products"

SECOND_BRACKETINGS = "second-order bracketings"
SECOND_CARRIED = "second-order bracketings with carried rows"
SECOND_SHARED = "second-order bracketings with Jacobians and rows in any order"
SECOND_ELIMINATION = "second-order vertex elimination"
SECOND_PRODUCTS = "second-order vertex elimination and products"

PLAN_CLASSES: dict[str, tuple[str, ...]] = {
    BRACKETINGS: (SWEEPS, SHARED, "vertex elimination", PROPAGATION),
    SHARED: (),
    SWEEPS: (SWEPT_PROPAGATION,),
    CHECKPOINTS: (),
    ONE_SWEEP: (CHECKPOINTS,),
    "vertex elimination": ("edge elimination",),
    "edge elimination": ("face elimination",),
    "face elimination": (BRACKETINGS,),
    PROPAGATION: (SWEPT_PROPAGATION,),
    SWEPT_PROPAGATION: (SWEEPS,),
    GROUPS: (SWEPT_GROUPS, ELIMINATION_PRODUCTS, PROPAGATION_PRODUCTS),
    SWEPT_GROUPS: (SWEPT_PROPAGATION_PRODUCTS,),
    ELIMINATION_PRODUCTS: (GROUPS,),
    PROPAGATION_PRODUCTS: (SWEPT_PROPAGATION_PRODUCTS,),
    SWEPT_PROPAGATION_PRODUCTS: (SWEPT_GROUPS,),
    SECOND_BRACKETINGS: (SECOND_CARRIED, SECOND_ELIMINATION),
    SECOND_CARRIED: (SECOND_SHARED,),
    SECOND_ELIMINATION: (SECOND_BRACKETINGS,),
    SECOND_SHARED: (),
    SECOND_PRODUCTS: (),
    "vertex elimination after accumulation": ("edge elimination after accumulation", PROPAGATION),
    "edge elimination after accumulation": ("face elimination after accumulation",),
    "face elimination after accumulation": (SWEEPS,),
}
"""Each class with the next wider ones; the inclusions hold on every problem that has plans of both (`misfit`).

Bracketings and eliminations are comparable on chains alone. There a bracketing of explicit elementals eliminates the
vertices one after the other, and an elimination is a bracketing, so those four classes include each other. After
accumulation means that each matrix-free elemental is accumulated first, by a coloured sweep where that is cheaper. With
propagation, each product of two edges at a vertex multiplies their blocks, or applies matrix-free elementals of one
edge to the block of the other and multiplies the rest of it; an elemental is accumulated where its block is needed.
With coloured sweeps, connected vertices may also go at once, by seeds that are carried through all their elementals
from each vertex on one side (`solvers.elimination.swept_parts`).

With equal products shared, a product of equal elementals is made once, however often it stands in the chain.
Groups are plans for products with a chain: the chain is cut into groups of adjacent elementals, the set-up forms the
block of each group by a plan of the class that is named, or a group is one elemental that is applied as it is, and each
product goes through the groups one after the other. On graphs the vectors of all products are a vertex before the
inputs, or behind the outputs where there are more products on the left, and plans are those of the graph with this
vertex (`solvers.uses.directions`). On a chain they are groups.

A second-order bracketing of a chain splits each interval once, for its second derivative and for its Jacobian, so that
each Jacobian is made once (`plans.second_bracketings`). With carried rows, parts may be weighted by the rows behind
them before they are put together. With Jacobians and rows in any order, those that the splits need are made from each
other by any products, and each is made once too. A matrix-free second derivative is formed, or applied
to blocks that multiply it, where it is read (`plans.second_free`). On graphs, second-order vertex elimination puts what
a vertex is made of in its place, in the edges of both orders (`plans.second_elimination`). On a chain its orders are
the second-order bracketings. For products with a Hessian, second derivatives are weighted where they come in, some
vertices are eliminated by the set-up, and each product goes through the edges that are left
(`plans.second_programs`).

One sweep with nested checkpoints extends the block of the last elemental to the input by one elemental at a time, each
in the cheapest way that fits by itself. Checkpoints are held in memory, or on disk where the problem has one.
"""


GRAPH_PRODUCT_CLASSES = (ELIMINATION_PRODUCTS, PROPAGATION_PRODUCTS, SWEPT_PROPAGATION_PRODUCTS)
"""The classes of plans for products with graphs."""
PRODUCT_CLASSES = (GROUPS, SWEPT_GROUPS, *GRAPH_PRODUCT_CLASSES)
"""The classes of plans for products; all others are of plans for the Jacobian."""


SECOND_CLASSES = (SECOND_BRACKETINGS, SECOND_CARRIED, SECOND_SHARED, SECOND_ELIMINATION, SECOND_PRODUCTS)
"""The classes of plans for second derivatives; the last one is that of their products."""


def products_class(name: str, problem: Problem) -> str:
    """Return the class of plans for products that are those of a class on the graph with a vertex for the vectors."""
    if problem.graph.explicit:
        return ELIMINATION_PRODUCTS
    return SWEPT_PROPAGATION_PRODUCTS if name == SWEPT_PROPAGATION else PROPAGATION_PRODUCTS


def includes(wider: str, name: str, problem: Problem) -> bool:
    """Say whether every plan of the class `name` is in the class `wider`, on a problem that has plans of both."""
    seen, todo = set[str](), [name]
    while todo:
        reached = todo.pop()
        if reached not in seen and misfit(reached, problem) is None:
            seen.add(reached)
            todo += PLAN_CLASSES[reached]
    return wider in seen


def misfit(name: str, problem: Problem) -> str | None:
    """Say why a problem has no plans of a class, or return None where it may have some."""
    graph = problem.graph
    if name not in PLAN_CLASSES:
        return f"there is no such class of plans; expected one of {', '.join(PLAN_CLASSES)}"
    if (problem.second is None) == (name in SECOND_CLASSES):
        which = "no second derivatives" if problem.second is None else "second derivatives"
        return f"{which} are asked for; expected one of {', '.join(SECOND_CLASSES)} for them, and only there"
    if problem.second is not None and (problem.products is None) == (name == SECOND_PRODUCTS):
        which = "no products" if problem.products is None else "products"
        return f"{which} are asked for; expected '{SECOND_PRODUCTS}' for products with H, and only there"
    if name in SECOND_CLASSES:
        return None if name in (SECOND_ELIMINATION, SECOND_PRODUCTS) else graph.not_a_chain
    if (problem.products is None) == (name in PRODUCT_CLASSES):
        which = "no products" if problem.products is None else "products"
        return f"{which} are asked for; expected one of {', '.join(PRODUCT_CLASSES)} for products, and only there"
    if name in GRAPH_PRODUCT_CLASSES:
        if graph.explicit != (name == ELIMINATION_PRODUCTS):
            return f"expected '{ELIMINATION_PRODUCTS}' where no elemental is matrix-free, and only there"
        return None
    if name in PRODUCT_CLASSES:
        return graph.not_a_chain
    if problem.recompute != (name in (CHECKPOINTS, ONE_SWEEP)):
        which = "set" if problem.recompute else "not set"
        return f"limits.recompute is {which}; expected {CHECKPOINTS} or {ONE_SWEEP} where it is, and only there"
    if name == SHARED and not graph.shares:
        return "no elemental is the same as another one; expected some that are"
    if name == ONE_SWEEP or name.startswith(BRACKETINGS):
        return graph.not_a_chain
    if graph.explicit == (name in (PROPAGATION, SWEPT_PROPAGATION) or name.endswith(AFTER_ACCUMULATION)):
        none = "no " if graph.explicit else ""
        expected = f"'{AFTER_ACCUMULATION[1:]}' or 'with propagation'"
        return f"it has {none}matrix-free elementals; expected {expected} where it has some"
    return None


def class_of(candidate: Candidate, problem: Problem) -> str | None:
    """Return the narrowest class that a right plan is in, as far as its steps show it, or None where they show none.

    A plan with steps that nothing reads is in the class of its other steps, which cost no more. Under a memory limit
    the steps of a coloured sweep stand together.
    """
    plan = candidate.plan
    if problem.second is not None and plan.programs:
        return None
    if problem.second is not None:
        return SECOND_BRACKETINGS if plan.graph.not_a_chain is None and _by_splits(candidate) else None
    if plan.programs:
        return GROUPS if plan.graph.not_a_chain is None and _in_groups(candidate) else None
    if problem.recompute or plan.graph.not_a_chain is not None:
        return None
    kinds = (Load, Accumulate, Propagate, Multiply, Seed, Decompress, Again)
    if not all(isinstance(step, kinds) and getattr(step, "onto", None) is None for step in plan.steps):
        return None
    shares = any(isinstance(step, Again) for step in plan.steps)
    if not any(isinstance(step, Seed) for step in plan.steps):
        return SHARED if shares else BRACKETINGS
    if shares:
        return None
    blocks = candidate.replay.blocks
    single = all(_single(plan, blocks, position) for position in range(len(plan.steps)))
    return SWEEPS if single and (problem.memory is None or _uninterrupted(plan, blocks)) else None


def _by_splits(candidate: Candidate) -> bool:
    """Say whether a plan is a second-order bracketing: all blocks of an interval are made by one split of it."""
    blocks, splits = candidate.replay.blocks, dict[tuple[str, str], str]()
    for step, typed in zip(candidate.plan.steps, blocks, strict=True):
        if isinstance(step, Load | LoadSecond | Accumulate):
            continue
        if isinstance(step, Multiply) and step.onto is None:
            middle = blocks[step.left].source
        elif isinstance(step, Contract) and step.side in (Side.ROWS, Side.BOTH):
            middle = blocks[step.block].source if step.side is Side.ROWS else blocks[step.block].target
        else:
            return False
        if splits.setdefault((typed.source, typed.target), middle) != middle:
            return False
    return True


def _in_groups(candidate: Candidate) -> bool:
    """Say whether all products for which a plan is priced take a vector through the same blocks and elementals.

    The blocks are made without seeds, and so by bracketings.
    """
    plan, replayed = candidate.plan, candidate.replay
    if not all(isinstance(step, Load | Accumulate | Propagate | Multiply) for step in plan.steps):
        return False
    ways = set()
    for program in replayed.programs:
        blocks, way = (*replayed.blocks, *program.blocks), set[tuple[str, str] | str]()
        for step in program.program.steps:
            if isinstance(step, Propagate):
                way.add(step.elemental)
            elif isinstance(step, Multiply) and step.onto is None:
                way |= {blocks[at][:2] for at in step.operands() if blocks[at].special is None}
            elif not isinstance(step, Load | Direction):
                return False
        if program.program.times:
            ways.add(frozenset(way))
    return len(ways) == 1


def _single(plan: Plan, blocks: Sequence[Typed], position: int) -> bool:
    """Say whether a step that makes a compressed block applies a single elemental to it, or seeds it."""
    step = plan.steps[position]
    if blocks[position].whole is None or not isinstance(step, Multiply):
        return True
    return any(isinstance(plan.steps[operand], Load) for operand in step.operands())


def _uninterrupted(plan: Plan, blocks: Sequence[Typed]) -> bool:
    """Say whether nothing but loads stands between the first seed of each sweep and its decompression."""
    sweeping, last = False, -1
    for position, (step, typed) in enumerate(zip(plan.steps, blocks, strict=True)):
        if isinstance(step, Decompress):
            if any((blocks[arg].seed or 0) < last for arg in step.operands()):
                return False
            sweeping, last = False, position
        elif typed.whole is not None:
            sweeping = True
        elif sweeping and not isinstance(step, Load):
            return False
    return True
