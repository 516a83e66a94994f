"""The stored graphs are those of the generators."""

from __future__ import annotations

import json

from bench.instances.graphs import matrix_free_dags
from bench.instances.make_dags import FOLDER
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from generators.graphs import FAMILIES, dag_problem, make
from generators.matrix_free import MODULES, simulation


def test_the_stored_instances_are_those_of_the_generator() -> None:
    for family in FAMILIES:
        for block in (False, True):
            made = make(family, 100, block)
            stored = json.loads((FOLDER / f"{made['name']}.json").read_text())
            assert json.loads(json.dumps(made)) == stored
            work = WorkGraph(dag_problem(stored).graph)
            assert len(work.middle) == 100


def test_the_stored_simulations_are_those_of_the_generator() -> None:
    stored = matrix_free_dags()
    assert {i.family for i in stored} == MODULES.keys()
    for instance in stored:
        made = simulation(instance.family, int(instance.name.rpartition("_")[2]))
        assert instance.make().fingerprint == made.fingerprint
        assert instance.n == len(WorkGraph(made.graph).middle)
