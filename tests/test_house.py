"""The house: no circle of imports between files, at most eight floors, and few modules at the top of the package.

Imports inside functions and those for type checking count. `lint-imports` proves the floors and the walls; this script
shows what no contract there can say.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import networkx as nx
import pytest

from chainplan.solvers.registry import SOLVERS
from tests.reference import DATA, OWN, absent, entries

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
AT_THE_TOP = {"__init__", "_version", "planner", "sizing", "tradeoff"}
MOST_FLOORS = 8
MOST_OPEN_TYPES = 300
"""Lines of the package that leave a type open by `Any`, fewer than which there must be."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in (SOURCE / "chainplan").rglob("*.py"):
        found[".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def arrows(modules: dict[str, Path]) -> nx.DiGraph:
    """Which module imports which, wherever in its text it does so."""
    graph = nx.DiGraph()
    graph.add_nodes_from(modules)
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [name if name in modules else node.module for name in inside]
            else:
                targets = []
            graph.add_edges_from((module, target) for target in targets if target in modules and target != module)
    return graph


def test_no_files_import_each_other_in_a_circle() -> None:
    found = modules()
    assert len(found) > 200
    circles = [sorted(circle) for circle in nx.strongly_connected_components(arrows(found)) if len(circle) > 1]
    assert circles == []


def test_a_circle_inside_functions_is_seen(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("from two import g\n")
    two.write_text("def g():\n    import one\n    return one\n")
    assert len(list(nx.simple_cycles(arrows({"one": one, "two": two})))) == 1


def test_at_most_eight_floors() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        floors = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]["layers"]
    assert all(":" not in floor for floor in floors)
    inside = [floor for floor in floors if "chainplan." in floor]
    assert len(inside) <= MOST_FLOORS
    named = {room.strip() for floor in inside for room in floor.split("|")}
    there = {f"chainplan.{path.stem}" for path in (SOURCE / "chainplan").glob("*") if path.suffix in ("", ".py")}
    assert named == there - {"chainplan.__init__", "chainplan.__pycache__"}


def test_no_exception_is_made_for_an_import() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contract = tomllib.load(file)["tool"]["importlinter"]
    assert "exclude_type_checking_imports" not in contract
    assert "ignore_imports" not in contract["contracts"][0]


def test_the_wall_between_solvers_leaves_none_out() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (wall,) = [contract for contract in contracts if contract["type"] == "independence"]
    assert set(wall["modules"]) == {type(solver).__module__ for solver in SOLVERS.values()} - {"chainplan.solvers.auto"}


def test_the_top_of_the_package_is_nearly_empty() -> None:
    assert {path.stem for path in (SOURCE / "chainplan").glob("*.py")} == AT_THE_TOP


def test_no_test_imports_the_benchmarks() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert "bench" not in {name.partition(".")[0] for name in named}, path.name


def test_reference_entries_of_our_own_are_in_the_tree() -> None:
    kept = {path.name: entries(path) for path in OWN.glob("*.json")}
    assert {name: len(own) for name, own in kept.items()} == {
        "chain_hessian.json": 8,
        "chain_matrix_free.json": 17,
        "dag_optimal.json": 87,
        "einsum_benchmark_chains.json": 2,
    }
    assert all(entry["own"] is True for own in kept.values() for entry in own)


@pytest.mark.parametrize("file", sorted(path.name for path in OWN.glob("*.json")))
def test_reference_entries_in_the_tree_are_those_outside(file: str) -> None:
    if not (DATA / file).exists():
        pytest.skip(absent(file))
    assert entries(OWN / file) == [entry for entry in entries(DATA / file) if entry["own"]]


def test_few_types_are_left_open() -> None:
    lines = [line for path in SOURCE.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 20_000
    assert sum(bool(re.search(r"\bAny\b", line)) for line in lines) < MOST_OPEN_TYPES


def defined_names(text: str) -> set[str]:
    """The classes, constants and types that a module defines at its top, private ones too."""
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return {name for name in names if name.lstrip("_")[:1].isupper()}


def test_a_name_has_one_meaning() -> None:
    """No two files of the package and its command line define a class or a constant of one name."""
    places: dict[str, list[str]] = {}
    for folder in (SOURCE / "chainplan", ROOT / "cli" / "chainplan_cli"):
        for path in sorted(folder.rglob("*.py")):
            for name in defined_names(path.read_text(encoding="utf-8")):
                places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert len(places) > 700
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_names_of_all_kinds_are_seen() -> None:
    text = "class A: ...\n_B, C = 1, 2\nD: int = 3\ne = 4\n__all__ = []\ndef f():\n    G = 5\n"
    assert defined_names(text) == {"A", "_B", "C", "D"}
