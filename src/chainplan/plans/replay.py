"""Runs a plan on blocks instead of numbers, and returns types, structure and price of every step, adds and peak memory.

All costs come from here. Replay knows neither who made the plan nor what it claims. It raises on the first step that
breaks a rule of the plan language, so a plan that replays is well-typed: every block is a sum of products along paths
from its `source` vertex to its `target` vertex.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from chainplan._util.gc_pause import uncollected
from chainplan.errors import PlanError
from chainplan.plans.liveness import evaluates, last_uses, tape_spans
from chainplan.plans.program_replay import ProductPrices, ProgramReplay, kept_tapes, replay_programs
from chainplan.plans.states import StateSpan, spans
from chainplan.plans.steps import (
    STEP_KINDS,
    Again,
    Decompress,
    Load,
    Output,
    Plan,
    Planned,
    SecondOutput,
    Seed,
    plan_of,
    require_step,
)
from chainplan.plans.typed import SIDE_ENDS, Broken, Typed, Typing
from chainplan.problem.cost import FMA, CostModel, factor_price, model_of
from chainplan.problem.graph import Mode
from chainplan.problem.second import SecondOrder
from chainplan.structures import Block
from chainplan.structures.second import Side

if TYPE_CHECKING:
    from chainplan.colouring import Colouring


@dataclass(frozen=True)
class Replay:
    """What follows from a plan: the block and the price of each step, the elements alive at it, and the adds.

    What is alive is worked out on first use, because millions of numbers take room and most callers want none of them.
    """

    blocks: tuple[Typed, ...]
    prices: tuple[int, ...]
    adds: int
    _plan: Plan = field(repr=False, compare=False)
    disk: int = 0
    """The most elements of states on disk at any step."""
    programs: tuple[ProgramReplay, ...] = ()
    """What follows from the programs of products; blocks, prices and what is alive are then those of the set-up."""
    factors: int = 0
    """The price of factoring the implicit systems, once and before the first step."""

    @property
    def total(self) -> int:
        """The price of the whole plan with all products, in the unit of the cost model (fma by default)."""
        return self.factors + sum(self.prices) + sum(program.total for program in self.programs)

    @property
    def products(self) -> ProductPrices:
        """The prices of the set-up and of one product on each side."""
        per = {program.program.mode: program.price for program in self.programs}
        return ProductPrices(self.factors + sum(self.prices), per.get(Mode.TANGENT), per.get(Mode.ADJOINT))

    @cached_property
    def alive(self) -> tuple[int, ...]:
        """The elements (of blocks, tapes, and states that the plan evaluates) alive at each step."""
        return tuple(_alive(self._plan, self.blocks))

    @cached_property
    def peak(self) -> int:
        """The most elements alive at any step, of the set-up or of a program."""
        in_programs = (max(program.alive, default=0) for program in self.programs)
        return max(max(_alive(self._plan, self.blocks), default=0), *in_programs, 0)

    @property
    def peak_place(self) -> str | None:
        """The first step at which the most elements are alive, None where there are no steps."""
        for alive, where in ((self.alive, ""), *((p.alive, f" of {p.program.name}") for p in self.programs)):
            if self.peak in alive:
                first = len(self._plan.steps) if where else 0
                return f"step {first + alive.index(self.peak)}{where}"
        return None


def replay(plan: Plan | Planned, cost: CostModel = FMA) -> Replay:
    """Replay a plan on its graph, in O(steps) besides the structural counts.

    Parameters
    ----------
    plan : Plan | Planned
        The plan, or what holds one: a `Result`, a plan file that was read.
    cost : CostModel
        The prices of the steps.

    Returns
    -------
    Replay
        The block and the price of every step, and the elements alive at it.

    Raises
    ------
    PlanError
        Where a step breaks SSA order, names no elemental or joins blocks that do not meet; the message names the step.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> replay(chainplan.plan(chainplan.chain([2, 3, 4])).plan).prices
    (0, 0, 24)
    """
    plan, cost = plan_of(plan), model_of(cost)
    link = _HELD_REPLAYS.get(plan) if cost is FMA else None
    held = None if link is None else link()
    if held is not None:
        return held
    with uncollected():
        made = _replayed(plan, cost)
    if cost is FMA:
        _HELD_REPLAYS[plan] = ref(made)
    return made


_HELD_REPLAYS: WeakKeyDictionary[Plan, ref[Replay]] = WeakKeyDictionary()
"""The replay in fma of a plan, as long as somebody holds both: a plan is run without replaying it again."""


def _replayed(plan: Plan, cost: CostModel) -> Replay:
    typing = Typing(plan.graph, plan.steps, cost, second=plan.second)
    blocks, prices, adds = typing.made, list[int](), 0
    known = set(STEP_KINDS).issuperset(map(type, plan.steps))
    for position, step in enumerate(plan.steps):
        if not known:
            require_step(position, step)
        try:
            typed, price, added = step.accept(typing)
        except Broken as broken:
            raise PlanError(f"step {position}: {broken}") from None
        blocks.append(typed)
        prices.append(price)
        adds += added
    ends = frozenset(plan.graph.outputs), frozenset(plan.graph.inputs)
    for output in plan.outputs:
        _check_output(output, ends, blocks)
    for second in plan.second_outputs:
        _check_second_output(second, plan.second or SecondOrder(), ends, blocks)
    programs = replay_programs(plan, blocks, cost)
    states = spans(plan) if evaluates(plan.steps) else []  # refuses states that are moved wrongly
    adds += sum(program.program.times * program.adds for program in programs)
    factors = factor_price(plan.graph, cost)
    return Replay(tuple(blocks), tuple(prices), adds, plan, _on_disk(plan, states), programs, factors)


SeededColours = tuple[tuple[int, ...] | None, tuple[int, ...] | None]
"""Colours of columns and of rows, None where none is seeded."""


def colouring_of(plan: Plan, replayed: Replay, step: Decompress) -> Colouring:
    """Return the colouring by which a step decompresses its block."""
    block = replayed.blocks[step.tangent if step.tangent is not None else step.adjoint or 0].whole
    assert block is not None
    return colouring_from(sides_of(plan, replayed, step), block)


def colouring_from(sides: SeededColours, block: Block) -> Colouring:
    """Make the colouring of a block from the colours of its columns and rows."""
    from chainplan.colouring import Colouring

    columns, rows = sides
    return Colouring.of(columns or (-1,) * block.cols, rows or (-1,) * block.rows)


def sides_of(plan: Plan, replayed: Replay, step: Decompress) -> SeededColours:
    """Return the colours by which a step decompresses its block."""
    sides = []
    for position in (step.tangent, step.adjoint):
        seed = None if position is None else replayed.blocks[position].seed
        made = None if seed is None else plan.steps[seed]
        sides.append(made.colours if isinstance(made, Seed) else None)
    return sides[0], sides[1]


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


def _check_second_output(
    entry: SecondOutput, asked: SecondOrder, ends: tuple[frozenset[str], frozenset[str]], made: list[Typed]
) -> None:
    output, left, right, position = entry
    where = f"output ('{output}', '{left}', '{right}')"
    if output not in ends[0] or left not in ends[1] or right not in ends[1]:
        raise PlanError(f"{where}: no such output with two inputs in the problem.")
    if not 0 <= position < len(made):
        raise PlanError(f"{where}: step {position} does not exist; expected 0 to {len(made) - 1}.")
    held = made[position]
    if held.second is None:
        raise PlanError(f"{where}: step {position} makes a block of rows x cols; expected a second-order block.")
    expected = (
        SIDE_ENDS[Side.ROWS] if asked.weights else output,
        left if asked.left is None else SIDE_ENDS[Side.LEFT],
        right if asked.right is None else SIDE_ENDS[Side.RIGHT],
    )
    if (held.target, held.source, held.second.right) != expected:
        found = f"step {position} leads '{held.source}', '{held.second.right}' -> '{held.target}'"
        raise PlanError(f"{where}: {found}.".replace("\0", ""))


def _alive(plan: Plan, blocks: Sequence[Typed]) -> Iterator[int]:
    """Count the elements alive during each step: operands, result, tapes, states and all that a later step reads.

    Equal elementals that are loaded are one array, which counts once at a time.
    """
    change = [plan.graph.factor_elements, *[0] * (len(plan.steps) + 1)]
    shares, loads = plan.graph.shares, dict[str, list[tuple[int, int, int]]]()

    def hold(size: int, first: int, last: int) -> None:
        change[first] += size
        change[last + 1] -= size

    for position, (typed, last) in enumerate(zip(blocks, last_uses(plan), strict=True)):
        step = plan.steps[position]
        if shares and isinstance(step, Load):
            loads.setdefault(plan.graph[step.elemental].first, []).append((position, last, typed.block.nnz))
        elif not typed.state and type(step) is not Again:
            rows, cols, structure = typed.block
            size = structure.nnz(rows, cols)
            change[position] += size
            change[last + 1] -= size
    for spans_of_one in loads.values():
        for first, last, size in _apart(spans_of_one):
            hold(size, first, last)
    tapes = kept_tapes(plan)
    for name, first, last in tape_spans(plan.steps):
        hold(plan.graph[name].tape, first, len(plan.steps) if name in tapes else last)
    for span in spans(plan) if evaluates(plan.steps) else ():
        if not span.on_disk:
            hold(plan.graph.sizes[span.vertex], span.first, span.last)
    return accumulate(change[: len(plan.steps)])


def _apart(loads: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Join the overlapping ones of some spans (first, last, size) in order."""
    start, end, size = loads[0]
    for first, last, _ in loads[1:]:
        if first > end:
            yield start, end, size
            start = first
        end = max(end, last)
    yield start, end, size


def _on_disk(plan: Plan, states: Sequence[StateSpan]) -> int:
    """Count the most elements of states on disk at any step."""
    changes = [(span.first, plan.graph.sizes[span.vertex]) for span in states if span.on_disk]
    changes += [(span.last + 1, -plan.graph.sizes[span.vertex]) for span in states if span.on_disk]
    return max(accumulate(size for _, size in sorted(changes)), default=0)
