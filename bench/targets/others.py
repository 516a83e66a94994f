"""Targets on functions of JAX, on schedules and on graphs with matrix-free elementals."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench.instances.graphs import matrix_free_dags
from bench.limits import matrix_free_chain
from bench.markdown import geometric_mean
from bench.rows import ratio
from bench.targets.target import Effort, Figure
from chainplan.planner import plan
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.schedule.best import best_schedule
from chainplan.solvers.search.search import Search
from chainplan.structures import DENSE, Block
from chainplan.structures.explicit import Explicit
from generators.chains import drawn_pattern
from generators.graphs import bottleneck_with_skip

SEARCH_SECONDS = 10.0


def function_bound(effort: Effort, name: str, goal: int) -> Iterator[Figure]:
    """The bound of the linearised graph of a function in JAX."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    from bench.instances.functions import FUNCTIONS
    from chainplan.jax import linearised_graph

    jax.config.update("jax_enable_x64", True)
    function = FUNCTIONS[name]
    problem = linearised_graph(function.call, *function.arguments, argnums=function.argnums)
    result = plan(problem, budget=effort.within(SEARCH_SECONDS))
    note = f"{result.price:,} fma, {result.status.value} within {result.within or 'nothing'}, {result.seconds:.2g} s"
    yield Figure(f"bound of {name}", result.bound, goal, "fma", at_least=True, note=note)


def schedules(effort: Effort, q: int, machines: int = 4, chains: int = 2) -> Iterator[Figure]:
    """The mean gap of schedules of matrix-free chains of q elementals to the bound on the schedules of all plans."""
    q, gaps, notes = effort.sized(q), list[float](), []
    for number in range(1, chains + 1):
        problem = matrix_free_chain(number, q)
        search = Search(budget=effort.within(SEARCH_SECONDS))
        best, _ = best_schedule(problem, SOLVERS["auto"].solve(problem, Search()), machines, search, replan=True)
        gaps.append(1 - best.bound.value / best.makespan)
        notes.append(f"{problem.name}: {best.makespan:,}, bound {best.bound.value:,}")
    what = f"gap of schedules of q = {q} on {machines} machines within {effort.within(SEARCH_SECONDS):g} s, mean"
    yield Figure(what, sum(gaps) / len(gaps), 0.01, "share", samples=len(gaps), note="; ".join(notes))


def skip(effort: Effort, target: str, goal: int) -> Iterator[Figure]:
    """The cost of a matrix-free chain with a bottleneck and an elemental around it."""
    result = plan(bottleneck_with_skip(target), budget=effort.within(SEARCH_SECONDS))
    note = f"bound {result.bound:,} within {result.within or 'nothing'}"
    what = f"cost of the bottleneck of 2 with a diagonal elemental from x to {target}"
    yield Figure(what, float(result.price or 0), goal, "fma", note=note)


def simulations(effort: Effort, seconds: float = 5.0) -> Iterator[Figure]:
    """Costs of the stored simulations with bottlenecks over the better of forward and reverse order."""
    chosen = matrix_free_dags()[: None if effort.full else effort.samples]
    results = [plan(instance.make(), budget=effort.within(seconds)) for instance in chosen]
    values = [ratio(result.price or 0, result.baselines.best) for result in results]
    name = f"cost of {len(chosen)} simulations within {effort.within(seconds):g} s each, over the better baseline"
    yield Figure(f"{name}: the greatest", max(values), 1.0, "times", samples=len(values))
    yield Figure(f"{name}: geometric mean", geometric_mean(values), 0.5, "times", samples=len(values))


def second_output(effort: Effort) -> Iterator[Figure]:
    """What a second output of the input costs a chain with one solve in it: nothing, if it is planned as a chain."""
    chain, graph = (plan(_with_solve(outputs), budget=effort.within(SEARCH_SECONDS)) for outputs in (1, 2))
    assert chain.price
    assert graph.price
    what = "cost of a chain with a solve and a second output, over that of the chain"
    note = f"{graph.price:,} fma, bound {graph.bound:,}, over {chain.price:,} fma"
    yield Figure(what, graph.price / chain.price, 1.0, "times", note=note)


def _with_solve(outputs: int) -> Problem:
    """x (10) → a (160) → r (24) → y (24) → c (1), where r → y is a solve; with two outputs, x → v (3) beside it."""
    elementals = [
        Elemental("a/x", "x", "a", Block(160, 10, Explicit(drawn_pattern("a/x", 160, 10, 0.1)))),
        Elemental("r/a", "a", "r", Block(24, 160, Explicit(drawn_pattern("r/a", 24, 160, 0.05)))),
        Elemental("solve", "r", "y", Block(24, 24), tangent=576, adjoint=576),
        Elemental("c/y", "y", "c", Block(1, 24)),
    ]
    sizes, ends = {"x": 10, "a": 160, "r": 24, "y": 24, "c": 1}, ["c"]
    if outputs == 2:
        elementals.append(Elemental("v/x", "x", "v", Block(3, 10, DENSE)))
        sizes, ends = {**sizes, "v": 3}, ["c", "v"]
    return Problem(Graph(sizes, ("x",), tuple(ends), tuple(elementals)), name=f"solve-{outputs}")
