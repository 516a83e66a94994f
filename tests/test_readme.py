"""Everything the README shows is so: its Python runs, its specs are read, its paths exist."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import chainplan
from chainplan.frontends.table import from_spec, read
from chainplan_cli.main import main
from tests.reference import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = [m.name for m in pkgutil.walk_packages(chainplan.__path__, "chainplan.")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_examples_run() -> None:
    sessions = "".join(block for block in blocks("python") if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(sessions, {}, "README.md", "README.md", 0)
    assert len(test.examples) > 10
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_jax_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    (example,) = (block for block in blocks("python") if "chainplan.jax.jacobian" in block)
    names: dict[str, Any] = {}
    exec(example, names)
    assert jax.numpy.allclose(names["J"], jax.jacrev(names["f"])(names["x"], names["P"]), rtol=1e-4)
    (tmp_path / "my_module.py").write_text(example.split("x, P =")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command = next(line for line in TEXT.splitlines() if line.startswith("$ chainplan plan my_module:f"))
    assert main(shlex.split(command)[2:]) == 0


def test_the_specs_are_read(tmp_path: Path) -> None:
    specs = blocks("yaml")
    assert len(specs) == 5
    for i, spec in enumerate(specs):
        path = tmp_path / f"{i}.yaml"
        path.write_text(spec, encoding="utf-8")
        problem = read(path)
        assert from_spec(problem.to_spec()) == problem


def test_the_map_names_what_is_there() -> None:
    section = TEXT.split("## Map of the code")[1].split("##")[0]
    for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE):
        for name in re.findall(r"`([^`]*)`", row):
            assert (ROOT / name).exists() or (ROOT / "src" / "chainplan" / name).exists(), name


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples_run(module: str) -> None:
    if module.startswith("chainplan.jax"):
        pytest.importorskip("jax")
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_public_names_exist_and_are_documented() -> None:
    for name in chainplan.__all__:
        assert getattr(chainplan, name) is not None
        if name != "__version__":
            assert getattr(chainplan, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = chainplan.nothing


def test_what_the_readme_says_explain_says(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = (block for block in blocks("text") if "Is the Jacobian needed?" in block)
    assert main(["explain", str(ROOT / "examples" / "mixed_chain.yaml"), "--budget", "60"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert all(line in said for line in shown.splitlines() if line.strip() != "...")
