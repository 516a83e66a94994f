"""A plan as one Python function, for runs on values of one dtype that are all there: a line for each step.

Which kernel multiplies which blocks, where sparse blocks have their entries and which array a product is written into
is decided before the first run, so that a run does nothing but check the values and call kernels of numpy and scipy.
Sparse blocks are vectors of entries, whose lists stay the same (`kernels.entry_lists`). Products that neither the
caller nor a function ever gets to see are written into work arrays, each as soon as its last reader is done with it.

The function answers None, before it has called anything of the caller's, where values are of other kinds: another
dtype, a sparse array with other lists, an array for a matrix-free elemental. The executor takes these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.arrays import Array, DType
from chainplan.execution.chunked_apply import MAX_ENTRIES_AT_ONCE
from chainplan.execution.filling import Filler, ListedFiller, plain_shape
from chainplan.execution.plan_run import PlanRun, StepKernel
from chainplan.execution.program import lowered
from chainplan.execution.releasing import MAX_UNASKED_MATRIX_BYTES, released
from chainplan.execution.straight_products import NotStraight, ProductLines
from chainplan.execution.straight_term import Term
from chainplan.kernels.convert import from_matrix, given_away, kept_pattern, with_data
from chainplan.kernels.entry_lists import entry_places, matrix_of_lists
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.steps import Accumulate, Add, Again, Application, Decompress, Load, Multiply, Plan, Propagate, Seed
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block, Shifts
from chainplan.values.jacobians import GivenJacobian, accepted, as_array, band_shape, note_call

MAX_STRAIGHT_STEPS = 10_000
"""Steps of the longest plan that becomes a function; Python takes some 20 µs to compile a step."""
NUMBER_DTYPES = "dD"
"""The characters of dtypes whose numbers are floats and complex numbers of Python."""
MAX_KEPT_SEED_ENTRIES = 1_000_000
"""Entries of the largest identity that is kept from run to run."""


class UnusualValues(Exception):
    """Raised inside a run where a function returned another dtype than that of all arrays, or entries elsewhere."""


class StraightPlan(NamedTuple):
    """A plan as a function of the Jacobians, the work arrays and a list, and what makes the work arrays.

    The list gets the nanoseconds of a clock before the first step and behind every step, if the function was made so.
    """

    run: Callable[[dict[str, GivenJacobian], Sequence[Array], list[int]], dict[tuple[str, str], Array] | None]
    work_arrays: Callable[[], list[Array]]
    timed_steps: tuple[int, ...]


def straight(plan: Plan, dtype: DType, dense: bool | None, timed: bool = False) -> StraightPlan | None:
    """Make the function of a plan, or return None where a step of it needs the executor.

    Parameters
    ----------
    plan : Plan
        The plan.
    dtype : DType
        The dtype of all values, a kind of floats.
    dense : bool | None
        Whether results are written out as matrices, as for `execute`.
    timed : bool
        Whether the function notes the time of every step.
    """
    if len(plan.steps) > MAX_STRAIGHT_STEPS or lowered(plan).evaluates or plan.programs:
        return None
    try:
        return _StraightWriter(plan, dtype, dense, timed).written()
    except NotStraight:
        return None


class _StraightWriter:
    """Writes the lines of the function; `space` holds what they refer to by name."""

    def __init__(self, plan: Plan, dtype: DType, dense: bool | None, timed: bool) -> None:
        self._plan, self._program, self._dtype, self._dense, self._timed = plan, lowered(plan), dtype, dense, timed
        self._blocks = self._program.blocks
        self._run = PlanRun(0, {}, dtype)
        self._space: dict[str, object] = {"ndarray": np.ndarray, "D": dtype, "clock": perf_counter_ns}
        self._head: list[str] = []
        self._body: list[str] = []
        self._terms: dict[int, Term] = {}
        self._functions: dict[tuple[str, Mode], str] = {}
        self._products = ProductLines(self._named, self._body.append, dtype)
        self._diagonals: dict[int, str] = {}
        self._timed_steps: list[int] = []

    def written(self) -> StraightPlan:
        """Write all lines, and compile them."""
        if self._dense is None and self._program.wide * self._dtype.itemsize > MAX_UNASKED_MATRIX_BYTES:
            raise NotStraight
        names = self._named(self._program.names)
        self._head.append(f"if not given.keys() <= {names}: return None")
        for position, e, fill in self._program.loads:
            self._load(position, e, fill)
        for e in self._program.applied:
            self._apply(e)
        shapes = self._steps()
        self._outputs()
        rooms = "".join(f"w{i}, " for i in range(len(shapes)))
        lines = [*([f"{rooms} = work"] if rooms else []), *self._head, *self._body]
        source = "def run(given, work, times):\n" + "".join(f"    {line}\n" for line in lines)
        exec(compile(source, f"<plan of {len(self._plan.steps)} steps>", "exec"), self._space)
        run = self._space["run"]
        assert callable(run)
        dtype = self._dtype
        return StraightPlan(run, lambda: [np.empty(shape, dtype) for shape in shapes], tuple(self._timed_steps))

    def _named(self, value: object) -> str:
        """Give a value a name in the function."""
        name = f"c{len(self._space)}"
        self._space[name] = value
        return name

    def _load(self, position: int, e: Elemental, fill: Filler) -> None:
        block, value = self._blocks[position], f"v{position}"
        given, refused = f"given.get({e.name!r})", "return None"
        if given_away(e.block):
            self._head.append(f"if {given} is not None: {refused}")
            self._terms[position] = self._constant(fill(None, self._run), position)
        elif (shape := plain_shape(e.block, block)) is not None:
            self._head.append(f"{value} = {given}")
            self._head.append(
                f"if type({value}) is not ndarray or {value}.shape != {shape} or {value}.dtype is not D: {refused}"
            )
            self._terms[position] = Term(value, block)
        elif form(block) is StorageForm.SPARSE:
            if not isinstance(fill, ListedFiller):
                raise NotStraight
            shape = band_shape(e.block)
            self._head.append(f"{value} = {given}")
            entries = f"{value} = {self._named(fill.entries)}({value}, D)"
            if shape in (None, (e.block.rows, e.block.cols)):
                self._head += [entries, f"if {value} is None: {refused}"]
            else:
                self._head.append(
                    f"if type({value}) is not ndarray or {value}.shape != {shape} or {value}.dtype is not D:"
                )
                self._head += [f"    {entries}", f"    if {value} is None: {refused}"]
                self._diagonals[position] = f"if {value}.ndim == 2: {value} = {value}.take({self._named(fill.band)})"
            self._terms[position] = Term(value, block, fill.lists)
        else:
            numbers = isinstance(block.structure, Shifts) and self._dtype.char in NUMBER_DTYPES
            usual = (
                f"{value}.dtype is D or {value}.dtype.kind == 'i'"
                if numbers
                else f"{value} is None or {value}.dtype is D"
            )
            self._head.append(f"{value} = {self._named(fill)}({given}, {self._named(self._run)})")
            self._head.append(f"if not ({usual}): {refused}")
            self._head += [f"{value} = {value}.tolist()"] if numbers else []
            self._terms[position] = Term(value, block, numbers=numbers)

    def _constant(self, value: object, position: int) -> Term:
        """Return the term of values that a structure determines."""
        block = self._blocks[position]
        if isinstance(value, csr_array):
            return Term(self._named(value.data), block, value, bool((value.data == 1).all()))
        return Term("None" if value is None else self._named(value), block)

    def _apply(self, e: Elemental) -> None:
        """Take the functions of a matrix-free elemental that the plan applies."""
        steps = (step for step in self._plan.steps if isinstance(step, Accumulate | Propagate))
        pair = f"g{len(self._functions)}"
        self._head.append(f"{pair} = given.get({e.name!r})")
        callables = " or ".join(f"not ({pair}[{i}] is None or callable({pair}[{i}]))" for i in (0, 1))
        self._head.append(f"if type({pair}) is not tuple or len({pair}) != 2 or {callables}: return None")
        for mode in sorted({step.mode for step in steps if step.elemental == e.name}, key=list(Mode).index):
            function = self._functions[e.name, mode] = f"f{len(self._functions)}"
            self._head.append(f"{function} = {pair}[{list(Mode).index(mode)}]")
            self._head.append(f"if {function} is None: return None")

    def _steps(self) -> list[tuple[int, int]]:
        """Write the lines of all steps, and return the shapes of the work arrays."""
        own = self._own_products()
        shapes = list[tuple[int, int]]()
        free: dict[tuple[int, int], list[int]] = {}
        taken: dict[int, int] = {}
        self._tick()
        for position, kernel, ended in self._program.code:
            if position in own:
                shape = self._blocks[position].rows, self._blocks[position].cols
                if not (idle := free.setdefault(shape, [])):
                    idle.append(len(shapes))
                    shapes.append(shape)
                taken[position] = idle.pop()
            self._read(self._plan.steps[position].operands())
            term = self._step(position, kernel, f"w{taken[position]}" if position in taken else None)
            if form(term.block) is not form(self._blocks[position]):
                raise NotStraight
            self._body.append(f"v{position} = {term.value}")
            self._terms[position] = term._replace(value=f"v{position}")
            if ended:
                self._body.append("".join(f"v{end} = " for end in ended) + "None")
            for end in ended:
                if end in taken:
                    free[self._blocks[end].rows, self._blocks[end].cols].append(taken[end])
            self._tick(position)
        return shapes

    def _read(self, positions: Iterable[int]) -> None:
        """Take the entries of bands that are given by their diagonals, just before they are first read."""
        for position in positions:
            if (line := self._diagonals.pop(position, None)) is not None:
                self._body.append(line)

    def _tick(self, position: int | None = None) -> None:
        if self._timed:
            self._body.append("times.append(clock())")
            self._timed_steps += [] if position is None else [position]

    def _own_products(self) -> set[int]:
        """Find the products that may be written into work arrays, as every reader makes an array of its own of them."""
        found = {
            position
            for position, _, _ in self._program.code
            if isinstance(step := self._plan.steps[position], Multiply) and self._products.writes(step, self._blocks)
        }
        for step in self._plan.steps:
            if not self._products.makes_its_own(step, self._blocks):
                found.difference_update(step.operands())
        return found.difference(self._plan.ends)

    def _step(self, position: int, kernel: StepKernel, work: str | None) -> Term:
        """Write the lines of a step but the last, and return the term of its result."""
        step = self._plan.steps[position]
        match step:
            case Multiply(left, right, onto):
                terms = self._terms[left], self._terms[right], None if onto is None else self._terms[onto]
                return self._products.product(*terms, work)
            case Add(left, right):
                return self._products.total(self._terms[left], self._terms[right])
            case Again(arg):
                return self._terms[arg]
            case Propagate(_, arg):
                if self._blocks[arg].rows * self._blocks[arg].cols > MAX_ENTRIES_AT_ONCE:
                    raise NotStraight
                return self._called(step, position, self._products.matrix(self._terms[arg]))
            case Accumulate(name):
                e = self._plan.graph[name]
                return self._called(
                    step, position, self._identity(e.block.cols if step.mode is Mode.TANGENT else e.block.rows)
                )
            case Seed():
                run = PlanRun(position + 1, {}, self._dtype)
                kernel(run)
                return self._constant(run.values[position], position)
            case Decompress():
                return self._decompressed(step, position, kernel)
        raise NotStraight

    def _decompressed(self, step: Decompress, position: int, kernel: StepKernel) -> Term:
        operands, block = step.operands(), self._blocks[position]
        sparse = form(block) is StorageForm.SPARSE
        read = self._named(partial(_decompressed, kernel, self._dtype, position, operands, sparse))
        value = f"{read}({', '.join(self._terms[operand].value for operand in operands)})"
        return Term(value, block, kept_pattern(block) if sparse else None)

    def _identity(self, size: int) -> str:
        if size * size > MAX_ENTRIES_AT_ONCE:
            raise NotStraight
        if size * size > MAX_KEPT_SEED_ENTRIES:
            return f"{self._named(partial(np.eye, dtype=self._dtype))}({size})"
        return self._named(np.eye(size, dtype=self._dtype))

    def _called(self, step: Application, position: int, argument: str) -> Term:
        """Write the call of a function on an array that it cannot write to, and the checks of its result."""
        e, block = self._plan.graph[step.elemental], self._blocks[position]
        if block.rows * block.cols > MAX_ENTRIES_AT_ONCE:
            raise NotStraight
        value, function = f"v{position}", self._functions[step.elemental, step.mode]
        note = self._named(partial(_noted, e, step.mode))
        usual = self._named(partial(_usual, e, step.mode, self._dtype))
        self._body += [
            f"x = {argument}.view()",
            "x.setflags(write=False)",
            f"try: {value} = {function}(x)",
            f"except Exception as error: {note}(error, x); raise",
            f"if type({value}) is not ndarray or {value}.shape != {block.rows, block.cols} or {value}.dtype is not D: "
            f"{value} = {usual}({value}, x)",
        ]
        self._body.append("x = None")
        if form(block) is StorageForm.SPARSE:
            lists = kept_pattern(block)
            return Term(f"{self._named(partial(_entries, entry_places(lists)))}({value})", block, lists)
        if form(block) is not StorageForm.DENSE:
            value = f"{self._named(from_matrix)}({value}, {self._named(block)})"
        return Term(value, block)

    def _outputs(self) -> None:
        """Write the lines that hand the outputs over; the last one of a block drops it first."""
        self._read(self._plan.ends)
        self._body.append("result = {}")
        last = {output.step: output for output in self._plan.outputs}
        for output in self._plan.outputs:
            position = output.step
            block, term, whole = self._blocks[position], self._terms[position], self._dense is not False
            if term.lists is not None:
                make = matrix_of_lists(term.lists) if whole else partial(_copied, term.lists)
                value = f"{self._named(make)}({term.value})"
            else:
                held = isinstance(self._plan.steps[position], Load)
                value = f"{self._named(partial(_handed, block, whole, self._run, held))}(r)"
                self._body.append(f"r = [{self._products.whole(term)}]")
                if output is last[position]:
                    self._body.append(f"v{position} = None")
            self._body.append(f"result[{output.output!r}, {output.input!r}] = {value}")
        self._body.append("return result")


def _handed(block: Block, whole: bool, run: PlanRun, held: bool, values: list[HeldValues]) -> HeldValues:
    return released(values, 0, block, whole, run, held)


def _decompressed(
    kernel: StepKernel, dtype: DType, position: int, operands: Sequence[int], sparse: bool, *values: Array
) -> HeldValues:
    """Run the kernel of a step on the values of its operands, and return its result, or the entries of it."""
    run = PlanRun(position + 1, {}, dtype)
    for operand, value in zip(operands, values, strict=True):
        run.values[operand] = value
    kernel(run)
    return run.values[position].data if sparse else run.values[position]


def _copied(lists: csr_array, entries: Array) -> csr_array:
    return with_data(lists, entries).copy()


def _entries(places: Array, matrix: Array) -> Array:
    """Return the entries of a sparse block that a function returned as a matrix."""
    entries: Array = matrix.take(places)
    if np.count_nonzero(matrix) != np.count_nonzero(entries):
        raise UnusualValues
    return entries


def _noted(e: Elemental, mode: Mode, error: Exception, block: Array) -> None:
    note_call(error, e, mode, block)


def _usual(e: Elemental, mode: Mode, dtype: DType, returned: object, block: Array) -> Array:
    """Return what a function returned as an array of the right shape and dtype."""
    result = accepted(e, mode, as_array(returned), block)
    if result.dtype != dtype:
        raise UnusualValues
    return result
