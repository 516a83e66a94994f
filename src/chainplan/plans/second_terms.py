"""The terms of second derivatives as polynomials in labels: what `check` compares a plan with, for each block of H.

By the chain rule the second derivative of an output y is a sum of terms (Faà di Bruno): for each elemental, a path from
its target to y, its own second derivative, and two paths to its source, one from each input. A second derivative by two
arguments stands in two terms of each kind, because either path may be the one on the left. An elemental has four
labels: one for its own second derivative and one for its Jacobian on each of the three kinds of paths. The two kinds
of paths to the source need labels of their own, because a plan that counts the paths (P, Q) twice and (Q, P) not at all
has the same sum of products otherwise, and is wrong wherever the result is not symmetric. First-order blocks hold their
sum of paths three times, once for each kind, because a block that is made once may be read by contractions of any side.

Whatever a plan does, one walk multiplies labels; the other, which it is compared with, sums them along the graph in
one pass and knows no plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeVar

from chainplan.plans.steps import Add, Contract, Exchange, LoadSecond, Plan
from chainplan.problem.graph import Graph
from chainplan.structures.second import Side

PathLabels = Mapping[str, int]
"""The label of each elemental's Jacobian on one kind of paths."""


class TermLabels(NamedTuple):
    """The labels of all elementals: on paths from the target, on both kinds to the source, of second derivatives."""

    rows: PathLabels
    left: PathLabels
    right: PathLabels
    own: PathLabels


class HeldPaths(NamedTuple):
    """What each first-order step holds on each kind of paths, and nothing for the steps of second order."""

    rows: Sequence[int]
    left: Sequence[int]
    right: Sequence[int]


def held_terms(plan: Plan, paths: HeldPaths, own: PathLabels, prime: int) -> dict[int, int]:
    """Return what each second-order step of a plan holds: its terms, as a number modulo a prime.

    Beside it goes what its block with exchanged column sides holds, because an exchange asks for that.
    """
    held: dict[int, tuple[int, int]] = {}
    for position, step in enumerate(plan.steps):
        if type(step) is LoadSecond:
            held[position] = own[step.elemental], own[step.elemental]
        elif type(step) is Exchange:
            held[position] = held[step.second][::-1]
        elif type(step) is Contract:
            onto = (0, 0) if step.onto is None else held[step.onto]
            made = _contracted(held[step.second], step, paths, prime)
            held[position] = (made[0] + onto[0]) % prime, (made[1] + onto[1]) % prime
        elif type(step) is Add and step.left in held:
            (one, turned), (other, also) = held[step.left], held[step.right]
            held[position] = (one + other) % prime, (turned + also) % prime
    return {position: value for position, (value, _) in held.items()}


def _contracted(held: tuple[int, int], step: Contract, paths: HeldPaths, prime: int) -> tuple[int, int]:
    """Multiply the labels of paths onto terms, and the labels of the other kind of paths onto the exchanged ones."""
    rows, left, right = (along[step.block] for along in paths)
    factors = {
        Side.ROWS: (rows, rows),
        Side.LEFT: (left, right),
        Side.RIGHT: (right, left),
        Side.BOTH: (left * right, left * right),
    }
    one, other = factors[step.side]
    return held[0] * one % prime, held[1] * other % prime


def substituted_terms(
    graph: Graph, labels: TermLabels, left: Mapping[str, int], right: Mapping[str, int], prime: int
) -> dict[str, int]:
    """Sum the terms at each vertex, of inputs with these weights on the left and on the right, in one pass."""
    near, far, terms = dict(left), dict(right), dict[str, int]()
    pairs, leading = _grouped(graph.mixed, attrgetter("target")), _grouped(graph.by_source, attrgetter("source"))
    for vertex in graph.order:
        for pair in pairs.get(vertex, ()):
            crossed = near.get(pair.left, 0) * far.get(pair.right, 0) + near.get(pair.right, 0) * far.get(pair.left, 0)
            terms[vertex] = (terms.get(vertex, 0) + labels.own[pair.name] * (crossed % prime)) % prime
        for e in leading.get(vertex, ()):
            one, other = near.get(vertex, 0), far.get(vertex, 0)
            fresh = terms.get(vertex, 0) * labels.rows[e.name] + labels.own[e.name] * one % prime * other
            terms[e.target] = (terms.get(e.target, 0) + fresh) % prime
            near[e.target] = (near.get(e.target, 0) + one * labels.left[e.name]) % prime
            far[e.target] = (far.get(e.target, 0) + other * labels.right[e.name]) % prime
    return terms


Grouped = TypeVar("Grouped")


def _grouped(items: Iterable[Grouped], key: Callable[[Grouped], str]) -> dict[str, list[Grouped]]:
    """Group items by a key, in their order."""
    groups: dict[str, list[Grouped]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
