"""The terms of second derivatives as polynomials in labels: what `check` compares a plan with, for each block of H.

By the chain rule the second derivative of an output y is a sum of terms (Faà di Bruno): for each elemental, a path from
its target to y, its own second derivative, and two paths to its source, one from each input. An elemental has four
labels: one for its own second derivative and one for its Jacobian on each of the three kinds of paths. The two kinds
of paths to the source need labels of their own, because a plan that counts the paths (P, Q) twice and (Q, P) not at all
has the same sum of products otherwise, and is wrong wherever the result is not symmetric. First-order blocks hold their
sum of paths three times, once for each kind, because a block that is made once may be read by contractions of any side.

Whatever a plan does, one walk multiplies labels; the other, which it is compared with, sums them along the graph in
one pass and knows no plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chainplan.plans.steps import Add, Contract, LoadSecond, Plan
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
    """Return what each second-order step of a plan holds: its terms, as a number modulo a prime."""
    held: dict[int, int] = {}
    for position, step in enumerate(plan.steps):
        if type(step) is LoadSecond:
            held[position] = own[step.elemental]
        elif type(step) is Contract:
            sides = {
                Side.ROWS: (paths.rows,),
                Side.LEFT: (paths.left,),
                Side.RIGHT: (paths.right,),
                Side.BOTH: (paths.left, paths.right),
            }
            value = held[step.second]
            for along in sides[step.side]:
                value = value * along[step.block] % prime
            held[position] = (value + (0 if step.onto is None else held[step.onto])) % prime
        elif type(step) is Add and step.left in held:
            held[position] = (held[step.left] + held[step.right]) % prime
    return held


def substituted_terms(
    graph: Graph, labels: TermLabels, left: Mapping[str, int], right: Mapping[str, int], prime: int
) -> dict[str, int]:
    """Sum the terms at each vertex, of inputs with these weights on the left and on the right, in one pass."""
    near, far, terms = dict(left), dict(right), dict[str, int]()
    for e in graph.by_source:
        one, other = near.get(e.source, 0), far.get(e.source, 0)
        fresh = terms.get(e.source, 0) * labels.rows[e.name] + labels.own[e.name] * one % prime * other
        terms[e.target] = (terms.get(e.target, 0) + fresh) % prime
        near[e.target] = (near.get(e.target, 0) + one * labels.left[e.name]) % prime
        far[e.target] = (far.get(e.target, 0) + other * labels.right[e.name]) % prime
    return terms
