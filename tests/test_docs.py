"""Every block of the pages under docs/ is carried out, in order, in an empty folder, and prints what the page shows.

`<!-- file: NAME -->` before a block says that it is the content of a file. Of a `console` block every line after `$` is
run, and what follows such a line, if anything, is what it prints; times are left out of the comparison.
`python -m pytest --update-golden` writes what is printed into the pages anew.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from chainplan_cli.main import main
from tests.reference import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n\n)?```(\w+)\n(.*?)```", re.DOTALL)
NEEDS = {"jax.md": "jax"}
"""The package that a page needs."""
_TIME = re.compile(r"\d[\d.,]* (?:µs|ms|s)\b")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_do_what_the_page_says(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    update = bool(request.config.getoption("--update-golden"))
    text, names = page.read_text(encoding="utf-8"), {"__name__": "page"}

    def carried_out(block: re.Match[str]) -> str:
        file, language, body = block.groups()
        if file is not None:
            (folder / file).write_text(body, encoding="utf-8")
        elif language == "console":
            return block.group().replace(body, _commands(body, update))
        elif language == "python":
            _python(body, page.name, names)
        else:
            assert language in ("text", "json"), f"a block of {language} that is no file"
        return block.group()

    found = BLOCK.sub(carried_out, text)
    if update:
        page.write_text(found, encoding="utf-8")
    assert found == page.read_text(encoding="utf-8")


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
            same = _plain(printed) == _plain(shown)
            assert same or update, f"$ {command}\n{printed}"
            shown = shown if same else printed
        written.append(f"$ {command}\n{shown}")
    return "".join(written)


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


def test_there_is_a_page_for_every_reader() -> None:
    assert {page.stem for page in PAGES} >= {"tutorial", "simulations", "jax", "teaching", "contributing"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"docs/{page.name}" in readme for page in PAGES)
