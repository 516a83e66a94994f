"""Forms: what parsed JSON must look like, described once and looked through field by field.

A form is asked with `require`, which says by a SpecError where what was found and what was expected. An object has the
fields of its form and no others, so that nothing in a file is passed over.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from chainplan.errors import SpecError

TODO = "Correct it, or plan again."
"""What to do where a file does not have its form."""


class Form(ABC):
    """What a value must look like; `words` says it."""

    words: str

    @abstractmethod
    def fits(self, value: Any) -> bool:
        """Whether a value has this form, but for what is inside of it."""

    def inside(self, value: Any, where: str) -> None:  # noqa: B027 - a form without parts has none to look at
        """Look at the parts of a value.

        Raises
        ------
        SpecError
            Where one does not have its form.
        """

    def require(self, value: Any, where: str) -> None:
        """Look at a value and its parts.

        Raises
        ------
        SpecError
            Where it, or one of them, does not have its form.
        """
        if not self.fits(value):
            shown = f"'{value[:40]}'" if isinstance(self, OneOf) and isinstance(value, str) else json.dumps(value)[:60]
            raise SpecError(f"{where} is {shown}; expected {self.words}. {TODO}")
        self.inside(value, where)


@dataclass(frozen=True)
class Value(Form):
    """A value without parts, or whose parts are looked at elsewhere."""

    words: str
    test: Callable[[Any], bool]

    def fits(self, value: Any) -> bool:
        return self.test(value)


def whole(least: int, most: float = inf) -> Value:
    """A whole number, which true and false are not; `most` is a power of ten."""
    upto = "" if most == inf else f" to 10^{len(str(most)) - 1}"
    return Value(f"a whole number from {least}{upto}", lambda value: type(value) is int and least <= value <= most)


NUMBER = Value("a number from 0", lambda value: type(value) in (int, float) and 0 <= value < inf)
TEXT = Value("text", lambda value: isinstance(value, str))
OBJECT = Value("an object", lambda value: isinstance(value, dict))
STRUCTURE = Value("a structure", lambda value: isinstance(value, str | dict))


class OneOf(Form):
    """One of some words."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        *others, last = choices
        self.words = f"{', '.join(others)} or {last}" if len(choices) < 5 else f"one of {', '.join(choices)}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.choices


class Maybe(Form):
    """A form, or null."""

    def __init__(self, form: Form) -> None:
        self.form, self.words = form, f"{form.words} or null"

    def fits(self, value: Any) -> bool:
        return value is None or self.form.fits(value)

    def inside(self, value: Any, where: str) -> None:
        if value is not None:
            self.form.inside(value, where)


class Rows(Form):
    """A list of one form, or, without one, of anything."""

    words = "a list"

    def __init__(self, form: Form | None = None) -> None:
        self.form = form

    def fits(self, value: Any) -> bool:
        return isinstance(value, list)

    def inside(self, value: Any, where: str) -> None:
        form = self.form
        if form is None or (isinstance(form, Value) and all(map(form.test, value))):
            return
        for i, each in enumerate(value):
            form.require(each, f"{where}[{i}]")


class Record(Form):
    """An object with these fields; those of `optional` may be left out."""

    words = "an object"

    def __init__(self, name: str, fields: Mapping[str, Form], optional: Mapping[str, Form] | None = None) -> None:
        self.name, self.fields, self.optional = name, fields, optional or {}

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)

    def inside(self, value: Any, where: str) -> None:
        prefix = where if where.endswith(": ") else f"{where}."
        for name in self.fields:
            self.require_field(value, name, prefix)
        for name in sorted(value.keys() - self.fields.keys()):
            if name not in self.optional:
                known = ", ".join((*self.fields, *self.optional))
                raise SpecError(f"{prefix}{name[:40]} is no field of {self.name}; expected {known}. {TODO}")
            self.optional[name].require(value[name], prefix + name)

    def require_field(self, value: Mapping[str, Any], name: str, prefix: str) -> None:
        """Look at one field.

        Raises
        ------
        SpecError
            Where it is missing or does not have its form.
        """
        if name not in value:
            raise SpecError(f"{prefix}{name} is missing; expected {self.fields[name].words}. {TODO}")
        self.fields[name].require(value[name], prefix + name)


class Tagged(Form):
    """An object of one of several forms; the field `tag` says which."""

    words = "an object"

    def __init__(self, tag: str, forms: Mapping[str, Record]) -> None:
        self.tag, self.forms, self.kinds = tag, forms, Record("it", {tag: OneOf(*forms)})

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)

    def inside(self, value: Any, where: str) -> None:
        self.kinds.require_field(value, self.tag, f"{where}.")
        self.forms[value[self.tag]].inside(value, where)
