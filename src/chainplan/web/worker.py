"""Plans one spec in a process of its own, which reads the spec from standard input and writes JSON to standard output.

A search that does not end, or a graph that does not fit into memory, then ends with this process, and the server lives
on. Specs cannot name files here.
"""

from __future__ import annotations

import json
import os
import sys
from threading import Thread
from time import sleep
from typing import Any

WORKER_BUDGET_SECONDS = 3.0
"""Seconds that a search may take."""
WORKER_MEMORY_BYTES = 2 * 2**30
"""Bytes of address space that a planning process may take."""


def answer(text: str, budget: float = WORKER_BUDGET_SECONDS) -> dict[str, Any]:
    """Return what the page shows for a spec: `page` (HTML), or `error` (one line per error)."""
    from chainplan.errors import ChainplanError
    from chainplan.io.read import from_text
    from chainplan.planner import plan
    from chainplan.report.registry import render

    try:
        result = plan(from_text(text, "spec"), budget=budget)
        return {"page": render(result, "html")}
    except ChainplanError as error:
        return {"error": str(error)}
    except (MemoryError, RecursionError):
        return {
            "error": f"the spec takes more than {WORKER_MEMORY_BYTES // 2**30} GiB to plan here. "
            "Use 'chainplan plan' for it."
        }


def main() -> None:
    """Answer one spec, and end early if the parent process, whose number may be given, ends."""
    _limit_memory()
    if len(sys.argv) > 1:
        Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    json.dump(answer(sys.stdin.buffer.read().decode("utf-8", "replace")), sys.stdout)


def _end_with(parent: int) -> None:
    """End this process when its parent, which would otherwise end it in time, no longer exists."""
    while os.getppid() == parent:
        sleep(0.2)
    os._exit(1)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES))


if __name__ == "__main__":
    main()
