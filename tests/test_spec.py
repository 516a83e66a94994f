"""The grammar of a spec: what it means, and that a problem survives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainplan
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.read import FRONTENDS, chain, from_spec, read
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.structures import DENSE, DIAGONAL, Banded, Block, Identity, Structure, Zero

EXAMPLES = Path(__file__).parent.parent / "examples"


def parse(text: str, name: str = "yaml") -> Problem:
    frontend = next(f for f in FRONTENDS if f.name == name)
    problem = frontend.reader(text.encode(), SpecMessages(f"s.{name}"))
    assert isinstance(problem, Problem)
    return problem


def jacobians(problem: Problem) -> list[tuple[str, str, str, int, int, str]]:
    return [
        (e.name, e.source, e.target, e.block.rows, e.block.cols, repr(e.block.structure))
        for e in problem.graph.elementals
    ]


# What a spec means


def test_a_chain_of_sizes() -> None:
    problem = parse("chain: [1000, 1, 30]")
    assert jacobians(problem) == [("F1", "x0", "x1", 1, 1000, "dense"), ("F2", "x1", "x2", 30, 1, "dense")]
    assert (problem.graph.inputs, problem.graph.outputs) == (("x0",), ("x2",))
    assert (problem.name, problem.memory) == (None, None)


def test_a_chain_of_jacobians() -> None:
    problem = read(EXAMPLES / "mixed_chain.yaml")
    assert jacobians(problem) == [
        ("encoder", "x0", "x1", 64, 784, "dense"),
        ("act", "x1", "x2", 64, 64, "diagonal"),
        ("mixer", "x2", "x3", 64, 64, "banded 1,1"),
        ("head", "x3", "x4", 10, 64, "dense"),
    ]
    head = problem.graph["head"]
    assert (head.tangent, head.adjoint, head.tape, head.explicit) == (640, 1280, 5000, False)
    assert problem.graph["mixer"].explicit


def test_a_dag() -> None:
    problem = read(EXAMPLES / "small_dag.yaml")
    assert jacobians(problem) == [
        ("h1/x", "x", "h1", 4, 3, "dense"),
        ("h2/h1", "h1", "h2", 4, 4, "diagonal"),
        ("y/h2", "h2", "y", 2, 4, "dense"),
        ("y/x", "x", "y", 2, 3, "dense"),
    ]
    assert (problem.memory, problem.name) == (100000, "small_dag")


def test_a_bare_list_of_edges_leads_from_its_sources_to_its_sinks() -> None:
    graph = from_spec({"dag": {"edges": [["x", "a"], ["a", "y"], ["x", "y"], ["b", "a"]]}}).graph
    assert (graph.inputs, graph.outputs) == (("x", "b"), ("y",))
    assert set(graph.sizes.values()) == {1}
    named = from_spec({"dag": {"edges": [["x", "a"], ["a", "y"]], "outputs": ["a", "y"], "sizes": {"a": 3}}}).graph
    assert (named.inputs, named.outputs, named.sizes["a"]) == (("x",), ("a", "y"), 3)


def test_vertices_are_the_declared_ones_and_then_those_of_the_edges() -> None:
    problem = parse("dag: {sizes: {y: 2}, inputs: [a], outputs: [y], jacobians: [{edge: [b, y]}, {edge: [a, b]}]}")
    assert dict(problem.graph.sizes) == {"y": 2, "b": 1, "a": 1}
    assert list(problem.graph.sizes) == ["y", "b", "a"]


def test_parallel_edges_without_a_name_are_numbered() -> None:
    edges = "{edge: [x, y]}, {edge: [x, y], name: own}, {edge: [x, y]}, {edge: [x, y]}"
    problem = parse(f"dag: {{inputs: [x], outputs: [y], jacobians: [{edges}]}}")
    assert [e.name for e in problem.graph.elementals] == ["y/x", "own", "y/x#2", "y/x#3"]


def test_one_mode_is_enough_and_may_have_a_structure() -> None:
    problem = parse("chain: [{shape: [2, 2], structure: diagonal, tangent: 4}, {shape: [1, 2], adjoint: 3, tape: 0}]")
    first, second = problem.graph.elementals
    assert (first.tangent, first.adjoint, first.block.structure) == (4, None, DIAGONAL)
    assert (second.tangent, second.adjoint, second.tape) == (None, 3, 0)


@pytest.mark.parametrize("word", ["y", "on", "1", "0", "~", "null", "1e3", "'two words'", "α", '"#"'])
def test_names_are_the_text_as_written(word: str) -> None:
    problem = parse(f"name: {word}\nchain: [{{shape: [1, 1], name: {word}}}]")
    assert problem.name == problem.graph.elementals[0].name == word.strip("'\"")


def test_the_largest_numbers() -> None:
    size, cost = 10**12, 10**36
    problem = parse(f"chain: [{{shape: [{size}, 0], tangent: {cost}}}]\nlimits: {{memory: {cost}}}")
    assert problem.graph.elementals[0].block == Block(size, 0)
    assert problem.graph.elementals[0].tangent == problem.memory == cost


def test_an_anchor_may_be_used_again() -> None:
    problem = parse("chain:\n- &block {shape: [2, 2], structure: {banded: &w [1, 0]}}\n- *block\n")
    assert [e.block.structure for e in problem.graph.elementals] == [Banded(1, 0)] * 2
    assert [e.name for e in problem.graph.elementals] == ["F1", "F2"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_examples_read_and_carry_their_name(path: Path) -> None:
    problem = read(path)
    assert problem.name == path.stem
    assert from_spec(problem.to_spec()) == problem


def test_public_names_lead_here() -> None:
    assert (chainplan.read, chainplan.from_spec, chainplan.chain) == (read, from_spec, chain)


# Python objects


def test_chain_is_the_grammar_in_python() -> None:
    assert chain([3, 1, 2]) == parse("chain: [3, 1, 2]")
    mapped = chain([{"shape": (1, 3), "structure": "zero"}], name="n", memory=7)
    assert mapped == parse("{chain: [{shape: [1, 3], structure: zero}], name: n, limits: {memory: 7}}")


def test_numpy_integers_are_whole_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert chain(list(numpy.array([3, 1, 2]))) == chain([3, 1, 2])


# JSON


def test_json_escapes_tabs_and_byte_order_mark() -> None:
    text = '\ufeff{\n\t"name":\t"\\ud83d\\ude00\\/\\\\ud83d\\u00e9",\n\t"chain": [1,2]}'
    problem = parse(text, "json")
    assert problem.name == json.loads(text.removeprefix("\ufeff"))["name"] == "😀/\\ud83dé"
    assert jacobians(problem) == [("F1", "x0", "x1", 2, 1, "dense")]


# Files


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.YAML", "a.json", "a.JSON", "a.txt", "a"])
def test_files_are_read_by_suffix_and_as_yaml_otherwise(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"chain": [1, 2]}')
    assert read(path) == read(str(path)) == chain([1, 2])


# The round trip

names = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff"), min_size=1, max_size=200
)
sizes = st.integers(0, 10**12)
structures: st.SearchStrategy[Structure] = st.sampled_from([DENSE, Zero(), Banded(0, 3), DIAGONAL, Identity()])
costs = st.none() | st.integers(0, 10**36)


@st.composite
def elementals(draw: st.DrawFn, name: str, source: str, target: str, rows: int, cols: int) -> Elemental:
    structure = draw(structures)
    block = Block(rows, cols, DENSE if structure.misfit(rows, cols) else structure)
    tangent, adjoint = draw(costs), draw(costs)
    tape = 0 if tangent is adjoint is None else draw(st.integers(0, 10**36))
    return Elemental(name, source, target, block, tangent, adjoint, tape)


@st.composite
def chains(draw: st.DrawFn) -> Problem:
    shape = draw(st.lists(sizes, min_size=2, max_size=6))
    own = draw(st.lists(names, min_size=len(shape) - 1, max_size=len(shape) - 1, unique=True))
    vertices = {f"x{i}": size for i, size in enumerate(shape)}
    links = [draw(elementals(name, f"x{i}", f"x{i + 1}", shape[i + 1], shape[i])) for i, name in enumerate(own)]
    graph = Graph(vertices, ("x0",), (f"x{len(own)}",), tuple(links))
    return Problem(graph, draw(costs), draw(st.none() | names))


@st.composite
def dags(draw: st.DrawFn) -> Problem:
    vertices = draw(st.lists(names, min_size=2, max_size=6, unique=True))
    shape = {vertex: draw(sizes) for vertex in draw(st.permutations(vertices))}
    ends = st.tuples(st.integers(0, len(vertices) - 1), st.integers(1, len(vertices) - 1))
    pairs = [(vertices[i], vertices[j]) for i, j in draw(st.lists(ends, max_size=8)) if i < j]
    own = draw(st.lists(names, min_size=len(pairs), max_size=len(pairs), unique=True))
    links = [draw(elementals(n, a, b, shape[b], shape[a])) for n, (a, b) in zip(own, pairs, strict=True)]
    graph = Graph(shape, (vertices[0],), (vertices[-1],), tuple(links))
    return Problem(graph, draw(costs), draw(st.none() | names))


@given(st.one_of(chains(), dags()))
def test_a_problem_survives_its_spec(problem: Problem) -> None:
    spec = problem.to_spec()
    again = from_spec(spec)
    assert again == problem
    assert list(again.graph.sizes) == list(problem.graph.sizes)
    assert again.fingerprint == problem.fingerprint
    assert parse(json.dumps(spec), "json") == problem
