"""Elementwise right-hand sides on a grid between other maps: block-diagonal stages inside a reduction.

Every cell of the grid is on its own, so that the stage's Jacobian is as many small blocks as there are cells; forward
and reverse order drag whole rows or columns through each of its dozens of operations instead.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Float, Function, weights

BIRTH, CAPACITY = 0.6, 8.0
"""Growth rate and carrying capacity of the budworm, in units of its predators' appetite."""


def gate_rates(v: Array) -> tuple[tuple[Array, Array], tuple[Array, Array], tuple[Array, Array]]:
    """Rates of opening and closing of the gates n, m and h, in 1 / ms. Hodgkin and Huxley 1952, equations 12 to 24.

    `v` is the membrane's potential less that at rest, in millivolts, positive when depolarised (negative in the paper).
    Removable singularities at 10 and 25 stay where they are.
    """
    return (
        (0.01 * (10.0 - v) / (jnp.exp((10.0 - v) / 10.0) - 1.0), 0.125 * jnp.exp(-v / 80.0)),
        (0.1 * (25.0 - v) / (jnp.exp((25.0 - v) / 10.0) - 1.0), 4.0 * jnp.exp(-v / 18.0)),
        (0.07 * jnp.exp(-v / 20.0), 1.0 / (jnp.exp((30.0 - v) / 10.0) + 1.0)),
    )


def membrane(v: Array, n: Array, m: Array, h: Array) -> tuple[Array, Array, Array, Array]:
    """Rates of the potential and of the three gates, cell by cell. Hodgkin and Huxley 1952, equation 26 at 1 uF."""
    current = 36.0 * n**4 * (v + 12.0) + 120.0 * m**3 * h * (v - 115.0) + 0.3 * (v - 10.613)
    opening = [a * (1.0 - gate) - b * gate for (a, b), gate in zip(gate_rates(v), (n, m, h), strict=True)]
    return -current, opening[0], opening[1], opening[2]


def membrane_readout(v: Array, n: Array, m: Array, h: Array, projection: Array) -> Array:
    """A few linear readings of the rates of many membrane cells; `projection` is readings x 4 cells."""
    return projection @ jnp.concatenate(membrane(v, n, m, h))


def budworm(u: Array) -> Array:
    """Logistic growth less predation by birds that have enough at some point. Ludwig, Jones and Holling 1978."""
    return BIRTH * u * (1.0 - u / CAPACITY) - u * u / (1.0 + u * u)


def reduced_order(code: Array, basis: Array) -> Array:
    """A reduced model's right-hand side: project the elementwise rate of the lifted state onto the basis again.

    `basis` is cells x modes. The rate is the spruce budworm's. Chaturantabut and Sorensen 2010, section 2.
    """
    return basis.T @ budworm(basis @ code)


def _membrane_arguments(cells: int, readings: int) -> tuple[Float, ...]:
    where = np.linspace(0.0, 1.0, cells)
    v, n = 6.0 * np.sin(3.0 * where), 0.32 + 0.1 * where
    return v, n, 0.05 + 0.04 * where, 0.6 - 0.2 * where, weights("membrane/P", readings, 4 * cells)


MEMBRANE_READOUT = Function(
    "membrane-readout",
    membrane_readout,
    _membrane_arguments(64, 16),
    (0, 1, 2, 3),
    "A. L. Hodgkin and A. F. Huxley, J. Physiology 117 (1952) 500-544, equations 12 to 26",
    "16 x 256: 16 readings of 64 cells of four variables, the potential and three gates",
)
REDUCED_ORDER = Function(
    "reduced-order",
    reduced_order,
    (np.cos(np.arange(12.0)), np.linalg.qr(weights("reduced-order/V", 256, 12))[0] * 4.0),
    (0,),
    "S. Chaturantabut and D. C. Sorensen, SIAM J. Sci. Comput. 32 (2010) 2737-2764, section 2; D. Ludwig, D. D. Jones "
    "and C. S. Holling, J. Animal Ecology 47 (1978) 315-332",
    "12 x 12: twelve modes of 256 cells",
)
