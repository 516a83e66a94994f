"""Bracketing and schedule of a chain as one constraint program.

Every interval of the chain has a start and an end; each of its options that may be in a plan shorter than the best
known one (`bounds`) is an optional task. An interval that is read is made in exactly one way and read exactly once,
which makes the chosen options a tree. All tasks share the machines, as a resource of capacity p. The model does not say
which machine a task runs on, because tasks of which at most p run at once always fit (interval graphs are perfect).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ortools.sat.python import cp_model

from chainplan.solvers.chain.derivation import ChainInterval
from chainplan.solvers.schedule.bounds import WorkPathBounds
from chainplan.solvers.schedule.tasks import ChainTasks, ChainTree, IntervalOption


class OptionLiteral(NamedTuple):
    """An option of an interval, and the literal that says whether it is taken."""

    interval: ChainInterval
    option: IntervalOption
    taken: cp_model.IntVar


class ChainScheduleModel:
    """The model of all plans of a chain on `machines` machines whose makespan lies `between` two numbers, inclusive."""

    def __init__(self, tasks: ChainTasks, bounds: WorkPathBounds, machines: int, between: tuple[int, int]) -> None:
        self.model = cp_model.CpModel()
        least, most = between
        self._tasks, self._bounds, self._machines, self._most = tasks, bounds, machines, most
        self.makespan = self.model.new_int_var(least, most, "makespan")
        self._starts: dict[ChainInterval, cp_model.IntVar] = {}
        self._ends: dict[ChainInterval, cp_model.IntVar] = {}
        self.choices = [
            OptionLiteral(interval, option, self.model.new_bool_var(f"{interval} {option.reads}"))
            for interval, options in tasks.options.items()
            for option in options
            if bounds.with_option(interval, option) <= most
        ]
        self._made_once()
        self._in_time()
        self.model.minimize(self.makespan)

    @property
    def work(self) -> cp_model.LinearExprT:
        """The sum of all durations."""
        return sum(c.option.duration * c.taken for c in self.choices)

    def hint(self, tree: ChainTree, starts: Mapping[ChainInterval, int], makespan: int) -> None:
        """Start the search from a known schedule."""
        self.model.add_hint(self.makespan, makespan)
        for interval, option, taken in self.choices:
            self.model.add_hint(taken, int(tree.get(interval) == option))
        for interval, start in self._starts.items():
            if interval in tree:
                self.model.add_hint(start, starts[interval])
                self.model.add_hint(self._ends[interval], starts[interval] + tree[interval].duration)

    def least_work(self) -> None:
        """Minimise the work instead of the makespan, which the model still limits."""
        self.model.minimize(self.work)

    def read(self, value: Callable[[cp_model.IntVar], int]) -> tuple[ChainTree, dict[ChainInterval, int]]:
        """The tree of a solution and the start of each of its intervals."""
        tree = {c.interval: c.option for c in self.choices if value(c.taken)}
        return tree, {interval: value(self._starts[interval]) for interval in tree}

    def _made_once(self) -> None:
        """Demand that each interval that is read is made in one way and read once, and that the root is made."""
        ways: dict[ChainInterval, list[cp_model.IntVar]] = {}
        readers: dict[ChainInterval, list[cp_model.IntVar]] = {}
        for interval, option, taken in self.choices:
            ways.setdefault(interval, []).append(taken)
            for arg in option.reads:
                readers.setdefault(arg, []).append(taken)
        self.model.add_exactly_one(ways.get(self._tasks.root, []))
        for interval in ways.keys() | readers.keys():
            if interval != self._tasks.root:
                self.model.add(sum(ways.get(interval, [])) == sum(readers.get(interval, [])))
                self.model.add_at_most_one(readers.get(interval, []))

    def _in_time(self) -> None:
        """Demand that tasks wait for what they read and share the machines."""
        model, path, after, most = self.model, self._bounds.path, self._bounds.path_after, self._most
        for interval in dict.fromkeys(c.interval for c in self.choices):
            latest = most - after[interval]
            self._starts[interval] = model.new_int_var(0, latest, f"start {interval}")
            self._ends[interval] = model.new_int_var(path[interval], latest, f"end {interval}")
        busy = []
        for interval, option, taken in self.choices:
            start, end = self._starts[interval], self._ends[interval]
            if option.duration:
                name = f"{interval} {option.reads}"
                busy.append(model.new_optional_interval_var(start, option.duration, end, taken, name))
            else:
                model.add(end == start).only_enforce_if(taken)
            model.add(self.makespan >= end + after[interval]).only_enforce_if(taken)
            for arg in option.reads:
                if arg in self._ends:
                    model.add(start >= self._ends[arg]).only_enforce_if(taken)
        model.add_cumulative(busy, [1] * len(busy), self._machines)
        model.add(self.work <= self._machines * self.makespan)
