"""Ctrl-C: the command ends at once, with one line, until there is something that has to be brought to an end first.

An exception raised in the middle of an import may come out as a traceback, or as another exception; so none is raised
before a search begins, which prints its best plan, or a file is written, which is removed.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

CODE = 130
"""The exit code of an interrupted command, as shells have it."""
WORDS = "interrupted"


def end_at_once() -> None:
    """From here on Ctrl-C ends the process; where it is ignored, as for a job in the background, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_signal: int, _frame: FrameType | None) -> None:
    os.write(2, f"chainplan: {WORDS}\n".encode())
    os._exit(CODE)
