"""Sensitivities of an integrated ordinary differential equation: predators and prey by Runge and Kutta.

The same steps twice, in a `scan` and written out: what a planner sees of the one is a single operation, of the other
every operation of every step.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Function

SPAN = 4.0
"""Time that is integrated over."""
SCANNED, UNROLLED = 64, 8
"""Steps of the two variants."""


def rate(state: Array, parameters: Array) -> Array:
    """Growth of prey and predators for the rates of birth, capture, death and conversion. Lotka 1920, Volterra 1926."""
    prey, predators = state[0], state[1]
    birth, capture, death, conversion = parameters
    return jnp.stack([prey * (birth - capture * predators), predators * (conversion * prey - death)])


def rk4(state: Array, parameters: Array, step: float) -> Array:
    """One step of the classical method of order four. Hairer, Norsett and Wanner, section II.1, table 1.2."""
    k1 = rate(state, parameters)
    k2 = rate(state + 0.5 * step * k1, parameters)
    k3 = rate(state + 0.5 * step * k2, parameters)
    k4 = rate(state + step * k3, parameters)
    return state + step / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)


def lotka_volterra_scan(state: Array, parameters: Array) -> Array:
    """Prey and predators at the end, by 64 steps in a scan."""

    def step(now: Array, _: Any) -> tuple[Array, None]:
        return rk4(now, parameters, SPAN / SCANNED), None

    end: Array = jax.lax.scan(step, state, None, length=SCANNED)[0]
    return end


def lotka_volterra_unrolled(state: Array, parameters: Array) -> Array:
    """Prey and predators at the end, by 8 steps written out."""
    for _ in range(UNROLLED):
        state = rk4(state, parameters, SPAN / UNROLLED)
    return state


SOURCE = "V. Volterra, Nature 118 (1926) 558-560; E. Hairer, S. P. Norsett and G. Wanner, Solving ODEs I, section II.1"
START = (np.array([1.5, 1.0]), np.array([1.5, 1.0, 3.0, 1.0]))

LOTKA_VOLTERRA_SCAN = Function(
    "lotka-volterra-scan",
    lotka_volterra_scan,
    START,
    (0, 1),
    SOURCE,
    "2 x 6: the end by the start and four parameters, 64 steps in a scan",
)
LOTKA_VOLTERRA_UNROLLED = Function(
    "lotka-volterra-unrolled",
    lotka_volterra_unrolled,
    START,
    (0, 1),
    SOURCE,
    "2 x 6: the end by the start and four parameters, 8 steps written out",
)
