"""Runs a suite: every competitor on every instance, in turns.

On each instance the competitors take turns until each has had enough time or enough turns, and the best time of each
counts; so a disturbance of the machine hits all alike, and what is compared was measured side by side. Every other
round goes backwards, so that nobody always follows the same neighbour.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from bench.competitor import Competitor
from bench.execution import measure_execution
from bench.instances import Instance
from bench.rows import Row, ratio
from bench.suites import ENOUGH, TURNS, Suite
from chainplan.costs.rate_store import processor

PACKAGES = ("numpy", "opt_einsum", "cotengra", "cotengrust")


def run_suite(suite: Suite, say: Callable[[str], None] = print) -> tuple[dict[str, str], list[Row]]:
    """Measure a suite: what it was measured on, and the rows."""
    rows: list[Row] = []
    before = load()
    for instance in suite.instances():
        say(f"{instance.name}")
        rows += measure_orders(instance, suite.competitors)
    for case in suite.executions:
        say(f"{case.name} (execution)")
        rows += measure_execution(case)
    return {"suite": suite.name, **machine(), "load": f"{before} before, {load()} after"}, rows


def measure_orders(instance: Instance, competitors: tuple[Competitor, ...]) -> list[Row]:
    """A row per competitor and seed, and one for the published order where there is one."""
    rows = [
        Row("order", instance.name, instance.family, instance.n, c.name, seed, optimum=instance.optimum)
        for c in competitors
        for seed in c.seeds
    ]
    by_name = {c.name: c for c in competitors}
    for i, row in enumerate(rows):
        absent = by_name[row.solver].absent(instance.n)
        if absent is not None:
            rows[i] = replace(row, status=f"not run: {absent}")
    spent, rounds = dict.fromkeys(range(len(rows)), 0.0), 0
    while waiting := list(_waiting(rows, spent)):
        rounds += 1
        for i in waiting if rounds % 2 else reversed(waiting):
            rows[i], seconds = _turn(rows[i], by_name[rows[i].solver], instance)
            spent[i] += seconds
    if instance.published is not None:
        rows.append(_published(instance, instance.published))
    return rows


def _published(instance: Instance, over_optimum: float) -> Row:
    return Row(
        "order",
        instance.name,
        instance.family,
        instance.n,
        "published",
        0,
        "published",
        optimum=instance.optimum,
        ratio=over_optimum,
    )


def _waiting(rows: list[Row], spent: dict[int, float]) -> Iterator[int]:
    """The rows that are due another turn."""
    for i, row in enumerate(rows):
        if row.status == "ok" and row.repeats < TURNS and (row.repeats == 0 or spent[i] < ENOUGH):
            yield i


def _turn(row: Row, competitor: Competitor, instance: Instance) -> tuple[Row, float]:
    """The row after another turn. The cost is that of the fastest turn, should the costs differ."""
    order = competitor.order(instance.sizes, row.seed)
    row = replace(row, repeats=row.repeats + 1)
    if row.seconds is None or order.seconds < row.seconds:
        row = replace(row, cost=order.cost, ratio=ratio(order.cost, instance.optimum), seconds=order.seconds)
    return row, order.seconds


def beginning(asked: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """The names that begin as one of those asked for.

    Raises
    ------
    ValueError
        If there is none.
    """
    names = tuple(names)
    found = tuple(name for name in names if name.startswith(tuple(asked)))
    if not found:
        raise ValueError(f"--only: found {', '.join(asked)}; expected the beginning of one of {', '.join(names)}.")
    return found


def machine(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Processor, system and versions."""
    import chainplan

    versions = [f"Python {platform.python_version()}", f"chainplan {chainplan.__version__}"]
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    system = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return {"machine": system, "versions": ", ".join(versions)}


def load() -> str:
    """Processes that wanted a core, on average over the last minute: of the run itself about 1."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
