"""Layers that solve an equation: their derivative is that of the equation, by the implicit function theorem.

Differentiating the iteration would be the longer way; the equilibrium layer has a derivative rule of its own, the
network of resistors is one call of `solve`, which has one in JAX.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Float, Function, drawn, weights

ITERATIONS = 100


def _iterated(recurrent: Array, drive: Array) -> Array:
    """The z with z = tanh(recurrent z + drive), by iteration; `recurrent` must be a contraction."""

    def step(_: int, z: Array) -> Array:
        return jnp.tanh(recurrent @ z + drive)

    found: Array = jax.lax.fori_loop(0, ITERATIONS, step, jnp.zeros_like(drive))
    return found


def _equilibrium_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    """(I - D W) dz = D (dW z + db), with D the diagonal of 1 - z^2. Bai et al. 2019, theorem 1."""
    recurrent, drive = primals
    z = equilibrium(recurrent, drive)
    slope = 1.0 - z * z
    system = jnp.eye(z.size, dtype=z.dtype) - slope[:, None] * recurrent
    return z, jnp.linalg.solve(system, slope * (tangents[0] @ z + tangents[1]))


equilibrium: Any = jax.custom_jvp(_iterated)
"""`_iterated` with the rule of the implicit function."""
equilibrium.defjvp(_equilibrium_jvp)


def equilibrium_layer(x: Array, recurrent: Array, inward: Array, outward: Array) -> Array:
    """Read an input into a deep equilibrium and a few outputs out of it. Bai et al. 2019, section 3."""
    found: Array = outward @ equilibrium(recurrent, inward @ x)
    return found


def resistor_network(conductances: Array, incidence: Array, currents: Array, readings: Array) -> Array:
    """Readings of the potentials p of a network of resistors: A' C A p = f.

    `incidence` A is resistors x nodes without the grounded one, `currents` f by node, `readings` rows x nodes.
    Strang, section 2.3.
    """
    stiffness = incidence.T @ (conductances[:, None] * incidence)
    return readings @ jnp.linalg.solve(stiffness, currents)


def ladder(nodes: int) -> Float:
    """Incidence of a ladder: from each node to the one before, the first to ground, and to the one two before."""
    short = np.eye(nodes) - np.eye(nodes, k=-1)
    long = np.eye(nodes)[2:] - np.eye(nodes, k=-2)[2:]
    return np.concatenate([short, long])


def _contraction(name: str, size: int) -> Float:
    drawn_weights = weights(name, size, size)
    return 0.6 * drawn_weights / float(np.linalg.norm(drawn_weights, 2))


EQUILIBRIUM_LAYER = Function(
    "equilibrium-layer",
    equilibrium_layer,
    (
        drawn("equilibrium/x", 12),
        _contraction("equilibrium/W", 32),
        weights("equilibrium/U", 32, 12),
        weights("equilibrium/V", 4, 32),
    ),
    (0,),
    "S. Bai, J. Z. Kolter and V. Koltun, Deep Equilibrium Models, NeurIPS 2019, section 3",
    "4 x 12: four outputs by the input, through an equilibrium of 32",
)
RESISTOR_NETWORK = Function(
    "resistor-network",
    resistor_network,
    (1.0 + 0.5 * drawn("resistor/c", 30), ladder(16), drawn("resistor/f", 16), weights("resistor/P", 4, 16)),
    (0,),
    "G. Strang, Introduction to Applied Mathematics (1986), section 2.3",
    "4 x 30: four readings by 30 conductances, through a linear system of 16",
)
