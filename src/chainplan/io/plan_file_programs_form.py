"""The form of products and of their programs in a plan file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chainplan.io.spec_values import TEXT_FORM, ListForm, OptionalForm, RecordForm, TaggedForm, ValueForm, whole
from chainplan.plans.program_replay import ProductPrices
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.problem.products import SIDES

NAMED_FIELDS = ("elemental", "vertex", "source", "target")
"""The fields of a step in which a name of the problem stands."""
PROGRAM_ENDS = {Mode.TANGENT: "output", Mode.ADJOINT: "input"}
"""What a result of a program stands at."""


def products_form(unit: str) -> RecordForm:
    """Return the form of what a plan file says of products, whose prices are in fma and in `unit`."""
    prices = dict.fromkeys(ProductPrices._fields, OptionalForm(whole(0)))
    sides = dict.fromkeys(SIDES.values(), whole(0))
    own = {} if unit == FMA.unit else {unit: RecordForm("prices", prices)}
    return RecordForm("products", {**sides, **prices, **own})


def programs_form(step: TaggedForm) -> RecordForm:
    """Return the form of the programs, whose steps have the form `step`."""
    sides: dict[str, ValueForm] = {}
    for mode, side in SIDES.items():
        end = PROGRAM_ENDS[mode]
        results = ListForm(RecordForm(f"an {end}", {end: TEXT_FORM, "id": whole(0)}))
        sides[side] = RecordForm("a program", {"steps": ListForm(step), f"{end}s": results})
    return RecordForm("programs", {}, sides)


def named_places(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], tuple[str, ...]]]:
    """Yield (place, object, fields) for all objects of programs in which names of elementals or vertices stand."""
    for mode, side in SIDES.items():
        if side in raw:
            end = PROGRAM_ENDS[mode]
            for i, step in enumerate(raw[side]["steps"]):
                yield f"programs.{side}.steps[{i}]", step, NAMED_FIELDS
            for i, result in enumerate(raw[side][f"{end}s"]):
                yield f"programs.{side}.{end}s[{i}]", result, (end,)
