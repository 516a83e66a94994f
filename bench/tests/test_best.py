"""The best known plans: those in the tree are what they claim, and a wrong one is found out."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.__main__ import command
from bench.best import improve, plan_path, stored_best, write_index, wrong_claims
from bench.instances import FOLDER
from bench.instances.sets import SETS, Stored
from bench.rows import BestRow

CHAIN, GRAPH, OTHER = "uniform-10-1", "local_30_scalar", "degree_30_scalar"
MOST = 3_000_000
"""Bytes of all plan files together."""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of three best known plans, alone in their sets."""
    stored = {s.name: s for make in SETS.values() for s in make() if s.name in (CHAIN, GRAPH, OTHER)}
    sets = {"chains": [stored[CHAIN]], "dags-random": [stored[GRAPH], stored[OTHER]]}
    for name in list(SETS):
        monkeypatch.delitem(SETS, name)
    for name, found in sets.items():
        monkeypatch.setitem(SETS, name, _giving(found))
    (tmp_path / "plans").mkdir()
    for name in stored:
        shutil.copy(plan_path(name), plan_path(name, tmp_path))
    write_index((stored_best()[name] for name in stored), tmp_path)
    return tmp_path


def _giving(found: list[Stored]) -> Callable[[], Any]:
    return lambda: iter(found)


def _wrong(folder: Path) -> list[str]:
    return [line for name in SETS for line in wrong_claims(name, folder)]


def _change(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    path = plan_path(name, folder)
    document = json.loads(gzip.decompress(path.read_bytes()))
    change(document)
    path.write_bytes(gzip.compress(json.dumps(document).encode()))


class TestClaims:
    def test_are_there_for_every_instance_and_no_other(self) -> None:
        names = [s.name for make in SETS.values() for s in make()]
        assert list(stored_best()) == names
        assert {path.name for path in (FOLDER / "plans").iterdir()} == {plan_path(name).name for name in names}
        assert sum(path.stat().st_size for path in (FOLDER / "plans").iterdir()) < MOST

    def test_of_short_instances_are_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, make in list(SETS.items()):
            monkeypatch.setitem(SETS, name, _giving([s for s in make() if s.n <= 30]))
        assert not [line for name in SETS for line in wrong_claims(name)]

    @pytest.mark.nightly
    @pytest.mark.parametrize("name", list(SETS))
    def test_of_all_instances_are_so(self, name: str) -> None:
        assert not list(wrong_claims(name))


class TestVerify:
    def test_finds_nothing_wrong_with_a_copy(self, copy: Path) -> None:
        assert not _wrong(copy)

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("cost", 1, "claimed cost 1, but the plan file costs"),
            ("bound", 10**9, "expected no more"),
            ("fingerprint", "0" * 64, "the index has fingerprint 000000000000…"),
            ("optimal", "no", "optimal is 'no'"),
        ],
    )
    def test_names_a_wrong_claim(self, copy: Path, field: str, value: Any, message: str) -> None:
        rows = stored_best(copy)
        write_index([replace(row, **{field: value}) if row.instance == CHAIN else row for row in rows.values()], copy)
        assert any(line.startswith(CHAIN) and message in line for line in _wrong(copy))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: d["cost"].update(fma=d["cost"]["fma"] - 1), "cost.fma is claimed to be"),
            (lambda d: d["steps"].pop(), "does not exist"),
            (lambda d: d["steps"][-1].update(left=0), ""),
            (lambda d: d["problem"]["dag"]["sizes"].update({"0": 2}), "fingerprint"),
            (lambda d: d["outputs"].pop(), ""),
        ],
    )
    def test_names_a_changed_plan_file(
        self, copy: Path, change: Callable[[dict[str, Any]], None], message: str
    ) -> None:
        _change(copy, GRAPH, change)
        (line,) = _wrong(copy)
        assert line.startswith(GRAPH)
        assert message in line

    def test_names_the_plan_of_another_instance(self, copy: Path) -> None:
        shutil.copy(plan_path(OTHER, copy), plan_path(GRAPH, copy))
        assert any("the plan file has fingerprint" in line for line in _wrong(copy))

    @pytest.mark.parametrize(
        "content",
        [
            None,
            b"",
            b"no gzip",
            gzip.compress(b"{}", mtime=0),
            gzip.compress(b"[" * 10, mtime=0)[:-9],
            gzip.compress(b"[" * 99, mtime=0)[:15] + b"?" * 9,
        ],
    )
    def test_names_a_file_that_is_none(self, copy: Path, content: bytes | None) -> None:
        if content is None:
            plan_path(GRAPH, copy).unlink()
        else:
            plan_path(GRAPH, copy).write_bytes(content)
        assert [line.startswith(GRAPH) for line in _wrong(copy)] == [True]

    def test_names_an_instance_without_a_claim(self, copy: Path) -> None:
        write_index([row for row in stored_best(copy).values() if row.instance != GRAPH], copy)
        assert [line for line in _wrong(copy) if line.startswith(f"{GRAPH}: no best known plan")]

    def test_ends_with_1_on_disagreement(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench.__main__.wrong_claims", lambda name: [f"{name}: wrong"])
        done = CliRunner().invoke(command, ["verify", "structure"])
        assert done.exit_code == 1
        assert "30 instances, 1 disagreements" in done.output
        monkeypatch.setattr("bench.__main__.wrong_claims", lambda name: [])
        assert CliRunner().invoke(command, ["verify", "structure"]).exit_code == 0


class TestImprove:
    def test_finds_a_plan_where_there_is_none_and_a_better_one_where_it_can(self, copy: Path) -> None:
        best = stored_best(copy)
        write_index([row for row in best.values() if row.instance == OTHER], copy)
        plan_path(GRAPH, copy).unlink()
        assert improve("dags-random", 0.5, lambda line: None, copy, only=(GRAPH,)) == 1
        assert stored_best(copy)[GRAPH].cost == best[GRAPH].cost
        assert improve("dags-random", 0.5, lambda line: None, copy, only=(GRAPH,)) == 0
        assert not [line for line in _wrong(copy) if not line.startswith(CHAIN)]

    def test_never_keeps_what_is_worse(self, copy: Path) -> None:
        before = stored_best(copy)
        improve("dags-random", 0.0, lambda line: None, copy)
        for name, row in stored_best(copy).items():
            assert row.cost <= before[name].cost
            assert row.bound >= before[name].bound

    def test_claims_of_one_problem_are_those_of_its_plan(self, copy: Path) -> None:
        for row in stored_best(copy).values():
            assert isinstance(row, BestRow)
            assert (row.optimal == "yes") == (row.cost == row.bound)
