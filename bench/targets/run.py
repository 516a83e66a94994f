"""Runs the suite `targets`: one target after the other, each in a process of its own; every row is kept as it comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter

from bench.dag_nodes import has_compiled_core
from bench.rows import TargetRow
from bench.run import load, machine
from bench.targets.apart import Measurement, measured_apart
from bench.targets.table import TARGETS
from bench.targets.target import Effort, Figure, Target

PACKAGES = ("numpy", "scipy", "ortools")


@dataclass(frozen=True)
class TargetSuite:
    """Which targets are measured, and with how much effort."""

    name: str = "targets"
    title: str = "Goals of planning"
    targets: tuple[Target, ...] = TARGETS
    effort: Effort = field(default_factory=Effort)

    def quick(self) -> TargetSuite:
        """The same on small sizes, for a moment each."""
        return replace(self, effort=Effort(samples=1, size=0.05, seconds=0.02))

    def only(self, names: tuple[str, ...]) -> TargetSuite:
        """The targets whose names begin with one of these."""
        return replace(self, targets=tuple(t for t in self.targets if t.name.startswith(names)))

    def sampled(self, samples: int) -> TargetSuite:
        """The same on so many graphs for each proof rate."""
        return replace(self, effort=replace(self.effort, samples=samples))


TARGET_SUITES = {"targets": TargetSuite()}

State = tuple[dict[str, str], list[TargetRow]]


def run_targets(suite: TargetSuite, say: Callable[[str], None]) -> Iterator[State]:
    """What the suite is measured on and the rows so far, after every row; a run that is cut short has kept them."""
    before, start, rows = load(), perf_counter(), list[TargetRow]()
    compiled = has_compiled_core()
    known = {**machine(PACKAGES), "compiled core": "yes" if compiled else "no"}
    for target in suite.targets:
        at_begin = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        measures = measured_apart(target, suite.effort)
        if not target.compiled and not compiled:
            measures = iter([Measurement(Figure(target.name, status="not run: no compiled core to switch off"))])
        for measurement in measures:
            row = _row(target, measurement, suite.effort.full, at_begin)
            say(f"{row.target}: {row.measured}: {row.status if row.figure is None else f'{row.figure:.4g} {row.unit}'}")
            rows.append(row)
            duration = f"{perf_counter() - start:.0f} s, {len(rows)} rows"
            about = {"suite": suite.name, **known, "load": f"{before} before, {load()} after", "duration": duration}
            yield {**about, "effort": _effort(suite.effort)}, list(rows)


def _row(target: Target, measurement: Measurement, full: bool, at_begin: float | None) -> TargetRow:
    """The row of a measurement; figures are kept to six digits, and judged where the effort is the full one."""
    figure = measurement.figure
    return TargetRow(
        target.name,
        target.part,
        "as installed" if target.compiled else "off",
        figure.measured,
        _rounded(figure.figure),
        figure.unit,
        "" if figure.goal is None else "at least" if figure.at_least else "at most",
        _rounded(figure.goal, 15),
        figure.reached if full else "",
        figure.status,
        figure.samples,
        figure.note,
        _rounded(measurement.seconds, 4),
        _rounded(measurement.cpu, 4),
        measurement.memory,
        _rounded(at_begin, 3),
        os.cpu_count(),
    )


def _rounded(value: float | None, digits: int = 6) -> float | None:
    """A number to so many digits, as a float whatever it was: so is it read again."""
    return None if value is None else float(f"{value:.{digits}g}")


def _effort(effort: Effort) -> str:
    """In words how much was measured."""
    text = f"proof rates of {effort.samples} graphs each"
    shares = ((effort.size, "of the sizes"), (effort.seconds, "of the seconds"))
    return ", ".join([text, *(f"{share:.3g} {words}" for share, words in shares if share != 1)])
