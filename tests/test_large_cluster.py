"""Chains on workers of bounded memory that are processes of their own: right to the bit, and nothing moves twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["small-blocks", "small-wide", "small-tall", "small-sparse"])
def test_files_move_once_and_nothing_stays_with_the_scheduler_or_the_client(name: str) -> None:
    """The bench compares each result with one that it computes itself, and its exit code says whether all is well."""
    command = [sys.executable, "-m", "bench.large_cluster", name]
    found = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert name in found.stdout
