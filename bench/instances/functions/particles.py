"""Forces and energies of particles that see their neighbours."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Float, Function, drawn


def lennard_jones(start: Float) -> Callable[[Array], Array]:
    """Of particles in space; pairs nearer than 2 at the start see each other. Lennard-Jones 1931."""
    apart = np.sum((start[:, None] - start[None]) ** 2, -1)
    i, j = np.nonzero(np.triu(apart < 4, 1))

    def energy(x: Array) -> Array:
        r2 = jnp.sum((x[i] - x[j]) ** 2, -1)
        return jnp.sum(r2**-6 - r2**-3)

    def forces(x: Array) -> Array:
        """The gradient of the energy by the places of all particles."""
        return jax.grad(energy)(x)

    return forces


def springs(moved: Array) -> Array:
    """Energy of a row of masses that are moved in the plane, each on a spring to the next, under gravity."""
    x = jnp.stack([1.1 * jnp.arange(len(moved)), jnp.zeros(len(moved))], -1) + moved
    lengths = jnp.sqrt(jnp.sum((x[1:] - x[:-1]) ** 2, -1))
    return 50.0 * jnp.sum((lengths - 1.0) ** 2) + 0.1 * jnp.sum(x[:, 1])


CRYSTAL: Float = 1.2 * np.indices((5, 5, 4)).reshape(3, 100).T.astype(np.float64)
"""A hundred places of a cubic grid."""

LENNARD_JONES = Function(
    "lennard-jones",
    lennard_jones(CRYSTAL),
    (CRYSTAL + drawn("lennard-jones", 100, 3, scale=0.1),),
    (0,),
    "J. E. Lennard-Jones, Proc. Physical Society 43 (1931) 461-482",
    "300 x 300: forces on 100 particles in space",
    group="real",
)
_MOVED = drawn("springs", 100, 2, scale=0.2)
_SPRINGS = "J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition (2006), section 1.1"
SPRINGS = (
    Function("springs", springs, (_MOVED,), (0,), _SPRINGS, "1 x 200: energy of 100 masses", "hessian", (1,)),
    Function("springs-sparse", springs, (_MOVED,), (0,), _SPRINGS, "1 x 200: the same", "sparse hessian", (1,)),
)
