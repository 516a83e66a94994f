"""Reasons: every figure and every break-even is found again by other solvers, at the break-even and beside it."""

from __future__ import annotations

import random
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

import chainplan
from chainplan.plans.check import check
from chainplan.plans.forward_reverse import order_price
from chainplan.plans.result import Result
from chainplan.plans.steps import Load, Plan
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.report.explain.carried import carried
from chainplan.report.explain.changes import savings, sensitivity, shares, threshold, vector_price
from chainplan.report.explain.products import product_ranges, sides
from chainplan.report.explain.ranges import MAX_RANGE_SIZE, OptimalRange, ranges
from chainplan.report.explain.reasons import PlanReasons, reasons
from chainplan.report.explain.replan import OutOfQuestionTime, Replanner
from chainplan.report.explain.splits import LastOperation, top_splits
from chainplan.report.explain.variants import exchanged, free_sizes, resized
from chainplan.report.explain.wording import worded
from chainplan.report.words.sentence import headline
from chainplan.structures import DIAGONAL, product_fma
from chainplan_cli.main import main
from tests.problems import chain_problem, random_chain, random_dag, random_problem
from tests.reference import ROOT

EXAMPLES = ROOT / "examples"
SEEDS = range(25)


def planned(problem: Problem) -> Result:
    result = chainplan.plan(problem)
    assert result.plan is not None
    return result


def exhaustive(problem: Problem) -> int:
    """The cheapest price, by looking at every plan of the moves."""
    price = chainplan.plan(problem, "exhaustive").price
    assert price is not None
    return price


def part(problem: Problem, i: int, j: int) -> Problem:
    """The chain of the elementals from the vertex at i to the one at j."""
    chain = problem.graph.chain[i:j]
    vertices = [chain[0].source, *(e.target for e in chain)]
    sizes = {v: problem.graph.sizes[v] for v in vertices}
    graph = replace(
        problem.graph,
        sizes=sizes,
        inputs=(vertices[0],),
        outputs=(vertices[-1],),
        elementals=chain,
    )
    return replace(problem, graph=graph)


def price_of(problem: Problem, i: int, j: int, choice: LastOperation) -> int:
    """What a last operation costs with the best rests, by exhaustive search of the rests."""
    chain, order = problem.graph.chain, problem.graph.order
    k = order.index(choice.at)

    def block(a: int, b: int) -> chainplan.structures.Block:
        found = chain[a].block
        for e in chain[a + 1 : b]:
            found = e.block.times(found)
        return found

    if choice.how == "product":
        rests = exhaustive(part(problem, i, k)) + exhaustive(part(problem, k, j))
        return rests + product_fma(block(k, j), block(i, k))
    if choice.how == "tangent":
        return exhaustive(part(problem, i, j - 1)) + block(i, j - 1).cols * (chain[j - 1].tangent or 0)
    return exhaustive(part(problem, i + 1, j)) + block(i + 1, j).rows * (chain[i].adjoint or 0)


@pytest.mark.parametrize("kind", ["dense", "structured", "matrix-free", "mixed"])
def test_the_choices_at_every_split_are_priced_as_exhaustive_search_prices_them(kind: str) -> None:
    looked = 0
    for seed in range(24):
        problem = random_chain(random.Random(seed), 5, kind)
        result = chainplan.plan(problem)
        if result.candidate is None or result.within != "bracketings" or not problem.graph.exact:
            continue
        splits, refusal = top_splits(problem, result.candidate, 10.0)
        assert not refusal
        order = problem.graph.order
        for split in splits:
            i, j = order.index(split.source), order.index(split.target)
            assert split.chosen.price == exhaustive(part(problem, i, j))
            for choice in (split.chosen, *split.ties, *filter(None, (split.runner_up,))):
                assert choice.price == price_of(problem, i, j, choice)
                looked += 1
            assert all(tie.price == split.chosen.price for tie in split.ties)
            assert split.runner_up is None or split.runner_up.price > split.chosen.price
    assert looked > 20


def best_order(problem: Problem, plan: Plan, order: str) -> int:
    if order == "this plan":
        return chainplan.replay(Plan(problem.graph, plan.steps, plan.outputs)).total
    return order_price(problem.graph, Mode.TANGENT if order == "forward" else Mode.ADJOINT)


def found_ranges(problem: Problem) -> tuple[Result, list[OptimalRange]]:
    result = planned(problem)
    assert result.plan is not None
    found = []
    for free in free_sizes(problem)[0]:
        found += ranges(problem, result.plan, free, Replanner(60.0))
    return result, found


@pytest.mark.parametrize("graph", ["chain", "dag"])
def test_an_order_is_optimal_exactly_within_its_range(graph: str) -> None:
    """Every size up to 25, and both ends with what lies beside them, against all bracketings or eliminations."""
    looked = outside = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        if graph == "chain":
            problem = chain_problem([rng.randint(1, 12) for _ in range(rng.randint(3, 5))])
            solver = "exhaustive"
        else:
            problem, solver = random_dag(rng, 3, dense=True), "dag-exact"
            if not all(e.explicit for e in problem.graph.elementals) or not problem.graph.useful:
                continue
        result, found = found_ranges(problem)
        assert result.plan is not None
        for r in found:
            high = inf if r.high is None else r.high
            sizes = {*range(1, 26), r.low - 1, r.low, r.low + 1, MAX_RANGE_SIZE}
            sizes |= set() if r.high is None else {r.high, r.high + 1}
            for size in sorted(s for s in sizes if s > 0):
                changed = resized(problem, (r.vertex,), size)
                optimum = chainplan.plan(changed, solver)
                assert optimum.status is chainplan.Status.OPTIMAL
                optimal = best_order(changed, result.plan, r.order) == optimum.price
                assert optimal == (r.low <= size <= high), (r, size)
                looked, outside = looked + optimal, outside + (not optimal)
    assert looked > 200
    assert outside > 50


def test_reverse_order_becomes_optimal_when_the_output_is_smaller_than_37() -> None:
    """Reverse order costs m (70·50 + 50·30), the other bracketing 30·50·70 + m·70·30: equal at m = 36.2."""
    problem = chainplan.chain([30, 50, 70, 100])
    _, found = found_ranges(problem)
    (reverse,) = (r for r in found if r.order == "reverse" and r.vertex == "x3")
    assert (reverse.low, reverse.high, reverse.holds) == (1, 36, False)
    for size, reverse_is_best in ((36, True), (37, False)):
        result = chainplan.plan(chainplan.chain([30, 50, 70, size]), "exhaustive")
        assert (result.price == result.baselines.reverse) == reverse_is_best
    said = [s for _, sentences in worded(reasons(planned(problem), 30.0)) for s in sentences]
    assert "Reverse order becomes optimal when the size of x3 (now 100) is smaller than 37." in said


def test_sizes_change_together_where_square_structures_tie_them() -> None:
    problem = chainplan.chain([{"shape": [4, 5]}, {"shape": [4, 4], "structure": "diagonal"}, {"shape": [2, 4]}])
    free, fixed = free_sizes(problem)
    assert [(f.vertices, f.size, f.linear) for f in free] == [
        (("x0",), 5, True),
        (("x1", "x2"), 4, False),
        (("x3",), 2, True),
    ]
    assert not fixed
    listed = chainplan.chain([{"shape": [4, 4], "structure": {"permutation": [1, 0, 3, 2]}}, {"shape": [2, 4]}])
    assert free_sizes(listed)[1] == ["x0", "x1"]


def test_sensitivities_are_what_other_solvers_find() -> None:
    for seed in range(10):
        rng = random.Random(seed)
        sizes = [rng.randint(1, 9) for _ in range(5)]
        problem = chain_problem(sizes)
        for free in free_sizes(problem)[0]:
            found = sensitivity(problem, free, Replanner(60.0), Replanner(60.0).cheapest(problem))
            position = int(free.vertices[0][1:])
            for changed, factor in ((found.doubled, 2), (found.halved, 0.5)):
                if changed is not None:
                    other = [int(s * factor) if i == position else s for i, s in enumerate(sizes)]
                    assert changed.proven
                    assert changed.price == exhaustive(chain_problem(other))


def test_lists_of_second_derivatives_do_not_fix_the_sizes_of_a_jacobian() -> None:
    """Their entries lie outside of half of the size; without `derivative: 2` nothing reads them."""
    listed = {"coo": [[2, 1, 2]]}
    jacobians: list[dict[str, Any]] = [
        {"edge": ["x", "h"]},
        {"edge": ["x", "y"]},
        {"edge": ["h", "y"], "second": "zero"},
    ]
    dag = {"sizes": {"x": 3, "h": 4, "y": 3}, "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians}
    plain = chainplan.from_spec({"dag": dag})
    bent = [{**one, "second": listed} for one in jacobians]
    seconds = [{"at": "y", "args": ["h", "x"], "second": listed}]
    problem = chainplan.from_spec({"dag": {**dag, "jacobians": bent, "seconds": seconds}})
    told, expected = (reasons(planned(one), 5.0).sensitivities for one in (problem, plain))
    assert [(s.vertices, s.doubled.price, s.halved and s.halved.price) for s in told] == [
        (s.vertices, s.doubled.price, s.halved and s.halved.price) for s in expected
    ]
    assert len(told) == 3


def test_savings_are_what_other_solvers_find() -> None:
    problem = chainplan.chain([40, 40, 30])
    again = Replanner(60.0)
    (band, diagonal) = savings(problem, "F1", again, again.cheapest(problem))
    changed = exchanged(
        problem, replace(problem.graph["F1"], block=problem.graph["F1"].block._replace(structure=DIAGONAL))
    )
    assert diagonal.price == exhaustive(changed) == 40 * 30
    assert diagonal.proven
    assert diagonal.price < band.price < planned(problem).price  # type: ignore[operator]
    free = chainplan.chain([{"name": "A", "shape": [6, 5], "tangent": 9, "adjoint": 7}, {"shape": [4, 6]}])
    halved, explicit = savings(free, "A", again, again.cheapest(free))
    assert explicit.price == 4 * 6 * 5
    assert halved.price == min(5 * 4 + 4 * 6 * 5, 6 * 3 + 4 * 6 * 5, 4 * 3)


@pytest.mark.parametrize("objective", [None, "weighted"])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_easier_is_never_said_to_cost_more(
    seed: int, objective: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a search finds that is cut short: here it finds the dearer one of forward and reverse order."""

    def cut_short(problem: Problem, **_: object) -> Result:
        return max((chainplan.plan(problem, name) for name in ("forward", "reverse")), key=lambda r: r.price or 0)

    rng = random.Random(seed)
    problem = random_dag(rng) if seed % 3 else chain_problem([rng.choice((20, 40, 3)) for _ in range(6)])
    result = chainplan.plan(problem, budget=1.0, objective=objective)
    monkeypatch.setattr("chainplan.report.explain.replan.plan", cut_short)
    found = reasons(result, 60.0)
    price = result.price
    assert price is not None
    said = [saving for saving in found.savings if not saving.change.startswith("explicit")]
    assert all(saving.price <= price for saving in said)
    bands = {s.elemental: s.price for s in said if s.change.startswith("a band")}
    assert all(s.price <= bands.get(s.elemental, s.price) for s in said if s.change == "diagonal")
    for sizes in found.sensitivities:
        assert sizes.halved is None or sizes.halved.price <= min(price, sizes.doubled.price)
    assert "more than now" not in " ".join(s for s in _said(found) if "explicit" not in s)


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_at_hand_is_one_of_the_changed_problem(seed: int) -> None:
    """It is checked there like any plan, with its matrix-free elementals loaded where they are explicit."""
    problem = random_problem(seed)
    result = planned(problem)
    assert result.plan is not None
    for e in problem.graph.useful:
        if e.explicit:
            continue
        known = exchanged(problem, replace(e, tangent=None, adjoint=None, tape=0))
        moved = carried(result.plan, known)
        assert moved is not None
        check(moved, known)
        assert Load(e.name) in moved.plan.steps


def _said(found: PlanReasons) -> list[str]:
    return [sentence for _, sentences in worded(found) for sentence in sentences]


def test_a_matrix_free_elemental_pays_off_up_to_the_threshold_and_not_beyond() -> None:
    found_some = 0
    for seed in range(15):
        rng = random.Random(seed)
        problem = chain_problem([rng.randint(1, 9) for _ in range(5)])
        price = exhaustive(problem)
        for e in problem.graph.chain:
            found = threshold(problem, e.name, price, Replanner(60.0))
            if found is None:
                continue
            assert found.product == vector_price(e) == e.block.nnz
            for each, saves in ((found.most, True), (found.most + 1, found.most == found.product)):
                assert (exhaustive(exchanged(problem, replace(e, tangent=each, adjoint=each))) < price) >= saves
            if found.most < found.product:
                more = replace(e, tangent=found.most + 1, adjoint=found.most + 1)
                assert exhaustive(exchanged(problem, more)) >= price
            found_some += 1
    assert found_some > 20


@pytest.mark.parametrize("seed", range(8))
def test_ranges_of_products_are_the_optima_for_every_number(seed: int) -> None:
    problem = random_chain(random.Random(seed))
    for side in sides(problem) + sides(replace(problem, products=Products(3, 2))):
        found = list(product_ranges(problem, side, Replanner(60.0)))
        ends = [(r.first, r.last) for r in found]
        assert [first for first, _ in ends] == [1, *(last + 1 for _, last in ends[:-1] if last is not None)]
        assert ends[-1][1] is None
        for k in (*range(1, 14), 100, *(end for r in ends for end in r if end is not None)):
            own = next(r for r in found if r.first <= k and (r.last is None or k <= r.last))
            optimum = planned(replace(problem, products=side.asked(k)))
            assert own.setup + k * own.each == optimum.price, (side.what, k)
            assert own.proven or not problem.graph.exact


def test_an_hourglass_is_never_formed_whole() -> None:
    found = reasons(planned(chainplan.chain([300, 200, 10, 200, 300, 20, 300])), 60.0)
    mixes = [(r.first, r.last, r.setup, r.each, r.formed) for r in found.products if r.what == "J·v"]
    assert mixes == [
        (1, 9, 0, 136_000, "nothing is formed"),
        (10, 10, 660_000, 68_200, "F5·(F4·F3) is formed"),
        (11, 18, 1_260_000, 9_200, "F2·F1, F5·(F4·F3) are formed"),
        (19, None, 1_320_000, 6_000, "F2·F1, F6·(F5·(F4·F3)) are formed"),
    ]
    said = [s for _, sentences in worded(found) for s in sentences]
    assert "J·v, 19 and more: F2·F1, F6·(F5·(F4·F3)) are formed: 1,320,000 fma once, 6,000 for each." in said
    assert "J·v: for products alone J should never be formed." in said


def test_of_products_that_are_asked_for_only_their_numbers_vary() -> None:
    found = reasons(planned(chainplan.chain([20, 2, 20], products=chainplan.Products(3, 4))), 60.0)
    assert {r.what for r in found.products} == {"J·v beside 4 w·J", "w·J beside 3 J·v"}
    assert not found.sensitivities


def test_every_product_belongs_to_one_vertex() -> None:
    for seed in range(30):
        problem = random_dag(random.Random(seed), dense=True)
        if all(e.explicit for e in problem.graph.elementals):
            result = planned(problem)
            found = reasons(result, 0.0)
            assert sum(v.price for v in found.vertices) == result.price
            steps = [v.step for v in found.vertices if v.step is not None]
            assert steps == sorted(steps)


def test_shares_add_up_the_steps_that_use_an_elemental() -> None:
    result = planned(chainplan.chain([1000, 1, 1000, 1, 1000]))
    assert result.plan is not None
    assert result.replay is not None
    assert {s.elemental: s.price for s in shares(result.plan, result.replay)} == {
        "F1": 1_000_000,
        "F2": 1000,
        "F3": 1000,
        "F4": 1000,
    }


def test_without_time_it_says_what_was_not_looked_at() -> None:
    result = planned(chainplan.read(EXAMPLES / "mixed_chain.yaml"))
    found = reasons(result, 0.0)
    assert not found.ranges
    assert not found.sensitivities
    assert any("0.0 s were over" in note for note in found.notes)
    with pytest.raises(OutOfQuestionTime):
        Replanner(0.0).cheapest(result.problem)


def test_nothing_is_said_where_there_is_no_plan() -> None:
    result = chainplan.plan(chainplan.chain([9, 9, 9], memory=3))
    assert result.plan is None
    assert worded(reasons(result, 1.0)) == []
    assert (
        headline(result)
        == f"No plan: it is proven that none keeps the limits; {result.needs} elements would be enough."
    )


def test_the_comparison_is_without_the_memory_limit_and_says_so() -> None:
    sizes = [12, 16, 17, 9, 11, 27]
    free, limited = planned(chainplan.chain(sizes)), planned(chainplan.chain(sizes, memory=752))
    assert free.price is not None
    assert limited.price is not None
    assert limited.price > free.price
    found = reasons(limited, 30.0)
    assert found.price == free.price
    assert any("without the memory limit" in note for note in found.notes)
    top = found.splits[0]
    assert min(c.price for c in (top.chosen, *filter(None, (top.runner_up,)))) == free.price


def test_a_plan_for_several_machines_is_compared_with_the_one_for_one() -> None:
    result = chainplan.plan(chainplan.read(EXAMPLES / "matrix_free_chain.yaml"), machines=3)
    assert result.price is not None
    assert result.price > 442
    found = reasons(result, 10.0)
    assert found.price == 442
    said = [s for _, sentences in worded(found) for s in sentences]
    assert "On one machine there is a plan of 442 fma; this one is done first on several." in said
    for saving in found.savings:
        assert saving.price <= 442


def test_large_problems_are_not_planned_again() -> None:
    result = planned(chainplan.chain([1 + i % 7 for i in range(2102)]))
    found = reasons(result, 5.0)
    assert isinstance(found, PlanReasons)
    assert not found.products
    assert not found.sensitivities
    assert any("more than 2,000 elementals" in note for note in found.notes)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (
            [1000, 1, 1000, 1, 1000],
            "1,002,000 fma instead of 3,000,000: 2.99x fewer than the best of forward and reverse; proven optimal.",
        ),
        ([4, 3, 2, 1], "18 fma: reverse order, the better of forward and reverse; proven optimal."),
    ],
)
def test_the_headline(sizes: list[int], said: str) -> None:
    assert headline(planned(chainplan.chain(sizes))) == said


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_explain_explains_every_example(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(path), "--budget", "1"]) == 0
    out = capsys.readouterr().out
    evaluates = "recompute" in path.read_text(encoding="utf-8")
    assert ("Is the Jacobian needed?" in out) is not evaluates
    assert ("Products with vectors are not looked at" in out) is evaluates
    assert "What the cost is made of" in out


def test_explain_the_seed_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(EXAMPLES / "seed_chain.yaml"), "--budget", "60"]) == 0
    out = capsys.readouterr().out
    for sentence in (
        "split at x1, 1,002,000 fma; as cheap: split at x3; runner-up: split at x2, 1,002,000,000",
        "This plan stays optimal while the size of x4 (now 1,000) is at most 1,000.",
        "This plan stays optimal only where the size of x1 (now 1) is 1.",
        "x0 (1,000): doubled, the optimum is 2,002,000 (2.00x); halved, the optimum is 501,500 (0.50x).",
        "for products alone J should never be formed.",
    ):
        assert sentence in out


def test_explain_says_why_there_is_no_plan(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    path = f"{tmp_path}/tight.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write("chain: [9, 9, 9]\nlimits: {memory: 3}\n")
    assert main(["explain", path]) == 1
    assert "no plan: infeasible" in capsys.readouterr().err
