"""Exchange with networkx, GraphML and node-link JSON: nothing is lost on the way there and back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import networkx
import pytest

from chainplan.errors import SpecError
from chainplan.io.networkx_graph import from_networkx, to_gml, to_graphml, to_networkx, to_node_link
from chainplan.io.read import read
from chainplan_cli.main import main
from tests.problems import random_dag


def test_there_and_back(tmp_path: Path) -> None:
    for seed in range(60):
        problem = random_dag(random.Random(seed))
        again = from_networkx(to_networkx(problem))
        assert again.to_spec()["dag"].keys() == problem.to_spec()["dag"].keys()
        for key in ("sizes", "inputs", "outputs"):
            assert again.to_spec()["dag"][key] == problem.to_spec()["dag"][key]
        assert sorted(map(str, again.graph.elementals)) == sorted(map(str, problem.graph.elementals))
        for suffix, write in ((".graphml", to_graphml), (".nodelink.json", to_node_link), (".gml", to_gml)):
            path = tmp_path / f"graph{suffix}"
            path.write_text(write(problem), encoding="utf-8")
            assert read(path).fingerprint == again.fingerprint


def test_sources_and_sinks_are_the_ends() -> None:
    graph = networkx.DiGraph([(0, 1), (1, 2), (0, 2)])
    problem = from_networkx(graph)
    assert (problem.graph.inputs, problem.graph.outputs) == (("0",), ("2",))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (networkx.Graph([(0, 1)]), r"g: found an undirected graph; expected a directed one"),
        (networkx.DiGraph([(0, 1), (1, 0)]), r"form a cycle"),
        (networkx.DiGraph(), r"found no vertex"),
    ],
)
def test_what_is_no_linearised_dag_is_refused(graph: networkx.Graph, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        from_networkx(graph, "g")


def test_a_wrong_attribute_is_located() -> None:
    graph = networkx.DiGraph([("x", "y")])
    graph.edges["x", "y"]["structure"] = "diagnal"
    with pytest.raises(SpecError, match=r"g: dag\.jacobians\[0\]\.structure is 'diagnal'.*Did you mean 'diagonal'"):
        from_networkx(graph, "g")


@pytest.mark.parametrize("suffix", [".graphml", ".nodelink.json", ".gml"])
@pytest.mark.parametrize("content", ["", "<graphml", "{}", "[1]", json.dumps({"nodes": 3}), "\x00", "<a/>"])
def test_broken_files_are_refused(suffix: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / f"graph{suffix}"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SpecError):
        read(path)


def test_graphml_of_the_jacobian_chaining_codes(tmp_path: Path) -> None:
    """Their writer has sizes on nodes, and costs on edges by other names; has_model says whether these count."""
    edges = [(0, 1, 7, 5, 11, "1"), (1, 2, 9, 4, 13, "1"), (2, 3, 0, 0, 0, "0")]
    keys = [("index", "node", "long"), ("size", "node", "long"), ("fma_upper_bound", "graph", "long")]
    keys += [(name, "edge", "long") for name in ("adjoint_cost", "tangent_cost", "adjoint_memory")]
    keys += [("has_model", "edge", "boolean")]
    lines = ['<?xml version="1.0"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    lines += [f'<key id="{n}" for="{place}" attr.name="{n}" attr.type="{kind}"/>' for n, place, kind in keys]
    lines += ['<graph id="G" edgedefault="directed">', '<data key="fma_upper_bound">99</data>']
    lines += [f'<node id="{i}"><data key="index">{i}</data><data key="size">{i + 2}</data></node>' for i in range(4)]
    for a, b, adjoint, tangent, memory, model in edges:
        data = (("adjoint_cost", adjoint), ("tangent_cost", tangent), ("adjoint_memory", memory), ("has_model", model))
        inside = "".join(f'<data key="{key}">{value}</data>' for key, value in data)
        lines.append(f'<edge id="{a}" source="{a}" target="{b}">{inside}</edge>')
    path = tmp_path / "chain.graphml"
    path.write_text("\n".join([*lines, "</graph></graphml>"]))
    found = [(e.block.rows, e.block.cols, e.tangent, e.adjoint, e.tape) for e in read(path).graph.chain]
    assert found == [(3, 2, 5, 7, 11), (4, 3, 4, 9, 13), (5, 4, None, None, 0)]


def test_a_graph_without_sizes_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "graph.gml"
    networkx.write_gml(networkx.DiGraph([("x", "h"), ("h", "y")]), path)
    assert main(["plan", str(path)]) == 0
    assert "note: No vertex of the file has the attribute 'size'" in capsys.readouterr().out
