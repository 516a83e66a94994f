"""Types that all kinds of steps share: places in another plan, and what an interpreter makes of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

StepPlaces = Mapping[int, int]
"""The position of each step of a plan in another plan."""
VisitResult = TypeVar("VisitResult")


def keep_kinds_apart(kind: type) -> None:
    """Let the steps of a kind be equal to steps of the same kind alone; named tuples are equal to all of equal fields.

    The hash stays that of the fields.
    """
    setattr(kind, "__eq__", _equal)  # noqa: B010  # a class's own method is not assigned in sight of mypy
    setattr(kind, "__ne__", _unequal)  # noqa: B010


def _equal(one: tuple[object, ...], other: object) -> bool:
    return type(one) is type(other) and tuple.__eq__(one, other)


def _unequal(one: tuple[object, ...], other: object) -> bool:
    return not _equal(one, other)
