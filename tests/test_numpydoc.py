"""The docstrings of `src` are numpydoc that parses; those of public names have all that a reader needs.

Public functions and classes have parameters with types, results, errors, and examples; methods and properties of public
classes have the same but for examples. Everywhere else a docstring may say less, but what stands as a type is the type
of the signature. That the examples run is seen to by `test_readme`.
"""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Iterator
from enum import Enum
from functools import cached_property
from importlib import import_module
from typing import Any

import pytest

import chainplan
from chainplan import codegen
from tests.reference import ROOT

validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is not installed; pip install '.[dev]'").validate
NumpyDocString = import_module("numpydoc.docscrape").NumpyDocString

OPTIONAL = {"ES01": "an extended summary", "SA01": "a section See Also"}
NAMES = [f"chainplan.{name}" for name in chainplan.__all__ if name != "__version__"]
JAX = (
    "DifferentiationError",
    "LinearizedOperator",
    "explain",
    "gauss_newton",
    "hessian",
    "jacobian",
    "jvp_chunks",
    "linearised_graph",
    "linearize",
    "vjp_chunks",
)
TORCH = ("Jacobian", "jacobian")
CODEGEN = [f"chainplan.codegen.{name}" for name in codegen.__all__]
CODEGEN_CLASSES = (codegen.ScalarProgram, codegen.CompiledProgram)
MEMBERS = (property, cached_property, classmethod, staticmethod)
Documented = ast.FunctionDef | ast.ClassDef


def required(code: str, named: Any) -> bool:
    """Whether a rule holds for a public object: an enumeration has no parameters of its own."""
    return not (code == "PR01" and inspect.isclass(named) and issubclass(named, Enum))


@pytest.mark.parametrize(
    "name",
    [*NAMES, *CODEGEN, *(f"chainplan.jax.{name}" for name in JAX), *(f"chainplan.torch.{name}" for name in TORCH)],
)
def test_public_docstrings_are_numpydoc(name: str) -> None:
    module, _, own = name.rpartition(".")
    if module == "chainplan.jax":
        pytest.importorskip("jax")
    if module == "chainplan.torch":
        pytest.importorskip("torch")
    named = getattr(import_module(module), own)
    errors = validate(f"{named.__module__}.{named.__qualname__}")["errors"]
    assert [error for error in errors if error[0] not in OPTIONAL and required(error[0], named)] == []


def members() -> Iterator[tuple[type, str]]:
    """The public methods and properties that public classes define."""
    for named in (*(getattr(chainplan, name.removeprefix("chainplan.")) for name in NAMES), *CODEGEN_CLASSES):
        for member, value in vars(named).items() if inspect.isclass(named) else ():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, MEMBERS)):
                yield named, member


@pytest.mark.parametrize(("owner", "member"), list(members()), ids=lambda part: getattr(part, "__name__", part))
def test_methods_and_properties_of_public_classes_are_numpydoc(owner: type, member: str) -> None:
    """A method without a docstring of its own has that of the class that it implements."""
    told = next((base for base in owner.__mro__ if getattr(vars(base).get(member), "__doc__", None)), owner)
    errors = validate(f"{told.__module__}.{told.__qualname__}.{member}")["errors"]
    assert [error for error in errors if error[0] not in OPTIONAL and error[0] != "EX01"] == []


def test_all_names_for_jax_are_looked_at() -> None:
    pytest.importorskip("jax")
    assert sorted(JAX) == sorted(import_module("chainplan.jax").__all__)


def test_all_names_for_pytorch_are_looked_at() -> None:
    pytest.importorskip("torch")
    assert sorted(TORCH) == sorted(import_module("chainplan.torch").__all__)


def parameters(node: Documented) -> dict[str, str]:
    """The types of what a function takes, or of what a class is made of, as its signature writes them."""
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                return parameters(inner)
        fields = [inner for inner in node.body if isinstance(inner, ast.AnnAssign)]
        return {ast.unparse(field.target): _type(field.annotation) for field in fields}
    taken = node.args
    stars = [("*", taken.vararg), ("**", taken.kwarg)]
    named = [("", argument) for argument in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    return {f"{star}{a.arg}": _type(a.annotation) for star, a in (*named, *stars) if a is not None}


def _type(annotation: ast.expr | None) -> str:
    return "" if annotation is None else ast.unparse(annotation).replace("abc.", "")


def _inherits(node: Documented) -> bool:
    """Whether a class takes what a base of it takes, whose types stand there."""
    return isinstance(node, ast.ClassDef) and bool(node.bases)


def faults(node: Documented) -> Iterator[str]:
    """What is wrong with the sections of a docstring."""
    text = ast.get_docstring(node)
    if not text or not re.search(r"^-{3,}$", text, re.MULTILINE):
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        parsed = NumpyDocString(text)
    yield from (str(warning.message) for warning in said)
    signature = parameters(node)
    for entry in parsed["Parameters"]:
        for name in entry.name.split(", "):
            if (signature or not _inherits(node)) and signature.get(name) != entry.type:
                yield f"parameter {name}: '{entry.type}' is not the type '{signature.get(name)}'"
    result = _type(node.returns) if isinstance(node, ast.FunctionDef) else ""
    for entry in parsed["Returns"]:
        if entry.name or result.partition("[")[0] != entry.type.partition("[")[0]:
            yield f"returns '{entry.type}', which is not the type of the signature"
    for entry in parsed["Raises"]:
        if not re.fullmatch(r"\w+", entry.type):
            yield f"raises '{entry.type}', which is not the name of one exception"
    for section in ("Parameters", "Returns", "Raises"):
        yield from (f"{section}: {e.name} {e.type} has no description" for e in parsed[section] if not e.desc)


def test_all_docstrings_with_sections_parse() -> None:
    wrong, seen = [], 0
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Documented):
                seen += 1
                wrong += [f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {fault}" for fault in faults(node)]
    assert seen > 1000
    assert wrong == []


def test_a_sentence_in_the_place_of_a_type_is_seen() -> None:
    source = '''
def plan(problem: Problem) -> Result:
    """Find a plan.

    Parameters
    ----------
    problem : what to plan.

    Raises
    ------
    ValueError, and others
        If it cannot be planned.
    """
'''
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    assert len(list(faults(node))) == 3
