"""Small examples that papers and textbooks of automatic differentiation explain themselves with."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Function, scalars


def simple(x: Array, y: Array) -> tuple[Array, Array]:
    """A product that two outputs share: xy + sin xy and log sin xy."""
    z = x * y
    w = jnp.sin(z)
    return w + z, jnp.log(w)


def baby(x1: Array, x2: Array) -> Array:
    """The evaluation that the first chapter of Griewank and Walther traces by hand."""
    ratio, power = x1 / x2, jnp.exp(x2)
    rest = ratio - power
    return (jnp.sin(ratio) + rest) * rest


def lighthouse(nu: Array, gamma: Array, omega: Array, t: Array) -> tuple[Array, Array]:
    """Where the beam of a turning lighthouse meets the quay y2 = gamma y1. Griewank and Walther, section 2.1."""
    tangent = jnp.tan(omega * t)
    y1 = nu * tangent / (gamma - tangent)
    return y1, gamma * y1


SIMPLE = Function(
    "simple",
    simple,
    scalars(1.1, 0.7),
    (0, 1),
    "J. Lohoff and E. Neftci, arXiv 2406.05027, an example of their published code",
    "2 x 2: two outputs of a product of two scalars",
)
BABY = Function(
    "baby",
    baby,
    scalars(1.5, 0.5),
    (0, 1),
    "A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition, table 1.1",
    "1 x 2: one output of two scalars",
)


def masked_log(x: Array) -> Array:
    """The logarithm where it exists, elsewhere 0."""
    return jnp.where(x > 0, jnp.log(x), 0.0)


LIGHTHOUSE = Function(
    "lighthouse",
    lighthouse,
    scalars(1.2, 1.5, 0.4, 0.9),
    (0, 1, 2, 3),
    "A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition, section 2.1",
    "2 x 4: a point on the quay by distance, slope, angular velocity and time",
)
MASKED_LOG = Function(
    "masked-log",
    masked_log,
    (np.array([-1.0, 0.5, 2.0]),),
    (0,),
    "The JAX authors, JAX's frequently asked questions (gradients that contain NaN where using where)",
    "3 x 3: a logarithm that is masked where it does not exist",
    group="real",
)
