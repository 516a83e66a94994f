"""Objectives of minimisation whose Hessians are sparse."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from bench.instances.functions.differences import waves
from bench.instances.functions.function import Function


def rosenbrock(x: Array) -> Array:
    """The valley of Rosenbrock in any number of variables. More, Garbow and Hillstrom 1981, problem 21, chained."""
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


_SOURCE = "J. J. More, B. S. Garbow and K. E. Hillstrom, ACM TOMS 7 (1981) 17-41"
ROSENBROCK = (
    Function("rosenbrock", rosenbrock, (waves(1000),), (0,), _SOURCE, "1 x 1000: chained valley", "hessian", (1,)),
    Function(
        "rosenbrock-sparse", rosenbrock, (waves(1000),), (0,), _SOURCE, "1 x 1000: the same", "sparse hessian", (1,)
    ),
)
