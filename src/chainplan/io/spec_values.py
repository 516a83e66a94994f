"""Forms describe what parsed JSON must look like, and check it field by field.

`require` checks a value, and raises a SpecError that says where it is wrong, what was found and what was expected. An
object must have the fields of its form and no others, so that nothing in a file is silently ignored.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from chainplan.errors import SpecError

ADVICE_ON_FORMS = "Correct it, or plan again."
"""The advice at the end of a message about a file that does not have its form."""


class ValueForm(ABC):
    """A description of a value; `words` puts it into words."""

    words: str

    @abstractmethod
    def fits(self, value: object) -> bool:
        """Say whether a value has this form, leaving aside its parts."""

    def inside(self, value: Any, where: str) -> None:  # noqa: B027 - a form without parts has nothing to check
        """Check the parts of a value.

        Raises
        ------
        SpecError
            Where a part does not have its form.
        """

    def require(self, value: object, where: str) -> None:
        """Check a value and its parts.

        Raises
        ------
        SpecError
            Where the value or a part of it does not have its form.
        """
        if not self.fits(value):
            shown = (
                f"'{value[:40]}'" if isinstance(self, WordForm) and isinstance(value, str) else json.dumps(value)[:60]
            )
            raise SpecError(f"{where} is {shown}; expected {self.words}. {ADVICE_ON_FORMS}")
        self.inside(value, where)


@dataclass(frozen=True)
class SimpleForm(ValueForm):
    """A value without parts, or whose parts are checked elsewhere."""

    words: str
    test: Callable[[Any], bool]

    def fits(self, value: object) -> bool:
        return self.test(value)


def whole(least: int, most: float = inf) -> SimpleForm:
    """Return the form of whole numbers from `least` to `most`, a power of ten; true and false are not among them."""
    upto = "" if most == inf else f" to 10^{len(str(most)) - 1}"
    return SimpleForm(f"a whole number from {least}{upto}", lambda value: type(value) is int and least <= value <= most)


NUMBER_FORM = SimpleForm("a number from 0", lambda value: type(value) in (int, float) and 0 <= value < inf)
TEXT_FORM = SimpleForm("text", lambda value: isinstance(value, str))
OBJECT_FORM = SimpleForm("an object", lambda value: isinstance(value, dict))
STRUCTURE_FORM = SimpleForm("a structure", lambda value: isinstance(value, str | dict))


class WordForm(ValueForm):
    """One of some words."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        *others, last = choices
        self.words = f"{', '.join(others)} or {last}" if len(choices) < 5 else f"one of {', '.join(choices)}"

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and value in self.choices


class OptionalForm(ValueForm):
    """A form, or null."""

    def __init__(self, form: ValueForm) -> None:
        self.form, self.words = form, f"{form.words} or null"

    def fits(self, value: object) -> bool:
        return value is None or self.form.fits(value)

    def inside(self, value: Any, where: str) -> None:
        if value is not None:
            self.form.inside(value, where)


class ListForm(ValueForm):
    """A list whose items have one form, or any form where none is given."""

    words = "a list"

    def __init__(self, form: ValueForm | None = None) -> None:
        self.form = form

    def fits(self, value: object) -> bool:
        return isinstance(value, list)

    def inside(self, value: Any, where: str) -> None:
        form = self.form
        if form is None or (isinstance(form, SimpleForm) and all(map(form.test, value))):
            return
        for i, each in enumerate(value):
            form.require(each, f"{where}[{i}]")


class RecordForm(ValueForm):
    """An object with the given fields; those in `optional` may be left out."""

    words = "an object"

    def __init__(
        self, name: str, fields: Mapping[str, ValueForm], optional: Mapping[str, ValueForm] | None = None
    ) -> None:
        self.name, self.fields, self.optional = name, fields, optional or {}

    def fits(self, value: object) -> bool:
        return isinstance(value, dict)

    def inside(self, value: Any, where: str) -> None:
        prefix = where if where.endswith(": ") else f"{where}."
        for name in self.fields:
            self.require_field(value, name, prefix)
        for name in sorted(value.keys() - self.fields.keys()):
            if name not in self.optional:
                known = ", ".join((*self.fields, *self.optional))
                raise SpecError(f"{prefix}{name[:40]} is no field of {self.name}; expected {known}. {ADVICE_ON_FORMS}")
            self.optional[name].require(value[name], prefix + name)

    def require_field(self, value: Mapping[str, Any], name: str, prefix: str) -> None:
        """Check one field.

        Raises
        ------
        SpecError
            Where the field is missing or does not have its form.
        """
        if name not in value:
            raise SpecError(f"{prefix}{name} is missing; expected {self.fields[name].words}. {ADVICE_ON_FORMS}")
        self.fields[name].require(value[name], prefix + name)


class TaggedForm(ValueForm):
    """An object that has one of several forms; its field `tag` says which."""

    words = "an object"

    def __init__(self, tag: str, forms: Mapping[str, RecordForm]) -> None:
        self.tag, self.forms, self.kinds = tag, forms, RecordForm("it", {tag: WordForm(*forms)})

    def fits(self, value: object) -> bool:
        return isinstance(value, dict)

    def inside(self, value: Any, where: str) -> None:
        self.kinds.require_field(value, self.tag, f"{where}.")
        self.forms[value[self.tag]].inside(value, where)
