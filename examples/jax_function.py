"""Three residual layers through few hidden units, as a JAX function: a Jacobian that neither mode finds cheaply.

    chainplan plan jax_function:model --args 'f64[64] f64[2,64] f64[64,2]'

A layer's Jacobian is the identity plus a product of rank two. `chainplan compare` and `chainplan explain` take the
function in the same way; `chainplan.jax.jacobian(model)` computes the Jacobian by the plan.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def model(x: Any, w: Any, v: Any) -> Any:
    """Three times x + v tanh(w x), for x of n entries, w of k x n and v of n x k."""
    for _ in range(3):
        x = x + v @ jnp.tanh(w @ x)
    return x
