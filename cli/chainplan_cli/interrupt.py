"""Ctrl-C ends the command at once, with one line, until there is something that has to be finished first.

An exception that is raised in the middle of an import may surface as a traceback or as another exception. So none is
raised before a search begins, which prints its best plan, or before a file is written, which is then removed.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPT_EXIT_CODE = 130
"""The exit code of an interrupted command, as in shells."""
INTERRUPT_WORDS = "interrupted"


def end_at_once() -> None:
    """Let Ctrl-C end the process from now on; where it is ignored, as for a job in the background, it stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again from now on."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_signal: int, _frame: FrameType | None) -> None:
    os.write(2, f"chainplan: {INTERRUPT_WORDS}\n".encode())
    os._exit(INTERRUPT_EXIT_CODE)
