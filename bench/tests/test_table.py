"""Every suite of the table from measurement to report; the committed reports and pages against the CSVs."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from bench.__main__ import command
from bench.claims import chain_claims, dag_claims
from bench.dag_suites import DAG_SUITES
from bench.instances.graphs import random_dags
from bench.limits import (
    LIMIT_SUITES,
    OPTIMUM,
    PUBLISHED,
    critical_path,
    halves,
    machine_rows,
    matrix_free_chain,
    memory_rows,
)
from bench.limits_report import fronts, gains, limit_report_text, own_makespans, schedules
from bench.progress import PROGRESS_SUITES, watched
from bench.rows import DagRow, LimitRow, Row, from_csv, to_csv
from bench.structure import STRUCTURE_SUITES
from bench.suites import SUITES
from bench.summary import BEGIN, END, REPORTS, claims_table, filled, pages, stored_csvs
from bench.table import GROUPS, TABLE
from bench.targets.run import TARGET_SUITES
from bench.targets.table import TARGETS
from chainplan.planner import plan
from chainplan.plans.replay import replay

QUICK = LIMIT_SUITES["limits"].quick()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick runs on fewer instances still, so that every suite takes a moment."""
    chains = SUITES["chains"]
    two = [i for i in chains.instances() if i.name in ("uniform-10-1", "equal-30")]
    own = tuple(c for c in chains.competitors if c.module in ("chainplan", "numpy"))
    monkeypatch.setitem(SUITES, "chains", replace(chains, instances=lambda: two, competitors=own, executions=()))
    structure = replace(STRUCTURE_SUITES["structure"].quick(), counted=4, timed=1, seconds=0.1)
    monkeypatch.setattr(type(structure), "quick", lambda suite: structure)
    monkeypatch.setattr(type(DAG_SUITES["dags-random"]), "quick", _two)
    targets = replace(TARGET_SUITES["targets"], targets=tuple(t for t in TARGETS if t.name.startswith("skip"))).quick()
    monkeypatch.setattr(type(targets), "quick", lambda suite: targets)


def _two(suite: object) -> object:
    instances = sorted(DAG_SUITES[suite.name].instances(), key=lambda i: i.n)[:2]  # type: ignore[attr-defined]
    return replace(suite, instances=lambda: instances, budget=0.1, curves=(), nodes=(10,))  # type: ignore[type-var]


@pytest.mark.usefixtures("few", "charts")
@pytest.mark.parametrize("name", [name for name in TABLE if name != "jax"])  # test_jax_suite has that one
class TestQuickRuns:
    def test_go_from_measurement_to_report_and_charts(self, name: str, tmp_path: Path) -> None:
        reason = TABLE[name].missing(TABLE[name].suites[name])
        if reason is not None:
            pytest.skip(reason)
        done = CliRunner().invoke(command, ["run", name, "--quick", "-o", str(tmp_path)], catch_exceptions=False)
        assert done.exit_code == 0
        first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert {f"{name}-quick.csv", f"{name}-quick.md"} <= first.keys()
        text = first[f"{name}-quick.md"].decode()
        for file, content in first.items():
            if file.endswith(".svg"):
                assert f"]({file})" in text
                assert ElementTree.fromstring(content.decode()).tag.endswith("svg")
            if not file.endswith(".csv"):
                (tmp_path / file).unlink()
        CliRunner().invoke(command, ["report", name, "--quick", "-o", str(tmp_path)], catch_exceptions=False)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


class TestGroups:
    def test_stand_for_suites(self) -> None:
        assert GROUPS["all"] == tuple(TABLE)
        assert set(GROUPS["dags"]) == {"dags-published", "dags-random", "dags-matrix-free", "dags-progress"}

    def test_skip_what_cannot_be_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for entry in TABLE.values():
            monkeypatch.setitem(TABLE, entry.name, replace(entry, missing=lambda suite: "nothing is there"))
        done = CliRunner().invoke(command, ["run", "all", "--budget", "1", "-o", str(tmp_path)])
        assert done.exit_code == 0
        assert done.output.count("skipped: nothing is there") == len(TABLE)
        assert not list(tmp_path.iterdir())

    def test_budgets_are_refused_where_no_suite_takes_one(self) -> None:
        done = CliRunner().invoke(command, ["run", "limits", "--budget", "1"])
        assert done.exit_code == 2
        assert "expected one of dags-published, dags-random, dags-matrix-free, dags-progress" in done.output


def _drawn_by(text: str) -> list[str]:
    """The version of matplotlib that drew a chart; nothing for a report, which is text."""
    return re.findall(r"<dc:title>(.*)</dc:title>", text)


@pytest.mark.usefixtures("charts")
class TestCommittedReports:
    @pytest.mark.parametrize("name", list(TABLE))
    def test_are_what_the_csv_becomes(self, name: str) -> None:
        csv = (REPORTS / f"{name}.csv").read_text(encoding="utf-8")
        about, rows = from_csv(csv, TABLE[name].kind)
        assert to_csv(about, rows, TABLE[name].kind) == csv
        for file, text in TABLE[name].report(name, csv).items():
            committed = (REPORTS / file).read_text(encoding="utf-8")
            if _drawn_by(committed) == _drawn_by(text):
                assert committed == text, file
            else:  # another version of matplotlib places things differently
                assert committed.partition("<metadata>")[0] == text.partition("<metadata>")[0], file

    def test_are_all_there_is(self) -> None:
        made = {"README.md", *(f"{name}.csv" for name in TABLE)}
        for name, csv in stored_csvs().items():
            made |= TABLE[name].report(name, csv).keys()
        assert {path.name for path in REPORTS.iterdir()} == made

    def test_say_on_which_machine(self) -> None:
        for csv in stored_csvs().values():
            assert {"# machine:", "# versions:", "# load:"} <= {" ".join(line.split()[:2]) for line in csv.splitlines()}

    def test_are_what_the_pages_claim(self) -> None:
        for path, text in pages(stored_csvs()).items():
            assert path.read_text(encoding="utf-8") == text, f"{path}: run 'python -m bench report'"

    def test_fill_a_page_between_its_marks_alone(self) -> None:
        page = f"a\n{BEGIN}\nold\n{END}\nb\n"
        assert filled(page, ["new"]) == f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n"
        assert filled(filled(page, ["x"]), ["new"]) == filled(page, ["new"])
        for wrong in ("no marks", BEGIN, page + page, f"{END}{BEGIN}"):
            with pytest.raises(ValueError, match="marks"):
                filled(wrong, [])


class TestClaims:
    """Each from rows whose figures can be worked out by hand."""

    def test_of_chains(self) -> None:
        rows = [
            Row("order", "a", "uniform", 10, "auto", 0, cost=6, optimum=6, ratio=1.0, seconds=0.5),
            Row("order", "b", "uniform", 1000, "auto", 0, cost=7, optimum=6, ratio=7 / 6, seconds=2.0),
            Row("order", "b", "uniform", 1000, "multi_dot", 0, cost=6, optimum=6, ratio=1.0, seconds=8.0),
            Row("order", "a", "uniform", 10, "cotengra-auto", 0, cost=12, optimum=6, ratio=2.0, seconds=1.0),
            Row("order", "b", "uniform", 1000, "cotengra-auto", 0, cost=48, optimum=6, ratio=8.0, seconds=1.0),
        ]
        assert [claim.figure for claim in chain_claims(rows)] == ["1 of 2", "4.000, up to 8.000", "2 s", "4"]

    def test_of_graphs(self) -> None:
        def row(instance: str, solver: str, cost: int, status: str = "feasible", bound: int | None = None) -> DagRow:
            return DagRow("plan", instance, "f", 3, 5, solver, status=status, cost=cost, bound=bound, seconds=0.1)

        rows = [row(i, order, cost) for i in "ab" for order, cost in (("forward", 40), ("reverse", 20), ("greedy", 10))]
        rows += [row("a", "auto", 5, "optimal", 5), row("b", "auto", 20, "feasible", 10)]
        assert [claim.figure for claim in dag_claims(rows)] == ["0.500", "1", "1 of 2", "25.0%"]
        rows += [row("a", "vertex_optimum", 5, "published"), row("b", "best_known", 10, "published")]
        assert [claim.figure for claim in dag_claims(rows)][3:] == ["1 of 2", "1 of 1", "–"]

    def test_stand_in_the_table_with_a_link_to_their_report(self) -> None:
        lines = claims_table(stored_csvs(), "somewhere/")
        assert len(lines) > len(TABLE)
        for name in TABLE:
            if TABLE[name].claimed(stored_csvs()[name]):
                assert sum(line.startswith(f"| [{name}](somewhere/{name}.md) |") for line in lines) == 1


class TestProgress:
    @pytest.mark.parametrize("solver", PROGRESS_SUITES["dags-progress"].solvers)
    def test_only_gets_better_and_ends_at_a_plan(self, solver: str) -> None:
        instance = next(i for i in random_dags(larger=()) if i.name == "local_30_scalar")
        rows = list(watched(instance, solver, 0.3))
        assert rows[-1].event == "end"
        assert len(rows) > 1
        for before, after in pairwise(rows):
            assert after.seconds >= before.seconds
            assert after.bound >= before.bound
            assert before.cost is None or (after.cost is not None and after.cost <= before.cost)
        assert rows[-1].cost is not None
        assert rows[-1].bound <= rows[-1].cost

    def test_is_empty_where_the_solver_refuses(self) -> None:
        instance = next(i for i in random_dags(larger=()) if i.n == 1000)
        assert not list(watched(instance, "dag-exact", 0.1))


class TestLimits:
    def test_halves_are_equal_and_independent(self) -> None:
        found = plan(halves(4)).plan
        assert found is not None
        assert 2 * critical_path(found) == replay(found).total == 4 * 4**3

    def test_plans_under_less_memory_hold_less_and_cost_more(self) -> None:
        found = fronts(list(memory_rows(replace(QUICK, modules=6))))
        assert [solver for _, solver in found] == ["chain-memory", "chain-recompute"]
        for rows in found.values():
            assert len(rows) > 1
            assert rows[0].cost == rows[0].bound
            for before, after in pairwise(rows):
                assert after.level < before.level
                assert (after.cost or 0) > (before.cost or 0)

    def test_makespans_fall_with_machines_to_a_bound(self) -> None:
        rows = [row for row in machine_rows(replace(QUICK, machines=(1, 2, 4))) if row.instance == "matrix-free 1"]
        assert [row.level for row in rows] == [1, 2, 4]
        costs = [row.cost or 0 for row in rows]
        assert costs == sorted(costs, reverse=True)
        assert costs[0] == plan(matrix_free_chain(1, QUICK.modules)).cost.fma  # type: ignore[union-attr]
        for row in rows:
            assert row.status != "optimal" or row.cost == row.bound

    def test_published_schedules_are_compared_where_there_are(self) -> None:
        own = LimitRow("machines", "a", "auto", 2, "optimal", 10, 10, planning=0.5)
        rows = [
            own,
            *(LimitRow("machines", "a", who, 2, "published", c) for who, c in ((OPTIMUM, 10), (PUBLISHED, 15))),
        ]
        assert schedules(rows) == [(own, 10, 15)]
        assert not own_makespans(rows)
        rows.append(LimitRow("machines", "b", "auto", 1, "optimal", 8, 8, planning=0.1))
        text = limit_report_text(LIMIT_SUITES["limits"], {}, rows)
        assert "reached on 1 and proven on 1; the published dynamic program is above it on 1, by 1.500 at most" in text

    @pytest.mark.parametrize(("seconds", "verdict"), [(0.5, "reached (2.00)"), (0.8, "missed (1.25)")])
    def test_the_report_judges_the_gain_of_threads(self, seconds: float, verdict: str) -> None:
        rows = [
            LimitRow("threads", "two halves", "auto", 1, cost=10, bound=10, seconds=1.0),
            LimitRow("threads", "two halves", "auto", 2, cost=10, bound=5, seconds=seconds),
        ]
        assert gains(rows) == {"two halves": 1 / seconds}
        assert f"{verdict}." in limit_report_text(LIMIT_SUITES["limits"], {}, rows)
