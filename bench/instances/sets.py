"""The stored instances as problems, whatever they are: what the best known plans are kept for.

Only our own instances are among them; reference data stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.instances import stored_chains
from bench.instances.graphs import random_dags
from bench.instances.mixed import stored_mixed
from bench.planners import dense_chain
from chainplan.problem.problem import Problem


@dataclass(frozen=True)
class Stored:
    """A stored instance: n factors of a chain or intermediate vertices of another graph, and what makes its problem."""

    name: str
    family: str
    n: int
    make: Callable[[], Problem]


def chains() -> Iterator[Stored]:
    """Dense chains."""
    for chain in stored_chains():
        yield Stored(chain.name, chain.family, chain.n, partial(dense_chain, chain.sizes))


def mixed() -> Iterator[Stored]:
    """Chains of mixed structures."""
    for chain in stored_mixed():
        yield Stored(chain.name, "mixed", chain.n, chain.problem)


def dags() -> Iterator[Stored]:
    """Linearised DAGs of random families."""
    for graph in random_dags(larger=()):
        yield Stored(graph.name, graph.family, graph.n, graph.make)


SETS: dict[str, Callable[[], Iterator[Stored]]] = {"chains": chains, "structure": mixed, "dags-random": dags}
"""The sets by the suite that measures them."""
