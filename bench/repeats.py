"""The suite `repeats`: chains of which some factors are equal, with and without products made once.

Each chain is planned without sharing (`chain-dp`, the optimum of bracketings) and with it (`auto`), and both plans are
run in turns with one BLAS thread, by CPU time, beside `numpy.linalg.matrix_power` where the chain is a power of a dense
factor. All results are compared with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import process_time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bench.rows import RepeatRow
from bench.run import load, machine
from chainplan._util.arrays import Array
from chainplan.execution.executor import prepared
from chainplan.planner import plan
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.validation.turns import in_turns
from chainplan.values.draw import draw
from generators.words import chain_of_letters, random_word

Factor = Mapping[str, Any]


@dataclass(frozen=True)
class RepeatChain:
    """A chain, in letters that stand for factors; `power` is the exponent where it is a power of one dense factor."""

    name: str
    letters: str
    factors: Mapping[str, Factor]

    @property
    def power(self) -> int | None:
        """The exponent of a power of one dense factor, None of any other chain."""
        alone = len(set(self.letters)) == 1 and self.factors[self.letters[0]].keys() == {"shape"}
        return len(self.letters) if alone else None

    def problem(self) -> Problem:
        """The problem of the chain."""
        return chain_of_letters(self.letters, self.factors, self.name)


def square(n: int, **more: Any) -> Factor:
    """A square factor of n rows."""
    return {"shape": [n, n], **more}


def stored_repeats(n: int, words: tuple[int, ...]) -> list[RepeatChain]:
    """The chains of the suite, with dense factors of n rows and columns; random words of these lengths among them."""
    dense = {letter: square(n) for letter in "ABC"}
    row = {"A": square(n), "v": {"shape": [1, n]}}
    rows = {"A": square(n), "v": {"shape": [n // 4, n]}}
    unlike = {"A": square(n), **{letter: square(n, structure="diagonal") for letter in "DEFG"}}
    return [
        *(RepeatChain(f"A^{k}", "A" * k, dense) for k in (4, 15, 16, 31, 64)),
        RepeatChain("(AB)^8", "AB" * 8, dense),
        RepeatChain("(ABC)^5", "ABC" * 5, dense),
        RepeatChain("(AAB)^7", "AAB" * 7, dense),
        RepeatChain("row · A^16", "A" * 16 + "v", row),
        RepeatChain("n/4 rows · A^16", "A" * 16 + "v", rows),
        RepeatChain("A·D·A·E·A·F·A·G", "ADAEAFAG", unlike),
        RepeatChain("(A·D)^8", "AD" * 8, unlike),
        RepeatChain("band^32", "B" * 32, {"B": square(n, structure={"banded": [2, 2]})}),
        RepeatChain("matrix-free^12", "A" * 12, {"A": square(n, tangent=n * n // 2, adjoint=n * n)}),
        *(RepeatChain(f"word of {q} over A, B", random_word(q, "AB", q), dense) for q in words),
    ]


@dataclass(frozen=True)
class RepeatSuite:
    """How large the factors are, and how long the random words."""

    name: str = "repeats"
    title: str = "Chains of equal factors"
    n: int = 200
    words: tuple[int, ...] = (12, 24, 48)

    def quick(self) -> RepeatSuite:
        """The same with small factors and a short word."""
        return replace(self, n=16, words=(12,))


REPEAT_SUITES = {"repeats": RepeatSuite()}


def run_repeats(suite: RepeatSuite, say: Callable[[str], None]) -> tuple[dict[str, str], list[RepeatRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, rows = load(), list[RepeatRow]()
    with threadpool_limits(1):
        for chain in stored_repeats(suite.n, suite.words):
            rows.append(_measured(chain, suite.n))
            say(chain.name)
    return {"suite": suite.name, **machine(("numpy", "scipy")), "load": f"{before} before, {load()} after"}, rows


def _measured(chain: RepeatChain, n: int) -> RepeatRow:
    problem = chain.problem()
    start = process_time()
    found = plan(problem)
    seconds = process_time() - start
    apart = plan(problem, "chain-dp")
    assert found.plan is not None
    assert apart.plan is not None
    assert found.cost is not None
    assert apart.cost is not None
    values = draw(problem.graph, 1)
    calls: dict[str, Callable[[], Array]] = {"shared": _run(found.plan, values), "apart": _run(apart.plan, values)}
    if chain.power is not None:
        factor, exponent = values["A"], chain.power
        calls["power"] = lambda: np.linalg.matrix_power(factor, exponent)
    _agree({name: call() for name, call in calls.items()})
    turns = in_turns(calls, process_time)
    best = {f"{name}_seconds": measured.least for name, measured in turns.items()}
    return RepeatRow(
        chain.name,
        len(chain.letters),
        n,
        apart.cost.fma,
        found.cost.fma,
        found.bound,
        found.optimal_within or "",
        seconds,
        repeats=len(turns["shared"].seconds),
        **best,
    )


def _run(found: Plan, values: Mapping[str, Any]) -> Callable[[], Array]:
    """A run of a plan, prepared outside the clock, that returns the Jacobian."""
    run = prepared(found, dict(values))
    return lambda: next(iter(run().values()))


def _agree(results: Mapping[str, Array]) -> None:
    expected = results["apart"]
    scale = float(np.abs(expected).max())
    for name, result in results.items():
        if float(np.abs(result - expected).max()) > 1e-10 * scale:
            raise ValueError(f"{name} and apart disagree")
