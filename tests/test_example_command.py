"""`chainplan example`: every example is listed, written from any folder, and does what it says to try."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chainplan_cli.example import EXAMPLE_SUFFIXES, examples
from chainplan_cli.main import main
from tests.reference import ROOT

SEARCHED = ("scalar_graph", "transformer_block")
"""Examples whose search ends by time; here soon."""
FILES = {path.stem: path for path in (ROOT / "examples").rglob("*") if path.suffix in EXAMPLE_SUFFIXES}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_every_file_has_a_name_of_its_own_and_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(FILES) == len([path for path in (ROOT / "examples").rglob("*") if path.suffix in EXAMPLE_SUFFIXES])
    assert examples() == FILES
    assert main(["example"]) == 0
    words = set(re.findall(r"\S+", capsys.readouterr().out))
    assert {path.relative_to(ROOT / "examples").with_suffix("").as_posix() for path in FILES.values()} <= words


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_example_is_written_and_tried(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example", name]) == 0
    written, said = folder / FILES[name].name, capsys.readouterr().out
    assert written.read_bytes() == FILES[name].read_bytes()
    program, *words = shlex.split(said.split("Try: ")[1])
    if program == "python":
        assert subprocess.run([sys.executable, *words], check=False, capture_output=True).returncode == 0
        return
    if ":" in words[1]:
        pytest.importorskip("jax")
    assert main([*words, *(["--budget", "1"] if name in SEARCHED else [])]) == 0
    assert re.search(r"cost +[\d,]+ fma", capsys.readouterr().out)


def test_another_file_of_that_name_is_spared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "seed_chain.yaml").write_text("chain: [1, 2]\n", encoding="utf-8")
    assert main(["example", "seed_chain"]) == 2
    assert "found another file of this name" in capsys.readouterr().err
    assert (folder / "seed_chain.yaml").read_text(encoding="utf-8") == "chain: [1, 2]\n"
    assert main(["example", "layers/mlp_batch", "-o", "mine.yaml"]) == 0
    assert main(["example", "mlp_batch.yaml", "-o", "mine.yaml"]) == 0
    assert (folder / "mine.yaml").read_bytes() == FILES["mlp_batch"].read_bytes()


def test_a_misspelt_name_is_set_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example", "sead_chain"]) == 2
    assert "Did you mean 'seed_chain'?" in capsys.readouterr().err
    assert main(["example", "-o", "x.yaml"]) == 2


def test_a_wheel_brings_the_examples(folder: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed; pip install '.[dev]'")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        held.extractall(folder / "installed")
    write = "from chainplan_cli.main import main; raise SystemExit(main(['example', 'mlp_batch']))"
    place = {**os.environ, "PYTHONPATH": str(folder / "installed")}
    done = subprocess.run([sys.executable, "-c", write], env=place, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("mlp_batch.yaml: ")
    assert (folder / "mlp_batch.yaml").read_bytes() == FILES["mlp_batch"].read_bytes()
    where = "import chainplan_cli.example as e; print(e.examples()['mlp_batch'])"
    done = subprocess.run([sys.executable, "-c", where], env=place, check=True, capture_output=True, text=True)
    assert str(folder / "installed") in done.stdout
