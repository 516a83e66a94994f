"""The suite `targets`: figures and what is made of them, targets that fail, runs that are cut short, small sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.__main__ import command
from bench.rows import TargetRow, from_csv, to_csv
from bench.targets import chains, graphs, others
from bench.targets.apart import measured, measured_apart
from bench.targets.report import judged, target_claims, target_report_text
from bench.targets.run import TARGET_SUITES, TargetSuite, run_targets
from bench.targets.table import PARTS, TARGETS
from bench.targets.target import Effort, Figure, Target
from bench.tests.measures import dies, endless, two, wrong
from chainplan.planner import plan
from generators.chains import mixed_chain, pattern_chain
from generators.graphs import FAMILIES, bottleneck_with_skip, dag_problem, economics, make, with_unit_edges

SMALL = Effort(samples=2, size=0.04, seconds=0.01)


class TestFigures:
    @pytest.mark.parametrize(
        ("figure", "goal", "at_least", "reached"),
        [(2, 2, False, "yes"), (2, 1, False, "no"), (2, 2, True, "yes"), (2, 3, True, "no"), (2, None, False, "")],
    )
    def test_are_judged_by_the_goal(self, figure: float, goal: float | None, at_least: bool, reached: str) -> None:
        assert Figure("a", figure, goal, at_least=at_least).reached == reached
        assert Figure("a", None, goal, at_least=at_least).reached == ""

    def test_are_of_small_sizes_where_the_effort_is_small(self) -> None:
        assert (Effort().sized(85_000), Effort().within(20.0), Effort().full) == (85_000, 20.0, True)
        assert (SMALL.sized(1000), SMALL.sized(14), SMALL.sized(3), SMALL.within(20.0)) == (40, 4, 3, 0.2)
        assert not SMALL.full


class TestProcesses:
    """What goes wrong in a target is a row."""

    def test_an_error(self) -> None:
        found = [m.figure.status for m in measured(Target("w", "", wrong), SMALL)]
        assert found == ["ok", "failed: ValueError: no such thing"]

    def test_a_process_that_dies(self) -> None:
        found = [m.figure.status for m in measured_apart(Target("d", "", dies), SMALL)]
        assert found == ["ok", "failed: the process ended with code 3"]

    def test_a_target_without_end_and_the_switch_of_the_core(self) -> None:
        first, last = measured_apart(Target("e", "", endless, limit=1.0, compiled=False), SMALL, least=4.0)
        assert (first.figure.measured, last.figure.status) == ("0", "stopped after 4 s")
        assert first.memory is not None
        assert first.memory > 10


class TestRun:
    def test_keeps_every_row_as_it_comes(self) -> None:
        suite = TargetSuite(targets=(Target("a", "A", two), Target("w", "B", wrong)))
        states = [rows for _, rows in run_targets(suite, lambda line: None)]
        assert [len(rows) for rows in states] == [1, 2, 3, 4]
        assert [row.reached for row in states[-1]] == ["yes", "no", "", ""]
        assert states[-1][3].status == "failed: ValueError: no such thing"
        assert {row.cores for row in states[-1]} == {os.cpu_count()}
        assert all(row.load is not None for row in states[-1])

    def test_judges_nothing_at_small_sizes(self) -> None:
        suite = TargetSuite(targets=(Target("a", "A", two),)).quick()
        *_, (about, rows) = run_targets(suite, lambda line: None)
        assert {row.reached for row in rows} == {""}
        assert "of the sizes" in about["effort"]
        assert not target_claims(rows)

    def test_takes_some_targets_and_samples(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        targets = (Target("some-1", "A", two), Target("some-2", "A", two), Target("other", "A", two))
        monkeypatch.setitem(TARGET_SUITES, "targets", TargetSuite(targets=targets))
        arguments = ["run", "targets", "--only", "some-2", "--only", "other", "--samples", "7", "-o", str(tmp_path)]
        done = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert done.exit_code == 0
        csv = (tmp_path / "targets.csv").read_text(encoding="utf-8")
        about, rows = from_csv(csv, TargetRow)
        assert to_csv(about, rows, TargetRow) == csv
        assert [(row.target, row.samples) for row in rows] == [("some-2", 1), ("some-2", 7), ("other", 1), ("other", 7)]
        assert about["effort"] == "proof rates of 7 graphs each"
        assert "2 goals are reached, 2 are missed" in (tmp_path / "targets.md").read_text(encoding="utf-8")

    def test_refuses_options_that_mean_nothing(self) -> None:
        done = CliRunner().invoke(command, ["run", "limits", "--samples", "2"])
        assert done.exit_code == 2
        assert "--samples has no meaning for limits; expected one of targets." in done.output


class TestReport:
    def test_names_what_is_missed_and_what_has_no_figure(self) -> None:
        rows = [
            TargetRow("a", "A", "", "one", 1.0, "s", "at most", 2.0, "yes", seconds=2.0, cpu=1.0, load=0.5),
            TargetRow("b", "B", "", "two", 0.25, "share", "at least", 0.5, "no", samples=4),
            TargetRow("c", "B", "", "three", status="failed: x"),
        ]
        assert [[row.target for row in part] for part in judged(rows)] == [["a"], ["b"], ["c"]]
        text = target_report_text(TargetSuite(), {}, rows)
        assert "- 1 goals are reached, 1 are missed." in text
        assert "| `a` | one | ≤ 2 s | 1 s | yes | 2 s | 0.50 | 0.5 | – |" in text
        assert "| `b` | two (of 4) | ≥ 50.0% | 25.0% | no | – | – | – | – |" in text
        assert "| `c` | three | – | failed: x | – |" in text
        assert [claim.figure for claim in target_claims(rows)] == ["1 of 3", "1"]


SLOW = ("vertices-100000", "dense", "proofs", "schedules", "patterns-10", "structured-1000", "gap", "cost")


class TestTargets:
    def test_have_names_of_their_own(self) -> None:
        assert len({target.name for target in TARGETS}) == len(TARGETS)
        assert {target.part for target in TARGETS} == set(PARTS)

    @pytest.mark.parametrize("target", [t for t in TARGETS if t.part != "Bounds" and not t.name.startswith(SLOW)])
    def test_are_measured_at_small_sizes(self, target: Target) -> None:
        found = [m.figure for m in measured(target, SMALL)]
        assert found
        for figure in found:
            if figure.status.startswith("failed"):
                assert "CHAINPLAN_DATA" in figure.status or "refuses" in figure.status

    @pytest.mark.parametrize(
        "measure",
        [
            partial(graphs.proof_rate, n=100, block=True, units=True),
            partial(graphs.cost_in_less, name="residual_30_block", before=1000),
            partial(graphs.stored_gaps, n=1000, seconds=10.0, goal=0.4),
            partial(chains.dense, q=1000, seconds=1.0, memory=1024.0),
            partial(others.schedules, q=100),
        ],
    )
    def test_are_measured_by_these(self, measure: partial[Iterator[Figure]]) -> None:
        assert all(figure.status == "ok" for figure in measure(SMALL))

    def test_sample_every_family(self) -> None:
        def families(samples: int, block: bool) -> list[str]:
            figure = next(graphs.proof_rate(replace(SMALL, samples=samples), 40, block, False))
            return [words.split()[0] for words in figure.note.split(", ")]

        assert families(6, False) == list(FAMILIES)
        assert sorted(families(3, False) + families(3, True)) == sorted(FAMILIES)

    def test_reach_the_closed_form(self) -> None:
        price, cost = (figure.figure for figure in chains.recomputed(Effort(size=0.001), 40_000, 3))
        assert price is not None
        assert cost == 1.0


class TestInstances:
    @pytest.mark.parametrize("block", [False, True])
    @pytest.mark.parametrize("family", list(FAMILIES))
    def test_with_unit_edges_have_them(self, family: str, block: bool) -> None:
        plain = make(family, 20, block)
        marked = with_unit_edges(plain, 0.4)
        assert marked == with_unit_edges(plain, 0.4)
        assert [(u, v) for u, v, _ in marked["edges"]] == [tuple(edge) for edge in plain["edges"]]
        units = [(u, v) for u, v, mark in marked["edges"] if mark]
        assert len(units) == round(0.4 * len(plain["edges"]))
        assert all(marked["sizes"][u] == marked["sizes"][v] for u, v in units)
        assert plan(dag_problem(marked, units=True), "greedy").price is not None

    def test_of_patterns_and_of_mixed_factors(self) -> None:
        blocks = [e.block for e in pattern_chain(3, 30, (4, 2)).graph.chain]
        names = [block.structure.name for block in blocks]
        assert names == ["dense", *["sparse", "diagonal"] * 2, "sparse", "dense"]
        assert all(5 <= block.nnz / 30 <= 9 for block in blocks if block.structure.name == "sparse")
        assert len({e.block.structure.name for e in mixed_chain(40).graph.chain}) == 4

    def test_of_an_economy_and_with_a_bottleneck_are_those_described(self) -> None:
        economy, skip = economics(12).graph, bottleneck_with_skip("y").graph
        assert len(economy.sizes) - len(economy.inputs) - len(economy.outputs) == 14
        assert {e.block.structure.name for e in economy.elementals} == {"dense", "banded"}
        assert [e.block.nnz for e in skip.elementals if e.explicit] == [200, 200, 100]
