"""The plan language: kinds of steps that make blocks in static single assignment, and five that move states.

A step is named by its position; its operands are positions of earlier steps. Steps hold decisions only. What follows
from them (shape, structure, fma, peak) is derived by `replay.replay` and never stored in a plan.

Every kind is one class, which says three things about a step: which blocks it reads (`operands`), what it becomes in a
plan whose steps have other numbers (`renumbered`), and which method of an `Interpreter` handles it (`accept`).
Interpreters say what a step means, one for each purpose: what it makes and costs, which paths it counts, which kernel
runs it. Each has a method for every kind, so that none can be forgotten.

Steps for second derivatives, and those that move states where a plan evaluates the chain itself, stand among the others
and are numbered like all of them. They have files of their own, `second_steps` and `state_steps`, each with the part of
an `Interpreter` that handles them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol, get_args

from chainplan._util.byte_cache import bytes_of
from chainplan.errors import PlanError
from chainplan.errors.arguments import describe, expect, refuse
from chainplan.plans.second_steps import SecondInterpreter, SecondStep
from chainplan.plans.state_steps import StateInterpreter, StateStep
from chainplan.plans.step_types import StepPlaces, VisitResult, keep_kinds_apart
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.second import SecondOrder

BYTES_PER_STEP = 1000
"""Bytes of a step and of its part of the replay, without colours and patterns."""


MAX_DECOMPRESSED_LINES = 1_000_000
"""Rows or columns of the largest block that is decompressed."""
MAX_DECOMPRESSED_NONZEROS = 4_000_000
"""Nonzeros of the largest block that is decompressed."""


class Load(NamedTuple):
    """Take the block of an explicit elemental."""

    elemental: str

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Load:
        return self

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.load(self)


class Accumulate(NamedTuple):
    """Form the block of a matrix-free elemental, by tangents of the identity's columns or adjoints of its rows."""

    elemental: str
    mode: Mode

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Accumulate:
        return self

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.accumulate(self)


class Propagate(NamedTuple):
    """Apply a matrix-free elemental to block `arg`: F'·arg by tangents or arg·F' by adjoints."""

    elemental: str
    arg: int
    mode: Mode

    def operands(self) -> tuple[int, ...]:
        return (self.arg,)

    def renumbered(self, place: StepPlaces) -> Propagate:
        return Propagate(self.elemental, place[self.arg], self.mode)

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.propagate(self)


class Multiply(NamedTuple):
    """left · right, added onto the block `onto` where one is given."""

    left: int
    right: int
    onto: int | None = None

    def operands(self) -> tuple[int, ...]:
        left, right, onto = self
        return (left, right) if onto is None else (left, right, onto)

    def renumbered(self, place: StepPlaces) -> Multiply:
        return Multiply(place[self.left], place[self.right], None if self.onto is None else place[self.onto])

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.multiply(self)


class Add(NamedTuple):
    """left + right."""

    left: int
    right: int

    def operands(self) -> tuple[int, ...]:
        return (self.left, self.right)

    def renumbered(self, place: StepPlaces) -> Add:
        return Add(place[self.left], place[self.right])

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.add(self)


class Seed(NamedTuple):
    """The compressed identity of a vertex: its columns (tangent) or rows (adjoint) of each colour are added up.

    With n = size(vertex) and c colours it is n x c for tangents, c x n for adjoints. Colour -1 stands for none.
    """

    vertex: str
    mode: Mode
    colours: tuple[int, ...]

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Seed:
        return self

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.seed(self)


class Decompress(NamedTuple):
    """The block whose compressed columns are at step `tangent`, or whose compressed rows are at `adjoint`, or both.

    Every nonzero of its pattern is read off directly, because it stands alone in its row among the columns of its
    colour, or alone in its column among the rows of its colour.
    """

    tangent: int | None
    adjoint: int | None

    def operands(self) -> tuple[int, ...]:
        return tuple(arg for arg in self if arg is not None)

    def renumbered(self, place: StepPlaces) -> Decompress:
        return Decompress(*(None if arg is None else place[arg] for arg in self))

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.decompress(self)


class Again(NamedTuple):
    """The block of step `arg` once more, from `source` to `target`, where elementals of equal values stand.

    Nothing is computed: the same block counts as one on other paths (see `places`).
    """

    arg: int
    source: str
    target: str

    def operands(self) -> tuple[int, ...]:
        return (self.arg,)

    def renumbered(self, place: StepPlaces) -> Again:
        return self._replace(arg=place[self.arg])

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.again(self)


class Direction(NamedTuple):
    """The vector of a product: a column of directions at an input (tangent), or a row of weights at an output.

    It stands in programs alone, and is size(vertex) x 1 for tangents and 1 x size(vertex) for adjoints.
    """

    vertex: str
    mode: Mode

    def operands(self) -> tuple[int, ...]:
        return ()

    def renumbered(self, place: StepPlaces) -> Direction:
        return self

    def accept(self, interpreter: Interpreter[VisitResult]) -> VisitResult:
        return interpreter.direction(self)


Application = Accumulate | Propagate
"""The steps that call a function of a matrix-free elemental; an adjoint needs its tape."""
APPLICATION_KINDS: frozenset[type] = frozenset(get_args(Application))
"""The kinds of steps that are applications."""
Step = Load | Application | Multiply | Add | Seed | Decompress | Again | Direction | SecondStep | StateStep
PROGRAM_STEP_KINDS: frozenset[type] = frozenset(
    get_args(Load | Application | Multiply | Add | Again | Direction | SecondStep)
)
"""The kinds of steps that may stand in programs."""
STEP_KINDS: tuple[type[Step], ...] = get_args(Step)
"""Every kind of step; in a plan file it has a name by `word_of`, and the fields of its class."""
for kind in STEP_KINDS:
    keep_kinds_apart(kind)
_STEP_KINDS = frozenset(STEP_KINDS)


def word_of(kind: type[Step]) -> str:
    """Return the name of a kind of step in plan files: that of its class in small letters, words apart by `_`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).removeprefix("_")


class Interpreter(SecondInterpreter[VisitResult], StateInterpreter[VisitResult]):
    """The meaning of every kind of step for one purpose; `step.accept(interpreter)` calls the method of its kind.

    An interpreter that lacks a kind cannot be instantiated, and type checkers refuse it.
    """

    @abstractmethod
    def load(self, step: Load) -> VisitResult: ...

    @abstractmethod
    def accumulate(self, step: Accumulate) -> VisitResult: ...

    @abstractmethod
    def propagate(self, step: Propagate) -> VisitResult: ...

    @abstractmethod
    def multiply(self, step: Multiply) -> VisitResult: ...

    @abstractmethod
    def add(self, step: Add) -> VisitResult: ...

    @abstractmethod
    def seed(self, step: Seed) -> VisitResult: ...

    @abstractmethod
    def decompress(self, step: Decompress) -> VisitResult: ...

    @abstractmethod
    def again(self, step: Again) -> VisitResult: ...

    @abstractmethod
    def direction(self, step: Direction) -> VisitResult: ...


def require_step(position: int, step: object) -> None:
    """Refuse an object that is no step of the plan language.

    Raises
    ------
    PlanError
        Where it is none; the message says its position and what it is.
    """
    if type(step) not in _STEP_KINDS:
        raise PlanError(
            f"step {position}: found {describe(step)}; expected a step of `chainplan.plans.steps`. Correct it."
        )


class Output(NamedTuple):
    """Step `step` holds the Jacobian of vertex `output` with respect to vertex `input`."""

    output: str
    input: str
    step: int


class SecondOutput(NamedTuple):
    """Step `step` holds the second derivative of vertex `output` with respect to the vertices `left` and `right`."""

    output: str
    left: str
    right: str
    step: int


class ProgramResult(NamedTuple):
    """Step `step` of a program holds its product at `vertex`: J·v at an output, or w·J at an input."""

    vertex: str
    step: int


@dataclass(frozen=True)
class ProductProgram:
    """The steps that make one product of a derivative with a vector, from blocks that the set-up of a plan keeps.

    The steps are numbered on after those of the set-up, in each program of a plan alike, and may read those.

    Parameters
    ----------
    mode : Mode
        Tangent for J·v, where each input has a column of directions; adjoint for w·J, where each output has a row of
        weights.
    times : int
        The number of products for which the plan is priced.
    steps : tuple[Step, ...]
        The steps in order.
    results : tuple[ProgramResult, ...]
        The steps that hold the product at each output (tangent) or input (adjoint); of a second derivative they are at
        the inputs. A vertex that no path connects to the other side is left out; the product is zero there.
    second : bool
        Whether the products are those of the second derivative, H·v, which have the mode of tangents.

    Examples
    --------
    >>> import chainplan
    >>> problem = chainplan.from_spec({"chain": [30, 2, 30], "products": {"right": 5}})
    >>> chainplan.plan(problem).plan.programs[0].steps[0]
    Direction(vertex='x0', mode=<Mode.TANGENT: 'tangent'>)
    """

    mode: Mode
    times: int
    steps: tuple[Step, ...]
    results: tuple[ProgramResult, ...]
    second: bool = False

    @property
    def name(self) -> str:
        """The product in words: J·v, w·J or H·v."""
        if self.second:
            return "H·v"
        return "J·v" if self.mode is Mode.TANGENT else "w·J"


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps on a graph, and the steps that hold the Jacobian's blocks, or the programs of products with it.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    steps : tuple[Step, ...]
        The steps in order; the operands of a step are positions of earlier ones.
    outputs : tuple[Output, ...]
        The step of each block of the Jacobian. A pair that no path connects is zero and is not listed.
    programs : tuple[ProductProgram, ...]
        The programs of the products, at most one for each side, where the plan is for products with vectors; the steps
        of the plan are then the set-up, which is carried out once, and there are no outputs.
    second_outputs : tuple[SecondOutput, ...]
        The step of each block of the second derivative, where that is asked for.
    second : SecondOrder | None
        The second derivative that the plan is for, None for plans of the Jacobian.

    Raises
    ------
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> plan = chainplan.plan(chainplan.chain([2, 3, 4])).plan
    >>> plan.steps[-1], plan.outputs[0].step
    (Multiply(left=0, right=1, onto=None), 2)
    """

    graph: Graph
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    programs: tuple[ProductProgram, ...] = ()
    second_outputs: tuple[SecondOutput, ...] = ()
    second: SecondOrder | None = None

    def __post_init__(self) -> None:
        expect("graph", self.graph, Graph, "a Graph", "Pass that of the problem: problem.graph.")
        expect("steps", self.steps, Sequence, "a tuple of steps", "Pass those of a plan: plan.steps.")
        expect("outputs", self.outputs, Sequence, "a tuple of outputs", "Pass those of a plan: plan.outputs.")
        expect("programs", self.programs, Sequence, "a tuple of programs", "Pass those of a plan: plan.programs.")
        expect(
            "second_outputs",
            self.second_outputs,
            Sequence,
            "a tuple of outputs",
            "Pass those of a plan: plan.second_outputs.",
        )
        for program in self.programs:
            expect("programs", program, ProductProgram, "Programs", "Pass those of a plan: plan.programs.")

    def program(self, mode: Mode) -> ProductProgram | None:
        """Return the program of the products on one side.

        Parameters
        ----------
        mode : Mode
            Tangent for J·v, adjoint for w·J.

        Returns
        -------
        ProductProgram | None
            The program; None where the plan has none for this side.
        """
        return next((program for program in self.programs if program.mode is mode), None)

    @property
    def ends(self) -> tuple[int, ...]:
        """The steps that hold outputs, of either order."""
        return tuple(o.step for o in self.outputs) + tuple(o.step for o in self.second_outputs)

    @property
    def held_bytes(self) -> int:
        """The bytes that the plan takes with its graph and its replay, roughly."""
        steps = chain(self.steps, *(program.steps for program in self.programs))
        return self.graph.held_bytes + sum(BYTES_PER_STEP + bytes_of(step) for step in steps)


class Planned(Protocol):
    """An object that holds a plan, or None: a Result, a plan file that was read, a point of a front."""

    @property
    def plan(self) -> Plan | None:
        """The plan."""
        ...


def plan_of(value: object, what: str = "plan") -> Plan:
    """Return a value that is a plan, or the plan that it holds.

    Raises
    ------
    PlanError
        Where the value should hold a plan but has none.
    ArgumentError
        Where the value is something else.
    """
    held = value if isinstance(value, Plan) else getattr(value, "plan", value)
    if isinstance(held, Plan):
        return held
    if held is None:
        holder = "None" if value is None else f"{describe(value)} without a plan"
        todo = "The status and the notes of a result say why it has none."
        raise PlanError(f"{what}: found {holder}; expected a plan. {todo}")
    raise refuse(what, value, "a Plan, or a Result that holds one", "Make one by chainplan.plan(problem).")
