"""States on disk: the cheapest schedules on two levels, their plans from spec to run, and what the checker refuses."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import chainplan
from chainplan.errors import PlanError, SolverError
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.replay import replay
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.steps import Plan, Step
from chainplan.problem.problem import Problem
from chainplan.solvers.checkpoint import ReversalAction, forward_steps
from chainplan.solvers.checkpoint.reversal_chain import ExtensionWay, ReversalChain
from chainplan.solvers.checkpoint.two_levels import TwoLevels, held_units
from chainplan.structures import Block
from chainplan.tradeoff import pareto
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from chainplan_cli.main import main
from tests.oracles.checkpoints import TwoLevelChain, cheapest_on_two_levels
from tests.test_reversal import flow


def on_disk(problem: Problem, disk: int, transfer: int, advance: int = 30) -> Problem:
    links = tuple(replace(e, advance=advance) for e in problem.graph.elementals)
    return replace(problem, disk=disk, graph=replace(problem.graph, elementals=links, transfer=transfer))


def drawn(seed: int, longest: int) -> TwoLevelChain:
    rng = random.Random(seed)
    count = rng.randint(1, longest)
    sizes = [0] + [2 if seed % 3 == 0 else rng.randint(1, 4) for _ in range(count - 1)]
    waiting = [rng.randint(0, 3) for _ in range(count)] + [0]
    besides = [waiting[i + 1] + waiting[i] + rng.randint(0, 3) for i in range(count)]
    return TwoLevelChain([rng.randint(0, 9) for _ in range(count)], sizes, waiting, besides)


def sweep_of(chain: TwoLevelChain) -> ReversalChain:
    ways = tuple(ExtensionWay(0, n + more, None) for n, more in zip(chain.sizes, chain.besides, strict=True))
    blocks = tuple(Block(1, n) for n in chain.waiting[:-1])
    return ReversalChain(tuple(chain.prices), (*chain.sizes, 0), blocks, ways)


def carried_out(actions: list[ReversalAction], chain: TwoLevelChain, transfer: int) -> int:
    """The price of a schedule, after making sure that it reverses every step in turn."""
    working, left, price = 0, len(chain.prices), 0
    stored, written = {0}, set[int]()
    for kind, at in actions:
        match kind:
            case "advance":
                assert working == at
                working, price = at + 1, price + chain.prices[at]
            case "store" | "write":
                assert working == at
                (stored if kind == "store" else written).add(at)
                price += transfer * chain.sizes[at] if kind == "write" else 0
            case "restore" | "read":
                assert at in (stored if kind == "restore" else written)
                working, price = at, price + (transfer * chain.sizes[at] if kind == "read" else 0)
            case "reverse":
                assert working == at == left - 1
                left -= 1
    assert left == 0
    return price


@pytest.mark.parametrize(
    ("first", "last", "longest"), [(0, 50, 4), pytest.param(1000, 1030, 5, marks=pytest.mark.nightly)]
)
def test_no_sequence_of_actions_is_cheaper(first: int, last: int, longest: int) -> None:
    used = 0
    for seed in range(first, last):
        chain, rng = drawn(seed, longest), random.Random(seed)
        sweep, total = sweep_of(chain), sum(chain.sizes)
        low = min(way.hill for way in sweep.ways)
        for memory in rng.sample(range(low, low + total + 6), 2):
            for disk in (None, 0, 3, total):
                transfer = rng.randint(0, 2)
                levels = TwoLevels(sweep, memory, disk, transfer)
                assert levels.exact
                due = cheapest_on_two_levels(chain, memory, -1 if disk is None else disk, transfer)
                assert levels.price == due, (seed, memory, disk)
                if due is not None:
                    actions = list(levels.actions())
                    assert carried_out(actions, chain, transfer) == due
                    used += any(action.kind == "write" for action in actions)
    assert used > 20


@pytest.mark.parametrize(("count", "slots"), [(6, 2), (30, 3), (50, 6)])
def test_without_a_disk_and_with_a_free_one_equal_steps_take_what_revolve_says(count: int, slots: int) -> None:
    memory = 30 + 10 * slots
    base = chainplan.plan(flow(count, memory=memory), "chain-reversal")
    free = chainplan.plan(on_disk(flow(count, memory=memory), 10 * count, 0, 1), "chain-reversal")
    some = chainplan.plan(on_disk(flow(count, memory=memory), 30, 0, 1), "chain-reversal")
    assert [result.price for result in (base, free, some)] == [
        100 * count - count + forward_steps(count, s) for s in (slots, count, slots + 3)
    ]
    assert {result.status for result in (base, free, some)} == {Status.OPTIMAL}


def test_rounded_sizes_keep_the_limits() -> None:
    assert held_units((3, 5), 100, 10) == ((0, 0), 0, 1, True)
    assert held_units((4, 6), 9, 10) == ((2, 3), 4, 2, True)
    assert held_units((40, 61), 99, 10) == ((4, 7), 9, 10, False)
    rng = random.Random(2)
    problem = flow(60)
    sizes = {v: rng.randint(50, 150) if n > 1 else n for v, n in problem.graph.sizes.items()}
    links = tuple(
        replace(e, block=Block(sizes[e.target], sizes[e.source]), advance=rng.randint(1, 90))
        for e in problem.graph.elementals
    )
    graph = replace(problem.graph, sizes=sizes, elementals=links, transfer=1)
    for disk in (None, 2000):
        limited = replace(problem, graph=graph, memory=1400, disk=disk)
        result = chainplan.plan(limited, "chain-reversal")
        assert result.plan is not None
        assert check(result.plan, limited).total == result.price


def test_a_disk_in_a_spec_a_plan_file_and_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, saved = tmp_path / "s.json", tmp_path / "plan.json"
    problem = on_disk(flow(30, memory=70), 100, 1)
    spec.write_text(json.dumps(problem.to_spec()))
    assert chainplan.read(spec) == problem
    assert chainplan.from_networkx(chainplan.to_networkx(problem)).fingerprint == problem.fingerprint
    assert main(["plan", str(spec)]) == 0
    out = capsys.readouterr().out
    assert "optimal within one sweep with nested checkpoints" in out
    assert "written to disk" in out
    assert main(["plan", str(spec), "--format", "json", "-o", str(saved)]) == 0
    assert main(["check", str(saved), "--require-proof"]) == 0
    assert "proven again within one sweep with nested checkpoints" in capsys.readouterr().out
    assert main(["run", str(saved)]) == 0
    capsys.readouterr()
    document = json.loads(saved.read_text())
    assert 0 < document["cost"]["peak_disk"] <= 100
    document["cost"]["peak_disk"] -= 1
    saved.write_text(json.dumps(document))
    assert main(["check", str(saved)]) == 1
    assert "cost.peak_disk is claimed to be" in capsys.readouterr().out


def test_a_run_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    problem = on_disk(flow(40, size=3, memory=30), 10**6, 1)
    found = chainplan.plan(problem).plan
    assert found is not None
    assert any(isinstance(step, Read) for step in found.steps)
    values = draw(problem.graph, 1, np.float64)
    ((pair, block),) = chainplan.execute(found, values).items()
    assert np.allclose(block, reference_jacobian(problem, values)[pair])
    assert not list(tmp_path.iterdir())


def test_a_long_chain_writes_states_at_equal_distances() -> None:
    problem = flow(2000, memory=80)
    limited = on_disk(problem, 300, 1)
    alone = chainplan.plan(replace(limited, disk=None))
    result = chainplan.plan(limited)
    assert result.plan is not None
    assert result.price is not None
    assert alone.price is not None
    assert 0 < check(result.plan, limited).disk <= 300
    assert result.bound < result.price < 0.9 * alone.price


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((Write("x1"),), "step 0: 'x1' cannot be written, for the working state is 'x0'"),
        ((Read("x1"),), "step 0: 'x1' cannot be read, for it is not on disk"),
        ((Advance("F1"), Store("x1"), Restore("x0"), Read("x1")), "step 3: 'x1' cannot be read"),
        ((Advance("F1"), Write("x1"), Restore("x1")), "step 2: 'x1' cannot be restored"),
        ((Write("z"),), "'z' is no vertex of the problem|'z' cannot be written"),
    ],
)
def test_what_a_wrong_move_is_told(steps: tuple[Step, ...], message: str) -> None:
    problem = on_disk(flow(3), 100, 1)
    with pytest.raises(PlanError, match=message):
        check(Plan(problem.graph, steps, ()), problem)


def test_what_is_on_disk_counts_from_its_write_to_its_last_read() -> None:
    graph = on_disk(flow(4), 100, 3).graph
    steps = (Advance("F1"), Write("x1"), Advance("F2"), Write("x2"), Read("x1"), Read("x1"), Restore("x0"))
    replayed = replay(Plan(graph, steps, ()))
    assert (replayed.disk, replayed.prices) == (20, (30, 30, 30, 30, 30, 30, 0))
    assert replayed.alive == (10, 10, 20, 10, 10, 10, 0)


def test_a_plan_needs_the_disk_that_it_uses() -> None:
    problem = on_disk(flow(30, memory=70), 100, 1)
    found = chainplan.plan(problem).plan
    assert found is not None
    with pytest.raises(PlanError, match=r"a state is written to disk, but limits\.disk is not set"):
        check(found, replace(problem, disk=None))
    used = replay(found).disk
    with pytest.raises(PlanError, match=f"the states on disk take {used} elements; expected at most {used - 1}"):
        check(found, replace(problem, disk=used - 1))
    with pytest.raises(SolverError, match="it holds all states in memory"):
        pareto(problem)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("{memory: 9, recompute: true, disk: 5}", "limits has 'disk' but no 'transfer'; expected both or none"),
        ("{memory: 9, recompute: true, transfer: 5}", "limits has 'transfer' but no 'disk'"),
        ("{memory: 9, disk: 5, transfer: 1}", "limits has 'disk', but states are given"),
        ("{memory: 9, recompute: true, disk: 5 XB, transfer: 1}", "limits.disk is 5 XB; expected elements, or bytes"),
    ],
)
def test_a_disk_that_cannot_be_read_of(
    limits: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"chain: [3, 2]\nlimits: {limits}\n")
    assert main(["plan", str(path)]) == 2
    assert message in capsys.readouterr().err
