"""Names for what the front-end handles where JAX has none: trees, parameters of primitives, arrays without values."""

from __future__ import annotations

from typing import Any, Protocol

from chainplan._util.arrays import DType

Tree = Any
"""A tree of JAX: arrays, or tuples, lists and dicts of trees."""
EntryValues = Any
"""The values of some entries: an array of JAX, or of numpy where they are known while the function is traced."""
Parameters = dict[str, Any]
"""The parameters of a primitive by name; their types are those that the primitive asks for."""


class Shaped(Protocol):
    """What has a shape and a dtype: an array, or what JAX knows of one before it has values."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> DType: ...
