"""Systems of equations from MINPACK-2: the human heart dipole and the combustion of propane.

Written from the report's formulas and data, every variable a scalar. The published code of arXiv 2406.05027 has other
constants and leaves some out; the data of the report are used here.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

from bench.instances.functions.function import Function, scalars

SUMS = (-0.816, -0.017, -1.826, -0.754, -4.839, -3.259, -14.023, 15.467)
"""Measured moments of the dipole, experiment 0121a: x, y, A to F."""
P, R = 40.0, 10.0
"""Pressure in atmospheres, and air over fuel."""
K = {5: 0.193, 6: 2.597e-3, 7: 3.448e-3, 8: 1.799e-5, 9: 2.155e-4, 10: 3.846e-5}
"""Equilibrium constants of propane in air, by species."""


def heart_dipole(
    a: Array, b: Array, c: Array, d: Array, t: Array, u: Array, v: Array, w: Array
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array]:
    """Moments of two dipoles less the measured ones."""
    mx, my, sa, sb, sc, sd, se, sf = SUMS
    tt, uu, vv, ww = t * t, u * u, v * v, w * w
    tv, uw, t2, u2 = 2.0 * t * v, 2.0 * u * w, tt - vv, uu - ww
    t3, v3 = t * (tt - 3.0 * vv), v * (vv - 3.0 * tt)
    u3, w3 = u * (uu - 3.0 * ww), w * (ww - 3.0 * uu)
    return (
        a + b - mx,
        c + d - my,
        t * a + u * b - v * c - w * d - sa,
        v * a + w * b + t * c + u * d - sb,
        a * t2 - c * tv + b * u2 - d * uw - sc,
        c * t2 + a * tv + d * u2 + b * uw - sd,
        a * t3 + c * v3 + b * u3 + d * w3 - se,
        c * t3 - a * v3 + d * u3 - b * w3 - sf,
    )


def propane_full(
    x1: Array,
    x2: Array,
    x3: Array,
    x4: Array,
    x5: Array,
    x6: Array,
    x7: Array,
    x8: Array,
    x9: Array,
    x10: Array,
    x11: Array,
) -> tuple[Array, ...]:
    """Balances of atoms and equilibria of ten species in moles per mole of propane; x11 is their sum. Full form."""
    ratio = P / x11
    root = jnp.sqrt(ratio)
    return (
        x1 + x4 - 3.0,
        2.0 * x1 + x2 + x4 + x7 + x8 + x9 + 2.0 * x10 - R,
        2.0 * x2 + 2.0 * x5 + x6 + x7 - 8.0,
        2.0 * x3 + x9 - 4.0 * R,
        K[5] * x2 * x4 - x1 * x5,
        K[6] * jnp.sqrt(x2 * x4) - jnp.sqrt(x1) * x6 * root,
        K[7] * jnp.sqrt(x1 * x2) - jnp.sqrt(x4) * x7 * root,
        K[8] * x1 - x4 * x8 * ratio,
        K[9] * x1 * jnp.sqrt(x3) - x4 * x9 * root,
        K[10] * x1 * x1 - x4 * x4 * x10 * ratio,
        x11 - (x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10),
    )


def propane_reduced(x1: Array, x2: Array, x3: Array, x4: Array, x5: Array) -> tuple[Array, ...]:
    """The same equilibrium in five element variables: polynomials of degree at most three. Reduced form."""
    r5, r8, r10 = K[5], K[8] / P, K[10] / P
    r6, r7, r9 = (K[i] / math.sqrt(P) for i in (6, 7, 9))
    x12, x22, x33 = x1 * x2, x2 * x2, x3 * x3
    x233, x23, x24 = x2 * x33, r7 * x2 * x3, r9 * x2 * x4
    rest = x233 + x23 + x24 + r8 * x2
    return (
        x12 + x1 - 3.0 * x5,
        2.0 * x12 + x1 + 2.0 * r10 * x22 + rest - R * x5,
        2.0 * x233 + x23 + 2.0 * r5 * x33 + r6 * x3 - 8.0 * x5,
        x24 + 2.0 * x4 * x4 - 4.0 * R * x5,
        x12 + x1 + r10 * x22 + rest + r5 * x33 + r6 * x3 + x4 * x4 - 1.0,
    )


REPORT = "B. M. Averick et al., The MINPACK-2 Test Problem Collection, ANL/MCS-P153-0692 (1992), "

HEART_DIPOLE = Function(
    "heart-dipole",
    heart_dipole,
    scalars(-0.041, -0.775, 0.03, -0.047, -2.565, 2.565, -0.754, 0.754),
    (0, 1, 2, 3, 4, 5, 6, 7),
    REPORT + "human heart dipole; J. E. Dennis, D. M. Gay and P. A. Vu, A New Nonlinear Equations Test Problem (1983)",
    "8 x 8: residuals of eight scalars at the standard starting point",
)
PROPANE_FULL = Function(
    "propane-full",
    propane_full,
    scalars(
        *(5.0, 2.5, 5.0, 0.1, 0.05 * K[5], K[6] / math.sqrt(P), 50.0 * K[7] / math.sqrt(P), 1e3 * K[8] / P),
        *(500.0 * K[9] / math.sqrt(P), 5e4 * K[10] / P, 20.0),
    ),
    tuple(range(11)),
    REPORT + "combustion of propane, full formulation; K. Meintjes and A. P. Morgan, ACM TOMS 16 (1990) 143-151",
    "11 x 11: residuals of eleven scalars at the standard starting point",
)
PROPANE_REDUCED = Function(
    "propane-reduced",
    propane_reduced,
    scalars(0.005, 0.005, 0.05, 0.5, 0.05),
    (0, 1, 2, 3, 4),
    REPORT + "combustion of propane, reduced formulation; K. Meintjes and A. P. Morgan, ACM TOMS 16 (1990) 143-151",
    "5 x 5: residuals of five scalars at the standard starting point",
)
