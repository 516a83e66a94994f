"""What the JAX front-end raises, and what it tells itself."""

from __future__ import annotations

from chainplan.errors import ChainplanError


class DifferentiationError(ChainplanError, TypeError):
    """A function, or an argument of it, has no Jacobian; a TypeError, as `jax.jacrev` raises."""


class NotLinearised(Exception):
    """Why a function is left to JAX's own modes; caught by `jacobian`, which then uses them."""
