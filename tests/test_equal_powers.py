"""Powers in long chains: found in the chain itself, made along addition chains, never dearer than without."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SHARED
from chainplan.plans.result import Outcome
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.solvers.auto import AutoSolver
from chainplan.solvers.chain import shared_sets, shared_words
from chainplan.solvers.chain.addition_chains import addition_chain, binary_chain
from chainplan.solvers.chain.equal_powers import EqualPowers, letters_of, repetitions
from chainplan.solvers.choosing import stages
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver
from chainplan.values.draw import draw
from tests.oracles.sharing import SharedChain
from tests.problems import chain_of_letters, random_letters


def dense(letters: str, n: int = 10) -> Problem:
    return chain_of_letters(letters, {letter: {"shape": [n, n]} for letter in dict.fromkeys(letters)})


def powers_of(problem: Problem) -> Candidate | None:
    candidate = EqualPowers(problem, lambda: True).candidate()
    if candidate is not None:
        chainplan.check(candidate.plan, problem)
    return candidate


@pytest.mark.parametrize(
    ("letters", "products"),
    [
        ("A" * 200 + "B" * 200, 19),
        ("A" * 499 + "B" * 499, 27),
        ("AB" * 400, 11),
        (("A" * 10 + "B") * 20, 10),
        ("A" * 200 + "C" + "A" * 100, 13),
        (("AAABBC" * 300 + "D") * 3, 18),
        ("A" * 5000, 15),
    ],
)
def test_powers_take_so_many_products_however_long_the_chain(letters: str, products: int) -> None:
    candidate = powers_of(dense(letters))
    assert candidate is not None
    assert candidate.price <= products * 1000
    assert len(candidate.plan.steps) < 200


def test_long_chains_of_powers_are_planned_with_a_bound() -> None:
    result = chainplan.plan(dense("A" * 499 + "B" * 700, n=2))
    assert (result.status, result.lower_bound.within) == (Status.FEASIBLE, SHARED)
    assert 11 * 8 <= result.lower_bound.value <= (result.price or 0) <= 28 * 8
    proven = chainplan.plan(dense("AB" * 512, n=2), "chain-shared")
    assert (proven.status, proven.price) == (Status.OPTIMAL, 10 * 8)
    mixed = "".join(random.Random(0).choice("ABCD") for _ in range(1200)) + "A" * 300
    assert (chainplan.plan(dense(mixed, n=2)).price or 0) < 1250 * 8


def test_a_narrow_block_takes_powers_apart() -> None:
    factors = {
        "V": {"shape": [10, 1000]},
        "B": {"shape": [1000, 1000]},
        "W": {"shape": [1000, 10]},
        "A": {"shape": [10, 10]},
    }
    candidate = powers_of(chain_of_letters("A" * 64 + "W" + "B" * 50 + "V" + "A" * 64, factors))
    assert candidate is not None
    assert candidate.price <= 6 * 10**3 + 50 * 10 * 1000**2 + 2 * 10 * 1000 * 10 + 10**3 * 2


def test_without_a_budget_nothing_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_sets, "MAX_SET_OPTIONS", 1)
    monkeypatch.setattr(shared_words, "MAX_STATE_OPTIONS", 1)
    assert chainplan.plan(dense("A" * 30 + "B" * 30, 2), "chain-shared").price == 13 * 8


def test_a_memory_limit_is_kept_by_a_plan_that_makes_powers_once() -> None:
    problem = chainplan.from_spec(
        {"chain": [{"name": "A", "shape": [10, 10], "times": 160}], "limits": {"memory": 300}}
    )
    result = chainplan.plan(problem)
    assert result.cost is not None
    assert (result.cost.fma, result.cost.peak_elements <= 300) == (len(binary_chain(160)) * 1000 - 1000, True)


def test_auto_keeps_a_memory_limit_by_powers_along_binary_digits() -> None:
    """A shortest addition chain of 1,999 holds more than three blocks, no words of so long a chain are searched."""
    assert len(addition_chain(1999)) < len(binary_chain(1999))
    problem = chainplan.from_spec(
        {"chain": [{"name": "A", "shape": [10, 10], "times": 1999}], "limits": {"memory": 300}}
    )
    result = chainplan.plan(problem)
    assert result.cost is not None
    assert result.cost.peak_elements <= 300
    assert result.cost.fma <= len(binary_chain(1999)) * 1000


def test_powers_under_a_memory_limit_hold_no_more_than_one_power_and_the_factor() -> None:
    candidate = powers_of(replace(dense("A" * 499), memory=300))
    assert candidate is not None
    assert candidate.fits(300)


@pytest.mark.parametrize("first", [0, pytest.param(40, marks=pytest.mark.nightly)])
def test_powers_of_mixed_chains_are_right(first: int) -> None:
    found = 0
    for seed in range(first, 40 if not first else 2040):
        rng = random.Random(seed)
        letters, factors = random_letters(rng, 5)
        word = letters.replace("V", "")
        square = word and factors[word[-1]]["shape"][0] == factors[word[0]]["shape"][1]
        letters = word * (rng.randint(2, 9) if square else 1) + "V" * ("V" in letters)
        problem = chain_of_letters(letters, factors)
        candidate = powers_of(problem) if problem.graph.shares else None
        if candidate is None:
            continue
        found += 1
        if len(letters) <= 6:
            assert candidate.price >= SharedChain(letters, factors).least()
        values = draw(problem.graph, seed, np.int64)
        once = {e.name: values[e.name] for e in problem.graph.elementals if e.values is None and e.name in values}
        result = chainplan.execute(candidate.plan, once, wrap=True)
        for pair, expected in chainplan.reference_jacobian(problem, once, Mode.ADJOINT).items():
            assert np.array_equal(result.get(pair, np.zeros_like(expected)), expected), seed
    assert found > 10


def test_repetitions_do_not_overlap_and_repeat() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        word = "".join(rng.choice("AB") * rng.choice((1, 1, 7)) for _ in range(rng.randint(2, 30)))
        letters = letters_of(dense(word, 2).graph.chain)
        powers = repetitions(letters)
        assert all(one.end <= other.start for one, other in pairwise(powers))
        for power in powers:
            part = word[power.start : power.end]
            assert part == word[power.start : power.start + power.period] * power.times
            assert power.times > 1


def test_products_write_no_baseline_that_costs_more_or_comes_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    run, names = stages.run_stage, list[str]()

    def recorded(solver: Solver, *rest: Any) -> Outcome:
        names.append(solver.name)
        return run(solver, *rest)

    monkeypatch.setattr("chainplan.solvers.choosing.other_uses.run_stage", recorded)
    problem = replace(dense("A" * 8, n=2), products=Products(3))
    baselines = {"free", "forward", "reverse"}
    in_time = AutoSolver().solve(problem, Search())
    assert not baselines & {*names}
    monkeypatch.setattr(stages, "baseline_price", lambda *problem: 0)
    AutoSolver().solve(problem, Search())
    assert baselines < {*names}
    names.clear()
    monkeypatch.setattr(Search, "in_time", lambda self: False)
    late = AutoSolver().solve(problem, Search())
    assert names
    assert not baselines & {*names}
    assert in_time.candidate is not None
    assert late.candidate is not None
    assert late.candidate.price <= 8 * 3 * 4
