"""Gap and ratio: one definition each, and the same figures for the same plan on every screen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import chainplan
from chainplan.plans.bound import Bound, Status
from chainplan.plans.ratios import gap, gap_text, ratio_text
from chainplan.report.explain.comparison import compare
from chainplan.report.html.page import page
from chainplan.report.words.sentence import headline
from chainplan.report.words.table import schedule_proof
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import SearchProgress
from chainplan_cli.common import _standing
from generators.graphs import make
from tests.problems import chain_problem, dag_problem

HARD = dag_problem(make("degree", 45, True))


def test_a_gap_is_a_share_of_the_cost() -> None:
    assert gap(200, 150) == 0.25
    assert gap(200, 200) == 0.0
    assert gap(200, 0) == 1.0
    assert gap(0, 0) == 0.0
    assert gap(None, 5) is None
    assert gap(10**400, 10**400 - 10**399) == 0.1
    assert [gap_text(200, bound) for bound in (150, 200, 0)] == ["25.0 %", "0.0 %", ""]
    assert gap_text(10**9, 10**9 - 1) == "below 0.1 %"


def test_a_ratio_is_what_something_else_costs_over_the_plan() -> None:
    assert ratio_text(300, 100) == "3.00x"
    assert ratio_text(50, 100) == "0.50x"
    assert ratio_text(0, 0) == "1.00x"


def test_all_screens_say_the_same_gap() -> None:
    result = chainplan.plan(HARD, "local-search", nodes=300)
    assert result.price is not None
    assert 0 < result.bound < result.price
    shown = f"{100 * (result.price - result.bound) / result.price:.1f} %"
    standing = SearchProgress("x", None, 1.0, result.price, result.bound)
    assert standing.gap == result.gap == gap(result.price, result.bound)
    assert _standing(standing).endswith(f"gap {shown}")
    for form in ("text", "markdown"):
        assert f"gap at most {shown}" in chainplan.render(result, form)
    if (result.gap or 0) < 0.9:
        assert f"at most {shown} less" in headline(result)


def test_a_result_is_summed_up_in_a_few_lines() -> None:
    assert str(chainplan.plan(chain_problem([1000, 1, 1000, 1, 1000]))).splitlines() == [
        "optimal within bracketings: 1,002,000 fma, by chain-dense",
        "forward order: 3,000,000 fma, 2.99x",
        "reverse order: 3,000,000 fma, 2.99x",
    ]
    bounded, scheduled = chainplan.plan(HARD, "local-search", nodes=300), chainplan.plan(HARD, machines=1, nodes=300)
    assert scheduled.schedule is not None
    gap = gap_text(bounded.price, bounded.bound)
    assert f"bound: {bounded.bound:,} fma, a gap of at most {gap}" in str(bounded).splitlines()
    assert f"makespan: {scheduled.schedule.makespan:,} fma on 1 machine" in str(scheduled).splitlines()
    assert str(chainplan.plan(replace(HARD, memory=1))).startswith("infeasible: no plan, by ")


def test_compare_and_plan_say_the_same() -> None:
    """The line of a solver has the figures that its own plan has, and its ratios are those beside its baselines."""
    names = ("auto", "forward", "reverse", "chain-dp", "dag-exact")
    problem = chain_problem([7, 2, 9, 3, 8])
    compared = compare(problem, 5.0, solvers=names)
    head, *rows = compared.rows
    best = chainplan.plan(problem, budget=5.0)
    assert best.price is not None
    assert [name for name, _ in compared.results] == list(names)
    for name, row in zip(names, rows, strict=True):
        cells = dict(zip(head, row, strict=True))
        own = chainplan.plan(problem, name, budget=5.0)
        assert own.price is not None
        assert cells["fma"] == f"{own.price:,}"
        assert cells["status"] == own.status.value
        assert cells["ratio"] == ratio_text(own.price, best.price)
        assert cells["bound"] == (f"{own.bound:,}" if own.within else "none known")
        assert cells["bound is within"] == (own.within or "")
    said = chainplan.render(best)
    for name in ("forward", "reverse"):
        ratio = dict(zip(names, rows, strict=True))[name][head.index("ratio")]
        assert re.search(rf"^  {name} .*  {re.escape(ratio)}$", said, re.M), (said, ratio)


def test_without_a_budget_auto_has_the_time_of_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, float | None] = {}
    result = chainplan.plan(chain_problem([2, 3, 4]))

    def planned(problem: chainplan.Problem, name: str, *, budget: float | None, **_: object) -> chainplan.Result:
        asked[name] = budget
        return result

    monkeypatch.setattr("chainplan.report.explain.comparison.plan", planned)
    compare(result.problem)
    assert asked.pop("auto") is None
    assert set(asked.values()) == {10.0}
    assert asked.keys() < SOLVERS.keys()


def test_a_plan_that_reaches_its_bound_is_optimal() -> None:
    result = chainplan.plan(chain_problem([1000, 1, 1000, 1, 1000]), "local-search", nodes=100)
    assert result.bound == result.price
    assert (result.status, result.gap) == (Status.OPTIMAL, 0.0)
    assert result.optimal_within == "vertex elimination"


def test_a_schedule_that_reaches_its_bound_is_optimal() -> None:
    """Also where no time is left for a better one: on enough machines a list schedule takes the longest path."""
    schedule = chainplan.plan(HARD, machines=50, budget=0.0).schedule
    assert schedule is not None
    assert schedule.this_plan
    assert schedule.bound == schedule.makespan
    assert schedule.status is Status.OPTIMAL
    assert schedule_proof(schedule).startswith("proven optimal")
    lower = replace(schedule, lower_bound=Bound(schedule.makespan - 1, schedule.within), status=Status.FEASIBLE)
    assert "0.0 %" not in schedule_proof(lower)


def test_a_page_has_the_gap_of_the_plan() -> None:
    result = chainplan.plan(chain_problem([1000, 1, 1000, 1, 1000]))
    shown = page(result, {})
    assert "2.99x" in shown
    assert "0.33x" not in shown
