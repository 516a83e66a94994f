"""What `check` says of what a file claims: proven again, claimed by the file only, or refuted; and a fuzz of forgeries.

`CHAINPLAN_FUZZ` sets the number of forged files.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import chainplan
from chainplan.io.plan_file import parse_plan
from chainplan.io.read import from_spec
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.proofs.claims import prove_again
from chainplan.proofs.verdict import ClaimStanding
from chainplan.report.registry import render
from chainplan.structures import Block
from chainplan_cli.main import main
from tests.forgeries import bases, edge_beats_vertex, forged, written
from tests.problems import chain_problem

FUZZ = int(os.environ.get("CHAINPLAN_FUZZ", "400"))
PROVEN, CLAIMED = "proven again", "NOT proven again: claimed by the file only"
EXAMPLES = Path(__file__).parent.parent / "examples"
WIDE = chain_problem([20, 20, 5, 20, 20])
"""A chain of which forward order costs more than the best bracketing."""

Checked = tuple[int, str]


@pytest.fixture
def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Writes a document and checks it: the exit code and the last line."""

    def run(document: Any, *options: str) -> Checked:
        path = tmp_path / "plan.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        code = main(["check", str(path), *options])
        captured = capsys.readouterr()
        assert "defect" not in captured.err
        return code, captured.err if code == 2 else captured.out.splitlines()[-1]

    return run


def labelled(document: dict[str, Any], within: str, bound: int | None = None) -> dict[str, Any]:
    """The document with a bound within a class, optimal where it is the cost."""
    unit = "fma"
    bound = document["cost"][unit] if bound is None else bound
    optimal = bound == document["cost"][unit]
    claims = {"status": "optimal" if optimal else "feasible", "optimal_within": within if optimal else None}
    return document | claims | {"bound": {unit: bound, "within": within}}


def hard_graph(layers: int = 7, width: int = 6) -> Problem:
    """Layers of vertices, each joined to all of the next: no proof in a moment."""
    rng = random.Random(5)
    names = [[f"v{i}_{j}" for j in range(width)] for i in range(layers)]
    sizes = {name: rng.randint(1, 9) for row in names for name in row}
    pairs = [(a, b) for i in range(layers - 1) for a in names[i] for b in names[i + 1] if rng.random() < 0.6]
    elementals = [Elemental(f"{a}/{b}", a, b, Block(sizes[b], sizes[a])) for a, b in pairs]
    return Problem(Graph(sizes, tuple(names[0]), tuple(names[-1]), tuple(elementals)))


@pytest.mark.parametrize("base", bases(), ids=lambda base: base.name)
def test_honest_files_are_proven_again(base: Any, checked: Any) -> None:
    for document in base.documents:
        assert base.falsehood(document) is None
        assert checked(document) == (0 if document["cost"] else 1, PROVEN)


@pytest.mark.parametrize(
    "within",
    [
        "bracketings",
        "bracketings and coloured sweeps",
        "vertex elimination",
        "edge elimination",
        "face elimination",
    ],
)
def test_a_plan_of_a_narrower_class_refutes_an_optimum(within: str, checked: Any) -> None:
    """Whatever the class is called: the cheapest bracketing of an explicit chain is a plan of each of these."""
    code, last = checked(labelled(written(WIDE, "forward"), within))
    assert code == 1
    assert last.startswith("refuted: ")
    assert "claims to be optimal, but 'chain-dense' finds 6,000 fma" in last


def test_a_plan_of_a_wider_class_refutes_nothing(checked: Any) -> None:
    """A coloured sweep is no bracketing, so that it says nothing of what the best bracketing costs."""
    banded = {"shape": [9, 9], "structure": {"banded": [1, 1]}, "tangent": 9}
    problem = chainplan.chain([banded, {"shape": [9, 9], "structure": "diagonal"}])
    best, forward = written(problem), written(problem, "forward")
    assert best["cost"]["fma"] < forward["cost"]["fma"]
    assert checked(labelled(forward, "bracketings")) == (0, CLAIMED)
    assert checked(labelled(forward, "bracketings"), "--require-proof") == (1, CLAIMED)
    assert checked(labelled(forward, "bracketings", best["cost"]["fma"])) == (0, PROVEN)
    assert checked(labelled(forward, "bracketings and coloured sweeps"))[1].startswith("refuted: ")


@pytest.mark.parametrize("within", ["edge elimination", "face elimination"])
def test_a_proof_within_a_narrower_class_proves_nothing(within: str, checked: Any) -> None:
    """The best order of vertices is proven, and a wider class has a cheaper plan."""
    problem = edge_beats_vertex()
    document = written(problem)
    assert (document["cost"]["fma"], document["optimal_within"]) == (16, "vertex elimination")
    assert written(problem, "edge")["cost"]["fma"] == 15
    code, last = checked(labelled(document, within))
    assert (code, last.startswith("refuted: ")) == (1, True)
    assert "finds 15 fma" in last


def test_the_best_schedule_of_a_plan_is_not_the_best_of_all(checked: Any) -> None:
    document = written(chainplan.read(EXAMPLES / "small_dag.yaml"), machines=3)
    assert (document["schedule"]["within"], document["schedule"]["status"]) == ("this plan", "optimal")
    assert checked(document) == (0, PROVEN)
    document["schedule"]["within"] = "vertex elimination"
    assert checked(document) == (0, CLAIMED)


def test_states_that_are_evaluated_have_no_schedule(checked: Any) -> None:
    """They are evaluated one after the other, which the steps do not say to each other by what they read."""
    free = {"shape": [4, 4], "tangent": 3, "adjoint": 5}
    document, now, tasks = written(from_spec({"chain": [free] * 3, "limits": {"recompute": True}})), 0, []
    for step in document["steps"]:
        if step["fma"]:
            tasks.append({"id": step["id"], "machine": 0, "start": now, "end": now + step["fma"]})
            now += step["fma"]
    claims = {"bound": 0, "status": "feasible", "within": "this plan", "one_machine": now}
    document["schedule"] = {"machines": 2, "makespan": now, "tasks": tasks, **claims}
    code, last = checked(document)
    assert code == 1
    assert "schedule.machines: 2; the plan evaluates its states one after the other" in last


def test_a_schedule_that_is_too_large_to_prove_is_claimed() -> None:
    document = json.loads(render(chainplan.plan(hard_graph(), "forward", machines=9, budget=0.5), "json"))
    schedule = document["schedule"]
    assert (schedule["within"], schedule["status"], len(schedule["tasks"]) > 300) == ("this plan", "feasible", True)
    for standing in (ClaimStanding.PROVEN, ClaimStanding.CLAIMED):
        _, makespan, _ = prove_again(parse_plan(json.dumps(document), "plan.json"), budget=1.0).findings
        assert makespan.standing is standing
        schedule["bound"], schedule["status"] = schedule["makespan"], "optimal"


@pytest.mark.parametrize("name", ["small_dag", "seed_chain", "matrix_free_chain"])
def test_a_bound_just_below_the_cost_of_a_worse_plan_is_refuted(name: str, checked: Any) -> None:
    problem = chainplan.read(EXAMPLES / f"{name}.yaml")
    best = written(problem)
    worse, within = written(problem, "forward"), best["optimal_within"]
    forgery = labelled(worse, within, worse["cost"]["fma"] - 1)
    code, last = checked(forgery)
    assert (code, last.startswith("refuted: ")) == (1, True)
    assert f"claims that no plan within {within} costs less than" in last
    lowered = labelled(worse, within, best["bound"]["fma"])
    assert checked(lowered, "--require-proof") == (0, PROVEN)


def test_a_class_that_a_problem_has_no_plans_of_is_refuted(checked: Any) -> None:
    document = written(WIDE)
    for within in ("vertex elimination after accumulation", "bracketings and nested checkpoints", "all plans"):
        code, last = checked(labelled(document, within))
        assert (code, last.startswith("refuted: ")) == (1, True)
        assert f"bound.within is '{within}', but the problem has no such plans" in last


def test_a_schedule_put_on_one_machine_is_refuted(checked: Any) -> None:
    """With its own makespan as bound, on one machine by name as well as on the three that there were."""
    document = written(chainplan.read(EXAMPLES / "matrix_free_chain.yaml"), machines=3)
    schedule, now = document["schedule"], 0
    for task in sorted(schedule["tasks"], key=lambda task: task["id"]):
        length = task["end"] - task["start"]
        task.update(machine=0, start=now, end=now + length)
        now += length
    schedule.update(makespan=now, bound=now, one_machine=now, status="optimal")
    for machines in (1, 3):
        schedule["machines"] = machines
        code, last = checked(document)
        assert (code, last.startswith("refuted: ")) == (1, True)
        assert "schedule: claims to be optimal, but one of" in last


def test_what_one_machine_takes_is_claimed_where_a_cheaper_plan_is_known(checked: Any) -> None:
    document = written(chainplan.read(EXAMPLES / "matrix_free_chain.yaml"), machines=3)
    assert checked(document) == (0, PROVEN)
    document["schedule"]["one_machine"] += 1
    assert checked(document) == (0, CLAIMED)
    document["schedule"]["one_machine"] = 10**6
    assert checked(document)[1].startswith("refuted: ")


def test_baselines_are_refuted(checked: Any) -> None:
    document = written(WIDE)
    document["baselines"]["forward"]["fma"] += 1
    assert checked(document)[1].startswith("refuted: ")
    assert "baselines.forward is claimed to be" in checked(document)[1]


def test_that_there_is_no_plan_is_proven_or_refuted(checked: Any) -> None:
    tight = from_spec({"chain": [5, 5, 5], "limits": {"memory": 10}})
    document = written(tight)
    assert document["needs"] == {"memory": 75}
    assert checked(document) == (1, PROVEN)
    assert "75 elements are the smallest limit" in checked(document | {"needs": {"memory": 74}})[1]
    fits = written(from_spec({"chain": [5, 5, 5], "limits": {"memory": 75}}))
    gone: dict[str, Any] = {"cost": None, "steps": [], "outputs": [], "optimal_within": None, "status": "infeasible"}
    refuted = checked(fits | gone | {"bound": {"fma": 0, "within": None}})
    assert refuted[0] == 1
    assert "claims that no plan keeps the limits, but 'chain-dense' finds one" in refuted[1]
    assert checked(document | {"status": "budget"}) == (1, CLAIMED)


def test_what_takes_too_long_is_claimed_by_the_file_only(checked: Any) -> None:
    problem = hard_graph(8, 8)
    document = written(problem, budget=0.5)
    assert document["status"] == "feasible"
    below = document["cost"]["fma"] * 9 // 10
    forgery = labelled(document, "vertex elimination", below)
    assert checked(forgery, "--budget", "0.5") == (0, CLAIMED)
    assert checked(forgery, "--budget", "0.5", "--require-proof") == (1, CLAIMED)


def test_a_bound_from_cuts_is_proven_at_once() -> None:
    """No search is needed for what polynomial bounds prove: with no time at all it stands."""
    problem = hard_graph()
    document = labelled(written(problem, budget=0.5), "vertex elimination", 1)
    saved = parse_plan(json.dumps(document), "plan.json")
    assert prove_again(saved, budget=0.0).standing is ClaimStanding.PROVEN


def test_the_budget_is_kept() -> None:
    """Within a second of it, on a graph whose proof takes far longer."""
    problem = hard_graph(8, 8)
    document = labelled(written(problem, budget=0.5), "face elimination")
    saved, start = parse_plan(json.dumps(document), "plan.json"), monotonic()
    prove_again(saved, budget=1.0)
    assert monotonic() - start < 6.0, "one second, one more, and room for a busy machine"


def test_report_run_and_explain_say_what_the_file_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, page = tmp_path / "plan.json", tmp_path / "page.html"
    for machines in (None, 3):
        document = written(chainplan.read(EXAMPLES / "matrix_free_chain.yaml"), machines=machines)
        path.write_text(json.dumps(document))
        assert main(["explain", str(path), "--budget", "0"]) == 0
        said = capsys.readouterr().out
        assert main(["run", str(path)]) == 0
        said += "" if machines else capsys.readouterr().out
        assert main(["report", str(path), "-o", str(page)]) == 0
        said += page.read_text().split("<table", 1)[0]
        assert said.lower().count("claimed by the file") >= 3
        assert "proven optimal" not in said


def test_explain_of_a_plan_takes_no_options_of_planning(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(written(WIDE)))
    assert main(["explain", str(path), "--seed", "3"]) == 2
    assert main(["explain", str(path), "--objective", "weighted"]) == 2


def fuzz(count: int, checked: Any) -> Counter[str]:
    """Check forged files; what is false is never proven again."""
    outcomes: Counter[str] = Counter()
    for seed in range(count):
        rng = random.Random(seed)
        base = rng.choice(bases())
        document = forged(rng, base)
        code, last = checked(copy.deepcopy(document), "--budget", "1")
        assert code in (0, 1, 2), seed
        if code == 2:
            outcomes["bad input"] += 1
            continue
        outcomes[last.partition(":")[0]] += 1
        assert last in (PROVEN, CLAIMED) or (last.startswith("refuted: ") and code == 1), (seed, last)
        if last == PROVEN:
            assert base.falsehood(document) is None, (seed, base.name, base.falsehood(document))
        outcomes["false"] += last != PROVEN or base.falsehood(document) is not None
    return outcomes


def test_a_forged_file_is_never_proven_again(checked: Any) -> None:
    outcomes = fuzz(FUZZ, checked)
    assert min(outcomes[name] for name in (PROVEN, "NOT proven again", "refuted", "bad input")) > 0, outcomes


@pytest.mark.nightly
def test_twenty_thousand_forged_files(checked: Any) -> None:
    outcomes = fuzz(20_000, checked)
    assert outcomes["refuted"] > 5000, outcomes
