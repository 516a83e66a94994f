"""Cuts modules that are applied to many vectors into pieces, where workers would otherwise wait.

A tangent treats each column by itself and an adjoint each row, so pieces make the block that the whole makes. How many
follows from a list schedule of the steps on the workers: the modules without slack in it are cut into twice as many
pieces, or where that does not help into one for each worker, for as long as the schedule gets shorter. A module whose
time nobody knows stays whole, because one that takes long for each call, and not for each vector, would only be called
more often. So do products of matrices: their rounding depends on how many columns there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chainplan._util.task_threads import ranks
from chainplan.distributed.split import StepSplit
from chainplan.plans.schedule import Task
from chainplan.plans.steps import Plan

MIN_PIECE_NANOSECONDS = 50_000_000
"""Nanoseconds that a piece takes at least, because sending it takes a few milliseconds."""
LEAST_GAIN = 0.05
"""Share of the makespan by which more pieces must shorten it; what has twice as much slack is not cut for it."""
MOST_ROUNDS = 50
"""Rounds in which pieces are made smaller."""


class PieceChoice(NamedTuple):
    """A step that may be cut: how it is at least, and into how many pieces at most."""

    least: StepSplit
    most: int


def cut_for_workers(
    plan: Plan, prices: Sequence[int], choices: Mapping[int, PieceChoice], workers: int
) -> dict[int, StepSplit]:
    """Choose how the steps are cut that may be.

    Parameters
    ----------
    plan : Plan
        The plan.
    prices : Sequence[int]
        The nanoseconds that each step takes.
    choices : Mapping[int, PieceChoice]
        The steps that may be cut.
    workers : int
        How many tasks run at once.

    Returns
    -------
    dict
        The steps that are cut into more pieces than they must.
    """
    parts = {position: choice.least.parts for position, choice in choices.items()}
    if workers > 1 and any(choice.most > choice.least.parts for choice in choices.values()):
        best = _schedule(plan, prices, parts, workers)
        for _ in range(MOST_ROUNDS):
            finer = (_schedule(plan, prices, _finer(best, choices, factor), workers) for factor in (2, workers))
            found = next((made for made in finer if made.makespan <= (1 - LEAST_GAIN) * best.makespan), None)
            if found is None:
                break
            best = found
        parts = best.parts
    return {
        position: choice.least._replace(parts=parts[position])
        for position, choice in choices.items()
        if parts[position] > choice.least.parts
    }


class _PiecesSchedule(NamedTuple):
    """A schedule of steps in so many pieces each: its makespan, and the steps that have no slack in it."""

    parts: dict[int, int]
    makespan: int
    tight: frozenset[int]


def _finer(made: _PiecesSchedule, choices: Mapping[int, PieceChoice], factor: int) -> dict[int, int]:
    """The numbers of pieces, so many times as large for the steps without slack."""
    return {
        position: max(parts, min(factor * parts, choices[position].most)) if position in made.tight else parts
        for position, parts in made.parts.items()
    }


def _schedule(plan: Plan, prices: Sequence[int], parts: dict[int, int], workers: int) -> _PiecesSchedule:
    """List schedule the steps in their pieces."""
    from chainplan.solvers.schedule.list_scheduling import listed

    owners, costs, before = _pieces(plan, prices, parts)
    after: list[list[int]] = [[] for _ in owners]
    for piece, needs in enumerate(before):
        for need in needs:
            after[need].append(piece)
    tasks = listed(before, after, costs, workers, ranks(costs, before))
    makespan = max((task.end for task in tasks), default=0)
    least = (1 - 2 * LEAST_GAIN) * makespan
    tight = frozenset(owners[task.id] for task, tail in _tails(tasks, after) if task.start + tail >= least)
    return _PiecesSchedule(parts, makespan, tight)


def _pieces(
    plan: Plan, prices: Sequence[int], parts: Mapping[int, int]
) -> tuple[list[int], list[int], list[list[int]]]:
    """For each piece its step, its nanoseconds, and the pieces that it waits for.

    A step that is cut has an end besides, for which its readers wait; where those are cut alike, each piece waits for
    the one of its own range.
    """
    owners, costs, before = list[int](), list[int](), list[list[int]]()
    ends, firsts = list[int](), list[int]()
    for position, step in enumerate(plan.steps):
        count, args = parts.get(position, 1), sorted(set(step.operands()))
        firsts.append(len(owners))
        for i in range(count):
            alike = [count > 1 and parts.get(arg) == count for arg in args]
            before.append([firsts[arg] + i if same else ends[arg] for arg, same in zip(args, alike, strict=True)])
        if count > 1:
            before.append(list(range(firsts[-1], firsts[-1] + count)))
        owners += [position] * (len(before) - len(owners))
        costs += [1 + prices[position] // count] * count + [1] * (count > 1)
        ends.append(len(before) - 1)
    return owners, costs, before


def _tails(tasks: Sequence[Task], after: Sequence[Sequence[int]]) -> list[tuple[Task, int]]:
    """Each task with the longest way from its start to the end, by those that wait for it or for its machine."""
    tails: dict[int, int] = {}
    following: dict[int, int] = {}
    for task in sorted(tasks, key=lambda task: task.start, reverse=True):
        behind = max((tails[piece] for piece in after[task.id]), default=0)
        tails[task.id] = following[task.machine] = task.end - task.start + max(behind, following.get(task.machine, 0))
    return [(task, tails[task.id]) for task in tasks]
