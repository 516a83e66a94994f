"""The Helmholtz free energy of a mixed fluid in a unit volume, and its gradient, the chemical potentials."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Function, drawn, scalars

SPECIES = 8
ROOT = math.sqrt(2.0)


def helmholtz(moles: Array, attraction: Array, volumes: Array, thermal: Array) -> Array:
    """Free energy of `moles` of each species; `thermal` is the gas constant times the temperature.

    Griewank 1989: the ideal part in the free volume 1 - b'x, less x'Ax / (sqrt 8 b'x) times a logarithm.
    """
    filled = volumes @ moles
    ideal = thermal * jnp.sum(moles * jnp.log(moles / (1.0 - filled)))
    bound = moles @ (attraction @ moles) / (2.0 * ROOT * filled)
    return ideal - bound * jnp.log((1.0 + (1.0 + ROOT) * filled) / (1.0 + (1.0 - ROOT) * filled))


def potentials(moles: Array, attraction: Array, volumes: Array, thermal: Array) -> Array:
    """Chemical potentials: the gradient of the free energy by the moles; their Jacobian is its Hessian."""
    found: Array = jax.grad(helmholtz)(moles, attraction, volumes, thermal)
    return found


def _mixture() -> tuple[np.ndarray, ...]:
    pair = 1.0 + 0.4 * drawn("helmholtz/A", SPECIES, SPECIES)
    moles = 0.1 + 0.05 * drawn("helmholtz/x", SPECIES)
    volumes = 0.4 + 0.1 * drawn("helmholtz/b", SPECIES)
    return moles, 0.5 * (pair + pair.T), volumes, *scalars(1.3)


SOURCE = "A. Griewank, On Automatic Differentiation, in: Mathematical Programming (1989) 83-107, the Helmholtz energy"

HELMHOLTZ = Function(
    "helmholtz", helmholtz, _mixture(), (0,), SOURCE, "1 x 8: energy by the moles of eight species, one vector"
)
HELMHOLTZ_POTENTIALS = Function(
    "helmholtz-potentials",
    potentials,
    _mixture(),
    (0,),
    SOURCE + ", differentiated",
    "8 x 8: potentials of eight species by their moles, a vector each",
)
