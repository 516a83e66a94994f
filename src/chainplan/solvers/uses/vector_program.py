"""Programs of products: from a plan of the graph with vectors, and from the program of one side to that of the other.

The steps that depend on the vertex of vectors make the program, all others the set-up. A program is linear in its
vector, and the program of the other side is its transpose: its steps go backwards, each by the same block on the other
side of the vector, and where one vector was read twice two are added up (Griewank & Walther, *Evaluating Derivatives*,
section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Decompress,
    Load,
    Multiply,
    Plan,
    ProductProgram,
    Propagate,
    Seed,
    Step,
)
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.products import Products
from chainplan.solvers.uses.directions import apart_name, vector_name


class Brought(NamedTuple):
    """The vector of the product at an input or output."""

    vertex: str


class Carried(NamedTuple):
    """What a step of the set-up, or an elemental of this name, makes of an earlier vector, added onto another one."""

    through: int | str
    arg: int
    onto: int | None


class Joined(NamedTuple):
    """The sum of two earlier vectors."""

    left: int
    right: int


class VectorProgram(NamedTuple):
    """The vectors of a program in the order in which they are made, and the numbers of those at its ends."""

    mode: Mode
    vectors: tuple[Brought | Carried | Joined, ...]
    results: tuple[tuple[str, int], ...]

    def transposed(self) -> VectorProgram:
        """The program of the other side: each vector is what the results weigh the one of this number with."""
        made, sums = list[Brought | Carried | Joined](), dict[int, int]()
        results = list[tuple[str, int]]()

        def give(number: int, vector: int) -> None:
            if number in sums:
                made.append(Joined(sums[number], vector))
                vector = len(made) - 1
            sums[number] = vector

        for vertex, number in self.results:
            made.append(Brought(vertex))
            give(number, len(made) - 1)
        for number, vector in reversed(list(enumerate(self.vectors))):
            if number not in sums:
                continue
            mine = sums[number]
            if isinstance(vector, Brought):
                results.append((vector.vertex, mine))
            elif isinstance(vector, Joined):
                give(vector.left, mine)
                give(vector.right, mine)
            else:
                if vector.onto is not None:
                    give(vector.onto, mine)
                made.append(Carried(vector.through, mine, sums.get(vector.arg)))
                sums[vector.arg] = len(made) - 1
        mode = Mode.ADJOINT if self.mode is Mode.TANGENT else Mode.TANGENT
        return VectorProgram(mode, tuple(made), tuple(results))

    def possible(self, graph: Graph) -> bool:
        """Whether every elemental that is applied has the mode."""
        names = {v.through for v in self.vectors if isinstance(v, Carried) and isinstance(v.through, str)}
        return all(graph[name].per_vector(self.mode) is not None for name in names)

    def written(self, recorder: Recorder, held: Mapping[int, int], times: int) -> ProductProgram:
        """The program in the plan language; `held` are the handles of the set-up's steps."""
        tangent, handles = self.mode is Mode.TANGENT, list[int]()
        for vector in self.vectors:
            if isinstance(vector, Brought):
                handles.append(recorder.direction(vector.vertex, self.mode))
            elif isinstance(vector, Joined):
                handles.append(recorder.add(handles[vector.left], handles[vector.right]))
            else:
                arg, onto = handles[vector.arg], None if vector.onto is None else handles[vector.onto]
                if isinstance(vector.through, str):
                    step = recorder.propagate(vector.through, arg, self.mode)
                    handles.append(step if onto is None else recorder.add(onto, step))
                else:
                    block = held[vector.through]
                    handles.append(recorder.multiply(*((block, arg) if tangent else (arg, block)), onto))
        return recorder.program(self.mode, times, [(vertex, handles[number]) for vertex, number in self.results])


def products_plan(graph: Graph, products: Products, plan: Plan, mode: Mode) -> Plan:
    """The plan for products with a graph that does what a plan of the graph with vectors of a mode does."""
    split = _Split(graph, plan, mode)
    held = {position: handle for position, handle in split.held.items() if handle is not _UNIT}
    return plan_of_program(graph, products, split.recorder, held, split.program())


def plan_of_program(
    graph: Graph, products: Products, recorder: Recorder, held: Mapping[int, int], program: VectorProgram
) -> Plan:
    """The plan of a set-up that has been recorded, and of the program of a side with its transpose."""
    sides = {one.mode: one for one in (program, program.transposed())}
    programs = [
        sides[mode].written(recorder.begun(), held, times)
        for mode, times in products.sides()
        if times or sides[mode].possible(graph)
    ]
    return recorder.plan((), programs)


_UNIT = None
"""The handle of an identity that stands before a vertex of its own (`directions.with_units_apart`)."""


class _Split:
    """Divides the steps of a plan of a graph with vectors into those of the set-up and those of a program."""

    def __init__(self, graph: Graph, plan: Plan, mode: Mode) -> None:
        self.plan, self.mode, self.recorder = plan, mode, Recorder(graph)
        self.held: dict[int, int | None] = {}
        """The handles of the blocks of the set-up, by the steps of the plan."""
        self.vectors: list[Brought | Carried | Joined] = []
        self.number: dict[int, int] = {}
        """The numbers of the vectors, by the steps of the plan."""
        self._brought = {vector_name(v): v for v in (*graph.inputs, *graph.outputs)}
        self._units = {apart_name(e.name): e.source for e in graph.useful if e.explicit}
        self._units |= {apart_name(name): v for name, v in self._brought.items()}
        for position in range(len(plan.steps)):
            self._take(position)

    def program(self) -> VectorProgram:
        """The program."""
        near = [(o.output if self.mode is Mode.TANGENT else o.input, self.number[o.step]) for o in self.plan.outputs]
        return VectorProgram(self.mode, tuple(self.vectors), tuple(near))

    def _take(self, position: int) -> None:
        """Put a step where it belongs."""
        step = self.plan.steps[position]
        if any(operand in self.number for operand in step.operands()):
            self.number[position] = self._vector(step)
        elif isinstance(step, Load) and step.elemental in self._brought:
            self.number[position] = self._made(Brought(self._brought[step.elemental]))
        else:
            self.held[position] = self._block(step)

    def _block(self, step: Step) -> int | None:
        """Record a step of the set-up, where factors may be identities."""
        recorder, held = self.recorder, self.held
        if isinstance(step, Load):
            return _UNIT if step.elemental in self._units else recorder.load(step.elemental)
        if isinstance(step, Multiply):
            onto = None if step.onto is None else self._real(step.onto)
            one = held[step.right] if held[step.left] is _UNIT else held[step.left]
            if held[step.left] is not _UNIT and held[step.right] is not _UNIT:
                return recorder.multiply(self._real(step.left), self._real(step.right), onto)
            assert one is not _UNIT, "an identity leads to a unit block that is no identity of this kind"
            return one if onto is None else recorder.add(onto, one)
        if isinstance(step, Add):
            return recorder.add(self._real(step.left), self._real(step.right))
        if isinstance(step, Accumulate):
            return recorder.accumulate(step.elemental, step.mode)
        if isinstance(step, Propagate):
            return recorder.propagate(step.elemental, self._real(step.arg), step.mode)
        if isinstance(step, Seed):
            return recorder.seed(self._units.get(step.vertex, step.vertex), step.mode, step.colours)
        assert isinstance(step, Decompress), "plans of graphs move no states"
        sides = (None if arg is None else self._real(arg) for arg in step)
        return recorder.decompress(*sides)

    def _real(self, position: int) -> int:
        """The handle of a step of the set-up that is no identity."""
        handle = self.held[position]
        assert handle is not _UNIT
        return handle

    def _vector(self, step: Step) -> int:
        """The number of the vector that a step of the program makes."""
        number = self.number
        if isinstance(step, Propagate):
            return self._made(Carried(step.elemental, number[step.arg], None))
        if isinstance(step, Add):
            return self._made(Joined(number[step.left], number[step.right]))
        assert isinstance(step, Multiply), "the vectors of a program are multiplied and added up alone"
        block, arg = (step.left, step.right) if self.mode is Mode.TANGENT else (step.right, step.left)
        onto = None if step.onto is None else number[step.onto]
        if self.held[block] is _UNIT:
            return number[arg] if onto is None else self._made(Joined(onto, number[arg]))
        return self._made(Carried(block, number[arg], onto))

    def _made(self, vector: Brought | Carried | Joined) -> int:
        self.vectors.append(vector)
        return len(self.vectors) - 1
