"""The suite `structure`: what exact structured counts gain over shapes, and how well each objective orders by time.

Two measurements. `count`: on random chains of mixed structures the planned optimum, the least of all bracketings (an
enumeration that shares nothing with chainplan but the patterns of the factors and what is a unit block), and what the
order costs that is best for dense factors of the same shapes. `time`: on stored chains of dense, diagonal and CSR
factors every order is run, beside `numpy.linalg.multi_dot` on the factors written out. Both are done in a process of
its own with one BLAS thread.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

from bench.apart import printed_apart
from bench.instances.mixed import MixedChain, stored_mixed
from bench.rows import StructureRow
from bench.run import load, machine
from chainplan.costs.calibrate import measure
from chainplan.costs.timed import WEIGHTED_COST, timed
from chainplan.execution.executor import prepared
from chainplan.planner import plan
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.report.words.steps import order_text
from chainplan.structures import DENSE
from chainplan.values.draw import draw
from chainplan.values.jacobians import as_matrices
from generators.chains import counted_chain, structured_chain

MULTI_DOT = "multi_dot"


@dataclass(frozen=True)
class StructureSuite:
    """How many random chains are counted, how many stored ones are timed, and for how long each."""

    name: str = "structure"
    title: str = "Chains of mixed structures"
    counted: int = 3000
    timed: int = 30
    seconds: float = 8.0
    turns: int = 15

    def quick(self) -> StructureSuite:
        """The same on a few chains."""
        return replace(self, counted=60, timed=2, seconds=0.5, turns=2)


STRUCTURE_SUITES = {"structure": StructureSuite()}


def run_structures(suite: StructureSuite, say: Callable[[str], None]) -> tuple[dict[str, str], list[StructureRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before = load()
    rows = list(_apart(suite, say))
    about = {"suite": suite.name, **machine(("numpy", "scipy")), "load": f"{before} before, {load()} after"}
    return about, rows


def counted(number: int) -> StructureRow:
    """The row of a random chain.

    Raises
    ------
    ValueError
        If the planned optimum is not the least of all bracketings.
    """
    problem = counted_chain(number)
    graph = problem.graph
    found = plan(problem, "chain-dp")
    assert found.cost is not None
    assert graph.exact
    least = min(all_costs(graph))
    if found.cost.fma != least:
        raise ValueError(f"{problem.name}: chain-dp finds {found.cost.fma:,} fma, the least of all is {least:,}")
    by_shape = under(dense_plan(graph), graph)
    return StructureRow("count", problem.name or "", len(graph.chain), fma=least, dense_fma=replay(by_shape).total)


def all_costs(graph: Graph) -> list[int]:
    """The fma of every bracketing, from matrices of zeros and ones (exact in float32: no count reaches 2^24)."""
    chain = graph.chain
    q = len(chain)
    masks: dict[tuple[int, int], Any] = {}
    unit: dict[tuple[int, int], bool] = {}
    for i in range(q):
        block = chain[i].block
        for j in range(i + 1, q + 1):
            if j > i + 1:
                block = chain[j - 1].block.times(block)
            own = chain[j - 1].block
            mask = own.structure.pattern(own.rows, own.cols).toarray().astype(np.float32)
            masks[i, j] = mask if j == i + 1 else (mask @ masks[i, j - 1] > 0).astype(np.float32)
            unit[i, j] = block.structure.unit

    def costs(i: int, j: int) -> list[int]:
        if j == i + 1:
            return [0]
        return [
            a + b + (0 if unit[k, j] or unit[i, k] else int(masks[k, j].sum(0) @ masks[i, k].sum(1)))
            for k in range(i + 1, j)
            for a in costs(k, j)
            for b in costs(i, k)
        ]

    return costs(0, q)


def dense_plan(graph: Graph) -> Plan:
    """The plan that is best where all factors are dense."""
    sizes = [graph.sizes[e.source] for e in graph.chain] + [graph.sizes[graph.outputs[0]]]
    found = plan(structured_chain(sizes, [DENSE] * (len(sizes) - 1)), "chain-dense").plan
    assert found is not None
    return found


def under(found: Plan, graph: Graph) -> Plan:
    """A plan on another graph of the same names."""
    return Plan(graph, found.steps, found.outputs)


def _apart(suite: StructureSuite, say: Callable[[str], None]) -> Iterator[StructureRow]:
    """The rows, from a process with one BLAS thread: with more, other load on the machine stalls every product."""
    for entries in printed_apart("bench.structure", suite):
        rows = [StructureRow(**entry) for entry in entries]
        say(f"{rows[-1].instance} ({rows[-1].task})")
        yield from rows


def print_rows(suite: StructureSuite) -> None:
    """Count, calibrate, time every order of every stored chain; print some rows at a time as a line of JSON."""
    for first in range(1, suite.counted + 1, 500):
        numbers = range(first, min(first + 500, suite.counted + 1))
        print(json.dumps([asdict(counted(number)) for number in numbers]), flush=True)
    calibrated = timed("calibrated", {fit.regime: fit.rates for fit in measure()})
    for chain in stored_mixed()[: suite.timed]:
        rows = timed_orders(chain, (FMA, WEIGHTED_COST, calibrated), suite)
        print(json.dumps([asdict(row) for row in rows]), flush=True)


def timed_orders(chain: MixedChain, models: tuple[CostModel, ...], suite: StructureSuite) -> list[StructureRow]:
    """A row per order with its price by each model and its least time, and one of multi_dot."""
    problem = chain.problem()
    graph = problem.graph
    plans = [_plan(graph, tree) for tree in _trees(0, len(graph.chain))]
    names = [order_text(p) or "" for p in plans]
    chosen = _chosen(problem, models)
    values = draw(graph, 1)
    runs = [prepared(p, values) for p in plans]
    matrices = [*as_matrices(graph.elementals, values).values()][::-1]
    runs.append(lambda: {("", ""): np.linalg.multi_dot(matrices)})
    _agree(runs)
    best, turns = _best_times(runs, suite, Random(chain.name))
    rows = []
    for name, found, seconds in zip(names, plans, best, strict=False):
        fma, weighted, calibrated = (replay(found, model).total for model in models)
        by = " ".join(who for who, order in chosen.items() if order == name)
        prices = {"fma": fma, "weighted": weighted, "calibrated": calibrated}
        rows.append(StructureRow("time", chain.name, chain.n, name, by, **prices, seconds=seconds, repeats=turns))
    rows.append(StructureRow("time", chain.name, chain.n, "", MULTI_DOT, seconds=best[-1], repeats=turns))
    return rows


def _chosen(problem: Problem, models: tuple[CostModel, ...]) -> dict[str, str]:
    """By objective, baseline and shapes alone: the order that each takes."""
    graph, found = problem.graph, {}
    for model in models:
        found[model.objective] = plan(replace(problem, cost=model), "chain-dp").plan
    for order in ("forward", "reverse"):
        found[order] = plan(problem, order).plan
    found["shapes"] = under(dense_plan(graph), graph)
    return {who: order_text(p) or "" for who, p in found.items() if p is not None}


Tree = int | tuple["Tree", "Tree"]


def _trees(i: int, j: int) -> Iterator[Any]:
    """Every bracketing of the interval (i, j): a position, or a pair of left and right factor."""
    if j == i + 1:
        yield i
    for k in range(i + 1, j):
        for left in _trees(k, j):
            yield from ((left, right) for right in _trees(i, k))


def _plan(graph: Graph, tree: Any) -> Plan:
    recorder = Recorder(graph)

    def write(node: Any) -> int:
        if isinstance(node, int):
            return recorder.load(graph.chain[node].name)
        right = write(node[1])
        return recorder.multiply(write(node[0]), right)

    return recorder.plan([(graph.outputs[0], graph.inputs[0], write(tree))])


def _best_times(runs: list[Any], suite: StructureSuite, draw: Random) -> tuple[list[float], int]:
    """Least seconds of each run over turns in random order, and the number of turns."""
    best, turns, order = [float("inf")] * len(runs), 0, list(range(len(runs)))
    start = perf_counter()
    while turns < 3 or (turns < suite.turns and perf_counter() - start < suite.seconds):
        draw.shuffle(order)
        for i in order:
            run = runs[i]
            before = perf_counter()
            run()
            best[i] = min(best[i], perf_counter() - before)
        turns += 1
    return best, turns


def _agree(runs: list[Any]) -> None:
    results = [next(iter(run().values())) for run in runs]
    scale = float(np.abs(results[0]).max(initial=0)) or 1.0
    for result in results[1:]:
        if float(np.abs(result - results[0]).max(initial=0)) > 1e-9 * scale:
            raise ValueError("two orders disagree")


if __name__ == "__main__":
    print_rows(StructureSuite(**json.loads(sys.argv[1])))
