"""Proofs, gaps and seconds of searches that are ended by a number of nodes, with the compiled core and without it.

Nodes end a search at the same place on every machine and under every load; so proofs and gaps by nodes are those of the
method, and the seconds beside them those of the machine. The compiled core changes the seconds alone: the same plans
and bounds with and without it are checked here on every instance.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from time import perf_counter

from bench.dag_results import gap
from bench.instances.graphs import DagInstance
from bench.markdown import DASH, duration, geometric_mean, share, table
from bench.rows import DagRow
from chainplan.planner import plan

COMPILED_SWITCH = "CHAINPLAN_COMPILED"
"""The variable of the environment that switches the compiled core off where it is 0."""
COMPILED, PYTHON = "compiled", "python"


def has_compiled_core() -> bool:
    """Whether there is a compiled core, which is used where it is not switched off."""
    return import_module("chainplan.compiled.loader").compiled_core() is not None


def node_rows(instance: DagInstance, limits: Sequence[int]) -> Iterator[DagRow]:
    """A row per number of nodes, with the compiled core where there is one, and without it."""
    for nodes in limits:
        for core in (COMPILED, PYTHON) if has_compiled_core() else (PYTHON,):
            problem = instance.make()
            row = DagRow("nodes", instance.name, instance.family, instance.n, len(problem.graph.elementals), "auto")
            with _switched(core):
                start = perf_counter()
                result = plan(problem, nodes=nodes)
                seconds = perf_counter() - start
            found = replace(row, status=result.status.value, cost=result.price, bound=result.bound)
            yield replace(found, seconds=seconds, nodes=nodes, core=core)


@contextmanager
def _switched(core: str) -> Iterator[None]:
    """With the compiled core, or without it."""
    before = os.environ.get(COMPILED_SWITCH)
    if core == PYTHON:
        os.environ[COMPILED_SWITCH] = "0"
    try:
        yield
    finally:
        os.environ.pop(COMPILED_SWITCH, None)
        if before is not None:
            os.environ[COMPILED_SWITCH] = before


def by_nodes(rows: Sequence[DagRow]) -> list[str]:
    """The section of the report: what so many nodes prove, and in which time."""
    own = [row for row in rows if row.task == "nodes"]
    if not own:
        return []
    body = []
    for n, nodes in sorted({(row.n, row.nodes or 0) for row in own}):
        some = [row for row in own if (row.n, row.nodes) == (n, nodes)]
        once = [row for row in some if row.core == PYTHON]
        gaps = [1.0 if (apart := gap(row.cost, row.bound)) is None else apart for row in once]
        seconds = [[row.seconds or 0.0 for row in some if row.core == core] for core in (PYTHON, COMPILED)]
        times = [duration(geometric_mean(values)) if values else DASH for values in seconds]
        proven = f"{sum(row.status == 'optimal' for row in once)} of {len(once)}"
        body.append([f"{n:,}", f"{nodes:,}", proven, share(sum(gaps) / len(gaps)), *times])
    return [
        "## Proofs by nodes",
        "",
        "`auto` ended by a number of nodes, at the same place on every machine: plans proven optimal, mean gap (1 "
        "where there is no bound), and seconds in Python alone and with the compiled core, geometric means. "
        + _agreement(own),
        "",
        *table(["n", "nodes", "proven", "gap", "python", "compiled"], body, words=0),
    ]


def _agreement(rows: Sequence[DagRow]) -> str:
    """Whether both cores gave the same costs and bounds."""
    found: dict[tuple[str, int | None], set[tuple[int | None, int | None]]] = {}
    for row in rows:
        found.setdefault((row.instance, row.nodes), set()).add((row.cost, row.bound))
    if not any(row.core == COMPILED for row in rows):
        return "There was no compiled core."
    differ = sorted({name for (name, _), values in found.items() if len(values) > 1})
    return f"Costs and bounds differ on {', '.join(differ)}." if differ else "Costs and bounds are the same with both."
