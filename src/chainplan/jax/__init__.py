"""Jacobians of JAX functions by planned orders; needs the extra `chainplan[jax]`.

Nothing else of chainplan imports this package, so that planning does not pay for JAX.
"""

try:
    import jax as _jax  # noqa: F401
except ImportError as _error:
    from chainplan.errors import missing_extra as _missing_extra

    raise ImportError(_missing_extra("chainplan.jax", "JAX", "jax")) from _error

from chainplan.jax.chunks import jvp_chunks, vjp_chunks
from chainplan.jax.errors import DifferentiationError
from chainplan.jax.hessians import hessian
from chainplan.jax.inspection import explain, linearised_graph
from chainplan.jax.jacobians import jacobian
from chainplan.jax.least_squares import gauss_newton
from chainplan.jax.linear_operator import LinearizedOperator
from chainplan.jax.linearized import linearize

__all__ = [
    "DifferentiationError",
    "LinearizedOperator",
    "explain",
    "gauss_newton",
    "hessian",
    "jacobian",
    "jvp_chunks",
    "linearised_graph",
    "linearize",
    "vjp_chunks",
]
