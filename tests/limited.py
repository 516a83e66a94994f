"""Commands in a process that may take so much memory besides what the interpreter and the libraries take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CHILD = """
import contextlib, io, json, resource, sys
import chainplan, networkx, numpy, rich, scipy.sparse
from chainplan_cli.main import main
room, warm, *cases = json.load(sys.stdin)
def run(argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(argv)
    return code, out.getvalue() + err.getvalue()
assert run(warm)[0] == 0
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + room, taken + room))
print(json.dumps([run(argv) for argv in cases]))
"""

on_linux = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the memory of a process is not told")


def within(room: int, folder: Path, cases: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """Exit code and message of each command, run one after the other in one process with so much memory."""
    (folder / "warm.yaml").write_text("chain: [3, 2, 4]")
    given = json.dumps([room, ["run", str(folder / "warm.yaml")], *cases])
    found = subprocess.run([sys.executable, "-c", CHILD], input=given, capture_output=True, text=True, check=True)
    results: list[tuple[int, str]] = json.loads(found.stdout)
    return results
