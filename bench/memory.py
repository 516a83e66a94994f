"""The most memory that a process has held."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_memory() -> int:
    """The most KiB that this process has held.

    Linux carries `ru_maxrss` over from the process that started this one, but not `VmHWM`.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
