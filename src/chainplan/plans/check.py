"""Proves a plan right without trusting whoever made it.

A plan is right when every output block counts every path from its input to its output exactly once. Replay types each
block by its vertices, so each is a sum of products along paths; what is left to prove is that each path is counted
once. Every elemental gets a random label from a finite field, the labels run along the plan, and the outputs are
compared with forward substitution on the graph. Products with vectors are compared alike: each vector has a random
label too, and set-up and program together must give what substitution on the graph gives from these. Two different sums
of paths are different polynomials in the labels, so a wrong plan passes with a probability of at most 17/16 · (longest
path, with its vector) / p (Schwartz 1980, Zippel 1979), p about 2^60. The 17/16 is for labels that are words of 64
random bits modulo p - 1, of which none has a probability of more than ceil(2^64 / (p - 1)) / 2^64. A seed counts as the
identity that it compresses; a check of its own proves that its colours bring back every nonzero. The terms of second
derivatives are compared alike (see `second_terms`), with a degree of at most twice the longest path and three more.

The field is GF(p) for a prime p drawn anew for each check rather than the fixed GF(2^61 - 1): a plan that adds a block
to itself 61 times multiplies it by 2^61, which *is* 1 in that field.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from chainplan._util.gc_pause import uncollected
from chainplan.errors import PlanError
from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates
from chainplan.plans.places import BlockPlaces
from chainplan.plans.program_replay import ProgramReplay
from chainplan.plans.replay import Replay, colouring_of
from chainplan.plans.second_colours import SecondColours, TakenSides, second_misfit
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.second_terms import HeldPair, HeldPaths, TermLabels, held_terms, substituted_terms
from chainplan.plans.state_steps import STATE_STEP_KINDS, Advance, Read, Restore, Store, Write
from chainplan.plans.states import spans
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Decompress,
    Direction,
    Interpreter,
    Load,
    Multiply,
    Plan,
    Planned,
    ProductProgram,
    Propagate,
    Seed,
    plan_of,
)
from chainplan.plans.typed import VECTOR_SIDE
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem, problem_of
from chainplan.problem.products import SIDES
from chainplan.problem.second import SecondOrder
from chainplan.structures.second import Side

_FIELD_BITS = 60
"""Python holds numbers of up to so many bits in two words, and multiplies them faster than longer ones."""


def check(plan: Plan | Planned, problem: Problem | None = None, cost: CostModel = FMA) -> Replay:
    """Prove that a plan computes the Jacobian of its graph and keeps the limits of `problem`.

    Parameters
    ----------
    plan : Plan | Planned
        The plan, whoever made it, or what holds one: a `Result`, a plan file that was read.
    problem : Problem | None
        The problem that the plan should solve; None takes the graph of the plan, without limits.
    cost : CostModel
        The prices of the steps.

    Returns
    -------
    Replay
        The blocks, prices and peak of the plan.

    Raises
    ------
    PlanError
        Where the plan is wrong: a step, an output, a path counted wrongly, or a limit that is exceeded.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> problem = chainplan.chain([2, 3, 4])
    >>> check(chainplan.plan(problem).plan, problem).total
    24
    """
    return prove(Candidate(plan_of(plan), cost), None if problem is None else problem_of(problem)).priced


def prove(candidate: Candidate, problem: Problem | None) -> Candidate:
    """Prove a candidate as `check` proves a plan, and return it on the graph of the problem; its replay is used again.

    Raises
    ------
    PlanError
        Where the plan is wrong, as in `check`.
    """
    plan = candidate.plan
    if problem is not None and problem.graph is not plan.graph:
        plan = replace(plan, graph=problem.graph)
        candidate = Candidate(plan, candidate.cost)
    if problem is not None:
        _check_states(plan, problem)
    _check_colours(plan, candidate.replay)
    _check_outputs(plan)
    _check_programs(plan, problem)
    with uncollected():
        twice = _of_second_order(plan, problem)
        for program in candidate.replay.programs:
            if twice:
                _check_second_products(plan, program)
            else:
                _check_products(plan, program.program)
        if not plan.programs and (plan.outputs or not twice):
            _check_paths(plan)
        if not plan.programs and twice:
            _check_terms(plan)
    limit = None if problem is None else problem.memory
    if limit is not None and candidate.peak > limit:
        found = f"{candidate.replay.peak_place}: {candidate.peak:,} elements are alive"
        raise PlanError(f"{found}; expected at most limits.memory = {limit:,}.")
    disk = None if problem is None else problem.disk
    if disk is not None and candidate.replay.disk > disk:
        raise PlanError(f"the states on disk take {candidate.replay.disk:,} elements; expected at most {disk:,}.")
    return candidate


def _check_states(plan: Plan, problem: Problem) -> None:
    """Refuse a plan that evaluates states although the problem gives them, or the other way round, or needs a disk."""
    if problem.recompute:
        on_disk = next((span.first for span in spans(plan) if span.on_disk), None)
        if on_disk is not None and problem.disk is None:
            raise PlanError(
                f"step {on_disk}: a state is written to disk, but limits.disk is not set; expected a plan "
                "that holds its states in memory. Set it, or plan again."
            )
        return
    if evaluates(plan.steps):
        moved = next(position for position, step in enumerate(plan.steps) if type(step) in STATE_STEP_KINDS)
        raise PlanError(
            f"step {moved}: a state is moved, but limits.recompute is not set, so that states are given; expected a "
            "plan without state steps. Set it, or plan again."
        )


def _check_colours(plan: Plan, replayed: Replay) -> None:
    """Refuse colours unless every nonzero of what they compress comes back."""
    for position, step in enumerate(plan.steps):
        if type(step) is Decompress:
            from chainplan.colouring import misfit

            block = replayed.blocks[position].block
            wrong = misfit(block.structure.pattern(block.rows, block.cols), colouring_of(plan, replayed, step))
            if wrong:
                raise PlanError(f"step {position}: {wrong} Colour the pattern anew.")
        elif type(step) is ApplySecond:
            own = plan.graph.own_second(step.elemental)
            assert own is not None, "replay refuses other names"
            rows, left, right = (None if arg is None else 1 for arg in step[2:5])
            colours = SecondColours(step.row_colours, step.colours)
            wrong = second_misfit(own.block, step.mode, TakenSides(rows, left, right), colours)
            if wrong:
                raise PlanError(f"step {position}: {wrong} Colour the pattern anew.")


def _check_outputs(plan: Plan) -> None:
    seen = set[tuple[str, ...]]()
    pairs = ((output.output, output.input) for output in plan.outputs)
    for key in (*pairs, *((output.output, output.left, output.right) for output in plan.second_outputs)):
        if key in seen:
            raise PlanError(f"output ({', '.join(map(repr, key))}): listed twice; expected once.")
        seen.add(key)


def _of_second_order(plan: Plan, problem: Problem | None) -> bool:
    """Say whether a plan is one for second derivatives, which it is where a problem asks for them."""
    if problem is not None and plan.second != problem.second:
        found = "the Jacobian" if plan.second is None else f"{plan.second}"
        expected = "the Jacobian" if problem.second is None else f"{problem.second}"
        raise PlanError(f"plan: found one for {found}; expected one for {expected}, which is asked for. Plan again.")
    return plan.second is not None


def _check_paths(plan: Plan) -> None:
    """Compare the plan with forward substitution, for all inputs in one pass, and input by input where that fails."""
    prime = _random_prime()
    labels = _labels(plan.graph, prime)
    weights = {source: 1 + secrets.randbelow(prime - 1) for source in plan.graph.inputs}
    along = _carry(plan, labels, prime)
    if _differs(plan, labels, weights, along, prime):
        for source in plan.graph.inputs:
            output = _differs(plan, labels, {source: 1}, along, prime)
            if output:
                raise PlanError(
                    f"output ('{output}', '{source}'): the plan does not count every path exactly once; expected "
                    f"the sum over all paths from '{source}' to '{output}'. It is not the Jacobian."
                )


def _check_terms(plan: Plan) -> None:
    """Compare the blocks of the second derivative with substitution, for all pairs of inputs at once.

    Where they differ the sum over the inputs on the left differs for one of them, and then that over the right, so that
    a wrong pair is found side after side.
    """
    prime, graph, asked = _random_prime(), plan.graph, plan.second or SecondOrder()
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
    paths = HeldPaths(*(_carry(plan, one, prime, weights=vectors, given=given) for one in labels[:3]))
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
    return TermLabels(_labels(graph, prime), _labels(graph, prime), _labels(graph, prime), own)


def _given_labels(graph: Graph, prime: int) -> dict[tuple[str, Side], int]:
    """Draw the labels of weights and directions."""
    return {(v, side): 1 + secrets.randbelow(prime - 1) for v in (*graph.inputs, *graph.outputs) for side in Side}


def _check_second_products(plan: Plan, replayed: ProgramReplay) -> None:
    """Compare a program of products of a second derivative with substitution, where each vector has random entries."""
    prime, graph, program = _random_prime(), plan.graph, replayed.program
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


def _check_programs(plan: Plan, problem: Problem | None) -> None:
    """Refuse programs that are not those of the products that a problem asks for, or that stand beside outputs."""
    if plan.programs and plan.ends:
        raise PlanError(
            f"outputs: found {len(plan.ends)} beside programs; expected none, because a plan gives either the "
            "derivative or its products. Plan again."
        )
    products = None if problem is None else problem.products
    if problem is not None and (products is None) != (not plan.programs):
        found, expected = ("programs of products", "outputs") if plan.programs else ("no programs", "those of products")
        raise PlanError(f"programs: found {found}; expected {expected}, for which the problem asks. Plan again.")
    for mode, times in () if products is None else products.sides():
        program = plan.program(mode)
        if times and program is None:
            raise PlanError(f"programs: found none of the side '{SIDES[mode]}'; expected one for {times:,} products.")
        if program is not None and program.times != times:
            found_times = f"found {program.times:,} products {program.name}"
            raise PlanError(f"programs: {found_times}; expected {times:,}, for which the problem asks. Plan again.")


def _check_products(plan: Plan, program: ProductProgram) -> None:
    """Compare a program with substitution on the graph, where every vector has random entries."""
    prime = _random_prime()
    labels = _labels(plan.graph, prime)
    tangent = program.mode is Mode.TANGENT
    starts = plan.graph.inputs if tangent else plan.graph.outputs
    weights = {vertex: 1 + secrets.randbelow(prime - 1) for vertex in starts}
    along = _carry(plan, labels, prime, program, weights)
    expected = (_substitute if tangent else _substitute_back)(plan.graph, labels, weights, prime)
    claimed = {vertex: along[step] for vertex, step in program.results}
    for vertex in plan.graph.outputs if tangent else plan.graph.inputs:
        if (claimed.get(vertex, 0) - expected.get(vertex, 0)) % prime:
            raise PlanError(
                f"program {program.name}, at '{vertex}': set-up and program together do not count every path exactly "
                f"once; expected the sum over all paths to or from '{vertex}'. It is not the product."
            )


def _differs(
    plan: Plan, labels: Mapping[str, int], weights: Mapping[str, int], along: Sequence[int], prime: int
) -> str | None:
    """Return the first output whose weighted sum over the inputs differs from forward substitution, or None."""
    claimed = dict.fromkeys(plan.graph.outputs, 0)
    for output, source, step in plan.outputs:
        claimed[output] += weights.get(source, 0) * along[step]
    expected = _substitute(plan.graph, labels, weights, prime)
    return next((o for o in plan.graph.outputs if (claimed[o] - expected.get(o, 0)) % prime), None)


def _labels(graph: Graph, prime: int) -> dict[str, int]:
    """Draw the label of each elemental, 0 for one without entries."""
    words = array("Q", secrets.token_bytes(8 * len(graph.elementals)))
    return {
        e.name: 0 if e.block.structure.name == "zero" or not e.block.rows * e.block.cols else 1 + word % (prime - 1)
        for e, word in zip(graph.elementals, words, strict=True)
    }


def _carry(
    plan: Plan,
    labels: Mapping[str, int],
    prime: int,
    program: ProductProgram | None = None,
    weights: Mapping[str, int] | None = None,
    given: Mapping[tuple[str, Side], int] | None = None,
) -> Sequence[int]:
    """Carry the labels through the steps of a plan and of a program, with those of vectors and of what is given."""
    steps = plan.steps if program is None else (*plan.steps, *program.steps)
    carried = _Labels(labels, prime, BlockPlaces(plan.graph, steps), weights or {}, given or {})
    for step in steps:
        carried.held.append(step.accept(carried))
    return carried.held


class _Labels(Interpreter[int]):
    """What a step's block holds: the sum over paths of the products of labels, modulo a prime.

    A block that stands again elsewhere holds what its steps would make of the labels there. So labels stay independent,
    and two products of the same elementals in another order, or on other paths, are never taken for one another.
    """

    def __init__(
        self,
        labels: Mapping[str, int],
        prime: int,
        places: BlockPlaces,
        weights: Mapping[str, int],
        given: Mapping[tuple[str, Side], int],
    ) -> None:
        self.held = array("Q")
        self._given = given
        self._labels, self._prime, self._places, self._weights = labels, prime, places, weights
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}

    def load(self, step: Load) -> int:
        return self._labels[step.elemental]

    def accumulate(self, step: Accumulate) -> int:
        return self._labels[step.elemental]

    def propagate(self, step: Propagate) -> int:
        return self._labels[step.elemental] * self.held[step.arg] % self._prime

    def multiply(self, step: Multiply) -> int:
        left, right, onto = step
        held = self.held
        return (held[left] * held[right] + (0 if onto is None else held[onto])) % self._prime

    def add(self, step: Add) -> int:
        return (self.held[step.left] + self.held[step.right]) % self._prime

    def seed(self, step: Seed) -> int:
        return 1

    def decompress(self, step: Decompress) -> int:
        sums = {self.held[arg] for arg in step.operands()}
        if len(sums) > 1:
            text = "its tangent and its adjoint are compressions of two different sums of paths"
            raise PlanError(f"step {len(self.held)}: {text}; expected the same.")
        return sums.pop()

    def direction(self, step: Direction) -> int:
        return self._weights[step.vertex]

    def again(self, step: Again) -> int:
        moved = self._places.moved(len(self.held))
        assert moved is not None, "replay refuses a block without a place"
        return self._elsewhere(step.arg, {name: self._labels[there] for name, there in moved.items()})

    def _elsewhere(self, position: int, labels: Mapping[str, int]) -> int:
        """Return what a step holds where the elementals in it have these labels."""
        key = position, tuple(labels[name] for name in self._places.made_of(position))
        if key not in self._known:
            moved = _MovedLabels(self, labels)
            for place in self._places.steps_of(position):
                moved.at = place
                moved.held[place] = self._places.steps[place].accept(moved)
            self._known[key] = moved.held[position]
        return self._known[key]

    def load_second(self, step: LoadSecond) -> int:
        return 0

    def apply_second(self, step: ApplySecond) -> int:
        return 0

    def contract(self, step: Contract) -> int:
        return 0

    def exchange(self, step: Exchange) -> int:
        return 0

    def given(self, step: Given) -> int:
        return self._given[step.vertex, step.side]

    def advance(self, step: Advance) -> int:
        return 0

    def store(self, step: Store) -> int:
        return 0

    def restore(self, step: Restore) -> int:
        return 0

    def write(self, step: Write) -> int:
        return 0

    def read(self, step: Read) -> int:
        return 0


class _MovedLabels(_Labels):
    """What the steps of one block hold where its elementals have other labels."""

    held: dict[int, int]  # type: ignore[assignment]

    def __init__(self, whole: _Labels, labels: Mapping[str, int]) -> None:
        self.held, self.at = {}, 0
        self._labels, self._prime, self._places, self._known = labels, whole._prime, whole._places, whole._known
        self._weights, self._given = whole._weights, whole._given

    def again(self, step: Again) -> int:
        moved = self._places.moved(self.at) or {}
        return self._elsewhere(step.arg, {name: self._labels[there] for name, there in moved.items()})


def _substitute(graph: Graph, labels: Mapping[str, int], weights: Mapping[str, int], prime: int) -> dict[str, int]:
    """Sum the products of labels over all paths from the weighted inputs to each output, in one pass over the edges.

    What leads to a vertex is dropped when the edges from it have taken it on.
    """
    held, outputs = dict(weights), frozenset(graph.outputs)
    for source, edges in groupby(graph.by_source, attrgetter("source")):
        value = held.get(source) if source in outputs else held.pop(source, None)
        if value is not None:
            for e in edges:
                held[e.target] = (held.get(e.target, 0) + value * labels[e.name]) % prime
    return held


def _substitute_back(graph: Graph, labels: Mapping[str, int], weights: Mapping[str, int], prime: int) -> dict[str, int]:
    """Sum the products of labels over all paths from each input to the weighted outputs, in one pass over the edges."""
    held = dict(weights)
    for e in reversed(graph.by_source):
        held[e.source] = (held.get(e.source, 0) + held.get(e.target, 0) * labels[e.name]) % prime
    return held


def _random_prime() -> int:
    """Draw a random prime of `_FIELD_BITS` bits."""
    while True:
        candidate = secrets.randbits(_FIELD_BITS) | 1 << (_FIELD_BITS - 1) | 1
        if _is_prime(candidate):
            return candidate


def _is_prime(n: int) -> bool:
    """Decide primality by Miller-Rabin with the first twelve primes, exact below 3·10^23 (Sorenson & Webster 2017)."""
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
    if any(n % b == 0 for b in bases):
        return n in bases
    s = (n - 1 & 1 - n).bit_length() - 1
    for b in bases:
        x = pow(b, n - 1 >> s, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True
