"""The plan file: a result is written as a document that stands alone, and is read back.

Reading distinguishes two kinds of trouble. A file that does not have the form of a plan file (no JSON, a missing field,
a number where a name belongs) is bad input and raises SpecError here. A file that has the form but makes a false claim
(a cost, a shape, a path) is a bad plan and raises PlanError, from `plan_file_claims.verify`.

The form is our own (`plan_file_fields`), because no message would survive a typed library. msgspec and pydantic refuse
the same malformed files, but msgspec does not say which value stands in a field, pydantic names the kind of a step as a
part of its place, and neither says what to do; both read a field that stands twice without a word. pydantic reports
places and values as data from which messages could be made, but where a type is wrong it does not report the range of
the field, so that the words for what was expected would have to stand beside every type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from chainplan._version import __version__
from chainplan.costs.objectives import model_of_file, stored_model
from chainplan.errors import PlanError, SpecError
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.objects import from_objects
from chainplan.io.plan_file_fields import PLAN_FILE_FORMAT, load, plan_form, require_names
from chainplan.io.plan_file_products import products_document, programs_document, read_programs
from chainplan.io.plan_file_seconds import read_seconds, seconds_document
from chainplan.io.plan_file_steps import listed, read_step
from chainplan.io.plan_schedule import read_schedule
from chainplan.io.spec import read_problem
from chainplan.io.spec_values import ADVICE_ON_FORMS, TEXT_FORM, RecordForm
from chainplan.plans.candidate import Candidate
from chainplan.plans.factored import factor_documents
from chainplan.plans.result import Result
from chainplan.plans.schedule import Schedule
from chainplan.plans.steps import Output, Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.problem import Problem


@dataclass(frozen=True, eq=False)
class SavedPlan:
    """A plan file as read: problem, plan, schedule (None where there is none), and the document with all its claims."""

    problem: Problem
    plan: Plan | None
    document: dict[str, Any]
    source: str
    schedule: Schedule | None = None

    @cached_property
    def candidate(self) -> Candidate | None:
        """The plan with what follows from it, priced by the objective of the file."""
        return None if self.plan is None else Candidate(self.plan, self.problem.cost)


def document(result: Result) -> dict[str, Any]:
    """Write a result as the document of a plan file: plain values, deterministic except for `seconds`."""
    fingerprint = result.problem.fingerprint  # taken first, because it writes out a spec of its own and drops it
    cost, spec, model = result.cost, result.problem.to_spec(), result.problem.cost
    name = spec.pop("name", None)
    return {
        "chainplan": __version__,
        "format": PLAN_FILE_FORMAT,
        "problem": {"name": name, "fingerprint": fingerprint, **spec},
        "objective": model.objective,
        **stored_model(model),
        "solver": result.solver,
        "seed": result.seed,
        "seconds": round(result.seconds, 6),
        "counts": result.counts,
        "status": result.status.value,
        "optimal_within": result.optimal_within,
        "cost": None
        if cost is None
        else {
            "fma": cost.fma,
            "adds": cost.adds,
            "peak_elements": cost.peak_elements,
            **({} if result.problem.disk is None else {"peak_disk": cost.peak_disk}),
            **({} if model is FMA else {model.unit: result.price}),
        },
        "bound": {model.unit: result.bound, "within": result.within},
        "needs": None if result.needs is None else {"memory": result.needs},
        "baselines": _baselines(result),
        **_factors(result.problem),
        "notes": list(result.notes),
        "steps": [] if result.candidate is None else list(listed(result.candidate).documents()),
        "outputs": [] if result.plan is None else [_output(o) for o in result.plan.outputs],
        **_products(result),
        **seconds_document(result.problem, result.plan),
        **({} if result.schedule is None else {"schedule": result.schedule.to_dict()}),
    }


def _baselines(result: Result) -> dict[str, dict[str, int]]:
    """Return the prices of the baselines, in fma and in the unit of the objective."""
    model = result.problem.cost
    named = {name: {"fma": price} for name, price in result.baselines.named().items()}
    for name, price in {} if model is FMA else result.price_baselines.named().items():
        named[name][model.unit] = price
    return named


def _products(result: Result) -> dict[str, Any]:
    """Return the fields that a plan for products has besides."""
    products = products_document(result.problem, result.candidate)
    if products is None:
        return {}
    programs = {} if result.candidate is None else {"programs": programs_document(result.candidate)}
    return {"products": products, **programs}


def _factors(problem: Problem) -> dict[str, object]:
    """Return the field that a problem with implicit systems has besides."""
    documents = factor_documents(problem.graph, problem.cost)
    return {"factors": documents} if documents else {}


def _output(output: Output) -> dict[str, Any]:
    return {"output": output.output, "input": output.input, "id": output.step}


def is_plan_file(data: bytes) -> bool:
    """Say whether the bytes of a file look like a plan file rather than a spec: an object with its typical fields."""
    start = data[:10_000].removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") and all(mark in data for mark in (b'"chainplan"', b'"fingerprint"', b'"steps"'))


def parse_plan(text: str | bytes, source: str) -> SavedPlan:
    """Read a plan file, without verifying anything that it claims.

    Raises
    ------
    SpecError
        Where the text does not have the form of a plan file.
    """
    return saved_plan(load(text, source), source)


def saved_plan(root: dict[str, Any], source: str) -> SavedPlan:
    """Read the document of a plan, as `parse_plan` reads its text."""
    model = _model(root, source)
    plan_form(model.unit).inside(root, f"{source}: ")
    problem = replace(read_file_problem(root["problem"], source), cost=model)
    require_names(root, problem.graph, source)
    plan = None
    if root["cost"] is not None:
        outputs = tuple(Output(raw["output"], raw["input"], raw["id"]) for raw in root["outputs"])
        programs = tuple(read_programs(root.get("programs", {}), problem))
        seconds = read_seconds(root)
        plan = Plan(problem.graph, tuple(map(read_step, root["steps"])), outputs, programs, seconds, problem.second)
    schedule = read_schedule(root["schedule"]) if "schedule" in root else None
    return SavedPlan(problem, plan, root, source, schedule)


def read_file_problem(raw: dict[str, Any], source: str) -> Problem:
    """Read the problem of a file, whose fingerprint must be the one that the file states."""
    _FINGERPRINT_FORM.require_field(raw, "fingerprint", f"{source}: problem.")
    described = {name: value for name, value in raw.items() if name != "fingerprint"}
    if described.get("name") is None:
        described.pop("name", None)
    messages = SpecMessages(f"{source}: problem")
    problem = read_problem(from_objects(described, messages), messages)
    if problem.fingerprint != raw["fingerprint"]:
        raise PlanError(
            f"{source}: the fingerprint is not that of the problem in the file; one of them was changed. Plan again."
        )
    return problem


_FINGERPRINT_FORM = RecordForm("a problem", {"fingerprint": TEXT_FORM})


def _model(root: dict[str, Any], source: str) -> CostModel:
    """Return the cost model that a file names."""
    try:
        return model_of_file(root["objective"], root.get("rates"))
    except ValueError as error:
        raise SpecError(f"{source}: rates: {error} {ADVICE_ON_FORMS}") from None
