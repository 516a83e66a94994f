"""The README is short; public names are documented, docstrings' examples run. Its blocks: `test_docs`."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re

import pytest

import chainplan
from tests.reference import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
ELSEWHERE = {"docs/index.md", "docs/contributing.md"}
"""The site's first page, and what CONTRIBUTING.md leads to."""
MODULES = [m.name for m in pkgutil.walk_packages(chainplan.__path__, "chainplan.")]


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(TEXT.splitlines()) <= 130
    linked = set(re.findall(r"\]\((docs/[^)]+\.md)\)", TEXT))
    assert linked == {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")} - ELSEWHERE


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples_run(module: str) -> None:
    if module.startswith("chainplan.jax"):
        pytest.importorskip("jax")
    if module.startswith("chainplan.torch"):
        pytest.importorskip("torch")
    if module == "chainplan.distributed.restarts":
        pytest.importorskip("distributed")
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_public_names_exist_and_are_documented() -> None:
    for name in chainplan.__all__:
        assert getattr(chainplan, name) is not None
        if name != "__version__":
            assert getattr(chainplan, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = chainplan.nothing
    with pytest.raises(AttributeError, match=r"no attribute 'jacobian'; write chainplan\.reference_jacobian"):
        _ = chainplan.jacobian


def test_public_names_are_what_they_should_be_once_every_module_is_imported() -> None:
    for module in MODULES:
        if not module.startswith(("chainplan.jax", "chainplan.torch")):
            importlib.import_module(module)
    for name, home in chainplan._HOMES.items():
        assert getattr(chainplan, name) is getattr(importlib.import_module(f"chainplan.{home}"), name)


def test_no_module_carries_the_name_of_a_public_name_of_its_package() -> None:
    pytest.importorskip("jax")
    for package in (chainplan, importlib.import_module("chainplan.jax")):
        assert not {module.name for module in pkgutil.iter_modules(package.__path__)} & set(package.__all__)
