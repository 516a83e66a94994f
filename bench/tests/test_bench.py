"""The benchmarks: costs derived from orders, and a small suite from measurement to report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.__main__ import command
from bench.analyse import report_text
from bench.competitor import Competitor
from bench.costs import bracketing_cost, path_cost, plan_cost
from bench.dag_report import dag_report_text
from bench.dag_results import Results, gap
from bench.dag_run import measure_dag
from bench.dag_suites import DAG_SUITES, DagSolver, DagSuite
from bench.execution import Execution
from bench.instances import Instance, stored_chains
from bench.instances.graphs import random_dags
from bench.markdown import duration, factor, times
from bench.peers import PEERS
from bench.planners import PLANNERS, dense_chain, plan_chain
from bench.rows import DagRow, Row, from_csv, ratio, to_csv
from bench.run import measure_orders
from bench.suites import SUITES, Suite
from bench.verify import mistakes
from chainplan.planner import plan
from chainplan.plans.replay import replay
from generators.graphs import dag_problem, make

SIZES = (2, 3, 5, 7)
SMALL = ("uniform-10-1", "equal-30", "powers-30")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Three instances and two tiny executions, two turns each, in the place of the chains suite."""
    chosen = [instance for instance in stored_chains() if instance.name in SMALL]
    chosen[0] = replace(chosen[0], published=1.25)
    cases = (Execution("tiny", "tiny", 20, 4, 8, 3), Execution("large", "large", 3, 30, 40, 2))
    suite = replace(SUITES["chains"], instances=lambda: chosen, executions=cases)
    monkeypatch.setitem(SUITES, "chains", suite)
    monkeypatch.setattr("bench.run.TURNS", 2)
    return suite


class TestCosts:
    @pytest.mark.parametrize(
        ("path", "cost"),
        [
            ([(0, 1), (0, 1)], 2 * 3 * 5 + 2 * 5 * 7),
            ([(1, 0), (1, 0)], 2 * 3 * 5 + 2 * 5 * 7),
            ([(1, 2), (0, 1)], 3 * 5 * 7 + 2 * 3 * 7),
            ([(0, 2), (0, 1)], 2 * 3 * 5 * 7 + 2 * 3 * 5 * 7),
        ],
    )
    def test_of_einsum_paths(self, path: Sequence[Sequence[int]], cost: int) -> None:
        assert path_cost(SIZES, path) == cost

    def test_of_a_longer_path_whose_products_move_to_the_end(self) -> None:
        # a b c d e: bc, then de, then (bc)(de), then a(bcde).
        sizes = (2, 3, 4, 5, 6, 7)
        path = [(1, 2), (1, 2), (1, 2), (0, 1)]
        assert path_cost(sizes, path) == 3 * 4 * 5 + 5 * 6 * 7 + 3 * 5 * 7 + 2 * 3 * 7

    @pytest.mark.parametrize("path", [[(0, 1)], [(0, 1, 2)], [(0,), (0, 1), (0, 1)]])
    def test_refuse_paths_that_are_not_whole(self, path: Sequence[Sequence[int]]) -> None:
        with pytest.raises(ValueError, match="expected"):
            path_cost(SIZES, path)

    def test_of_bracketings(self) -> None:
        split = np.zeros((3, 3), int)
        split[0, 2], split[1, 2] = 0, 1
        assert bracketing_cost(SIZES, split) == 3 * 5 * 7 + 2 * 3 * 7
        split[0, 2], split[0, 1] = 1, 0
        assert bracketing_cost(SIZES, split) == 2 * 3 * 5 + 2 * 5 * 7

    def test_refuse_a_split_outside_its_interval(self) -> None:
        with pytest.raises(ValueError, match="expected 0 to 1"):
            bracketing_cost(SIZES, np.full((3, 3), 2))

    @pytest.mark.parametrize("planner", PLANNERS, ids=lambda p: p.name)
    def test_of_plans_are_those_of_the_replayer(self, planner: Competitor) -> None:
        plan = plan_chain(SIZES, planner.name)
        assert plan_cost(SIZES, plan) == replay(plan).total

    def test_beyond_the_floats_are_exact(self) -> None:
        sizes = [10**9 + 1] * 4
        assert path_cost(sizes, [(0, 1), (0, 1)]) == 2 * (10**9 + 1) ** 3


class TestPeers:
    @pytest.mark.parametrize("peer", PEERS, ids=lambda p: p.name)
    def test_order_a_chain_no_better_than_the_optimum(self, peer: Competitor) -> None:
        instance = next(i for i in stored_chains() if i.name == "uniform-10-1")
        absent = peer.absent(instance.n)
        if absent is not None:
            pytest.skip(absent)
        order = peer.order(instance.sizes)
        assert order.cost >= instance.optimum
        assert order.seconds > 0
        if peer.name in ("multi_dot", "opt_einsum-dp", "cotengra-auto"):
            assert order.cost == instance.optimum

    def test_opt_einsum_counts_each_multiply_add_twice(self) -> None:
        oe = pytest.importorskip("opt_einsum", reason="opt_einsum is not installed")
        sizes = next(i for i in stored_chains() if i.name == "uniform-30-1").sizes
        symbols = [oe.get_symbol(i) for i in range(len(sizes))]
        equation = ",".join(a + b for a, b in pairwise(symbols)) + f"->{symbols[0]}{symbols[-1]}"
        path, info = oe.contract_path(equation, *pairwise(sizes), shapes=True, optimize="greedy")
        assert info.opt_cost == 2 * path_cost(sizes, path)

    def test_beyond_their_limit_are_rows_without_figures(self) -> None:
        instance = next(i for i in stored_chains() if i.n == 300)
        limited = replace(next(p for p in PLANNERS if p.longest), longest=299)
        assert [row.status for row in measure_orders(instance, (limited,))] == ["not run: limit n <= 299"]

    def test_not_installed_are_rows_without_figures(self) -> None:
        instance = next(i for i in stored_chains() if i.n == 10)
        missing = replace(PEERS[0], module="no_such_module")
        (row,) = measure_orders(instance, (missing,))
        assert (row.status, row.cost) == ("not run: no_such_module is not installed", None)


class TestSuite:
    @pytest.mark.usefixtures("charts")
    def test_from_measurement_to_report(self, small: Suite, tmp_path: Path) -> None:
        done = CliRunner().invoke(command, ["run", "chains", "-o", str(tmp_path)], catch_exceptions=False)
        assert done.exit_code == 0
        text = (tmp_path / "chains.csv").read_text(encoding="utf-8")
        about, rows = from_csv(text, Row)
        assert to_csv(about, rows, Row) == text
        self._holds(rows, small)
        first = (tmp_path / "chains.md").read_bytes()
        (tmp_path / "chains.md").unlink()
        CliRunner().invoke(command, ["report", "chains", "-o", str(tmp_path)], catch_exceptions=False)
        assert (tmp_path / "chains.md").read_bytes() == first
        assert b"reproduced" in first

    def _holds(self, rows: list[Row], suite: Suite) -> None:
        orders = [row for row in rows if row.task == "order"]
        seeds = sum(len(c.seeds) for c in suite.competitors)
        assert len(orders) == len(SMALL) * seeds + 1
        for row in orders:
            assert row.cost is None or row.cost >= (row.optimum or 0)
            if row.solver in ("auto", "chain-dense", "chain-dp"):
                assert row.cost == row.optimum
        executions = [row for row in rows if row.task == "execute"]
        assert [row.solver for row in executions] == ["by-hand", "execute", "execute-first"] * 2

    def test_quick_is_short_and_has_every_family_that_is(self) -> None:
        whole, quick = SUITES["chains"], SUITES["chains"].quick()
        short = [i for i in whole.instances() if i.n <= 100]
        assert {(i.family, i.n) for i in quick.instances()} == {(i.family, i.n) for i in short}
        assert len(quick.instances()) < len(short)

    def test_verify_names_a_wrong_optimum(self, small: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
        assert CliRunner().invoke(command, ["verify", "chains"]).exit_code == 0
        wrong = [replace(small.instances()[0], optimum=1)]
        monkeypatch.setitem(SUITES, "chains", replace(small, instances=lambda: wrong))
        done = CliRunner().invoke(command, ["verify", "chains"])
        assert done.exit_code == 1
        assert "stored optimum 1, but chain-dense finds" in done.output

    def test_stored_optima_of_short_chains_hold(self) -> None:
        short = [i for i in stored_chains() if i.n <= 100]
        assert not list(mistakes(replace(SUITES["chains"], instances=lambda: short)))


def _few(suite: DagSuite) -> DagSuite:
    """The two smallest instances, a tenth of a second each, and a curve of two points where the suite has curves."""
    chosen = sorted(suite.instances(), key=lambda i: i.n)[:2]
    curves = tuple(i.name for i in chosen[:1]) if suite.curves else ()
    return replace(suite, instances=lambda: chosen, budget=0.1, curves=curves, growing=(0.05, 0.1))


def _dag_row(solver: str, status: str, cost: int, bound: int | None = None) -> DagRow:
    return DagRow("plan", "a", "f", 3, 5, solver, 0, 1.0, status, cost, bound, 0.1)


class TestDagSuites:
    @pytest.mark.usefixtures("charts")
    @pytest.mark.parametrize("name", list(DAG_SUITES))
    def test_from_measurement_to_report(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        missing = DAG_SUITES[name].missing()
        if missing is not None:
            pytest.skip(missing)
        suite = _few(DAG_SUITES[name])
        monkeypatch.setitem(DAG_SUITES, name, suite)
        done = CliRunner().invoke(command, ["run", name, "-o", str(tmp_path)], catch_exceptions=False)
        assert done.exit_code == 0
        text = (tmp_path / f"{name}.csv").read_text(encoding="utf-8")
        about, rows = from_csv(text, DagRow)
        assert to_csv(about, rows, DagRow) == text
        self._holds(rows, suite)
        first = (tmp_path / f"{name}.md").read_bytes()
        (tmp_path / f"{name}.md").unlink()
        CliRunner().invoke(command, ["report", name, "-o", str(tmp_path)], catch_exceptions=False)
        assert (tmp_path / f"{name}.md").read_bytes() == first

    def _holds(self, rows: list[DagRow], suite: DagSuite) -> None:
        plans = [row for row in rows if row.task == "plan" and row.status != "published"]
        assert len(plans) == 2 * sum(len(solver.seeds) for solver in suite.solvers)
        assert not list(Results(rows).disagreements())
        assert len([row for row in rows if row.task == "curve"]) == len(suite.curves) * len(suite.growing)
        for row in plans:
            assert row.cost is not None or row.status.startswith("not run")

    def test_measures_the_memory_of_a_plan_in_a_process_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench.dag_run.APART", 30)
        row = measure_dag(random_dags(larger=())[0], DagSolver("greedy"), 0, 1.0)
        assert (row.status, row.n) == ("feasible", 30)
        assert row.memory is not None
        assert row.memory > 0

    def test_stored_instances_are_one_of_each_family_kind_and_size(self) -> None:
        dags = random_dags(larger=())
        assert len({(i.family, i.n) for i in dags}) == len(dags) == 48
        assert all(i.name.split("_")[1] == str(i.n) for i in dags)

    def test_quick_is_short_and_has_every_family(self) -> None:
        whole, quick = DAG_SUITES["dags-random"], DAG_SUITES["dags-random"].quick()
        assert {i.family for i in quick.instances()} == {i.family for i in whole.instances()}
        assert max(i.n for i in quick.instances()) <= 30
        assert quick.curves

    def test_are_skipped_where_the_data_are_absent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench.dag_suites.DATA", tmp_path)
        done = CliRunner().invoke(command, ["run", "dags-published", "-o", str(tmp_path)])
        assert done.exit_code == 0
        assert "CHAINPLAN_DATA" in done.output
        assert not list(tmp_path.iterdir())

    def test_budgets_are_for_dags(self) -> None:
        done = CliRunner().invoke(command, ["run", "chains", "--budget", "1"])
        assert done.exit_code == 2
        assert "dags-published, dags-random, dags-matrix-free, dags-progress" in done.output

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (_dag_row("auto", "feasible", 9, 8), "bound 8, above the cost 7"),
            (_dag_row("auto", "optimal", 8, 7), "proves 8, the published optimum is 7"),
            (_dag_row("auto", "failed: no", 9), "failed: no"),
        ],
    )
    def test_disagreements_are_named(self, row: DagRow, message: str) -> None:
        published = DagRow("plan", "a", "f", 3, 5, "vertex_optimum", cost=7)
        rows = [_dag_row("greedy", "feasible", 7), row, published]
        assert message in dag_report_text(DAG_SUITES["dags-published"], {}, rows)


class TestInstances:
    def test_have_unique_names_and_positive_sizes(self) -> None:
        chains = stored_chains()
        assert len({i.name for i in chains}) == len(chains)
        assert all(size >= 1 for i in chains for size in i.sizes)

    @pytest.mark.parametrize("instance", [i for i in stored_chains() if i.family == "equal"], ids=lambda i: i.name)
    def test_of_equal_sizes_have_the_closed_form(self, instance: Instance) -> None:
        assert instance.optimum == (instance.n - 1) * 64**3

    def test_of_decreasing_sizes_are_cheapest_in_reverse_order(self) -> None:
        for instance in (i for i in stored_chains() if i.family == "monotone"):
            assert plan_cost(instance.sizes, plan_chain(instance.sizes, "reverse")) == instance.optimum

    def test_become_chains_of_their_shape(self) -> None:
        chain = dense_chain(SIZES).graph.chain
        assert [(e.block.rows, e.block.cols) for e in chain] == [(3, 2), (5, 3), (7, 5)]


class TestFigures:
    def test_ratio_is_one_only_where_equal(self) -> None:
        assert ratio(10**30, 10**30) == 1
        assert ratio(10**30 + 1, 10**30) > 1
        assert ratio(3, 2) == float(Fraction(3, 2))

    @pytest.mark.parametrize(
        ("show", "value", "text"),
        [
            (times, 1.0, "1"),
            (times, 1.0 + 2**-52, "1.000+"),
            (times, 17.123, "17.1"),
            (factor, 2849.0, "2,800"),
            (duration, 0.0034, "3.4 ms"),
        ],
    )
    def test_are_shown(self, show: Any, value: float, text: str) -> None:
        assert show(value) == text

    def test_a_report_without_figures_is_still_a_report(self) -> None:
        rows = [Row("order", "a", "f", 3, "auto", 0, "not run: limit n <= 2", optimum=5)]
        assert "`auto`: limit n <= 2" in report_text(SUITES["chains"], {"machine": "none"}, rows)


def test_the_gap_of_a_table_is_that_of_a_result() -> None:
    result = plan(dag_problem(make("degree", 45, True)), "local-search", nodes=300)
    assert gap(result.price, result.bound) == result.gap
