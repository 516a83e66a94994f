"""Other programs that place checkpoints, asked for what ours are: `python -m bench.checkpoint_peers` prints both.

All count the evaluations of equal steps beyond those that record a tape, for so many checkpoints, the initial state
among them; on two levels the prices of transfers come on top. What is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from chainplan.solvers.checkpoint import forward_steps
from chainplan.solvers.checkpoint.reversal_chain import ExtensionWay, ReversalChain
from chainplan.solvers.checkpoint.two_levels import TwoLevels
from chainplan.structures import Block

ONE_LEVEL_CASES = ((10, 3), (50, 5), (100, 10), (300, 7))
"""Steps and checkpoints in memory."""
TWO_LEVEL_CASES = ((8, 2, 1), (20, 3, 2), (30, 3, 5), (30, 4, 1), (50, 4, 3))
"""Steps, checkpoints in memory, price of a transfer."""
SLOTS_ON_DISK = 3


class PeerCase(NamedTuple):
    """A case with our count and that of a peer."""

    case: str
    peer: str
    ours: int
    theirs: int


def compared() -> Iterator[PeerCase]:
    """Every case with every peer that is installed."""
    for steps, slots in ONE_LEVEL_CASES:
        ours, case = forward_steps(steps, slots) - steps, f"{steps} steps, {slots} checkpoints"
        if find_spec("checkpoint_schedules"):
            yield PeerCase(case, "checkpoint_schedules Revolve", ours, _listed("Revolve", steps, slots))
        if find_spec("pyrevolve"):
            yield PeerCase(case, "pyrevolve", ours, import_module("pyrevolve").crevolve.numforw(steps, slots))
    for steps, slots, move in TWO_LEVEL_CASES if find_spec("checkpoint_schedules") else ():
        case, price = f"{steps} steps, {slots} checkpoints, transfers {move}", {"wd": move, "rd": move}
        for name, on_disk, more in (("DiskRevolve", steps + 1, ()), ("HRevolve", SLOTS_ON_DISK, (SLOTS_ON_DISK,))):
            theirs = _listed(name, steps, slots, *more, move=move, **price)
            yield PeerCase(case, f"checkpoint_schedules {name}", two_level_price(steps, slots, on_disk, move), theirs)


def two_level_price(steps: int, slots: int, on_disk: int, move: int) -> int:
    """Our price on two levels where the initial state takes a slot, or is on disk, as the peers count.

    With us the input is free. So a step goes before the others that is too dear to be evaluated twice.
    """
    dear = 10**6
    ways = tuple(ExtensionWay(0, 2, None) for _ in range(steps + 1))
    chain = ReversalChain((dear, *[1] * steps), (0, *[1] * steps, 0), (Block(1, 0),) * (steps + 1), ways)
    price = TwoLevels(chain, slots + 2, on_disk, move).price
    assert price is not None, "an empty memory is enough"
    return price - dear


def _listed(name: str, steps: int, *slots: int, move: int = 0, **prices: int) -> int:
    """The price of a schedule of checkpoint_schedules, by its list of actions."""
    module = import_module("checkpoint_schedules")
    return _price(module, getattr(module, name)(steps, *slots, **prices), move) - steps


def _price(module: Any, actions: Iterable[Any], move: int) -> int:
    disk, price = module.StorageType.DISK, 0
    for action in actions:
        if isinstance(action, module.EndReverse):
            break
        if isinstance(action, module.Forward):
            price += action.n1 - action.n0 + (move if action.write_ics and action.storage == disk else 0)
        elif isinstance(action, module.Copy | module.Move) and action.from_storage == disk:
            price += move
    return price


def table(say: Callable[[str], None] = print) -> None:
    """Print every case: ours, theirs."""
    for case, peer, ours, theirs in compared():
        say(f"{case:40} {ours:6,} {theirs:6,}  {peer}")


if __name__ == "__main__":
    table()
