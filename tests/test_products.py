"""Plans for products with vectors: the language, what a chain costs at best, and what check makes of bad plans."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chainplan.costs.objectives import objective_model
from chainplan.errors import ArgumentError, ExecutionError, PlanError, SolverError, SpecError
from chainplan.execution.executor import execute
from chainplan.io.networkx_graph import from_networkx, to_networkx
from chainplan.io.plan_file import parse_plan
from chainplan.io.read import chain, from_spec
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.classes import GROUPS, SWEPT_GROUPS
from chainplan.plans.product_orders import BASELINES, baseline_plan, baseline_price
from chainplan.plans.replay import replay
from chainplan.plans.result import Result
from chainplan.plans.state_steps import Store
from chainplan.plans.steps import Direction, Load, Multiply, Output, Plan, ProductProgram, ProgramResult, Seed
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.proofs.claims import prove_again
from chainplan.report.registry import RENDERERS
from chainplan.tradeoff import pareto
from chainplan.validation.products import validate_products
from chainplan.values.draw import draw
from chainplan_cli.main import main
from tests.oracles.products import least_products_cost
from tests.problems import chain_problem, random_chain, random_dag

HOURGLASS = [300, 200, 10, 200, 300, 20, 300]
SMALL = [4, 3, 1, 3, 4]


def asked(problem: Problem, right: int, left: int = 0) -> Problem:
    return replace(problem, products=Products(right, left))


def solved(right: int, left: int = 0, sizes: list[int] = HOURGLASS) -> Result:
    return plan(chain(sizes, products=Products(right, left)))


@pytest.mark.parametrize(
    ("right", "setup", "each"),
    [(1, 0, 136_000), (11, 1_260_000, 9_200), (50, 1_320_000, 6_000), (10**6, 1_320_000, 6_000)],
)
def test_the_best_mix_lies_between_forming_everything_and_nothing(right: int, setup: int, each: int) -> None:
    result = solved(right)
    assert result.replay is not None
    assert result.replay.products == (setup, each, each)
    assert result.price == result.bound == setup + right * each
    assert (result.status, result.within) == (Status.OPTIMAL, GROUPS)
    assert result.baselines.free == right * 136_000


def drawn(seed: int) -> Problem:
    """A chain of up to seven elementals with products on the right, on the left, or on both sides."""
    rng = random.Random(seed)
    problem = random_chain(rng, longest=7)
    counts = rng.choice([(1, 0), (0, 1), (1, 1)])
    right, left = (side * rng.choice([1, 2, 3, 5, 10, 30, 100, 1000]) for side in counts)
    return asked(problem, right, left)


@pytest.mark.parametrize(("first", "last"), [(0, 80), pytest.param(1000, 12_000, marks=pytest.mark.nightly)])
def test_the_cheapest_groups_are_those_of_brute_force(first: int, last: int) -> None:
    compared = 0
    for seed in range(first, last):
        problem = drawn(seed)
        assert problem.products is not None
        best = least_products_cost(problem.to_spec(), problem.products.right, problem.products.left)
        if best is None:
            continue
        result = plan(problem)
        assert result.price == best >= result.bound, seed
        assert (result.status is Status.OPTIMAL) is (result.bound == best), seed
        assert result.bound == best or not problem.graph.exact, seed
        assert result.within in (GROUPS, SWEPT_GROUPS, None)
        compared += 1
    assert compared > 0.9 * (last - first)


def test_products_on_the_right_are_a_dense_block_in_front() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        problem = random_chain(rng, longest=6, kind=rng.choice(["dense", "matrix-free"]))
        if any(e.tangent is None and not e.explicit for e in problem.graph.chain):
            continue
        k = rng.choice([1, 2, 7, 40])
        entries = problem.to_spec()["chain"]
        block = {"name": "V", "shape": [entries[0]["shape"][1], k]}
        in_front = plan(chain([block, *entries]))
        assert plan(asked(problem, k)).price == in_front.price, seed


def test_the_transposed_problem_has_the_same_optimum() -> None:
    for seed in range(30):
        problem = drawn(seed)
        assert problem.transpose().transpose().products == problem.products
        assert plan(problem).price == plan(problem.transpose()).price, seed


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_costs_what_its_plan_costs(name: str) -> None:
    models = objective_model("fma"), objective_model("weighted")
    for seed in range(80):
        rng = random.Random(seed)
        problem = asked(random_dag(rng) if seed % 2 else random_chain(rng), *rng.choice([(3, 0), (0, 2), (4, 5)]))
        written = baseline_plan(problem, name)
        check(written, problem)
        for model in models:
            assert baseline_price(problem, name, model) == replay(written, model).total, (seed, name)


def test_other_objectives_and_the_cheapest_of_the_baselines() -> None:
    for seed in range(40):
        problem = drawn(seed)
        result = plan(problem, objective="weighted")
        assert result.price is not None
        assert result.price <= result.price_baselines.best, seed


def test_a_problem_of_products_is_read_back() -> None:
    problem = from_spec({"chain": SMALL, "products": {"right": 50}})
    assert problem.products == Products(50, 0)
    assert problem.to_spec()["products"] == {"right": 50}
    assert from_spec(problem.to_spec()) == problem
    assert from_networkx(to_networkx(problem)).products == problem.products
    assert (
        len({problem.fingerprint, asked(problem, 50, 1).fingerprint, replace(problem, products=None).fingerprint}) == 3
    )


SPECS = {
    "a number": (5, r"spec: products is 5; expected a mapping with keys out of 'right', 'left'"),
    "an unknown key": ({"rigth": 5}, r"unknown key 'rigth'; .*Did you mean 'right'"),
    "below zero": ({"right": -1}, r"products\.right is -1; expected a whole number from 0 to 10\^12"),
    "text": ({"left": "a"}, r"products\.left is the text 'a'; expected a whole number"),
    "nothing on both sides": ({"right": 0, "left": 0}, r"products has 0 on both sides; expected at least one product"),
    "no side": ({}, r"products has no side; expected at least one product"),
}


@pytest.mark.parametrize("case", SPECS)
def test_bad_products_are_refused(case: str) -> None:
    given, message = SPECS[case]
    with pytest.raises(SpecError, match=message):
        from_spec({"chain": SMALL, "products": given})


def test_a_limit_that_no_plan_found_keeps_comes_with_the_least_need() -> None:
    problem = asked(chain([30, 20, 10, 20, 30, 2, 30]), 50)
    least = min(replay(baseline_plan(problem, name)).peak for name in BASELINES)
    (note,) = plan(replace(problem, memory=3)).notes
    assert note.endswith("limits.memory is 3. Raise it.")
    needed = int(note.split(" needs ")[1].split()[0])
    assert needed <= least
    assert plan(replace(problem, memory=needed)).plan is not None


def test_products_and_states_that_are_evaluated_do_not_go_together() -> None:
    with pytest.raises(SpecError, match=r"the spec has 'products' and 'limits.recompute'; expected one of them"):
        from_spec({"chain": SMALL, "products": {"right": 1}, "limits": {"recompute": True}})
    with pytest.raises(ArgumentError, match="recompute: found True; expected states that are given"):
        replace(chain(SMALL, products=Products(1)), recompute=True)
    with pytest.raises(ArgumentError, match="right: found -1"):
        Products(-1)
    with pytest.raises(ArgumentError, match="products: found 0; expected at least one product"):
        Products()
    with pytest.raises(ArgumentError, match="products: found 5; expected Products"):
        Problem(chain(SMALL).graph, products=5)  # type: ignore[arg-type]


def test_who_does_not_know_products_refuses_them() -> None:
    problem = chain(SMALL, products=Products(5))
    with pytest.raises(SolverError, match="'chain-dp' refuses this problem: products with vectors are asked for"):
        plan(problem, "chain-dp")
    with pytest.raises(SolverError, match="'chain-groups' refuses this problem: it plans for products"):
        plan(chain(SMALL), "chain-groups")
    with pytest.raises(SolverError, match="machines: found 2 with products"):
        plan(problem, machines=2)
    with pytest.raises(SolverError, match="no exact front for this problem: products with vectors are asked for"):
        pareto(problem)
    with pytest.raises(ExecutionError, match=r"plan: found one for products with vectors.*chainplan\.operator"):
        execute(plan(problem), {})


def test_what_a_program_reads_is_kept_and_counted() -> None:
    replayed = solved(50).replay
    assert replayed is not None
    assert replayed.alive[-1] == 3_000 + 3_000 + 6_000 + 200
    assert [max(program.alive) for program in replayed.programs] == [6_310, 6_310]
    tapes = chain_problem([4, 5, 6], prices=[(2, 3, 1000), (2, 3, 5000)])
    held = plan(asked(tapes, 0, 2)).replay
    assert held is not None
    assert held.peak == 6_000 + 6 + 5


def test_a_memory_limit_is_kept_by_forming_less() -> None:
    free = solved(50)
    assert free.replay is not None
    assert free.price is not None
    prices = []
    for limit in (10**6, 68_000, 66_000, 65_000, 64_000, 62_000, 60_500):
        result = plan(chain(HOURGLASS, products=Products(50), memory=limit))
        assert result.price is not None
        assert result.replay is not None
        assert result.replay.peak <= limit
        assert result.bound == free.price <= result.price
        assert (result.status is Status.OPTIMAL) is (result.price == free.price)
        prices.append(result.price)
    assert prices == sorted(prices)
    assert prices[0] == free.price < prices[-1]
    assert prices[2] < plan(chain(HOURGLASS, products=Products(50)), "free").cost.fma  # type: ignore[union-attr]
    assert plan(chain(HOURGLASS, products=Products(50), memory=1000)).plan is None


def test_a_side_without_products_has_a_program_where_the_modes_allow_it() -> None:
    one_sided = chain_problem([4, 5, 6], prices=[(2, None, 0), None])
    found = plan(asked(one_sided, 1)).plan
    assert found is not None
    assert [program.mode for program in found.programs] == [Mode.TANGENT]
    assert [(p.mode, p.times) for p in solved(3).plan.programs] == [(Mode.TANGENT, 3), (Mode.ADJOINT, 0)]  # type: ignore[union-attr]


def broken(change: Callable[[Plan, ProductProgram], Plan]) -> tuple[Plan, Problem]:
    """The best plan of the small chain for many products, with its first program changed."""
    result = solved(100, 100, SMALL)
    assert result.plan is not None
    return change(result.plan, result.plan.programs[0]), result.problem


def with_program(found: Plan, **changes: Any) -> Plan:
    return replace(found, programs=(replace(found.programs[0], **changes), *found.programs[1:]))


def with_step(found: Plan, place: int, step: Any) -> Plan:
    steps = found.programs[0].steps
    return with_program(found, steps=(*steps[:place], step, *steps[place + 1 :]))


BAD_PLANS: dict[str, tuple[Callable[[Plan, ProductProgram], Plan], str]] = {
    "a group is left out": (
        lambda found, program: with_program(found, results=(ProgramResult("x4", program.results[0].step - 1),)),
        r"program J·v, result 'x4': step \d+ does not hold the product there",
    ),
    "a product is counted twice": (
        lambda found, program: with_step(
            found,
            len(program.steps) - 1,
            program.steps[-1]._replace(onto=program.results[0].step),  # type: ignore[call-arg]
        ),
        r"program J·v, step \d+: onto is \d+; expected an earlier step",
    ),
    "the results of J·v are missing": (
        lambda found, program: with_program(found, results=()),
        r"program J·v, at 'x4': set-up and program together do not count every path",
    ),
    "a step of the other program is read": (
        lambda found, program: with_step(found, 1, Multiply(100, 0)),
        r"program J·v, step \d+: left is 100; expected an earlier step",
    ),
    "a vector of the other side": (
        lambda found, program: with_step(found, 0, Direction("x4", Mode.ADJOINT)),
        r"a adjoint|an adjoint brings in a vector",
    ),
    "a vector at an intermediate": (
        lambda found, program: with_step(found, 0, Direction("x2", Mode.TANGENT)),
        r"'x2' is no input; a tangent brings in a vector at an input",
    ),
    "a seed in a program": (
        lambda found, program: with_step(found, 0, Seed("x0", Mode.TANGENT, (0, 1, 2, 3))),
        r"step \d+: found a seed; expected a step that multiplies or adds",
    ),
    "a vector in the set-up": (
        lambda found, program: replace(found, steps=(*found.steps[:-1], Direction("x0", Mode.TANGENT))),
        r"a tangent brings in a vector, but stands in the set-up",
    ),
    "states that move": (
        lambda found, program: replace(found, steps=(Store("x0"), *found.steps[1:])),
        r"step 0|found a set-up that moves states",
    ),
    "two programs of one side": (
        lambda found, program: replace(found, programs=(program, program)),
        r"programs: found two of one side",
    ),
    "no program": (
        lambda found, program: replace(found, programs=()),
        r"programs: found no programs; expected those of products",
    ),
    "no program of one side": (
        lambda found, program: replace(found, programs=(program,)),
        r"programs: found none of the side 'left'; expected one for 100 products",
    ),
    "another number of products": (
        lambda found, program: with_program(found, times=7),
        r"programs: found 7 products J·v; expected 100",
    ),
    "a result twice": (
        lambda found, program: with_program(found, results=program.results * 2),
        r"result 'x4': it is listed twice",
    ),
    "a result at an input": (
        lambda found, program: with_program(found, results=(ProgramResult("x0", program.results[0].step),)),
        r"result 'x0': it is no output of the problem",
    ),
    "no step at all": (
        lambda found, program: with_step(found, 0, "direction"),
        r"step \d+: found 'direction'; expected a step that multiplies or adds",
    ),
}


@pytest.mark.parametrize("case", BAD_PLANS)
def test_a_bad_plan_is_refused(case: str) -> None:
    change, message = BAD_PLANS[case]
    found, problem = broken(change)
    with pytest.raises(PlanError, match=message):
        check(found, problem)


def test_programs_that_count_paths_wrongly_are_refused() -> None:
    problem = from_spec(
        {"dag": {"edges": [["x", "a"], ["x", "b"], ["a", "y"], ["b", "y"]]}, "products": {"right": 1, "left": 1}}
    )
    good = baseline_plan(problem, "free")
    check(good, problem)
    for place, program in enumerate(good.programs):
        for at, step in enumerate(program.steps):
            others = [e.name for e in problem.graph.elementals]
            if isinstance(step, Multiply) and step.onto is not None:
                changed: list[Any] = [step._replace(onto=None)]
            elif isinstance(step, Load):
                changed = [Load(name) for name in others if name != step.elemental]
            else:
                continue
            for other in changed:
                steps = (*program.steps[:at], other, *program.steps[at + 1 :])
                programs = [*good.programs]
                programs[place] = replace(program, steps=steps)
                with pytest.raises(PlanError, match=r"program|step"):
                    check(replace(good, programs=tuple(programs)), problem)


def test_a_plan_for_the_jacobian_has_no_programs() -> None:
    found = solved(100, 100, SMALL).plan
    assert found is not None
    with pytest.raises(PlanError, match="found programs of products; expected outputs"):
        check(found, chain(SMALL))
    formed = baseline_plan(chain(SMALL, products=Products(1)), "forward")
    with pytest.raises(PlanError, match="outputs: found 1 beside programs"):
        check(replace(formed, outputs=(Output("x4", "x0", len(formed.steps) - 1),)))


@pytest.mark.parametrize("objective", ["fma", "weighted"])
def test_a_plan_file_of_products_is_read_back_and_proven_again(objective: str) -> None:
    for seed in range(40):
        result = plan(drawn(seed), objective=objective)
        assert result.plan is not None
        text = RENDERERS["json"](result)
        saved = parse_plan(text, "plan.json")
        assert saved.problem.products == result.problem.products
        assert saved.plan is not None
        assert (saved.plan.steps, saved.plan.programs) == (result.plan.steps, result.plan.programs)
        assert str(prove_again(saved)) == "proven again", seed
        said = json.loads(text)["products"]
        assert result.replay is not None
        assert (said["setup"], said["per_right"], said["per_left"]) == result.replay.products


FORGERIES: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "the set-up": (("products", "setup"), 5, r"refuted: .*products is claimed to be"),
    "a product": (("products", "per_right"), 5, r"refuted: .*products is claimed to be"),
    "no product": (("products", "per_left"), None, r"refuted: .*products is claimed to be"),
    "more products": (("products", "right"), 101, r"refuted: .*products is claimed to be"),
    "the baseline": (("baselines", "free", "fma"), 1, r"refuted: .*baselines.free is claimed"),
    "a price": (("programs", "right", "steps", 1, "fma"), 1, r"refuted: .*programs.right.steps\[1\].fma is claimed"),
    "a number": (("programs", "right", "steps", 1, "id"), 0, r"refuted: .*programs.right.steps\[1\].id is claimed"),
    "the total": (("cost", "fma"), 1, r"refuted: .*cost.fma is claimed to be 1"),
    "the peak": (("cost", "peak_elements"), 1, r"refuted: .*cost.peak_elements"),
    "the bound": (("bound", "fma"), 1, r"refuted: .*bound.fma is 1 and status 'optimal'"),
    "the class": (
        ("bound", "within"),
        "bracketings",
        r"refuted: .*optimal_within|no such plans: products are asked for",
    ),
    "a vector": (("programs", "left", "steps", 0, "vertex"), "x2", r"refuted: .*'x2' is no output"),
    "a result": (("programs", "left", "inputs", 0, "id"), 0, r"refuted: .*does not hold the product"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_claim_is_refuted(case: str) -> None:
    path, value, message = FORGERIES[case]
    root = json.loads(RENDERERS["json"](solved(100, 100, SMALL)))
    at: Any = root
    for key in path[:-1]:
        at = at[key]
    assert at[path[-1]] != value
    at[path[-1]] = value
    verdict = str(prove_again(parse_plan(json.dumps(root), "plan.json")))
    assert re.search(message, verdict), verdict


def test_a_bound_that_is_too_high_is_refuted_and_a_lower_one_stands() -> None:
    root = json.loads(RENDERERS["json"](plan(chain(HOURGLASS, products=Products(50)), "free")))
    for bound, verdict in ((1_620_001, "refuted"), (1_620_000, "proven again")):
        root["bound"] = {"fma": bound, "within": GROUPS}
        assert str(prove_again(parse_plan(json.dumps(root), "plan.json"))).startswith(verdict)


def test_programs_and_products_stand_together_in_a_file() -> None:
    root = json.loads(RENDERERS["json"](solved(100, 100, SMALL)))
    for missing in ("programs", "products"):
        without = {name: value for name, value in root.items() if name != missing}
        assert str(prove_again(parse_plan(json.dumps(without), "plan.json"))).startswith("refuted"), missing
    root["programs"]["right"]["outputs"][0]["output"] = "x9"
    with pytest.raises(SpecError, match=r"programs\.right\.outputs\[0\]\.output is 'x9'; expected a vertex"):
        parse_plan(json.dumps(root), "plan.json")


def test_reports_show_set_up_and_programs() -> None:
    result = solved(50, 2)
    text = RENDERERS["text"](result)
    assert "set-up     1,320,000 fma  once, keeps 6,000 elements" in text
    assert "J·v            6,000 fma  each of 50 products" in text
    assert "J·v      (F6·(F5·(F4·F3)))·((F2·F1)·v)" in text
    assert "w·J      (w·(F6·(F5·(F4·F3))))·(F2·F1)" in text
    assert "4.33x, with nothing formed" in text
    for title in ("set-up:", "J·v:", "w·J:"):
        assert f"\n  {title}\n" in text
    for form in ("markdown", "dot", "html"):
        assert "J·v" in RENDERERS[form](result)


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_run_compares_products_of_a_spec_and_of_a_plan_file(
    dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, saved = tmp_path / "spec.yaml", tmp_path / "plan.json"
    spec.write_text("chain: [30, 20, 1, 20, 30]\nproducts: {right: 40, left: 2}\n")
    assert main(["plan", str(spec), "--format", "json", "-o", str(saved)]) == 0
    for path in (spec, saved):
        assert main(["run", str(path), "--dtype", dtype]) == 0
        out = capsys.readouterr().out
        assert "3 products on each side are compared" in out
        ways = [line.split()[:2] for line in out.splitlines() if line.startswith(("  plan  ", "  free  ", "  forward"))]
        assert ["plan", "J·v"] in ways
        assert ["forward", "set-up"] in ways
        assert ["free", "w·J"] in ways


def test_wrong_products_do_not_validate() -> None:
    problem = from_spec({"dag": {"edges": [["x", "a"], ["a", "y"], ["x", "y"]]}, "products": {"right": 1}})
    good = baseline_plan(problem, "free")
    values = draw(problem.graph, 1)
    assert validate_products(problem, good, values).valid
    steps = tuple(s._replace(onto=None) if isinstance(s, Multiply) else s for s in good.programs[0].steps)
    wrong = replace(good, programs=(replace(good.programs[0], steps=steps), *good.programs[1:]))
    found = validate_products(problem, wrong, values)
    assert not found.valid
    assert "NOT VALID: plan J·v misses" in found.verdict


def test_a_side_that_the_plan_cannot_serve_is_not_compared() -> None:
    """What is formed could be multiplied from the left, too, but the plan applies an elemental without adjoint."""
    items = [{"shape": [3, 3], "tangent": 1, "adjoint": 4}, {"shape": [3, 3], "tangent": 9}]
    problem = from_spec({"chain": items, "products": {"right": 5}})
    result = plan(problem)
    assert result.plan is not None
    assert result.plan.program(Mode.ADJOINT) is None
    found = validate_products(problem, result.plan, draw(problem.graph, 1))
    assert found.valid
    assert {(row.way, row.part) for row in found.rows if row.part != "set-up"} == {
        (way, "J·v") for way in ("plan", "forward", "reverse", "free")
    }
