"""Judge the judge: bad plans each rejected with its message, mutated plans accepted only when numerically right."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import cast

import numpy as np
import pytest

from chainplan.errors import PlanError
from chainplan.execution.executor import execute
from chainplan.planner import plan
from chainplan.plans.check import check
from chainplan.plans.path_labels import is_prime
from chainplan.plans.steps import Accumulate, Add, Load, Multiply, Output, Plan, Propagate, Seed, Step
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import Search
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from tests.problems import chain_problem, random_problem

THREE = chain_problem([2, 3, 4, 5])
FREE = chain_problem([2, 3, 4], prices=[(5, None, 0), (None, 7, 9)])
RIGHT: tuple[Step, ...] = (Load("F1"), Load("F2"), Multiply(1, 0), Load("F3"), Multiply(3, 2))
END = (Output("x3", "x0", 4),)

BAD: dict[str, tuple[Problem, tuple[Step, ...], tuple[Output, ...], str]] = {
    "later operand": (THREE, (Multiply(1, 0), *RIGHT[1:]), END, r"step 0: left is 1; expected an earlier step"),
    "itself": (THREE, (*RIGHT[:2], Multiply(2, 0), *RIGHT[3:]), END, r"step 2: left is 2"),
    "negative operand": (THREE, (*RIGHT[:2], Multiply(-1, 0), *RIGHT[3:]), END, r"step 2: left is -1"),
    "order of factors": (THREE, (*RIGHT[:2], Multiply(0, 1), *RIGHT[3:]), END, r"left block starts at 'x0'"),
    "unknown elemental": (THREE, (Load("G"), *RIGHT[1:]), END, r"step 0: 'G' is no elemental"),
    "explicit accumulated": (THREE, (Accumulate("F1", Mode.TANGENT), *RIGHT[1:]), END, r"'F1' is explicit"),
    "matrix-free loaded": (FREE, (Load("F1"),), (), r"'F1' is matrix-free and cannot be loaded"),
    "mode of accumulate": (FREE, (Accumulate("F1", cast(Mode, "x")),), (), r"step 0: mode is 'x'; expected a Mode"),
    "mode of propagate": (
        FREE,
        (Accumulate("F1", Mode.TANGENT), Propagate("F2", 0, cast(Mode, "x"))),
        (),
        r"step 1: mode is 'x'; expected a Mode",
    ),
    "mode None": (FREE, (Accumulate("F1", cast(Mode, None)),), (), r"step 0: mode is None; expected a Mode"),
    "mode of seed": (FREE, (Seed("x0", cast(Mode, "x"), ()),), (), r"step 0: mode is 'x'; expected a Mode"),
    "mode missing": (FREE, (Accumulate("F1", Mode.ADJOINT),), (), r"'F1' has no adjoint; use the other mode"),
    "tangent end": (
        FREE,
        (Accumulate("F1", Mode.TANGENT), Propagate("F1", 0, Mode.TANGENT)),
        (),
        r"step 1: arg ends at 'x1', but a tangent of 'F1' starts at 'x0'",
    ),
    "adjoint end": (
        FREE,
        (Accumulate("F2", Mode.ADJOINT), Propagate("F2", 0, Mode.ADJOINT)),
        (),
        r"step 1: arg starts at 'x1', but an adjoint of 'F2' starts at 'x2'",
    ),
    "onto elsewhere": (THREE, (*RIGHT[:2], Multiply(1, 0, 1), *RIGHT[3:]), END, r"onto leads 'x1' -> 'x2'"),
    "sum of strangers": (THREE, (*RIGHT, Add(0, 1)), END, r"a sum needs blocks between the same vertices"),
    "output missing": (THREE, RIGHT, (), r"output \('x3', 'x0'\): the plan does not count every path"),
    "output twice": (THREE, RIGHT, END * 2, r"listed twice"),
    "output of no pair": (THREE, RIGHT, (Output("x2", "x0", 2), *END), r"no such pair"),
    "output elsewhere": (THREE, RIGHT, (Output("x3", "x0", 2),), r"step 2 leads 'x0' -> 'x2'"),
    "output step unknown": (THREE, RIGHT, (Output("x3", "x0", 9),), r"step 9 does not exist"),
    "counted twice": (THREE, (*RIGHT, Add(4, 4)), (Output("x3", "x0", 5),), r"every path exactly once"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_plan_is_rejected_with_its_message(case: str) -> None:
    problem, steps, outputs, message = BAD[case]
    with pytest.raises(PlanError, match=message):
        check(Plan(problem.graph, steps, outputs), problem)


def test_the_right_plan_is_accepted() -> None:
    assert check(Plan(THREE.graph, RIGHT, END), THREE).total == 2 * 3 * 4 + 2 * 4 * 5


def test_the_memory_limit_is_kept() -> None:
    good = Plan(THREE.graph, RIGHT, END)
    peak = check(good).peak
    check(good, replace(THREE, memory=peak))
    with pytest.raises(PlanError, match=rf"{peak} elements are alive; expected at most limits.memory = {peak - 1}"):
        check(good, replace(THREE, memory=peak - 1))


def test_doubling_61_times_is_not_the_identity() -> None:
    steps = [*RIGHT]
    for _ in range(61):
        steps.append(Add(len(steps) - 1, len(steps) - 1))
    with pytest.raises(PlanError, match="every path exactly once"):
        check(Plan(THREE.graph, tuple(steps), (Output("x3", "x0", len(steps) - 1),)))


def test_primes() -> None:
    sieve = [all(n % d for d in range(2, n)) for n in range(2, 2000)]
    assert [is_prime(n) for n in range(2, 2000)] == sieve
    assert is_prime(2**61 - 1)
    assert not is_prime(3825123056546413051)  # the least strong pseudoprime to the first nine primes as bases


def _drop(rng: random.Random, steps: list[Step]) -> None:
    del steps[rng.randrange(len(steps))]


def _swap(rng: random.Random, steps: list[Step]) -> None:
    i, j = rng.randrange(len(steps)), rng.randrange(len(steps))
    steps[i], steps[j] = steps[j], steps[i]


def _repeat(rng: random.Random, steps: list[Step]) -> None:
    steps.append(rng.choice(steps))


def _change_field(rng: random.Random, steps: list[Step]) -> None:
    i = rng.randrange(len(steps))
    step = steps[i]
    field = rng.choice(step._fields)
    other = rng.choice(steps)
    new: object = {"elemental": getattr(other, "elemental", "F1"), "mode": rng.choice(list(Mode))}.get(
        field, rng.randrange(len(steps))
    )
    if field == "colours":
        new = tuple(rng.choice([rng.choice(step.colours), -1]) for _ in step.colours)  # type: ignore[union-attr]
    if field == "onto" and rng.random() < 0.5:
        new = None
    steps[i] = step._replace(**{field: new})  # type: ignore[arg-type]


MUTATIONS: tuple[Callable[[random.Random, list[Step]], None], ...] = (_drop, _swap, _repeat, _change_field)


@cache
def _solved(seed: int, solver: str) -> tuple[Problem, Plan]:
    """A random problem, and the plan that a solver finds for it; ten mutants share them."""
    problem = random_problem(seed)
    plan = SOLVERS[solver].solve(problem, Search()).plan
    assert plan is not None
    return problem, plan


def test_an_accepted_mutant_is_numerically_right() -> None:
    accepted = rejected = 0
    for seed in range(3000):
        rng = random.Random(seed)
        problem, good = _solved(seed % 300, rng.choice(["auto", "forward", "reverse"]))
        if not good.steps:
            continue
        steps = list(good.steps)
        for _ in range(rng.choice([1, 1, 2])):
            rng.choice(MUTATIONS)(rng, steps)
            if not steps:
                break
        outputs = tuple(o._replace(step=rng.choice([o.step, o.step, len(steps) - 1])) for o in good.outputs)
        mutant = Plan(problem.graph, tuple(steps), outputs)
        try:
            check(mutant, problem)
        except PlanError:
            rejected += 1
            continue
        accepted += 1
        values = draw(problem.graph, seed, np.int64)
        found = execute(mutant, values)
        for pair, expected in reference_jacobian(problem, values).items():
            assert np.array_equal(found.get(pair, np.zeros_like(expected)), expected), seed
    assert accepted > 100
    assert rejected > 1000


def test_what_the_checker_rejects_for_its_paths_is_numerically_wrong() -> None:
    """The label test is not too strict: on generic values a rejected path count shows in the numbers."""
    wrong = 0
    for seed in range(600):
        problem = random_problem(seed)
        result = plan(problem)
        assert result.plan is not None
        if not result.plan.outputs:
            continue
        output = result.plan.outputs[0]
        doubled = (*result.plan.steps, Add(output.step, output.step))
        outputs = (output._replace(step=len(doubled) - 1), *result.plan.outputs[1:])
        mutant = Plan(problem.graph, doubled, outputs)
        pair = (output.output, output.input)
        values = draw(problem.graph, seed)
        expected = reference_jacobian(problem, values)[pair]
        if expected.size and np.abs(expected).max() > 0:
            wrong += 1
            with pytest.raises(PlanError, match="every path exactly once"):
                check(mutant, problem)
    assert wrong > 100
