"""The type of the values of JSON, which are what a spec or a plan file can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""A value that JSON can write; whoever gets one does not change its lists and mappings."""
