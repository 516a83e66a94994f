"""Blocks and states in files that other processes read: each file appears complete or not at all.

What is written may be a block in any form, or a state of whatever kind a primal chain makes, so that it is pickled.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from chainplan.errors import ExecutionError
from chainplan.kernels.storage import HeldValues


def write_value(path: Path, value: HeldValues) -> None:
    """Write a block or a state."""
    write_whole(path, lambda file: pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL))


def read_value(path: Path) -> HeldValues:
    """Read what was written.

    Raises
    ------
    ExecutionError
        Where the file is damaged or gone, or holds what this process cannot make again.
    """
    try:
        with path.open("rb") as file:
            return pickle.load(file)
    except Exception as error:
        raise ExecutionError(
            f"checkpoint: '{path}' cannot be read ({type(error).__name__}: {error}); expected a block that an earlier "
            "run has written. Remove the file, and run the plan again."
        ) from None


def write_whole(path: Path, write: Callable[[BinaryIO], object], *, fresh: bool = False) -> None:
    """Write a file that appears complete or not at all; a `fresh` one not where there is one, a FileExistsError."""
    own = path.with_name(f".{path.name}.{uuid4().hex[:12]}")
    try:
        with own.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if not fresh or not _linked(own, path):
            own.replace(path)
    except BaseException:
        own.unlink(missing_ok=True)
        raise


def _linked(own: Path, path: Path) -> bool:
    """Give a file a second name that no other one has, and take the first away; False where no file has two names."""
    try:
        os.link(own, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    own.unlink()
    return True
