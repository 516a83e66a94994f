"""The terms of second derivatives as polynomials in labels: what `check` compares a plan with, for each block of H.

By the chain rule the second derivative of an output y is a sum of terms (Faà di Bruno): for each elemental, a path from
its target to y, its own second derivative, and two paths to its source, one from each input. A second derivative by two
arguments stands in two terms of each kind, because either path may be the one on the left. An elemental has four
labels: one for its own second derivative and one for its Jacobian on each of the three kinds of paths. The two kinds
of paths to the source need labels of their own, because a plan that counts the paths (P, Q) twice and (Q, P) not at all
has the same sum of products otherwise, and is wrong wherever the result is not symmetric. First-order blocks hold their
sum of paths three times, once for each kind, because a block that is made once may be read by contractions of any side.

In the programs of products the vector is on the paths to the right side. Once it has met a second derivative, what is
left is the row of a product, and first-order blocks carry that on along the paths to the left side.

Whatever a plan does, one walk multiplies labels; the other, which it is compared with, sums them along the graph in
one pass and knows no plan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeVar

from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, LoadSecond
from chainplan.plans.steps import Add, Again, Multiply, Propagate, Step
from chainplan.problem.graph import Graph, Mode
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


HeldPair = tuple[int, int]
"""The terms of a block, and those of the block with its column sides exchanged."""


def held_terms(
    steps: Sequence[Step],
    labels: TermLabels,
    paths: HeldPaths,
    prime: int,
    elsewhere: Callable[[int], HeldPair],
    columns: Collection[int] = (),
) -> dict[int, HeldPair]:
    """Return what each step holds of terms: those of second order, and the rows of products made from them.

    Beside it goes what a block with exchanged column sides holds, because an exchange asks for that. `elsewhere` says
    what a block holds that stands again. The vector of a product is in the steps `columns`.
    """
    held: dict[int, HeldPair] = {}
    for position, step in enumerate(steps):
        again = isinstance(step, Again) and step.arg in held
        made = elsewhere(position) if again else _made(step, held, labels, paths, columns)
        if made is None:
            continue
        onto = step.onto if isinstance(step, Contract | Multiply) else None
        more = (0, 0) if onto is None else held[onto]
        held[position] = (made[0] + more[0]) % prime, (made[1] + more[1]) % prime
    return held


def _made(
    step: Step, held: Mapping[int, HeldPair], labels: TermLabels, paths: HeldPaths, columns: Collection[int]
) -> HeldPair | None:
    """Return the terms that a step makes of others, without what it adds them onto; None where it makes none."""
    match step:
        case LoadSecond(name):
            return labels.own[name], labels.own[name]
        case ApplySecond():
            return _applied(step, labels.own[step.elemental], paths)
        case Exchange(second):
            return held[second][::-1]
        case Contract(second, block, side) if block in columns:
            one, turned = held[second]
            return (one if side is Side.RIGHT else turned) * paths.right[block], 0
        case Contract():
            return _contracted(held[step.second], step, paths)
        case Add(left, right) if left in held:
            return held[left][0] + held[right][0], held[left][1] + held[right][1]
        case Multiply(left, right) if left in held:
            return held[left][0] * paths.left[right], 0
        case Multiply(left, right) if right in held:
            return paths.rows[left] * held[right][0], 0
        case Propagate(name, arg, mode) if arg in held:
            return (labels.left if mode is Mode.ADJOINT else labels.rows)[name] * held[arg][0], 0
    return None


def _applied(step: ApplySecond, own: int, paths: HeldPaths) -> HeldPair:
    """Multiply the labels of the paths on all sides onto that of a second derivative."""
    held, turned = own, own
    sides = (step.on_rows, paths.rows, paths.rows), (step.on_left, *paths[1:]), (step.on_right, *paths[:0:-1])
    for arg, along, across in sides:
        if arg is not None:
            held, turned = held * along[arg], turned * across[arg]
    return held, turned


def _contracted(held: HeldPair, step: Contract, paths: HeldPaths) -> HeldPair:
    """Multiply the labels of paths onto terms, and the labels of the other kind of paths onto the exchanged ones."""
    rows, left, right = (along[step.block] for along in paths)
    factors = {
        Side.ROWS: (rows, rows),
        Side.LEFT: (left, right),
        Side.RIGHT: (right, left),
        Side.BOTH: (left * right, left * right),
    }
    one, other = factors[step.side]
    return held[0] * one, held[1] * other


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
