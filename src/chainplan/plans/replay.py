"""Run a plan on blocks instead of numbers: types, structure and fma of every step, adds and peak memory.

This is where costs come from. The replayer knows neither who made the plan nor what it claims; it raises on the first
step that breaks a rule of the plan language, so a plan that replays is well-typed: every block is a sum of products
along paths from its `source` vertex to its `target` vertex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from chainplan._util.gc_pause import uncollected
from chainplan.errors import PlanError
from chainplan.errors.arguments import found
from chainplan.plans.liveness import evaluates, last_uses, tape_spans
from chainplan.plans.states import spans
from chainplan.plans.steps import (
    LARGEST_COLOURED,
    NONZEROS_COLOURED,
    Accumulate,
    Add,
    Advance,
    Decompress,
    Load,
    Multiply,
    Output,
    Plan,
    Planned,
    Propagate,
    Restore,
    Seed,
    Store,
    plan_of,
)
from chainplan.problem.cost import FMA, CostModel, model_of
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.structures import Block, Identity, sum_adds

if TYPE_CHECKING:
    from chainplan.colouring import Colouring


class Typed(NamedTuple):
    """A block between two vertices: size(target) x size(source), holding paths from source to target.

    Where it is compressed, one of the two is the colours of the seed step numbered `seed` (see `colours_of`), and
    `whole` is the block that it is a compression of; it counts as dense itself.
    """

    target: str
    source: str
    block: Block
    seed: int | None = None
    whole: Block | None = None
    state: bool = False
    """Whether the step moves states and makes no block; `block` is then the working state after it, size x 1."""


def colours_of(seed: int) -> str:
    """What stands for the vertex on the compressed side of a block; no vertex can have this name."""
    return f"\0colours of #{seed}"


@dataclass(frozen=True)
class Replay:
    """What follows from a plan: per step its block and price, and the totals."""

    blocks: tuple[Typed, ...]
    prices: tuple[int, ...]
    alive: tuple[int, ...]
    adds: int

    @property
    def total(self) -> int:
        """Price of the whole plan, in the unit of the cost model (fma by default)."""
        return sum(self.prices)

    @property
    def peak(self) -> int:
        """Most elements (blocks, tapes, states that the plan evaluates) alive at any step."""
        return max(self.alive, default=0)


def replay(plan: Plan | Planned, cost: CostModel = FMA) -> Replay:
    """Replay a plan on its graph; kept for as long as the plan lives. O(steps), but for the structural counts.

    Parameters
    ----------
    plan : Plan | Planned
        The plan, or what holds one: a `Result`, a plan file that was read.
    cost : CostModel
        What the steps are priced by.

    Returns
    -------
    Replay
        The block and the price of every step, and the elements alive at it.

    Raises
    ------
    PlanError
        Naming the step, where one breaks SSA order, names no elemental or joins blocks that do not meet.

    Examples
    --------
    >>> import chainplan
    >>> replay(chainplan.plan(chainplan.chain([2, 3, 4])).plan).prices
    (0, 0, 24)
    """
    plan, cost = plan_of(plan), model_of(cost)
    known = _KNOWN.setdefault(plan, {})
    if cost not in known:
        with uncollected():
            known[cost] = _replayed(plan, cost)
    return known[cost]


_KNOWN: WeakKeyDictionary[Plan, dict[CostModel, Replay]] = WeakKeyDictionary()


def _replayed(plan: Plan, cost: CostModel) -> Replay:
    blocks: list[Typed] = []
    prices: list[int] = []
    adds = 0
    for position, step in enumerate(plan.steps):
        if type(step) not in _STEPS:
            raise PlanError(
                f"step {position}: found {found(step)}; expected a step of `chainplan.plans.steps`. Correct it."
            )
        try:
            typed, price, added = _STEPS[type(step)](step, plan.graph, blocks, cost)
        except _Broken as broken:
            raise PlanError(f"step {position}: {broken}") from None
        blocks.append(typed)
        prices.append(price)
        adds += added
    ends = frozenset(plan.graph.outputs), frozenset(plan.graph.inputs)
    for output in plan.outputs:
        _check_output(output, ends, blocks)
    return Replay(tuple(blocks), tuple(prices), _alive(plan, blocks), adds)


class _Broken(Exception):
    """A rule of the plan language that a step breaks."""


def _multiply(step: Multiply, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    left, right = _operand(made, step.left, "left"), _operand(made, step.right, "right")
    target, source = left.target, right.source
    if left.source != right.target:
        raise _Broken(
            f"left block starts at '{left.source}', but right block ends at '{right.target}'; they must meet."
        )
    product = _joined(left, right)
    price = cost.multiply(left.block, right.block, product.block if product.whole is None else None)
    if step.onto is None:
        return product, price, 0
    onto = _operand(made, step.onto, "onto")
    if onto.target != target or onto.source != source:
        raise _Broken(
            f"the product leads '{source}' -> '{target}', but onto leads '{onto.source}' -> '{onto.target}'; they must "
            "agree."
        )
    price += cost.add(product.block, onto.block)
    if product.whole is not None:
        return _summed(onto, product), price, 0
    total = onto.block.plus(product.block)
    return (onto if total is onto.block else Typed(target, source, total)), price, 0


def _joined(left: Typed, right: Typed) -> Typed:
    """The product of two blocks that meet; a compressed factor makes a compressed product."""
    if left.whole is None and right.whole is None:
        return Typed(left.target, right.source, left.block.times(right.block))
    block = Block(left.block.rows, right.block.cols)
    if left.whole is None and right.whole is not None:
        return Typed(left.target, right.source, block, right.seed, left.block.times(right.whole))
    if right.whole is None and left.whole is not None:
        return Typed(left.target, right.source, block, left.seed, left.whole.times(right.block))
    raise _Broken("left and right are both compressed; decompress one before they multiply.")


def _summed(left: Typed, right: Typed) -> Typed:
    """The sum of two blocks between the same vertices, compressed where they are."""
    whole = None if left.whole is None or right.whole is None else left.whole.plus(right.whole)
    return Typed(left.target, left.source, left.block.plus(right.block), left.seed, whole)


def _load(step: Load, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    e = _elemental(graph, step.elemental)
    if not e.explicit:
        raise _Broken(f"'{e.name}' is matrix-free and cannot be loaded; accumulate it.")
    return Typed(e.target, e.source, e.block), 0, 0


def _accumulate(step: Accumulate, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    e = _applied(graph, step)
    return Typed(e.target, e.source, e.block), cost.accumulate(e, step.mode), 0


def _propagate(step: Propagate, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    e = _applied(graph, step)
    arg = _operand(made, step.arg, "arg")
    price = cost.propagate(e, arg.block, step.mode)
    if step.mode is Mode.TANGENT:
        if arg.target != e.source:
            raise _Broken(f"arg ends at '{arg.target}', but a tangent of '{e.name}' starts at '{e.source}'.")
        return _joined(Typed(e.target, e.source, e.block), arg), price, 0
    if arg.source != e.target:
        raise _Broken(f"arg starts at '{arg.source}', but an adjoint of '{e.name}' starts at '{e.target}'.")
    return _joined(arg, Typed(e.target, e.source, e.block)), price, 0


def _add(step: Add, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    left, right = _operand(made, step.left, "left"), _operand(made, step.right, "right")
    if (left.target, left.source) != (right.target, right.source):
        raise _Broken(
            f"left leads '{left.source}' -> '{left.target}', right '{right.source}' -> '{right.target}'; a sum needs "
            "blocks between the same vertices."
        )
    price = cost.add(left.block, right.block)
    return _summed(left, right), price, sum_adds(left.block, right.block)


def _seed(step: Seed, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    if step.vertex not in graph.sizes:
        raise _Broken(f"'{step.vertex}' is no vertex of the problem.")
    _require_mode(step.mode)
    size, colours = graph.sizes[step.vertex], max(step.colours, default=-1) + 1
    if len(step.colours) != size or min(step.colours, default=0) < -1 or colours > size:
        raise _Broken(
            f"its colours do not fit; expected one from -1 for each of the {size} entries of '{step.vertex}'."
        )
    if not colours:
        raise _Broken(f"no entry of '{step.vertex}' has a colour, so that nothing is swept; expected at least one.")
    place, whole, price = len(made), Block(size, size, Identity()), cost.seed(size, colours)
    if step.mode is Mode.TANGENT:
        return Typed(step.vertex, colours_of(place), Block(size, colours), place, whole), price, 0
    return Typed(colours_of(place), step.vertex, Block(colours, size), place, whole), price, 0


def _decompress(step: Decompress, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    found = []
    for role, position in (("tangent", step.tangent), ("adjoint", step.adjoint)):
        if position is not None:
            arg = _operand(made, position, role)
            side = arg.source if role == "tangent" else arg.target
            if arg.whole is None or arg.seed is None or side != colours_of(arg.seed):
                raise _Broken(f"{role} is {position}, which is not compressed by a seed of that mode.")
            near = made[arg.seed]
            ends = (arg.target, near.target) if role == "tangent" else (near.source, arg.source)
            found.append(Typed(*ends, arg.whole))
    if not found:
        raise _Broken("neither tangent nor adjoint is given; expected at least one compressed block.")
    if found[0][:2] != found[-1][:2]:
        raise _Broken("tangent and adjoint are compressions of blocks between different vertices.")
    block = found[0].block
    if max(block.rows, block.cols) > LARGEST_COLOURED or block.nnz > NONZEROS_COLOURED:
        raise _Broken(
            f"a block of {block.rows:,} x {block.cols:,} with {block.nnz:,} nonzeros is decompressed; expected at most "
            f"{LARGEST_COLOURED:,} rows and columns and {NONZEROS_COLOURED:,} nonzeros."
        )
    return found[0], cost.decompress(found[0].block), 0


Sides = tuple[tuple[int, ...] | None, tuple[int, ...] | None]
"""Colours of columns and of rows, None where none is seeded."""


def colouring_of(plan: Plan, replayed: Replay, step: Decompress) -> Colouring:
    """The colouring by which a step decompresses its block."""
    block = replayed.blocks[step.tangent if step.tangent is not None else step.adjoint or 0].whole
    assert block is not None
    return colouring_from(sides_of(plan, replayed, step), block)


def colouring_from(sides: Sides, block: Block) -> Colouring:
    """The colouring of a block."""
    from chainplan.colouring import Colouring

    columns, rows = sides
    return Colouring.of(columns or (-1,) * block.cols, rows or (-1,) * block.rows)


def sides_of(plan: Plan, replayed: Replay, step: Decompress) -> Sides:
    """The colours by which a step decompresses its block."""
    sides = []
    for position in (step.tangent, step.adjoint):
        seed = None if position is None else replayed.blocks[position].seed
        made = None if seed is None else plan.steps[seed]
        sides.append(made.colours if isinstance(made, Seed) else None)
    return sides[0], sides[1]


def _advance(step: Advance, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    e = _elemental(graph, step.elemental)
    return _state(e.target, graph), cost.advance(e), 0


def _kept(step: Store | Restore, graph: Graph, made: list[Typed], cost: CostModel) -> tuple[Typed, int, int]:
    if step.vertex not in graph.sizes:
        raise _Broken(f"'{step.vertex}' is no vertex of the problem.")
    return _state(step.vertex, graph), 0, 0


def _state(vertex: str, graph: Graph) -> Typed:
    return Typed(vertex, vertex, Block(graph.sizes[vertex], 1), state=True)


_STEPS: dict[type, Callable[[Any, Graph, list[Typed], CostModel], tuple[Typed, int, int]]] = {
    Multiply: _multiply,
    Load: _load,
    Accumulate: _accumulate,
    Propagate: _propagate,
    Add: _add,
    Seed: _seed,
    Decompress: _decompress,
    Advance: _advance,
    Store: _kept,
    Restore: _kept,
}


def _operand(made: list[Typed], position: int, role: str) -> Typed:
    if not 0 <= position < len(made):
        raise _Broken(f"{role} is {position}; expected an earlier step (0 to {len(made) - 1}).")
    if made[position].state:
        raise _Broken(f"{role} is {position}, which moves a state and makes no block; expected a step that makes one.")
    return made[position]


def _elemental(graph: Graph, name: str) -> Elemental:
    if name not in graph:
        raise _Broken(f"'{name}' is no elemental of the problem.")
    return graph[name]


def _applied(graph: Graph, step: Accumulate | Propagate) -> Elemental:
    """The matrix-free elemental whose tangent or adjoint a step applies."""
    e, mode = _elemental(graph, step.elemental), step.mode
    _require_mode(mode)
    if e.explicit:
        raise _Broken(f"'{e.name}' is explicit and has no {mode.value}; load it.")
    if e.per_vector(mode) is None:
        raise _Broken(f"'{e.name}' has no {mode.value}; use the other mode.")
    return e


def _require_mode(mode: object) -> None:
    if not isinstance(mode, Mode):
        raise _Broken(f"mode is {found(mode)}; expected a Mode. Write Mode.TANGENT or Mode.ADJOINT.")


def _check_output(entry: Output, ends: tuple[frozenset[str], frozenset[str]], made: list[Typed]) -> None:
    output, source, position = entry
    where = f"output ('{output}', '{source}')"
    if output not in ends[0] or source not in ends[1]:
        raise PlanError(f"{where}: no such pair of an output and an input in the problem.")
    if not 0 <= position < len(made):
        raise PlanError(f"{where}: step {position} does not exist; expected 0 to {len(made) - 1}.")
    held = made[position]
    if (held.target, held.source) != (output, source):
        raise PlanError(f"{where}: step {position} leads '{held.source}' -> '{held.target}'.")


def _alive(plan: Plan, blocks: list[Typed]) -> tuple[int, ...]:
    """Elements alive during each step: operands, result, tapes, states and all that is read later."""
    change = [0] * (len(plan.steps) + 2)

    def hold(size: int, first: int, last: int) -> None:
        change[first] += size
        change[last + 1] -= size

    for position, last in enumerate(last_uses(plan)):
        if not blocks[position].state:
            hold(blocks[position].block.nnz, position, last)
    for name, first, last in tape_spans(plan.steps):
        hold(plan.graph[name].tape, first, last)
    for span in spans(plan) if evaluates(plan.steps) else ():
        hold(plan.graph.sizes[span.vertex], span.first, span.last)
    alive, now = [], 0
    for delta in change[: len(plan.steps)]:
        now += delta
        alive.append(now)
    return tuple(alive)
