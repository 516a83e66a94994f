"""The tasks of a plan, without any values: made once, however often the plan runs.

A task is a group of steps, or a piece of a step that is split, and names the tasks, the parts of given Jacobians and
the functions that it reads. Priorities are critical-path ranks. The tasks are steps, not chunks of arrays, because the
same product as chunked arrays takes several times as long.

A module may take hours whatever its price says, so a step that applies one is priced as long, unless the caller says
how many seconds it takes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from chainplan._util.task_threads import ranks
from chainplan.distributed.fuse import TaskGroup, grouped
from chainplan.distributed.split import Axis, StepSplit, TaskRoom, cuts, line_axis, overlap, ranges, slots
from chainplan.distributed.wide_modules import MIN_PIECE_NANOSECONDS, PieceChoice, cut_for_workers
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.distributed.worker_tasks import CutTask, GroupTask, PieceTask, SameTask, SumTask, WorkerTask
from chainplan.plans.candidate import Candidate
from chainplan.plans.schedule import Task
from chainplan.plans.steps import Accumulate, Load, Plan, Propagate, Step, word_of
from chainplan.plans.transfers import NANOSECONDS_PER_SECOND
from chainplan.problem.graph import Mode
from chainplan.structures import Block


class TaskResult(NamedTuple):
    """The result of the task of a number."""

    task: int


class GivenPart(NamedTuple):
    """Rows or columns of what was given for a load; all of it where `axis` is None."""

    position: int
    axis: Axis | None
    start: int
    stop: int


class GivenFunctions(NamedTuple):
    """The functions of a matrix-free elemental."""

    elemental: str


class GivenPrimal(NamedTuple):
    """The primal chain of a plan that evaluates states."""


class GivenPattern(NamedTuple):
    """A pattern whose lists a task reads, by its mark, and its bytes."""

    mark: Hashable
    size: int


TaskKey = tuple[str, str, int]
"""The name of a task on the dashboard, that of its run, and its number."""
TaskArgument = TaskResult | GivenPart | GivenFunctions | GivenPrimal | GivenPattern
"""What a task reads."""


class TaskNode(NamedTuple):
    """A task: its name on the dashboard, what it does, what it reads, its rank, and its machine where it has one.

    Of two tasks that are ready the one of the higher rank runs first: the longer way to the end, or the earlier start.
    """

    name: str
    call: WorkerTask
    reads: tuple[TaskArgument, ...]
    rank: int
    machine: int | None = None


class BlockPieces(NamedTuple):
    """A block as pieces that lie beside each other along an axis, each with its range."""

    axis: Axis
    pieces: tuple[tuple[int, int, TaskResult], ...]


@dataclass(frozen=True)
class Skeleton:
    """The tasks of a plan, each behind those that it reads, and the pieces of each output by its step.

    `blocks` and `prices` in nanoseconds are those of the steps.
    """

    tasks: tuple[TaskNode, ...]
    outputs: dict[int, BlockPieces]
    blocks: tuple[Block, ...]
    prices: tuple[int, ...]


def renumbered(made: Skeleton, tasks: Mapping[int, TaskNode]) -> Skeleton:
    """The skeleton of the tasks that are left, by their numbers among all tasks."""
    place = {task: i for i, task in enumerate(tasks)}

    def moved(arg: TaskArgument) -> TaskArgument:
        return TaskResult(place[arg.task]) if isinstance(arg, TaskResult) else arg

    outputs = {
        position: BlockPieces(
            axis, tuple((start, stop, TaskResult(place[piece.task])) for start, stop, piece in pieces)
        )
        for position, (axis, pieces) in made.outputs.items()
    }
    nodes = tuple(task._replace(reads=tuple(map(moved, task.reads))) for task in tasks.values())
    return replace(made, tasks=nodes, outputs=outputs)


@dataclass(frozen=True)
class CrewFacts:
    """What is known of the workers: how many tasks run at once, and which matrix-free elementals must stay whole."""

    workers: int = 1
    whole: frozenset[str] = frozenset()


NO_SCHEDULE: Mapping[int, Task] = {}
"""The tasks of a schedule where there is none."""


@dataclass(frozen=True)
class KnownSeconds:
    """What steps take: what the caller says of matrix-free elementals, for a vector, and what was measured of steps."""

    by_elemental: Mapping[str, float] = field(default_factory=dict)
    by_step: Mapping[int, float] = field(default_factory=dict)

    def nanoseconds(self, step: Step, position: int, block: Block) -> int | None:
        """What a step takes whose result is such a block; None where nothing is known."""
        if position in self.by_step:
            return round(self.by_step[position] * NANOSECONDS_PER_SECOND)
        if not isinstance(step, Accumulate | Propagate) or step.elemental not in self.by_elemental:
            return None
        vectors = block.cols if step.mode is Mode.TANGENT else block.rows
        return round(vectors * self.by_elemental[step.elemental] * NANOSECONDS_PER_SECOND)


def skeleton(
    plan: Plan,
    candidate: Candidate,
    room: TaskRoom,
    short: int,
    patterns: PlanPatterns,
    seconds: KnownSeconds = KnownSeconds(),
    crew: CrewFacts = CrewFacts(),
    schedule: Mapping[int, Task] = NO_SCHEDULE,
) -> Skeleton:
    """Make the tasks of a plan.

    Parameters
    ----------
    plan : Plan
        The plan.
    candidate : Candidate
        The same plan with prices in nanoseconds.
    room : TaskRoom
        The memory that a task may take.
    short : int
        The nanoseconds below which groups of steps are fused.
    patterns : PlanPatterns
        The patterns that steps read.
    seconds : KnownSeconds
        What steps take; a matrix-free one of which nothing is known counts as long.
    crew : CrewFacts
        What is known of the workers.
    schedule : Mapping[int, Task]
        Where steps run and when they start, by step; nothing is cut for idle workers then.

    Returns
    -------
    Skeleton
        The tasks.

    Raises
    ------
    ExecutionError
        Where a step fits no worker.
    """
    blocks = tuple(typed.block for typed in candidate.replay.blocks)
    known = [seconds.nanoseconds(step, i, blocks[i]) for i, step in enumerate(plan.steps)]
    prices = [
        found if found is not None else max(price, short) if isinstance(step, Accumulate | Propagate) else price
        for step, found, price in zip(plan.steps, known, candidate.priced.prices, strict=True)
    ]
    splits = room.splits(candidate, crew.whole)
    choices = _choices(plan, known, blocks, splits, crew)
    if not schedule:
        splits |= cut_for_workers(plan, prices, choices, crew.workers)
    machines = {position: task.machine for position, task in schedule.items()}
    groups = grouped(plan, prices, short, frozenset(splits) | room.large(candidate), machines)
    builder = _TaskBuilder(plan, blocks, splits, prices, patterns)
    for group, rank in zip(groups, _turns(groups, schedule) or _ranks(groups, splits), strict=True):
        builder.add(group, rank)
    outputs = {position: builder.output(position) for _, _, position in plan.outputs}
    return Skeleton(tuple(builder.tasks), outputs, blocks, tuple(prices))


def given_patterns(patterns: PlanPatterns, steps: Sequence[int]) -> Iterator[GivenPattern]:
    """Yield the patterns whose lists some steps read."""
    for mark in patterns.read_by(steps):
        yield GivenPattern(mark, patterns.size(mark))


def _choices(
    plan: Plan, known: Sequence[int | None], blocks: Sequence[Block], splits: Mapping[int, StepSplit], crew: CrewFacts
) -> dict[int, PieceChoice]:
    """The steps that may be cut for the sake of the workers: modules of which it is known that they take long."""
    found = {}
    for position, (step, price) in enumerate(zip(plan.steps, known, strict=True)):
        if not isinstance(step, Accumulate | Propagate) or step.elemental in crew.whole:
            continue
        axis = line_axis(step, blocks, position)
        if axis is not None and price is not None and price >= 2 * MIN_PIECE_NANOSECONDS:
            lines = (blocks[position].rows, blocks[position].cols)[axis.value]
            most = min(crew.workers, lines, price // MIN_PIECE_NANOSECONDS)
            found[position] = PieceChoice(splits.get(position, StepSplit(axis, 1)), most)
    return found


def _turns(groups: Sequence[TaskGroup], schedule: Mapping[int, Task]) -> list[int]:
    """The ranks of groups by a schedule: the earlier one of them starts, the higher; free ones are not held up."""
    end = max((task.end for task in schedule.values()), default=0)
    starts = ((schedule[step].start for step in group.steps if step in schedule) for group in groups)
    return [end - min(some, default=0) for some in starts] if schedule else []


def _ranks(groups: Sequence[TaskGroup], splits: Mapping[int, StepSplit]) -> list[int]:
    """The critical-path ranks of the groups, whose pieces run beside each other."""
    place = {group.result: i for i, group in enumerate(groups)}
    needs = [[place[read] for read in group.reads if read in place] for group in groups]
    parts = [splits[group.result].parts if group.result in splits else 1 for group in groups]
    return ranks([group.price // part + 1 for group, part in zip(groups, parts, strict=True)], needs)


class _TaskBuilder:
    """The tasks made so far, and the pieces of the blocks that they make."""

    def __init__(
        self,
        plan: Plan,
        blocks: Sequence[Block],
        splits: Mapping[int, StepSplit],
        prices: Sequence[int],
        patterns: PlanPatterns,
    ) -> None:
        self._plan, self._blocks, self._splits, self._prices = plan, blocks, splits, prices
        self._patterns = patterns
        self.tasks: list[TaskNode] = []
        self._pieces: dict[int, BlockPieces] = {}

    def add(self, group: TaskGroup, rank: int) -> None:
        """Add the tasks of a group."""
        split = self._splits.get(group.result)
        if split is not None:
            self._pieces[group.result] = self._add_pieces(group.result, split, rank, group.machine)
            return
        names = self._applied(group.steps)
        blocks = (self._whole(read, rank) for read in group.reads)
        reads = (*map(GivenFunctions, names), *blocks, *given_patterns(self._patterns, group.steps))
        main = max(group.steps, key=lambda step: (self._prices[step], step))
        call = GroupTask(group.steps, group.reads, names)
        made = self._task(dashboard_name(self._plan, main), call, reads, rank, group.machine)
        self._pieces[group.result] = BlockPieces(Axis.ROWS, ((0, self._blocks[group.result].rows, made),))

    def output(self, position: int) -> BlockPieces:
        """The pieces of an output; a load that is one becomes a task."""
        if position not in self._pieces:
            given = self._whole(position, 0)
            rows = self._blocks[position].rows
            made = self._task(dashboard_name(self._plan, position), SameTask(), (given,), 0)
            self._pieces[position] = BlockPieces(Axis.ROWS, ((0, rows, made),))
        return self._pieces[position]

    def _task(
        self, name: str, call: WorkerTask, reads: tuple[TaskArgument, ...], rank: int, machine: int | None = None
    ) -> TaskResult:
        self.tasks.append(TaskNode(name, call, reads, rank, machine))
        return TaskResult(len(self.tasks) - 1)

    def _applied(self, steps: Sequence[int]) -> tuple[str, ...]:
        """The names of the matrix-free elementals that some steps apply."""
        found = (step for step in (self._plan.steps[i] for i in steps) if isinstance(step, Accumulate | Propagate))
        return tuple(dict.fromkeys(step.elemental for step in found))

    def _add_pieces(self, position: int, split: StepSplit, rank: int, machine: int | None) -> BlockPieces:
        """Add a step that is split: a task for each piece, and for the sums of products."""
        step, (axis, parts) = self._plan.steps[position], split
        by_slot = cuts(step, axis)
        assert by_slot is not None, "only what can be split is"
        read, block = slots(step), self._blocks[position]
        inner = axis is Axis.INNER
        length = self._blocks[read[0]].cols if inner else (block.rows, block.cols)[axis.value]
        names, made = self._applied([position]), []
        for start, stop in ranges(length, parts):
            blocks = (
                self._whole(arg, rank) if by is None else self._range(arg, by, start, stop, rank)
                for arg, by in zip(read, by_slot, strict=False)
            )
            call = PieceTask(position, axis, start, stop, names, (stop - start) / length)
            reads = (*map(GivenFunctions, names), *blocks, *given_patterns(self._patterns, [position]))
            made.append((start, stop, self._task(dashboard_name(self._plan, position), call, reads, rank, machine)))
        if not inner:
            return BlockPieces(axis, tuple(made))
        terms: list[TaskArgument] = [task for _, _, task in made]
        terms += [self._whole(arg, rank) for arg in read[2:]]
        return BlockPieces(Axis.ROWS, ((0, block.rows, self._sum(position, terms, rank)),))

    def _sum(self, position: int, terms: list[TaskArgument], rank: int) -> TaskResult:
        """Add up products in pairs, which is the least that a worker must hold."""
        while len(terms) > 1:
            pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
            terms = [
                self._task(f"sum_of_{dashboard_name(self._plan, position)}", SumTask(position), tuple(pair), rank)
                if len(pair) == 2
                else pair[0]
                for pair in pairs
            ]
        (made,) = terms
        assert isinstance(made, TaskResult), "the first term is a product"
        return made

    def _whole(self, position: int, rank: int) -> TaskArgument:
        """A whole block."""
        if isinstance(self._plan.steps[position], Load):
            return GivenPart(position, None, 0, 0)
        axis, _ = self._pieces[position]
        return self._range(position, axis, 0, self._length(position, axis), rank)

    def _length(self, position: int, axis: Axis) -> int:
        block = self._blocks[position]
        return (block.rows, block.cols)[axis.value]

    def _range(self, position: int, axis: Axis, start: int, stop: int, rank: int) -> TaskArgument:
        """Some rows or columns of a block."""
        if isinstance(self._plan.steps[position], Load):
            return GivenPart(position, axis, start, stop)
        by, pieces = self._pieces[position]
        if by is axis:
            pieces, ends = overlap(pieces, start, stop)
            if len(pieces) == 1 and pieces[0][:2] == (start, stop):
                return pieces[0][2]
        else:
            ends = ((start, stop),) * len(pieces)
        call = CutTask(axis, by, ends)
        return self._task(
            f"cut_{dashboard_name(self._plan, position)}", call, tuple(piece for _, _, piece in pieces), rank
        )


def dashboard_name(plan: Plan, position: int) -> str:
    """The name of a step on the dashboard: its kind, and the elemental that it reads or applies.

    The dashboard estimates durations by the part of a name before the first digit that follows a hyphen. So the hyphen,
    as in multiply-encoder, is kept to names of letters; other names are joined by an underscore.
    """
    step = plan.steps[position]
    elemental = getattr(step, "elemental", None)
    for arg in slots(step):
        read = plan.steps[arg]
        if elemental is None and isinstance(read, Load):
            elemental = read.elemental
    kind = word_of(type(step))
    if elemental is None:
        return kind
    return f"{kind}-{elemental}" if elemental.isalpha() else f"{kind}_{elemental.replace('-', '_')}"
