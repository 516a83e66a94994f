"""The docstrings of public names are numpydoc: parameters with types, results, errors, and examples for functions.

That the examples run is seen to by `test_readme`.
"""

from __future__ import annotations

import inspect
from enum import Enum
from importlib import import_module
from typing import Any

import pytest

import chainplan

validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is not installed; pip install '.[dev]'").validate

OPTIONAL = {"ES01": "an extended summary", "SA01": "a section See Also"}
NO_EXAMPLE = {"portfolio": "it starts a cluster"}
NAMES = [f"chainplan.{name}" for name in chainplan.__all__ if name != "__version__"]
JAX = ("DifferentiationError", "explain", "jacobian", "jvp_chunks", "linearised_graph", "vjp_chunks")


def required(code: str, found: Any) -> bool:
    """Whether a rule holds for an object: classes need no examples, enumerations have no parameters of their own."""
    if inspect.isclass(found):
        return code != "EX01" and not (code == "PR01" and issubclass(found, Enum))
    return not (code == "EX01" and found.__name__ in NO_EXAMPLE)


@pytest.mark.parametrize("name", [*NAMES, *(f"chainplan.jax.{name}" for name in JAX)])
def test_public_docstrings_are_numpydoc(name: str) -> None:
    module, _, own = name.rpartition(".")
    if module == "chainplan.jax":
        pytest.importorskip("jax")
    found = getattr(import_module(module), own)
    found = getattr(found, own) if inspect.ismodule(found) else found
    errors = validate(f"{found.__module__}.{found.__qualname__}")["errors"]
    assert [error for error in errors if error[0] not in OPTIONAL and required(error[0], found)] == []


def test_all_names_for_jax_are_looked_at() -> None:
    pytest.importorskip("jax")
    assert sorted(JAX) == sorted(import_module("chainplan.jax").__all__)
