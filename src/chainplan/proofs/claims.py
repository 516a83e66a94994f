"""What a plan file says of other plans than its own: proven again, refuted, or left as its claim.

A file claims that no plan of a class costs less than its bound, that no schedule is shorter than another bound, or that
no plan keeps the limits. Planning again decides: a cheaper plan of the class refutes the bound (`plans.classes`), a
bound on the class or on a wider one that is no lower proves it. Proofs for chains, for one machine and for as many
machines as can be used take polynomial time; exponential searches end with the budget, and where they decide nothing
the claim stays a claim. Bounds of 0 say nothing and need no proof. The maker, the date, the seed and the remarks of the
file are not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from chainplan.errors import PlanError
from chainplan.io.plan_file import SavedPlan
from chainplan.io.plan_file_claims import derive
from chainplan.io.variants_file import SavedVariants
from chainplan.plans.bound import Bound, Status
from chainplan.plans.classes import GRAPH_PRODUCT_CLASSES, PROPAGATION, SWEPT_PROPAGATION
from chainplan.plans.factored import raised, without_factors
from chainplan.problem.cost import FMA, factor_price
from chainplan.problem.problem import Problem
from chainplan.problem.units import unit_text
from chainplan.proofs.evidence import VERTEX_ELIMINATION, Replanning, cheaper_member, proves
from chainplan.proofs.schedule_claims import judge_schedule
from chainplan.proofs.variant_claims import prove_variants_again
from chainplan.proofs.verdict import ClaimFinding, ClaimStanding, ProofVerdict, refuted
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import WorkGraph, after_accumulation
from chainplan.solvers.elimination.path_bound import path_bound, quick_bound
from chainplan.solvers.elimination.propagation_bound import propagation_bound
from chainplan.solvers.elimination.propagation_graph import PropagationGraph
from chainplan.solvers.search.search import Search, SearchProgress, paced
from chainplan.solvers.uses.graph_products import VectorGraph

DEFAULT_PROOF_SECONDS = 10.0
"""Seconds in which a file is proven again where no budget is given."""


def prove_again(
    saved: SavedPlan, budget: float = DEFAULT_PROOF_SECONDS, progress: Callable[[SearchProgress], None] | None = None
) -> ProofVerdict:
    """Prove the plan of a file and all figures that follow from it, then judge what it claims of other plans.

    Parameters
    ----------
    saved : SavedPlan
        The file, as `chainplan.read_plan` reads it.
    budget : float
        The seconds that the searches may take together.
    progress : Callable[[SearchProgress], None] | None
        A function that is called now and then with how far a search is.

    Returns
    -------
    ProofVerdict
        What has become of each claim; its text is the last line of `chainplan check`.

    Examples
    --------
    >>> import chainplan
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> result = chainplan.plan(chainplan.chain([2, 3, 4]))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plan.json"
    ...     _ = path.write_text(chainplan.render(result, "json"))
    ...     print(prove_again(chainplan.read_plan(path)))
    proven again
    """
    if isinstance(saved, SavedVariants):
        return prove_variants_again(saved, budget)
    try:
        replayed = derive(saved)
    except PlanError as error:
        return refuted(error)
    again = Replanning(saved.problem, monotonic() + budget, progress)
    if saved.candidate is None:
        return ProofVerdict((_no_plan(saved, again),))
    findings = [_cost(saved, again)]
    if saved.schedule is not None:
        findings += judge_schedule(saved, saved.candidate, saved.schedule, again)
    return ProofVerdict(tuple(findings), replayed)


def _cost(saved: SavedPlan, again: Replanning) -> ClaimFinding:
    """Whether no plan of the class costs less than the bound."""
    problem, claimed = saved.problem, saved.document
    bound = Bound(claimed["bound"][problem.cost.unit], claimed["bound"]["within"])
    within = bound.within
    if within is None or bound.value == 0:
        return ClaimFinding(ClaimStanding.PROVEN, "nothing is claimed of what other plans cost")
    optimal = claimed["status"] == Status.OPTIMAL.value
    figure = f"{bound.value:,} {unit_text(problem)}"
    said = "optimal" if optimal else f"bound of {figure}"
    proven = ClaimFinding(ClaimStanding.PROVEN, f"{said}: proven again within {within}")
    if _at_once(without_factors(problem), raised(bound, -factor_price(problem.graph, problem.cost)), again):
        return proven
    for result in again.results(within, 0.5 if saved.schedule is not None else 1.0):
        cheaper = cheaper_member(result, bound, problem)
        if cheaper is not None:
            claim = "to be optimal" if optimal else f"that no plan within {within} costs less than {figure}"
            price = f"{cheaper.price:,} {unit_text(problem)}"
            return ClaimFinding(
                ClaimStanding.REFUTED, f"{saved.source}: claims {claim}, but '{result.solver}' finds {price}."
            )
        if proves(result.lower_bound, bound, problem):
            return proven
    return ClaimFinding(ClaimStanding.CLAIMED, f"{said} within {within}: claimed by the file, not proven again")


def _at_once(problem: Problem, bound: Bound, again: Replanning) -> bool:
    """Whether the bounds that take polynomial time prove a bound on vertex elimination, also with propagation."""
    graph, search = problem.graph, Search(budget=again.left / 4)
    if not counts_fma(problem.cost) or not graph.exact:
        return False
    if bound.within in GRAPH_PRODUCT_CLASSES and problem.cost is FMA:
        return VectorGraph(problem).least(bound.within, search.watch) >= bound.value
    if bound.within in (PROPAGATION, SWEPT_PROPAGATION) and not graph.explicit:
        swept = PropagationGraph(graph).parts.within if bound.within == SWEPT_PROPAGATION else 0
        return propagation_bound(graph, paced(search.watch), swept).total >= bound.value
    if bound.within != after_accumulation(graph, VERTEX_ELIMINATION):
        return False
    work = WorkGraph(graph, None, problem.cost)
    return path_bound(work) >= bound.value or quick_bound(work, search.watch) >= bound.value


def _no_plan(saved: SavedPlan, again: Replanning) -> ClaimFinding:
    """Whether no plan keeps the limits, and which limit would be enough."""
    claimed = saved.document
    result = next(again.results(""), None)
    if result is None or claimed["status"] != Status.INFEASIBLE.value:
        return ClaimFinding(ClaimStanding.CLAIMED, f"status '{claimed['status']}': the file holds no plan to check")
    if result.plan is not None:
        said = f"claims that no plan keeps the limits, but '{result.solver}' finds one."
        return ClaimFinding(ClaimStanding.REFUTED, f"{saved.source}: {said}")
    if result.status is not Status.INFEASIBLE:
        return ClaimFinding(ClaimStanding.CLAIMED, "infeasible: claimed by the file, not proven again")
    needs = None if claimed["needs"] is None else claimed["needs"]["memory"]
    if needs not in (None, result.needs):
        if result.needs is None:
            return ClaimFinding(
                ClaimStanding.CLAIMED, f"needs.memory of {needs:,}: claimed by the file, not proven again"
            )
        said = f"needs.memory is claimed to be {needs:,}, but {result.needs:,} elements are the smallest limit."
        return ClaimFinding(ClaimStanding.REFUTED, f"{saved.source}: {said}")
    return ClaimFinding(ClaimStanding.PROVEN, "infeasible: proven again")
