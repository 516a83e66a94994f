"""Steps grouped into tasks: sending a task takes about a millisecond, so short steps are fused with their readers.

A group is a tree of steps with one result. Fusing never makes two long groups wait for each other: a step takes in the
short groups that it alone reads, and a long one only where it reads no other group and is short itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainplan.plans.steps import Load, Plan

MOST_SHORT = 10
"""What the steps of a group take at most besides the longest one, as a multiple of what is short.

A worker that dies in a task loses all of it.
"""


@dataclass(frozen=True)
class TaskGroup:
    """Steps that run in one task in their order, the result last; `reads` are loads and results of other groups.

    `price` is that of all steps, `longest` that of one; `machine` is where they run, None where that is open.
    """

    steps: tuple[int, ...]
    reads: tuple[int, ...]
    price: int
    longest: int
    machine: int | None = None

    @property
    def result(self) -> int:
        """The step whose block is kept."""
        return self.steps[-1]


def grouped(
    plan: Plan,
    prices: Sequence[int],
    short: int,
    alone: frozenset[int] = frozenset(),
    machines: Mapping[int, int] | None = None,
) -> list[TaskGroup]:
    """Fuse the steps of a plan, in O(steps).

    Parameters
    ----------
    prices : Sequence[int]
        How long each step takes, in any unit.
    short : int
        The price below which groups are fused, in the same unit.
    alone : frozenset[int]
        Steps that are not fused with others.
    machines : Mapping[int, int] | None
        The machines of steps, of which those of different ones are not fused.

    Returns
    -------
    list
        The groups, which hold every step but the loads exactly once; a group stands after those that it reads.
    """
    readers = Counter(arg for step in plan.steps for arg in set(step.operands()))
    kept = {output.step for output in plan.outputs} | alone
    made: dict[int, _OpenGroup] = {}
    for position, step in enumerate(plan.steps):
        if isinstance(step, Load):
            continue
        args = tuple(dict.fromkeys(step.operands()))
        others = [made[arg] for arg in args if arg in made]
        machine = (machines or {}).get(position)
        fit = [] if position in alone else [g for g in others if g.result not in kept and readers[g.result] == 1]
        if machines:
            fit = _on_one_machine(fit, machine)
        inner = [g for g in fit if g.price < short]
        while inner and sum(g.price for g in inner) >= short:
            inner.remove(max(inner, key=lambda g: (g.price, g.result)))
        outside = [g for g in others if g not in inner]
        waits = any(group.waits for group in inner)
        if len(outside) == 1 and outside[0] in fit and prices[position] < short and not waits:
            inner += [group for group in outside if group.price - group.longest < MOST_SHORT * short]
        for group in inner:
            del made[group.result]
        made[position] = _merge_groups(position, args, inner, prices[position], machine)
        made[position].waits = any(group.waits for group in inner) or len(inner) < len(others)
    return [group.closed() for group in made.values()]


@dataclass(eq=False)
class _OpenGroup:
    """A group that may grow; `waits` says whether it reads the result of another one."""

    result: int
    steps: list[int]
    reads: dict[int, None]
    price: int
    longest: int
    machine: int | None
    waits: bool = False

    def closed(self) -> TaskGroup:
        """The group as it is."""
        return TaskGroup(tuple(sorted(self.steps)), tuple(self.reads), self.price, self.longest, self.machine)


def _on_one_machine(groups: list[_OpenGroup], machine: int | None) -> list[_OpenGroup]:
    """The groups that may run on a machine, or where that is open on the machine of the first that has one."""
    if machine is None:
        machine = next((group.machine for group in groups if group.machine is not None), None)
    return [group for group in groups if group.machine in (None, machine)]


def _merge_groups(
    position: int, args: Sequence[int], inner: Sequence[_OpenGroup], price: int, machine: int | None
) -> _OpenGroup:
    """The group of a step and of the groups that it takes in, of which the largest one grows."""
    results = {group.result for group in inner}
    made, *smaller = sorted(inner, key=lambda group: -len(group.steps)) or [_OpenGroup(position, [], {}, 0, 0, None)]
    for group in smaller:
        made.steps += group.steps
        made.reads |= group.reads
    made.steps.append(position)
    made.reads |= dict.fromkeys(arg for arg in args if arg not in results)
    made.result, made.price = position, made.price + price + sum(group.price for group in smaller)
    made.longest = max([price, made.longest, *(group.longest for group in smaller)])
    places = (machine, made.machine, *(group.machine for group in smaller))
    made.machine = next((place for place in places if place is not None), None)
    return made
