"""Objectives of minimisation: of sparse and of dense Hessians."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from bench.instances.functions.differences import waves
from bench.instances.functions.function import Function, drawn, weights


def rosenbrock(x: Array) -> Array:
    """The valley of Rosenbrock in any number of variables. More, Garbow and Hillstrom 1981, problem 21, chained."""
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def log_sum_exp(x: Array, w: Array) -> Array:
    """The smooth maximum of linear functions. Boyd and Vandenberghe 2004, section 3.1.5."""
    return jax.nn.logsumexp(w @ x)


_SOURCE = "J. J. More, B. S. Garbow and K. E. Hillstrom, ACM TOMS 7 (1981) 17-41"
ROSENBROCK = (
    Function("rosenbrock", rosenbrock, (waves(1000),), (0,), _SOURCE, "1 x 1000: chained valley", "hessian", (1,)),
    Function(
        "rosenbrock-sparse", rosenbrock, (waves(1000),), (0,), _SOURCE, "1 x 1000: the same", "sparse hessian", (1,)
    ),
)
LOG_SUM_EXP = Function(
    "log-sum-exp",
    log_sum_exp,
    (drawn("log-sum-exp/x", 100), weights("log-sum-exp/w", 300, 100)),
    (0,),
    "S. Boyd and L. Vandenberghe, Convex Optimization (2004), section 3.1.5",
    "1 x 100: smooth maximum of 300 linear functions",
    "hessian",
    (1,),
)
