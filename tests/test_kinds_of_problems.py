"""Every command against every kind of problem: it does what it is for, or refuses before anything is planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest

from chainplan.solvers.registry import SOLVERS
from chainplan_cli.main import main

GRAPH = (
    "sizes: {x: 3, h: 2, y: 2}, inputs: [x], outputs: [y], jacobians: [{edge: [x, h]}, {edge: [h, y]}, {edge: [x, y]}]"
)
CALLS = "tangent: 20, adjoint: 20, tape: 5, advance: 10"
KINDS = {
    "chain": "{chain: [4, 3, 2, 3]}",
    "graph": f"{{dag: {{{GRAPH}}}}}",
    "second": "{chain: [4, 3, 2, 3], derivative: 2}",
    "directions": "{chain: [4, 3, 2, 3], derivative: 2, weights: true, directions: {right: 1}}",
    "second-graph": f"{{derivative: 2, dag: {{{GRAPH}}}}}",
    "products": "{chain: [4, 3, 2, 3], products: {right: 3}}",
    "graph-products": f"{{products: {{left: 2}}, dag: {{{GRAPH}}}}}",
    "hessian-products": "{chain: [4, 3, 2, 1], derivative: 2, products: {right: 3}}",
    "layers": "{input: {x: 3}, layers: [{op: tanh}, {op: exp}]}",
    "second-layers": "{input: {x: 3}, derivative: 2, layers: [{op: tanh}, {op: exp}]}",
    "recompute": (
        f"{{chain: [{{name: a, shape: [3, 4], {CALLS}}}, {{name: b, shape: [3, 3], {CALLS}}}], "
        "limits: {memory: 200, recompute: true}}"
    ),
    "matrix-free": "{chain: [{shape: [3, 4], tangent: 20, adjoint: 20}, {shape: [3, 3]}]}",
    "implicit": (
        "dag: {sizes: {x: 2, y: 3, f: 2}, inputs: [x], outputs: [f], implicit: {unknowns: [y]}, "
        "jacobians: [{edge: [x, y]}, {edge: [y, y]}, {edge: [y, f]}]}"
    ),
    "shifts": "{chain: [{shape: [6, 6], structure: {shifts: [-1, 0]}}, {shape: [3, 6]}]}",
    "ranges": "{chain: [n, 3, 2, n], ranges: {n: [1, 100]}}",
}
SPEC, PLAN = "spec.yaml", "plan.json"
COMMANDS = {
    "plan": ["plan", SPEC, "--format", "json", "-o", PLAN],
    "schedule": ["plan", SPEC, "--machines", "2"],
    "run": ["run", SPEC],
    "explain": ["explain", SPEC],
    "report": ["report", SPEC, "-o", "page.html"],
    "draw": ["draw", SPEC],
    "compare": ["compare", SPEC],
    "emit": ["emit", SPEC],
    "convert": ["convert", SPEC, "-o", "spec.json"],
    "check": ["check", PLAN],
    "run-plan": ["run", PLAN],
    "draw-plan": ["draw", PLAN],
}
SECOND = {"second", "directions", "second-graph", "second-layers", "hessian-products"}
PRODUCTS = {"products", "graph-products", "hessian-products"}
REFUSED = {
    "schedule": SECOND | PRODUCTS | {"recompute", "implicit", "ranges"},
    "explain": {"ranges"},
    "report": {"ranges"},
    "draw": SECOND | PRODUCTS | {"ranges"},
    "draw-plan": SECOND | PRODUCTS | {"ranges"},
    "compare": {"ranges"},
    "emit": SECOND - {"second-layers"} | PRODUCTS | {"recompute", "matrix-free", "implicit", "ranges"},
    "convert": {"ranges"},
}
"""The kinds of problems that a command is not for; all others it takes."""


def not_planned(*_arguments: object, **_options: object) -> NoReturn:
    raise AssertionError("planned before the refusal")


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_takes_a_kind_of_problem_or_refuses_it_before_planning(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(SPEC).write_text(KINDS[kind])
    for name, arguments in COMMANDS.items():
        refused = kind in REFUSED.get(name, ())
        with monkeypatch.context() as patched:
            if refused:
                patched.setattr(type(SOLVERS["auto"]), "solve", not_planned)
            code = main(arguments)
        said = capsys.readouterr().err
        assert code == (2 if refused else 0), (name, said)
        if refused:
            assert "expected" in said or "for one problem" in said, (name, said)
            assert "spec" in said or "plan.json" in said or "machines" in said, (name, said)
    assert json.loads(Path(PLAN).read_text())["chainplan"]
