"""Hypothesis profiles (`HYPOTHESIS_PROFILE=nightly`: more examples), how JAX compiles tests, a pool of processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden plans anew; review the difference")


@pytest.fixture(scope="module")
def quickly_compiled() -> Iterator[None]:
    """JAX compiles without optimising, for hundreds of small programs that each run once."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def processes() -> Iterator[Executor]:
    """Two processes for all tests whose tasks end none of them."""
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        yield pool
