"""Files of other kinds in the place of a spec or a pattern: what they are is said, and what to do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from scipy.io import mmwrite, savemat
from scipy.sparse import csr_array, save_npz

import chainplan
from chainplan._util.file_kinds import kind_of

GRAPH = networkx.DiGraph([("x", "y")])
MATRIX: Any = csr_array(np.tri(4) - np.tri(4, k=-2))
MARKET = "%%MatrixMarket matrix coordinate"
WRITERS: tuple[tuple[str, Callable[[Path], object], str], ...] = (
    (
        "a.mtx",
        lambda path: mmwrite(path, MATRIX),
        "found a Matrix Market file; .*{sparse: pattern.mtx}",
    ),
    ("a.npz", lambda path: np.savez(path, F1=np.ones(3)), "found an archive of numpy .*--jacobians FILE.npz"),
    ("a.npy", lambda path: np.save(path, np.ones(3)), "found an array of numpy"),
    ("a.mat", lambda path: savemat(path, {"A": np.ones(3)}), "found a MATLAB file"),
    ("a.yaml.gz", lambda path: path.write_bytes(gzip.compress(b"chain: [1, 2]")), "a compressed file.*Unpack it first"),
    ("a.xml", lambda path: networkx.write_graphml(GRAPH, path), r"a GraphML file under another name.*Name it \*.gr"),
    ("a.yaml", lambda path: networkx.write_graphml_xml(GRAPH, path), "a GraphML file under another name"),
    ("a.txt", lambda path: networkx.write_gml(GRAPH, path), r"found a GML file under another name.*Name it \*.gml"),
    ("a.yaml", lambda path: path.write_text('strict digraph "g" {\n x -> y;\n}'), r"a DOT file.*Name it \*.dot"),
    ("a.in", lambda path: path.write_text("length 11\nsize_range 5 500\n"), "settings of a Jacobian-chaining code"),
    ("b.in", lambda path: path.write_text("//seed 3\namount 9\nlength 1,2,3\n"), "settings .*elemental_jacobians"),
    ("a.html", lambda path: path.write_text("<!DOCTYPE html><html></html>"), "found an HTML or XML file"),
    *(
        (name, lambda path, edges=edges: path.write_text(json.dumps(networkx.node_link_data(GRAPH, edges=edges))), why)
        for name, edges in (("a.json", "edges"), ("b.json", "links"), ("a.yaml", "links"), ("data", "edges"))
        for why in [r"found a graph of networkx as JSON; expected a spec. .*name it \*.nodelink.json"]
    ),
    ("a.json", lambda path: path.write_text(json.dumps(networkx.adjacency_data(GRAPH))), "a graph of networkx as JSON"),
    ("a.graphml", lambda path: networkx.write_graphml(networkx.Graph(GRAPH), path), "an undirected graph.*edgedefault"),
    (
        "a.nodelink.json",
        lambda path: path.write_text(json.dumps(networkx.node_link_data(networkx.Graph(GRAPH), edges="edges"))),
        "an undirected graph; expected a directed one",
    ),
)


@pytest.mark.parametrize(("name", "write", "message"), WRITERS)
def test_a_file_of_another_kind_is_told(
    name: str, write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(chainplan.ChainplanError, match=message) as caught:
        chainplan.read(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        (
            "p.mtx",
            lambda path: path.write_text(f"{MARKET} pattern general\n4 4 9999\n1 1\n"),
            "declares 9,999",
        ),
        (
            "p.mtx",
            lambda path: path.write_text(f"{MARKET} pattern general\n4 4 2\n1 1\n5 1\n"),
            "Line 4: Row index",
        ),
        ("p.mtx", lambda path: path.write_text(f"{MARKET} pattern general\n4 4 2\n1 1\n"), "Expected another 1 lines"),
        ("p.mtx", lambda path: path.write_text(f"{MARKET} real symmetric\n4 2 1\n3 1 1\n"), "declared to be symmetric"),
        ("p.mtx", lambda path: path.write_text(f"{MARKET} real general\n4 4 1\n3 1 x\n"), "Line 3: Invalid"),
        ("p.mtx", lambda path: path.write_text(f"{MARKET} real general\n{9**30} 4 1\n3 1 1\n"), "out of range"),
        (
            "p.mtx",
            lambda path: path.write_text(f"{MARKET} real general\n99999999 4 1\n3 1 1\n"),
            "at most 4,000,008",
        ),
        ("p.mtx.gz", lambda path: path.write_bytes(gzip.compress(b"x")), "it is a compressed file. Unpack it first"),
        ("p.npy", lambda path: np.save(path, np.eye(4)), r"it is an array of numpy .*numpy.load\(path\)"),
        ("p.mat", lambda path: savemat(path, {"A": np.eye(4)}), "it is a MATLAB file"),
        ("p.npz", lambda path: np.savez(path, A=np.eye(4)), "does not contain a sparse"),
        ("p.txt", lambda path: path.write_text("1 2 3"), "not a zip file"),
    ],
)
def test_a_pattern_of_another_kind_is_told(
    name: str, write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"chain: [{{shape: [4, 4], structure: {{sparse: {name}}}}}, {{shape: [2, 4]}}]")
    with pytest.raises(
        chainplan.ChainplanError, match=f"spec.yaml:1:36: .* '{name}|spec.yaml:1:36: .*{name}': "
    ) as caught:
        chainplan.read(spec)
    assert caught.match(message)


@pytest.mark.parametrize("layout", ["coordinate", "array", "symmetric", "skew-symmetric", "pattern", "complex"])
def test_a_matrix_market_file_is_the_pattern_of_its_nonzeros(layout: str, tmp_path: Path) -> None:
    """Against the entries that scipy's own array holds, some of which are stored zeros."""
    dense = np.array([[0, 2, 0, -1], [2, 0, 0, 0], [0, 0, 3, 0], [-1, 0, 0, 0]])
    if layout == "skew-symmetric":
        dense = np.tril(dense, -1) - np.tril(dense, -1).T
    matrix: Any = csr_array(dense)
    given: Any = {"array": dense, "complex": matrix * 1j}.get(layout, matrix)
    options: Any = {"symmetry": layout if "symm" in layout else "general"}
    mmwrite(tmp_path / "p.mtx", given, field="pattern" if layout == "pattern" else None, **options)
    spec = tmp_path / "spec.yaml"
    spec.write_text("chain: [{shape: [4, 4], structure: {sparse: p.mtx}}, {shape: [2, 4]}]")
    entries = [[int(i), int(j)] for i, j in zip(*np.nonzero(dense), strict=True)]
    expected = chainplan.chain([{"shape": [4, 4], "structure": {"coo": entries}}, {"shape": [2, 4]}])
    assert chainplan.read(spec).fingerprint == expected.fingerprint


def test_zeros_that_a_matrix_market_file_stores_are_no_nonzeros(tmp_path: Path) -> None:
    (tmp_path / "p.mtx").write_text(f"{MARKET} real general\n% a comment\n\n2 2 3\n1 1 0\n2 1 5\n2 2 1e-300\n")
    spec = tmp_path / "spec.yaml"
    spec.write_text("chain: [{shape: [2, 2], structure: {sparse: p.mtx}}]")
    assert chainplan.read(spec).graph.chain[0].block.nnz == 2


@pytest.mark.parametrize("text", ["chain: [1, 2]", "# graph {\nchain: [1, 2]", "graph: [1]", '{"chain": [1, 2]}', ""])
def test_specs_are_of_no_other_kind(text: str) -> None:
    assert kind_of(text.encode()) is None


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
def test_an_array_of_scipy_is_a_structure(layout: str, tmp_path: Path) -> None:
    save_npz(tmp_path / "p.npz", MATRIX)
    given, stored = (
        chainplan.chain([{"shape": [4, 4], "structure": {"sparse": pattern}}, {"shape": [2, 4]}])
        for pattern in (MATRIX.asformat(layout), str(tmp_path / "p.npz"))
    )
    assert given.fingerprint == stored.fingerprint
    with pytest.raises(chainplan.ChainplanError, match=r"a pattern of 4 x 5, .*; the array has 4 x 4"):
        chainplan.chain([{"shape": [4, 5], "structure": {"sparse": MATRIX}}])
    with pytest.raises(chainplan.ChainplanError, match="no fitting argument for 'coo'"):
        chainplan.chain([{"shape": [4, 4], "structure": {"coo": MATRIX}}])
