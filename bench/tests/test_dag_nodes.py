"""Searches ended by nodes: the same with the compiled core and without it, and what the report says of them."""

from __future__ import annotations

import os

from bench.dag_nodes import COMPILED_SWITCH, by_nodes, node_rows
from bench.instances.graphs import random_dags
from bench.rows import DagRow


def test_rows_are_the_same_with_and_without_the_core() -> None:
    before = os.environ.get(COMPILED_SWITCH)
    instance = next(i for i in random_dags(larger=()) if i.name == "residual_30_block")
    rows = list(node_rows(instance, (10, 60)))
    assert os.environ.get(COMPILED_SWITCH) == before
    assert {row.nodes for row in rows} == {10, 60}
    for nodes in (10, 60):
        assert len({(row.cost, row.bound) for row in rows if row.nodes == nodes}) == 1


def test_report() -> None:
    def row(instance: str, core: str, bound: int, seconds: float) -> DagRow:
        status = "optimal" if bound == 8 else "feasible"
        kept = {"cost": 8, "bound": bound, "seconds": seconds, "nodes": 100, "core": core}
        return DagRow("nodes", instance, "f", 30, 40, "auto", status=status, **kept)  # type: ignore[arg-type]

    rows = [row("a", "python", 8, 4.0), row("a", "compiled", 8, 1.0), row("b", "python", 4, 4.0)]
    lines = by_nodes([*rows, row("b", "compiled", 4, 1.0)])
    assert "| 30 | 100 | 1 of 2 | 25.0% | 4 s | 1 s |" in lines
    assert any("the same with both" in line for line in lines)
    assert any("differ on b" in line for line in by_nodes([*rows, row("b", "compiled", 5, 1.0)]))
    assert any("no compiled core" in line for line in by_nodes(rows[:1]))
    assert by_nodes([]) == []
