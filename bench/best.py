"""The best known plan of every stored instance: kept as plan files, improved by searching on from them.

`best.csv` beside the instances says what each plan costs and which bound is known; `plans/NAME.json.gz` is the plan
file that proves the cost. A bound is what a solver has proven; what can be checked again without its search is that it
is not above the cost, and that it is the cost where the plan is called optimal.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.instances import FOLDER
from bench.instances.sets import SETS, Stored
from bench.rows import BestRow, from_csv, to_csv
from chainplan.errors import ChainplanError
from chainplan.io.plan_file import SavedPlan, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.classes import PLAN_CLASSES
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan
from chainplan.report.registry import render
from chainplan.solvers.registry import SOLVERS

INDEX = "best.csv"
PLANS = "plans"
SEARCHES: dict[str, tuple[str, ...]] = {
    "chains": ("auto",),
    "structure": ("auto",),
    "dags-random": ("auto", "local-search", "dag-exact"),
}
"""By suite: who looks for better plans and bounds, one after the other, where it takes the problem.

`auto` begins afresh, the others at the known plan.
"""
ABOUT = {
    "columns": "cost and bound in fma; the bound holds for all plans made of the moves that `within` names",
    "plan files": "plans/INSTANCE.json.gz",
    "licence": "MIT, as the instances",
}


def stored_best(folder: Path = FOLDER) -> dict[str, BestRow]:
    """The claims by instance; none where there is no index yet."""
    file = folder / INDEX
    if not file.exists():
        return {}
    return {row.instance: row for row in from_csv(file.read_text(encoding="utf-8"), BestRow)[1]}


def write_index(rows: Iterable[BestRow], folder: Path = FOLDER) -> None:
    """Write the claims, in the order of the stored instances."""
    order = {stored.name: i for i, stored in enumerate(s for make in SETS.values() for s in make())}
    ranked = sorted(rows, key=lambda row: order[row.instance])
    (folder / INDEX).write_text(to_csv(ABOUT, ranked, BestRow), encoding="utf-8")


def plan_path(instance: str, folder: Path = FOLDER) -> Path:
    """Where the plan file of an instance is."""
    return folder / PLANS / f"{instance}.json.gz"


def saved_plan(instance: str, folder: Path = FOLDER) -> SavedPlan:
    """The plan file of an instance, as it says of itself.

    Raises
    ------
    ChainplanError
        If it is no plan file, or its fingerprint is not that of its problem.
    OSError, EOFError, zlib.error
        If there is none, or it is not what gzip writes.
    """
    path = plan_path(instance, folder)
    return parse_plan(gzip.decompress(path.read_bytes()), path.name)


def improve(
    suite: str,
    budget: float,
    say: Callable[[str], None],
    folder: Path = FOLDER,
    only: Sequence[str] = (),
    seed: int = 0,
) -> int:
    """Look for better plans and bounds of the instances of a suite, each search within a budget; how many got better.

    A proven plan is not searched for again.
    """
    known, better = stored_best(folder), 0
    (folder / PLANS).mkdir(exist_ok=True)
    for stored in SETS[suite]():
        before = known.get(stored.name)
        if (only and stored.name not in only) or (before is not None and before.optimal == "yes"):
            continue
        for solver in SEARCHES[suite]:
            if SOLVERS[solver].refuses(stored.make()) is None:
                start = None if solver == "auto" else _start(known.get(stored.name), folder)
                result = plan(stored.make(), solver, budget=budget, seed=seed, warm_start=start)
                known[stored.name] = _kept(suite, stored, result, known.get(stored.name), folder)
        after = known[stored.name]
        better += after != before
        if after != before:
            say(f"{stored.name}: {after.cost:,} fma, bound {after.bound:,}")
            write_index(known.values(), folder)
    return better


def _start(before: BestRow | None, folder: Path) -> Plan | None:
    return None if before is None else saved_plan(before.instance, folder).plan


def _kept(suite: str, stored: Stored, result: Result, before: BestRow | None, folder: Path) -> BestRow:
    """The claim after another search; its plan file is written where it is better than the one there is."""
    assert result.cost is not None
    row = _claim(suite, stored, result)
    if before is None or row.cost < before.cost or (row.optimal == "yes" and before.optimal == "no"):
        plan_path(stored.name, folder).write_bytes(gzip.compress(render(result, "json").encode(), 9, mtime=0))
    else:
        row = replace(row, cost=before.cost, solver=before.solver)
    if before is not None and before.bound > row.bound:
        row = replace(row, bound=before.bound, within=before.within)
    return replace(row, optimal="yes" if row.bound == row.cost else "no")


def _claim(suite: str, stored: Stored, result: Result) -> BestRow:
    cost = 0 if result.cost is None else result.cost.fma
    return BestRow(
        suite,
        stored.name,
        stored.family,
        stored.n,
        cost,
        result.bound,
        result.within or "",
        "yes" if result.status is Status.OPTIMAL else "no",
        result.solver,
        result.problem.fingerprint,
    )


def wrong_claims(suite: str, folder: Path = FOLDER) -> Iterator[str]:
    """Each instance of a suite without a claim, and each claim that is not so."""
    known = stored_best(folder)
    for stored in SETS[suite]():
        row = known.get(stored.name)
        if row is None:
            yield f"{stored.name}: no best known plan; expected a line in {INDEX}. 'python -m bench best' finds one."
            continue
        try:
            yield from _mistakes(row, stored, saved_plan(stored.name, folder))
        except (ChainplanError, OSError, EOFError, zlib.error) as error:
            yield f"{stored.name}: {error}"


def _mistakes(row: BestRow, stored: Stored, saved: SavedPlan) -> Iterator[str]:
    """What of a claim the instance and the plan file do not bear out."""
    fingerprint = stored.make().fingerprint
    for what, found in (("the index", row.fingerprint), ("the plan file", saved.problem.fingerprint)):
        if found != fingerprint:
            yield f"{stored.name}: {what} has fingerprint {found[:12]}…; expected {fingerprint[:12]}… of the instance."
    cost = verify(saved).total
    if cost != row.cost:
        yield f"{stored.name}: claimed cost {row.cost:,}, but the plan file costs {cost:,}."
    if row.bound > row.cost or (row.bound > 0 and row.within not in PLAN_CLASSES):
        yield f"{stored.name}: claimed bound {row.bound:,} within '{row.within}', cost {row.cost:,}; expected no more."
    if (row.optimal == "yes") != (row.bound == row.cost):
        yield f"{stored.name}: optimal is '{row.optimal}' at cost {row.cost:,} and bound {row.bound:,}."
