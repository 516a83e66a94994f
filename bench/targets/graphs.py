"""Targets on graphs: how many are proven, how far bounds are away on large ones, time and memory of very large ones."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from bench.instances.graphs import DagInstance, published_dags, random_dags
from bench.memory import peak_memory
from bench.targets.target import Effort, Figure
from chainplan.planner import plan
from chainplan.plans.result import Result
from chainplan.problem.problem import Problem
from generators.graphs import FAMILIES, dag_problem, economics, make, with_unit_edges

UNIT_SHARE = 0.4
"""Share of the edges that are ±1, where some are."""
PROOF_SECONDS = 20.0
PROOF_GOALS = {40: 1.0, 60: 0.9, 80: 0.5, 100: 0.25}
"""Share of the graphs of n intermediate vertices that is to be proven optimal."""


def proof_rate(effort: Effort, n: int, block: bool, units: bool) -> Iterator[Figure]:
    """The share of random graphs of n intermediate vertices that is proven optimal, each within the same time.

    A small sample takes every other family, beginning at another one for each kind of graph; a larger one takes all
    families, and then the next seed.
    """
    goal, n = PROOF_GOALS[n], effort.sized(n)
    proven, notes = 0, []
    for i in range(effort.samples):
        place = i * 2 + (block != units) if effort.samples <= len(FAMILIES) // 2 else i
        family, seed = list(FAMILIES)[place % len(FAMILIES)], place // len(FAMILIES)
        instance = make(family, n, block, seed)
        if units:
            instance = with_unit_edges(instance, UNIT_SHARE)
        result = plan(dag_problem(instance, units), budget=effort.within(PROOF_SECONDS))
        proven += result.gap == 0
        notes.append(f"{family} {_how_far(result)}")
    yield Figure(
        f"proven of n = {n} within {effort.within(PROOF_SECONDS):g} s, {'block' if block else 'scalar'}, "
        f"{'two edges in five' if units else 'no edge'} ±1",
        proven / effort.samples,
        goal,
        "share",
        at_least=True,
        samples=effort.samples,
        note=", ".join(notes),
    )


def _how_far(result: Result) -> str:
    """What a search came to, in a word or two: the seconds to the proof, or the gap."""
    gap = result.gap
    return f"{result.seconds:.2g} s" if gap == 0 else "no bound" if gap is None else f"gap {gap:.1%}"


def economy(effort: Effort) -> Iterator[Figure]:
    """The seconds until the model of an economy is proven."""
    size = effort.sized(300)
    result = plan(economics(size), budget=effort.within(PROOF_SECONDS))
    what = f"planning 14 intermediates with banded and dense blocks of {size}, to the proof"
    if result.gap != 0:
        yield Figure(what, None, 0.3, "s", status=f"not proven: {_how_far(result)}")
    else:
        yield Figure(what, result.seconds, 0.3, "s", note=f"{result.price:,} fma")


def published_gap(effort: Effort, name: str) -> Iterator[Figure]:
    """The gap of a published graph."""
    problem = _named(published_dags(), name).make()
    yield _gap(
        f"gap of {name} within {effort.within(PROOF_SECONDS):g} s",
        [plan(problem, budget=effort.within(PROOF_SECONDS))],
        0.05,
    )


def stored_gaps(effort: Effort, n: int, seconds: float, goal: float) -> Iterator[Figure]:
    """The mean gap of the stored graphs of n vertices, or of those made on the spot."""
    n = n if effort.full else 30
    chosen = [instance for instance in random_dags() if instance.n == n][: None if effort.full else 2]
    results = [plan(instance.make(), budget=effort.within(seconds)) for instance in chosen]
    notes = [f"{i.name} {_how_far(r)}" for i, r in zip(chosen, results, strict=True)]
    yield _gap(
        f"gap of graphs of {n:,} vertices within {effort.within(seconds):g} s, mean", results, goal, ", ".join(notes)
    )


def _gap(what: str, results: list[Result], goal: float, note: str = "") -> Figure:
    """The mean gap of results; one without a bound has a gap of 1."""
    gaps = [1.0 if r.gap is None else r.gap for r in results]
    if not note:
        note = f"{results[0].price:,} fma, bound {results[0].bound:,}"
    return Figure(what, sum(gaps) / len(gaps), goal, "share", samples=len(gaps), note=note)


def _named(instances: list[DagInstance], name: str) -> DagInstance:
    for instance in instances:
        if instance.name == name:
            return instance
    raise LookupError(f"{name} is not there; the published graphs are in the folder that CHAINPLAN_DATA names")


def cost_in_less(effort: Effort, name: str, before: int, seconds: float = 10.0) -> Iterator[Figure]:
    """The cost that a search reaches, over `before`, which once took a minute."""
    result = plan(_named(random_dags(larger=()), name).make(), budget=effort.within(seconds))
    assert result.price is not None
    what = (
        f"cost of {name} within {effort.within(seconds):g} s, over {before:,} fma that an earlier version found in 60 s"
    )
    note = f"{result.price:,} fma, {_how_far(result)}"
    yield Figure(what, result.price / before, 1.0, "times", note=note)


def huge(effort: Effort) -> Iterator[Figure]:
    """Time and memory of planning a graph of 100,000 vertices, the graph included in the memory."""
    n = effort.sized(100_000)
    problem = dag_problem(make("degree", n, False))
    start = perf_counter()
    result = plan(problem, budget=effort.within(PROOF_SECONDS / 4))
    yield Figure(
        f"planning {n:,} scalar vertices (degree)", perf_counter() - start, 15.0, "s", note=f"{_how_far(result)}"
    )
    yield Figure(f"memory of planning {n:,} scalar vertices (degree)", peak_memory() / 1024, 1024.0, "MiB")


def small_cost(effort: Effort, problem: Problem, what: str, goal: int) -> Iterator[Figure]:
    """The cost of a small problem."""
    result = plan(problem, budget=effort.within(PROOF_SECONDS))
    note = f"bound {result.bound:,} within {result.within or 'nothing'}"
    yield Figure(what, float(result.price or 0), goal, "fma", note=note)
