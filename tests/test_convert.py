"""Files of other formats: what is written is read again, what is stated is read or named, broken ones are refused."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import chainplan
from chainplan.errors import SpecError
from chainplan.io.chaining_json import to_chaining
from chainplan.io.dot_file import to_dot
from chainplan.io.read import FRONTENDS, read
from chainplan.io.write import PROBLEM_WRITERS
from chainplan_cli.main import main
from tests.problems import random_dag
from tests.reference import OWN, ROOT, entries

CHAIN = [
    {"name": "F1", "shape": [4, 3], "tangent": 30, "adjoint": 40, "tape": 50},
    {"name": "F2", "shape": [2, 4], "tangent": 10, "adjoint": 20},
]


def same(one: chainplan.Problem, other: chainplan.Problem) -> bool:
    """Whether two problems are equal but for the order in which vertices and elementals are listed."""

    def sorted_spec(problem: chainplan.Problem) -> Any:
        graph = problem.graph
        sizes = {v: graph.sizes[v] for v in sorted(graph.sizes)}
        return sizes, graph.inputs, graph.outputs, sorted(map(str, graph.elementals)), problem.memory, problem.name

    return bool(sorted_spec(one) == sorted_spec(other))


@pytest.mark.parametrize("suffix", [s for s in PROBLEM_WRITERS if s != ".chaining.json"])
@pytest.mark.parametrize("name", ["neither_mode", "small_dag", "structured_chain", "matrix_free_chain"])
def test_what_is_written_is_read_again(suffix: str, name: str, tmp_path: Path) -> None:
    if suffix in (".dot", ".gv"):
        pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    target = tmp_path / f"problem{suffix}"
    source = ROOT / "examples" / f"{name}.yaml"
    assert main(["convert", str(source), "-o", str(target)]) == 0
    assert same(read(source), read(target))


def test_every_front_end_but_that_of_models_has_a_writer() -> None:
    read_suffixes = {suffix for frontend in FRONTENDS for suffix in frontend.suffixes}
    assert set(PROBLEM_WRITERS) - {".chaining.json"} <= read_suffixes
    for frontend in (f for f in FRONTENDS if f.name != "onnx"):
        assert set(frontend.suffixes) & set(PROBLEM_WRITERS), frontend.name


def test_graphs_go_through_dot_and_back(tmp_path: Path) -> None:
    pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    path = tmp_path / "graph.dot"
    for seed in range(12):
        problem = random_dag(random.Random(seed))
        path.write_text(to_dot(problem), encoding="utf-8")
        assert same(read(path), problem)


def test_names_of_all_kinds_go_through_dot(tmp_path: Path) -> None:
    pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    names = ['a"b', "c\\d", "e->f", "node", "x:y", "{z}", "ü", "g h;", "1", 'end\\"']
    jacobians = [{"edge": [a, b]} for a, b in pairwise(names)]
    dag = {"sizes": {v: i + 1 for i, v in enumerate(names)}, "inputs": names[:1], "outputs": names[-1:]}
    problem = chainplan.from_spec({"dag": {**dag, "jacobians": jacobians}})
    path = tmp_path / "graph.dot"
    path.write_text(to_dot(problem), encoding="utf-8")
    assert same(read(path), problem)


def test_dot_as_people_write_it(tmp_path: Path) -> None:
    pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    path = tmp_path / "graph.gv"
    path.write_text(
        """/* a model */ digraph "my model" { rankdir=LR; node [shape=box];
        x [size=3, label="the input"]; h [size=4]; subgraph cluster_inner { h -> k [structure=diagonal]; k [size=4] }
        x:port -> h; k -> {y z} [color=red]; # a comment
        }"""
    )
    graph = read(path).graph
    assert graph.sizes == {"x": 3, "h": 4, "k": 4, "y": 1, "z": 1}
    assert {(e.source, e.target) for e in graph.elementals} == {("x", "h"), ("h", "k"), ("k", "y"), ("k", "z")}
    assert next(e for e in graph.elementals if e.source == "h").block.structure.name == "diagonal"


def test_defaults_of_dot_and_edges_of_subgraphs_count(tmp_path: Path) -> None:
    pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    path = tmp_path / "graph.dot"
    path.write_text(
        """digraph { node [size=4, shape=box]; edge [structure=diagonal]; x -> h; y [size=2];
        subgraph s { node [size="3"]; q -> r [structure=dense] }
        subgraph s -> y [structure=dense]; h -> q [structure=dense] }"""
    )
    graph = read(path).graph
    assert graph.sizes == {"x": 4, "h": 4, "q": 3, "r": 3, "y": 2}
    found = {(e.source, e.target): e.block.structure.name for e in graph.elementals}
    assert found == {("x", "h"): "diagonal"} | dict.fromkeys((("q", "r"), ("q", "y"), ("r", "y"), ("h", "q")), "dense")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.dot", "graph { x -- y }", "an undirected graph"),
        ("a.dot", "digraph { x -> ", "not a DOT file: .*line:1"),
        ("a.dot", "digraph { x -> y; y -> x }", "form a cycle"),
        ("a.dot", "digraph { x -> y [structure=diagnal] }", "Did you mean 'diagonal'"),
        ("a.gml", "graph [ node [ id 0 ] ]", "not a GML file"),
        ("a.gml", 'graph [\n node [ id 0 label "x" ]\n edge [ source 0 target 0 ]\n]', "an undirected graph"),
        ("a.json", '{"elemental_jacobians": 3}', r"a.json:1:25: elemental_jacobians is 3; expected a list"),
        ("a.json", '{"elemental_jacobians": [{"n": 2}]}', r"a.json:1:26: elemental_jacobians\[0\] has no 'm'"),
        ("a.json", '{"elemental_jacobians": [], "tangents": 1}', "unknown key 'tangents'"),
        ("a.json", '{"elemental_jacobians": [{"n": 1, "m": -2, "tangent_cost": 1, "adjoint_cost": 1}]}', "is -2"),
        ("a.json", '{"elemental_jacobians": [{"n": 1, "m": 2, "tangent_cost": 1}]}', "no 'adjoint_cost'"),
        ("a.json", '{"matrix_free": 0, "elemental_jacobians": [{"n": 1, "m": 2}, {"n": 3, "m": 2}]}', "must agree"),
        ("a.json", '{"matrix_free": 2, "elemental_jacobians": [{"n": 1, "m": 2}]}', "expected 0 or 1"),
    ],
)  # fmt: skip
def test_broken_files_are_refused(
    name: str, content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith(".dot"):
        pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    path = tmp_path / name
    path.write_text(content)
    assert main(["plan", str(path)]) == 2
    capsys.readouterr()
    with pytest.raises(SpecError, match=message):
        read(path)


def test_without_pydot_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydot", None)
    (tmp_path / "a.dot").write_text("digraph { x -> y }")
    with pytest.raises(SpecError, match=r"pip install '\.\[dot\]'"):
        read(tmp_path / "a.dot")


def test_a_chain_of_other_codes_is_read_and_what_is_left_out_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [
        {"i": 0, "j": 1, "n": 3, "m": 4, "tangent_cost": 30, "adjoint_cost": 40, "edges_in_dag": 50, "kl": 1},
        {"n": 4, "m": 2, "tangent_cost": 10, "adjoint_cost": 20, "edges_in_dag": 0},
    ]
    path = tmp_path / "chain.json"
    settings = {"available_threads": 4, "available_memory": 1000, "seed": 7, "id": 1, "optimized_costs": [3]}
    path.write_text(json.dumps({"elemental_jacobians": items, "matrix_free": 1, **settings}))
    assert read(path).graph.elementals == chainplan.chain(CHAIN).graph.elementals
    assert main(["plan", str(path)]) == 0
    said = capsys.readouterr().out
    for words in ("asks for 4; plan with --machines", "available_memory is 1,000", "id, kl, optimized_costs, seed"):
        assert words in said


def test_chains_go_through_the_form_of_other_codes_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a.chaining.json"
    for problem in (chainplan.chain(CHAIN, name="two"), chainplan.chain([3, 1, 4, 2])):
        path.write_text(to_chaining(problem))
        assert same(read(path), problem)
        assert chainplan.plan(read(path)).price == chainplan.plan(problem).price


def test_published_chains_have_their_optimum_in_this_form(tmp_path: Path) -> None:
    chains = entries(OWN / "chain_matrix_free.json")
    assert len(chains) > 10
    for entry in chains:
        sizes, tapes = entry["sizes"], entry["tape"]
        items = [
            {"n": n, "m": m, "tangent_cost": t, "adjoint_cost": t, "edges_in_dag": t}
            for (n, m), t in zip(pairwise(sizes), tapes, strict=True)
        ]
        path = tmp_path / "chain.json"
        path.write_text(json.dumps({"elemental_jacobians": items}))
        assert chainplan.plan(read(path)).price == entry["optimum"]


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (chainplan.chain([{"shape": [3, 3], "structure": "diagonal"}]), "expected dense blocks"),
        (chainplan.chain([*CHAIN, {"shape": [3, 2]}]), "explicit beside matrix-free"),
        (chainplan.chain([{"shape": [3, 3], "tangent": 5}]), "has no adjoint"),
        (chainplan.from_spec({"dag": {"edges": [["x", "a"], ["a", "y"], ["x", "y"]]}}), "holds chains"),
    ],
)
def test_what_their_form_does_not_hold_is_refused(problem: chainplan.Problem, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        to_chaining(problem)


def test_a_form_that_does_not_hold_the_problem_says_which_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = ROOT / "examples" / "small_dag.yaml", tmp_path / "m.chaining.json"
    assert main(["convert", str(source), "-o", str(target)]) == 2
    assert capsys.readouterr().err.startswith(f"{source} as {target}: this form holds chains, but ")
    assert not target.exists()


def test_an_unknown_suffix_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(ROOT / "examples" / "seed_chain.yaml")
    assert main(["convert", source, "-o", str(tmp_path / "a.txt")]) == 2
    assert "expected one of .yaml" in capsys.readouterr().err


def test_strict_graphs_in_dot_have_one_edge_between_two_nodes(tmp_path: Path) -> None:
    pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    path = tmp_path / "graph.dot"
    path.write_text("strict digraph { x [size=3]; y [size=3]; x -> y [structure=diagonal]; x -> y [name=d] }")
    (one,) = read(path).graph.elementals
    assert (one.name, one.block.structure.name) == ("d", "diagonal")
    path.write_text(path.read_text().removeprefix("strict "))
    assert len(read(path).graph.elementals) == 2


def test_several_graphs_in_dot_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    path = tmp_path / "graphs.dot"
    path.write_text("digraph { x -> y } digraph { a -> b }")
    with pytest.raises(SpecError, match="found 2 graphs; expected one digraph"):
        read(path)
