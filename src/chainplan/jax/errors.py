"""The error that the JAX front-end raises, and the reasons for which it takes another way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def refusals(mode: str) -> Iterator[None]:
    """Name what a mode raises a refusal of that mode: a rule of the user's own may raise anything.

    Nothing but JAX's own work in that mode belongs inside.
    """
    try:
        yield
    except Exception as error:
        raise ModeRefused(mode) from error


@contextmanager
def as_raised() -> Iterator[None]:
    """Raise in the place of a refusal that nothing else answers what the rule of the function raised."""
    try:
        yield
    except ModeRefused as refusal:
        raise (refusal.__cause__ or refusal) from None
