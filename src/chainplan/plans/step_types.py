"""Types that all kinds of steps share: places in another plan, and what an interpreter makes of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

StepPlaces = Mapping[int, int]
"""The position of each step of a plan in another plan."""
VisitResult = TypeVar("VisitResult")
