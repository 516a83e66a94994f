"""Linearised DAGs as instances: published ones, stored ones of random families, and larger ones made on the spot.

A problem is made anew for every measurement, since a graph keeps what has been derived from it. What makes it is plain
data, so that it can be sent to a process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.instances import DATA
from bench.instances.make_dags import FOLDER
from bench.instances.make_matrix_free import FOLDER as MATRIX_FREE_FOLDER
from chainplan.io.read import read
from chainplan.problem.problem import Problem
from generators.graphs import dag_problem, make

METRICS = ("plain", "unit_free")
ORDERS = ("markowitz_low", "markowitz_high", "alphagrad", "best_known", "vertex_optimum")
"""The figures published with a graph, besides forward and reverse order."""
LARGER = (
    ("residual", 10_000, True),
    ("local", 10_000, True),
    ("degree", 10_000, False),
    ("degree", 100_000, False),
)
"""Family, intermediate vertices and whether they are blocks, of the instances made on the spot."""


@dataclass(frozen=True)
class DagInstance:
    """A graph of n intermediate vertices; `published` are pairs (name from ORDERS, cost in fma)."""

    name: str
    family: str
    n: int
    make: Callable[[], Problem]
    published: tuple[tuple[str, int], ...] = ()


def published_dags(folder: Path = DATA) -> list[DagInstance]:
    """The graphs of `dag_elimination.json` in both metrics, then those of `dag_optimal.json`; none where absent."""
    found = []
    for entry in _entries(folder / "dag_elimination.json"):
        for metric in METRICS:
            name = f"{entry['name']}/{metric}"
            found.append(_instance(name, metric, entry, metric == "unit_free", entry[metric]))
    for entry in _entries(folder / "dag_optimal.json"):
        found.append(_instance(entry["name"], "proven", entry, False, entry))
    return found


def random_dags(folder: Path = FOLDER, larger: tuple[tuple[str, int, bool], ...] = LARGER) -> list[DagInstance]:
    """The stored instances by number of vertices, then larger ones."""
    entries = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    found = [_instance(e["name"], _family(e["family"], max(e["sizes"]) > 1), e) for e in entries]
    found += [_generated(*recipe) for recipe in larger]
    return sorted(found, key=lambda instance: instance.n)


def matrix_free_dags(folder: Path = MATRIX_FREE_FOLDER) -> list[DagInstance]:
    """The stored simulations with matrix-free modules by number of intermediate vertices."""
    found = []
    for file in sorted(folder.glob("*.json")):
        dag = json.loads(file.read_text(encoding="utf-8"))["dag"]
        n = len({e["edge"][0] for e in dag["jacobians"]} - set(dag["inputs"]))
        found.append(DagInstance(file.stem, file.stem.rpartition("_")[0], n, partial(read, file)))
    return sorted(found, key=lambda instance: instance.n)


def _entries(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_text(encoding="utf-8"))["instances"] if file.exists() else []


def _instance(
    name: str, family: str, entry: dict[str, Any], units: bool = False, figures: Mapping[str, Any] | None = None
) -> DagInstance:
    n = len({u for u, *_ in entry["edges"]} - set(entry["inputs"]))
    published = tuple((order, figures[order]) for order in ORDERS if order in figures) if figures else ()
    return DagInstance(name, family, n, partial(dag_problem, entry, units), published)


def _generated(family: str, n: int, block: bool) -> DagInstance:
    kind = "block" if block else "scalar"
    return DagInstance(f"{family}_{n}_{kind}", _family(family, block), n, partial(_made, family, n, block))


def _made(family: str, n: int, block: bool) -> Problem:
    return dag_problem(make(family, n, block))


def _family(family: str, block: bool) -> str:
    return f"{family} {'block' if block else 'scalar'}"
