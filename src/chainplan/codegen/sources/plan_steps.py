"""Scalar programs from plans: entries of elemental Jacobians are inputs, and each step writes its operations."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.sources.build import Refs, built
from chainplan.codegen.straight_line import InputArray
from chainplan.codegen.writer import Writer
from chainplan.colouring import decompress
from chainplan.errors import SpecError
from chainplan.plans.replay import Replay, colouring_of, replay
from chainplan.plans.steps import (
    Add,
    Again,
    Decompress,
    Interpreter,
    Load,
    Multiply,
    Plan,
    Planned,
    Seed,
    Step,
    plan_of,
    word_of,
)
from chainplan.problem.graph import Elemental, Mode
from chainplan.problem.problem import Problem
from chainplan.structures.scaled_identity import ScaledIdentity

MAX_PLAN_FMA = 100_000
"""The most fma of a plan that is written in scalars."""
MAX_PLAN_BLOCK_ENTRIES = 100_000
"""The most entries, zeros included, of a block that is written in scalars."""


def not_written(problem: Problem) -> str | None:
    """Say why no plan of a problem can be written in scalars, None where one may be."""
    asked = (
        ("products with vectors", "products", problem.products is not None),
        ("second derivatives", "'derivative'", problem.second is not None),
        ("states that the plan evaluates", "'limits.recompute'", problem.recompute),
        ("matrix-free elementals", "their tangents and adjoints", not problem.graph.explicit),
    )
    for what, key, found in asked:
        if found:
            return f"found {what}; expected a Jacobian of elementals whose entries are given. Leave {key} out."
    return None


def from_plan(plan: Plan | Planned, name: str = "jacobian") -> ScalarProgram:
    """Make the scalar program of a plan.

    Parameters
    ----------
    plan : Plan | Planned
        A plan whose elementals all have given entries, or what holds one: a `Result`, a plan file that was read.
    name : str
        The name of the program.

    Returns
    -------
    ScalarProgram
        The program. Its inputs are the elemental Jacobians that the plan loads, numbers or arrays of rows x cols,
        without those whose values are known; entries outside of their patterns are not read. Its outputs are the
        blocks of the Jacobian.

    Raises
    ------
    PlanError
        Where the plan breaks a rule, or there is none.
    SpecError
        Where the plan is too large, is for second derivatives, multiplies vectors, applies a matrix-free elemental, or
        evaluates states.

    Examples
    --------
    >>> import chainplan
    >>> from chainplan.codegen import from_plan
    >>> program = from_plan(chainplan.plan(chainplan.chain([1, 2, 1])))
    >>> [one.name for one in program.inputs], program.operations
    (['F1', 'F2'], 3)
    """
    plan = plan_of(plan)
    if plan.programs:
        raise SpecError(f"{name}: found products with vectors; expected a Jacobian. Leave products out.")
    if plan.second is not None:
        raise SpecError(
            f"{name}: found a plan for second derivatives; expected one for the Jacobian. Leave 'derivative' out."
        )
    replayed = replay(plan)
    largest = max((typed.block.rows * typed.block.cols for typed in replayed.blocks), default=0)
    fma = sum(replayed.prices)
    if fma > MAX_PLAN_FMA or largest > MAX_PLAN_BLOCK_ENTRIES:
        raise SpecError(
            f"{name}: found {fma:,} fma and a block of {largest:,} entries; expected at most {MAX_PLAN_FMA:,} and "
            f"{MAX_PLAN_BLOCK_ENTRIES:,} in scalar code. Use a smaller problem."
        )
    entries, loaded = _Entries(plan, replayed), {step.elemental for step in plan.steps if isinstance(step, Load)}
    for e in plan.graph.elementals:
        if e.name in loaded:
            entries.load(Load(e.name))
    for step in plan.steps:
        entries.made.append(step.accept(entries))
    alone = len(plan.outputs) == 1
    outputs = [
        ("jacobian" if alone else variable_name(f"{one.output}_by_{one.input}"), _given(entries.made[one.step]))
        for one in plan.outputs
    ]
    return built(name, entries.writer, entries.inputs, outputs)


def variable_name(name: str) -> str:
    """Return a name that a variable can have, as near to a given one as can be."""
    word = re.sub(r"[^0-9A-Za-z_]", "_", name)
    return f"d{word}" if not word or word[0].isdigit() else word


def _given(refs: Refs) -> Refs:
    """Return a block as it is given and taken: a number, where it has one entry."""
    return refs.reshape(()) if refs.size == 1 else refs


class _Entries(Interpreter[Refs]):
    """Writes what each step makes as an array of references, of rows x cols."""

    def __init__(self, plan: Plan, replayed: Replay) -> None:
        self.writer = Writer()
        self._plan = plan
        self._replayed = replayed
        self.inputs: list[InputArray] = []
        self.made: list[Refs] = []
        self._graph = plan.graph
        self._held: dict[Any, Refs] = {}
        self._read = 0

    def load(self, step: Load) -> Refs:
        e = self._graph[step.elemental]
        if e.kind not in self._held:
            self._held[e.kind] = self._loaded(e)
        return self._held[e.kind]

    def _loaded(self, e: Elemental) -> Refs:
        """Write the entries of an elemental: known ones as constants, others as those of an input."""
        rows, cols, structure = e.block
        refs = np.full((rows, cols), Writer.ZERO, np.int64)
        at = structure.pattern(rows, cols).tocoo()
        if not at.nnz:
            return refs
        units = structure.units
        if units is not None and units.sign:
            refs[at.row, at.col] = self.writer.constant(float(units.sign))
            return refs
        taken = {one.name for one in self.inputs}
        word = variable_name(e.first)
        while word in taken:
            word += "_"
        self.inputs.append(InputArray(word, () if refs.size == 1 else (rows, cols)))
        places = np.array([self.writer.input(self._read + k) for k in range(refs.size)], np.int64).reshape(rows, cols)
        self._read += refs.size
        refs[at.row, at.col] = places[0, 0] if isinstance(structure, ScaledIdentity) else places[at.row, at.col]
        return refs

    def multiply(self, step: Multiply) -> Refs:
        left, right = self.made[step.left], self.made[step.right]
        shape = (left.shape[0], right.shape[1])
        result = np.full(shape, Writer.ZERO, np.int64) if step.onto is None else self.made[step.onto].copy()
        mul, add = self.writer.mul, self.writer.add
        for i, inner in np.argwhere(left != Writer.ZERO).tolist():
            for j in np.flatnonzero(right[inner] != Writer.ZERO).tolist():
                result[i, j] = add(int(result[i, j]), mul(int(left[i, inner]), int(right[inner, j])))
        return result

    def add(self, step: Add) -> Refs:
        result = self.made[step.left].copy()
        for i, j in np.argwhere(self.made[step.right] != Writer.ZERO).tolist():
            result[i, j] = self.writer.add(int(result[i, j]), int(self.made[step.right][i, j]))
        return result

    def again(self, step: Again) -> Refs:
        return self.made[step.arg]

    def seed(self, step: Seed) -> Refs:
        refs = np.full((len(step.colours), max(step.colours, default=-1) + 1), Writer.ZERO, np.int64)
        for line, colour in enumerate(step.colours):
            if colour >= 0:
                refs[line, colour] = Writer.ONE
        return refs if step.mode is Mode.TANGENT else refs.T

    def decompress(self, step: Decompress) -> Refs:
        rows, cols, structure = self._replayed.blocks[len(self.made)].block
        compressed = (None if arg is None else self.made[arg] for arg in (step.tangent, step.adjoint))
        read = decompress(
            structure.pattern(rows, cols), colouring_of(self._plan, self._replayed, step), *compressed
        ).tocoo()
        refs = np.full((rows, cols), Writer.ZERO, np.int64)
        refs[read.row, read.col] = read.data
        return refs

    def _refused(self, step: Step) -> NoReturn:
        where = getattr(step, "elemental", None) or getattr(step, "vertex", None)
        raise SpecError(
            f"{where or 'the plan'}: found a step of kind {word_of(type(step))}; expected "
            "elementals whose entries are given. Leave matrix-free elementals and states out."
        )

    accumulate: Callable[..., Refs] = _refused
    load_second: Callable[..., Refs] = _refused
    apply_second: Callable[..., Refs] = _refused
    contract: Callable[..., Refs] = _refused
    exchange: Callable[..., Refs] = _refused
    given: Callable[..., Refs] = _refused
    propagate: Callable[..., Refs] = _refused
    direction: Callable[..., Refs] = _refused
    advance: Callable[..., Refs] = _refused
    store: Callable[..., Refs] = _refused
    restore: Callable[..., Refs] = _refused
    write: Callable[..., Refs] = _refused
    read: Callable[..., Refs] = _refused
