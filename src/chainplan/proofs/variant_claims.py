"""What a file of variants says of all sizes: each claim is derived again from the family and the orders of its plans.

An exact claim of one name is compared with the optimum as a function of the size, at every size at once. A factor is
derived again over the whole box, and is refuted by any sizes at which the best variant costs more than it allows.
"""

from __future__ import annotations

from math import inf
from time import monotonic

from chainplan.errors import PlanError
from chainplan.io.variants_file import SavedVariants, verify_variants
from chainplan.planner import plan
from chainplan.plans.classes import BRACKETINGS, misfit
from chainplan.plans.variants import Variants
from chainplan.proofs.verdict import ClaimFinding, ClaimStanding, ProofVerdict, refuted
from chainplan.solvers.sizes.boxes import prove_factor
from chainplan.solvers.sizes.graphs import PlannedSizes, prove_graph_factor
from chainplan.solvers.sizes.moves import ChainMoves, refusal
from chainplan.solvers.sizes.one_name import cheapest_throughout, enveloped, optimum
from chainplan.solvers.sizes.plan_orders import order_of
from chainplan.solvers.sizes.points import ROUNDING


def prove_variants_again(saved: SavedVariants, budget: float) -> ProofVerdict:
    """Prove the variants of a file and their figures, then judge what it claims of all sizes."""
    try:
        variants = verify_variants(saved)
        if variants.within is not None and misfit(variants.within, variants.family) is not None:
            raise PlanError(f"{saved.source}: guarantee.within: {misfit(variants.within, variants.family)}.")
    except PlanError as error:
        return refuted(error)
    if variants.guarantee is None or variants.within is None:
        return ProofVerdict((ClaimFinding(ClaimStanding.PROVEN, "nothing is claimed of what other plans cost"),))
    judge = _of_graph if refusal(variants.family) or variants.within != BRACKETINGS else _of_chain
    return ProofVerdict((judge(saved, variants, variants.guarantee, monotonic() + budget),))


def _of_chain(saved: SavedVariants, variants: Variants, factor: float, deadline: float) -> ClaimFinding:
    """Judge a claim by functions of the sizes."""
    family, ranges = variants.family, list(variants.family.ranges.values())
    moves = ChainMoves(family)
    try:
        orders = [order_of(moves, each) for each in variants.plans]
    except PlanError as error:
        return ClaimFinding(ClaimStanding.CLAIMED, f"{_said(variants)}: claimed by the file, not proven again: {error}")
    if variants.best and enveloped(moves):
        known = optimum(moves, ranges[0])
        for each in variants.best:
            if not cheapest_throughout(moves, orders[each.variant], known, each.first, each.last):
                claim = f"best claims variants[{each.variant}] from {each.first:,} to {each.last:,}"
                return ClaimFinding(ClaimStanding.REFUTED, f"{saved.source}: {claim}, but others cost less there.")
        return ClaimFinding(ClaimStanding.PROVEN, f"{_said(variants)}: proven again at every size")
    proven = prove_factor(moves, orders, ranges, lambda: monotonic() < deadline, claimed=factor)
    return _compared(
        saved, variants, factor, proven.factor, proven.met, dict(zip(family.names, proven.worst, strict=True))
    )


def _of_graph(saved: SavedVariants, variants: Variants, factor: float, deadline: float) -> ClaimFinding:
    """Judge a claim by planning at sizes: on a grid first, where a false factor shows most quickly."""
    share = (deadline - monotonic()) / 4
    planned = PlannedSizes(variants.family, lambda problem: plan(problem, budget=share), deadline)
    planned.on_grid(deadline - 2 * share)
    proven = inf
    if planned.worst(variants.plans)[0] <= factor * (1 + ROUNDING):
        proven, _ = prove_graph_factor(planned, variants.plans, factor)
    met, worst = planned.worst(variants.plans)
    return _compared(saved, variants, factor, proven, met, dict(zip(variants.family.names, worst, strict=True)))


def _compared(
    saved: SavedVariants, variants: Variants, factor: float, proven: float, met: float, worst: dict[str, int]
) -> ClaimFinding:
    """Compare a claimed factor with a proven one and with the largest quotient met."""
    if met > factor * (1 + ROUNDING):
        sizes = ", ".join(f"{name} = {size:,}" for name, size in worst.items())
        said = f"guarantee.factor is {factor}, but at {sizes} the best variant costs {met:.6g} times the cheapest plan."
        return ClaimFinding(ClaimStanding.REFUTED, f"{saved.source}: {said}")
    if proven <= factor:
        return ClaimFinding(ClaimStanding.PROVEN, f"{_said(variants)}: proven again")
    return ClaimFinding(
        ClaimStanding.CLAIMED, f"{_said(variants)}: claimed by the file, not proven again ({proven:.6g} is)"
    )


def _said(variants: Variants) -> str:
    if variants.exact:
        return f"the cheapest within {variants.within} at every size"
    return f"at most {variants.guarantee:.6g} times the cheapest within {variants.within} at every size"
