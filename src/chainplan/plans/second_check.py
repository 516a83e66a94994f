"""Proves the terms of second derivatives, and of products with them: each is counted exactly once.

Labels of elementals run along the plan (`second_terms`), and what comes out is compared with substitution on the graph.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace

from chainplan.errors import PlanError
from chainplan.plans.path_labels import carried, drawn_labels, random_prime
from chainplan.plans.places import BlockPlaces
from chainplan.plans.program_replay import ProgramReplay
from chainplan.plans.second_terms import HeldPair, HeldPaths, TermLabels, held_terms, substituted_terms
from chainplan.plans.steps import Again, Plan
from chainplan.plans.typed import VECTOR_SIDE
from chainplan.problem.graph import Graph
from chainplan.problem.second import SecondOrder
from chainplan.structures.second import Side


def check_terms(plan: Plan) -> None:
    """Compare the blocks of the second derivative with substitution, for all pairs of inputs at once.

    Where they differ the sum over the inputs on the left differs for one of them, and then that over the right, so that
    a wrong pair is found side after side.
    """
    prime, graph, asked = random_prime(), plan.graph, plan.second or SecondOrder()
    labels, given = _term_labels(graph, prime), _given_labels(graph, prime)
    held = _held_terms(plan, labels, prime, {}, given)

    def wrong(left: Mapping[str, int], right: Mapping[str, int]) -> str | None:
        """Return the first output at which the terms of inputs with these weights differ."""
        starts = _aimed(left, Side.LEFT, asked.left, given), _aimed(right, Side.RIGHT, asked.right, given)
        expected = substituted_terms(graph, labels, *starts, prime)
        claimed = dict.fromkeys(graph.outputs, 0)
        for output, one, other, step in plan.second_outputs:
            claimed[output] += left.get(one, 0) * right.get(other, 0) * held[step][0]
        weight = {o: given[o, Side.ROWS] if asked.weights else 1 for o in graph.outputs}
        return next((o for o in graph.outputs if (claimed[o] - expected.get(o, 0) * weight[o]) % prime), None)

    lefts, rights = ({v: 1 + secrets.randbelow(prime - 1) for v in graph.inputs} for _ in range(2))
    if wrong(lefts, rights) is None:
        return
    left = next(v for v in graph.inputs if wrong({v: lefts[v]}, rights) is not None)
    right = next(v for v in graph.inputs if wrong({left: lefts[left]}, {v: rights[v]}) is not None)
    found = wrong({left: lefts[left]}, {right: rights[right]})
    raise PlanError(
        f"output ('{found}', '{left}', '{right}'): the plan does not count every term exactly once; "
        "expected for each elemental its second derivative, with every path behind it and every pair of paths "
        "before it. It is not the second derivative."
    )


def _held_terms(
    plan: Plan,
    labels: TermLabels,
    prime: int,
    vectors: Mapping[str, int],
    given: Mapping[tuple[str, Side], int],
    columns: Collection[int] = (),
) -> dict[int, HeldPair]:
    """Return what the steps of a plan hold of terms; a block that stands again, what its steps make of labels there."""
    paths = HeldPaths(*(carried(plan, one, prime, weights=vectors, given=given) for one in labels[:3]))
    places = BlockPlaces(plan.graph, plan.steps)

    def elsewhere(position: int) -> HeldPair:
        step, moved = plan.steps[position], places.moved(position)
        assert isinstance(step, Again), "only this step moves a block"
        assert moved is not None, "replay refuses a block without a place"
        made = places.steps_of(step.arg, behind=True)
        place = {old: new for new, old in enumerate(made)}
        inner = replace(plan, steps=tuple(plan.steps[at].renumbered(place) for at in made), second_outputs=())
        there = TermLabels(*({**one, **{name: one[other] for name, other in moved.items()}} for one in labels))
        return _held_terms(inner, there, prime, vectors, given)[place[step.arg]]

    return held_terms(plan.steps, labels, paths, prime, elsewhere, columns)


def _term_labels(graph: Graph, prime: int) -> TermLabels:
    """Draw the labels of all elementals and pairs of arguments, 0 for second derivatives without entries."""
    own = {name: 1 + secrets.randbelow(prime - 1) for name in (*graph.named, *(one.name for one in graph.mixed))}
    own |= dict.fromkeys((e.name for e in graph.elementals if not e.second_block.nnz), 0)
    own |= dict.fromkeys((one.name for one in graph.mixed if not one.block(graph.sizes).nnz), 0)
    return TermLabels(drawn_labels(graph, prime), drawn_labels(graph, prime), drawn_labels(graph, prime), own)


def _given_labels(graph: Graph, prime: int) -> dict[tuple[str, Side], int]:
    """Draw the labels of weights and directions."""
    return {(v, side): 1 + secrets.randbelow(prime - 1) for v in (*graph.inputs, *graph.outputs) for side in Side}


def check_second_products(plan: Plan, replayed: ProgramReplay) -> None:
    """Compare a program of products of a second derivative with substitution, where each vector has random entries."""
    prime, graph, program = random_prime(), plan.graph, replayed.program
    labels, given = _term_labels(graph, prime), _given_labels(graph, prime)
    vectors = {v: 1 + secrets.randbelow(prime - 1) for v in graph.inputs}
    blocks = enumerate(replayed.blocks, len(plan.steps))
    columns = {position for position, typed in blocks if typed.source == VECTOR_SIDE}
    whole = replace(plan, steps=(*plan.steps, *program.steps), programs=())
    held = _held_terms(whole, labels, prime, vectors, given, columns)
    claimed = {vertex: held[step][0] for vertex, step in program.results}
    weighted = plan.second is not None and plan.second.weights
    for vertex in graph.inputs:
        terms = substituted_terms(graph, labels, {vertex: 1}, vectors, prime)
        expected = sum(terms.get(o, 0) * (given[o, Side.ROWS] if weighted else 1) for o in graph.outputs)
        if (claimed.get(vertex, 0) - expected) % prime:
            raise PlanError(
                f"program {program.name}, at '{vertex}': set-up and program together do not count every term exactly "
                f"once; expected for each elemental its second derivative, with the weights behind it, the vector and "
                f"a path to '{vertex}' before it. It is not the product."
            )


def _aimed(
    weights: Mapping[str, int], side: Side, count: int | None, given: Mapping[tuple[str, Side], int]
) -> Mapping[str, int]:
    """Return the weights of inputs on a side, times the labels of the directions that come in there."""
    return weights if count is None else {v: weight * given[v, side] for v, weight in weights.items()}
