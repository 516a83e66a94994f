"""`python -m tests`: everything that must be green: lint, format, types, imports, tests, site. Arguments go to pytest.

The tests run on all processors and the slow checks beside them; with `-n 0` the tests run in one process, as a
debugger needs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
QUICK = (["ruff", "check", "."], ["ruff", "format", "--check", "."])
SLOW = (["mypy"], ["lint-imports"], ["mkdocs", "build", "--strict", "--quiet", "--site-dir", "build/site"])
TESTS = ["pytest", "-n", "logical", "--maxprocesses", "8", "--dist", "worksteal"]
"""Neighbours run in one process, for the sake of what a module makes once, until another process has nothing left."""


def main() -> int:
    """Run every check, also after one has failed, and return the number of failures."""
    failed = [" ".join(tool) for tool in QUICK if _announced(tool).wait()]
    slow = [_silent(tool) for tool in SLOW]
    tests = [*TESTS, *sys.argv[1:]]
    failed += [" ".join(tests)] if _announced(tests).wait() else []
    for tool, running in zip(SLOW, slow, strict=True):
        said, _ = running.communicate()
        print(f"== {' '.join(tool)}\n{said}", flush=True)
        failed += [" ".join(tool)] if running.returncode else []
    for name in failed:
        print(f"FAILED: {name}")
    return len(failed)


def _announced(tool: list[str]) -> subprocess.Popen[bytes]:
    print(f"== {' '.join(tool)}", flush=True)
    return subprocess.Popen(_command(tool), cwd=ROOT)


def _silent(tool: list[str]) -> subprocess.Popen[str]:
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    said, command = subprocess.PIPE, _command(tool)
    return subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, text=True, env=quiet)


def _command(tool: list[str]) -> list[str]:
    return [str(Path(sys.executable).parent / tool[0]), *tool[1:]]


if __name__ == "__main__":
    sys.exit(main())
