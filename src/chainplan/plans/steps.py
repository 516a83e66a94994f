"""The plan language: seven kinds of steps that make blocks in static single assignment, three that move states.

A step is named by its position; its operands are positions of earlier steps. Steps hold decisions only. What follows
from them (shape, structure, fma, peak) is derived by `replay.replay` and never stored in a plan.

Every kind is one class, which says three things of a step: which blocks it reads (`operands`), what it is in a plan
where the steps stand elsewhere (`renumbered`), and which method of an `Interpreter` is for it (`accept`). What a step
means is said by interpreters, one for each purpose: what it makes and costs, which paths it counts, which kernel runs
it. Each has a method for every kind, so that none can be forgotten.

Where a plan evaluates the chain itself, instead of taking the states at which it is linearised as given, there is one
*working state*, at first that of the input: `Advance` moves it on, `Store` keeps it, `Restore` fetches it (see
`states`). These steps are numbered like all others and make no block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar, get_args

from chainplan._util.byte_cache import bytes_of
from chainplan.errors import PlanError
from chainplan.errors.arguments import describe, expect, refuse
from chainplan.problem.graph import Graph, Mode

Places = Mapping[int, int]
"""Where each step of a plan stands in another one."""
STEP = 1000
"""Bytes of a step and of what its replay says of it, but for colours and patterns."""


LARGEST_COLOURED = 1_000_000
"""Rows or columns of the largest block that is decompressed."""
NONZEROS_COLOURED = 4_000_000
"""Nonzeros of the largest block that is decompressed."""


T = TypeVar("T")


class Load(NamedTuple):
    """Take the block of an explicit elemental."""

    elemental: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: Places) -> Load:
        return self

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.load(self)


class Accumulate(NamedTuple):
    """Form the block of a matrix-free elemental, by tangents of the identity's columns or adjoints of its rows."""

    elemental: str
    mode: Mode

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: Places) -> Accumulate:
        return self

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.accumulate(self)


class Propagate(NamedTuple):
    """Apply a matrix-free elemental to block `arg`: F'·arg by tangents or arg·F' by adjoints."""

    elemental: str
    arg: int
    mode: Mode

    def operands(self) -> tuple[int, ...]:
        return (self.arg,)

    def renumbered(self, place: Places) -> Propagate:
        return Propagate(self.elemental, place[self.arg], self.mode)

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.propagate(self)


class Multiply(NamedTuple):
    """left · right, added onto the block `onto` where one is given."""

    left: int
    right: int
    onto: int | None = None

    def operands(self) -> tuple[int, ...]:
        left, right, onto = self
        return (left, right) if onto is None else (left, right, onto)

    def renumbered(self, place: Places) -> Multiply:
        return Multiply(place[self.left], place[self.right], None if self.onto is None else place[self.onto])

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.multiply(self)


class Add(NamedTuple):
    """left + right."""

    left: int
    right: int

    def operands(self) -> tuple[int, ...]:
        return (self.left, self.right)

    def renumbered(self, place: Places) -> Add:
        return Add(place[self.left], place[self.right])

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.add(self)


class Seed(NamedTuple):
    """The identity of a vertex, compressed: columns (tangent) or rows (adjoint) of one colour added up; -1 is left out.

    With n = size(vertex) and c colours it is n x c for tangents, c x n for adjoints.
    """

    vertex: str
    mode: Mode
    colours: tuple[int, ...]

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: Places) -> Seed:
        return self

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.seed(self)


class Decompress(NamedTuple):
    """The block whose product with seeds is held compressed, by columns at `tangent`, by rows at `adjoint`, or both.

    Every nonzero of its pattern is read off directly: where it stands alone in its row among the columns of its colour,
    or alone in its column among the rows of its colour.
    """

    tangent: int | None
    adjoint: int | None

    def operands(self) -> tuple[int, ...]:
        return tuple(arg for arg in self if arg is not None)

    def renumbered(self, place: Places) -> Decompress:
        return Decompress(*(None if arg is None else place[arg] for arg in self))

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.decompress(self)


class Advance(NamedTuple):
    """Evaluate an elemental: the working state goes from its source to its target."""

    elemental: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: Places) -> Advance:
        return self

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.advance(self)


class Store(NamedTuple):
    """Keep the working state, which is that of `vertex`, until it is restored last."""

    vertex: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: Places) -> Store:
        return self

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.store(self)


class Restore(NamedTuple):
    """Make the state of `vertex`, which was stored or is the input, the working state."""

    vertex: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: Places) -> Restore:
        return self

    def accept(self, interpreter: Interpreter[T]) -> T:
        return interpreter.restore(self)


Application = Accumulate | Propagate
"""The steps that call a function of a matrix-free elemental; an adjoint needs its tape."""
Move = Advance | Store | Restore
"""The steps that move states and make no block."""
Step = Load | Application | Multiply | Add | Seed | Decompress | Move
KINDS: tuple[type[Step], ...] = get_args(Step)
"""Every kind of step. In a plan file it has the name of its class in small letters, and the fields of its class."""


class Interpreter(ABC, Generic[T]):
    """What every kind of step means to someone, one method for each: `step.accept(interpreter)` calls the right one.

    An interpreter that lacks a kind cannot be made, and type checkers refuse it.
    """

    @abstractmethod
    def load(self, step: Load) -> T: ...

    @abstractmethod
    def accumulate(self, step: Accumulate) -> T: ...

    @abstractmethod
    def propagate(self, step: Propagate) -> T: ...

    @abstractmethod
    def multiply(self, step: Multiply) -> T: ...

    @abstractmethod
    def add(self, step: Add) -> T: ...

    @abstractmethod
    def seed(self, step: Seed) -> T: ...

    @abstractmethod
    def decompress(self, step: Decompress) -> T: ...

    @abstractmethod
    def advance(self, step: Advance) -> T: ...

    @abstractmethod
    def store(self, step: Store) -> T: ...

    @abstractmethod
    def restore(self, step: Restore) -> T: ...


def require_step(position: int, step: object) -> None:
    """Refuse what is no step of the plan language.

    Raises
    ------
    PlanError
        Naming its position and what it is.
    """
    if type(step) not in KINDS:
        raise PlanError(
            f"step {position}: found {describe(step)}; expected a step of `chainplan.plans.steps`. Correct it."
        )


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
        holder = "None" if value is None else f"{describe(value)} without a plan"
        todo = "The status and the notes of a result say why it has none."
        raise PlanError(f"{what}: found {holder}; expected a plan. {todo}")
    raise refuse(what, value, "a Plan, or a Result that holds one", "Make one by chainplan.plan(problem).")
