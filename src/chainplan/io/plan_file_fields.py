"""The form of a plan file: every field with its type and range, and the steps of the plan language by their names.

It describes exactly what `plan_file.document` writes, so that reading refuses whatever was never written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_type_hints

from chainplan.costs.objectives import OBJECTIVES
from chainplan.errors import SpecError
from chainplan.io.plan_file_programs_form import NAMED_FIELDS, named_places, products_form, programs_form
from chainplan.io.plan_schedule import SCHEDULE_FORM
from chainplan.io.spec_values import (
    ADVICE_ON_FORMS,
    NUMBER_FORM,
    OBJECT_FORM,
    STRUCTURE_FORM,
    TEXT_FORM,
    ListForm,
    OptionalForm,
    RecordForm,
    SimpleForm,
    TaggedForm,
    ValueForm,
    WordForm,
    whole,
)
from chainplan.plans.bound import Status
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, LoadSecond
from chainplan.plans.steps import STEP_KINDS, Add, Again, Step, word_of
from chainplan.problem.graph import Graph, Mode
from chainplan.structures.second import Side

PLAN_FILE_FORMAT = 1
"""The version of the form, which a plan file states."""

STEP_TYPES: dict[str, type[Step]] = {word_of(kind): kind for kind in STEP_KINDS}
"""The kinds of steps by their names in a plan file."""


class Field(NamedTuple):
    """The form that a field of a step has in a plan file, and what makes its value of what stands there."""

    form: ValueForm
    value: Callable[[Any], Any]


_FIELD_FORM_OF_TYPE: dict[Any, Field] = {
    str: Field(TEXT_FORM, str),
    Mode: Field(WordForm(*(mode.value for mode in Mode)), Mode),
    Side: Field(WordForm(*(side.value for side in Side)), Side),
    int: Field(whole(0), int),
    bool: Field(SimpleForm("true or false", lambda value: isinstance(value, bool)), bool),
    int | None: Field(OptionalForm(whole(0)), lambda number: number),
    tuple[int, ...]: Field(ListForm(whole(-1)), tuple),
}
"""By the type of a field; numbers are those of earlier steps, lists are colours or -1 for none."""

FIELDS: dict[str, dict[str, Field]] = {
    op: {name: _FIELD_FORM_OF_TYPE[hint] for name, hint in get_type_hints(kind).items()}
    for op, kind in STEP_TYPES.items()
}
"""The fields of each kind of step, by its name and theirs, in the order of its class."""

SECOND_OPS = frozenset(map(word_of, (LoadSecond, ApplySecond, Contract, Exchange, Add, Again)))
"""The kinds of steps that may make second-order blocks, of rows x cols x right_cols."""
_LOADS_MIXED = word_of(LoadSecond)
_SECOND_FORM = RecordForm("an output", {**dict.fromkeys(("output", "left", "right"), TEXT_FORM), "id": whole(0)})

OBJECTIVE_FORM = WordForm(*OBJECTIVES)
_HEAD_FORM = RecordForm("a plan file", {"format": whole(1), "objective": OBJECTIVE_FORM})
"""The fields that decide how to read the rest."""


def plan_form(unit: str) -> RecordForm:
    """Return the form of a plan file whose prices are in `unit`, and in fma."""
    prices: dict[str, ValueForm] = dict.fromkeys(("fma", unit), whole(0))
    cost = RecordForm("a cost", {"adds": whole(0), "peak_elements": whole(0), **prices}, {"peak_disk": whole(0)})
    baseline = RecordForm("a baseline", prices)
    baselines = RecordForm(
        "the baselines", {"forward": baseline, "reverse": baseline}, {"free": baseline, "late": baseline}
    )
    derived: dict[str, ValueForm] = {
        "id": whole(0),
        "rows": whole(0),
        "cols": whole(0),
        "structure": STRUCTURE_FORM,
        **prices,
    }
    kinds = {
        op: RecordForm(
            f"'{op}'",
            {"op": TEXT_FORM, **{name: field.form for name, field in fields.items()}, **derived},
            {"right_cols": whole(0)} if op in SECOND_OPS else {},
        )
        for op, fields in FIELDS.items()
    }
    step = TaggedForm("op", kinds)
    return RecordForm(
        "a plan file",
        {
            "chainplan": TEXT_FORM,
            "format": whole(1),
            "problem": OBJECT_FORM,
            "objective": OBJECTIVE_FORM,
            "solver": TEXT_FORM,
            "seed": whole(0),
            "seconds": NUMBER_FORM,
            "counts": WordForm("exact", "upper bound"),
            "status": WordForm(*(status.value for status in Status)),
            "optimal_within": OptionalForm(TEXT_FORM),
            "cost": OptionalForm(cost),
            "bound": RecordForm("a bound", {unit: whole(0), "within": OptionalForm(TEXT_FORM)}),
            "needs": OptionalForm(RecordForm("needs", {"memory": whole(0)})),
            "baselines": baselines,
            "notes": ListForm(TEXT_FORM),
            "steps": ListForm(step),
            "outputs": ListForm(RecordForm("an output", {"output": TEXT_FORM, "input": TEXT_FORM, "id": whole(0)})),
        },
        {
            "rates": OBJECT_FORM,
            "factors": ListForm(
                RecordForm("a factorisation", {"elemental": TEXT_FORM, "elements": whole(0), **prices})
            ),
            "schedule": SCHEDULE_FORM,
            "products": products_form(unit),
            "programs": programs_form(step),
            "second_outputs": ListForm(_SECOND_FORM),
        },
    )


def load(text: str | bytes, source: str) -> dict[str, Any]:
    """Parse the text of a plan file into a JSON object of the format that is read here.

    Raises
    ------
    SpecError
        Where the text is no JSON, is no object, has another format, or an objective that does not exist.
    """
    try:
        root = json.loads(text, parse_int=_whole, parse_constant=_no_number, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        detail = "nesting is too deep" if isinstance(error, RecursionError) else str(error)
        raise SpecError(
            f"{source}: not a plan file: {detail}; expected what 'chainplan plan --format json' writes. "
            f"{ADVICE_ON_FORMS}"
        ) from None
    OBJECT_FORM.require(root, f"{source}: the file")
    _HEAD_FORM.require_field(root, "format", f"{source}: ")
    if root["format"] != PLAN_FILE_FORMAT:
        raise SpecError(
            f"{source}: format is {root['format']}; expected {PLAN_FILE_FORMAT}, the one that this version "
            "reads. Plan again."
        )
    _HEAD_FORM.require_field(root, "objective", f"{source}: ")
    return dict(root)


def require_names(root: dict[str, Any], graph: Graph, source: str) -> None:
    """Check the names of elementals and vertices in steps and outputs.

    Raises
    ------
    SpecError
        Where the problem has no elemental or vertex of a name.
    """
    in_outputs, mixed = ("output", "input"), {one.name for one in graph.mixed}
    places: list[tuple[str, Mapping[str, Any], tuple[str, ...]]]
    places = [(f"steps[{i}]", step, NAMED_FIELDS) for i, step in enumerate(root["steps"])]
    places += [(f"outputs[{i}]", output, in_outputs) for i, output in enumerate(root["outputs"])]
    ends = ("output", "left", "right")
    places += [(f"second_outputs[{i}]", output, ends) for i, output in enumerate(root.get("second_outputs", ()))]
    for where, raw, names in (*places, *named_places(root.get("programs", {}))):
        for name in names:
            given = raw.get(name)
            if given is None or (given in mixed and raw.get("op") == _LOADS_MIXED):
                continue
            if given not in (graph if name == "elemental" else graph.sizes):
                what = "an elemental" if name == "elemental" else "a vertex"
                raise SpecError(
                    f"{source}: {where}.{name} is '{given[:40]}'; expected {what} of the problem. {ADVICE_ON_FORMS}"
                )


def _whole(digits: str) -> int:
    """Read a whole number, and refuse one that Python would refuse in words of its own."""
    if len(digits) > 400:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _no_number(word: str) -> float:
    """Refuse NaN and Infinity, which Python's parser would take."""
    raise ValueError(f"{word} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its fields, and refuse a field that stands twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field '{next(n for n in names if names.count(n) > 1)}' stands twice")
    return result
