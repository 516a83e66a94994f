"""Verifies the claims of a plan file: it derives every figure again from the problem and the steps alone.

A false claim is a bad plan and raises PlanError. Claims about all other plans, namely that none costs less than the
bound, are left to `chainplan.proofs.claims`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from chainplan.errors import PlanError
from chainplan.io.plan_file import SavedPlan
from chainplan.io.plan_file_products import products_document, program_figures
from chainplan.io.plan_file_seconds import seconds_document
from chainplan.io.plan_file_steps import listed
from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.classes import misfit
from chainplan.plans.factored import factor_documents
from chainplan.plans.replay import Replay
from chainplan.plans.result import BASELINE_WORDS, Result, baselines_of, counts
from chainplan.plans.schedule import check_schedule
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem


def verify(saved: SavedPlan) -> Replay:
    """Prove the plan of a file, and every claim of the file that follows from the problem and the steps alone.

    Claims about all other plans, namely that none costs less than the bound, are left to `chainplan.proofs.claims`.

    Raises
    ------
    PlanError
        Where a claim is false; the message names the first one.
    """
    replayed = derive(saved)
    if replayed is None:
        status = saved.document["status"]
        raise PlanError(f"{saved.source}: status '{status}': the file holds no plan to check.")
    return replayed


def derive(saved: SavedPlan) -> Replay | None:
    """Prove a file as `verify` does, but accept a file without a plan, whose other claims are proven.

    Raises
    ------
    PlanError
        Where a claim is false; the message names the first one.
    """
    candidate, problem, source = saved.candidate, saved.problem, saved.source
    try:
        if candidate is not None:
            prove(candidate, problem)
        for name, claimed, derived in (*_figures(saved), *_claims(saved)):
            if not _same(claimed, derived):
                raise PlanError(f"{name} is claimed to be {json.dumps(claimed)[:80]}, but it is {json.dumps(derived)}.")
        _check_bound(saved)
        if candidate is not None and saved.schedule is not None:
            check_schedule(candidate, saved.schedule, problem.memory)
            if not saved.schedule.this_plan:
                _require_class("schedule.within", saved.schedule.within, problem)
    except PlanError as error:
        raise PlanError(f"{source}: {error}") from None
    return None if candidate is None else candidate.replay


def _same(claimed: object, derived: object) -> bool:
    """Say whether two values of JSON are equal; 1, 1.0 and true differ."""
    if type(claimed) is not type(derived) or claimed != derived:
        return False
    if not isinstance(claimed, dict | list):
        return True
    return json.dumps(claimed, sort_keys=True) == json.dumps(derived, sort_keys=True)


def saved_result(saved: SavedPlan) -> Result:
    """Return the result from which a plan file was written, verified; its bound is marked as a claim of the file.

    Raises
    ------
    PlanError
        Where a claim is false; the message names the first one.
    """
    verify(saved)
    claimed = saved.document
    return Result(
        problem=saved.problem,
        solver=claimed["solver"],
        seed=claimed["seed"],
        seconds=claimed["seconds"],
        status=Status(claimed["status"]),
        candidate=saved.candidate,
        lower_bound=Bound(claimed["bound"][saved.problem.cost.unit], claimed["bound"]["within"]),
        notes=tuple(claimed["notes"]),
        schedule=saved.schedule,
        claimed=True,
    )


def _figures(saved: SavedPlan) -> Iterator[tuple[str, object, object]]:
    """Yield (place, claimed value, true value) for every figure that follows from the problem and the steps."""
    claimed, graph, model = saved.document, saved.problem.graph, saved.problem.cost
    yield "counts", claimed["counts"], counts(graph, None if saved.candidate is None else saved.candidate.replay)
    if saved.candidate is None:
        for name, nothing in (("steps", []), ("outputs", []), ("schedule", None), ("programs", None)):
            yield name, claimed.get(name), nothing
    else:
        yield from _plan_figures(saved, saved.candidate)
    derived = {other.unit: baselines_of(saved.problem, other).named() for other in (FMA, model)}
    for name in BASELINE_WORDS:
        prices = {unit: named[name] for unit, named in derived.items() if name in named}
        yield f"baselines.{name}", claimed["baselines"].get(name), prices or None
    yield "factors", claimed.get("factors"), factor_documents(graph, model) or None
    yield "products", claimed.get("products"), products_document(saved.problem, saved.candidate)
    seconds = seconds_document(saved.problem, saved.plan).get("second_outputs")
    yield "second_outputs", claimed.get("second_outputs"), seconds


def _plan_figures(saved: SavedPlan, candidate: Candidate) -> Iterator[tuple[str, object, object]]:
    """Yield the same triples for the steps of a plan and its costs."""
    claimed, model, replayed = saved.document, saved.problem.cost, candidate.replay
    steps = listed(candidate)
    for i, raw in enumerate(claimed["steps"]):
        yield f"steps[{i}].id", raw["id"], i
        for name, value in steps.figures(i).items():
            yield f"steps[{i}].{name}", raw.get(name), value
    if candidate.plan.programs:
        yield from program_figures(candidate, claimed["programs"])
    totals = {"fma": replayed.total, "adds": replayed.adds, "peak_elements": replayed.peak}
    if model is not FMA:
        totals[model.unit] = candidate.price
    for name, value in totals.items():
        yield f"cost.{name}", claimed["cost"][name], value
    disk = None if saved.problem.disk is None else replayed.disk
    yield "cost.peak_disk", claimed["cost"].get("peak_disk"), disk


def _claims(saved: SavedPlan) -> Iterator[tuple[str, object, object]]:
    """Yield the same triples for claims that must agree with each other: plan and status, bound and its class."""
    claimed, has_plan = saved.document, saved.plan is not None
    status, bound = claimed["status"], claimed["bound"]
    possible = (Status.OPTIMAL, Status.FEASIBLE) if has_plan else (Status.INFEASIBLE, Status.BUDGET)
    yield "status", status, status if Status(status) in possible else possible[1].value
    yield "optimal_within", claimed["optimal_within"], bound["within"] if status == Status.OPTIMAL.value else None
    if has_plan:
        yield "needs", claimed["needs"], None
    unit = saved.problem.cost.unit
    if status == Status.INFEASIBLE.value:
        yield "bound.within", bound["within"], None
    if bound["within"] is None:
        yield f"bound.{unit}, within null,", bound[unit], 0


def _require_class(where: str, within: str, problem: Problem) -> None:
    """Refuse a class of plans that the problem does not have."""
    why = misfit(within, problem)
    if why is not None:
        raise PlanError(f"{where} is '{within[:60]}', but the problem has no such plans: {why}.")


def _check_bound(saved: SavedPlan) -> None:
    """Refuse a bound of a class that the problem does not have, or one that contradicts the cost of the plan."""
    claimed, model = saved.document, saved.problem.cost
    bound, within, status = claimed["bound"][model.unit], claimed["bound"]["within"], claimed["status"]
    if within is not None:
        _require_class("bound.within", within, saved.problem)
    if saved.candidate is None:
        return
    price, proven = saved.candidate.price, status == Status.OPTIMAL.value
    if bound > price or (proven and (bound != price or within is None)):
        raise PlanError(
            f"bound.{model.unit} is {str(bound)[:60]} and status '{status}', but the plan costs {price}; a bound is at "
            "most the cost, and equal to it within a class of plans where the plan is optimal."
        )
