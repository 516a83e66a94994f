"""The plan language: seven kinds of steps that make blocks in static single assignment, three that move states.

A step is named by its position; its operands are positions of earlier steps. Steps hold decisions only. What follows
from them (shape, structure, fma, peak) is derived by `replayer.replay` and never stored in a plan.

Where a plan evaluates the chain itself, instead of taking the states at which it is linearised as given, there is one
*working state*, at first that of the input: `Advance` moves it on, `Store` keeps it, `Restore` fetches it (see
`states`). These steps are numbered like all others and make no block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chainplan._util.byte_cache import bytes_of
from chainplan.errors import PlanError
from chainplan.errors.arguments import expect, found, refuse
from chainplan.problem.graph import Graph, Mode

STEP = 1000
"""Bytes of a step and of what its replay says of it, but for colours and patterns."""


LARGEST_COLOURED = 1_000_000
"""Rows or columns of the largest block that is decompressed."""
NONZEROS_COLOURED = 4_000_000
"""Nonzeros of the largest block that is decompressed."""


class Load(NamedTuple):
    """Take the block of an explicit elemental."""

    elemental: str


class Accumulate(NamedTuple):
    """Form the block of a matrix-free elemental, by tangents of the identity's columns or adjoints of its rows."""

    elemental: str
    mode: Mode


class Propagate(NamedTuple):
    """Apply a matrix-free elemental to block `arg`: F'·arg by tangents or arg·F' by adjoints."""

    elemental: str
    arg: int
    mode: Mode


class Multiply(NamedTuple):
    """left · right, added onto the block `onto` where one is given."""

    left: int
    right: int
    onto: int | None = None


class Add(NamedTuple):
    """left + right."""

    left: int
    right: int


class Seed(NamedTuple):
    """The identity of a vertex, compressed: columns (tangent) or rows (adjoint) of one colour added up; -1 is left out.

    With n = size(vertex) and c colours it is n x c for tangents, c x n for adjoints.
    """

    vertex: str
    mode: Mode
    colours: tuple[int, ...]


class Decompress(NamedTuple):
    """The block whose product with seeds is held compressed, by columns at `tangent`, by rows at `adjoint`, or both.

    Every nonzero of its pattern is read off directly: where it stands alone in its row among the columns of its colour,
    or alone in its column among the rows of its colour.
    """

    tangent: int | None
    adjoint: int | None


class Advance(NamedTuple):
    """Evaluate an elemental: the working state goes from its source to its target."""

    elemental: str


class Store(NamedTuple):
    """Keep the working state, which is that of `vertex`, until it is restored last."""

    vertex: str


class Restore(NamedTuple):
    """Make the state of `vertex`, which was stored or is the input, the working state."""

    vertex: str


Move = Advance | Store | Restore
"""The steps that move states and make no block."""
Step = Load | Accumulate | Propagate | Multiply | Add | Seed | Decompress | Move


class Output(NamedTuple):
    """Step `step` holds the Jacobian of vertex `output` with respect to vertex `input`."""

    output: str
    input: str
    step: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps on a graph and where the Jacobian's blocks are.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    steps : tuple[Step, ...]
        The steps in order; the operands of a step are positions of earlier ones.
    outputs : tuple[Output, ...]
        The step of each block of the Jacobian. A pair that no path connects is zero and not listed.
    """

    graph: Graph
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]

    def __post_init__(self) -> None:
        expect("graph", self.graph, Graph, "a Graph", "Pass that of the problem: problem.graph.")
        expect("steps", self.steps, Sequence, "a tuple of steps", "Pass those of a plan: plan.steps.")
        expect("outputs", self.outputs, Sequence, "a tuple of outputs", "Pass those of a plan: plan.outputs.")

    @property
    def held_bytes(self) -> int:
        """About the bytes that it takes, with its graph and its replay."""
        return self.graph.held_bytes + sum(STEP + bytes_of(step) for step in self.steps)


class Planned(Protocol):
    """What holds a plan, or None where there is none: a Result, a plan file that was read, a point of a front."""

    @property
    def plan(self) -> Plan | None:
        """The plan."""
        ...


def plan_of(value: object, what: str = "plan") -> Plan:
    """The plan that was given, or the one of what holds a plan.

    Raises
    ------
    PlanError
        Where what was given holds none.
    ArgumentError
        Where it is something else.
    """
    held = value if isinstance(value, Plan) else getattr(value, "plan", value)
    if isinstance(held, Plan):
        return held
    if held is None:
        holder = "None" if value is None else f"{found(value)} without a plan"
        todo = "The status and the notes of a result say why it has none."
        raise PlanError(f"{what}: found {holder}; expected a plan. {todo}")
    raise refuse(what, value, "a Plan, or a Result that holds one", "Make one by chainplan.plan(problem).")


def operands(step: Step) -> tuple[int, ...]:
    """Positions of the blocks that a step reads."""
    match step:
        case Multiply(left, right, onto):
            return (left, right) if onto is None else (left, right, onto)
        case Add(left, right):
            return (left, right)
        case Propagate(_, arg, _):
            return (arg,)
        case Decompress(tangent, adjoint):
            return tuple(arg for arg in (tangent, adjoint) if arg is not None)
    return ()


def last_uses(plan: Plan) -> list[int]:
    """For each step the last step that reads its block: itself where none does, len(steps) for an output."""
    last = list(range(len(plan.steps)))
    for position, step in enumerate(plan.steps):
        for operand in operands(step):
            last[operand] = position
    for output in plan.outputs:
        last[output.step] = len(plan.steps)
    return last


class Recorder:
    """Writes steps down; each method returns the position of the block it makes.

    Loads are held back until a step reads them, so that they stand just before their first use.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._steps: list[Step] = []
        self._pending: list[Load | int] = []

    def load(self, elemental: str) -> int:
        self._pending.append(Load(elemental))
        return len(self._pending) - 1

    def accumulate(self, elemental: str, mode: Mode) -> int:
        return self._record(Accumulate(elemental, mode))

    def propagate(self, elemental: str, arg: int, mode: Mode) -> int:
        return self._record(Propagate(elemental, self._position(arg), mode))

    def multiply(self, left: int, right: int, onto: int | None = None) -> int:
        step = Multiply(self._position(left), self._position(right), None if onto is None else self._position(onto))
        return self._record(step)

    def add(self, left: int, right: int) -> int:
        return self._record(Add(self._position(left), self._position(right)))

    def seed(self, vertex: str, mode: Mode, colours: tuple[int, ...]) -> int:
        return self._record(Seed(vertex, mode, colours))

    def decompress(self, tangent: int | None, adjoint: int | None) -> int:
        places = (None if handle is None else self._position(handle) for handle in (tangent, adjoint))
        return self._record(Decompress(*places))

    def linearise(self, elemental: str) -> int:
        """Load at once, for the working state is that of the elemental's source now."""
        return self._record(Load(elemental))

    def move(self, step: Move) -> None:
        """Write a step that moves states."""
        self._record(step)

    def plan(self, outputs: Sequence[tuple[str, str, int]]) -> Plan:
        """The plan, given (output, input, handle) of the Jacobian's blocks."""
        ends = tuple(Output(output, source, self._position(handle)) for output, source, handle in outputs)
        return Plan(self._graph, tuple(self._steps), ends)

    def _record(self, step: Step) -> int:
        self._steps.append(step)
        self._pending.append(len(self._steps) - 1)
        return len(self._pending) - 1

    def _position(self, handle: int) -> int:
        held = self._pending[handle]
        if isinstance(held, Load):
            self._steps.append(held)
            held = self._pending[handle] = len(self._steps) - 1
        return held


def evaluates(steps: Sequence[Step]) -> bool:
    """Whether states are evaluated by the steps rather than given."""
    return any(isinstance(step, Move) for step in steps)


def tape_spans(steps: Sequence[Step]) -> Iterator[tuple[str, int, int]]:
    """For each elemental whose adjoint is used: (name, first, last) of the steps that need its tape.

    Where states are evaluated every adjoint step records a tape of its own; where they are given, one serves from the
    first adjoint step of an elemental to the last.
    """
    adjoint = [
        (step.elemental, position)
        for position, step in enumerate(steps)
        if isinstance(step, Accumulate | Propagate) and step.mode is Mode.ADJOINT
    ]
    if evaluates(steps):
        return ((name, position, position) for name, position in adjoint)
    first, last = dict(reversed(adjoint)), dict(adjoint)
    return ((name, first[name], last[name]) for name in last)
