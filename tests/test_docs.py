"""Every block of the README and of the pages under docs/ is carried out, in an empty folder, and does what it shows.

`<!-- file: NAME -->` before a block says that it is the content of a file. Of a `console` block every line after `$` is
run, and what follows such a line, if anything, is what it prints; times are left out of the comparison, and a line of
dots stands for any lines. A block of YAML that is no file is a spec that must be read. Blocks of `sh` are for readers
alone: they install, serve, or need a cluster. `python -m pytest --update-golden` writes what is printed into the pages
anew.
"""

from __future__ import annotations

import ast
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chainplan import from_spec, read
from chainplan.plans.bound import Status
from chainplan_cli.group import COMMAND_SUMMARIES
from chainplan_cli.main import main
from tests.reference import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n\n)?```(\w+)\n(.*?)```", re.DOTALL)
SHOWN_ALONE = ("text", "json", "sh", "c")
"""Languages whose blocks are not carried out."""
_DOTS = re.compile(r"^ *\.\.\.\n", re.MULTILINE)
_TIME = re.compile(r"\d[\d.,]* (?:µs|ms|s)\b")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_do_what_the_page_says(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    update = bool(request.config.getoption("--update-golden"))
    text, names = page.read_text(encoding="utf-8"), {"__name__": "page"}
    for package in ("casadi", "jax", "sympy", "torch"):
        if f"import {package}" in text:
            pytest.importorskip(package)

    def carried_out(block: re.Match[str]) -> str:
        file, language, body = block.groups()
        if file is not None:
            (folder / file).write_text(body, encoding="utf-8")
        elif language == "console":
            return block.group().replace(body, _commands(body, update))
        elif language == "python":
            _python(body, page.name, names)
        elif language == "yaml":
            _spec(body, folder / "spec.yaml")
        else:
            assert language in SHOWN_ALONE, f"a block of {language} that is no file"
        return block.group()

    found = BLOCK.sub(carried_out, text)
    if update:
        page.write_text(found, encoding="utf-8")
    assert found == page.read_text(encoding="utf-8")


def _spec(text: str, path: Path) -> None:
    """A spec is read, and what is read of it says the same again."""
    path.write_text(text, encoding="utf-8")
    problem = read(path)
    assert from_spec(problem.to_spec()) == problem


def _python(body: str, name: str, names: dict[str, Any]) -> None:
    if ">>>" not in body:
        exec(compile(body, name, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(body, names, name, name, 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False).failed == 0
    names.update(test.globs)


def _commands(body: str, update: bool) -> str:
    """The block with what its commands print; the time that something took stays as the page has it."""
    written = []
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
        printed = _printed(shlex.split(command))
        if shown:
            same = _same(printed, shown)
            assert same or update, f"$ {command}\n{printed}"
            shown = shown if same else printed
        written.append(f"$ {command}\n{shown}")
    return "".join(written)


def _same(printed: str, shown: str) -> bool:
    """Whether a command prints what a page shows of it."""
    parts = [re.escape(_plain(part)) for part in _DOTS.split(shown)]
    return re.fullmatch(r"\s?.*\s?".join(parts), _plain(printed), re.DOTALL) is not None


def _plain(text: str) -> str:
    return re.sub(r"[ ─-]+", " ", _TIME.sub("TIME", text)).strip()


def _printed(words: list[str]) -> str:
    if words[0] == "python":
        paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        found = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False, env=paths)
        assert found.returncode == 0, found.stderr
        return found.stdout
    assert words[0] == "chainplan", f"'{words[0]}' is not run by the tests of the pages"
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words[1:])
    assert code == 0, err.getvalue()
    return out.getvalue()


def test_a_line_of_dots_stands_for_any_lines() -> None:
    assert _same("a\nb\nc\nd\n", "a\n  ...\nd\n")
    assert _same("a in 3.5 ms\nb\n", "a in 27 µs\n...\n")
    assert not _same("a\nb\nc\n", "a\n  ...\nd\n")
    assert not _same("a\nb\nc\n", "b\n  ...\nc\n")
    assert not _same("a\nb\n", "a\n")


def test_there_is_a_page_for_every_reader() -> None:
    assert {page.stem for page in PAGES} >= {"tutorial", "simulations", "jax", "ad-tools", "teaching", "contributing"}


def test_the_site_shows_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1]
    listed = set(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE))
    assert listed == {page.relative_to(DOCS).as_posix() for page in PAGES} | {"changelog.md"}


def test_links_between_pages_lead_somewhere() -> None:
    for page in (README, *PAGES, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", BLOCK.sub("", page.read_text(encoding="utf-8"))):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_first_page_lists_every_extra() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(declared.keys() - {"bench", "dev", "docs", "test"})


def test_the_api_page_lists_the_public_names() -> None:
    import chainplan
    from chainplan import codegen
    from chainplan.colouring import symmetric

    page = (DOCS / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    expected = {f"chainplan.{name}" for name in chainplan.__all__ if name != "__version__"}
    expected |= {f"chainplan.codegen.{name}" for name in codegen.__all__}
    expected |= {f"chainplan.colouring.symmetric.{name}" for name in symmetric.__all__}
    for room in ("jax", "torch"):
        source = ast.parse((ROOT / "src" / "chainplan" / room / "__init__.py").read_text(encoding="utf-8"))
        for node in source.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                expected |= {f"chainplan.{room}.{name}" for name in ast.literal_eval(node.value)}
    for names in (shown, re.findall(r"\]\[(\S+)\]", page)):
        assert sorted(names) == sorted(expected)


def test_the_page_of_layers_lists_the_ops() -> None:
    from chainplan.programs.ops.registry import OPS

    table = (DOCS / "layers.md").read_text(encoding="utf-8").split("## The ops")[1]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    assert {op.strip(" `"): set(re.findall(r"`(\w+)`", options)) for op, options in rows} == {
        name: {field.name for field in fields(op)} for name, op in OPS.items()
    }


def _names_of(paths: Iterable[Path]) -> set[str]:
    """Every name that some files define: of files and folders, classes, functions, fields and other variables."""
    names: set[str] = set()
    for path in paths:
        names |= {path.stem, path.parent.name}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def test_the_architecture_page_names_what_is_defined() -> None:
    """Of every word of code on the page, such as `Step`, `SOLVERS`, `reasons()` and `chainplan.execute`."""
    folders = (ROOT / "src", ROOT / "cli", ROOT / "bench", ROOT / "generators", ROOT / "tests")
    known = _names_of(path for folder in folders for path in folder.rglob("*.py"))
    known |= {status.value for status in Status}
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    words = re.findall(r"`([A-Za-z_][\w.]*)(?:\(\)|=\w+)?`", text)
    words = [word for word in words if not word.endswith((".py", ".toml", ".md"))]
    assert len(words) > 60
    assert {word for word in words if not set(word.split(".")) <= known} == set()


def test_the_architecture_page_lists_every_room_on_its_floor() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        layers = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d \| (.*?) \|", text, re.MULTILINE)
    shown = [{room.removesuffix(".py") for room in re.findall(r"`([\w.]+)`", row)} for row in rows]
    rooms = [set(re.findall(r"chainplan\.(\w+)", layer)) for layer in layers]
    assert shown == [floor for floor in rooms if floor]


def test_the_page_of_the_command_line_shows_every_help() -> None:
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\$ chainplan (\S+) --help$", text, re.MULTILINE)) == set(COMMAND_SUMMARIES)


def test_the_site_names_files_that_are_there() -> None:
    house = ROOT / "src" / "chainplan"
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"`([\w/.]+(?:/|\.py))`", page.read_text(encoding="utf-8")):
            if "my_" not in name:
                assert (ROOT / name).exists() or (house / name).exists() or any(house.rglob(name)), (page.name, name)
