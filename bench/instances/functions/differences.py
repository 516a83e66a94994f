"""Differential equations on grids, written as people write them: rolls, slices, concatenations."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Float, Function, drawn


def divergence(x: Array, k: Array) -> Array:
    """Of fluxes k times the slope of x between n cells in [0, 1]; none through the walls."""
    n = x.shape[0]
    flux = k * (x[1:] - x[:-1]) * n
    return jnp.concatenate([flux[:1] * n, (flux[1:] - flux[:-1]) * n, -flux[-1:] * n])


def battery(state: Array) -> Array:
    """One implicit step of an electrolyte: concentration, potential and temperature of n cells, strongly coupled.

    Conservation laws with a reaction in the manner of Butler and Volmer; harmonic means between cells. Newman and
    Thomas-Alyea 2004, chapters 8 and 12, simplified.
    """
    c, phi, t = jnp.split(state, 3)
    k = jnp.exp(-0.1 * t) * (1 + c**2)
    mean = 2 * k[1:] * k[:-1] / (k[1:] + k[:-1])
    j = jnp.sinh(0.5 * (phi - 0.3)) * jnp.sqrt(jnp.abs(c) + 1e-3)
    heat = divergence(t, jnp.ones(len(t) - 1)) + j * phi
    return jnp.concatenate([c - 1e-3 * (divergence(c, mean) - j), divergence(phi, mean) + j, t - 1e-3 * heat])


def minmod(x: Array, y: Array) -> Array:
    """The smaller slope of two, zero where they differ in sign. LeVeque 2002, section 6.9."""
    return jnp.where(x * y > 0, jnp.where(jnp.abs(x) < jnp.abs(y), x, y), 0.0)


def burgers_limited(u: Array) -> Array:
    """Burgers' equation on a ring by limited slopes and local Lax-Friedrichs fluxes. LeVeque 2002."""
    slope = minmod(jnp.roll(u, -1) - u, u - jnp.roll(u, 1))
    left, right = u + 0.5 * slope, jnp.roll(u - 0.5 * slope, -1)
    speed = jnp.maximum(jnp.abs(left), jnp.abs(right))
    flux = 0.25 * (left**2 + right**2) - 0.5 * speed * (right - left)
    return -(flux - jnp.roll(flux, 1)) / 0.01


def burgers(u: Array) -> Array:
    """Viscous Burgers' equation on a ring, central differences. Burgers 1948."""
    n, nu = u.shape[0], 0.01
    ahead, behind = jnp.roll(u, -1), jnp.roll(u, 1)
    return nu * (ahead - 2 * u + behind) * n * n - u * (ahead - behind) * (0.5 * n)


def brusselator(state: Array) -> Array:
    """Reaction and diffusion of two species on a square of cells that closes on itself. Prigogine and Lefever 1968."""
    u, v = state
    n = u.shape[0]

    def laplacian(x: Array) -> Array:
        around = jnp.roll(x, 1, 0) + jnp.roll(x, -1, 0) + jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1)
        return (around - 4 * x) * (0.002 * n * n)

    cubic = u * u * v
    return jnp.stack([1 + cubic - 4.4 * u + laplacian(u), 3.4 * u - cubic + laplacian(v)])


def waves(*shape: int) -> Float:
    """A smooth state for grids too large to be drawn number by number."""
    made: Float = 1.0 + 0.5 * np.sin(0.7 * np.arange(math.prod(shape), dtype=np.float64)).reshape(shape)
    return made


BATTERY = Function(
    "battery",
    battery,
    (0.6 + drawn("battery", 600, scale=0.4),),
    (0,),
    "J. Newman and K. E. Thomas-Alyea, Electrochemical Systems, 3rd edition (2004)",
    "600 x 600: concentration, potential and temperature of 200 cells",
    group="real",
)
BURGERS_LIMITED = Function(
    "burgers-limited",
    burgers_limited,
    (drawn("burgers-limited", 1000),),
    (0,),
    "R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapters 6 and 12",
    "1000 x 1000: rates of 1,000 cells by limited fluxes",
    batches=(1,),
    group="real",
)

_Call = Callable[[Array], Array]


def _sparse(name: str, call: _Call, state: Float, source: str, sizes: str) -> Function:
    return Function(name, call, (state,), (0,), source, sizes, "sparse", (1,), "sparse")


_BURGERS = "J. M. Burgers, Advances in Applied Mechanics 1 (1948) 171-199"
_BRUSSELATOR = "I. Prigogine and R. Lefever, J. Chemical Physics 48 (1968) 1695-1700"

BURGERS = Function(
    "burgers", burgers, (waves(1000),), (0,), _BURGERS, "1000 x 1000: rates on a ring of 1,000 points", batches=(1,)
)
SPARSE_GRIDS = (
    _sparse("burgers-1e3", burgers, waves(1000), _BURGERS, "1000 x 1000: rates on a ring"),
    _sparse("burgers-1e4", burgers, waves(10_000), _BURGERS, "10000 x 10000: rates on a ring"),
    _sparse("burgers-1e5", burgers, waves(100_000), _BURGERS, "100000 x 100000: rates on a ring"),
    _sparse("brusselator-1e3", brusselator, waves(2, 22, 22), _BRUSSELATOR, "968 x 968: two species on 22 x 22"),
    _sparse("brusselator-1e4", brusselator, waves(2, 71, 71), _BRUSSELATOR, "10082 x 10082: two species on 71 x 71"),
    _sparse("brusselator-1e5", brusselator, waves(2, 224, 224), _BRUSSELATOR, "100352 x 100352: on 224 x 224"),
)
"""Sparse Jacobians by size; the patterns have three, and six, entries in a row."""
