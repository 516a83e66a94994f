"""How matrix-free elementals are accumulated and runs of elementals swept: decided once in a search, in its time.

Orders of elimination, bounds and the plan that is written in the end all ask for the same colours, in different places.
Colouring a pattern may take a second, and a graph may have a thousand of them, so that the clock of the search decides
how many are coloured; all who ask within one search must get the same answer, or a plan would not cost what the search
says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar, cast

from chainplan.plans.compressed_sweep import CompressedSweep, closer, compressed, least_compressed
from chainplan.plans.sweep_colours import VectorPrices
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block

IMPROVING_SHARE = 0.3
"""Share of the time after which every further pattern gets the first colours that are found."""
COLOURING_SHARE = 0.6
"""Share of the time after which no further pattern is coloured."""
PARTS_SHARE = 0.3
"""Share of the time after which no further part of a graph is tried for a coloured sweep."""


class Accumulation(NamedTuple):
    """The way to accumulate a matrix-free elemental, its price in fma, and a lower bound on the price of every way."""

    price: int
    least: int
    how: Mode | CompressedSweep


SearchClock = Callable[[], float]
"""A function that returns the share of the time of a search that has gone by."""

DecidedAnswer = TypeVar("DecidedAnswer")


class _Decisions(NamedTuple):
    """What has been decided in a search, and its clock."""

    made: dict[Hashable, object]
    gone: SearchClock


_DECISIONS: ContextVar[_Decisions | None] = ContextVar("decisions on colours", default=None)


@contextmanager
def decided_once(gone: SearchClock) -> Iterator[None]:
    """Keep every answer of this module in this context; `gone` is the share of the time that has gone by."""
    token = _DECISIONS.set(_Decisions({}, gone))
    try:
        yield
    finally:
        _DECISIONS.reset(token)


def time_for_parts() -> bool:
    """Say whether the search has time to try further parts of a graph for a coloured sweep."""
    decisions = _DECISIONS.get()
    return decisions is None or decisions.gone() <= PARTS_SHARE


def accumulated(e: Elemental) -> Accumulation:
    """Choose how to accumulate a matrix-free elemental: by tangents, by adjoints or by a compressed sweep."""
    return _decided(("accumulated", e.name, e.block.mark, e.tangent, e.adjoint), lambda gone: _cheapest(e, gone))


def swept(run: Sequence[Elemental], block: Block, below: int, prices: VectorPrices) -> CompressedSweep | None:
    """Return a compressed sweep over a run that may cost less than `below` fma, None where there is none."""
    key = "swept", tuple(e.name for e in run), block.mark, below, prices
    return _decided(key, lambda gone: _swept(run, block, below, prices, gone))


def _decided(key: Hashable, decide: Callable[[SearchClock], DecidedAnswer]) -> DecidedAnswer:
    """Return the answer of the search to a question, which is worked out by its clock where it is new."""
    decisions = _DECISIONS.get()
    if decisions is None:
        return decide(lambda: 0.0)
    if key not in decisions.made:
        decisions.made[key] = decide(decisions.gone)
    return cast("DecidedAnswer", decisions.made[key])


def cheapest_mode(e: Elemental) -> Mode:
    """Return the mode that accumulates a matrix-free elemental for fewer fma, tangents where both cost the same."""
    return min((mode for mode in Mode if e.per_vector(mode) is not None), key=lambda mode: FMA.accumulate(e, mode))


def _cheapest(e: Elemental, gone: SearchClock) -> Accumulation:
    """Return the cheapest accumulation that is found in time, at least that by tangents or adjoints alone."""
    mode = cheapest_mode(e)
    price = FMA.accumulate(e, mode)
    if gone() > COLOURING_SHARE:
        return Accumulation(price, min(price, least_compressed(e)), mode)
    sweep = _swept((e,), e.block, price, (e.tangent, e.adjoint), gone)
    if sweep is None:
        return Accumulation(price, price, mode)
    return Accumulation(min(price, sweep.price), sweep.least, sweep if sweep.price < price else mode)


def _swept(
    run: Sequence[Elemental], block: Block, below: int, prices: VectorPrices, gone: SearchClock
) -> CompressedSweep | None:
    """Return a compressed sweep, of the first colours that are found once the time for better ones has gone by."""
    sweep = compressed(run, block, FMA, below, prices, lambda: gone() <= IMPROVING_SHARE)
    return sweep if sweep is None or gone() > IMPROVING_SHARE else closer(sweep, block, prices)
