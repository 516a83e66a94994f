"""The plan file of variants: a family of problems, steps for all of its sizes, and what is proven of them.

It is written and read like the file of one plan (`plan_file`), but its steps have no shapes and no prices of their own,
because these depend on the sizes. What each variant costs stands there for the least and for the largest sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chainplan._version import __version__
from chainplan.errors import PlanError, SpecError
from chainplan.io.plan_file import SavedPlan, read_file_problem
from chainplan.io.plan_file_fields import FIELDS, OBJECTIVE_FORM, PLAN_FILE_FORMAT, require_names
from chainplan.io.plan_file_steps import read_step, step_words
from chainplan.io.spec_values import (
    ADVICE_ON_FORMS,
    NUMBER_FORM,
    OBJECT_FORM,
    TEXT_FORM,
    ListForm,
    OptionalForm,
    RecordForm,
    SimpleForm,
    TaggedForm,
    ValueForm,
    whole,
)
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.steps import Output, Plan
from chainplan.plans.variants import VariantRange, Variants, require_fixed
from chainplan.problem.family import Family
from chainplan.problem.problem import Problem

_STEPS: dict[str, RecordForm] = {
    op: RecordForm(f"'{op}'", {"id": whole(0), "op": TEXT_FORM, **{name: field.form for name, field in fields.items()}})
    for op, fields in FIELDS.items()
}
_PRICE = RecordForm("a cost", {"fma": whole(0)})
_FACTOR = SimpleForm("a number from 1", lambda value: type(value) in (int, float) and 1 <= value < float("inf"))
_GUARANTEE = RecordForm("a guarantee", {"factor": OptionalForm(_FACTOR), "within": OptionalForm(TEXT_FORM)})
_OUTPUT = RecordForm("an output", {"output": TEXT_FORM, "input": TEXT_FORM, "id": whole(0)})
_VARIANT = RecordForm(
    "a variant",
    {
        "cost": RecordForm("costs", {"least": _PRICE, "largest": _PRICE}),
        "steps": ListForm(TaggedForm("op", _STEPS)),
        "outputs": ListForm(_OUTPUT),
    },
)
_BEST: dict[str, ValueForm] = {"from": whole(1), "to": whole(1), "variant": whole(0)}
_FORM = RecordForm(
    "a plan file of variants",
    {
        "chainplan": TEXT_FORM,
        "format": whole(1),
        "problem": OBJECT_FORM,
        "objective": OBJECTIVE_FORM,
        "seed": whole(0),
        "seconds": NUMBER_FORM,
        "guarantee": _GUARANTEE,
        "best": ListForm(RecordForm("a range", _BEST)),
        "variants": ListForm(_VARIANT),
    },
)


@dataclass(frozen=True, eq=False)
class SavedVariants(SavedPlan):
    """A plan file of variants as read; it has no single plan, and its problem is the one at the least sizes."""

    variants: Variants | None = None


def variants_document(variants: Variants) -> dict[str, Any]:
    """Write variants as the document of a plan file: plain values, deterministic except for `seconds`."""
    family = variants.family
    fingerprint, spec = family.fingerprint, family.to_spec()
    least, largest = (variants.prices_at(family.corner(end)) for end in (0, 1))
    return {
        "chainplan": __version__,
        "format": PLAN_FILE_FORMAT,
        "problem": {"name": spec.pop("name", None), "fingerprint": fingerprint, **spec},
        "objective": family.cost.objective,
        "seed": variants.seed,
        "seconds": round(variants.seconds, 6),
        "guarantee": {"factor": variants.guarantee, "within": variants.within},
        "best": [{"from": each.first, "to": each.last, "variant": each.variant} for each in variants.best],
        "variants": [
            {
                "cost": {"least": {"fma": least[i]}, "largest": {"fma": largest[i]}},
                "steps": [{"id": place, **step_words(step)} for place, step in enumerate(plan.steps)],
                "outputs": [{"output": o.output, "input": o.input, "id": o.step} for o in plan.outputs],
            }
            for i, plan in enumerate(variants.plans)
        ],
    }


def saved_variants(root: dict[str, Any], source: str) -> SavedVariants:
    """Read the document of variants, without verifying anything that it claims.

    Raises
    ------
    SpecError
        Where it does not have the form of a plan file of variants.
    """
    _FORM.inside(root, f"{source}: ")
    family = read_file_problem(root["problem"], source)
    if not isinstance(family, Family):
        raise SpecError(f"{source}: problem has no ranges; expected those of the sizes with names. {ADVICE_ON_FORMS}")
    if not root["variants"]:
        raise SpecError(f"{source}: variants is empty; expected at least one. {ADVICE_ON_FORMS}")
    for i, raw in enumerate(root["variants"]):
        require_names(raw, family.graph, f"{source}: variants[{i}]")
    claimed = root["guarantee"]
    variants = Variants(
        family,
        tuple(_plan(family, raw) for raw in root["variants"]),
        claimed["factor"],
        claimed["within"],
        tuple(VariantRange(raw["from"], raw["to"], raw["variant"]) for raw in root["best"]),
        root["seed"],
        root["seconds"],
        claimed=True,
    )
    return SavedVariants(family, None, root, source, None, variants)


def _plan(family: Family, raw: dict[str, Any]) -> Plan:
    outputs = tuple(Output(one["output"], one["input"], one["id"]) for one in raw["outputs"])
    return Plan(family.graph, tuple(map(read_step, raw["steps"])), outputs)


def verify_variants(saved: SavedVariants) -> Variants:
    """Prove every variant right at all sizes, and every figure that follows from its steps.

    The blocks that a step makes lead between the same vertices at all sizes, so that one proof by labels holds for all.

    Raises
    ------
    PlanError
        Where a variant is wrong or a figure is false; the message names the first one.
    """
    variants = saved.variants
    assert variants is not None
    try:
        for name, claimed, derived in _figures(saved.document, variants):
            if claimed != derived:
                raise PlanError(f"{name} is claimed to be {claimed}, but it is {derived}.")
        _check_ranges(variants)
    except PlanError as error:
        raise PlanError(f"{saved.source}: {error}") from None
    return variants


def _figures(document: dict[str, Any], variants: Variants) -> Iterator[tuple[str, object, object]]:
    """Yield (place, claimed value, true value) for every figure, after the proof of the variant that it is of."""
    family = variants.family
    for i, plan in enumerate(variants.plans):
        raw = document["variants"][i]
        for place, step in enumerate(raw["steps"]):
            yield f"variants[{i}].steps[{place}].id", step["id"], place
        try:
            prove(Candidate(require_fixed(plan), family.cost), Problem(family.graph))
        except PlanError as error:
            raise PlanError(f"variants[{i}]: {error}") from None
    for end, which in ((0, "least"), (1, "largest")):
        for i, price in enumerate(variants.prices_at(family.corner(end))):
            yield f"variants[{i}].cost.{which}.fma", document["variants"][i]["cost"][which]["fma"], price


def _check_ranges(variants: Variants) -> None:
    """Refuse ranges of best variants that do not cover the range of the one name, one after the other."""
    best = variants.best
    if not best:
        return
    ranges = list(variants.family.ranges.values())
    firsts = [ranges[0][0], *(each.last + 1 for each in best)]
    lasts = [each.first - 1 for each in best[1:]] + [ranges[0][1]]
    covers = [each.first for each in best] == firsts[:-1] and [each.last for each in best] == lasts
    known = all(each.variant < len(variants.plans) and each.first <= each.last for each in best)
    if len(ranges) != 1 or not covers or not known:
        raise PlanError("best does not cover the sizes of one name by variants, one range after the other.")
    if not variants.exact:
        raise PlanError(f"best names the cheapest variants, but guarantee.factor is {variants.guarantee}; expected 1.")
