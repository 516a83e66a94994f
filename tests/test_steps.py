"""Every kind of step says what it reads, and no interpreter can do without a kind.

Mypy refuses what the comments `type: ignore` stand beside; it would refuse the comments if it did not.
"""

from __future__ import annotations

from typing import NamedTuple, get_type_hints

import pytest

from chainplan.io.plan_file_fields import FIELDS
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.steps import (
    STEP_KINDS,
    Accumulate,
    Add,
    Again,
    Decompress,
    Direction,
    Interpreter,
    Load,
    Multiply,
    Propagate,
    Seed,
    Step,
    word_of,
)
from chainplan.problem.graph import Mode
from chainplan.structures.second import Side

STEPS: list[Step] = [
    Load("F1"),
    Accumulate("F1", Mode.TANGENT),
    Propagate("F1", 3, Mode.ADJOINT),
    Multiply(1, 2),
    Multiply(1, 2, 3),
    Add(1, 2),
    Seed("x0", Mode.TANGENT, (0, 1)),
    Decompress(4, None),
    Decompress(4, 5),
    Again(3, "x1", "x2"),
    Direction("x0", Mode.TANGENT),
    LoadSecond("F1"),
    ApplySecond("F1", Mode.ADJOINT, 1, None, 2),
    ApplySecond("F1", Mode.TANGENT, None, None, None, (), (0, 1)),
    Given("x1", Side.ROWS),
    Contract(1, 2, Side.ROWS, True),
    Contract(1, 2, Side.RIGHT, False, 3),
    Exchange(1),
    Advance("F1"),
    Store("x0"),
    Restore("x0"),
    Write("x0"),
    Read("x0"),
]


class NoRestore(Interpreter[str]):
    """The name of a step, but for one kind."""

    def load(self, step: Load) -> str:
        return "load"

    def accumulate(self, step: Accumulate) -> str:
        return "accumulate"

    def propagate(self, step: Propagate) -> str:
        return "propagate"

    def multiply(self, step: Multiply) -> str:
        return "multiply"

    def add(self, step: Add) -> str:
        return "add"

    def seed(self, step: Seed) -> str:
        return "seed"

    def decompress(self, step: Decompress) -> str:
        return "decompress"

    def again(self, step: Again) -> str:
        return "again"

    def advance(self, step: Advance) -> str:
        return "advance"

    def direction(self, step: Direction) -> str:
        return "direction"

    def load_second(self, step: LoadSecond) -> str:
        return "load_second"

    def apply_second(self, step: ApplySecond) -> str:
        return "apply_second"

    def given(self, step: Given) -> str:
        return "given"

    def contract(self, step: Contract) -> str:
        return "contract"

    def exchange(self, step: Exchange) -> str:
        return "exchange"

    def store(self, step: Store) -> str:
        return "store"

    def write(self, step: Write) -> str:
        return "write"

    def read(self, step: Read) -> str:
        return "read"


class Names(NoRestore):
    """The name of a step."""

    def restore(self, step: Restore) -> str:
        return "restore"


class Scale(NamedTuple):
    """A new kind of step, of which nothing is said yet."""

    arg: int


def test_an_interpreter_that_lacks_a_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="restore"):
        NoRestore()  # type: ignore[abstract]


def test_a_kind_that_no_interpreter_knows_is_refused() -> None:
    steps: list[Step | Scale] = [Load("F1"), Scale(0)]
    assert steps[0].accept(Names()) == "load"  # type: ignore[union-attr]
    with pytest.raises(AttributeError, match="accept"):
        steps[1].accept(Names())  # type: ignore[union-attr]


def test_every_kind_has_a_method_of_its_own() -> None:
    assert {type(step) for step in STEPS} == set(STEP_KINDS)
    assert Interpreter.__abstractmethods__ == set(map(word_of, STEP_KINDS)) == FIELDS.keys()
    for step in STEPS:
        assert step.accept(Names()) == word_of(type(step))


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_operands_are_the_numbers_among_the_fields_and_are_renumbered(step: Step) -> None:
    numbers = [name for name, hint in get_type_hints(type(step)).items() if hint in (int, int | None)]
    held = [getattr(step, name) for name in numbers]
    assert step.operands() == tuple(number for number in held if number is not None)
    moved = step.renumbered({number: number + 10 for number in step.operands()})
    assert moved == step._replace(**{n: old + 10 for n, old in zip(numbers, held, strict=True) if old is not None})
    assert type(moved) is type(step)


def test_steps_are_equal_to_those_of_their_own_kind_alone() -> None:
    for kind in STEP_KINDS:
        fields = tuple(range(len(kind._fields)))
        same = [other for other in STEP_KINDS if len(other._fields) == len(fields)]
        assert [other for other in same if other._make(fields) == kind._make(fields)] == [kind]
        assert [other for other in same if not (other._make(fields) != kind._make(fields))]  # noqa: SIM202 == [kind]
        assert len({other._make(fields) for other in same}) == len(same)
        assert kind._make(fields) != fields
