"""The stored graphs are those of the generator."""

from __future__ import annotations

import json

from bench.instances.make_dags import FOLDER
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from generators.graphs import FAMILIES, dag_problem, make


def test_the_stored_instances_are_those_of_the_generator() -> None:
    for family in FAMILIES:
        for block in (False, True):
            made = make(family, 100, block)
            stored = json.loads((FOLDER / f"{made['name']}.json").read_text())
            assert json.loads(json.dumps(made)) == stored
            work = WorkGraph(dag_problem(stored).graph)
            assert len(work.middle) == 100
