"""The plan file: round trip, every kind of false claim, and a fuzz of mutated files.

`CHAINPLAN_FUZZ` sets the number of mutated files.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainplan.errors import PlanError, SpecError
from chainplan.execution.executor import execute
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.check import check
from chainplan.plans.steps import Plan
from chainplan.proofs.claims import prove_again
from chainplan.report.registry import RENDERERS
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from chainplan_cli.main import main
from tests.problems import chain_problem, random_problem

FUZZ = int(os.environ.get("CHAINPLAN_FUZZ", "400"))
MIXED = chain_problem([4, 2, 2, 5], prices=[None, (3, 8, 6), (50, 2, 9)])


def saved(seed: int | None = None) -> dict[str, Any]:
    """The document of a plan file, as a reader gets it."""
    result = plan(MIXED if seed is None else random_problem(seed))
    found: dict[str, Any] = json.loads(RENDERERS["json"](result))
    return found


def test_round_trip() -> None:
    for seed in range(150):
        result = plan(random_problem(seed))
        assert result.plan is not None
        read = parse_plan(RENDERERS["json"](result), "plan.json")
        assert read.problem == result.problem
        assert read.plan is not None
        assert read.plan.steps == result.plan.steps
        assert read.plan.outputs == result.plan.outputs
        assert verify(read).total == result.replay.total if result.replay else False
        assert read.document == json.loads(json.dumps(document(result)))


FALSE: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "cost": (("cost", "fma"), 1, r"cost.fma is claimed to be 1, but it is"),
    "adds": (("cost", "adds"), 7, r"cost.adds is claimed to be 7, but it is 0"),
    "peak": (("cost", "peak_elements"), 1, r"cost.peak_elements"),
    "price of a step": (("steps", 0, "fma"), 1, r"steps\[0\].fma"),
    "rows of a step": (("steps", 0, "rows"), 99, r"steps\[0\].rows is claimed to be 99"),
    "structure of a step": (("steps", 0, "structure"), "zero", r"steps\[0\].structure"),
    "id": (("steps", 1, "id"), 0, r"steps\[1\].id is claimed to be 0, but it is 1"),
    "baseline": (("baselines", "forward", "fma"), 10**6, r"baselines.forward"),
    "bound of no class": (("bound", "within"), None, r"optimal_within is claimed to be \"bracketings"),
    "class that there is not": (("optimal_within",), "all plans", r"optimal_within is claimed to be \"all plans\""),
    "needs of a plan": (("needs",), {"memory": 5}, r"needs is claimed to be \{\"memory\": 5\}, but it is null"),
    "bound above": (("bound", "fma"), 10**6, r"bound.fma is 1000000"),
    "bound below an optimum": (("bound", "fma"), 1, r"bound.fma is 1 and status 'optimal'"),
    "status": (("status",), "infeasible", r"status is claimed"),
    "optimal without a name": (("optimal_within",), None, r"optimal_within is claimed to be null"),
    "fingerprint": (("problem", "fingerprint"), "0" * 64, r"the fingerprint is not that of the problem"),
    "problem": (("problem", "chain", 1, "tangent"), 4, r"the fingerprint is not that of the problem"),
    "operand": (("steps", 3, "left"), 1, r"step 3: left block|step 3"),
    "output": (("outputs", 0, "id"), 0, r"step 0 leads"),
}


@pytest.mark.parametrize("case", FALSE)
def test_a_false_claim_is_rejected(case: str) -> None:
    path, value, message = FALSE[case]
    root = saved()
    at: Any = root
    for key in path[:-1]:
        at = at[key]
    assert at[path[-1]] != value or type(at[path[-1]]) is not type(value)
    at[path[-1]] = value
    with pytest.raises(PlanError, match=message):
        verify(parse_plan(json.dumps(root), "plan.json"))


FORM: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "format": (("format",), 2, r"format is 2; expected 1"),
    "steps": (("steps",), {}, r"steps is \{\}; expected a list"),
    "op": (("steps", 0, "op"), "jump", r"steps\[0\].op is 'jump'; expected one of load"),
    "operand": (("steps", 3, "left"), "a", r"steps\[3\].left is \"a\"; expected a whole number"),
    "true": (("steps", 3, "left"), True, r"steps\[3\].left is true; expected a whole number"),
    "mode": (("steps", 1, "mode"), "sideways", r"steps\[1\].mode is 'sideways'; expected tangent or adjoint"),
    "cost as float": (("cost", "fma"), 74.0, r"cost.fma is 74.0; expected a whole number from 0"),
    "price as truth": (("cost", "adds"), False, r"cost.adds is false; expected a whole number"),
    "price below zero": (("steps", 0, "fma"), -1, r"steps\[0\].fma is -1; expected a whole number from 0"),
    "price as text": (("bound", "fma"), "74", r"bound.fma is \"74\"; expected a whole number"),
    "digits of another script": (("seed",), "\u0663", r"seed is .*0663\"; expected a whole number from 0"),
    "seed below zero": (("seed",), -1, r"seed is -1; expected a whole number from 0"),
    "seconds": (("seconds",), True, r"seconds is true; expected a number from 0"),
    "seconds below zero": (("seconds",), -0.5, r"seconds is -0.5; expected a number from 0"),
    "objective": (
        ("objective",),
        "flops",
        r"objective is 'flops'; expected fma, operations, weighted or calibrated\. Correct it",
    ),
    "status": (("status",), "done", r"status is 'done'; expected optimal, feasible, infeasible or budget"),
    "counts": (("counts",), "guessed", r"counts is 'guessed'; expected exact or upper bound"),
    "notes": (("notes",), [1], r"notes\[0\] is 1; expected text"),
    "needs": (("needs",), 5, r"needs is 5; expected an object or null"),
    "class": (("optimal_within",), 7, r"optimal_within is 7; expected text or null"),
    "elemental": (
        ("steps", 0, "elemental"),
        "F9",
        r"steps\[0\].elemental is 'F9'; expected an elemental",
    ),
    "output": (("outputs", 0, "output"), "x9", r"outputs\[0\].output is 'x9'; expected a vertex of the problem"),
    "fingerprint": (("problem", "fingerprint"), 7, r"problem.fingerprint is 7; expected text"),
    "rates": (("rates",), {}, r"rates: found some, but the objective is 'fma'"),
    "unit of another objective": (("cost", "nanoseconds"), 5, r"cost.nanoseconds is no field of a cost"),
    "unknown in the problem": (("problem", "colour"), 5, r"plan.json: problem"),
    "unknown field": (("steps", 0, "cost"), 1, r"steps\[0\].cost is no field of"),
    "problem": (("problem", "chain", 0, "shape"), [2], r"plan.json: problem"),
}


def test_no_bound_lies_above_the_cost_of_its_plan() -> None:
    root: dict[str, Any] = json.loads(RENDERERS["json"](plan(MIXED, "forward")))
    assert root["status"] == "feasible"
    for more, message in ((0, None), (1, "a bound is at most the cost")):
        root["bound"] = {"fma": root["cost"]["fma"] + more, "within": "bracketings"}
        read = parse_plan(json.dumps(root), "plan.json")
        if message is None:
            verify(read)
        else:
            with pytest.raises(PlanError, match=message):
                verify(read)


@pytest.mark.parametrize("within", ["bracketings", "face elimination", "bracketings and nested checkpoints", "any"])
def test_a_file_without_a_plan_has_a_bound_of_no_class(within: str) -> None:
    problem = from_spec({"chain": [5, 5, 5], "limits": {"memory": 10}})
    root = json.loads(RENDERERS["json"](plan(problem)))
    assert (root["status"], root["bound"]) == ("infeasible", {"fma": 0, "within": None})
    assert str(prove_again(parse_plan(json.dumps(root), "plan.json"))) == "proven again"
    root["bound"]["within"] = within
    said = str(prove_again(parse_plan(json.dumps(root), "plan.json")))
    assert said.startswith(f'refuted: plan.json: bound.within is claimed to be "{within}", but it is null')


@pytest.mark.parametrize("case", FORM)
def test_a_malformed_file_is_bad_input(case: str) -> None:
    path, value, message = FORM[case]
    root = saved()
    at: Any = root
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(SpecError, match=message) as caught:
        parse_plan(json.dumps(root), "plan.json")
    if case not in ("unknown in the problem", "problem"):
        assert str(caught.value).endswith(
            ("Correct it, or plan again.", "; expected 1, the one that this version reads. Plan again.")
        )


def test_every_object_of_a_file_refuses_what_is_not_in_its_form() -> None:
    """At every level a field too many, and one too few but for those that may be left out."""
    root = saved()
    root["schedule"] = json.loads(RENDERERS["json"](plan(MIXED, machines=2)))["schedule"]
    objects = [(root, "")] + [(c[k], k) for c, k in places(root) if isinstance(c[k], dict)]
    removed = 0
    for raw, key in objects:
        raw["colour of the file"] = 1
        with pytest.raises(SpecError, match=r"^plan\.json: "):
            parse_plan(json.dumps(root), "plan.json")
        del raw["colour of the file"]
        for name in list(raw) if key != "problem" and "shape" not in raw else ():
            value = raw.pop(name)
            if name not in ("schedule", "rates"):
                with pytest.raises(SpecError, match=rf"{name} is missing; expected .*\. Correct it, or plan again\.$"):
                    parse_plan(json.dumps(root), "plan.json")
                removed += 1
            raw[name] = value
    assert removed > 60


def test_an_unknown_elemental_where_states_are_evaluated(tmp_path: Path) -> None:
    """The file is bad input, the plan a bad one."""
    spec = {"chain": [{"shape": [4, 4], "tangent": 3, "adjoint": 5}] * 3, "limits": {"recompute": True}}
    problem = from_spec(spec)
    result = plan(problem)
    assert result.plan is not None
    root = json.loads(RENDERERS["json"](result))
    named = next(i for i, step in enumerate(root["steps"]) if step.get("elemental") == "F2")
    root["steps"][named]["elemental"] = "F9"
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(root))
    assert main(["check", str(path)]) == 2
    steps = list(result.plan.steps)
    steps[named] = steps[named]._replace(elemental="F9")  # type: ignore[call-arg]
    with pytest.raises(PlanError, match=rf"step {named}: 'F9' is no elemental"):
        check(Plan(problem.graph, tuple(steps), result.plan.outputs), problem)


def test_a_number_beyond_all_numbers_is_refused() -> None:
    text = json.dumps(saved())
    with pytest.raises(SpecError, match=r"seconds is Infinity; expected a number from 0"):
        parse_plan(re.sub(r'"seconds": [^,]*', '"seconds": 1e999', text), "plan.json")


NO_FILE = ("", "null", "[]", "{}", "{", '{"a": 1, "a": 2}', "[" * 100_000, '{"format": ' + "9" * 5000 + "}", "\x00")


@pytest.mark.parametrize("text", [*NO_FILE, '{"format": NaN}', '{"format": \u0661}'])
def test_no_plan_file_at_all(text: str) -> None:
    with pytest.raises(SpecError, match=r"plan\.json: "):
        parse_plan(text, "plan.json")


def test_a_false_claim_of_optimality_is_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = json.loads(RENDERERS["json"](plan(chain_problem([9, 1, 9, 1, 9]), "forward")))
    root["status"], root["optimal_within"] = "optimal", "bracketings"
    root["bound"] = {"fma": root["cost"]["fma"], "within": root["optimal_within"]}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(root))
    assert main(["check", str(path)]) == 1
    assert "claims to be optimal, but 'chain-dense' finds 99 fma" in capsys.readouterr().out.splitlines()[-1]


def test_a_cheaper_plan_refutes_a_claim_within_any_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = [("x", "a"), ("a", "b"), ("a", "y"), ("b", "y")]
    dag = {"sizes": {"x": 9}, "inputs": ["x"], "outputs": ["y"], "jacobians": [{"edge": list(e)} for e in edges]}
    root = json.loads(RENDERERS["json"](plan(from_spec({"dag": dag}), "forward")))
    root["status"], root["optimal_within"] = "optimal", "face elimination"
    root["bound"] = {"fma": root["cost"]["fma"], "within": root["optimal_within"]}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(root))
    assert main(["check", str(path)]) == 1
    assert "claims to be optimal, but 'dag-exact' finds 10 fma" in capsys.readouterr().out.splitlines()[-1]


VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    10**30,
    1.5,
    "",
    "F1",
    "x1",
    "tangent",
    "dense",
    [],
    [1, 2],
    {},
    {"banded": [1, 1]},
)


def places(root: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON tree."""
    found, todo = [], [root]
    while todo:
        node = todo.pop()
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []:
            found.append((node, key))
            todo.append(node[key])
    return found


def mutate(rng: random.Random, root: Any) -> Any:
    """Change one place of a JSON tree: remove it, replace it, nudge it, or exchange it with another."""
    root = copy.deepcopy(root)
    container, key = rng.choice(places(root))
    kind = rng.randrange(4)
    if kind == 0:
        del container[key]
    elif kind == 1:
        container[key] = rng.choice(VALUES)
    elif kind == 2 and isinstance(container[key], int):
        container[key] += rng.choice([-1, 1])
    else:
        other, place = rng.choice(places(root))
        container[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(container[key])
    return root


def test_fuzz_of_mutated_plan_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.json"
    codes = {0: 0, 1: 0, 2: 0}
    for seed in range(FUZZ):
        rng = random.Random(seed)
        original = saved(seed % 60)
        text = json.dumps(mutate(rng, original))
        if rng.random() < 0.2:
            cut = rng.randrange(len(text))
            text = text[:cut] + rng.choice(["", "}", "0", '"', "é", "\x00"]) + text[cut + rng.randrange(3) :]
        path.write_text(text)
        code = main(["check", str(path)])
        captured = capsys.readouterr()
        assert code in codes, seed
        assert "Traceback" not in captured.err
        assert "defect" not in captured.err, (seed, captured.err)
        codes[code] += 1
        if code == 0:
            assert_right(original, text, seed)
    assert min(codes.values()) > 0, codes


def assert_right(original: dict[str, Any], text: str, seed: int) -> None:
    """An accepted file still solves the problem it was made for, and says the truth about it."""
    read = parse_plan(text, "plan.json")
    assert read.plan is not None
    assert read.problem.fingerprint == original["problem"]["fingerprint"], seed
    assert read.document["baselines"] == original["baselines"], seed
    values = draw(read.problem.graph, seed, np.int64)
    found = execute(read.plan, values)
    for pair, expected in reference_jacobian(read.problem, values).items():
        assert np.array_equal(found.get(pair, np.zeros_like(expected)), expected), seed
