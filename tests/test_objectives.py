"""Cost models in time: prices, routes, exactness of planning under them, plan files that name them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainplan.costs.objectives import OBJECTIVES, Objective, model_of_file, objective_model
from chainplan.costs.timed import WEIGHTED_COST, timed
from chainplan.errors import PlanError, SolverError, SpecError
from chainplan.execution.executor import execute, prepared
from chainplan.io.plan_file import parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import chain
from chainplan.kernels.convert import as_matrix, given_away, known
from chainplan.kernels.default_rates import REGIMES, STATIC_RATES, VECTOR_REGIMES
from chainplan.kernels.dispatch import (
    FEATURES_OF_REGIMES,
    TRIVIAL_ROUTE,
    ProductRoute,
    _candidates,
    parts_of,
    price,
    product_parts,
    route,
    sum_parts,
)
from chainplan.kernels.products import PRODUCT_KERNELS, routed_kernel
from chainplan.kernels.storage import StorageForm, form
from chainplan.planner import plan
from chainplan.plans.forward_reverse import order_price
from chainplan.plans.replay import replay
from chainplan.plans.result import Outcome
from chainplan.problem.cost import FMA, Fma
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.report.json import render
from chainplan.report.registry import RENDERERS
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import Search, SearchProgress, SearchStopped
from chainplan.solvers.search.solver import Solver
from chainplan.structures import (
    DENSE,
    DIAGONAL,
    PLAIN_STRUCTURES,
    Block,
    BlockDiagonal,
    Kronecker,
    Structure,
    from_spec,
)
from chainplan.structures.banded import Banded
from chainplan.values.draw import draw
from chainplan_cli.common import _standing
from chainplan_cli.main import main
from generators.chains import counted_chain, structured_chain
from tests.problems import busy_dag, chain_problem, random_chain, random_dag
from tests.structures import any_structure
from tests.test_anytime import LARGE
from tests.test_colour_bounds import stencil

MADE_UP = timed("calibrated", {regime: tuple(3 * rate + 7 for rate in rates) for regime, rates in STATIC_RATES.items()})


def under(problem: Problem, model: Any = WEIGHTED_COST) -> Problem:
    return replace(problem, cost=model)


def random_pairs(count: int, seed: int = 0) -> Iterator[tuple[Block, Block]]:
    """Blocks that meet, large enough that some are held sparse."""
    rng = random.Random(seed)
    for _ in range(count):
        pool = (150, 200) if rng.random() < 0.03 else rng.choice([(1, 2, 3), (12, 24), (30, 40, 60)])
        m, k, n = (rng.choice(pool) for _ in range(3))
        if rng.random() < 0.6:
            m = k
        if rng.random() < 0.6:
            n = k
        yield Block(m, k, _structure(rng, m, k)), Block(k, n, _structure(rng, k, n))


def _structure(rng: random.Random, rows: int, cols: int) -> Structure:
    if rng.random() < 0.3:
        entries = [[i, j] for i in range(rows) for j in range(cols) if rng.random() < 0.04]
        return from_spec("coo", entries, (rows, cols), Path())
    return any_structure(rng, rows, cols)


class TestPrices:
    def test_are_whole_numbers_from_zero_for_every_pair_of_structures(self) -> None:
        met = set()
        for left, right in random_pairs(3000):
            result = left.times(right)
            found = WEIGHTED_COST.multiply(left, right)
            met.add(route(left, right, result).kernel)
            assert type(found) is int
            assert found >= 0
            assert WEIGHTED_COST.multiply(left, right, result) == found
            if left == right.transpose().transpose() and (left.rows, left.cols) == (right.rows, right.cols):
                assert WEIGHTED_COST.add(left, right) >= 0
        assert met == PRODUCT_KERNELS.keys()

    def test_the_tables_speak_of_the_same_regimes(self) -> None:
        assert STATIC_RATES.keys() == REGIMES.keys() > FEATURES_OF_REGIMES.keys() == PRODUCT_KERNELS.keys()
        for regime, features in REGIMES.items():
            assert len(STATIC_RATES[regime]) == len(features)
            assert all(type(rate) is int and rate >= 0 for rate in STATIC_RATES[regime])

    @pytest.mark.parametrize("structure", [DENSE, PLAIN_STRUCTURES["lower_triangular"], DIAGONAL], ids=repr)
    def test_grow_with_the_sizes(self, structure: Structure) -> None:
        by_size = [WEIGHTED_COST.multiply(Block(n, n, structure), Block(n, 50)) for n in (20, 40, 80, 160, 320)]
        by_columns = [WEIGHTED_COST.multiply(Block(60, 60, structure), Block(60, n)) for n in (20, 40, 80, 160, 320)]
        assert by_size == sorted(set(by_size))
        assert by_columns == sorted(set(by_columns))

    def test_grow_with_the_nonzeros(self) -> None:
        rng = random.Random(1)
        cells = [[i, j] for i in range(50) for j in range(50)]
        rng.shuffle(cells)
        blocks = [Block(50, 50, from_spec("coo", cells[:n], (50, 50), Path())) for n in (10, 50, 100, 200)]
        assert {form(block) for block in blocks} == {StorageForm.SPARSE}
        prices = [WEIGHTED_COST.multiply(block, Block(50, 30)) for block in blocks]
        assert prices == sorted(set(prices))

    def test_of_parts_grow_with_their_number(self) -> None:
        for kind in (BlockDiagonal, Kronecker):
            prices = [WEIGHTED_COST.multiply(Block(5 * b, 5 * b, kind(b)), Block(5 * b, 7)) for b in (2, 4, 8, 16)]
            assert prices == sorted(set(prices))

    def test_a_dense_product_is_nanoseconds_as_documented(self) -> None:
        m, k, n = 100, 200, 300
        call, mk, kn, mn, mkn = STATIC_RATES["gemm"]
        expected = (call + mk * m * k + kn * k * n + mn * m * n + mkn * m * k * n + 500_000) // 1_000_000
        assert WEIGHTED_COST.multiply(Block(m, k), Block(k, n)) == expected

    def test_a_dense_product_with_a_vector_reads_every_entry_once(self) -> None:
        call, entry = STATIC_RATES["gemv"]
        expected = (call + entry * 100 * 200 + 500_000) // 1_000_000
        assert WEIGHTED_COST.multiply(Block(100, 200), Block(200, 1)) == expected
        assert WEIGHTED_COST.multiply(Block(1, 100), Block(100, 200)) == expected
        parts = product_parts(Block(100, 200), Block(200, 1), Block(100, 1))
        assert parts == (("gemv", (1, 20_000)),)

    @pytest.mark.parametrize(
        ("left", "right", "regime", "as_matrix"),
        [
            (Block(300, 400), Block(400, 1), "large gemv", "gemm"),
            (Block(1, 300), Block(300, 40), "gemv", "gemm"),
            (Block(900, 900, Banded(1, 1)), Block(900, 1), "sparse vector", "sparse matrix"),
            (Block(1, 900), Block(900, 900, Banded(1, 1)), "sparse vector", "matrix sparse"),
            (Block(40, 40, DIAGONAL), Block(40, 1), "diagonal vector", "scale matrix"),
            (Block(1, 40), Block(40, 40, DIAGONAL), "diagonal vector", "scale matrix"),
        ],
    )
    def test_products_with_a_vector_have_rates_of_their_own(
        self, left: Block, right: Block, regime: str, as_matrix: str
    ) -> None:
        older = timed("older", {name: rates for name, rates in STATIC_RATES.items() if name not in VECTOR_REGIMES})
        made = left.times(right)
        assert [name for name, _ in product_parts(left, right, made)] == [regime]
        assert [name for name, _ in product_parts(left, right, made, older.rates)] == [as_matrix]
        for model in (WEIGHTED_COST, older):
            parts = product_parts(left, right, made, model.rates)
            assert model.multiply(left, right) == price(model.rates, parts)
        assert WEIGHTED_COST.multiply(left, right) < older.multiply(left, right)

    def test_an_identity_is_next_to_free(self) -> None:
        assert (
            WEIGHTED_COST.multiply(Block(9, 9, PLAIN_STRUCTURES["identity"]), Block(9, 9))
            == STATIC_RATES["nothing"][0] // 10**6
        )

    def test_matrix_free_elementals_cost_their_calls(self) -> None:
        problem = chain_problem([30, 30, 30], [DENSE, PLAIN_STRUCTURES["identity"]], [(100, 200, 5), (1, 1, 0)])
        e = problem.graph.chain[0]
        apply, identity = STATIC_RATES["apply"], STATIC_RATES["identity"]
        call = apply[0] + apply[1] * 30 * 100
        assert WEIGHTED_COST.accumulate(e, Mode.TANGENT) == (call + identity[0] + identity[1] * 900 + 500_000) // 10**6
        assert WEIGHTED_COST.propagate(e, Block(30, 30), Mode.TANGENT) == (call + 500_000) // 10**6
        assert WEIGHTED_COST.propagate(e, Block(30, 30), Mode.ADJOINT) > WEIGHTED_COST.propagate(
            e, Block(30, 30), Mode.TANGENT
        )

    def test_sums_cost_time_and_no_fma(self) -> None:
        for left, _ in random_pairs(200, seed=3):
            other = Block(left.rows, left.cols)
            assert FMA.add(left, other) == 0
            assert WEIGHTED_COST.add(left, other) == price(STATIC_RATES, sum_parts(left, other, left.plus(other))) > 0


def _values(block: Block) -> Any:
    """Random values as the block is held."""
    graph = structured_chain([block.cols, block.rows], [block.structure]).graph
    return draw(graph)["F1"] if not given_away(block) else known(block, float)


class TestRoutes:
    def test_every_way_makes_the_same_product(self) -> None:
        ways = 0
        for left, right in random_pairs(400, seed=5):
            result = left.times(right)
            a, b = _values(left), _values(right)
            expected = as_matrix(a, left, float) @ as_matrix(b, right, float)
            chosen = route(left, right, result)
            for way in {chosen, *(_candidates(left, right, result) if chosen.kernel in _GENERAL else ())}:
                found = routed_kernel(way, left, right, result)(a, b)
                assert np.allclose(as_matrix(found, result, float), expected), way
                ways += 1
        assert ways > 400

    def test_the_one_that_is_chosen_is_the_cheapest(self) -> None:
        for left, right in random_pairs(600, seed=7):
            result = left.times(right)
            chosen = route(left, right, result)
            if (
                chosen.kernel in _GENERAL
                and chosen != TRIVIAL_ROUTE
                and form(left) is form(right) is StorageForm.SPARSE
            ):
                prices = [
                    price(STATIC_RATES, parts_of(way, left, right, result)) for way in _candidates(left, right, result)
                ]
                assert price(STATIC_RATES, product_parts(left, right, result)) == min(prices)

    def test_permutations_pick_rows_and_columns(self) -> None:
        order = random.Random(0).sample(range(40), 40)
        picker = Block(40, 40, from_spec("permutation", order, (40, 40), Path()))
        dense = Block(40, 40)
        assert route(picker, dense, picker.times(dense)) == ProductRoute(
            "take rows", StorageForm.SPARSE, StorageForm.DENSE, StorageForm.DENSE
        )
        assert route(dense, picker, dense.times(picker)).kernel == "take columns"


_GENERAL = ("sparse sparse", "sparse matrix", "matrix sparse", "gemv", "gemm", "outer", "take rows", "take columns")


class TestHeldAsGiven:
    def test_a_sparse_result_is_a_copy_of_the_sparse_factor_that_it_is(self) -> None:
        graph = structured_chain([40, 40], [from_spec("coo", [[0, 1], [7, 3]], (40, 40), Path())]).graph
        given = draw(graph)
        problem = Problem(graph)
        found = plan(problem).plan
        assert found is not None
        before = given["F1"].toarray()
        result: Any = execute(found, given, dense=False)["x1", "x0"]
        result.data[:] = 0
        assert (given["F1"].toarray() == before).all()

    def test_runs_as_often_as_wanted(self) -> None:
        for number in range(1, 20):
            problem = counted_chain(number)
            found, values = plan(problem).plan, draw(problem.graph, number)
            assert found is not None
            run = prepared(found, values)
            (first,), (second,), (third,) = run().values(), run().values(), execute(found, values).values()
            assert (first == second).all()
            assert (first == third).all()


class TestPlanning:
    @pytest.mark.parametrize(("first", "last"), [(0, 100), pytest.param(100, 300, marks=pytest.mark.nightly)])
    @pytest.mark.parametrize("model", [WEIGHTED_COST, MADE_UP], ids=lambda m: m.objective)
    def test_interval_dp_is_exhaustive_search(self, model: Any, first: int, last: int) -> None:
        accepted = 0
        for seed in range(first, last):
            problem = under(random_chain(random.Random(seed), longest=5), model)
            exact, brute = (SOLVERS[name].refuses(problem) for name in ("chain-dp", "exhaustive"))
            if exact or brute:
                continue
            accepted += 1
            found, expected = plan(problem, "chain-dp"), plan(problem, "exhaustive")
            assert found.price == expected.price, seed
            assert found.bound == expected.bound == (found.price if problem.graph.exact else 0), seed
            assert found.gap == 0.0 or not problem.graph.exact
        assert accepted > 0.6 * (last - first)

    def test_counted_chains_too(self) -> None:
        for number in range(1, 41):
            problem = under(counted_chain(number))
            assert plan(problem, "chain-dp").price == plan(problem, "exhaustive").price

    def test_every_price_is_that_of_the_replay(self) -> None:
        for seed in range(120):
            rng = random.Random(seed)
            problem = under(random_chain(rng) if seed % 2 else random_dag(rng))
            for name in SOLVERS:
                if SOLVERS[name].refuses(problem) is not None:
                    continue
                result = plan(problem, name, nodes=40)
                assert result.plan is not None
                assert result.cost is not None
                assert result.price == replay(result.plan, WEIGHTED_COST).total
                assert result.cost.fma == replay(result.plan).total
                assert result.bound <= (result.price or 0)

    def test_baselines_are_the_plans_of_the_orders(self) -> None:
        for seed in range(60):
            problem = under(random_dag(random.Random(seed)))
            for name, mode in (("forward", Mode.TANGENT), ("reverse", Mode.ADJOINT)):
                result = plan(problem, name)
                assert result.price == order_price(problem.graph, mode, WEIGHTED_COST)
                assert result.price == getattr(result.price_baselines, name)

    def test_auto_claims_no_bound_on_graphs(self) -> None:
        problem = next(p for p in (under(random_dag(random.Random(s))) for s in range(50)) if p.graph.not_a_chain)
        result = plan(problem)
        assert (result.optimal_within, result.bound) == (None, 0)
        assert "compared by 'weighted'" in result.notes[0]
        assert result.price is not None
        assert result.price <= result.price_baselines.best

    def test_auto_keeps_the_memory_limit(self) -> None:
        for seed in range(60):
            problem = under(random_chain(random.Random(seed), longest=4))
            free = plan(problem)
            assert free.cost is not None
            memory = max(0, free.cost.peak_elements - 1)
            limited = plan(replace(problem, memory=memory))
            if limited.cost is not None:
                assert limited.cost.peak_elements <= memory
                assert (limited.price or 0) >= (free.price or 0)
                assert limited.bound <= (limited.price or 0)

    def test_time_chooses_other_orders_than_fma(self) -> None:
        different = 0
        for number in range(1, 60):
            problem = counted_chain(number)
            by_fma, by_time = plan(problem, "chain-dp"), plan(problem, "chain-dp", objective="weighted")
            assert by_fma.plan is not None
            assert by_time.plan is not None
            assert by_time.price is not None
            assert by_time.price <= replay(by_fma.plan, WEIGHTED_COST).total
            assert replay(by_fma.plan).total <= replay(by_time.plan).total
            different += by_fma.plan.steps != by_time.plan.steps
        assert different > 5

    @pytest.mark.parametrize("name", ["chain-dense", "chain-memory", "dag-exact", "cp-sat"])
    def test_solvers_of_fma_alone_refuse(self, name: str) -> None:
        with pytest.raises(SolverError, match=r"it minimises fma( or operations)?; the objective is 'weighted'"):
            plan(chain_problem([2, 3, 4]), name, objective="weighted")

    def test_graphs_are_searched_by_time_itself(self) -> None:
        better = 0
        for seed in range(12):
            problem = under(busy_dag(random.Random(seed), 10))
            by_fma = plan(replace(problem, cost=FMA), "local-search", nodes=60).plan
            by_time = plan(problem, "local-search", nodes=60)
            assert by_fma is not None
            assert by_time.price is not None
            assert by_time.price <= replay(by_fma, WEIGHTED_COST).total
            better += by_time.price < replay(by_fma, WEIGHTED_COST).total
        assert better > 2

    def test_operations_count_multiplications_and_additions(self) -> None:
        """Of a product m x k times k x n: m·k·n products, (k - 1)·m·n sums; of a band what a triple loop counts."""
        model = objective_model("operations")
        band = Block(4, 4, from_spec("banded", [1, 1], (4, 4), Path()))
        for left, right in ((Block(2, 3), Block(3, 5)), (band, Block(4, 2)), (band, band), (Block(3, 4), band)):
            pattern = [_filled(b) for b in (left, right)]
            terms = pattern[0] @ pattern[1]
            assert model.multiply(left, right) == int((2 * terms - (terms > 0)).sum())
        assert model.add(band, Block(4, 4)) == 10
        unit = Block(4, 4, PLAIN_STRUCTURES["identity"])
        assert (model.multiply(unit, band), model.multiply(Block(1, 1), Block(1, 1))) == (0, 1)

    def test_an_order_of_fewer_operations_is_found(self) -> None:
        """(F3 F2) F1 takes 2 + 1 and 2 operations."""
        result = plan(chain_problem([2, 1, 2, 1]), "chain-dp", objective="operations")
        assert result.price == 5
        assert result.plan is not None
        assert replay(result.plan).total == 4

    def test_an_unknown_objective_is_named(self) -> None:
        with pytest.raises(SpecError, match=r"'wieghted' does not exist.*Did you mean 'weighted'\?"):
            plan(chain_problem([2, 3]), objective="wieghted")

    def test_the_table_of_objectives(self) -> None:
        assert [*OBJECTIVES] == ["fma", "operations", "weighted", "calibrated"]
        assert objective_model("fma") is FMA
        assert objective_model("weighted") is WEIGHTED_COST

    def test_an_objective_of_its_own_unit_is_one_line_of_the_table(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(OBJECTIVES, "energy", Objective("energy by a guess", lambda dtype: Energy()))
        result = plan(chain_problem([2, 3, 4]), "chain-dp", objective="energy")
        assert result.price == 48
        for form_ in ("text", "markdown", "dot", "html"):
            assert "48 mJ" in RENDERERS[form_](result), form_
        assert json.loads(RENDERERS["json"](result))["cost"]["millijoules"] == 48
        assert model_of_file("energy", None).objective == "energy"
        with pytest.raises(ValueError, match="the objective is 'energy'; expected them with 'calibrated' alone"):
            model_of_file("energy", {})
        with pytest.raises(SolverError, match="it minimises fma; the objective is 'energy'"):
            plan(chain_problem([2, 3, 4]), "chain-dense", objective="energy")
        assert main(["compare", "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "--objective fma|operations|weighted|calibrated|energy" in shown
        assert "or energy by a guess." in shown


def _filled(block: Block) -> np.ndarray:
    """Ones where a dense or tridiagonal block may be nonzero."""
    rows, cols = np.indices((block.rows, block.cols))
    return np.where(block.structure is DENSE, 1, np.abs(rows - cols) <= 1).astype(int)


class Energy(Fma):
    """Two millijoules for each fma."""

    objective = "energy"
    unit = "millijoules"
    short_unit = "mJ"

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        return 2 * super().multiply(left, right)


class Finder(Solver):
    """Offers one plan at its price, and is then out of budget; it keeps the search as it was before."""

    name = "finder"

    def __init__(self, problem: Problem) -> None:
        self.best = plan(problem, "chain-dp").candidate

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        assert self.best is not None
        self.given, self.stage = search.best, search.stage("inner")
        search.offer(self.best.plan, self.best.price)
        raise SearchStopped


class TestSearches:
    def test_a_better_plan_than_the_start_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The price of the start in fma is below every price in nanoseconds."""
        problem = under(chain_problem([3, 1, 40, 1, 40, 1, 40]))
        start = plan(problem, "forward")
        finder = Finder(problem)
        assert finder.best is not None
        assert start.price is not None
        assert start.cost is not None
        assert start.cost.fma < finder.best.price < start.price
        monkeypatch.setitem(SOLVERS, "finder", finder)
        result = plan(problem, "finder", warm_start=start)
        assert finder.given == start.price
        assert result.price == finder.best.price
        assert finder.stage.unit == "ns"

    def test_a_plan_of_unproven_colours_is_offered_at_its_price(self) -> None:
        """A torus of 21 x 21 has 7 colours, and at least 6 are needed."""
        cells = np.stack(stencil(21, 21, torus=True).nonzero(), axis=1).tolist()
        block = {"shape": [441, 441], "structure": {"coo": cells}, "tangent": 1000}
        problem, search = under(chain([block])), Search()
        outcome = SOLVERS["chain-dp"].solve(problem, search)
        assert outcome.candidate is not None
        assert search.best == outcome.candidate.price != outcome.candidate.replay.total

    def test_an_interrupted_search_by_fma_leaves_its_plan_at_its_price(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter(range(10**9))
        monkeypatch.setattr("chainplan.solvers.search.search.monotonic", lambda: float(next(clock)))
        said: list[SearchProgress] = []

        def interrupt(progress: SearchProgress) -> None:
            said.append(progress)
            if progress.best is not None:
                raise KeyboardInterrupt

        problem = under(LARGE)
        search = Search(nodes=500, progress=interrupt, unit="ns")
        with pytest.raises(KeyboardInterrupt):
            SOLVERS["auto"].solve(problem, search)
        assert search.incumbent is not None
        assert search.best == replay(search.incumbent, WEIGHTED_COST).total
        assert said[-1].unit == "fma"
        assert said[-1].best == replay(search.incumbent).total

    @pytest.mark.parametrize(("unit", "shown"), [("fma", ", best 1,234 fma"), ("ns", ", best 1,234 ns")])
    def test_progress_names_the_unit(self, unit: str, shown: str) -> None:
        assert _standing(SearchProgress("x", None, 1.0, 1234, 0, unit)) == shown


class TestReports:
    @pytest.mark.parametrize("form_", RENDERERS)
    def test_every_format_says_nanoseconds(self, form_: str) -> None:
        problem = chain_problem([3, 4, 4], [DENSE, DIAGONAL])
        text = RENDERERS[form_](plan(problem, objective="weighted", machines=1))
        assert {"json": "nanoseconds", "trace": '"ns"'}.get(form_, " ns") in text
        assert ("weighted" in text) or form_ == "dot"
        assert "weighted" not in RENDERERS[form_](plan(problem, machines=1))

    def test_text_names_the_model_beside_the_proof(self) -> None:
        text = RENDERERS["text"](plan(chain_problem([3, 4, 4], [DENSE, DIAGONAL]), objective="weighted"))
        assert "proven optimal within bracketings under 'weighted'" in text


class TestPlanFiles:
    @pytest.mark.parametrize("model", [WEIGHTED_COST, MADE_UP], ids=lambda m: m.objective)
    def test_round_trip(self, model: Any) -> None:
        for seed in range(30):
            rng = random.Random(seed)
            problem = under(random_chain(rng) if seed % 2 else random_dag(rng), model)
            result = plan(problem, budget=5.0)
            saved = parse_plan(render(result), "plan.json")
            assert saved.problem.cost == model
            assert verify(saved).total == (result.cost.fma if result.cost else None)
            assert saved.document["cost"]["nanoseconds"] == result.price

    def test_fma_files_are_as_before(self) -> None:
        document = json.loads(render(plan(chain_problem([2, 3, 4]))))
        assert "rates" not in document
        assert "nanoseconds" not in json.dumps(document)

    @pytest.mark.parametrize(
        ("place", "message"),
        [
            (("cost", "nanoseconds"), "cost.nanoseconds is claimed"),
            (("steps", 2, "nanoseconds"), r"steps\[2\].nanoseconds is claimed"),
            (("baselines", "forward", "nanoseconds"), "baselines.forward is claimed"),
            (("bound", "nanoseconds"), "bound.nanoseconds is"),
        ],
    )
    def test_a_wrong_claim_is_found(self, place: tuple[Any, ...], message: str) -> None:
        document = json.loads(render(plan(chain_problem([20, 30, 40]), objective="weighted")))
        at: Any = document
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] -= 1
        with pytest.raises(PlanError, match=message):
            verify(parse_plan(json.dumps(document), "plan.json"))

    def test_changed_rates_change_the_price(self) -> None:
        document = json.loads(render(plan(under(chain_problem([20, 30, 40]), MADE_UP))))
        document["rates"]["gemm"][0] += 10**7
        with pytest.raises(PlanError, match="nanoseconds is claimed"):
            verify(parse_plan(json.dumps(document), "plan.json"))

    def test_rates_without_those_of_vectors_price_as_their_file_does(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        older = timed("calibrated", {name: rates for name, rates in MADE_UP.table if name not in VECTOR_REGIMES})
        problem = replace(chain_problem([300, 10, 300, 40]), products=Products(20))
        result = plan(under(problem, older))
        path = tmp_path / "plan.json"
        path.write_text(render(result))
        assert "gemv" not in json.loads(path.read_text())["rates"]
        assert parse_plan(path.read_text(), "plan.json").problem.cost == older
        assert result.price != plan(under(problem, MADE_UP)).price
        assert main(["check", str(path)]) == 0
        said = capsys.readouterr().out
        assert "no rates for products with a vector (gemv, large gemv, sparse vector, diagonal vector)" in said
        assert said.endswith("proven again\n")

    @pytest.mark.parametrize("broken", [None, 3, {}, {"gemm": [1]}])
    def test_broken_rates_are_bad_input(self, broken: Any) -> None:
        document = json.loads(render(plan(under(chain_problem([2, 3, 4]), MADE_UP))))
        document["rates"] = broken
        with pytest.raises(SpecError, match="rates: expected an object"):
            parse_plan(json.dumps(document), "plan.json")

    @pytest.mark.parametrize("rate", [-1, 1.5, True, "1", 10**19])
    def test_a_broken_rate_is_bad_input(self, rate: Any) -> None:
        document = json.loads(render(plan(under(chain_problem([2, 3, 4]), MADE_UP))))
        document["rates"]["gemm"][1] = rate
        with pytest.raises(SpecError, match="'gemm' needs 5 whole numbers"):
            parse_plan(json.dumps(document), "plan.json")

    def test_rates_belong_to_calibrated_alone(self) -> None:
        document = json.loads(render(plan(chain_problem([2, 3, 4]))))
        with pytest.raises(SpecError, match="expected them with 'calibrated' alone"):
            parse_plan(json.dumps({**document, "rates": {}}), "plan.json")
