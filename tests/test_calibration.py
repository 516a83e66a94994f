"""Calibration: the fit recovers known rates, the store keeps them, the command line says what is missing. No clock."""

from __future__ import annotations

import random
import sys
from itertools import count
from pathlib import Path

import pytest

from chainplan.costs.calibrate import fit, measure
from chainplan.costs.rate_store import Machine, cache_folder, rates_file, store, stored_rates, this_machine
from chainplan.costs.sample_calls import REGIME_SAMPLES
from chainplan.costs.timed import TimedCost
from chainplan.errors import SpecError
from chainplan.kernels.default_rates import FEMTOSECONDS_PER_NANOSECOND, REGIMES, STATIC_RATES
from chainplan.planner import plan
from chainplan_cli.main import main
from tests.problems import chain_problem

SPEC = "chain: [{shape: [30, 40]}, {shape: [30, 30], structure: diagonal}, {shape: [20, 30]}]\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINPLAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return str(path)


class TestFit:
    def features(self, regime: str, points: int = 64) -> list[tuple[int, ...]]:
        rng = random.Random(regime)
        return [(1, *(rng.randint(1, 10**6) for _ in REGIMES[regime][1:])) for _ in range(points)]

    @pytest.mark.parametrize("regime", REGIMES)
    def test_recovers_the_rates_of_exact_times(self, regime: str) -> None:
        features = self.features(regime)
        times = [
            sum(rate * x for rate, x in zip(STATIC_RATES[regime], row, strict=True)) / FEMTOSECONDS_PER_NANOSECOND
            for row in features
        ]
        found = fit(regime, features, times)
        assert found.worst < 1e-6
        for rate, expected, n in zip(found.rates, STATIC_RATES[regime], zip(*features, strict=True), strict=True):
            assert abs(rate - expected) * max(n) <= 1e-5 * max(times) * FEMTOSECONDS_PER_NANOSECOND + max(n)

    def test_is_never_negative(self) -> None:
        features = self.features("gemm")
        times = [max(1.0, 1e7 - 3 * row[1]) for row in features]
        assert min(fit("gemm", features, times).rates) >= 0

    def test_weighs_small_and_large_times_alike(self) -> None:
        small, large = [(1, 10)] * 20, [(1, 10_000_000)] * 20
        found = fit("add", [*small, *large], [500.0] * 20 + [3e6] * 20)
        assert found.worst < 0.01


class TestMeasure:
    def test_with_a_made_up_clock(self) -> None:
        ticks = count()
        found = measure(points=8, seconds=1e9, clock=lambda: next(ticks) * 1e-6)
        assert [f.regime for f in found] == [*REGIMES] == [*REGIME_SAMPLES]
        for f in found:
            assert len(f.rates) == len(REGIMES[f.regime])
            assert all(type(rate) is int and rate >= 0 for rate in f.rates)
            assert f.points == (8 if len(f.rates) > 1 else 2)

    def test_ends_when_the_time_is_over(self) -> None:
        ticks = count()
        found = measure(points=8, seconds=0.0, clock=lambda: next(ticks) * 1.0)
        assert all(f.worst < float("inf") for f in found)

    @pytest.mark.parametrize("dtype", ["float32", "int64"])
    def test_other_dtypes(self, dtype: str) -> None:
        assert len(measure(dtype, points=4, seconds=0.1)) == len(REGIMES)


class TestStore:
    def test_keeps_rates_per_machine_and_dtype(self, cache: Path) -> None:
        machine = this_machine()
        path = store(machine, dict(STATIC_RATES))
        assert path.parent == cache
        assert stored_rates() == STATIC_RATES
        assert [p.name for p in cache.iterdir()] == [path.name]
        with pytest.raises(SpecError, match=r"found no rates for .*float32.*Run 'chainplan calibrate' with --dtype"):
            stored_rates("float32")

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
    @pytest.mark.parametrize(("variable", "below"), [("XDG_CACHE_HOME", ""), ("HOME", ".cache")])
    def test_is_in_the_folder_of_the_users_caches(
        self, variable: str, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("CHAINPLAN_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, str(tmp_path))
        assert cache_folder() == tmp_path / below / "chainplan"

    def test_names_differ_with_everything_that_matters(self) -> None:
        one = Machine("openblas 1", "Zen", 1, "float64")
        others = (one._replace(blas="mkl 2"), one._replace(core="Haswell"), one._replace(threads=2))
        assert len({rates_file(m) for m in (one, *others, one._replace(dtype="float32"))}) == 5

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"rates": {"gemm": [1]}}', "[" * 10_000])
    def test_a_broken_file_is_named(self, cache: Path, text: str) -> None:
        path = store(this_machine(), dict(STATIC_RATES))
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SpecError, match=r"rates-4-.*found no rates: .*Run 'chainplan calibrate'"):
            stored_rates()

    def test_plans_use_them(self, cache: Path) -> None:
        doubled = {regime: tuple(2 * rate for rate in rates) for regime, rates in STATIC_RATES.items()}
        store(this_machine(), doubled)
        problem = chain_problem([20, 30, 40])
        by_table, by_machine = (plan(problem, objective=name) for name in ("weighted", "calibrated"))
        assert isinstance(by_machine.problem.cost, TimedCost)
        assert abs((by_machine.price or 0) - 2 * (by_table.price or 0)) <= 2


class TestCommands:
    def test_calibrate_then_plan_check_and_run(
        self, cache: Path, spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["plan", spec, "--objective", "calibrated"]) == 2
        assert "Run 'chainplan calibrate'" in capsys.readouterr().err
        assert main(["calibrate"]) == 0
        said = capsys.readouterr().out
        assert all(f"  {regime} " in said for regime in REGIMES)
        assert "residual: root mean square" in said
        saved = str(tmp_path / "plan.json")
        assert main(["plan", spec, "--objective", "calibrated", "--format", "json", "-o", saved]) == 0
        for file in cache.iterdir():
            file.unlink()
        assert main(["check", saved]) == 0
        assert "ns by 'calibrated'" in capsys.readouterr().out
        assert main(["run", saved]) == 0
        assert "'calibrated'" in capsys.readouterr().out

    def test_run_takes_time_where_a_factor_is_not_dense(
        self, spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        dense = tmp_path / "dense.yaml"
        dense.write_text("chain: [3, 4, 5]\n", encoding="utf-8")
        expected = {spec: "for 'weighted'", str(dense): "for 'fma'"}
        for path, words in expected.items():
            assert main(["run", path]) == 0
            assert words in capsys.readouterr().out
        assert main(["run", spec, "--objective", "fma"]) == 0
        assert "for 'fma'" in capsys.readouterr().out

    def test_plan_takes_fma(self, spec: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["plan", spec]) == 0
        assert " fma " in capsys.readouterr().out

    def test_compare_names_the_model(self, spec: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compare", spec, "--objective", "weighted"]) == 0
        out = capsys.readouterr().out
        assert "objective 'weighted'" in out
        assert "chain-dense refuses: it minimises fma; the objective is 'weighted'" in out

    @pytest.mark.parametrize("command", ["plan", "run", "compare"])
    def test_an_unknown_objective_is_bad_input(
        self, command: str, spec: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([command, spec, "--objective", "time"]) == 2
        assert (
            "objective 'time' does not exist; expected one of fma, operations, weighted, calibrated."
            in capsys.readouterr().err
        )

    def test_a_plan_has_its_objective(self, spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        saved = str(tmp_path / "plan.json")
        assert main(["plan", spec, "--format", "json", "-o", saved]) == 0
        assert main(["run", saved, "--objective", "weighted"]) == 2
        assert "is a plan, made for 'fma'" in capsys.readouterr().err

    def test_a_cache_that_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        monkeypatch.setenv("CHAINPLAN_CACHE", str(tmp_path / "file" / "cache"))
        assert main(["calibrate"]) == 1
        assert "cannot be read or written" in capsys.readouterr().err
