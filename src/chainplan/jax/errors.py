"""What the JAX front-end raises, and what it tells itself."""

from __future__ import annotations

from chainplan.errors import ChainplanError


class DifferentiationError(ChainplanError, TypeError):
    """A function, or an argument of it, has no Jacobian; a TypeError, as `jax.jacrev` raises.

    Examples
    --------
    >>> import chainplan.jax
    >>> try:
    ...     chainplan.jax.jacobian(3)
    ... except chainplan.jax.DifferentiationError as error:
    ...     print(error)
    f: found 3; expected a function of arrays. Pass the function itself.
    """


class NotLinearised(Exception):
    """Why a function is left to JAX's own modes; caught by `jacobian`, which then uses them."""
