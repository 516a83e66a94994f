"""Roe's flux between two states of an ideal gas, in one and in three dimensions.

Written from the paper with the wave strengths in the differences of density, velocity and pressure, without an entropy
fix: smooth wherever no wave stands still. The arguments are conserved variables, as a finite-volume code has them.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Function, scalars

GAMMA = 1.4
"""Ratio of specific heats of air."""


def pressure(density: Array, momentum: Array, energy: Array) -> Array:
    """Pressure of an ideal gas from its conserved variables per unit volume."""
    return (GAMMA - 1.0) * (energy - 0.5 * jnp.sum(momentum**2) / density)


def flux_1d(density: Array, momentum: Array, energy: Array) -> tuple[Array, Array, Array]:
    """The Euler equations' flux of mass, momentum and energy."""
    p, u = pressure(density, momentum, energy), momentum / density
    return momentum, momentum * u + p, u * (energy + p)


def roe_1d(
    density_l: Array, momentum_l: Array, energy_l: Array, density_r: Array, momentum_r: Array, energy_r: Array
) -> tuple[Array, Array, Array]:
    """Roe's flux from the state on the left to the state on the right: half the sum less half the waves.

    Averages: Roe 1981; Toro, section 11.2.2. Wave strengths and eigenvectors: Toro, section 11.3.3.
    """
    p_l, p_r = pressure(density_l, momentum_l, energy_l), pressure(density_r, momentum_r, energy_r)
    u_l, u_r = momentum_l / density_l, momentum_r / density_r
    root_l, root_r = jnp.sqrt(density_l), jnp.sqrt(density_r)
    u = (root_l * u_l + root_r * u_r) / (root_l + root_r)
    h = ((energy_l + p_l) / root_l + (energy_r + p_r) / root_r) / (root_l + root_r)
    a2 = (GAMMA - 1.0) * (h - 0.5 * u * u)
    a = jnp.sqrt(a2)

    jump, push = p_r - p_l, root_l * root_r * a * (u_r - u_l)
    left = jnp.abs(u - a) * (jump - push) / (2.0 * a2)
    middle = jnp.abs(u) * (density_r - density_l - jump / a2)
    right = jnp.abs(u + a) * (jump + push) / (2.0 * a2)
    return (
        0.5 * (momentum_l + momentum_r - (left + middle + right)),
        0.5 * (momentum_l * u_l + p_l + momentum_r * u_r + p_r - (left * (u - a) + middle * u + right * (u + a))),
        0.5
        * (
            u_l * (energy_l + p_l)
            + u_r * (energy_r + p_r)
            - (left * (h - u * a) + middle * 0.5 * u * u + right * (h + u * a))
        ),
    )


def flux_3d(density: Array, momentum: Array, energy: Array) -> tuple[Array, Array, Array]:
    """The Euler equations' flux along the first axis; momentum has three components."""
    p, u = pressure(density, momentum, energy), momentum[0] / density
    return momentum[0], momentum * u + p * jnp.array([1.0, 0.0, 0.0]), u * (energy + p)


def roe_3d(
    density_l: Array, momentum_l: Array, energy_l: Array, density_r: Array, momentum_r: Array, energy_r: Array
) -> tuple[Array, Array, Array]:
    """Roe's flux along the first axis; momenta, and the second output, have three components.

    As in one dimension, with two shear waves that carry the transversal velocity. Toro, section 11.3.3.
    """
    p_l, p_r = pressure(density_l, momentum_l, energy_l), pressure(density_r, momentum_r, energy_r)
    v_l, v_r = momentum_l / density_l, momentum_r / density_r
    root_l, root_r = jnp.sqrt(density_l), jnp.sqrt(density_r)
    v = (root_l * v_l + root_r * v_r) / (root_l + root_r)
    h = ((energy_l + p_l) / root_l + (energy_r + p_r) / root_r) / (root_l + root_r)
    u, q2 = v[0], jnp.sum(v * v)
    a2 = (GAMMA - 1.0) * (h - 0.5 * q2)
    a = jnp.sqrt(a2)

    jump, steps, density = p_r - p_l, v_r - v_l, root_l * root_r
    left = jnp.abs(u - a) * (jump - density * a * steps[0]) / (2.0 * a2)
    middle = jnp.abs(u) * (density_r - density_l - jump / a2)
    right = jnp.abs(u + a) * (jump + density * a * steps[0]) / (2.0 * a2)
    shear = jnp.abs(u) * density * steps[1:]

    mass_l, push_l, power_l = flux_3d(density_l, momentum_l, energy_l)
    mass_r, push_r, power_r = flux_3d(density_r, momentum_r, energy_r)
    waves = left + middle + right
    along = waves * u + (right - left) * a
    across = waves * v[1:] + shear
    power = waves * h - middle * (h - 0.5 * q2) + (right - left) * u * a + jnp.sum(shear * v[1:])
    push = jnp.concatenate([along[None], across])
    return 0.5 * (mass_l + mass_r - waves), 0.5 * (push_l + push_r - push), 0.5 * (power_l + power_r - power)


ROE_1D = Function(
    "roe-1d",
    roe_1d,
    scalars(1.0, 0.75, 2.78125, 0.125, 0.0125, 0.250625),
    (0, 1, 2, 3, 4, 5),
    "P. L. Roe, J. Comput. Phys. 43 (1981) 357-372; E. F. Toro, Riemann Solvers, sections 11.2.2 and 11.3.3",
    "3 x 6: three fluxes of two states of three conserved variables, all of them scalars",
)
ROE_3D = Function(
    "roe-3d",
    roe_3d,
    (
        *(np.array(1.0), np.array([0.75, 0.2, -0.1]), np.array(2.80625)),
        *(np.array(0.125), np.array([0.0125, -0.02, 0.03]), np.array(0.255825)),
    ),
    (0, 1, 2, 3, 4, 5),
    "P. L. Roe, J. Comput. Phys. 43 (1981) 357-372; E. F. Toro, Riemann Solvers, sections 11.2.2 and 11.3.3",
    "5 x 10: five fluxes of two states of five conserved variables, the momenta as vectors",
)
