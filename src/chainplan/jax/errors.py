"""The error that the JAX front-end raises, and the reasons for which it takes another way."""

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
    """The reason why a function is left to JAX's own modes; `jacobian` catches it and uses them."""


class ModeRefused(Exception):
    """A mode of JAX that a function does not have; its cause is what a rule of the function raised."""
