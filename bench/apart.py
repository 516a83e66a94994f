"""Measurements in a process of their own: what it prints, line by line, with one thread in every library of numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from bench.instances import ROOT

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "BLIS", "VECLIB")}
"""Environment in which products run on one thread: with more, other load on the machine stalls every product."""


def printed_apart(
    module: str, suite: Any, environment: Mapping[str, str] = ONE_THREAD, options: tuple[str, ...] = ()
) -> Iterator[Any]:
    """Run a module on the JSON of a suite, and yield what each line that it prints says.

    Raises
    ------
    RuntimeError
        If the process fails.
    """
    command = [sys.executable, *options, "-m", module, json.dumps(asdict(suite))]
    paths = os.pathsep.join([*(str(ROOT / part) for part in ("src", "cli", "")), os.environ.get("PYTHONPATH", "")])
    given = {**os.environ, **environment, "PYTHONPATH": paths}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=given, cwd=ROOT) as process:
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
    if process.returncode:
        raise RuntimeError(f"the process that measures ended with code {process.returncode}")
