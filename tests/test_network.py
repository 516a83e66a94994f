"""Exchange with networkx, GraphML and node-link JSON: nothing is lost on the way there and back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import networkx
import pytest

from chainplan.errors import SpecError
from chainplan.io.networkx_graph import from_networkx, to_graphml, to_networkx, to_node_link
from chainplan.io.read import read
from tests.problems import random_dag


def test_there_and_back(tmp_path: Path) -> None:
    for seed in range(60):
        problem = random_dag(random.Random(seed))
        again = from_networkx(to_networkx(problem))
        assert again.to_spec()["dag"].keys() == problem.to_spec()["dag"].keys()
        for key in ("sizes", "inputs", "outputs"):
            assert again.to_spec()["dag"][key] == problem.to_spec()["dag"][key]
        assert sorted(map(str, again.graph.elementals)) == sorted(map(str, problem.graph.elementals))
        for suffix, text in ((".graphml", to_graphml(problem)), (".nodelink.json", to_node_link(problem))):
            path = tmp_path / f"graph{suffix}"
            path.write_text(text, encoding="utf-8")
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


@pytest.mark.parametrize("suffix", [".graphml", ".nodelink.json"])
@pytest.mark.parametrize("content", ["", "<graphml", "{}", "[1]", json.dumps({"nodes": 3}), "\x00", "<a/>"])
def test_broken_files_are_refused(suffix: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / f"graph{suffix}"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SpecError):
        read(path)
