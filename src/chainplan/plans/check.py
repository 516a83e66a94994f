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
derivatives are compared alike (see `second_check`), with a degree of at most twice the longest path and three more.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from chainplan._util.gc_pause import uncollected
from chainplan.errors import PlanError
from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates
from chainplan.plans.path_labels import carried, drawn_labels, random_prime, substituted, substituted_back
from chainplan.plans.replay import Replay, colouring_of
from chainplan.plans.second_check import check_second_products, check_terms
from chainplan.plans.second_colours import SecondColours, TakenSides, second_misfit
from chainplan.plans.second_steps import ApplySecond
from chainplan.plans.state_steps import STATE_STEP_KINDS
from chainplan.plans.states import spans
from chainplan.plans.steps import Decompress, Plan, Planned, ProductProgram, plan_of
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem, problem_of
from chainplan.problem.products import SIDES


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
                check_second_products(plan, program)
            else:
                _check_products(plan, program.program)
        if not plan.programs and (plan.outputs or not twice):
            _check_paths(plan)
        if not plan.programs and twice:
            check_terms(plan)
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
    prime = random_prime()
    labels = drawn_labels(plan.graph, prime)
    weights = {source: 1 + secrets.randbelow(prime - 1) for source in plan.graph.inputs}
    along = carried(plan, labels, prime)
    if _differs(plan, labels, weights, along, prime):
        for source in plan.graph.inputs:
            output = _differs(plan, labels, {source: 1}, along, prime)
            if output:
                raise PlanError(
                    f"output ('{output}', '{source}'): the plan does not count every path exactly once; expected "
                    f"the sum over all paths from '{source}' to '{output}'. It is not the Jacobian."
                )


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
    prime = random_prime()
    labels = drawn_labels(plan.graph, prime)
    tangent = program.mode is Mode.TANGENT
    starts = plan.graph.inputs if tangent else plan.graph.outputs
    weights = {vertex: 1 + secrets.randbelow(prime - 1) for vertex in starts}
    along = carried(plan, labels, prime, program, weights)
    expected = (substituted if tangent else substituted_back)(plan.graph, labels, weights, prime)
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
    expected = substituted(plan.graph, labels, weights, prime)
    return next((o for o in plan.graph.outputs if (claimed[o] - expected.get(o, 0)) % prime), None)
