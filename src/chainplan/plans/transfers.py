"""What moving blocks between machines takes, where their bandwidth is given in bytes per second.

A block of n nonzeros takes 8·n bytes, and every machine that reads it gets it once, straight after it has been made;
transfers do not hinder one another. Elementals are given on every machine, and free steps (loads, seeds, products with
a unit block) are carried out where their result is read, from blocks that were moved there. This is the model of
Topcuoglu, Hariri & Wu, *Performance-effective and low-complexity task scheduling for heterogeneous computing*, IEEE
TPDS 2002, section 2, on machines that are all alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chainplan._util.bytesize import BYTES_PER_ELEMENT
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Plan

NANOSECONDS_PER_SECOND = 10**9


class Transfer(NamedTuple):
    """The block of step `id`, of so many bytes, on its way to `machine` from `start` to `end`."""

    id: int
    machine: int
    start: int
    end: int
    size: int


def block_bytes(candidate: Candidate) -> list[int]:
    """The bytes of the block of every step."""
    return [BYTES_PER_ELEMENT * typed.block.nnz for typed in candidate.replay.blocks]


def transfer_times(candidate: Candidate, bandwidth: int) -> list[int]:
    """The nanoseconds that the block of every step takes from one machine to another, rounded up."""
    return [-(-size * NANOSECONDS_PER_SECOND // bandwidth) for size in block_bytes(candidate)]


def sources(plan: Plan, prices: Sequence[int]) -> list[tuple[int, ...]]:
    """For each step the steps with a price whose blocks it is made from, through free steps."""
    made: list[tuple[int, ...]] = []
    result = []
    for position, step in enumerate(plan.steps):
        needs = tuple(sorted({source for operand in step.operands() for source in made[operand]}))
        result.append(needs)
        made.append((position,) if prices[position] else needs)
    return result


def transfers(candidate: Candidate, tasks: Mapping[int, tuple[int, int]], bandwidth: int) -> list[Transfer]:
    """The transfers of a schedule, by their start; `tasks` says on which machine every step runs and when it ends."""
    prices, times, sizes = candidate.priced.prices, transfer_times(candidate, bandwidth), block_bytes(candidate)
    needs = sources(candidate.plan, prices)
    moved = {(s, tasks[t][0]) for t in tasks for s in needs[t] if tasks[s][0] != tasks[t][0]}
    found = [Transfer(s, to, tasks[s][1], tasks[s][1] + times[s], sizes[s]) for s, to in moved]
    return sorted(found, key=lambda one: (one.start, one.id, one.machine))
