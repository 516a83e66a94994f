"""The suite notices small faults in solvers and judges: each mutant of `tests.mutants` fails the tests it names.

The compiled routines are turned off, for the faults are in the Python code that they stand in for.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import chainplan
from tests.mutants import MUTANTS, Mutant
from tests.reference import ROOT

PACKAGE = Path(chainplan.__file__).parent
SECONDS = 300


def copied(mutant: Mutant, folder: Path) -> Path:
    """A copy of the package with the fault in it, and the folder that it is imported from."""
    shutil.copytree(PACKAGE, folder / "chainplan", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "chainplan" / mutant.file
    code = file.read_text(encoding="utf-8")
    file.write_text(code.replace(mutant.text, mutant.by), encoding="utf-8")
    return folder


def run_on(mutant: Mutant, folder: Path, place: Path) -> int:
    """Exit code of pytest on the tests named, with the package of a folder; `place` is for what they leave behind."""
    paths = os.pathsep.join([str(folder), str(ROOT / "cli")])
    variables = {
        **os.environ,
        "PYTHONPATH": paths,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(place),
        "CHAINPLAN_COMPILED": "0",
    }
    where = [sys.executable, "-c", "import chainplan; print(chainplan.__file__)"]
    found = subprocess.run(where, cwd=ROOT, env=variables, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(folder)
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *shlex.split(mutant.killers)]
    return subprocess.run(argv, cwd=ROOT, env=variables, capture_output=True, check=False, timeout=SECONDS).returncode


@pytest.mark.nightly
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed(name: str, tmp_path: Path) -> None:
    code = run_on(MUTANTS[name], copied(MUTANTS[name], tmp_path / "src"), tmp_path)
    assert code == pytest.ExitCode.TESTS_FAILED, f"{name}: pytest ended with {code}; 0 is a mutant that lives"


def test_a_mutant_of_every_text_would_be_found() -> None:
    """The replaced texts differ from what replaces them, and each stands once in a file of the package."""
    for mutant in MUTANTS.values():
        assert mutant.text != mutant.by
        count = (PACKAGE / mutant.file).read_text(encoding="utf-8").count(mutant.text)
        assert count == 1, f"{mutant.file} has {count} of {mutant.text!r}; expected one"
