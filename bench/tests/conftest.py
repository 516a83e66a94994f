"""What tests of several suites need."""

from __future__ import annotations

import pytest


@pytest.fixture
def charts() -> None:
    """A test that draws charts is skipped where matplotlib is not installed."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; pip install '.[bench]'")
